"""
Grants of sessions that left the policies, or an account: their keys can sign until their end (T10).

Nobody keeps those of a session that is gone, so that here a person is told of them, and their keys
are destroyed once the chain has passed their end. From an account that no policy names nobody can
take a key off (O9): that is told, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from contextlib import suppress

from runner.errors import StoreError
from runner.ethereum.address import Address
from runner.execution.retirement import holds
from runner.execution.watch import Watcher
from runner.ports import Clock, Ledger, Telemetry
from runner.records import LIVING_GRANTS, Grant, GrantState

_CAN_SIGN = LIVING_GRANTS - {GrantState.REQUESTED, GrantState.RETIRED}
_SWEEP_SECONDS = 60.0
"""R23."""


class Orphans:
    """All grants whose session is none of `sessions`, or that are on none of `accounts`."""

    def __init__(
        self,
        sessions: Collection[str],
        accounts: Collection[tuple[int, Address]],
        *,
        ledger: Ledger,
        telemetry: Telemetry,
        watchers: Iterable[Watcher],
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._accounts = accounts
        self._told: set[int] = set()
        self._bell = asyncio.Event()
        self._ledger = ledger
        self._telemetry = telemetry
        self._watchers = {one.venue.chain_id: one for one in watchers}
        self._clock = clock

    async def tell(self) -> None:
        """Of those whose keys can sign."""
        for grant in await self._ledger.grants():
            if grant.session in self._sessions and self._is_reached(grant):
                continue
            watcher = self._watchers.get(grant.chain)
            clock = self._clock if watcher is None else watcher.venue.clock
            if grant.state not in _CAN_SIGN or grant.expires_at <= clock.now():
                continue
            self._telemetry.emit(
                "grant.orphaned",
                level="warning",
                session=grant.session,
                generation=grant.generation,
                expires_at=grant.expires_at,
                detail=f"no policy names its {self._what(grant)} any more, and its key can sign "
                "until its end",
                hint=f"take it off the account: {self._remedy(grant)}",
            )

    async def run(self) -> None:
        """Until cancelled: each minute while there are any, else when something has changed."""
        left = True
        while True:
            self._bell.clear()
            try:
                left = await self.tidy()
                await self.tell_stuck()
            except StoreError as error:
                self._telemetry.emit(
                    "ledger.unwritable",
                    level="critical",
                    detail=error.what,
                    hint="nothing is claimed or sent until the ledger can be written again",
                )
            if not left:
                await self._bell.wait()
            with suppress(TimeoutError):
                async with self._clock.timeout(_SWEEP_SECONDS):
                    await self._bell.wait()

    def wake(self) -> None:
        """Something about grants has changed in the ledger."""
        self._bell.set()

    async def tell_stuck(self) -> None:
        """Once of each grant that is to go from an account which nobody here signs for (O9)."""
        for grant in await self._ledger.grants():
            stuck = grant.state is GrantState.STOPPING and not self._is_reached(grant)
            if not stuck or grant.id in self._told:
                continue
            self._told.add(grant.id)
            self._telemetry.emit(
                "grant.revocation_failed",
                level="critical",
                account=grant.account,
                session=grant.session,
                generation=grant.generation,
                detail="no policy names this account any more, so nobody takes the key off it",
                hint=self._remedy(grant),
            )

    def _is_reached(self, grant: Grant) -> bool:
        return (grant.chain, grant.account) in self._accounts

    def _what(self, grant: Grant) -> str:
        return "session" if self._is_reached(grant) else "account"

    def _remedy(self, grant: Grant) -> str:
        command = f"runner grants revoke {grant.session}#{grant.generation} --reason …"
        if self._is_reached(grant):
            return command
        return f"put the account back into a policy, with a session on it, then: {command}"

    async def tidy(self) -> bool:
        """
        End what a final block is later than. Of a chain that no policy names nobody knows the time:
        there they stay as they are.

        Returns:
            Whether there are any that have not ended.
        """
        left = False
        held = {run.grant_id for run in await self._ledger.open_runs() if holds(run)}
        for grant in await self._grants():
            watcher = self._watchers.get(grant.chain)
            if watcher is None or grant.state not in LIVING_GRANTS:
                continue
            if grant.id in held or watcher.final_at <= grant.expires_at:
                left = True
                continue
            now = watcher.venue.clock.now()
            await self._ledger.move_grant(grant, GrantState.EXPIRED, detail=None, now=now)
            self._telemetry.emit(
                "grant.ended",
                level="info",
                session=grant.session,
                generation=grant.generation,
                state=GrantState.EXPIRED.value,
                key_destroyed=True,
                hint=None,
            )
        return left

    async def _grants(self) -> list[Grant]:
        return [one for one in await self._ledger.grants() if one.session not in self._sessions]
