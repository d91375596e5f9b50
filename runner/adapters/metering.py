"""
What this process has seen since its start, counted from the events that it tells people.

The counts are plain numbers, written by the daemon's thread and read by the one that serves
`/metrics`; nothing here asks the ledger, so that a count costs a payment nothing.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from runner.scheduling.occurrence import CLOSED

LATE_BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)
"""Upper bounds of the buckets of claim lateness, in seconds."""

TOOK_BOUNDS: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Upper bounds of the buckets of the time from claim to final, in seconds."""


class Histogram:
    """How many values fell below each bound, and their sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value; below nothing there is nothing."""
        value = max(value, 0.0)
        self._counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts by upper bound, the last one without."""
        names = [*(str(bound) for bound in self.bounds), "+Inf"]
        found, sum_ = [], 0
        for name, count in zip(names, self._counts, strict=True):
            sum_ += count
            found.append((name, float(sum_)))
        return found


class Tally:
    """The counts themselves, and the few states that only events tell."""

    def __init__(self) -> None:
        self.slots: Counter[tuple[str, str, str]] = Counter()
        """By schedule, state and reason (M6)."""

        self.requests: Counter[tuple[str, str, str]] = Counter()
        """By wallet, method and outcome."""

        self.grant_failures: Counter[str] = Counter()
        self.lateness = Histogram(LATE_BOUNDS)
        self.took = Histogram(TOOK_BOUNDS)
        self.skewed: dict[str, str] = {}
        """Venues whose clock and ours are apart, and how bad that is."""

        self.unreachable: set[str] = set()
        self.armed = asyncio.Event()
        """Whether the daemon has looked around, and ticks."""

        self.refused = False
        """Whether the last edit of the policies was not put in force."""

    def concerns(self, event: str, _level: str) -> bool:
        """Whether an event is counted."""
        return event in _SEEN

    def hear(self, event: str, fields: Mapping[str, Any]) -> None:
        """Count one event."""
        _SEEN[event](self, fields)


def _slot(state: str) -> Callable[[Tally, Mapping[str, Any]], None]:
    def count(tally: Tally, fields: Mapping[str, Any]) -> None:
        tally.slots[fields["schedule"], state, fields.get("reason") or ""] += 1
        if state == "success":
            tally.took.add(fields["took_seconds"])

    return count


def _held(tally: Tally, fields: Mapping[str, Any]) -> None:
    if fields.get("level") != "debug":  # a look that found what was told before
        tally.slots[fields["schedule"], "held", fields["reason"]] += 1


def _decided(tally: Tally, fields: Mapping[str, Any]) -> None:
    key = (fields["schedule"], fields["decision"], fields["reason"] or "")
    tally.slots[key] += fields["count"]


def _request(tally: Tally, fields: Mapping[str, Any]) -> None:
    tally.requests[fields["wallet"], fields["method"], fields["outcome"]] += 1


def _claimed(tally: Tally, fields: Mapping[str, Any]) -> None:
    tally.lateness.add(fields["late_seconds"])


def _grant_failed(tally: Tally, fields: Mapping[str, Any]) -> None:
    tally.grant_failures[fields["session"]] += 1


def _skewed(tally: Tally, fields: Mapping[str, Any]) -> None:
    tally.skewed[fields["venue"]] = fields["level"]


def _agrees(tally: Tally, fields: Mapping[str, Any]) -> None:
    tally.skewed.pop(fields["venue"], None)


def _refused(tally: Tally, _: Mapping[str, Any]) -> None:
    tally.refused = True


def _reloaded(tally: Tally, _: Mapping[str, Any]) -> None:
    tally.refused = False


_SEEN: Final[Mapping[str, Callable[[Tally, Mapping[str, Any]], None]]] = {
    **{f"run.{state}": _slot(state) for state in CLOSED},
    "run.held": _held,
    "run.claimed": _claimed,
    "occurrence.decided": _decided,
    "wallet.request": _request,
    "grant.failed": _grant_failed,
    "clock.skewed": _skewed,
    "clock.agrees": _agrees,
    "chain.unreachable": lambda tally, fields: tally.unreachable.add(fields["venue"]),
    "chain.reachable": lambda tally, fields: tally.unreachable.discard(fields["venue"]),
    "daemon.armed": lambda tally, _: tally.armed.set(),
    "policies.refused": _refused,
    "policies.reloaded": _reloaded,
    "policies.unchanged": _reloaded,
}
