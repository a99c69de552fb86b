"""The audit log of one thing is found without reading all of it.

Revision: 2026_11_22_0003
Follows: 2026_11_22_0002

Old code must run on the new schema: expand here, contract in a later release.
"""

from __future__ import annotations

from alembic import op

revision = "2026_11_22_0003"
down_revision: str | None = "2026_11_22_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index over what was acted on."""
    op.create_index("ix_audit_event_workspace_id_target", "audit_event", ["workspace_id", "target"])


def downgrade() -> None:
    """Not offered: an older program runs on a newer schema; else restore a backup."""
    raise NotImplementedError("restore a backup instead")
