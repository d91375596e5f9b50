"""
Keccak-256, the hash of Ethereum (not SHA3-256, whose padding differs).

Source: Ethereum yellow paper, section 3.
"""

from __future__ import annotations

from typing import Final

# What the package's `sha3` exports; that module also loads hashlib, and OpenSSL with it.
from _pysha3 import keccak_256


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 digest of `data`."""
    digest: bytes = keccak_256(data).digest()
    return digest


EMPTY: Final = keccak256(b"")
"""Of no bytes."""
