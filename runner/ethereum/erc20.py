"""
The token calls that move or promise money, at fixed shapes.

Source: ERC-20; what tokens have besides: ERC-677, ERC-721, ERC-1155, ERC-1363, EIP-2612.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal

from runner.ethereum.address import Address, address_from_bytes
from runner.ethereum.words import address_word, uint_word
from runner.frozen import frozen

TRANSFER: Final = bytes.fromhex("a9059cbb")
"""Selector of `transfer(address,uint256)`."""

APPROVE: Final = bytes.fromhex("095ea7b3")
"""Selector of `approve(address,uint256)`."""

TRANSFER_FROM: Final = bytes.fromhex("23b872dd")
"""Selector of `transferFrom(address,address,uint256)`."""

INCREASE_ALLOWANCE: Final = bytes.fromhex("39509351")
"""Selector of `increaseAllowance(address,uint256)`."""

PERMIT: Final = bytes.fromhex("d505accf")
"""Selector of `permit(address,address,uint256,uint256,uint8,bytes32,bytes32)` (EIP-2612)."""

PERMIT_ALL: Final = bytes.fromhex("8fcbaf0c")
"""Selector of `permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)`, as DAI has."""

APPROVE_ALL: Final = bytes.fromhex("a22cb465")
"""Selector of `setApprovalForAll(address,bool)` (ERC-721, ERC-1155)."""

_TRANSFERS: Final = frozenset(
    {
        TRANSFER,
        bytes.fromhex("1296ee62"),  # transferAndCall(address,uint256)
        bytes.fromhex("4000aea0"),  # transferAndCall(address,uint256,bytes)
    }
)
_APPROVALS: Final = frozenset(
    {
        APPROVE,
        INCREASE_ALLOWANCE,
        bytes.fromhex("d73dd623"),  # increaseApproval(address,uint256)
        bytes.fromhex("3177029f"),  # approveAndCall(address,uint256)
        bytes.fromhex("cae9ca51"),  # approveAndCall(address,uint256,bytes)
    }
)

TOKEN_MOVES: Final = _TRANSFERS | _APPROVALS | {PERMIT, PERMIT_ALL, APPROVE_ALL}
"""Selectors of all that `token_move` reads."""

TRANSFER_TOPIC: Final = bytes.fromhex(
    "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
)
"""First topic of the event `Transfer(address,address,uint256)`."""

_SIZE = 4 + 2 * 32
_ALL = 2**256 - 1


@frozen
class TokenMove:
    """
    What calldata means to a token: `transfer` moves base units to `party`, `approve` lets `party`
    take them.
    """

    kind: Literal["transfer", "approve"]
    party: Address
    amount: int


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


@lru_cache(maxsize=1024)
def token_move(data: bytes) -> TokenMove | None:
    """
    Return what a token would make of calldata; None if it moves and promises nothing that we know.

    Read as tokens read it, which do not care for bytes behind the arguments: what only looks
    different is the same. A permit counts as an approval of all that it permits (B7), and who may
    act on everything is approved without a bound.
    """
    selector, words = data[:4], (len(data) - 4) // 32
    if selector in _TRANSFERS and words >= 2:
        return TokenMove("transfer", _address_at(data, 0), _word_at(data, 1))
    if selector in _APPROVALS and words >= 2:
        return TokenMove("approve", _address_at(data, 0), _word_at(data, 1))
    if selector == APPROVE_ALL and words >= 2:
        return TokenMove("approve", _address_at(data, 0), _ALL if _word_at(data, 1) else 0)
    if selector == PERMIT and words >= 3:
        return TokenMove("approve", _address_at(data, 1), _word_at(data, 2))
    if selector == PERMIT_ALL and words >= 5:
        return TokenMove("approve", _address_at(data, 1), _ALL if _word_at(data, 4) else 0)
    return None


def _word_at(data: bytes, index: int) -> int:
    return int.from_bytes(data[4 + 32 * index : 36 + 32 * index], "big")


def _address_at(data: bytes, index: int) -> Address:
    return address_from_bytes(bytes(data[16 + 32 * index : 36 + 32 * index]))


def _decode(selector: bytes, data: bytes) -> tuple[Address, int] | None:
    if len(data) != _SIZE or data[:4] != selector or any(data[4:16]):
        return None
    return address_from_bytes(bytes(data[16:36])), int.from_bytes(data[36:], "big")
