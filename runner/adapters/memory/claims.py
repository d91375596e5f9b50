"""Schedules and occurrences in memory: seeding, and claiming due slots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from runner.adapters.memory.budgets import Budgets
from runner.adapters.memory.rows import OccurrenceRow, Tables
from runner.guard.intent import spent_by_token
from runner.records import Claim, Pace, Run, RunKind, ScheduleSeed, ScheduleState
from runner.scheduling.occurrence import Reason, State, is_running, run_id


def install(
    rows: Tables, budgets: Budgets, seeds: Sequence[ScheduleSeed], *, now: datetime
) -> dict[str, ScheduleState]:
    """
    Bring the schedules to those of the policies.

    A new or changed trigger is seeded strictly in the future; an unchanged one keeps its anchor
    and its place (T5, T10). Returns how each of them stands then.
    """
    fresh = {"anchor": now.replace(microsecond=0), "decided_until": now, "state": "active"}
    for seed in seeds:
        known = rows.schedules.get(seed.uid)
        if known is None:
            rows.schedules[seed.uid] = ScheduleState(
                uid=seed.uid,
                session=seed.session,
                trigger=seed.trigger,
                anchor=now.replace(microsecond=0),
                decided_until=now,
                state="active",
                runs=0,
                failures_in_row=0,
                paused_reason=None,
            )
        elif known.trigger != seed.trigger or known.state == "removed":
            rows.change_schedule(seed.uid, session=seed.session, trigger=seed.trigger, **fresh)
        else:
            # `max_runs` may have been raised; the next claim looks.
            rows.change_schedule(seed.uid, session=seed.session, state="active")
    for uid in rows.schedules.keys() - {seed.uid for seed in seeds}:
        rows.change_schedule(uid, state="removed")
    limits = [seed.budgets for seed in seeds if seed.budgets is not None]
    budgets.begin(limits, _history(rows))
    return {seed.uid: rows.schedules[seed.uid] for seed in seeds}


def _history(rows: Tables) -> Iterator[tuple[Run, dict[str, int]]]:
    """Runs that have paid, or still may, with what they move by token."""
    for run in rows.runs.values():
        if run.kind is RunKind.PAYMENT and (run.closed_at is None or run.state is State.SUCCESS):
            lines = rows.transfers.get(run.id, ())
            yield run, spent_by_token([line for line in lines if line.kind != "observed"])


def claim_one(
    rows: Tables, budgets: Budgets, one: Claim, now: datetime
) -> tuple[Run | None, Claim | None]:
    """
    Write one decision, and a run if the slot is ours.

    Returns:
        The run; or the slot as decided against; or neither, where it has its row already, or its
        schedule has come to an end.
    """
    schedule = rows.schedules[one.schedule]
    if schedule.state != "active":
        return None, None
    ends = [each for each in one.reservations if each.ends]
    if (one.max_runs is not None and schedule.runs >= one.max_runs) or any(
        budgets.used_up(each, rows.open) for each in ends
    ):
        rows.change_schedule(one.schedule, state="completed")
        return None, None
    decision, reason = one.decision, one.reason
    if decision is State.CLAIMED:
        decision, reason = _judge(rows, budgets, one, schedule, now)
    if (one.schedule, one.slot) in rows.occurrences:
        return None, None
    row = OccurrenceRow(
        id=len(rows.occurrence) + 1,
        schedule=one.schedule,
        slot=one.slot,
        due_at=one.due_at,
        decision=decision,
        reason=reason,
        by_slot=one.by_slot,
        decided_at=now,
        count=one.count,
        last_slot=one.last_slot,
        last_due_at=one.last_due_at,
    )
    rows.add_occurrence(row)
    if decision not in {State.CLAIMED, State.HELD}:
        return None, replace(one, decision=decision, reason=reason)
    run = _first_attempt(one, row, now)
    rows.add_run(run, exclusive=one.exclusive)
    rows.change_schedule(one.schedule, runs=schedule.runs + 1)
    if reason is not Reason.BUDGET:
        budgets.reserve(run.id, one.reservations)
    return run, None


def _first_attempt(one: Claim, row: OccurrenceRow, now: datetime) -> Run:
    return Run(
        id="0x" + run_id(one.schedule, one.slot, part=0, attempt=1).hex(),
        kind=RunKind.PAYMENT,
        occurrence=row.id,
        schedule=one.schedule,
        session=one.session,
        slot=one.slot,
        part=0,
        attempt=1,
        state=row.decision,
        reason=row.reason,
        detail=None,
        due_at=one.due_at,
        claimed_at=now,
        deadline_at=one.deadline_at,
        expires_at=one.expires_at,
        intent=None,
        revision=None,
        grant_id=None,
        version=1,
        closed_at=None,
    )


def _judge(
    rows: Tables, budgets: Budgets, one: Claim, schedule: ScheduleState, now: datetime
) -> tuple[State, Reason | None]:
    if schedule.paused_reason is not None:
        return State.SKIPPED, Reason.PAUSED
    affordable = budgets.fits(one.reservations)
    in_line = one.pace is not None and _backlog(rows, one.schedule, one.pace)
    beside = one.pace is not None and one.pace.beside
    if in_line or (one.exclusive and rows.is_running(one.schedule, beside=beside)):
        if one.buffer is None and not in_line:
            return State.SKIPPED, Reason.OVERLAP
        if not affordable:
            return State.SKIPPED, Reason.BUDGET
        if not in_line and not _room(rows, budgets, one, now):
            return State.SKIPPED, Reason.OVERLAP
        return State.HELD, Reason.OVERLAP
    if not affordable:
        return (State.HELD if one.on_budget == "hold" else State.SKIPPED), Reason.BUDGET
    return State.CLAIMED, None


def _room(rows: Tables, budgets: Budgets, one: Claim, now: datetime) -> bool:
    """Whether a slot may wait behind the running one (M7)."""
    waiting = rows.waiting(one.schedule)
    if one.buffer == 0:
        for run in waiting:  # buffer_one: the newest slot takes the only place
            _supersede(rows, budgets, run, by=one.slot, now=now)
        return True
    return one.buffer is not None and len(waiting) < one.buffer


def _backlog(rows: Tables, schedule: str, pace: Pace) -> bool:
    """Whether slots wait, or a late one is being paid: then a new one stands in line (M5)."""
    if rows.waiting(schedule):
        return True
    return any(
        run.deadline_at is not None and run.deadline_at - pace.run_deadline - run.due_at > pace.late
        for run in rows.open_of(schedule)
        if run.id in rows.exclusive and is_running(run.state, run.reason)
    )


def begins_at(rows: Tables, run: Run, pace: Pace | None, *, now: datetime) -> datetime:
    """When a waiting run may begin: at once, unless it is late and another began just now (M5)."""
    if pace is None or now - run.due_at <= pace.late:
        return now
    begun = [
        other.deadline_at - pace.run_deadline + pace.apart
        for other in rows.runs_of(run.schedule)
        if other.id in rows.exclusive
        and other.deadline_at is not None
        and (other.closed_at is None or other.closed_at > now - pace.apart)
        and (other.state is not State.HELD or other.reason is not Reason.OVERLAP)
    ]
    return max([now, *begun])


def _supersede(rows: Tables, budgets: Budgets, run: Run, *, by: str, now: datetime) -> None:
    rows.change_run(run, state=State.SUPERSEDED, reason=Reason.OVERLAP, closed_at=now)
    if run.occurrence is not None:
        row = rows.occurrence[run.occurrence]
        row.decision, row.reason, row.by_slot = State.SUPERSEDED, Reason.OVERLAP, by
    budgets.release(run.id)
