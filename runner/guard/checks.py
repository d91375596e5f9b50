"""
May this be signed? One function a rule; each yields what differs.

What a service offers is never taken over: the digest that gets signed is computed here, from what
we asked for, and the offer must equal it in every field. Rules G1 to G11; decoding only explains
a refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runner.errors import EncodingError
from runner.ethereum.address import Address, parse_address
from runner.ethereum.calls import Call
from runner.ethereum.modular_account import (
    FACTORY,
    decode_call_data,
    deferred_action,
    encode_call_data,
    factory_data,
    has_execution_hooks,
    install_validation,
    is_global,
)
from runner.ethereum.nonce import OPTION_DEFERRED, OPTION_GLOBAL, decode_nonce
from runner.ethereum.permissions import Permission
from runner.ethereum.signature import personal_sign_digest
from runner.ethereum.typed_data import typed_data_digest
from runner.ethereum.user_operation import UserOperation, user_operation_hash
from runner.guard.intent import unlimited_approval
from runner.guard.offer import OperationOffer, PersonalSign, SessionOffer, SignTypedData
from runner.guard.scope import Outcome, initial_allowances, installed, judge
from runner.guard.verdict import Approved, Finding, Refused, _approve

_LAST_ENTITY = 2**31 - 2
"""Entities above would share a name with their own second hook (mav2.md §5.1)."""


@dataclass(frozen=True, slots=True)
class OperationTerms:
    """
    What a session run asked for: the only operation that may be signed on its fence.

    Args:
        intent: The frozen calls, or none for an activation or a burn (X4).
        nonce: The full nonce, fence or grant nonce (X1).
        paymaster: The pinned one (G4); None while none was seen.
        max_fee: Wei for one operation, all gas fields (G2).
        least_fees: (maxFeePerGas, maxPriorityFeePerGas) of a replacement (X21), in wei per gas.
        deploys_for: Owner and salt, where the operation may carry the account's factory.
        receivers: Who may receive; None is anyone.
        moved_to: Who the intent sends value or tokens to.
    """

    chain_id: int
    account: Address
    intent: tuple[Call, ...]
    permissions: tuple[Permission, ...]
    expiry: int
    nonce: int
    session_key: Address
    sponsored: bool
    paymaster: Address | None
    max_fee: int
    sandbox: bool
    now: int
    least_fees: tuple[int, int] | None = None
    deploys_for: tuple[Address, int] | None = None
    receivers: tuple[Address, ...] | None = None
    moved_to: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovedOperation:
    """The verdict on an operation, with the values that were checked."""

    approved: Approved
    operation: UserOperation
    hash: bytes


def check_operation(terms: OperationTerms, offer: OperationOffer) -> ApprovedOperation | Refused:
    """Every rule about a prepared operation; approved only when none finds a difference."""
    if offer.kind != "user-operation-v070" or offer.operation is None:
        return Refused((Finding("G5.type", "user-operation-v070", offer.kind),))
    operation = offer.operation
    try:
        digest = user_operation_hash(operation, terms.chain_id)
    except EncodingError as error:
        return Refused((Finding("G5.fields", "fields in range", error.what),))
    findings = [finding for rule in _OPERATION_RULES for finding in rule(terms, operation)]
    findings += _chain(terms.chain_id, offer.chain_id)
    findings += _raw(digest, offer)
    if findings:
        return Refused(tuple(findings))
    what = f"{len(terms.intent)} call(s) of {terms.account} on chain {terms.chain_id}"
    approved = _approve(
        digest=personal_sign_digest(digest),
        signer=terms.session_key,
        sandbox=terms.sandbox,
        meaning=f"operation 0x{digest.hex()}: {what}",
    )
    return ApprovedOperation(approved, operation, digest)


def _chain(asked: int, offered: int | None) -> Iterator[Finding]:
    if asked != offered:
        yield Finding("B4.chain", str(asked), str(offered))


def _raw(digest: bytes, offer: OperationOffer) -> Iterator[Finding]:
    """B5: what we would sign is the hash that we computed, and nothing else."""
    if not isinstance(offer.request, PersonalSign):
        kind = getattr(offer.request, "kind", type(offer.request).__name__)
        yield Finding("G5.request", "personal_sign of the operation's hash", kind)
    elif offer.request.raw != digest:
        yield Finding("B5.hash", "0x" + digest.hex(), "0x" + offer.request.raw.hex())


def _sender(terms: OperationTerms, operation: UserOperation) -> Iterator[Finding]:
    if operation.sender != terms.account:
        yield Finding("B4.sender", terms.account, operation.sender)


def _fence(terms: OperationTerms, operation: UserOperation) -> Iterator[Finding]:
    """X1, S2: sequence 0 of our own key; anything else was used, or is not ours."""
    if operation.nonce != terms.nonce:
        yield Finding("X1.nonce", hex(terms.nonce), hex(operation.nonce))


def _bytes(terms: OperationTerms, operation: UserOperation) -> Iterator[Finding]:
    """G11: our own encoding, byte for byte; one call may come as `execute` too."""
    hooks = has_execution_hooks(terms.permissions)
    account, intent = terms.account, terms.intent
    ours = encode_call_data(intent, account=account, execution_hooks=hooks)
    if operation.call_data == ours:
        return
    if len(intent) == 1:
        single = encode_call_data(intent, account=account, execution_hooks=hooks, single="execute")
        if operation.call_data == single:
            return
    yield from _explain(terms.intent, operation.call_data, hooks)


def _explain(asked: tuple[Call, ...], call_data: bytes, hooks: bool) -> Iterator[Finding]:
    try:
        decoded = decode_call_data(call_data)
    except EncodingError as error:
        yield Finding("G11.calldata", _calls(asked), f"undecodable ({error.what})")
        return
    if decoded.user_op_context != hooks:
        prefix = {True: "executeUserOp prefix", False: "no prefix"}
        yield Finding("G11.prefix", prefix[hooks], prefix[decoded.user_op_context])
    for index in range(max(len(asked), len(decoded.calls))):
        ours = asked[index] if index < len(asked) else None
        theirs = decoded.calls[index] if index < len(decoded.calls) else None
        if ours != theirs:
            yield Finding(f"G11.calls[{index}]", _call(ours), _call(theirs))
    if decoded.calls == asked and decoded.user_op_context == hooks:
        yield Finding("G11.calldata", "our encoding", "other bytes for the same calls")


def _calls(calls: tuple[Call, ...]) -> str:
    return "; ".join(_call(call) for call in calls) or "no calls"


def _call(call: Call | None) -> str:
    if call is None:
        return "nothing"
    return f"to {call.to} value {call.value} data 0x{call.data.hex()}"


def _factory(terms: OperationTerms, operation: UserOperation) -> Iterator[Finding]:
    """B4: no factory; in an activation the canonical one, for this very owner."""
    if operation.factory is None and not operation.factory_data:
        return
    if terms.deploys_for is None:
        yield Finding("B4.factory", "none", str(operation.factory))
        return
    owner, salt = terms.deploys_for
    if operation.factory != FACTORY:
        yield Finding("B4.factory", FACTORY, str(operation.factory))
    elif operation.factory_data != factory_data(owner, salt):
        yield Finding("B4.factoryData", f"for owner {owner}", "0x" + operation.factory_data.hex())


def _paymaster(terms: OperationTerms, operation: UserOperation) -> Iterator[Finding]:
    """G4: a paymaster if and only if sponsored, and always the same one."""
    offered = operation.paymaster
    if terms.sponsored and offered is None:
        yield Finding("G4.paymaster", "a sponsor", "none")
    elif not terms.sponsored and (offered is not None or operation.paymaster_data):
        yield Finding("G4.paymaster", "none: the account pays", str(offered))
    elif terms.paymaster is not None and offered != terms.paymaster:
        yield Finding("G4.paymaster", f"{terms.paymaster} (pinned)", str(offered))


def _fees(terms: OperationTerms, operation: UserOperation) -> Iterator[Finding]:
    """G2 and X21: the most that this operation can cost, and what a replacement must offer."""
    if operation.max_cost > terms.max_fee:
        yield Finding("G2.max_fee", f"at most {terms.max_fee} wei", f"{operation.max_cost} wei")
    if operation.max_priority_fee_per_gas > operation.max_fee_per_gas:
        yield Finding(
            "G2.priority",
            f"at most maxFeePerGas {operation.max_fee_per_gas}",
            str(operation.max_priority_fee_per_gas),
        )
    if terms.least_fees is not None:
        offered = (operation.max_fee_per_gas, operation.max_priority_fee_per_gas)
        if any(have < least for have, least in zip(offered, terms.least_fees, strict=True)):
            yield Finding("X21.fees", f"at least {terms.least_fees}", str(offered))


def _scope(terms: OperationTerms, operation: UserOperation) -> Iterator[Finding]:
    """B4: the frozen calls lie inside the grant, as the account's modules will judge them."""
    judgement = judge(
        installed(terms.permissions, expiry=terms.expiry),
        terms.intent,
        account=terms.account,
        allowances=initial_allowances(terms.permissions),
        now=terms.now,
        max_gas_cost=operation.max_cost,
        sponsored=terms.sponsored,
    )
    if judgement.outcome is not Outcome.ACCEPTED:
        where = "" if judgement.call_index is None else f" at calls[{judgement.call_index}]"
        yield Finding("B4.scope", "calls inside the grant", f"{judgement.reason}{where}")


