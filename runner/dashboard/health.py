"""
Is the daemon alive, and can it pay? Never a balance: money that is missing is no reason to restart.

`alive` looks at the daemon's own loop alone. `readiness` looks at the ledger (does it take a
write?), the clocks, the last tick and the policies; a bad edit leaves the good policies in force,
so it degrades and does not fail.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from runner.adapters.sql.measures import take_and_leave
from runner.dashboard.source import Source
from runner.errors import StoreError
from runner.frozen import frozen

ALIVE_SECONDS: Final = 60.0
"""A daemon that did not come to rest for so long hangs."""

TICK_SECONDS: Final = 10.0
"""A daemon that did not tick for so long (it does each second) is not ready."""


class Word(StrEnum):
    """What a check, or all of them together, comes to."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


@frozen
class Check:
    """One thing that was looked at."""

    name: str
    word: Word
    detail: str


@frozen
class Readiness:
    """All checks, and the worst of their words."""

    checks: tuple[Check, ...]

    @property
    def word(self) -> Word:
        """The worst."""
        order = list(Word)
        return max((one.word for one in self.checks), key=order.index)

    def as_json(self) -> dict[str, Any]:
        """For probes and people."""
        return {
            "status": self.word.value,
            "ready": self.word is not Word.FAILED,
            "checks": {
                one.name: {"status": one.word.value, "detail": one.detail} for one in self.checks
            },
        }


def alive(source: Source) -> tuple[bool, float]:
    """Whether the daemon's loop turns, and how long ago it last came to rest, in seconds."""
    age = max(source.monotonic() - source.beat_at(), 0.0)
    return age < ALIVE_SECONDS, age


def readiness(source: Source) -> Readiness:
    """Look at everything; takes a few milliseconds."""
    return Readiness((_ledger(source), _clock(source), _tick(source), _config(source)))


def _ledger(source: Source) -> Check:
    try:
        take_and_leave(source.settings.store)
    except StoreError as error:
        return Check("ledger", Word.FAILED, error.what)
    return Check("ledger", Word.OK, "takes writes")


def _clock(source: Source) -> Check:
    skewed = dict(source.tally.skewed)
    unseen = sorted(source.tally.unreachable)
    if bad := sorted(venue for venue, level in skewed.items() if level == "critical"):
        return Check("clock", Word.FAILED, f"too far from the chain's: {', '.join(bad)}")
    if unseen:
        return Check("clock", Word.DEGRADED, f"no block is seen: {', '.join(unseen)}")
    if skewed:
        return Check("clock", Word.DEGRADED, f"apart from the chain's: {', '.join(sorted(skewed))}")
    return Check("clock", Word.OK, "agrees with the chains")


def _tick(source: Source) -> Check:
    if not source.tally.armed.is_set():
        return Check("tick", Word.FAILED, "the daemon is starting: it has not looked yet")
    _, age = alive(source)
    word = Word.OK if age < TICK_SECONDS else Word.FAILED
    return Check("tick", word, f"the last one ended {age:.1f} s ago")


def _config(source: Source) -> Check:
    if source.tally.refused:
        detail = "the last edit was refused; the policies before it are in force"
        return Check("config", Word.DEGRADED, detail)
    return Check("config", Word.OK, f"{len(source.policies())} policies are in force")
