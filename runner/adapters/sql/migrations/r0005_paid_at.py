"""When a schedule was last paid."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def upgrade() -> None:
    """Of schedules that have paid before, it is their newest success."""
    op.add_column("schedules", sa.Column("paid_at", sa.BigInteger))
    op.execute(
        "UPDATE schedules SET paid_at = (SELECT max(closed_at) FROM runs"
        " WHERE runs.schedule = schedules.uid AND runs.state = 'success')"
    )
