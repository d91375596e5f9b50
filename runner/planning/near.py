"""
X9: a changed trigger whose first new slot follows the last payment too soon.

Too soon is less than half of the smaller period, the old or the new one: a monthly salary moved
from the 1st to the 3rd would be paid twice within two days.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from runner.frozen import frozen
from runner.planning.facts import ScheduleFact
from runner.policy.model import Schedule
from runner.scheduling.triggers import Timetable, timetable


@frozen
class NearDuplicate:
    """
    The first new slot of a changed trigger stands less than `least` after what was paid last.
    """

    first: datetime
    last_paid: datetime
    least: timedelta


def near_duplicate(
    fresh: Timetable, old: Schedule | None, row: ScheduleFact, *, now: datetime
) -> NearDuplicate | None:
    """
    Whether a changed trigger may soon pay again what was just paid.

    Args:
        fresh: The new timetable, seeded now.
        old: The schedule as applied; without it only the new period is known.
    """
    first = fresh.next_firing_after(now)
    if first is None or row.last_paid is None:
        return None
    second = fresh.next_firing_after(first.due_at)
    periods = [] if second is None else [second.due_at - first.due_at]
    if old is not None:
        following = timetable(old, anchor=row.anchor).next_firing_after(row.last_paid)
        periods += [] if following is None else [following.due_at - row.last_paid]
    if not periods:
        return None
    least = min(periods) / 2
    if first.due_at - row.last_paid >= least:
        return None
    return NearDuplicate(first.due_at, row.last_paid, least)
