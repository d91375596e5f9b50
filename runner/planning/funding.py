"""
B11: does what is there last? Balance less the planned slots in their order, and the first one that
it does not cover.

Pure. Slots are counted, not listed: what falls due each second for days costs no more than what
falls due once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from runner.frozen import frozen

_SECOND = timedelta(seconds=1)


@frozen
class Planned:
    """
    What one schedule takes of an account.

    Attributes:
        most: By token address or `native`, the most that one of its runs takes, its fee included
            unless somebody sponsors it.
        open: How many of its runs may still move what the balance does not show.
        due: How many of its slots fall due from now up to and with a moment.
    """

    schedule: str
    most: Mapping[str, int]
    open: int
    due: Callable[[datetime], int]


@frozen
class Shortfall:
    """The first slot that is not covered: what it needs of a token, and what is there by then."""

    schedule: str
    due_at: datetime
    token: str
    needs: int
    has: int


def first_shortfall(
    planned: Sequence[Planned], held: Mapping[str, int], *, now: datetime, until: datetime
) -> Shortfall | None:
    """
    The first slot in (now, until] that the balances do not cover; None: all are covered.

    Args:
        held: By token; a token that is not among them was not looked at.
    """
    found = [
        one
        for token, balance in held.items()
        if (one := _of_token(planned, token, balance, now, until)) is not None
    ]
    return min(found, key=lambda one: (one.due_at, one.token), default=None)


def _of_token(
    planned: Sequence[Planned], token: str, balance: int, now: datetime, until: datetime
) -> Shortfall | None:
    spenders = [one for one in planned if one.most.get(token)]

    def needed(moment: datetime | None) -> int:
        due = (one.open + (0 if moment is None else one.due(moment)) for one in spenders)
        return sum(one.most[token] * count for one, count in zip(spenders, due, strict=True))

    if needed(until) <= balance:
        return None
    begin, end = now, until  # covered up to and with `begin`, not up to `end`
    while end - begin > _SECOND:
        middle = begin + (end - begin) / 2
        begin, end = (middle, end) if needed(middle) <= balance else (begin, middle)
    left = balance - needed(begin if begin > now else None)
    for one in spenders:
        for _ in range(one.due(end) - (one.due(begin) if begin > now else 0)):
            if one.most[token] > left:
                return Shortfall(one.schedule, end, token, one.most[token], max(left, 0))
            left -= one.most[token]
    # What is open already is more than there is: it is the first that stands in line.
    first = spenders[0]
    return Shortfall(first.schedule, end, token, first.most[token], max(left, 0))
