"""Every pain with its playbook entry and what people decided about it, the best first.

A suggestion is about one stage and topic of one workspace; that pair is its identity, so it is updated as evidence
grows and never repeated. Its numbers are computed from the rollups whenever it is read; a row in the database
holds only what people decided, so reading never writes and a rejected suggestion stays rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlmodel import Session, col, select

from service.errors import NotFound
from service.selection import Selection
from service.store import rollup_frame
from service.store.columns import now
from service.store.kept_answers import KeptAnswers
from service.store.schema import Suggestion
from service.store.score_effects import ScoreEffect, effects_of
from service.store.themes import ThemeSize, themes_of
from service.suggest.decisions import public_id, shown_status
from service.suggest.evidence_growth import Growth, grown
from service.suggest.fitting import Key, fits_of
from service.suggest.match import Fit, Matcher
from service.suggest.pains import Pain
from service.suggest.playbook import FALLBACK_TOPIC, Effort, Entry, Playbook
from service.suggest.playbook_own import matcher_of
from service.suggest.priority import DAYS_OF_MONTH, MIN_RESPONDENTS, Rank, Weights, rank, sort_key
from service.suggest.selected import Kind, Selected, pains_of
from service.suggest.theme_fits import fit_of_theme, of_pain, several, speaker
from service.suggest.weights import weights_of

THEMES: Final = 3  # of a pain that are told with what fits each
_fits: KeptAnswers[dict[Key, Fit]] = KeptAnswers(4)
"""Of a frame, by the playbook's matcher."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A suggestion before it is written out: pain, entry, rank, and the row with what people decided, if any."""

    stage: str
    topic: str
    pain: Pain | None  # None: decided earlier, and nothing of it is left in this selection
    entry: Entry
    exact: bool  # the playbook has an entry that fits; else it says "find out why"
    rank: Rank
    row: Suggestion | None
    status: str
    n: int  # items in the stage, also where none has the pain
    near: tuple[tuple[Entry, float], ...] = ()  # entries that come near, with their scores
    ask: tuple[str, ...] = ()  # what to ask where nothing fits
    reopened: Growth | None = None  # was rejected; what is new since
    kind: str = "pain"  # or delight
    themes: tuple[ThemeSize, ...] = ()  # most complaining people first, of all time
    several: bool = False  # its themes want different things: the entry is the usual one
    speaker: ThemeSize | None = None  # the theme that the entry was chosen for; None: for the words of all
    fits_of_themes: tuple[Fit | None, ...] = ()  # of the first THEMES of these

    @property
    def id(self) -> str:
        """The public id."""
        plain = public_id(self.stage, self.topic)
        return plain if self.kind == "pain" else f"{self.kind}.{plain}"

    @property
    def says(self) -> str:
        """The pain in the playbook's words."""
        if self.exact:
            return self.entry.pain
        if self.topic == FALLBACK_TOPIC:
            return "Trouble of which customers do not say what it is about"
        return f"Trouble with {self.topic.replace('_', ' ')} that has no known pattern yet"

    @property
    def adaptation(self) -> str:
        """The playbook's, unless a person edited it or decided on an earlier wording."""
        if self.row is not None and self.status not in ("suggested", "snoozed"):
            return self.row.adaptation
        return self.entry.adaptation

    def order(self) -> tuple[float, int, str]:
        """Best first, the same at every reading."""
        return sort_key(self.rank.priority, self.entry.effort, self.id)


def key_of(public_id: str) -> tuple[str, str]:
    """Stage and topic of a public id; NotFound for anything that can't be one."""
    stage, dot, topic = public_id.partition(".")
    if not dot or not stage.isascii() or not topic.isascii() or "\x00" in public_id:
        raise NotFound("This suggestion does not exist.")
    return stage, topic


