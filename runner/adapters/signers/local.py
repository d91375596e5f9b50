"""
Keys that this process can use itself: from the environment, a file, or a keystore; session keys
from the vault; throw-away keys for sandboxes.

A signer takes `Approved` and nothing else. The key has no repr, leaves in no error, and lives in
one object only.

Source: secp256k1 with RFC 6979 nonces and low s, by libsecp256k1.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable

from coincurve import PrivateKey

from runner.adapters.signers.admission import admit
from runner.errors import SignerError
from runner.ethereum.address import Address, address_from_bytes
from runner.ethereum.hashing import keccak256
from runner.guard.verdict import Approved
from runner.records import Grant

_MOST_AT_HAND = 256
"""Keys of so many sessions, those that were used last."""


class LocalSigner:
    """
    One private key.

    `sandbox_only` keys sign for sandboxes alone, all others never for one (G3). Session keys
    are made for one grant, so they go where their grant goes: `sandbox_only=None`.
    """

    def __init__(self, secret: bytes, *, name: str, sandbox_only: bool | None) -> None:
        self._key = _parse(secret, name)
        self._name = name
        self._sandbox_only = sandbox_only
        self._address = _address(self._key)

    def __repr__(self) -> str:
        return f"LocalSigner({self._name}, {self._address})"

    @property
    def address(self) -> Address:
        """Whose signatures these are."""
        return self._address

    async def sign(self, approved: Approved) -> bytes:
        """65 bytes r ‖ s ‖ v, v 27 or 28."""
        admit(approved, name=self._name, address=self._address, sandbox_only=self._sandbox_only)
        signature = self._key.sign_recoverable(approved.digest, hasher=None)
        return signature[:64] + bytes([27 + signature[64]])


class SessionKeys:
    """
    Implements `ports.KeyRing`.

    Making a key ready costs more than a signature by it, so those in use are kept at hand, the
    newest of each session: its next generation takes the place of one that is over.
    """

    def __init__(
        self, open_key: Callable[[Grant], bytes], *, entropy: Callable[[int], bytes]
    ) -> None:
        self._open_key = open_key
        self._entropy = entropy
        self._at_hand: OrderedDict[str, tuple[int, LocalSigner]] = OrderedDict()

    def new_session_key(self) -> tuple[bytes, Address]:
        """A fresh key from the system's entropy."""
        while True:
            secret = self._entropy(32)
            try:
                return secret, _address(_parse(secret, "a new session key"))
            except SignerError:  # not a scalar of the curve: once in 2^127 draws
                continue

    def session_signer(self, grant: Grant) -> LocalSigner:
        """
        The signer of one generation.

        Raises:
            StoreError: its key is destroyed, or cannot be opened.
        """
        of, signer = self._at_hand.pop(grant.session, (None, None))
        if signer is None or of != grant.id or grant.key_sealed is None:
            name = f"session key of {grant.session} generation {grant.generation}"
            signer = LocalSigner(self._open_key(grant), name=name, sandbox_only=None)
        self._at_hand[grant.session] = (grant.id, signer)
        if len(self._at_hand) > _MOST_AT_HAND:
            self._at_hand.popitem(last=False)
        return signer


def throw_away_signer(name: str) -> LocalSigner:
    """A sandbox key that anyone can derive from the signer's name: worthless by design (G3)."""
    secret = keccak256(b"runner/throw-away/v1\x00" + name.encode())
    return LocalSigner(secret, name=name, sandbox_only=True)


def parse_private_key(text: str, *, name: str) -> bytes:
    """
    64 hex digits, with or without 0x, to 32 bytes.

    Raises:
        SignerError: it is not; the text itself is not repeated.
    """
    digits = text.strip().removeprefix("0x").removeprefix("0X")
    try:
        secret = bytes.fromhex(digits)
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise SignerError(
            f"signer {name} does not hold a private key of 64 hex digits",
            hint="check the variable or file that the signer refers to",
        )
    return secret


async def read_keystore(document: str, password: str, *, name: str) -> bytes:
    """
    Open a Web3 Secret Storage v3 document; scrypt takes a second, so a thread does it.

    Raises:
        SignerError: wrong password, or not such a document.
    """
    from eth_account import Account  # noqa: PLC0415  (slow to import, and only keystores need it)

    try:
        return bytes(await asyncio.to_thread(Account.decrypt, document, password))
    except (ValueError, KeyError, TypeError):
        raise SignerError(
            f"the keystore of signer {name} does not open",
            hint="check its password, and that it is a Web3 Secret Storage v3 file",
        ) from None


def write_keystore(secret: bytes, password: str) -> str:
    """A private key as a Web3 Secret Storage v3 document, by scrypt."""
    from eth_account import Account  # noqa: PLC0415  (as above)

    return json.dumps(Account.encrypt(secret, password))


def _parse(secret: bytes, name: str) -> PrivateKey:
    try:
        return PrivateKey(secret)
    except ValueError:
        raise SignerError(f"signer {name} does not hold a secp256k1 key") from None


def _address(key: PrivateKey) -> Address:
    return address_from_bytes(keccak256(key.public_key.format(compressed=False)[1:])[12:])
