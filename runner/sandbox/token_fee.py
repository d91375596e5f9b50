"""
Gas paid in tokens: what the paymaster takes, and how it comes to be allowed to.

A permit is signed by the owner. Its digest is wrapped as the account wants it (ERC-1271), because
a token asks the account whether a signature is its own.

Source: Wallet API specification §6.2 (`paymaster-permit`); EIP-2612; ERC-7597.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.erc20 import encode_approve
from runner.ethereum.grants import contract_signature, replay_safe_hash
from runner.ethereum.typed_data import Field, TypedData, typed_data_digest
from runner.sandbox import artefacts, rpc
from runner.sandbox.artefacts import PAYMASTER, TokenFee
from runner.sandbox.evm import Reverted
from runner.sandbox.token_gas import AutoPermit, PermitDetails, TokenGas
from runner.sandbox.typed_json import typed_data_json
from runner.sandbox.wire import hex_data
from runner.sandbox.world import Token, World

TOKENS_PER_ETHER: Final = 2_500
"""Price of one ether, in whole tokens of any kind."""

_ETHER = 10**18
_PERMIT_FIELDS = (
    Field("owner", "address"),
    Field("spender", "address"),
    Field("value", "uint256"),
    Field("nonce", "uint256"),
    Field("deadline", "uint256"),
)


def tokens_for(world: World, gas: TokenGas, cost: int) -> int:
    """
    Return what a cost in wei is in base units of the token, at most.

    Raises:
        RpcError: A token that the paymaster does not take, or more than the request allows.
    """
    tokens = -(-cost * _rate(world, gas) // _ETHER)
    if gas.most is not None and tokens > gas.most:
        raise _rejected(
            "MaxTokenAmountExceeded", f"gas may cost {tokens} base units, and at most {gas.most}"
        )
    return tokens


def approval(world: World, gas: TokenGas, payer: Address, tokens: int) -> tuple[Call, ...]:
    """Return the call that lets the paymaster take its tokens, none if it may or was not asked."""
    if gas.approve is None:
        return ()
    below = tokens if gas.approve.below is None else gas.approve.below
    if _allowance(world, gas.token, payer) >= below:
        return ()
    amount = tokens if gas.approve.amount is None else gas.approve.amount
    return (Call(to=gas.token, value=0, data=encode_approve(PAYMASTER, amount)),)


def agreed_fee(
    world: World, gas: TokenGas, payer: Address, tokens: int, signature: bytes | None
) -> TokenFee:
    """
    Return the paymaster's fee.

    Raises:
        RpcError: The payer has too few tokens, or does not let the paymaster take them.
    """
    permit = b""
    if isinstance(gas.permit, PermitDetails) and signature is not None:
        permit = artefacts.permit(
            payer,
            value=gas.permit.value,
            deadline=gas.permit.deadline,
            signature=contract_signature(signature),
        )
        _check_permit(world, gas.token, permit)
    if gas.checks_balance and world.token_balance(gas.token, payer) < tokens:
        raise _rejected("InsufficientTokenBalance", f"{payer} has fewer than {tokens} base units")
    may_take = _allowance(world, gas.token, payer)
    if isinstance(gas.permit, PermitDetails) and permit:
        may_take = gas.permit.value
    if gas.first and may_take < tokens:
        what = f"the paymaster {PAYMASTER} may not take {tokens} base units of {gas.token}"
        raise _rejected("InsufficientTokenAllowance", what)
    return TokenFee(gas.token, _rate(world, gas), tokens, first=gas.first, permit=permit)


def permit_request(
    world: World, gas: TokenGas, payer: Address, request: Mapping[str, Any], now: int
) -> dict[str, Any] | None:
    """
    Return the answer that asks for a permit first, None if the paymaster may take enough.

    Raises:
        RpcError: A token that the paymaster does not take.
    """
    token = _token(world, gas)
    wish = gas.permit
    if not isinstance(wish, AutoPermit) or _allowance(world, gas.token, payer) >= wish.below:
        return None
    deadline = now + wish.seconds
    permit = TypedData(
        domain={
            "name": f"Demo {token.symbol}",
            "version": "2",
            "chainId": world.chain_id,
            "verifyingContract": token.address,
        },
        types={"Permit": _PERMIT_FIELDS},
        primary_type="Permit",
        message={
            "owner": payer,
            "spender": PAYMASTER,
            "value": wish.amount,
            "nonce": _number(world, gas.token, artefacts.permit_nonce(payer)),
            "deadline": deadline,
        },
    )
    wrapped = replay_safe_hash(typed_data_digest(permit), chain_id=world.chain_id, account=payer)
    return {
        "type": "paymaster-permit",
        "modifiedRequest": _modified(request, wish.amount, deadline),
        "data": typed_data_json(permit),
        "signatureRequest": {
            "type": "eth_signTypedData_v4",
            "data": typed_data_json(wrapped),
            "rawPayload": hex_data(typed_data_digest(wrapped)),
        },
    }


def _modified(request: Mapping[str, Any], value: int, deadline: int) -> dict[str, Any]:
    """Return the request again, with the details of the permit in place of the wish for one."""
    capabilities = request["capabilities"]
    service = capabilities["paymasterService"]
    details = {"deadline": hex(deadline), "value": hex(value)}
    erc20 = {**service["erc20"], "preOpSettings": {"permitDetails": details}}
    paymaster = {**service, "erc20": erc20}
    return {**request, "capabilities": {**capabilities, "paymasterService": paymaster}}


def _token(world: World, gas: TokenGas) -> Token:
    token = world.tokens.get(gas.token)
    if token is None:
        raise _rejected("UnsupportedToken", f"gas is not sold for {gas.token}")
    return token


def _rate(world: World, gas: TokenGas) -> int:
    """Return the base units of the token for one ether."""
    return int(TOKENS_PER_ETHER * 10 ** _token(world, gas).decimals)


def _allowance(world: World, token: Address, payer: Address) -> int:
    return _number(world, token, artefacts.allowance(payer, PAYMASTER))


def _number(world: World, token: Address, data: bytes) -> int:
    output, _ = world.state.evm.attempt(artefacts.BUNDLER, token, data)
    return int.from_bytes(output, "big")


def _check_permit(world: World, token: Address, permit: bytes) -> None:
    world.state.evm.enter_block(world.head_number, world.head_time, 0)
    try:
        world.state.evm.attempt(artefacts.BUNDLER, token, permit)
    except Reverted as error:
        raise _rejected("InvalidPermit", artefacts.revert_reason(error.output)) from None


def _rejected(reason: str, what: str) -> rpc.RpcError:
    return rpc.refused(rpc.REJECTED_BY_PAYMASTER, reason, f"rejected by paymaster: {what}")
