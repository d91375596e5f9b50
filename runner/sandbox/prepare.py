"""
`wallet_prepareCalls`: an unsigned operation that would succeed now, or the reason why not.

Source: Wallet API specification §6.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runner.errors import EncodingError
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.authorization import authorization_digest
from runner.ethereum.calls import Call
from runner.ethereum.contracts import DELEGATE_7702, FACTORY
from runner.ethereum.modular_account import encode_call_data
from runner.ethereum.signature import personal_sign_digest
from runner.ethereum.user_operation import UserOperation, user_operation_hash
from runner.frozen import frozen
from runner.guard.scope import read_operation
from runner.sandbox import artefacts, gas, rpc, token_fee, wire
from runner.sandbox.authority import OWNER, Authority, authority_of
from runner.sandbox.capabilities import Capabilities, GasOverride, read_capabilities
from runner.sandbox.records import Account, Operation
from runner.sandbox.refusal import Refusal
from runner.sandbox.service import Service
from runner.sandbox.sponsor import LASTS, Promise, promise_data
from runner.sandbox.token_gas import TokenGas
from runner.sandbox.wire import hex_data
from runner.sandbox.world import World

_FEE_MARGIN = 1.5
_CALL_GAS_SPARE = 35_000


@frozen
class Wish:
    """What was asked for; `permit` is the signature of a token's permit."""

    account: Account
    calls: tuple[Call, ...]
    capabilities: Capabilities
    permit: bytes | None = None


