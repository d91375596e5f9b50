"""
What the engine would do, by arithmetic alone: nothing is prepared, signed or sent (M13).

Each slot is decided by the rules that the ledger and the executor keep, in the order in which
they keep them; a run that can be paid is paid at once, one that cannot waits until its window
ends, and fails. What only a chain could tell, such as a contract that reverts, is not foreseen.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Protocol

from runner.execution.contexts import ScheduleContext, SessionContext
from runner.execution.due import waiting_places
from runner.execution.forecast_grants import (
    Generation,
    SessionForecast,
    named_allowances,
    symbols,
)
from runner.guard.budget import Reservation
from runner.guard.intent import NATIVE
from runner.policy.model import OverlapKind
from runner.reporting.foresight.model import GrantLife, Outcome, moved
from runner.scheduling.lateness import window_end
from runner.scheduling.occurrence import Reason, Slot, State
from runner.scheduling.triggers import timetable

_MICROSECOND = timedelta(microseconds=1)
_PAYMENT = timedelta(seconds=1)
"""How long a payment takes where a block comes each second."""

_DAY = timedelta(days=1)
_TELL_EVERY = 1_000


class _Schedule:
    """A schedule on its way through the window."""

    def __init__(
        self, context: ScheduleContext, *, account: str, fee: int, start: datetime
    ) -> None:
        self.context = context
        self.spec = context.spec
        self.session = context.session.uid
        self.outlives_days = context.session.spec.lifetime > _DAY
        self.on_no_grant = context.session.spec.on_no_grant
        self.account = account
        self.table = timetable(context.spec, anchor=start)
        self.lines = context.most.lines
        self.sums = context.most.sums
        self.fee = fee
        leaves = {token: moved(self.lines, token) for token in self.sums}
        if fee:
            leaves[NATIVE] = leaves.get(NATIVE, 0) + fee
        self.leaves = {token: amount for token, amount in leaves.items() if amount}
        self.exclusive = context.spec.overlap.kind is not OverlapKind.ALLOW
        self.places = waiting_places(context.spec)
        self.limited = bool(context.reservations(due_at=start, slot="any"))
        self.runs = self.failures = self.open = 0
        self.waiting: list[_Run] = []
        self.is_paused = False
        self.over_at: datetime | None = None

    def wanted(self, slot: Slot) -> tuple[Reservation, ...]:
        """What a run of this slot takes of budgets."""
        if not self.limited:
            return ()
        return self.context.reservations(due_at=slot.due_at, slot=slot.text)


class Book(Protocol):
    """What budgets hold, by the rules of the ledger; runs are named by any text."""

    def fits(self, wanted: Sequence[Reservation]) -> bool:
        """Whether all of these stay within their limits."""
        ...

    def used_up(self, one: Reservation, open_runs: Collection[str]) -> bool:
        """Whether this will never fit again, whatever becomes of the open runs."""
        ...

    def reserve(self, run: str, wanted: Sequence[Reservation]) -> None:
        """Take these amounts."""
        ...

    def release(self, run: str) -> None:
        """Give back what a run has taken."""
        ...


@dataclass(slots=True)
class _Run:
    """A slot that is ours."""

    schedule: _Schedule
    slot: Slot

    @property
    def name(self) -> str:
        """What the book of budgets knows it by."""
        return f"{self.schedule.spec.uid}@{self.slot.text}"

    @property
    def expires_at(self) -> datetime:
        """The end of its catch-up window; most runs never ask."""
        return window_end(self.schedule.spec, self.schedule.table, self.slot)


@dataclass(slots=True)
class _Deferred:
    """A run that begins with the end of a blackout (B1)."""

    run: _Run


@dataclass(slots=True)
class _Row:
    outcome: Outcome
    count: int = 1
    last_due_at: datetime | None = None


class Forecast:
    """
    One forecast over [start, end).

    Args:
        granted_at: When the first generation of each session is asked for.
        book: Of budgets; empty.
        account_of: The purse of each account, where several names stand for one (by uid).
        opening: What each purse holds, by account and token, in base units.
        fee: Wei that one operation costs where the account pays for it.
        compact: Whether like outcomes of one day become one with a count.
        progress: Told now and then how many slots are decided.
    """

    def __init__(
        self,
        schedules: Mapping[str, ScheduleContext],
        sessions: Mapping[str, SessionContext],
        *,
        start: datetime,
        end: datetime,
        granted_at: datetime,
        book: Book,
        account_of: Mapping[str, str],
        opening: Mapping[tuple[str, str], int],
        fee: int,
        compact: bool,
        progress: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self._start = start
        self._end = end
        self._compact = compact
        self._progress = progress
        self._balances = defaultdict(int, opening)
        self._book = book
        self._open: set[str] = set()
        self._accounts = {uid: account_of[_account(one)] for uid, one in sessions.items()}
        self._fees = {uid: _fee(one, fee) for uid, one in sessions.items()}
        self._granted_at = granted_at
        self._sessions = {
            uid: SessionForecast(s, now=granted_at, is_over=partial(self._session_over, uid))
            for uid, s in sessions.items()
        }
        self._schedules = {
            uid: _Schedule(
                one,
                account=self._accounts[one.session.uid],
                fee=self._fees[one.session.uid],
                start=start,
            )
            for uid, one in schedules.items()
        }
        before = start - _MICROSECOND
        self._slots = {uid: one.table.slots(before) for uid, one in self._schedules.items()}
        self._agenda: list[tuple[datetime, int, str, int, Slot | _Run | _Deferred]] = []
        self._turn = 0
        self._rows: dict[object, _Row] = {}

    def run(self) -> tuple[tuple[Outcome, ...], tuple[GrantLife, ...]]:
        """Go through the window; slots in the order in which they fire."""
        for uid in self._schedules:
            self._next_slot(uid, self._granted_at)
        done = 0
        while self._agenda:
            now, _, uid, _, what = heapq.heappop(self._agenda)
            one = self._schedules[uid]
            if isinstance(what, _Run):
                self._close(one, what, now)
                continue
            if isinstance(what, _Deferred):
                one.open -= 1
                self._begin(one, what.run, now)
                self._go_on(one, now)
                continue
            self._decide(one, what, now)
            self._next_slot(uid, now)
            done += 1
            if done % _TELL_EVERY == 0:
                self._progress(done)
        return self._outcomes(), self._grants()

    # ── the calendar ──────────────────────────────────────────────────────────────────────────

    def _next_slot(self, uid: str, now: datetime) -> None:
        one = self._schedules[uid]
        slot = None if one.over_at else next(self._slots[uid], None)
        if slot is None:
            one.over_at = one.over_at or now
        elif slot.due_at < self._end:
            self._put(slot.fire_at, 1, uid, slot)

    def _session_over(self, uid: str, now: datetime) -> bool:
        """T9: all schedules of a session are completed: its grant is not renewed."""
        mine = [one.over_at for one in self._schedules.values() if one.session == uid]
        return bool(mine) and all(at is not None and at <= now for at in mine)

    def _put(self, at: datetime, rank: int, uid: str, what: Slot | _Run | _Deferred) -> None:
        # What ends at an instant makes room for what begins then.
        self._turn += 1
        heapq.heappush(self._agenda, (at, rank, uid, self._turn, what))

    # ── one slot ──────────────────────────────────────────────────────────────────────────────

    def _decide(self, one: _Schedule, slot: Slot, now: datetime) -> None:
        wanted = one.wanted(slot)
        if self._is_over(one, wanted):
            one.over_at = now
        elif slot.verdict is not None:
            self._note(one, slot, slot.closes_as or State.SKIPPED, slot.verdict)
        elif one.spec.suspend or one.is_paused:
            self._note(one, slot, State.SKIPPED, Reason.PAUSED)
        else:
            self._claim(one, slot, wanted, now)

    def _is_over(self, one: _Schedule, wanted: tuple[Reservation, ...]) -> bool:
        """T9: it has run as often as it may, or paid all that it shall."""
        if one.spec.max_runs is not None and one.runs >= one.spec.max_runs:
            return True
        return any(each.ends and self._book.used_up(each, self._open) for each in wanted)

    def _claim(
        self, one: _Schedule, slot: Slot, wanted: tuple[Reservation, ...], now: datetime
    ) -> None:
        fits = self._book.fits(wanted)
        behind = one.exclusive and one.open > 0
        against = _against(one, fits=fits, behind=behind)
        if against is not None:
            self._note(one, slot, State.SKIPPED, against)
            return
        one.runs += 1
        run = _Run(one, slot)
        if fits and wanted:
            self._book.reserve(run.name, wanted)
        if behind:
            self._stand_behind(one, run, now)
        elif fits:
            self._begin(one, run, now)
        else:
            self._wait(one, run, Reason.BUDGET)

    def _stand_behind(self, one: _Schedule, run: _Run, now: datetime) -> None:
        if one.places == 0:  # buffer_one: the newest slot takes the only place
            for older in one.waiting:
                self._book.release(older.name)
                self._open.discard(older.name)
                self._note(one, older.slot, State.SUPERSEDED, Reason.OVERLAP, ended_at=now)
            one.waiting.clear()
        one.waiting.append(run)
        self._open.add(run.name)

    def _begin(self, one: _Schedule, run: _Run, now: datetime) -> None:
        dark_until = one.table.blackouts.until(now)
        if dark_until is not None and dark_until >= run.expires_at:
            self._wait(one, run, Reason.BLACKOUT)
            return
        if dark_until is not None:
            one.open += 1
            self._open.add(run.name)
            self._put(dark_until, 0, one.spec.uid, _Deferred(run))
            return
        session = self._sessions[one.session]
        generation, at = session.carrier(one.context.room, one.sums, now)
        if generation is None and one.on_no_grant != "hold" and not session.serves(now):
            state = State.SKIPPED if one.on_no_grant == "skip" else State.MISSED
            self._end_run(one, run, state, Reason.GRANT, now)
        elif generation is None or (at > now and at >= run.expires_at):
            self._wait(one, run, Reason.GRANT)
        elif any(self._balances[one.account, t] < amount for t, amount in one.leaves.items()):
            self._wait(one, run, Reason.PREFLIGHT, generation.number)
        else:
            self._pay(one, run, generation, at)

    def _pay(self, one: _Schedule, run: _Run, generation: Generation, at: datetime) -> None:
        for token, amount in one.leaves.items():
            self._balances[one.account, token] -= amount
        self._sessions[one.session].take(generation, one.sums, at)
        self._open.discard(run.name)
        one.failures = 0
        self._note(
            one,
            run.slot,
            State.SUCCESS,
            None,
            generation=generation.number,
            ended_at=at + _PAYMENT,
        )

    # ── what cannot be paid ───────────────────────────────────────────────────────────────────

    def _wait(
        self, one: _Schedule, run: _Run, reason: Reason, generation: int | None = None
    ) -> None:
        """Held until its window ends; nothing is foreseen that would help it."""
        one.open += 1
        self._open.add(run.name)
        end = run.expires_at
        self._note(one, run.slot, State.MISSED, reason, ended_at=end, generation=generation)
        self._put(end, 0, one.spec.uid, run)

    def _close(self, one: _Schedule, run: _Run, now: datetime) -> None:
        one.open -= 1
        self._book.release(run.name)
        self._open.discard(run.name)
        self._failed(one)
        if one.is_paused:
            self._strand(one)
        self._go_on(one, now)

    def _go_on(self, one: _Schedule, now: datetime) -> None:
        """What waited behind a run that is over takes its turn (M7)."""
        while one.waiting and not (one.exclusive and one.open):
            following = one.waiting.pop(0)
            if now >= following.expires_at:
                self._end_run(one, following, State.MISSED, Reason.OVERLAP, now)
            else:
                self._begin(one, following, now)

    def _strand(self, one: _Schedule) -> None:
        """Nothing is promoted while paused: what waits ends with its window (M8, M10)."""
        for run in one.waiting:
            self._end_run(one, run, State.MISSED, Reason.OVERLAP, run.expires_at)
        one.waiting.clear()

    def _end_run(
        self, one: _Schedule, run: _Run, state: State, reason: Reason, now: datetime
    ) -> None:
        self._book.release(run.name)
        self._open.discard(run.name)
        self._note(one, run.slot, state, reason, ended_at=now)
        if state is State.MISSED:
            self._failed(one)

    @staticmethod
    def _failed(one: _Schedule) -> None:
        one.failures += 1
        most = one.spec.pause_after_failures
        if most and one.failures >= most:  # M10
            one.is_paused = True

    # ── the result ────────────────────────────────────────────────────────────────────────────

    def _note(
        self,
        one: _Schedule,
        slot: Slot,
        state: State,
        reason: Reason | None,
        *,
        ended_at: datetime | None = None,
        generation: int | None = None,
    ) -> None:
        local_day = date.fromisoformat(slot.local[:10])
        key: object = (one.spec.uid, slot.text)
        if self._compact:
            if not one.outlives_days:  # many grants a day: nobody looks at each
                generation = None
            key = (one.spec.uid, local_day, state, reason, generation)
            row = self._rows.get(key)
            if row is not None:
                row.count += 1
                row.last_due_at = slot.due_at
                return
        self._rows[key] = _Row(
            Outcome(
                schedule=one.spec.uid,
                session=one.session,
                account=one.account,
                slot=slot.text,
                due_at=slot.due_at,
                local_day=local_day,
                state=state.value,
                reason=None if reason is None else reason.value,
                ended_at=ended_at or slot.fire_at,
                lines=one.lines,
                generation=generation,
                fee=one.fee,
            )
        )

    def _outcomes(self) -> tuple[Outcome, ...]:
        made = (
            row.outcome
            if row.count == 1
            else replace(row.outcome, count=row.count, last_due_at=row.last_due_at)
            for row in self._rows.values()
        )
        return tuple(sorted(made, key=lambda one: (one.due_at, one.schedule)))

    def _grants(self) -> tuple[GrantLife, ...]:
        names = symbols(one.context for one in self._schedules.values())
        found = []
        for uid, session in sorted(self._sessions.items()):
            if self._session_over(uid, self._granted_at):
                continue
            session.renew_up_to(self._end - _MICROSECOND)
            found += [
                GrantLife(
                    session=uid,
                    account=self._accounts[uid],
                    generation=one.number,
                    state="active" if one is session.newest else "replaced",
                    requested_at=one.requested_at,
                    active_at=one.active_at,
                    served_until=one.served_until,
                    expires_at=one.expires_at,
                    next_renewal_at=one.renewal_at,
                    allowances=named_allowances(session.context, names),
                    fee=self._fees[uid],
                )
                for one in session.generations
                if one.requested_at < self._end
            ]
        return tuple(found)


def _against(one: _Schedule, *, fits: bool, behind: bool) -> Reason | None:
    """Why a slot is skipped; in the order in which the ledger judges (M7, X14)."""
    if behind and one.places is None:
        return Reason.OVERLAP
    if not fits and (behind or one.spec.on_budget == "skip"):
        return Reason.BUDGET
    if behind and one.places and len(one.waiting) >= one.places:
        return Reason.OVERLAP
    return None


def _account(session: SessionContext) -> str:
    return f"{session.spec.policy}/{session.account.spec.name}"


def _fee(session: SessionContext, fee: int) -> int:
    return 0 if session.account.gas_policy is not None else fee
