"""
What a key signs, and whose key it was. Nothing here signs: private keys live in the signers.

Source: EIP-191 version 0x45 (personal_sign); EIP-2 for low s; SEC 1 §4.1.6 for recovery.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from runner.errors import EncodingError
from runner.ethereum.address import Address, address_from_bytes
from runner.ethereum.hashing import keccak256

SIGNATURE_SIZE: Final = 65
"""Bytes of a signature: r (32), s (32), v (1)."""

_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


@lru_cache(maxsize=64)
def personal_sign_digest(message: bytes) -> bytes:
    """
    Return the 32-byte digest that `personal_sign` of these bytes signs.

    The guard asks twice for each operation: to compare it, and to approve it.
    """
    return keccak256(b"\x19Ethereum Signed Message:\n%d" % len(message) + message)


def recover_address(digest: bytes, signature: bytes) -> Address:
    """
    Return the address whose key made a signature.

    Args:
        digest: The 32 bytes that were signed.
        signature: r ‖ s ‖ v, 65 bytes, v 27 or 28, s in the lower half of the order.

    Raises:
        EncodingError: No such signature; a second spelling of a valid one (high s) is refused.
    """
    if len(signature) != SIGNATURE_SIZE or signature[64] not in (27, 28):
        raise EncodingError("a signature has 65 bytes, the last of them 27 or 28")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise EncodingError("signature with high s")
    from coincurve import PublicKey  # noqa: PLC0415 (a native library, not needed to plan)

    recoverable = signature[:64] + bytes((signature[64] - 27,))
    try:
        key = PublicKey.from_signature_and_message(recoverable, digest, hasher=None)
    except ValueError as error:
        raise EncodingError("the signature belongs to no key") from error
    return address_from_bytes(keccak256(key.format(compressed=False)[1:])[12:])
