"""
Sets of permissions that the session builder refuses, by the builder's own error names.

This is what the service will answer, not what is wise: `guard` and `policy` refuse more.

Source: semantics.md §3, recorded from the SDK's PermissionBuilder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from runner.errors import EncodingError
from runner.ethereum import contracts
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.permissions import (
    AccountFunctions,
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    GasLimit,
    NativeTokenTransfer,
    Permission,
    Root,
)

FORBIDDEN_ACCOUNT_FUNCTIONS: Final = frozenset(
    {
        contracts.EXECUTE,
        contracts.EXECUTE_BATCH,
        contracts.PERFORM_CREATE,
        contracts.EXECUTE_WITH_RUNTIME_VALIDATION,
        contracts.INSTALL_VALIDATION,
        contracts.UNINSTALL_VALIDATION,
        contracts.UPGRADE_TO_AND_CALL,
        # Meant as installExecution and uninstallExecution, whose real selectors the builder
        # lets through; see `DANGEROUS_ACCOUNT_FUNCTIONS`.
        bytes.fromhex("1d37e7d6"),
        bytes.fromhex("0b7cad71"),
    }
)
"""Account functions that the builder refuses to grant."""

DANGEROUS_ACCOUNT_FUNCTIONS: Final = frozenset(
    {
        contracts.INSTALL_EXECUTION,
        contracts.UNINSTALL_EXECUTION,
        contracts.UPDATE_FALLBACK_SIGNER,
        contracts.EXECUTE_USER_OP,
    }
)
"""Account functions as strong as root that the builder grants all the same (semantics.md §6)."""

_MAX_DEADLINE = 2**48 - 1
_MAX_UINT256 = 2**256 - 1
_ON_ONE_TARGET = (ContractAccess, FunctionsOnContract)
_CALLING = (
    Erc20TokenTransfer,
    ContractAccess,
    AccountFunctions,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    Root,
)
_WITH_FUNCTIONS = (AccountFunctions, FunctionsOnAllContracts, FunctionsOnContract)
_WITH_ADDRESS = (Erc20TokenTransfer, ContractAccess, FunctionsOnContract)


class PermissionRefused(EncodingError):
    """
    The builder refuses these permissions.

    `name` is the builder's error name, without the `PermissionBuilder: ` that the SDK puts in
    front of most of them.
    """

    def __init__(self, name: str, what: str) -> None:
        super().__init__(what)
        self.name = name


def check_permissions(
    permissions: Sequence[Permission],
    *,
    expiry: int,
    now: int,
    account: Address,
    entity_id: int = 1,
) -> None:
    """
    Refuse what the session builder would refuse, in its order.

    Args:
        permissions: What is asked for.
        expiry: Unix seconds; 0 never expires.
        now: Unix seconds.
        account: The account that grants.
        entity_id: The entity that the session would get.

    Raises:
        PermissionRefused: With the builder's error name.
    """
    if entity_id > contracts.LARGEST_ENTITY_ID:
        raise PermissionRefused("InvalidEntityIdError", f"entity id {entity_id} is too large")
    for place, permission in enumerate(permissions):
        _check_added(permission, permissions[:place], account)
    _check_deadline(expiry, now)
    _check_translated(permissions)
    if not any(isinstance(permission, _CALLING) for permission in permissions):
        raise PermissionRefused(
            "ValidationConfigUnsetError", "these permissions limit, but none lets the key call"
        )
    if entity_id == contracts.OWNER_ENTITY:
        raise PermissionRefused("EntityIdOverrideError", "entity id 0 is the owner's")
    _check_encodable(permissions)


def _check_added(permission: Permission, earlier: Sequence[Permission], account: Address) -> None:
    """Refuse what the builder refuses as each permission is added."""
    if earlier and any(isinstance(each, Root) for each in (*earlier, permission)):
        raise PermissionRefused("RootPermissionOnlyError", "root stands alone")
    if isinstance(permission, _ON_ONE_TARGET):
        target = permission.address
        if target == account:
            raise PermissionRefused(
                "AccountAddressAsTargetError", "the account itself takes account-functions"
            )
        if any(isinstance(each, _ON_ONE_TARGET) and each.address == target for each in earlier):
            raise PermissionRefused("DuplicateTargetAddressError", f"two permissions for {target}")
    if isinstance(permission, AccountFunctions):
        if not permission.functions:
            raise PermissionRefused(
                "NoFunctionsProvidedError", f"{permission.kind} without functions"
            )
        for selector in permission.functions:
            if selector in FORBIDDEN_ACCOUNT_FUNCTIONS:
                raise PermissionRefused(
                    "SelectorNotAllowed", f"account function 0x{selector.hex()} is never granted"
                )


def _check_deadline(expiry: int, now: int) -> None:
    # The builder's clock has milliseconds, so the second that has begun is past.
    if expiry and expiry <= now:
        raise PermissionRefused("ExpiredDeadlineError", f"expiry {expiry} is not after now ({now})")
    if expiry > _MAX_DEADLINE:
        raise PermissionRefused("DeadlineOverLimitError", f"expiry {expiry} is not a uint48")


def _check_translated(permissions: Sequence[Permission]) -> None:
    """Refuse what the builder refuses as it turns permissions into hooks, one by one."""
    seen: set[type] = set()
    for permission in permissions:
        kind = type(permission)
        if kind in seen and kind is NativeTokenTransfer:
            raise PermissionRefused("MultipleNativeTokenTransferError", "two native-token-transfer")
        if kind in seen and kind is GasLimit:
            raise PermissionRefused("MultipleGasLimitError", "two gas-limit")
        seen.add(kind)
        if isinstance(permission, _WITH_ADDRESS) and permission.address == ZERO_ADDRESS:
            raise PermissionRefused("ZeroAddressError", f"{permission.kind} on the zero address")
        if isinstance(permission, _WITH_FUNCTIONS) and not permission.functions:
            raise PermissionRefused(
                "NoFunctionsProvidedError", f"{permission.kind} without functions"
            )
        if not isinstance(permission, (*_CALLING, NativeTokenTransfer, GasLimit)):
            raise PermissionRefused(
                "UnsupportedPermissionTypeError", f"{permission!r} is no permission"
            )


def _check_encodable(permissions: Sequence[Permission]) -> None:
    """Refuse what fails in ABI encoding."""
    for permission in permissions:
        functions = permission.functions if isinstance(permission, _WITH_FUNCTIONS) else ()
        if any(len(selector) != 4 for selector in functions):
            raise PermissionRefused(
                "AbiEncodingBytesSizeMismatchError", f"{permission.kind}: a selector has 4 bytes"
            )
        if not 0 <= _amount(permission) <= _MAX_UINT256:
            raise PermissionRefused(
                "IntegerOutOfRangeError", f"{permission.kind}: the amount is not a uint256"
            )


def _amount(permission: Permission) -> int:
    match permission:
        case NativeTokenTransfer(allowance) | Erc20TokenTransfer(allowance=allowance):
            return allowance
        case GasLimit(limit):
            return limit
    return 0
