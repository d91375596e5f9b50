"""
Schedules and occurrences in the ledger: seeding, and claiming due slots.

Functions over one transaction; `ledger.py` gives each its turn on the writer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    and_,
    func,
    insert,
    not_,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from runner.adapters.sql import budgets
from runner.adapters.sql import tables as t
from runner.adapters.sql.burst import claim_plain
from runner.adapters.sql.pauses import paused
from runner.adapters.sql.prepared import Among, Prepared, given
from runner.adapters.sql.queries import note_decision
from runner.adapters.sql.rows import (
    OCCURRENCE_COLUMNS,
    RUN_COLUMNS,
    Begun,
    occurrence_row,
    run_row,
)
from runner.adapters.sql.transaction import Transaction
from runner.records import Claim, Pace, Run, ScheduleSeed, ScheduleState
from runner.scheduling.occurrence import Reason, State

_ACTIVE = Among(select(t.schedules.c.uid).where(t.schedules.c.state == "active"), t.schedules.c.uid)
_OVER = Prepared(
    update(t.schedules).where(t.schedules.c.uid == given("its_uid")).values(state="completed")
)
_PLACE = Prepared(
    update(t.schedules)
    .where(t.schedules.c.uid == given("its_uid"), t.schedules.c.decided_until < given("place"))
    .values(decided_until=given("place"))
)


_SEED = ("uid", "session", "account", "trigger", "anchor", "decided_until", "state", "revision")
_STATE = tuple(one.name for one in fields(ScheduleState))
_KNOWN = Prepared(select(*(t.schedules.c[name] for name in (*_STATE, "account", "revision"))))
_NEW_SEED = Prepared(insert(t.schedules), columns=_SEED)
_CHANGED_SEED = Prepared(
    update(t.schedules)
    .where(t.schedules.c.uid == given("its_uid"))
    .values({name: given(f"its_{name}", t.schedules.c[name].type) for name in _SEED[1:]})
)


_SCHEDULE = Prepared(
    select(t.schedules.c.state, t.schedules.c.runs).where(t.schedules.c.uid == given("its_uid"))
)
_NEW_OCCURRENCE = Prepared(
    upsert(t.occurrences).on_conflict_do_nothing().returning(t.occurrences.c.id),
    columns=OCCURRENCE_COLUMNS,
)
_NEW_RUN = Prepared(insert(t.runs), columns=RUN_COLUMNS)
_ONE_MORE = Prepared(
    update(t.schedules)
    .where(t.schedules.c.uid == given("its_uid"))
    .values(runs=t.schedules.c.runs + 1)
)


def install_schedules(
    transaction: Transaction, seeds: Sequence[ScheduleSeed], *, now: datetime
) -> dict[str, ScheduleState]:
    """
    Bring the ledger's schedules to those of the policies.

    A new or changed trigger is seeded strictly in the future; an unchanged one keeps its anchor
    and its place (T5, T10). What is gone is marked removed and keeps its history. Returns how each
    schedule of the policies stands then.
    """
    c = transaction.connection
    known = {row.uid: row for row in _KNOWN.many(c)}
    whole = now.replace(microsecond=0)
    fresh: dict[str, Any] = {"anchor": whole, "decided_until": now, "state": "active"}
    states: dict[str, ScheduleState] = {}
    new, changed = [], []
    for seed in seeds:
        uid, trigger = seed.uid, seed.trigger
        row = known.get(uid)
        values = {"session": seed.session, "revision": seed.revision, "account": seed.account}
        if row is None:
            new.append(fresh | values | {"uid": uid, "trigger": trigger})
            states[uid] = ScheduleState(
                uid, seed.session, trigger, whole, now, "active", 0, 0, None
            )
            transaction.event(now, "schedule.added", uid, trigger=trigger)
            continue
        if row.trigger != trigger or row.state == "removed":
            values |= fresh | {"trigger": trigger}
            transaction.event(now, "schedule.changed", uid, trigger=trigger)
        elif row.state == "completed":
            values["state"] = "active"  # `max_runs` may have been raised; the next claim looks
        if any(getattr(row, name) != value for name, value in values.items()):
            row = row._replace(**values)
            changed.append({f"its_{name}": getattr(row, name) for name in _SEED})
        states[uid] = ScheduleState(*row[: len(_STATE)])
    _NEW_SEED.run_many(c, new)
    _CHANGED_SEED.run_many(c, changed)
    for uid, row in known.items():
        if uid not in states and row.state != "removed":
            c.execute(update(t.schedules).where(t.schedules.c.uid == uid).values(state="removed"))
            transaction.event(now, "schedule.removed", uid)
    budgets.begin(transaction, [seed.budgets for seed in seeds if seed.budgets is not None])
    _remember_policies(transaction, seeds, now)
    return states


def _remember_policies(
    transaction: Transaction, seeds: Sequence[ScheduleSeed], now: datetime
) -> None:
    """Write each policy down that is not the one applied last."""
    c, revisions = transaction.connection, t.revisions
    for digest, seed in {one.revision: one for one in seeds if one.written}.items():
        policy = seed.uid.partition("/")[0]
        newest = select(revisions.c.digest).where(revisions.c.policy == policy)
        if c.scalar(newest.order_by(revisions.c.installed_at.desc()).limit(1)) == digest:
            continue
        row = upsert(revisions).values(digest=digest, policy=policy, installed_at=now)
        c.execute(row.on_conflict_do_update(index_elements=["digest"], set_={"installed_at": now}))
        transaction.event(now, "policy.applied", policy, revision=digest, text=seed.written)


def claim(
    transaction: Transaction,
    claims: Sequence[Claim],
    *,
    decided_until: Mapping[str, datetime],
    now: datetime,
) -> tuple[list[Begun], list[Claim]]:
    """
    Write one decision a slot, in order, and a run for each slot that is ours.

    A slot that already has its row is left alone: whoever wrote it decided it (S1). Returns the
    runs made, claimed and held, as they were made, and the slots that were decided against, as
    decided.
    """
    written = claim_plain(transaction, claims, decided_until=decided_until, now=now)
    made, refused = written.made, written.refused
    for one in written.rest:
        run, decided = _claim_one(transaction, one, now)
        if run is not None:
            made.append(run)
        elif decided is not None:
            refused.append(decided)
    places = [
        {"its_uid": uid, "place": instant}
        for uid, instant in decided_until.items()
        if uid not in written.placed
    ]
    if places:
        _PLACE.run_many(transaction.connection, places)
    return made, refused


def _claim_one(
    transaction: Transaction, one: Claim, now: datetime
) -> tuple[Begun | None, Claim | None]:
    c = transaction.connection
    schedule = _SCHEDULE.first(c, its_uid=one.schedule)
    if schedule.state != "active":
        return None, None
    limit = _end_reached(transaction, one, schedule)
    if limit is not None:
        complete(transaction, [one.schedule], limit=limit, now=now)
        return None, None
    decision, reason = one.decision, one.reason
    if decision is State.CLAIMED:
        # A pause that ends covers what fell due in it, however late it is decided (O2).
        why = paused(c, one.schedule, at=min(now, one.due_at))
        decision, reason = _judge(transaction, one, why, now)
    decided = replace(one, decision=decision, reason=reason)
    occurrence = write_decision(transaction, decided, now)
    if occurrence is None:
        return None, None
    if decision not in {State.CLAIMED, State.HELD}:
        return None, decided
    row = run_row(decided, occurrence=occurrence, incarnation=transaction.incarnation, now=now)
    identity: str = row["id"]
    _NEW_RUN.run(c, **row)
    _ONE_MORE.run(c, its_uid=one.schedule)
    if reason is not Reason.BUDGET:
        budgets.reserve(transaction, identity, one.reservations)
    return Begun(one.slot, row), None


def write_decision(transaction: Transaction, one: Claim, now: datetime) -> int | None:
    """The row of a decided slot, or of a range of them; None where the slot has one (S1)."""
    made = _NEW_OCCURRENCE.all(transaction.connection, **occurrence_row(one, now))
    if not made:
        return None
    note_decision(transaction, one, now)
    return int(made[0].id)


def _end_reached(transaction: Transaction, one: Claim, schedule: Row[Any]) -> str | None:
    """T9: the limit that ends the schedule before this slot; None while there is none."""
    if one.max_runs is not None and schedule.runs >= one.max_runs:
        return "max_runs"
    ends = (each for each in one.reservations if each.ends)
    return next((each.name for each in ends if budgets.used_up(transaction, each)), None)


def complete(
    transaction: Transaction, schedules: Sequence[str], *, limit: str, now: datetime
) -> None:
    """These schedules have come to their end: no slot of them is claimed any more (T9)."""
    c = transaction.connection
    over = [row.uid for row in _ACTIVE.all(c, schedules)]
    _OVER.run_many(c, ({"its_uid": uid} for uid in over))
    for uid in over:
        transaction.event(now, "schedule.completed", uid, limit=limit)


def _judge(
    transaction: Transaction, one: Claim, pause: str | None, now: datetime
) -> tuple[State, Reason | None]:
    if pause is not None:
        return State.SKIPPED, Reason.PAUSED
    affordable = budgets.fits(transaction, one.reservations)
    in_line = one.pace is not None and _backlog(transaction, one.schedule, one.pace)
    beside = one.pace is not None and one.pace.beside
    if in_line or (one.exclusive and running(transaction, one.schedule, beside=beside)):
        if one.buffer is None and not in_line:
            return State.SKIPPED, Reason.OVERLAP
        if not affordable:
            return State.SKIPPED, Reason.BUDGET
        if not in_line and not _room(transaction, one, now):
            return State.SKIPPED, Reason.OVERLAP
        return State.HELD, Reason.OVERLAP
    if not affordable:
        return (State.HELD if one.on_budget == "hold" else State.SKIPPED), Reason.BUDGET
    return State.CLAIMED, None


def _room(transaction: Transaction, one: Claim, now: datetime) -> bool:
    """Whether a slot may wait behind the running one (M7)."""
    waiting = transaction.connection.execute(
        select(t.runs.c.id, t.runs.c.occurrence)
        .where(_waiting(one.schedule))
        .order_by(t.runs.c.due_at)
    ).all()
    if one.buffer == 0:
        for row in waiting:  # buffer_one: the newest slot takes the only place
            _supersede(transaction, row.id, row.occurrence, by=one.slot, now=now)
        return True
    return one.buffer is not None and len(waiting) < one.buffer


def running(transaction: Transaction, schedule: str, *, beside: bool = False) -> bool:
    """
    Whether a run of this schedule is open, those that wait for it excepted (M7).

    Args:
        beside: Only runs that let none beside them count.
    """
    query = select(t.runs.c.id).where(t.runs.c.schedule == schedule, t.runs.c.running)
    if beside:
        query = query.where(t.runs.c.exclusive)
    return transaction.connection.execute(query.limit(1)).first() is not None


def _backlog(transaction: Transaction, schedule: str, pace: Pace) -> bool:
    """Whether slots wait, or a late one is being paid: then a new one stands in line (M5)."""
    c = transaction.connection
    if c.execute(select(t.runs.c.id).where(_waiting(schedule)).limit(1)).first() is not None:
        return True
    query = select(t.runs.c.due_at, t.runs.c.deadline_at).where(
        t.runs.c.schedule == schedule, t.runs.c.running, t.runs.c.exclusive
    )
    began = {row.due_at: row.deadline_at - pace.run_deadline for row in c.execute(query)}
    return any(begin - due_at > pace.late for due_at, begin in began.items())


def _waiting(schedule: str | BindParameter[Any]) -> ColumnElement[bool]:
    """Slots that wait for their predecessor."""
    return and_(
        t.runs.c.schedule == schedule,
        t.runs.c.state == State.HELD.value,
        t.runs.c.reason == Reason.OVERLAP.value,
    )


_IN_LINE = Prepared(
    select(t.runs.c.id, t.runs.c.expires_at)
    .where(_waiting(given("schedule")))
    .order_by(t.runs.c.due_at)
)


def is_waited_for(connection: Connection, schedule: str) -> bool:
    """Whether a slot of this schedule waits for its predecessor."""
    return _IN_LINE.first(connection, schedule=schedule) is not None


def next_in_line(
    transaction: Transaction, schedule: str, *, now: datetime
) -> tuple[list[str], str | None]:
    """What waits for its predecessor: those whose window has ended (M8), and the oldest other."""
    ended: list[str] = []
    for row in _IN_LINE.all(transaction.connection, schedule=schedule):
        if row.expires_at is None or now < row.expires_at:
            return ended, row.id
        ended.append(row.id)
    return ended, None


def begins_at(transaction: Transaction, run: Run, pace: Pace | None, *, now: datetime) -> datetime:
    """
    When a waiting run may begin: at once, unless it is late and another began just now (M5).

    A run began when its deadline was set; one that began less than `apart` ago is still open, or
    was closed since.
    """
    if pace is None or now - run.due_at <= pace.late:
        return now
    r = t.runs.c
    query = select(func.max(r.deadline_at)).where(
        r.schedule == run.schedule,
        r.exclusive,
        r.closed_at.is_(None) | (r.closed_at > now - pace.apart),
        not_(_waiting(run.schedule)),
    )
    newest = transaction.connection.scalar(query)
    return now if newest is None else max(now, newest - pace.run_deadline + pace.apart)


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
    budgets.release(transaction, run)
    transaction.event(now, "run.superseded", run, by=by)
