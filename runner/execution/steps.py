"""
The steps of an operation: prepare, verify, sign, commit, send. One function each.

The order is the safety: what the guard has not approved is not signed; what is not durable is
not sent (X5). Every operation of a run is made here, be it a payment, an activation or a burn.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from runner.errors import GuardError, RunnerError, WalletApiError
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.nonce import decode_nonce
from runner.ethereum.user_operation import call_id
from runner.execution.contexts import AccountContext
from runner.frozen import frozen
from runner.guard.checks import ApprovedOperation
from runner.guard.offer import OperationOffer
from runner.guard.operation import OperationTerms, check_operation
from runner.guard.verdict import Finding, Refused
from runner.ports import FeeOverride, KeyRing, Ledger, Signer, Telemetry
from runner.records import (
    Grant,
    NewOperation,
    Operation,
    OperationKind,
    OperationStatus,
    Run,
    RunKind,
)


@frozen
class Order:
    """One operation to be made: what kind, which calls, on which fence, under which grant."""

    run: Run
    kind: OperationKind
    intent: tuple[Call, ...]
    nonce: int
    grant: Grant
    receivers: tuple[Address, ...] | None = None
    moved_to: tuple[Address, ...] = ()
    contracts: frozenset[Address] | None = None
    outbids: tuple[Operation, ...] = ()
    sign_before: datetime | None = None


class TooLate(RunnerError):
    """The moment up to which something might have been signed has passed; nothing was."""


class Operator:
    """Makes operations for one account and sends them."""

    def __init__(
        self, account: AccountContext, *, ledger: Ledger, keys: KeyRing, telemetry: Telemetry
    ) -> None:
        self._account = account
        self._venue = account.venue
        self._gas_policy = account.gas_policy
        self._ledger = ledger
        self._keys = keys
        self._telemetry = telemetry
        self._kept: dict[str, tuple[Finding, ...]] = {}
        """By run: what was refused last, and is in the ledger."""

    async def make(
        self, order: Order, *, head_block: int, committing: Callable[[], None] = lambda: None
    ) -> tuple[Run, NewOperation]:
        """
        Prepare, check, sign and commit one operation. Nothing has been sent when this returns.

        Args:
            committing: Called before the signature: from here on nothing may interrupt.

        Raises:
            WalletApiError: the service did not prepare it.
            GuardError: what it prepared may not be signed; nothing was.
            TooLate: preparing took longer than the grant or the deadline allows (R6).
            Conflict: the run moved on, its fence is taken, or an operator forbids to sign (O8).
        """
        self._check_place(order.grant)
        fees = _outbid(order.outbids)
        order = await self._complete(order)
        context = self._context(order)
        offer = await self._offered(order, fees, context)
        verdict, pinned = await self._approved(order, fees, offer)
        if order.sign_before is not None and self._venue.clock.now() > order.sign_before:
            raise TooLate(f"preparing the {order.kind} of {order.run.id} took too long")
        committing()
        signature = await self._signer(order).sign(verdict.approved)
        return await self._committed(
            order, verdict, offer, signature, context=context, pinned=pinned, head_block=head_block
        )

    async def _offered(
        self, order: Order, fees: FeeOverride | None, context: bytes | None
    ) -> OperationOffer:
        """What the service prepares for an order."""
        return await self._venue.api.prepare_calls(
            account=self._account.address,
            chain_id=self._venue.chain_id,
            calls=order.intent,
            context=context,
            gas_policy=self._gas_policy,
            # A grant's first use carries the nonce that the owner signed; it cannot be chosen (F3).
            nonce_key=None
            if order.run.kind is RunKind.ACTIVATION
            else decode_nonce(order.nonce).parallel,
            fees=fees,
        )

    async def _approved(
        self, order: Order, fees: FeeOverride | None, offer: OperationOffer
    ) -> tuple[ApprovedOperation, Address | None]:
        """The guard's leave, and the paymaster that was pinned before."""
        pinned = await self._paymaster()
        verdict = await self._check(order, pinned, fees, offer)
        if isinstance(verdict, Refused):
            raise await self._refused(order, verdict)
        return verdict, pinned

    async def _committed(
        self,
        order: Order,
        verdict: ApprovedOperation,
        offer: OperationOffer,
        signature: bytes,
        *,
        context: bytes | None,
        pinned: Address | None,
        head_block: int,
    ) -> tuple[Run, NewOperation]:
        """The signed operation, durable."""
        request = self._venue.api.seal(
            offer, signature, context=context, gas_policy=self._gas_policy
        )
        now = self._venue.clock.now()
        if pinned is None and verdict.operation.paymaster is not None:
            await self._ledger.pin_paymaster(
                self._venue.wallet, self._venue.chain_id, verdict.operation.paymaster, now=now
            )
        new = self._new_operation(order, verdict, request, head_block)
        return await self._ledger.sign(order.run, new, now=now), new

    def _check_place(self, grant: Grant) -> None:
        """
        What is made here is of this account alone: nonce, context and key go by the grant.

        Raises:
            GuardError: the grant is of another account or chain; its session has moved.
        """
        here = (self._venue.chain_id, self._account.address)
        if (grant.chain, grant.account) != here:
            raise GuardError(
                f"{grant.session}#{grant.generation} is a grant on {grant.account}, chain "
                f"{grant.chain}, not on {self._account.address}, chain {self._venue.chain_id}",
                hint="nothing was signed: the session has moved since; put its old account back "
                "into a policy, with a session on it",
            )

    async def _refused(self, order: Order, verdict: Refused) -> GuardError:
        """Keep what was offered beside what was asked; the same offer once, however often made."""
        what = f"refused to sign the {order.kind} of {order.run.id}"
        if self._kept.get(order.run.id) != verdict.findings:
            self._kept[order.run.id] = verdict.findings
            await self._ledger.keep_evidence(
                order.run.id, what=what, findings=verdict.findings, now=self._venue.clock.now()
            )
        return GuardError(
            what,
            findings=verdict.findings,
            hint="nothing was signed; compare what was asked with what the service offered",
        )

    async def send(self, run: Run, operation: NewOperation | Operation) -> Run:
        """
        Send the committed bytes: just made, or again as the ledger has them. What comes is noted.

        An error proves nothing about the operation's fate: it becomes unknown, and evidence
        decides (X3). While everything is stopped nothing leaves: it stays as it is (O8).
        """
        if isinstance(operation, NewOperation):
            request = operation.request
        else:
            request = await self._ledger.open_request(operation.hash)
        if await self._stopped() is not None:
            return run
        now = self._venue.clock.now
        try:
            answered = await self._venue.api.send_prepared_calls(request)
        except WalletApiError as error:
            self._telemetry.emit(
                "operation.unknown",
                level="warning",
                run=run.id,
                schedule=run.schedule,
                hash=operation.hash,
                detail=error.what,
            )
            return await self._ledger.note(
                run, operation.hash, OperationStatus.UNKNOWN, detail=error.what, now=now()
            )
        self._telemetry.emit(
            "operation.sent",
            level="debug",
            run=run.id,
            schedule=run.schedule,
            hash=operation.hash,
            call_id=answered,
        )
        return await self._ledger.note(
            run, operation.hash, OperationStatus.SENT, detail=None, call_id=answered, now=now()
        )

    # ── what differs by who signs ─────────────────────────────────────────────────────────────

    async def _stopped(self) -> str | None:
        """Why nothing may be signed or sent (O8)."""
        return await self._ledger.stopped()

    def _context(self, order: Order) -> bytes | None:
        """The session that goes with the request."""
        return self._ledger.open_context(order.grant)

    async def _complete(self, order: Order) -> Order:
        """The order with its calls."""
        return order

    async def _check(
        self,
        order: Order,
        pinned: Address | None,
        fees: FeeOverride | None,
        offer: OperationOffer,
    ) -> ApprovedOperation | Refused:
        """The guard's verdict."""
        return check_operation(self._terms(order, pinned, fees), offer)

    def _signer(self, order: Order) -> Signer:
        """Whose signature it needs."""
        return self._keys.session_signer(order.grant)

    # ── what is alike ─────────────────────────────────────────────────────────────────────────

    async def _paymaster(self) -> Address | None:
        if self._gas_policy is None:
            return None
        return await self._ledger.paymaster_pin(self._venue.wallet, self._venue.chain_id)

    def _terms(
        self, order: Order, pinned: Address | None, fees: FeeOverride | None
    ) -> OperationTerms:
        account = self._account
        least = None if fees is None else (fees.max_fee_per_gas, fees.max_priority_fee_per_gas)
        deploys = order.kind is OperationKind.ACTIVATION or order.run.kind is RunKind.ACTIVATION
        return OperationTerms(
            chain_id=self._venue.chain_id,
            account=account.address,
            intent=order.intent,
            permissions=order.grant.permissions,
            expiry=int(order.grant.expires_at.timestamp()),
            nonce=order.nonce,
            session_key=order.grant.key_address,
            sponsored=self._gas_policy is not None,
            paymaster=pinned,
            max_fee=account.max_fee,
            sandbox=self._venue.sandbox,
            now=int(self._venue.clock.now().timestamp()),
            least_fees=least,
            deploys_for=account.deploys_for if deploys else None,
            receivers=order.receivers,
            moved_to=order.moved_to,
            contracts=order.contracts,
        )

    def _new_operation(
        self, order: Order, verdict: ApprovedOperation, request: bytes, head_block: int
    ) -> NewOperation:
        operation = verdict.operation
        return NewOperation(
            hash="0x" + verdict.hash.hex(),
            kind=order.kind,
            call_id="0x" + call_id(self._venue.chain_id, verdict.hash).hex(),
            chain=self._venue.chain_id,
            sender=operation.sender,
            nonce=operation.nonce,
            max_fee_per_gas=operation.max_fee_per_gas,
            max_priority_fee_per_gas=operation.max_priority_fee_per_gas,
            max_cost=operation.max_cost,
            sponsored=operation.paymaster is not None,
            request=request,
            from_block=head_block,
            checked=verdict.rules,
        )


def _outbid(signed: tuple[Operation, ...]) -> FeeOverride | None:
    """X21: each fee at least 110 % of the highest ever signed on this fence, rounded up."""
    if not signed:
        return None
    return FeeOverride(
        max_fee_per_gas=_raised(max(one.max_fee_per_gas for one in signed)),
        max_priority_fee_per_gas=_raised(max(one.max_priority_fee_per_gas for one in signed)),
    )


def _raised(fee: int) -> int:
    return -(-fee * 11 // 10)
