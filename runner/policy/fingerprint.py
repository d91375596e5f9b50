"""
Policy → digest: is it the one that was applied?

The digest covers what a policy means, not where it is written: marks, comments, order of keys and
the names of includes do not count, nor what it was called before. What is not there, or as it is by
default, is left out, so that a key which the language gets later changes no policy without it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any

from runner.errors import Mark
from runner.policy.model import At, Cron, Dates, Every, Policy, Schedule, Trigger

_PLACES = frozenset(
    {
        *("mark", "trigger_mark", "permission_marks", "lifetime_mark"),
        *("warnings", "written", "file", "first_name"),
    }
)


def fingerprint(policy: Policy) -> str:
    """The first 16 bytes of SHA-256 over the policy's meaning, as hex."""
    text = json.dumps(_plain(policy), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def trigger_text(schedule: Schedule) -> str:
    """
    A trigger in one line. While it stays the same, a schedule keeps anchor and place (T10).

    `start_at` belongs to it, since an `every` counts from there; `end_at` and the number of runs
    do not move any slot.
    """
    return _trigger_text(schedule.trigger, schedule.start_at)


@lru_cache(maxsize=4096)
def _trigger_text(trigger: Trigger, start_at: datetime | None) -> str:
    start = "" if start_at is None else f" from {start_at.isoformat()}"
    match trigger:
        case Cron():
            match_by = f" days {trigger.day_match}" if trigger.day_match else ""
            return (
                f"cron {trigger.expression} {trigger.timezone}{match_by} "
                f"gap {trigger.gap} fold {trigger.fold}{start}"
            )
        case Every():
            anchor = "" if trigger.anchor is None else f" anchor {trigger.anchor.isoformat()}"
            return f"every {int(trigger.period.total_seconds())}s{anchor}{start}"
        case At():
            return f"at {trigger.instant.isoformat()}{start}"
        case Dates():
            days = [wall.isoformat() for wall in trigger.listed]
            days += [json.dumps(_plain(rule), sort_keys=True) for rule in trigger.rules]
            return (
                f"dates {' '.join(days)} {trigger.timezone} "
                f"gap {trigger.gap} fold {trigger.fold}{start}"
            )


def _plain(value: Any) -> Any:
    """A value as JSON has it. There are a million of them in a large policy, of a few kinds."""
    kind: Any = type(value)
    return _reader(kind)(value)


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """How values of one kind are written."""
    if issubclass(kind, Enum):
        return lambda member: member.value
    if issubclass(kind, Mark):
        return lambda _mark: None
    if issubclass(kind, tuple | list):
        return lambda items: [_plain(item) for item in items]
    if issubclass(kind, frozenset):
        return lambda members: sorted(_plain(member) for member in members)
    if issubclass(kind, dict):
        return lambda members: {str(key): _plain(item) for key, item in members.items()}
    if is_dataclass(kind):
        return _members_of(kind)
    if issubclass(kind, bytes):
        return lambda raw: "0x" + raw.hex()
    if issubclass(kind, datetime | time):
        return lambda moment: moment.isoformat()
    if issubclass(kind, timedelta):
        return timedelta.total_seconds
    if issubclass(kind, Decimal):
        return str
    return _as_it_is


def _members_of(kind: Any) -> Callable[[Any], Any]:
    """The fields of a class that carry meaning."""
    name = kind.__name__
    members = tuple(
        (field.name, field.default) for field in fields(kind) if field.name not in _PLACES
    )
    # One name more than there are: of a single one the getter makes no tuple.
    values_of = attrgetter(*(each for each, _ in members), "__class__") if members else _nothing

    def read(value: Any) -> dict[str, Any]:
        plain: dict[str, Any] = {"is": name}
        for (each, default), member in zip(members, values_of(value), strict=False):
            if member is default:
                continue
            its: Any = type(member)
            if member == default if its is type(default) else member is None and default is MISSING:
                continue
            plain[each] = member if its in _AS_IT_IS else _reader(its)(member)
        return plain

    return read


def _nothing(_value: Any) -> tuple[()]:
    return ()


def _as_it_is(value: Any) -> Any:
    return value


_AS_IT_IS = frozenset({str, int, bool, type(None)})
