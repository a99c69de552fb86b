"""What is not heard: which source speaks of which stage, stages nobody speaks of, feedback that is not read.

A stage that nobody mentions is not a stage without trouble: nobody may have been asked there. What n items without
a mention leave possible is said by the upper bound of the share (Wilson, over respondents; service/intervals.py).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from service.aggregate.listening import LISTENING, UNREAD
from service.intervals import share_interval
from service.selection import Selection, day_text
from service.store.kept_answers import KeptAnswers
from service.store.label_quality import LABEL_QUALITY
from service.store.rollup_codes import codes
from service.store.rollup_frame import Frame, load
from service.store.rollup_records import REASONS

Array = NDArray[Any]
THIN: Final = 30  # items of a stage, below which its numbers say little
SOURCES: Final = 100  # shown one by one; the smaller ones together
OTHERS: Final = "others"
_answers: KeptAnswers[dict[str, Any]] = KeptAnswers()


def blind_spots(session: Session, *, workspace_id: int, timezone: str, selection: Selection) -> dict[str, Any]:
    """{"n", "respondents", "stages", "sources", "silent", "unread", "label_quality"}.

    `stages`: label, items, mentions (segments), respondents, share with its interval over respondents, sources
    that speak of it, newest day, state (silent, thin, heard). `sources`: a row of the matrix each, items by stage.
    `silent`: where to start listening and what to ask, for stages without or with few items. Kept until something
    comes in.
    """
    frame = load(session, workspace_id)
    return _answers.of(frame, selection.question(timezone), lambda: _blind_spots(frame, selection, timezone))


def _blind_spots(frame: Frame, selection: Selection, timezone: str) -> dict[str, Any]:
    first, end = selection.days(timezone)
    rows = np.flatnonzero(frame.mask(first_day=first, end_day=end, filters=selection.filters()))
    labels = [label for label in codes().labels["stage"] if label != "none"]
    place, segment_stage = frame.rows["place"][rows].astype(np.int64), _segment_stages(frame, rows)
    stage = np.where(place < codes().pairs, place // codes().size("touchpoint"), -1)
    cluster, day = frame.rows["cluster"][rows], frame.rows["day"][rows]
    everybody = len(np.unique(cluster))
    kind, names = _kinds(frame, rows)
    size = codes().size("stage")
    placed = stage >= 0
    matrix = np.bincount(kind[placed] * size + stage[placed], minlength=len(names) * size).reshape(-1, size)
    of_kind = np.bincount(kind, minlength=len(names))
    stages = []
    for label in labels:
        number = codes().labels["stage"].index(label)
        of = stage == number
        items, people = int(of.sum()), len(np.unique(cluster[of]))
        share = share_interval(items / max(1, len(rows)), everybody)
        stages.append(
            {
                "stage": label,
                "items": items,
                "mentions": int(np.count_nonzero(segment_stage == number)),
                "respondents": people,
                "share": {name: round(getattr(share, name), 4) for name in ("value", "low", "high")},
                "sources": int(np.count_nonzero(matrix[:, number])),
                "newest": day_text(int(day[of].max())) if items else None,
                "state": "silent" if not items else "thin" if items < THIN else "heard",
            }
        )
    order = np.argsort(-of_kind, kind="stable").tolist()
    return {
        "n": len(rows),
        "respondents": everybody,
        "stages": stages,
        "sources": [
            {
                "source": names[one][0],
                "channel": names[one][1],
                "items": int(of_kind[one]),
                "stages": {label: int(matrix[one, codes().labels["stage"].index(label)]) for label in labels},
                "never": [label for label in labels if not matrix[one, codes().labels["stage"].index(label)]],
            }
            for one in order
            if of_kind[one]
        ],
        "silent": [_start_listening(one) for one in stages if one["state"] != "heard"],
        "unread": _unread(place, everybody),
        "label_quality": LABEL_QUALITY,
    }


def _segment_stages(frame: Frame, rows: Array) -> Array:
    """The stage of each segment of the rows, the number after the last for none."""
    chosen = np.zeros(len(frame), dtype=bool)
    chosen[rows] = True
    cell = frame.segment_cell[chosen[frame.segment_row]].astype(np.int64)
    place = cell // (codes().moods * codes().size("topic"))
    return np.where(place < codes().pairs, place // codes().size("touchpoint"), codes().size("stage"))


def _kinds(frame: Frame, rows: Array) -> tuple[Array, list[tuple[str | None, str | None]]]:
    """By row the number of its source and channel, and their names; the smallest share the last number."""
    words: dict[str, list[str | None]] = {
        name: [None, *(word for word, _ in sorted(frame.words[name].items(), key=lambda one: one[1]))]
        for name in ("source", "channel")
    }
    channels = len(words["channel"])
    code = (frame.rows["source"][rows].astype(np.int64) + 1) * channels + frame.rows["channel"][rows] + 1
    found, number, sizes = np.unique(code, return_inverse=True, return_counts=True)
    names = [(words["source"][one // channels], words["channel"][one % channels]) for one in found.tolist()]
    if len(found) <= SOURCES:
        return number, names
    kept = np.sort(np.argsort(-sizes, kind="stable")[:SOURCES])
    short = np.full(len(found), SOURCES)
    short[kept] = np.arange(SOURCES)
    return short[number], [*(names[one] for one in kept.tolist()), (OTHERS, None)]


def _start_listening(stage: dict[str, Any]) -> dict[str, Any]:
    listening = LISTENING[stage["stage"]]
    most = f"{stage['share']['high']:.1%}"
    if stage["items"]:
        why = f"Only {stage['items']} items speak of it: too few to tell what troubles people there."
    elif stage["mentions"]:
        why = f"No item is mainly about it, {stage['mentions']} mention it in passing."
    else:
        why = f"Nobody speaks of it: at most {most} of feedback does, which says nothing of trouble there."
    return {
        "stage": stage["stage"],
        "state": stage["state"],
        "why": why,
        "where": listening.where,
        "channel": listening.channel,
        "ask": list(listening.ask),
    }


def _unread(place: Array, everybody: int) -> dict[str, Any]:
    """Items of which no labels hold, by reason; `none` is read and says nothing of a journey."""
    reasons = np.bincount(np.maximum(place - codes().pairs, 0), minlength=len(REASONS))
    counts = {name: int(reasons[number]) for number, name in enumerate(REASONS) if name in UNREAD}
    unread, n = sum(counts.values()), len(place)
    share = share_interval(unread / max(1, n), everybody)
    return {
        "items": unread,
        "share": {name: round(getattr(share, name), 4) for name in ("value", "low", "high")},
        "reasons": [
            {"reason": name, "items": items, "share": round(items / n, 4), "what_helps": UNREAD[name]}
            for name, items in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
            if items
        ],
    }
