"""
What schedules of one file say alike is read once.

A book of thousands of schedules says a few things again and again: the session, the zone, a time
of day, a receiver and an amount. What is read of a text follows from the text, from its key, and
from what the whole file has in common; from where it stands follow messages and marks alone. So
whoever finds the same text again takes what came out the first time, if nothing was found wrong
with it then, and gives it its own marks. Whatever has a fault or a warning is read each time anew.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from runner.frozen import frozen
from runner.policy.faults import Faults
from runner.policy.nodes import Mapping, Node, Scalar
from runner.policy.record import Record

T = TypeVar("T")

_PLACELESS = frozenset(
    {
        *("session", "timezone", "dst_gap", "dst_fold", "day_match"),
        *("catch_up", "catch_up_window", "catch_up_rate", "start_grace", "late_after"),
        *("start_at", "end_at", "anchor", "max_runs", "jitter", "overlap", "run_deadline"),
        *("retry_on_revert", "pause_after_failures", "on_budget", "suspend", "approval_lead"),
        *("max_time_since_success", "max_runtime", "ping"),
    }
)
"""Keys of a schedule whose values, once read, do not know where they stood."""


@frozen
class Told:
    """How much was found wrong at one moment."""

    errors: int
    warnings: int


class Alike:
    """What was read of one file, by what was said."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._known: dict[Hashable, Any] = {}

    @property
    def told(self) -> Told:
        """To be handed to `keep` behind the reading."""
        return Told(len(self._faults.errors), len(self._faults.warnings))

    def get(self, said: Hashable | None) -> Any:
        """What was read of it before; None: nothing that could be taken again."""
        return None if said is None else self._known.get(said)

    def keep(self, said: Hashable | None, read: object, since: Told) -> None:
        """Remember what was read, if nothing has been found wrong meanwhile."""
        if said is not None and self.told == since and not self._faults.full:
            self._known[said] = read

    def once(self, said: Hashable | None, read: Callable[[], T]) -> T:
        """Read it, unless it is known what comes out."""
        known: T | None = self.get(said)
        if known is not None:
            return known
        since, found = self.told, read()
        self.keep(said, found, since)
        return found


def said_of(value: Node) -> Hashable | None:
    """The text of a plain value and how it is quoted; None: it is no such value."""
    if type(value) is not Scalar or value.broken or value.tail or value.source.suspicious:
        return None
    return value.text if value.style is None else (value.style, value.text)


def terms_said(record: Record, apart: frozenset[str]) -> Hashable | None:
    """
    All that a schedule says but the values of the keys `apart`; None where more than a text says
    it, or what is read of it knows its place.
    """
    mapping = record.mapping
    if mapping.partial or mapping.broken or record.strays:
        return None
    said: list[Hashable] = []
    for text, (key, value) in mapping.entries.items():
        if key.broken:
            return None
        said.append(text)
        if text in apart:
            continue
        what = said_of(value) if text in _PLACELESS else None
        if what is None:
            return None
        said.append(what)
    return tuple(said)


def pairs_of(node: Node) -> list[tuple[Scalar, Hashable]] | None:
    """The keys of a map with what stands behind each; None if it is no map of plain values."""
    if type(node) is not Mapping or node.partial or node.broken:
        return None
    found: list[tuple[Scalar, Hashable]] = []
    for key, value in node.entries.values():
        what = said_of(value)
        if what is None or key.broken:
            return None
        found.append((key, (key.text, what)))
    return found
