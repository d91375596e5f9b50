"""
The ledger's rows as views: every query of the commands that look, beside a running daemon too.

Nothing that is sealed is read. One function a question; each works on a connection of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, Select, func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from runner.adapters.sql import pauses as pause_rows
from runner.adapters.sql import tables as t
from runner.adapters.sql.alerts import incidents
from runner.adapters.sql.names import Names
from runner.adapters.sql.rows import line_from, parse_calls
from runner.adapters.sql.store import is_held, open_for_reading
from runner.errors import StoreError
from runner.ethereum.address import Address
from runner.guard.budget import LIFE
from runner.guard.intent import TransferLine
from runner.records import Pause
from runner.reporting.digest import Chain
from runner.reporting.totals import PaidView
from runner.reporting.views import (
    AskedView,
    ChannelView,
    DaemonView,
    Entry,
    EventView,
    GrantView,
    LedgerView,
    OccurrenceView,
    OperationView,
    RunView,
    ScheduleView,
    TotalView,
)

_CHUNK = 500  # ids in one IN list

_MADE = {"uid", "session", "first_applied", "last", "total"}
_SCHEDULE_COLUMNS = tuple(f.name for f in fields(ScheduleView) if f.name not in _MADE)

_DECIDED_AGAINST = frozenset({"skipped", "missed", "superseded"})


@contextmanager
def ledger(url: str) -> Iterator[Connection]:
    """
    A connection that cannot write, all its reads at one moment.

    Raises:
        StoreError: there is no ledger, it is of another revision, or it cannot be read.
    """
    engine = open_for_reading(url)
    try:
        with engine.connect() as connection, connection.begin():
            yield connection
    except SQLAlchemyError as error:
        # The driver's own words: SQLAlchemy's would repeat the statement.
        why = getattr(error, "orig", None) or type(error).__name__
        raise StoreError(f"the ledger cannot be read: {why}") from None
    finally:
        engine.dispose()


def overview(
    c: Connection,
    store: str,
    *,
    start: datetime,
    end: datetime,
    now: datetime,
    newest: bool = True,
) -> LedgerView:
    """
    The ledger at one moment, for `status`.

    Args:
        start: Where the day of the person who asks begins; `end` is where it ends.
        newest: Whether to look up what became of every schedule's newest slot.
    """
    return LedgerView(
        daemon=daemon(c, store),
        schedules=schedules(c) if newest else states(c),
        grants=grants(c),
        open_runs=open_entries(c),
        pauses=pauses(c),
        asked=questions(c, since=now),
        channels=silent_channels(c),
        incidents=[one for one in incidents(c) if one.is_open],
        today=tally(c, start=start, end=end),
    )


# ── occurrences and runs ──────────────────────────────────────────────────────────────────────


def entries(c: Connection, *, limit: int | None, activations: bool = False) -> list[Entry]:
    """The newest occurrences (of ranges, by their first slot), newest first."""
    query = select(t.occurrences).order_by(t.occurrences.c.due_at.desc(), t.occurrences.c.id.desc())
    found = of_occurrences(c, occurrences(c, query.limit(limit)))
    if activations:
        query = _runs().where(t.runs.c.kind != "payment").order_by(t.runs.c.due_at.desc())
        found += [Entry(None, (run,)) for run in _complete(c, c.execute(query.limit(limit)))]
        found.sort(key=lambda entry: entry.due_at, reverse=True)
    return found if limit is None else found[:limit]


def entries_between(c: Connection, *, start: datetime, end: datetime) -> list[Entry]:
    """What was decided of the slots due in [start, end); of ranges, by their first slot."""
    o = t.occurrences.c
    query = select(t.occurrences).where(o.due_at >= start, o.due_at < end).order_by(o.due_at)
    return of_occurrences(c, occurrences(c, query))


def count_occurrences(c: Connection) -> int:
    """How many rows `entries` has without a limit."""
    return c.scalar(select(func.count()).select_from(t.occurrences)) or 0


def open_entries(c: Connection) -> list[Entry]:
    """What is not closed, oldest first; activations too."""
    query = _runs().where(t.runs.c.closed_at.is_(None)).order_by(t.runs.c.due_at)
    runs = _complete(c, c.execute(query))
    wanted = [run.occurrence for run in runs if run.occurrence is not None]
    known = {
        row.id: row
        for part in chunks(wanted)
        for row in occurrences(c, select(t.occurrences).where(t.occurrences.c.id.in_(part)))
    }
    return [Entry(known[run.occurrence] if run.occurrence else None, (run,)) for run in runs]


def find(c: Connection, name: str) -> list[Entry]:
    """
    The entries that a person may mean.

    Args:
        name: A run id or its head, or `policy/schedule@slot`, where the slot may lack `#0` or be
            the instant at which it was due.
    """
    schedule, at, slot = name.rpartition("@")
    if at:
        return _at_slot(c, schedule, slot)
    pattern = name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    query = _runs().where(t.runs.c.id.like(pattern, escape="\\")).order_by(t.runs.c.due_at)
    runs = _complete(c, c.execute(query.limit(50)))
    found = [Entry(None, (run,)) for run in runs if run.occurrence is None]
    ids = list(dict.fromkeys(run.occurrence for run in runs if run.occurrence is not None))
    query = select(t.occurrences).where(t.occurrences.c.id.in_(ids))
    return found + of_occurrences(c, occurrences(c, query))


def _at_slot(c: Connection, schedule: str, slot: str) -> list[Entry]:
    o = t.occurrences.c
    named = or_(o.slot == slot, o.slot == f"{slot}#0")
    instant = _instant(slot)
    if instant is not None:
        inside = (o.count > 1) & (o.due_at <= instant) & (o.last_due_at >= instant)
        named = or_(named, o.due_at == instant, inside)
    uid = Names(c).meant("schedule", schedule)
    query = select(t.occurrences).where(o.schedule == uid, named)
    return of_occurrences(c, occurrences(c, query))


def _instant(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def of_occurrences(c: Connection, rows: Iterable[OccurrenceView]) -> list[Entry]:
    """Occurrences with all their attempts, in their order."""
    rows = list(rows)
    attempts: dict[int, list[RunView]] = {}
    for part in chunks([row.id for row in rows]):
        query = _runs().where(t.runs.c.occurrence.in_(part)).order_by(t.runs.c.attempt.desc())
        for run in _complete(c, c.execute(query)):
            if run.occurrence is not None:
                attempts.setdefault(run.occurrence, []).append(run)
    return [Entry(row, tuple(attempts.get(row.id, ()))) for row in rows]


def _runs() -> Select[Any]:
    return select(t.runs, t.grants.c.generation).join_from(
        t.runs, t.grants, t.runs.c.grant_id == t.grants.c.id, isouter=True
    )


def _complete(c: Connection, rows: Iterable[Row[Any]]) -> list[RunView]:
    names = Names(c)
    runs = [_run(row, names) for row in rows]
    operations: dict[str, list[OperationView]] = {}
    lines: dict[str, list[TransferLine]] = {}
    for part in chunks([run.id for run in runs]):
        found = _operations().where(t.operations.c.run.in_(part))
        for row in c.execute(found.order_by(t.operations.c.signed_at)):
            operations.setdefault(row.run, []).append(OperationView(**row._mapping))
        moved = select(t.transfers).where(t.transfers.c.run.in_(part))
        for row in c.execute(moved.order_by(t.transfers.c.position)):
            lines.setdefault(row.run, []).append(line_from(row))
    return [
        replace(
            run,
            operations=tuple(operations.get(run.id, ())),
            lines=tuple(lines.get(run.id, ())),
        )
        for run in runs
    ]


def _run(row: Row[Any], names: Names) -> RunView:
    values = {name: getattr(row, name) for name in _RUN_COLUMNS}
    values |= {"schedule": names.schedule(row.schedule), "session": names.session(row.session)}
    intent = None if row.intent is None else parse_calls(row.intent)
    return RunView(**values, intent=intent, generation=row.generation)


_RUN_COLUMNS = [
    f.name for f in fields(RunView) if f.name not in {"intent", "generation", "operations", "lines"}
]


def _operations() -> Select[Any]:
    return select(*(t.operations.c[f.name] for f in fields(OperationView)))


def occurrences(c: Connection, query: Select[Any]) -> list[OccurrenceView]:
    """Rows of the table, by today's names."""
    names = Names(c)
    return [
        OccurrenceView(**(dict(row._mapping) | {"schedule": names.schedule(row.schedule)}))
        for row in c.execute(query)
    ]


