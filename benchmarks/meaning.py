"""How good the search by meaning is, and how long it takes.

*Good*: texts with native intents. What is sought is the intent's own name as words ("card arrival"), as somebody
types it, or a whole text; right is what has the same intent. Of the first ten found by meaning, by the words as
they stand (what `q` does), and by BM25, the usual ranking by words, which share is right (precision at 10), over
the queries with a bootstrap interval. The weight of the words and the limits of «very close», «close», «related»
were chosen on CLINC150. *Time*: searches over so many stored parts in a fresh SQLite database, without what the
web server adds; `cpu_ms` is what one took of a core.

    python -m benchmarks.meaning [--corpus FOLDER] [--texts 2500] [--parts 100000] [--figures FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert
from sqlmodel import Session

from benchmarks.native_labels import CORPUS, rows_of
from nlp.features import tokens
from nlp.likeness import Likeness, readable
from nlp.pipeline import Pipeline
from service.review.meaning import SAID
from service.store.columns import now
from service.store.engine import Database
from service.store.meaning_blocks import Unread, store_vectors
from service.store.meaning_index import alike
from service.store.migrate import migrate
from service.store.schema import FeedbackItem, Workspace

FIRST = 10
QUERIES = 300  # whole texts that are sought
Scores = np.ndarray[Any, np.dtype[np.float64]]


def by_meaning(likeness: Likeness, sought: Sequence[str], texts: Sequence[str]) -> Scores:
    """Cosines of the short rows, as the service compares them."""
    rows = [likeness.short(some).astype(np.float64) for some in (sought, texts)]
    unit = [one / np.maximum(1, np.linalg.norm(one, axis=1, keepdims=True)) for one in rows]
    return np.asarray(unit[0] @ unit[1].T)


def as_typed(sought: Sequence[str], texts: Sequence[str]) -> Scores:
    """1 where the text has the words as they stand; equal ones in a random order, as if by their time."""
    found = np.array([[float(words.lower() in text.lower()) for text in texts] for words in sought])
    return found + np.random.default_rng(3).random(len(texts)) / 2


def bm25(sought: Sequence[str], texts: Sequence[str], *, k: float = 1.5, b: float = 0.75) -> Scores:
    """Robertson and Zaragoza, "The probabilistic relevance framework: BM25 and beyond" (2009)."""
    counts = [Counter(tokens(text.lower())) for text in texts]
    lengths = np.array([sum(one.values()) for one in counts], dtype=np.float64)
    having = Counter(word for one in counts for word in one)
    found = np.zeros((len(sought), len(texts)))
    for row, words in enumerate(sought):
        for word in set(tokens(words.lower())):
            rare = math.log(1 + (len(texts) - having[word] + 0.5) / (having[word] + 0.5))
            often = np.array([one[word] for one in counts], dtype=np.float64)
            found[row] += rare * often * (k + 1) / (often + k * (1 - b + b * lengths / lengths.mean()))
    return found


def precision(scores: Scores, right: Any, *, least: float = 0.0) -> dict[str, float]:
    """Mean share of right ones among the first ten (what scores nothing is not found), with a 95 % interval."""
    first = np.argsort(-scores, axis=1, kind="stable")[:, :FIRST]
    hit = np.take_along_axis(right, first, axis=1) & (np.take_along_axis(scores, first, axis=1) > least)
    each = hit.mean(axis=1)
    draws = np.random.default_rng(11).integers(0, len(each), (2_000, len(each)))
    low, high = np.quantile(each[draws].mean(axis=1), (0.025, 0.975))
    return {"value": round(float(each.mean()), 3), "low": round(float(low), 3), "high": round(float(high), 3)}


def quality(corpus: Path, source: str, most: int, likeness: Likeness) -> dict[str, Any]:
    """Both kinds of queries on one source."""
    rows = rows_of(corpus, source, most)
    texts = [readable(text) for text, _ in rows]
    kinds, native = np.unique([label for _, label in rows], return_inverse=True)
    named = [kind.replace("_", " ").rstrip("?").lower() for kind in kinds.tolist()]
    found: dict[str, Any] = {"texts": len(texts), "intents": len(kinds)}
    some = texts[:QUERIES]
    for name, sought, right in (
        ("an intent's name", named, np.arange(len(kinds))[:, None] == native[None]),
        ("a whole text", some, native[: len(some), None] == native[None]),
    ):
        ways = {"meaning": by_meaning(likeness, sought, texts), "bm25": bm25(sought, texts)}
        ways["words as typed"] = as_typed(sought, texts)
        if name == "a whole text":  # itself is no find
            for scores in ways.values():
                scores[np.arange(len(some)), np.arange(len(some))] = -1
        found[name] = {"queries": len(sought)} | {
            way: precision(scores, right, least=0.6 if way == "words as typed" else 0.0)
            for way, scores in ways.items()
        }
        if name == "an intent's name":
            found["right when called"] = called(ways["meaning"], right)
    return found


def called(scores: Scores, right: Any) -> dict[str, Any]:
    """Of the pairs that a likeness' word is given to, how many are right."""
    limits = [math.inf, *(least for least, _ in SAID)]
    found = {}
    for (least, name), below in zip(SAID, limits, strict=False):
        chosen = (scores >= least) & (scores < below)
        found[name] = {"share": round(float(right[chosen].mean()), 3), "pairs": int(chosen.sum())}
    return found


