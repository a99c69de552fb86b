"""The evaluation of a model as people read it: how often right, label by label, how honest its confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.intervals import Interval, share_interval

FEW: Final = 10  # texts of a label; below it a score says next to nothing
WIDEST: Final = 0.15  # calibration error at the end of the picture's scale, unless one is larger
STRANGERS: Final = "elsewhere.tsv"  # from sources of which no text was learnt from
SETS: Final = {
    "dev.tsv": "Everyday mix of sources",
    STRANGERS: "Companies whose customers the model has never read",
    "dev.tsv + elsewhere.tsv": "Both together",
}


@dataclass(frozen=True, slots=True)
class LabelFigure:
    """One label: `found` of the texts that have it (recall), `right` of those given it (precision).

    With their 95 % intervals; None where there is nothing to divide by.
    """

    label: str
    n: int
    predicted: int
    found: Interval | None
    right: Interval | None
    f1: float
    few: bool


@dataclass(frozen=True, slots=True)
class BinFigure:
    """A point of the calibration picture: how sure, which share was right with its 95 % interval, over n texts."""

    n: int
    sure: float
    right: Interval


@dataclass(frozen=True, slots=True)
class FieldFigure:
    """One field: share right with its interval, of the surest 80 % too, and how far confidence is off."""

    name: str
    n: int
    share: Interval
    confident: float
    off: float  # expected calibration error: mean distance of confidence and share right, in bins of equal size
    off_debiased: float  # the same without what chance alone does with so few texts
    off_width: float  # percent of the picture's width
    off_debiased_width: float
    labels: tuple[LabelFigure, ...]
    bins: tuple[BinFigure, ...]  # empty where no picture was made


@dataclass(frozen=True, slots=True)
class ReportFigure:
    """One data set of the evaluation."""

    name: str
    n: int
    unsure: float  # share of texts that the model leaves to people
    fields: tuple[FieldFigure, ...]
    scale: float  # calibration error at the right end of the picture


def most_telling_first(evaluation: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The reports of GET /v1/model, first that on sources it learnt nothing from: to it every workspace is one."""
    return sorted(evaluation, key=lambda report: report["gold"] != STRANGERS)


def reports_of(evaluation: Sequence[Mapping[str, Any]]) -> tuple[ReportFigure, ...]:
    """The reports of GET /v1/model, the most telling first, read with the question where a text answers one."""
    return tuple(_report(one) for one in most_telling_first(evaluation))


def _report(report: Mapping[str, Any]) -> ReportFigure:
    run = report["with_question"]
    scale = max([WIDEST, *(field["calibration_error"] for field in run["fields"].values())])
    return ReportFigure(
        name=SETS.get(report["gold"], report["gold"]),
        n=run["n"],
        unsure=sum(run["unsure"].values()),
        fields=tuple(_field(name, field, scale) for name, field in run["fields"].items()),
        scale=scale,
    )


def _field(name: str, field: Mapping[str, Any], scale: float) -> FieldFigure:
    low, high = field["accuracy_interval"]
    return FieldFigure(
        name=name,
        n=field["n"],
        share=Interval(field["accuracy"], low, high),
        confident=field["confident_accuracy"],
        off=field["calibration_error"],
        off_debiased=field["calibration_error_debiased"],
        off_width=round(100 * field["calibration_error"] / scale, 2),
        off_debiased_width=round(100 * field["calibration_error_debiased"] / scale, 2),
        labels=tuple(
            LabelFigure(
                label=one["label"],
                n=one["n"],
                predicted=one["predicted"],
                found=share_interval(one["recall"], one["n"]) if one["n"] else None,
                right=share_interval(one["precision"], one["predicted"]) if one["predicted"] else None,
                f1=one["f1"],
                few=one["n"] < FEW,
            )
            for one in field["labels"]
        ),
        bins=tuple(
            BinFigure(one["n"], one["confidence"], share_interval(one["right"], one["n"]))
            for one in field.get("bins", ())
        ),
    )
