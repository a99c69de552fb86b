"""The README's section on accuracy, made from what stands beside the shipped models: `python -m training.report`.

reads  data/models/*/evaluation.json of the named artifacts, agreement.toml, looks.tsv, the recipes,
benchmarks/figures/goemotions.json, left-out-<tier>.json and segments.json where they are there ·
writes README.md between its two marks, or with --check nothing (exit code 1 where it would change)
"""

import argparse
import hashlib
import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from nlp.artifact import default_folder, tier_folder
from training.encoder_recipe import DEFAULT_ENCODER_RECIPE
from training.recipe import DEFAULT_RECIPE

ROOT: Final = Path(__file__).resolve().parent.parent
README: Final = ROOT / "README.md"
BEGIN: Final = "<!-- accuracy: made by `python -m training.report`, not by hand -->"
END: Final = "<!-- end of accuracy -->"
AGREEMENT_FILE: Final = Path(__file__).with_name("agreement.toml")
LOOKS_FILE: Final = Path(__file__).with_name("looks.tsv")
REPORT_FILE: Final = "evaluation.json"
FIGURES_FOLDER: Final = ROOT / "benchmarks" / "figures"
"""What `benchmarks.goemotions`, `training.left_out` and `benchmarks.segments` measured last."""
RECIPES: Final = {"accurate": DEFAULT_ENCODER_RECIPE, "fast": DEFAULT_RECIPE}

FIELDS: Final = ("stage", "emotion", "sentiment", "topic", "touchpoint")
MUST: Final = {
    "dev": {"stage": 0.78, "emotion": 0.74, "sentiment": 0.87, "topic": 0.76, "touchpoint": 0.77},
    "elsewhere": {"stage": 0.66, "emotion": 0.68, "sentiment": 0.74, "topic": 0.72, "touchpoint": 0.68},
}
"""What we set out to reach with the default tier."""
MUST_CONFIDENT: Final = {"dev": 0.90, "elsewhere": 0.82}
MUST_CALIBRATION: Final = {"dev": 0.04, "elsewhere": 0.06}
_NAMES: Final = {"dev": "known kinds of sources", "elsewhere": "businesses never seen"}


def section() -> str:
    """The section between the marks, as Markdown that ends with a line end."""
    folders = {"accurate": tier_folder("accurate"), "fast": tier_folder("fast")}
    reports = {tier: _reports(folder) for tier, folder in folders.items()}
    default = default_folder()
    [default_tier] = [tier for tier, folder in folders.items() if folder == default]
    with AGREEMENT_FILE.open("rb") as file:
        agreement = tomllib.load(file)
    lines = [
        f"Default: `{default.name}`. Macro-F1 over labels with at least ten examples (touchpoint:",
        "accuracy) with the 95 % bootstrap interval's half-width, beside what we set out to reach and the second",
        "reader of the codebook:",
        "",
        *_main_table(reports[default_tier], agreement),
        "",
        *_sure_lines(reports[default_tier]),
        "",
        "Both tiers, macro-F1 (touchpoint: accuracy):",
        "",
        *_tier_table(reports),
        "",
        *further_lines(FIGURES_FOLDER),
        "Per label of the default on the items of businesses never seen:",
        "F1 (n), – without an example.",
        "",
        *[_label_line(field, reports[default_tier]["elsewhere"]["fields"][field]) for field in FIELDS],
        "",
        f"`{LOOKS_FILE.relative_to(ROOT)}` logs all {len(looks())} looks at the items of businesses never seen.",
        "All of it with precision and recall, per source, with and without the survey's question:",
        f"`{default.relative_to(ROOT) / 'CARD.md'}`, or `journeymap evaluate GOLD.tsv`.",
    ]
    return "\n".join(lines) + "\n"


def looks(path: Path = LOOKS_FILE) -> list[list[str]]:
    """The rows of the log of looks at `elsewhere.tsv`: date, candidate, figures on dev and elsewhere, decision."""
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]


