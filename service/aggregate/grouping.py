"""The job kind "themes": new segments join their themes, new themes are found, people's wishes are carried out.

Per stage, topic and side: first each new segment goes to the nearest theme that is near enough. What fits none
waits in a pool, and where the pool has grown, groups are looked for in it: new themes, beside the old ones. So a
theme keeps its id and its name by construction. Where segments have doubled since they were grouped last, all that
no person has decided on is grouped anew; each new group continues the theme that it shares most members with, and
what split or merged is written into the histories. Dismissed and merged themes go on attracting what they stand
for.

The encoder's vectors are those that the job "vectors" stored; what it has not come to is read here, with the same
result. Where that is too much for one run, a part of it is read and the rest is known by its words.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from sqlmodel import Session

from nlp import themes as groups_of
from nlp.likeness import Likeness
from nlp.model import Vectors
from nlp.named_themes import Named, leaning, named, remembering
from nlp.theme_names import LEAST_USERS, Alike, Said, names, supported
from service.aggregate.theme_lots import Known, LikenessOf, Lot, change, conclude, make, packed, read_themes, touch
from service.aggregate.theme_texts import (
    NEW,
    Ints,
    Segments,
    Words,
    cells_with_new,
    known_rows,
    segments_by_cell,
    unread_new,
    words_of,
    write_themes,
)
from service.store import queue
from service.store.queue import ClaimedJob
from service.work import Work

NO_STAGE: Final = "none"
MANY: Final = 500  # texts that take some tenths of a second at each step of grouping
SLICE: Final = 2_000  # segments vectorised and written at once
LEAST_READ: Final = 40  # of a lot, whatever its share
POOL_ROUNDS: Final = 3  # looking for themes among what fits none, in one run
CENTRE_SAMPLE: Final = 300  # members from which a centre or a name is made anew
LEAST_MEANING, SHARE_MEANING, MOST_MEANING = 2_000, 0.12, 20_000  # texts of one run that the encoder reads


Afterwards = Callable[[Work, ClaimedJob, Likeness], Iterator[None]]
"""What else is done once the themes of a workspace are up to date; yields after every transaction."""


@dataclass(frozen=True, slots=True)
class _Run:
    """One job at work."""

    work: Work
    job: ClaimedJob
    likeness: Likeness
    alike: Alike
    """`likeness.vectors` of phrases, each read once."""
    meaning_share: float
    """Of texts without a stored vector that the encoder reads; the others are known by their words only."""
    alone: list[Segments] = field(default_factory=list)
    """Segments that fit none; written together, for most lots are small."""


@dataclass(frozen=True, slots=True)
class _Read:
    """Some segments (positions in the lot) that say something, with their words, in the order of these."""

    which: Ints
    words: Words
    rows: Vectors

    def said(self, chosen: Ints) -> list[Said]:
        return [Said(self.words.texts[at], self.words.people[at]) for at in chosen.tolist()]


def regroup(
    work: Work, jobs: Sequence[ClaimedJob], *, likeness_of: LikenessOf, afterwards: Afterwards | None = None
) -> Iterator[None]:
    """Stage function: bring the themes of the jobs' workspaces up to date, one stage and topic at a time.

    `afterwards` does what follows from themes elsewhere, under the same job.
    """
    for job in jobs:
        likeness = likeness_of(work.settings)
        with work.database.read() as session:
            themes = read_themes(session, job.workspace_id)
            living = [one.id for some in themes.values() for one in some if one.living]
            due = cells_with_new(session, job.workspace_id, living)
            unread = unread_new(session, job.workspace_id, likeness)
        due |= {cell for cell, some in themes.items() if any(one.due(likeness.version) for one in some)}
        yield
        cells = yield from segments_by_cell(work.database, job.workspace_id, due)
        lots = [Lot(cell, segments, themes.get(cell, [])) for cell, segments in cells.items()]
        for lot in lots:
            lot.free_strangers()
        lots = [lot for lot in lots if lot.due(likeness.version)]
        run = _Run(work, job, likeness, remembering(likeness.vectors), _meaning_share(unread))
        for lot in lots:
            if lot.cell[0] == NO_STAGE:  # stands in no column of any map
                run.alone.append(lot.segments.at(lot.segments.theme == NEW).in_theme(0))
            else:
                yield from _bring_up(run, lot)
            if sum(map(len, run.alone)) >= SLICE:
                yield from _store_alone(run)
        yield from _store_alone(run)
        if afterwards is not None:
            yield from afterwards(work, job, likeness)
        with work.database.write() as session:
            queue.hold(session, job)
            queue.finish(session, job)
        yield


def _meaning_share(unread: int) -> float:
    """The share of each lot that is grouped, and again of what is left and words tell least about."""
    read = min(MOST_MEANING, LEAST_MEANING + SHARE_MEANING * unread)
    return 1.0 - (1.0 - read / unread) ** 0.5 if read < unread else 1.0


def _bring_up(run: _Run, lot: Lot) -> Iterator[None]:
    for theme in lot.to_renew(run.likeness.version):
        _renew(run, lot, theme)
        yield
    for theme in lot.living():
        if theme.parts_wanted:
            _split(run, lot, theme, theme.parts_wanted)
            yield
    before = len(lot.pool())
    new = np.flatnonzero(lot.segments.theme == NEW)
    if lot.living() or any(one.state == "merged" for one in lot.themes):
        yield from _assign(run, lot, new)
    else:
        lot.segments.theme[new] = 0  # they go into the pool, from which the first themes are made
    if lot.grown():
        yield from _group_anew(run, lot)
    elif lot.pool_grown(len(lot.pool()) - before):
        yield from _group_pool(run, lot)
    run.alone.append(lot.segments.at(new[lot.segments.theme[new] == 0]))


# --- keeping up


def _assign(run: _Run, lot: Lot, which: Ints) -> Iterator[None]:
    """Put these segments (positions in the lot) into the nearest themes; what fits none is left in the pool."""
    middle, numbers = lot.centres(run.likeness.version)
    for start in range(0, len(which), SLICE):
        some = which[start : start + SLICE]
        with run.work.database.read() as session:
            words = words_of(session, run.job.workspace_id, lot.segments.at(some))
        lot.segments.theme[some] = numbers[_nearest(run, words, middle)] if len(middle) else 0
        _store(run, lot.segments.at(some), words.echoes)
        yield


def _nearest(run: _Run, words: Words, middle: Vectors) -> Ints:
    """The nearest centre of each text, -1 for none.

    By meaning where it is stored; of the others the encoder reads what words tell least about.
    """
    with run.work.database.read() as session:
        known = known_rows(session, run.job.workspace_id, run.likeness, words)
    unread = np.arange(len(words.texts)) if known is None else np.flatnonzero(~known.any(axis=1))
    read = int(np.ceil(run.meaning_share * len(unread)))
    if read == len(unread):
        return groups_of.nearest(run.likeness.vectors(words.texts, known=known), middle).group
    unknown = words.at(unread.tolist())
    by_words = groups_of.nearest(
        run.likeness.vectors(unknown.texts, meaning=False), middle, words=run.likeness.words_width
    )
    sure = np.argsort(by_words.alike, kind="stable")[read:]
    by_meaning = np.setdiff1d(np.arange(len(words.texts)), unread[sure])
    group = np.empty(len(words.texts), dtype=np.int64)
    group[unread[sure]] = by_words.group[sure]
    group[by_meaning] = groups_of.nearest(
        run.likeness.vectors(
            words.at(by_meaning.tolist()).texts, known=None if known is None else known[by_meaning]
        ),
        middle,
    ).group
    return group


def _rows(run: _Run, words: Words) -> Vectors:
    with run.work.database.read() as session:
        known = known_rows(session, run.job.workspace_id, run.likeness, words)
    return run.likeness.vectors(words.texts, known=known)


def _store(run: _Run, segments: Segments, echoes: Sequence[int | None] | None = None) -> None:
    """Write the themes that segments have by now."""
    with run.work.database.write() as session:
        queue.hold(session, run.job)
        _put(session, segments, echoes)


def _store_alone(run: _Run) -> Iterator[None]:
    waiting = [one for one in run.alone if len(one)]
    run.alone.clear()
    if waiting:
        joined = Segments(
            *(np.concatenate([getattr(one, name) for one in waiting]) for name in ("id", "item", "theme"))
        )
        for start in range(0, len(joined), SLICE):
            _store(run, joined.at(np.arange(start, min(start + SLICE, len(joined)))))
            yield


def _put(session: Session, segments: Segments, echoes: Sequence[int | None] | None = None) -> None:
    write_themes(session, segments, segments.theme.tolist(), echoes)
    touch(session, set(segments.theme.tolist()) - {0})


def _renew(run: _Run, lot: Lot, theme: Known) -> None:
    """Make centre and name anew from the members that are left; a name that enough of them still use stays."""
    read = _read(run, lot, lot.members(theme)[-CENTRE_SAMPLE:])
    said = read.said(np.arange(len(read.which)))
    values: dict[str, object] = {"stale": False, "vectors": run.likeness.version}
    name = theme.name
    if theme.named_by is None and len(said) and not (name and supported(name, said)):
        taken = [one.name for one in lot.living() if one is not theme]
        name = names([said], taken=taken)[0]
        values["name"] = name
    if len(said):
        middle = groups_of.centres(read.rows, np.zeros(len(said), dtype=np.int64))
        values["centre"] = packed(leaning(middle, {0: name}, run.alike).get(0, middle[0]))
    elif theme.stale or theme.vectors != run.likeness.version:
        values["centre"] = b""
    with run.work.database.write() as session:
        queue.hold(session, run.job)
        renamed = name != theme.name and theme.name != ""
        change(session, theme, history={"what": "renamed", "by": "words"} if renamed else None, **values)
        if not theme.name and not theme.pinned:
            conclude(session, theme, "no_name")
            lot.free_strangers()


def _split(run: _Run, lot: Lot, theme: Known, parts: int) -> None:
    """Carry out a person's wish; the largest part keeps id and name."""
    members = lot.members(theme)
    read = _read(run, lot, _sample(lot, members, groups_of.SAMPLE))
    group = groups_of.find(read.rows, groups=parts)
    middle = groups_of.centres(read.rows, group)
    called = names(
        [read.said(np.flatnonzero(group == number)) for number in range(len(middle))],
        taken=[theme.name],
        alike=run.alike,
        middle=middle,
    )
    with run.work.database.write() as session:
        queue.hold(session, run.job)
        history = {"what": "split", "parts": len(middle)}
        centre = packed(middle[0]) if len(middle) else theme.centre
        change(session, theme, history=history, parts_wanted=None, pinned=True, centre=centre)
        ids = [theme.id]
        for number in range(1, len(middle)):
            made = make(
                session,
                run.job.workspace_id,
                lot,
                history={"what": "split_from", "source": str(theme.id)},
                name=called[number] or f"{theme.name} ({number + 1})",
                pinned=True,
                vectors=run.likeness.version,
                centre=packed(middle[number]),
            )
            ids.append(made.id)
        lot.segments.theme[read.which] = np.array(ids, dtype=np.int64)[group]
        _put(session, lot.segments.at(read.which))
        # a theme larger than the sample keeps the rest of its members where they were


