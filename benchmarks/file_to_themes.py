"""From a file to themes, the whole way: when labels, vectors and themes are there, and when all is quiet.

A CSV of real feedback is handed over with `journeymap import`; one worker process does the rest, on SQLite. Every
half second the database is looked at. A file of 5,000 rows or more gets the fast tier's labels first.

    python -m benchmarks.file_to_themes [--corpus FOLDER] [--rows 10000] [--limit 600] [--figures FILE]
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.native_labels import CORPUS

SOURCES: Final = ("nhs", "bank", "bank-t", "rlang", "multidogo", "tbird", "proscons", "products", "clinc")
NEARLY: Final = 0.97
"""Of all rows: some are in another language, or say nothing."""
HOUSEHOLD: Final = ("upkeep", "compact", "news", "digest", "poll")
COUNTS: Final = {
    "items": "SELECT count(*) FROM feedback_item",
    "tagged": "SELECT count(*) FROM feedback_item WHERE state = 'tagged'",
    "accurate": "SELECT count(*) FROM feedback_item WHERE model LIKE 'accurate-%'",
    "vectors": "SELECT count(*) FROM item_meaning",
    "segments": "SELECT count(*) FROM segment",
    "looked_at": "SELECT count(*) FROM segment WHERE theme IS NOT NULL",
    "themes": "SELECT count(*) FROM theme WHERE state = 'active'",
    "jobs": "SELECT count(*) FROM job WHERE state IN ('queued', 'running') AND kind NOT IN "
    f"({', '.join(repr(kind) for kind in HOUSEHOLD)})",
}


def write_file(corpus: Path, rows: int, path: Path) -> None:
    """A CSV of so many texts of several sources, spread over nine months."""
    with gzip.open(corpus / "feedback.jsonl.gz", "rt", encoding="utf-8") as lines:
        kept = (row for row in map(json.loads, lines) if row["source"] in SOURCES)
        texts = [row["text"] for row in kept if 15 <= len(row["text"]) <= 300]
    order = np.random.default_rng(5).permutation(len(texts))[:rows]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "created_at"])
        for number, at in enumerate(order.tolist()):
            writer.writerow([number, texts[at], f"2026-0{1 + number % 9}-1{number % 7} 10:00"])


def watched(path: Path, rows: int, limit: float) -> dict[str, Any]:
    """Seconds from now to each state of the database, None where it did not come in time."""
    began = time.monotonic()
    reached: dict[str, Any] = dict.fromkeys(("labels", "accurate_labels", "vectors", "first_themes", "quiet"))
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as database:
        while reached["quiet"] is None and time.monotonic() - began < limit:
            time.sleep(0.5)
            now = {name: database.execute(query).fetchone()[0] for name, query in COUNTS.items()}
            whole = now["items"] >= rows
            states = {
                "labels": whole and now["tagged"] >= NEARLY * rows,
                "accurate_labels": whole and now["accurate"] >= NEARLY * rows,
                "vectors": whole and now["vectors"] >= NEARLY * rows,
                "first_themes": now["themes"] >= 50,
            }
            states["quiet"] = all(states.values()) and now["looked_at"] == now["segments"] and not now["jobs"]
            for state, is_so in states.items():
                if is_so and reached[state] is None:
                    reached[state] = round(time.monotonic() - began, 1)
    return {"rows": rows, "seconds": reached, "themes": now["themes"]}


def timed(corpus: Path, rows: int, limit: float) -> dict[str, Any]:
    """The whole way with a worker of its own, which is ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="journeymap-file-") as folder:
        data, file = Path(folder) / "data", Path(folder) / "feedback.csv"
        data.mkdir()
        write_file(corpus, rows, file)
        command = [sys.executable, "-m", "service"]
        environment = os.environ | {
            "JOURNEYMAP_DATA_DIR": str(data),
            "JOURNEYMAP_SECRET_KEY": "benchmark" * 5,
        }
        for arguments in (["migrate"], ["import", str(file), "--no-wait"]):
            subprocess.run([*command, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        worker = subprocess.Popen([*command, "work"], env=environment, stdout=subprocess.DEVNULL)
        try:
            found = watched(data / "journeymap.db", rows, limit)
        finally:
            worker.terminate()
            worker.wait(60)
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = spent.ru_utime + spent.ru_stime - before.ru_utime - before.ru_stime
    return found | {"worker_cpu_seconds": round(seconds), "load_average": round(os.getloadavg()[0], 1)}


def main() -> None:
    """Print the figures, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000])
    parser.add_argument("--limit", type=float, default=600.0, help="seconds, for each file")
    parser.add_argument("--figures", type=Path)
    arguments = parser.parse_args()
    found = [timed(arguments.corpus, rows, arguments.limit) for rows in arguments.rows]
    written = json.dumps(found, indent=1)
    print(written)
    if arguments.figures:
        arguments.figures.write_text(written + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
