"""
The token calls that move or promise money, at fixed shapes.

Source: ERC-20.
"""

from __future__ import annotations

from typing import Final

from runner.ethereum.address import Address, address_from_bytes
from runner.ethereum.words import address_word, uint_word

TRANSFER: Final = bytes.fromhex("a9059cbb")
"""Selector of `transfer(address,uint256)`."""

APPROVE: Final = bytes.fromhex("095ea7b3")
"""Selector of `approve(address,uint256)`."""

TRANSFER_FROM: Final = bytes.fromhex("23b872dd")
"""Selector of `transferFrom(address,address,uint256)`."""

TRANSFER_TOPIC: Final = bytes.fromhex(
    "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
)
"""First topic of the event `Transfer(address,address,uint256)`."""

_SIZE = 4 + 2 * 32


def encode_transfer(to: Address, amount: int) -> bytes:
    """
    Return the calldata of `transfer`; `amount` in base units.

    Raises:
        EncodingError: `amount` is not a uint256.
    """
    return TRANSFER + address_word(to) + uint_word(amount, what="amount")


def encode_approve(spender: Address, amount: int) -> bytes:
    """
    Return the calldata of `approve`; `amount` in base units.

    Raises:
        EncodingError: `amount` is not a uint256.
    """
    return APPROVE + address_word(spender) + uint_word(amount, what="amount")


def decode_transfer(data: bytes) -> tuple[Address, int] | None:
    """Return receiver and amount if `data` is exactly a `transfer`, else None."""
    return _decode(TRANSFER, data)


def decode_approve(data: bytes) -> tuple[Address, int] | None:
    """Return spender and amount if `data` is exactly an `approve`, else None."""
    return _decode(APPROVE, data)


def _decode(selector: bytes, data: bytes) -> tuple[Address, int] | None:
    if len(data) != _SIZE or data[:4] != selector or any(data[4:16]):
        return None
    return address_from_bytes(bytes(data[16:36])), int.from_bytes(data[36:], "big")
