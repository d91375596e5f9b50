"""Today's names of schedules and sessions that were renamed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def upgrade() -> None:
    """Nothing was renamed before."""
    op.create_table(
        "names",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("uid", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.UniqueConstraint("kind", "name"),
    )
