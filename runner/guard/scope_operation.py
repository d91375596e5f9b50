"""
What an operation asks of the account, read as the account reads it.

    0x8dd7712f ‖ execute(…)        Form.EXECUTE, with operation context
    executeBatch(…)                Form.BATCH
    anything else                  Form.DIRECT: a function of the account itself

Reading is as tolerant as the contracts' own decoder (trailing bytes, odd offsets), because the
question here is what they would do, not whether we would ever send it.

Source: mav2.md §6; Solidity documentation, "Contract ABI Specification".
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.contracts import EXECUTE, EXECUTE_BATCH, EXECUTE_USER_OP
from runner.frozen import frozen
from runner.guard.solidity import Arguments, UndecodableError


class Form(StrEnum):
    """How the calls are wrapped."""

    EXECUTE = "execute"
    BATCH = "executeBatch"
    DIRECT = "direct"


@frozen
class Operation:
    """
    One operation's call data, taken apart.

    `selector` is the account function behind a possible `executeUserOp` prefix, shorter than four
    bytes when the call data is. `calls` holds what is wrapped, the one call to the account itself
    when nothing is, or None where the arguments cannot be decoded. `data` is the account's call
    data without the prefix.
    """

    form: Form
    selector: bytes
    calls: tuple[Call, ...] | None
    user_op_context: bool
    data: bytes = b""


def operation_of(
    calls: Sequence[Call], *, account: Address, user_op_context: bool, form: Form | None = None
) -> Operation:
    """
    Wrap calls into an operation.

    Args:
        calls: In order; none is an empty batch.
        account: Whom they are made for.
        user_op_context: Whether the call data has the `executeUserOp` prefix.
        form: How to wrap them. By default a single call to the account is sent as its call data,
            any other single call by `execute`, the rest by `executeBatch`.
    """
    if form is None:
        if len(calls) != 1:
            form = Form.BATCH
        else:
            form = Form.DIRECT if calls[0].to == account else Form.EXECUTE
    if form is Form.DIRECT:
        data = calls[0].data
        return Operation(form, data[:4], tuple(calls), user_op_context, data)
    selector = EXECUTE if form is Form.EXECUTE else EXECUTE_BATCH
    return Operation(form, selector, tuple(calls), user_op_context)


def read_operation(call_data: bytes, *, account: Address) -> Operation:
    """Take call data apart; one prefix is removed, as the account does."""
    user_op_context = call_data[:4] == EXECUTE_USER_OP
    data = call_data[4:] if user_op_context else call_data
    selector = data[:4]
    if selector == EXECUTE:
        return Operation(Form.EXECUTE, selector, _read_call(data[4:]), user_op_context, data)
    if selector == EXECUTE_BATCH:
        return Operation(Form.BATCH, selector, _read_batch(data[4:]), user_op_context, data)
    return Operation(Form.DIRECT, selector, (Call(account, 0, data),), user_op_context, data)


def _read_batch(data: bytes) -> tuple[Call, ...] | None:
    try:
        return tuple(map(_call, Arguments(data).dynamic_items(0)))
    except UndecodableError:
        return None


def _read_call(data: bytes) -> tuple[Call, ...] | None:
    try:
        return (_call(Arguments(data)),)
    except UndecodableError:
        return None


def _call(arguments: Arguments) -> Call:
    return Call(arguments.address(0), arguments.uint(1), arguments.dynamic_bytes(2))
