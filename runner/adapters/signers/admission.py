"""
What every signer asks of an approval before it does anything with it.
"""

from __future__ import annotations

from runner.errors import SignerError
from runner.ethereum.address import Address
from runner.guard.verdict import Approved

_KINDS = {True: "sandboxes only", False: "real chains only"}


def admit(approved: Approved, *, name: str, address: Address, sandbox_only: bool | None) -> None:
    """
    Let through what the guard approved for this key, and for the kind of chain it is for (G3).

    Raises:
        SignerError: it is no approval, another's, or for the other kind of chain.
    """
    if not isinstance(approved, Approved) or not approved.is_genuine:
        raise SignerError(f"signer {name} takes only what the guard approved")
    if approved.signer != address:
        raise SignerError(f"signer {name} is {address}, the approval is for {approved.signer}")
    if sandbox_only is not None and approved.sandbox is not sandbox_only:
        raise SignerError(
            f"signer {name} signs for {_KINDS[sandbox_only]}",
            hint="use another signer, or mark this one `sandbox_only: true`",
        )
