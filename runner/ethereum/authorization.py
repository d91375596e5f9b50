"""
The authorization by which an EOA delegates to contract code.

Source: EIP-7702; RLP of the yellow paper, appendix B, for this one shape.
"""

from __future__ import annotations

from typing import Final

from runner.ethereum.address import Address, address_bytes
from runner.ethereum.hashing import keccak256
from runner.ethereum.words import uint_bytes

MAGIC: Final = b"\x05"
"""The byte that keeps authorizations apart from transactions and messages."""


def authorization_digest(chain_id: int, address: Address, nonce: int) -> bytes:
    """
    Return the 32-byte digest of an authorization: keccak256(0x05 ‖ rlp([chain, address, nonce])).

    Args:
        chain_id: EIP-155 id; 0 would hold on every chain.
        address: The delegate; the zero address takes a delegation back.
        nonce: The EOA's transaction nonce.

    Raises:
        EncodingError: The chain id is not a uint256, or the nonce not a uint64.
    """
    payload = (
        _rlp_string(uint_bytes(chain_id, 256, "chain id").lstrip(b"\0"))
        + _rlp_string(address_bytes(address))
        + _rlp_string(uint_bytes(nonce, 64, "nonce").lstrip(b"\0"))
    )
    # At most 33 + 21 + 9 bytes: longer payloads than 55 take the two-byte list header.
    size = len(payload)
    header = bytes((0xC0 + size,)) if size <= 55 else bytes((0xF8, size))
    return keccak256(MAGIC + header + payload)


def _rlp_string(data: bytes) -> bytes:
    """Return the RLP of a byte string shorter than 56 bytes."""
    if len(data) == 1 and data[0] < 0x80:
        return data
    return bytes((0x80 + len(data),)) + data
