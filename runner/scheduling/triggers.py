"""
Timetables: what a schedule's trigger means on the time line, slot by slot.

A timetable is a pure function of the schedule and its anchor. Asked at any instant it gives the
same slots with the same names, so nothing about the future has to be remembered.

Source: SEMANTICS T1 to T9, X8.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from heapq import merge
from itertools import islice, takewhile
from operator import attrgetter, sub
from typing import Final, Protocol

from runner.errors import EncodingError
from runner.ethereum.hashing import keccak256
from runner.frozen import frozen
from runner.policy.model import At, Cron, Dates, Every, Schedule
from runner.scheduling.blackout import Blackouts
from runner.scheduling.cron import check_cron
from runner.scheduling.dates import WallDates
from runner.scheduling.occurrence import Reason, Slot, State, format_instant_slot
from runner.scheduling.wallclock import EXACT_UP_TO, Moment, WallClock, most_within
from runner.scheduling.zones import FIRST_INSTANT, LAST_INSTANT, load_zone

_SECOND = timedelta(seconds=1)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST = FIRST_INSTANT - _SECOND
_LATEST = LAST_INSTANT + _SECOND


class Source(Protocol):
    """
    A trigger, counted and listed without bounds and jitter.

    Instants are UTC in whole seconds; intervals include `start` and leave out `end`.
    """

    def __hash__(self) -> int: ...

    def moments(self, start: datetime) -> Iterator[Moment]:
        """All slots from `start` on, ascending; those that do not fire carry a verdict."""
        ...

    def count(self, start: datetime, end: datetime) -> int:
        """How many slots fire in the interval, without listing them."""
        ...

    def firings(self, start: datetime, end: datetime) -> list[int]:
        """When the slots that fire do so, in POSIX seconds, ascending."""
        ...

    def widest(self, start: datetime, end: datetime) -> int:
        """Seconds that no two consecutive firings of the interval are apart."""
        ...

    def exceptions(self, start: datetime, end: datetime) -> Iterator[Moment]:
        """The slots of the interval that do not fire."""
        ...

    def densest(self, window: timedelta, start: datetime, end: datetime) -> int:
        """A number that no closed window of this length inside the interval exceeds."""
        ...


@frozen
class Interval:
    """`every`: anchor + n × period, n ≥ 0 (T5)."""

    anchor: datetime
    period: timedelta

    def moments(self, start: datetime) -> Iterator[Moment]:
        due_at = self.anchor + self._before(start) * self.period
        while due_at < LAST_INSTANT:
            yield Moment(due_at, format_instant_slot(due_at), timedelta())
            due_at += self.period

    def count(self, start: datetime, end: datetime) -> int:
        return max(0, self._before(end) - self._before(start))

    def firings(self, start: datetime, end: datetime) -> list[int]:
        period = self.period // _SECOND
        first = int(self.anchor.timestamp()) + self._before(start) * period
        return list(range(first, int(end.timestamp()), period))

    def widest(self, start: datetime, end: datetime) -> int:  # noqa: ARG002
        return self.period // _SECOND

    def exceptions(self, start: datetime, end: datetime) -> Iterator[Moment]:  # noqa: ARG002
        return iter(())

    def densest(self, window: timedelta, start: datetime, end: datetime) -> int:  # noqa: ARG002
        return window // self.period + 1

    def _before(self, instant: datetime) -> int:
        """How many slots come before an instant."""
        return max(0, -((self.anchor - instant) // self.period))


@frozen
class Once:
    """`at`: one instant (T6)."""

    instant: datetime

    def moments(self, start: datetime) -> Iterator[Moment]:
        if self.instant >= start:
            yield Moment(self.instant, format_instant_slot(self.instant), timedelta())

    def count(self, start: datetime, end: datetime) -> int:
        return int(start <= self.instant < end)

    def firings(self, start: datetime, end: datetime) -> list[int]:
        return [int(self.instant.timestamp())] if self.count(start, end) else []

    def widest(self, start: datetime, end: datetime) -> int:  # noqa: ARG002
        return 0

    def exceptions(self, start: datetime, end: datetime) -> Iterator[Moment]:  # noqa: ARG002
        return iter(())

    def densest(self, window: timedelta, start: datetime, end: datetime) -> int:  # noqa: ARG002
        return self.count(start, end)


@frozen
class Sparing:
    """
    A trigger without what blackouts leave out: such slots do not fire, and get their rows (B1).
    """

    source: Source
    blackouts: Blackouts

    def moments(self, start: datetime) -> Iterator[Moment]:
        stretches = self.blackouts.left_out(start)
        dark = next(stretches, None)
        for moment in self.source.moments(start):
            while dark is not None and dark[1] <= moment.due_at:
                dark = next(stretches, None)
            is_left_out = dark is not None and dark[0] <= moment.due_at
            yield _left_out(moment) if is_left_out else moment

    def count(self, start: datetime, end: datetime) -> int:
        inside = sum(self.source.count(*dark) for dark in self._dark(start, end))
        return self.source.count(start, end) - inside

    def firings(self, start: datetime, end: datetime) -> list[int]:
        found = self.source.firings(start, end)
        for begin, until in self._dark(start, end):
            low = bisect_left(found, begin.timestamp())
            del found[low : bisect_left(found, until.timestamp())]
        return found

    def widest(self, start: datetime, end: datetime) -> int:
        longest = max(
            (until - begin for begin, until in self._dark(start, end)), default=timedelta()
        )
        return 2 * self.source.widest(start, end) + longest // _SECOND

    def exceptions(self, start: datetime, end: datetime) -> Iterator[Moment]:
        stretches = list(self._dark(start, end))
        usual = (
            moment
            for moment in self.source.exceptions(start, end)
            if not any(begin <= moment.due_at < until for begin, until in stretches)
        )
        inside = (moment for dark in stretches for moment in self._inside(*dark))
        return merge(usual, inside, key=attrgetter("due_at"))

    def densest(self, window: timedelta, start: datetime, end: datetime) -> int:
        return self.source.densest(window, start, end)

    def _inside(self, begin: datetime, until: datetime) -> Iterator[Moment]:
        moments = takewhile(lambda moment: moment.due_at < until, self.source.moments(begin))
        return map(_left_out, moments)

    def _dark(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        for begin, until in self.blackouts.left_out(start):
            if begin >= end:
                return
            yield max(begin, start), min(until, end)


def _left_out(moment: Moment) -> Moment:
    if moment.verdict is not None:
        return moment
    return moment._replace(verdict=Reason.BLACKOUT, closes_as=State.SKIPPED)


@frozen
class Timetable:
    """
    The slots of one schedule.

    Attributes:
        uid: Seeds the jitter; the schedule's uid as first applied.
        begin: No slot is due before it (`start_at`).
        end: No slot is due after it (`end_at`, included).
        jitter: Upper bound of the delay, whole seconds (T8).
        blackouts: No delay leads into one.
    """

    uid: str
    source: Source
    begin: datetime | None
    end: datetime | None
    jitter: timedelta
    blackouts: Blackouts = Blackouts()

    def slots(self, after: datetime) -> Iterator[Slot]:
        """
        The slots due strictly after an instant, ascending, lazily.

        Several slots may share an instant: where the clocks go forward, a wall time that was
        left out stands just before the regular slot that it meets. They share `fire_at` too, so
        that whoever goes on after `due_at` has decided both.
        """
        moments = self._moments(after)
        if not self.jitter:
            return (_slot(moment, moment.due_at) for moment in moments)
        return self._delayed(moments)

    def first(self, after: datetime, count: int) -> tuple[Slot, ...]:
        """So many of `slots`; what schedules of one trigger have in common is found once."""
        if self.jitter:
            return tuple(islice(self.slots(after), count))
        slots, end = _first(self.source, self._start(after), count), self._end(LAST_INSTANT)
        if slots and slots[-1].due_at < end:  # nearly always, and they ascend
            return slots
        return tuple(slot for slot in slots if slot.due_at < end)

    def next_after(self, instant: datetime) -> Slot | None:
        """The first slot due strictly after an instant, also one that only gets a row."""
        return next(iter(self.first(instant, 1)), None)

    def next_firing_after(self, instant: datetime) -> Slot | None:
        """The first slot due strictly after an instant that fires."""
        return next((slot for slot in self.slots(instant) if slot.verdict is None), None)

    def count(self, after: datetime, until: datetime) -> int:
        """How many slots that fire are due in (after, until]; costs no more for dense ones."""
        start, end = self._interval(after, until)
        return self.source.count(start, end) if start < end else 0

    def due(self, after: datetime, until: datetime) -> list[int]:
        """When the slots that fire are due, of (after, until]: POSIX seconds, without names."""
        start, end = self._interval(after, until)
        return self.source.firings(start, end) if start < end else []

    def firings(self, after: datetime, until: datetime) -> list[int]:
        """When the slots due in (after, until] fire, with their jitter: POSIX seconds."""
        if not self.jitter:
            return self.due(after, until)
        _, end = self._interval(after, until)
        inside = takewhile(lambda slot: slot.due_at < end, self.slots(after))
        return [int(slot.fire_at.timestamp()) for slot in inside if slot.verdict is None]

    def widest(self, after: datetime, until: datetime) -> timedelta | None:
        """
        A distance that no two consecutive slots due in (after, until] exceed; None where there
        is one that nothing follows.
        """
        following = self.next_firing_after(until)
        if following is None:
            return None
        start, end = self._interval(after, until)
        if self.source.count(start, end) > EXACT_UP_TO:
            return self.source.widest(start, end) * _SECOND
        due = [*self.source.firings(start, end), int(following.due_at.timestamp())]
        return max(map(sub, due[1:], due), default=0) * _SECOND

    def exceptions(self, after: datetime, until: datetime) -> Iterator[Slot]:
        """The slots due in (after, until] that do not fire, in order."""
        for moment in self.source.exceptions(*self._interval(after, until)):
            # Listed anew, for the jitter of the slot that it may have met.
            for slot in self.slots(moment.due_at - _SECOND):
                if slot.text == moment.text:
                    yield slot
                    break

    def latest(self, after: datetime, until: datetime) -> Slot | None:
        """The last slot that fires and is due in (after, until]."""
        start, end = self._interval(after, until)
        if start >= end or not self.source.count(start, end):
            return None
        reach = _SECOND
        while not self.source.count(max(start, end - reach), end):
            reach *= 2
        low, high = max(start, end - reach), end  # a slot in [low, end), none in [high, end)
        while high - low > _SECOND:
            middle = low + (high - low) // _SECOND // 2 * _SECOND
            low, high = (middle, high) if self.source.count(middle, end) else (low, middle)
        return next(slot for slot in self.slots(low - _SECOND) if slot.verdict is None)

    # ── bounds and jitter ─────────────────────────────────────────────────────────────────────

    def _interval(self, after: datetime, until: datetime) -> tuple[datetime, datetime]:
        """(after, until], cut to the timetable's bounds, as [start, end) in whole seconds."""
        return self._start(after), self._end(until)

    def _start(self, after: datetime) -> datetime:
        start = max(_aware(after), _EARLIEST)
        if self.begin is not None:
            start = max(start, self.begin - _MICROSECOND)
        return _following_second(start)

    def _end(self, until: datetime) -> datetime:
        if self.end is None and until is LAST_INSTANT:
            return _LATEST
        end = min(_aware(until), LAST_INSTANT)
        return _following_second(end if self.end is None else min(end, self.end))

    def _moments(self, after: datetime) -> Iterator[Moment]:
        start, end = self._interval(after, LAST_INSTANT)
        return takewhile(lambda moment: moment.due_at < end, self.source.moments(start))

    def _delayed(self, moments: Iterator[Moment]) -> Iterator[Slot]:
        together: list[Moment] = []
        for moment in moments:
            if together and moment.due_at > together[0].due_at:
                yield from self._fire(together, before=moment.due_at)
                together = []
            together.append(moment)
        yield from self._fire(together, before=None)

    def _fire(self, together: list[Moment], *, before: datetime | None) -> Iterator[Slot]:
        """Give slots of one instant their delay: the firing one's, if one of them fires."""
        fire_at = None
        for moment in together:
            if moment.verdict is None:
                fire_at = moment.due_at + self._delay(moment.text)
        if fire_at is not None and before is not None:
            fire_at = min(fire_at, before - _SECOND)
        if fire_at is not None and self.blackouts.until(fire_at) is not None:
            fire_at = together[0].due_at
        for moment in together:
            yield _slot(moment, fire_at or moment.due_at)

    def _delay(self, text: str) -> timedelta:
        digest = keccak256(f"{self.uid}\0{text}".encode())
        return int.from_bytes(digest[:8], "big") % (self.jitter // _SECOND + 1) * _SECOND


@lru_cache(maxsize=1024)
def _first(source: Source, start: datetime, count: int) -> tuple[Slot, ...]:
    """
    The first slots of a trigger from an instant on, without bounds and jitter.

    Thousands of schedules may have one trigger, and are asked at the same moments.
    """
    return tuple(_slot(moment, moment.due_at) for moment in islice(source.moments(start), count))


def _slot(moment: Moment, fire_at: datetime) -> Slot:
    due_at, text, offset, verdict, closes_as = moment
    local = due_at.isoformat()
    if offset:
        local = due_at.astimezone(timezone(offset)).isoformat()
    return Slot(text, due_at, fire_at, local, verdict, closes_as)


def timetable(schedule: Schedule, *, anchor: datetime | None, uid: str | None = None) -> Timetable:
    """
    The timetable of a schedule.

    Args:
        anchor: When the schedule was first applied: where an `every` counts from that names
            neither `anchor` nor `start_at`. Cut to the second.
        uid: The uid as first applied, where a rename has changed it since.

    Raises:
        EncodingError: the trigger cannot be computed with, or an `every` has no anchor.
    """
    begin, end = _utc(schedule.start_at), _utc(schedule.end_at)
    blackouts = Blackouts.of(schedule.blackout)
    source = _source(schedule, anchor)
    return Timetable(
        uid=uid or schedule.uid,
        source=Sparing(source, blackouts) if blackouts.skipping else source,
        begin=begin,
        end=end,
        jitter=schedule.jitter // _SECOND * _SECOND,
        blackouts=blackouts,
    )


_DELAYED_UP_TO: Final = 1_000
"""Slots of an `every` whose delays are computed one by one, 33 µs each."""


def count_within(
    table: Timetable,
    window: timedelta,
    horizon: timedelta,
    start: datetime,
    *,
    settled: bool = False,
) -> int:
    """
    The largest number of slots that fire in any window of this length inside the horizon.

    The window is closed, since a grant still pays in the second of its expiry. Exact for `at`,
    for cron, dates, and what blackouts leave, of up to 10,000 slots in the horizon, and for a
    settled `every` with jitter, of up to 1,000; beyond that it may be a little more and is never
    less (see `WallClock.densest`). Deterministic in its arguments, so it can be remembered by them.

    Args:
        settled: Whether an `every` is known to count from where this table has it, so that the
            delay of each of its slots is known too.

    Source: SEMANTICS R25.
    """
    end = start + max(horizon, window)
    after = start - _MICROSECOND
    total = table.count(after, end)
    one_by_one = EXACT_UP_TO if isinstance(table.source, WallClock | Sparing) else 0
    if settled and table.jitter:
        one_by_one = max(one_by_one, _DELAYED_UP_TO)
    if total <= one_by_one:
        return most_within(table.firings(after, end), window)
    # Jitter can bring two slots closer together, by all of it at most.
    first, last = table._interval(after, end)
    return min(total, table.source.densest(window + table.jitter, first, last)) if total else 0


def _source(schedule: Schedule, anchor: datetime | None) -> Source:
    match schedule.trigger:
        case Cron() as cron:
            expression = check_cron(cron.expression, cron.day_match)
            return WallClock(expression, load_zone(cron.timezone), cron.gap, cron.fold)
        case Dates() as dates:
            walls = WallDates(dates.listed, dates.rules)
            return WallClock(walls, load_zone(dates.timezone), dates.gap, dates.fold)
        case At(instant):
            return _once(_whole(instant))
        case Every(period, written):
            if period < _SECOND or period % _SECOND:
                raise EncodingError("a period is whole seconds, at least one")
            counted_from = written or schedule.start_at or anchor
            if counted_from is None:
                raise EncodingError(
                    f"`{schedule.uid}` was never applied, so its period counts from nowhere",
                    hint="write `anchor` or `start_at`, or apply it first",
                )
            return Interval(_whole(counted_from), period)


# As of triggers: thousands of schedules may be due at one instant, and look their slots up by it.
_once = lru_cache(maxsize=4096)(Once)


def _whole(instant: datetime) -> datetime:
    """An instant in UTC, cut to the second."""
    if instant.tzinfo is None:
        raise EncodingError(f"{instant!r} has no zone")
    instant = instant.astimezone(UTC)
    return instant.replace(microsecond=0) if instant.microsecond else instant


def _utc(instant: datetime | None) -> datetime | None:
    if instant is not None and instant.tzinfo is None:
        raise EncodingError(f"{instant!r} has no zone")
    return None if instant is None else instant.astimezone(UTC)


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise EncodingError("a timetable is asked with aware instants")
    return instant.astimezone(UTC)


def _following_second(instant: datetime) -> datetime:
    return (instant.replace(microsecond=0) if instant.microsecond else instant) + _SECOND
