"""
Activation: what installs a grant is an operation without calls, never a payment (X2).

It has a row of its own in the ledger; the grant serves once that is final, reverted or not, since
the install stays either way.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress

from runner.errors import GuardError, WalletRefused
from runner.execution.generations import Generations
from runner.execution.pursuit import Ending, Pursuit
from runner.execution.steps import Operator, Order, TooLate
from runner.execution.watch import Watcher
from runner.ports import Ledger, Telemetry
from runner.records import Grant, GrantState, OperationKind, Run
from runner.scheduling.occurrence import CLOSED, Reason, State


class Activation:
    """Installs the generations of one session. `signing` while an install must not be cut off."""

    def __init__(
        self,
        generations: Generations,
        *,
        ledger: Ledger,
        telemetry: Telemetry,
        watcher: Watcher,
        operator: Operator,
    ) -> None:
        self._generations = generations
        self._session = generations.session
        self._venue = generations.session.venue
        self._ledger = ledger
        self._telemetry = telemetry
        self._watcher = watcher
        self._operator = operator
        self.signing = False

    async def carry_out(self, grant: Grant) -> None:
        """Install a grant that its owner has signed; it serves, or is given up."""
        run = await self._ledger.activation(grant, now=self._generations.now)
        await self._generations.refresh()
        grant = self._generations.by_id(grant.id)
        if run.state not in CLOSED:
            run = (await self._install(grant, run)).run
            await self._generations.refresh()
        if self._generations.state_of(grant.id) is not GrantState.ACTIVATING:
            return  # it was stopped meanwhile, and is taken off the account
        if run.state in {State.SUCCESS, State.REVERTED}:  # the install stays either way
            await self._begin_service(grant)
        else:
            await self._generations.move(grant, GrantState.ABANDONED, detail="never installed")

    async def _begin_service(self, grant: Grant) -> None:
        before = self._generations.active
        grant = await self._ledger.activate(grant, now=self._generations.now)
        self._telemetry.emit(
            "grant.active" if before is None else "grant.renewed",
            session=self._session.uid,
            generation=grant.generation,
            expires_at=grant.expires_at,
            next_renewal_at=grant.next_renewal_at,
            key=grant.key_address,
        )
        await self._generations.refresh()

    async def _install(self, grant: Grant, run: Run) -> Ending:
        async with AsyncExitStack() as lane:
            patience = self._venue.margins.inclusion.total_seconds()
            try:
                async with self._venue.clock.timeout(patience):
                    await lane.enter_async_context(self._session.account.lane.alone())
            except TimeoutError:
                # H6 asks for solitude, but not for ever: entities do not disturb each other once
                # the account stands, and a payment that is stuck must not stop renewals (R10).
                pass
            self.signing = True
            try:
                if run.state is State.PREPARED:
                    run = await self._send(grant, run)
                task = asyncio.create_task(self._pursuit(grant).run(run))
                try:
                    # H6: the lane is ours from send to inclusion, at most for `inclusion`.
                    with suppress(TimeoutError):
                        async with self._venue.clock.timeout(patience):
                            await asyncio.wait({task})
                    await lane.aclose()
                    return await task
                finally:
                    task.cancel()
            finally:
                self.signing = False

    def _pursuit(self, grant: Grant) -> Pursuit:
        return Pursuit(
            venue=self._venue,
            watcher=self._watcher,
            operator=self._operator,
            ledger=self._ledger,
            telemetry=self._telemetry,
            grant=grant,
            lines=(),
            deadline_at=grant.expires_at,
            may_burn=False,
            standing=lambda: self._generations.state_of(grant.id) or grant.state,
        )

    async def _send(self, grant: Grant, run: Run) -> Run:
        if grant.nonce is None:
            raise AssertionError("a grant that the owner signed has its nonce")
        head = self._watcher.head
        order = Order(
            run=run,
            kind=OperationKind.ACTIVATION,
            intent=(),
            nonce=grant.nonce,
            grant=grant,
            sign_before=grant.expires_at - self._venue.margins.activation,
        )
        try:
            run, operation = await self._operator.make(order, head_block=head.number if head else 0)
        except (WalletRefused, GuardError, TooLate) as error:
            # In this order: a crash between the two finds the run closed and gives the grant up.
            await self._ledger.move(
                run,
                State.SKIPPED,
                reason=Reason.GRANT,
                detail=error.what,
                now=self._generations.now,
            )
            await self._generations.move(grant, GrantState.ABANDONED, detail=error.what)
            raise
        return await self._operator.send(run, operation)