def tally(c: Connection, *, start: datetime, end: datetime) -> dict[tuple[str, str | None], int]:
    """How many slots due in [start, end) stand in each (state, reason)."""
    sums: dict[tuple[str, str | None], int] = {}
    window = select(t.occurrences).where(
        t.occurrences.c.due_at >= start, t.occurrences.c.due_at < end
    )
    rows = occurrences(c, window)
    newest: dict[int, tuple[str, str | None]] = {}
    for part in chunks([row.id for row in rows]):
        query = select(t.runs.c.occurrence, t.runs.c.state, t.runs.c.reason)
        query = query.where(t.runs.c.occurrence.in_(part)).order_by(t.runs.c.attempt)
        newest |= {run.occurrence: (run.state, run.reason) for run in c.execute(query)}
    for row in rows:
        key = newest.get(row.id, (row.decision, row.reason))
        sums[key] = sums.get(key, 0) + row.count
    return sums


def payments(c: Connection, *, start: datetime | None, end: datetime | None) -> list[PaidView]:
    """What the successful runs due in [start, end) moved."""
    query = (
        select(
            t.transfers,
            t.runs.c.schedule,
            t.runs.c.session,
            t.runs.c.due_at,
            t.runs.c.reason,
            t.operations.c.chain,
            t.operations.c.sender,
            t.operations.c.block_at,
            t.operations.c.hash,
            t.operations.c.transaction_hash,
            t.operations.c.block_number,
            t.operations.c.gas_cost,
            t.operations.c.sponsored,
        )
        .join_from(t.transfers, t.runs, t.transfers.c.run == t.runs.c.id)
        .join(t.operations, t.operations.c.run == t.runs.c.id)
        .where(
            t.runs.c.state == "success",
            t.operations.c.status == "success",
            t.operations.c.kind == "payment",
        )
        .order_by(t.runs.c.due_at, t.runs.c.id, t.transfers.c.position)
    )
    if start is not None:
        query = query.where(t.runs.c.due_at >= start)
    if end is not None:
        query = query.where(t.runs.c.due_at < end)
    names = Names(c)
    return [
        PaidView(
            run=row.run,
            schedule=names.schedule(row.schedule),
            session=names.session(row.session),
            due_at=row.due_at,
            reason=row.reason,
            line=line_from(row),
            chain=row.chain,
            sender=row.sender,
            paid_at=row.block_at,
            user_op_hash=row.hash,
            transaction_hash=row.transaction_hash,
            block=row.block_number,
            fee=row.gas_cost,
            sponsored=row.sponsored,
        )
        for row in c.execute(query)
    ]


