"""
What people should know about a session's grant: never by days left alone, always by what follows.

Pure: the keeper of a session asks at each of its looks, and says each thing once per cause.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum

from runner.frozen import frozen

_OVERDUE_FAILURES = 3
_FEW = 2
"""Slots or runs; fewer than these are few."""


class Alert(StrEnum):
    """By the names that SEMANTICS has for them."""

    RENEWAL_OVERDUE = "RenewalOverdue"
    GRANT_CRITICAL = "GrantCritical"
    ALLOWANCE_LOW = "AllowanceLow"
    OWNER_ACTION_NEEDED = "OwnerActionNeeded"


@frozen
class GrantSituation:
    """
    A grant in service.

    Attributes:
        failures: Attempts in a row that did not bring its successor.
        covered: Slots that still fall due while runs may begin under it (R6).
        runs_left: Of the dearest kind of run, those that its allowances hold; None: no allowance.
        coming: Slots that fall due before it is to be renewed.
    """

    requested_at: datetime
    expires_at: datetime
    next_renewal_at: datetime | None
    failures: int
    covered: int
    runs_left: int | None
    coming: int


@frozen
class Raised:
    """An alert, how much it matters, and why."""

    alert: Alert
    level: str
    why: str


def grant_alerts(at: GrantSituation, now: datetime) -> Iterator[Raised]:
    """Everything that is so now."""
    life, left = at.expires_at - at.requested_at, at.expires_at - now
    late = at.next_renewal_at is not None and now > at.next_renewal_at + life / 10
    overdue = late or at.failures >= _OVERDUE_FAILURES
    if overdue:
        why = f"{at.failures} attempts have failed" if at.failures else "nothing has come of it"
        yield Raised(Alert.RENEWAL_OVERDUE, "warning", f"it should have been renewed: {why}")
    if overdue and (left < life / 5 or at.covered < _FEW):
        why = f"{at.covered} more slots are covered by the grant, which ends in {_span(left)}"
        yield Raised(Alert.GRANT_CRITICAL, "critical", why)
    if at.runs_left is not None and at.runs_left < _FEW and at.coming > at.runs_left:
        why = f"its allowance holds {at.runs_left} more runs, and {at.coming} slots are to come"
        yield Raised(Alert.ALLOWANCE_LOW, "warning", why)


def owner_action(asked_at: datetime, needed_by: datetime, now: datetime) -> Raised:
    """How loudly a person is asked to sign: at request, at half and at 80 % of the time, rising."""
    share = (now - asked_at) / max(needed_by - asked_at, timedelta(seconds=1))
    level = "critical" if share >= 0.8 else "warning" if share >= 0.5 else "info"
    why = f"the owner's signature is needed within {_span(needed_by - now)}"
    if needed_by <= now:
        level, why = "critical", "the owner's signature is overdue: payments wait for it"
    return Raised(Alert.OWNER_ACTION_NEEDED, level, why)


def owner_looks(asked_at: datetime, needed_by: datetime) -> tuple[datetime, datetime]:
    """When an unanswered request becomes louder."""
    time = needed_by - asked_at
    return asked_at + time / 2, asked_at + time * 4 / 5


def _span(left: timedelta) -> str:
    seconds = max(int(left.total_seconds()), 0)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
