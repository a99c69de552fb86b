"""A suggestion as callers see it: the contract's shape, the reason in words, the arithmetic of the rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from nlp.codebook import JourneyModel
from service.intervals import share_interval
from service.moments import rfc3339
from service.selection import midnight
from service.store.score_effects import ScoreEffect
from service.suggest.change import Trend
from service.suggest.decisions import possible
from service.suggest.evidence import Verbatim
from service.suggest.playbook import Entry
from service.suggest.priority import confidence, in_words
from service.suggest.proposals import Proposal


def public(one: Proposal, evidence: Sequence[Verbatim], model: JourneyModel, timezone: str) -> dict[str, Any]:
    """A suggestion in the contract's shape, JSON-ready."""
    pain, row, entry = one.pain, one.row, one.entry
    column = model.column(one.stage, pain.touchpoint if pain else None)
    return {
        "id": one.id,
        "status": one.status,
        "stage": one.stage,
        "model_stage": model.stages[column].name if column is not None else None,
        "topic": one.topic,
        "theme": one.themes[0].name if one.themes and pain else None,
        "themes": _themes(one) if pain else [],
        "touchpoint": pain.touchpoint if pain else None,
        "pain": one.says,
        "customer_feedback": f"{one.says}: “{evidence[0].text}”" if evidence else one.says,
        "adaptation": one.adaptation,
        "why": why(one),
        "size": size(one),
        "trend": trend(one),
        "severity": round(pain.severity, 3) if pain else 0.0,
        "priority": round(one.rank.priority, 3),
        "effort": entry.effort,
        "confidence": certainty(one),
        "evidence": [found.public() | {"occurred_at": rfc3339(found.at)} for found in evidence],
        "metric": entry.metric,
        "test": entry.test,
        "customers_per_month": round(one.rank.customers, 3),
        "playbook_entry": entry.id,
        "idea": entry.idea,
        "fits": one.exact,
        "alternatives": [_near(entry, score) for entry, score in one.near if entry.id != one.entry.id],
        "ask": list(one.ask),
        "owner": row.owner if row else None,
        "usual_owner": entry.owner,
        "snoozed_until": rfc3339(row.snoozed_until) if row and one.status == "snoozed" else None,
        "possible": possible(one.status) if one.kind == "pain" else [],
        "kind": one.kind,
        "due": row.due.isoformat() if row and row.due else None,
        "ticket": row.ticket if row else None,
        "reopened": one.reopened.public() if one.reopened is not None else None,
        "same_change_as": None,
        "created_at": rfc3339(_first_seen(one, timezone)),
        "updated_at": rfc3339(_last_change(one, timezone)),
    }


def _themes(one: Proposal) -> list[dict[str, Any]]:
    """The largest themes of a pain, each with what fits it: one pain may hold several troubles."""
    return [
        {
            "id": theme.id,
            "name": theme.name,
            "respondents": theme.respondents,
            "complaining": theme.complaining,
            "fits": fit is not None and fit.fits,
            "best": None if fit is None or not fit.fits else _near(fit.entry, fit.near[0][1]),
        }
        for theme, fit in zip(one.themes, one.fits_of_themes, strict=False)
    ]


def _near(entry: Entry, score: float) -> dict[str, Any]:
    """An entry that comes near, beside the one that is proposed."""
    return {
        "playbook_entry": entry.id,
        "pain": entry.pain,
        "adaptation": entry.adaptation,
        "effort": entry.effort,
        "similarity": round(score, 3),
    }


def _first_seen(one: Proposal, timezone: str) -> datetime | None:
    """When the pain was first reported in this selection; for one that is gone, when it was first decided on."""
    if one.pain is not None:
        return midnight(one.pain.first_day, timezone)
    return one.row.created_at if one.row is not None else None


def _last_change(one: Proposal, timezone: str) -> datetime | None:
    """The newest of evidence and decision."""
    moments = [midnight(one.pain.last_day, timezone)] if one.pain is not None else []
    return max([*moments, *([one.row.updated_at] if one.row is not None else [])], default=None)


def size(one: Proposal) -> dict[str, Any]:
    """The size of a pain: items, share with its 95 % interval, respondents, money."""
    pain = one.pain
    share = pain.share if pain else share_interval(0.0, one.n)
    return {
        "count": pain.count if pain else 0,
        "n": pain.n if pain else one.n,
        "share": round(share.value, 4),
        "low": round(share.low, 4),
        "high": round(share.high, 4),
        "respondents": pain.respondents if pain else 0,
        "mentions": pain.mentions if pain else 0,
        "value": round(pain.value, 2) if pain and pain.value is not None else None,
    }


def trend(one: Proposal) -> dict[str, Any]:
    """The change of the share, null where there is too little to compare, or labels of different models."""
    return told(one.pain.trend if one.pain else Trend())


def told(found: Trend) -> dict[str, Any]:
    """A change of a share, as the contract tells it."""
    change = found.change
    return {
        "change": round(change.value, 4) if change else None,
        "low": round(change.low, 4) if change else None,
        "high": round(change.high, 4) if change else None,
        "significant": found.significant,
        "days": found.days,
        "before_days": found.before_days,
        "withheld": found.withheld,
        "mix": None
        if found.mix is None or found.covered is None
        else {"change": round(found.mix, 4), "covered": round(found.covered, 4)},
        "noise": None if found.noise is None else round(found.noise, 2),
    }


def certainty(one: Proposal) -> str:
    """How sure the size is, in one word."""
    return confidence(one.pain.share.value, one.pain.share.low) if one.pain else "low"


