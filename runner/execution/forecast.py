"""
What the engine would do, by arithmetic alone: nothing is prepared, signed or sent (M13).

Each slot is decided by the rules that the ledger and the executor keep, in the order in which
they keep them; a run that can be paid is paid at once, one that cannot waits until its window
ends and fails. What only a chain could tell, such as a contract that reverts, is not foreseen.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from runner.execution.contexts import ScheduleContext, SessionContext, allowances
from runner.execution.due import waiting_places, window_end
from runner.guard.budget import Reservation
from runner.guard.intent import NATIVE
from runner.planning.renewal import may_serve, renewal_at
from runner.policy.model import OverlapKind
from runner.reporting.foresight.model import Allowance, GrantLife, Outcome, moved
from runner.scheduling.occurrence import Reason, Slot, State
from runner.scheduling.triggers import Timetable, timetable

_MICROSECOND = timedelta(microseconds=1)
_ACTIVATION = timedelta(seconds=2)
_PAYMENT = timedelta(seconds=1)
"""How long an activation and a payment take where a block comes each second."""


@dataclass(slots=True)
class _Generation:
    number: int
    requested_at: datetime
    active_at: datetime
    expires_at: datetime
    renewal_at: datetime
    served_until: datetime | None = None
    taken: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class _Session:
    """A session's generations, one after the other."""

    def __init__(self, context: SessionContext, *, now: datetime) -> None:
        self.context = context
        self.allowances = allowances(context.permissions)
        self.generations = [self._generation(1, now)]

    @property
    def newest(self) -> _Generation:
        return self.generations[-1]

    def renew_up_to(self, now: datetime) -> None:
        """Obtain every generation that is due by a moment."""
        while self.context.spec.renew == "auto" and self.newest.renewal_at <= now:
            self._renew(self.newest.renewal_at)

    def usable(self, room: timedelta, now: datetime) -> _Generation | None:
        """The generation that carries a run now (R6)."""
        self.renew_up_to(now)
        for one in reversed(self.generations[-2:]):
            serves = one.active_at <= now and (one.served_until is None or now < one.served_until)
            if serves and may_serve(expires_at=one.expires_at, now=now, run_room=room):
                return one
        return None

    def holds(self, one: _Generation, sums: Mapping[str, int]) -> bool:
        """Whether what is left of its allowances holds a run (B6)."""
        return all(
            one.taken[token] + sums.get(token, 0) <= most for token, most in self.allowances.items()
        )

    def renew_early(self, now: datetime) -> datetime | None:
        """Ask for the next generation because this one is used up; when it serves (R2)."""
        one = self.newest
        if self.context.spec.renew == "off":
            return None
        if one.active_at > now:
            return one.active_at
        life = one.expires_at - one.requested_at
        self._renew(max(now, one.requested_at + life / 10))
        return self.newest.active_at

    def _renew(self, at: datetime) -> None:
        before = self.newest
        self.generations.append(self._generation(before.number + 1, at))
        before.served_until = min(self.newest.active_at, before.expires_at)

    def _generation(self, number: int, now: datetime) -> _Generation:
        issued = now.replace(microsecond=0)
        spec, account = self.context.spec, self.context.account
        return _Generation(
            number=number,
            requested_at=now,
            active_at=now + _ACTIVATION,
            expires_at=issued + spec.lifetime,
            renewal_at=renewal_at(
                issued_at=issued,
                expires_at=issued + spec.lifetime,
                renew_before=spec.renew_before,
                run_room=self.context.room,
                margins=self.context.venue.margins,
                seed=f"{account.address}/{spec.uid}/{number}",
            ),
        )


@dataclass(slots=True)
class _Run:
    slot: Slot
    expires_at: datetime
    reserved: tuple[Reservation, ...]


