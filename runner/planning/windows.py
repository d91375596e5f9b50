"""
The worst window: the most that schedules can ask of one grant together (R25).

A grant that begins at t pays what falls due until t + lifetime, and what it finds left over: of
each schedule the slots of [t - its catch-up window, t + lifetime]. All ends are closed, since a
grant still pays in the second of its expiry. Slots are listed once per trigger and remembered;
where they are too many for that, or where nobody knows yet from when a period will count, the
worst of each schedule stands in, which is never less.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from runner.frozen import frozen
from runner.scheduling.triggers import Timetable
from runner.scheduling.wallclock import EXACT_UP_TO

_SECOND = timedelta(seconds=1)


@frozen
class Strand:
    """
    The runs of one schedule along the time line.

    Attributes:
        table: Its slots.
        start, horizon: Where they are looked at.
        back: How long a slot may still be paid afterwards.
        window: The lifetime and `back`.
        runs: The most that any window of this length holds.
        at_most: How many runs there will ever be; None for no end.
        settled: Whether its slots are known. A period that was never applied counts from nowhere.
    """

    table: Timetable
    start: datetime
    horizon: timedelta
    back: timedelta
    window: timedelta
    runs: int
    at_most: int | None
    settled: bool

    def firings(self) -> Sequence[int] | None:
        """When its slots fire, in POSIX seconds; None where they cannot or need not be listed."""
        return _firings(self.table, self.start, self.start + self.horizon) if self.settled else None


@frozen
class Worst:
    """The largest sum over any window, and where one such grant begins if that is known."""

    total: int
    begins_at: datetime | None = None


def worst(strands: Sequence[Strand], lifetime: timedelta, weights: Sequence[int]) -> Worst:
    """
    The most that one grant may have to carry.

    Args:
        weights: What one run of each strand takes.
    """
    apart = sum(one.runs * weight for one, weight in zip(strands, weights, strict=True))
    listed = _listed(strands, weights)
    if listed is None or sum(one.count for one in listed) < 2:
        return Worst(apart)
    together, begins_at = _sweep(listed, int(lifetime.total_seconds()))
    alone = sum(one.strand.runs * one.weight for one in listed)
    return Worst(apart - alone + together, datetime.fromtimestamp(begins_at, UTC))


@dataclass(slots=True)
class _Listed:
    """A strand whose slots are listed; where it is that of `count` schedules, they weigh as one."""

    strand: Strand
    times: Sequence[int]
    weight: int = 0
    count: int = 0


def _listed(strands: Sequence[Strand], weights: Sequence[int]) -> list[_Listed] | None:
    """The strands that weigh anything, as far as they are listed; None if they are too many."""
    found: dict[int, _Listed] = {}
    slots = 0
    for index, (strand, weight) in enumerate(zip(strands, weights, strict=True)):
        if not weight:
            continue
        # Each of those that come to an end counts its runs for itself.
        key = id(strand) if strand.at_most is None else -1 - index
        one = found.get(key)
        if one is None:
            one = found[key] = _Listed(strand, strand.firings() or ())
        one.weight += weight
        one.count += 1
        slots += len(one.times)
        if slots > EXACT_UP_TO:
            return None
    return [one for one in found.values() if one.times]


def _sweep(listed: Sequence[_Listed], lifetime: int) -> tuple[int, int]:
    """Slide the beginning of a grant along: slots come into its window and leave it."""
    moves = []
    for index, one in enumerate(listed):
        back = one.strand.back // _SECOND
        for fires in one.times:
            moves.append((fires - lifetime, one.weight, index))
            moves.append((fires + back + 1, -one.weight, index))
    moves.sort()  # where they share a second, what leaves goes first
    inside = [0] * len(listed)
    bounds = [one.strand.at_most for one in listed]
    total = most = begins_at = 0
    for moment, weight, index in moves:
        count = inside[index] + (weight > 0)
        bound = bounds[index]
        if bound is None or count <= bound:
            total += weight
        inside[index] = count - (weight < 0)
        if total > most:
            most, begins_at = total, moment
    return most, begins_at


def used_up_at(
    strands: Sequence[Strand],
    weights: Sequence[int],
    limit: int,
    *,
    begin: datetime,
    lifetime: timedelta,
    caught_up: bool,
) -> datetime | None:
    """
    When a grant that begins then has paid more than `limit`; None if it lasts.

    Args:
        caught_up: Whether it finds slots left over from before it began.
    """

    def spent(until: datetime) -> int:
        total = 0
        for one, weight in zip(strands, weights, strict=True):
            since = begin - one.back if caught_up else begin
            runs = one.table.count(since - timedelta(microseconds=1), until)
            total += weight * (runs if one.at_most is None else min(runs, one.at_most))
        return total

    low, high = begin.replace(microsecond=0) - _SECOND, begin + lifetime
    if spent(high) <= limit:
        return None
    while high - low > _SECOND:
        middle = low + (high - low) // _SECOND // 2 * _SECOND
        low, high = (low, middle) if spent(middle) > limit else (middle, high)
    return high.replace(microsecond=0)


@lru_cache(maxsize=512)
def _firings(table: Timetable, start: datetime, until: datetime) -> Sequence[int] | None:
    after = start - timedelta(microseconds=1)
    if table.count(after, until) > EXACT_UP_TO:
        return None
    return array("q", table.firings(after, until))
