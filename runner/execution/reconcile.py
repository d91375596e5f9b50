"""
After a backup was restored: what was paid since it was made is looked for on the chain (X18, H5).

The same slot always leads to the same nonce key, under whatever generation. So every operation of
our accounts whose key is that of a slot, which this ledger has not decided or not signed, is what
an earlier ledger did about it. What is found is written down; what is not found is not paid, but
`missed`: it may have been signed, and a person decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from runner.ethereum.address import Address
from runner.ethereum.nonce import decode_nonce
from runner.execution.contexts import ScheduleContext, Venue
from runner.execution.watch import Watcher
from runner.guard.intent import NATIVE, TransferLine
from runner.policy.fingerprint import trigger_text
from runner.ports import Copies, Ledger, OperationEvent, Telemetry
from runner.records import (
    Adoption,
    Claim,
    NewOperation,
    OperationKind,
    Run,
    RunKind,
    ScheduleState,
)
from runner.scheduling.lookup import slots_between
from runner.scheduling.occurrence import PENDING, Reason, State, nonce_key, run_id
from runner.scheduling.triggers import timetable

_ATTEMPTS = 5
"""Attempts whose keys are looked for, of every slot."""

_INSTANT = timedelta(microseconds=1)
_FOUND = "found on the chain after a backup was restored"
_UNPROVEN = "no log tells its payment from its burn: compare with the receiver's balance"
Key = tuple[Address, int]
"""An account and the parallel part of a nonce: the same under every generation (F9)."""


@dataclass(slots=True)
class Reconciler:
    """Looks once for everything, venue by venue; begun again it finds what it has written."""

    schedules: Mapping[str, ScheduleContext]
    watchers: Mapping[str, Watcher]
    ledger: Ledger
    copies: Copies
    telemetry: Telemetry
    adopted: int = 0
    missed: int = 0

    async def run(self) -> None:
        """Until this ledger knows of every slot since its copy was made what became of it."""
        copied_at = await self.copies.copied_at()
        if copied_at is None:
            return
        self.telemetry.emit(
            "ledger.restored",
            level="critical",
            copied_at=copied_at,
            detail="nothing is paid before the chain was asked what was paid since",
        )
        known = await self.ledger.schedules()
        venues = {one.session.venue.name: one.session.venue for one in self.schedules.values()}
        for name, venue in venues.items():
            events = await self._final_events(venue, self.watchers[name])
            for context in self.schedules.values():
                if context.session.venue.name == name:
                    await self._undecided(context, known.get(context.uid), events)
            await self._open(venue, events)
        now = next((venue.clock.now() for venue in venues.values()), copied_at)
        await self.copies.reconciled(adopted=self.adopted, missed=self.missed, now=now)
        self.telemetry.emit(
            "ledger.reconciled",
            level="warning",
            adopted=self.adopted,
            missed=self.missed,
            hint="`runner runs list` shows what is missed: pay it by hand, if it is to be paid",
        )

    async def _final_events(self, venue: Venue, watcher: Watcher) -> dict[Key, OperationEvent]:
        """
        All operations of our accounts since the copy, from blocks that are final.

        What was just sent gets the time that an inclusion takes before it counts as not there.
        """
        await venue.clock.sleep(venue.margins.inclusion.total_seconds())
        head = watcher.head
        if head is None:
            raise AssertionError("nothing is reconciled before the first look")
        while True:
            block = await venue.chain.block(head.number)
            if watcher.is_final(block.number, block.timestamp):
                break
            await venue.clock.sleep(venue.poll_seconds)
        first = await self.copies.first_block(venue.chain_id)
        senders = sorted(
            {
                one.session.account.address
                for one in self.schedules.values()
                if one.session.venue.name == venue.name
            }
        )
        events = await venue.chain.operation_events(senders, from_block=first, to_block=head.number)
        return {(event.sender, decode_nonce(event.nonce).parallel): event for event in events}

    # ── slots that nobody decided ─────────────────────────────────────────────────────────────

    async def _undecided(
        self,
        context: ScheduleContext,
        state: ScheduleState | None,
        events: Mapping[Key, OperationEvent],
    ) -> None:
        if state is None or state.state != "active":
            return
        if state.trigger != trigger_text(context.spec):
            return  # a changed trigger is seeded in the future: none of its slots is behind us
        now = context.session.venue.clock.now()
        table = timetable(context.spec, anchor=state.anchor)
        for slot in slots_between(table, state.decided_until + _INSTANT, now + _INSTANT):
            claim = Claim(
                schedule=context.uid,
                slot=slot.text,
                due_at=slot.due_at,
                decision=State.CLAIMED,
                session=context.session.uid,
                reservations=context.reservations(due_at=slot.due_at, slot=slot.text),
            )
            if slot.verdict is None and await self._adopt(context, claim, events):
                await self.ledger.claim([], decided_until={context.uid: slot.due_at}, now=now)
                continue
            missed = replace(claim, decision=State.MISSED, reason=Reason.LATE, reservations=())
            await self.ledger.claim([missed], decided_until={context.uid: slot.due_at}, now=now)
            self.missed += 1

    async def _adopt(
        self, context: ScheduleContext, claim: Claim, events: Mapping[Key, OperationEvent]
    ) -> bool:
        """Write down what the chain shows of a slot: of its newest attempt, if there are more."""
        for attempt in range(_ATTEMPTS, 0, -1):
            event = events.get(_key(context, run_id(claim.schedule, claim.slot, attempt=attempt)))
            if event is not None:
                found = await self._adoption(context, claim, attempt, event)
                await self.copies.adopt(found, now=context.session.venue.clock.now())
                self.adopted += 1
                return True
        return False

    async def _adoption(
        self, context: ScheduleContext, claim: Claim, attempt: int, event: OperationEvent
    ) -> Adoption:
        venue, lines = context.session.venue, tuple(context.most.lines)
        block = await venue.chain.block(event.block_number)
        paid = event.success and await self._moved(context, event, lines)
        kind, state, reason = OperationKind.PAYMENT, State.SUCCESS, None
        if not event.success:
            state = State.REVERTED
        elif not paid and not context.is_computed:
            kind, state, reason = OperationKind.BURN, State.NOT_INCLUDED, Reason.BURNED
        elif context.is_computed:
            reason = Reason.PAID_DIFFERENTLY  # nobody knows any more what it was to be
        return Adoption(
            claim=claim,
            attempt=attempt,
            operation=_operation(event, kind, venue),
            inclusion=event.inclusion(block),
            intent=() if context.is_computed else context.most.calls,
            lines=() if context.is_computed else lines,
            revision=context.revision,
            state=state,
            reason=reason,
            detail=_FOUND if _leaves_logs(lines) else f"{_FOUND}; {_UNPROVEN}",
        )

    async def _moved(
        self, context: ScheduleContext, event: OperationEvent, lines: Sequence[TransferLine]
    ) -> bool:
        """
        Whether an operation moved what its slot pays: else it was the burn of its fence.

        Tokens leave logs. The coin leaves none, and nor do other calls: in doubt it counts as paid,
        which a person can look at; a second payment cannot be taken back.
        """
        chain = context.session.venue.chain
        logs = await chain.transfers(event.transaction_hash, "0x" + event.user_op_hash.hex())
        seen = {(one.token, one.receiver) for one in logs if one.sender == event.sender}
        tokens = [one for one in lines if one.token != NATIVE and one.kind == "pay"]
        return not tokens or any((one.token, one.receiver) in seen for one in tokens)

    # ── runs that were open when the copy was made ────────────────────────────────────────────

    async def _open(self, venue: Venue, events: Mapping[Key, OperationEvent]) -> None:
        for run in await self.ledger.open_runs():
            context = self.schedules.get(run.schedule)
            if run.kind is not RunKind.PAYMENT or context is None:
                continue
            if context.session.venue.name != venue.name:
                continue
            if run.state in PENDING:
                await self._learn(context, run, events)
            elif run.reason is not Reason.EVIDENCE:
                await self._unsigned(context, run, events)

    async def _unsigned(
        self, context: ScheduleContext, run: Run, events: Mapping[Key, OperationEvent]
    ) -> None:
        claim = Claim(
            schedule=run.schedule,
            slot=run.slot,
            due_at=run.due_at,
            decision=State.CLAIMED,
            session=run.session,
        )
        if await self._adopt(context, claim, events):
            return
        self.missed += 1
        await self.ledger.move(
            run,
            State.MISSED,
            reason=run.reason or Reason.DEADLINE,
            detail="it was open when the backup was made, and is not on the chain",
            now=context.session.venue.clock.now(),
        )

    async def _learn(
        self, context: ScheduleContext, run: Run, events: Mapping[Key, OperationEvent]
    ) -> None:
        """A signed run: what outbid it since, or burned it, is ours too."""
        event = events.get(_key(context, bytes.fromhex(run.id[2:])))
        mine = {one.hash for one in await self.ledger.operations(run.id)}
        if event is None or "0x" + event.user_op_hash.hex() in mine:
            return
        lines = await self.ledger.transfers(run.id)
        paid = not event.success or await self._moved(context, event, lines)
        kind = OperationKind.PAYMENT if paid else OperationKind.BURN
        now = context.session.venue.clock.now()
        await self.ledger.sign(run, _operation(event, kind, context.session.venue), now=now)


def _leaves_logs(lines: Sequence[TransferLine]) -> bool:
    return any(one.token != NATIVE and one.kind == "pay" for one in lines)


def _key(context: ScheduleContext, run: bytes) -> Key:
    account = context.session.account.address
    return account, nonce_key(context.session.venue.chain_id, account, run)


def _operation(event: OperationEvent, kind: OperationKind, venue: Venue) -> NewOperation:
    """An operation of which the chain knows all that is left."""
    return NewOperation(
        hash="0x" + event.user_op_hash.hex(),
        kind=kind,
        call_id="",
        chain=venue.chain_id,
        sender=event.sender,
        nonce=event.nonce,
        max_fee_per_gas=0,
        max_priority_fee_per_gas=0,
        max_cost=event.gas_cost,
        sponsored=False,
        request=b"",
        from_block=event.block_number,
    )
