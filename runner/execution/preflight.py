"""
Pre-flight: what can keep a run from being signed now, each with a code of its own (B6).

The order is that of B6: clock, grant and its allowance (executor), conditions and fees of the
policy; then the service prepares. What it refuses is looked into in the same order: is the balance
there, does somebody pay the gas, else it is what the simulation said. A failure is tried again
inside the catch-up window.
"""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum

from runner.errors import RunnerError, WalletApiError, WalletRefused
from runner.ethereum.address import Address
from runner.ethereum.units import format_units
from runner.execution.contexts import ScheduleContext
from runner.execution.watch import Watcher
from runner.guard.intent import NATIVE, Intent
from runner.guard.requirements import Held, balances_needed, broken
from runner.ports import Ledger

_PAYMASTER_REFUSED = -32501
_WORDS_OF_SPONSORS = ("paymaster", "sponsor", "gas manager", "policy")


class Code(StrEnum):
    """What stands in the way; a held run's detail begins with it."""

    CLOCK = "clock"
    GRANT = "grant"
    ALLOWANCE = "allowance"
    REQUIRE = "require"
    FEES = "fees"
    BALANCE = "balance"
    SPONSORSHIP = "sponsorship"
    SIMULATION = "simulation"


class Unready(RunnerError):
    """A run cannot be signed now; later it may."""

    def __init__(self, code: Code, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code


class Preflight:
    """The checks of one schedule's runs."""

    def __init__(self, schedule: ScheduleContext, *, ledger: Ledger, watcher: Watcher) -> None:
        self._schedule = schedule
        self._account = schedule.session.account
        self._venue = self._account.venue
        self._ledger = ledger
        self._watcher = watcher

    def check_clock(self) -> None:
        """R17: clocks too far apart block what would be signed for the wrong time."""
        if self._watcher.is_skewed:
            apart = self._watcher.skew.total_seconds()
            side = "after" if apart > 0 else "before"
            why = f"the clock is {abs(apart):.0f} s {side} the chain's head block"
            raise Unready(Code.CLOCK, why)

    async def check_fees(self, run: str) -> None:
        """G2: what the account's operations cost in a day, UTC, stays under its cap."""
        most = self._account.spec.max_fee_per_day
        if most is None:
            return
        now = self._venue.clock.now()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        fees = self._account.lane.fees
        fees.add(run)  # before the ledger is asked: who asks beside us counts us
        spent = await self._ledger.fees_since(self._venue.chain_id, self._account.address, midnight)
        if spent + len(fees) * self._account.max_fee > most:
            why = f"{spent} wei of today's max_fee_per_day of {most} are spent"
            raise Unready(Code.FEES, why)

    async def check_requirements(self, intent: Intent) -> None:
        """
        B4: the policy's conditions, on the frozen calls and the balances of this moment.

        Raises:
            Unready: one of them does not hold.
            WalletApiError: a balance cannot be read.
        """
        wanted = self._schedule.spec.require
        if not wanted:
            return
        address = self._account.address
        held = await self._held(balances_needed(wanted, address))
        found = list(broken(wanted, intent.calls, account=address, held=held))
        if found:
            raise Unready(Code.REQUIRE, "; ".join(found))

    async def explain(self, refusal: WalletApiError, intent: Intent) -> Unready:
        """Why the service did not prepare it, by what can be looked up."""
        with suppress(WalletApiError):
            short = await self._shortfall(intent)
            if short is not None:
                return Unready(Code.BALANCE, short)
        if self._account.gas_policy is not None and _is_about_sponsorship(refusal):
            return Unready(Code.SPONSORSHIP, refusal.what)
        return Unready(Code.SIMULATION, refusal.what)

    async def _shortfall(self, intent: Intent) -> str | None:
        """The first token, or the coin, of which the account holds less than the run takes."""
        address = self._account.address
        needs = {
            token: sum(line.amount for line in intent.lines if line.token == token)
            for token in (line.token for line in intent.lines if line.kind != "approve")
        }
        if self._account.gas_policy is None:
            needs[NATIVE] = needs.get(NATIVE, 0) + self._account.max_fee
        held = await self._held(frozenset((address, token) for token in needs))
        for token, amount in sorted(needs.items()):
            has = held[address, token]
            if has < amount:
                asset = self._schedule.assets.get(token)
                name, decimals = (asset.name, asset.decimals) if asset else (token, 0)
                alone = token == NATIVE and self._account.gas_policy is None
                fee = " with its fee" if alone else ""
                return (
                    f"the account holds {format_units(has, decimals)} {name}, the run takes up to "
                    f"{format_units(amount, decimals)}{fee}"
                )
        return None

    async def _held(self, wanted: frozenset[tuple[Address, str]]) -> Held:
        found = {}
        for holder, token in sorted(wanted):
            asset = None if token == NATIVE else Address(token)
            found[holder, token] = await self._venue.chain.balance(holder, asset)
        return found


def _is_about_sponsorship(refusal: WalletApiError) -> bool:
    if isinstance(refusal, WalletRefused) and refusal.code == _PAYMASTER_REFUSED:
        return True
    return any(word in refusal.what.lower() for word in _WORDS_OF_SPONSORS)
