"""How far two people agree who labelled the same items without seeing each other's answer.

Krippendorff's alpha for names, per field: 1 - observed / expected disagreement, where what is expected comes from
all labels that were given (K. Krippendorff, "Content Analysis", 4th ed. 2018, ch. 12). 1: they always agree; 0: as
often as by chance. Its 95 % interval is that of bootstrap samples of items. Only items that chance chose for two
people count (audit.py): what somebody looks at because it is disputed says nothing about the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from nlp.analysis import FIELDS
from service.dependencies import ReadDb, Reader
from service.review.feedback_query import codebook
from service.store.schema import AuditDraw, Correction

router = APIRouter(tags=["model"])

DRAWS: Final = 2_000
SEED: Final = 5
FEW: Final = 30
"""Items below which the figures are called rough."""


class FieldAgreement(BaseModel):
    """One field. `alpha` is null where all labels are the same: nothing can be told by chance then."""

    field: str
    alpha: float | None
    low: float | None
    high: float | None
    equal: float = Field(description="Share of items on which both said the same.")


class AgreementOut(BaseModel):
    """Agreement over `n` items that two of `people` labelled blind; no fields before the first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "n": 41,
                "people": 3,
                "few": False,
                "fields": [{"field": "stage", "alpha": 0.81, "low": 0.66, "high": 0.93, "equal": 0.85}],
            }
        }
    )

    n: int
    people: int
    few: bool
    fields: list[FieldAgreement]


@router.get("/v1/agreement", summary="How far reviewers agree with each other")
def read_agreement(caller: Reader, session: ReadDb) -> AgreementOut:
    """Krippendorff's alpha per field over the items that chance gave to two people, each blind to the other."""
    return agreement(session, caller.workspace_id)


def agreement(session: Session, workspace_id: int) -> AgreementOut:
    """What the pairs of standing answers say."""
    first, second = aliased(Correction), aliased(Correction)
    rows = session.execute(
        select(col(first.labels), col(second.labels), col(first.author), col(second.author))
        .select_from(AuditDraw)
        .join(first, col(first.id) == col(AuditDraw.correction_id))
        .join(second, col(second.id) == col(AuditDraw.second_correction_id))
        .where(
            col(AuditDraw.workspace_id) == workspace_id,
            col(first.undone_at).is_(None),
            col(second.undone_at).is_(None),
        )
        .order_by(col(AuditDraw.id))
    ).all()
    people = {author for row in rows for author in row[2:]}
    fields = [of_field(name, [(row[0][name], row[1][name]) for row in rows]) for name in FIELDS if rows]
    return AgreementOut(n=len(rows), people=len(people), few=len(rows) < FEW, fields=fields)


def of_field(name: str, pairs: Sequence[tuple[str, str]]) -> FieldAgreement:
    """Alpha of pairs of labels with its interval; the interval is null where too few samples have an alpha."""
    number = {label: at for at, label in enumerate(codebook().labels(name))}
    said = np.array([[number[one], number[other]] for one, other in pairs], dtype=np.int64)
    weights = np.ones((1, len(said)), dtype=np.int64)
    samples = np.random.default_rng(SEED).multinomial(len(said), np.full(len(said), 1 / len(said)), DRAWS)
    value = alphas(said, weights, len(number))[0]
    spread = alphas(said, samples, len(number))
    spread = spread[~np.isnan(spread)]
    low, high = np.quantile(spread, (0.025, 0.975)) if len(spread) > DRAWS // 2 else (np.nan, np.nan)
    return FieldAgreement(
        field=name,
        alpha=_told(value),
        low=_told(min(low, value)),
        high=_told(max(high, value)),
        equal=round(float((said[:, 0] == said[:, 1]).mean()), 4),
    )


def alphas(said: NDArray[np.int64], weights: NDArray[Any], labels: int) -> NDArray[np.float64]:
    """Alpha of each row of `weights`, which holds how often each pair counts; NaN where nothing differs."""
    each = np.zeros((len(said), labels))
    for side in (0, 1):
        each[np.arange(len(said)), said[:, side]] += 1
    counts = weights @ each  # how often each label was given
    n = counts.sum(axis=1)
    observed = (weights @ (said[:, 0] != said[:, 1])) * 2 / n
    expected = 1 - (counts * (counts - 1)).sum(axis=1) / (n * (n - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(expected > 0, 1 - observed / expected, np.nan))


def _told(value: Any) -> float | None:
    return None if np.isnan(value) else round(float(value), 4) + 0.0  # no minus before a zero