# --- finding


def _sample(lot: Lot, which: Ints, most: int) -> Ints:
    """So many positions, the same ones for the same segments, spread over all of them."""
    if len(which) <= most:
        return which
    draws = lot.segments.item[which].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing
    return np.sort(which[np.argsort(draws, kind="stable")[:most]])


def _affordable(run: _Run, count: int) -> int:
    return min(groups_of.SAMPLE, max(LEAST_READ, int(run.meaning_share * count)))


def _read(run: _Run, lot: Lot, which: Ints) -> _Read:
    """In the order of the words, so that groups do not depend on the order in which texts came."""
    with run.work.database.read() as session:
        words = words_of(session, run.job.workspace_id, lot.segments.at(which))
    order = sorted(
        (at for at in range(len(which)) if words.texts[at].strip()), key=lambda at: (words.texts[at], at)
    )
    chosen = words.at(order)
    return _Read(which[np.array(order, dtype=np.int64)], chosen, _rows(run, chosen))


def _pause(read: _Read) -> Iterator[None]:
    """Between two steps over so many texts that what is more urgent should not wait for both."""
    if len(read.which) >= MANY:
        yield


def _of_several(group: Ints, words: Words) -> Ints:
    """Groups without those that one or two people make up: what one person repeats is no theme."""
    people: dict[int, set[int]] = {}
    for number, person in zip(group.tolist(), words.people, strict=True):
        people.setdefault(number, set()).add(person)
    return np.array([number if len(people[number]) >= LEAST_USERS else -1 for number in group.tolist()], np.int64)


