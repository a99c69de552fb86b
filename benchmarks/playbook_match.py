"""How often the right adaptation is among the first three, on pains of real feedback judged blind.

python -m benchmarks.playbook_match [--corpus …] [--meaning] [--cells] [--figures benchmarks/figures/…json]

`playbook_pains.jsonl` holds the pains: groups of negative segments of one source, stage and topic (by the source's
own label, else by k-means on words), drawn at random from texts that nobody had looked at while the playbook was
written, and the entries that a person called right after reading the segments and before anything was ranked; no
entry means that no one pain could be read out of the group. Only ids and offsets of segments are kept here.

Weights and limits were chosen on the first 30 pains; the others are the figure. `--cells` tags a sample anew and
lists the share of pain by stage and topic with the number of entries for it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # also when it is not installed

from nlp.likeness import Likeness, readable  # noqa: E402
from nlp.pipeline import Pipeline, TextInput  # noqa: E402
from service.intervals import share_interval  # noqa: E402
from service.suggest.match import Fit, Matcher  # noqa: E402
from service.suggest.meaning import Meanings, fits, meanings_of  # noqa: E402
from service.suggest.playbook import load_playbook  # noqa: E402

PAINS = ROOT / "benchmarks" / "playbook_pains.jsonl"
CHOSEN_ON = 30  # pains on which weights and limits were chosen
SAMPLE_OF_SOURCE = 1_300  # about 20,000 texts in all
COUNTS_FROM = 0.001  # of all pain: cells that the playbook must cover


def texts_of(corpus: Path) -> dict[str, dict[str, Any]]:
    """The corpus by id."""
    with gzip.open(corpus / "feedback.jsonl.gz", "rt", encoding="utf-8") as lines:
        return {row["id"]: row for row in map(json.loads, lines)}


def fit_of(matcher: Matcher, pain: Mapping[str, Any], texts: Mapping[str, Mapping[str, Any]]) -> Fit:
    """What the product would propose for a pain."""
    said = [texts[item_id]["text"][start:end] for item_id, start, end in pain["said"]]
    found = matcher.fit(pain["stage"], pain["topic"], said)
    assert found is not None
    return found


def in_top(fit: Fit, right: Sequence[str], places: int) -> bool:
    """Whether a right entry is among the first; finding out why takes the first place where nothing fits."""
    shown = [entry.id for entry, _ in fit.near]
    return bool(set(shown[: places if fit.fits else places - 1]) & set(right))


def fit_by_meaning(meanings: Meanings, pain: Mapping[str, Any], texts: Mapping[str, Mapping[str, Any]]) -> Fit:
    """What the worker would find for a theme of these texts."""
    said = [readable(texts[item_id]["text"][start:end]) for item_id, start, end in pain["said"]]
    near = meanings.near(pain["stage"], pain["topic"], [one for one in said if one.strip()])
    told = tuple((meanings.playbook.entry(name), score) for name, score in near)
    entries = tuple((entry, score) for entry, score in told if entry is not None)
    why = meanings.playbook.find_out_why(pain["stage"])
    assert why is not None
    return Fit(entries[0][0] if fits(near) else why, fits(near), entries)


def figures(pains: Sequence[Mapping[str, Any]], fits: Sequence[Fit], matcher: Matcher) -> dict[str, Any]:
    """Hits among readable pains, and how often a group without a readable pain is told to be one to find out."""
    readable = [(pain, fit) for pain, fit in zip(pains, fits, strict=True) if pain["right"]]
    others = [fit for pain, fit in zip(pains, fits, strict=True) if not pain["right"]]
    by_cell = [matcher.playbook.entry_for(pain["stage"], pain["topic"]) for pain, _ in readable]
    return {
        "pains": len(readable),
        "right_in_top_three": _share([in_top(fit, pain["right"], 3) for pain, fit in readable]),
        "right_first": _share([in_top(fit, pain["right"], 1) for pain, fit in readable]),
        "right_first_by_stage_and_topic_alone": _share(
            [
                entry is not None and entry.id in pain["right"]
                for entry, (pain, _) in zip(by_cell, readable, strict=True)
            ]
        ),
        "told_to_find_out_why_though_one_fits": _share([not fit.fits for _, fit in readable]),
        "groups_without_a_readable_pain": len(others),
        "of_these_told_to_find_out_why": _share([not fit.fits for fit in others]),
    }


def _share(hits: Sequence[bool]) -> dict[str, float]:
    found = share_interval(sum(hits) / max(1, len(hits)), len(hits))
    return {"value": round(found.value, 3), "low": round(found.low, 3), "high": round(found.high, 3)}


def cells(corpus: Path) -> dict[str, Any]:
    """Pain by stage and topic on a sample of the corpus, tagged by the fast tier, and what covers it."""
    by_source = defaultdict(list)
    for row in texts_of(corpus).values():
        by_source[row["source"].removesuffix("-t")].append(row["text"])
    sample = []
    for source in sorted(by_source):
        random.Random(5).shuffle(by_source[source])
        sample += by_source[source][:SAMPLE_OF_SOURCE]
    counts: Counter[tuple[str, str]] = Counter()
    for analysis in Pipeline.load(tier="fast").analyze([TextInput(text) for text in sample]):
        for segment in analysis.segments if not analysis.unsure else ():
            if segment.sentiment.label == "negative" and segment.stage.label != "none":
                counts[segment.stage.label, segment.topic.label] += 1
    playbook = load_playbook()
    pain = sum(counts.values())
    rows = [
        {
            "stage": stage,
            "topic": topic,
            "share": round(count / pain, 4),
            "entries": sum(entry.stage == stage and topic in entry.topics for entry in playbook.entries),
        }
        for (stage, topic), count in counts.most_common()
        if count / pain >= COUNTS_FROM
    ]
    return {
        "texts": len(sample),
        "negative_segments": pain,
        "cells": rows,
        "uncovered": [row for row in rows if not row["entries"]],
    }


def main() -> None:
    """Print the figures, and write them where asked to."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--corpus", type=Path, default=ROOT.parent / "shared" / "corpus")
    arguments.add_argument("--cells", action="store_true", help="count pain by stage and topic as well")
    arguments.add_argument("--meaning", action="store_true", help="as themes are matched, by the accurate tier")
    arguments.add_argument("--figures", type=Path)
    given = arguments.parse_args()
    pains = [json.loads(line) for line in PAINS.read_text(encoding="utf-8").splitlines()]
    matcher = Matcher(load_playbook())
    texts = texts_of(given.corpus)
    fits_found = [fit_of(matcher, pain, texts) for pain in pains]
    answer: dict[str, Any] = {
        "entries": len(matcher.playbook.entries),
        "patterns": sum(len(entry.patterns) for entry in matcher.playbook.entries),
        "chosen_on": figures(pains[:CHOSEN_ON], fits_found[:CHOSEN_ON], matcher),
        "judged": figures(pains[CHOSEN_ON:], fits_found[CHOSEN_ON:], matcher),
    }
    if given.meaning:
        pipeline = Pipeline.load(tier="accurate")
        likeness = Likeness.of_model(pipeline.artifact.model, pipeline.model_version)
        meanings = meanings_of(matcher.playbook, likeness)
        assert meanings is not None
        fits_found = [fit_by_meaning(meanings, pain, texts) for pain in pains]
        answer["by_meaning"] = {
            "model": pipeline.model_version,
            "chosen_on": figures(pains[:CHOSEN_ON], fits_found[:CHOSEN_ON], matcher),
            "judged": figures(pains[CHOSEN_ON:], fits_found[CHOSEN_ON:], matcher),
        }
    if given.cells:
        answer["pain"] = cells(given.corpus)
    print(json.dumps(answer, indent=1))
    for number, (pain, fit) in enumerate(zip(pains, fits_found, strict=True)):
        if pain["right"] and not in_top(fit, pain["right"], 3):
            shown = [entry.id for entry, _ in fit.near]
            cell = f"{pain['source']} {pain['stage']}.{pain['topic']}"
            print(f"miss {number}: {cell}: right {pain['right']}, not {shown}")
    if given.figures:
        given.figures.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