def _receivers(terms: OperationTerms, operation: UserOperation) -> Iterator[Finding]:
    del operation
    if terms.receivers is None:
        return
    for receiver in terms.moved_to:
        if receiver not in terms.receivers:
            yield Finding("B4.receiver", "one of the session's receivers", receiver)


def _approvals(terms: OperationTerms, operation: UserOperation) -> Iterator[Finding]:
    del operation
    call = unlimited_approval(terms.intent)
    if call is not None:
        yield Finding("B7.approval", "a bounded approval", f"an unlimited one on {call.to}")


_OPERATION_RULES: tuple[Callable[[OperationTerms, UserOperation], Iterator[Finding]], ...] = (
    _sender,
    _fence,
    _bytes,
    _factory,
    _paymaster,
    _fees,
    _scope,
    _receivers,
    _approvals,
)


# ── grants ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """
    What was asked of `wallet_createSession`.

    Args:
        expiry: Unix seconds; never 0, a grant without end is refused (X3).
        living_entities: Entities of generations that can still sign (X16).
    """

    chain_id: int
    account: Address
    owner: Address
    key: Address
    permissions: tuple[Permission, ...]
    expiry: int
    living_entities: frozenset[int]
    sandbox: bool


@dataclass(frozen=True, slots=True)
class ApprovedGrant:
    """The verdict on a grant, with the entity and nonce that the owner's signature binds."""

    approved: Approved
    entity_id: int
    nonce: int


