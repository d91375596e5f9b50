"""
Who hears what: each event goes to those whom it concerns, and to nobody else.

A payment tells of six steps, and most of them concern a counter alone: what nobody wants to hear
must cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from runner.ports import Telemetry


class Hearer(Protocol):
    """Someone who wants to know of some events."""

    def concerns(self, event: str, level: str) -> bool:
        """Whether an event is for it; the same answer at all times."""
        ...

    def hear(self, event: str, fields: Mapping[str, Any]) -> None:
        """Take notice of an event; its fields are everybody's, and stay as they are."""
        ...


class Audience:
    """Implements `ports.Telemetry` for all that hear, in their order."""

    def __init__(self, *hearers: Hearer) -> None:
        self._hearers = hearers
        self._concerned: dict[tuple[str, str], tuple[Callable[..., None], ...]] = {}

    @classmethod
    def of(cls, telemetry: Telemetry, *hearers: Hearer) -> Audience:
        """Some more beside whoever hears already, after them."""
        before = telemetry._hearers if isinstance(telemetry, Audience) else (_Whole(telemetry),)
        return cls(*before, *hearers)

    def emit(self, event: str, **fields: Any) -> None:
        """One event a step; `level` among the fields is its severity, info if absent."""
        level = fields.get("level", "info")
        concerned = self._concerned.get((event, level))
        if concerned is None:
            concerned = tuple(one.hear for one in self._hearers if one.concerns(event, level))
            self._concerned[event, level] = concerned
        for hear in concerned:
            hear(event, fields)


class _Whole:
    """Another telemetry, which chooses by itself."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def concerns(self, _event: str, _level: str) -> bool:
        return True

    def hear(self, event: str, fields: Mapping[str, Any]) -> None:
        self._telemetry.emit(event, **fields)
