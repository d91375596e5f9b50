"""From the calendar to the ledger: what came due of one schedule, decided, ready to be claimed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from runner.execution.contexts import ScheduleContext
from runner.frozen import changed, frozen
from runner.policy.model import CatchUp, OverlapKind, Schedule
from runner.records import Claim
from runner.scheduling.lateness import (
    Decision,
    RangeDecision,
    decide_since,
    decided_until,
    window_end,
)
from runner.scheduling.occurrence import Reason, Slot, State
from runner.scheduling.triggers import timetable

_NO_BOUND = 1_000_000

_TICK = timedelta(seconds=2)
"""A slot decided later than this after it fired found nobody looking (M1)."""

_MICROSECOND = timedelta(microseconds=1)


@frozen
class _Ahead:
    """
    How a slot is claimed by whoever looks between two moments: from its firing on, until it is
    late or another one fires.
    """

    claim: Claim
    since: datetime
    until: datetime


class DueSlots:
    """
    One schedule's place on its calendar; the ledger holds the same place (M3).

    Slots due at `until` or later are known, since the ones before are judged by them, but nobody
    decides them here.
    """

    __slots__ = (
        *("_ahead", "_coming", "_decided_until", "_looked_ahead", "_schedule"),
        *("_table", "_until"),
    )

    def __init__(
        self,
        schedule: ScheduleContext,
        *,
        anchor: datetime,
        decided_until: datetime,
        until: datetime | None = None,
    ) -> None:
        self._schedule = schedule
        self._until = until
        self._table = timetable(schedule.spec, anchor=anchor)
        self._decided_until = decided_until
        self._coming: tuple[Slot, ...] | None = None
        """The first slots behind that place, as far as they were asked for; None: not yet."""

        self._ahead: _Ahead | None = None
        self._looked_ahead = False

    def next_slot(self) -> Slot | None:
        """The slot that comes next; None when there is none left."""
        if self._coming is None:
            self._coming = self._table.first(self._decided_until, 1)
        return self._coming[0] if self._coming else None

    @property
    def is_looked_at(self) -> bool:
        """Whether `look_ahead` has nothing to do."""
        return self._looked_ahead

    def look_ahead(self) -> None:
        """
        Decide the next slot before it fires, as far as that depends on policy and calendar alone.

        `decide` takes it as long as it holds. A slot that is found late, does not fire, or is not
        the only one is decided when it is found.
        """
        self._coming = self._table.first(self._decided_until, 2)
        self._ahead = self._foreseen(*self._coming)
        self._looked_ahead = True

    def _foreseen(self, slot: Slot | None = None, following: Slot | None = None) -> _Ahead | None:
        if slot is None or slot.verdict is not None or self.is_beyond(slot):
            return None
        until = slot.fire_at + min(_TICK, self._schedule.spec.start_grace)
        if following is not None:
            until = min(until, following.fire_at - _MICROSECOND)
        claim = self._claim(Decision(slot, State.CLAIMED), slot.fire_at, following)
        return _Ahead(claim, slot.fire_at, until)

    def count(self, after: datetime, until: datetime) -> int:
        """How many slots that fire are due in (after, until] and not decided yet."""
        slot = self.next_slot()
        if slot is None or slot.due_at > until:  # of many schedules, most
            return 0
        return self._table.count(max(after, self._decided_until), until)

    def decide(self, now: datetime) -> tuple[list[Claim], datetime]:
        """
        Everything that fired up to `now`, decided, and the place that the calendar has then.

        Nothing here is remembered until `decided` says that the ledger has it.
        """
        first = self.next_slot()
        if first is None or now < first.fire_at:
            return [], self._decided_until
        if not self._looked_ahead:
            self.look_ahead()
        ahead = self._ahead
        if ahead is not None and ahead.since <= now <= ahead.until:
            return [self._at(now, ahead.claim)], ahead.claim.due_at
        spec = self._schedule.spec
        decisions = decide_since(
            self._table,
            self._decided_until,
            now,
            start_grace=spec.start_grace,
            catch_up=spec.catch_up,
            catch_up_window=spec.catch_up_window,
        )
        decisions = [
            one
            for one in decisions
            if isinstance(one, RangeDecision) or not self.is_beyond(one.slot)
        ]
        claims = [
            self._range(one) if isinstance(one, RangeDecision) else self._claim(one, now)
            for one in decisions
        ]
        return claims, decided_until(decisions) or self._decided_until

    def coming(self, after: datetime, until: datetime) -> Iterator[Slot]:
        """The slots that will fire, due after one moment and not after another."""
        for slot in self._table.slots(after):
            if slot.due_at > until or self.is_beyond(slot):
                return
            if slot.verdict is None:
                yield slot

    def decided(self, until: datetime) -> None:
        """The ledger has taken the decisions up to here."""
        if until <= self._decided_until:
            return
        self._decided_until = until
        rest = tuple(slot for slot in self._coming or () if slot.due_at > until)
        self._coming, self._ahead, self._looked_ahead = rest or None, None, False

    def is_beyond(self, slot: Slot) -> bool:
        """Whether nobody decides a slot here."""
        return self._until is not None and slot.due_at >= self._until

    def _at(self, now: datetime, claim: Claim) -> Claim:
        """A claim decided ahead, at the moment at which it is made."""
        if claim.deadline_at is None:
            return claim
        return changed(claim, deadline_at=now + self._schedule.run_deadline)

    def _claim(self, decision: Decision, now: datetime, following: Slot | None = None) -> Claim:
        spec, slot = self._schedule.spec, decision.slot
        claim = Claim(
            schedule=spec.uid,
            slot=slot.text,
            due_at=slot.due_at,
            decision=decision.state,
            reason=decision.reason,
            by_slot=decision.by,
            session=self._schedule.session.uid,
        )
        if decision.state is not State.CLAIMED:
            return claim
        if spec.suspend:
            return changed(claim, decision=State.SKIPPED, reason=Reason.PAUSED)
        # M1, M5: slots that fired while nobody looked are all ours and wait for each other; it is
        # not their predecessor's slowness, which an overlap rule would skip.
        unattended = now - slot.fire_at > _TICK
        buffer = _NO_BOUND if unattended else waiting_places(spec)
        together = spec.overlap.kind is OverlapKind.ALLOW
        late = spec.catch_up is CatchUp.ALL and now - slot.fire_at > spec.start_grace
        return changed(
            claim,
            exclusive=late or not together,
            buffer=buffer,
            max_runs=spec.max_runs,
            pace=self._schedule.pace if late or not together else None,
            deadline_at=now + self._schedule.run_deadline,
            expires_at=window_end(spec, self._table, slot, following),
            reservations=self._schedule.reservations(due_at=slot.due_at, slot=slot.text),
            on_budget=spec.on_budget,
        )

    def _range(self, decision: RangeDecision) -> Claim:
        return Claim(
            schedule=self._schedule.uid,
            slot=decision.from_slot.text,
            due_at=decision.from_slot.due_at,
            decision=decision.state,
            reason=decision.reason,
            by_slot=decision.by,
            session=self._schedule.session.uid,
            count=decision.count,
            last_slot=decision.to_slot.text,
            last_due_at=decision.to_slot.due_at,
        )


def waiting_places(spec: Schedule) -> int | None:
    """How many slots may wait behind a running one (M7), as `Claim.buffer` has it."""
    if spec.overlap.kind is OverlapKind.BUFFER_ONE:
        return 0
    if spec.overlap.kind is OverlapKind.BUFFER_ALL:
        return spec.overlap.most or _NO_BOUND
    return None
