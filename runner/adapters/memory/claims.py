"""Schedules and occurrences in memory: seeding, and claiming due slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from runner.adapters.memory.budgets import Budgets
from runner.adapters.memory.rows import OccurrenceRow, Tables
from runner.records import Claim, Run, RunKind, ScheduleSeed, ScheduleState
from runner.scheduling.occurrence import Reason, State, run_id


def install(rows: Tables, seeds: Sequence[ScheduleSeed], *, now: datetime) -> None:
    """
    Bring the schedules to those of the policies.

    A new or changed trigger is seeded strictly in the future; an unchanged one keeps its anchor
    and its place (T5, T10).
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
    if one.max_runs is not None and schedule.runs >= one.max_runs:
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
    if one.exclusive and rows.is_running(one.schedule):
        if one.buffer is None:
            return State.SKIPPED, Reason.OVERLAP
        if not affordable:
            return State.SKIPPED, Reason.BUDGET
        waiting = rows.waiting(one.schedule)
        if one.buffer == 0:
            for run in waiting:  # buffer_one: the newest slot takes the only place
                _supersede(rows, budgets, run, by=one.slot, now=now)
        elif len(waiting) >= one.buffer:
            return State.SKIPPED, Reason.OVERLAP
        return State.HELD, Reason.OVERLAP
    if not affordable:
        return (State.HELD if one.on_budget == "hold" else State.SKIPPED), Reason.BUDGET
    return State.CLAIMED, None


def _supersede(rows: Tables, budgets: Budgets, run: Run, *, by: str, now: datetime) -> None:
    rows.change_run(run, state=State.SUPERSEDED, reason=Reason.OVERLAP, closed_at=now)
    if run.occurrence is not None:
        row = rows.occurrence[run.occurrence]
        row.decision, row.reason, row.by_slot = State.SUPERSEDED, Reason.OVERLAP, by
    budgets.release(run.id)