def check_grant(terms: GrantTerms, offer: SessionOffer) -> ApprovedGrant | Refused:
    """
    Rebuild the DeferredAction from what was asked, and compare it with what came (G7, G8).

    Only entity id and nonce are the service's to choose, within the rules.
    """
    if not isinstance(offer.request, SignTypedData):
        kind = getattr(offer.request, "kind", type(offer.request).__name__)
        return Refused((Finding("G7.request", "eth_signTypedData_v4", kind),))
    if terms.expiry <= 0:
        return Refused((Finding("X3.expiry", "a grant that ends", "no expiry"),))
    offered = offer.request.typed_data
    findings = list(_chain(terms.chain_id, offer.chain_id))
    nonce = _whole(offered.message.get("nonce"))
    if nonce is None or nonce >= 1 << 256:
        return Refused((*findings, Finding("G8.nonce", "uint256", str(nonce))))
    entity_id = decode_nonce(nonce).entity_id
    findings += _grant_nonce(terms, nonce)
    if findings:
        return Refused(tuple(findings))
    ours = deferred_action(
        chain_id=terms.chain_id,
        account=terms.account,
        nonce=nonce,
        deadline=terms.expiry,
        call=install_validation(
            terms.permissions, key=terms.key, entity_id=entity_id, expiry=terms.expiry
        ),
    )
    if offered.primary_type != ours.primary_type:
        findings.append(Finding("G7.primaryType", ours.primary_type, offered.primary_type))
    if _types(offered.types) != _types(ours.types):
        findings.append(Finding("G7.types", str(_types(ours.types)), str(_types(offered.types))))
    findings += _compare("G7.domain", _plain(ours.domain), _plain(offered.domain))
    findings += _compare("G7.message", _plain(ours.message), _plain(offered.message))
    digest = typed_data_digest(ours)
    if offer.request.raw_payload is not None and offer.request.raw_payload != digest:
        findings.append(
            Finding("G7.rawPayload", "0x" + digest.hex(), "0x" + offer.request.raw_payload.hex())
        )
    if findings:
        return Refused(tuple(findings))
    approved = _approve(
        digest=digest,
        signer=terms.owner,
        sandbox=terms.sandbox,
        meaning=f"grant to session key {terms.key} on {terms.account}, entity {entity_id}",
    )
    return ApprovedGrant(approved, entity_id, nonce)


def _grant_nonce(terms: GrantTerms, value: int) -> Iterator[Finding]:
    """G8: a clean entity, the options asked for, and a sequence that was never used."""
    nonce = decode_nonce(value)
    options = OPTION_DEFERRED | (OPTION_GLOBAL if is_global(terms.permissions) else 0)
    if not 1 <= nonce.entity_id <= _LAST_ENTITY:
        yield Finding("G8.entity", f"1 to {_LAST_ENTITY}", str(nonce.entity_id))
    if nonce.entity_id in terms.living_entities:
        yield Finding("X16.entity", "one of its own", f"{nonce.entity_id}, held by a living grant")
    if nonce.options != options:
        yield Finding("G8.options", str(options), str(nonce.options))
    if nonce.parallel != 0:
        yield Finding("G8.parallel", "0", hex(nonce.parallel))
    if nonce.sequence != 0:
        # A used entity may hand down its old allowlist (X15): nothing in the call would show it.
        yield Finding("X15.sequence", "0: an entity never used", str(nonce.sequence))


def _compare(rule: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Finding]:
    for name in sorted(ours.keys() | theirs.keys()):
        asked, offered = ours.get(name), theirs.get(name)
        if asked != offered:
            yield Finding(f"{rule}.{name}", _shown(asked), _shown(offered))


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of typed data in one form: integers, bytes, checksummed addresses."""
    return {name: _normal(value) for name, value in values.items()}


def _normal(value: Any) -> Any:
    if isinstance(value, str) and len(value) == 42 and value.startswith("0x"):
        try:
            return parse_address(value.lower())
        except EncodingError:
            return value
    return value


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _types(types: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    return {
        name: [(field.name, field.type) for field in fields]
        for name, fields in types.items()
        if name != "EIP712Domain"
    }


def _shown(value: Any) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
