"""What the default model says of texts of our own: what learning from corrections is held to.

Two sets, both of this repository and none of a customer's: the evaluation set (`data/evaluation`), which no label
may lose on, and a sample of `data/written`, on which a workspace's learning shall change little. Reading them
takes seconds, so what the model said is kept in the data folder, by model version and content of the files.
"""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nlp.analysis import FIELDS
from nlp.clean import clean
from nlp.codebook import DATA_FOLDER, load_codebook
from nlp.gold import GoldItem, read_gold
from nlp.overlay import Axes, LogChances, log_chances
from nlp.pipeline import Pipeline
from nlp.redact import as_read
from service.settings import Settings

EVALUATION_FOLDER: Final = DATA_FOLDER / "evaluation"
REPLAY_FOLDER: Final = DATA_FOLDER / "written"
REPLAY_TEXTS: Final = 400
DIRECTIONS: Final = 64
"""Hold 86 % of what the vectors of our own texts differ by; with all 384 the heads were no better."""
_SEED = 7


@dataclass(frozen=True, slots=True)
class Seen:
    """Texts as the default model sees them, with labels where there are any."""

    vectors: npt.NDArray[np.float32]
    chances: Mapping[str, LogChances]
    """Field to the default model's ln p."""
    labels: Mapping[str, npt.NDArray[np.int16]]
    """Field to the position of the true label, -1 where none is known."""

    def __len__(self) -> int:
        return len(self.vectors)

    def some(self, chosen: npt.NDArray[Any]) -> Seen:
        """The rows at these positions, or where this mask is true."""
        return Seen(
            self.vectors[chosen],
            {field: values[chosen] for field, values in self.chances.items()},
            {field: values[chosen] for field, values in self.labels.items()},
        )


@dataclass(frozen=True, slots=True)
class Reference:
    """The two sets as one model version sees them."""

    evaluation: Seen
    replay: Seen
    axes: Axes


def looked_at(
    pipeline: Pipeline,
    texts: Sequence[str],
    questions: Sequence[str | None],
    labels: Mapping[str, npt.NDArray[np.int16]],
) -> Seen:
    """Seen of cleaned texts; `labels` as in Seen."""
    look = pipeline.artifact.model.look(texts, questions)
    return Seen(look.vectors, log_chances(look, pipeline.artifact.calibration), labels)


def rows_of_items(pipeline: Pipeline, items: Sequence[GoldItem]) -> Seen:
    """Seen of labelled texts."""
    order = pipeline.artifact.model.labels
    labels = {
        field: np.array([order[field].index(item.labels[field]) for item in items], dtype=np.int16)
        for field in FIELDS
    }
    return looked_at(
        pipeline, [as_read(clean(item.text)).text for item in items], [item.question for item in items], labels
    )


def axes_of(vectors: npt.NDArray[np.float32]) -> Axes:
    """The mean and the first principal directions of some vectors, scaled to features of about length one."""
    mean = vectors.mean(axis=0)
    centred = (vectors - mean).astype(np.float64)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:DIRECTIONS].T
    spread = float(np.sqrt((centred**2).sum(axis=1).mean())) or 1.0
    return Axes(mean.astype(np.float32), (directions / spread).astype(np.float32))


def reference(settings: Settings, pipeline: Pipeline) -> Reference:
    """Both sets as this pipeline's model sees them, read from the data folder or, the first time, made."""
    evaluation, replay = _files(EVALUATION_FOLDER), _files(REPLAY_FOLDER)
    key = _key(pipeline.model_version, [*evaluation, *replay])
    path = settings.data_dir / "learning" / f"{key}.npz"
    if path.is_file():
        return _from_bytes(path.read_bytes())
    found = make_reference(pipeline, _items(evaluation), _items(replay))
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob("*.npz"):
        old.unlink(missing_ok=True)  # of another model version or other texts
    draft = path.with_suffix(".part")
    draft.write_bytes(_to_bytes(found))
    draft.replace(path)
    return found


def make_reference(pipeline: Pipeline, evaluation: Sequence[GoldItem], written: Sequence[GoldItem]) -> Reference:
    """Both sets from labelled texts; those of the evaluation set are left out of the sample."""
    judged = {item.text for item in evaluation}
    others = [item for item in written if item.text not in judged]
    sample = random.Random(_SEED).sample(others, min(REPLAY_TEXTS, len(others)))  # noqa: S311 (no secret)
    replay = rows_of_items(pipeline, sample)
    return Reference(rows_of_items(pipeline, evaluation), replay, axes_of(replay.vectors))


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.tsv"))


def _items(files: Sequence[Path]) -> list[GoldItem]:
    codebook = load_codebook()
    return [item for path in files for item in read_gold(path, codebook)]


def _key(version: str, files: Sequence[Path]) -> str:
    digest = hashlib.sha256(version.encode())
    for path in files:
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _to_bytes(found: Reference) -> bytes:
    arrays: dict[str, npt.NDArray[Any]] = {"mean": found.axes.mean, "directions": found.axes.directions}
    for name, rows in (("evaluation", found.evaluation), ("replay", found.replay)):
        arrays[f"{name}/vectors"] = rows.vectors
        arrays |= {f"{name}/chances/{field}": rows.chances[field] for field in FIELDS}
        arrays |= {f"{name}/labels/{field}": rows.labels[field] for field in FIELDS}
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def _from_bytes(content: bytes) -> Reference:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        evaluation, replay = (
            Seen(
                arrays[f"{name}/vectors"],
                {field: arrays[f"{name}/chances/{field}"] for field in FIELDS},
                {field: arrays[f"{name}/labels/{field}"] for field in FIELDS},
            )
            for name in ("evaluation", "replay")
        )
        return Reference(evaluation, replay, Axes(arrays["mean"], arrays["directions"]))
