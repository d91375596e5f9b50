"""
What is encrypted at rest: session keys, contexts, signed requests.

AES-256-GCM. A stored value is key id (4 bytes) ‖ nonce (12) ‖ ciphertext and tag; the additional
data is table ‖ 0x00 ‖ column ‖ 0x00 ‖ row id, so that a value moved to another row does not open
(H10). The 32-byte secret never appears in a repr, a log or an exception.

Source: NIST SP 800-38D for GCM; RFC 5869 for the key that authenticates events.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from runner.errors import StoreError

_NONCE_BYTES = 12
_KEY_ID_BYTES = 4


class Vault:
    """Seals and opens what must not lie in the ledger in clear."""

    def __init__(self, secret: bytes, *, entropy: Callable[[int], bytes]) -> None:
        if len(secret) != 32:
            raise StoreError(
                "the secret key must be 32 bytes",
                hint="let `runner init` make one, or give 64 hex digits",
            )
        self._cipher = AESGCM(_derive(secret, b"runner/vault/v1"))
        self.event_key = _derive(secret, b"runner/events/v1")
        """The key of the chains of events: who has it checks and writes them, and opens nothing."""

        self._events = hmac.new(self.event_key, digestmod="sha256")
        self._entropy = entropy
        self.key_id = hashlib.sha256(b"runner/key-id/v1" + secret).digest()[:_KEY_ID_BYTES]

    def __repr__(self) -> str:
        return f"Vault(key {self.key_id.hex()})"

    def random(self, size: int) -> bytes:
        """Fresh bytes from the system's entropy: session keys, incarnation ids."""
        return self._entropy(size)

    def seal(self, clear: bytes, *, table: str, column: str, row: str) -> bytes:
        """Encrypt a value for one place in the ledger."""
        nonce = self._entropy(_NONCE_BYTES)
        return self.key_id + nonce + self._cipher.encrypt(nonce, clear, _place(table, column, row))

    def open(self, sealed: bytes, *, table: str, column: str, row: str) -> bytes:
        """
        Decrypt a value that stands where it was sealed.

        Raises:
            StoreError: another key sealed it, or it was changed or moved.
        """
        if sealed[:_KEY_ID_BYTES] != self.key_id:
            raise StoreError(
                f"{table}.{column} was sealed by key {sealed[:_KEY_ID_BYTES].hex()}, "
                f"we hold {self.key_id.hex()}",
                hint="give the daemon the secret key that this ledger was made with",
            )
        nonce = sealed[_KEY_ID_BYTES : _KEY_ID_BYTES + _NONCE_BYTES]
        body = sealed[_KEY_ID_BYTES + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, body, _place(table, column, row))
        except InvalidTag:
            # `from None`: the library's frames hold the ciphertext and the nonce.
            raise StoreError(f"{table}.{column} of row {row} was changed or moved") from None

    def authenticate(self, message: bytes) -> bytes:
        """HMAC-SHA-256 by which the event chain is kept (H9)."""
        keyed = self._events.copy()  # cheaper than to begin with the key each time
        keyed.update(message)
        return keyed.digest()

    @staticmethod
    def mac(key: bytes, message: bytes) -> bytes:
        """HMAC-SHA-256 by a key of events, today's or an earlier one's."""
        return hmac.digest(key, message, "sha256")


def read_or_create_secret(path: Path, *, create: bool, entropy: Callable[[int], bytes]) -> bytes:
    """
    The 32-byte secret in a file of 64 hex digits, mode 0600.

    Raises:
        StoreError: the file is missing (and may not be made), readable by others, or not a key.
    """
    if create and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_once(path, entropy(32).hex() + "\n", suffix=entropy(4).hex())
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(
            f"the secret key {path} cannot be read: {getattr(error, 'strerror', 'not text')}",
            hint="`runner db init` makes one, with the ledger; see `secret_key` in runner.yaml",
        ) from None
    if mode & 0o077:
        raise StoreError(
            f"the secret key {path} is open to others (mode {mode:04o})", hint=f"chmod 600 {path}"
        )
    return parse_secret(text, origin=str(path))


def _write_once(path: Path, text: str, *, suffix: str) -> None:
    """Whole or not at all, and never over another: a crash leaves no empty key behind."""
    draft = path.with_name(f"{path.name}.{suffix}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first: its key is the key
            os.link(draft, path)
    finally:
        draft.unlink()


def parse_secret(text: str, *, origin: str) -> bytes:
    """64 hex digits → 32 bytes; the text itself never reaches the error."""
    try:
        secret = bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise StoreError(f"{origin} does not hold a secret key of 64 hex digits")
    return secret


def _derive(secret: bytes, purpose: bytes) -> bytes:
    extracted = hmac.digest(b"runner", secret, "sha256")
    return hmac.digest(extracted, purpose + b"\x01", "sha256")


def _place(table: str, column: str, row: str) -> bytes:
    return f"{table}\0{column}\0{row}".encode()
