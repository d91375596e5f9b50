"""
Exposure: what a thief of a session's keys could take, over all grants that can still sign (R14).

The sum, per token, of what is left of their allowances. A grant counts until its end, whether its
key still exists or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from runner.ethereum.permissions import (
    AccountFunctions,
    ContractAccess,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    Permission,
    Root,
)
from runner.frozen import frozen
from runner.guard.intent import NATIVE

_AFTER = timedelta(seconds=1)
"""The second of expiry is still inside of a grant's life (F5)."""


@frozen
class Holding:
    """What is left of one grant's allowances, by token, until its end."""

    ends_at: datetime
    left: Mapping[str, int]


def fits_at(
    holdings: Sequence[Holding],
    *,
    wanted: Mapping[str, int],
    bounds: Mapping[str, int],
    now: datetime,
) -> datetime | None:
    """
    When one more grant fits beside those that there are.

    Args:
        holdings: Of grants that can still sign.
        wanted: The new grant's allowances, by token.
        bounds: The most that all may hold together; a token without a bound is not looked at.

    Returns:
        `now` if it fits at once, else after the end of those that are in its way; None if it
        does not fit even alone.
    """
    living = sorted((h for h in holdings if h.ends_at >= now), key=lambda each: each.ends_at)
    for index in range(len(living) + 1):
        rest = living[index:]
        if all(
            sum(one.left.get(token, 0) for one in rest) + wanted.get(token, 0) <= bound
            for token, bound in bounds.items()
        ):
            return now if index == 0 else living[index - 1].ends_at + _AFTER
    return None


def is_unbounded(permissions: Sequence[Permission], token: str) -> bool:
    """
    Whether a key may take of a token, or `native`, for which its permissions have no allowance.

    A key that may call any contract may send coin along without end, unless an allowance of the
    coin, be it 0, closes that.
    """
    for permission in permissions:
        match permission:
            case Root() | AccountFunctions() | FunctionsOnAllContracts():
                return True
            case ContractAccess(address) | FunctionsOnContract(address):
                if token in {NATIVE, address}:
                    return True
    return False
