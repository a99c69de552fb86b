"""A trained artifact on disk: what is in its folder, and what is checked before any of it is read.

An artifact holds numbers and names only (arrays without pickles, JSON, plain text, an ONNX graph), so reading one
cannot run code. Its manifest is checked first all the same: a wrong file, codebook or library gives wrong
labels quietly.
"""

import hashlib
import json
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal, get_args

from nlp import blend, encoder, linear
from nlp.analysis import FIELDS
from nlp.calibrate import Calibration, FieldCalibration
from nlp.codebook import DATA_FOLDER, Codebook
from nlp.decide import Thresholds
from nlp.model import Model

FORMAT: Final = 2
"""What is written. Raised when older code can no longer read an artifact."""
READABLE_FORMATS: Final = (1, 2)
"""Format 1 had linear models only and no `kind`."""
Kind = Literal["linear", "encoder", "blend"]
Tier = Literal["accurate", "fast"]
MODELS_FOLDER = DATA_FOLDER / "models"
DEFAULT_FILE: Final = "default.txt"
"""Names the folder of the default artifact; `accurate.txt` and `fast.txt` name those of the tiers."""
MANIFEST_FILE: Final = "manifest.json"
SETTINGS_FILE: Final = "settings.json"
LIBRARIES: Final = ("numpy", "scipy", "spacy", "py3langid", "scikit-learn", "onnxruntime", "tokenizers")
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
    tier: Tier
    kind: Kind
    """Which model it holds, and so which files."""
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
    model: Model
    calibration: Calibration
    thresholds: Thresholds


def default_folder() -> Path:
    """The folder named in `data/models/default.txt`. Raises ArtifactError where there is none."""
    return _named_in(DEFAULT_FILE)


def tier_folder(tier: str) -> Path:
    """The folder of the shipped artifact of a tier. Raises ArtifactError where there is none, or no such tier."""
    if tier not in get_args(Tier):
        raise ArtifactError(f"{tier!r} is no tier; there are {' and '.join(get_args(Tier))}")
    return _named_in(f"{tier}.txt")


def _named_in(pointer_file: str) -> Path:
    pointer = MODELS_FOLDER / pointer_file
    try:
        name = pointer.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ArtifactError(f"no such artifact: {pointer} is missing; run `make train`") from error
    if not name or Path(name).name != name:
        raise ArtifactError(f"{pointer} must hold the name of a folder beside it")
    return MODELS_FOLDER / name


def load(folder: Path, codebook: Codebook, *, threads: int | None = None) -> Artifact:
    """Check an artifact, then read it. `threads` is how many forward passes of an encoder run at a time.

    Raises ArtifactError for a missing or changed file, another format, another version of a binding library,
    another codebook or another order of labels.
    """
    manifest = read_manifest(folder)
    check(folder, manifest, codebook)
    settings = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
    try:
        model = _read_model(folder, manifest, threads)
    except ValueError as error:
        raise ArtifactError(f"artifact {manifest.version}: {error}; fetch or train it anew") from error
    return Artifact(
        manifest=manifest,
        model=model,
        calibration={field: FieldCalibration(float(scale)) for field, scale in settings["scales"].items()},
        thresholds=Thresholds(**settings["thresholds"]),
    )


def _read_model(folder: Path, manifest: Manifest, threads: int | None) -> Model:
    if manifest.kind == "linear":
        return linear.read(folder, manifest.labels)
    reader = blend.read if manifest.kind == "blend" else encoder.read
    return reader(folder, manifest.labels, threads=threads)


def model_files(kind: Kind) -> tuple[str, ...]:
    """The files that an artifact of this kind must have, beside its manifest."""
    files = {"linear": linear.FILES, "encoder": encoder.FILES, "blend": blend.FILES}
    return (*files[kind], SETTINGS_FILE)


def read_manifest(folder: Path) -> Manifest:
    """Read `manifest.json`. Raises ArtifactError where it is missing or not one of ours."""
    path = folder / MANIFEST_FILE
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if raw["format"] not in READABLE_FORMATS:
            raise ArtifactError(
                f"{path}: format {raw['format']}, this version reads {READABLE_FORMATS}; train it anew"
            )
        raw.setdefault("kind", "linear")
        if raw["kind"] not in get_args(Kind) or raw["tier"] not in get_args(Tier):
            raise ArtifactError(f"{path}: kind {raw['kind']}, tier {raw['tier']}; this version knows neither")
        labels = {field: tuple(raw["labels"][field]) for field in FIELDS}
        return Manifest(**{**raw, "labels": labels})
    except OSError as error:
        raise ArtifactError(f"no artifact in {folder}: {MANIFEST_FILE} cannot be read") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} is not a manifest: {error!r}") from error


def check(folder: Path, manifest: Manifest, codebook: Codebook) -> None:
    """Everything that must hold before an artifact is read; raises ArtifactError at the first that does not."""
    for name in model_files(manifest.kind):
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


def tier_of(version: str) -> Tier | None:
    """The tier that a model's version tells: it begins with it (`fast-20261121-…`); None where it tells none."""
    return next((tier for tier in get_args(Tier) if version.startswith(f"{tier}-")), None)


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
