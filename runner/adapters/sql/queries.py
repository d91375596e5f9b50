"""Queries and events that several parts of the ledger use."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select

from runner.adapters.sql import tables as t
from runner.adapters.sql.prepared import Prepared, given
from runner.adapters.sql.rows import run_from
from runner.adapters.sql.store import Transaction
from runner.records import Claim, Run


def runs() -> Select[Any]:
    """Runs with the slot of their occurrence."""
    return select(t.runs, t.occurrences.c.slot).join_from(
        t.runs, t.occurrences, t.runs.c.occurrence == t.occurrences.c.id, isouter=True
    )


_RUN = Prepared(runs().where(t.runs.c.id == given("identity")))


def run_by_id(c: Connection, identity: str) -> Run:
    """One run as it stands."""
    return run_from(_RUN.first(c, identity=identity))


def note_decision(transaction: Transaction, one: Claim, now: datetime) -> None:
    """The event of a decided slot, or of a range of them."""
    transaction.event(
        now,
        f"occurrence.{one.decision}",
        one.schedule,
        slot=one.slot,
        reason=one.reason,
        count=one.count,
    )
