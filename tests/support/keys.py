"""A key for tests."""

from __future__ import annotations

from coincurve import PrivateKey

from runner.ethereum.address import address_from_bytes
from runner.ethereum.hashing import keccak256


class Key:
    """A private key by its number, with its address."""

    def __init__(self, number: int) -> None:
        self._key = PrivateKey(number.to_bytes(32, "big"))
        public = self._key.public_key.format(compressed=False)
        self.address = address_from_bytes(keccak256(public[1:])[12:])

    def sign(self, digest: bytes) -> bytes:
        """65 bytes r ‖ s ‖ v over a digest."""
        raw = self._key.sign_recoverable(digest, hasher=None)
        return raw[:64] + bytes((27 + raw[64],))
