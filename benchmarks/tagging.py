"""Speed and accuracy of tagging, side by side with peers: `make bench-tagging` (see benchmarks/README.md).

Every system runs in a process of its own and is asked in turn, round after round, so that whatever else the
machine does falls on all of them. Speeds are also given as ratios to a transformer of BERT-base's size in the same
round.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import pickle
import resource
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

# What is imported here is part of every system's time to load: nothing but the standard library.

REPEATS = 4
"""How often the texts of `dev.tsv` stand in one call."""
REFERENCE = "bert-base"
TOGETHER = "both"
OURS = ("accurate", "fast", TOGETHER)


class Speed(NamedTuple):
    """Items a second by the clock and by the processor's time of all threads."""

    clock: float
    processor: float


class Shown(NamedTuple):
    """An accuracy with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def serve(name: str, pipe: Connection, cache: Path, training: Path) -> None:
    """A system's process: makes it ready, then answers until it is told to stop."""
    from benchmarks.tagging_peers import SYSTEMS
    from nlp.pipeline import TextInput

    system = SYSTEMS[name][1]()
    # only who learns anew needs the texts, and reading them is no part of loading
    given = pickle.loads(training.read_bytes()) if training.is_file() and name not in OURS else []
    system.prepare(given, cache)
    pipe.send("ready")
    while True:
        order, texts, seconds = pipe.recv()
        items = [TextInput(*text) for text in texts]
        if order == "stop":
            return
        if order == "labels":
            pipe.send(system.tag(items))
        elif order == "memory":
            pipe.send((_resident_now(), _resident_at_most()))
        elif order == "speed":
            done, clock, processor = 0, time.perf_counter(), time.process_time()
            while not done or time.perf_counter() - clock < seconds:
                system.tag(items)
                done += len(items)
            pipe.send(Speed(done / (time.perf_counter() - clock), done / (time.process_time() - processor)))
        elif order == "single":
            times = []
            for item in items:
                start = time.perf_counter()
                system.tag([item])
                times.append(1_000 * (time.perf_counter() - start))
            pipe.send(times)


def _resident_now() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if os.path.exists("/proc/self/statm") else 0
    return pages * resource.getpagesize() / 1024**2


