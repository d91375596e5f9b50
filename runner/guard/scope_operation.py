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

from collections.abc import Iterator, Sequence
from enum import StrEnum

from runner.ethereum.address import Address, address_from_bytes
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

    @property
    def target(self) -> Address:
        """Whom `execute` calls; the account looks at these 20 bytes, though the rest be garbage."""
        if self.calls is not None:
            return self.calls[0].to
        return address_from_bytes(self.data[16:36].ljust(20, b"\0"))

    def self_calls(self, account: Address) -> Iterator[tuple[int, bytes]]:
        """
        The calls of `executeBatch` to the account itself, by position, with their data.

        Read as the account reads them before it validates: of a call to somebody else it looks at
        nothing but the address.

        Raises:
            UndecodableError: The account cannot go on reading.
        """
        if self.calls is not None:
            yield from ((n, call.data) for n, call in enumerate(self.calls) if call.to == account)
            return
        for index, item in enumerate(Arguments(self.data, 4).dynamic_items(0)):
            item.word(2)  # three words have to be there
            if item.address(0) == account:
                yield index, item.dynamic_bytes(2)


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
