"""
Keccak-256, the hash of Ethereum (not SHA3-256, whose padding differs).

The native library is loaded at the first hash, so that commands which hash nothing start fast.

Source: Ethereum yellow paper, section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 digest of `data`."""
    return _hasher()(data)


@cache
def _hasher() -> Callable[[bytes], bytes]:
    # The backend is named: eth_hash.auto would let an environment variable choose it.
    from eth_hash.backends.pycryptodome import keccak256 as hasher  # noqa: PLC0415 (slow to load)

    return hasher
