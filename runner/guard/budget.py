"""
What may still be spent, by token and period: which rows of which budgets a run charges (B2, X14).

Pure: it names the budget, the period and the amount; the ledger adds up and refuses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from runner.guard.intent import NATIVE, TransferLine
from runner.policy.model import Limits, Money


@dataclass(frozen=True, slots=True)
class Reservation:
    """`amount` of `token` against one period of one budget, whose limit is `limit` (X14)."""

    budget: str
    period: str
    token: str
    amount: int
    limit: int


def spent_by_token(lines: Sequence[TransferLine]) -> dict[str, int]:
    """Sum per token; an approval counts in full (B7)."""
    sums: dict[str, int] = defaultdict(int)
    for line in lines:
        sums[line.token] += line.amount
    return dict(sums)


def reservations(
    scope: str, limits: Limits, lines: Sequence[TransferLine], *, due_at: datetime, run: str
) -> tuple[Reservation, ...]:
    """
    The reservations of one run under one set of limits.

    Args:
        scope: `session:policy/name` or `schedule:policy/name`: whose limits these are.
        due_at: The nominal time; a late run is charged to the period it was due in.
        run: The slot's name, so that `per_run` is a budget of its own for each.
    """
    sums = spent_by_token(lines)
    return tuple(
        Reservation(f"{scope}:{name}", period, token, sums[token], money.amount)
        for name, period, amounts in _periods(limits, due_at, run)
        for money in amounts
        if sums.get(token := money.asset.address or NATIVE)
    )


def _periods(
    limits: Limits, due_at: datetime, run: str
) -> Iterator[tuple[str, str, tuple[Money, ...]]]:
    local = due_at.astimezone(ZoneInfo(limits.timezone))
    year, week, _ = local.isocalendar()
    yield "per_run", run, limits.per_run
    yield "per_day", local.date().isoformat(), limits.per_day
    yield "per_week", f"{year}-W{week:02}", limits.per_week
    yield "per_month", f"{local:%Y-%m}", limits.per_month
