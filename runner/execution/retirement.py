"""
The end of generations: a grant drains until nothing needs it, then its key is destroyed (R12, R15);
one that must sign no more is stopped at once, and waits for its uninstall (R13).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from runner.execution.generations import Generations
from runner.execution.watch import Watcher
from runner.planning.widening import targets
from runner.ports import Ledger, Telemetry
from runner.records import LIVING_GRANTS, Grant, GrantState, Run
from runner.scheduling.occurrence import PENDING, Reason, State

DRAIN = timedelta(minutes=15)
"""R12: how long a generation that no part holds any more keeps its key."""

_STOPPABLE = LIVING_GRANTS - {GrantState.REQUESTED, GrantState.STOPPING}
_HAS_KEY = frozenset({GrantState.ACTIVE, GrantState.DRAINING})


class Retirement:
    """
    Ends the generations of one session.

    Args:
        on_stopping: Called when there is something for the owner to take off the account.
    """

    def __init__(
        self,
        generations: Generations,
        *,
        ledger: Ledger,
        telemetry: Telemetry,
        watcher: Watcher,
        on_stopping: Callable[[], None],
    ) -> None:
        self._generations = generations
        self._session = generations.session
        self._ledger = ledger
        self._telemetry = telemetry
        self._watcher = watcher
        self._on_stopping = on_stopping

    def moments(self, now: datetime) -> list[datetime]:
        """When something of it is due."""
        living = [one for one in self._generations if one.state in LIVING_GRANTS]
        ends = [one.expires_at + timedelta(seconds=1) for one in living if one.expires_at >= now]
        drained = [
            one.draining_at + DRAIN for one in self._generations if one.draining_at is not None
        ]
        return ends + [moment for moment in drained if moment > now]

    async def tidy(self) -> None:
        """End what has expired, what was never signed, and what has drained; stop what must not
        sign any more."""
        living = [one.id for one in self._generations if one.state in LIVING_GRANTS]
        pinned = await self._ledger.pinned_runs(living) if living else []
        held = {run.grant_id for run in pinned if holds(run)}
        for grant in self._generations:
            if grant.state not in LIVING_GRANTS or grant.id in held:
                continue
            if self._watcher.final_at > grant.expires_at:
                await self._end(grant, GrantState.EXPIRED)
            elif grant.state is GrantState.REQUESTED and self._is_given_up(grant):
                await self._end(grant, GrantState.ABANDONED)
            elif await self._has_drained(grant):
                await self._end(grant, GrantState.RETIRED)
        await self._stop_suspected(pinned)
        await self._stop_narrowed()

    def _is_given_up(self, grant: Grant) -> bool:
        """
        R21: asked for before a crash and never signed, it can spend nothing. What a person was
        asked to sign waits for them, until a newer request is needed.
        """
        if grant.nonce is None or not self._generations.is_ours(grant):
            return True
        other = grant.scope != self._session.scope
        return other or grant.expires_at - self._generations.now < self._session.spec.lifetime / 2

    async def _has_drained(self, grant: Grant) -> bool:
        """R12: it drains, and for a quarter of an hour no part has held it."""
        if grant.state is not GrantState.DRAINING or grant.draining_at is None:
            return False
        now = self._generations.now
        if now - grant.draining_at < DRAIN:
            return False
        let_go = await self._ledger.let_go_at(grant.id)
        return let_go is None or now - let_go >= DRAIN

    # ── break before make ─────────────────────────────────────────────────────────────────────

    async def stop(self, grant: Grant, why: str) -> None:
        """R13: from here on it signs burns alone; it is off the account before the next is made."""
        await self._generations.move(grant, GrantState.STOPPING, detail=why)
        self._telemetry.emit(
            "grant.stopping",
            level="critical",
            session=self._session.uid,
            generation=grant.generation,
            detail=why,
            hint="payments of this session wait until the owner has signed its uninstall and the "
            "next grant",
        )
        self._on_stopping()

    async def stop_all(self, why: str) -> None:
        """Every generation on the account whose key could still take something."""
        for grant in self._generations:
            if grant.state in _HAS_KEY and self._generations.is_ours(grant):
                await self.stop(grant, why)

    async def _stop_suspected(self, pinned: list[Run]) -> None:
        """X3: an operation that we did not sign stands on a fence of ours."""
        foul = {run.grant_id for run in pinned if run.reason is Reason.EVIDENCE}
        for grant in self._generations:
            if grant.id in foul and grant.state in _STOPPABLE:
                await self.stop(
                    grant, "its key is suspected: an operation that we did not sign is on our fence"
                )

    async def _stop_narrowed(self) -> None:
        """A receiver of coin, a token or a contract is not to be reached any more."""
        kept = targets(self._session.permissions) | self._session.reached
        for grant in self._generations:
            gone = sorted(targets(grant.permissions) - kept)
            if gone and grant.state in _HAS_KEY and self._generations.is_ours(grant):
                await self.stop(grant, f"the policy names no more: {', '.join(gone)}")

    # ── the end ───────────────────────────────────────────────────────────────────────────────

    async def is_over(self) -> bool:
        """T9: every schedule of the session is completed, and none of its runs is open."""
        states = [
            schedule.state
            for schedule in (await self._ledger.schedules(session=self._session.uid)).values()
            if schedule.state != "removed"
        ]
        if not states or any(state != "completed" for state in states):
            return False
        return not await self._ledger.has_open_runs(self._session.uid)

    async def drain(self) -> None:
        """A generation that nothing needs any more: its key is destroyed when it has drained."""
        active = self._generations.active
        if active is not None:
            detail = "all schedules of the session are completed"
            await self._generations.move(active, GrantState.DRAINING, detail=detail)

    async def _end(self, grant: Grant, state: GrantState) -> None:
        await self._generations.move(grant, state)
        hint = None
        if state is GrantState.RETIRED:
            name = f"{grant.session}#{grant.generation}"
            hint = (
                f"it stays installed until it expires; to take it off: runner grants revoke {name}"
            )
        else:
            self._generations.book.forget(grant.id)
        self._telemetry.emit(
            "grant.ended",
            level="warning" if grant.state is GrantState.ACTIVE else "info",
            session=self._session.uid,
            generation=grant.generation,
            state=state.value,
            key_destroyed=True,
            hint=hint,
        )


def holds(run: Run) -> bool:
    """Whether a run may still need the key that it is pinned to: something of it is signed."""
    return run.state in PENDING | {State.PREPARED} or run.reason is Reason.EVIDENCE
