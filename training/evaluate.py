"""Step 5, evaluate: the candidate on dev and elsewhere, and the gates.

reads  gold/dev.tsv, elsewhere.tsv, the candidate · writes nothing
"""

from pathlib import Path

from nlp.evaluate import Report, evaluate
from nlp.pipeline import Pipeline
from training.recipe import Gates

GATED = "dev.tsv"
REPORTED = "elsewhere.tsv"


class GateError(RuntimeError):
    """The candidate does not reach what an artifact must; nothing was published."""


def evaluate_candidate(pipeline: Pipeline, gold: Path, *, seed: int) -> list[Report]:
    """A report per evaluation set that the folder holds, dev first, and one of both together for calibration."""
    paths = [gold / name for name in (GATED, REPORTED) if (gold / name).is_file()]
    reports = [evaluate(pipeline, path, seed=seed) for path in paths]
    return reports if len(paths) < 2 else [*reports, evaluate(pipeline, *paths, seed=seed)]


def failed_gates(reports: list[Report], gates: Gates) -> list[str]:
    """What the candidate falls short of on dev, in words; empty where it may be published."""
    failures = []
    for report in reports:
        if report.gold != GATED:
            continue
        run = report.with_question
        for field, least in gates.macro_f1.items():
            reached = run.fields[field].macro_f1
            if reached is None or reached < least:
                failures.append(f"{field}: macro-F1 {reached} is below {least}")
        for field, least in gates.accuracy.items():
            if run.fields[field].accuracy < least:
                failures.append(f"{field}: accuracy {run.fields[field].accuracy:.3f} is below {least}")
        refused = run.unsure.get("unsupported_language", 0.0)
        if refused > gates.refused_english:
            failures.append(f"refused as another language: {refused:.3f} is above {gates.refused_english}")
    return failures
