"""
What must hold before a run is signed: the conditions of `require`, on the frozen calls (B4).

Pure: balances are read by the caller. What cannot be decoded does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from runner.errors import EncodingError
from runner.ethereum.abi import Function, decode_call, parse_function
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.units import format_units
from runner.guard.intent import NATIVE
from runner.policy.model import (
    ArgumentRequirement,
    BalanceRequirement,
    Comparison,
    Requirement,
)

Held = Mapping[tuple[Address, str], int]
"""Base units by holder and token address (or `native`)."""


def balances_needed(
    requirements: Iterable[Requirement], account: Address
) -> frozenset[tuple[Address, str]]:
    """The balances that decide about these conditions."""
    return frozenset(
        (one.of or account, one.at_least.asset.address or NATIVE)
        for one in requirements
        if isinstance(one, BalanceRequirement)
    )


def broken(
    requirements: Sequence[Requirement], calls: Sequence[Call], *, account: Address, held: Held
) -> Iterator[str]:
    """
    Every condition that does not hold, in words.

    Args:
        calls: The frozen intent.
        account: Who pays.
        held: The balances of `balances_needed`.
    """
    for one in requirements:
        if isinstance(one, BalanceRequirement):
            yield from _balance(one, account, held)
        else:
            yield from _argument(one, calls)


def _balance(one: BalanceRequirement, account: Address, held: Held) -> Iterator[str]:
    asset = one.at_least.asset
    has = held[one.of or account, asset.address or NATIVE]
    if has < one.at_least.amount:
        least = format_units(one.at_least.amount, asset.decimals)
        yield (
            f"{one.of_name or 'the account'} holds {format_units(has, asset.decimals)} "
            f"{asset.name}, at least {least} is required"
        )


def _argument(one: ArgumentRequirement, calls: Sequence[Call]) -> Iterator[str]:
    function = parse_function(one.function)
    name = function.inputs[one.position].name or f"argument {one.position}"
    for index, call in enumerate(calls):
        if call.data[:4] != function.selector:
            continue
        try:
            value = decode_call(function, call.data)[one.position]
        except EncodingError as error:
            yield f"calls[{index}]: {error.what}"
            continue
        for comparison, bound in one.tests:
            if not _HOLDS[comparison](value, bound):
                asked = f"{_WORDS[comparison]} {_shown(bound)}"
                yield f"calls[{index}] {_named(function)}: {name} is {_shown(value)}, not {asked}"


_HOLDS: Final[Mapping[Comparison, Callable[[Any, Any], bool]]] = {
    Comparison.EQUALS: lambda value, bound: _plain(value) == _plain(bound),
    Comparison.NOT: lambda value, bound: _plain(value) != _plain(bound),
    Comparison.IN: lambda value, bound: _plain(value) in [_plain(one) for one in bound],
    Comparison.ABOVE: lambda value, bound: bool(value > bound),
    Comparison.AT_LEAST: lambda value, bound: bool(value >= bound),
    Comparison.BELOW: lambda value, bound: bool(value < bound),
    Comparison.AT_MOST: lambda value, bound: bool(value <= bound),
}

_WORDS: Final[Mapping[Comparison, str]] = {
    Comparison.EQUALS: "equal to",
    Comparison.NOT: "other than",
    Comparison.IN: "one of",
    Comparison.ABOVE: "more than",
    Comparison.AT_LEAST: "at least",
    Comparison.BELOW: "less than",
    Comparison.AT_MOST: "at most",
}


def _plain(value: Any) -> Any:
    """Lists and tuples of the ABI compare by what they hold."""
    return tuple(_plain(one) for one in value) if isinstance(value, list | tuple) else value


def _named(function: Function) -> str:
    return function.signature.partition("(")[0]


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_shown(one) for one in value) + "]"
    return str(value)
