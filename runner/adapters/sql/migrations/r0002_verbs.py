"""Operator verbs: wishes, wide pauses, runs by hand."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def upgrade() -> None:
    """Columns and tables, all empty at first."""
    op.add_column("schedules", sa.Column("account", sa.String, nullable=False, server_default=""))
    op.add_column("schedules", sa.Column("paused_until", sa.BigInteger))
    op.add_column(
        "runs", sa.Column("by_hand", sa.Boolean, nullable=False, server_default=sa.text("0"))
    )
    op.add_column("runs", sa.Column("charged_at", sa.BigInteger))
    op.add_column("runs", sa.Column("cancelled_at", sa.BigInteger))
    op.create_table(
        "commands",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("target", sa.String, nullable=False),
        sa.Column("arguments", sa.Text, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("answer", sa.Text),
        sa.Column("data", sa.Text),
        sa.Column("acted_at", sa.BigInteger),
    )
    op.create_index("commands_asked", "commands", ["id"], sqlite_where=sa.text("state = 'asked'"))
    op.create_table(
        "pauses",
        sa.Column("scope", sa.String, primary_key=True),
        sa.Column("target", sa.String, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("paused_at", sa.BigInteger, nullable=False),
        sa.Column("paused_until", sa.BigInteger),
    )
