"""
What people and machines see happening, by structlog.

On a terminal: one calm line an event, in words. In a pipe: one JSON object a line, with run ids.
Secrets are kept out at the source; as a second fence, anything that looks like a private key or
an API key under a telling name is blanked before it is written.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any, TextIO

import structlog

from runner.adapters.wording import sentence
from runner.planning.facts import SCHEDULE, SESSION
from runner.planning.renames import Named
from runner.ports import Telemetry

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_TELLING = re.compile(r"(secret|private|password|passphrase|api_?key|token_value|mnemonic|context)")


class StructlogTelemetry:
    """Implements `ports.Telemetry`. `people` chooses words instead of JSON."""

    def __init__(
        self,
        *,
        people: bool,
        level: str = "info",
        stream: TextIO | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._now = now
        self._least = _LEVELS[level]
        out = stream or sys.stderr
        colour = people and out.isatty() and "NO_COLOR" not in os.environ
        # Bound once: what `wrap_logger` answers would bind anew for every event.
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(file=out),
            processors=[_redact, _people(colour=colour) if people else _json],
            wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
            cache_logger_on_first_use=False,
        ).bind()

    def emit(self, event: str, **fields: Any) -> None:
        """One event a step; `level` among the fields is its severity, info if absent."""
        if self.concerns(event, fields.get("level", "info")):
            self.hear(event, fields)

    def concerns(self, _event: str, level: str) -> bool:
        """Whether it is loud enough."""
        return _LEVELS[level] >= self._least

    def hear(self, event: str, fields: Mapping[str, Any]) -> None:
        """Write a line."""
        told = {**fields, "severity": fields.get("level", "info"), "at": self._now()}
        told.pop("level", None)
        self._log.log(_LEVELS[told["severity"]], event, **told)


def renamed(telemetry: Telemetry, named: Iterable[Named]) -> Telemetry:
    """Telemetry that tells of schedules and sessions by today's names (T10)."""
    names = {(one.kind, one.uid): one.name for one in named if one.name != one.uid}
    return _Renamed(telemetry, names) if names else telemetry


class _Renamed:
    """Telemetry that tells of schedules and sessions by today's names (T10)."""

    def __init__(self, telemetry: Telemetry, names: Mapping[tuple[str, str], str]) -> None:
        self._telemetry = telemetry
        self._names = names

    def emit(self, event: str, **fields: Any) -> None:
        """As it is told, save the uid of what was renamed."""
        for kind in (SCHEDULE, SESSION):
            if kind in fields:
                fields[kind] = self._names.get((kind, fields[kind]), fields[kind])
        self._telemetry.emit(event, **fields)


def _redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in event:
        if _tells(name):
            event[name] = "(not shown)"
    return event


@lru_cache(maxsize=1000)
def _tells(name: str) -> bool:
    return _TELLING.search(name) is not None


def _json(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    ordered = {"at": event.pop("at"), "level": event.pop("severity"), "event": event.pop("event")}
    present = {key: value for key, value in event.items() if value not in (None, [], ())}
    return _TEXT.encode(ordered | present)


def _people(*, colour: bool) -> Callable[[Any, str, MutableMapping[str, Any]], str]:
    def render(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
        return sentence(event, colour=colour)

    return render


def plain(value: Any) -> Any:
    """A value as JSON knows it: times in RFC 3339, amounts of records as decimal text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if is_dataclass(value) and not isinstance(value, type):
        return {
            name: str(each) if name == "amount" else each
            for name, each in zip(*_named(value), strict=True)
        }
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def _named(value: Any) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    names = _names(value.__class__)
    return names, tuple([getattr(value, name) for name in names])


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))


_TEXT = json.JSONEncoder(default=plain, separators=(",", ":"))
"""One for all lines: `json.dumps` makes one for each."""
