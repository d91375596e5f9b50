"""
The ledger page by page: queries that stay quick however much there is.

Each is bounded by what it shows, or counts in the database. Pages continue where the one before
ended (by due time and row), never by counting rows from the beginning.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    exists,
    func,
    or_,
    select,
    text,
    type_coerce,
)

from runner.adapters.sql import reading
from runner.adapters.sql import tables as t
from runner.adapters.sql.commands import command_by_id
from runner.adapters.sql.names import Names
from runner.ethereum.address import Address
from runner.frozen import frozen
from runner.guard.intent import TransferLine
from runner.records import Command, RunKind
from runner.reporting.totals import Moved
from runner.reporting.views import Entry, ScheduleView

_DAY_MICROSECONDS = 86_400_000_000
_EPOCH_DAY = date(1970, 1, 1)

_LATER = t.runs.alias().c
_NEWEST = and_(
    t.runs.c.occurrence == t.occurrences.c.id,
    ~exists().where(_LATER.occurrence == t.occurrences.c.id, _LATER.attempt > t.runs.c.attempt),
)
"""Joins an occurrence with its newest attempt."""


@frozen
class Wanted:
    """Which occurrences are looked for; `after` is where the page before ended."""

    schedule: str | None = None
    state: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    after: tuple[datetime, int] | None = None


@frozen
class Decided:
    """A slot, or a range of them, and what became of it: no more than a calendar shows."""

    schedule: str
    due_at: datetime
    state: str
    reason: str | None
    count: int


def entries_page(c: Connection, wanted: Wanted, *, limit: int) -> list[Entry]:
    """Occurrences with all their attempts, the newest first."""
    o = t.occurrences.c
    query = select(t.occurrences)
    if wanted.schedule is not None:
        query = query.where(o.schedule == Names(c).meant("schedule", wanted.schedule))
    if wanted.start is not None:
        query = query.where(o.due_at >= wanted.start)
    if wanted.end is not None:
        query = query.where(o.due_at < wanted.end)
    if wanted.after is not None:
        due_at, row = wanted.after
        query = query.where(o.due_at <= due_at, or_(o.due_at < due_at, o.id < row))
    if wanted.state is not None:
        query = query.select_from(t.occurrences.outerjoin(t.runs, _NEWEST))
        query = query.where(func.coalesce(t.runs.c.state, o.decision) == wanted.state)
    query = query.order_by(o.due_at.desc(), o.id.desc()).limit(limit)
    return reading.of_occurrences(c, reading.occurrences(c, query))


def decided_between(c: Connection, *, start: datetime, end: datetime) -> list[Decided]:
    """What became of the slots due in [start, end); of ranges, by their first slot."""
    o, r = t.occurrences.c, t.runs.c
    rows = c.execute(
        select(
            o.schedule,
            o.due_at,
            o.decision,
            o.reason,
            o.count.label("slots"),
            r.state,
            r.reason.label("why"),
        )
        .join_from(t.occurrences, t.runs, _NEWEST, isouter=True)
        .where(o.due_at >= start, o.due_at < end)
        .order_by(o.due_at)
    )
    names = Names(c)
    return [
        Decided(
            names.schedule(row.schedule),
            row.due_at,
            row.state or row.decision,
            row.why if row.state else row.reason,
            row.slots,
        )
        for row in rows
    ]


def ended_by_day(
    c: Connection, *, start: datetime, end: datetime, schedule: str | None = None
) -> dict[date, dict[str, int]]:
    """How many payments were closed on each day (UTC), by state; of one schedule, or of all."""
    r = t.runs.c
    day = type_coerce(r.closed_at, BigInteger).op("/")(_DAY_MICROSECONDS)
    query = select(day.label("day"), r.state, func.count())
    query = query.where(r.closed_at >= start, r.closed_at < end, r.kind == RunKind.PAYMENT.value)
    if schedule is not None:
        query = query.where(r.schedule == schedule)
    rows = c.execute(query.group_by(text("day"), r.state))
    found: dict[date, dict[str, int]] = {}
    for number, state, count in rows:
        found.setdefault(_EPOCH_DAY + timedelta(days=int(number)), {})[state] = count
    return found


def moved_by_day(c: Connection, *, start: datetime, end: datetime) -> list[Moved]:
    """
    What the payments closed in [start, end) moved, day by day (UTC).

    Equal movements are counted in the database, where amounts of 256 bits cannot be added.
    """
    r, x, o = t.runs.c, t.transfers.c, t.operations.c
    day = type_coerce(r.closed_at, BigInteger).op("/")(_DAY_MICROSECONDS)
    equal = (o.chain, x.token, x.symbol, x.decimals, x.receiver, x.receiver_name, x.amount, x.kind)
    rows = c.execute(
        select(day.label("day"), *equal, r.reason, func.count().label("times"))
        .join_from(t.runs, t.transfers, x.run == r.id)
        .join(t.operations, and_(o.run == r.id, o.status == "success", o.kind == "payment"))
        .where(r.closed_at >= start, r.closed_at < end, r.state == "success", x.kind != "approve")
        .group_by(text("day"), *equal, r.reason)
        .order_by(text("day"))
    )
    return [
        Moved(
            _EPOCH_DAY + timedelta(days=int(row.day)),
            row.chain,
            TransferLine(
                token=row.token,
                symbol=row.symbol,
                decimals=row.decimals,
                receiver=Address(row.receiver),
                receiver_name=row.receiver_name,
                amount=row.amount,
                kind=row.kind,
            ),
            row.reason,
            row.times,
        )
        for row in rows
    ]


# ── schedules ─────────────────────────────────────────────────────────────────────────────────


def schedules_page(
    c: Connection, *, after: str = "", match: str = "", limit: int
) -> list[ScheduleView]:
    """Schedules in the order of their names, each with its newest slot."""
    s, n = t.schedules.c, t.names.c
    query = select(t.schedules)
    name: ColumnElement[str] = s.uid
    if c.scalar(select(exists().where(n.kind == "schedule"))):  # else the index has the order
        query = query.join_from(
            t.schedules, t.names, and_(n.kind == "schedule", n.uid == s.uid), isouter=True
        )
        name = func.coalesce(n.name, s.uid)
    query = query.where(name > after)
    if match:
        query = query.where(name.contains(match, autoescape=True))
    rows = c.execute(query.order_by(name).limit(limit)).all()
    return reading.with_newest(c, rows)


def schedule(c: Connection, uid: str) -> ScheduleView | None:
    """One schedule by today's name; None where it was never applied."""
    first = Names(c).meant("schedule", uid)
    rows = c.execute(select(t.schedules).where(t.schedules.c.uid == first)).all()
    return next(iter(reading.with_newest(c, rows)), None)


