"""The job kind "vectors": texts become short vectors, for the search by meaning.

One job is one slice, newest items first; its transaction stores the vectors and queues the next slice, behind
whatever is more urgent. The first slices keep the place in the queue that they were asked for with: themes, asked
for a little later, find their vectors stored then. What the default model before has made is made anew. What the
accurate tier tags has its vectors already (tagged_vectors.py): items that the fast tier has tagged are left to it,
as long as it is to read them anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from nlp.likeness import MAX_CHARS, readable
from service.classify.active_model import likeness_of
from service.classify.retag import renews_fast
from service.store import queue
from service.store.meaning_blocks import BLOCK_ROWS, Rows, store_vectors, unread
from service.store.queue import ClaimedJob, Priority
from service.work import Work

SLICE_ITEMS: Final = 400  # in one write transaction: a block or two
SLICES_IN_PLACE: Final = 250  # 100,000 texts, some minutes; after these whatever else is due has its turn
CHUNK_TEXTS: Final = 100  # read between two looks at what is more urgent: less than half a second


def make_vectors(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
    """Stage function: one slice of each job's workspace; yields between chunks."""
    for job in jobs:
        likeness = likeness_of(work.settings)
        below = job.payload.get("below")
        with work.database.read() as session:
            items = unread(
                session,
                job.workspace_id,
                vectors=likeness.version,
                below=below,
                limit=SLICE_ITEMS,
                fast_too=likeness.encoder is None or not renews_fast(session, job.workspace_id),
            )
        texts = [
            readable(one.text[start : min(end, start + MAX_CHARS)])
            for one in items
            for start, end in one.spans[:BLOCK_ROWS]
        ]
        made: list[Rows] = []
        for start in range(0, len(texts), CHUNK_TEXTS):
            made.append(likeness.short(texts[start : start + CHUNK_TEXTS]))
            yield
        rows = np.concatenate(made) if made else np.empty((0, 0), np.int8)
        ends = np.cumsum([min(len(one.spans), BLOCK_ROWS) for one in items])
        with work.database.write() as session:
            queue.hold(session, job)
            store_vectors(
                session,
                job.workspace_id,
                vectors=likeness.version,
                items=items,
                rows=np.split(rows, ends[:-1]) if len(items) else [],
            )
            asked = queue.due_since(session, job)
            queue.finish(session, job)
            if len(items) == SLICE_ITEMS:
                slices = int(job.payload.get("slices", 0)) + 1
                queue.enqueue(
                    session,
                    workspace_id=job.workspace_id,
                    kind="vectors",
                    payload={"below": items[-1].id, "slices": slices},
                    priority=Priority.UPKEEP,
                    dedupe_key=f"vectors-next:{job.workspace_id}",
                    run_after=asked if slices < SLICES_IN_PLACE else None,
                )
        yield