def _group_pool(run: _Run, lot: Lot) -> Iterator[None]:
    """Look for new themes among what fits none, and once more among what then still fits none."""
    for _ in range(POOL_ROUNDS):
        pool = lot.pool()
        made = yield from _found_in(run, lot, pool)
        if not made or not lot.pool_grown(len(lot.pool())):
            return


def _found_in(run: _Run, lot: Lot, pool: Ints) -> Generator[None, None, bool]:
    """New themes of a part of the pool, to which the rest is then put; whether there are any."""
    read = _read(run, lot, _sample(lot, pool, _affordable(run, len(pool))))
    yield from _pause(read)
    group = _of_several(groups_of.find(read.rows), read.words)
    yield from _pause(read)
    found = _named(run, read, group, taken=[one.name for one in lot.living()])
    yield from _pause(read)
    with run.work.database.write() as session:
        queue.hold(session, run.job)
        made = _make_all(session, run, lot, read, found)
        write_themes(
            session, lot.segments.at(read.which), lot.segments.theme[read.which].tolist(), read.words.echoes
        )
    yield
    if made:
        yield from _assign(run, lot, np.setdiff1d(pool, read.which))
    return bool(made)


def _named(run: _Run, read: _Read, group: Ints, *, taken: Sequence[str] = ()) -> Named:
    """Groups that names tell apart; before anything is written, for the encoder reads what names may be."""
    said = read.said(np.arange(len(read.which)))
    return named(read.rows, said, group, alike=run.alike, taken=taken)


