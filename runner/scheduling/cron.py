"""
Cron expressions, read as cron reads them: `cronsim` finds the matching wall times.

Time is naive here: what a clock on the wall shows, in no zone. What becomes of wall times that a
zone skips or shows twice is decided by `wallclock.py`, never by the library.

Source: crontab(5) of Debian for fields, names and steps; Quartz for `L` and `#`; T1, T3.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from copy import copy
from dataclasses import field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise

from cronsim import CronSim, CronSimError

from runner.errors import EncodingError
from runner.frozen import frozen
from runner.policy.faults import article
from runner.policy.model import DayMatch

_SECOND = timedelta(seconds=1)
_LONGEST = 256
"""Characters of an expression: what a person writes, and a bound on the work of reading it."""

_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 (wall time: in no zone)
_POSIX_DAY = date(1970, 1, 1).toordinal()
_SECONDS_A_DAY = 86_400


class CronError(EncodingError):
    """A cron expression that is none, that can be read in two ways, or that never fires."""


@frozen
class _Kind:
    name: str
    low: int
    high: int
    example: str


_KINDS = (
    _Kind("second", 0, 59, "0, */15, 0-30/10"),
    _Kind("minute", 0, 59, "0, */15, 5,35"),
    _Kind("hour", 0, 23, "9, 8-18, */6"),
    _Kind("day of month", 1, 31, "1, 1,15, L (last day), LW (last Monday-to-Friday day)"),
    _Kind("month", 1, 12, "*, 1-6, JAN,JUL"),
    _Kind("day of week", 0, 7, "1-5, SUN (0 or 7), FRI#2 (second Friday), 5L (last Friday)"),
)
_MACROS = {
    "@YEARLY": "0 0 1 1 *",
    "@ANNUALLY": "0 0 1 1 *",
    "@MONTHLY": "0 0 1 * *",
    "@WEEKLY": "0 0 * * 0",
    "@DAILY": "0 0 * * *",
    "@MIDNIGHT": "0 0 * * *",
    "@HOURLY": "0 * * * *",
}
_SHORTEST = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""Days of each month in a common year."""

_FIFTH = 5  # of a weekday: few months have one

_STEP = re.compile(r"(?P<from>[^/]*)/(?P<step>[0-9]+)")
_UNRESTRICTED = frozenset({"*", "*/1"})


@frozen
class CronExpression:
    """
    A parsed expression. `fields` are second, minute, hour, day of month, month, day of week.

    `day_match` decides when both day fields are restricted; without it such an expression can
    be looked at but not computed with.
    """

    text: str
    fields: tuple[str, ...]
    day_match: DayMatch | None
    has_seconds: bool
    _sim: CronSim = field(repr=False, compare=False)
    _hours: tuple[int, ...] = field(repr=False, compare=False)
    _minutes: tuple[int, ...] = field(repr=False, compare=False)
    _seconds: tuple[int, ...] = field(repr=False, compare=False)

    @property
    def both_days(self) -> bool:
        """Both day fields are restricted: "and" and "or" are different schedules (T1)."""
        return self.fields[3] not in _UNRESTRICTED and self.fields[5] not in _UNRESTRICTED

    @property
    def interval_like(self) -> bool:
        """It repeats within the day, so it follows elapsed time through gap and fold (T3)."""
        return self.has_seconds or self.fields[1].startswith("*") or self.fields[2].startswith("*")

    @property
    def names_one_hour(self) -> bool:
        """Interval-like, yet in one hour: a gap may swallow its day, a fold double it (T3)."""
        return self.interval_like and len(self._hours) == 1

    @property
    def per_day(self) -> int:
        """Firings on a day that matches and has 24 hours."""
        return len(self._hours) * len(self._minutes) * len(self._seconds)

    def months_without(self) -> tuple[int, ...]:
        """The months it names in which, in some year at least, no day matches."""
        if self.both_days and self.day_match is not DayMatch.AND:
            return ()
        months = tuple(sorted(self._sim.months))
        if any(isinstance(day, tuple) and day[1] == _FIFTH for day in self._sim.weekdays):
            return months
        days = [day for day in self._sim.days if day > 0]
        if len(days) < len(self._sim.days):  # `L` and `LW` are found in each month
            return ()
        return tuple(month for month in months if min(days) > _SHORTEST[month - 1])

    def seconds_of_day(self) -> list[int]:
        """The seconds after midnight at which a matching day fires, ascending."""
        return [
            h * 3600 + m * 60 + s for h in self._hours for m in self._minutes for s in self._seconds
        ]

    def matches(self, wall: datetime) -> bool:
        """Tell whether a wall time is one of this expression's."""
        return (
            wall.second in self._sim.seconds
            and wall.minute in self._sim.minutes
            and wall.hour in self._sim.hours
            and self._day_matches(wall)
        )

    def walls(self, start: datetime) -> Iterator[datetime]:
        """Matching wall times from `start` (naive, whole seconds) on, ascending, endless."""
        sim = copy(self._sim)
        sim.dt = start - _SECOND
        try:
            yield from sim
        except OverflowError:  # the calendar ends with the year 9999
            return

    def count(self, start: datetime, end: datetime) -> int:
        """How many matching wall times lie in [start, end): by the day, not by the second."""
        if end <= start:
            return 0
        total = self._until(end.time()) if self._day_matches(end) else 0
        if self._day_matches(start):
            total -= self._until(start.time())
        return total + self.per_day * len(self._days(start.toordinal(), end.toordinal()))

    def seconds(self, start: datetime, end: datetime) -> list[int]:
        """The matching wall times in [start, end) as POSIX time would count them, ascending."""
        first, last = _posix(start), _posix(end)
        days = self._days(start.toordinal(), end.toordinal() + 1)
        clock = self.seconds_of_day()
        found = [(day - _POSIX_DAY) * _SECONDS_A_DAY + second for day in days for second in clock]
        return found[bisect_left(found, first) : bisect_left(found, last)]

    def widest(self, start: datetime, end: datetime) -> int:
        """Seconds that no two consecutive matches in [start, end) are apart."""
        clock = self.seconds_of_day()
        days = self._days(start.toordinal(), end.toordinal() + 1)
        inside = [later - earlier for earlier, later in pairwise(clock)]
        overnight = [
            (later - earlier) * _SECONDS_A_DAY - clock[-1] + clock[0]
            for earlier, later in pairwise(days)
        ]
        return max([*inside, *overnight], default=0)

    def _days(self, first: int, last: int) -> list[int]:
        """The matching days of [first, last), all of them ordinals."""
        found: list[int] = []
        for year in range(date.fromordinal(first).year, date.fromordinal(last).year + 1):
            days = _matching_days(self.fields[3:], self.day_match, year)
            found += days[bisect_left(days, first) : bisect_left(days, last)]
        return found

    def _until(self, clock: time) -> int:
        """How many firings of a matching day come before this time of day."""
        hours = bisect_left(self._hours, clock.hour)
        total = hours * len(self._minutes) * len(self._seconds)
        if clock.hour in self._sim.hours:
            total += bisect_left(self._minutes, clock.minute) * len(self._seconds)
            if clock.minute in self._sim.minutes:
                total += bisect_left(self._seconds, clock.second)
        return total

    def _day_matches(self, day: date) -> bool:
        return day.month in self._sim.months and self._sim.match_day(day)


