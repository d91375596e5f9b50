"""
The authorization by which an EOA delegates to contract code, and the code that it then has.

Source: EIP-7702; RLP of the yellow paper, appendix B, for this one shape.
"""

from __future__ import annotations

from typing import Final

from runner.errors import EncodingError
from runner.ethereum.address import Address, address_bytes, address_from_bytes
from runner.ethereum.hashing import keccak256
from runner.ethereum.signature import recover_address
from runner.ethereum.words import uint_bytes
from runner.frozen import frozen

MAGIC: Final = b"\x05"
"""The byte that keeps authorizations apart from transactions and messages."""

DELEGATION_PREFIX: Final = bytes.fromhex("ef0100")
"""Begins the code of an EOA that has delegated; the delegate's 20 bytes follow."""


@frozen
class Authorization:
    """
    What an EOA signs to delegate.

    Args:
        chain_id: EIP-155 id; 0 would hold on every chain.
        address: The delegate; the zero address takes a delegation back.
        nonce: The EOA's transaction nonce.

    Raises:
        EncodingError: The chain id is not a uint256, or the nonce not a uint64.
    """

    chain_id: int
    address: Address
    nonce: int

    def __post_init__(self) -> None:
        uint_bytes(self.chain_id, 256, "chain id")
        uint_bytes(self.nonce, 64, "nonce")

    @property
    def digest(self) -> bytes:
        """The 32 bytes that are signed: keccak256(0x05 ‖ rlp([chain, address, nonce]))."""
        payload = (
            _rlp_string(self.chain_id.to_bytes(32, "big").lstrip(b"\0"))
            + _rlp_string(address_bytes(self.address))
            + _rlp_string(self.nonce.to_bytes(8, "big").lstrip(b"\0"))
        )
        # At most 33 + 21 + 9 bytes: longer payloads than 55 take the two-byte list header.
        size = len(payload)
        header = bytes((0xC0 + size,)) if size <= 55 else bytes((0xF8, size))
        return keccak256(MAGIC + header + payload)

    def authority(self, signature: bytes) -> Address:
        """
        Return the EOA that signed.

        Raises:
            EncodingError: No such signature.
        """
        return recover_address(self.digest, signature)


def authorization_digest(chain_id: int, address: Address, nonce: int) -> bytes:
    """
    Return the 32-byte digest of an authorization.

    Raises:
        EncodingError: The chain id is not a uint256, or the nonce not a uint64.
    """
    return Authorization(chain_id, address, nonce).digest


def delegation_code(delegate: Address) -> bytes:
    """Return the code of an EOA that has delegated."""
    return DELEGATION_PREFIX + address_bytes(delegate)


def decode_delegation(code: bytes) -> Address:
    """
    Return whom an EOA has delegated to.

    Raises:
        EncodingError: The code is not that of a delegated EOA.
    """
    if len(code) != 23 or not code.startswith(DELEGATION_PREFIX):
        raise EncodingError("not the code of a delegated EOA")
    return address_from_bytes(code[3:])


def _rlp_string(data: bytes) -> bytes:
    """Return the RLP of a byte string shorter than 56 bytes."""
    if len(data) == 1 and data[0] < 0x80:
        return data
    return bytes((0x80 + len(data),)) + data