# ── approvals ─────────────────────────────────────────────────────────────────────────────────


def asked(c: Connection, place: tuple[str, str]) -> AskedView | None:
    """What a person is asked about a slot now, its name with or without `#0`."""
    schedule, slot = Names(c).meant("schedule", place[0]), place[1]
    a = t.approvals.c
    query = (
        select(t.approvals)
        .where(a.schedule == schedule, a.slot.in_((slot, f"{slot}#0")), a.approved_at.is_(None))
        .order_by(a.attempt.desc(), a.asked_at.desc())
    )
    row = c.execute(query.limit(1)).first()
    return None if row is None else _asked(row, Names(c))


def questions(c: Connection, *, since: datetime) -> list[AskedView]:
    """What was asked ahead and waits for a person, due after a moment, in the order of time."""
    a = t.approvals.c
    query = select(t.approvals).where(a.approved_at.is_(None), a.due_at > since).order_by(a.due_at)
    names = Names(c)
    return [_asked(row, names) for row in c.execute(query)]


# ── alerts ────────────────────────────────────────────────────────────────────────────────────


def silent_channels(c: Connection) -> list[ChannelView]:
    """The destinations whose newest attempt failed, each with its oldest message that waits."""
    o = t.outbox.c
    waiting = select(t.outbox).where(o.sent_at.is_(None), o.given_up_at.is_(None))
    found: dict[str, list[Row[Any]]] = {}
    for row in c.execute(waiting.order_by(o.id)):
        found.setdefault(row.destination, []).append(row)
    return [
        ChannelView(destination, len(rows), rows[0].written_at, rows[0].error)
        for destination, rows in found.items()
        if rows[0].error is not None
    ]


def newest_heads(c: Connection, *, count: int) -> list[Chain]:
    """The newest event of each of the chains that were written to last (H9)."""
    e = t.events.c
    last = select(e.incarnation, func.max(e.seq).label("seq")).group_by(e.incarnation).subquery()
    query = select(e.incarnation, e.seq, e.mac).join(
        last, (last.c.incarnation == e.incarnation) & (last.c.seq == e.seq)
    )
    rows = c.execute(query.order_by(e.at.desc()).limit(count))
    return [Chain(row.incarnation, row.seq, row.mac.hex()) for row in rows]


