"""What the database itself refuses: the triggers of laws.py."""

from __future__ import annotations

from alembic import op

from runner.adapters.sql import laws


def upgrade() -> None:
    """Triggers are not data: a later step that changes the table of moves makes them anew."""
    for statement in laws.statements():
        op.execute(statement)
