"""
Pauses of schedules, sessions, accounts and of everything, and the stop (O1, O8, X20).

They are rows that every claim and every commit of `signed` reads, so they hold once written, in
whatever process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, union_all, update
from sqlalchemy.dialects.sqlite import insert as upsert

from runner.adapters.sql import tables as t
from runner.adapters.sql.names import Names
from runner.adapters.sql.prepared import Prepared, given
from runner.adapters.sql.transaction import Transaction
from runner.errors import UsageError
from runner.records import Pause, PauseScope

WIDE = (PauseScope.SESSION, PauseScope.ACCOUNT, PauseScope.ALL)

_STOP = Prepared(select(t.pauses).where(t.pauses.c.scope == PauseScope.STOP.value))
_WIDE = Prepared(select(t.pauses).order_by(t.pauses.c.scope))
_s = t.schedules.c
_OWN = Prepared(
    select(_s.uid, _s.paused_reason, _s.paused_at, _s.paused_until)
    .where(_s.paused_reason.is_not(None))
    .order_by(_s.uid)
)
_ANY = Prepared(
    union_all(
        select(t.pauses.c.scope),
        select(t.schedules.c.uid).where(t.schedules.c.paused_reason.is_not(None)),
    ).limit(1)
)
_SCHEDULE = Prepared(
    select(
        t.schedules.c.session,
        t.schedules.c.account,
        t.schedules.c.paused_reason,
        t.schedules.c.paused_until,
    ).where(t.schedules.c.uid == given("schedule"))
)


def stopped(connection: Connection) -> str | None:
    """Why nothing may be signed or sent; None: it may (O8)."""
    row = _STOP.first(connection)
    return None if row is None else describe(_pause(row))


def paused(connection: Connection, schedule: str, *, at: datetime) -> str | None:
    """Why nothing of a schedule is to be paid at a moment; None: it may be (O1)."""
    row = _SCHEDULE.first(connection, schedule=schedule)
    return stopped(connection) if row is None else pause_of(row, wide_pauses(connection), at=at)


def are_any(connection: Connection) -> bool:
    """Whether anything at all is paused or stopped: mostly nothing is."""
    return _ANY.first(connection) is not None


def wide_pauses(connection: Connection) -> list[Pause]:
    """Every pause that is wider than one schedule, by scope."""
    return [_pause(row) for row in _WIDE.all(connection)]


def pause_of(schedule: Row[*tuple[Any, ...]], wide: Sequence[Pause], *, at: datetime) -> str | None:
    """
    Why nothing of a schedule is to be paid at a moment; None: it may be (O1).

    Args:
        schedule: Its session, account, paused_reason and paused_until.
        wide: What `wide_pauses` reads.
    """
    until = schedule.paused_until
    if schedule.paused_reason is not None and (until is None or at < until):
        return str(schedule.paused_reason)
    mine = {
        PauseScope.ALL: "",
        PauseScope.STOP: "",
        PauseScope.SESSION: schedule.session,
        PauseScope.ACCOUNT: schedule.account,
    }
    for pause in wide:
        if pause.target == mine[pause.scope] and (pause.until is None or pause.until > at):
            return describe(pause)
    return None


def describe(pause: Pause) -> str:
    """A wide pause in the words of what it covers."""
    if pause.scope is PauseScope.STOP:
        return f"everything is stopped: {pause.reason}"
    if pause.scope is PauseScope.ALL:
        return f"everything is paused: {pause.reason}"
    return f"{pause.scope} {pause.target} is paused: {pause.reason}"


def in_force(connection: Connection) -> list[Pause]:
    """Every pause that somebody wrote and nobody lifted, those of schedules included."""
    return wide_pauses(connection) + [
        Pause(PauseScope.SCHEDULE, row.uid, row.paused_reason, row.paused_at, row.paused_until)
        for row in _OWN.all(connection)
    ]


def write_pause(transaction: Transaction, pause: Pause, *, author: str) -> None:
    """
    Pause what the scope names, as it is called today.

    Raises:
        UsageError: there is no such schedule, or it is paused already.
    """
    c, scope = transaction.connection, pause.scope
    pause = replace(pause, target=Names(c).uid(scope.value, pause.target))
    if scope is PauseScope.SCHEDULE:
        before = _schedule(c, pause.target).paused_reason
        values = {"paused_reason": pause.reason, "paused_at": pause.since}
        c.execute(
            update(t.schedules)
            .where(t.schedules.c.uid == pause.target)
            .values(**values, paused_until=pause.until)
        )
    else:
        _check_target(c, pause)
        row = t.pauses.c
        before = c.scalar(
            select(row.reason).where(row.scope == scope.value, row.target == pause.target)
        )
        c.execute(
            upsert(t.pauses)
            .values(
                scope=scope.value,
                target=pause.target,
                reason=pause.reason,
                author=author,
                paused_at=pause.since,
                paused_until=pause.until,
            )
            .on_conflict_do_nothing()
        )
    if before is not None:
        what = "stopped" if scope is PauseScope.STOP else "paused"
        raise UsageError(f"{pause.subject} is {what} already: {before}")
    transaction.event(
        pause.since,
        f"{_named(scope)}.{'stopped' if scope is PauseScope.STOP else 'paused'}",
        pause.subject,
        reason=pause.reason,
        author=author,
        until=pause.until,
    )


def called(connection: Connection, pauses: Sequence[Pause]) -> list[Pause]:
    """Pauses by today's names of what they cover."""
    names = Names(connection)
    return [replace(one, target=names.of(one.scope.value, one.target)) for one in pauses]


