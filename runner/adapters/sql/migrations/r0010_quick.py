"""What every payment asks is found sooner: whether anything is paused, whether a run moves so."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from runner.adapters.sql import laws


def upgrade() -> None:
    """An index of the schedules that are paused, mostly none; the law of moves, as it is now."""
    op.create_index(
        "schedules_paused",
        "schedules",
        ["uid"],
        sqlite_where=sa.text("paused_reason IS NOT NULL"),
    )
    op.execute("DROP TRIGGER runs_move")
    op.execute(laws.moves())
