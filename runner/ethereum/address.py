"""
Addresses: 20 bytes, written with the checksum of EIP-55.

An `Address` is text that came through `parse_address` or `address_from_bytes`, so two of them
name the same account exactly when they are equal.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NewType

from runner.errors import EncodingError
from runner.ethereum.hashing import keccak256

Address = NewType("Address", str)
"""`0x` and 40 hex digits, in the letter case that EIP-55 prescribes."""

ZERO_ADDRESS = Address("0x" + 40 * "0")
"""The address of nobody."""

_SPELLING = re.compile(r"0x[0-9a-fA-F]{40}")


def parse_address(text: str) -> Address:
    """
    Read an address: all lower case, all upper case, or mixed with the right checksum.

    Raises:
        EncodingError: `text` is no address, or its mixed case does not match the checksum.

    Source: EIP-55.
    """
    if not isinstance(text, str) or _SPELLING.fullmatch(text) is None:
        raise EncodingError(
            f"not an address: {str(text)[:80]!r}", hint="an address is 0x and 40 hex digits"
        )
    digits = text[2:]
    address = address_from_bytes(bytes.fromhex(digits))
    if text != address and not digits.islower() and not digits.isupper():
        raise EncodingError(
            f"wrong checksum in address {text}",
            hint=f"a letter was mistyped, or it should read {address}",
        )
    return address


@lru_cache(maxsize=4096)
def address_from_bytes(raw: bytes) -> Address:
    """
    Give 20 raw bytes their checksummed spelling.

    Raises:
        EncodingError: `raw` is not 20 bytes long.

    Source: EIP-55: a letter is upper case where the hash of the lower-case digits has 8 or more.
    """
    if len(raw) != 20:
        raise EncodingError(f"an address has 20 bytes, not {len(raw)}")
    digits = raw.hex()
    marks = keccak256(digits.encode()).hex()
    spelled = (
        digit.upper() if mark >= "8" else digit for digit, mark in zip(digits, marks, strict=False)
    )
    return Address("0x" + "".join(spelled))


@lru_cache(maxsize=4096)
def address_bytes(address: Address) -> bytes:
    """
    Return the 20 raw bytes of an address; its letter case is not looked at again.

    Raises:
        EncodingError: The value is not an address after all.
    """
    if len(address) == 42 and address.startswith("0x"):
        try:
            raw = bytes.fromhex(address[2:])
        except ValueError:
            raw = b""
        if len(raw) == 20:  # `fromhex` skips blanks
            return raw
    raise EncodingError(f"not an address: {address[:80]!r}")
