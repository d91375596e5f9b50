"""
Policy → digest: is it the one that was applied?

The digest covers what a policy means, not where it is written: marks, comments, order of keys and
the names of includes do not count, nor what it was called before.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any

from runner.errors import Mark
from runner.policy.model import At, Cron, Dates, Every, Policy, Schedule

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
    trigger = schedule.trigger
    start = "" if schedule.start_at is None else f" from {schedule.start_at.isoformat()}"
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


@cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    """The fields of a class that carry meaning."""
    return tuple(field.name for field in fields(kind) if field.name not in _PLACES)


def _plain(value: Any) -> Any:
    if value is None or type(value) in {str, int, bool}:
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mark):
        return None
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        plain = {name: _plain(getattr(value, name)) for name in _names(type(value))}
        return {"is": type(value).__name__, **plain}
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, datetime | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return str(value)
    return value
