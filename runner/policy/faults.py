"""
Collecting faults: reading goes on after each, so that all of a file's faults come out at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from runner.errors import Mark, PolicyError
from runner.frozen import frozen
from runner.policy.codes import Code
from runner.policy.nodes import Node, Source
from runner.policy.secrets import masked

_SHOWN = 60  # characters of a value that a message repeats
_LONGEST_SECRET = 256  # characters that tell each kind of secret
CLOSE = 0.66
"""What two names have in common, as difflib measures: two letters in three, in order."""

_SECTIONS = ("accounts", "sessions", "wallets", "signers")  # that hold what may be missed

MOST_FAULTS = 1000
"""Of one file; nobody mends more in one go, and each costs time."""


class Refusal(Exception):
    """What a reader of plain values raises; whoever holds the node turns it into a fault."""

    def __init__(self, code: Code, what: str, hint: str | None = None) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.hint = hint


class Moot(Exception):
    """What a reader raises that cannot tell, because of a fault that has been reported."""


@frozen
class Finding:
    """
    Something about a policy that reads well: a warning where it is allowed and hardly meant, an
    error where the policy could not be kept.
    """

    code: Code
    what: str
    mark: Mark
    hint: str | None = None
    severity: Literal["warning", "error"] = "warning"


class Faults:
    """The faults and warnings of one file, in the order found; the same one is kept once."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.errors: list[PolicyError] = []
        self.warnings: list[PolicyError] = []
        self._seen: set[tuple[str, Mark, str]] = set()

    @property
    def full(self) -> bool:
        """There are so many that no more are kept."""
        return len(self._seen) >= MOST_FAULTS

    def add(self, code: Code, what: str, at: Node | Mark, hint: str | None = None) -> None:
        """Keep an error that points at a node or a place."""
        self._keep(code, what, at, hint, severity="error")

    def warn(self, code: Code, what: str, at: Node | Mark, hint: str | None = None) -> None:
        """Keep a warning: allowed, but hardly meant."""
        self._keep(code, what, at, hint, severity="warning")

    def take(self, other: Faults) -> None:
        """Keep what another collection of the same file holds."""
        for fault in [*other.errors, *other.warnings]:
            if fault.where is not None:
                seen = (fault.code, fault.where, fault.what)
                if seen not in self._seen and not self.full:
                    self._seen.add(seen)
                    (self.errors if fault.severity == "error" else self.warnings).append(fault)

    def found(self, finding: Finding) -> None:
        """Keep what was found in a policy that reads well."""
        self._keep(
            finding.code, finding.what, finding.mark, finding.hint, severity=finding.severity
        )

    def refuse(self, refusal: Refusal, at: Node) -> None:
        """Keep what a reader of plain values refused."""
        self.add(refusal.code, refusal.what, at, refusal.hint)

    def _keep(
        self,
        code: Code,
        what: str,
        at: Node | Mark,
        hint: str | None,
        *,
        severity: str,
    ) -> None:
        if isinstance(at, Node):
            if at.broken:  # already reported: what follows from it would only distract
                return
            where, source = at.mark, at.source
        else:
            where = at
            source = self.source if at.file == self.source.file else Source(at.file, "")
        if (code, where, what) in self._seen or self.full:
            return
        self._seen.add((code, where, what))
        kept = self.errors if severity == "error" else self.warnings
        kept.append(
            PolicyError(
                masked(what),
                code=code.value,
                where=where,
                hint=hint and masked(hint),
                source=source.line(where.line),
                severity=severity,
            )
        )


def brief(text: str) -> str:
    """
    Return the beginning of a text for a message.

    Secrets are blotted out before the cut: a piece of one is not known for what it is any more.
    """
    return masked(text[: _SHOWN + _LONGEST_SECRET])[: _SHOWN + 1]


def shown(text: str) -> str:
    """Return a value as a message repeats it: short, printable, between backticks."""
    if not text:
        return '`""`'
    flat = "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in brief(text))
    return f"`{flat}`" if len(flat) <= _SHOWN else f"`{flat[:_SHOWN]}…`"


def article(name: str) -> str:
    """Return a word with its indefinite article."""
    sounds = name.lower().startswith(("a", "e", "i", "o", "hour"))
    return f"{'an' if sounds else 'a'} {name}"


def listed(names: Iterable[str], most: int = 8) -> str:
    """Return names as a sentence lists them."""
    names = list(names)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(brief, names[:most])) + rest


def meant(text: str, names: Iterable[str], *, cutoff: float = CLOSE) -> str | None:
    """Return the name that was probably meant: the closest in spelling, whatever its case."""
    import difflib  # noqa: PLC0415 (only messages need it)

    folded = _folded(text[:100])
    by_folded = {
        _folded(name): name
        for name in names
        if abs(len(name) - len(folded)) <= 2 + len(folded) // 3
    }
    turned = [name for name in by_folded if sorted(name) == sorted(folded)]
    close = turned[:1] or difflib.get_close_matches(folded, by_folded, n=1, cutoff=cutoff)
    return by_folded[close[0]] if close else None


def lookalike(text: str) -> str:
    """Return what to add where a name differs from the one that is meant by a foreign letter."""
    odd = next((one for one in text if not one.isascii() and one.isprintable()), None)
    return "" if odd is None else f" `{odd}` in it is U+{ord(odd):04X}, no letter from a to z"


def _folded(name: str) -> str:
    return name.casefold().replace("_", "-")


def did_you_mean(text: str, names: Iterable[str], kind: str) -> str:
    """Return the hint for an unknown name: the closest one, else what there is."""
    names = list(dict.fromkeys(names))
    close = meant(text, names)
    if close is not None:
        return f"did you mean `{close}`?{lookalike(text)}"
    if names:
        return f"{kind}: {listed(sorted(names))}"
    section, *place = kind.split(" ", 1)
    if section in _SECTIONS:
        return f"there are no {section} yet: add it {' '.join([f'below `{section}`', *place])}"
    return f"no {kind} here"
