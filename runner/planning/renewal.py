"""
When a grant is renewed, and until when it may serve: rules R1 to R9, as arithmetic.

L is the granted life, E its end. All values come in; nothing here reads a clock or draws lots.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum

from runner.errors import GuardError, RunnerError, SignerError, SignerUnavailable, WalletRefused
from runner.ethereum.hashing import keccak256
from runner.frozen import frozen

_LONG_LIFE = timedelta(days=10)
_MOST_JITTER = timedelta(minutes=10)


@frozen
class Margins:
    """
    How slow the world may be, by wallet profile (R24).

    `inclusion`: from send to block; `skew`: clocks apart; `min_lead`: the least time between a
    renewal and the end of the grant; `finality`: from a block to certainty (X13).
    """

    inclusion: timedelta
    skew: timedelta
    min_lead: timedelta
    finality: timedelta

    @property
    def activation(self) -> timedelta:
        """What an activation may take: included, and final."""
        return self.inclusion + self.finality


_WITHOUT_GRANT = timedelta(minutes=5)
"""Nobody waits longer than this for another try where nothing can be paid meanwhile."""


class Ladder(Enum):
    """The two ladders of failure (R7, R8): first step, last step, share of randomness."""

    TRANSPORT = (timedelta(seconds=10), timedelta(minutes=5), 0.5)
    REFUSED = (timedelta(hours=1), timedelta(hours=32), 0.0)


def ladder_of(error: RunnerError) -> Ladder:
    """Which ladder a failure climbs: what was refused does no better in ten seconds."""
    if isinstance(error, SignerUnavailable):
        return Ladder.TRANSPORT
    refused = isinstance(error, WalletRefused | GuardError | SignerError)
    return Ladder.REFUSED if refused else Ladder.TRANSPORT


def room(run_deadline: timedelta, margins: Margins) -> timedelta:
    """What a run needs before a grant's end: its deadline, inclusion, and skew (M9, R24)."""
    return run_deadline + margins.inclusion + margins.skew


def least_lead(run_room: timedelta, margins: Margins) -> timedelta:
    """R2: a renewal later than this before the end could not hand over in time."""
    return max(margins.min_lead, run_room + margins.activation)


def renewal_at(
    *,
    issued_at: datetime,
    expires_at: datetime,
    renew_before: timedelta | Decimal | None,
    run_room: timedelta,
    margins: Margins,
    seed: str,
) -> datetime:
    """
    When to ask for the next generation.

    Args:
        renew_before: A duration, a fraction of the life, or None for the rule R1: a third of a
            life of ten days or more, half of a shorter one.
        seed: `account/session/generation`; spreads renewals earlier only (R3).

    Returns:
        An instant between 20 % of the life (R2) and the least lead before its end.
    """
    life = expires_at - issued_at
    if renew_before is None:
        lead = life / 3 if life >= _LONG_LIFE else life / 2
    elif isinstance(renew_before, timedelta):
        lead = renew_before
    else:
        lead = timedelta(seconds=int(life.total_seconds() * float(renew_before)))
    lead = max(lead, least_lead(run_room, margins))
    most = life * 4 / 5
    spread = min(lead / 10, _MOST_JITTER)
    lead = min(lead + _fraction(seed) * spread, most)
    return expires_at - timedelta(seconds=int(lead.total_seconds()))


def may_serve(*, expires_at: datetime, now: datetime, run_room: timedelta) -> bool:
    """R6: whether something may still be prepared or first signed under this grant."""
    return expires_at - now >= run_room


def retry_after(
    ladder: Ladder,
    *,
    failures: int,
    life_left: timedelta | None,
    min_lead: timedelta,
    chance: float,
) -> timedelta:
    """
    How long to wait after the nth failure in a row (R7 to R9).

    Args:
        failures: 1 for the first.
        life_left: Of the grant in service; None: there is none, so payments wait for this.
        chance: In [0, 1): how much of the step's random share is taken off.
    """
    first, last, share = ladder.value
    step: timedelta = min(first * 2 ** min(failures - 1, 20), last)
    step -= step * (share * chance)
    floor = min(timedelta(seconds=10), min_lead)
    most = _WITHOUT_GRANT if life_left is None else life_left / 10
    return max(min(step, most), floor)


def _fraction(seed: str) -> float:
    return int.from_bytes(keccak256(seed.encode())[:6], "big") / 2**48
