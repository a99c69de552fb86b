"""What corrections are worth: accuracy on a new business against the number of corrections made there.

`python -m benchmarks.learning [--gold ../shared/gold] [--seeds 10] [--tier accurate]`

A new business is one that the model has not learnt from: each of those that the accurate tier's recipe holds out,
all of these together (as a group with many lines of business), and, with the gold folder, the sources of
`elsewhere.tsv`. Of each, half the texts are for testing and half can be corrected; corrections (all five fields of
a text) are taken at random, or those first of which the model is least sure. What is learnt passes the same gates
as in the service, with the evaluation set less the business's own texts (the group's: the whole set, none of it
corrected or tested). Printed are differences in accuracy to the default model, in points, on the same texts: means
over businesses and seeds, with Student's 95 % interval over businesses (of the group: over seeds).
"""

from __future__ import annotations

import argparse
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import t

from nlp.analysis import FIELDS
from nlp.codebook import load_codebook
from nlp.gold import GoldItem, read_gold
from nlp.pipeline import Pipeline
from service.learn.learn import learn
from service.learn.reference import (
    EVALUATION_FOLDER,
    REPLAY_FOLDER,
    Reference,
    Seen,
    make_reference,
    rows_of_items,
)

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "training" / "recipe-accurate.toml"
COUNTS = (10, 20, 50, 100, 200, 500, 1_000)
LEAST_TEXTS = 40
"""Of a source, so that a half has something to tell."""