def taken(c: Connection) -> dict[tuple[str, str, str], int]:
    """What is reserved and spent of every budget, by its period and token."""
    names = Names(c)
    return {
        (names.budget(row.budget), row.period, row.token): row.reserved + row.spent
        for row in c.execute(select(t.budgets))
    }


def _asked(row: Row[Any], names: Names) -> AskedView:
    values = {f.name: getattr(row, f.name) for f in fields(AskedView)}
    return AskedView(**(values | {"schedule": names.schedule(row.schedule)}))


# ── what operators may still decide ───────────────────────────────────────────────────────────


def settled_slots(c: Connection, schedule: str, *, start: datetime, end: datetime) -> set[str]:
    """Slots due in [start, end) that are paid, or whose outcome is open: not to be paid again."""
    o, uid = t.occurrences.c, Names(c).meant("schedule", schedule)
    query = select(t.occurrences).where(o.schedule == uid, o.due_at >= start, o.due_at < end)
    found = of_occurrences(c, occurrences(c, query))
    return {
        one.occurrence.slot
        for one in found
        if one.occurrence is not None and one.state not in _DECIDED_AGAINST
    }


def skipped_since(
    c: Connection, schedules: Sequence[str], since: datetime
) -> dict[str, list[OccurrenceView]]:
    """What a pause that began then has skipped, by schedule, oldest first."""
    o, names = t.occurrences.c, Names(c)
    query = select(t.occurrences).where(
        o.schedule.in_([names.meant("schedule", one) for one in schedules]),
        o.decision == "skipped",
        o.reason == "paused",
        o.decided_at >= since,
    )
    found: dict[str, list[OccurrenceView]] = {}
    for row in occurrences(c, query.order_by(o.due_at)):
        found.setdefault(row.schedule, []).append(row)
    return found


def pauses(c: Connection) -> list[Pause]:
    """Every pause that somebody wrote and nobody lifted."""
    return pause_rows.called(c, pause_rows.in_force(c))


def paused(c: Connection, schedule: str, *, at: datetime) -> str | None:
    """Why nothing of a schedule is to be paid at a moment; None: it may be (O1)."""
    return pause_rows.paused(c, Names(c).meant("schedule", schedule), at=at)


def schedules_under(c: Connection, scope: str, target: str) -> list[str]:
    """The schedules that a pause of this scope covers."""
    s = t.schedules.c
    columns = {"schedule": s.uid, "session": s.session, "account": s.account}
    query, names = select(s.uid), Names(c)
    if scope in columns:
        query = query.where(columns[scope] == names.meant(scope, target))
    return [names.schedule(uid) for uid in c.scalars(query)]


# ── schedules, grants, events ─────────────────────────────────────────────────────────────────


def schedules(c: Connection) -> list[ScheduleView]:
    """Every schedule ever applied, each with what became of its newest claimed slot."""
    return with_newest(c, c.execute(select(t.schedules).order_by(t.schedules.c.uid)).all())


def states(c: Connection) -> list[ScheduleView]:
    """Every schedule's own row, without its slots."""
    names = Names(c)
    rows = c.execute(select(t.schedules).order_by(t.schedules.c.uid))
    return [schedule_row(row, names) for row in rows]


def with_newest(c: Connection, rows: Sequence[Row[Any]]) -> list[ScheduleView]:
    """Rows of schedules, each with its newest slot that was not superseded, and its total."""
    uids = [row.uid for row in rows]
    names = Names(c)
    lasts, totals = _newest(c, uids), _totals(c, uids)
    return [
        replace(schedule_row(row, names), last=lasts.get(row.uid), total=totals.get(row.uid, ()))
        for row in rows
    ]


def schedule_row(row: Row[Any], names: Names) -> ScheduleView:
    """What a schedule's own row says, by today's names."""
    return ScheduleView(
        **{name: getattr(row, name) for name in _SCHEDULE_COLUMNS},
        uid=names.schedule(row.uid),
        session=names.session(row.session),
        first_applied=row.uid,
    )


