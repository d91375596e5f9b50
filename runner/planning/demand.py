"""
How many runs of each schedule a grant may have to carry: what permissions are derived from (R25).

The worst window has the length of the session's lifetime plus the schedule's catch-up window: a
grant pays what it finds left over, and what falls due while it lives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter

from runner.ethereum.calls import Call
from runner.frozen import frozen
from runner.guard.budget import most_runs
from runner.guard.intent import encode_all
from runner.planning.derive import Demand
from runner.planning.windows import Strand
from runner.policy.model import Blackout, CatchUp, Every, Schedule, Session, Trigger
from runner.scheduling.lateness import LARGEST_WINDOW, LEAST_WINDOW
from runner.scheduling.triggers import Timetable, count_within, timetable

HORIZON = timedelta(days=400)

_moved_by = attrgetter(
    *("trigger", "start_at", "end_at", "jitter", "max_runs", "until_total", "blackout"),
    *("catch_up", "catch_up_window", "start_grace"),
)
"""What the strand of a schedule follows from; where it also follows from the uid or the calls, that
is seen from these."""


def demands_of(
    session: Session,
    schedules: Iterable[Schedule],
    *,
    now: datetime,
    encode: Callable[[Schedule], tuple[Call, ...]] = lambda schedule: encode_all(schedule.calls),
) -> list[Demand]:
    """
    The demands of a session's schedules over the 400 days from the beginning of this month.

    From the month's beginning and not from `now`, so that every start within a month asks for
    the same permissions, and a restart asks the owner for nothing.

    Args:
        encode: The batch of a schedule, for who has it at hand.
    """
    month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    start = month - LARGEST_WINDOW  # what is still caught up belongs to the demand
    every = list(schedules)
    known: dict[tuple[int, ...], Strand] = {}
    found = []
    for schedule in every:
        # All are here until the end, so what is the same is the same value.
        alike = tuple(map(id, _moved_by(schedule)))
        strand = known.get(alike)
        if strand is None:
            strand = strand_of(schedule, session.lifetime, start)
            if not schedule.jitter and schedule.max_runs is None and not schedule.until_total:
                known[alike] = strand
        found.append(Demand(schedule, encode(schedule), strand))
    return found


def strand_of(schedule: Schedule, lifetime: timedelta, start: datetime) -> Strand:
    """The runs of a schedule in the 400 days from `start` on, for grants of this lifetime."""
    strand = _strand(_Calendar.of(schedule), lifetime, start)
    if schedule.max_runs is None and not schedule.until_total:
        return strand
    bound = most_runs(schedule)
    runs = strand.runs if bound is None else min(strand.runs, bound)
    return replace(strand, runs=runs, at_most=bound)


@frozen
class _Calendar:
    """
    What moves the slots of a schedule: of many schedules it is the same, and counted once.

    `schedule` is one of those that have it; a schedule's name moves its jitter alone.
    """

    trigger: Trigger
    start_at: datetime | None
    end_at: datetime | None
    catch_up: CatchUp
    catch_up_window: timedelta | None
    start_grace: timedelta
    jitter: timedelta
    uid: str
    blackout: tuple[Blackout, ...]
    schedule: Schedule = field(compare=False)

    @classmethod
    def of(cls, schedule: Schedule) -> _Calendar:
        return cls(
            schedule.trigger,
            schedule.start_at,
            schedule.end_at,
            schedule.catch_up,
            schedule.catch_up_window,
            schedule.start_grace,
            schedule.jitter,
            schedule.uid if schedule.jitter else "",
            schedule.blackout,
            schedule,
        )


@lru_cache(maxsize=8192)
def _strand(calendar: _Calendar, lifetime: timedelta, start: datetime) -> Strand:
    schedule = calendar.schedule
    table = timetable(schedule, anchor=start, uid=calendar.uid or "any")
    back = catch_up_bound(schedule, table, start=start)
    window = lifetime + back
    horizon = max(HORIZON, window)
    settled = is_settled(schedule)
    return Strand(
        table=table,
        start=start,
        horizon=horizon,
        back=back,
        window=window,
        runs=count_within(table, window, horizon, start, settled=settled),
        at_most=None,
        settled=settled,
    )


def is_settled(schedule: Schedule) -> bool:
    """Whether its slots are known before it is first applied (T5)."""
    trigger = schedule.trigger
    unknown = isinstance(trigger, Every) and trigger.anchor is None and schedule.start_at is None
    return not unknown


def catch_up_bound(schedule: Schedule, table: Timetable, *, start: datetime) -> timedelta:
    """The longest catch-up window that any slot of the schedule has (M2)."""
    if schedule.catch_up is CatchUp.NONE:
        return schedule.start_grace
    window = schedule.catch_up_window
    if window is None:
        gap = table.widest(start, start + HORIZON)
        half = LARGEST_WINDOW if gap is None else gap / 2
        window = min(max(half, LEAST_WINDOW), LARGEST_WINDOW)
    return max(window, schedule.start_grace)
