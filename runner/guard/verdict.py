"""
The guard's verdict. A signer takes nothing but `Approved`, and only the guard can make one.

`Approved` is sealed over what it says, by a class that never leaves this package's private names:
one that is built elsewhere, or changed afterwards, is none. A test walks the sources and proves
that nobody else touches the seal, and that no other way leads to a private key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import Any, NamedTuple

from runner.ethereum.address import Address
from runner.ethereum.authorization import Authorization
from runner.ethereum.calls import Call
from runner.ethereum.typed_data import TypedData
from runner.ethereum.user_operation import UserOperation
from runner.frozen import frozen


class _Seal:
    """What was approved; only `_approve` makes one."""

    __slots__ = ("content",)

    def __init__(self, content: tuple[object, ...]) -> None:
        self.content = content


@frozen
class Finding:
    """One difference: the rule that it breaks, what was asked, what was offered."""

    rule: str
    asked: str
    offered: str

    def __str__(self) -> str:
        return f"{self.rule}: asked {self.asked}, offered {self.offered}"


class Check(NamedTuple):
    """
    One comparison by a rule; values are shown in words only where somebody reads them.

    A named tuple, since an operation has about twenty and they are made for each.
    """

    rule: str
    asked: object
    offered: object
    holds: bool

    @property
    def finding(self) -> Finding:
        """The comparison in words."""
        return Finding(self.rule, shown(self.asked), shown(self.offered))


@frozen
class Refused:
    """Not to be signed. `findings` is never empty."""

    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        return "; ".join(str(finding) for finding in self.findings)

    @staticmethod
    def by(checks: Iterable[Check]) -> Refused | None:
        """What the checks that do not hold refuse; None if all hold."""
        findings = tuple(check.finding for check in checks if not check.holds)
        return Refused(findings) if findings else None


def shown(value: object) -> str:
    """A value as people compare it: bytes as hex, a call by its parts."""
    match value:
        case bytes():
            return "0x" + value.hex()
        case Call():
            return f"to {value.to} value {value.value} data 0x{value.data.hex()}"
        case tuple():
            return "; ".join(map(shown, value)) or "nothing"
        case None:
            return "none"
    return str(value)


@frozen
class Subject:
    """
    What a digest was made from, for whoever wants to see it before signing.

    Args:
        kind: `grant`, `operation`, `uninstall`, `void`, `carrier` or `delegation`.
        content: The digest is its EIP-712 hash, the `personal_sign` of its hash, or the hash of
            the authorization.
    """

    kind: str
    chain_id: int
    account: Address
    content: TypedData | UserOperation | Authorization


@frozen
class Approved:
    """
    To be signed by `signer`: the 32-byte `digest`, in `meaning` what it stands for in words, and
    in `subject` what it was made from.

    `sandbox` says whether the signature goes to a sandbox; signers compare it with what they are
    for (G3).
    """

    digest: bytes
    signer: Address
    sandbox: bool
    meaning: str
    subject: Subject
    _seal: Any = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.is_genuine or len(self.digest) != 32:
            raise TypeError("only the guard approves")

    @property
    def is_genuine(self) -> bool:
        """Whether the guard made it, and it still says what the guard said."""
        content = (self.digest, self.signer, self.sandbox, self.meaning, self.subject)
        return type(self._seal) is _Seal and self._seal.content == content


def _approve(
    *, digest: bytes, signer: Address, sandbox: bool, meaning: str, subject: Subject
) -> Approved:
    seal = _Seal((digest, signer, sandbox, meaning, subject))
    return Approved(digest, signer, sandbox, meaning, subject, seal)