def _newest(c: Connection, uids: Sequence[str]) -> dict[str, Entry]:
    inner = t.occurrences.alias().c
    newest = (
        select(inner.id)
        .where(inner.schedule == t.schedules.c.uid, inner.decision != "superseded")
        .order_by(inner.due_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = select(t.occurrences).join_from(
        t.schedules, t.occurrences, t.occurrences.c.id == newest
    )
    names = Names(c)
    found: list[Entry] = []
    for part in chunks(uids):
        found += of_occurrences(c, occurrences(c, query.where(t.schedules.c.uid.in_(part))))
    return {names.meant("schedule", one.schedule): one for one in found if one.schedule is not None}


def _totals(c: Connection, uids: Sequence[str]) -> dict[str, tuple[TotalView, ...]]:
    b = t.budgets.c
    names = {f"schedule:{uid}:until_total": uid for uid in uids}
    found: dict[str, tuple[TotalView, ...]] = {}
    for part in chunks(list(names)):
        query = select(t.budgets).where(b.budget.in_(part), b.period == LIFE).order_by(b.token)
        for row in c.execute(query):
            uid = names[row.budget]
            one = TotalView(token=row.token, spent=row.spent, reserved=row.reserved)
            found[uid] = (*found.get(uid, ()), one)
    return found


def paymaster_pin(c: Connection, wallet: str, chain: int) -> Address | None:
    """The paymaster that a profile has used on a chain (G4)."""
    pin = select(t.pins.c.paymaster).where(t.pins.c.wallet == wallet, t.pins.c.chain == chain)
    found = c.execute(pin).scalar_one_or_none()
    return None if found is None else Address(found)


def grants(c: Connection, session: str | None = None) -> list[GrantView]:
    """Every generation, of one session or of all, oldest first."""
    names = Names(c)
    query = select(*(t.grants.c[f.name] for f in fields(GrantView)))
    query = query.order_by(t.grants.c.session, t.grants.c.generation)
    if session is not None:
        query = query.where(t.grants.c.session == names.meant("session", session))
    return [
        GrantView(
            **dict(row._mapping)
            | {
                "session": names.session(row.session),
                "permissions": tuple(json.loads(row.permissions)),
            }
        )
        for row in c.execute(query)
    ]


def daemon(c: Connection, store: str) -> DaemonView:
    """
    The newest process that held the ledger, and whether it does so now.

    The lock is looked at only where that process has not written its end: looking takes it for
    an instant, and a daemon that starts just then should not find it taken.
    """
    query = (
        select(t.incarnations)
        .where(t.incarnations.c.role == "daemon")
        .order_by(t.incarnations.c.started_at.desc())
        .limit(1)
    )
    row = c.execute(query).first()
    if row is None:
        return DaemonView(running=False)
    return DaemonView(
        running=row.ended_at is None and is_held(store),
        started_at=row.started_at,
        ended_at=row.ended_at,
        pid=row.pid,
        host=row.host,
        version=row.version,
    )


def timeline(c: Connection, entry: Entry) -> list[EventView]:
    """Everything recorded about an occurrence and its attempts, oldest first."""
    found = events(c, [run.id for run in entry.runs])
    row = entry.occurrence
    if row is not None:
        decided = _events().where(
            t.events.c.subject == Names(c).meant("schedule", row.schedule),
            t.events.c.kind.like("occurrence.%"),
            t.events.c.at >= row.decided_at - timedelta(seconds=1),
            t.events.c.at <= row.decided_at + timedelta(seconds=1),
        )
        told = [replace(_event(one), subject=row.schedule) for one in c.execute(decided)]
        found += [one for one in told if one.data.get("slot") == row.slot]
    return sorted(found, key=lambda one: one.at)


def events(c: Connection, subjects: Sequence[str]) -> list[EventView]:
    """What was recorded about these subjects: run ids, sessions, schedules."""
    names = Names(c)
    asked = {
        names.meant(kind, one): one for one in subjects for kind in ("schedule", "session")
    } | {one: one for one in subjects}
    return [
        replace(_event(row), subject=asked[row.subject])
        for part in chunks(list(asked))
        for row in c.execute(_events().where(t.events.c.subject.in_(part)))
    ]


def _events() -> Select[Any]:
    return select(t.events).order_by(t.events.c.at, t.events.c.incarnation, t.events.c.seq)


def _event(row: Row[Any]) -> EventView:
    return EventView(row.at, row.kind, row.subject, json.loads(row.data))


def chunks(values: Sequence[Any]) -> Iterator[list[Any]]:
    """Values in lists that one statement takes."""
    each = iter(values)
    while part := list(islice(each, _CHUNK)):
        yield part
