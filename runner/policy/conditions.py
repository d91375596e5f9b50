"""
Reading `blackout` and `require`: when nothing is paid, and what must hold before anything is.

Source: rules B1, B4.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, Literal, cast

from runner.ethereum.abi import Function
from runner.ethereum.abi_types import IntegerType, parse_type
from runner.policy.arguments import WRONG, ArgumentsReader
from runner.policy.books import Books
from runner.policy.codes import Code
from runner.policy.faults import Refusal, article, did_you_mean, shown
from runner.policy.language import ARGUMENT, BALANCE, BLACKOUT, REQUIRE
from runner.policy.model import (
    ArgumentRequirement,
    BalanceRequirement,
    Blackout,
    Comparison,
    Cron,
    DatedBlackout,
    Fold,
    Gap,
    RecurringBlackout,
    Requirement,
)
from runner.policy.nodes import Node
from runner.policy.reader import Reader
from runner.policy.record import Record
from runner.policy.scalars import choice, parse_duration, parse_instant, parse_zone
from runner.policy.signatures import parse_signature

_DAY = timedelta(days=1)
_ORDERED = frozenset({Comparison.ABOVE, Comparison.AT_LEAST, Comparison.BELOW, Comparison.AT_MOST})

CronReader = Callable[[Node], str]
"""Reads the value of a key `cron`; reports what is wrong with it."""


def read_blackouts(
    reader: Reader, node: Node, zone: str | None, read_cron: CronReader
) -> tuple[Blackout, ...]:
    """
    Read the list below `blackout`.

    Args:
        zone: Where its times are read if a span names none.
    """
    sequence = reader.sequence(node)
    if sequence is None:
        return ()
    if not sequence.items:
        reader.fault(Code.EMPTY, "the list is empty", node, "delete the key instead")
    found = (_blackout(reader, item, zone, read_cron) for item in sequence)
    return tuple(one for one in found if one is not None)


def _blackout(
    reader: Reader, item: Node, outer: str | None, read_cron: CronReader
) -> Blackout | None:
    record = reader.record(item, BLACKOUT)
    if record is None:
        return None
    zone = record.read("timezone", parse_zone, outer)
    action = cast("Literal['defer', 'skip']", record.read("action", _action, "defer"))
    recurring = [key for key in ("cron", "for") if key in record]
    dated = [key for key in ("from", "until") if key in record]
    if len(recurring) + len(dated) != 2 or (recurring and dated):
        if record.misspelt:
            return None
        at = record.mapping.entries[dated[0]][0] if recurring and dated else record.place
        hint = "write `cron` and `for`, or `from` and `until`"
        reader.fault(Code.BAD_BLACKOUT, "a blackout has one beginning and one end", at, hint)
        return None
    if zone is None and not record.lacks("timezone"):
        zone = "UTC"  # reported
    if recurring:
        lasts = record.read("for", parse_duration, _DAY)
        expression = read_cron(record.fields["cron"])
        if zone is None:
            what, hint = "a cron needs a time zone", "add `timezone: Europe/Berlin`"
            reader.fault(Code.NO_TIMEZONE, what, record.fields["cron"], hint)
            return None
        return RecurringBlackout(Cron(expression, zone, None, Gap.SHIFT, Fold.FIRST), lasts, action)
    begin = record.read("from", lambda text: _moment(text, zone, after=timedelta()), None)
    beyond = zone if begin is not None else zone or "UTC"  # a zone is asked for once
    end = record.read("until", lambda text: _moment(text, beyond, after=_DAY), None)
    if begin is None or end is None:
        return None
    if end <= begin:
        what, hint = "`until` is not after `from`", "check both"
        reader.fault(Code.END_BEFORE_START, what, record.fields["until"], hint)
        return None
    return DatedBlackout(begin, end, action)


def _action(text: str) -> str:
    return choice(text, ("defer", "skip"))


def _moment(text: str, zone: str | None, *, after: timedelta) -> datetime:
    """Read an instant; or a date: its midnight, or the midnight `after` it."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return parse_instant(text, zone, Gap.SHIFT, Fold.FIRST)
    if zone is None:
        what = f"{shown(text)} begins and ends at other instants in each time zone"
        raise Refusal(Code.NO_TIMEZONE, what, "add `timezone: Europe/Berlin`")
    try:
        day = date.fromisoformat(text) + after
    except (ValueError, OverflowError) as error:
        hint = "write it like 2026-12-24"
        raise Refusal(Code.NOT_A_DATE, f"{shown(text)}: {error}", hint) from None
    return parse_instant(f"{day.isoformat()}T00:00", zone, Gap.SHIFT, Fold.FIRST)


