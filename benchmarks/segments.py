"""How well whole documents are cut into segments and these are labelled: both tiers, beside simpler cuts.

python -m benchmarks.segments [--corpus ../shared/corpus] [--figures benchmarks/figures/segments.json]
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # also when it is not installed

from nlp.codebook import load_codebook  # noqa: E402
from nlp.evaluate_segments import TOLERANCE, CutScore, Figure, SegmentReport, evaluate_segments  # noqa: E402
from nlp.gold import GoldError  # noqa: E402
from nlp.pipeline import Pipeline  # noqa: E402
from nlp.segment_gold import SEGMENTS_FILE, read_documents  # noqa: E402

TIERS = ("accurate", "fast")
_NAMES = {"pipeline": "the pipeline", "sentences": "every sentence", "whole": "the whole document"}


def shown(figure: Figure) -> str:
    """A figure and its interval."""
    return f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]"


def text(report: SegmentReport) -> str:
    """The tables of one tier, as Markdown."""
    lines = [
        f"{report.tier} ({report.model}): {report.documents} documents, {report.words} words, "
        f"{report.segments} segments, {report.boundaries} boundaries",
        "",
        f"| cut | segments | precision ± {TOLERANCE} words | recall | F1 | F1, same word "
        f"| WindowDiff ({report.window} words) |",
        "|---|---|---|---|---|---|---|",
        *[_cut_line(_NAMES[name], score) for name, score in report.cuts.items()],
        "",
        f"| label right | n | {' | '.join(report.given)} |",
        "|---|---|" + "---|" * len(report.given),
        _label_line("segments as the reader cut them", report.segments, report.given),
        *[
            _label_line(f"words, cut by {_NAMES[name]}", report.words, score.words)
            for name, score in report.cuts.items()
        ],
    ]
    return "\n".join(lines) + "\n"


def _cut_line(name: str, score: CutScore) -> str:
    figures = (score.precision, score.recall, score.f1, score.f1_exact, score.window_diff)
    return f"| {name} | {score.segments} | " + " | ".join(map(shown, figures)) + " |"


def _label_line(name: str, n: int, figures: Mapping[str, Figure]) -> str:
    return f"| {name} | {n} | " + " | ".join(map(shown, figures.values())) + " |"


def main() -> int:
    """Measure both tiers, print the tables, and write them as JSON where asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.segments", description=__doc__)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"), help="where the texts are")
    parser.add_argument("--documents", type=Path, default=SEGMENTS_FILE, help="the table of segments")
    parser.add_argument("--tiers", nargs="*", default=TIERS)
    parser.add_argument("--figures", type=Path, help="write the figures to this file, too")
    arguments = parser.parse_args()
    try:
        documents = read_documents(arguments.corpus, load_codebook(), arguments.documents)
    except GoldError as error:
        print(error, file=sys.stderr)
        return 1
    reports = []
    for tier in arguments.tiers:
        reports.append(evaluate_segments(Pipeline.load(tier=tier), documents))
        print(text(reports[-1]))
    if arguments.figures is not None:
        arguments.figures.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps([report.to_dict() for report in reports], indent=1) + "\n"
        arguments.figures.write_text(content, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
