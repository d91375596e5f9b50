"""
A person whose key is somewhere else: on a device, in a safe, on a machine without a network.

Nothing is signed here. What the guard approved is exported as a readable request, and the signature
comes back by a verb of its own (R18).
"""

from __future__ import annotations

from runner.adapters.signers.admission import admit
from runner.errors import SignatureNeeded
from runner.ethereum.address import Address
from runner.guard.verdict import Approved


class ManualSigner:
    """Implements `ports.Signer` for somebody who has to be asked."""

    def __init__(self, address: Address, *, name: str, sandbox_only: bool) -> None:
        self._address = address
        self._name = name
        self._sandbox_only = sandbox_only

    def __repr__(self) -> str:
        return f"ManualSigner({self._name}, {self._address})"

    @property
    def address(self) -> Address:
        """Whose signatures are awaited."""
        return self._address

    async def sign(self, approved: Approved) -> bytes:
        """
        Say that a person is needed.

        Raises:
            SignatureNeeded: always, unless it is not for this key or kind of chain (G3).
        """
        admit(approved, name=self._name, address=self._address, sandbox_only=self._sandbox_only)
        raise SignatureNeeded(
            f"{self._name} ({self._address}) signs by hand: {approved.meaning}",
            hint="export what is to be signed: runner grants request SESSION --out FILE",
        )
