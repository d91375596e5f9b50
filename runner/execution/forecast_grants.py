"""
The grants of a session as a forecast has them: one generation after the other, on time.

What refuses or fails is not foreseen; what a renewal costs in time is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile

from runner.execution.contexts import ScheduleContext, SessionContext, allowances
from runner.guard.intent import NATIVE
from runner.planning.exposure import Holding, fits_at
from runner.planning.renewal import may_serve, renewal_at
from runner.reporting.foresight.model import Allowance

_ACTIVATION = timedelta(seconds=1)
"""How long an activation takes where a block comes each second."""


@dataclass(slots=True)
class Generation:
    """A grant: its times, and what runs have taken of its allowances (by token)."""

    number: int
    requested_at: datetime
    active_at: datetime
    expires_at: datetime
    renewal_at: datetime
    served_until: datetime | None = None
    taken: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class SessionForecast:
    """
    A session's generations, one after the other.

    Args:
        is_over: Whether nothing needs the session any more at a moment (T9).
    """

    def __init__(
        self, context: SessionContext, *, now: datetime, is_over: Callable[[datetime], bool]
    ) -> None:
        self.context = context
        self._is_over = is_over
        self._allowances = allowances(context.permissions)
        self._renews = context.spec.renew == "auto"
        self._changed_at = now
        self.generations = [self._generation(1, now)]

    @property
    def newest(self) -> Generation:
        """The generation that was asked for last."""
        return self.generations[-1]

    def renew_up_to(self, now: datetime) -> None:
        """Obtain every generation that is due by a moment, and fits (R14)."""
        while self._renews and self.newest.renewal_at <= now:
            at = self._free_at(max(self.newest.renewal_at, self._changed_at))
            if at > now or self._is_over(at):
                return
            self._renew(at)

    def take(self, one: Generation, sums: Mapping[str, int], now: datetime) -> None:
        """A run spends this much of a generation's allowances."""
        for token, amount in sums.items():
            one.taken[token] += amount
        self._changed_at = now

    def carrier(
        self, room: timedelta, sums: Mapping[str, int], now: datetime
    ) -> tuple[Generation | None, datetime]:
        """
        The generation that carries a run, and from when on (R6, B6).

        Where only an allowance is too small, the next generation is asked for at once (R2).
        """
        self.renew_up_to(now)
        serving = self._serving(now)
        if serving is not None and self._lasts(serving, room, now) and self._holds(serving, sums):
            return serving, now
        if serving is self.newest and self._renews:
            life = serving.expires_at - serving.requested_at
            self._renew(self._free_at(max(now, serving.requested_at + life / 10)))
        coming = self.newest
        if coming.active_at <= now or not self._holds(coming, sums):
            return None, now
        return coming, coming.active_at

    def serves(self, now: datetime) -> bool:
        """Whether any generation serves at this moment, whatever is left of it."""
        return self._serving(now) is not None

    def _serving(self, now: datetime) -> Generation | None:
        for one in reversed(self.generations):
            if one.active_at <= now:
                return one if now <= one.expires_at else None
        return None

    @staticmethod
    def _lasts(one: Generation, room: timedelta, now: datetime) -> bool:
        return may_serve(expires_at=one.expires_at, now=now, run_room=room)

    def _holds(self, one: Generation, sums: Mapping[str, int]) -> bool:
        return all(
            one.taken[token] + sums.get(token, 0) <= most
            for token, most in self._allowances.items()
        )

    def _free_at(self, at: datetime) -> datetime:
        """When the next generation fits beside those that can still sign (R14), from then on."""
        context, wanted = self.context, self._allowances
        written = context.max_exposure
        usual = {token: 2 * amount for token, amount in wanted.items() if token not in written}
        holdings = [
            Holding(one.expires_at, {t: max(wanted[t] - one.taken[t], 0) for t in wanted})
            for one in takewhile(lambda one: one.expires_at >= at, reversed(self.generations))
        ]
        free_at = fits_at(holdings, wanted=wanted, bounds=written, now=at) or at
        needed = context.room + context.venue.margins.activation
        if free_at > at:  # R13: where payments would stop for it, the old ones are taken off
            return min(free_at, max(at, self.newest.expires_at - needed + _ACTIVATION))
        if self.newest.expires_at - at > needed:
            free_at = fits_at(holdings, wanted=wanted, bounds=usual, now=at) or at
        return free_at

    def _renew(self, at: datetime) -> None:
        before = self.newest
        self.generations.append(self._generation(before.number + 1, at))
        before.served_until = min(self.newest.active_at, before.expires_at)

    def _generation(self, number: int, now: datetime) -> Generation:
        issued = now.replace(microsecond=0)
        spec, account = self.context.spec, self.context.account
        return Generation(
            number=number,
            requested_at=now,
            active_at=now + _ACTIVATION,
            expires_at=issued + spec.lifetime,
            renewal_at=renewal_at(
                issued_at=issued,
                expires_at=issued + spec.lifetime,
                renew_before=spec.renew_before,
                run_room=self.context.room,
                margins=self.context.venue.margins,
                seed=f"{account.address}/{spec.uid}/{number}",
            ),
        )


def symbols(schedules: Iterable[ScheduleContext]) -> dict[str, tuple[str, int]]:
    """Name and decimals of every token that something moves."""
    found = {NATIVE: ("native", 18)}
    for context in schedules:
        found |= {line.token: (line.symbol, line.decimals) for line in context.most.lines}
    return found


def named_allowances(
    session: SessionContext, names: Mapping[str, tuple[str, int]]
) -> tuple[Allowance, ...]:
    """What each grant of a session may spend; a closed one (0) says nothing to people."""
    return tuple(
        Allowance(token, *names.get(token, (token, 0)), amount=amount)
        for token, amount in allowances(session.permissions).items()
        if amount
    )
