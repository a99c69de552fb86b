"""An evaluation as plain text tables."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlp.evaluate import FieldScore, Report, Run


def report_text(report: "Report") -> str:
    """The whole report; ends with a line end."""
    lines = [f"{report.gold}: model {report.model}, codebook {report.codebook}", ""]
    lines += _run_lines("with the survey question where there is one", report.with_question)
    if report.without_question is not None:
        lines += ["", *_run_lines("without the survey question", report.without_question)]
    lines += ["", "per label (with the question): precision, recall, F1, n meant, n given"]
    for field, score in report.with_question.fields.items():
        lines += ["", f"  {field}"]
        lines += [
            f"    {entry.label:<18}{entry.precision:6.2f}{entry.recall:6.2f}{entry.f1:6.2f}"
            f"{entry.n:6d}{entry.predicted:6d}"
            for entry in score.labels
        ]
    lines += ["", "per source (with the question): n, accuracy of stage, emotion, sentiment, topic, touchpoint"]
    for source, figures in report.with_question.sources.items():
        cells = "".join(f"{figures[f'{field}_accuracy']:6.2f}" for field in report.with_question.fields)
        lines.append(f"    {source:<18}{int(figures['n']):5d}{cells}")
    return "\n".join(lines) + "\n"


def _run_lines(title: str, run: "Run") -> list[str]:
    unsure = ", ".join(f"{reason} {share:.1%}" for reason, share in run.unsure.items()) or "none"
    head = (
        f"  {'field':<12}{'accuracy':>20}{'macro-F1 (n>=10)':>22}"
        f"{'ECE':>7}{'debiased':>10}{'top 80 %':>10}{'share err':>11}"
    )
    return [f"{title}: n = {run.n}; unsure: {unsure}", head] + [
        _field_line(field, score) for field, score in run.fields.items()
    ]


def _field_line(field: str, score: "FieldScore") -> str:
    low, high = score.accuracy_interval
    accuracy = f"{score.accuracy:.3f} [{low:.2f}, {high:.2f}]"
    macro = "-"
    if score.macro_f1 is not None and score.macro_f1_interval is not None:
        low, high = score.macro_f1_interval
        macro = f"{score.macro_f1:.3f} [{low:.2f}, {high:.2f}]"
    return (
        f"  {field:<12}{accuracy:>20}{macro:>22}{score.calibration_error:7.3f}"
        f"{score.calibration_error_debiased:10.3f}{score.confident_accuracy:10.3f}{score.share_error:11.4f}"
    )