def _resident_at_most() -> float:
    # not getrusage's: that a process takes over from the one that started it
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = next((line for line in lines if line.startswith("VmHWM:")), None)
    return int(found.split()[1]) / 1024 if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Running:
    """A system in its process, asked over a pipe."""

    def __init__(self, name: str, cache: Path, training: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        start = time.perf_counter()
        self._process = context.Process(target=serve, args=(name, other, cache, training), daemon=True)
        self._process.start()
        other.close()
        assert self._pipe.recv() == "ready"
        self.load_seconds = time.perf_counter() - start

    def ask(self, order: str, texts: list[Any], seconds: float = 0.0) -> Any:
        """Send an order and wait for the answer."""
        self._pipe.send((order, texts, seconds))
        return self._pipe.recv()

    def stop(self) -> None:
        """End the process."""
        self._pipe.send(("stop", [], 0.0))
        self._process.join(timeout=30)


def main() -> None:
    """Train the peers, measure everything, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gold", type=Path, default=Path("../shared/gold"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="at least so long per system and round")
    parser.add_argument("--systems", nargs="*", help="only these, by name")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "journeymap-bench-tagging")
    given = parser.parse_args()
    from benchmarks.tagging_peers import SYSTEMS
    from nlp.codebook import load_codebook
    from nlp.gold import read_gold

    names = [name for name in SYSTEMS if not given.systems or name in given.systems]
    codebook = load_codebook()
    sets = {name: read_gold(given.gold / f"{name}.tsv", codebook) for name in ("dev", "elsewhere")}
    texts = {name: [(item.text, item.question) for item in items] for name, items in sets.items()}
    given.cache.mkdir(parents=True, exist_ok=True)
    training = prepared_training(given.gold, given.cache, codebook)
    for name in names:
        if name not in OURS:
            Running(name, given.cache, training).stop()  # learns, so that the next start only loads
    print(
        f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f} at the start; {given.rounds} rounds; {len(texts['dev'])} texts of dev",
        flush=True,
    )
    running = {name: Running(name, given.cache, training) for name in names}
    for system in running.values():
        system.ask("labels", texts["dev"][:100])  # warm
    speeds = measured_speeds(running, texts["dev"], given.rounds, given.seconds)
    singles = {
        name: running[name].ask("single", texts["dev"][:: 6 if name == REFERENCE else 1])
        for name in names
        if name != TOGETHER
    }
    print_speeds(running, speeds, singles, texts["dev"])
    if TOGETHER in running:
        running[TOGETHER].ask("labels", texts["dev"])
        now, peak = running[TOGETHER].ask("memory", [])
        print(
            f"\nBoth tiers in one process: load {running[TOGETHER].load_seconds:.1f} s from the start of the "
            f"interpreter, resident {now:.0f} MiB after tagging, {peak:.0f} MiB at most"
        )
    labels = {
        part: {
            name: running[name].ask("labels", texts[part]) for name in names if name not in (REFERENCE, TOGETHER)
        }
        for part in sets
    }
    print_accuracy(sets, labels, speeds, codebook)
    for system in running.values():
        system.stop()
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


def prepared_training(gold: Path, cache: Path, codebook: Any) -> Path:
    """What the accurate tier learnt from, as a file: its files' items without those like an evaluation text."""
    from nlp import artifact
    from training.corpus import corpus_of, evaluation_files

    named = artifact.read_manifest(artifact.tier_folder("accurate")).training_data
    files = [gold / name if name == "train.tsv" else Path("data/written") / name for name in named]
    files = [file for file in files if file.is_file()]
    sums = "".join(artifact.sha256(file) for file in [*files, *evaluation_files(gold)])
    path = cache / f"training-{hashlib.sha256(sums.encode()).hexdigest()[:12]}.pickle"
    if not path.is_file():
        corpus = corpus_of(files, gold, codebook, near_duplicate_cosine=0.8)
        path.write_bytes(pickle.dumps(list(corpus.items)))
    return path


def measured_speeds(
    running: dict[str, Running], texts: list[Any], rounds: int, seconds: float
) -> dict[str, list[Speed]]:
    """Per system one speed a round."""
    speeds: dict[str, list[Speed]] = {name: [] for name in running if name != TOGETHER}
    for _ in range(rounds):
        for name, taken in speeds.items():
            repeats = 1 if name == REFERENCE else REPEATS
            taken.append(running[name].ask("speed", texts * repeats, seconds))
    return speeds


def print_speeds(
    running: dict[str, Running], speeds: dict[str, list[Speed]], singles: dict[str, list[float]], texts: list[Any]
) -> None:
    """The table of speeds, medians over the rounds; ratios are of the same round."""
    from benchmarks.tagging_peers import SYSTEMS

    columns = "items/s", "items per CPU-second", "× BERT-base (by CPU)", "one item p50, p95 ms", "MiB"
    print(f"\n| system | {' | '.join(columns)} |\n|---|---|---|---|---|---|")
    for name, taken in speeds.items():
        clock = statistics.median(speed.clock for speed in taken)
        processor = statistics.median(speed.processor for speed in taken)
        ratio = "-"
        if REFERENCE in speeds:
            by_clock, by_processor = (
                statistics.median(
                    own[kind] / other[kind] for own, other in zip(taken, speeds[REFERENCE], strict=True)
                )
                for kind in (0, 1)
            )
            ratio = f"{by_clock:.1f} ({by_processor:.1f})"
        ordered = sorted(singles[name])
        single = f"{statistics.median(ordered):.1f}, {ordered[int(0.95 * len(ordered))]:.1f}"
        _, peak = running[name].ask("memory", [])
        print(
            f"| {SYSTEMS[name][0]} | {clock:,.0f} | {processor:,.0f} | {ratio} | {single} | {peak:.0f} |",
            flush=True,
        )


def print_accuracy(
    sets: dict[str, list[Any]], labels: dict[str, dict[str, Any]], speeds: dict[str, list[Speed]], codebook: Any
) -> None:
    """Macro-F1 per field with intervals, and who is on the frontier of speed and accuracy."""
    from benchmarks.tagging_peers import SYSTEMS
    from nlp.analysis import FIELDS

    means: dict[str, dict[str, Shown]] = {}
    for part, items in sets.items():
        print(f"\nMacro-F1 over labels with at least ten examples, {part}, n = {len(items)}, 95 % intervals\n")
        print(f"| system | {' | '.join(FIELDS)} | mean of the five |")
        print("|---|" + "---|" * (len(FIELDS) + 1))
        for name, given in labels[part].items():
            fields, mean = scored(items, given, codebook)
            means.setdefault(name, {})[part] = mean
            print(f"| {SYSTEMS[name][0]} | {' | '.join(map(str, fields.values()))} | {mean} |")
    print("\n| system | items per CPU-second | mean macro-F1, dev | elsewhere | on the frontier (elsewhere) |")
    print("|---|---|---|---|---|")
    points = {
        name: (statistics.median(speed.processor for speed in speeds[name]), own["elsewhere"].value)
        for name, own in means.items()
    }
    for name, (speed, value) in sorted(points.items(), key=lambda point: -point[1][1]):
        beaten = [SYSTEMS[other][0] for other, (s, v) in points.items() if s > speed and v > value]
        verdict = "yes" if not beaten else f"no: {', '.join(beaten)}"
        own = means[name]
        print(f"| {SYSTEMS[name][0]} | {speed:,.0f} | {own['dev']} | {own['elsewhere']} | {verdict} |")


def scored(items: list[Any], given: dict[str, list[str]], codebook: Any) -> tuple[dict[str, Shown], Shown]:
    """Per field macro-F1 with its interval, and the mean of the fields; all fields resample the same items."""
    import numpy as np

    from nlp.analysis import FIELDS
    from nlp.evaluate import MIN_EXAMPLES, bootstrap, interval, score_field

    fields, samples = {}, []
    for field in FIELDS:
        truth, said = np.array([item.labels[field] for item in items]), np.array(given[field])
        order = codebook.labels(field)
        score = score_field(truth, said, np.ones(len(items)), order, 0)
        assert score.macro_f1 is not None
        assert score.macro_f1_interval is not None
        fields[field] = Shown(score.macro_f1, *score.macro_f1_interval)
        frequent = [label for label in order if (truth == label).sum() >= MIN_EXAMPLES]
        samples.append(bootstrap(truth, said, frequent, 0)[1])
    mean = sum(shown.value for shown in fields.values()) / len(fields)
    return fields, Shown(mean, *interval(np.mean(samples, axis=0)))


if __name__ == "__main__":
    main()
