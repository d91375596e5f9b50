"""
Typed data as JSON, in and out.

Source: EIP-712; Wallet API specification §2 (numbers in messages may be JSON numbers or text).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.ethereum.typed_data import Field, TypedData
from runner.sandbox import wire
from runner.sandbox.rpc import invalid
from runner.sandbox.wire import hex_data

_DOMAIN = "EIP712Domain"


def typed_data_json(data: TypedData) -> dict[str, Any]:
    """Write typed data as the service does: no `EIP712Domain`, a grant's `deadline` a number."""
    is_grant = data.primary_type == "DeferredAction"
    return {
        "domain": {name: _shown(value, name == "chainId") for name, value in data.domain.items()},
        "types": {
            name: [{"name": field.name, "type": field.type} for field in fields]
            for name, fields in data.types.items()
        },
        "primaryType": data.primary_type,
        "message": {
            name: _shown(value, is_grant and name == "deadline")
            for name, value in data.message.items()
        },
    }


def read_typed_data(value: Any, where: str) -> TypedData:
    """
    Read typed data; values take the Python form of their types.

    Raises:
        RpcError: Malformed.
    """
    fields = wire.members(value, where)
    types = {
        name: tuple(_field(each, f"{where}.types.{name}") for each in wire.items(listed, where))
        for name, listed in wire.required(fields, "types", wire.members, where).items()
        if name != _DOMAIN
    }
    primary = wire.required(fields, "primaryType", wire.text, where)
    message = wire.required(fields, "message", wire.members, where)
    domain = wire.optional(fields, "domain", wire.members, where) or {}
    return TypedData(
        domain={name: _domain_value(name, each, where) for name, each in domain.items()},
        types=types,
        primary_type=primary,
        message=_struct(primary, message, types, where),
    )


def _field(value: Any, where: str) -> Field:
    fields = wire.members(value, where)
    return Field(
        wire.required(fields, "name", wire.text, where),
        wire.required(fields, "type", wire.text, where),
    )


def _struct(
    name: str, value: Any, types: Mapping[str, tuple[Field, ...]], where: str
) -> dict[str, Any]:
    fields = {field.name: field.type for field in types.get(name, ())}
    return {
        member: _value(fields.get(member, ""), each, types, f"{where}.{member}")
        for member, each in wire.members(value, where).items()
    }


def _value(kind: str, value: Any, types: Mapping[str, tuple[Field, ...]], where: str) -> Any:
    if kind.endswith("]"):
        item = kind[: kind.rindex("[")]
        return [_value(item, each, types, where) for each in wire.items(value, where)]
    if kind in types:
        return _struct(kind, value, types, where)
    if kind.startswith(("uint", "int")):
        return _integer(value, where)
    if kind.startswith("bytes"):
        return wire.data_bytes(value, where)
    return value


def _integer(value: Any, where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return int(wire.text(value, where)[:80], 0)
    except ValueError:
        raise invalid(f"{where} must be an integer") from None


def _domain_value(name: str, value: Any, where: str) -> Any:
    if name == "chainId":
        return _integer(value, f"{where}.domain.chainId")
    return wire.data_bytes(value, f"{where}.domain.salt") if name == "salt" else value


def _shown(value: Any, as_number: bool) -> Any:
    if isinstance(value, bytes):
        return hex_data(value)
    return hex(value) if isinstance(value, int) and not as_number else value
