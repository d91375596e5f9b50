"""Approvals that ask for more than one person."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def upgrade() -> None:
    """What was asked so far asked for one."""
    op.add_column(
        "approvals", sa.Column("approvers", sa.Integer, nullable=False, server_default="1")
    )
    op.create_table(
        "votes",
        sa.Column("schedule", sa.String, primary_key=True),
        sa.Column("slot", sa.String, primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("author", sa.String, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
