"""
What a run sends: what was frozen for it, else what its policy asks for now (X6, G10).

Computed calls look at the chain, all at one block, and at what other runs still have under way.
"""

from __future__ import annotations

from runner.errors import AnswerLost
from runner.execution.contexts import ScheduleContext
from runner.execution.watch import Watcher
from runner.guard.computed import looks_at, resolve, sends_most
from runner.guard.intent import NATIVE, Intent, intent_of
from runner.ports import Ledger
from runner.records import Run
from runner.scheduling.occurrence import State

_MOST_AT_LIMIT = 3
"""So many runs in a row that send all they may are no coincidence (G10)."""


class Amounts:
    """The intents of one schedule's runs."""

    def __init__(self, schedule: ScheduleContext, *, ledger: Ledger, watcher: Watcher) -> None:
        self._schedule = schedule
        self._computes = schedule.is_computed
        self._ledger = ledger
        self._watcher = watcher

    async def of(self, run: Run) -> tuple[Intent, str]:
        """
        What an unsigned run sends, and the revision that says so.

        What is frozen is not asked again within an attempt. A run that is not prepared any more
        when its policy has changed is resolved by the new one.

        Returns:
            An intent of no calls where there is nothing to do.

        Raises:
            WalletApiError: a balance cannot be read.
        """
        revision = self._schedule.revision
        pinned = run.revision == revision or run.state is State.PREPARED
        if pinned and run.intent is not None and run.revision is not None:
            frozen = Intent(run.intent, tuple(await self._ledger.transfers(run.id)))
            return frozen, run.revision
        if self._computes:
            return await self._resolve(), revision
        return self._schedule.most, revision

    async def _resolve(self) -> Intent:
        account = self._schedule.session.account
        venue, calls = account.venue, self._schedule.spec.calls
        head = self._watcher.head
        if head is None:
            raise AnswerLost(f"{venue.name} was not read yet")
        held = {}
        for holder, token in sorted(looks_at(calls, account.address)):
            asset = None if token == NATIVE else self._schedule.assets[token].address
            held[holder, token] = await venue.chain.balance(holder, asset, block=head.number)
        resolved = resolve(
            calls,
            account=account.address,
            held=held,
            moving=await self._ledger.moving(venue.chain_id, block=head.number),
            fee=0 if account.gas_policy is not None else account.max_fee,
        )
        return intent_of(resolved, self._schedule.assets)

    async def at_limit(self) -> bool:
        """Whether the newest runs all sent the most that one of their computed calls may (G10)."""
        if not self._computes:
            return False
        newest = await self._ledger.recent(self._schedule.uid, count=_MOST_AT_LIMIT)
        calls = self._schedule.spec.calls
        return len(newest) == _MOST_AT_LIMIT and all(sends_most(calls, moved) for moved in newest)