def lift_pause(
    transaction: Transaction,
    scope: PauseScope,
    target: str,
    *,
    reason: str,
    author: str,
    now: datetime,
) -> Pause:
    """
    Let what the scope names, as it is called today, go on; a schedule with a clean count (O3).

    Returns:
        The pause that ends here.

    Raises:
        UsageError: it is not paused.
    """
    uid = Names(transaction.connection).uid(scope.value, target)
    ended = _lift(transaction, scope, uid, reason=reason, author=author, now=now)
    return replace(ended, target=target)


def _lift(
    transaction: Transaction,
    scope: PauseScope,
    target: str,
    *,
    reason: str,
    author: str,
    now: datetime,
) -> Pause:
    c = transaction.connection
    if scope is PauseScope.SCHEDULE:
        _schedule(c, target)
    found = [one for one in in_force(c) if one.scope is scope and one.target == target]
    if not found:
        what = "nothing is stopped" if scope is PauseScope.STOP else "it is not paused"
        raise UsageError(f"{target or 'everything'}: {what}")
    if scope is PauseScope.SCHEDULE:
        clean = {"paused_reason": None, "paused_at": None, "paused_until": None}
        c.execute(
            update(t.schedules)
            .where(t.schedules.c.uid == target)
            .values(**clean, failures_in_row=0)
        )
    else:
        row = t.pauses.c
        c.execute(delete(t.pauses).where(row.scope == scope.value, row.target == target))
    transaction.event(
        now, f"{_named(scope)}.resumed", found[0].subject, reason=reason, author=author
    )
    return found[0]


def lift_ended(transaction: Transaction, *, now: datetime) -> list[Pause]:
    """Pauses whose end has come are over; the ones that ended here."""
    over = [
        one
        for one in in_force(transaction.connection)
        if one.until is not None and one.until <= now
    ]
    for one in over:
        _lift(
            transaction, one.scope, one.target, reason="its end has come", author="runner", now=now
        )
    return over


def _named(scope: PauseScope) -> str:
    return "runner" if scope in {PauseScope.ALL, PauseScope.STOP} else scope.value


def _schedule(c: Connection, uid: str) -> Row[Any]:
    row = c.execute(select(t.schedules).where(t.schedules.c.uid == uid)).first()
    if row is None:
        raise UsageError(
            f"the ledger has no schedule {uid}", hint="`runner schedules list` names them"
        )
    return row


def _check_target(c: Connection, pause: Pause) -> None:
    columns = {PauseScope.SESSION: t.schedules.c.session, PauseScope.ACCOUNT: t.schedules.c.account}
    column = columns.get(pause.scope)
    if column is None:
        return
    known = sorted(c.scalars(select(column).where(column != "").distinct()))
    if pause.target not in known:
        raise UsageError(
            f"no schedule of the ledger uses {pause.scope} {pause.target}",
            hint=f"known: {', '.join(known)}" if known else "the policies were not applied yet",
        )


def _pause(row: Row[Any]) -> Pause:
    return Pause(PauseScope(row.scope), row.target, row.reason, row.paused_at, row.paused_until)