def prepare_calls(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """
    Answer `wallet_prepareCalls`.

    Raises:
        RpcError: The request is malformed, or the operation would fail.
    """
    address = wire.required(request, "from", wire.address, "request")
    world = service.world(wire.required(request, "chainId", wire.chain_id, "request"))
    calls = wire.optional(request, "calls", wire.calls, "request") or ()
    capabilities = read_capabilities(request.get("capabilities", {}))
    permit = wire.optional(request, "paymasterPermitSignature", wire.signature, "request")
    account = service.accounts.get(address)
    if account is None:
        # An address that no account has is an EOA, which can only be one by delegation.
        account = service.register(address, None)
    wish = Wish(account, calls, capabilities, permit)
    if capabilities.is_sponsored and service.faults.take(
        "refuse_sponsorship", "wallet_prepareCalls"
    ):
        what = "rejected by paymaster: the policy refuses this operation"
        raise rpc.refused(rpc.REJECTED_BY_PAYMASTER, "SponsorshipRefused", what)
    for override in capabilities.overrides:
        if override.is_whole and world.state.evm.code(override.address):
            what = f"stateOverride: slots of {override.address} can be changed, by stateDiff alone"
            raise rpc.refused(rpc.INVALID_PARAMS, "NotSupported", what)
    if capabilities.token_gas is not None:
        asked = _permit_request(service, world, wish, request)
        if asked is not None:
            return asked
    return _prepare(service, world, wish)


def _permit_request(
    service: Service, world: World, wish: Wish, request: dict[str, Any]
) -> dict[str, Any] | None:
    """Return the answer that asks for a permit of the gas token, None if none is needed."""
    settings, payer = wish.capabilities.token_gas, wish.account.address
    if settings is None:
        return None
    asked = token_fee.permit_request(world, settings, payer, request, service.now)
    if asked is not None and wish.capabilities.context is not None:
        what = "a session key signs no permits: let the owner approve the paymaster first"
        raise rpc.refused(rpc.INVALID_PARAMS, "NotSupported", what)
    return asked


def _prepare(service: Service, world: World, wish: Wish) -> dict[str, Any]:
    delegate = _delegate(world, wish)
    authorization = None if delegate is None else _authorization(world, wish.account, delegate)
    if delegate == ZERO_ADDRESS and authorization is not None and not wish.calls:
        return authorization
    try:
        with world.state.evm.overridden(wish.capabilities.overrides):
            prepared = _prepare_operation(service, world, wish, delegates=delegate is not None)
    except Refusal as refusal:
        raise refusal.as_error() from None
    if authorization is None:
        return prepared
    details = prepared.pop("details")
    return {"type": "array", "data": [authorization, prepared], "details": details}


def _prepare_operation(
    service: Service, world: World, wish: Wish, *, delegates: bool
) -> dict[str, Any]:
    capabilities, fee = wish.capabilities, None
    if capabilities.token_gas is None:
        operation = _operation(service, world, wish, delegates=delegates)
    else:
        operation, fee = _paying_tokens(
            service, world, wish, capabilities.token_gas, delegates=delegates
        )
    op = operation.op
    # Once more with what the gas costs: a gas limit, or the account, may not be good for it.
    world.state.check(
        operation, service.now + 1, signed=False, funded=not capabilities.only_estimation
    )
    if capabilities.is_sponsored and not capabilities.only_estimation:
        promise = Promise(operation.paid_until, fee)
        op = replace(op, paymaster_data=promise_data(op, world.chain_id, promise))
    return _answer(world, wish, op, fee)


def _paying_tokens(
    service: Service, world: World, wish: Wish, settings: TokenGas, *, delegates: bool
) -> tuple[Operation, artefacts.TokenFee]:
    """Return the operation that pays its gas in tokens, and what the paymaster takes."""
    payer, amount = wish.account.address, 0
    while True:
        # An approval of what the gas costs is one more call, which costs gas.
        approval = token_fee.approval(world, settings, payer, amount)
        whole = replace(wish, calls=approval + wish.calls)
        operation = _operation(service, world, whole, delegates=delegates)
        tokens = token_fee.tokens_for(world, settings, operation.op.max_cost)
        if tokens <= amount:
            return operation, token_fee.agreed_fee(world, settings, payer, tokens, wish.permit)
        amount = tokens + tokens // 1_000 + 1


def _operation(service: Service, world: World, wish: Wish, *, delegates: bool) -> Operation:
    """Return the operation with its gas fields."""
    account, capabilities = wish.account, wish.capabilities
    authority = _authority(world, wish)
    nonce = authority.nonce(world, account.address, capabilities.parallel)
    op = UserOperation(
        sender=account.address,
        nonce=nonce.value,
        call_data=_call_data(wish, authority),
        call_gas_limit=0,
        verification_gas_limit=0,
        pre_verification_gas=0,
        max_fee_per_gas=0,
        max_priority_fee_per_gas=0,
    )
    if account.address not in world.state.deployed and not account.is_delegating:
        op = replace(op, factory=FACTORY, factory_data=account.factory_data)
    if capabilities.is_sponsored:
        op = replace(op, paymaster=artefacts.PAYMASTER)
    operation = Operation(
        user_op_hash=bytes(32),
        op=op,
        nonce=nonce,
        calls=read_operation(op.call_data, account=op.sender),
        grant=authority.grant,
        paid_until=service.now + LASTS if capabilities.is_sponsored else 0,
        delegates=delegates,
    )
    return replace(operation, op=_estimated(service, world, operation, capabilities))


def _authority(world: World, wish: Wish) -> Authority:
    context = wish.capabilities.context
    return OWNER if context is None else authority_of(world, wish.account.address, context)


def _estimated(
    service: Service, world: World, operation: Operation, capabilities: Capabilities
) -> UserOperation:
    """Return the operation with its gas fields."""
    state, op = world.state, operation.op
    checked = state.check(operation, service.now + 1, signed=False, funded=False)
    if checked.refused is not None:
        raise Refusal(
            rpc.EXECUTION_REVERTED, checked.refused, f"execution reverted: {checked.refused}", ""
        )
    state.evm.enter_block(world.head_number + 1, service.now + 1, service.base_fee)
    handled = state.estimate(operation)
    if not handled.success:
        raise reverted(handled)
    override = capabilities.gas
    call_gas = handled.call_gas_used + handled.call_gas_used // 10 + _CALL_GAS_SPARE
    verification_gas = checked.verification_gas + checked.verification_gas // 10
    pre_verification_gas = gas.pre_verification_gas(op.call_data)
    max_fee, priority_fee = _fees(service, world, operation, override)
    return replace(
        op,
        call_gas_limit=override.apply("callGasLimit", call_gas),
        verification_gas_limit=override.apply("verificationGasLimit", verification_gas),
        pre_verification_gas=override.apply("preVerificationGas", pre_verification_gas),
        max_fee_per_gas=max_fee,
        max_priority_fee_per_gas=priority_fee,
        paymaster_verification_gas_limit=override.apply(
            "paymasterVerificationGasLimit", gas.PAYMASTER_VERIFICATION_GAS
        )
        if op.paymaster
        else 0,
        paymaster_post_op_gas_limit=override.apply("paymasterPostOpGasLimit", 0)
        if op.paymaster
        else 0,
    )


def _fees(
    service: Service, world: World, operation: Operation, override: GasOverride
) -> tuple[int, int]:
    """
    Return the fees to ask for, in wei per gas.

    What waits on the same nonce raises both to a tenth more than it pays, unless the caller has
    named the fee.
    """
    priority_fee = gas.PRIORITY_FEE
    max_fee = service.base_fee + priority_fee
    asked = (
        override.apply("maxFeePerGas", max_fee, margin=_FEE_MARGIN),
        override.apply("maxPriorityFeePerGas", priority_fee, margin=_FEE_MARGIN),
    )
    waiting = world.waiting_on(operation.op.sender, operation.nonce.value)
    if waiting is None or waiting.operation is None:
        return asked
    older = waiting.operation.op
    floors = (_tenth_more(older.max_fee_per_gas), _tenth_more(older.max_priority_fee_per_gas))
    return (
        asked[0] if "maxFeePerGas" in override.absolute else max(asked[0], floors[0]),
        asked[1] if "maxPriorityFeePerGas" in override.absolute else max(asked[1], floors[1]),
    )


def _tenth_more(fee: int) -> int:
    return -(-fee * 11 // 10)


def reverted(handled: artefacts.Handled) -> Refusal:
    """Return the refusal of an operation whose calls revert."""
    reason = artefacts.revert_reason(handled.output)
    message = f"execution reverted: {reason}" if reason else "execution reverted"
    return Refusal(
        rpc.EXECUTION_REVERTED, reason or "NoRevertData", message, "", revert_data=handled.output
    )


def _call_data(wish: Wish, authority: Authority) -> bytes:
    calls, account = wish.calls, wish.account.address
    # One call to the account itself is the operation's call data as it is; everything else is a
    # batch, a single call too.
    to_itself = len(calls) == 1 and calls[0].to == account
    try:
        data = encode_call_data(
            calls,
            account=account,
            execution_hooks=authority.execution_hooks,
            single="execute" if to_itself else "executeBatch",
        )
    except EncodingError as error:
        raise rpc.invalid(f"request.calls: {error.what}") from None
    return data + wish.capabilities.data_suffix


def _delegate(world: World, wish: Wish) -> Address | None:
    """Return the delegate that the account must sign for first, None for none."""
    if not wish.account.is_delegating:
        return None
    if wish.capabilities.delegation == ZERO_ADDRESS:
        return ZERO_ADDRESS
    return None if wish.account.address in world.state.deployed else DELEGATE_7702


def _authorization(world: World, account: Account, delegate: Address) -> dict[str, Any]:
    nonce = world.state.transactions.get(account.address, 0)
    digest = authorization_digest(world.chain_id, delegate, nonce)
    return {
        "type": "authorization",
        "data": {"address": delegate, "nonce": hex(nonce)},
        "chainId": hex(world.chain_id),
        "signatureRequest": {"type": "eip7702Auth", "rawPayload": hex_data(digest)},
    }


def _answer(
    world: World, wish: Wish, op: UserOperation, fee: artefacts.TokenFee | None
) -> dict[str, Any]:
    op_hash = user_operation_hash(op, world.chain_id)
    answer: dict[str, Any] = {
        "type": "user-operation-v070",
        "data": json_operation(op),
        "chainId": hex(world.chain_id),
    }
    if not wish.capabilities.only_estimation:
        answer["signatureRequest"] = {
            "type": "personal_sign",
            "data": {"raw": hex_data(op_hash)},
            "rawPayload": hex_data(personal_sign_digest(op_hash)),
        }
    answer["feePayment"] = {
        "sponsored": wish.capabilities.is_sponsored and fee is None,
        "tokenAddress": ZERO_ADDRESS if fee is None else fee.token,
        "maxAmount": hex(op.max_cost if fee is None else fee.most),
    }
    answer["details"] = {
        "type": "user-operation",
        "data": {"hash": hex_data(op_hash), "calls": wire.json_calls(wish.calls)},
    }
    return answer


def json_operation(op: UserOperation) -> dict[str, str]:
    """Write an operation; what it does not have is left out."""
    answer = {
        "sender": str(op.sender),
        "nonce": hex(op.nonce),
        "callData": hex_data(op.call_data),
        "callGasLimit": hex(op.call_gas_limit),
        "verificationGasLimit": hex(op.verification_gas_limit),
        "preVerificationGas": hex(op.pre_verification_gas),
        "maxFeePerGas": hex(op.max_fee_per_gas),
        "maxPriorityFeePerGas": hex(op.max_priority_fee_per_gas),
    }
    if op.factory is not None:
        answer["factory"] = op.factory
        answer["factoryData"] = hex_data(op.factory_data)
    if op.paymaster is not None:
        answer["paymaster"] = op.paymaster
        answer["paymasterData"] = hex_data(op.paymaster_data)
        answer["paymasterVerificationGasLimit"] = hex(op.paymaster_verification_gas_limit)
        answer["paymasterPostOpGasLimit"] = hex(op.paymaster_post_op_gas_limit)
    return answer
