"""Queries that both halves of the ledger use."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, select

from runner.adapters.sql import tables as t
from runner.adapters.sql.rows import run_from
from runner.records import Run


def runs() -> Select[Any]:
    """Runs with the slot of their occurrence."""
    return select(t.runs, t.occurrences.c.slot).join_from(
        t.runs, t.occurrences, t.runs.c.occurrence == t.occurrences.c.id, isouter=True
    )


def run_by_id(c: Connection, identity: str) -> Run:
    """One run as it stands."""
    return run_from(c.execute(runs().where(t.runs.c.id == identity)).one())
