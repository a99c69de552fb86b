"""What a workspace has learnt: small corrections on top of the frozen default model, field by field.

The default model says p. An overlay adds to ln p, label by label,

    share · (W · [directions · (v - mean), p] + b)  +  MEMORY_WEIGHT · nearness to a corrected text

with v the model's vector of the text (see `nlp.model.Look`). W and b are learnt from corrections and held near 0,
so that few corrections move little. The share, from 0 to 1, says how like the corrected texts the text is: what
was learnt from one kind of text leaves others alone. The nearness to a corrected text with that label grows from 0
at the cosine NEAR to 1 at 1, taken at the nearest, so that a corrected text and its near-duplicates are right at
once. An overlay fits one version of the default model and holds numbers only; it is read without running any code.
"""

import copy
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import expit

from nlp.calibrate import Calibration, FieldCalibration
from nlp.heads import Scores
from nlp.model import Look, Model, Vectors, unit_rows
from nlp.pipeline import Pipeline

FORMAT: Final = 1
NEAR: Final = 0.85
"""From this cosine (of vectors less the mean) a text is near a corrected one. Measured on texts of our own: from
here on the nearest text's label is right as often as the model's, below less often."""
MEMORY_WEIGHT: Final = 8.0
"""Added to ln p for the very same text: more than nearly any doubt of the model."""
LEAST_CHANCE: Final = 1e-9

Rows = npt.NDArray[np.float64]
NEAREST: Final = 3
"""So many corrected texts tell how like them a text is."""
Values = npt.NDArray[np.float64]
"""One number a text."""
Near = Any
"""scipy's CSR matrix (texts × corrected texts), 0 to 1, hardly anything but zeros. scipy ships no types."""
_BLOCK_ROWS = 256

LogChances = npt.NDArray[np.float32]
"""ln p (texts × labels) of one field."""


class OverlayError(ValueError):
    """An overlay cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Axes:
    """How vectors become features: the directions in which the texts of a model differ most."""

    mean: npt.NDArray[np.float32]
    directions: npt.NDArray[np.float32]
    """Width of a vector × number of features; scaled so that the features of a text have about length one."""

    def features(self, vectors: Vectors, chances: npt.NDArray[np.floating]) -> Rows:
        """What W is applied to: the directions, then the default model's probabilities of the field."""
        rows = (vectors.astype(np.float64) - self.mean) @ self.directions.astype(np.float64)
        return np.concatenate([rows, chances.astype(np.float64)], axis=1)

    def centred(self, vectors: Vectors) -> Vectors:
        """Rows of length one around the mean: what nearness is measured in."""
        return unit_rows(vectors.astype(np.float64) - self.mean)


@dataclass(frozen=True, slots=True)
class Head:
    """One field's W (features × labels) and b, the strength multiplied in."""

    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]

    def shift(self, features: Rows) -> Rows:
        """What is added to ln p."""
        return np.asarray(features @ self.weights.astype(np.float64) + self.bias)


@dataclass(frozen=True)
class Memory:
    """Corrected texts: vectors and labels, no words."""

    vectors: Vectors
    """Of length one around the mean (see Axes.centred)."""
    labels: Mapping[str, npt.NDArray[np.int16]]
    """Field to the position of the person's label of each text; -1 where they said nothing."""
    items: npt.NDArray[np.int64]
    """Which items the texts are of, so that an erased one can be found."""

    @cached_property
    def _wide(self) -> Rows:
        return self.vectors.astype(np.float64)

    def compare(self, centred: Vectors) -> tuple[Near, Values]:
        """How these texts lie to the corrected ones: see `compare`."""
        return compare(centred, self._wide)

    def shift(self, near: Near, field: str, count: int) -> Rows:
        """What is added to ln p of the `count` labels of a field."""
        return memory_shift(near, self.labels[field], count)


