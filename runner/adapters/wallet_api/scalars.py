"""
The scalars of the wire, each with one reading: hex integers, byte strings, addresses.

Every function takes whatever JSON held and raises `ValueError` where that is something else.

Source: README §2 of the wire specification.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, cast

from pydantic import PlainValidator

from runner.ethereum.address import Address, address_from_bytes

_HEX_INTEGER = re.compile(r"0x[0-9a-fA-F]+")
_HEX_BYTES = re.compile(r"0x(?:[0-9a-fA-F]{2})*")


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
    if not isinstance(value, str) or _HEX_BYTES.fullmatch(value) is None:
        raise ValueError("not a hex byte string")
    return bytes.fromhex(value[2:])


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


# Validators that take the place of pydantic's own: null is refused also where a default is None.
HexNumber = Annotated[int, PlainValidator(read_number)]
HexBigInt = Annotated[int, PlainValidator(read_integer)]
HexBytes = Annotated[bytes, PlainValidator(read_bytes)]
Bytes16 = Annotated[bytes, PlainValidator(_of_size(16))]
Bytes32 = Annotated[bytes, PlainValidator(_of_size(32))]
WireAddress = Annotated[Address, PlainValidator(read_address)]
CallId = Annotated[str, PlainValidator(read_id)]
AbsentBytes = Annotated[bytes | None, PlainValidator(read_bytes)]
AbsentBytes32 = Annotated[bytes | None, PlainValidator(_of_size(32))]
AbsentAddress = Annotated[Address | None, PlainValidator(read_address)]
