"""
The `sandbox_*` methods: what a test may do and a chain may not.

Parameters are one object, or its members in order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runner.ethereum.address import Address, address_from_bytes
from runner.ethereum.hashing import keccak256
from runner.sandbox import rpc, wire
from runner.sandbox.evm import Reverted
from runner.sandbox.faults import read_fault
from runner.sandbox.records import Sent
from runner.sandbox.send import inclusion_time
from runner.sandbox.service import Service
from runner.sandbox.wire import hex_data
from runner.sandbox.world import Token, World

_LATEST_TIME = 2**40


def read_params(params: Any, *names: str) -> dict[str, Any]:
    """
    Read parameters given as one object, in an array or bare, or as values in order.

    Raises:
        RpcError: None of these, or a member that the method does not have.
    """
    if isinstance(params, dict):
        fields = params
    elif len(params) == 1 and isinstance(params[0], dict):
        fields = params[0]
    elif len(params) <= len(names):
        fields = dict(zip(names, params, strict=False))
    else:
        raise rpc.invalid(f"params: {len(names)} at most")
    for name in fields:
        if name not in names:
            raise rpc.invalid(f"params.{str(name)[:80]}: no such member")
    return fields


def set_time(service: Service, params: Any) -> dict[str, Any]:
    """Answer `sandbox_setTime`: move the clock forward and make the blocks up to there."""
    fields = read_params(params, "timestamp")
    return _move(service, wire.required(fields, "timestamp", _whole, "params"))


def advance(service: Service, params: Any) -> dict[str, Any]:
    """Answer `sandbox_advance`: move the clock forward by some seconds."""
    fields = read_params(params, "seconds")
    return _move(service, service.now + wire.required(fields, "seconds", _whole, "params"))


def mint(service: Service, world: World, params: Any) -> None:
    """Answer `sandbox_mint`: make tokens, in base units."""
    fields = read_params(params, "token", "to", "amount")
    token = wire.required(fields, "token", _token_reader(world), "params")
    to = wire.required(fields, "to", wire.address, "params")
    amount = wire.required(fields, "amount", wire.amount, "params")
    try:
        world.token_balance(token, to)
        world.mint(token, to, amount)
    except Reverted:
        raise rpc.invalid("params.token: not a token of the sandbox") from None
    service.record(
        {"kind": "mint", "chain": world.chain_id, "token": token, "to": to, "amount": hex(amount)}
    )


def fund(service: Service, world: World, params: Any) -> None:
    """Answer `sandbox_fund`: add to a balance, in wei."""
    fields = read_params(params, "address", "amount")
    address = wire.required(fields, "address", wire.address, "params")
    amount = wire.required(fields, "amount", wire.amount, "params")
    record = {"kind": "fund", "chain": world.chain_id, "address": address, "amount": hex(amount)}
    service.record(record)
    world.fund(address, amount)


def deploy_token(service: Service, world: World, params: Any) -> dict[str, Any]:
    """Answer `sandbox_deployToken`; the same token at the same address is not made twice."""
    fields = read_params(params, "symbol", "decimals", "address")
    symbol = wire.required(fields, "symbol", wire.text, "params")
    decimals = wire.required(fields, "decimals", wire.integer, "params")
    if not 1 <= len(symbol.encode()) <= 32 or not 0 <= decimals <= 77:
        raise rpc.invalid("params: a symbol of 1 to 32 bytes and 0 to 77 decimals")
    address = wire.optional(fields, "address", wire.address, "params")
    if address is None:
        address = _new_address(f"token/{symbol}/{decimals}")
    token = Token(address, symbol, decimals)
    known = world.tokens.get(address)
    if known is not None and known.decimals == decimals:
        return {"address": address, "symbol": known.symbol, "decimals": decimals}
    if world.is_taken(address):
        raise rpc.invalid(f"params.address: something else stands at {address}")
    service.record(
        {
            "kind": "token",
            "chain": world.chain_id,
            "address": address,
            "symbol": symbol,
            "decimals": decimals,
        }
    )
    world.deploy_token(token)
    return {"address": address, "symbol": symbol, "decimals": decimals}


def deploy(service: Service, world: World, params: Any) -> dict[str, Any]:
    """Answer `sandbox_deploy`: run creation code, at a chosen address if one is given."""
    fields = read_params(params, "bytecode", "address")
    code = wire.required(fields, "bytecode", wire.data_bytes, "params")
    address = wire.optional(fields, "address", wire.address, "params")
    if address is None:
        address = _new_address(f"contract/{world.next_order()}/{code.hex()}")
    if world.is_taken(address):
        raise rpc.invalid(f"params.address: something else stands at {address}")
    try:
        world.deploy(address, code)
    except Reverted as error:
        data = hex_data(error.output)
        raise rpc.RpcError(rpc.CALL_REVERTED, "the constructor reverted", data) from None
    service.record(
        {"kind": "deploy", "chain": world.chain_id, "address": address, "code": code.hex()}
    )
    return {"address": address}


def set_fault(service: Service, world: World, params: Any) -> None:
    """Answer `sandbox_setFault`."""
    fault = read_fault(params if isinstance(params, dict) else params[0] if params else None)
    if fault.at_once:
        reorganise(service, world, fault.depth)
    else:
        service.faults.set(fault)


def reorganise(service: Service, world: World, depth: int) -> None:
    """Undo the newest blocks of a chain; what they held is tried again in the next one."""
    include_at = inclusion_time(service)
    service.record(
        {
            "kind": "reorg",
            "chain": world.chain_id,
            "at": world.head_time,
            "depth": depth,
            "include_at": include_at,
        }
    )
    world.reorganise(depth, include_at)


def clear_faults(service: Service) -> None:
    """Answer `sandbox_clearFaults`; what a fault held back goes into the next block."""
    service.faults.clear()
    for world in service.worlds.values():
        if world.holds_back:
            at = service.now + 1
            service.record({"kind": "release", "chain": world.chain_id, "include_at": at})
            world.release(at)


def get_ops(world: World) -> list[dict[str, Any]]:
    """Answer `sandbox_getOps`: every included operation, in order."""
    return [_op_json(sent) for sent in world.included if sent.operation is not None]


def _op_json(sent: Sent) -> dict[str, Any]:
    operation, receipt = sent.operation, sent.receipt
    if operation is None or receipt is None:
        return {}
    return {
        "userOpHash": hex_data(sent.key),
        "callId": hex_data(sent.call_id),
        "sender": operation.op.sender,
        "nonce": hex(operation.op.nonce),
        "entityId": operation.nonce.entity_id,
        "calls": wire.json_calls(operation.calls.calls or ()),
        "success": receipt.success,
        "blockNumber": receipt.place.block_number,
        "timestamp": receipt.place.timestamp,
        "transactionHash": hex_data(receipt.transaction_hash),
    }


def _move(service: Service, timestamp: int) -> dict[str, Any]:
    if timestamp < service.now:
        what = f"the chain is at {service.now} already, and time does not go back"
        raise rpc.refused(rpc.INVALID_PARAMS, "TimeGoesForward", what)
    if timestamp > _LATEST_TIME:
        raise rpc.invalid("params: too far in the future")
    offset = service.offset_for(timestamp)
    service.record({"kind": "clock", "offset": offset, "at": service.now})
    service.set_offset(offset)
    service.mine_until(timestamp)
    return {"timestamp": timestamp}


def _whole(value: Any, where: str) -> int:
    """Read a number of seconds, as a JSON number or hex; fractions are cut off."""
    if isinstance(value, str):
        return wire.big(value, where)
    return int(wire.seconds(value, where))


def _token_reader(world: World) -> Callable[[Any, str], Address]:
    """Return a reader of tokens by symbol, in any letter case, or by address."""

    def read(value: Any, where: str) -> Address:
        for token in world.tokens.values():
            if isinstance(value, str) and token.symbol.lower() == value.lower():
                return token.address
        return wire.address(value, where)

    return read


def _new_address(seed: str) -> Address:
    return address_from_bytes(keccak256(f"runner/sandbox/{seed}".encode())[12:])
