"""Looks ahead for each account whether it can pay what falls due, and says when it cannot (B11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from runner.errors import StoreError, WalletApiError
from runner.ethereum.address import Address
from runner.ethereum.units import format_units
from runner.execution.contexts import AccountContext, ScheduleContext
from runner.guard.intent import NATIVE
from runner.planning.funding import Planned, Shortfall, first_shortfall
from runner.planning.renames import title
from runner.ports import Clock, Ledger, Telemetry
from runner.records import RunKind, ScheduleState
from runner.scheduling.occurrence import State

_LOOK_SECONDS = 60.0
_URGENT = 3
"""Within this part of the lead it is critical."""


class FundingWatch:
    """One look a minute at the balances of every account that something is to be paid from."""

    def __init__(
        self,
        schedules: Mapping[str, ScheduleContext],
        *,
        lead: timedelta,
        count: Callable[[str, datetime, datetime], int],
        ledger: Ledger,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        """
        Args:
            lead: How far ahead is looked.
            count: How many slots of a schedule fall due in (after, until].
        """
        self._lead = lead
        self._count = count
        self._ledger = ledger
        self._clock = clock
        self._telemetry = telemetry
        self._bounded = any(one.spec.max_runs is not None for one in schedules.values())
        self._said: dict[str, tuple[str, str] | None] = {}
        self._accounts: dict[str, list[ScheduleContext]] = {}
        named: dict[tuple[str, Address], str] = {}
        for one in schedules.values():
            account = one.session.account
            uid = f"{one.spec.policy}/{account.spec.name}"
            uid = named.setdefault((account.venue.name, account.address), uid)
            self._accounts.setdefault(uid, []).append(one)

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self.look()
            except StoreError:  # told by whoever pays
                pass
            except Exception as error:  # a fault of ours must not stop payments
                fault = f"unexpected {type(error).__name__}: {error}"
                self._telemetry.emit("funding.fault", level="error", detail=fault)
            await self._clock.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """Tell of each account what has changed since the last look."""
        open_runs: dict[str, int] = {}
        for run in await self._ledger.open_runs():
            if run.kind is RunKind.PAYMENT and run.state is not State.INCLUDED:
                open_runs[run.schedule] = open_runs.get(run.schedule, 0) + 1
        states = await self._ledger.schedules() if self._bounded else {}
        for uid, schedules in self._accounts.items():
            try:
                await self._look_at(uid, schedules, open_runs, states)
            except WalletApiError:  # a chain that cannot be read says so by its watcher
                continue

    async def _look_at(
        self,
        uid: str,
        schedules: list[ScheduleContext],
        open_runs: Mapping[str, int],
        states: Mapping[str, ScheduleState],
    ) -> None:
        account = schedules[0].session.account
        now = account.venue.clock.now()
        planned = [
            self._planned(one, open_runs.get(one.uid, 0), states.get(one.uid), now)
            for one in schedules
            if not one.spec.suspend
        ]
        held = {}
        for token in sorted({token for one in planned for token in one.most}):
            asset = None if token == NATIVE else Address(token)
            held[token] = await account.venue.chain.balance(account.address, asset)
        until = now + self._lead
        found = first_shortfall(planned, held, now=now, until=until)
        if found is not None:  # what is paused takes nothing: looked up when it matters
            awake = [
                one
                for one in planned
                if one.open or await self._ledger.paused(one.schedule, now=now) is None
            ]
            found = first_shortfall(awake, held, now=now, until=until)
        self._tell(uid, account, schedules, found, now)

    def _planned(
        self, one: ScheduleContext, open_now: int, state: ScheduleState | None, now: datetime
    ) -> Planned:
        account, most_runs = one.session.account, one.spec.max_runs
        left = None if most_runs is None else max(most_runs - (state.runs if state else 0), 0)

        def due(until: datetime) -> int:
            count = self._count(one.uid, now, until)
            return count if left is None else min(count, left)

        most = {token: amount for token, amount in one.most.sums.items() if amount}
        if account.gas_policy is None:
            most[NATIVE] = most.get(NATIVE, 0) + account.max_fee
        return Planned(one.uid, most, open_now, due)

    def _tell(
        self,
        uid: str,
        account: AccountContext,
        schedules: list[ScheduleContext],
        found: Shortfall | None,
        now: datetime,
    ) -> None:
        before = self._said.get(uid)
        if found is None:
            self._said[uid] = None
            if before is not None:
                self._telemetry.emit("funding.covered", account=uid)
            return
        urgent = found.due_at - now <= self._lead / _URGENT
        level = "critical" if urgent else "warning"
        self._said[uid] = (found.schedule, level)
        if before == self._said[uid]:
            return
        asset = next(
            (a for one in schedules for t, a in one.assets.items() if t == found.token), None
        )
        name, decimals = ("native", 18) if asset is None else (asset.name, asset.decimals)
        name_of = next(title(one.spec) for one in schedules if one.uid == found.schedule)
        needs, has = (format_units(n, decimals) for n in (found.needs, found.has))
        self._telemetry.emit(
            "funding.short",
            level=level,
            account=uid,
            schedule=found.schedule,
            due_at=found.due_at,
            detail=f"{name_of} needs {needs} {name} at "
            f"{found.due_at:%Y-%m-%d %H:%M} UTC, and {has} {name} will be there",
            hint=f"send {name} to {account.address}",
        )