def compare(centred: Vectors, others: npt.NDArray[np.floating]) -> tuple[Near, Values]:
    """How texts lie to others, all of length one: nearness to each, and the mean cosine to the NEAREST ones."""
    wide = others.astype(np.float64, copy=False)
    blocks, closeness = [sparse.csr_matrix((0, len(wide)))], [np.zeros(0)]
    for start in range(0, len(centred), _BLOCK_ROWS):  # memory stays bounded
        # in double precision, so that a text's result does not depend on the texts beside it
        cosines = centred[start : start + _BLOCK_ROWS].astype(np.float64) @ wide.T
        blocks.append(sparse.csr_matrix(np.clip((cosines - NEAR) / (1 - NEAR), 0.0, 1.0)))
        count = min(NEAREST, len(wide))
        nearest = np.partition(cosines, -count, axis=1)[:, -count:] if count else np.full((len(cosines), 1), -1.0)
        closeness.append(nearest.mean(axis=1))
    return sparse.vstack(blocks, format="csr"), np.concatenate(closeness)


def memory_shift(near: Near, labels: npt.NDArray[np.int16], count: int) -> Rows:
    """MEMORY_WEIGHT times the nearness of the nearest corrected text with each label (texts × labels)."""
    result = np.zeros((near.shape[0], count))
    rows, columns = near.nonzero()
    said = labels[columns]
    known = said >= 0
    np.maximum.at(result, (rows[known], said[known]), np.asarray(near[rows[known], columns[known]]).ravel())
    return MEMORY_WEIGHT * result


@dataclass(frozen=True, slots=True)
class Reach:
    """How far heads reach: texts like those that were corrected are moved, others are left to the default."""

    middle: float
    """Closeness (see `compare`) at which a text is moved by half of what a head says."""
    slope: float

    def share(self, closeness: Values) -> Values:
        """1 / (1 + e^(-slope · (closeness - middle))) of each text."""
        return np.asarray(expit(self.slope * (closeness - self.middle)))


