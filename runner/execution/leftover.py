"""
What fell due under the policies that were in force until now, and nobody has decided (X17).

An edit moves a schedule's trigger, or takes the schedule out; the slots up to this moment are
still those of the old trigger. They are decided by it, and a payment of theirs is made by what the
new policy says (X6), or not at all where the schedule is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from runner.execution.contexts import ScheduleContext
from runner.execution.due import DueSlots
from runner.planning.applied import read_record
from runner.planning.renames import identified
from runner.policy.fingerprint import trigger_text
from runner.policy.model import Schedule
from runner.ports import Ledger
from runner.records import Claim, ScheduleState
from runner.scheduling.occurrence import Reason, State


class Leftovers:
    """
    Decides them, before the new policies are in force.

    Args:
        schedules: Those of the new policies.
        triggers: Theirs, as the ledger has them.
        decide_at: Up to when slots are decided (X10), of one that is gone by the most careful of
            all clocks; None: nothing can be.
    """

    def __init__(
        self,
        schedules: Mapping[str, ScheduleContext],
        triggers: Mapping[str, str],
        ledger: Ledger,
        *,
        decide_at: Callable[[ScheduleContext | None], datetime | None],
    ) -> None:
        self._schedules = schedules
        self._triggers = triggers
        self._ledger = ledger
        self._decide_at = decide_at

    async def decide(self) -> tuple[list[Claim], dict[str, datetime]]:
        """The decisions, in order, and by schedule how far they go."""
        changed = await self._ledger.superseded(self._triggers)
        claims: list[Claim] = []
        until: dict[str, datetime] = {}
        if not changed:
            return claims, until
        for spec in await self._applied(changed):
            state = changed[spec.uid]
            if trigger_text(spec) != state.trigger:
                continue  # not the revision that was in force
            found = self._of(spec, state)
            if found is not None:
                claims += found[0]
                until[spec.uid] = found[1]
        return claims, until

    async def _applied(self, changed: Mapping[str, ScheduleState]) -> list[Schedule]:
        """The changed schedules as they were applied; none of a record that cannot be read."""
        names = {uid.partition("/")[0] for uid in changed}
        texts = await self._ledger.applied_texts(sorted(names))
        read = [read_record(text, name) for name, text in texts.items()]
        old = identified([one for one in read if one is not None], await self._ledger.identities())
        return [spec for policy in old for spec in policy.schedules.values() if spec.uid in changed]

    def _of(self, spec: Schedule, state: ScheduleState) -> tuple[list[Claim], datetime] | None:
        now = self._schedules.get(spec.uid)
        context = now or next(iter(self._schedules.values()), None)
        decide_at = self._decide_at(now)
        if context is None or decide_at is None:
            return None
        due = DueSlots(
            replace(context, spec=spec),
            anchor=state.anchor,
            decided_until=state.decided_until,
        )
        claims, until = due.decide(decide_at)
        return (claims if now is not None else list(_removed(claims, state))), until


def _removed(claims: list[Claim], state: ScheduleState) -> Iterator[Claim]:
    """Nothing is paid any more; what was too late anyhow keeps its reason."""
    for one in claims:
        claim = Claim(
            schedule=state.uid,
            slot=one.slot,
            due_at=one.due_at,
            decision=one.decision,
            reason=one.reason,
            by_slot=one.by_slot,
            session=state.session,
            count=one.count,
            last_slot=one.last_slot,
            last_due_at=one.last_due_at,
        )
        paying = one.decision is State.CLAIMED
        gone = replace(claim, decision=State.SKIPPED, reason=Reason.REMOVED)
        yield gone if paying else claim
