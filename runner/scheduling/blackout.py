"""
Blackouts: stretches of time in which nothing is paid (B1).

A stretch begins with its first instant and ends before its last. What `skip` covers leaves its
slots out; what `defer` covers, runs wait for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from heapq import merge

from runner.frozen import frozen
from runner.policy.model import Blackout, DatedBlackout, RecurringBlackout
from runner.scheduling.cron import check_cron
from runner.scheduling.wallclock import WallClock
from runner.scheduling.zones import load_zone

_PIECE = timedelta(days=32)
"""Stretches that follow each other without end are told in pieces about as long as this."""

Stretch = tuple[datetime, datetime]


@frozen
class Blackouts:
    """Those of one schedule, by what becomes of the slots inside."""

    deferring: tuple[Blackout, ...] = ()
    skipping: tuple[Blackout, ...] = ()

    @classmethod
    def of(cls, blackouts: Iterable[Blackout]) -> Blackouts:
        """Sort them by their action."""
        every = tuple(blackouts)
        if not every:  # as nearly all schedules have it
            return _NONE
        return cls(
            deferring=tuple(one for one in every if one.action == "defer"),
            skipping=tuple(one for one in every if one.action == "skip"),
        )

    def until(self, instant: datetime) -> datetime | None:
        """When the blackout around an instant ends; None where there is none."""
        if not self.deferring and not self.skipping:
            return None
        begin, end = next(_joined((*self.deferring, *self.skipping), instant), (instant, instant))
        return end if begin <= instant < end else None

    def left_out(self, start: datetime) -> Iterator[Stretch]:
        """Where slots are left out: stretches that end after `start`, ascending, none twice."""
        return _joined(self.skipping, start)


_NONE = Blackouts()


def _joined(blackouts: Iterable[Blackout], start: datetime) -> Iterator[Stretch]:
    """Stretches that end after an instant, those that touch as one; lazily, maybe endless."""
    begin = end = None
    for first, last in merge(*(_stretches(one, start) for one in blackouts)):
        if begin is None or end is None:
            begin, end = first, last
        elif first > end:
            yield begin, end
            begin, end = first, last
        elif end - begin > _PIECE:
            yield begin, end
            begin, end = end, max(end, last)
        else:
            end = max(end, last)
    if begin is not None and end is not None and begin < end:
        yield begin, end


def _stretches(blackout: Blackout, start: datetime) -> Iterator[Stretch]:
    match blackout:
        case DatedBlackout(begin, end):
            if end > start:
                yield begin, end
        case RecurringBlackout(cron, lasts):
            expression = check_cron(cron.expression, cron.day_match)
            clock = WallClock(expression, load_zone(cron.timezone), cron.gap, cron.fold)
            after = start.replace(microsecond=0) - lasts
            for moment in clock.moments(after):
                end = moment.due_at + lasts
                if moment.verdict is None and end > start:
                    yield moment.due_at, end
