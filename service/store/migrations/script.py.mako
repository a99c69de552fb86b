"""${message}.

Revision: ${up_revision}
Follows: ${down_revision or "nothing"}

Old code must run on the new schema: expand here, contract in a later release.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision: str | None = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """${message}."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Not offered: an older program runs on a newer schema; else restore a backup."""
    raise NotImplementedError("restore a backup instead")
