"""
`dates`: wall times listed one by one, or found in each month by a rule (T7).

Time is naive here, as in `cron.py`: what becomes of wall times that a zone skips or shows twice
is decided by `wallclock.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from heapq import merge
from itertools import count, pairwise, takewhile

from runner.frozen import frozen
from runner.policy.model import DateRule, LastBusinessDay, NearestWeekday, NthWeekday

_DAY = timedelta(days=1)
_LAST_YEAR = 9000
_FRIDAY = 4


@frozen
class WallDates:
    """A set of wall times: `listed` (ascending, naive, whole seconds) and those of `rules`."""

    listed: tuple[datetime, ...]
    rules: tuple[DateRule, ...]

    @property
    def interval_like(self) -> bool:
        """Dates are fixed times: they do not follow elapsed time through a change (T3)."""
        return False

    def walls(self, start: datetime) -> Iterator[datetime]:
        """Wall times from `start` on, ascending, each once; endless if there is a rule."""
        before = None
        first = bisect_left(self.listed, start)
        listed = (self.listed[index] for index in range(first, len(self.listed)))
        for wall in merge(listed, *(_of_rule(rule, start) for rule in self.rules)):
            if wall != before:
                yield wall
            before = wall

    def count(self, start: datetime, end: datetime) -> int:
        """How many wall times lie in [start, end)."""
        total = 0
        for wall in self.walls(start):
            if wall >= end:
                break
            total += 1
        return total

    def seconds(self, start: datetime, end: datetime) -> list[int]:
        """The wall times in [start, end) as POSIX time would count them, ascending."""
        walls = takewhile(lambda wall: wall < end, self.walls(start))
        return [int(wall.replace(tzinfo=UTC).timestamp()) for wall in walls]

    def widest(self, start: datetime, end: datetime) -> int:
        """Seconds that no two consecutive wall times in [start, end) are apart."""
        return max((b - a for a, b in pairwise(self.seconds(start, end))), default=0)

    def matches(self, wall: datetime) -> bool:
        """Tell whether a wall time is one of the set."""
        return next(self.walls(wall), None) == wall

    def seconds_of_day(self) -> list[int]:
        """The times of day that occur, as seconds after midnight, ascending."""
        times = {wall.time() for wall in self.listed} | {rule.time for rule in self.rules}
        return sorted(each.hour * 3600 + each.minute * 60 + each.second for each in times)


def day_of(rule: DateRule, year: int, month: int) -> date | None:
    """The day that a rule names in one month; None where it names none."""
    if month not in rule.months:
        return None
    length = monthrange(year, month)[1]
    last = date(year, month, length)
    match rule:
        case LastBusinessDay():
            return last - max(0, last.weekday() - _FRIDAY) * _DAY
        case NthWeekday(weekday, nth):
            # Weekdays are counted as in cron, from Sunday 0; Python counts from Monday 0.
            wanted = (weekday - 1) % 7
            if nth < 0:
                return last - (last.weekday() - wanted) % 7 * _DAY
            first = date(year, month, 1)
            day = 1 + (wanted - first.weekday()) % 7 + 7 * (nth - 1)
            return date(year, month, day) if day <= length else None
        case NearestWeekday(day):
            return _nearest(date(year, month, min(day, length)), last)


def _nearest(day: date, last: date) -> date:
    beyond = day.weekday() - _FRIDAY  # 1 on a Saturday, 2 on a Sunday
    if beyond <= 0:
        return day
    if beyond == 1:
        return day - _DAY if day.day > 1 else day + 2 * _DAY
    return day + _DAY if day < last else day - 2 * _DAY


def _of_rule(rule: DateRule, start: datetime) -> Iterator[datetime]:
    for number in count(start.year * 12 + start.month - 1):
        year, month = divmod(number, 12)
        if year > _LAST_YEAR:
            return
        day = day_of(rule, year, month + 1)
        if day is not None:
            wall = datetime.combine(day, rule.time)
            if wall >= start:
                yield wall
