"""Incidents, and the messages that are on their way to people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def upgrade() -> None:
    """Tables, both empty at first."""
    op.create_table(
        "incidents",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("subject", sa.String, primary_key=True),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("detail", sa.Text),
        sa.Column("hint", sa.Text),
        sa.Column("run", sa.String),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("told", sa.Integer, nullable=False),
        sa.Column("told_at", sa.BigInteger),
        sa.Column("told_severity", sa.String),
        sa.Column("tell_at", sa.BigInteger),
        sa.Column("lapse_at", sa.BigInteger),
        sa.Column("resolved_at", sa.BigInteger),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("message", sa.String, nullable=False),
        sa.Column("destination", sa.String, nullable=False),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("attachments", sa.Text, nullable=False),
        sa.Column("good", sa.Boolean, nullable=False),
        sa.Column("written_at", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("error", sa.Text),
        sa.Column("sent_at", sa.BigInteger),
        sa.Column("given_up_at", sa.BigInteger),
        sa.UniqueConstraint("message", "destination"),
    )
    op.create_index(
        "outbox_waiting",
        "outbox",
        ["destination", "id"],
        sqlite_where=sa.text("sent_at IS NULL AND given_up_at IS NULL"),
    )
