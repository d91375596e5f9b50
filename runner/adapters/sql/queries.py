"""Queries and events that several parts of the ledger use."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, select

from runner.adapters.sql import tables as t
from runner.adapters.sql.prepared import Prepared, given
from runner.adapters.sql.rows import run_from
from runner.adapters.sql.transaction import Transaction, event_data
from runner.records import Claim, Run
from runner.scheduling.occurrence import Reason


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
    told = _decision(one.slot, one.reason, one.count)
    transaction.events.append((now, f"occurrence.{one.decision}", one.schedule, told))


@lru_cache(maxsize=256)
def _decision(slot: str, reason: Reason | None, count: int) -> str:
    """What is told of a decision: where thousands fall due in one second, mostly the same."""
    return event_data(slot=slot, reason=reason, count=count)
