"""
EIP-712 typed data as JSON: text becomes the Python value that its type asks for.

Only the reading is done here. Whether the values fit their types to the bit, and what the digest
is, `runner.ethereum.typed_data` says; what may be signed, the guard.

Source: EIP-712; README §2 of the wire specification ("Typed data", "In message values").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Constrained
from pydantic.alias_generators import to_camel

from runner.adapters.wallet_api.scalars import (
    AbsentAddress,
    AbsentBytes32,
    read_address,
    read_bytes,
    read_integer,
)
from runner.ethereum.typed_data import DOMAIN_TYPE, Field, TypedData, Types

_ARRAY = re.compile(r"(?P<item>.+)\[[0-9]*\]")
_INTEGER = re.compile(r"u?int[0-9]*")
_BYTES = re.compile(r"bytes[0-9]*")
_DECIMAL = re.compile(r"-?[0-9]{1,78}")
_DEEPEST = 16
_DOMAIN_TYPES: Final[Mapping[str, str]] = {
    "name": "string",
    "version": "string",
    "chainId": "uint256",
    "verifyingContract": "address",
    "salt": "bytes32",
}


class FieldAnswer(BaseModel):
    """A member of a struct type."""

    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True)

    name: str
    type: str


class DomainAnswer(BaseModel):
    """A domain. A member that we do not know would change the digest, so it is refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        strict=True,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    name: str = ""
    version: str = ""
    chain_id: Annotated[int, Constrained(ge=1)] = 1
    verifying_contract: AbsentAddress = None
    salt: AbsentBytes32 = None


class TypedDataAnswer(BaseModel):
    """`{domain?, types, primaryType, message}`."""

    model_config = ConfigDict(
        alias_generator=to_camel, strict=True, frozen=True, hide_input_in_errors=True
    )

    domain: DomainAnswer = DomainAnswer()
    types: dict[str, list[FieldAnswer]]
    primary_type: str
    message: dict[str, Any]


def read_typed_data(answer: TypedDataAnswer) -> TypedData:
    """
    Return the typed data in Python values.

    Raises:
        ValueError: A value cannot be read as its type, or `EIP712Domain` is not what the domain's
            members make it.
    """
    # Exactly the members that were sent: a default is no member.
    domain = answer.domain.model_dump(by_alias=True, exclude_unset=True)
    types: dict[str, tuple[Field, ...]] = {
        name: tuple(Field(field.name, field.type) for field in fields)
        for name, fields in answer.types.items()
    }
    given = types.pop(DOMAIN_TYPE, None)
    derived = tuple(Field(name, kind) for name, kind in _DOMAIN_TYPES.items() if name in domain)
    if given is not None and given != derived:
        raise ValueError(f"{DOMAIN_TYPE} does not match the domain")
    if answer.primary_type not in types:
        raise ValueError("primaryType is not among the types")
    message = _read(answer.primary_type, answer.message, types, "message", 0)
    return TypedData(domain, types, answer.primary_type, message)


def _read(kind: str, value: Any, types: Types, where: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError(f"{where} is nested too deeply")
    if (array := _ARRAY.fullmatch(kind)) is not None:
        if not isinstance(value, list):
            raise ValueError(f"{where} is not a list")
        return tuple(
            _read(array["item"], item, types, f"{where}[{index}]", depth + 1)
            for index, item in enumerate(value)
        )
    if kind in types:
        fields = {field.name: field.type for field in types[kind]}
        if not isinstance(value, dict) or fields.keys() != value.keys():
            raise ValueError(f"{where} does not have the members of its type")
        return {
            name: _read(fields[name], each, types, f"{where}.{name}", depth + 1)
            for name, each in value.items()
        }
    try:
        return _read_atom(kind, value)
    except ValueError as error:
        raise ValueError(f"{where} is not of its type: {error}") from None


def _read_atom(kind: str, value: Any) -> Any:
    if kind == "address":
        return read_address(value)
    if _BYTES.fullmatch(kind):
        return read_bytes(value)
    if _INTEGER.fullmatch(kind):
        if type(value) is int:
            return value
        if isinstance(value, str) and _DECIMAL.fullmatch(value):
            return int(value)
        return read_integer(value)
    wanted = {"bool": bool, "string": str}.get(kind)
    if wanted is None or type(value) is not wanted:
        raise ValueError("unknown type, or a value of another one")
    return value
