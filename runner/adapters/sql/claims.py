"""
Schedules and occurrences in the ledger: seeding, and claiming due slots.

Functions over one transaction; `ledger.py` gives each its turn on the writer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from runner.adapters.sql import tables as t
from runner.adapters.sql.store import Transaction
from runner.guard.budget import Reservation
from runner.records import Claim, RunKind, ScheduleSeed
from runner.scheduling.occurrence import Reason, State, is_running, run_id


def install_schedules(
    transaction: Transaction, seeds: Sequence[ScheduleSeed], *, now: datetime
) -> None:
    """
    Bring the ledger's schedules to those of the policies.

    A new or changed trigger is seeded strictly in the future; an unchanged one keeps its anchor
    and its place (T5, T10). What is gone is marked removed and keeps its history.
    """
    c = transaction.connection
    known = {row.uid: row for row in c.execute(select(t.schedules))}
    whole = now.replace(microsecond=0)
    wanted = set()
    for seed in seeds:
        wanted.add(seed.uid)
        row = known.get(seed.uid)
        if row is None:
            c.execute(
                insert(t.schedules).values(
                    uid=seed.uid,
                    session=seed.session,
                    trigger=seed.trigger,
                    anchor=whole,
                    decided_until=now,
                    state="active",
                    revision=seed.revision,
                )
            )
            transaction.event(now, "schedule.added", seed.uid, trigger=seed.trigger)
            continue
        values: dict[str, object] = {"session": seed.session, "revision": seed.revision}
        if row.trigger != seed.trigger or row.state == "removed":
            values |= {"trigger": seed.trigger, "anchor": whole, "decided_until": now}
            values |= {"state": "active"}
            transaction.event(now, "schedule.changed", seed.uid, trigger=seed.trigger)
        elif row.state == "completed":
            values["state"] = "active"  # `max_runs` may have been raised; the next claim looks
        c.execute(update(t.schedules).where(t.schedules.c.uid == seed.uid).values(values))
    for uid, row in known.items():
        if uid not in wanted and row.state != "removed":
            c.execute(update(t.schedules).where(t.schedules.c.uid == uid).values(state="removed"))
            transaction.event(now, "schedule.removed", uid)


def claim(
    transaction: Transaction,
    claims: Sequence[Claim],
    *,
    decided_until: Mapping[str, datetime],
    now: datetime,
) -> tuple[list[str], list[Claim]]:
    """
    Write one decision a slot, in order, and a run for each slot that is ours.

    A slot that already has its row is left alone: whoever wrote it decided it (S1). Returns the
    ids of the runs made, claimed and held, and the slots that were decided against, as decided.
    """
    made: list[str] = []
    refused: list[Claim] = []
    for one in claims:
        run, decided = _claim_one(transaction, one, now)
        if run is not None:
            made.append(run)
        elif decided is not None:
            refused.append(decided)
    for uid, instant in decided_until.items():
        transaction.connection.execute(
            update(t.schedules)
            .where(t.schedules.c.uid == uid, t.schedules.c.decided_until < instant)
            .values(decided_until=instant)
        )
    return made, refused


def _claim_one(
    transaction: Transaction, one: Claim, now: datetime
) -> tuple[str | None, Claim | None]:
    c = transaction.connection
    schedule = c.execute(select(t.schedules).where(t.schedules.c.uid == one.schedule)).one()
    if schedule.state != "active":
        return None, None
    if one.max_runs is not None and schedule.runs >= one.max_runs:
        c.execute(
            update(t.schedules).where(t.schedules.c.uid == one.schedule).values(state="completed")
        )
        transaction.event(now, "schedule.completed", one.schedule, runs=schedule.runs)
        return None, None
    decision, reason = one.decision, one.reason
    if decision is State.CLAIMED:
        decision, reason = _judge(transaction, one, schedule.paused_reason, now)
    values = {
        "schedule": one.schedule,
        "slot": one.slot,
        "due_at": one.due_at,
        "decision": decision.value,
        "reason": reason.value if reason else None,
        "by_slot": one.by_slot,
        "decided_at": now,
        "count": one.count,
        "last_slot": one.last_slot,
        "last_due_at": one.last_due_at,
    }
    row = c.execute(
        upsert(t.occurrences).values(values).on_conflict_do_nothing().returning(t.occurrences.c.id)
    ).first()
    if row is None:
        return None, None
    transaction.event(
        now, f"occurrence.{decision}", one.schedule, slot=one.slot, reason=reason, count=one.count
    )
    if decision not in {State.CLAIMED, State.HELD}:
        return None, replace(one, decision=decision, reason=reason)
    identity = "0x" + run_id(one.schedule, one.slot, part=0, attempt=1).hex()
    c.execute(
        insert(t.runs).values(
            id=identity,
            kind=RunKind.PAYMENT.value,
            occurrence=row.id,
            schedule=one.schedule,
            session=one.session,
            attempt=1,
            state=decision.value,
            reason=reason.value if reason else None,
            running=is_running(decision, reason),
            exclusive=one.exclusive,
            due_at=one.due_at,
            claimed_at=now,
            deadline_at=one.deadline_at,
            expires_at=one.expires_at,
            incarnation=transaction.incarnation,
        )
    )
    c.execute(
        update(t.schedules)
        .where(t.schedules.c.uid == one.schedule)
        .values(runs=t.schedules.c.runs + 1)
    )
    if reason is not Reason.BUDGET:
        reserve(transaction, identity, one.reservations)
    return identity, None


def _judge(
    transaction: Transaction, one: Claim, paused: str | None, now: datetime
) -> tuple[State, Reason | None]:
    c = transaction.connection
    if paused is not None:
        return State.SKIPPED, Reason.PAUSED
    affordable = fits(transaction, one.reservations)
    if one.exclusive and running(transaction, one.schedule):
        if one.buffer is None:
            return State.SKIPPED, Reason.OVERLAP
        if not affordable:
            return State.SKIPPED, Reason.BUDGET
        waiting = c.execute(
            select(t.runs.c.id, t.runs.c.occurrence)
            .where(
                t.runs.c.schedule == one.schedule,
                t.runs.c.state == State.HELD.value,
                t.runs.c.reason == Reason.OVERLAP.value,
            )
            .order_by(t.runs.c.due_at)
        ).all()
        if one.buffer == 0:
            for row in waiting:  # buffer_one: the newest slot takes the only place
                _supersede(transaction, row.id, row.occurrence, by=one.slot, now=now)
        elif len(waiting) >= one.buffer:
            return State.SKIPPED, Reason.OVERLAP
        return State.HELD, Reason.OVERLAP
    if not affordable:
        return (State.HELD if one.on_budget == "hold" else State.SKIPPED), Reason.BUDGET
    return State.CLAIMED, None


def running(transaction: Transaction, schedule: str) -> bool:
    """Whether a run of this schedule is open, those that wait for it excepted (M7)."""
    found = transaction.connection.scalar(
        select(func.count())
        .select_from(t.runs)
        .where(t.runs.c.schedule == schedule, t.runs.c.running)
    )
    return bool(found)


def _supersede(
    transaction: Transaction, run: str, occurrence: int, *, by: str, now: datetime
) -> None:
    c = transaction.connection
    values = {"state": State.SUPERSEDED.value, "reason": Reason.OVERLAP.value}
    c.execute(
        update(t.runs)
        .where(t.runs.c.id == run)
        .values(**values, running=False, closed_at=now, version=t.runs.c.version + 1)
    )
    c.execute(
        update(t.occurrences)
        .where(t.occurrences.c.id == occurrence)
        .values(decision=State.SUPERSEDED.value, reason=Reason.OVERLAP.value, by_slot=by)
    )
    release(transaction, run)
    transaction.event(now, "run.superseded", run, by=by)


# ── budgets (X14, B3) ─────────────────────────────────────────────────────────────────────────


def fits(transaction: Transaction, wanted: Sequence[Reservation]) -> bool:
    """
    Whether all of these reservations stay within their limits.

    The sum is taken and the rows are written under one write lock (BEGIN IMMEDIATE), so no other
    process can spend between the look and the deed; 256-bit amounts do not fit SQL's integers.
    """
    for one in wanted:
        row = transaction.connection.execute(_budget(one.budget, one.period, one.token)).first()
        taken = 0 if row is None else row.reserved + row.spent
        if taken + one.amount > one.limit:
            return False
    return True


def reserve(transaction: Transaction, run: str, wanted: Sequence[Reservation]) -> None:
    """Take these amounts for a run; `fits` was asked in the same transaction."""
    for one in wanted:
        _add(transaction, one.budget, one.period, one.token, reserved=one.amount)
        transaction.connection.execute(
            insert(t.reservations).values(
                run=run,
                budget=one.budget,
                period=one.period,
                token=one.token,
                amount=one.amount,
                state="reserved",
            )
        )


def release(transaction: Transaction, run: str) -> None:
    """Give back what a run reserved or had spent: it is closed without success."""
    _shift(transaction, run, to="released")


def spend(transaction: Transaction, run: str) -> None:
    """A run's reservation becomes spent: its payment is in a block."""
    _shift(transaction, run, to="spent")


