"""
`wallet_sendPreparedCalls`: check what was signed as a bundler would, and let it wait for a block.

Source: Wallet API specification §7 and §9; ERC-4337 for replacement; onchain-facts.md §1 and §4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from runner.errors import EncodingError
from runner.ethereum import contracts
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.authorization import authorization_digest
from runner.ethereum.nonce import OPTION_DEFERRED, Nonce, decode_nonce
from runner.ethereum.signature import personal_sign_digest, recover_address
from runner.ethereum.user_operation import UserOperation, call_id, user_operation_hash
from runner.guard.scope import read_operation
from runner.sandbox import gas, rpc, wire
from runner.sandbox.authority import entity_of, signed_grant
from runner.sandbox.capabilities import Capabilities, read_capabilities
from runner.sandbox.evm import BLOCK_GAS_LIMIT
from runner.sandbox.records import Delegation, Grant, Operation, Sent
from runner.sandbox.refusal import Refusal
from runner.sandbox.service import Service
from runner.sandbox.sponsor import read_promise
from runner.sandbox.stored import delegation_record, operation_record
from runner.sandbox.wire import hex_data
from runner.sandbox.world import World

MOST_WAITING: Final = 4
"""Operations of one sender that may wait at once (ERC-7562, unstaked senders)."""

_METHOD = "wallet_sendPreparedCalls"
_V06, _V07 = "user-operation-v060", "user-operation-v070"
_T = TypeVar("_T")


def send_prepared_calls(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """
    Answer `wallet_sendPreparedCalls`.

    Raises:
        RpcError: The request is malformed, or what it holds is refused.
    """
    kind = wire.required(request, "type", wire.text, "request")
    wire.optional(request, "callId", wire.data_bytes, "request")
    capabilities = read_capabilities(request.get("capabilities", {}))
    items = [request]
    if kind == "array":
        listed = wire.required(request, "data", wire.items, "request")
        items = [wire.members(each, f"request.data[{n}]") for n, each in enumerate(listed)]
    kinds = [wire.required(item, "type", wire.text, "request") for item in items]
    if not set(kinds) <= {"authorization", _V06, _V07}:
        raise rpc.invalid(f"request.type: {kind[:80]!r} is not one of a signed call")
    if kinds not in (["authorization"], [_V07], ["authorization", _V07]):
        what = f"request.type: {', '.join(kinds)[:160] or kind} is not taken here"
        raise rpc.refused(rpc.INVALID_PARAMS, "NotSupported", what)
    chain_ids = {wire.required(item, "chainId", wire.chain_id, "request") for item in items}
    if len(chain_ids) != 1:
        raise rpc.invalid("request: one chain id for all parts")
    world = service.world(chain_ids.pop())
    delegation = None
    if kinds[0] == "authorization":
        delegation = _read_authorization(service, world, items[0])
    try:
        if kinds[-1] == "authorization" and delegation is not None:
            return _send_delegation(service, world, delegation)
        return _send_operation(service, world, items[-1], capabilities, delegation)
    except Refusal as refusal:
        raise refusal.as_error() from None


def _send_delegation(service: Service, world: World, delegation: Delegation) -> dict[str, Any]:
    digest = authorization_digest(world.chain_id, delegation.delegate, delegation.nonce)
    identity = call_id(world.chain_id, digest)
    if digest not in world.sent:
        sent = _sent(
            service,
            world,
            digest,
            operation=None,
            delegation=delegation,
            account=delegation.account,
        )
        service.record(delegation_record(world.chain_id, sent, delegation))
        world.accept(sent)
    shown = hex_data(identity)
    return {"id": shown, "preparedCallIds": [shown], "details": {"type": "delegation"}}


def _send_operation(
    service: Service,
    world: World,
    item: dict[str, Any],
    capabilities: Capabilities,
    delegation: Delegation | None,
) -> dict[str, Any]:
    op = read_operation_json(wire.required(item, "data", wire.members, "request"))
    signature = wire.required(item, "signature", wire.signature, "request")
    key = user_operation_hash(op, world.chain_id)
    known = world.sent.get(key)
    # The same operation again is answered with the same id, unless it was given up.
    if known is None or (not known.is_pending and known.receipt is None):
        operation = _operation(
            world, op, key, signature=signature, capabilities=capabilities, delegation=delegation
        )
        _check_fees(service, op)
        world.state.check(operation, service.now + 1)
        if operation.fee is not None:
            world.state.evm.enter_block(world.head_number + 1, service.now + 1, service.base_fee)
            world.state.rehearse(operation, service.base_fee)
        _check_room(world, op)
        sent = _sent(
            service,
            world,
            key,
            operation=operation,
            delegation=delegation,
            account=op.sender,
        )
        service.record(operation_record(world.chain_id, sent, operation))
        world.accept(sent)
        known = sent
    shown = hex_data(known.call_id)
    calls = known.operation.calls.calls if known.operation else ()
    return {
        "id": shown,
        "preparedCallIds": [shown],
        "details": {
            "type": "user-operation",
            "data": {"hash": hex_data(key), "calls": wire.json_calls(calls or ())},
        },
    }


def _operation(
    world: World,
    op: UserOperation,
    key: bytes,
    *,
    signature: bytes,
    capabilities: Capabilities,
    delegation: Delegation | None,
) -> Operation:
    if op.sender not in world.state.accounts:
        raise rpc.refused(rpc.INVALID_PARAMS, "UnknownAccount", f"unknown account {op.sender}")
    if delegation is not None and delegation.account != op.sender:
        what = "the authorization is not signed by the sender"
        raise rpc.refused(rpc.PRECHECK, "InvalidAuthorization", what)
    nonce = decode_nonce(op.nonce)
    promise = read_promise(op, world.chain_id)
    try:
        signer: Address | None = recover_address(personal_sign_digest(key), signature)
    except EncodingError:
        signer = None
    return Operation(
        user_op_hash=key,
        op=op,
        nonce=nonce,
        calls=read_operation(op.call_data, account=op.sender),
        signer=signer,
        grant=_grant(world, op.sender, nonce, capabilities),
        paid_until=promise.until,
        fee=promise.fee,
        delegates=delegation is not None,
    )


def _grant(world: World, sender: Address, nonce: Nonce, capabilities: Capabilities) -> Grant | None:
    context = capabilities.context
    if context is None:
        return None
    if entity_of(world, sender, context) != nonce.entity_id:
        what = "the operation is not one of the session in capabilities.permissions"
        raise rpc.refused(rpc.INVALID_PARAMS, "SessionMismatch", what)
    if nonce.entity_id == contracts.OWNER_ENTITY or not nonce.options & OPTION_DEFERRED:
        return None
    return signed_grant(world, sender, context)


def _check_fees(service: Service, op: UserOperation) -> None:
    what = None
    limits = op.call_gas_limit + op.verification_gas_limit + op.pre_verification_gas
    if limits + op.paymaster_verification_gas_limit > BLOCK_GAS_LIMIT:
        what = "precheck failed: the total gas limit is too high"
        raise rpc.refused(rpc.PRECHECK, "GasLimitTooHigh", what)
    if op.max_fee_per_gas < service.base_fee:
        what = "maxFeePerGas"
    elif op.max_priority_fee_per_gas > op.max_fee_per_gas:
        what = "maxPriorityFeePerGas"
    elif op.pre_verification_gas < gas.pre_verification_gas(op.call_data):
        what = "preVerificationGas"
    if what is not None:
        message = f"precheck failed: {what} is too low"
        if what == "maxPriorityFeePerGas":
            message = "precheck failed: maxPriorityFeePerGas is above maxFeePerGas"
        raise rpc.refused(rpc.PRECHECK, "FeeTooLow", message, member=what)


def _check_room(world: World, op: UserOperation) -> None:
    """Refuse a replacement that does not pay a tenth more, and a fifth waiting operation."""
    older = world.waiting_on(op.sender, op.nonce)
    if older is not None and older.operation is not None:
        paid = older.operation.op
        if (
            op.max_fee_per_gas * 10 < paid.max_fee_per_gas * 11
            or op.max_priority_fee_per_gas * 10 < paid.max_priority_fee_per_gas * 11
        ):
            raise rpc.refused(
                rpc.INVALID_PARAMS,
                "ReplacementUnderpriced",
                "replacement underpriced: both fees must be 10 % above those of the operation "
                "that waits on this nonce",
                waiting=hex_data(older.key),
            )
        return
    if len(list(world.waiting(op.sender))) >= MOST_WAITING:
        what = f"Max operations ({MOST_WAITING}) reached for account {op.sender}"
        raise rpc.refused(rpc.TOO_MANY, "MaxOperationsReached", what)


def _sent(
    service: Service,
    world: World,
    key: bytes,
    *,
    operation: Operation | None,
    delegation: Delegation | None,
    account: Address,
) -> Sent:
    return Sent(
        key=key,
        call_id=call_id(world.chain_id, key),
        account=account,
        operation=operation,
        delegation=delegation,
        include_at=inclusion_time(service),
        order=world.next_order(),
    )


def inclusion_time(service: Service) -> int | None:
    """Return when something that comes in now is tried, None while a fault holds it back."""
    if service.faults.take("never_include", _METHOD):
        return None
    late = service.faults.take("late_include", _METHOD)
    return service.now + 1 + (int(late.seconds) if late else 0)


def _read_authorization(service: Service, world: World, item: dict[str, Any]) -> Delegation:
    data = wire.required(item, "data", wire.members, "authorization")
    delegate = wire.required(data, "address", wire.address, "authorization.data")
    nonce = wire.required(data, "nonce", wire.number, "authorization.data")
    signature = wire.required(item, "signature", wire.signature, "authorization")
    try:
        authority = recover_address(
            authorization_digest(world.chain_id, delegate, nonce), signature
        )
    except EncodingError as error:
        raise rpc.refused(rpc.PRECHECK, "InvalidAuthorization", error.what) from None
    account = service.accounts.get(authority)
    if account is None or not account.is_delegating:
        what = f"precheck failed: the authorization is signed by {authority}, no EOA known here"
        raise rpc.refused(rpc.PRECHECK, "InvalidAuthorization", what)
    if delegate not in (contracts.DELEGATE_7702, ZERO_ADDRESS):
        raise rpc.invalid("authorization.data.address: not a delegate that is known here")
    if world.state.transactions.get(authority, 0) != nonce:
        raise Refusal.authorization().as_error()
    return Delegation(authority, delegate, nonce)


def read_operation_json(data: dict[str, Any]) -> UserOperation:
    """
    Read an unsigned v0.7 operation.

    Raises:
        RpcError: A member is missing, malformed or out of range.
    """
    where = "request.data"

    def read(name: str, reader: Callable[[Any, str], _T]) -> _T:
        return wire.required(data, name, reader, where)

    def given(name: str, reader: Callable[[Any, str], _T]) -> _T | None:
        return wire.optional(data, name, reader, where)

    try:
        return UserOperation(
            sender=read("sender", wire.address),
            nonce=read("nonce", wire.big),
            call_data=read("callData", wire.data_bytes),
            call_gas_limit=read("callGasLimit", wire.big),
            verification_gas_limit=read("verificationGasLimit", wire.big),
            pre_verification_gas=read("preVerificationGas", wire.big),
            max_fee_per_gas=read("maxFeePerGas", wire.big),
            max_priority_fee_per_gas=read("maxPriorityFeePerGas", wire.big),
            factory=given("factory", wire.address),
            factory_data=given("factoryData", wire.data_bytes) or b"",
            paymaster=given("paymaster", wire.address),
            paymaster_verification_gas_limit=given("paymasterVerificationGasLimit", wire.big) or 0,
            paymaster_post_op_gas_limit=given("paymasterPostOpGasLimit", wire.big) or 0,
            paymaster_data=given("paymasterData", wire.data_bytes) or b"",
        )
    except EncodingError as error:
        raise rpc.invalid(f"{where}: {error.what}") from None
