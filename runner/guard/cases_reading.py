"""
Read recorded cases: permissions, operations, and the world in which a case starts.

Source: the format's own README.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, Literal

from runner.errors import EncodingError
from runner.ethereum import contracts
from runner.ethereum.address import Address, address_from_bytes
from runner.ethereum.calls import Call
from runner.ethereum.installation import (
    HOOK_HAS_PRE,
    HOOK_VALIDATION,
    Hook,
    Installation,
    session_installation,
)
from runner.ethereum.modular_account import encode_call_data
from runner.ethereum.permission_check import PermissionRefused
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
from runner.ethereum.words import uint_word
from runner.guard.cases_account import Callee, World
from runner.guard.cases_callees import (
    POKE,
    Deposits,
    Token,
    call_false_token,
    call_plain,
    call_target,
)
from runner.guard.cases_modules import Revert
from runner.guard.scope import Form, Operation, read_operation
from runner.guard.solidity import Arguments

EMPTY_SIGNATURE: Final = "Panic"
"""The error that indexing an empty signature ends in."""

_TOKENS: Final = ("tokenA", "tokenB", "tokenC")
_TARGETS: Final = ("targetA", "targetB")

Json = Mapping[str, Any]
"""A JSON object."""


def signature_fault(tampered: str, told: str) -> str | None:
    """
    Name the error for a signature that is more than wrong; the format tells in words only.

    Source: ERC-6900, sparse calldata segments; a wrong or cut ECDSA signature is read and fails
    as `AA24`.
    """
    if "signature" not in tampered:
        return None
    words = told.lower()
    if "empty" in words:
        return EMPTY_SIGNATURE
    return "ValidationSignatureSegmentMissing" if "segment" in words else None


def read_operation_of(step: Json, account: Address) -> Operation | None:
    """
    Return what a step asks of the account: its call data if told, else its calls as encoded.

    None where the step tells neither.
    """
    if step.get("callData") is not None:
        return read_operation(_data(step["callData"]), account=account)
    if step.get("calls") is None:
        return None
    calls = [
        Call(
            read_address(each["to"]),
            read_integer(each.get("value", 0)),
            _data(each.get("data", "0x")),
        )
        for each in step["calls"]
    ]
    encoded_as = str(step.get("encodedAs"))
    if len(calls) == 1 and calls[0].to == account and encoded_as != Form.BATCH:
        data = calls[0].data  # the value, if any, is lost on the way
    else:
        single: Literal["execute", "executeBatch"] = (
            "executeBatch" if encoded_as == Form.BATCH else "execute"
        )
        data = encode_call_data(calls, account=account, execution_hooks=False, single=single)
    prefix = contracts.EXECUTE_USER_OP if step.get("executeUserOp") else b""
    return read_operation(prefix + data, account=account)


def make_world(account: Json, document: Json, labels: Mapping[str, Address]) -> World:
    """
    Return the state in which a case starts.

    Args:
        account: The case's account.
        document: The file: initial balances, versions of contracts.
        labels: Addresses by name; names of test contracts tell how they behave.
    """
    address, delegated = read_address(account["address"]), account["type"] == "sma-7702"
    start: Json = document["initialState"]
    units = read_integer(start["tokenBalances"])
    tokens = {labels[name]: Token({address: units}) for name in _TOKENS if name in labels}
    if "tokenA" in labels and "eoaA" in labels:
        tokens[labels["tokenA"]].balances[labels["eoaA"]] = units
    versions: Json = document.get("contracts") or {}
    return World(
        account=address,
        first_owner=address if delegated else labels["owner"],
        delegated=delegated,
        implementations=frozenset(
            read_address(each["address"]) for name, each in versions.items() if "Account" in name
        )
        - {contracts.FACTORY},
        callees=_callees(labels),
        balance=read_integer(start["accountNativeBalance"]),
        entry_point=Deposits(read_integer(start["entryPointDeposit"])),
        tokens=tokens,
        deployed=bool(account.get("deployed", True)),
    )


def _callees(labels: Mapping[str, Address]) -> dict[Address, Callee]:
    behaviours: dict[str, Callee] = {
        **dict.fromkeys(_TARGETS, _call_target),
        "plain": lambda _, value, data: call_plain(value, data),
        "falseToken": lambda _, value, data: call_false_token(value, data),
        "entryPoint": _call_entry_point,
    }
    callees = {labels[name]: each for name, each in behaviours.items() if name in labels}
    if "reentrant" in labels:
        callees[labels["reentrant"]] = partial(_call_reentrant, labels["reentrant"])
    return callees


def _call_target(world: World, _: int, data: bytes) -> None:
    call_target(data, world.gas)


def _call_entry_point(world: World, value: int, data: bytes) -> None:
    def pay(to: Address, amount: int) -> None:
        if to == world.account:
            world.balance += amount

    world.entry_point.call(world.account, value, data, pay)


def _call_reentrant(own: Address, world: World, value: int, data: bytes) -> None:
    if value or data[:4] != POKE:
        raise Revert
    world.call_account(own, 0, Arguments(data, 4).dynamic_bytes(0))


def written_permission(raw: Json) -> Permission:
    """Read a permission with addresses and selectors exactly as written."""
    data: Json = raw.get("data") or {}
    match raw.get("type"):
        case "native-token-transfer":
            return NativeTokenTransfer(read_integer(data["allowance"]))
        case "erc20-token-transfer":
            return Erc20TokenTransfer(Address(data["address"]), read_integer(data["allowance"]))
        case "gas-limit":
            return GasLimit(read_integer(data["limit"]))
        case "contract-access":
            return ContractAccess(Address(data["address"]))
        case "account-functions":
            return AccountFunctions(_selectors(data))
        case "functions-on-all-contracts":
            return FunctionsOnAllContracts(_selectors(data))
        case "functions-on-contract":
            return FunctionsOnContract(Address(data["address"]), _selectors(data))
        case "root":
            return Root()
    raise PermissionRefused("UnsupportedPermissionTypeError", f"no permission: {raw.get('type')}")


def normal(permission: Permission) -> Permission:
    """
    Give addresses their one spelling.

    Raises:
        PermissionRefused: Neither all lower case nor the right checksum, which the builder's
            encoder takes for no address at all.
    """
    if not isinstance(permission, (Erc20TokenTransfer, ContractAccess, FunctionsOnContract)):
        return permission
    written = permission.address
    try:
        address = read_address(written)
    except EncodingError as error:
        raise PermissionRefused("InvalidAddressError", error.what) from None
    if written not in (address, written.lower()):
        raise PermissionRefused("InvalidAddressError", f"wrong checksum in {written}")
    return replace(permission, address=address)


def other_installation(grant: Json) -> Installation:
    """Return what a further grant installs."""
    return session_installation(
        [normal(written_permission(each)) for each in grant["permissions"]],
        key=read_address(grant["key"]),
        entity_id=int(grant["entityId"]),
        expiry=int(grant.get("expirySec") or 0),
    )


def with_time_range(installation: Installation, time_range: Json | None) -> Installation:
    """Add the raw hook by which a case sets a start time; the format names it `timeRangeHook`."""
    if not time_range:
        return installation
    until, after = int(time_range["validUntil"]), int(time_range["validAfter"])
    entity_id = installation.entity_id
    data = uint_word(entity_id, 32) + uint_word(until, 48) + uint_word(after, 48)
    flags = HOOK_VALIDATION | HOOK_HAS_PRE
    hook = Hook(contracts.TIME_RANGE_MODULE, entity_id, flags, data)
    return replace(installation, hooks=(hook, *installation.hooks))


def read_address(text: str) -> Address:
    """
    Read an address in any letter case.

    Raises:
        EncodingError: Not 20 bytes of hex.
    """
    return address_from_bytes(_data(text))


def read_integer(value: str | int) -> int:
    """
    Read an amount: a number, or text in hex or decimal.

    Raises:
        EncodingError: Neither.
    """
    try:
        return value if isinstance(value, int) else int(value, 0)
    except (TypeError, ValueError):
        raise EncodingError(f"not an amount: {str(value)[:80]!r}") from None


def _selectors(data: Json) -> tuple[bytes, ...]:
    return tuple(_data(each) for each in data["functions"])


def _data(text: str) -> bytes:
    try:
        return bytes.fromhex(str(text).removeprefix("0x"))
    except ValueError:
        raise EncodingError(f"not hex data: {str(text)[:80]!r}") from None
