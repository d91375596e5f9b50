"""
Grants of sessions that left the policies: their keys can sign until their end (T10).

Nobody keeps them any more, so that here a person is told of them, and their keys are destroyed
once the chain has passed their end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable

from runner.errors import StoreError
from runner.execution.retirement import holds
from runner.execution.watch import Watcher
from runner.ports import Clock, Ledger, Telemetry
from runner.records import LIVING_GRANTS, Grant, GrantState

_CAN_SIGN = LIVING_GRANTS - {GrantState.REQUESTED, GrantState.RETIRED}
_SWEEP_SECONDS = 60.0
"""R23."""


class Orphans:
    """All grants whose session is none of `sessions`."""

    def __init__(
        self,
        sessions: Collection[str],
        *,
        ledger: Ledger,
        telemetry: Telemetry,
        watchers: Iterable[Watcher],
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._ledger = ledger
        self._telemetry = telemetry
        self._watchers = {one.venue.chain_id: one for one in watchers}
        self._clock = clock

    async def tell(self) -> None:
        """Of those whose keys can sign."""
        for grant in await self._grants():
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
                detail="no policy names its session any more, and its key can sign until its end",
                hint=f"take it off the account: runner grants revoke {grant.session} --reason …",
            )

    async def run(self) -> None:
        """Until cancelled. None comes to those that there are at the start."""
        left = True
        while left:
            try:
                left = await self.tidy()
            except StoreError as error:
                self._telemetry.emit(
                    "ledger.unwritable",
                    level="critical",
                    detail=error.what,
                    hint="nothing is claimed or sent until the ledger can be written again",
                )
            await self._clock.sleep(_SWEEP_SECONDS)
        await asyncio.Event().wait()

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
