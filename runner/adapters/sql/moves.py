"""
The moves of a run: each conditional on its version, each with its event, its budgets settled.

Functions over one transaction; `ledger.py` gives each its turn on the writer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import insert, select, update

from runner.adapters.sql import approvals, budgets
from runner.adapters.sql import tables as t
from runner.adapters.sql.prepared import Prepared, given
from runner.adapters.sql.queries import run_by_id
from runner.adapters.sql.rows import format_calls
from runner.adapters.sql.transaction import Transaction, event_data
from runner.errors import Conflict
from runner.ethereum.calls import Call
from runner.frozen import changed
from runner.guard.budget import Reservation
from runner.records import Run, RunKind
from runner.scheduling.moves import Effect, rule_for
from runner.scheduling.occurrence import CLOSED, Reason, State, is_running, run_id

_FAILED = frozenset({State.REVERTED, State.NOT_INCLUDED, State.MISSED})


@cache
def _change(names: tuple[str, ...]) -> Prepared:
    """Change these columns of a run, if it is at the version that is known (H2)."""
    return Prepared(
        update(t.runs)
        .where(t.runs.c.id == given("its_id"), t.runs.c.version == given("was"))
        .values(
            version=given("was") + 1,
            incarnation=given("by"),
            **{name: given(f"new_{name}") for name in names},
        )
    )


def _changed(tx: Transaction, run: Run, values: Mapping[str, Any]) -> bool:
    new = {"its_id": run.id, "was": run.version, "by": tx.incarnation}
    for name, value in values.items():
        new[f"new_{name}"] = value
    return tx.write(_change(tuple(values)), run.id, new)


_FAILED_AGAIN = Prepared(
    update(t.schedules)
    .where(t.schedules.c.uid == given("its_uid"))
    .values(failures_in_row=t.schedules.c.failures_in_row + 1)
)
_PAID = Prepared(
    update(t.schedules)
    .where(t.schedules.c.uid == given("its_uid"))
    .values(failures_in_row=0, paid_at=given("its_end"))
)


def touch(tx: Transaction, run: Run, **values: Any) -> Run:
    """Change a run that stays in its state."""
    if not _changed(tx, run, values):
        raise Conflict(f"run {run.id} was changed by another")
    return run_by_id(tx.connection, run.id)


def move(
    tx: Transaction,
    run: Run,
    state: State,
    *,
    reason: Reason | None = None,
    detail: str | None = None,
    now: datetime,
    counts: bool = True,
    reopens: bool = False,
    goes_on: bool = False,
    exclusive: bool | None = None,
    intent: Sequence[Call] | None = None,
    **values: Any,
) -> Run:
    """
    One legal move of a run, by the table alone. A closing one settles the breaker's count.

    Args:
        counts: Whether the move's effect on budgets is to be had: a burn in a block spends nothing.
        reopens: Whether a closed row may come back as a new version (X13).
        goes_on: Whether another attempt follows by itself: then its slot has not failed yet.
        exclusive: Whether no other run of its schedule may be open beside it; None: as it was.
        values: Further fields of the run; None: as they were.

    Raises:
        Conflict: it is none, or the run was changed meanwhile.
    """
    rule = rule_for(run.state, state, was=run.reason, reason=reason)
    if rule is None or (run.state in CLOSED) is not reopens:
        why = f"({reason})" if reason else ""
        raise Conflict(f"run {run.id} cannot go from {run.state} to {state}{why}")
    closed = state in CLOSED
    moved = {
        "reason": reason,
        "detail": detail,
        "closed_at": now if closed else None,
        **{key: value for key, value in values.items() if value is not None},
    }
    written = moved | {
        "state": state.value,
        "reason": None if reason is None else reason.value,
        "running": is_running(state, reason),
    }
    if exclusive is not None:
        written["exclusive"] = exclusive
    if intent is not None:
        moved["intent"] = tuple(intent)
        written["intent"] = format_calls(intent)
    if not _changed(tx, run, written):
        raise Conflict(f"run {run.id} was changed by another")
    tx.events.append((now, f"run.{state}", run.id, _told(reason, detail, run.attempt)))
    if counts and run.kind is RunKind.PAYMENT:
        _EFFECTS[rule.effect](tx, run.id)
    if closed:
        _settle(tx, run, state, reason, now, goes_on=goes_on)
    # What was written is known: its row need not be read back (H2).
    return changed(run, version=run.version + 1, state=state, **moved)


@lru_cache(maxsize=64)
def _told(reason: Reason | None, detail: str | None, attempt: int) -> str:
    """What the event of a move tells: where many are paid, mostly the same."""
    return event_data(reason=reason, detail=detail, attempt=attempt)


def move_on(tx: Transaction, run: Run, state: State, **values: Any) -> Run:
    """
    As `move`; of a run that was changed meanwhile from where it stands now.

    Most are as their caller knows them, and need not be read to find that out: a move that does
    not fit has changed nothing.
    """
    try:
        return move(tx, run, state, **values)
    except Conflict:
        return move(tx, run_by_id(tx.connection, run.id), state, **values)


_EFFECTS: Mapping[Effect, Callable[[Transaction, str], None]] = {
    Effect.NONE: lambda _tx, _run: None,
    Effect.SPEND: budgets.spend,
    Effect.RESERVE: budgets.unspend,
    Effect.RELEASE: budgets.release,
}


def next_attempt(
    tx: Transaction,
    run: Run,
    *,
    deadline_at: datetime,
    by_hand: bool = False,
    held: bool = False,
    reservations: Sequence[Reservation] | None = None,
    now: datetime,
) -> str:
    """
    Attempt + 1 of a run that is closed: a new id, and so a new fence.

    By itself it takes over its predecessor's reservations and window; by hand it has `reservations`
    of its own, and no end of a window (X11). `held` lets it wait for a person (X12).
    """
    c = tx.connection
    attempt = run.attempt + 1
    made = "0x" + run_id(run.schedule, run.slot, part=run.part, attempt=attempt).hex()
    exclusive = c.scalar(select(t.runs.c.exclusive).where(t.runs.c.id == run.id))
    c.execute(
        insert(t.runs).values(
            id=made,
            kind=RunKind.PAYMENT.value,
            occurrence=run.occurrence,
            schedule=run.schedule,
            session=run.session,
            part=run.part,
            attempt=attempt,
            state=(State.HELD if held else State.CLAIMED).value,
            reason=Reason.RETRY.value if held else None,
            running=True,
            exclusive=exclusive,
            by_hand=by_hand,
            due_at=run.due_at,
            claimed_at=now,
            deadline_at=deadline_at,
            expires_at=None if by_hand else run.expires_at,
            charged_at=run.charged_at,
            incarnation=tx.incarnation,
        )
    )
    if reservations is None:
        kept = c.execute(select(t.reservations).where(t.reservations.c.run == run.id)).all()
        reservations = [Reservation(r.budget, r.period, r.token, r.amount, 0) for r in kept]
    budgets.reserve(tx, made, reservations)
    tx.event(now, "run.attempt", made, after=run.id, attempt=attempt)
    return made


def _settle(
    tx: Transaction,
    run: Run,
    state: State,
    reason: Reason | None,
    now: datetime,
    *,
    goes_on: bool,
) -> None:
    if run.kind is not RunKind.PAYMENT:
        return
    if state in {State.SKIPPED, State.MISSED, State.SUPERSEDED}:
        tx.connection.execute(
            update(t.occurrences)
            .where(t.occurrences.c.id == run.occurrence)
            .values(decision=state.value, reason=reason.value if reason else None)
        )
    if state is State.SUCCESS and reason is None:
        approvals.remember_receivers(tx, run, now=now)
    failed = state in _FAILED and reason is not Reason.LATE and not goes_on
    if failed:
        _FAILED_AGAIN.run(tx.connection, its_uid=run.schedule)
    elif state is State.SUCCESS:
        paid = {"its_uid": run.schedule, "its_end": now}
        tx.write(_PAID, run.schedule, paid, checked=False, replaces=True)
