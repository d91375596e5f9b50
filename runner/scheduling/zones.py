"""
Time zones: which instants a wall time means, and the stretches in which wall time runs evenly.

Zone data come from the `tzdata` package, so that every machine with the same packages computes
the same slots, and `tzdata_version` names what they were computed with (T4).

Source: PEP 495 for gap and fold, PEP 615 for zone data, RFC 9636 for what zones may do.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import tzdata

from runner.errors import EncodingError
from runner.frozen import frozen
from runner.policy.model import Fold, Gap

_DATA = Path(tzdata.__file__).parent

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_STRIDE = timedelta(days=30)
_LONGEST_CHANGE = timedelta(days=2)
"""More than any zone ever moved its clock: Samoa left out one day, Manila and Alaska likewise."""

FIRST_INSTANT = datetime(1970, 1, 2, tzinfo=UTC)
LAST_INSTANT = datetime(9000, 1, 1, tzinfo=UTC)
"""The bounds of what is computed: no chain has an earlier time, no payment a later one."""


@lru_cache(maxsize=1024)
def load_zone(name: str) -> ZoneInfo:
    """
    The zone of an IANA name, letter case included.

    Raises:
        EncodingError: no zone is called so; the hint names those that look alike.
    """
    if name not in _names() or name == "Factory":
        import difflib  # noqa: PLC0415 (only messages need it)

        alike = difflib.get_close_matches(name, _names(), n=3) or ["Europe/Berlin", "UTC"]
        raise EncodingError(
            f"`{name}` is no time zone",
            hint="write an IANA name such as " + " or ".join(f"`{one}`" for one in alike),
        )
    with _DATA.joinpath("zoneinfo", name).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


@cache
def tzdata_version() -> str:
    """The version of the zone data in use, such as `2026b`."""
    return str(tzdata.IANA_VERSION)


@cache
def _names() -> frozenset[str]:
    return frozenset((_DATA / "zones").read_text("utf-8").split())


def instants(wall: datetime, zone: ZoneInfo, *, gap: Gap, fold: Fold) -> tuple[datetime, ...]:
    """
    Turn a wall time into the instants at which a fixed slot of that name fires (T2, T3).

    Args:
        wall: Naive local time.
        gap: What becomes of a wall time that spring leaves out.
        fold: Which instant fires when autumn shows the wall time twice.

    Returns:
        Aware UTC datetimes, ascending: one on most days, else two or none.

    Source: PEP 495: the two readings of a wall time differ on such days alone.
    """
    early, late = (wall.replace(tzinfo=zone, fold=n).astimezone(UTC) for n in (0, 1))
    if early == late:
        return (early,)
    if early < late:
        return {Fold.FIRST: (early,), Fold.LAST: (late,), Fold.BOTH: (early, late)}[fold]
    # In a gap the first reading uses the offset before the change, so 02:30 fires when the wall
    # shows 03:30. Whether another slot fires there too is for `wallclock.py` to see.
    return (early,) if gap is Gap.SHIFT else ()


@frozen
class Span:
    """
    A stretch of time through which a zone keeps one offset.

    `begin` and `end` are UTC; wall time there is UTC plus `offset`. `before` is the offset until
    `begin`, `after` the one from `end` on: where they differ from `offset`, clocks change.
    """

    begin: datetime
    end: datetime
    offset: timedelta
    before: timedelta
    after: timedelta

    def wall(self, instant: datetime) -> datetime:
        """The wall time, naive, at an instant of this span."""
        return (instant + self.offset).replace(tzinfo=None)

    def instant(self, wall: datetime) -> datetime:
        """The instant at which this span shows a wall time."""
        return wall.replace(tzinfo=UTC) - self.offset

    @property
    def repeats_until(self) -> datetime:
        """Wall times before this one were shown before the clocks went back at `begin`."""
        return (self.begin + max(self.before, self.offset)).replace(tzinfo=None)

    @property
    def repeated_from(self) -> datetime:
        """Wall times from this one on will be shown again after the clocks go back at `end`."""
        return (self.end + min(self.after, self.offset)).replace(tzinfo=None)

    @property
    def opens_after_gap(self) -> bool:
        """The clocks went forward at `begin`."""
        return self.offset > self.before


def spans(zone: ZoneInfo, start: datetime) -> Iterator[Span]:
    """
    Cut time into spans, ascending and without holes, the first of them begun before `start`.

    The first span may hide a change two days or more before `start`; any later change stands at
    the edge of two spans. An edge without a change is at least two days from the next change, so
    that what a change repeats or leaves out lies inside the spans beside it.
    """
    # From midnight on, so that whoever asks on the same day is answered from memory.
    begin = max(start - _LONGEST_CHANGE, FIRST_INSTANT - _DAY)
    begin = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    offset = before = _offset(zone, begin)
    if zone.utcoffset(None) is not None:  # a zone that never changes says so
        yield Span(begin, LAST_INSTANT, offset, offset, offset)
        return
    while begin < LAST_INSTANT:
        change = _first_change(zone, begin, offset)
        end = begin + _STRIDE if change is None else change
        after = offset if change is None else _offset(zone, change)
        yield Span(begin, end, offset, before, after)
        begin, before, offset = end, offset, after


@lru_cache(maxsize=8192)
def _first_change(zone: ZoneInfo, begin: datetime, offset: timedelta) -> datetime | None:
    """The first second with another offset, or None when there is none in sight."""
    low, limit = begin, begin + _STRIDE + _LONGEST_CHANGE
    while low < limit:
        high = low + _DAY
        if _offset(zone, high) != offset:
            while high - low > _SECOND:
                middle = low + (high - low) // _SECOND // 2 * _SECOND
                low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
            return high
        low = high
    return None


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()
