"""
The end of generations: a grant drains until nothing needs it, then its key is destroyed (R12, R15).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from runner.execution.generations import Generations
from runner.execution.watch import Watcher
from runner.ports import Ledger, Telemetry
from runner.records import LIVING_GRANTS, Grant, GrantState

DRAIN = timedelta(minutes=15)
"""R12: how long a generation that no part holds any more keeps its key."""


class Retirement:
    """Ends the generations of one session."""

    def __init__(
        self,
        generations: Generations,
        *,
        ledger: Ledger,
        telemetry: Telemetry,
        watcher: Watcher,
    ) -> None:
        self._generations = generations
        self._session = generations.session
        self._ledger = ledger
        self._telemetry = telemetry
        self._watcher = watcher

    def moments(self, now: datetime) -> list[datetime]:
        """When something of it is due."""
        living = [one for one in self._generations if one.state in LIVING_GRANTS]
        ends = [one.expires_at + timedelta(seconds=1) for one in living if one.expires_at >= now]
        drained = [
            one.draining_at + DRAIN for one in self._generations if one.draining_at is not None
        ]
        return ends + [moment for moment in drained if moment > now]

    async def tidy(self) -> None:
        """End what has expired, what was never signed, and what has drained."""
        now = self._generations.now
        held = {run.grant_id for run in await self._ledger.open_runs()}
        for grant in self._generations:
            if grant.state not in LIVING_GRANTS or grant.id in held:
                continue
            if self._watcher.final_at > grant.expires_at:
                await self._end(grant, GrantState.EXPIRED)
            elif grant.state is GrantState.REQUESTED:
                # Asked for before a crash and never signed: it can spend nothing (R21).
                await self._end(grant, GrantState.ABANDONED)
            elif (
                grant.state is GrantState.DRAINING
                and grant.draining_at is not None
                and now - grant.draining_at >= DRAIN
            ):
                await self._end(grant, GrantState.RETIRED)

    async def is_over(self) -> bool:
        """T9: every schedule of the session is completed, and none of its runs is open."""
        states = [
            schedule.state
            for schedule in (await self._ledger.schedules(session=self._session.uid)).values()
            if schedule.state != "removed"
        ]
        if not states or any(state != "completed" for state in states):
            return False
        return all(run.session != self._session.uid for run in await self._ledger.open_runs())

    async def drain(self) -> None:
        """A generation that nothing needs any more: its key is destroyed when it has drained."""
        active = self._generations.active
        if active is not None:
            detail = "all schedules of the session are completed"
            await self._generations.move(active, GrantState.DRAINING, detail=detail)

    async def _end(self, grant: Grant, state: GrantState) -> None:
        await self._ledger.move_grant(grant, state, now=self._generations.now)
        if state is not GrantState.RETIRED:
            self._generations.book.forget(grant.id)
        self._telemetry.emit(
            "grant.ended",
            level="warning" if grant.state is GrantState.ACTIVE else "info",
            session=self._session.uid,
            generation=grant.generation,
            state=state.value,
            key_destroyed=True,
        )
        await self._generations.refresh()