@lru_cache(maxsize=1024)
def _matching_days(
    fields: tuple[str, ...], day_match: DayMatch | None, year: int
) -> tuple[int, ...]:
    """Ordinals of a year's matching days; many expressions differ in the time of day alone."""
    sim = _simulation(" ".join(fields), ("0", "0", "0", *fields), day_match)
    begin, end = date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal()
    days = map(date.fromordinal, range(begin, end + 1))
    return tuple(d.toordinal() for d in days if d.month in sim.months and sim.match_day(d))


def _posix(wall: datetime) -> int:
    """A wall time as POSIX time would count it, were it UTC."""
    return (wall.toordinal() - _POSIX_DAY) * _SECONDS_A_DAY + (
        wall.hour * 3600 + wall.minute * 60 + wall.second
    )


def parse_cron(expression: str, day_match: DayMatch | None = None) -> CronExpression:
    """
    Read five fields, or six with leading seconds.

    Weekdays count 0 and 7 as Sunday; names, lists, ranges, steps, `L`, `LW` and `#` as in
    `_KINDS`. Whether it ever fires, and whether `day_match` is missing, is `check_cron`'s.

    Raises:
        CronError: which field is wrong, and what may stand there.
    """
    parts = _parts(expression)
    fields = tuple(parts) if len(parts) == 6 else ("0", *parts)
    for kind, part in zip(_KINDS, fields, strict=True):
        _check_field(kind, part)
    sim = _simulation(" ".join(parts), fields, day_match)
    return CronExpression(
        text=" ".join(parts),
        fields=fields,
        day_match=day_match,
        has_seconds=len(parts) == 6,
        _sim=sim,
        _hours=tuple(sorted(sim.hours)),
        _minutes=tuple(sorted(sim.minutes)),
        _seconds=tuple(sorted(sim.seconds)),
    )