def unspend(transaction: Transaction, run: str) -> None:
    """A reorganisation took the payment out of its block: reserved again (B3)."""
    _shift(transaction, run, to="reserved")


def _shift(transaction: Transaction, run: str, *, to: str) -> None:
    c = transaction.connection
    rows = c.execute(select(t.reservations).where(t.reservations.c.run == run)).all()
    for row in rows:
        if row.state == to:
            continue
        change = {"reserved": 0, "spent": 0}
        if row.state in change:
            change[row.state] -= row.amount
        if to in change:
            change[to] += row.amount
        _add(transaction, row.budget, row.period, row.token, **change)
    if rows:
        c.execute(update(t.reservations).where(t.reservations.c.run == run).values(state=to))


def _budget(budget: str, period: str, token: str) -> Select[Any]:
    b = t.budgets.c
    return select(t.budgets).where(b.budget == budget, b.period == period, b.token == token)


def _add(
    transaction: Transaction,
    budget: str,
    period: str,
    token: str,
    *,
    reserved: int = 0,
    spent: int = 0,
) -> None:
    c = transaction.connection
    row = c.execute(_budget(budget, period, token)).first()
    if row is None:
        c.execute(
            insert(t.budgets).values(
                budget=budget, period=period, token=token, reserved=reserved, spent=spent
            )
        )
        return
    b = t.budgets.c
    c.execute(
        update(t.budgets)
        .where(b.budget == budget, b.period == period, b.token == token)
        .values(reserved=row.reserved + reserved, spent=row.spent + spent)
    )