def proposals(
    session: Session,
    *,
    workspace_id: int,
    timezone: str,
    selection: Selection | None = None,
    weights: Weights | None = None,
) -> list[Proposal]:
    """All suggestions of a selection, the best first.

    A pain of fewer than MIN_RESPONDENTS respondents is no suggestion, unless somebody has decided on it before.
    What a topic does to scores is taken from all feedback: of one month or persona too few gave a score to tell.
    `weights` ranks as they would, in place of the workspace's.
    """
    chosen = selection or Selection()
    selected = pains_of(session, workspace_id=workspace_id, timezone=timezone, selection=chosen)
    effects = effects_of(session, workspace_id=workspace_id, timezone=timezone, selection=Selection())
    rows = {
        (row.stage, row.topic): row
        for row in session.exec(select(Suggestion).where(col(Suggestion.workspace_id) == workspace_id)).all()
    }
    moment = now()
    matcher = matcher_of(session, workspace_id)
    weights = weights or weights_of(session, workspace_id)
    heard = {
        key: pain for key, pain in selected.pains.items() if pain.respondents >= MIN_RESPONDENTS or key in rows
    }
    growth = _growth(session, workspace_id, timezone, list(rows.values()))
    fits = _fits_of_all(session, workspace_id, timezone, matcher, selected if chosen == Selection() else None)
    themes = themes_of(session, workspace_id, set(heard))
    found = []
    for stage, topic in sorted(heard.keys() | rows.keys()):
        pain, row = heard.get((stage, topic)), rows.get((stage, topic))
        reopened = growth.get((stage, topic))
        status = shown_status(row, moment, reopened=reopened is not None) if row is not None else "suggested"
        if status == "suggested" and (pain is None or pain.respondents < MIN_RESPONDENTS):
            continue
        spoken = of_pain(themes.get((stage, topic), []))
        told = speaker(matcher.playbook, pain, spoken) if pain is not None else None
        mixed = several(matcher.playbook, pain, spoken) if pain is not None and told is None else None
        fit = told[1] if told is not None else mixed or fits.get((stage, topic)) or matcher.fit(stage, topic, ())
        if row is not None and status not in ("suggested", "snoozed"):
            fit, told, mixed = _decided(matcher.playbook, row, fit), None, None
        if fit is None:
            continue
        found.append(
            Proposal(
                stage=stage,
                topic=topic,
                pain=pain,
                entry=fit.entry,
                exact=fit.fits,
                rank=rank_of(
                    pain,
                    known=fit.fits or topic != FALLBACK_TOPIC,
                    effort=fit.entry.effort,
                    selected=selected,
                    effect=effects.get(topic),
                    weights=weights,
                ),
                row=row,
                status=status,
                n=selected.items.get(stage, 0),
                near=fit.near,
                ask=() if fit.fits else matcher.playbook.ask(topic),
                reopened=reopened,
                themes=tuple(spoken),
                speaker=told[0] if told is not None else None,
                several=mixed is not None,
                fits_of_themes=tuple(fit_of_theme(matcher.playbook, one, stage) for one in spoken[:THEMES]),
            )
        )
    return sorted(found, key=Proposal.order)


def _fits_of_all(
    session: Session, workspace_id: int, timezone: str, matcher: Matcher, whole: Selected | None
) -> dict[Key, Fit]:
    """What fits each pain, whatever is looked at now: one suggestion proposes the same in every view.

    Kept until something comes in: to read some words of every pain takes longer than all the rest of a map.
    `whole` are the pains of all items, where they are at hand.
    """
    frame = rollup_frame.load(session, workspace_id)

    def read() -> dict[Key, Fit]:
        everything = whole or pains_of(
            session, workspace_id=workspace_id, timezone=timezone, selection=Selection()
        )
        return fits_of(session, workspace_id=workspace_id, matcher=matcher, pains=everything.pains)

    return _fits.of(frame, matcher.serial, read)


def _growth(
    session: Session, workspace_id: int, timezone: str, rows: list[Suggestion]
) -> dict[tuple[str, str], Growth]:
    """What is new about rejected ones, whatever is looked at now."""
    if not any(row.status == "rejected" for row in rows):
        return {}
    everything = pains_of(session, workspace_id=workspace_id, timezone=timezone, selection=Selection())
    return grown(session, workspace_id=workspace_id, rows=rows, pains=everything.pains)


def _decided(playbook: Playbook, row: Suggestion, fit: Fit | None) -> Fit | None:
    """What was decided on, whatever fits best by now; that where the entry has left the playbook."""
    entry = playbook.entry(row.playbook_entry)
    if entry is None:
        return fit
    return Fit(entry, bool(entry.patterns), fit.near if fit is not None else ())


def rank_of(
    pain: Pain | None,
    *,
    known: bool,
    effort: Effort,
    selected: Selected,
    weights: Weights,
    effect: ScoreEffect | None = None,
    kind: Kind = "pain",
) -> Rank:
    """The rank of a pain or delight among those of its selection; `effect` is that of its topic on scores."""
    if pain is None:
        return rank(share_low=0.0, n=0, severity=0.0, exact_entry=known, effort=effort, weights=weights)
    mean, lately = _mean_value(pain), pain.lately
    days = selected.days if lately.days is None else lately.days
    return rank(
        share_low=lately.low,
        n=lately.n,
        severity=pain.severity,
        rise=pain.trend.certain_rise,
        recent=pain.trend.recent_n,
        recent_months=max(1.0, pain.trend.days / DAYS_OF_MONTH),
        exact_entry=known,
        people=lately.respondents / lately.count if lately.count else 1.0,
        months=max(1.0, days / DAYS_OF_MONTH),
        days=lately.days,
        dated=selected.dated,
        score_drop=None if effect is None else effect.loss if kind == "pain" else effect.gain,
        effect=effect,
        money_ratio=mean / selected.value if mean is not None and selected.value else None,
        effort=effort,
        weights=weights,
    )


def _mean_value(pain: Pain) -> float | None:
    return pain.value / pain.valued if pain.value is not None and pain.valued else None
