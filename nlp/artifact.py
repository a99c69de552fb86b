"""A trained artifact on disk: what is in its folder, and what is checked before any of it is read.

An artifact holds numbers and names only (arrays without pickles, JSON, plain text), so reading one cannot run
code. Its manifest is checked first all the same: a wrong file, codebook or library gives wrong labels quietly.
"""

import hashlib
import json
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np

from nlp.analysis import FIELDS
from nlp.calibrate import Calibration, FieldCalibration
from nlp.codebook import DATA_FOLDER, Codebook
from nlp.decide import Thresholds
from nlp.features import Features
from nlp.heads import Heads

FORMAT: Final = 1
"""Raised when code can no longer read older artifacts."""
MODELS_FOLDER = DATA_FOLDER / "models"
DEFAULT_FILE: Final = "default.txt"
MANIFEST_FILE: Final = "manifest.json"
VOCABULARY_FILE: Final = "vocabulary.txt"
ARRAYS_FILE: Final = "arrays.npz"
SETTINGS_FILE: Final = "settings.json"
LIBRARIES: Final = ("numpy", "scipy", "spacy", "py3langid", "scikit-learn")
"""Their versions stand in the manifest."""
BINDING_LIBRARIES: Final = ("spacy", "py3langid")
"""Those that decide what a running pipeline says: major and minor version must be the ones of the training."""


class ArtifactError(RuntimeError):
    """An artifact cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an artifact says about itself."""

    format: int
    version: str
    created: str
    """RFC 3339, UTC."""
    tier: str
    codebook_version: str
    labels: dict[str, tuple[str, ...]]
    """Field to its labels, in the order of the probability rows."""
    libraries: dict[str, str]
    files: dict[str, str]
    """File name to sha256 in hex."""
    recipe_sha256: str
    """Of the training recipe, so that it is known how it came about."""
    training_data: dict[str, str]
    """Name to sha256 of each file of texts that it was trained on."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A loaded artifact."""

    manifest: Manifest
    features: Features
    heads: Heads
    calibration: Calibration
    thresholds: Thresholds


def default_folder() -> Path:
    """The folder named in `data/models/default.txt`. Raises ArtifactError where there is none."""
    pointer = MODELS_FOLDER / DEFAULT_FILE
    try:
        name = pointer.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ArtifactError(f"no default artifact: {pointer} is missing; run `make train`") from error
    if not name or Path(name).name != name:
        raise ArtifactError(f"{pointer} must hold the name of a folder beside it")
    return MODELS_FOLDER / name


def load(folder: Path, codebook: Codebook) -> Artifact:
    """Check an artifact, then read it.

    Raises ArtifactError for a missing or changed file, another format, another version of a binding library,
    another codebook or another order of labels.
    """
    manifest = read_manifest(folder)
    check(folder, manifest, codebook)
    names = tuple((folder / VOCABULARY_FILE).read_text(encoding="utf-8").split("\n"))
    settings = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
    with np.load(folder / ARRAYS_FILE, allow_pickle=False) as arrays:
        idf = arrays["idf"].astype(np.float32)
        weights = np.ascontiguousarray(arrays["weights"].astype(np.float32))
        bias = arrays["bias"].astype(np.float32)
    columns = sum(len(labels) for labels in manifest.labels.values())
    if weights.shape != (len(names), columns) or idf.shape != (len(names),) or bias.shape != (columns,):
        raise ArtifactError(f"artifact {manifest.version}: arrays and vocabulary do not fit; train it anew")
    return Artifact(
        manifest=manifest,
        features=Features(names, idf),
        heads=Heads(manifest.labels, weights, bias),
        calibration={field: FieldCalibration(float(scale)) for field, scale in settings["scales"].items()},
        thresholds=Thresholds(**settings["thresholds"]),
    )


def read_manifest(folder: Path) -> Manifest:
    """Read `manifest.json`. Raises ArtifactError where it is missing or not one of ours."""
    path = folder / MANIFEST_FILE
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if raw["format"] != FORMAT:
            raise ArtifactError(f"{path}: format {raw['format']}, this version reads {FORMAT}; train it anew")
        labels = {field: tuple(raw["labels"][field]) for field in FIELDS}
        return Manifest(**{**raw, "labels": labels})
    except OSError as error:
        raise ArtifactError(f"no artifact in {folder}: {MANIFEST_FILE} cannot be read") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} is not a manifest: {error!r}") from error


def check(folder: Path, manifest: Manifest, codebook: Codebook) -> None:
    """Everything that must hold before an artifact is read; raises ArtifactError at the first that does not."""
    for name in (VOCABULARY_FILE, ARRAYS_FILE, SETTINGS_FILE):
        if name not in manifest.files:
            raise ArtifactError(f"artifact {manifest.version}: its manifest does not list {name}")
        path = folder / name
        if not path.is_file():
            raise ArtifactError(f"artifact {manifest.version}: {name} is missing; fetch or train it anew")
        if sha256(path) != manifest.files[name]:
            raise ArtifactError(f"artifact {manifest.version}: {name} was changed; fetch or train it anew")
    for library in BINDING_LIBRARIES:
        trained, installed = manifest.libraries.get(library, "none"), metadata.version(library)
        if trained.split(".")[:2] != installed.split(".")[:2]:
            raise ArtifactError(
                f"artifact {manifest.version} was trained with {library} {trained}, {installed} is installed; "
                f"install {library} {trained} or train it anew with `make train`"
            )
    if manifest.codebook_version != codebook.version:
        raise ArtifactError(
            f"artifact {manifest.version} was trained for codebook {manifest.codebook_version}, "
            f"this is codebook {codebook.version}; train it anew with `make train`"
        )
    for field in FIELDS:
        if manifest.labels[field] != codebook.labels(field):
            raise ArtifactError(
                f"artifact {manifest.version}: its {field} labels are not those of the codebook, "
                "or in another order; train it anew with `make train`"
            )


def library_versions() -> dict[str, str]:
    """The installed versions that a manifest records."""
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return versions


def sha256(path: Path) -> str:
    """The sha256 of a file in hex, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
