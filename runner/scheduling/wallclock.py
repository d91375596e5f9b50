"""
Cron expressions and dates on the wall of one zone: their slots in order, how many, how dense.

Within a span of constant offset wall time runs evenly, so there they are taken as they are. Only
the edges need rules: wall times shown twice (T3), left out (T2), or both left out and met by a
regular slot of the same schedule.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from heapq import merge
from itertools import accumulate, pairwise, takewhile
from operator import attrgetter
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from runner.frozen import frozen
from runner.policy.model import Fold, Gap
from runner.scheduling.occurrence import Reason, State
from runner.scheduling.zones import Span, spans

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_SECOND = timedelta(seconds=1)
_SECONDS_A_DAY = 86_400
_NEAR = timedelta(days=3)
"""Wall times further off than this from a span cannot belong to it, whatever its edges do."""

_PAUSE = timedelta(days=8)
"""How far the next wall time must be for the search to leap: well over what `spans` looks back
and `_NEAR` together, so that every leap gets somewhere."""

_LONG = timedelta(days=30)
"""Of a stretch so long it is remembered when slots fire: who asks for one asks again."""

EXACT_UP_TO = 10_000
"""Slots that are counted one by one; denser timetables are bounded from above (R25)."""


class Moment(NamedTuple):
    """A slot before its jitter. `offset` is what the zone adds to UTC at `due_at`."""

    due_at: datetime
    text: str
    offset: timedelta
    verdict: Reason | None = None
    closes_as: State | None = None


class Walls(Protocol):
    """
    A set of wall times: a cron expression, or dates. Naive datetimes in whole seconds.
    """

    @property
    def interval_like(self) -> bool:
        """It follows elapsed time through gap and fold (T3)."""
        ...

    def walls(self, start: datetime) -> Iterator[datetime]:
        """Wall times from `start` on, ascending, lazily."""
        ...

    def count(self, start: datetime, end: datetime) -> int:
        """How many wall times lie in [start, end)."""
        ...

    def seconds(self, start: datetime, end: datetime) -> list[int]:
        """The wall times in [start, end) as POSIX time would count them, ascending."""
        ...

    def widest(self, start: datetime, end: datetime) -> int:
        """Seconds that no two consecutive wall times in [start, end) are apart."""
        ...

    def matches(self, wall: datetime) -> bool:
        """Tell whether a wall time is one of them."""
        ...

    def seconds_of_day(self) -> list[int]:
        """The times of day that occur, as seconds after midnight, ascending."""
        ...


@frozen
class WallClock:
    """Wall times, the zone whose clocks show them, and what to do when clocks are changed."""

    times: Walls
    zone: ZoneInfo
    gap: Gap
    fold: Fold

    def moments(self, start: datetime) -> Iterator[Moment]:
        """Slots due at `start` (UTC, whole seconds) or later, ascending, lazily."""
        resume: datetime | None = start
        while resume is not None:
            resume = yield from self._until_pause(start, resume)

    def _until_pause(
        self, start: datetime, resume: datetime
    ) -> Generator[Moment, None, datetime | None]:
        """Slots up to a pause of some days; returns where to go on behind it, None at the end."""
        for span in spans(self.zone, resume):
            low = max(span.begin, start)
            if low >= span.end:
                continue
            nearest = span.wall(low) - _NEAR
            upcoming = next(self.times.walls(nearest), None)
            if upcoming is None:
                return None
            if upcoming > span.wall(span.end) + _PAUSE:
                return upcoming.replace(tzinfo=UTC) - _NEAR
            regular = self._regular(span, low)
            if span.opens_after_gap:
                yield from merge(self._left_out(span, low), regular, key=attrgetter("due_at"))
            else:
                yield from regular
        return None

    def count(self, start: datetime, end: datetime) -> int:
        """How many slots fire in [start, end) (UTC, whole seconds), by arithmetic if many."""
        days = (end - start) // _DAY + 2
        if end - start >= _LONG and days * len(self.times.seconds_of_day()) <= EXACT_UP_TO:
            return len(self.firings(start, end))
        total = 0
        for span in _spans_of(self.zone, start, end):
            low, high = max(span.begin, start), min(span.end, end)
            if low < high:
                total += self._fires(span, low, high)
        return total

    def firings(self, start: datetime, end: datetime) -> list[int]:
        """When slots of [start, end) fire, in POSIX seconds, ascending: without their names."""
        if end - start < _LONG:
            return self._list(start, end)
        days = _firings(self, _midnight(start), _midnight(end) + _DAY)
        low, high = (bisect_left(days, one.timestamp()) for one in (start, end))
        return list(days[low:high])

    def _list(self, start: datetime, end: datetime) -> list[int]:
        found: list[int] = []
        for span in _spans_of(self.zone, start, end):
            low, high = max(span.begin, start), min(span.end, end)
            if low >= high:
                continue
            found += (
                int(moment.due_at.timestamp())
                for moment in self._left_out(span, low)
                if moment.verdict is None and moment.due_at < high
            )
            behind = int(span.offset.total_seconds())
            found += (wall - behind for wall in self.times.seconds(*self._stretch(span, low, high)))
        return sorted(found)

    def widest(self, start: datetime, end: datetime) -> int:
        """
        Seconds that no two consecutive firings in [start, end) are apart.

        By the pattern of days; within two days of a change of clocks firings are listed.
        """
        cut = _spans_of(self.zone, start, end)
        changes = [span for span in cut if span.offset != span.before and span.begin > start]
        apart = self.times.widest(cut[0].wall(start), cut[-1].wall(end))
        if apart > _SECONDS_A_DAY and changes:
            apart += max(int(abs(span.offset - span.before).total_seconds()) for span in changes)
        for span in changes:
            near = self.firings(max(start, span.begin - 2 * _DAY), min(end, span.begin + 2 * _DAY))
            apart = max(apart, *(later - earlier for earlier, later in pairwise(near)), 0)
        return apart

    def exceptions(self, start: datetime, end: datetime) -> Iterator[Moment]:
        """Slots in [start, end) that do not fire: wall times that were left out."""
        for span in spans(self.zone, start):
            if span.begin >= end:
                return
            for moment in self._left_out(span, max(span.begin, start)):
                if moment.verdict is not None and moment.due_at < end:
                    yield moment

    # ── one span ──────────────────────────────────────────────────────────────────────────────

    def _stretch(self, span: Span, low: datetime, high: datetime) -> tuple[datetime, datetime]:
        """The wall times in which the regular slots of [low, high) are looked for."""
        first, last = span.wall(low), span.wall(high)
        if not self.times.interval_like and self.fold is Fold.FIRST:
            first = max(first, span.repeats_until)
        if not self.times.interval_like and self.fold is Fold.LAST:
            last = min(last, span.repeated_from)
        return first, last

    def _regular(self, span: Span, low: datetime) -> Iterator[Moment]:
        first, last = self._stretch(span, low, span.end)
        # The index tells two firings of one wall time apart; where one fires, it is 0 (X8).
        both = self.times.interval_like or self.fold is Fold.BOTH
        for wall in self.times.walls(first):
            if wall >= last:
                return
            index = "#1" if both and wall < span.repeats_until else "#0"
            yield Moment(span.instant(wall), wall.isoformat() + index, span.offset)

    def _left_out(self, span: Span, low: datetime) -> Iterator[Moment]:
        """The wall times that the change at the span's begin left out, read by the old offset."""
        if self.times.interval_like or not span.opens_after_gap:
            return
        for wall in self.times.walls((low + span.before).replace(tzinfo=None)):
            if wall >= span.wall(span.begin):
                return
            due_at = wall.replace(tzinfo=UTC) - span.before
            verdict, closes_as = self._verdict(span, due_at)
            yield Moment(due_at, wall.isoformat() + "#0", span.offset, verdict, closes_as)

    def _verdict(self, span: Span, due_at: datetime) -> tuple[Reason | None, State | None]:
        if self.gap is Gap.SKIP:
            return Reason.DST_GAP, State.SKIPPED
        if self.gap is Gap.FAIL:
            return Reason.DST_GAP, State.MISSED
        if self.times.matches(span.wall(due_at)):
            return Reason.DST_MERGED, State.SKIPPED
        return None, None

    def _fires(self, span: Span, low: datetime, high: datetime) -> int:
        shifted = sum(
            moment.verdict is None and moment.due_at < high for moment in self._left_out(span, low)
        )
        return shifted + self.times.count(*self._stretch(span, low, high))

    # ── density ───────────────────────────────────────────────────────────────────────────────

    def densest(self, window: timedelta, start: datetime, end: datetime) -> int:
        """
        A number that no closed window of this length in [start, end) exceeds.

        Long windows are laid over hours: one that is n hours long touches at most n + 1 of
        them, so it is over by what an hour holds. Short ones are laid over the pattern of one
        day, as if every day matched; around a change of clocks slots are counted, or, where
        they are too many for that, the pattern is stretched by the change.
        """
        if window >= 2 * _DAY:
            return self._densest_hours(window, start, end)
        best = self._densest_pattern(window)
        for span in spans(self.zone, start):
            if span.begin >= end:
                break
            change = abs(span.offset - span.before)
            if change:
                low, high = span.begin - window - _DAY, span.begin + change + window + _DAY
                if self.count(low, high) <= EXACT_UP_TO:
                    best = max(best, most_within(self.firings(low, high), window))
                else:
                    shown_twice = self._densest_pattern(change)
                    best = max(best, self._densest_pattern(window + change) + shown_twice)
        return best

    def _densest_pattern(self, window: timedelta) -> int:
        """The most firings in a closed window, were every day to match and clocks to run on."""
        seconds = self.times.seconds_of_day()
        days, rest = divmod(int(window.total_seconds()), 86_400)
        twice = seconds + [second + 86_400 for second in seconds]
        most = max(
            bisect_right(twice, second + rest) - index for index, second in enumerate(seconds)
        )
        return days * len(seconds) + most

    def _densest_hours(self, window: timedelta, start: datetime, end: datetime) -> int:
        hours = [0] * (-(-(end - start) // _HOUR))
        for span in spans(self.zone, start):
            if span.begin >= end:
                break
            low = max(span.begin, start)
            while low < min(span.end, end):
                cell = (low - start) // _HOUR
                high = min(start + (cell + 1) * _HOUR, span.end, end)
                hours[cell] += self.times.count(*self._stretch(span, low, high))
                low = high
            for moment in self._left_out(span, max(span.begin, start)):
                if moment.verdict is None and moment.due_at < end:
                    hours[(moment.due_at - start) // _HOUR] += 1
        touched = -(-window // _HOUR) + 1
        sums = [0, *accumulate(hours)]
        return max(
            sums[min(first + touched, len(hours))] - sums[first] for first in range(len(hours))
        )


@lru_cache(maxsize=64)
def _firings(clock: WallClock, start: datetime, end: datetime) -> Sequence[int]:
    """One look at a timetable asks thrice, from one second to the next: whole days are listed."""
    return array("q", clock._list(start, end))


def _midnight(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)


@lru_cache(maxsize=256)
def _spans_of(zone: ZoneInfo, start: datetime, end: datetime) -> tuple[Span, ...]:
    """The spans that meet [start, end), joined where no clock is changed."""
    found: list[Span] = []
    for span in takewhile(lambda span: span.begin < end, spans(zone, start)):
        unchanged = found and span.before == span.offset
        joined = replace(found.pop(), end=span.end, after=span.after) if unchanged else span
        found.append(joined)
    return tuple(found)


def most_within(instants: Sequence[int], window: timedelta) -> int:
    """The most of these ascending POSIX seconds in one closed window of this length."""
    length = window // _SECOND
    most, count = 0, len(instants)
    for first, instant in enumerate(instants):
        # More than so far, from here on: what is no better costs a single look.
        while first + most < count and instants[first + most] - instant <= length:
            most += 1
    return most
