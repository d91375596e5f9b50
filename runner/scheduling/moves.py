"""
The run's state machine, as one table: where it stands × what is observed → where it goes, and
what becomes of its reservations.

Both ledgers move runs by this table alone, and the database refuses every other move by triggers
that are made from it. What is not written here cannot happen to a row.

Source: SEMANTICS section 1 (legal moves), X3, X4, X5, X11, X13, B3, S6.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from typing import Final, Literal

from runner.frozen import frozen
from runner.scheduling.occurrence import CLOSED, DECIDED_AGAINST, REASONS, Reason, State


class Observation(StrEnum):
    """What is decided about a run, or seen of it."""

    RELEASED = "released"  # its wait is over, or its turn has come
    WAITS = "waits"
    FROZEN = "frozen"  # intent, revision and generation are pinned (X6)
    DECIDED_AGAINST = "decided against"
    SIGNED = "signed"  # bytes, hash and fence are durable (X5)
    ACKNOWLEDGED = "acknowledged"
    UNANSWERED = "unanswered"  # or denied, or forgotten
    SEEN = "seen"  # one of ours is in a block
    GONE = "gone"  # it is in no block any more (S6)
    FOREIGN = "foreign"  # what stands on our fence is not ours (X3)
    PAID = "paid"  # final, from here on
    REVERTED = "reverted"
    BURNED = "burned"
    DEAD = "dead"  # expired or uninstalled, and the fence unused (X3)
    CONTRADICTED = "contradicted"  # what was final is not on the chain (X13)
    REOPENED = "reopened"  # an operator's word (X11)


class Effect(StrEnum):
    """What becomes of a run's reservations (B3)."""

    NONE = "none"
    SPEND = "spend"  # a payment that moved what it was to move: spent
    RESERVE = "reserve"  # it may yet be paid: reserved again
    RELEASE = "release"


Place = State | Literal["held(evidence)"]
"""A state, with the hold for evidence apart: something is signed there, as in no other hold."""

EVIDENCE: Final[Place] = "held(evidence)"


@frozen
class Rule:
    """From any of these places, on this observation, to this state for one of these reasons."""

    seen: Observation
    places: frozenset[Place]
    to: State
    reasons: frozenset[Reason | None]
    effect: Effect = Effect.NONE


_UNSIGNED: Final[frozenset[Place]] = frozenset({State.CLAIMED, State.HELD, State.PREPARED})
_OUT: Final[frozenset[Place]] = frozenset({State.SIGNED, State.SENT, State.UNKNOWN})
_IN_A_BLOCK: Final[frozenset[Place]] = frozenset({State.INCLUDED, EVIDENCE})
_AGAINST: Final[frozenset[Place]] = frozenset(DECIDED_AGAINST)
_FINAL: Final[frozenset[Place]] = frozenset(CLOSED - DECIDED_AGAINST)
_HOLDS: Final = REASONS[State.HELD] - {Reason.EVIDENCE}
_PLAIN: Final[frozenset[Reason | None]] = frozenset({None})
_SIGNABLE: Final[frozenset[Place]] = frozenset({State.PREPARED, State.SIGNED})


def _because(*reasons: Reason) -> frozenset[Reason | None]:
    return frozenset(reasons)