Order = Callable[[Seen, np.random.Generator], npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Business:
    """A business that the model does not know."""

    group: str
    name: str
    seen: Seen
    reference: Reference


@dataclass(frozen=True, slots=True)
class Outcome:
    """One business, seed, order and number of corrections."""

    group: str
    business: str
    seed: int
    order: str
    corrections: int
    before: dict[str, float]
    after: dict[str, float]
    adopted: int
    """Fields in which a head was learnt."""


def random_order(seen: Seen, draw: np.random.Generator) -> npt.NDArray[np.int64]:
    """As they come."""
    return draw.permutation(len(seen))


def uncertain_first(seen: Seen, draw: np.random.Generator) -> npt.NDArray[np.int64]:
    """Those first whose labels the model gives the least mean probability."""
    sure = np.mean([np.exp(chances).max(axis=1) for chances in seen.chances.values()], axis=0)
    return np.argsort(sure, kind="stable")


ORDERS: Mapping[str, Order] = {"random": random_order, "uncertain first": uncertain_first}


def businesses(pipeline: Pipeline, gold: Path | None) -> Iterator[Business]:
    """All of them, each with a reference that holds none of its texts."""
    codebook = load_codebook()
    held_out = tomllib.loads(RECIPE.read_text(encoding="utf-8"))["calibration"]["held_out"]
    judged = [item for path in sorted(EVALUATION_FOLDER.glob("*.tsv")) for item in read_gold(path, codebook)]
    others = [
        item
        for path in sorted(REPLAY_FOLDER.glob("*.tsv"))
        if path.name not in held_out
        for item in read_gold(path, codebook)
    ]
    whole = make_reference(pipeline, judged, others)
    sources = np.array([item.source for item in judged])
    set_aside = {item.text for item in judged}
    own = []
    for name in held_out:
        items = read_gold(REPLAY_FOLDER / name, codebook)
        seen = rows_of_items(pipeline, items)
        own.append(seen.some(np.array([item.text not in set_aside for item in items])))
        without = replace(whole, evaluation=whole.evaluation.some(sources != items[0].source))
        yield Business("own texts, 13 businesses", name.removesuffix(".tsv"), seen, without)
    yield Business("own texts, all as one group", "group", _joined(own), whole)
    if gold is not None:
        found: dict[str, list[GoldItem]] = {}
        for item in read_gold(gold / "elsewhere.tsv", codebook):
            found.setdefault(item.source, []).append(item)
        for name, items in sorted(found.items()):
            if len(items) >= LEAST_TEXTS:
                yield Business("real texts, elsewhere", name, rows_of_items(pipeline, items), whole)


def _joined(parts: Sequence[Seen]) -> Seen:
    return Seen(
        np.concatenate([part.vectors for part in parts]),
        {field: np.concatenate([part.chances[field] for part in parts]) for field in FIELDS},
        {field: np.concatenate([part.labels[field] for part in parts]) for field in FIELDS},
    )


def simulate(business: Business, labels: dict[str, tuple[str, ...]], seed: int) -> Iterator[Outcome]:
    """All orders and numbers of corrections, on the same test half."""
    draw = np.random.default_rng(seed)
    places = draw.permutation(len(business.seen))
    half = len(places) // 2
    test, pool = business.seen.some(places[:half]), business.seen.some(places[half:])
    before = _accuracies(test, dict(test.chances))
    for name, order in ORDERS.items():
        queue = order(pool, draw)
        for count in COUNTS:
            if count > len(pool):
                break
            chosen = queue[:count]
            overlay, results = learn(
                pool.some(chosen), chosen.astype(np.int64), business.reference, labels, base="simulated"
            )
            after = _accuracies(test, overlay.adjusted(test.vectors, test.chances))
            heads = sum(result.head is not None for result in results)
            yield Outcome(business.group, business.name, seed, name, count, before, after, heads)


def _accuracies(test: Seen, scores: Mapping[str, npt.NDArray[np.float32]]) -> dict[str, float]:
    return {field: float((scores[field].argmax(axis=1) == test.labels[field]).mean()) for field in FIELDS}


def table(outcomes: Sequence[Outcome], group: str) -> str:
    """One group's table in Markdown."""
    mine = [one for one in outcomes if one.group == group]
    units = {"business": len({one.business for one in mine}), "seed": len({one.seed for one in mine})}
    unit = "business" if units["business"] > 1 else "seed"
    lines = [
        f"{group} ({units['business']} × {units['seed']} seeds)",
        "",
        "| corrections | taken | " + " | ".join(FIELDS) + " | mean of fields | heads used |",
        "|---|---|" + "---|" * (len(FIELDS) + 2),
    ]
    first = [100 * float(np.mean([one.before[field] for one in mine])) for field in FIELDS]
    cells = " | ".join(f"{value:.1f}" for value in first)
    lines.append(f"| 0 | – | {cells} | {np.mean(first):.1f} | – |")
    for count in COUNTS:
        for order in ORDERS:
            some = [one for one in mine if (one.corrections, one.order) == (count, order)]
            if not some:
                continue
            gains = {field: _by_unit(some, unit, (field,)) for field in FIELDS}
            cells = " | ".join(f"{np.mean(values):+.1f}" for values in gains.values())
            mean = _by_unit(some, unit, FIELDS)
            heads = np.mean([one.adopted for one in some])
            lines.append(f"| {count} | {order} | {cells} | {_with_interval(mean)} | {heads:.1f} of 5 |")
    return "\n".join(lines)


def _by_unit(outcomes: Sequence[Outcome], unit: str, fields: Sequence[str]) -> list[float]:
    """Mean gain in points of each business or seed."""
    gains: dict[object, list[float]] = {}
    for one in outcomes:
        value = 100 * float(np.mean([one.after[field] - one.before[field] for field in fields]))
        gains.setdefault(getattr(one, unit), []).append(value)
    return [float(np.mean(values)) for values in gains.values()]


def _with_interval(values: Sequence[float]) -> str:
    """Mean and Student's 95 % interval over the units."""
    if len(values) < 2:
        return f"{np.mean(values):+.1f}"
    half = float(t.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return f"{np.mean(values):+.1f} ± {half:.1f}"


def main() -> None:
    """Run it and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning", description=__doc__)
    parser.add_argument("--gold", type=Path, help="folder with elsewhere.tsv; without it only texts of our own")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--tier", choices=["accurate", "fast"], default="accurate")
    arguments = parser.parse_args()
    pipeline = Pipeline.load(tier=arguments.tier)
    labels = dict(pipeline.artifact.model.labels)
    started, outcomes, spent = time.monotonic(), list[Outcome](), 0.0
    for business in businesses(pipeline, arguments.gold):
        begun = time.monotonic()
        outcomes += [one for seed in range(arguments.seeds) for one in simulate(business, labels, seed)]
        spent += time.monotonic() - begun
    print(f"model {pipeline.model_version}; accuracy of the default in %, then differences in points\n")
    for group in dict.fromkeys(one.group for one in outcomes):
        print(table(outcomes, group), end="\n\n")
    print(
        f"{len(outcomes)} fits in {spent:.0f} s ({1000 * spent / len(outcomes):.0f} ms each), "
        f"{time.monotonic() - started:.0f} s in all"
    )


if __name__ == "__main__":
    main()
