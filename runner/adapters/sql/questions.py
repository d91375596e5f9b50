"""What the ledger and a policy know together: about one slot, for `why`, and of what is unpaid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from runner.adapters.sql import reading
from runner.errors import EncodingError, UsageError
from runner.frozen import frozen
from runner.guard.budget import Budgets
from runner.guard.intent import TransferLine
from runner.policy.model import Schedule
from runner.reporting.views import ScheduleView
from runner.reporting.why import Question
from runner.scheduling.lookup import slot_named, slots_between
from runner.scheduling.occurrence import CalendarSlot, InstantSlot, Slot, parse_slot
from runner.scheduling.triggers import Timetable, timetable

_INSTANT = timedelta(microseconds=1)
_MOST_LISTED = 20_000
"""More slots of one stretch than these are not looked through."""


@frozen
class Subject:
    """A schedule of the policies in force: what a run moves, and what it is charged to."""

    spec: Schedule
    lines: tuple[TransferLine, ...]
    budgets: Budgets


def about(
    ledger: Connection,
    schedule: str,
    at: str,
    subject: Subject | None,
    *,
    row: ScheduleView | None,
    now: datetime,
) -> Question:
    """
    The question about the slot that a person names.

    Args:
        at: The slot's name, with or without `#0`, or an instant.
        subject: None where no policy in force has it.

    Raises:
        UsageError: it names no time.
    """
    table = None
    if subject is not None:
        anchor, uid = (now, None) if row is None else (row.anchor, row.first_applied)
        table = timetable(subject.spec, anchor=anchor, uid=uid)
    slot, text, wanted = _slot(table, at)
    found = reading.find(ledger, f"{schedule}@{text}")
    if not found and slot is not None:
        found = reading.find(ledger, f"{schedule}@{slot.due_at.isoformat()}")
    paused = reading.paused(ledger, schedule, at=max(now, wanted))
    grants = () if row is None else reading.grants(ledger, row.session)
    return Question(
        uid=schedule,
        at=wanted,
        now=now,
        schedule=None if subject is None else subject.spec,
        row=row,
        table=table,
        slot=slot,
        near=_around(table, wanted),
        entry=found[0] if found else None,
        pauses=() if paused is None else (paused,),
        grants=tuple(grants),
        open_runs=[one for one in reading.open_entries(ledger) if one.schedule == schedule],
        asked=reading.asked(ledger, (schedule, text)),
        lines=() if subject is None else subject.lines,
        budgets=None if subject is None else subject.budgets,
        taken=reading.taken(ledger),
    )


@frozen
class Unpaid:
    """The slots of a stretch that were not paid and are not open, and how many others are."""

    slots: tuple[Slot, ...]
    settled: int


def unpaid(
    ledger: Connection, spec: Schedule, row: ScheduleView, *, start: datetime, end: datetime
) -> Unpaid:
    """
    What a backfill of [start, end) would pay (O5).

    Raises:
        UsageError: they are too many to look through.
    """
    table = timetable(spec, anchor=row.anchor, uid=row.first_applied)
    count = table.count(start - _INSTANT, end - _INSTANT)
    if count > _MOST_LISTED:
        raise UsageError(f"{count} slots are due then", hint="name a shorter stretch of time")
    settled = reading.settled_slots(ledger, spec.uid, start=start, end=end)
    fires = [one for one in slots_between(table, start, end) if one.verdict is None]
    wanted = tuple(one for one in fires if one.text not in settled)
    return Unpaid(wanted, len(fires) - len(wanted))


def _slot(table: Timetable | None, at: str) -> tuple[Slot | None, str, datetime]:
    """The slot that is named, its name in full, and the moment that is meant."""
    try:
        parsed = parse_slot(at)
        slot = None if table is None else slot_named(table, at)
    except EncodingError as error:
        raise UsageError(error.what, hint=error.hint) from None
    if slot is not None:
        return slot, slot.text, slot.due_at
    if isinstance(parsed, InstantSlot):
        return None, parsed.text, parsed.instant
    if isinstance(parsed, CalendarSlot):
        return None, parsed.text, parsed.local.replace(tzinfo=UTC)
    raise UsageError("an extra run has no time", hint="runner runs show names it by its id")


def _around(table: Timetable | None, at: datetime) -> tuple[Slot | None, Slot | None]:
    if table is None:
        return None, None
    year = timedelta(days=366)
    return table.latest(at - year, at), table.next_firing_after(at)
