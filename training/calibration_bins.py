"""The calibration picture of artifacts that were published without it: `python -m training.calibration_bins GOLD`.

reads  data/models/*/ of the named artifacts, GOLD (a gold file; for the shipped ones ../shared/gold/dev.tsv) ·
writes data/evaluation/calibration.json: per artifact, gold file and field, how many items, how sure on average,
which share was right, in bins of equal size. Counts and means only, no texts. Artifacts whose evaluation.json
carries bins need no line there.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from nlp.artifact import tier_folder
from nlp.evaluate import evaluate
from nlp.pipeline import Pipeline

TARGET: Final = Path(__file__).resolve().parents[1] / "data" / "evaluation" / "calibration.json"
TIERS: Final = ("accurate", "fast")


def bins_of(folder: Path, gold: Path) -> dict[str, Any]:
    """Field to its bins as [n, mean confidence, share right], rounded to four digits."""
    report = evaluate(Pipeline.load(folder), gold)
    return {
        field: [[one.n, round(one.confidence, 4), round(one.right, 4)] for one in score.bins]
        for field, score in report.with_question.fields.items()
    }


def main(gold: Path) -> None:
    """Measure the named artifacts and write the file."""
    found = {tier_folder(tier).name: {gold.name: bins_of(tier_folder(tier), gold)} for tier in TIERS}
    TARGET.write_text(laid_out(found), encoding="utf-8")


def laid_out(found: dict[str, Any]) -> str:
    """As JSON, a field a line."""
    versions = []
    for version, files in found.items():
        golds = []
        for gold, fields in files.items():
            lines = ",\n".join(f"   {json.dumps(field)}: {json.dumps(bins)}" for field, bins in fields.items())
            golds.append(f"  {json.dumps(gold)}: {{\n{lines}\n  }}")
        versions.append(f" {json.dumps(version)}: {{\n" + ",\n".join(golds) + "\n }")
    return "{\n" + ",\n".join(versions) + "\n}\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
