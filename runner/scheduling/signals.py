"""
Late signals: what is overdue, told once for each breach and taken back when it is over (M11).

Pure: which breaches there are at one moment. Who keeps them compares with those of the moment
before. While a schedule is paused it is quiet (O2).

Source: SEMANTICS M11, O2, X20.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum

from runner.frozen import frozen
from runner.policy.model import Schedule
from runner.scheduling.occurrence import Reason, Slot

_DAY = timedelta(days=1)


class Signal(StrEnum):
    """What is told; the first three are keys of a schedule."""

    LATE_AFTER = "late_after"
    MAX_TIME_SINCE_SUCCESS = "max_time_since_success"
    MAX_RUNTIME = "max_runtime"
    LONG_PAUSE = "long_pause"


@frozen
class Breach:
    """
    Something is overdue. `schedule`, `signal` and `subject` (a slot, a run, a day) name it.
    """

    schedule: str
    signal: Signal
    subject: str
    since: datetime
    detail: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two breaches the same one."""
        return self.schedule, self.signal.value, self.subject


@frozen
class OpenRun:
    """A run that is not closed, as far as signals look at it."""

    id: str
    slot: str
    due_at: datetime
    claimed_at: datetime
    reason: Reason | None


@frozen
class Facts:
    """What the ledger knows of a schedule. `since` stands in where nothing was ever paid."""

    since: datetime
    paid_at: datetime | None
    paused: bool
    open_runs: tuple[OpenRun, ...] = ()


def watches(schedule: Schedule) -> bool:
    """Whether a schedule has any of these keys."""
    keys = (schedule.late_after, schedule.max_time_since_success, schedule.max_runtime)
    return any(key is not None for key in keys)


def breaches(
    schedule: Schedule, facts: Facts, *, undecided: Slot | None, now: datetime
) -> Iterator[Breach]:
    """
    What is overdue of one schedule.

    Args:
        undecided: Its next slot, which nobody has decided yet.
    """
    if facts.paused or schedule.suspend:
        return
    uid = schedule.uid
    if schedule.late_after is not None:
        slots = [(run.slot, run.due_at, "is not paid yet") for run in facts.open_runs]
        if undecided is not None:
            slots.append((undecided.text, undecided.fire_at, "is not even claimed"))
        for slot, due_at, what in slots:
            since = due_at + schedule.late_after
            if since <= now:
                detail = f"{slot} was due {_ago(due_at, now)} and {what}"
                yield Breach(uid, Signal.LATE_AFTER, slot, since, detail)
    if schedule.max_runtime is not None:
        for run in facts.open_runs:
            since = run.claimed_at + schedule.max_runtime
            if run.reason is not Reason.OVERLAP and since <= now:
                detail = f"run {run.id} is open since {_ago(run.claimed_at, now)}"
                yield Breach(uid, Signal.MAX_RUNTIME, run.id, since, detail)
    if schedule.max_time_since_success is not None:
        last = facts.paid_at or facts.since
        since = last + schedule.max_time_since_success
        if since <= now:
            what = "was paid last" if facts.paid_at else "was applied, and never paid,"
            detail = f"{uid} {what} {_ago(last, now)}"
            yield Breach(uid, Signal.MAX_TIME_SINCE_SUCCESS, "", since, detail)


def long_pauses(
    pauses: Iterable[tuple[str, datetime, datetime | None, str]], *, now: datetime
) -> Iterator[Breach]:
    """
    X20: a pause without an end is told after a day, and daily.

    Args:
        pauses: What is paused, since when, until when, and why.
    """
    for subject, since, until, reason in pauses:
        days = (now - since) // _DAY
        if until is None and days >= 1:
            detail = f"{subject} is paused since {_ago(since, now)}, without an end: {reason}"
            yield Breach(subject, Signal.LONG_PAUSE, f"day {days}", since + days * _DAY, detail)


def _ago(moment: datetime, now: datetime) -> str:
    seconds = int((now - moment).total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"
