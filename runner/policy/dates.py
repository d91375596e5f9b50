"""
Reading `dates`: wall-clock times one by one, and rules that name a day of each month.

    dates: [2026-12-24T09:00, {last_business_day: "17:00"}]
    dates: {nth_weekday: {weekday: friday, nth: 2, time: "09:00"}}

Source: rule T7.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, time

from runner.policy.codes import Code
from runner.policy.faults import Refusal, did_you_mean, shown
from runner.policy.language import DATE_RULE, DATES
from runner.policy.model import (
    DateRule,
    Dates,
    Fold,
    Gap,
    LastBusinessDay,
    NearestWeekday,
    NthWeekday,
)
from runner.policy.nodes import Mapping, Node, Scalar
from runner.policy.reader import Reader
from runner.policy.record import Record
from runner.policy.scalars import YEARS, between

_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_ALL_MONTHS = tuple(range(1, 13))
_MIDNIGHT = time()
_NEEDS = {"nth_weekday": ("weekday", "nth"), "nearest_weekday": ("day",)}


class DatesReader:
    """Reads the trigger `dates` of one schedule."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.listed: dict[datetime, None] = {}
        self.rules: list[DateRule] = []

    def read(self, node: Node, zone: str, gap: Gap, fold: Fold) -> Dates:
        """Read a list of times and rules, or one map of rules."""
        if isinstance(node, Mapping):
            self._rules(node)
        elif (sequence := self.reader.sequence(node)) is not None:
            if not sequence.items:
                hint = "write at least one, as 2026-12-24T09:00"
                self.reader.fault(Code.EMPTY, "the list of dates is empty", node, hint)
            for item in sequence:
                if isinstance(item, Mapping):
                    self._rules(item)
                else:
                    self._listed(item)
        return Dates(tuple(sorted(self.listed)), tuple(self.rules), zone, gap, fold)

    def _listed(self, node: Node) -> None:
        wall = self.reader.read(node, parse_local, None)
        if wall is None:
            return
        if wall in self.listed:
            what = f"{shown(wall.isoformat())} is listed twice"
            self.reader.fault(Code.NOT_A_DATE, what, node, "delete one of them: it is paid once")
        self.listed[wall] = None

    def _rules(self, node: Mapping) -> None:
        record = self.reader.record(node, DATES)
        if record is None:
            return
        if not node.entries:
            what = "the rule is empty"
            self.reader.fault(Code.EMPTY, what, node, 'write {last_business_day: "17:00"}')
        for kind, value in record.fields.items():
            self.rules.extend(self._rule(kind, value))

    def _rule(self, kind: str, node: Node) -> Iterator[DateRule]:
        if kind == "last_business_day" and isinstance(node, Scalar):
            yield LastBusinessDay(self.reader.read(node, parse_time, _MIDNIGHT), _ALL_MONTHS)
            return
        record = self.reader.record(node, DATE_RULE)
        if record is None:
            return
        needed = _NEEDS.get(kind, ())
        for name in needed:
            if name not in record:
                record.missing(name)
        for name, (key, _) in record.mapping.entries.items():
            if name in ("weekday", "nth", "day") and name not in needed:
                what = f"`{kind}` has no key `{name}`"
                self.reader.fault(Code.UNKNOWN_KEY, what, key, "delete it")
        when = record.read("time", parse_time, _MIDNIGHT)
        months = self._months(record)
        match kind:
            case "nth_weekday":
                weekday = record.read("weekday", parse_weekday, 1)
                yield NthWeekday(weekday, record.read("nth", _parse_nth, 1), when, months)
            case "nearest_weekday":
                yield NearestWeekday(record.read("day", between(1, 31), 1), when, months)
            case _:
                yield LastBusinessDay(when, months)

    def _months(self, record: Record) -> tuple[int, ...]:
        node = record.get("months")
        sequence = None if node is None else self.reader.sequence(node)
        if sequence is None or node is None:
            return _ALL_MONTHS
        if not sequence.items:
            what = "the list of months is empty"
            self.reader.fault(Code.EMPTY, what, node, "name them, or delete the key for all")
        months = {self.reader.read(item, between(1, 12), 1) for item in sequence}
        return tuple(sorted(months)) or _ALL_MONTHS


def parse_local(text: str) -> datetime:
    """Read a date and a time of the wall clock, naive: no offset, whole seconds."""
    hint = "write it like 2026-12-24T09:00, read in the schedule's `timezone`"
    if not _LOCAL.fullmatch(text):
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            hint = f"add the time: {text}T09:00"
        elif text in DATES.keys:
            hint = f'write {{{text}: …}}, as {{last_business_day: "17:00"}}'
        elif _LOCAL.match(text):
            hint = f"a wall-clock time has no offset: write {text[:16]}, and name the `timezone`"
        raise Refusal(Code.NOT_A_DATE, f"{shown(text)} is not a date with a time", hint)
    try:
        wall = datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise Refusal(Code.NOT_A_DATE, f"{shown(text)}: {error}", hint) from None
    if wall.year not in YEARS:
        raise Refusal(Code.OUT_OF_RANGE, f"{shown(text)} is not between 2000 and 2199", hint)
    return wall


def parse_time(text: str) -> time:
    """Read a time of day: `09:00`, `17:30:15`."""
    match = _TIME.fullmatch(text)
    if match is None:
        hint = "write hours and minutes, as 09:00"
        raise Refusal(Code.NOT_A_TIME, f"{shown(text)} is not a time of day", hint)
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    if hour > 23 or minute > 59 or second > 59:
        what = f"{shown(text)} is not a time of day"
        raise Refusal(Code.NOT_A_TIME, what, "a day goes from 00:00 to 23:59")
    return time(hour, minute, second)


def parse_weekday(text: str) -> int:
    """Read a weekday: its name, its first three letters, or 0 to 7 as in cron (0, 7: Sunday)."""
    folded = text.lower()
    for number, name in enumerate(_WEEKDAYS):
        if folded in (name, name[:3], str(number)):
            return number
    if text == "7":
        return 0
    hint = did_you_mean(text, _WEEKDAYS, "weekdays")
    raise Refusal(Code.NOT_A_CHOICE, f"{shown(text)} is not a weekday", hint)


def _parse_nth(text: str) -> int:
    if text == "last":
        return -1
    if text in ("1", "2", "3", "4", "5"):
        return int(text)
    words = ("first", "second", "third", "fourth", "fifth")
    hint = "write 1, 2, 3, 4, 5 or last"
    if text in words:
        hint = f"write {words.index(text) + 1}"
    raise Refusal(Code.NOT_A_CHOICE, f"{shown(text)} is not 1 to 5, nor last", hint)
