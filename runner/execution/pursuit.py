"""
From the point of no return to the end: a signed run is pursued until the chain has decided it.

Each round waits for one look at the chain, asks `recovery.next_step` what is safe, and does that
one thing. A payment, an activation and a run found after a crash all go this way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from runner.errors import Conflict, GuardError, RunnerError, WalletApiError
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.nonce import decode_nonce
from runner.execution.contexts import Venue
from runner.execution.recovery import Sighting, Situation, Step, next_step, rests_until
from runner.execution.steps import Operator, Order
from runner.execution.watch import Follower, Watcher
from runner.frozen import frozen
from runner.guard.intent import TransferLine
from runner.guard.movements import Comparison, Outflow, compare_movements, show_themselves
from runner.ports import Block, Ledger, OperationEvent, Telemetry, Transfer
from runner.records import (
    Grant,
    GrantState,
    Operation,
    OperationKind,
    OperationStatus,
    Run,
    RunKind,
)
from runner.scheduling.occurrence import CLOSED, Reason, State

_QUIET = timedelta(seconds=2)


@frozen
class Ending:
    """
    How a pursuit ended: the closed run, and what proved it (None when it is proved dead).

    `moved` is what a success moved, as the ledger has it; None: it was not closed so, or not here.
    """

    run: Run
    event: OperationEvent | None
    moved: tuple[TransferLine, ...] | None = None


class Pursuit:
    """Pursues one signed run."""

    def __init__(
        self,
        *,
        venue: Venue,
        watcher: Watcher,
        operator: Operator,
        ledger: Ledger,
        telemetry: Telemetry,
        grant: Grant,
        lines: tuple[TransferLine, ...],
        deadline_at: datetime,
        may_burn: bool,
        ends_at: datetime | None = None,
        standing: Callable[[], GrantState] = lambda: GrantState.ACTIVE,
        fresh: Operation | None = None,
        on_evidence: Callable[[], None] = lambda: None,
        leave: Callable[[], None] = lambda: None,
        patience: timedelta | None = None,
        retry_until: Callable[[Run, State], datetime | None] = lambda _run, _state: None,
    ) -> None:
        """
        Args:
            ends_at: When what signs ends; None: with the grant.
            standing: How far the generation that signs has come.
            fresh: The one operation of the run, if it was signed and sent just now.
            on_evidence: Called when somebody else's operation was seen on the fence (R13).
            leave: Called once it is in a block, or after `patience`, whichever comes first: no
                bundler holds it any more.
        """
        self._venue = venue
        self._watcher = watcher
        self._operator = operator
        self._ledger = ledger
        self._telemetry = telemetry
        self._grant = grant
        self._lines = lines
        self._deadline_at = deadline_at
        self._may_burn = may_burn
        self._ends_at = ends_at or grant.expires_at
        self._standing = standing
        self._fresh = fresh
        self._on_evidence = on_evidence
        self._leave = leave
        self._retry_until = retry_until
        self._last_sent_at = self._quiet_until = venue.clock.now()
        self._patience = patience
        self._moved: tuple[TransferLine, ...] | None = None
        self._follower: Follower | None = None
        self._told = False
        self._stopped = False
        self._refused: tuple[object, ...] = ()

    def nudge(self) -> None:
        """An operator has changed the run's row: read it again at the next look."""
        self._told = True
        if self._follower is not None:
            self._follower.rests_until = None

    async def run(self, run: Run) -> Ending:
        """
        Until the run is closed by evidence.

        A cancelled pursuit loses nothing: the next start takes the run up from the ledger.
        """
        fresh = self._fresh
        operations = await self._ledger.operations(run.id) if fresh is None else [fresh]
        first = operations[0]
        with self._watcher.follow(
            first.sender, first.nonce, min(one.from_block for one in operations)
        ) as follower:
            self._follower = follower
            if self._patience is not None:
                until = self._venue.clock.monotonic() + self._patience.total_seconds()
                follower.leaves(self._leave, at=until)
            seen, rest = False, None
            while run.state not in CLOSED:
                if not seen:
                    await follower.look(rest)
                seen, rest = False, None
                if self._told:
                    self._told = False
                    run = await self._ledger.run(run.id)
                situation = self._situation(run, operations, follower)
                step = next_step(situation)
                if step is Step.WAIT:
                    rest = rests_until(situation)
                    continue
                try:
                    if step is Step.INCLUDE and follower.event is not None:
                        run, operations = await self._include(run, operations, follower.event)
                        seen = True  # the look that shows it may show besides that it is final
                        continue
                    run = await self._take(step, run, operations, follower)
                except Conflict:
                    run = await self._ledger.run(run.id)
                except (WalletApiError, GuardError) as error:
                    await self._rest(step, run, error)
                # Nobody else writes them: they are as they were until something was done.
                if run.state not in CLOSED:
                    operations = await self._ledger.operations(run.id)
            return Ending(run, follower.event, self._moved)

    @property
    def _asks_before_retry(self) -> bool:
        """X12: evidence from the wallet service alone is not enough to pay again by itself."""
        return not (self._venue.independent or self._venue.sandbox)

    def _situation(self, run: Run, operations: list[Operation], follower: Follower) -> Situation:
        head = self._watcher.head
        if head is None:
            raise AssertionError("a situation needs a look at the chain")
        now = max(self._venue.clock.now(), head.timestamp)
        return Situation(
            state=run.state,
            operations=tuple(operations),
            sighting=None if follower.event is None else self._sighting(operations, follower.event),
            now=now,
            head_block=head.number,
            final_at=self._watcher.final_at,
            deadline_at=min(self._deadline_at, run.cancelled_at or self._deadline_at),
            grant_expires_at=self._ends_at,
            last_sent_at=self._last_sent_at,
            resend_after=self._venue.margins.inclusion,
            quiet_until=self._quiet_until,
            skew=self._venue.margins.skew,
            may_burn=self._may_burn,
            standing=self._standing(),
        )

    def _sighting(self, operations: list[Operation], event: OperationEvent) -> Sighting:
        identity = "0x" + event.user_op_hash.hex()
        for mine in operations:
            if mine.hash == identity:
                break
        else:
            return Sighting(identity, ours=False, final=False)
        recorded = mine.status is OperationStatus.INCLUDED and mine.block_hash == event.block_hash
        final = (
            recorded
            and mine.block_at is not None
            and self._watcher.is_final(event.block_number, mine.block_at)
        )
        return Sighting(identity, ours=True, final=final, recorded=recorded)

    async def _rest(self, step: Step, run: Run, error: RunnerError) -> None:
        """Look again in a while. A refusal of the guard is a person's business besides (M10)."""
        now = self._venue.clock.now()
        self._quiet_until = now + _QUIET
        level = "warning"
        findings = getattr(error, "findings", ())
        if findings and findings != self._refused:
            self._refused, level = findings, "critical"
            if run.kind is RunKind.PAYMENT:
                why = f"guard: {error.what}"
                await self._ledger.pause_schedule(run.schedule, reason=why, now=now)
        self._telemetry.emit(
            "run.delayed",
            level=level,
            run=run.id,
            schedule=run.schedule,
            step=step.value,
            detail=str(error),
            findings=[str(finding) for finding in findings],
        )

    async def _take(
        self, step: Step, run: Run, operations: list[Operation], follower: Follower
    ) -> Run:
        now = self._venue.clock.now()
        if step is Step.EXCLUDE:
            return await self._exclude(run, operations, now)
        if step is Step.CLOSE and follower.event is not None:
            return await self._close(run, operations, follower.event, now)
        if step is Step.EVIDENCE and follower.event is not None:
            return await self._foreign(run, follower.event, now)
        if step is Step.EXPIRED:
            return await self._prove_expired(run, operations, now)
        if step is Step.UNINSTALLED:
            return await self._prove_uninstalled(run, operations, now)
        if step is Step.ASK:
            return await self._ask(run, operations, now)
        if await self._is_stopped(run, now):
            return run
        if step is Step.RESEND:
            self._last_sent_at = now
            for operation in operations[-2:]:  # a burn and what it outbids: one of them will win
                run = await self._operator.send(run, operation)
            if run.state is State.UNKNOWN:
                self._quiet_until = now + _QUIET
            return run
        return await self._outbid(step, run, operations, now)

    async def _is_stopped(self, run: Run, now: datetime) -> bool:
        """O8: nothing is signed or sent, burns included; watching goes on."""
        if run.kind is RunKind.REVOCATION:
            return False
        why = await self._ledger.stopped()
        if why is not None:
            self._quiet_until = now + _QUIET
            if not self._stopped:
                self._telemetry.emit(
                    "run.stopped",
                    level="warning",
                    run=run.id,
                    schedule=run.schedule,
                    detail=why,
                    hint="what was sent is watched; `runner resume` lets it go on",
                )
        self._stopped = why is not None
        return self._stopped

    async def _include(
        self, run: Run, operations: list[Operation], event: OperationEvent
    ) -> tuple[Run, list[Operation]]:
        now = self._venue.clock.now()
        block = await self._watcher.block_of(event)
        inclusion = event.inclusion(block)
        run = await self._ledger.include(run, inclusion, now=now)
        self._leave()
        return run, [
            one.included(inclusion) if one.hash == inclusion.hash else one for one in operations
        ]

    async def _exclude(self, run: Run, operations: list[Operation], now: datetime) -> Run:
        gone = next(one for one in operations if one.status is OperationStatus.INCLUDED)
        self._telemetry.emit(
            "operation.excluded",
            level="warning",
            run=run.id,
            schedule=run.schedule,
            hash=gone.hash,
            block=gone.block_number,
        )
        return await self._ledger.exclude(run, gone.hash, now=now)

    async def _close(
        self, run: Run, operations: list[Operation], event: OperationEvent, now: datetime
    ) -> Run:
        identity = "0x" + event.user_op_hash.hex()
        winner = next(one for one in operations if one.hash == identity)
        outcome = OperationStatus.SUCCESS if event.success else OperationStatus.REVERTED
        if winner.kind is OperationKind.BURN:
            return await self._ledger.close(
                run,
                State.NOT_INCLUDED,
                winner=winner.hash,
                outcome=outcome,
                reason=Reason.BURNED,
                now=now,
            )
        if not event.success:
            again = self._retry_until(run, State.REVERTED)
            if again is not None and not await self._venue.chain.reverted_with_data(
                event.transaction_hash, winner.hash
            ):
                again = None  # S4: what reverts without a reason would do so again
            return await self._ledger.close(
                run,
                State.REVERTED,
                winner=winner.hash,
                outcome=outcome,
                retry_until=again,
                retry_held=self._asks_before_retry,
                now=now,
            )
        found = await self._compare(run, event)
        observed = tuple(_observed(one) for one in found.others)
        closed = await self._ledger.close(
            run,
            State.SUCCESS,
            winner=winner.hash,
            outcome=outcome,
            reason=Reason.PAID_DIFFERENTLY if found.differences else None,
            detail="; ".join(found.differences) or None,
            observed=observed,
            now=now,
        )
        self._moved = self._lines + observed
        return closed

    async def _compare(self, run: Run, event: OperationEvent) -> Comparison:
        """X22 and B8: what the logs of the operation say, against what was to be moved."""
        if not run.intent:
            return Comparison((), ())
        if show_themselves(self._lines, run.intent):
            together = await self._watcher.outflows(event) or ()
            found = compare_movements(self._lines, run.intent, _outflows(together, event.sender))
            if not found.differences:
                return found
        # Whatever is odd is said by the operation's own receipt, or not at all.
        transfers = await self._venue.chain.transfers(
            event.transaction_hash, "0x" + event.user_op_hash.hex()
        )
        return compare_movements(self._lines, run.intent, _outflows(transfers, event.sender))

    async def _foreign(self, run: Run, event: OperationEvent, now: datetime) -> Run:
        """X3: an operation that we did not sign stands on our fence: the key is suspected."""
        detail = f"operation 0x{event.user_op_hash.hex()} on our fence is not ours"
        self._telemetry.emit(
            "run.evidence",
            level="critical",
            run=run.id,
            schedule=run.schedule,
            detail=detail,
            hint="treat the session key as stolen: revoke the grant, then find out who signed this",
        )
        held = await self._ledger.move(
            run, State.HELD, reason=Reason.EVIDENCE, detail=detail, now=now
        )
        self._on_evidence()
        return held

    async def _prove_expired(self, run: Run, operations: list[Operation], now: datetime) -> Run:
        """X3a: a final block later than the end, where the fence's sequence is still unused."""
        block = await self._final_block()
        if block is None or not await self._is_past_end(block):
            self._quiet_until = now + _QUIET
            return run
        fence = decode_nonce(operations[0].nonce)
        used = await self._venue.chain.nonce(operations[0].sender, fence.key192, block=block.number)
        again = await self._venue.chain.block(block.number)
        if used != fence.sequence or again != block:
            # Something was included on this fence, and its event is what we have to find; or the
            # block is another one by now, and the nonce was read in neither or either.
            self._quiet_until = now + _QUIET
            return run
        return await self._ledger.close(
            run,
            State.NOT_INCLUDED,
            winner=None,
            outcome=OperationStatus.DEAD,
            reason=Reason.EXPIRED,
            detail=f"block {block.number} is later than the grant's end and the nonce is unused",
            retry_until=self._retry_until(run, State.NOT_INCLUDED),
            retry_held=self._asks_before_retry,
            now=now,
        )

    async def _is_past_end(self, block: Block) -> bool:
        """
        By its header, and by the time that contracts see in it: a header that tells a wrong time
        would have a payment called dead that may still be included.
        """
        if block.timestamp <= self._ends_at:
            return False
        seen = await self._venue.chain.time_in(block.number)
        return seen is None or seen > self._ends_at

    async def _prove_uninstalled(self, run: Run, operations: list[Operation], now: datetime) -> Run:
        """
        X3c: the uninstall is final, that is in the ledger, and the fence is unused since.

        What would have installed the grant has a nonce that its owner used up.
        """
        block = await self._final_block()
        fence = decode_nonce(operations[0].nonce)
        used = None
        if block is not None:
            sender = operations[0].sender
            used = await self._venue.chain.nonce(sender, fence.key192, block=block.number)
        voided = run.kind is RunKind.ACTIVATION and used is not None and used > fence.sequence
        if block is None or not (used == fence.sequence or voided):
            # Something was included on this fence; its event is what we have to find.
            self._quiet_until = now + _QUIET
            return run
        return await self._ledger.close(
            run,
            State.NOT_INCLUDED,
            winner=None,
            outcome=OperationStatus.DEAD,
            reason=Reason.UNINSTALLED,
            detail=f"its grant was taken off the account; block {block.number} shows it was unused",
            retry_until=self._retry_until(run, State.NOT_INCLUDED),
            now=now,
        )

    async def _final_block(self) -> Block | None:
        """The newest block that is final by depth and by age."""
        head = self._watcher.head
        number = self._watcher.final_block
        back = 1
        while head is not None and number >= 0:
            block = await self._venue.chain.block(number)
            if block.timestamp <= self._watcher.final_at:
                return block
            number -= back
            back *= 2
        return None

    async def _ask(self, run: Run, operations: list[Operation], now: datetime) -> Run:
        """No inclusion for a while: a service that forgot the operation gets the bytes again."""
        self._last_sent_at = now
        newest = operations[-1]
        status = await self._venue.api.get_calls_status(newest.call_id)
        if status.pending or 200 <= status.code < 300:
            return run
        detail = f"the service answers {status.code}" if status.known else "the service forgot it"
        return await self._ledger.note(
            run, newest.hash, OperationStatus.UNKNOWN, detail=detail, now=now
        )

    async def _outbid(
        self, step: Step, run: Run, operations: list[Operation], now: datetime
    ) -> Run:
        """Replace or burn: same fence, higher fees, the frozen calls or none (X4, X21)."""
        burn = step is Step.BURN
        self._quiet_until = now + _QUIET
        self._last_sent_at = now
        kind = OperationKind.BURN if burn else operations[-1].kind
        intent: tuple[Call, ...] = () if kind is OperationKind.BURN else run.intent or ()
        self._telemetry.emit(
            "run.burning" if burn else "run.replacing",
            level="warning",
            run=run.id,
            schedule=run.schedule,
            detail="not included in time" if run.cancelled_at is None else "cancelled",
        )
        head = self._watcher.head
        order = Order(
            run=run,
            kind=kind,
            intent=intent,
            nonce=operations[0].nonce,
            grant=self._grant,
            outbids=tuple(operations),
        )
        run, operation = await self._operator.make(order, head_block=head.number if head else 0)
        return await self._operator.send(run, operation)


def _outflows(transfers: Sequence[Transfer], sender: Address) -> list[Outflow]:
    return [
        Outflow(transfer.token, transfer.receiver, transfer.amount)
        for transfer in transfers
        if transfer.sender == sender
    ]


def _observed(outflow: Outflow) -> TransferLine:
    return TransferLine(
        token=outflow.token,
        symbol=outflow.token,
        decimals=0,
        receiver=outflow.receiver,
        receiver_name=outflow.receiver,
        amount=outflow.amount,
        kind="observed",
    )