TABLE: Final[tuple[Rule, ...]] = (
    # nothing is signed: everything may be taken back
    Rule(Observation.RELEASED, _UNSIGNED, State.CLAIMED, _PLAIN),
    Rule(Observation.WAITS, _UNSIGNED, State.HELD, _HOLDS),
    Rule(Observation.FROZEN, _UNSIGNED, State.PREPARED, _PLAIN),
    *(
        Rule(Observation.DECIDED_AGAINST, _UNSIGNED, state, REASONS[state], Effect.RELEASE)
        for state in sorted(DECIDED_AGAINST)
    ),
    Rule(Observation.SIGNED, _SIGNABLE, State.SIGNED, _PLAIN),
    # behind the point of no return: what the service says is information, not permission
    Rule(Observation.ACKNOWLEDGED, _OUT, State.SENT, _PLAIN),
    Rule(Observation.UNANSWERED, _OUT, State.UNKNOWN, _PLAIN),
    # what the chain says
    Rule(Observation.SEEN, _OUT | _IN_A_BLOCK, State.INCLUDED, _PLAIN, Effect.SPEND),
    Rule(Observation.GONE, _IN_A_BLOCK, State.SENT, _PLAIN, Effect.RESERVE),
    Rule(Observation.FOREIGN, _OUT | _IN_A_BLOCK, State.HELD, _because(Reason.EVIDENCE)),
    Rule(Observation.PAID, _IN_A_BLOCK, State.SUCCESS, REASONS[State.SUCCESS], Effect.SPEND),
    Rule(Observation.REVERTED, _IN_A_BLOCK, State.REVERTED, _PLAIN, Effect.RELEASE),
    Rule(
        Observation.BURNED,
        _IN_A_BLOCK,
        State.NOT_INCLUDED,
        _because(Reason.BURNED),
        Effect.RELEASE,
    ),
    Rule(
        Observation.DEAD,
        _OUT | {EVIDENCE},
        State.NOT_INCLUDED,
        _because(Reason.EXPIRED, Reason.UNINSTALLED),
        Effect.RELEASE,
    ),
    # closed rows: they come back as new versions, by these two and nothing else
    Rule(Observation.CONTRADICTED, _FINAL, State.SENT, _PLAIN, Effect.RESERVE),
    Rule(Observation.REOPENED, _AGAINST, State.CLAIMED, _PLAIN, Effect.RESERVE),
    Rule(Observation.REOPENED, _AGAINST, State.HELD, _HOLDS, Effect.RESERVE),
)
"""The whole machine. Two rules from one place to one state never share a reason."""

Told = Reason | None | Literal["untold"]
"""A reason, none, or "the caller did not say"."""


def place_of(state: State, reason: Reason | None) -> Place:
    """Where a row stands in the table."""
    return EVIDENCE if state is State.HELD and reason is Reason.EVIDENCE else state


@cache  # there are few questions, and each payment asks eight of them
def rule_for(
    from_: State, to: State, *, was: Told = "untold", reason: Told = "untold"
) -> Rule | None:
    """
    The rule by which a row may go from one state to another; None: it may not.

    Args:
        was: The reason that `from_` carries. Untold, a hold counts as any hold.
        reason: The reason that `to` is to carry. Untold, any that makes the move legal.
            Whoever writes tells both: only so is a signed run kept from being prepared anew.
    """
    places = {from_, EVIDENCE} if was == "untold" and from_ is State.HELD else {from_}
    if was != "untold":
        places = {place_of(from_, was)}
    for rule in TABLE:
        if (
            rule.to is to
            and rule.places & places
            and (reason == "untold" or reason in rule.reasons)
        ):
            return rule
    return None


def may_move(from_: State, to: State, *, was: Told = "untold", reason: Told = "untold") -> bool:
    """
    Tell whether an open run may go from one state to another; see `rule_for`.

    What leaves a closed state is no move: see `may_reopen`.
    """
    return from_ not in CLOSED and rule_for(from_, to, was=was, reason=reason) is not None


def may_reopen(from_: State, to: State) -> bool:
    """
    Tell whether a closed row may come back as a new version.

    A contradiction by the chain takes a run back to `sent` (X13); an operator verb takes a slot
    that was decided against back to `claimed` or `held` (X11).
    """
    return from_ in CLOSED and rule_for(from_, to) is not None


def legal_moves() -> Iterator[tuple[Place, Place]]:
    """Every pair of places between which some rule leads, for the database's triggers."""
    for rule in TABLE:
        for reason in rule.reasons:
            for place in rule.places:
                yield place, place_of(rule.to, reason)
