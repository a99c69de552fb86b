"""Answers of a survey that are taken back: their index, and responses of which nothing is left.

Revision: 2026_11_22_0002
Follows: 2026_11_21_0001

Old code must run on the new schema: expand here, contract in a later release.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_0002"
down_revision: str | None = "2026_11_21_0001"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the index over further answers, and the table of blank responses."""
    op.create_index(
        "ix_feedback_item_further_answer",
        "feedback_item",
        ["workspace_id", "source", "response_id"],
        sqlite_where=sa.text("external_id <> response_id"),
        postgresql_where=sa.text("external_id <> response_id"),
    )
    op.create_table(
        "blank_response",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("workspace_id", BIG_ID, nullable=False),
        sa.Column("key_hash", sa.String(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blank_response")),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspace.id"],
            name=op.f("fk_blank_response_workspace_id_workspace"),
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("workspace_id", "key_hash", name=op.f("uq_blank_response_workspace_id_key_hash")),
    )


def downgrade() -> None:
    """Not offered: an older program runs on a newer schema; else restore a backup."""
    raise NotImplementedError("restore a backup instead")
