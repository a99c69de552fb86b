"""Would a cascade pay? `python benchmarks/cascade.py GOLD.tsv …`: the fast tier answers where it is sure enough.

A text's certainty is the least of the fast tier's five calibrated probabilities; below the threshold the accurate
tier answers. For each threshold: how much goes on to the accurate tier, the work per text (CPU time, so that a
busy machine does not blur it; of both tiers where both read it), macro-F1 of the fields, accuracy of the
touchpoint, the largest debiased calibration error of a field, and the most that a macro-F1 loses against the
accurate tier alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nlp.analysis import FIELDS, Analysis
from nlp.evaluate import FieldScore, evaluate
from nlp.pipeline import Pipeline, TextInput

THRESHOLDS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.01)
"""0: always the fast tier; above 1: always the accurate one."""


class Kept(Pipeline):
    """A pipeline that answers a file's texts once and then from memory; `seconds` is the CPU time of the once."""

    def remember(self, inputs: Sequence[TextInput]) -> None:
        """Tag these texts."""
        started = time.process_time()
        found = super().analyze(inputs)
        self.seconds = (time.process_time() - started) / max(1, len(inputs))
        self.memory = dict(zip(inputs, found, strict=True))

    def analyze(self, inputs: Sequence[TextInput]) -> list[Analysis]:
        """One analysis per input, in their order."""
        if not hasattr(self, "memory"):
            self.remember(inputs)
        missing = [one for one in inputs if one not in self.memory]
        if missing:
            self.memory |= dict(zip(missing, super().analyze(missing), strict=True))
        return [self.memory[one] for one in inputs]


@dataclass
class Cascade:
    """Both tiers behind one face: what `evaluate` asks of a pipeline."""

    fast: Kept
    accurate: Kept
    threshold: float
    passed_on: float = 0.0
    model_version: str = "cascade"
    codebook_version: str = ""

    def analyze(self, inputs: Sequence[TextInput]) -> list[Analysis]:
        """The fast tier's answer where all its labels are certain enough, else the accurate one's."""
        quick, slow = self.fast.analyze(inputs), self.accurate.analyze(inputs)
        on = [certainty(one) < self.threshold for one in quick]
        self.passed_on = sum(on) / max(1, len(on))
        return [second if go else first for first, second, go in zip(quick, slow, on, strict=True)]


def certainty(analysis: Analysis) -> float:
    """The least probability of the five labels; a text without labels is as certain as can be."""
    labels = [getattr(analysis, field) for field in FIELDS]
    return min((label.confidence for label in labels if label is not None), default=1.0)


def main() -> None:
    """Print a table for each gold file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("gold", type=Path, nargs="+")
    for path in parser.parse_args().gold:
        fast, accurate = Kept.load(tier="fast"), Kept.load(tier="accurate")
        rows: list[tuple[float, float, float, dict[str, FieldScore]]] = []
        for threshold in THRESHOLDS:
            cascade = Cascade(fast, accurate, threshold)
            fields = evaluate(cascade, path).with_question.fields
            share = cascade.passed_on
            work = accurate.seconds if share == 1 else fast.seconds + share * accurate.seconds
            rows.append((threshold, share, work, fields))
        alone = rows[-1][3]
        print(f"\n{path.name}: {rows[0][3]['stage'].n} texts\n")
        print(
            "| threshold | to the accurate | ms of work | stage emotion sentiment topic touchpoint | ECE | loss |"
        )
        print("|---|---|---|---|---|---|")
        for threshold, share, work, fields in rows:
            scores = [fields[name].macro_f1 or 0.0 for name in FIELDS if name != "touchpoint"]
            scores.append(fields["touchpoint"].accuracy)
            best = [alone[name].macro_f1 or 0.0 for name in FIELDS if name != "touchpoint"]
            loss = max(b - s for b, s in zip(best, scores, strict=False))
            error = max(one.calibration_error_debiased for one in fields.values())
            shown = " ".join(f"{score:.3f}" for score in scores)
            print(f"| {threshold:.2f} | {share:.0%} | {1000 * work:.2f} | {shown} | {error:.3f} | {loss:.3f} |")


if __name__ == "__main__":
    main()
