"""The labels and the built-in journey models, read from `data/codebook.toml`.

Labels are data: nothing else in the product lists them. The order in the file is the order of every
probability row of an artifact, which is why `artifact.load` compares it.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

DATA_FOLDER = Path(__file__).parents[1] / "data"
"""`data/` beside the packages of the checkout."""

Polarity = Literal["positive", "negative", "neutral"]


class CodebookError(ValueError):
    """The codebook file is missing or contradicts itself; the message names the place."""


@dataclass(frozen=True, slots=True)
class LabelDefinition:
    """One label and what it means, for people and for model cards."""

    label: str
    definition: str


@dataclass(frozen=True, slots=True)
class EmotionDefinition(LabelDefinition):
    """An emotion with its place between bad and good.

    `valence` lies in [-1, 1] and is what an emotion score averages; `curiosity` and `neutral` are 0.
    """

    valence: float
    polarity: Polarity


@dataclass(frozen=True, slots=True)
class StageRule:
    """Which items a column of a journey model covers: those of one codebook stage.

    With `touchpoints`, only items with one of these; a rule with touchpoints goes before one without.
    """

    codebook_stage: str
    touchpoints: tuple[str, ...] | None = None

    def covers(self, stage: str, touchpoint: str | None) -> bool:
        """Whether an item of this stage and touchpoint falls under the rule."""
        return stage == self.codebook_stage and (self.touchpoints is None or touchpoint in self.touchpoints)


@dataclass(frozen=True, slots=True)
class ModelStage:
    """A column of a journey model."""

    name: str
    rules: tuple[StageRule, ...]


@dataclass(frozen=True, slots=True)
class JourneyModel:
    """A projection of the codebook's stages to the columns that a company speaks of."""

    id: str
    name: str
    stages: tuple[ModelStage, ...]

    def column(self, stage: str, touchpoint: str | None) -> int | None:
        """The index of the column that covers an item, None where none does (always so for `none`)."""
        for conditional in (True, False):
            for index, column in enumerate(self.stages):
                for rule in column.rules:
                    if (rule.touchpoints is not None) is conditional and rule.covers(stage, touchpoint):
                        return index
        return None


@dataclass(frozen=True, slots=True)
class Codebook:
    """All labels in file order, and the built-in journey models by their order of display."""

    version: str
    stages: tuple[LabelDefinition, ...]
    emotions: tuple[EmotionDefinition, ...]
    sentiments: tuple[LabelDefinition, ...]
    topics: tuple[LabelDefinition, ...]
    touchpoints: tuple[LabelDefinition, ...]
    journey_models: tuple[JourneyModel, ...]

    def labels(self, field: str) -> tuple[str, ...]:
        """The labels of `stage`, `emotion`, `sentiment`, `topic` or `touchpoint`, in file order."""
        return tuple(entry.label for entry in self.definitions(field))

    def definitions(self, field: str) -> tuple[LabelDefinition, ...]:
        """The entries of one field, in file order. Raises KeyError for another field name."""
        entries: dict[str, tuple[LabelDefinition, ...]] = {
            "stage": self.stages,
            "emotion": self.emotions,
            "sentiment": self.sentiments,
            "topic": self.topics,
            "touchpoint": self.touchpoints,
        }
        return entries[field]

    def valence(self, emotion: str) -> float:
        """The valence of an emotion, in [-1, 1]. Raises KeyError for an unknown one."""
        return {entry.label: entry.valence for entry in self.emotions}[emotion]

    def journey_model(self, model_id: str) -> JourneyModel:
        """A built-in journey model by its id, such as `7-stage`. Raises KeyError for an unknown one."""
        return {model.id: model for model in self.journey_models}[model_id]


def load_codebook(path: Path | None = None) -> Codebook:
    """Read the codebook, by default `data/codebook.toml` of this checkout.

    Raises CodebookError where the file is missing, not TOML, or inconsistent (a label twice, a rule for
    an unknown stage or touchpoint, a valence outside [-1, 1]).
    """
    path = path or DATA_FOLDER / "codebook.toml"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CodebookError(f"no codebook at {path}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CodebookError(f"{path.name}: {error}") from error
    try:
        codebook = _parse(raw)
    except (KeyError, TypeError, ValueError) as error:
        raise CodebookError(f"{path.name}: {error!r}") from error
    _check(codebook)
    return codebook


def _parse(raw: dict[str, Any]) -> Codebook:
    return Codebook(
        version=str(raw["version"]),
        stages=_definitions(raw["stage"]),
        emotions=tuple(
            EmotionDefinition(e["label"], e["definition"], float(e["valence"]), e["polarity"])
            for e in raw["emotion"]
        ),
        sentiments=_definitions(raw["sentiment"]),
        topics=_definitions(raw["topic"]),
        touchpoints=_definitions(raw["touchpoint"]),
        journey_models=tuple(_journey_model(model) for model in raw["journey_model"]),
    )


def _definitions(entries: list[dict[str, str]]) -> tuple[LabelDefinition, ...]:
    return tuple(LabelDefinition(entry["label"], entry["definition"]) for entry in entries)


def _journey_model(raw: dict[str, Any]) -> JourneyModel:
    stages = tuple(
        ModelStage(
            stage["name"],
            tuple(
                StageRule(rule["codebook_stage"], tuple(rule["touchpoints"]) if "touchpoints" in rule else None)
                for rule in stage["rules"]
            ),
        )
        for stage in raw["stages"]
    )
    return JourneyModel(raw["id"], raw["name"], stages)


def _check(codebook: Codebook) -> None:
    for field in ("stage", "emotion", "sentiment", "topic", "touchpoint"):
        labels = codebook.labels(field)
        if len(set(labels)) != len(labels):
            raise CodebookError(f"a {field} label stands twice")
    for emotion in codebook.emotions:
        if not -1 <= emotion.valence <= 1:
            raise CodebookError(f"valence of {emotion.label} outside [-1, 1]")
        if emotion.polarity not in ("positive", "negative", "neutral"):
            raise CodebookError(f"unknown polarity of {emotion.label}")
    stages, touchpoints = set(codebook.labels("stage")), set(codebook.labels("touchpoint"))
    for model in codebook.journey_models:
        for column in model.stages:
            for rule in column.rules:
                if rule.codebook_stage not in stages or not set(rule.touchpoints or ()) <= touchpoints:
                    raise CodebookError(f"journey model {model.id}, {column.name}: unknown label in a rule")
