"""
The moves of a run: each conditional on its version, each with its event, its budgets settled.

Functions over one transaction; `ledger.py` gives each its turn on the writer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import insert, select, update

from runner.adapters.sql import approvals, budgets
from runner.adapters.sql import tables as t
from runner.adapters.sql.prepared import Prepared, given
from runner.adapters.sql.queries import run_by_id
from runner.adapters.sql.rows import format_calls
from runner.adapters.sql.store import Transaction
from runner.errors import Conflict
from runner.ethereum.calls import Call
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


def _changed(tx: Transaction, run: Run, **values: Any) -> bool:
    new = {f"new_{name}": value for name, value in values.items()}
    at = {"its_id": run.id, "was": run.version, "by": tx.incarnation}
    return _change(tuple(values)).run(tx.connection, **at, **new) == 1


_FIELDS = frozenset(each.name for each in fields(Run))

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
    if not _changed(tx, run, **values):
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
    intent: Sequence[Call] | None = None,
    **values: Any,
) -> Run:
    """
    One legal move of a run, by the table alone. A closing one settles the breaker's count.

    Args:
        counts: Whether the move's effect on budgets is to be had: a burn in a block spends nothing.
        reopens: Whether a closed row may come back as a new version (X13).
        goes_on: Whether another attempt follows by itself: then its slot has not failed yet.

    Raises:
        Conflict: it is none, or the run was changed meanwhile.
    """
    rule = rule_for(run.state, state, was=run.reason, reason=reason)
    if rule is None or (run.state in CLOSED) is not reopens:
        why = f"({reason})" if reason else ""
        raise Conflict(f"run {run.id} cannot go from {run.state} to {state}{why}")
    closed = state in CLOSED
    moved = {
        "state": state.value,
        "reason": reason.value if reason else None,
        "detail": detail,
        "running": is_running(state, reason),
        "closed_at": now if closed else None,
    }
    moved |= {key: value for key, value in values.items() if value is not None}
    written = moved if intent is None else moved | {"intent": format_calls(intent)}
    if not _changed(tx, run, **written):
        raise Conflict(f"run {run.id} was changed by another")
    tx.event(now, f"run.{state}", run.id, reason=reason, detail=detail, attempt=run.attempt)
    if counts and run.kind is RunKind.PAYMENT:
        _EFFECTS[rule.effect](tx, run.id)
    if closed:
        _settle(tx, run, state, reason, now, goes_on=goes_on)
    told = _record(moved) if intent is None else _record(moved) | {"intent": tuple(intent)}
    return replace(run, version=run.version + 1, **told)


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


def _record(moved: Mapping[str, Any]) -> dict[str, Any]:
    """Columns that a move wrote, as the fields of a run: its row need not be read back (H2)."""
    told = {name: value for name, value in moved.items() if name in _FIELDS}
    told["state"] = State(told["state"])
    if told["reason"] is not None:
        told["reason"] = Reason(told["reason"])
    return told


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
    c = tx.connection
    if run.kind is not RunKind.PAYMENT:
        return
    if state in {State.SKIPPED, State.MISSED, State.SUPERSEDED}:
        c.execute(
            update(t.occurrences)
            .where(t.occurrences.c.id == run.occurrence)
            .values(decision=state.value, reason=reason.value if reason else None)
        )
    if state is State.SUCCESS and reason is None:
        approvals.remember_receivers(tx, run, now=now)
    failed = state in _FAILED and reason is not Reason.LATE and not goes_on
    if failed or state is State.SUCCESS:
        if failed:
            _FAILED_AGAIN.run(c, its_uid=run.schedule)
        else:
            _PAID.run(c, its_uid=run.schedule, its_end=now)
