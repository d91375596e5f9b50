"""
Taking grants off an account, by operations that its owner signs (X15, G7).

What is installed is uninstalled with all that its modules need to clean up; what was signed and
never used is voided. Which of the two it is, and whether it is done, the chain says: a grant counts
as revoked when a final block shows nothing of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from runner.errors import RunnerError, UsageError
from runner.ethereum.hashing import keccak256
from runner.ethereum.nonce import decode_nonce
from runner.execution.contexts import AccountContext, allowances
from runner.execution.owner import OwnerOperator
from runner.execution.pursuit import Pursuit
from runner.execution.steps import Order
from runner.execution.watch import Watcher
from runner.guard.owner import owner_nonce
from runner.planning.renewal import ladder_of, retry_after
from runner.ports import Ledger, Telemetry
from runner.records import Grant, GrantState, OperationKind, OperationStatus, Run, RunKind
from runner.scheduling.occurrence import CLOSED, PENDING, Reason, State, nonce_key

_NEVER = datetime.max.replace(tzinfo=UTC)
"""An operation of the owner's has no end."""

NOT_CLEAN = "its modules kept what they held: its entity must not be used again"


class Revoker:
    """
    Takes grants off one account.

    Args:
        on_revoked: Called when one is off.
    """

    def __init__(
        self,
        account: AccountContext,
        *,
        ledger: Ledger,
        telemetry: Telemetry,
        watcher: Watcher,
        operator: OwnerOperator,
        chance: Callable[[], float],
        on_revoked: Callable[[], None],
    ) -> None:
        self._account = account
        self._venue = account.venue
        self._ledger = ledger
        self._telemetry = telemetry
        self._watcher = watcher
        self._operator = operator
        self._chance = chance
        self._on_revoked = on_revoked
        self._failures = 0
        self._asked: set[int] = set()
        self._bell = asyncio.Event()

    def wake(self) -> None:
        """Look again now: a generation has to stop."""
        self._bell.set()

    async def run(self) -> None:
        """Take off what has to go, until cancelled."""
        while True:
            self._bell.clear()
            try:
                wait = await self.step()
                self._failures = 0
            except RunnerError as error:
                wait = self._failed(error)
            except Exception as error:  # a fault of ours must not end the accounts beside this one
                wait = self._failed(RunnerError(f"unexpected {type(error).__name__}: {error}"))
            try:
                async with self._venue.clock.timeout(max(wait.total_seconds(), 0.05)):
                    await self._bell.wait()
            except TimeoutError:
                continue

    async def step(self) -> timedelta:
        """One look; every generation that has to go is taken off, the greatest exposure first."""
        if self._watcher.head is None:
            return timedelta(seconds=0.1)
        waiting = await self.waiting()
        done = await asyncio.gather(*map(self._revoke, waiting), return_exceptions=True)
        for error in done:
            if isinstance(error, BaseException):
                raise error
        # What an owner does elsewhere is seen on the chain alone.
        look = self._venue.margins.inclusion if waiting and self._account.by_hand else None
        return min(self._venue.second_look, look or self._venue.second_look)

    async def waiting(self) -> Sequence[Grant]:
        """What has to go, the greatest exposure first (O9)."""
        stopping = [
            grant for grant in await self._of_account() if grant.state is GrantState.STOPPING
        ]
        return sorted(stopping, key=_exposure, reverse=True)

    async def _of_account(self) -> list[Grant]:
        place = (self._venue.chain_id, self._account.address)
        return [one for one in await self._ledger.grants() if (one.chain, one.account) == place]

    # ── one grant ─────────────────────────────────────────────────────────────────────────────

    async def _revoke(self, grant: Grant) -> None:
        if grant.nonce is None and grant.entity_id is None:
            await self._close(grant, GrantState.ABANDONED)  # never signed: nothing can be installed
            return
        run = await self._run_of(grant)
        by_hand = self._account.by_hand and run.state is State.PREPARED
        if by_hand and await self._needed(grant) is not None:
            self._ask_owner(grant)
            return
        if run.state is State.PREPARED:
            run = await self._begin(run, grant)
        elif run.state not in CLOSED:
            run = (await self._pursuit(grant).run(run)).run
        if await self._needed(grant) is not None:
            raise RunnerError(f"{_name(grant)} is still on the account: {run.id} is {run.state}")
        clean = await self._is_clean(grant, run)
        await self._close(grant, GrantState.REVOKED, detail=None if clean else NOT_CLEAN)
        await self._end_activation(grant)

    async def _run_of(self, grant: Grant) -> Run:
        """The row of its revocation: another one where the last has ended without it."""
        run = await self._ledger.revocation(grant, now=self._now())
        if run.state in CLOSED and await self._needed(grant) is not None:
            run = await self._ledger.revocation(grant, now=self._now(), again=True)
        return run

    # ── by hand ───────────────────────────────────────────────────────────────────────────────

    async def paper(self, grant: Grant) -> dict[str, Any]:
        """
        What its owner signs elsewhere so that it goes: a prepared operation that the guard admits.

        Raises:
            UsageError: nothing of it is left, or it goes already.
            RunnerError: as `OwnerOperator.ask`.
        """
        order = await self._order_by_hand(grant)
        return {"kind": order.kind.value, "answer": await self._operator.ask(order)}

    async def bring(self, grant: Grant, answer: Mapping[str, Any], signature: bytes) -> None:
        """
        Send what its owner has signed.

        Raises:
            UsageError, GuardError: it is not what takes this grant off, or not the owner's.
        """
        order = await self._order_by_hand(grant)
        head = self._watcher.head
        run, operation = await self._operator.bring(
            order, answer, signature, head_block=head.number if head else 0
        )
        await self._operator.send(run, operation)
        self.wake()

    async def _order_by_hand(self, grant: Grant) -> Order:
        if grant.nonce is None:
            raise UsageError(
                f"{_name(grant)} is not ours: nobody here knows what it was made with",
                hint="uninstall it from the owner's wallet; the chain tells when it is gone",
            )
        run, kind = await self._run_of(grant), await self._needed(grant)
        if run.state is not State.PREPARED or kind is None:
            raise UsageError(f"{_name(grant)} goes already, or is gone", hint="runner status")
        return self._order(run, grant, kind)

    def _ask_owner(self, grant: Grant) -> None:
        level = "debug" if grant.id in self._asked else "critical"
        self._asked.add(grant.id)
        self._telemetry.emit(
            "grant.revocation_asked",
            level=level,
            account=self._account.address,
            session=grant.session,
            generation=grant.generation,
            detail=f"{_name(grant)} can sign until its owner has taken it off",
            hint=f"runner grants request {_name(grant)} --out FILE, sign it, and bring it back by "
            "`runner grants sign FILE`; or uninstall it from the owner's wallet",
        )

    async def _end_activation(self, grant: Grant) -> None:
        """What would have installed it never will: proved dead, or given up unsigned (X3)."""
        for run in await self._ledger.open_runs():
            if run.grant_id != grant.id or run.kind is not RunKind.ACTIVATION:
                continue
            if run.state in PENDING:
                await self._pursuit(grant, GrantState.REVOKED).run(run)
            else:
                detail = "its grant was revoked before it was installed"
                await self._ledger.move(
                    run, State.SKIPPED, reason=Reason.GRANT, detail=detail, now=self._now()
                )

    async def _begin(self, run: Run, grant: Grant) -> Run:
        """The operation that takes it off, until it is final; none, where nothing is left."""
        kind = await self._needed(grant)
        if kind is not None:
            return await self._carry_out(run, grant, kind)
        return await self._ledger.move(
            run, State.SKIPPED, reason=Reason.NOTHING_TO_DO, now=self._now()
        )

    async def _needed(self, grant: Grant) -> OperationKind | None:
        """What takes it off, by what a final block shows; None: nothing of it is left (X15)."""
        block, chain = max(self._watcher.final_block, 0), self._venue.chain
        if grant.entity_id is None:
            raise AssertionError("a grant that was signed has its entity")
        standing = await chain.validation(self._account.address, grant.entity_id, block=block)
        if standing.is_installed:
            return OperationKind.UNINSTALL
        if grant.nonce is None:  # found on the account: it had no nonce of ours
            return None
        nonce = decode_nonce(grant.nonce)
        used = await chain.nonce(self._account.address, nonce.key192, block=block)
        return OperationKind.VOID if used == nonce.sequence else None

    async def _is_clean(self, grant: Grant, run: Run) -> bool:
        """X15: all modules cleaned up, given full data; or the grant was never installed."""
        operations = await self._ledger.operations(run.id)
        won = next((one for one in operations if one.status is OperationStatus.SUCCESS), None)
        if won is None or won.transaction_hash is None:
            return False  # somebody else took it off
        if grant.nonce is None or grant.entity_id is None:
            return False  # it was found here: what its modules hold is not known
        if won.kind is OperationKind.VOID:
            return True
        told = await self._venue.chain.uninstalls(
            self._account.address, won.transaction_hash, won.hash
        )
        return told.get(grant.entity_id, False)

    async def _close(self, grant: Grant, state: GrantState, *, detail: str | None = None) -> None:
        now = self._now()
        had_key = grant.key_sealed is not None
        grant = await self._ledger.move_grant(grant, state, detail=detail, now=now)
        self._telemetry.emit(
            f"grant.{state}",
            level="info" if detail is None else "warning",
            session=grant.session,
            generation=grant.generation,
            entity=grant.entity_id,
            detail=detail,
            key_destroyed=had_key,
        )
        self._on_revoked()

    # ── its operation ─────────────────────────────────────────────────────────────────────────

    async def _carry_out(self, run: Run, grant: Grant, kind: OperationKind) -> Run:
        head, order = self._watcher.head, self._order(run, grant, kind)
        async with AsyncExitStack() as lane:
            patience = self._venue.margins.inclusion.total_seconds()
            try:
                async with self._venue.clock.timeout(patience):
                    await lane.enter_async_context(self._account.lane.payment())
            except TimeoutError:
                pass  # operations that are stuck must not keep a key alive
            self._telemetry.emit(
                "grant.revoking", session=grant.session, generation=grant.generation, by=kind.value
            )
            run, operation = await self._operator.make(order, head_block=head.number if head else 0)
            run = await self._operator.send(run, operation)
            return (await self._pursuit(grant).run(run)).run

    def _order(self, run: Run, grant: Grant, kind: OperationKind) -> Order:
        key = nonce_key(self._venue.chain_id, self._account.address, keccak256(run.id.encode()))
        nonce = owner_nonce(parallel=key).value
        return Order(run=run, kind=kind, intent=(), nonce=nonce, grant=grant)

    def _pursuit(self, grant: Grant, standing: GrantState = GrantState.ACTIVE) -> Pursuit:
        return Pursuit(
            venue=self._venue,
            watcher=self._watcher,
            operator=self._operator,
            ledger=self._ledger,
            telemetry=self._telemetry,
            grant=grant,
            lines=(),
            deadline_at=_NEVER,
            ends_at=_NEVER,
            may_burn=False,
            standing=lambda: standing,
        )

    # ── failing ───────────────────────────────────────────────────────────────────────────────

    def _failed(self, error: RunnerError) -> timedelta:
        self._failures += 1
        wait = retry_after(
            ladder_of(error),
            failures=self._failures,
            life_left=None,
            min_lead=self._venue.margins.min_lead,
            chance=self._chance(),
        )
        self._telemetry.emit(
            "grant.revocation_failed",
            level="critical",
            account=self._account.address,
            failures=self._failures,
            next_attempt_at=self._now() + wait,
            detail=error.what,
            findings=[str(finding) for finding in getattr(error, "findings", ())],
            hint=error.hint or "it is tried again; until then its key can still sign",
        )
        return wait

    def _now(self) -> datetime:
        head = self._watcher.head
        now = self._venue.clock.now()
        return now if head is None else max(now, head.timestamp)


def _exposure(grant: Grant) -> tuple[bool, int]:
    """Unbounded before bounded, then by the largest allowance: amounts of tokens do not add up."""
    allowed = allowances(grant.permissions)
    return not allowed, max(allowed.values(), default=0)


def _name(grant: Grant) -> str:
    return f"{grant.session}#{grant.generation}"
