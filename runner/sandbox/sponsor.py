"""
The paymaster's promise: which operation it pays for, and until when.

Source: ERC-4337, EntryPoint v0.7, paymasterAndData; the layout of the data is our own.
"""

from __future__ import annotations

from typing import Final

from runner.ethereum.hashing import keccak256
from runner.ethereum.user_operation import UserOperation
from runner.sandbox import rpc
from runner.sandbox.artefacts import PAYMASTER
from runner.sandbox.refusal import Refusal

LASTS: Final = 1_800
"""Seconds for which a promise holds."""

_SIZE = 6 + 65


def promise(op: UserOperation, chain_id: int, until: int) -> bytes:
    """Return the paymaster data for an operation: the time (6 bytes) and a seal (65 bytes)."""
    time = until.to_bytes(6, "big")
    return time + _seal(op, chain_id, time) + bytes(33)


def paid_until(op: UserOperation, chain_id: int) -> int:
    """
    Return when the promise ends, 0 for an operation without a paymaster.

    Raises:
        Refusal: Another paymaster, or a promise for another operation.
    """
    if op.paymaster is None:
        return 0
    data = op.paymaster_data
    if op.paymaster != PAYMASTER or len(data) != _SIZE:
        message = "rejected by paymaster (AA30 paymaster not deployed)"
        raise Refusal(rpc.REJECTED_BY_PAYMASTER, "UnknownPaymaster", message, "AA30")
    if data[6:38] != _seal(op, chain_id, data[:6]):
        message = "rejected by paymaster (AA34 signature error)"
        raise Refusal(rpc.REJECTED_BY_PAYMASTER, "InvalidSponsorship", message, "AA34")
    return int.from_bytes(data[:6], "big")


def _seal(op: UserOperation, chain_id: int, time: bytes) -> bytes:
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
    text = b"runner/sandbox/paymaster" + time + op.sender.encode() + packed + op.init_code
    return keccak256(text + op.call_data)
