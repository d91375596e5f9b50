"""
The next instants of many schedules, the earliest on top.

An entry that was replaced or removed stays in the heap as a husk until it comes up, or until
husks outnumber what lives; so every operation costs O(log n) on average.
"""

from __future__ import annotations

import heapq
from datetime import datetime


class Heap:
    """At most one instant (aware) per uid."""

    __slots__ = ("_entries", "_instants")

    def __init__(self) -> None:
        self._entries: list[tuple[datetime, str]] = []
        self._instants: dict[str, datetime] = {}

    def __len__(self) -> int:
        return len(self._instants)

    def __contains__(self, uid: object) -> bool:
        return uid in self._instants

    def push(self, uid: str, instant: datetime) -> None:
        """Set the next instant of `uid`, in place of the one it had."""
        if instant.tzinfo is None:
            raise ValueError("an instant of the heap is aware")
        if self._instants.get(uid) == instant:
            return
        self._instants[uid] = instant
        heapq.heappush(self._entries, (instant, uid))
        self._sweep()

    replace = push

    def remove(self, uid: str) -> None:
        """Forget `uid`; nothing happens when it is not there."""
        if self._instants.pop(uid, None) is not None:
            self._sweep()

    def instant_of(self, uid: str) -> datetime | None:
        """The next instant of `uid`, if it has one."""
        return self._instants.get(uid)

    def peek(self) -> tuple[datetime, str] | None:
        """The earliest instant and its uid; equal instants by uid."""
        while self._entries:
            instant, uid = self._entries[0]
            if self._instants.get(uid) == instant:
                return instant, uid
            heapq.heappop(self._entries)
        return None

    def until(self, instant: datetime) -> list[tuple[datetime, str]]:
        """What stands at this instant or before it, in no order; all of it stays where it is."""
        found: list[tuple[datetime, str]] = []
        entries, known = self._entries, self._instants
        places, end = [0], len(entries)
        while places:
            places = [one for one in places if one < end and entries[one][0] <= instant]
            mine = [entries[one] for one in places]
            found += [(at, uid) for at, uid in mine if uid in known and known[uid] == at]
            # An entry's children, in a list that is a heap, are no earlier than itself.
            places = [child for one in places for child in (2 * one + 1, 2 * one + 2)]
        return found

    def pop_due(self, now: datetime) -> list[str]:
        """Take out every uid whose instant is `now` or earlier, earliest first."""
        due: list[str] = []
        while (first := self.peek()) is not None and first[0] <= now:
            heapq.heappop(self._entries)
            del self._instants[first[1]]
            due.append(first[1])
        return due

    def _sweep(self) -> None:
        if len(self._entries) > 2 * len(self._instants) + 64:
            self._entries = [(instant, uid) for uid, instant in self._instants.items()]
            heapq.heapify(self._entries)
