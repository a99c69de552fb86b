"""From corrected texts to an overlay, field by field, through the gates.

For each field several choices are tried, from bold to careful: a head at full, half and quarter strength with the
memory of corrected texts, then the memory alone. Each is judged on corrections that it has not seen (folds over
items) and on our own evaluation set. Of those that pass, the one with the least log loss on the held-out
corrections is used; where none passes, the field stays at the default, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from nlp.model import Vectors
from nlp.overlay import Axes, Head, Memory, Near, Overlay, Reach, compare, memory_shift
from nlp.overlay import Rows as Matrix
from service.learn.fit import fit_head
from service.learn.gates import Judged, judge, objections
from service.learn.reference import Reference, Seen

FOLDS: Final = 5
STRENGTHS: Final = (1.0, 0.5, 0.25)
HEAD_EXAMPLES: Final = 20
"""A head needs so many corrections of its field; fewer are only remembered."""

LEAST_SPREAD: Final = 1e-4
"""Of closeness, so that texts all alike do not make the reach a cliff."""

Labels = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class FieldResult:
    """What became of one field."""

    field: str
    head: Head | None
    remembered: bool
    strength: float
    """Of the head; 0 where only corrected texts are remembered, or nothing was learnt."""
    reason: str | None
    """Why the field stays at the default, or at less than full strength."""
    held_out: list[Judged]
    evaluation: list[Judged]

    @property
    def adopted(self) -> bool:
        """Whether anything of this field is used."""
        return self.remembered or self.head is not None

    def document(self) -> dict[str, Any]:
        """For reports."""
        return {
            "adopted": self.adopted,
            "strength": self.strength,
            "remembered": self.remembered,
            "reason": self.reason,
            "corrections": self.held_out[0].document() | {"labels": [one.document() for one in self.held_out[1:]]},
            "evaluation": self.evaluation[0].document()
            | {"labels": [one.document() for one in self.evaluation[1:]]},
        }


@dataclass(frozen=True, slots=True)
class _Choice:
    """A way to use what one field's corrections say."""

    strength: float
    held_out: Matrix
    """Shifts of ln p of corrections that were not learnt from."""
    evaluation: Matrix


@dataclass(frozen=True, slots=True)
class _View:
    """How corrections lie to one another and our own evaluation set to them."""

    folds: npt.NDArray[np.int64]
    near: Near
    near_own: Near
    reach: Reach
    share: Matrix
    """One column: the reach at each correction, known from the other folds."""
    share_own: Matrix


def learn(
    corrected: Seen,
    items: npt.NDArray[np.int64],
    reference: Reference,
    labels: dict[str, tuple[str, ...]],
    *,
    base: str,
) -> tuple[Overlay, list[FieldResult]]:
    """The overlay that corrections ask for and the gates allow, and what became of each field.

    `items` are the ids of the items that the rows of `corrected` are of; `labels` is field to labels in order.
    """
    axes = reference.axes
    centred = axes.centred(corrected.vectors)
    memory = Memory(centred, corrected.labels, items)
    view = _view(axes, centred, _folds(items), reference)
    results = [_learn_field(field, corrected, view, reference, axes, labels[field]) for field in labels]
    overlay = Overlay(
        base=base,
        number=0,  # given when it is published
        axes=axes,
        heads={result.field: result.head for result in results if result.head is not None},
        remembered=frozenset(result.field for result in results if result.remembered),
        memory=memory,
        reach=view.reach,
    )
    return overlay, results


def _view(axes: Axes, centred: Vectors, folds: npt.NDArray[np.int64], reference: Reference) -> _View:
    """What is held out is compared with the other folds only.

    The reach is that of the two-class discriminant with one variance (Fisher 1936): how close corrected texts lie
    to one another, against how close our own texts of other businesses lie to them.
    """
    near, _ = compare(centred, centred)
    between = near.tocoo()
    apart = folds[between.row] != folds[between.col]
    closeness = np.zeros(len(centred))
    for fold in np.unique(folds):
        out = folds == fold
        closeness[out] = compare(centred[out], centred[~out])[1]
    elsewhere = compare(axes.centred(reference.replay.vectors), centred)[1]
    near_own, closeness_own = compare(axes.centred(reference.evaluation.vectors), centred)
    spread = np.concatenate([closeness - closeness.mean(), elsewhere - elsewhere.mean()])
    slope = max(0.0, float(closeness.mean() - elsewhere.mean()) / (float((spread**2).mean()) + LEAST_SPREAD))
    reach = Reach((float(closeness.mean()) + float(elsewhere.mean())) / 2, slope)
    return _View(
        folds,
        sparse.csr_matrix((between.data[apart], (between.row[apart], between.col[apart])), shape=near.shape),
        near_own,
        reach,
        reach.share(closeness)[:, None],
        reach.share(closeness_own)[:, None],
    )


