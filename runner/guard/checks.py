"""
May this be signed? One function a rule; each compares what was asked with what is offered.

What a service offers is never taken over: the digest that gets signed is computed here, from what
we asked for, and the offer must equal it in every field. Rules G1 to G11; decoding only explains
a refusal.

Here is what holds for every prepared operation, whoever signs it. `operation.py` adds what holds
for session keys, `owner.py` and `delegation.py` for owners; `grants.py` judges what makes a grant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from runner.errors import EncodingError
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.calls import Call
from runner.ethereum.modular_account import (
    FACTORY,
    decode_call_data,
    encode_call_data,
    factory_data,
)
from runner.ethereum.signature import personal_sign_digest
from runner.ethereum.user_operation import UserOperation, user_operation_hash
from runner.frozen import frozen
from runner.guard.offer import Claims, OperationOffer, PersonalSign, SignatureRequest
from runner.guard.verdict import Approved, Check

KIND = "user-operation-v070"
"""The one kind of answer that holds an operation to be signed (G5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """
    What was asked for: the only operation that may be signed on its nonce.

    Args:
        nonce: The full nonce, fence or grant nonce (X1).
        paymaster: The pinned one (G4); None while none was seen.
        max_fee: Wei for one operation, all gas fields (G2).
        least_fees: (maxFeePerGas, maxPriorityFeePerGas) of a replacement (X21), in wei per gas.
        deploys_for: Owner and salt, where the operation may carry the account's factory.
    """

    chain_id: int
    account: Address
    nonce: int
    sponsored: bool
    paymaster: Address | None
    max_fee: int
    sandbox: bool
    least_fees: tuple[int, int] | None = None
    deploys_for: tuple[Address, int] | None = None


@frozen
class ApprovedOperation:
    """
    The verdict on an operation, with the values that were checked.

    `rules` are those that were looked at, all of which held, in their order, each once.
    """

    approved: Approved
    operation: UserOperation
    hash: bytes
    rules: tuple[str, ...]


def rules_of(checks: Iterable[Check]) -> tuple[str, ...]:
    """What was looked at."""
    return tuple(dict.fromkeys([one.rule for one in checks]))


def offered_operation(offer: OperationOffer, chain_id: int) -> tuple[UserOperation, bytes] | Check:
    """The operation of an answer and its hash as we compute it, or why there is none (G5)."""
    if offer.kind != KIND or offer.operation is None:
        return Check("G5.type", KIND, offer.kind, holds=False)
    try:
        return offer.operation, user_operation_hash(offer.operation, chain_id)
    except EncodingError as error:
        return Check("G5.fields", "fields in range", error.what, holds=False)


def operation_checks(
    terms: Terms,
    intent: tuple[Call, ...],
    offer: OperationOffer,
    operation: UserOperation,
    digest: bytes,
    *,
    execution_hooks: bool,
) -> tuple[Check, ...]:
    """Everything that binds an operation, whoever signs it."""
    return (
        same("G5.type", KIND, offer.kind),
        chain(terms.chain_id, offer.chain_id),
        same("B4.sender", terms.account, operation.sender),
        # X1, S2: our own nonce to the last bit; anything else was used, or is not ours.
        Check("X1.nonce", hex(terms.nonce), hex(operation.nonce), terms.nonce == operation.nonce),
        *_bytes(terms.account, intent, operation.call_data, execution_hooks),
        *_factory(terms, operation),
        _paymaster(terms, operation),
        *_fees(terms, operation),
        *_request(digest, offer.request),
        *(() if offer.claims is None else _claims(terms, intent, digest, offer.claims)),
    )


def same(rule: str, asked: object, offered: object) -> Check:
    """What is offered has to be what was asked."""
    return Check(rule, asked, offered, asked == offered)


def chain(asked: int, offered: int | None) -> Check:
    """The chain that an answer names."""
    return same("B4.chain", asked, offered)


def kind_of(request: SignatureRequest) -> str:
    """What a request asks for, in words."""
    return str(getattr(request, "kind", type(request).__name__))


def _request(digest: bytes, request: SignatureRequest) -> Sequence[Check]:
    """B5: what we would sign is the hash that we computed, and nothing else."""
    if not isinstance(request, PersonalSign):
        asked = "personal_sign of the operation's hash"
        return (Check("G5.request", asked, kind_of(request), holds=False),)
    raw = same("B5.hash", digest, request.raw)
    if request.raw_payload is None:
        return (raw,)
    return raw, same("B5.rawPayload", personal_sign_digest(digest), request.raw_payload)


def _claims(
    terms: Terms, intent: tuple[Call, ...], digest: bytes, claims: Claims
) -> Sequence[Check]:
    """What is said beside the operation has to fit it: a service in two minds is not followed."""
    most = f"at most {terms.max_fee} wei"
    others = ", ".join(claims.strangers)
    checks = [
        same("G4.feePayment", terms.sponsored, claims.sponsored),
        same("G4.feeToken", ZERO_ADDRESS, claims.fee_token),
        Check("G2.maxAmount", most, f"{claims.fee} wei", claims.fee <= terms.max_fee),
        Check("G5.members", "those of v0.7 alone", others or "those alone", not others),
    ]
    if claims.hash is not None:
        checks.append(same("B5.details.hash", digest, claims.hash))
    if claims.calls is not None:
        checks.append(same("G11.details.calls", intent, claims.calls))
    return checks


def _bytes(
    account: Address, intent: tuple[Call, ...], offered: bytes, execution_hooks: bool
) -> Sequence[Check]:
    """G11: our own encoding, byte for byte; one call may come as `execute` too."""
    ours = encode_call_data(intent, account=account, execution_hooks=execution_hooks)
    if offered == ours or offered == _single(account, intent, execution_hooks):
        return (Check("G11.calldata", offered, offered, holds=True),)
    return tuple(_explain(intent, ours, offered, execution_hooks))


def _single(account: Address, intent: tuple[Call, ...], execution_hooks: bool) -> bytes | None:
    """One call without the batch; None if there are more, or it cannot stand by itself."""
    if len(intent) != 1:
        return None
    try:
        return encode_call_data(
            intent, account=account, execution_hooks=execution_hooks, single="execute"
        )
    except EncodingError:
        return None


def _explain(
    asked: tuple[Call, ...], ours: bytes, call_data: bytes, hooks: bool
) -> Iterator[Check]:
    try:
        decoded = decode_call_data(call_data)
    except EncodingError as error:
        offered = f"undecodable ({error.what})"
        yield Check("G11.calldata", asked or "no calls", offered, holds=False)
        return
    prefix = {True: "executeUserOp prefix", False: "no prefix"}
    if decoded.user_op_context != hooks:
        yield same("G11.prefix", prefix[hooks], prefix[decoded.user_op_context])
    for index in range(max(len(asked), len(decoded.calls))):
        mine = asked[index] if index < len(asked) else "nothing"
        theirs = decoded.calls[index] if index < len(decoded.calls) else "nothing"
        if mine != theirs:
            yield same(f"G11.calls[{index}]", mine, theirs)
    if decoded.calls == asked and decoded.user_op_context == hooks:
        yield same("G11.calldata", ours, call_data)


def _factory(terms: Terms, operation: UserOperation) -> Sequence[Check]:
    """B4: no factory; where the account may be made, the canonical one, for this very owner."""
    factory = operation.factory
    if factory is None or terms.deploys_for is None:
        return (Check("B4.factory", "none", factory, factory is None),)
    owner, salt = terms.deploys_for
    return (
        same("B4.factory", FACTORY, factory),
        same("B4.factoryData", factory_data(owner, salt), operation.factory_data),
    )


def _paymaster(terms: Terms, operation: UserOperation) -> Check:
    """G4: a paymaster if and only if sponsored, and always the same one."""
    offered = operation.paymaster
    if not terms.sponsored:
        return Check("G4.paymaster", "none: the account pays", offered, offered is None)
    if terms.paymaster is None or offered is None:
        return Check("G4.paymaster", "a sponsor", offered, offered not in (None, ZERO_ADDRESS))
    pinned = f"{terms.paymaster} (pinned)"
    return Check("G4.paymaster", pinned, offered, offered == terms.paymaster)


def _fees(terms: Terms, operation: UserOperation) -> Sequence[Check]:
    """G2 and X21: the most that this operation can cost, and what a replacement must offer."""
    cost, most = operation.max_cost, terms.max_fee
    fee, priority = operation.max_fee_per_gas, operation.max_priority_fee_per_gas
    checks = (
        Check("G2.max_fee", f"at most {most} wei", f"{cost} wei", cost <= most),
        Check("G2.priority", f"at most maxFeePerGas {fee}", priority, priority <= fee),
    )
    if terms.least_fees is None:
        return checks
    least_fee, least_priority = terms.least_fees
    outbids = fee >= least_fee and priority >= least_priority
    asked = f"at least {terms.least_fees}"
    return (*checks, Check("X21.fees", asked, str((fee, priority)), outbids))