def _called(run: _Run, lot: Lot, read: _Read, group: Ints) -> dict[int, str]:
    """Each group's name; before anything is written, for the encoder reads what names may be."""
    numbers = np.unique(group[group >= 0]).tolist()
    found = names(
        [read.said(np.flatnonzero(group == number)) for number in numbers],
        others=[read.words.texts[at] for at in np.flatnonzero(group < 0).tolist()],
        taken=[one.name for one in lot.living()],
        alike=run.alike,
        middle=groups_of.centres(read.rows, group)[numbers],
    )
    return dict(zip(numbers, found, strict=True))


def _make_all(
    session: Session,
    run: _Run,
    lot: Lot,
    read: _Read,
    found: Named,
    split_from: dict[int, int] | None = None,
) -> list[int]:
    """New themes of these groups with their members; their ids. Groups that nothing names are left out."""
    made = []
    for number, name in found.called.items():
        if not name:
            continue
        members = read.which[found.group == number]
        source = (split_from or {}).get(number)
        history = {"what": "found", "segments": len(members)}
        if source is not None:
            history = {"what": "split_from", "source": str(source), "segments": len(members)}
        theme = make(
            session,
            run.job.workspace_id,
            lot,
            history=history,
            name=name,
            vectors=run.likeness.version,
            centre=packed(found.leaning[number]),
        )
        lot.segments.theme[members] = theme.id
        made.append(theme.id)
    return made


def _group_anew(run: _Run, lot: Lot) -> Iterator[None]:
    """Group all that no person decided on; ids and names go on with the groups that share most members."""
    pinned = [one.id for one in lot.living() if one.pinned]
    free = np.flatnonzero(~np.isin(lot.segments.theme, pinned))
    read = _read(run, lot, _sample(lot, free, _affordable(run, len(free))))
    group = _of_several(groups_of.find(read.rows), read.words)
    yield from _pause(read)
    group = _named(run, read, group).group
    earlier = np.where(lot.segments.theme[read.which] > 0, lot.segments.theme[read.which], -1)
    group, match = groups_of.settled(read.rows, earlier, group)
    yield from _pause(read)
    known = {one.id: one for one in lot.themes}
    ids = dict(match.continues)
    kept = {new: known[old].name for new, old in ids.items()}
    fresh = np.where(np.isin(group, list(ids)), -1, group)
    middle, alike = groups_of.centres(read.rows, group), run.alike
    called = _called(run, lot, read, fresh)
    attract = leaning(middle, kept | called, alike)
    with run.work.database.write() as session:
        queue.hold(session, run.job)
        for new, old in sorted(ids.items()):
            centre = packed(attract.get(new, middle[new]))
            change(session, known[old], centre=centre, cell_size=len(lot.segments))
        made = _make_all(session, run, lot, read, Named(fresh, called, attract), match.split_from)
        inside = np.isin(group, list(ids)) & ~np.isin(earlier, [*match.stay])
        lot.segments.theme[read.which[inside]] = [ids[number] for number in group[inside].tolist()]
        joined = np.zeros(len(lot.segments), dtype=bool)
        for old, new in sorted(match.merged_into.items()):
            if new in ids and known[old].living:
                history = {"what": "merged", "into": str(ids[new])}
                change(session, known[old], history=history, state="merged", merged_into=ids[new])
                joined |= lot.segments.theme == old
                lot.segments.theme[lot.segments.theme == old] = ids[new]
        _put(session, lot.segments.at(read.which), read.words.echoes)
        for theme in lot.living():
            change(session, theme, cell_size=len(lot.segments))
    yield
    joined[read.which] = False
    moving = np.flatnonzero(joined)
    for start in range(0, len(moving), SLICE):
        _store(run, lot.segments.at(moving[start : start + SLICE]))
        yield
    # members of themes that split, and what fitted none, are looked at once more
    if made:
        rest = np.flatnonzero(np.isin(lot.segments.theme, [*match.split_from.values(), 0]))
        yield from _assign(run, lot, np.setdiff1d(rest, read.which))
