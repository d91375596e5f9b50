"""
The 32-byte words of the contract ABI, for the shapes that this program encodes itself.

Source: Solidity documentation, "Contract ABI Specification", Formal Specification of the Encoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from runner.errors import EncodingError
from runner.ethereum.address import Address, address_bytes

_ADDRESS_PADDING = bytes(12)


def uint_word(value: int, bits: int = 256, what: str = "value") -> bytes:
    """
    Return an unsigned integer as a word.

    Args:
        value: The integer.
        bits: The width of its type: 0 <= value < 2**bits.
        what: Its name in the error message.

    Raises:
        EncodingError: Out of range.
    """
    raw = uint_bytes(value, bits, what)
    return raw if bits == 256 else raw.rjust(32, b"\0")


def uint_bytes(value: int, bits: int, what: str = "value") -> bytes:
    """
    Return an unsigned integer in `bits // 8` bytes, big-endian.

    Raises:
        EncodingError: Out of range.
    """
    try:
        return value.to_bytes(bits // 8, "big")
    except OverflowError:
        raise EncodingError(f"{what} is not a uint{bits}: {_shown(value)}") from None


@lru_cache(maxsize=4096)
def address_word(address: Address) -> bytes:
    """Return an address as a word."""
    return _ADDRESS_PADDING + address_bytes(address)


def bytes_tail(data: bytes) -> bytes:
    """Return dynamic `bytes`: its length as a word, then the data padded with zeros."""
    size = len(data)
    return size.to_bytes(32, "big") + data + bytes(-size % 32)


def dynamic_array(tails: Sequence[bytes]) -> bytes:
    """Return an array of dynamic elements, each given encoded: length, offsets, then elements."""
    parts = [len(tails).to_bytes(32, "big")]
    offset = 32 * len(tails)
    for tail in tails:
        parts.append(offset.to_bytes(32, "big"))
        offset += len(tail)
    parts.extend(tails)
    return b"".join(parts)


def _shown(value: int) -> str:
    # Python refuses to print integers of thousands of digits in decimal.
    return str(value) if value.bit_length() <= 600 else f"an integer of {value.bit_length()} bits"
