"""
How many runs of each schedule a grant may have to carry: what permissions are derived from (R25).

The worst window has the length of the session's lifetime plus the schedule's catch-up window: a
grant pays what it finds left over, and what falls due while it lives.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from runner.guard.budget import most_runs
from runner.guard.intent import encode_all
from runner.planning.derive import Demand
from runner.policy.model import CatchUp, Schedule, Session
from runner.scheduling.lateness import LARGEST_WINDOW, catch_up_window_default
from runner.scheduling.triggers import Timetable, count_within, timetable

HORIZON = timedelta(days=400)
_SAMPLE = 256


def demands_of(session: Session, schedules: Iterable[Schedule], *, now: datetime) -> list[Demand]:
    """
    The demands of a session's schedules over the 400 days from the beginning of this month.

    From the month's beginning and not from `now`, so that every start within a month asks for
    the same permissions, and a restart asks the owner for nothing.
    """
    month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    start = month - LARGEST_WINDOW  # what is still caught up belongs to the demand
    demands = []
    for schedule in schedules:
        table = timetable(schedule, anchor=start)
        window = session.lifetime + catch_up_bound(schedule, table, start=start)
        runs = count_within(table, window, HORIZON, start)
        bound = most_runs(schedule)
        if bound is not None:
            runs = min(runs, bound)
        demands.append(Demand(schedule, encode_all(schedule.calls), runs, window))
    return demands


def catch_up_bound(schedule: Schedule, table: Timetable, *, start: datetime) -> timedelta:
    """The longest catch-up window that any slot of the schedule has (M2)."""
    if schedule.catch_up is CatchUp.NONE:
        return schedule.start_grace
    if schedule.catch_up_window is not None:
        return max(schedule.catch_up_window, schedule.start_grace)
    coming = list(islice(table.slots(start), _SAMPLE))
    windows = [catch_up_window_default(one, after) for one, after in pairwise(coming)]
    if len(coming) < _SAMPLE:
        windows += [catch_up_window_default(one, None) for one in coming[-1:]]
    return max([schedule.start_grace, *windows])
