"""
The scalars of the wire, each with one reading: hex integers, byte strings, addresses.

Every function takes whatever JSON held and raises `ValueError` where that is something else.

Source: README §2 of the wire specification.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Callable
from typing import Annotated, Any, cast

from pydantic import PlainSerializer, PlainValidator

from runner.ethereum.address import Address, address_from_bytes

_HEX_INTEGER = re.compile(r"0x[0-9a-fA-F]+")


def read_integer(value: object) -> int:
    """Read a HexBigInt; leading zeros are tolerated, more than 256 bits are not."""
    if not isinstance(value, str) or _HEX_INTEGER.fullmatch(value) is None:
        raise ValueError("not a hex integer")
    number = int(value, 16)
    if number >= 2**256:
        raise ValueError("more than 256 bits")
    return number


def read_number(value: object) -> int:
    """Read a HexNumber: a hex integer below 2^32."""
    number = read_integer(value)
    if number >= 2**32:
        raise ValueError("more than 32 bits")
    return number


def read_bytes(value: object) -> bytes:
    """Read a byte string of whole bytes; letter case does not matter."""
    if isinstance(value, str) and value[:2] == "0x":
        try:
            return unhexlify(value[2:])  # `bytes.fromhex` would skip blanks
        except ValueError:
            pass
    raise ValueError("not a hex byte string")


def read_address(value: object) -> Address:
    """
    Read an address in any letter case and give it its checksum.

    The service mixes cases at will, so a checksum that is wrong says nothing.
    """
    raw = read_bytes(value)
    if len(raw) != 20:
        raise ValueError("not an address of 20 bytes")
    return address_from_bytes(raw)


def read_id(value: object) -> str:
    """Check a call id: an opaque, not empty byte string, kept as it is spelled."""
    if not read_bytes(value):
        raise ValueError("an empty id")
    return cast(str, value)


def _of_size(size: int) -> Callable[[Any], bytes]:
    def read(value: object) -> bytes:
        raw = read_bytes(value)
        if len(raw) != size:
            raise ValueError(f"not {size} bytes")
        return raw

    return read


def hex_integer(value: int) -> str:
    """Write a HexBigInt or HexNumber: minimal, lower case."""
    return f"{value:#x}"


def hex_bytes(value: bytes) -> str:
    """Write a byte string."""
    return f"0x{value.hex()}"


def _text(pattern: str, what: str) -> Callable[[Any], str]:
    """Return a reader of text of one form, kept as it is spelled."""
    form = re.compile(pattern)

    def read(value: object) -> str:
        if not isinstance(value, str) or form.fullmatch(value) is None:
            raise ValueError(f"not {what}")
        return value

    return read


# Validators that take the place of pydantic's own: null is refused also where a default is None.
# Each is written as one spelling, so that a model read and written again is the same message.
_AS_INTEGER = PlainSerializer(hex_integer, when_used="json")
_AS_BYTES = PlainSerializer(hex_bytes, when_used="json")

HexNumber = Annotated[int, PlainValidator(read_number), _AS_INTEGER]
HexBigInt = Annotated[int, PlainValidator(read_integer), _AS_INTEGER]
HexBytes = Annotated[bytes, PlainValidator(read_bytes), _AS_BYTES]
Bytes4 = Annotated[bytes, PlainValidator(_of_size(4)), _AS_BYTES]
Bytes16 = Annotated[bytes, PlainValidator(_of_size(16)), _AS_BYTES]
Bytes32 = Annotated[bytes, PlainValidator(_of_size(32)), _AS_BYTES]
WireAddress = Annotated[Address, PlainValidator(read_address)]
CallId = Annotated[str, PlainValidator(read_id)]
HexText = Annotated[str, PlainValidator(_text("0x[0-9a-fA-F]+", "a hex integer"))]
Uuid = Annotated[
    str,
    PlainValidator(
        _text(
            "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}",
            "a UUID of version 4",
        )
    ),
]
Base64Url = Annotated[
    str,
    PlainValidator(_text("(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2,3})?", "base64url")),
]
AbsentBytes = Annotated[bytes | None, PlainValidator(read_bytes), _AS_BYTES]
AbsentBytes32 = Annotated[bytes | None, PlainValidator(_of_size(32)), _AS_BYTES]
AbsentAddress = Annotated[Address | None, PlainValidator(read_address)]
