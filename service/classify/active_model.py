"""The tagging pipelines of this process: which one a workspace's items get, loaded on first use.

The *wanted* version is what every item shall carry in the end; the fast tier only stands in for it while a large
import waits. Both are found anew at every question, so that a newly published model is taken up without a restart.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from nlp import artifact as artifacts
from nlp.analysis import Analysis
from nlp.artifact import ArtifactError
from nlp.likeness import Likeness
from service.settings import Settings
from service.store import learned

if TYPE_CHECKING:
    from nlp.pipeline import Pipeline, TextInput

log = logging.getLogger(__name__)

KEPT_OVERLAYS = 16  # in memory, a few MB each; one that is needed again is read in milliseconds
RETRY_SECONDS = 30.0  # after a new artifact could not be loaded while an older one is at hand


class Tagger(Protocol):
    """What the service needs of `nlp.pipeline.Pipeline`."""

    @property
    def model_version(self) -> str:
        """Version of the artifact, part of every stored classification."""

    @property
    def codebook_version(self) -> str:
        """Version of the labels that the artifact was trained on."""

    @property
    def tier(self) -> str:
        """`accurate` or `fast`."""

    def analyze(self, texts: Sequence[TextInput]) -> list[Analysis]:
        """One analysis a text, in the same order."""


# an artifact as it was when it was loaded: its folder, and when its manifest was written (ns since 1970)
_Origin = tuple[Path, int]

_lock = threading.Lock()
_loaded: dict[str, tuple[_Origin, Tagger]] = {}  # by role: "default", "fast"
_next_try: dict[str, float] = {}
_given: Tagger | None = None
# by data folder and workspace: the stamp of its choice, the default pipeline below, the pipeline to use
_overlaid: dict[tuple[Path, int], tuple[tuple[int, int], Tagger, Tagger]] = {}


def wanted_tagger(settings: Settings, *, workspace_id: int) -> Tagger:
    """The pipeline whose labels every item of a workspace shall carry; raises what `get_pipeline` raises.

    That is the default one, with what the workspace has learnt from corrections on top.
    """
    return _with_learning(settings, workspace_id, get_pipeline(settings))


def wanted_version(settings: Settings, *, workspace_id: int) -> str:
    """The model version that every item of a workspace shall carry; others are tagged again."""
    return wanted_tagger(settings, workspace_id=workspace_id).model_version


def fast_tagger(settings: Settings, *, workspace_id: int) -> Tagger:
    """The pipeline for the first look at a large import; the wanted one if that is fast or no other is here."""
    wanted = wanted_tagger(settings, workspace_id=workspace_id)
    if wanted.tier == "fast" or _given is not None:
        return wanted
    try:
        return _current("fast", lambda: artifacts.tier_folder("fast"))
    except (ArtifactError, OSError) as error:
        log.warning("no fast tier, large imports wait for the accurate one: %s", error)
        return wanted


def likeness_of(settings: Settings) -> Likeness:
    """How alike texts are, by the default model as it is: what a workspace has learnt moves labels, not themes."""
    pipeline = get_pipeline(settings)
    artifact = getattr(pipeline, "artifact", None)
    return Likeness.of_artifact(artifact, pipeline.model_version)


def reads_alike(pipeline: Tagger, likeness: Likeness) -> bool:
    """Whether the readings in a pipeline's analyses are what a likeness makes of the same texts: one encoder.

    What a workspace has learnt lies on top of the encoder and changes nothing.
    """
    from nlp.blend import BlendModel
    from nlp.overlay import OverlaidModel

    model = getattr(getattr(pipeline, "artifact", None), "model", None)
    if isinstance(model, OverlaidModel):
        model = model.model
    return isinstance(model, BlendModel) and model.encoder is likeness.encoder


def get_pipeline(settings: Settings) -> Tagger:
    """The default pipeline, loaded on first use and when another default was published.

    Raises what `Pipeline.load` raises if none can be loaded; a new one that can't be leaves the older in use.
    """
    if _given is not None:
        return _given
    return _current("default", lambda: settings.models_dir or artifacts.default_folder())


def set_pipeline(pipeline: Tagger | None) -> None:
    """Use this pipeline for everything from now on; None: those on disk again, loaded on next use."""
    global _given
    with _lock:
        _given = pipeline
        _loaded.clear()
        _overlaid.clear()
        _next_try.clear()


def _with_learning(settings: Settings, workspace_id: int, default: Tagger) -> Tagger:
    stamp = learned.stamp_of(settings, workspace_id)
    if stamp is None or getattr(default, "artifact", None) is None:
        return default
    key = (settings.workspaces_dir, workspace_id)
    with _lock:
        known = _overlaid.get(key)
        if known is None or known[0] != stamp or known[1] is not default:
            known = (stamp, default, _read_learning(settings, workspace_id, cast("Pipeline", default)))
            _overlaid[key] = known
            while len(_overlaid) > KEPT_OVERLAYS:
                _overlaid.pop(next(iter(_overlaid)))
        return known[2]


def _read_learning(settings: Settings, workspace_id: int, default: Pipeline) -> Tagger:
    from nlp.overlay import OverlayError, from_bytes, overlaid

    active = learned.active_of(settings, workspace_id)
    if active is None or active.base != default.model_version:
        return default
    try:
        content = learned.overlay_path(settings, workspace_id, active.number).read_bytes()
        if hashlib.sha256(content).hexdigest() != active.sha256:
            raise OverlayError("its file was changed")
        return overlaid(default, from_bytes(content))
    except (OSError, OverlayError) as error:
        # what is tagged meanwhile says so: it carries the default's version
        log.error(
            "workspace %d tags with the default model, %s can't be used: %s", workspace_id, active.version, error
        )
        return default


def _current(role: str, find_folder: Callable[[], Path]) -> Tagger:
    with _lock:
        found = _loaded.get(role)
        if found is not None and time.monotonic() < _next_try.get(role, 0.0):
            return found[1]
        try:
            folder = find_folder()
            origin = (folder, _written(folder))
            if found is None or found[0] != origin:
                found = (origin, _load(folder, origin))
        except (ArtifactError, OSError) as error:
            if found is None:
                raise
            _next_try[role] = time.monotonic() + RETRY_SECONDS
            log.error("the new model can't be loaded, %s stays in use: %s", found[1].model_version, error)
        _loaded[role] = found
        return found[1]


def _load(folder: Path, origin: _Origin) -> Tagger:
    for other_origin, pipeline in _loaded.values():
        if other_origin == origin:
            return pipeline
    # a process that never tags does not pay for loading spaCy and onnxruntime
    from nlp.pipeline import Pipeline

    return Pipeline.load(folder)


def _written(folder: Path) -> int:
    try:
        return (folder / artifacts.MANIFEST_FILE).stat().st_mtime_ns
    except OSError:
        return 0  # loading it will say what is wrong


def analyze(pipeline: Tagger, texts: Sequence[tuple[str, str | None]]) -> list[Analysis]:
    """The analyses of (text, question) pairs, in the same order."""
    from nlp.pipeline import TextInput

    return pipeline.analyze([TextInput(text, question) for text, question in texts]) if texts else []
