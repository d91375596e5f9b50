"""
Do these calls lie inside these permissions, as the chain would judge?

    validate()   before inclusion: refused operations never reach the chain and cost nothing
    spend()      at execution: refused operations are included, gas and nonce are gone
    judge()      both, for one operation

Limits are judged when an operation is included, so a caller threads `Allowances` through the
operations in their order on chain: what one leaves is what the next finds. If a called contract
reverts, execution counters roll back and the allowances that `validate` left are the ones to keep.
Whether called contracts agree (balances, their own rules) is not asked here.

Reasons are the names under which the contracts and the EntryPoint refuse (`ExceededTokenLimit`).

Source: semantics.md §1, §2 and §5; agreement is tested against recorded verdicts of the contracts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache
from typing import Final

from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.calls import Call
from runner.ethereum.contracts import (
    EXECUTE,
    EXECUTE_BATCH,
    EXECUTE_USER_OP,
    EXECUTE_WITH_RUNTIME_VALIDATION,
    INSTALL_EXECUTION,
    INSTALL_VALIDATION,
    PERFORM_CREATE,
    UNINSTALL_EXECUTION,
    UNINSTALL_VALIDATION,
    UPDATE_FALLBACK_SIGNER,
    UPGRADE_TO_AND_CALL,
)
from runner.ethereum.erc20 import APPROVE, TRANSFER
from runner.ethereum.permissions import Permission
from runner.frozen import frozen
from runner.guard.scope_operation import Form, Operation, operation_of, read_operation
from runner.guard.scope_tables import (
    Allowances,
    Entry,
    Installed,
    Table,
    initial_allowances,
    installed,
)
from runner.guard.solidity import Arguments, UndecodableError

__all__ = [
    "GLOBAL_FUNCTIONS",
    "NOT_DUE",
    "NO_INNER_DATA",
    "NO_REVERT_DATA",
    "Allowances",
    "Entry",
    "Form",
    "GasPayer",
    "Installed",
    "Judgement",
    "Operation",
    "Outcome",
    "Table",
    "initial_allowances",
    "installed",
    "judge",
    "operation_of",
    "read_operation",
    "spend",
    "validate",
]

GLOBAL_FUNCTIONS: Final = frozenset(
    {
        EXECUTE,
        EXECUTE_BATCH,
        EXECUTE_USER_OP,
        EXECUTE_WITH_RUNTIME_VALIDATION,
        INSTALL_EXECUTION,
        INSTALL_VALIDATION,
        PERFORM_CREATE,
        UNINSTALL_EXECUTION,
        UNINSTALL_VALIDATION,
        UPDATE_FALLBACK_SIGNER,
        UPGRADE_TO_AND_CALL,
    }
)
"""Account functions open to a global validation (root), as long as no module adds others."""

NOT_DUE: Final = "AA22 expired or not due"
"""Reason: the block's time lies outside the key's validity."""

NO_INNER_DATA: Final = "AA23 reverted, no inner revert data"
"""Reason: validation reverted without saying why."""

NO_REVERT_DATA: Final = "no revert data"
"""Reason: execution reverted without saying why."""

_NO_SELECTORS: Final[frozenset[bytes]] = frozenset()
_NO_ENTRY: Final = Entry()
_SPENDING_CALLDATA: Final = 4 + 2 * 32
_UINT256: Final = 2**256


class Outcome(StrEnum):
    """What becomes of an operation."""

    ACCEPTED = "accepted"
    VALIDATION_REJECTED = "validation_rejected"
    EXECUTION_REVERTED = "execution_reverted"


class GasPayer(StrEnum):
    """
    Who pays for gas. A gas limit counts what the account pays, and what a paymaster pays that the
    account itself has marked as special; `NOBODY` is paymaster data that names the zero address.
    """

    ACCOUNT = "account"
    PAYMASTER = "paymaster"
    SPECIAL_PAYMASTER = "special_paymaster"
    NOBODY = "nobody"


@frozen
class Judgement:
    """
    The outcome, the rule that decides, and the allowances that remain.

    `call_index` names the call that broke the rule; None when it was none in particular, and when
    the operation is accepted.
    """

    outcome: Outcome
    reason: str | None
    call_index: int | None
    allowances: Allowances


_Refusal = tuple[str, int | None]


def judge(
    permissions: Installed | Sequence[Permission],
    calls: Sequence[Call],
    *,
    account: Address,
    allowances: Allowances,
    now: int,
    expiry: int = 0,
    max_gas_cost: int,
    sponsored: bool,
    form: Form | None = None,
    user_op_context: bool | None = None,
) -> Judgement:
    """
    Judge one operation of a session key: validation, then its own limits at execution.

    Args:
        permissions: As granted, or compiled once by `installed` to judge many.
        calls: The batch, in order.
        account: The smart account that makes them.
        allowances: What the key may still spend when the operation is included.
        now: Time of the including block, unix seconds.
        expiry: End of validity, unix seconds, 0 for none; a compiled session brings its own.
        max_gas_cost: All gas limits times `max_fee_per_gas`, in wei.
        sponsored: Whether a paymaster pays.
        form: How the calls are wrapped; by default as `operation_of` says.
        user_op_context: Whether the call data has the `executeUserOp` prefix; by default it has
            exactly where the session needs it.

    Returns:
        The judgement; its allowances are those after the operation, whatever its outcome.
    """
    if isinstance(permissions, Installed):
        session = permissions
    else:
        session = _compiled(tuple(permissions), expiry)
    if user_op_context is None:
        user_op_context = session.has_execution_hooks
    operation = operation_of(calls, account=account, user_op_context=user_op_context, form=form)
    judgement = validate(
        session,
        operation,
        account=account,
        allowances=allowances,
        now=now,
        max_gas_cost=max_gas_cost,
        payer=GasPayer.PAYMASTER if sponsored else GasPayer.ACCOUNT,
    )
    if judgement.outcome is not Outcome.ACCEPTED:
        return judgement
    return spend(session, operation, judgement.allowances)


def validate(
    session: Installed,
    operation: Operation,
    *,
    account: Address,
    allowances: Allowances,
    now: int | None,
    max_gas_cost: int,
    payer: GasPayer,
    as_global: bool | None = None,
) -> Judgement:
    """
    Judge the validation phase: account rules, then hooks in their order, then the time.

    Args:
        session: What is installed.
        operation: What is asked.
        account: The smart account.
        allowances: Before the operation.
        now: Time of the including block, unix seconds; None leaves the time out, for a caller who
            has other checks of the EntryPoint in between.
        max_gas_cost: In wei.
        payer: Who pays for gas.
        as_global: The flag in the operation's nonce, which says what list of functions is
            consulted; by default the right one for the session.

    Returns:
        Accepted with the gas allowance reduced, or rejected with nothing changed.
    """
    refusal = _account_refusal(
        session, operation, account, session.is_global if as_global is None else as_global
    )
    gas = allowances.gas
    if refusal is None and session.gas_hook:
        if payer is GasPayer.NOBODY:
            refusal = "InvalidPaymaster", None
        elif payer is not GasPayer.PAYMASTER:
            gas = (gas or 0) - max_gas_cost
            if gas < 0:
                refusal = "ExceededNativeTokenLimit", None
    if refusal is None and session.allowlist_hook:
        refusal = _allowlist_refusal(session.allowlist, operation)
    if refusal is None and now is not None and not session.is_due(now):
        refusal = NOT_DUE, None
    if refusal is not None:
        return Judgement(Outcome.VALIDATION_REJECTED, *refusal, allowances)
    if gas != allowances.gas:
        allowances = replace(allowances, gas=gas)
    return Judgement(Outcome.ACCEPTED, None, None, allowances)


def spend(session: Installed, operation: Operation, allowances: Allowances) -> Judgement:
    """
    Judge the execution phase: the native limit over the whole operation, then token by token.

    The hooks run before any call is made and need the `executeUserOp` prefix, which `validate` has
    insisted on.

    Returns:
        Accepted with native and token allowances reduced, or reverted with nothing changed.
    """
    native, erc20 = allowances.native, allowances.erc20
    refusal: _Refusal | None = None
    if session.native_hook:
        native, refusal = _native_left(operation, native or 0)
    if refusal is None and session.token_hook:
        left, refusal = _tokens_left(session.spending, operation, allowances)
        erc20 = erc20 if left is None else left
    if refusal is not None:
        return Judgement(Outcome.EXECUTION_REVERTED, *refusal, allowances)
    if native != allowances.native or erc20 is not allowances.erc20:
        allowances = Allowances(native, allowances.gas, erc20)
    return Judgement(Outcome.ACCEPTED, None, None, allowances)


@lru_cache(maxsize=256)
def _compiled(permissions: tuple[Permission, ...], expiry: int) -> Installed:
    return installed(permissions, expiry=expiry)


def _account_refusal(
    session: Installed, operation: Operation, account: Address, as_global: bool
) -> _Refusal | None:
    """Source: semantics.md §1, rules 1 and 2; mav2.md §7, validation order."""
    if len(operation.selector) < 4:
        # Behind a prefix the account slices four bytes that are not there.
        return (NO_INNER_DATA if operation.user_op_context else "UnrecognizedFunction"), None
    functions = _functions(session, as_global)
    if operation.selector not in functions:
        return "ValidationFunctionMissing", 0 if operation.form is Form.DIRECT else None
    if operation.form is Form.EXECUTE:
        if operation.target == account:
            return "SelfCallRecursionDepthExceeded", 0
    elif operation.form is Form.BATCH:
        try:
            for index, data in operation.self_calls(account):
                reason = _self_call_refusal(functions, data)
                if reason is not None:
                    return reason, index
        except UndecodableError:
            return NO_INNER_DATA, None
    if session.has_execution_hooks and not operation.user_op_context:
        return "RequireUserOperationContext", None
    return None


def _functions(session: Installed, as_global: bool) -> frozenset[bytes]:
    if not as_global:
        return session.functions
    return GLOBAL_FUNCTIONS if session.is_global else _NO_SELECTORS


def _self_call_refusal(functions: frozenset[bytes], data: bytes) -> str | None:
    selector = data[:4]
    if len(selector) < 4:
        return NO_INNER_DATA
    if selector in (EXECUTE, EXECUTE_BATCH):
        return "SelfCallRecursionDepthExceeded"
    return None if selector in functions else "ValidationFunctionMissing"


def _allowlist_refusal(table: Table, operation: Operation) -> _Refusal | None:
    """Source: semantics.md §1, rule 3."""
    if operation.form is Form.DIRECT:
        return None
    if operation.calls is None:
        return "PreUserOpValidationHookReverted", None
    entries, selectors = table.entries, table.selectors
    everywhere = selectors.get(ZERO_ADDRESS, _NO_SELECTORS)
    for index, call in enumerate(operation.calls):
        data = call.data
        entry = entries.get(call.to, _NO_ENTRY)
        if not entry.allowed:
            # Short data counts as a selector padded with zeros: sending bare ether is 0x00000000.
            if data[:4].ljust(4, b"\0") not in everywhere:
                return "AddressNotAllowed", index
        elif entry.by_selector:
            if len(data) < 4:
                return "NoSelectorSpecified", index
            if data[:4] not in selectors.get(call.to, _NO_SELECTORS):
                return "SelectorNotAllowed", index
    return None


def _native_left(operation: Operation, allowance: int) -> tuple[int, _Refusal | None]:
    """Source: semantics.md §2, native-token-transfer."""
    total = 0
    if operation.form is Form.DIRECT:
        if operation.selector == PERFORM_CREATE:
            try:
                total = Arguments(operation.data, 4).uint(0)
            except UndecodableError:
                return allowance, ("PreExecHookReverted", None)
    elif operation.calls is None:
        return allowance, ("PreExecHookReverted", None)
    else:
        over: int | None = None
        for index, call in enumerate(operation.calls):
            total += call.value
            if total > allowance and over is None:
                over = index
        if total >= _UINT256:
            return allowance, ("Panic", None)  # the module's own addition overflows
        if over is not None:
            return allowance, ("ExceededNativeTokenLimit", over)
    if total > allowance:
        return allowance, ("ExceededNativeTokenLimit", None)
    return allowance - total, None


def _tokens_left(
    table: Table, operation: Operation, allowances: Allowances
) -> tuple[dict[Address, int] | None, _Refusal | None]:
    """
    Return the token allowances left, None if untouched.

    Source: semantics.md §2, erc20-token-transfer.
    """
    if operation.form is Form.DIRECT:
        return None, ("SpendingRequestNotAllowed", None)
    if operation.calls is None:
        return None, ("PreExecHookReverted", None)
    left: dict[Address, int] | None = None
    for index, call in enumerate(operation.calls):
        if not table.entries.get(call.to, _NO_ENTRY).limited:
            continue
        data = call.data
        if len(data) < _SPENDING_CALLDATA:
            return None, ("InvalidCalldataLength", index)
        if data[:4] not in (TRANSFER, APPROVE):
            return None, ("SelectorNotAllowed", index)
        if left is None:
            left = dict(allowances.erc20)
        remaining = left.get(call.to, 0) - int.from_bytes(data[36:68], "big")
        if remaining < 0:
            return None, ("ExceededTokenLimit", index)
        left[call.to] = remaining
    return left, None
