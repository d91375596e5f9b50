"""
JSON values in and out: strict readers, minimal writers.

A reader takes the value and where it stands, and raises an `RpcError` of code -32602 for anything
that the specification does not allow.

Source: Wallet API specification §2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from runner.errors import EncodingError
from runner.ethereum.address import Address, parse_address
from runner.ethereum.calls import Call
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
from runner.sandbox.rpc import invalid

_T = TypeVar("_T")
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_HEX_NUMBER = re.compile(r"0x[0-9a-fA-F]+")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.I)
_DECIMAL = re.compile(r"[0-9]+")

_UINT256 = 2**256
_NUMBER = 2**32
_LATEST_EXPIRY = 9_999_999_999


def members(value: Any, where: str) -> dict[str, Any]:
    """Read an object."""
    if not isinstance(value, dict):
        raise invalid(f"{where} must be an object")
    return value


def items(value: Any, where: str, *, at_least: int = 0) -> list[Any]:
    """Read an array."""
    if not isinstance(value, list) or len(value) < at_least:
        raise invalid(f"{where} must be an array" + (" of one or more" if at_least else ""))
    return value


def required(value: Mapping[str, Any], name: str, read: Callable[[Any, str], _T], where: str) -> _T:
    """Read a member that must be there."""
    if name not in value:
        raise invalid(f"{where}.{name} is missing")
    return read(value[name], f"{where}.{name}")


def optional(
    value: Mapping[str, Any], name: str, read: Callable[[Any, str], _T], where: str
) -> _T | None:
    """Read a member that may be absent; null is not absent."""
    return read(value[name], f"{where}.{name}") if name in value else None


def only(value: Mapping[str, Any], where: str, *names: str) -> None:
    """Refuse members that have no place in an object."""
    for name in value:
        if name not in names:
            raise invalid(f"{where}.{str(name)[:80]}: no such member")


def text(value: Any, where: str) -> str:
    """Read a string."""
    if not isinstance(value, str):
        raise invalid(f"{where} must be a string")
    return value


def flag(value: Any, where: str) -> bool:
    """Read a boolean."""
    if not isinstance(value, bool):
        raise invalid(f"{where} must be true or false")
    return value


def integer(value: Any, where: str) -> int:
    """Read a JSON number without fraction."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid(f"{where} must be an integer")
    return value


def seconds(value: Any, where: str) -> float:
    """Read a duration in seconds, not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise invalid(f"{where} must be a number of seconds")
    return value


def data_bytes(value: Any, where: str) -> bytes:
    """Read a byte string."""
    if not isinstance(value, str) or _HEX.fullmatch(value) is None:
        raise invalid(f"{where} must be hex of whole bytes")
    return bytes.fromhex(value[2:])


def fixed_bytes(size: int) -> Callable[[Any, str], bytes]:
    """Return a reader of exactly `size` bytes."""

    def read(value: Any, where: str) -> bytes:
        data = data_bytes(value, where)
        if len(data) != size:
            raise invalid(f"{where} must have {size} bytes, not {len(data)}")
        return data

    return read


bytes32 = fixed_bytes(32)
selector = fixed_bytes(4)


def address(value: Any, where: str) -> Address:
    """Read an address in any letter case; the checksum is not looked at, as on the real service."""
    if not isinstance(value, str):
        raise invalid(f"{where} must be an address")
    try:
        return parse_address(value.lower() if value[:2] == "0x" else value)
    except EncodingError as error:
        raise invalid(f"{where}: {error.what}") from None


def big(value: Any, where: str) -> int:
    """Read a hex integer below 2^256 (the real schema knows no bound)."""
    if not isinstance(value, str) or _HEX_NUMBER.fullmatch(value) is None:
        raise invalid(f"{where} must be a hex number")
    number = int(value, 16)
    if number >= _UINT256:
        raise invalid(f"{where} is not a uint256")
    return number


def number(value: Any, where: str) -> int:
    """Read a hex integer below 2^32."""
    result = big(value, where)
    if result >= _NUMBER:
        raise invalid(f"{where} must be below 2^32")
    return result


def chain_id(value: Any, where: str) -> int:
    """Read a chain id: hex, 1 or more."""
    result = number(value, where)
    if result == 0:
        raise invalid(f"{where} is not a chain id")
    return result


def amount(value: Any, where: str) -> int:
    """Read an amount in base units: hex, decimal text or a JSON integer (`sandbox_*` only)."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _UINT256:
        return value
    if isinstance(value, str) and len(value) < 80 and _DECIMAL.fullmatch(value):
        return int(value)
    return big(value, where)


