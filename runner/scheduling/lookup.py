"""
From a slot as an operator names it to the slot of the timetable (S1, X8).

Source: SEMANTICS S1 for the texts; a slot that no timetable has is nobody's to pay.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from runner.frozen import frozen
from runner.scheduling.occurrence import CalendarSlot, ExtraSlot, Slot, parse_slot
from runner.scheduling.triggers import Timetable

_AROUND = timedelta(days=2)
"""No zone is further from UTC than a day, and no clock changes by more than one."""

_INSTANT = timedelta(microseconds=1)


def slot_named(table: Timetable, text: str) -> Slot | None:
    """
    The slot that `text` names: its own name, `#0` optional, or the instant at which it is due.

    Raises:
        EncodingError: `text` names no slot of any timetable.
    """
    wanted = parse_slot(text)
    if isinstance(wanted, ExtraSlot):
        return None
    if isinstance(wanted, CalendarSlot):
        near = wanted.local.replace(tzinfo=UTC)
        slots = _between(table, near - _AROUND, near + _AROUND)
        return next((one for one in slots if one.text == wanted.text), None)
    return next(_between(table, wanted.instant, wanted.instant + _INSTANT), None)


def slots_between(table: Timetable, start: datetime, end: datetime) -> list[Slot]:
    """All slots due in [start, end), those that do not fire too."""
    return list(_between(table, start, end))


@frozen
class Stretch:
    """So many slots of a range row, from the first to the last of them (M4)."""

    count: int
    first: Slot
    last: Slot


Rest = tuple[Stretch | None, Stretch | None]
"""What is left of a range without one of its slots: before it, and after it."""


def around(table: Timetable, slot: Slot, *, first: datetime, last: datetime, count: int) -> Rest:
    """
    What is left of a range of `count` slots, due from `first` to `last`, without one of them.

    Returns:
        The part before it and the part after it (X11).
    """
    earlier = min(table.count(first - _INSTANT, slot.due_at - _INSTANT), count - 1)
    before = after = None
    if earlier:
        head = next(one for one in table.slots(first - _INSTANT) if one.verdict is None)
        tail = table.latest(first - _INSTANT, slot.due_at - _INSTANT) or head
        before = Stretch(earlier, head, tail)
    if count - 1 - earlier:
        head = next(one for one in table.slots(slot.due_at) if one.verdict is None)
        tail = table.latest(slot.due_at, last) or head
        after = Stretch(count - 1 - earlier, head, tail)
    return before, after


def _between(table: Timetable, start: datetime, end: datetime) -> Iterator[Slot]:
    for slot in table.slots(start - _INSTANT):
        if slot.due_at >= end:
            return
        yield slot
