"""How long loading the tiers takes and how much memory they hold together: `python benchmarks/tiers_loaded.py`.

One fresh process: both tiers are loaded, then each tags texts, as in a worker that takes a large import. Nothing
of the service is loaded. Importing the libraries is part of the load time; on a machine with other things to do
the CPU time says more than the clock.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from importlib import import_module
from typing import Any

import psutil

MEBI = 2**20
TEXTS = [
    "Checkout was easy but my parcel came a week late.",
    "I have asked three times now and nobody answers. Please cancel my subscription!",
    "Lovely staff, the room was tiny though, and the wifi never worked on the third floor.",
]


def resident() -> float:
    """Memory of this process that is in RAM, MiB."""
    return float(psutil.Process().memory_info().rss) / MEBI


def main() -> None:
    """Print a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--texts", type=int, default=3_000, help="how many texts each tier tags")
    parser.add_argument("--first", choices=("accurate", "fast"), default="accurate")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; memory at the start {resident():.0f} MiB")
    pipelines: dict[str, Any] = {}
    begun = time.perf_counter()
    for tier in sorted(("accurate", "fast"), key=lambda tier: tier != arguments.first):
        started = time.perf_counter()
        pipelines[tier] = import_module("nlp.pipeline").Pipeline.load(tier=tier)
        print(f"{tier} loaded: {time.perf_counter() - started:.2f} s, {resident():.0f} MiB")
    print(f"both loaded: {time.perf_counter() - begun:.2f} s, CPU since the start {time.process_time():.2f} s")
    text_input = import_module("nlp.pipeline").TextInput
    given = [text_input(f"{TEXTS[n % len(TEXTS)]} ({n})") for n in range(arguments.texts)]
    for tier, pipeline in pipelines.items():
        started = time.perf_counter()
        for start in range(0, len(given), 500):
            pipeline.analyze(given[start : start + 500])
        took = time.perf_counter() - started
        print(f"{tier} tagged {len(given)} texts: {len(given) / took:.0f}/s, {resident():.0f} MiB")
    print(f"most memory at any time: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
