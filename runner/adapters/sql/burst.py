"""
Plain claims of one tick, written together.

Most slots need no judging one by one: their schedule has no open run, no budget and no end of its
own. They are read and written by a handful of statements, however many there are, so that ten
thousand due in one second are durable soon after it. All others go the way of `claims`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, func, insert, select, tuple_, update

from runner.adapters.sql import tables as t
from runner.adapters.sql.pauses import pause_of, wide_pauses
from runner.adapters.sql.prepared import Prepared, given
from runner.adapters.sql.queries import note_decision, runs
from runner.adapters.sql.rows import (
    OCCURRENCE_COLUMNS,
    RUN_COLUMNS,
    occurrence_row,
    run_from,
    run_row,
)
from runner.adapters.sql.store import Transaction
from runner.records import Claim, Run
from runner.scheduling.occurrence import Reason, State

_AT_ONCE = 500
"""Rows of one look: their parameters stay below what SQLite admits in a statement."""

Item = TypeVar("Item")

_OCCURRENCE = Prepared(insert(t.occurrences), columns=["id", *OCCURRENCE_COLUMNS])
_MADE = Prepared(insert(t.runs), columns=RUN_COLUMNS)
_COUNT = Prepared(
    update(t.schedules)
    .where(t.schedules.c.uid == given("its_uid"))
    .values(runs=t.schedules.c.runs + 1)
)


@dataclass(slots=True)
class Written:
    """What became of plain claims, and the claims that are not plain."""

    made: list[str] = field(default_factory=list)
    refused: list[Claim] = field(default_factory=list)
    rest: list[Claim] = field(default_factory=list)


def claim_plain(transaction: Transaction, claims: Sequence[Claim], now: datetime) -> Written:
    """
    Write the plain ones among these claims. The write lock is held: what is read here stays true.
    """
    counts = Counter(one.schedule for one in claims)
    alone = [one for one in claims if counts[one.schedule] == 1 and _is_plain(one)]
    if len(alone) < 2:
        return Written(rest=list(claims))
    c = transaction.connection
    schedules = _schedules(c, alone)
    busy = set(c.scalars(select(t.runs.c.schedule).where(t.runs.c.closed_at.is_(None)).distinct()))
    plain = [one for one in alone if one.schedule not in busy]
    names = {one.schedule for one in plain}
    written = Written(rest=[one for one in claims if one.schedule not in names])
    taken = _taken(c, plain)
    free = [
        one
        for one in plain
        if schedules[one.schedule].state == "active" and (one.schedule, one.slot) not in taken
    ]
    pauses = wide_pauses(c)
    # A pause that ends covers what fell due in it, however late it is decided (O2).
    paused = {
        one.schedule
        for one in free
        if pause_of(schedules[one.schedule], pauses, at=min(now, one.due_at)) is not None
    }
    written.refused = [
        replace(one, decision=State.SKIPPED, reason=Reason.PAUSED)
        for one in free
        if one.schedule in paused
    ]
    claimed = [one for one in free if one.schedule not in paused]
    written.made = _write(transaction, claimed, written.refused, now)
    return written


def _is_plain(one: Claim) -> bool:
    return one.decision is State.CLAIMED and not one.reservations and one.max_runs is None


def _write(
    transaction: Transaction, claimed: Sequence[Claim], refused: Sequence[Claim], now: datetime
) -> list[str]:
    c = transaction.connection
    first = (c.scalar(select(func.max(t.occurrences.c.id))) or 0) + 1
    decided = [*claimed, *refused]
    for one in decided:
        note_decision(transaction, one, now)
    _OCCURRENCE.run_many(
        c, ({"id": first + n, **occurrence_row(one, now)} for n, one in enumerate(decided))
    )
    made = [
        run_row(one, occurrence=first + n, incarnation=transaction.incarnation, now=now)
        for n, one in enumerate(claimed)
    ]
    _MADE.run_many(c, made)
    _COUNT.run_many(c, ({"its_uid": one.schedule} for one in claimed))
    return [row["id"] for row in made]


def read_runs(c: Connection, identities: Sequence[str]) -> list[Run]:
    """Runs by id, in this order."""
    found = {
        row.id: run_from(row)
        for some in _pieces(identities)
        for row in c.execute(runs().where(t.runs.c.id.in_(some)))
    }
    return [found[identity] for identity in identities]


def _schedules(c: Connection, claims: Iterable[Claim]) -> dict[str, Row[*tuple[Any, ...]]]:
    s = t.schedules.c
    columns = (s.uid, s.session, s.account, s.state, s.paused_reason, s.paused_until)
    return {
        row.uid: row
        for some in _pieces([one.schedule for one in claims])
        for row in c.execute(select(*columns).where(s.uid.in_(some)))
    }


def _taken(c: Connection, claims: Sequence[Claim]) -> set[tuple[str, str]]:
    """Slots that have their row already: whoever wrote it decided them (S1)."""
    o = t.occurrences.c
    slot = tuple_(o.schedule, o.slot)
    return {
        (row.schedule, row.slot)
        for some in _pieces([(one.schedule, one.slot) for one in claims])
        for row in c.execute(select(o.schedule, o.slot).where(slot.in_(some)))
    }


def _pieces(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]
