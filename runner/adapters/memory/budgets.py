"""Budgets in memory: what was reserved and spent of each, and whether more fits (X14, B3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner.guard.budget import Reservation

Period = tuple[str, str, str]
"""A budget, its period, and the token."""


@dataclass(slots=True)
class _Taken:
    reserved: int = 0
    spent: int = 0


@dataclass(slots=True)
class _Held:
    period: Period
    amount: int
    state: str = "reserved"


_NOTHING = _Taken()


class Budgets:
    """Periods of budgets, and what each run has taken of them."""

    def __init__(self) -> None:
        self._periods: dict[Period, _Taken] = {}
        self._held: dict[str, list[_Held]] = {}

    def fits(self, wanted: Sequence[Reservation]) -> bool:
        """Whether all of these reservations stay within their limits."""
        for one in wanted:
            taken = self._periods.get(_period(one), _NOTHING)
            if taken.reserved + taken.spent + one.amount > one.limit:
                return False
        return True

    def reserve(self, run: str, wanted: Sequence[Reservation]) -> None:
        """Take these amounts for a run; `fits` was asked just now."""
        for one in wanted:
            held = _Held(_period(one), one.amount)
            self._held.setdefault(run, []).append(held)
            self._periods.setdefault(held.period, _Taken()).reserved += one.amount

    def hand_on(self, run: str, following: str) -> None:
        """The next attempt of a run takes the same amounts (S4)."""
        kept = self._held.get(run, ())
        self.reserve(following, [Reservation(*one.period, one.amount, 0) for one in kept])

    def release(self, run: str) -> None:
        """Give back what a run reserved or had spent: it is closed without success."""
        self._shift(run, "released")

    def spend(self, run: str) -> None:
        """A run's reservation becomes spent: its payment is in a block."""
        self._shift(run, "spent")

    def unspend(self, run: str) -> None:
        """A reorganisation took the payment out of its block: reserved again."""
        self._shift(run, "reserved")

    def _shift(self, run: str, state: str) -> None:
        for one in self._held.get(run, ()):
            taken = self._periods[one.period]
            taken.reserved += one.amount * ((state == "reserved") - (one.state == "reserved"))
            taken.spent += one.amount * ((state == "spent") - (one.state == "spent"))
            one.state = state


def _period(one: Reservation) -> Period:
    return one.budget, one.period, one.token
