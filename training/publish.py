"""Step 6, publish: write the artifact's folder, its manifest and its card, and make it the default.

reads  the candidate and its reports · writes data/models/<version>/, data/models/default.txt
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from nlp import artifact
from nlp.artifact import Artifact, Manifest
from nlp.calibrate import Calibration
from nlp.decide import Thresholds
from nlp.evaluate import Report
from nlp.features import Features
from nlp.heads import Heads
from training.card import card
from training.corpus import Corpus
from training.goemotions import FurtherTexts
from training.recipe import Recipe

REPORT_FILE = "evaluation.json"
CARD_FILE = "CARD.md"


def candidate(
    features: Features,
    heads: Heads,
    calibration: Calibration,
    thresholds: Thresholds,
    *,
    codebook_version: str,
    recipe: Recipe,
    training_data: Sequence[Path],
) -> Artifact:
    """The artifact as it will be read back: weights in half precision, a version from all its numbers.

    The version is `<tier>-<date>-<hash>`; the hash covers every number and name, so the same recipe on the
    same data has the same hash, whatever the day.
    """
    half = heads.weights.astype(np.float16)
    digest = hashlib.sha256()
    for part in (half.tobytes(), heads.bias.tobytes(), features.idf.tobytes(), "\n".join(features.names).encode()):
        digest.update(part)
    digest.update(_settings(calibration, thresholds).encode())
    now = datetime.now(UTC).replace(microsecond=0)
    manifest = Manifest(
        format=artifact.FORMAT,
        version=f"{recipe.tier}-{now:%Y%m%d}-{digest.hexdigest()[:8]}",
        created=now.isoformat().replace("+00:00", "Z"),
        tier=recipe.tier,
        codebook_version=codebook_version,
        labels=dict(heads.labels),
        libraries=artifact.library_versions(),
        files={},
        recipe_sha256=recipe.sha256,
        training_data={path.name: artifact.sha256(path) for path in training_data},
    )
    rounded = Heads(heads.labels, half.astype(np.float32), heads.bias)
    return Artifact(manifest, features, rounded, calibration, thresholds)


def publish(
    ready: Artifact, reports: Sequence[Report], corpus: Corpus, further: FurtherTexts, recipe: Recipe, models: Path
) -> Path:
    """Write the artifact under `models` and name it in `default.txt`; returns its folder.

    It is written beside and moved into place, so that a crash leaves no half artifact under its name.
    """
    models.mkdir(parents=True, exist_ok=True)
    folder = models / ready.manifest.version
    draft = models / f".{ready.manifest.version}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    (draft / artifact.VOCABULARY_FILE).write_text("\n".join(ready.features.names), encoding="utf-8")
    np.savez_compressed(
        draft / artifact.ARRAYS_FILE,
        idf=ready.features.idf,
        weights=ready.heads.weights.astype(np.float16),
        bias=ready.heads.bias,
    )
    (draft / artifact.SETTINGS_FILE).write_text(_settings(ready.calibration, ready.thresholds), encoding="utf-8")
    (draft / REPORT_FILE).write_text(
        json.dumps([report.to_dict() for report in reports], indent=1) + "\n", encoding="utf-8"
    )
    (draft / CARD_FILE).write_text(card(ready.manifest, reports, corpus, further, recipe), encoding="utf-8")
    files = {path.name: artifact.sha256(path) for path in sorted(draft.iterdir())}
    manifest = asdict(ready.manifest) | {"files": files}
    (draft / artifact.MANIFEST_FILE).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    (models / artifact.DEFAULT_FILE).write_text(f"{ready.manifest.version}\n", encoding="utf-8")
    return folder


def _settings(calibration: Calibration, thresholds: Thresholds) -> str:
    settings = {
        "scales": {field: entry.scale for field, entry in calibration.items()},
        "thresholds": asdict(thresholds),
    }
    return json.dumps(settings, indent=1) + "\n"
