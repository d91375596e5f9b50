"""
The guard's verdict. A signer takes nothing but `Approved`, and only the guard can make one.

`Approved` is sealed by an object that never leaves this package's private names, so a value built
elsewhere by mistake fails at once; a test walks the sources and proves that nobody else touches
the seal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runner.ethereum.address import Address

_SEAL = object()


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference: the rule that it breaks, what was asked, what was offered."""

    rule: str
    asked: str
    offered: str

    def __str__(self) -> str:
        return f"{self.rule}: asked {self.asked}, offered {self.offered}"


@dataclass(frozen=True, slots=True)
class Refused:
    """Not to be signed. `findings` is never empty."""

    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        return "; ".join(str(finding) for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Approved:
    """
    To be signed by `signer`: the 32-byte `digest`, and in `meaning` what it stands for in words.

    `sandbox` says whether the signature goes to a sandbox; signers compare it with what they are
    for (G3).
    """

    digest: bytes
    signer: Address
    sandbox: bool
    meaning: str
    _seal: Any = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._seal is not _SEAL or len(self.digest) != 32:
            raise TypeError("only the guard approves")


def _approve(*, digest: bytes, signer: Address, sandbox: bool, meaning: str) -> Approved:
    return Approved(digest, signer, sandbox, meaning, _SEAL)
