"""
The types of the contract ABI: what a value must be, and how it is read back from bytes.

Reading is canonical: every offset points to where an encoder would have put the next part, all
padding is zero, and nothing overlaps or is left over. So bytes that can be read are the only
spelling of their value, and reading takes time in proportion to their number.

Source: Solidity documentation, "Contract ABI Specification".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from runner.errors import EncodingError
from runner.ethereum.address import address_bytes, address_from_bytes, parse_address
from runner.frozen import frozen

DEEPEST = 16
"""How deep arrays and tuples may nest."""

_ATOM = re.compile(
    r"address|bool|string|bytes|(?P<kind>u?int|bytes)(?P<size>[1-9][0-9]{0,2})|u?int"
)
_ARRAY = re.compile(r"(?P<item>.*)\[(?P<length>[1-9][0-9]{0,5})?\]", re.DOTALL)


@frozen
class AbiType:
    """
    A type. `name` is its canonical spelling; `head_size` the bytes it takes in the head part
    of its tuple; `dynamic` whether the head holds an offset only.
    """

    name: str
    dynamic: bool = False
    head_size: int = 32

    def check(self, value: Any, where: str) -> None:
        """Raise EncodingError unless `value` is one of this type."""
        raise NotImplementedError

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        """Return the value whose encoding starts at `at`, and where that encoding ends."""
        raise NotImplementedError

    def wrong(self, value: Any, where: str) -> EncodingError:
        """Return the error that names the value and the type it should have."""
        shown = repr(value) if not isinstance(value, int) or value.bit_length() < 600 else "it"
        return EncodingError(f"{where}: {shown[:80]} is not a {self.name}")


class WordType(AbiType):
    """A type whose values fill one word."""

    __slots__ = ()

    def word(self, value: Any, where: str) -> bytes:
        """Return a value as its word; raise EncodingError if it is not of this type."""
        raise NotImplementedError

    def check(self, value: Any, where: str) -> None:
        self.word(value, where)

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        return self.value(_take(data, at, 32)), at + 32

    def value(self, word: bytes) -> Any:
        """Return the value of a word; raise EncodingError if an encoder would not write it."""
        raise NotImplementedError


class AddressType(WordType):
    """`address`; values are addresses as text."""

    __slots__ = ()

    def word(self, value: Any, where: str) -> bytes:
        if not isinstance(value, str):
            raise self.wrong(value, where)
        return bytes(12) + address_bytes(parse_address(value))

    def value(self, word: bytes) -> Any:
        if any(word[:12]):
            raise EncodingError("an address is wider than 20 bytes")
        return address_from_bytes(word[12:])


class BoolType(WordType):
    """`bool`; values are True and False, not 1 and 0."""

    __slots__ = ()

    def word(self, value: Any, where: str) -> bytes:
        if not isinstance(value, bool):
            raise self.wrong(value, where)
        return value.to_bytes(32, "big")

    def value(self, word: bytes) -> Any:
        if any(word[:31]) or word[31] > 1:
            raise EncodingError("a bool is neither 0 nor 1")
        return word[31] == 1


@frozen
class IntegerType(WordType):
    """`uintN` and `intN`; values are integers, not booleans."""

    bits: int = 256
    signed: bool = False

    def word(self, value: Any, where: str) -> bytes:
        low, high = self._range
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value < high:
            raise self.wrong(value, where)
        return value.to_bytes(32, "big", signed=self.signed)

    def value(self, word: bytes) -> Any:
        value = int.from_bytes(word, "big", signed=self.signed)
        low, high = self._range
        if not low <= value < high:
            raise EncodingError(f"a {self.name} is out of range")
        return value

    @property
    def _range(self) -> tuple[int, int]:
        """The least value, and one more than the largest."""
        return (-(1 << self.bits - 1), 1 << self.bits - 1) if self.signed else (0, 1 << self.bits)


@frozen
class FixedBytesType(WordType):
    """`bytes1` to `bytes32`; values are bytes of exactly that length."""

    size: int = 32

    def word(self, value: Any, where: str) -> bytes:
        if not isinstance(value, bytes) or len(value) != self.size:
            raise self.wrong(value, where)
        return value.ljust(32, b"\0")

    def value(self, word: bytes) -> Any:
        if any(word[self.size :]):
            raise EncodingError(f"a {self.name} is padded with something")
        return word[: self.size]


class BytesType(AbiType):
    """`bytes`, of any length."""

    __slots__ = ()

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, bytes):
            raise self.wrong(value, where)

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        size = int.from_bytes(_take(data, at, 32), "big")
        start, padded = at + 32, size + -size % 32
        content = _take(data, start, padded)
        if any(content[size:]):
            raise EncodingError("bytes are padded with something")
        return content[:size], start + padded


class StringType(BytesType):
    """`string`; values are text, UTF-8 on chain."""

    __slots__ = ()

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, str):
            raise self.wrong(value, where)
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self.wrong(value, where) from None

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        content, end = BytesType.read(self, data, at)
        try:
            return content.decode(), end
        except UnicodeDecodeError:
            raise EncodingError("a string is not UTF-8") from None


@frozen
class ArrayType(AbiType):
    """`T[]` and `T[n]`; values are lists or tuples, read back as tuples."""

    item: AbiType = AbiType("")
    length: int | None = None

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, list | tuple):
            raise self.wrong(value, where)
        if self.length not in (None, len(value)):
            raise EncodingError(
                f"{where}: {len(value)} items where {self.name} takes {self.length}"
            )
        for index, item in enumerate(value):
            self.item.check(item, f"{where}[{index}]")

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        length = self.length
        if length is None:
            length = int.from_bytes(_take(data, at, 32), "big")
            at += 32
        if length * self.item.head_size > len(data) - at:
            raise EncodingError("an array is longer than its data")
        return read_sequence((self.item,) * length, data, at)


@frozen
class TupleType(AbiType):
    """`(T1,T2,…)`; values are lists or tuples, read back as tuples."""

    items: tuple[AbiType, ...] = ()

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, list | tuple):
            raise self.wrong(value, where)
        if len(value) != len(self.items):
            count = len(self.items)
            raise EncodingError(f"{where}: {len(value)} items where {self.name} takes {count}")
        for index, (kind, item) in enumerate(zip(self.items, value, strict=True)):
            kind.check(item, f"{where}[{index}]")

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        return read_sequence(self.items, data, at)


def read_sequence(types: Sequence[AbiType], data: bytes, at: int) -> tuple[tuple[Any, ...], int]:
    """
    Read values laid out as a tuple: heads at `at`, then the tails in order.

    Returns:
        The values, and where the last tail ends.

    Raises:
        EncodingError: The bytes are not what an encoder would have written.
    """
    values = []
    head, tail = at, at + sum(kind.head_size for kind in types)
    for kind in types:
        if not kind.dynamic:
            value, head = kind.read(data, head)
        else:
            if int.from_bytes(_take(data, head, 32), "big") != tail - at:
                raise EncodingError("an offset points elsewhere than to the next part")
            head += 32
            value, tail = kind.read(data, tail)
        values.append(value)
    return tuple(values), tail


def read_all(types: Sequence[AbiType], data: bytes) -> tuple[Any, ...]:
    """
    Read values that fill `data` to the last byte.

    Raises:
        EncodingError: The bytes are not what an encoder would have written, or there are more.
    """
    values, end = read_sequence(types, data, 0)
    if end != len(data):
        raise EncodingError(f"{len(data) - end} bytes follow the encoded values")
    return values


def make_array(item: AbiType, length: int | None) -> ArrayType:
    """Return `item[]`, or `item[length]`."""
    name = f"{item.name}[{'' if length is None else length}]"
    dynamic = length is None or item.dynamic
    return ArrayType(name, dynamic, 32 if dynamic else (length or 0) * item.head_size, item, length)


def make_tuple(items: Sequence[AbiType]) -> TupleType:
    """
    Return the tuple of these types.

    Raises:
        EncodingError: There are none: Solidity has no empty tuple, and an array of them would
            let a few bytes claim any number of values.
    """
    if not items:
        raise EncodingError("a tuple has at least one component")
    name = f"({','.join(item.name for item in items)})"
    dynamic = any(item.dynamic for item in items)
    size = 32 if dynamic else sum(item.head_size for item in items)
    return TupleType(name, dynamic, size, tuple(items))


@lru_cache(maxsize=512)
def parse_atom(text: str) -> AbiType:
    """
    Read a type that is neither array nor tuple; `uint` is `uint256`.

    Raises:
        EncodingError: There is no such type.
    """
    match = _ATOM.fullmatch(text)
    if match is not None:
        size = int(match["size"] or 0)
        match match["kind"] or text:
            case "address":
                return AddressType("address")
            case "bool":
                return BoolType("bool")
            case "string":
                return StringType("string", dynamic=True)
            case "bytes" if not size:
                return BytesType("bytes", dynamic=True)
            case "bytes" if size <= 32:
                return FixedBytesType(text, size=size)
            case ("uint" | "int") as kind if size % 8 == 0 and size <= 256:
                bits = size or 256
                return IntegerType(f"{kind}{bits}", bits=bits, signed=kind == "int")
    raise EncodingError(f"no ABI type: {text[:80]!r}")


@lru_cache(maxsize=512)
def parse_type(text: str, depth: int = 0) -> AbiType:
    """
    Read a type without parameter names: `uint256`, `(address,uint256)[]`, `bytes4[3]`.

    Raises:
        EncodingError: There is no such type, or it nests deeper than `DEEPEST`.
    """
    if depth > DEEPEST:
        raise EncodingError(f"a type nests deeper than {DEEPEST} levels")
    array = _ARRAY.fullmatch(text)
    if array is not None:
        length = int(array["length"]) if array["length"] else None
        return make_array(parse_type(array["item"], depth + 1), length)
    if text.startswith("(") and text.endswith(")"):
        return make_tuple([parse_type(part.strip(), depth + 1) for part in split_list(text[1:-1])])
    return parse_atom(text)


def split_list(text: str) -> list[str]:
    """
    Split at the commas that stand in no parentheses; empty text is an empty list.

    Raises:
        EncodingError: The parentheses do not pair.
    """
    parts, depth, start = [], 0, 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth < 0:
            raise EncodingError("a parenthesis is closed that was not opened")
        if character == "," and not depth:
            parts.append(text[start:place])
            start = place + 1
    if depth:
        raise EncodingError("a parenthesis is not closed")
    return [*parts, text[start:]] if text.strip() else []


def _take(data: bytes, at: int, size: int) -> bytes:
    part = data[at : at + size]
    if len(part) != size:
        raise EncodingError("the data end too early")
    return part
