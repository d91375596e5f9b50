"""
A signed part whose end is not known: what is safe to do next, as one pure function.

It is the same after a crash, a lost reply, or simply a second later: the chain is asked first,
and what to do follows from what it shows, from the clock, and from nothing that was remembered.
Whatever is chosen here stays on the run's own fence, so it can never pay twice (X1, X4).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from runner.frozen import frozen
from runner.records import GrantState, Operation, OperationKind, OperationStatus
from runner.scheduling.occurrence import State


class Step(StrEnum):
    """What to do with a signed part now."""

    WAIT = "wait"
    INCLUDE = "include"  # the chain shows one of ours in a block
    EXCLUDE = "exclude"  # it showed it, and no longer does (S6)
    CLOSE = "close"  # it is final (X12, X13)
    EVIDENCE = "evidence"  # someone else's operation stands on our fence (X3)
    UNINSTALLED = "uninstalled"  # its grant is off the account for good: prove it dead (X3c)
    EXPIRED = "expired"  # a final block is later than the grant's end: prove it dead (X3a)
    ASK = "ask"  # no inclusion for a while: does the service still know it?
    RESEND = "resend"  # the very same bytes again
    REPLACE = "replace"  # the same calls on the same fence with higher fees (S5, X21)
    BURN = "burn"  # no calls on the same fence (X4)


STUCK_SECONDS = 20.0
STUCK_BLOCKS = 3
MOST_REPLACEMENTS = 10


@frozen
class Sighting:
    """
    What the newest look at the chain showed for a part's fence.

    `recorded` says that this inclusion, in this block, is the one that the ledger has.
    """

    hash: str
    ours: bool
    final: bool
    recorded: bool = True


@frozen
class Situation:
    """All that the decision depends on."""

    state: State
    operations: tuple[Operation, ...]
    sighting: Sighting | None
    now: datetime
    head_block: int
    final_at: datetime  # time of the newest block that counts as final
    deadline_at: datetime
    grant_expires_at: datetime
    last_sent_at: datetime
    resend_after: timedelta
    quiet_until: datetime  # after something failed: look, but do not act before this
    skew: timedelta
    may_burn: bool
    standing: GrantState = GrantState.ACTIVE  # of the generation that signs for it


def next_step(at: Situation) -> Step:
    """
    The table: what the chain shows comes first, then the end of the grant, then the clock.

    A status code or an age closes nothing; only CLOSE, EXPIRED and UNINSTALLED lead to an end, and
    they rest on final blocks. A generation that has to stop signs burns alone (R13): what
    it has signed is included before its uninstall, or proved dead by it and tried again (S4).
    """
    if at.sighting is not None:
        return _seen(at, at.sighting)
    if at.state is State.INCLUDED:
        return Step.EXCLUDE
    if at.final_at > at.grant_expires_at:
        return Step.EXPIRED
    if at.standing is GrantState.REVOKED:
        return Step.WAIT if at.now < at.quiet_until else Step.UNINSTALLED
    if at.now + at.skew >= at.grant_expires_at:
        return Step.WAIT  # no bundler takes it any more: the proof of death is what remains
    if at.now < at.quiet_until:
        return Step.WAIT
    stops = at.standing is GrantState.STOPPING
    burning = _burning(at.operations)
    if at.may_burn and at.now >= at.deadline_at and not burning:
        return Step.BURN
    newest = at.operations[-1]
    if newest.status is OperationStatus.SENT and at.now - at.last_sent_at < at.resend_after:
        return Step.WAIT
    may_replace = len(at.operations) <= MOST_REPLACEMENTS and (burning or not stops)
    if _stuck(at, newest) and may_replace:
        return Step.REPLACE  # also what a service refuses again and again, for its fees perhaps
    if newest.status in {OperationStatus.SIGNED, OperationStatus.UNKNOWN}:
        return Step.RESEND
    return Step.ASK


def rests_until(at: Situation) -> datetime:
    """
    Up to when a part that waits goes on waiting, whatever the head is by then.

    Only as long as the chain shows nothing of its fence, its generation stands as it does, and
    nobody writes its row; `now`, if that is not enough to know it.
    """
    ends = at.grant_expires_at - at.skew
    if at.sighting is not None or at.standing is not GrantState.ACTIVE or at.now >= ends:
        return at.now
    if at.now < at.quiet_until:
        return min(at.quiet_until, ends)
    asks = min(at.last_sent_at + at.resend_after, ends)
    return min(asks, at.deadline_at) if at.may_burn and not _burning(at.operations) else asks


def _seen(at: Situation, sighting: Sighting) -> Step:
    if not sighting.ours:
        return Step.WAIT if at.state is State.HELD else Step.EVIDENCE
    if at.state is not State.INCLUDED:
        return Step.INCLUDE
    if not sighting.recorded:
        return Step.EXCLUDE  # a reorganisation moved it, or let the other operation win
    return Step.CLOSE if sighting.final else Step.WAIT


def _burning(operations: Sequence[Operation]) -> bool:
    return any(operation.kind is OperationKind.BURN for operation in operations)


def _stuck(at: Situation, newest: Operation) -> bool:
    long_enough = at.now - newest.signed_at >= timedelta(seconds=STUCK_SECONDS)
    return long_enough and at.head_block - newest.from_block >= STUCK_BLOCKS