def command(c: Connection, identity: int) -> Command | None:
    """One wish as it stands; None where there is none."""
    known = c.scalar(select(t.commands.c.id).where(t.commands.c.id == identity))
    return None if known is None else command_by_id(c, identity)


def spent_of(c: Connection, session: str) -> list[tuple[datetime, str, int]]:
    """What the grant in service of a session has spent: when, of which token, how much."""
    r, x, g = t.runs.c, t.transfers.c, t.grants.c
    uid = Names(c).meant("session", session)
    active = select(g.id, g.requested_at).where(g.session == uid, g.state == "active")
    grant = c.execute(active).first()
    if grant is None:
        return []
    moved = (
        select(func.coalesce(r.closed_at, r.claimed_at).label("at"), x.token, x.amount)
        .join_from(t.runs, t.transfers, x.run == r.id)
        .where(r.grant_id == grant.id, x.kind != "observed")
    )
    # What it paid is open, or was closed after it was asked for: there is an index of each.
    closed = and_(r.closed_at >= grant.requested_at, r.state.in_(("success", "included")))
    rows = [
        row for which in (closed, r.closed_at.is_(None)) for row in c.execute(moved.where(which))
    ]
    return sorted((row.at, row.token, row.amount) for row in rows)


def decided_ahead(c: Connection, *, start: datetime, end: datetime) -> list[tuple[str, datetime]]:
    """The slots due in [start, end) that somebody has decided already: schedule, due time."""
    o, names = t.occurrences.c, Names(c)
    query = select(o.schedule, o.due_at).where(o.due_at >= start, o.due_at < end)
    return [(names.schedule(row.schedule), row.due_at) for row in c.execute(query)]
