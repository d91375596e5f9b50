"""
`ports.Ledger` in memory, for virtual time: it forgets everything at its end.

It keeps the rules of the database's ledger, and one suite of tests makes sure of that. There is
one writer, and nothing in here waits: what the database does by conditions is a look here.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

from runner.adapters.memory.claims import begins_at, claim_one, install
from runner.adapters.memory.grants import MemoryGrants
from runner.adapters.memory.rows import OccurrenceRow
from runner.errors import Conflict
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.guard.budget import Reservation
from runner.guard.computed import Movement, movement
from runner.guard.intent import NATIVE, TransferLine, spent_by_token
from runner.guard.verdict import Finding
from runner.planning.consent import History
from runner.planning.facts import SCHEDULE, SESSION, Identities
from runner.planning.renames import Named
from runner.records import (
    LIVE_OPERATIONS,
    SILENCEABLE_OPERATIONS,
    SILENCED_GRANTS,
    Claim,
    Consent,
    Grant,
    GrantState,
    Inclusion,
    Installed,
    NewOperation,
    Operation,
    OperationKind,
    OperationStatus,
    Pace,
    Run,
    RunKind,
    ScheduleSeed,
    ScheduleState,
)
from runner.scheduling.moves import Effect, Rule, may_move, rule_for
from runner.scheduling.occurrence import CLOSED, PENDING, Reason, State, run_id

T = TypeVar("T")

_FAILED = frozenset({State.REVERTED, State.NOT_INCLUDED, State.MISSED})
_SPENDS = frozenset({State.SUCCESS, State.INCLUDED})
_WON = frozenset({OperationStatus.SUCCESS, OperationStatus.REVERTED})
_TOLD = frozenset({OperationStatus.SIGNED, OperationStatus.SENT, OperationStatus.UNKNOWN})


class MemoryLedger(MemoryGrants):
    """
    Implements `ports.Ledger`; `rows` are there for whoever reports on them.

    No operator reaches it. An `agreeable` one says yes by itself to whatever a person would be
    asked (B9, B10).
    """

    agreeable = False

    # ── schedules and claims ──────────────────────────────────────────────────────────────────

    async def install_schedules(
        self,
        seeds: Sequence[ScheduleSeed],
        *,
        named: Sequence[Named] = (),
        decided: Sequence[Claim] = (),
        decided_until: Mapping[str, datetime] = MappingProxyType({}),
        now: datetime,
    ) -> Installed:
        """Bring the ledger's schedules, and what they are called, to the policies in force."""
        _, refused = await self.claim(decided, decided_until=decided_until, now=now)
        self.rows.names |= {(one.kind, one.uid): one.name for one in named}
        return Installed(install(self.rows, self.budgets, seeds, now=now), refused)

    async def superseded(self, triggers: Mapping[str, str]) -> dict[str, ScheduleState]:
        """Active schedules that are not among these, or have another trigger there, by uid."""
        return {
            uid: state
            for uid, state in self.rows.schedules.items()
            if state.state == "active" and triggers.get(uid) != state.trigger
        }

    async def applied_texts(self, policies: Sequence[str]) -> dict[str, str]:
        """None: what is in memory is installed once, and never edited."""
        del policies
        return {}

    async def identities(self) -> Identities:
        """Every schedule and session ever applied, and what it is called today (T10)."""
        sessions = {one.session for one in self.rows.schedules.values()}
        sessions |= {one.session for one in self.rows.grants.values()}
        named = self.rows.names
        return Identities(
            {uid: named.get((SCHEDULE, uid), uid) for uid in self.rows.schedules},
            {uid: named.get((SESSION, uid), uid) for uid in sessions},
        )

    async def schedules(self, *, session: str | None = None) -> dict[str, ScheduleState]:
        """All schedules ever applied, or those of a session, by uid."""
        return {
            uid: state
            for uid, state in self.rows.schedules.items()
            if session is None or state.session == session
        }

    async def pause_schedule(self, uid: str, *, reason: str, now: datetime) -> None:
        """Stop claiming for a schedule, and say why (M10)."""
        del now
        if self.rows.schedules[uid].paused_reason is None:
            self.rows.change_schedule(uid, paused_reason=reason)

    async def keep_evidence(
        self, subject: str, *, what: str, findings: Sequence[Finding], now: datetime
    ) -> None:
        """Nobody looks back at a ledger in memory: it keeps no events."""

    async def paused(self, schedule: str, *, now: datetime) -> str | None:
        """Why nothing of a schedule is to be signed now."""
        del now
        known = self.rows.schedules.get(schedule)
        return None if known is None else known.paused_reason

    async def stopped(self) -> str | None:
        """No operator reaches a ledger in memory."""
        return None

    async def complete(self, schedules: Sequence[str], *, now: datetime) -> None:
        """No slot of these is left: they are over (T9)."""
        del now
        for schedule in schedules:
            if self.rows.schedules[schedule].state == "active":
                self.rows.change_schedule(schedule, state="completed")

    async def claim(
        self, decided: Sequence[Claim], *, decided_until: Mapping[str, datetime], now: datetime
    ) -> tuple[list[Run], list[Claim]]:
        """A row for every decided slot, a run for every slot of ours (S1, X14)."""
        made: list[Run] = []
        refused: list[Claim] = []
        for one in decided:
            run, against = claim_one(self.rows, self.budgets, one, now)
            if run is not None:
                made.append(run)
            elif against is not None:
                refused.append(against)
        for uid, instant in decided_until.items():
            if self.rows.schedules[uid].decided_until < instant:
                self.rows.change_schedule(uid, decided_until=instant)
        return [self.rows.runs[run.id] for run in made], refused

    async def promote(
        self, schedule: str, *, deadline_at: datetime, pace: Pace | None = None, now: datetime
    ) -> tuple[Run | None, datetime | None]:
        """The oldest slot that waits for its predecessor becomes claimed (M7, M8), at its pace."""
        first = None
        for run in self.rows.waiting(schedule):
            if run.expires_at is None or now < run.expires_at:
                first = run
                break
            self._move(run, State.MISSED, reason=Reason.OVERLAP, now=now)
        paused = self.rows.schedules[schedule].paused_reason is not None
        beside = pace is not None and pace.beside
        if first is None or paused or self.rows.is_running(schedule, beside=beside):
            return None, None
        turn = begins_at(self.rows, first, pace, now=now)
        if turn > now:
            return None, turn
        return self._move(first, State.CLAIMED, now=now, deadline_at=deadline_at), None

    async def reserve(
        self, run: Run, wanted: Sequence[Reservation], *, deadline_at: datetime, now: datetime
    ) -> Run | None:
        """A held run takes its amounts and goes on, if its budgets have room by now (X14)."""
        if any(one.ends and self.budgets.used_up(one, self.rows.open) for one in wanted):
            skipped = self._move(run, State.SKIPPED, reason=Reason.BUDGET, now=now)
            await self.complete([run.schedule], now=now)
            return skipped
        self._check(run, State.CLAIMED)
        if not self.budgets.exchange(run.id, wanted):
            return None
        return self._move(run, State.CLAIMED, now=now, deadline_at=deadline_at)

    # ── runs ──────────────────────────────────────────────────────────────────────────────────

    async def open_runs(self) -> list[Run]:
        """Every run that is not closed, oldest first."""
        return sorted(
            (self.rows.runs[identity] for identity in self.rows.open), key=lambda run: run.due_at
        )

    async def pinned_runs(self, grants: Sequence[int]) -> list[Run]:
        """Those among them that are pinned to one of these generations, oldest first."""
        return [run for run in await self.open_runs() if run.grant_id in grants]

    async def has_open_runs(self, session: str) -> bool:
        """Whether a run of this session is not closed."""
        return any(self.rows.runs[identity].session == session for identity in self.rows.open)

    async def run(self, identity: str) -> Run:
        """One run as it stands."""
        return self.rows.runs[identity]

    async def operations(self, run: str) -> list[Operation]:
        """All operations signed for a run, oldest first."""
        return self.rows.operations_of(run)

    async def move(
        self,
        run: Run,
        state: State,
        *,
        reason: Reason | None = None,
        detail: str | None = None,
        now: datetime,
        deadline_at: datetime | None = None,
    ) -> Run:
        """One legal move. A closing one settles budgets and the breaker's count."""
        return self._move(
            run, state, reason=reason, detail=detail, now=now, deadline_at=deadline_at
        )

    def freeze(
        self,
        run: Run,
        *,
        intent: Sequence[Call],
        transfers: Sequence[TransferLine],
        grant: Grant,
        revision: str,
        reservations: Sequence[Reservation],
        on_budget: str,
        now: datetime,
    ) -> asyncio.Future[Run]:
        """The run becomes prepared: intent, revision and generation are pinned (X6)."""
        self._check(run, State.PREPARED)
        if not self.budgets.exchange(run.id, reservations):
            state = State.HELD if on_budget == "hold" else State.SKIPPED
            return _done(self._move(run, state, reason=Reason.BUDGET, now=now))
        prepared = self._move(
            run,
            State.PREPARED,
            now=now,
            intent=tuple(intent),
            revision=revision,
            grant_id=grant.id,
        )
        self.rows.transfers[run.id] = list(transfers)
        return _done(prepared)

    async def history(
        self, schedule: str, *, names: Sequence[str], addresses: Sequence[Address]
    ) -> History:
        """What was paid before, as far as a run to these receivers depends on it."""
        policy = schedule.partition("/")[0]
        known = self.rows.schedules.get(schedule)
        mine = sorted(
            (at, address, name)
            for (of, name, address), at in self.rows.receivers.items()
            if of == policy
        )
        return History(
            anchored_at=None if known is None else known.anchor,
            last_paid=tuple(self.rows.paid[schedule][:-3:-1]),
            by_name={name: address for _, address, name in mine if name in names},
            known=frozenset(address for _, address, _ in mine if address in addresses),
        )

    async def consent(
        self, run: Run, wanted: Consent, *, reason: Reason, now: datetime
    ) -> tuple[Run, bool]:
        """Nobody can be asked in here: it is held, unless somebody is taken to agree."""
        if self.agreeable:
            return run, False
        held = self._move(run, State.HELD, reason=reason, detail=wanted.detail, now=now)
        return held, bool(await self.ask_ahead([wanted], now=now))

    async def ask_ahead(self, wanted: Sequence[Consent], *, now: datetime) -> list[Consent]:
        """Those nobody had been asked for."""
        del now
        new = []
        for one in wanted:
            key = (one.schedule, one.slot, one.attempt, one.digest)
            if key not in self.rows.asked:
                self.rows.asked[key] = one
                new.append(one)
        return new

    async def sign(self, run: Run, operation: NewOperation, *, now: datetime) -> Run:
        """
        The point of no return: bytes, hash and fence (X1, X5).

        Raises:
            Conflict: the run moved on, its generation must sign no more (R13), or the fence is
                taken by another run.
        """
        new = run.state is State.PREPARED and run.kind is RunKind.PAYMENT
        if new and (why := await self.paused(run.schedule, now=now)) is not None:
            raise Conflict(f"run {run.id} may not be signed: {why}")
        silenced = self._grant_state(run) in SILENCED_GRANTS
        if silenced and operation.kind in SILENCEABLE_OPERATIONS:
            raise Conflict(f"the grant that run {run.id} is pinned to must sign no more")
        fence = (operation.chain, operation.sender, operation.nonce)
        signed = self.rows.operations_of(run.id)
        if signed and (signed[0].chain, signed[0].sender, signed[0].nonce) != fence:
            raise Conflict(f"run {run.id} is pinned to another fence")
        if self.rows.fences.get(fence, run.id) != run.id:
            raise Conflict(f"the fence of run {run.id} is taken by another")
        if run.state is State.PREPARED:
            moved = self._move(run, State.SIGNED, now=now)
        else:
            moved = self.rows.change_run(run)
        self.rows.fences[fence] = run.id
        self.rows.add_operation(operation.signed(run.id, at=now), operation.request)
        return moved

    def _grant_state(self, run: Run) -> GrantState | None:
        grant = None if run.grant_id is None else self.rows.grants.get(run.grant_id)
        return None if grant is None else grant.state

    def note(
        self,
        run: Run,
        operation: str,
        status: OperationStatus,
        *,
        detail: str | None,
        call_id: str | None = None,
        now: datetime,
    ) -> asyncio.Future[Run]:
        """What the service answered; the run follows, unless evidence has moved it on."""
        known = self.rows.operations[operation]
        if known.status in _TOLD:
            told = known.call_id if call_id is None else call_id
            self.rows.change_operation(operation, status=status, detail=detail, call_id=told)
        current, state = self.rows.runs[run.id], State(status.value)
        legal = may_move(current.state, state, was=current.reason, reason=None)
        if current.state is state or not legal:
            return _done(current)
        return _done(self._move(current, state, detail=detail, now=now))

    async def include(self, run: Run, inclusion: Inclusion, *, now: datetime) -> Run:
        """An operation of this run is in a block: evidence seen, not yet final."""
        kind = self.rows.operations[inclusion.hash].kind
        paid = kind is OperationKind.PAYMENT and inclusion.success
        included = self._move(self.rows.runs[run.id], State.INCLUDED, now=now, counts=paid)
        self.rows.change_operation(
            inclusion.hash,
            status=OperationStatus.INCLUDED,
            block_number=inclusion.block_number,
            block_hash=inclusion.block_hash,
            block_at=inclusion.block_at,
            transaction_hash=inclusion.transaction_hash,
            gas_cost=inclusion.gas_cost,
        )
        return included

    async def exclude(self, run: Run, operation: str, *, now: datetime) -> Run:
        """A reorganisation took it out again (S6)."""
        sent = self._move(self.rows.runs[run.id], State.SENT, now=now)
        self.rows.change_operation(
            operation, status=OperationStatus.SENT, block_number=None, block_hash=None
        )
        return sent

    async def close(
        self,
        run: Run,
        state: State,
        *,
        winner: str | None,
        outcome: OperationStatus,
        reason: Reason | None = None,
        detail: str | None = None,
        observed: Sequence[TransferLine] = (),
        retry_until: datetime | None = None,
        retry_held: bool = False,
        now: datetime,
    ) -> Run:
        """The end of a signed run, on evidence alone; and its next attempt, if one is due."""
        current, again = self.rows.runs[run.id], retry_until is not None
        closed = self._move(current, state, reason=reason, detail=detail, now=now, goes_on=again)
        if winner is not None:
            self.rows.change_operation(winner, status=outcome)
        for one in self.rows.operations_of(run.id):
            if one.status in LIVE_OPERATIONS:
                self.rows.change_operation(one.hash, status=OperationStatus.DEAD)
        if observed:
            self.rows.transfers.setdefault(run.id, []).extend(observed)
        if retry_until is not None:
            self._next_attempt(closed, deadline_at=retry_until, held=retry_held, now=now)
        return closed

    async def closed_since(self, chain: int, block: int) -> list[Operation]:
        """What payments were closed on, included in this block or later (X13)."""
        return [
            one
            for one in self.rows.included_since(chain, block)
            if one.status in _WON and self.rows.runs[one.run].kind is RunKind.PAYMENT
        ]

    async def contradict(self, run: Run, operation: str, *, now: datetime) -> Run:
        """What closed a run is not on the chain: the same row is open again (X13)."""
        self.rows.exclusive.discard(run.id)
        sent = self._move(run, State.SENT, now=now, reopens=True)
        self.rows.change_operation(
            operation, status=OperationStatus.SENT, block_number=None, block_hash=None
        )
        for one in self.rows.operations_of(run.id):
            if one.status is OperationStatus.DEAD:
                self.rows.change_operation(one.hash, status=OperationStatus.UNKNOWN)
        return sent

    async def successor(self, run: Run) -> Run | None:
        """The attempt that followed a closed run, if there is one (S4)."""
        if run.occurrence is None:
            return None
        attempts = self.rows.occurrence[run.occurrence].attempts
        return self.rows.runs[attempts[run.attempt]] if run.attempt < len(attempts) else None

    async def failures_in_row(self, schedule: str) -> int:
        """Failed runs of a schedule since its last success (M10)."""
        known = self.rows.schedules.get(schedule)
        return 0 if known is None else known.failures_in_row

    async def transfers(self, run: str) -> list[TransferLine]:
        """What a frozen intent moves."""
        return list(self.rows.transfers.get(run, ()))

    async def moving(self, chain: int, *, block: int) -> list[Movement]:
        """What open runs on a chain may still move that balances after a block do not show."""
        found = []
        for run in await self.open_runs():
            grant = None if run.grant_id is None else self.rows.grants[run.grant_id]
            if grant is None or grant.chain != chain:
                continue
            operations = self.rows.operations_of(run.id)
            shown = any(
                one.block_number is not None and one.block_number <= block for one in operations
            )
            if _is_under_way(run) and not shown:
                lines = self.rows.transfers.get(run.id, ())
                found += [movement(grant.account, line) for line in lines]
            fees = [one.max_cost for one in operations if not one.sponsored and one.status in _TOLD]
            if fees:
                found.append(Movement(grant.account, None, NATIVE, max(fees)))
        return found

    async def recent(self, schedule: str, *, count: int) -> list[list[TransferLine]]:
        """What each of the newest runs moved that paid, or found nothing to do."""
        found: list[list[TransferLine]] = []
        for row in reversed(self.rows.rows_of(schedule)):
            if len(found) == count:
                break
            last = None if not row.attempts else self.rows.runs[row.attempts[-1]]
            idle = last is not None and last.reason is Reason.NOTHING_TO_DO
            if last is not None and (last.state is State.SUCCESS or idle):
                lines = self.rows.transfers.get(last.id, ())
                found.append([line for line in lines if line.kind != "observed"])
        return found

    async def charged(self, grant: int) -> dict[str, dict[str, int]]:
        """By run pinned to this grant and not closed without success: base units per token."""
        sums = {}
        for run in self.rows.runs.values():
            if run.grant_id == grant and (run.closed_at is None or run.state in _SPENDS):
                lines = self.rows.transfers.get(run.id, ())
                taken = spent_by_token([line for line in lines if line.kind != "observed"])
                if taken:
                    sums[run.id] = taken
        return sums

    async def fees_since(self, chain: int, sender: Address, since: datetime) -> int:
        """Wei that operations signed since then have cost, or may still cost (G2)."""
        total = 0
        for one in self.rows.newest_of(chain, sender):
            if one.signed_at < since:
                break
            if one.status is not OperationStatus.DEAD:
                total += one.max_cost if one.gas_cost is None else one.gas_cost
        return total

    async def open_request(self, operation: str) -> bytes:
        """The bytes that send an operation, as they were signed."""
        return self.rows.requests[operation]

    # ── the moves ─────────────────────────────────────────────────────────────────────────────

    def _move(
        self,
        run: Run,
        state: State,
        *,
        reason: Reason | None = None,
        detail: str | None = None,
        now: datetime,
        counts: bool = True,
        reopens: bool = False,
        goes_on: bool = False,
        **values: Any,
    ) -> Run:
        rule = self._check(run, state, reason, reopens=reopens)
        closed = state in CLOSED
        values = {name: value for name, value in values.items() if value is not None}
        moved = self.rows.change_run(
            run,
            state=state,
            reason=reason,
            detail=detail,
            closed_at=now if closed else None,
            **values,
        )
        if counts and run.kind is RunKind.PAYMENT:
            self._apply(rule.effect, run.id)
        if closed and run.kind is RunKind.PAYMENT:
            self._settle(moved, goes_on=goes_on)
        return moved

    def _apply(self, effect: Effect, run: str) -> None:
        if effect is Effect.SPEND:
            self.budgets.spend(run)
        elif effect is Effect.RESERVE:
            self.budgets.unspend(run)
        elif effect is Effect.RELEASE:
            self.budgets.release(run)

    def _check(
        self, run: Run, state: State, reason: Reason | None = None, *, reopens: bool = False
    ) -> Rule:
        """Before anything changes, since nothing is taken back here."""
        rule = rule_for(run.state, state, was=run.reason, reason=reason)
        if rule is None or (run.state in CLOSED) is not reopens:
            why = f"({reason})" if reason else ""
            raise Conflict(f"run {run.id} cannot go from {run.state} to {state}{why}")
        if self.rows.runs[run.id].version != run.version:
            raise Conflict(f"run {run.id} was changed by another")
        return rule

    def _settle(self, run: Run, *, goes_on: bool) -> None:
        paid = run.state is State.SUCCESS
        if run.state in {State.SKIPPED, State.MISSED, State.SUPERSEDED}:
            row = self._occurrence(run)
            row.decision, row.reason = run.state, run.reason
        if paid:
            insort(self.rows.paid[run.schedule], (run.due_at, run.claimed_at))
        if paid and run.reason is None:
            policy = run.schedule.partition("/")[0]
            for line in self.rows.transfers.get(run.id, ()):
                if line.kind != "observed" and run.closed_at is not None:
                    key = (policy, line.receiver_name, line.receiver)
                    self.rows.receivers[key] = run.closed_at
        failed = run.state in _FAILED and run.reason is not Reason.LATE and not goes_on
        if failed or paid:
            count = self.rows.schedules[run.schedule].failures_in_row + 1 if failed else 0
            self.rows.change_schedule(run.schedule, failures_in_row=count)

    def _next_attempt(self, run: Run, *, deadline_at: datetime, held: bool, now: datetime) -> None:
        """Attempt + 1 of a run that is closed: a new id, and so a new fence."""
        made = run_id(run.schedule, run.slot, part=run.part, attempt=run.attempt + 1)
        following = replace(
            run,
            id="0x" + made.hex(),
            attempt=run.attempt + 1,
            state=State.HELD if held else State.CLAIMED,
            reason=Reason.RETRY if held else None,
            detail=None,
            claimed_at=now,
            deadline_at=deadline_at,
            intent=None,
            revision=None,
            grant_id=None,
            version=1,
            closed_at=None,
        )
        self.rows.add_run(following, exclusive=run.id in self.rows.exclusive)
        self.budgets.hand_on(run.id, following.id)

    def _occurrence(self, run: Run) -> OccurrenceRow:
        if run.occurrence is None:
            raise AssertionError("a payment belongs to an occurrence")
        return self.rows.occurrence[run.occurrence]


def _is_under_way(run: Run) -> bool:
    """Frozen and not given up; what is held has nothing under way, evidence aside."""
    if run.state is State.HELD:
        return run.reason is Reason.EVIDENCE
    return run.state is State.PREPARED or run.state in PENDING


def _done(value: T) -> asyncio.Future[T]:
    """A future that is done: nothing in memory has to be waited for."""
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future