def put_in(text: str, part: str) -> str:
    """The README's text with `part` between the marks. Raises ValueError where a mark is missing."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md needs the marks {BEGIN!r} and {END!r}")
    return f"{head}{BEGIN}\n\n{part}\n{END}{tail}"


def further_lines(folder: Path) -> list[str]:
    """A line each for the figures that lie in `folder`, and an empty one after them; nothing without any."""
    lines = []
    if (probe := folder / "goemotions.json").is_file():
        lines.append(_probe_line(json.loads(probe.read_text(encoding="utf-8"))))
    for tier, recipe in RECIPES.items():
        if (left_out := folder / f"left-out-{tier}.json").is_file():
            same = hashlib.sha256(recipe.read_bytes()).hexdigest()
            lines.append(_left_out_line(json.loads(left_out.read_text(encoding="utf-8")), same))
    if (segments := folder / "segments.json").is_file():
        lines.append(_segments_line(json.loads(segments.read_text(encoding="utf-8"))))
    return [*lines, ""] if lines else []


def _segments_line(found: Sequence[Mapping[str, Any]]) -> str:
    """Boundaries, which are the same for all tiers, and the labels of segments, which are not."""
    first = found[0]

    def shown(figure: Mapping[str, float]) -> str:
        return f"{figure['value']:.2f} [{figure['low']:.2f}, {figure['high']:.2f}]"

    def labels(report: Mapping[str, Any]) -> str:
        cells = [f"{field} {report['given'][field]['value']:.2f}" for field in FIELDS]
        return f"`{report['model']}` {', '.join(cells)}"

    cuts = {name: shown(score["f1"]) for name, score in first["cuts"].items()}
    return (
        f"- {first['documents']} whole documents cut by reading into {first['segments']} segments (`python -m "
        f"benchmarks.segments`): boundary F1 {cuts['pipeline']} within two words, every sentence as a segment "
        f"{cuts['sentences']}; accuracy of the labels of these segments: {'; '.join(map(labels, found))}."
    )


def _probe_line(found: Mapping[str, Any]) -> str:
    low, high = found["macro_f1_interval"]
    return (
        f"- GoEmotions' test part, its own {len(found['labels'])} labels, {found['n']['test']} texts "
        f"(`python -m benchmarks.goemotions`): macro-F1 {found['macro_f1']:.2f} [{low:.2f}, {high:.2f}] by a "
        f"linear probe, logistic regressions on the vectors of `{found['model']}` as they are; BERT-base, "
        f"fine-tuned as a whole, as published: {found['published_bert_base_macro_f1']:.2f}. Both have learnt from "
        "the train part, neither from this one."
    )


def _left_out_line(found: Mapping[str, Any], recipe_sha256: str) -> str:
    """Pooled over customers' texts, with intervals over sources. `recipe_sha256` is today's recipe's."""
    real = found["pooled"]["real"]
    cells = []
    for field in FIELDS:
        score = real["fields"][field]
        if field == "touchpoint":
            cells.append(f"touchpoint (accuracy) {score['accuracy']:.2f}")
        else:
            low, high = score["macro_f1_interval_over_sources"]
            cells.append(f"{field} {score['macro_f1']:.2f} [{low:.2f}, {high:.2f}]")
    earlier = "" if found["recipe_sha256"] == recipe_sha256 else "; measured with an earlier recipe"
    return (
        f"- Sources of the training set left out in turn, {found['tier']} tier (`python -m training.left_out "
        f"--tier {found['tier']}`; {found['what']}{earlier}): {real['n']} texts of {real['sources']} real "
        f"sources, macro-F1 {', '.join(cells)}; intervals over sources."
    )


def _reports(folder: Path) -> dict[str, dict[str, Any]]:
    """Evaluation set to its run with the survey's question."""
    found = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
    return {report["gold"].removesuffix(".tsv"): report["with_question"] for report in found}


def _score(field: str, score: Mapping[str, Any]) -> tuple[float, float]:
    """The figure of a field and half of its interval's width."""
    kind = "accuracy" if field == "touchpoint" else "macro_f1"
    low, high = score[f"{kind}_interval"]
    return float(score[kind]), (high - low) / 2


def _main_table(runs: Mapping[str, Any], agreement: Mapping[str, Any]) -> list[str]:
    lines = ["| | n | " + " | ".join(FIELDS) + " |", "|---|---|" + "---|" * len(FIELDS)]
    for name, run in _sets(runs):
        scores = {field: _score(field, run["fields"][field]) for field in FIELDS}
        cells = [
            f"{'**' if value >= MUST[name][field] else ''}{value:.2f}{'**' if value >= MUST[name][field] else ''}"
            f" ± {half:.2f}"
            for field, (value, half) in scores.items()
        ]
        lines.append(f"| {_NAMES[name]} | {run['n']} | " + " | ".join(cells) + " |")
        lines.append("| – to reach | | " + " | ".join(f"{MUST[name][field]:.2f}" for field in FIELDS) + " |")
        lines.append(
            "| – second reader | | " + " | ".join(f"{agreement[name][field]:.2f}" for field in FIELDS) + " |"
        )
    return [*lines, "", "Bold: reached."]


def _sure_lines(runs: Mapping[str, Any]) -> list[str]:
    """Calibration, the confident part, unsure items, and shares, a line a set."""
    lines = []
    for name, run in runs.items():
        fields, unsure = run["fields"], run["unsure"].get("low_confidence", 0.0)
        errors = ", ".join(f"{field} {fields[field]['calibration_error_debiased']:.3f}" for field in FIELDS)
        line = f"- {_NAMES.get(name, 'both together')} ({run['n']} items): debiased calibration error {errors}"
        if name in MUST:
            shares = ", ".join(f"{field} {100 * fields[field]['share_error']:.1f}" for field in FIELDS)
            confident = fields["stage"]["confident_accuracy"]
            line += (
                f" (to reach {MUST_CALIBRATION[name]:.2f}); {unsure:.0%} unsure; stage accuracy on the most "
                f"confident 80 % {confident:.2f} (to reach {MUST_CONFIDENT[name]:.2f}); error of a label's share, "
                f"in points, mean over labels: {shares}"
            )
        lines.append(f"{line}.")
    return lines


def _sets(runs: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The runs of one evaluation set each."""
    return [(name, run) for name, run in runs.items() if name in MUST]


def _tier_table(reports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = ["| | " + " | ".join(FIELDS) + " |", "|---|" + "---|" * len(FIELDS)]
    for tier, runs in reports.items():
        for name, run in _sets(runs):
            cells = [f"{_score(field, run['fields'][field])[0]:.2f}" for field in FIELDS]
            lines.append(f"| {tier}, {_NAMES[name]} | " + " | ".join(cells) + " |")
    return lines


def _label_line(field: str, score: Mapping[str, Any]) -> str:
    labels: Sequence[Mapping[str, Any]] = score["labels"]
    cells = [
        f"{entry['label']} {entry['f1']:.2f} ({entry['n']})" if entry["n"] else f"{entry['label']} –"
        for entry in labels
    ]
    return f"- {field}: " + ", ".join(cells)


def main() -> int:
    """Rewrite the section, or check it."""
    parser = argparse.ArgumentParser(prog="python -m training.report", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 where it would")
    check = parser.parse_args().check
    text = README.read_text(encoding="utf-8")
    wanted = put_in(text, section())
    if wanted == text:
        return 0
    if check:
        print("README.md: the section on accuracy is not what the models' reports say", file=sys.stderr)
        return 1
    README.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
