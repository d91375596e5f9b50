"""
Typed data: every value checked against its type, then hashed.

A message with a member too many, a number out of range or text for bytes has no digest here, so
nothing is signed that a wallet or contract could read otherwise.

Source: EIP-712.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from runner.errors import EncodingError
from runner.ethereum.abi_types import DEEPEST, BytesType, StringType, WordType, parse_atom
from runner.ethereum.hashing import keccak256
from runner.frozen import frozen


class Field(NamedTuple):
    """A member of a struct type."""

    name: str
    type: str


Types = Mapping[str, tuple[Field, ...]]
"""Struct types by name."""

DOMAIN_TYPE: Final = "EIP712Domain"
"""Name of the domain's struct type; it is derived, never given."""

_DOMAIN_FIELDS = (
    Field("name", "string"),
    Field("version", "string"),
    Field("chainId", "uint256"),
    Field("verifyingContract", "address"),
    Field("salt", "bytes32"),
)
MOST_TYPES: Final = 256
"""Struct types of one message; what people sign has a handful."""

LONGEST_TYPE: Final = 128
"""Characters of a member's type, dimensions included."""

_MOST_FIELDS = 4096  # in all struct types together
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_ARRAY = re.compile(r"(?P<item>.+)\[(?P<length>[1-9][0-9]{0,5})?\]")


@frozen
class TypedData:
    """
    A message to be signed, in Python values: int, bytes, str, bool, list or tuple, mapping.

    `types` holds the struct types without `EIP712Domain`, which follows from the members of
    `domain`: name, version, chainId, verifyingContract, salt, in this order.
    """

    domain: Mapping[str, Any]
    types: Types
    primary_type: str
    message: Mapping[str, Any]


def typed_data_digest(data: TypedData) -> bytes:
    """
    Return the 32-byte digest that a key signs.

    Raises:
        EncodingError: A type is unknown or malformed, or a value does not fit its type.
    """
    message = hash_struct(data.primary_type, data.message, data.types)
    return keccak256(b"\x19\x01" + domain_separator(data.domain) + message)


def domain_separator(domain: Mapping[str, Any]) -> bytes:
    """
    Return the 32-byte hash of a domain.

    Raises:
        EncodingError: No member, an unknown member, or a value that does not fit.
    """
    fields = tuple(field for field in _DOMAIN_FIELDS if field.name in domain)
    if not fields:
        raise EncodingError("typed data without a domain would hold everywhere")
    return _Hasher({DOMAIN_TYPE: fields}).struct(DOMAIN_TYPE, domain, "domain", 0)


def hash_struct(name: str, value: Mapping[str, Any], types: Types) -> bytes:
    """
    Return the 32-byte hash of a struct.

    Raises:
        EncodingError: A type is unknown or malformed, or a value does not fit its type.

    Source: EIP-712, "Definition of hashStruct".
    """
    if DOMAIN_TYPE in types:
        raise EncodingError(f"{DOMAIN_TYPE} follows from the domain and must not be given")
    if len(types) > MOST_TYPES or sum(map(len, types.values())) > _MOST_FIELDS:
        raise EncodingError("typed data with more types than anyone would read")
    return _Hasher(types).struct(name, value, name, 0)


def encode_type(name: str, types: Types) -> str:
    """
    Return the canonical text of a struct type: itself, then those it refers to, sorted by name.

    Raises:
        EncodingError: A type is unknown or malformed.

    Source: EIP-712, "Definition of encodeType".
    """
    found: set[str] = set()
    _collect(name, types, found)
    return "".join(_spell(each, types) for each in (name, *sorted(found - {name})))


def _collect(name: str, types: Types, found: set[str]) -> None:
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += [base for base in map(_base, _fields(each, types)) if base in types]


def _fields(name: str, types: Types) -> tuple[Field, ...]:
    """Return the members of a struct type that is fit to be hashed."""
    if name not in types or _IDENTIFIER.fullmatch(name) is None or _is_atom(name):
        raise EncodingError(f"unknown or malformed struct type: {name[:80]!r}")
    fields = types[name]
    if not fields or len({field.name for field in fields}) != len(fields):
        raise EncodingError(f"struct type {name} has no members, or two of one name")
    for field in fields:
        if len(field.type) > LONGEST_TYPE:
            raise EncodingError(f"struct type {name}: the type of {field.name[:80]!r} is too long")
        base = _base(field)
        if _IDENTIFIER.fullmatch(field.name) is None or not (base in types or _is_atom(base)):
            raise EncodingError(f"struct type {name}: malformed member {field.name[:80]!r}")
    return fields


def _spell(name: str, types: Types) -> str:
    return f"{name}({','.join(f'{field.type} {field.name}' for field in types[name])})"


def _base(field: Field) -> str:
    """Return a member's type without its array dimensions."""
    kind = field.type
    while match := _ARRAY.fullmatch(kind):
        kind = match["item"]
    return kind


def _is_atom(kind: str) -> bool:
    try:
        # EIP-712 knows no aliases: `uint` would be hashed as written.
        return parse_atom(kind).name == kind
    except EncodingError:
        return False


class _Hasher:
    """Hashes values by their types; each type is hashed once, however often it stands there."""

    def __init__(self, types: Types) -> None:
        self._types = types
        self._type_hashes: dict[str, bytes] = {}

    def struct(self, name: str, value: Any, where: str, depth: int) -> bytes:
        """Return the hash of a struct (EIP-712, hashStruct)."""
        if depth > DEEPEST:
            raise EncodingError(f"{where}: nested deeper than {DEEPEST} levels")
        type_hash = self._type_hash(name)
        fields = self._types[name]
        if not isinstance(value, Mapping):
            raise EncodingError(f"{where} is not a struct {name}")
        wrong = {field.name for field in fields}.symmetric_difference(value)
        if wrong:
            member = min(map(str, wrong))
            raise EncodingError(f"{where}: member {member[:80]!r} is missing or not in {name}")
        return keccak256(
            type_hash
            + b"".join(
                self._word(field.type, value[field.name], f"{where}.{field.name}", depth)
                for field in fields
            )
        )

    def _type_hash(self, name: str) -> bytes:
        known = self._type_hashes.get(name)
        if known is None:
            known = self._type_hashes[name] = keccak256(encode_type(name, self._types).encode())
        return known

    def _word(self, kind: str, value: Any, where: str, depth: int) -> bytes:
        """Return the word that stands for a value in its struct (EIP-712, encodeData)."""
        array = _ARRAY.fullmatch(kind)
        if array is not None:
            return self._array(array, value, where, depth)
        if kind in self._types:
            return self.struct(kind, value, where, depth + 1)
        atom = parse_atom(kind)
        if isinstance(atom, WordType):
            return atom.word(value, where)
        if not isinstance(atom, BytesType):
            raise EncodingError(f"{where}: no hash for a {kind}")
        atom.check(value, where)
        return keccak256(value.encode() if isinstance(atom, StringType) else value)

    def _array(self, array: re.Match[str], value: Any, where: str, depth: int) -> bytes:
        if depth > DEEPEST:
            raise EncodingError(f"{where}: nested deeper than {DEEPEST} levels")
        if not isinstance(value, list | tuple):
            raise EncodingError(f"{where} is not a list")
        if array["length"] and int(array["length"]) != len(value):
            raise EncodingError(f"{where} has {len(value)} items, not {array['length']}")
        return keccak256(
            b"".join(
                self._word(array["item"], item, f"{where}[{index}]", depth + 1)
                for index, item in enumerate(value)
            )
        )
