"""What a verb would do: looked up before anybody says yes to it, and again when they do."""

from __future__ import annotations

import hashlib
from datetime import datetime

from runner.adapters.sql import pages, questions, reading
from runner.adapters.sql.questions import Unpaid
from runner.dashboard.views import Missing, Terms, Web, terms
from runner.errors import UsageError
from runner.frozen import frozen
from runner.records import LIVING_GRANTS, Pause, PauseScope
from runner.reporting.text import in_all
from runner.reporting.views import GrantView, OccurrenceView


@frozen
class Backfill:
    """What is left to pay of a stretch of the past."""

    schedule: str
    start: datetime
    end: datetime
    unpaid: Unpaid
    cost: str

    @property
    def names(self) -> list[str]:
        """Its slots, by name."""
        return [one.text for one in self.unpaid.slots]

    @property
    def digest(self) -> str:
        """Differs from what was shown where other slots are left by now."""
        return hashlib.sha256("\n".join((self.cost, *self.names)).encode()).hexdigest()


def backfill(web: Web, schedule: str, start: datetime, end: datetime) -> Backfill:
    """
    The slots due in [start, end), and until now, that were not paid.

    Raises:
        Missing: no policy in force has this schedule.
        UsageError: it was never applied, or they are too many to look through.
    """
    known = _known(web, schedule)
    end = min(end, web.source.now())
    if start >= end:
        raise UsageError("a stretch of the past has a beginning before its end")
    with web.source.ledger() as c:
        row = pages.schedule(c, schedule)
        if row is None:
            raise UsageError(f"{schedule} was never applied")
        found = questions.unpaid(c, known.spec, row, start=start, end=end)
    cost = in_all(known.most.lines, len(found.slots))
    return Backfill(schedule, start, end, found, cost)


def _known(web: Web, schedule: str) -> Terms:
    known = terms(web).get(schedule)
    if known is None:
        raise Missing(f"no policy in force has schedule {schedule[:120]}")
    return known


@frozen
class Skipped:
    """What a pause has skipped of one schedule."""

    schedule: str
    slots: tuple[OccurrenceView, ...]
    cost: str
    newest: str

    def chosen(self, catch_up: str) -> list[str]:
        """The names of the slots to pay: the newest, or all."""
        return [one.slot for one in (self.slots if catch_up == "all" else self.slots[-1:])]


def skipped(web: Web, scope: PauseScope, target: str) -> list[Skipped]:
    """By schedule, with what it would cost to pay it; nothing where nothing is paused (X20)."""
    with web.source.ledger() as c:
        paused = [one for one in reading.pauses(c) if (one.scope, one.target) == (scope, target)]
        if not paused:
            return []
        covered = reading.schedules_under(c, scope, target)
        found = reading.skipped_since(c, covered, paused[0].since)
    known = terms(web)
    return [
        Skipped(
            uid,
            tuple(slots),
            in_all(known[uid].most.lines, len(slots)),
            in_all(known[uid].most.lines, 1),
        )
        for uid, slots in sorted(found.items())
        if uid in known
    ]


def living(web: Web) -> list[GrantView]:
    """Every generation that could still sign: what `stop --revoke-all` takes off (O9)."""
    with web.source.ledger() as c:
        return [one for one in reading.grants(c) if one.state in LIVING_GRANTS]


def stopped(web: Web) -> Pause | None:
    """The stop in force (O8)."""
    with web.source.ledger() as c:
        return next((one for one in reading.pauses(c) if one.scope is PauseScope.STOP), None)
