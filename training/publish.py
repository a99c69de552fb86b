"""Step 6, publish: write the artifact's folder, its manifest and its card, and name it for its tier.

reads  the candidate and its reports · writes data/models/<version>/, <tier>.txt, default.txt
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from nlp import artifact, linear
from nlp.artifact import Artifact, Kind, Manifest, Tier
from nlp.calibrate import Calibration
from nlp.decide import Thresholds
from nlp.evaluate import Report
from nlp.features import Features
from nlp.heads import Heads
from nlp.linear import LinearModel

REPORT_FILE = "evaluation.json"
CARD_FILE = "CARD.md"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a manifest says about how an artifact came about."""

    tier: Tier
    recipe_sha256: str
    training_data: Sequence[Path]
    codebook_version: str


def linear_candidate(
    features: Features, heads: Heads, calibration: Calibration, thresholds: Thresholds, origin: Origin
) -> Artifact:
    """The artifact as it will be read back: weights rounded as they are stored, a version from all its numbers."""
    half = linear.storable(heads.weights)
    numbers = (half.tobytes(), heads.bias.tobytes(), features.idf.tobytes(), "\n".join(features.names).encode())
    rounded = Heads(heads.labels, half.astype(np.float32), heads.bias)
    manifest = make_manifest("linear", heads.labels, numbers, calibration, thresholds, origin)
    return Artifact(manifest, LinearModel(features, rounded), calibration, thresholds)


def make_manifest(
    kind: Kind,
    labels: Mapping[str, tuple[str, ...]],
    numbers: Sequence[bytes],
    calibration: Calibration,
    thresholds: Thresholds,
    origin: Origin,
) -> Manifest:
    """The manifest, still without its files.

    The version is `<tier>-<date>-<hash>`; the hash covers `numbers`, all that the model is made of, and the
    settings, so the same recipe on the same data has the same hash, whatever the day.
    """
    digest = hashlib.sha256()
    for part in numbers:
        digest.update(part)
    digest.update(_settings(calibration, thresholds).encode())
    now = datetime.now(UTC).replace(microsecond=0)
    return Manifest(
        format=artifact.FORMAT,
        version=f"{origin.tier}-{now:%Y%m%d}-{digest.hexdigest()[:8]}",
        created=now.isoformat().replace("+00:00", "Z"),
        tier=origin.tier,
        kind=kind,
        codebook_version=origin.codebook_version,
        labels=dict(labels),
        libraries=artifact.library_versions(),
        files={},
        recipe_sha256=origin.recipe_sha256,
        training_data={path.name: artifact.sha256(path) for path in origin.training_data},
    )


def publish_linear(ready: Artifact, reports: Sequence[Report], card: str, models: Path, *, default: bool) -> Path:
    """Publish a candidate of `linear_candidate`."""

    def write_model(folder: Path) -> None:
        assert isinstance(ready.model, LinearModel)
        linear.write(folder, ready.model)

    return publish(ready, write_model, reports, card, models, default=default)


def publish(
    ready: Artifact,
    write_model: Callable[[Path], None],
    reports: Sequence[Report],
    card: str,
    models: Path,
    *,
    default: bool,
) -> Path:
    """Write the artifact under `models` and name it in `<tier>.txt`, with `default` in `default.txt` too.

    `write_model` writes the model's own files into a folder. All is written beside and moved into place, so that
    a crash leaves no half artifact under its name. Returns the artifact's folder.
    """
    models.mkdir(parents=True, exist_ok=True)
    folder = models / ready.manifest.version
    draft = models / f".{ready.manifest.version}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    write_model(draft)
    (draft / artifact.SETTINGS_FILE).write_text(_settings(ready.calibration, ready.thresholds), encoding="utf-8")
    (draft / REPORT_FILE).write_text(
        json.dumps([report.to_dict() for report in reports], indent=1) + "\n", encoding="utf-8"
    )
    (draft / CARD_FILE).write_text(card, encoding="utf-8")
    files = {path.name: artifact.sha256(path) for path in sorted(draft.iterdir())}
    manifest = asdict(replace(ready.manifest, files=files))
    (draft / artifact.MANIFEST_FILE).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    for name in (f"{ready.manifest.tier}.txt", *((artifact.DEFAULT_FILE,) if default else ())):
        (models / name).write_text(f"{ready.manifest.version}\n", encoding="utf-8")
    return folder


def _settings(calibration: Calibration, thresholds: Thresholds) -> str:
    settings = {
        "scales": {field: entry.scale for field, entry in calibration.items()},
        "thresholds": asdict(thresholds),
    }
    return json.dumps(settings, indent=1) + "\n"
