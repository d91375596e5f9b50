"""
Policy → digest: is it the one that was applied?

The digest covers what a policy means, not where it is written: marks, comments, order of keys and
the names of includes do not count, nor what it was called before. What is not there, or as it is by
default, is left out, so that a key which the language gets later changes no policy without it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from operator import attrgetter, itemgetter
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
    text = _WRITERS[Policy](policy, {})
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


Texts = dict[int, str]
"""What was written of a policy so far, by the value's identity: many payments share an asset."""

Write = Callable[[Any, Texts], str]


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    return json.loads(_WRITERS[type(value)](value, {}))


class _Writers(dict[Any, Write]):
    """
    How values of one kind become canonical JSON: keys sorted, no blanks, nothing but ASCII.

    There are a million values in a large policy, of a few kinds. They become text at once: to make
    a tree of them for `json` to write takes three times as long.
    """

    def __missing__(self, kind: Any) -> Write:
        made = self[kind] = _writer(kind)
        return made


def _writer(kind: Any) -> Write:
    if issubclass(kind, Enum):
        texts = {member: _canonical(member.value) for member in kind}
        return lambda member, _known: texts[member]
    if issubclass(kind, Mark):
        return lambda _mark, _known: "null"
    if issubclass(kind, tuple | list):
        return _items
    if issubclass(kind, frozenset):
        return lambda members, _known: _canonical(sorted(map(_plain, members)))
    if issubclass(kind, dict):
        return _entries
    if is_dataclass(kind):
        return _members_of(kind)
    if issubclass(kind, str):
        return lambda text, _known: encode_basestring_ascii(text)
    if issubclass(kind, bytes):
        return lambda raw, _known: f'"0x{raw.hex()}"'
    if issubclass(kind, datetime | time):
        return lambda moment, _known: f'"{moment.isoformat()}"'
    if issubclass(kind, timedelta):
        return lambda span, _known: _span(span)
    if issubclass(kind, Decimal):
        return lambda number, _known: f'"{number}"'
    if issubclass(kind, int) and kind is not bool:
        return lambda number, _known: int.__repr__(number)
    return lambda value, _known: _canonical(value)


def _items(items: Sequence[Any], known: Texts) -> str:
    return f"[{','.join([_WRITERS[type(item)](item, known) for item in items])}]"


def _entries(members: Mapping[Any, Any], known: Texts) -> str:
    named = sorted(((str(key), item) for key, item in members.items()), key=itemgetter(0))
    each = [
        f"{encode_basestring_ascii(name)}:{_WRITERS[type(item)](item, known)}"
        for name, item in named
    ]
    return f"{{{','.join(each)}}}"


@lru_cache(maxsize=1024)
def _span(span: timedelta) -> str:
    return _canonical(span.total_seconds())


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _members_of(kind: Any) -> Write:
    """The fields of a class that carry meaning, and the class itself, by their names."""
    named = {one.name: one.default for one in fields(kind) if one.name not in _PLACES}
    names = sorted([*named, "is"])
    values_of = attrgetter(*("__class__" if name == "is" else name for name in names), "__class__")
    keys = [f"{encode_basestring_ascii(name)}:" for name in names]
    defaults = [named.get(name, MISSING) for name in names]
    kinds = [type(default) for default in defaults]

    def write(value: Any, known: Texts) -> str:
        text = known.get(id(value))
        if text is not None:
            return text
        parts = [
            key + _WRITERS[type(member)](member, known)
            for key, default, usual, member in zip(
                keys, defaults, kinds, values_of(value), strict=False
            )
            if member is not default
            and (member is not None or default is not MISSING)
            and (type(member) is not usual or member != default)
        ]
        text = known[id(value)] = f"{{{','.join(parts)}}}"
        return text

    return write


_WRITERS = _Writers()
_WRITERS[type] = lambda kind, _known: f'"{kind.__name__}"'
_WRITERS[bool] = lambda flag, _known: "true" if flag else "false"
_WRITERS[type(None)] = lambda _none, _known: "null"
