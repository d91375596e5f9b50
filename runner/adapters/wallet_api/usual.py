"""
Answers that a payment waits for, written as services usually write them, read in few steps.

A reader here answers None where anything is not as usual; then the models of `answers.py` read it,
and say what is wrong with it. So what is here may know fewer spellings than the specification,
never more, and never another reading: `test_usual.py` holds both against each other.

Whatever JSON holds may come in: what has not the shape that is looked for raises one of `_UNUSUAL`.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from typing import Any, Final

from pydantic_core import to_json

from runner.errors import EncodingError
from runner.ethereum.address import address_bytes, address_from_bytes
from runner.ethereum.calls import Call
from runner.ethereum.user_operation import (
    ENTRY_POINT_V07,
    USER_OPERATION_EVENT_TOPIC,
    UserOperation,
)
from runner.guard.offer import Claims, OperationOffer, PersonalSign
from runner.ports import OperationEvent

PlacedEvent = tuple[int, int, OperationEvent]
"""An event behind the number of its block and the index of its log: the order of the chain."""

_UNUSUAL: Final = (AttributeError, EncodingError, KeyError, TypeError, ValueError)
_ENTRY_POINT: Final = address_bytes(ENTRY_POINT_V07)
_NUMBERS: Final = re.compile(r"0x[0-9a-fA-F]{1,64}(?: 0x[0-9a-fA-F]{1,64})*")

OPERATION: Final = "user-operation-v070"
OPERATION_MEMBERS: Final = (
    "sender",
    "nonce",
    "callData",
    "callGasLimit",
    "verificationGasLimit",
    "preVerificationGas",
    "maxFeePerGas",
    "maxPriorityFeePerGas",
    "paymaster",
    "paymasterVerificationGasLimit",
    "paymasterPostOpGasLimit",
    "paymasterData",
)
"""What goes back of an operation, in this order (`wire.OperationData`, less the factory)."""

_ELSEWHERE: Final = frozenset(
    {
        "aggregator",
        "authorization",
        "eip7702Auth",
        "entryPoint",
        "factory",
        "factoryData",
        "initCode",
        "paymasterAndData",
        "signature",
    }
)
"""Members that make an operation unusual: a factory, or what is told as a stranger (G5)."""


def usual_offer(came: Any) -> OperationOffer | None:
    """An answer of `wallet_prepareCalls`: one operation, its hash to be signed, its details."""
    try:
        return _offer(came) if came["type"] == OPERATION else None
    except _UNUSUAL:
        return None


def _offer(came: Any) -> OperationOffer | None:
    data, request, fee = came["data"], came["signatureRequest"], came["feePayment"]
    details, told = came["details"], came["details"]["data"]
    raw, payload, digest, token = bytes_of(
        request["data"]["raw"], request["rawPayload"], told["hash"], fee["tokenAddress"]
    )
    chain_id, most = numbers_of(came["chainId"], fee["maxAmount"])
    if not (
        request["type"] == "personal_sign"
        and details["type"] == "user-operation"
        and type(fee["sponsored"]) is bool
        and len(payload) == len(digest) == 32
        and chain_id < 2**32
        and _ELSEWHERE.isdisjoint(came)
        and _ELSEWHERE.isdisjoint(data)
    ):
        return None
    calls = _calls(told["calls"])
    claims = Claims(fee["sponsored"], address_from_bytes(token), most, digest, calls)
    members = {name: data[name] for name in OPERATION_MEMBERS if name in data}
    echo = to_json({"type": OPERATION, "data": members, "chainId": came["chainId"]})
    asked = PersonalSign(raw, payload)
    return OperationOffer(OPERATION, chain_id, _operation(data), asked, echo, claims=claims)


def _operation(data: Any) -> UserOperation:
    nonce, call_gas, verification_gas, pre_gas, fee, priority, paymaster_gas, post_gas = numbers_of(
        data["nonce"],
        data["callGasLimit"],
        data["verificationGasLimit"],
        data["preVerificationGas"],
        data["maxFeePerGas"],
        data["maxPriorityFeePerGas"],
        data.get("paymasterVerificationGasLimit", "0x0"),
        data.get("paymasterPostOpGasLimit", "0x0"),
    )
    sender, call_data, paymaster, paymaster_data = bytes_of(
        data["sender"],
        data["callData"],
        data.get("paymaster", "0x"),
        data.get("paymasterData", "0x"),
    )
    return UserOperation(
        address_from_bytes(sender),
        nonce,
        call_data,
        call_gas,
        verification_gas,
        pre_gas,
        fee,
        priority,
        None,
        b"",
        address_from_bytes(paymaster) if "paymaster" in data else None,
        paymaster_gas,
        post_gas,
        paymaster_data,
    )


def usual_call_id(came: Any) -> str | None:
    """An answer of `wallet_sendPreparedCalls`: the id of one operation that waits for a block."""
    try:
        details = came["details"]
        said = details["data"]
        ids = came["preparedCallIds"]
        if details["type"] != "user-operation" or type(ids) is not list or "pendingBundle" in said:
            return None
        digest, *found = bytes_of(said["hash"], came["id"], *ids)
        if len(digest) != 32 or b"" in found:
            return None
        if "calls" in said:
            _calls(said["calls"])
        call_id: str = came["id"]
    except _UNUSUAL:
        return None
    return call_id


def usual_event(log: Any) -> PlacedEvent | None:
    """A `UserOperationEvent` of the EntryPoint v0.7, as `eth_getLogs` answers it."""
    try:
        topics = log["topics"]
        if type(topics) is not list or log.get("removed", False) is not False:
            return None
        name, digest, sender, paymaster, emitter, data, block_hash, transaction = bytes_of(
            *topics, log["address"], log["data"], log["blockHash"], log["transactionHash"]
        )
        number, index = numbers_of(log["blockNumber"], log["logIndex"])
        address = address_from_bytes(sender[12:])
    except _UNUSUAL:
        return None
    success = int.from_bytes(data[32:64], "big")
    if not (
        emitter == _ENTRY_POINT
        and name == USER_OPERATION_EVENT_TOPIC
        and sender[:12] == bytes(12)
        and len(digest) == len(paymaster) == len(block_hash) == len(transaction) == 32
        and len(data) == 4 * 32
        and success <= 1
    ):
        return None
    event = OperationEvent(
        user_op_hash=digest,
        sender=address,
        nonce=int.from_bytes(data[:32], "big"),
        success=success == 1,
        gas_cost=int.from_bytes(data[64:96], "big"),
        block_number=number,
        block_hash="0x" + block_hash.hex(),
        transaction_hash="0x" + transaction.hex(),
    )
    return number, index, event


def _calls(items: Any) -> tuple[Call, ...]:
    if type(items) is not list:
        raise TypeError("no list of calls")
    return tuple([_call(item) for item in items])


def _call(item: Any) -> Call:
    to, data = bytes_of(item["to"], item.get("data", "0x"))
    (value,) = numbers_of(item.get("value", "0x0"))
    return Call(address_from_bytes(to), value, data)


def bytes_of(*texts: Any) -> list[bytes]:
    """
    Read byte strings, as `scalars.read_bytes` reads each.

    Raises:
        KeyError, TypeError, ValueError: one of them is none.
    """
    found = [unhexlify(text[2:]) for text in texts if text[:2] == "0x"]
    if len(found) != len(texts):
        raise ValueError("not all are byte strings")
    return found


def numbers_of(*texts: Any) -> list[int]:
    """
    Read hex integers, as `scalars.read_integer` reads each, of 64 digits at most.

    Raises:
        TypeError, ValueError: one of them is none.
    """
    # Joined, they match only if none of them holds a blank: there would be one too many.
    if _NUMBERS.fullmatch(" ".join(texts)) is None:
        raise ValueError("not all are hex integers")
    return [int(text, 16) for text in texts]
