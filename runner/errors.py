"""
Every error this program raises on purpose, drawn as one tree.

    RunnerError                what happened, where, what to do
    ├── EncodingError          a value is not what its type says (address, ABI, EIP-712, ERC-4337)
    ├── PolicyError            one fault of a policy or runner.yaml, at file:line:column
    │   └── PolicyErrors       all faults of all files at once
    ├── PlanError              the plan cannot be made or carried out
    ├── GuardError             refused to sign; carries the findings
    ├── WalletApiError         the wallet service or the chain's endpoint
    │   ├── AnswerLost         no usable answer: the request may have been taken
    │   ├── WalletBusy         not taken, try the same request later (429, 503, -32005)
    │   └── WalletRefused      not taken, the same request will not do better
    ├── StoreError             the ledger
    │   ├── LedgerHeld         another process holds this ledger
    │   └── Conflict           a conditional write found another version: the loser drops it
    ├── SignerError            a key is missing, locked or wrong
    │   ├── SignatureNeeded    a person signs, elsewhere, when they come to it
    │   └── SignerUnavailable  no signature this time: too slow, or failing; ask again
    └── Undelivered            a message did not reach a channel

Only `cli/render.py` prints them. Nothing in here may hold a secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Mark(NamedTuple):
    """A place in a file: line and column count from 1, lines end at `\\n` alone."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class RunnerError(Exception):
    """The root: `what` happened, `where` in the user's files, and a `hint` what to do."""

    exit_code = 1

    def __init__(self, what: str, *, where: Mark | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return self.what if self.where is None else f"{self.where}: {self.what}"

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is copied by calling its class, which here takes more than one text.
        return _restored, (self.__class__, self.args, self.__dict__)


def _restored(kind: type[RunnerError], args: tuple[Any, ...], state: dict[str, Any]) -> RunnerError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class EncodingError(RunnerError):
    """A value does not fit its type: an address, an amount, ABI data, typed data, an operation."""


class PolicyError(RunnerError):
    """
    One fault in a policy or in runner.yaml.

    `code` is stable (`P014`), `source` the faulty line as it stands in the file, `severity`
    either `error` or `warning`.
    """

    exit_code = 2

    def __init__(
        self,
        what: str,
        *,
        code: str,
        where: Mark | None = None,
        hint: str | None = None,
        source: str | None = None,
        severity: str = "error",
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.code = code
        self.source = source
        self.severity = severity


class PolicyErrors(RunnerError):
    """All faults of all files at once, in file order."""

    exit_code = 2

    def __init__(self, faults: Iterable[PolicyError]) -> None:
        self.faults = tuple(faults)
        super().__init__(f"{len(self.faults)} fault(s) in the configuration")


class UsageError(RunnerError):
    """The command line or the environment asks for something that cannot be meant."""

    exit_code = 2


class PlanError(RunnerError):
    """The plan cannot be made or carried out."""


class GuardError(RunnerError):
    """Refused to sign. `findings` name each rule with what was asked and what was offered."""

    exit_code = 4

    def __init__(self, what: str, *, findings: Iterable[Any] = (), hint: str | None = None) -> None:
        super().__init__(what, hint=hint)
        self.findings = tuple(findings)


class WalletApiError(RunnerError):
    """The wallet service or the chain's endpoint did not do what was asked."""


class AnswerLost(WalletApiError):
    """No usable answer: a time-out, a reset, garbage. The request may have been taken."""


class WalletBusy(WalletApiError):
    """Not taken this time (rate limit, overload). `retry_after_seconds` when the service says."""

    def __init__(
        self, what: str, *, retry_after_seconds: float | None = None, hint: str | None = None
    ) -> None:
        super().__init__(what, hint=hint)
        self.retry_after_seconds = retry_after_seconds


class WalletRefused(WalletApiError):
    """
    Not taken. `code` is the JSON-RPC code (README §1.1 of the wire specification), `data` what
    the service sent along, untouched.
    """

    def __init__(
        self, what: str, *, code: int, data: Mapping[str, Any] | Any = None, hint: str | None = None
    ) -> None:
        super().__init__(what, hint=hint)
        self.code = code
        self.data = data


class StoreError(RunnerError):
    """The ledger cannot be read or written."""


class LedgerEmpty(StoreError):
    """The ledger has no tables: its making was broken off, or is going on now."""


class LedgerHeld(StoreError):
    """Another process holds this ledger."""


class Conflict(StoreError):
    """A conditional write found another version of the row: drop the work, look again."""


class SignerError(RunnerError):
    """A key is missing, locked or wrong, or its holder said no: asking again will not help."""


class SignatureNeeded(SignerError):
    """A person signs elsewhere: what is to be signed is exported, the signature brought back."""


class SignerUnavailable(SignerError):
    """No signature this time: who holds the key is slow or failing. It may be asked again."""


class Undelivered(RunnerError):
    """A channel did not take a message. Never holds the channel's URL, nor what it answered."""
