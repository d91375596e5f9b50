"""The next slot of every schedule, computed once and kept until it has passed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from threading import Lock

from runner.policy.model import Policy, Schedule
from runner.reporting.forecast import next_of
from runner.reporting.scripts import Upcoming
from runner.reporting.views import ScheduleView

_Key = tuple[datetime, tuple[int, ...]]


class Coming:
    """Asks the timetables of the policies in force."""

    def __init__(
        self, policies: Callable[[], Sequence[Policy]], now: Callable[[], datetime]
    ) -> None:
        self._policies = policies
        self._now = now
        self._lock = Lock()
        self._known: dict[str, tuple[Schedule, _Key, Upcoming | None]] = {}

    def of(self, rows: Iterable[ScheduleView], *, every: bool = True) -> dict[str, Upcoming | None]:
        """
        By uid; a slot that is due and not decided yet is still to come.

        Args:
            rows: What the ledger knows of schedules.
            every: Also those of the policies that are not among these.
        """
        known = {row.uid: row for row in rows}
        now, found = self._now(), {}
        with self._lock:
            for policy in self._policies():
                for spec in policy.schedules.values():
                    if not every and spec.uid not in known:
                        continue
                    found[spec.uid] = self._next(spec, known.get(spec.uid), now)
        return found

    def _next(self, spec: Schedule, row: ScheduleView | None, now: datetime) -> Upcoming | None:
        if spec.suspend or (row is not None and row.state == "completed"):
            return None
        anchor = now if row is None else row.anchor
        after = now if row is None else min(row.decided_until, now)
        paid = {} if row is None else {one.token: one.spent + one.reserved for one in row.total}
        key = (anchor, tuple(paid.values()))
        before = self._known.get(spec.uid)
        if before is not None and before[0] is spec and before[1] == key:
            slot = before[2]
            if slot is None or slot.due_at > after:
                return slot
        slot = next_of(spec, anchor=anchor, after=after, paid=paid)
        self._known[spec.uid] = (spec, key, slot)
        return slot