def _folds(items: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """A fold per row, the texts of one item in one; the same at every call."""
    _, places = np.unique(items, return_inverse=True)
    order = np.random.default_rng(0).permutation(int(places.max()) + 1 if len(places) else 0)
    return np.asarray(order[places] % FOLDS)


def _learn_field(
    field: str,
    corrected: Seen,
    view: _View,
    reference: Reference,
    axes: Axes,
    names: tuple[str, ...],
) -> FieldResult:
    said = corrected.labels[field] >= 0
    mine, fold = corrected.some(said), view.folds[said]
    truth, count = mine.labels[field], len(names)
    judged = reference.evaluation
    of_memory = {
        "held_out": memory_shift(view.near[said][:, said], truth, count),
        "evaluation": memory_shift(view.near_own[:, said], truth, count),
    }
    choices = [_Choice(0.0, of_memory["held_out"], of_memory["evaluation"])]
    head = None
    if len(truth) >= HEAD_EXAMPLES:
        head, held_out, evaluation = _head(field, mine, fold, reference, axes)
        choices = [
            _Choice(
                strength,
                strength * view.share[said] * held_out + of_memory["held_out"],
                strength * view.share_own * evaluation + of_memory["evaluation"],
            )
            for strength in STRENGTHS
        ] + choices
    default = mine.chances[field].astype(np.float64)
    own = judged.chances[field].astype(np.float64)
    found: list[tuple[float, _Choice, list[Judged], list[Judged], list[str]]] = []
    for choice in choices:
        on_held_out = judge(truth, _best(default), _best(default + choice.held_out), names)
        on_own = judge(judged.labels[field], _best(own), _best(own + choice.evaluation), names)
        gain = _gain(default, choice.held_out, truth)
        against = [*objections(on_own, "our evaluation set"), *objections(on_held_out, "held-out corrections")]
        if choice.strength and gain <= 0:
            against.append("corrections that were held out are not told better with it")
        if on_held_out[0].after < on_held_out[0].before:
            against.append("fewer held-out corrections are right with it")
        found.append((gain, choice, on_held_out, on_own, against))
    passing = [one for one in found if not one[4]]
    if not len(truth):
        nothing = judge(truth, truth, truth, names)
        unchanged = judge(judged.labels[field], _best(own), _best(own), names)
        return FieldResult(field, None, False, 0.0, "nobody corrected this field", nothing, unchanged)
    if not passing:
        _, _, on_held_out, on_own, against = found[0]
        return FieldResult(field, None, False, 0.0, "; ".join(against), on_held_out, on_own)
    _, choice, on_held_out, on_own, _ = max(passing, key=lambda one: one[0])
    reason = None
    if head is None:
        reason = f"{len(truth)} corrections: from {HEAD_EXAMPLES} on more is learnt than these texts"
    elif choice.strength < 1 and found[0][4]:
        reason = "; ".join(found[0][4])
    scaled = None
    if head is not None and choice.strength:
        scaled = Head(np.float32(choice.strength) * head.weights, np.float32(choice.strength) * head.bias)
    return FieldResult(field, scaled, True, choice.strength, reason, on_held_out, on_own)


def _head(
    field: str, mine: Seen, fold: npt.NDArray[np.int64], reference: Reference, axes: Axes
) -> tuple[Head, Matrix, Matrix]:
    """The head of all corrections; shifts of held-out ones by heads of the others; shifts of our own set."""

    def features(seen: Seen) -> Matrix:
        return axes.features(seen.vectors, np.exp(seen.chances[field]))

    rows, offsets, truth = features(mine), mine.chances[field], mine.labels[field]
    replay = features(reference.replay), reference.replay.chances[field]
    held_out = np.zeros((len(rows), offsets.shape[1]))
    for number in np.unique(fold):
        out = fold == number
        if not out.all():
            held_out[out] = fit_head(rows[~out], offsets[~out], truth[~out], *replay).shift(rows[out])
    head = fit_head(rows, offsets, truth, *replay)
    return head, held_out, head.shift(features(reference.evaluation))


def _best(scores: Matrix) -> Labels:
    return np.asarray(scores.argmax(axis=1), dtype=np.int16)


def _gain(default: Matrix, shift: Matrix, truth: Labels) -> float:
    """By how much the mean log loss falls."""

    def loss(scores: Matrix) -> float:
        top = scores.max(axis=1, keepdims=True)
        logs = scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
        return -float(logs[np.arange(len(truth)), truth].mean()) if len(truth) else 0.0

    return loss(default) - loss(default + shift)
