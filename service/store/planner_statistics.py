"""What SQLite's planner is told about the tables, from the first row on.

Without statistics SQLite takes an index for narrow whatever stands in front of it, here the workspace: it would
read all items of a workspace to find the five hundred whose ids are given, and tagging would grow with the square
of the items. `ANALYZE` tells it better only once the rows are there, too late for the first large import. So every
database is given the figures of one with a million items in fifty workspaces; plans never change under load, and
what holds there is no slower where there is less.

The format is that of the table sqlite_stat1 (https://sqlite.org/fileformat2.html#stat1tab): rows of an index, then
for each of its columns the mean number of rows that agree in it and all before it.
"""

from __future__ import annotations

import sqlite3
from typing import Final

STATISTICS: Final[dict[str, dict[str, str]]] = {
    "feedback_item": {
        "sqlite_autoindex_feedback_item_1": "1000000 20000 4000 1",
        "ix_feedback_item_workspace_id_at": "1000000 20000 2",
        "ix_feedback_item_workspace_id_stage_topic_at": "1000000 20000 2000 200 1",
        "ix_feedback_item_workspace_id_respondent": "1000000 20000 3",
        "ix_feedback_item_respondent_told": "10000 200 3",
        "ix_feedback_item_import_id": "1000000 5000 5000 2500 2500",
        "ix_feedback_item_conversation": "300000 6000 2000 3",
        "ix_feedback_item_follow_up": "10000 200 100 1",
        "ix_feedback_item_further_answer": "200000 4000 1000 2",
    },
    "segment": {
        "sqlite_autoindex_segment_1": "1500000 2 1",
        "ix_segment_theme": "1500000 30000 500 200 1",
        "ix_segment_echo": "500000 10000 2 1",
    },
    "classification": {"sqlite_autoindex_classification_1": "1500000 2 2 1"},
    "correction": {"ix_correction_item_id": "20000 2"},
    "merged_person": {
        "sqlite_autoindex_merged_person_1": "10000 200 200 1 1",
        "ix_merged_person_survivor": "10000 200 2",
    },
    "item_version": {"sqlite_autoindex_item_version_1": "50000 2 1"},
    "item_meaning": {"ix_item_meaning_block_id": "1000000 1000"},
    "meaning_block": {"ix_meaning_block_workspace_id_vectors": "2000 40 40"},
    "rollup_block": {"ix_rollup_block_workspace_id_level": "2000 40 15"},
    "delivery": {
        "sqlite_autoindex_delivery_1": "200000 2000 1",
        "ix_delivery_workspace_id_received_at": "200000 4000 1",
    },
    "wanted_fetch": {
        "ix_wanted_fetch_endpoint_id_key": "100000 1000 2",
        "ix_wanted_fetch_delivery_id": "100000 2",
    },
    "import_reject": {"sqlite_autoindex_import_reject_1": "100000 500 1"},
    "metric_value": {
        "sqlite_autoindex_metric_value_1": "100000 2000 1",
        "ix_metric_value_workspace_id_name_day": "100000 2000 500 3",
    },
    "audit_event": {
        "ix_audit_event_workspace_id_at": "200000 4000 1",
        "ix_audit_event_workspace_id_target": "200000 4000 3",
    },
}
"""Table to index to figures; tables that stay small are not named."""


def tell_planner(connection: sqlite3.Connection) -> None:
    """Write the figures where they are not yet; connections opened from then on plan by them."""
    wanted = sorted((table, index, figures) for table, own in STATISTICS.items() for index, figures in own.items())
    there = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone()[0]
    if there and sorted(connection.execute("SELECT tbl, idx, stat FROM sqlite_stat1")) == wanted:
        return
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ANALYZE alembic_version")  # makes the table sqlite_stat1; this one has a row at most
    connection.execute("DELETE FROM sqlite_stat1")
    connection.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", wanted)
    connection.execute("COMMIT")