def _parts(expression: str) -> list[str]:
    """
    Split an expression into its fields.

    Raises:
        CronError: it has not as many, or what no field holds.
    """
    if len(expression) > _LONGEST:
        raise CronError(
            f"a cron expression has at most {_LONGEST} characters",
            hint="write ranges and steps in the place of long lists, as 1-5 or */10",
        )
    text = expression.strip()
    if text.startswith("@"):
        spelled = _MACROS.get(text.upper())
        raise CronError(
            f"`{text}` is a nickname, not a cron expression",
            hint=f'write "{spelled}"' if spelled else 'write the fields, as "0 9 1 * *"',
        )
    odd = next((character for character in text if not character.isascii()), None)
    if odd is not None and not odd.isspace():
        hint = f"digits are 0 to 9: {_FIELDS}"
        if odd in "\u201c\u201d\u201e\u2018\u2019":
            hint = 'straight quotes are needed around it: "0 9 1 * *"'
        raise CronError(f"`{odd}` is no character of a cron expression", hint=hint)
    parts = text.upper().split()
    if foreign := re.search(r"\S*[=(]\S*", text):
        raise CronError(f"`{foreign[0]}` is no field of a cron expression", hint=_meant(text))
    if len(parts) not in (5, 6):
        raise CronError(
            f"a cron expression has 5 fields, or 6 with leading seconds, not {len(parts)}",
            hint=_meant(text),
        )
    return parts


_EACH_DAY = r"(?:daily|(?:every|each) day)?\s*(?:at\s+)?([01]?[0-9]|2[0-3]):([0-5][0-9])"
_FIELDS = 'minute, hour, day of month, month, day of week, as "0 9 1 * *"'


def _meant(text: str) -> str:
    """Return the hint, also for what other schedulers take, and for words."""
    if zone := re.match(r"(?i)(?:CRON_)?TZ=(\S+)\s+(.+)", text):
        return f'write "{zone[2]}", and `timezone: {zone[1]}`'
    if inner := re.fullmatch(r"(?i)cron\((.+)\)", text):
        return f"write what stands between the brackets, five fields of it: {inner[1]}"
    if clock := re.fullmatch(_EACH_DAY, text.lower()):
        return f'each day at {clock[1]}:{clock[2]} is "{int(clock[2])} {int(clock[1])} * * *"'
    words = text.lower().split()
    day = words[-1][:3].upper() if words else ""
    if day in ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"):
        return f'each {words[-1]} at nine is "0 9 * * {day}"'
    spelled = _MACROS.get(f"@{words[-1].upper()}") if words else None
    return f'write "{spelled}"' if spelled else _FIELDS


@lru_cache(maxsize=4096)
def check_cron(expression: str, day_match: DayMatch | None = None) -> CronExpression:
    """
    Read an expression that is to be computed with. The work is bounded: some 10 ms at worst.

    Raises:
        CronError: also when both day fields are restricted without `day_match`, or when no day
            of any year matches (T1).
    """
    cron = parse_cron(expression, day_match)
    if cron.both_days and day_match is None:
        raise CronError(
            f"`{cron.text}` restricts the day of month and the day of week",
            hint="write `day_match: and` (both must match) or `day_match: or` (either will do)",
        )
    # cronsim gives up after 50 years; the rarest day there is, a 29 February on one weekday,
    # comes back within 40.
    if next(cron.walls(_EPOCH), None) is None:
        raise CronError(
            f"`{cron.text}` never fires",
            hint="no calendar has such a day: look at day of month, month and day of week",
        )
    return cron


@lru_cache(maxsize=4096)
def _check_field(kind: _Kind, text: str) -> None:
    fault = _trap(kind, text)
    if fault is None:
        probe = ["*"] * 6
        probe[_KINDS.index(kind)] = text
        try:
            CronSim(" ".join(probe), _EPOCH)
        except CronSimError:
            fault = (
                f"{article(kind.name)} is {kind.low} to {kind.high}; for instance {kind.example}"
            )
    if fault is not None:
        raise CronError(f"`{text}` is no {kind.name} of a cron expression", hint=fault)


def _trap(kind: _Kind, text: str) -> str | None:
    """What cronsim would take without a word and a person would mean differently."""
    if "?" in text:
        return "write * for any"
    for term in text.split(","):
        match = _STEP.fullmatch(term)
        if match is None:
            continue
        start, step = match["from"], int(match["step"])
        low, dash, high = start.partition("-")
        if "L" in start and kind.name.startswith("day"):
            return "a step needs a range to walk through: L is one day"
        if dash and low == high:
            return f"a range of one takes no step: write {low}, or {low}-{kind.high}/{step}"
        if step > kind.high - kind.low:
            return (
                f"steps begin anew with each range of {kind.low} to {kind.high}: "
                f"{term} would fire once; for a longer period use `every`"
            )
    return None


def _simulation(text: str, fields: tuple[str, ...], day_match: DayMatch | None) -> CronSim:
    # cronsim reads a day field that begins with a star as "any", and then joins by "and";
    # spelled as a range, */2 restricts like any other list.
    parts = list(fields)
    for index, full in ((3, "1-31"), (5, "0-6")):
        if parts[index].startswith("*/"):
            parts[index] = full + parts[index][1:] if parts[index] != "*/1" else "*"
    either = day_match is not DayMatch.AND
    both = all(fields[index] not in _UNRESTRICTED for index in (3, 5))
    try:
        sim = CronSim(" ".join(parts), _EPOCH)
    except CronSimError as error:
        raise CronError(f"`{text}` never fires", hint="no month it names has such a day") from error
    sim.day_and = not (both and either)
    return sim
