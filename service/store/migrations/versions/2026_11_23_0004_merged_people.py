"""People whom a sender merged, and what it withdrew and may bring back.

Revision: 2026_11_23_0004
Follows: 2026_11_22_0003

Old code must run on the new schema: expand here, contract in a later release.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2026_11_23_0004"
down_revision: str | None = "2026_11_22_0003"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add whom the sender told of, until when a mark holds, and the table of merged people."""
    op.add_column("feedback_item", sa.Column("respondent_told", sa.String(), nullable=True))
    op.create_index(
        "ix_feedback_item_respondent_told",
        "feedback_item",
        ["workspace_id", "respondent_told"],
        sqlite_where=sa.text("respondent_told IS NOT NULL"),
        postgresql_where=sa.text("respondent_told IS NOT NULL"),
    )
    op.add_column("erasure_mark", sa.Column("up_to", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "merged_person",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("workspace_id", BIG_ID, nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("gone", sa.String(), nullable=False),
        sa.Column("survivor", sa.String(), nullable=False),
        sa.Column("gone_key", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merged_person")),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspace.id"],
            name=op.f("fk_merged_person_workspace_id_workspace"),
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "workspace_id",
            "source",
            "gone",
            "survivor",
            name=op.f("uq_merged_person_workspace_id_source_gone_survivor"),
        ),
    )
    op.create_index("ix_merged_person_survivor", "merged_person", ["workspace_id", "survivor"])


def downgrade() -> None:
    """Not offered: an older program runs on a newer schema; else restore a backup."""
    raise NotImplementedError("restore a backup instead")
