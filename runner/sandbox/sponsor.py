"""
The paymaster's promise: which operation it pays for, until when, and what it takes for that.

Source: ERC-4337, EntryPoint v0.7, paymasterAndData; the layout of the data is our own.
"""

from __future__ import annotations

from typing import Final

from runner.ethereum.address import address_bytes, address_from_bytes
from runner.ethereum.hashing import keccak256
from runner.ethereum.user_operation import UserOperation
from runner.frozen import frozen
from runner.sandbox import rpc
from runner.sandbox.artefacts import PAYMASTER, TokenFee
from runner.sandbox.refusal import Refusal

LASTS: Final = 1_800
"""Seconds for which a promise holds."""

_TIME = 6
_STAMP = 32
_TERMS = 1 + 20 + 32 + 32
_AS_A_GIFT = bytes(33)
_AFTER, _FIRST = 1, 2


@frozen
class Promise:
    """How long the paymaster pays, in unix seconds, and its fee; None for nothing."""

    until: int
    fee: TokenFee | None = None


NO_PROMISE: Final = Promise(0)
"""Of an operation without a paymaster."""


def promise_data(op: UserOperation, chain_id: int, promise: Promise) -> bytes:
    """Return the paymaster data for an operation: the time, a seal over all, the terms."""
    time, terms = promise.until.to_bytes(_TIME, "big"), _write_terms(promise.fee)
    return time + _seal(op, chain_id, time + terms) + terms


def read_promise(op: UserOperation, chain_id: int) -> Promise:
    """
    Return what an operation was promised.

    Raises:
        Refusal: Another paymaster, or a promise for another operation.
    """
    if op.paymaster is None:
        return NO_PROMISE
    time, terms = op.paymaster_data[:_TIME], op.paymaster_data[_TIME + _STAMP :]
    if op.paymaster != PAYMASTER or len(terms) < len(_AS_A_GIFT):
        message = "rejected by paymaster (AA30 paymaster not deployed)"
        raise Refusal(rpc.REJECTED_BY_PAYMASTER, "UnknownPaymaster", message, "AA30")
    if op.paymaster_data[_TIME : _TIME + _STAMP] != _seal(op, chain_id, time + terms):
        message = "rejected by paymaster (AA34 signature error)"
        raise Refusal(rpc.REJECTED_BY_PAYMASTER, "InvalidSponsorship", message, "AA34")
    return Promise(int.from_bytes(time, "big"), read_fee(op.paymaster_data))


def read_fee(data: bytes) -> TokenFee | None:
    """Return the fee that paymaster data name, whatever their seal."""
    terms = data[_TIME + _STAMP :]
    if len(terms) < _TERMS or terms[0] not in (_AFTER, _FIRST):
        return None
    return TokenFee(
        token=address_from_bytes(terms[1:21]),
        rate=int.from_bytes(terms[21:53], "big"),
        most=int.from_bytes(terms[53:_TERMS], "big"),
        first=terms[0] == _FIRST,
        permit=terms[_TERMS:],
    )


def _write_terms(fee: TokenFee | None) -> bytes:
    if fee is None:
        return _AS_A_GIFT
    kind = bytes((_FIRST if fee.first else _AFTER,))
    numbers = fee.rate.to_bytes(32, "big") + fee.most.to_bytes(32, "big")
    return kind + address_bytes(fee.token) + numbers + fee.permit


def _seal(op: UserOperation, chain_id: int, promised: bytes) -> bytes:
    numbers = (
        chain_id,
        op.nonce,
        op.call_gas_limit,
        op.verification_gas_limit,
        op.pre_verification_gas,
        op.max_fee_per_gas,
        op.max_priority_fee_per_gas,
        op.paymaster_verification_gas_limit,
        op.paymaster_post_op_gas_limit,
    )
    packed = b"".join(number.to_bytes(32, "big") for number in numbers)
    parts = (op.sender.encode(), op.call_data, op.init_code, promised)
    sized = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return keccak256(b"runner/sandbox/paymaster" + packed + sized)
