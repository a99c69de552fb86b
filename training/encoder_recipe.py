"""The accurate tier's recipe, read from `recipe-accurate.toml`, which says what each value does."""

import hashlib
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from nlp.artifact import Tier
from training.recipe import Decision, Gates, read_decision, read_gates

DEFAULT_ENCODER_RECIPE = Path(__file__).with_name("recipe-accurate.toml")


@dataclass(frozen=True, slots=True)
class FitChoices:
    """How the encoder is fitted."""

    epochs: float
    batch: int
    learning_rate: float
    head_learning_rate: float
    layer_decay: float
    weight_decay: float
    warm_up: float
    last_rate: float
    dropout: float
    word_masking: float
    label_smoothing: float
    second_label: float
    label_balance: float
    label_weights: tuple[float, float]
    written_weight: float
    without_question: float
    average: float
    fields: dict[str, float]
    source_balance: dict[str, float]
    """Field to how far its weights even out the sources' sizes; fields not named: not at all."""
    source_weights: tuple[float, float]


@dataclass(frozen=True, slots=True)
class LastLayerChoices:
    """Which heads are fitted once more to the finished encoder."""

    fields: tuple[str, ...]
    pull: float
    """Towards what they were."""


@dataclass(frozen=True, slots=True)
class AuxiliaryChoices:
    """Which other tasks are learnt beside, and how much."""

    per_step: float
    weight_one: float
    weight_several: float
    shares: dict[str, float]
    min_examples: dict[str, int]


@dataclass(frozen=True, slots=True)
class EncoderRecipe:
    """Every choice that decides what an artifact of the accurate tier becomes."""

    seed: int
    tier: Tier
    near_duplicate_cosine: float
    fit: FitChoices
    auxiliary: AuxiliaryChoices
    last_layer: LastLayerChoices
    held_out: tuple[str, ...]
    """Names of the files of our own texts that are kept for calibration."""
    left_out_batches: int
    """In how many goes real sources leave to show how much surer the model may be of texts of our own; 0: not."""
    left_out_epochs: float
    """How long each of these fits is."""
    blend_shares: tuple[float, ...]
    """Shares of the linear heads that are tried."""
    decision: Decision
    gates: Gates
    sha256: str
    """Of the file's bytes."""


def read_encoder_recipe(path: Path = DEFAULT_ENCODER_RECIPE) -> EncoderRecipe:
    """Read a recipe. Raises KeyError for a missing value, tomllib.TOMLDecodeError for a broken file."""
    content = path.read_bytes()
    raw = tomllib.loads(content.decode())
    return EncoderRecipe(
        seed=raw["seed"],
        tier=raw["tier"],
        near_duplicate_cosine=raw["near_duplicate_cosine"],
        fit=FitChoices(**_values(FitChoices, raw["encoder"])),
        auxiliary=AuxiliaryChoices(**_values(AuxiliaryChoices, raw["auxiliary"])),
        last_layer=LastLayerChoices(**_values(LastLayerChoices, raw["last_layer"])),
        held_out=tuple(raw["calibration"]["held_out"]),
        left_out_batches=raw["calibration"]["left_out_batches"],
        left_out_epochs=raw["calibration"]["left_out_epochs"],
        blend_shares=tuple(raw["blend"]["shares"]),
        decision=read_decision(raw),
        gates=read_gates(raw),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _values(
    shape: type[FitChoices] | type[AuxiliaryChoices] | type[LastLayerChoices], part: dict[str, Any]
) -> dict[str, Any]:
    values = {entry.name: part[entry.name] for entry in fields(shape)}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
