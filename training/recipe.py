"""The recipe: every choice that decides what an artifact becomes, read from `recipe.toml`."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlp.artifact import Tier

DEFAULT_RECIPE = Path(__file__).with_name("recipe.toml")


@dataclass(frozen=True, slots=True)
class Gates:
    """What an artifact must reach on dev before it is published."""

    macro_f1: dict[str, float]
    """Field to the least macro-F1 over labels with at least ten examples."""
    accuracy: dict[str, float]
    """Field to the least accuracy."""
    refused_english: float
    """Largest share of items refused as another language."""


@dataclass(frozen=True, slots=True)
class Decision:
    """How an artifact decides."""

    unsure_share: float
    """Share of held-out items that stays unsure."""
    second_from: float
    """Probability of a second stage or emotion."""
    whole_shares: tuple[float, ...]
    """Weights of the whole text's probabilities that are tried per field."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """See `recipe.toml` for what each value does."""

    seed: int
    tier: Tier
    out_of_fold: int
    source_batches: int
    near_duplicate_cosine: float
    held_out: tuple[str, ...]
    """Names of the files of our own texts that are not learnt from."""
    min_documents: dict[str, int]
    goemotions: dict[str, dict[str, str]]
    """Field to the mapping of GoEmotions' labels to ours."""
    goemotions_weight: float
    most_per_label: int
    regularisation: float
    balance: float
    source_out_share: float
    decision: Decision
    gates: Gates
    sha256: str
    """Of the file's bytes."""


def read_recipe(path: Path = DEFAULT_RECIPE) -> Recipe:
    """Read a recipe. Raises KeyError for a missing value, tomllib.TOMLDecodeError for a broken file."""
    content = path.read_bytes()
    raw = tomllib.loads(content.decode())
    return Recipe(
        seed=raw["seed"],
        tier=raw["tier"],
        out_of_fold=raw["out_of_fold"],
        source_batches=raw["source_batches"],
        near_duplicate_cosine=raw["near_duplicate_cosine"],
        held_out=tuple(raw.get("held_out", ())),
        min_documents={
            name[0] if name != "letters" else "c": n for name, n in raw["features"]["min_documents"].items()
        },
        goemotions={field: raw["goemotions"][field] for field in ("emotion", "sentiment")},
        goemotions_weight=raw["goemotions"]["weight"],
        most_per_label=raw["goemotions"]["most_per_label"],
        regularisation=raw["heads"]["regularisation"],
        balance=raw["heads"]["balance"],
        source_out_share=raw["calibration"]["source_out_share"],
        decision=read_decision(raw),
        gates=read_gates(raw),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def read_decision(raw: Mapping[str, Any]) -> Decision:
    """The part `[decision]` of a recipe."""
    part = raw["decision"]
    return Decision(part["unsure_share"], part["second_from"], tuple(part["whole_shares"]))


def read_gates(raw: Mapping[str, Any]) -> Gates:
    """The part `[gates]` of a recipe."""
    part = raw["gates"]
    return Gates(part["macro_f1"], part["accuracy"], part["refused_english"])