def uuid(value: Any, where: str) -> str:
    """Read a UUID of version 4; answers in lower case."""
    if not isinstance(value, str) or _UUID.fullmatch(value) is None:
        raise invalid(f"{where} must be a UUID of version 4")
    return value.lower()


def expiry(value: Any, where: str) -> int:
    """Read `expirySec`."""
    result = integer(value, where)
    if not 0 <= result <= _LATEST_EXPIRY:
        raise invalid(f"{where} must be between 0 and {_LATEST_EXPIRY}")
    return result


def call(value: Any, where: str) -> Call:
    """Read one call; missing data is empty, missing value 0."""
    fields = members(value, where)
    return Call(
        to=required(fields, "to", address, where),
        value=optional(fields, "value", big, where) or 0,
        data=optional(fields, "data", data_bytes, where) or b"",
    )


def calls(value: Any, where: str) -> tuple[Call, ...]:
    """Read a list of calls."""
    return tuple(call(each, f"{where}[{n}]") for n, each in enumerate(items(value, where)))


def selectors(value: Any, where: str) -> tuple[bytes, ...]:
    """Read a list of one or more function selectors."""
    listed = items(value, where, at_least=1)
    return tuple(selector(each, f"{where}[{n}]") for n, each in enumerate(listed))


def permissions(value: Any, where: str) -> tuple[Permission, ...]:
    """Read a list of one or more permissions."""
    listed = items(value, where, at_least=1)
    return tuple(permission(each, f"{where}[{n}]") for n, each in enumerate(listed))


def permission(value: Any, where: str) -> Permission:
    """Read one permission."""
    fields = members(value, where)
    kind = required(fields, "type", text, where)
    if kind == Root.kind:
        if "data" in fields:
            raise invalid(f"{where}: root has no data")
        return Root()
    data, place = required(fields, "data", members, where), f"{where}.data"
    match kind:
        case NativeTokenTransfer.kind:
            return NativeTokenTransfer(required(data, "allowance", big, place))
        case Erc20TokenTransfer.kind:
            return Erc20TokenTransfer(
                required(data, "address", address, place), required(data, "allowance", big, place)
            )
        case GasLimit.kind:
            return GasLimit(required(data, "limit", big, place))
        case ContractAccess.kind:
            return ContractAccess(required(data, "address", address, place))
        case AccountFunctions.kind:
            return AccountFunctions(required(data, "functions", selectors, place))
        case FunctionsOnAllContracts.kind:
            return FunctionsOnAllContracts(required(data, "functions", selectors, place))
        case FunctionsOnContract.kind:
            return FunctionsOnContract(
                required(data, "address", address, place),
                required(data, "functions", selectors, place),
            )
    raise invalid(f"{where}.type: unknown permission {kind[:80]!r}")


def signature(value: Any, where: str) -> bytes:
    """Read a signature object into r ‖ s ‖ v, 65 bytes."""
    fields = members(value, where)
    if required(fields, "type", text, where) not in ("secp256k1", "ecdsa"):
        raise invalid(f"{where}.type must be secp256k1 or ecdsa")
    data = fields.get("data")
    if not isinstance(data, dict):
        return required(fields, "data", fixed_bytes(65), where)
    place = f"{where}.data"
    r, s = required(data, "r", big, place), required(data, "s", big, place)
    v = 27 + required(data, "yParity", big, place) if "yParity" in data else None
    v = required(data, "v", big, place) if v is None else v
    if v > 28:
        raise invalid(f"{place}: neither v nor yParity")
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((v,))


def hex_data(data: bytes) -> str:
    """Write a byte string."""
    return "0x" + data.hex()


def hex_number(value: int) -> str:
    """Write an integer as minimal hex."""
    return hex(value)


def json_calls(listed: Iterable[Call]) -> list[dict[str, str]]:
    """Write calls."""
    return [
        {"to": each.to, "value": hex(each.value), "data": hex_data(each.data)} for each in listed
    ]