class RequirementsReader:
    """Reads the list below `require` of one schedule, whose account lives on `chain`."""

    def __init__(self, reader: Reader, books: Books, chain: int | None) -> None:
        self.reader = reader
        self.books = books
        self.chain = chain
        self.arguments = ArgumentsReader(reader, books, chain)

    def read(self, node: Node) -> tuple[Requirement, ...]:
        """Read all of them."""
        sequence = self.reader.sequence(node)
        if sequence is None:
            return ()
        if not sequence.items:
            self.reader.fault(Code.EMPTY, "the list is empty", node, "delete the key instead")
        return tuple(found for item in sequence for found in self._item(item))

    def _item(self, item: Node) -> Iterator[Requirement]:
        record = self.reader.record(item, REQUIRE)
        if record is None:
            return
        if len(record.mapping.entries) != 1 and not record.misspelt:
            keys = list(record.mapping.entries.values())
            at = keys[1][0] if keys else record.mapping
            hint = "begin each condition with its own `- `"
            self.reader.fault(Code.BAD_CONDITION, "one condition an item", at, hint)
        for kind, value in record.fields.items():
            level = BALANCE if kind == "balance" else ARGUMENT
            inner = self.reader.record(value, level)
            if inner is not None:
                yield from self._balance(inner) if kind == "balance" else self._argument(inner)

    def _balance(self, record: Record) -> Iterator[Requirement]:
        at_least = record.get("at_least")
        if at_least is None:
            return
        of = record.get("of")
        address, name = (None, None) if of is None else self.books.party(of, self.chain)
        money = self.books.money(at_least, self.chain)
        if money.amount >= 0:
            yield BalanceRequirement(address, name, money)

    def _argument(self, record: Record) -> Iterator[Requirement]:
        written = record.get("function")
        function = None if written is None else self.reader.read(written, parse_signature, None)
        if function is None or record.get("name") is None:
            return
        signature, parsed = function
        position = record.read("name", lambda text: _position(text, parsed), None)
        tests = [each for each in Comparison if each.value in record]
        if not tests and not record.misspelt:
            what = "the condition compares with nothing"
            hint = "add equals, not, in, above, at_least, below or at_most"
            self.reader.fault(Code.BAD_CONDITION, what, record.place, hint)
        if position is None:
            return
        compared = []
        for each in tests:
            value = self._compared(each, parsed, position, record.fields[each.value])
            if value is WRONG:
                return
            compared.append((each, value))
        yield ArgumentRequirement(signature, position, tuple(compared))

    def _compared(self, test: Comparison, function: Function, position: int, node: Node) -> Any:
        kind = parse_type(function.inputs[position].type)
        if test in _ORDERED and not isinstance(kind, IntegerType):
            what = f"`{test}` compares numbers, and this argument is {article(kind.name)}"
            self.reader.fault(Code.BAD_CONDITION, what, node.key or node, "write equals, not or in")
            return WRONG
        if test is not Comparison.IN:
            return self.arguments.value(kind, node)
        sequence = self.reader.sequence(node)
        if sequence is None:
            return WRONG
        if not sequence.items:
            what = "no value is in an empty list: nothing would ever be paid"
            self.reader.fault(Code.EMPTY, what, node, "name the values")
        values = [self.arguments.value(kind, item) for item in sequence]
        return WRONG if any(value is WRONG for value in values) else tuple(values)


def _position(text: str, function: Function) -> int:
    names = [parameter.name or str(place) for place, parameter in enumerate(function.inputs)]
    if text in names:
        return names.index(text)
    if text.isdigit() and len(text) < 4 and int(text) < len(names):
        return int(text)
    hint = did_you_mean(text, names, "parameters")
    what = f"the function has no parameter {shown(text)}"
    raise Refusal(Code.WRONG_ARGUMENTS, what, hint)