class _Schedule:
    """A schedule on its way through the window."""

    def __init__(self, context: ScheduleContext, *, start: datetime) -> None:
        self.context = context
        self.spec = context.spec
        self.table: Timetable = timetable(context.spec, anchor=start)
        self.sums = context.most.sums
        self.exclusive = context.spec.overlap.kind is not OverlapKind.ALLOW
        self.places = waiting_places(context.spec)
        self.runs = self.failures = self.open = 0
        self.waiting: list[_Run] = []
        self.is_paused = self.is_over = False


@dataclass(slots=True)
class _Row:
    outcome: Outcome
    count: int = 1
    last_due_at: datetime | None = None


class Forecast:
    """
    One forecast over [start, end).

    Args:
        account_of: The purse of each account, where several names stand for one (by uid).
        opening: What each purse holds, by account and token, in base units.
        fee: Wei that one operation costs where the account pays for it.
        compact: Whether like outcomes of one day become one with a count.
    """

    def __init__(
        self,
        schedules: Mapping[str, ScheduleContext],
        sessions: Mapping[str, SessionContext],
        *,
        start: datetime,
        end: datetime,
        granted_at: datetime,
        account_of: Mapping[str, str],
        opening: Mapping[tuple[str, str], int],
        fee: int,
        compact: bool,
        progress: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self._start = start
        self._end = end
        self._account_of = account_of
        self._balances = dict(opening)
        self._fee = fee
        self._compact = compact
        self._progress = progress
        self._sessions = {uid: _Session(s, now=granted_at) for uid, s in sessions.items()}
        self._schedules = {uid: _Schedule(s, start=start) for uid, s in schedules.items()}
        self._budgets: dict[tuple[str, str, str], int] = defaultdict(int)
        self._rows: dict[object, _Row] = {}
        self._agenda: list[tuple[datetime, int, str, int, Slot | _Run]] = []
        self._slots = {uid: self._due(one) for uid, one in self._schedules.items()}
        self._turn = 0

    def run(self) -> tuple[tuple[Outcome, ...], tuple[GrantLife, ...]]:
        """Go through the window; slots in the order in which they fire."""
        for uid in self._schedules:
            self._next_slot(uid)
        done = 0
        while self._agenda:
            now, _, uid, _, what = heapq.heappop(self._agenda)
            if isinstance(what, _Run):
                self._close(self._schedules[uid], what, now)
                continue
            self._decide(self._schedules[uid], what, now)
            self._next_slot(uid)
            done += 1
            if done % 1000 == 0:
                self._progress(done)
        return self._outcomes(), self._grants()

    # ── the calendar ──────────────────────────────────────────────────────────────────────────

    def _due(self, one: _Schedule) -> Iterator[Slot]:
        for slot in one.table.slots(self._start - _MICROSECOND):
            if slot.due_at >= self._end:
                return
            yield slot

    def _next_slot(self, uid: str) -> None:
        slot = None if self._schedules[uid].is_over else next(self._slots[uid], None)
        if slot is not None:
            self._put(slot.fire_at, 1, uid, slot)

    def _put(self, at: datetime, rank: int, uid: str, what: Slot | _Run) -> None:
        # What ends at an instant makes room for what begins then.
        self._turn += 1
        heapq.heappush(self._agenda, (at, rank, uid, self._turn, what))

    # ── one slot ──────────────────────────────────────────────────────────────────────────────

    def _decide(self, one: _Schedule, slot: Slot, now: datetime) -> None:
        if one.spec.max_runs is not None and one.runs >= one.spec.max_runs:
            one.is_over = True
            return
        if slot.verdict is not None:
            self._note(one, slot, slot.closes_as or State.SKIPPED, slot.verdict)
        elif one.spec.suspend or one.is_paused:
            self._note(one, slot, State.SKIPPED, Reason.PAUSED)
        else:
            self._claim(one, slot, now)

    def _claim(self, one: _Schedule, slot: Slot, now: datetime) -> None:
        wanted = one.context.reservations(due_at=slot.due_at, slot=slot.text)
        fits = self._fits(wanted)
        stands_behind = one.exclusive and one.open > 0
        against = self._against(one, fits=fits, stands_behind=stands_behind)
        if against is not None:
            self._note(one, slot, State.SKIPPED, against)
            return
        one.runs += 1
        run = _Run(slot, window_end(one.spec, one.table, slot), wanted if fits else ())
        self._reserve(run.reserved)
        if stands_behind:
            if one.places == 0:
                for older in one.waiting:
                    self._release(older.reserved)
                    self._note(one, older.slot, State.SUPERSEDED, Reason.OVERLAP, ended_at=now)
                one.waiting.clear()
            one.waiting.append(run)
        elif not fits:
            self._wait(one, run, Reason.BUDGET)
        else:
            self._begin(one, run, now)

    @staticmethod
    def _against(one: _Schedule, *, fits: bool, stands_behind: bool) -> Reason | None:
        """Why a slot is skipped; in the order in which the ledger judges (M7, X14)."""
        if stands_behind and one.places is None:
            return Reason.OVERLAP
        if not fits and (stands_behind or one.spec.on_budget == "skip"):
            return Reason.BUDGET
        if stands_behind and one.places and len(one.waiting) >= one.places:
            return Reason.OVERLAP
        return None

    def _begin(self, one: _Schedule, run: _Run, now: datetime) -> None:
        session = self._sessions[one.context.session.uid]
        generation = session.usable(one.context.room, now)
        paid_at = now
        if generation is None or not session.holds(generation, one.sums):
            serves_at = session.newest.active_at
            if generation is not None or serves_at <= now:
                serves_at = session.renew_early(now) or run.expires_at
            if one.context.session.spec.on_no_grant != "hold" and generation is None:
                choice = one.context.session.spec.on_no_grant
                state = State.SKIPPED if choice == "skip" else State.MISSED
                self._end_run(one, run, state, Reason.GRANT, now)
                return
            if serves_at >= run.expires_at or not session.holds(session.newest, one.sums):
                self._wait(one, run, Reason.GRANT)
                return
            generation, paid_at = session.newest, serves_at
        account = self._account_of[self._uid_of_account(one.context)]
        if not self._affords(one, account):
            self._wait(one, run, Reason.PREFLIGHT, generation.number)
            return
        self._pay(one, run, generation, account, paid_at)

    def _pay(
        self, one: _Schedule, run: _Run, generation: _Generation, account: str, at: datetime
    ) -> None:
        for token in one.sums:
            leaves = moved(one.context.most.lines, token)
            if leaves:
                self._balances[account, token] = self._balances.get((account, token), 0) - leaves
        fee = self._fee_of(one.context)
        if fee:
            self._balances[account, NATIVE] = self._balances.get((account, NATIVE), 0) - fee
        for token, amount in one.sums.items():
            generation.taken[token] += amount
        one.failures = 0
        self._note(
            one,
            run.slot,
            State.SUCCESS,
            None,
            generation=generation.number,
            fee=fee,
            ended_at=at + _PAYMENT,
        )

    def _affords(self, one: _Schedule, account: str) -> bool:
        fee = self._fee_of(one.context)
        tokens = {*one.sums, NATIVE} if fee else set(one.sums)
        return all(
            moved(one.context.most.lines, token) + (fee if token == NATIVE else 0)
            <= self._balances.get((account, token), 0)
            for token in tokens
        )

    def _fee_of(self, context: ScheduleContext) -> int:
        return 0 if context.session.account.gas_policy is not None else self._fee

    # ── what cannot be paid ───────────────────────────────────────────────────────────────────

    def _wait(
        self, one: _Schedule, run: _Run, reason: Reason, generation: int | None = None
    ) -> None:
        """Held until its window ends; nothing is foreseen that would help it."""
        one.open += 1
        self._note(
            one, run.slot, State.MISSED, reason, ended_at=run.expires_at, generation=generation
        )
        self._put(run.expires_at, 0, one.spec.uid, run)

    def _close(self, one: _Schedule, run: _Run, now: datetime) -> None:
        one.open -= 1
        self._release(run.reserved)
        self._failed(one)
        while one.waiting and not one.is_paused and not (one.exclusive and one.open):
            following = one.waiting.pop(0)
            if now >= following.expires_at:
                self._end_run(one, following, State.MISSED, Reason.OVERLAP, now)
            else:
                self._begin(one, following, now)

    def _end_run(
        self, one: _Schedule, run: _Run, state: State, reason: Reason, now: datetime
    ) -> None:
        self._release(run.reserved)
        self._note(one, run.slot, state, reason, ended_at=now)
        if state is State.MISSED:
            self._failed(one)

    def _failed(self, one: _Schedule) -> None:
        one.failures += 1
        most = one.spec.pause_after_failures
        if most and one.failures >= most:  # M10
            one.is_paused = True

    # ── budgets ───────────────────────────────────────────────────────────────────────────────

    def _fits(self, wanted: tuple[Reservation, ...]) -> bool:
        return all(
            self._budgets[one.budget, one.period, one.token] + one.amount <= one.limit
            for one in wanted
        )

    def _reserve(self, wanted: tuple[Reservation, ...]) -> None:
        for one in wanted:
            self._budgets[one.budget, one.period, one.token] += one.amount

    def _release(self, wanted: tuple[Reservation, ...]) -> None:
        for one in wanted:
            self._budgets[one.budget, one.period, one.token] -= one.amount

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
        fee: int = 0,
    ) -> None:
        context, uid = one.context, one.spec.uid
        local_day = date.fromisoformat(slot.local[:10])
        key: object = (uid, slot.text)
        if self._compact:
            key = (uid, local_day, state, reason, generation)
            row = self._rows.get(key)
            if row is not None:
                row.count += 1
                row.last_due_at = slot.due_at
                return
        self._rows[key] = _Row(
            Outcome(
                schedule=uid,
                session=context.session.uid,
                account=self._account_of[self._uid_of_account(context)],
                slot=slot.text,
                due_at=slot.due_at,
                local_day=local_day,
                state=state.value,
                reason=None if reason is None else reason.value,
                ended_at=ended_at or slot.fire_at,
                lines=context.most.lines,
                generation=generation,
                fee=fee,
            )
        )

    @staticmethod
    def _uid_of_account(context: ScheduleContext) -> str:
        return f"{context.spec.policy}/{context.session.account.spec.name}"

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
        for uid, session in self._sessions.items():
            session.renew_up_to(self._end - _MICROSECOND)
            account = session.context.account
            found += [
                GrantLife(
                    session=uid,
                    account=self._account_of[f"{session.context.spec.policy}/{account.spec.name}"],
                    generation=one.number,
                    state="active" if one is session.newest else "replaced",
                    requested_at=one.requested_at,
                    active_at=one.active_at,
                    served_until=one.served_until,
                    expires_at=one.expires_at,
                    next_renewal_at=one.renewal_at,
                    allowances=named_allowances(session.context, names),
                    fee=0 if account.gas_policy is not None else self._fee,
                )
                for one in session.generations
                if one.requested_at < self._end
            ]
        return tuple(found)


def symbols(schedules: Iterable[ScheduleContext]) -> dict[str, tuple[str, int]]:
    """Name and decimals of every token that something moves."""
    found = {NATIVE: ("native", 18)}
    for context in schedules:
        found |= {line.token: (line.symbol, line.decimals) for line in context.most.lines}
    return found


def named_allowances(
    session: SessionContext, names: Mapping[str, tuple[str, int]]
) -> tuple[Allowance, ...]:
    """What each grant of a session may spend; a closed one (0) says nothing to people."""
    return tuple(
        Allowance(token, *names.get(token, (token, 0)), amount=amount)
        for token, amount in allowances(session.permissions).items()
        if amount
    )
