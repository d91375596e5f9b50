"""The slots that will fire, from the policies alone: what `next` lists and `status` looks up."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from types import MappingProxyType

from runner.guard.budget import most_runs
from runner.policy.model import Every, Schedule
from runner.reporting.scripts import Upcoming
from runner.scheduling.lateness import window_end
from runner.scheduling.triggers import timetable

_INSTANT = timedelta(microseconds=1)


def upcoming(
    schedules: Iterable[Schedule], *, start: datetime, now: datetime, count: int
) -> list[Upcoming]:
    """
    The first `count` slots that fire at or after `start`, of all schedules together.

    Args:
        now: What an `every` without an anchor counts from; its first slot is a period later.
    """
    each = [_firing(one, start=start, now=now) for one in schedules if not one.suspend]
    merged = heapq.merge(*each, key=lambda one: (one.due_at, one.schedule))
    return list(islice(merged, count))


def counts_from_now(schedule: Schedule) -> bool:
    """Whether its times are not known before it is first applied (T5)."""
    trigger = schedule.trigger
    return isinstance(trigger, Every) and trigger.anchor is None and schedule.start_at is None


def next_of(
    schedule: Schedule,
    *,
    anchor: datetime,
    after: datetime,
    paid: Mapping[str, int] = MappingProxyType({}),
) -> Upcoming | None:
    """
    The first slot that fires later than `after`, if the total leaves room for a run (T9).

    Args:
        anchor: What an `every` counts from: the ledger's (T5).
        paid: What the ledger has of the schedule's `until_total`, by token.
    """
    if schedule.until_total and most_runs(replace(schedule, max_runs=None), paid=paid) == 0:
        return None
    return next(_paid(schedule, anchor=anchor, after=after), None)


def _firing(schedule: Schedule, *, start: datetime, now: datetime) -> Iterator[Upcoming]:
    whole = now.replace(microsecond=0)
    after = start - _INSTANT
    if counts_from_now(schedule):
        # As when it is applied: the anchor itself has passed, the first slot is one period later.
        after = max(after, whole)
    most = most_runs(schedule)
    if most is not None and schedule.start_at is not None:
        # What ends a schedule counts from its beginning, where the policy names one (T9).
        after = min(after, schedule.start_at - _INSTANT)
    firing = _paid(schedule, anchor=whole, after=after)
    return (one for one in islice(firing, most) if one.due_at >= start)


def _paid(schedule: Schedule, *, anchor: datetime, after: datetime) -> Iterator[Upcoming]:
    """The slots that fire, but for those that a blackout outlasts."""
    table = timetable(schedule, anchor=anchor)
    for slot in table.slots(after):
        if slot.verdict is not None:
            continue
        dark_until = table.blackouts.until(slot.fire_at)
        if dark_until is None or dark_until < window_end(schedule, table, slot):
            yield Upcoming(schedule.uid, slot.due_at, slot.local)
