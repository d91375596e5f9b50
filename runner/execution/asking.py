"""
Approvals that are asked for before they are due (B9).

Only amounts that are known beforehand can be asked about; computed ones are asked when resolved.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from itertools import islice

from runner.execution.contexts import ScheduleContext
from runner.execution.due import DueSlots
from runner.execution.executor import Executor
from runner.planning.consent import above
from runner.planning.renames import title
from runner.ports import Ledger, Telemetry

_AHEAD = 20
"""So many of a schedule's slots may be asked for before they are due: nobody reads thousands."""


def asks_ahead(schedule: ScheduleContext) -> bool:
    """Whether a person has to approve runs of a schedule, by amounts that are known beforehand."""
    spec, shared = schedule.spec, schedule.session.spec.above
    if not spec.approve_above and shared is None:
        return False
    if schedule.is_computed or spec.suspend:
        return False
    return any(above(spec, schedule.most.lines, shared))


class Asking:
    """The ledger keeps what was asked; here is how far each schedule was looked at."""

    def __init__(self, *, ledger: Ledger, telemetry: Telemetry) -> None:
        self._ledger = ledger
        self._telemetry = telemetry
        self._asked: defaultdict[str, list[datetime]] = defaultdict(list)
        """By schedule: the coming due times that people were asked about."""

    async def ask(self, executor: Executor, due: DueSlots, *, now: datetime) -> None:
        """Ask about the slots of one schedule that a person has to approve."""
        schedule = executor.schedule
        if not asks_ahead(schedule):
            return
        if await self._ledger.paused(schedule.uid, now=now) is not None:
            return
        asked = self._asked[schedule.uid] = [at for at in self._asked[schedule.uid] if at > now]
        coming = due.coming(max(asked, default=now), now + schedule.spec.approval_lead)
        slots = list(islice(coming, _AHEAD - len(asked)))
        name = title(schedule.spec)
        for one in await self._ledger.ask_ahead(await executor.questions(slots), now=now):
            self._telemetry.emit(
                "approval.asked",
                level="warning",
                schedule=schedule.uid,
                slot=one.slot,
                due_at=one.due_at,
                detail=one.detail,
                hint=f"approve it: runner runs approve {name}@{one.slot} --reason …",
            )
        asked += [slot.due_at for slot in slots]
