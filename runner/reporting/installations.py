"""
Installing and uninstalling a session, read for the eyes of whoever is to sign it.

Source: mav2.md §5, §5.1, §11 and §12.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from runner.errors import EncodingError
from runner.ethereum import contracts
from runner.ethereum.address import Address
from runner.ethereum.granted import Granted, granted_by
from runner.ethereum.installation import (
    HOOK_HAS_POST,
    HOOK_HAS_PRE,
    VALIDATION_SIGNATURE,
    VALIDATION_USER_OP,
    Hook,
    Installation,
    decode_install_validation,
    decode_uninstall_validation,
)
from runner.ethereum.modules import (
    Allowlist,
    ModuleData,
    NativeLimit,
    PaymasterGuard,
    TimeRange,
    decode_module_data,
)
from runner.ethereum.permission_check import DANGEROUS_ACCOUNT_FUNCTIONS
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
from runner.ethereum.user_operation import ENTRY_POINT_V07
from runner.reporting.functions import name_of
from runner.reporting.values import Report, hexed, plain

MODULE_NAMES: Final[Mapping[Address, str]] = {
    contracts.SINGLE_SIGNER_MODULE: "SingleSignerValidationModule",
    contracts.WEBAUTHN_MODULE: "WebAuthnValidationModule",
    contracts.ALLOWLIST_MODULE: "AllowlistModule",
    contracts.ALLOWLIST_MODULE_2_0_0: "AllowlistModule 2.0.0 (does not hold: never accept it)",
    contracts.NATIVE_LIMIT_MODULE: "NativeTokenLimitModule",
    contracts.TIME_RANGE_MODULE: "TimeRangeModule",
    contracts.PAYMASTER_GUARD_MODULE: "PaymasterGuardModule",
}
"""The modules of Modular Account v2, by address."""

_WITH_VALUE = {ContractAccess, FunctionsOnContract, FunctionsOnAllContracts}
_BY_HAND = "not made by any set of permissions: judge it hook by hook"


def read_installation(data: bytes) -> Report:
    """
    Read an `installValidation` call.

    Raises:
        EncodingError: Another call, or not as an encoder would write it.
    """
    found = decode_install_validation(data)
    granted = granted_by(found)
    report: Report = {
        "does": _gist(found, granted),
        "module": _module(found.module),
        "entity_id": found.entity_id,
        "key": found.key,
        "global": found.is_global,
        "validates_operations": bool(found.flags & VALIDATION_USER_OP),
        "validates_messages": bool(found.flags & VALIDATION_SIGNATURE),
        "flags": found.flags,
        "account_functions": [hexed(selector) for selector in found.selectors],
        "install_data": hexed(found.install_data),
    }
    if granted is not None:
        report["expiry"] = moment(granted.expiry)
        report["permissions"] = [_permission(each) for each in granted.permissions]
    report["hooks"] = [_hook(hook) for hook in found.hooks]
    report["warnings"] = list(_warnings(found, granted))
    return report


def read_uninstallation(data: bytes) -> Report:
    """
    Read an `uninstallValidation` call.

    Raises:
        EncodingError: Another call, or not as an encoder would write it.
    """
    found = decode_uninstall_validation(data)
    warnings = []
    if not found.hook_data or not all(found.hook_data):
        # Measured: it succeeds all the same, and the next session of this entity inherits.
        warnings.append("hooks without data: their modules keep the session's tables")
    return {
        "does": f"takes the session of entity {found.entity_id} from the account",
        "module": _module(found.module),
        "entity_id": found.entity_id,
        "uninstall_data": hexed(found.uninstall_data),
        "hook_data": [_hook_data(each) for each in found.hook_data],
        "warnings": warnings,
    }


def moment(seconds: int) -> Report | None:
    """A unix time in both spellings; 0 is none."""
    if not seconds:
        return None
    try:
        text = datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        text = "beyond all calendars"
    return {"unix": seconds, "at": text}


def _gist(found: Installation, granted: Granted | None) -> str:
    who = found.key or "whatever its data say"
    if granted is None:
        return f"lets {who} act as entity {found.entity_id}, {_BY_HAND}"
    until = moment(granted.expiry)
    end = "for ever" if until is None else f"until {until['at']}"
    return f"lets {who} act as entity {found.entity_id} {end}"


def _warnings(found: Installation, granted: Granted | None) -> Iterator[str]:
    if granted is None:
        yield _BY_HAND
    elif not granted.expiry:
        yield "the session never ends"
    if found.flags & VALIDATION_SIGNATURE:
        yield "the key can sign messages in the account's name"
    for hook in found.hooks:
        if hook.module == contracts.ALLOWLIST_MODULE_2_0_0:
            yield "AllowlistModule 2.0.0 is blind behind executeUserOp: its list does not hold"
        elif hook.module not in MODULE_NAMES:
            yield f"a module that nobody knows: {hook.module}"
    if granted is not None:
        yield from _risks(granted.permissions)


def _risks(permissions: Sequence[Permission]) -> Iterator[str]:
    """What these permissions leave open (semantics.md §2 and §6)."""
    kinds = {type(permission) for permission in permissions}
    if Root in kinds:
        yield "root: everything that the owner can do, and its end can be moved"
        return
    if GasLimit not in kinds:
        yield "no gas-limit: any amount of the coin may be burnt as gas"
    if NativeTokenTransfer not in kinds and kinds & _WITH_VALUE:
        yield "no native-token-transfer: any value may be sent along"
    for permission in permissions:
        match permission:
            case AccountFunctions(functions):
                for selector in sorted(DANGEROUS_ACCOUNT_FUNCTIONS.intersection(functions)):
                    yield f"account function {name_of(selector)}: as strong as root"
            case FunctionsOnAllContracts(functions):
                yield "functions-on-all-contracts: on every token and contract, without a limit"
                if bytes(4) in functions:
                    yield "selector 0x00000000 lets the coin be sent to anyone"
            case ContractAccess(target) | FunctionsOnContract(target):
                if target in MODULE_NAMES or target == ENTRY_POINT_V07:
                    yield f"reaches {target}, through which the key can widen itself"


def _names(selectors: Sequence[bytes]) -> str:
    return ", ".join(map(name_of, selectors))


def _module(address: Address) -> Report:
    return {"address": address, "name": MODULE_NAMES.get(address)}


def _permission(permission: Permission) -> Report:
    kind = permission.kind
    match permission:
        case Root():
            return {"type": kind, "does": "everything that the owner can do"}
        case NativeTokenTransfer(allowance):
            does = f"send at most {allowance} wei along"
            return {"type": kind, "allowance": str(allowance), "does": does}
        case GasLimit(limit):
            does = f"spend at most {limit} wei on gas that nobody sponsors"
            return {"type": kind, "limit": str(limit), "does": does}
        case Erc20TokenTransfer(address, allowance):
            does = f"transfer or approve at most {allowance} base units of token {address}"
            return {
                "type": kind,
                "address": address,
                "allowance": str(allowance),
                "does": does,
            }
        case ContractAccess(address):
            return {"type": kind, "address": address, "does": f"call anything of {address}"}
        case AccountFunctions(functions):
            does = f"call {_names(functions)} of the account itself"
            return {"type": kind, "functions": plain(functions), "does": does}
        case FunctionsOnAllContracts(functions):
            does = f"call {_names(functions)} wherever nothing else is said"
            return {"type": kind, "functions": plain(functions), "does": does}
        case FunctionsOnContract(address, functions):
            does = f"call {_names(functions)} of {address}"
            return {"type": kind, "address": address, "functions": plain(functions), "does": does}


def _hook(hook: Hook) -> Report:
    report: Report = {
        "module": _module(hook.module),
        "entity_id": hook.entity_id,
        "runs": "in validation" if hook.in_validation else "around execution",
        "has_pre": bool(hook.flags & HOOK_HAS_PRE),
        "has_post": bool(hook.flags & HOOK_HAS_POST),
        "flags": hook.flags,
        "data": hexed(hook.init_data),
    }
    try:
        data = decode_module_data(hook.module, hook.init_data)
    except EncodingError as error:
        return report | {"odd": error.what}
    return report | {"does": _says(data, in_validation=hook.in_validation)}


def _says(data: ModuleData, *, in_validation: bool) -> str:
    match data:
        case TimeRange(_, until, after):
            end = moment(until)
            start = f"from {after} on, " if after else ""
            return f"valid {start}{'for ever' if end is None else 'until ' + end['at']}"
        case NativeLimit(_, limit):
            return f"at most {limit} wei {'of gas' if in_validation else 'sent along'}"
        case Allowlist(_, entries) if in_validation:
            listed = [
                f"{entry.target}" + (f" [{_names(entry.selectors)}]" if entry.selectors else "")
                for entry in entries
            ]
            return f"may call {'; '.join(listed) or 'nothing'}"
        case Allowlist(_, entries):
            listed = [f"{entry.erc20_spend_limit} of {entry.target}" for entry in entries]
            return f"at most {'; '.join(listed) or 'nothing'}"
        case PaymasterGuard(_, paymaster):
            return f"no paymaster but {paymaster}"
    return "a validation module, not a hook"


def _hook_data(data: bytes) -> Report:
    """What one hook is told when it goes: its entity, or the whole list it was installed with."""
    report: Report = {"data": hexed(data)}
    if len(data) == 32 and not any(data[:28]):
        return report | {"entity_id": int.from_bytes(data, "big")}
    try:
        allowlist = decode_module_data(contracts.ALLOWLIST_MODULE, data)
    except EncodingError:
        return report
    return report | {
        "entity_id": allowlist.entity_id,
        "does": _says(allowlist, in_validation=True),
    }
