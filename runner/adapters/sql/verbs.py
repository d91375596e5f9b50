"""What a person decides about the ledger, beside a running daemon (O1, O3, O10)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update

from runner.adapters.sql import tables as t
from runner.adapters.sql.store import Transaction
from runner.errors import UsageError


def set_paused(
    transaction: Transaction,
    schedule: str,
    *,
    paused: bool,
    reason: str,
    author: str,
    now: datetime,
) -> None:
    """
    Pause a schedule, or let it go on with a clean count of failures.

    The row is read by every claim, so it holds for the next one in whatever process.

    Raises:
        UsageError: there is no such schedule, or it is in that state already.
    """
    c = transaction.connection
    row = c.execute(select(t.schedules).where(t.schedules.c.uid == schedule)).first()
    if row is None:
        raise UsageError(
            f"the ledger has no schedule {schedule}", hint="`runner schedules list` names them"
        )
    if (row.paused_reason is not None) is paused:
        state = f"paused already: {row.paused_reason}" if paused else "not paused"
        raise UsageError(f"{schedule} is {state}")
    values: dict[str, object] = {"paused_reason": None, "paused_at": None, "failures_in_row": 0}
    if paused:
        values = {"paused_reason": reason, "paused_at": now}
    c.execute(update(t.schedules).where(t.schedules.c.uid == schedule).values(values))
    kind = "schedule.paused" if paused else "schedule.resumed"
    transaction.event(now, kind, schedule, reason=reason, author=author)