def timed(parts: int, likeness: Likeness) -> dict[str, Any]:
    """Searches over random rows in a database of their own."""
    draws = np.random.default_rng(1)
    width = likeness.short(["a"]).shape[1]
    with tempfile.TemporaryDirectory(prefix="journeymap-meaning-") as folder:
        address = f"sqlite:///{folder}/meaning.db"
        migrate(address)
        database = Database(address)
        with database.write() as session:
            session.add(Workspace(id=1, name="bench"))
        moment = now()
        shared = {"workspace_id": 1, "source": "s", "channel": "review", "state": "tagged", "at": moment}
        for start in range(1, parts + 1, 1_000):
            ids = range(start, min(start + 1_000, parts + 1))
            with database.write() as session:
                rows = [
                    {**shared, "id": n, "identity": f"id:{n}", "text": "x", "received_at": moment}
                    | {"attributes": {}, "text_version": 1, "corrected": False}
                    for n in ids
                ]
                session.execute(insert(FeedbackItem), rows)
                content = np.clip(draws.normal(0, 40, (len(ids), width)), -127, 127).astype(np.int8)
                items = [Unread(n, 1, "x", ((0, 1),)) for n in ids]
                store_vectors(session, 1, vectors="v", items=items, rows=np.split(content, len(ids)))

        def search(session: Session, among: Any) -> tuple[float, float]:
            began, spent = time.perf_counter(), time.process_time()
            [sought] = likeness.short(["where is my card, it never came"])
            alike(session, 1, vectors="v", sought=sought, among=among, least=0.1)
            return (time.perf_counter() - began) * 1_000, (time.process_time() - spent) * 1_000

        with database.read() as session:
            likeness.short(["a"])
            first = search(session, None)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            each = [search(session, None) for _ in range(25)]
            some = np.arange(1, parts + 1, 2, dtype=np.int64)
            half = [search(session, some) for _ in range(25)]
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        database.dispose()
    return {
        "parts": parts,
        "bytes_a_part": width,
        "first_of_a_process_ms": round(first[0]),
        "median_ms": round(float(np.median([one for one, _ in each]))),
        "p95_ms": round(float(np.quantile([one for one, _ in each], 0.95))),
        "cpu_ms": round(float(np.median([cpu for _, cpu in each]))),
        "half_by_filter_median_ms": round(float(np.median([one for one, _ in half]))),
        "memory_grown_mib": round(grown / 1024),
    }


def main() -> None:
    """Print the figures, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--texts", type=int, default=2_500)
    parser.add_argument("--parts", type=int, default=100_000)
    parser.add_argument("--figures", type=Path)
    arguments = parser.parse_args()
    pipeline = Pipeline.load(None, "accurate")
    likeness = Likeness.of_model(pipeline.artifact.model, pipeline.model_version)
    found: dict[str, Any] = {"model": likeness.version}
    found["chosen on"] = {"clinc": quality(arguments.corpus, "clinc", arguments.texts, likeness)}
    found["measured on"] = {"bank": quality(arguments.corpus, "bank", arguments.texts, likeness)}
    found["time"] = timed(arguments.parts, likeness)
    found["load_average"] = [round(one, 1) for one in os.getloadavg()]
    written = json.dumps(found, indent=1)
    print(written)
    if arguments.figures:
        arguments.figures.write_text(written + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