@dataclass(frozen=True, slots=True)
class Overlay:
    """All that a workspace has learnt on top of one version of the default model."""

    base: str
    """Version of the default model."""
    number: int
    """Counts up in a workspace."""
    axes: Axes
    heads: Mapping[str, Head]
    """The fields whose labels are moved; of the others the default's stand."""
    remembered: frozenset[str]
    """The fields in which corrected texts are remembered."""
    memory: Memory
    reach: Reach

    @property
    def content_hash(self) -> str:
        """Six hex digits: the same where the same was learnt."""
        digest = hashlib.sha256()
        for name, array in sorted(_arrays(self).items()):
            digest.update(f"{name}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        digest.update(",".join(sorted(self.remembered)).encode())
        return digest.hexdigest()[:6]

    @property
    def version(self) -> str:
        """The default model's version, the overlay's number and a hash of what it holds."""
        return f"{self.base}+{self.number}-{self.content_hash}"

    def adjusted(self, vectors: Vectors, chances: Mapping[str, LogChances]) -> dict[str, LogChances]:
        """The default model's ln p of each field with the overlay's shift; rows need not sum to one."""
        near, closeness = self.memory.compare(self.axes.centred(vectors))
        share = self.reach.share(closeness)[:, None]
        result = {}
        for field, values in chances.items():
            moved = values.astype(np.float64)
            if (head := self.heads.get(field)) is not None:
                moved = moved + share * head.shift(self.axes.features(vectors, np.exp(values)))
            if field in self.remembered:
                moved = moved + self.memory.shift(near, field, values.shape[1])
            result[field] = np.asarray(moved, dtype=np.float32)
        return result


def log_chances(look: Look, calibration: Calibration) -> dict[str, LogChances]:
    """The default model's ln p of each field, as calibrated."""
    return {
        field: np.log(np.maximum(calibration[field].probabilities(scores), LEAST_CHANCE)).astype(np.float32)
        for field, scores in look.scores.items()
    }


@dataclass(frozen=True, slots=True)
class OverlaidModel:
    """A model that speaks with an overlay; its scores are ln p already."""

    model: Model
    calibration: Calibration
    overlay: Overlay

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """Field to its labels, in the order of the columns of its scores."""
        return self.model.labels

    def scores(self, texts: Sequence[str], questions: Sequence[str | None]) -> dict[str, Scores]:
        """Field to its scores (texts × labels): ln p but for a constant per row."""
        return self.look(texts, questions).scores

    def look(self, texts: Sequence[str], questions: Sequence[str | None]) -> Look:
        """The scores, and the default model's vectors."""
        if not texts:
            return Look(np.zeros((0, 0), dtype=np.float32), self.model.scores(texts, questions))
        found = self.model.look(texts, questions)
        scores = self.overlay.adjusted(found.vectors, log_chances(found, self.calibration))
        return Look(found.vectors, scores)


def overlaid(pipeline: Pipeline, overlay: Overlay) -> Pipeline:
    """The same pipeline with the overlay; it shares everything large with the one given.

    Raises OverlayError for an overlay of another model version or width.
    """
    artifact = pipeline.artifact
    if overlay.base != artifact.manifest.version:
        raise OverlayError(f"learnt on top of {overlay.base}, the model here is {artifact.manifest.version}")
    labels = artifact.model.labels
    for field, head in overlay.heads.items():
        if field not in labels or head.bias.shape != (len(labels[field]),):
            raise OverlayError(f"{field}: learnt for other labels")
    twin = copy.copy(pipeline)
    twin.model_version = overlay.version
    twin.artifact = replace(
        artifact,
        manifest=replace(artifact.manifest, version=twin.model_version),
        model=OverlaidModel(artifact.model, artifact.calibration, overlay),
        calibration={field: FieldCalibration(1.0) for field in labels},
    )
    return twin


def _arrays(overlay: Overlay) -> dict[str, npt.NDArray[Any]]:
    arrays: dict[str, npt.NDArray[Any]] = {
        "mean": overlay.axes.mean,
        "directions": overlay.axes.directions,
        "memory": overlay.memory.vectors.astype(np.float16),
        "items": overlay.memory.items,
        "reach": np.array([overlay.reach.middle, overlay.reach.slope]),
    }
    arrays |= {f"said/{field}": labels for field, labels in overlay.memory.labels.items()}
    for field, head in overlay.heads.items():
        arrays |= {f"weights/{field}": head.weights, f"bias/{field}": head.bias}
    return arrays


def to_bytes(overlay: Overlay) -> bytes:
    """The overlay as a file."""
    about = {
        "format": FORMAT,
        "base": overlay.base,
        "number": overlay.number,
        "heads": sorted(overlay.heads),
        "remembered": sorted(overlay.remembered),
        "said": sorted(overlay.memory.labels),
    }
    file = io.BytesIO()
    np.savez_compressed(file, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **_arrays(overlay))  # type: ignore[arg-type]
    return file.getvalue()


def from_bytes(content: bytes) -> Overlay:
    """The overlay of a file; raises OverlayError where it is none."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            if about["format"] != FORMAT:
                raise OverlayError(f"format {about['format']}, this version reads {FORMAT}")
            return Overlay(
                base=str(about["base"]),
                number=int(about["number"]),
                axes=Axes(arrays["mean"], arrays["directions"]),
                heads={
                    field: Head(arrays[f"weights/{field}"], arrays[f"bias/{field}"]) for field in about["heads"]
                },
                remembered=frozenset(about["remembered"]),
                memory=Memory(
                    arrays["memory"].astype(np.float32),
                    {field: arrays[f"said/{field}"] for field in about["said"]},
                    arrays["items"],
                ),
                reach=Reach(*(float(one) for one in arrays["reach"])),
            )
    except OverlayError:
        raise
    except Exception as error:  # numpy, zip and json each have their own
        raise OverlayError(f"not an overlay: {type(error).__name__}") from error