def why(one: Proposal) -> str:
    """The reason for the rank in a sentence that anyone can read."""
    pain = one.pain
    if pain is None:
        return "Nobody reports this any more in the feedback that is looked at."
    said = (
        f"{pain.count} of {pain.n} items in this stage say so ({_percent(pain.share.value)}, between "
        f"{_percent(pain.share.low)} and {_percent(pain.share.high)}); "
        f"{in_words(confidence(pain.share.value, pain.share.low), pain.respondents)}. "
        f"Severity {pain.severity:.1f} of 1."
    )
    if one.speaker is not None and one.speaker.complaining < pain.respondents:
        said += (
            f" The adaptation is for its largest theme, «{one.speaker.name}» ({one.speaker.complaining} people of "
            "all time); what fits the others stands beside it."
        )
    if one.several:
        named = ", ".join(
            f"«{theme.name}» ({theme.complaining})" for theme in one.themes[: len(one.fits_of_themes)]
        )
        said += f" These are several troubles, {named}: look at what fits each."
    if one.reopened is not None:
        said = f"{one.reopened.says} {said}"
    change = pain.trend.change
    if change is not None and pain.trend.significant:
        said += (
            f" {'Up' if change.value > 0 else 'Down'} by {abs(change.value) * 100:.0f} points in the latest "
            f"{pain.trend.days} days against the {pain.trend.before_days} before."
        )
    elif change is not None and not change.low <= 0 <= change.high:
        said += (
            f" By itself it looks {'higher' if change.value > 0 else 'lower'} than in the "
            f"{pain.trend.before_days} days before ({abs(change.value) * 100:.0f} points); of twenty unchanged "
            "pains one looks so."
        )
    if pain.lately.days is not None and not pain.lately.count:
        said += f" Nobody said so in the latest {pain.lately.days // 7} weeks, by which it is ranked."
    if one.rank.score > 1 and one.rank.effect is not None:
        said += f" {_scores(one.rank.effect)}"
    said += f" {in_customers(one)}"
    if one.rank.fit < 1:
        said += " Ranked lower because the reason has to be found out first."
    return said


def _percent(share: float) -> str:
    """Small shares with a decimal: "0%, between 0% and 0%" tells nothing."""
    return f"{share:.1%}" if share < 0.05 else f"{share:.0%}"


def _scores(effect: ScoreEffect) -> str:
    """What goes with the scores that customers gave, and that it is no cause."""
    sign, least = ("lower", effect.loss) if effect.value < 0 else ("higher", effect.gain)
    return (
        f"Who mentions {effect.label.replace('_', ' ')} gave scores at least {effect.said(least)} {sign} than "
        f"others ({_of(effect)}; they go together, which proves no cause)."
    )


def _of(effect: ScoreEffect) -> str:
    """How many responses, and whether all of them gave the same kind of score."""
    return f"{effect.n} responses{', all kinds of scores together' if effect.kinds > 1 else ''}"


def score_says(effect: ScoreEffect) -> str:
    """What goes with the scores, with its interval: «33 points of NPS lower (−45 to −20, 120 responses)»."""
    way = "lower" if effect.value < 0 else "higher"
    return f"{effect.said(effect.value)} {way} ({effect.bounds}, {_of(effect)})"


def in_customers(one: Proposal) -> str:
    """The rank's arithmetic in one line."""
    part = one.rank
    when = f" in the latest {part.days // 7} weeks" if part.days is not None else ""
    per = f"a month{when}" if part.dated else "in all (without dates nobody knows in which time)"
    said = f"At least {part.customers:.1f} customers {per} × severity {part.severity:.2f}"
    if part.bonus:
        said += f" + {part.bonus:.1f} for the rise"
    if part.score > 1:
        said += f" × {part.score:.2f} for {'lower' if one.kind == 'pain' else 'higher'} scores"
    if part.money != 1:
        said += f" × {part.money:.2f} for the money behind it"
    if part.fit < 1:
        said += f" × {part.fit:g} as the reason is not known"
    if part.effort != 1:
        said += f" ÷ {part.effort:.2f} for {one.entry.effort} effort"
    return f"{said} = {part.priority:.1f}."


def arithmetic(one: Proposal) -> dict[str, Any]:
    """Every number of the rank, and the formula in words."""
    part = one.rank
    return {
        "formula": "priority = fit × (affected + bonus) × score × money ÷ effort; "
        "affected = customers × severity; customers a month = low × n × people ÷ months, in the latest days that "
        "are counted; score = 1 + weight × what the topic costs in scores at the very least, at most 2; "
        "bonus = trend × rise × recent × severity, at most the trend's weight of affected",
        "says": in_customers(one),
        "low": round(part.share_low, 4),
        "n": part.n,
        "people": round(part.people, 4),
        "months": round(part.months, 3),
        "days": part.days,
        "customers": round(part.customers, 3),
        "severity": round(part.severity, 4),
        "affected": round(part.affected, 3),
        "rise": round(part.rise, 4),
        "recent": part.recent,
        "bonus": round(part.bonus, 3),
        "score_drop": round(part.score_drop, 3) if part.score_drop is not None else None,
        "score": round(part.score, 4),
        "score_effect": None
        if part.effect is None
        else {"topic": part.effect.label, "says": score_says(part.effect)}
        | {name: getattr(part.effect, name) for name in ("n", "value", "low", "high")},
        "money_ratio": round(part.money_ratio, 3) if part.money_ratio is not None else None,
        "money": round(part.money, 4),
        "effort": round(part.effort, 4),
        "fit": part.fit,
        "priority": round(part.priority, 3),
        "weights": asdict(part.weights),
    }
