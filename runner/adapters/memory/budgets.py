"""Budgets in memory: what was reserved and spent of each, and whether more fits (X14, B3)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from runner.guard.budget import Budgets as Limits
from runner.guard.budget import Reservation, busiest, format_instant, parse_instant
from runner.records import Run
from runner.scheduling.occurrence import State

Account = tuple[str, str]
"""A budget and the token."""


@dataclass(slots=True)
class _Taken:
    reserved: int = 0
    spent: int = 0

    @property
    def all(self) -> int:
        return self.reserved + self.spent


@dataclass(slots=True)
class _Held:
    account: Account
    period: str
    amount: int
    state: str = "reserved"


class Budgets:
    """Periods of budgets, and what each run has taken of them."""

    def __init__(self) -> None:
        self._periods: dict[Account, dict[str, _Taken]] = {}
        self._order: dict[Account, list[str]] = {}
        """The periods of each in order; those of a rolling budget sort as their instants do."""

        self._held: dict[str, list[_Held]] = {}

    def fits(self, wanted: Sequence[Reservation]) -> bool:
        """Whether all of these reservations stay within their limits."""
        return all(self._taken(one) + one.amount <= one.limit for one in wanted)

    def used_up(self, one: Reservation, open_runs: Collection[str]) -> bool:
        """Whether a reservation will never fit again: what open runs hold may come back (B3)."""
        taken = self._taken(one)
        if taken + one.amount <= one.limit:
            return False
        still_open = sum(
            held.amount
            for run in open_runs
            for held in self._held.get(run, ())
            if held.account == _account(one)
            and held.period == one.period
            and held.state != "released"
        )
        return taken - still_open + one.amount > one.limit

    def reserve(self, run: str, wanted: Sequence[Reservation]) -> None:
        """Take these amounts for a run; `fits` was asked just now."""
        for one in wanted:
            self._hold(run, _Held(_account(one), one.period, one.amount))

    def exchange(self, run: str, wanted: Sequence[Reservation]) -> bool:
        """
        Put these reservations in the place of those that an unsigned run has.

        Returns:
            Whether they fit. If not, the run is left without any.
        """
        held = {(one.account, one.period): one.amount for one in self._reserved(run)}
        if held == {(_account(one), one.period): one.amount for one in wanted}:
            return True
        self.release(run)
        self._held.pop(run, None)
        if not self.fits(wanted):
            return False
        self.reserve(run, wanted)
        return True

    def _reserved(self, run: str) -> list[_Held]:
        return [one for one in self._held.get(run, ()) if one.state == "reserved"]

    def hand_on(self, run: str, following: str) -> None:
        """The next attempt of a run takes the same amounts (S4)."""
        for one in self._held.get(run, ()):
            self._hold(following, _Held(one.account, one.period, one.amount))

    def release(self, run: str) -> None:
        """Give back what a run reserved or had spent: it is closed without success."""
        self._shift(run, "released")

    def spend(self, run: str) -> None:
        """A run's reservation becomes spent: its payment is in a block."""
        self._shift(run, "spent")

    def unspend(self, run: str) -> None:
        """A reorganisation took the payment out of its block: reserved again."""
        self._shift(run, "reserved")

    def begin(
        self, limits: Sequence[Limits], history: Iterable[tuple[Run, dict[str, int]]]
    ) -> None:
        """
        A limit that is new counts what was paid before it was written; one that is gone is
        forgotten.

        Args:
            history: Runs that have paid, or still may, with what they move by token.
        """
        wanted = frozenset(account for one in limits for account in one.lasting())
        scopes = {scope: one for one in limits for scope in (one.own, one.shared)}
        known = {
            account
            for account in self._periods
            if account[0].rpartition(":")[0] in scopes and not account[0].endswith(":per_run")
        }
        for account in known - wanted:
            del self._periods[account]
            self._order.pop(account, None)
            for identity, held in self._held.items():
                self._held[identity] = [one for one in held if one.account != account]
        new = wanted - known
        for account in new:
            self._periods[account] = {}
        for run, by_token in history if new else ():
            for scope, one in scopes.items():
                if scope in (f"schedule:{run.schedule}", f"session:{run.session}"):
                    self._count(run, by_token, scope, one, new)

    def _count(
        self,
        run: Run,
        by_token: dict[str, int],
        scope: str,
        limits: Limits,
        new: Collection[Account],
    ) -> None:
        for one in limits.reservations(by_token, due_at=run.due_at, slot=run.id):
            if _account(one) in new and one.budget.rpartition(":")[0] == scope:
                state = "spent" if run.state is State.SUCCESS else "reserved"
                self._hold(run.id, _Held(_account(one), one.period, one.amount, state))

    def _hold(self, run: str, held: _Held) -> None:
        self._held.setdefault(run, []).append(held)
        periods = self._periods.setdefault(held.account, {})
        taken = periods.get(held.period)
        if taken is None:
            taken = periods[held.period] = _Taken()
            insort(self._order.setdefault(held.account, []), held.period)
        taken.reserved += held.amount * (held.state == "reserved")
        taken.spent += held.amount * (held.state == "spent")

    def _taken(self, one: Reservation) -> int:
        """What the period holds; of a rolling budget, the fullest window around the slot."""
        periods = self._periods.get(_account(one), {})
        if one.window is None:
            taken = periods.get(one.period)
            return 0 if taken is None else taken.all
        at, order = parse_instant(one.period), self._order.get(_account(one), [])
        first = bisect_right(order, format_instant(at - one.window))
        near = order[first : bisect_left(order, format_instant(at + one.window))]
        if not near or near[-1] <= one.period:  # the newest slot: one window holds them all
            return sum(periods[period].all for period in near)
        return busiest({parse_instant(p): periods[p].all for p in near}, at, one.window)

    def _shift(self, run: str, state: str) -> None:
        for one in self._held.get(run, ()):
            taken = self._periods[one.account][one.period]
            taken.reserved += one.amount * ((state == "reserved") - (one.state == "reserved"))
            taken.spent += one.amount * ((state == "spent") - (one.state == "spent"))
            one.state = state


def _account(one: Reservation) -> Account:
    return one.budget, one.token
