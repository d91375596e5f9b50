"""Approvals, the receivers that were paid before, and what is late."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def upgrade() -> None:
    """Tables, all empty at first."""
    op.create_table(
        "approvals",
        sa.Column("schedule", sa.String, primary_key=True),
        sa.Column("slot", sa.String, primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("approved_at", sa.BigInteger),
        sa.Column("author", sa.String),
        sa.Column("reason", sa.Text),
    )
    op.create_index(
        "approvals_open", "approvals", ["due_at"], sqlite_where=sa.text("approved_at IS NULL")
    )
    op.create_table(
        "receivers",
        sa.Column("policy", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("receiver", sa.String, primary_key=True),
        sa.Column("paid_at", sa.BigInteger, nullable=False),
    )
    op.create_index("receivers_address", "receivers", ["policy", "receiver"])
    op.create_table(
        "breaches",
        sa.Column("schedule", sa.String, primary_key=True),
        sa.Column("signal", sa.String, primary_key=True),
        sa.Column("subject", sa.String, primary_key=True),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
