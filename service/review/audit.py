"""How good the labels are on this workspace's own feedback: items that chance chose, labelled by a person blind.

The draw. Every item has a permanent random number, a keyed hash of its id. Drawn are always the labelled items
with the smallest numbers that were not drawn yet. So at each draw what was drawn so far is a simple random sample
without replacement of everything labelled at that moment, new feedback included, and its rate is known (Ohlsson,
"Coordination of samples using permanent random numbers", in "Business Survey Methods", 1995). What a person labels
elsewhere, because the model was unsure or wrong, never counts here: it was not chosen by chance.

The estimate is the share of drawn items whose label by the model, at the time, was the label that a person gave
without seeing it; see service/intervals.py for its interval over respondents.

One in TWICE_OF draws is given to a second person as well, blind to the first one's answer and to the model's: how
far people agree bounds what a model can be asked for (agreement.py). Where they differ the item is disputed, and a
third word decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from nlp.analysis import FIELDS
from service.auth import Caller, Vault
from service.errors import BadInput, Conflict, FieldError
from service.intervals import effective_n, share_interval
from service.review import corrections
from service.review.feedback_view import item_of, shown_analyses
from service.store import rollup_frame
from service.store.columns import now
from service.store.rollup_codes import codes
from service.store.rollup_records import REASONS
from service.store.schema import AuditDraw, AuditEvent, Correction, FeedbackItem, Workspace

DRAWN_AT_ONCE: Final = 20
TWICE_OF: Final = 4
FEW: Final = 30
"""Below so many respondents the estimate says that it is rough."""
# items without labels of the model can't be compared with anything
UNREAD: Final = tuple(REASONS.index(one) for one in ("unsupported_language", "meaningless", "no_text", "untagged"))


def permanent_numbers(ids: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.uint64]:
    """A number for each id, uniform over 64 bits, always the same under the same seed (the mix of SplitMix64)."""
    mixed = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def draw(session: Session, vault: Vault, caller: Caller, *, wanted: int = DRAWN_AT_ONCE) -> int:
    """Draw so many more labelled items; how many were drawn (fewer where there are not so many left)."""
    # two people who ask at once: the second draws after the first
    session.execute(select(col(Workspace.id)).where(col(Workspace.id) == caller.workspace_id).with_for_update())
    frame = rollup_frame.load(session, caller.workspace_id)
    reason = frame.rows["place"].astype(np.int64) - codes().pairs
    ids = np.asarray(frame.rows["item_id"])[frame.live & ~np.isin(reason, UNREAD)].astype(np.int64)
    seed = vault.keyed_hash(f"audit:{caller.workspace_id}")[:16]
    numbers = permanent_numbers(ids, int(seed, 16))
    # by the remainder, which the order of the numbers does not know
    twice = set(ids[numbers % np.uint64(TWICE_OF) == 0].tolist())
    ids = ids[np.argsort(numbers, kind="stable")]
    before = set(
        session.execute(
            select(col(AuditDraw.item_id))
            .join(FeedbackItem, col(FeedbackItem.id) == col(AuditDraw.item_id))
            .where(
                col(AuditDraw.workspace_id) == caller.workspace_id,
                col(AuditDraw.text_version) == col(FeedbackItem.text_version),
            )
        ).scalars()
    )
    chosen: list[int] = []
    for item_id in ids.tolist():
        if len(chosen) == wanted:
            break
        if item_id not in before:
            chosen.append(item_id)
    rows = session.execute(
        select(col(FeedbackItem.id), col(FeedbackItem.text_version)).where(
            col(FeedbackItem.id).in_(chosen), col(FeedbackItem.workspace_id) == caller.workspace_id
        )
    )
    versions: dict[int, int] = {row[0]: row[1] for row in rows}
    rate = (len(before) + len(chosen)) / len(ids) if len(ids) else 0.0
    for item_id in chosen:
        if item_id in versions:
            session.add(
                AuditDraw(
                    workspace_id=caller.workspace_id,
                    item_id=item_id,
                    text_version=versions[item_id],
                    rate=min(rate, 1.0),
                    twice=item_id in twice,
                )
            )
    session.add(
        AuditEvent(
            workspace_id=caller.workspace_id,
            actor=caller.actor,
            action="audit.draw",
            target="feedback",
            detail={"drawn": len(versions), "of": len(ids)},
        )
    )
    return len(versions)


def undecided(session: Session, workspace_id: int, *, actor: str) -> list[int]:
    """The drawn items that wait for this person's answer, in the order of the draw.

    That is those that nobody has labelled yet, and those that somebody else has and a second person shall too.
    """
    first, second = aliased(Correction), aliased(Correction)
    no_first = or_(col(AuditDraw.correction_id).is_(None), col(first.undone_at).is_not(None))
    no_second = or_(col(AuditDraw.second_correction_id).is_(None), col(second.undone_at).is_not(None))
    rows = session.execute(
        select(col(AuditDraw.item_id))
        .join(FeedbackItem, col(FeedbackItem.id) == col(AuditDraw.item_id))
        .outerjoin(first, col(first.id) == col(AuditDraw.correction_id))
        .outerjoin(second, col(second.id) == col(AuditDraw.second_correction_id))
        .where(
            col(AuditDraw.workspace_id) == workspace_id,
            col(AuditDraw.text_version) == col(FeedbackItem.text_version),
            col(FeedbackItem.state) == "tagged",
            or_(
                and_(no_first, or_(no_second, col(AuditDraw.second_author) != actor)),
                and_(col(AuditDraw.twice), no_second, col(AuditDraw.author) != actor),
            ),
        )
        .order_by(col(AuditDraw.id))
    )
    return list(rows.scalars())


def decide(session: Session, caller: Caller, item_id: int, said: Mapping[str, str | None]) -> int:
    """Store a person's labels of a drawn item and how the model's compare; the correction's id.

    The same person's second answer is the first one sent again. Raises BadInput where a field is missing, Conflict
    where the item is not drawn or somebody else decided it meanwhile.
    """
    missing = [name for name in FIELDS if not said.get(name)]
    if missing:
        errors = [FieldError(f"/labels/{name}", "required", "choose a label") for name in missing]
        raise BadInput(f"Choose a label for {', '.join(missing)}: this item measures the model.", errors=errors)
    item = item_of(session, caller, item_id, lock=True)
    drawn: AuditDraw | None = session.execute(
        select(AuditDraw).where(
            col(AuditDraw.item_id) == item_id, col(AuditDraw.text_version) == item.text_version
        )
    ).scalar_one_or_none()
    if drawn is None or item_id not in undecided(session, caller.workspace_id, actor=caller.actor):
        if drawn is not None and drawn.author == caller.actor and drawn.correction_id is not None:
            return drawn.correction_id
        if drawn is not None and drawn.second_author == caller.actor and drawn.second_correction_id is not None:
            return drawn.second_correction_id
        raise Conflict("This item is not waiting in the audit sample; somebody may have decided it meanwhile.")
    analysis, model = shown_analyses(session, [item_id]).get(item_id), item.model
    answered = _stands(session, drawn.correction_id)
    made = corrections.correct(session, caller, item_id, labels=said, span=None)
    if answered:
        drawn.second_author, drawn.second_correction_id = caller.actor, made
        session.add(drawn)
        return made
    assert analysis is not None  # it is tagged, else the line above refuses
    drawn.decided_at, drawn.author, drawn.correction_id = now(), caller.actor, made
    drawn.model, drawn.sure = model, analysis["unsure_reason"] is None
    drawn.agreed = {name: analysis[name] is not None and analysis[name]["label"] == said[name] for name in FIELDS}
    session.add(drawn)
    return made


def _stands(session: Session, correction_id: int | None) -> bool:
    """Whether an answer was given and not taken back."""
    if correction_id is None:
        return False
    undone = select(col(Correction.undone_at)).where(col(Correction.id) == correction_id)
    found = session.execute(undone).one_or_none()
    return found is not None and found[0] is None


def measured(session: Session, workspace_id: int) -> dict[str, Any] | None:
    """Accuracy of the model's labels from decided draws alone; None before the first.

    `fields`: value, low, high of each, where the model stood by its labels; `n` respondents (an item without one
    counts for itself) with `items`; `unsure`: further decided items where it did not; `rate`: the share of all
    labelled feedback drawn by the last draw; `models`: whose labels were compared.
    """
    rows = session.execute(
        select(AuditDraw, col(FeedbackItem.respondent))
        .join(FeedbackItem, col(FeedbackItem.id) == col(AuditDraw.item_id))
        .join(Correction, col(Correction.id) == col(AuditDraw.correction_id))
        .where(col(AuditDraw.workspace_id) == workspace_id, col(Correction.undone_at).is_(None))
        .order_by(col(AuditDraw.id))
    ).all()
    if not rows:
        return None
    people: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one, respondent in rows:
        if one.sure:
            people[respondent or f"item:{one.item_id}"].append(one.agreed)
    sizes = np.array([len(answers) for answers in people.values()], dtype=np.float64)
    fields = []
    for name in FIELDS if people else ():
        hits = np.array([sum(bool(a[name]) for a in answers) for answers in people.values()], dtype=np.float64)
        found = share_interval(float(hits.sum() / sizes.sum()), effective_n(hits, sizes))
        fields.append({"field": name, "value": found.value, "low": found.low, "high": found.high})
    return {
        "n": len(people),
        "items": int(sizes.sum()),
        "few": len(people) < FEW,
        "fields": fields,
        "unsure": sum(1 for one, _ in rows if not one.sure),
        "rate": max(one.rate for one, _ in rows),
        "models": sorted({one.model for one, _ in rows}),
    }
