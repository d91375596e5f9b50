"""
Carries one run from its claim to its end.

Until `signed` everything may be given up or begun again; from there on the run belongs to its
fence and is pursued (pursuit.py). A run found in the ledger after a crash enters at the state
that it has, through the same code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from runner.errors import (
    AnswerLost,
    Conflict,
    GuardError,
    RunnerError,
    WalletApiError,
    WalletBusy,
    WalletRefused,
)
from runner.ethereum.modular_account import is_global
from runner.ethereum.nonce import OPTION_GLOBAL, Nonce
from runner.execution.amounts import Amounts
from runner.execution.contexts import ScheduleContext
from runner.execution.lane import Place
from runner.execution.preflight import Code, Preflight, Unready
from runner.execution.pursuit import Ending, Pursuit
from runner.execution.sessions import SessionKeeper, can_burn
from runner.execution.steps import Operator, Order, TooLate
from runner.execution.watch import Watcher
from runner.guard.intent import Intent, TransferLine, spent_by_token
from runner.planning.consent import Doubt, History, above, doubts
from runner.ports import Ledger, Telemetry
from runner.records import Consent, Grant, Operation, OperationKind, OperationStatus, Run
from runner.scheduling.occurrence import CLOSED, Reason, Slot, State, nonce_key
from runner.scheduling.triggers import timetable

_UNSIGNED = frozenset({State.CLAIMED, State.HELD, State.PREPARED})
_JUST_SENT = {one: OperationStatus(one.value) for one in (State.SIGNED, State.SENT, State.UNKNOWN)}
"""As what the one operation stands of a run that was sent just now."""

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
_PREFLIGHT_PAUSE = 5.0
"""Seconds between the first tries at something that cannot be prepared now (B6)."""

_LONGEST_PREFLIGHT_PAUSE = 300.0

_LONGEST_WAIT = 600.0
"""Seconds until a run that waits for a blackout's or a pause's end looks at the clock again."""

_ONE_DAY = timedelta(days=1)

_MOST_ATTEMPTS = 3

_FOR_A_PERSON = frozenset(
    {Reason.GUARD, Reason.APPROVAL, Reason.NEW_RECEIVER, Reason.NEAR_DUPLICATE, Reason.RETRY}
)
"""Holds that end by an operator's verb, or with the catch-up window."""


class _GrantMissing(RunnerError):
    """No generation can carry this run now; `sums` are what it has to carry."""

    def __init__(self, what: str, sums: dict[str, int]) -> None:
        super().__init__(what)
        self.sums = sums


class Executor:
    """Runs of one schedule."""

    def __init__(
        self,
        schedule: ScheduleContext,
        *,
        ledger: Ledger,
        telemetry: Telemetry,
        watcher: Watcher,
        keeper: SessionKeeper,
        operator: Operator,
        chance: Callable[[], float],
    ) -> None:
        self.schedule = schedule
        self._venue = schedule.session.venue
        self._now = self._venue.clock.now
        self._ledger = ledger
        self._telemetry = telemetry
        self._watcher = watcher
        self._keeper = keeper
        self._operator = operator
        self._chance = chance
        self._computes = schedule.is_computed
        self._blackouts = schedule.blackouts
        self._amounts = Amounts(schedule, ledger=ledger, watcher=watcher)
        self._preflight = Preflight(schedule, ledger=ledger, watcher=watcher)
        self._tries: dict[str, int] = {}
        self._said: dict[str, str] = {}
        """By run: what was last said of why it is held; the same thing is not said twice."""

        self._doubted: set[str] = set()
        """Runs that an operator may have forbidden: looked up before the next try."""

        self._history: History | None = None
        self._bells: dict[str, asyncio.Event] = {}
        self._pursuits: dict[str, Pursuit] = {}

    def nudge(self, run: str | None = None) -> None:
        """An operator has changed a run, or what holds all of them: whoever waits looks again."""
        for identity, bell in self._bells.items():
            if run in (None, identity):
                self._doubted.add(identity)
                bell.set()
        for identity, pursuit in self._pursuits.items():
            if run in (None, identity):
                pursuit.nudge()
        self._keeper.wake()

    async def drive(self, run: Run, *, signing: Callable[[], None]) -> Run | None:
        """
        Until the run is closed.

        Args:
            signing: Called once nothing may interrupt any more.

        Returns:
            The next attempt, if one is due by itself (S4), else None.
        """
        ending: Ending | None = None
        # M9: who takes a run over, takes its deadline anew, inside the catch-up window.
        now = self._now()
        deadline = now + self.schedule.run_deadline
        if run.expires_at is not None and now >= run.expires_at:
            deadline = run.deadline_at or run.expires_at
        while run.state not in CLOSED:
            try:
                if is_unsigned(run):
                    run, ending = await self._begin(run, deadline, signing)
                else:
                    signing()
                    run, ending = await self._resume(run, deadline)
            except Conflict:
                self._doubted.add(run.id)
                run = await self._ledger.run(run.id)
                deadline = _renewed(run, deadline)
        return await self._finish(run, ending)

    # ── before the signature ──────────────────────────────────────────────────────────────────

    async def _begin(
        self, run: Run, deadline: datetime, signing: Callable[[], None]
    ) -> tuple[Run, Ending | None]:
        pause = _FIRST_PAUSE
        while is_unsigned(run):
            run = await self._end_if_late(run, deadline)
            if run.state in CLOSED:
                break
            run, deadline, waited = await self._wait(run, deadline)
            if waited:
                continue
            try:
                return await self._try_once(run, deadline, signing)
            except _GrantMissing as missing:
                run, deadline = await self._without_grant(run, missing, deadline)
            except GuardError as error:
                run = await self._guarded(run, error)
                deadline = _renewed(run, deadline)
            except Unready as unready:
                run, deadline = await self._not_now(run, unready.what, deadline)
            except (AnswerLost, WalletBusy) as error:
                run = await self._ledger.run(run.id)
                wait = getattr(error, "retry_after_seconds", None) or pause * (
                    1 - self._chance() / 2
                )
                pause = min(pause * 2, _LONGEST_PAUSE)
                self._say("run.delayed", run, level="warning", detail=error.what)
                await self._sleep(run, wait, until=deadline)
            except WalletApiError as error:
                run, deadline = await self._not_now(run, error.what, deadline)
            except TooLate:
                run = await self._ledger.run(run.id)
        return run, None

    async def _wait(self, run: Run, deadline: datetime) -> tuple[Run, datetime, bool]:
        """What only a person or time ends; tells whether it was waited for, so look again."""
        if run.state is State.HELD and run.reason in _FOR_A_PERSON:
            run = await self._wait_for_a_person(run)
            return run, _renewed(run, deadline), True
        why = await self._paused(run)
        if why is not None:
            run = await self._hold(run, Reason.PAUSED, why)
            tomorrow = self._now() + _ONE_DAY
            await self._sleep(run, _LONGEST_WAIT, until=run.expires_at or tomorrow)
            return await self._ledger.run(run.id), deadline, True
        if run.state is State.HELD and run.reason is Reason.PAUSED:
            return *(await self._release(run)), False
        if run.state is State.HELD and run.reason is Reason.BUDGET:
            reserved = await self._reserve(run)
            if reserved is None:
                await self._sleep(run, self._growing_pause(run), until=run.expires_at or deadline)
                return await self._ledger.run(run.id), deadline, True
            return reserved, reserved.deadline_at or deadline, True
        dark_until = self._blackouts.until(self._now())
        if dark_until is not None:
            run = await self._hold(run, Reason.BLACKOUT, _blackout(dark_until))
            wait = min((dark_until - self._now()).total_seconds(), _LONGEST_WAIT)
            await self._sleep(run, wait, until=run.expires_at or dark_until)
            return await self._ledger.run(run.id), deadline, True
        if run.state is State.HELD and run.reason is Reason.BLACKOUT:
            return *(await self._release(run)), False
        return run, deadline, False

    async def _try_once(
        self, run: Run, deadline: datetime, signing: Callable[[], None]
    ) -> tuple[Run, Ending | None]:
        """One pass: a grant, a place on the lane, an operation, and its pursuit to the end."""
        lane = self.schedule.session.account.lane
        place = await lane.enter()
        try:
            try:
                if self._computes:
                    # They take turns, so that no two see the same gap and both fill it.
                    async with self._venue.computing:
                        run, grant, intent = await self._prepare(run, deadline)
                else:
                    run, grant, intent = await self._prepare(run, deadline)
                if grant is None:
                    return run, None
                signed, fresh = await self._signed(run, grant, intent, deadline, signing)
            finally:
                lane.fees.discard(run.id)
            return await self._pursue(signed, grant, deadline, place, intent.lines, fresh)
        finally:
            place.leave()

    async def _signed(
        self,
        run: Run,
        grant: Grant,
        intent: Intent,
        deadline: datetime,
        signing: Callable[[], None],
    ) -> tuple[Run, Operation | None]:
        try:
            return await self._sign_and_send(run, grant, intent, deadline, signing)
        except (WalletApiError, GuardError, TooLate) as error:
            # Nothing was signed. After any other fault something may have been: it stays
            # counted, and whoever takes the run up counts it under the same name.
            self._keeper.discharge(grant.id, run.id)
            if isinstance(error, WalletRefused):
                raise await self._preflight.explain(error, intent) from error
            raise

    async def _prepare(self, run: Run, deadline: datetime) -> tuple[Run, Grant | None, Intent]:
        """Freeze what it sends, and the generation that signs; no generation if it ends here."""
        self._preflight.check_clock()
        intent, revision = await self._amounts.of(run)
        if not intent.calls:
            why = "no balance asks for a payment"
            run = await self._ledger.move(
                run, State.SKIPPED, reason=Reason.NOTHING_TO_DO, detail=why, now=self._now()
            )
            return run, None, intent
        sums = intent.sums
        grant = self._able(run, sums)
        if grant is None:
            lasting = self._keeper.usable(self.schedule.room)
            why = f"{Code.GRANT}: no grant lasts long enough for this run"
            if lasting is not None:
                rest = "what is left of the grant's allowance does not hold this run"
                why = f"{Code.ALLOWANCE}: {rest}"
            raise _GrantMissing(why, sums)
        if self._now() >= deadline:
            raise TooLate("the lane was busy until the run's deadline")
        await self._preflight.check_fees(run.id)
        self._keeper.charge(grant, run.id, sums)
        run = await self._ledger.freeze(
            run,
            intent=intent.calls,
            transfers=intent.lines,
            grant=grant,
            revision=revision,
            reservations=self.schedule.reservations(
                due_at=run.charged_at or run.due_at, slot=run.slot, intent=intent
            ),
            on_budget=self.schedule.spec.on_budget,
            now=self._now(),
        )
        try:
            if run.state is State.PREPARED:
                run = await self._consent(run, intent)
            if run.state is State.PREPARED:
                await self._preflight.check_requirements(intent)
        except (Unready, WalletApiError):
            self._keeper.discharge(grant.id, run.id)
            raise
        if run.state is not State.PREPARED:
            self._keeper.discharge(grant.id, run.id)
            return run, None, intent
        return run, grant, intent

    async def questions(self, slots: Sequence[Slot]) -> list[Consent]:
        """What a person is asked about slots that are still to come (B9)."""
        found = []
        for slot in slots:
            why = await self._doubts(self.schedule.most, slot.due_at, by_hand=False)
            calls = self.schedule.most.calls
            found.append(self.schedule.consent(slot.text, 1, slot.due_at, calls, why))
        return found

    async def _doubts(
        self, intent: Intent, due_at: datetime, *, by_hand: bool
    ) -> tuple[Doubt, ...]:
        spec, organisation = self.schedule.spec, self.schedule.session.spec.above
        if self._history is not None and self._history.covers(intent.lines):
            return tuple(above(spec, intent.lines, organisation))
        history = await self._ledger.history(
            self.schedule.uid,
            names=[line.receiver_name for line in intent.lines],
            addresses=[line.receiver for line in intent.lines],
        )
        # Whom this policy has paid under these names it will have paid: no need to ask again.
        self._history = history if history.covers(intent.lines) else None
        following = None
        if history.is_reseeded:
            table = timetable(spec, anchor=history.anchored_at)
            following = table.next_firing_after(due_at)
        return doubts(
            spec,
            intent.lines,
            history,
            due_at=due_at,
            next_due=None if following is None else following.due_at,
            by_hand=by_hand,
            organisation=organisation,
        )

    async def _consent(self, run: Run, intent: Intent) -> Run:
        """B9, B10, X9: what a person has to say yes to is held until somebody has."""
        found = await self._doubts(intent, run.due_at, by_hand=run.by_hand)
        if not found:
            return run
        wanted = self.schedule.consent(run.slot, run.attempt, run.due_at, intent.calls, found)
        run, first = await self._ledger.consent(
            run, wanted, reason=found[0].reason, now=self._now()
        )
        if run.state is State.HELD:
            self._say(
                "run.held",
                run,
                level="warning" if first else "debug",
                reason=found[0].reason.value,
                detail=wanted.detail,
                hint=f"approve it: runner runs approve {run.id} --reason …",
                waits_until=run.expires_at,
            )
        return run

    async def _sign_and_send(
        self,
        run: Run,
        grant: Grant,
        intent: Intent,
        deadline: datetime,
        signing: Callable[[], None],
    ) -> tuple[Run, Operation | None]:
        account, spec = self.schedule.session.account, self.schedule.session.spec
        if grant.entity_id is None:
            raise AssertionError("an active grant has its entity")
        parallel = nonce_key(self._venue.chain_id, account.address, bytes.fromhex(run.id[2:]))
        options = OPTION_GLOBAL if is_global(grant.permissions) else 0
        fence = Nonce(parallel, grant.entity_id, options, 0)
        head = self._watcher.head
        order = Order(
            run=run,
            kind=OperationKind.PAYMENT,
            intent=intent.calls,
            nonce=fence.value,
            grant=grant,
            receivers=spec.receivers,
            moved_to=intent.receivers,
            contracts=None if spec.above is None else spec.above.contracts,
            sign_before=min(deadline, grant.expires_at - self.schedule.room),
        )
        run, operation = await self._operator.make(
            order, head_block=head.number if head else 0, committing=signing
        )
        signed_at = self._now()
        run = await self._operator.send(run, operation)
        if run.state not in _JUST_SENT:
            return run, None
        return run, operation.signed(run.id, at=signed_at, status=_JUST_SENT[run.state])

    async def _end_if_late(self, run: Run, deadline: datetime) -> Run:
        now = self._now()
        if run.state is State.HELD:
            if run.expires_at is not None and now >= run.expires_at:
                return await self._ledger.move(
                    run, State.MISSED, reason=run.reason, detail=run.detail, now=now
                )
            return run
        if now >= deadline:
            detail = run.detail or "its deadline came before it could be signed"
            return await self._ledger.move(
                run, State.MISSED, reason=Reason.DEADLINE, detail=detail, now=now
            )
        return run

    async def _without_grant(
        self, run: Run, missing: _GrantMissing, deadline: datetime
    ) -> tuple[Run, datetime]:
        """R20: wait inside the catch-up window (default), skip, or fail."""
        choice, now, why = self.schedule.session.spec.on_no_grant, self._now(), missing.what
        run = await self._ledger.run(run.id)
        if choice != "hold":
            state = State.SKIPPED if choice == "skip" else State.MISSED
            run = await self._ledger.move(run, state, reason=Reason.GRANT, detail=why, now=now)
            return run, deadline
        run = await self._hold(run, Reason.GRANT, why)
        while self._able(run, missing.sums) is None:
            await self._keeper.await_change(run.expires_at or deadline)
            run = await self._end_if_late(await self._ledger.run(run.id), deadline)
            if not _is_held(run, Reason.GRANT):
                return run, _renewed(run, deadline)
        return await self._release(run)

    def _able(self, run: Run, sums: dict[str, int]) -> Grant | None:
        return self._keeper.able(self.schedule.room, run.id, sums)

    async def _reserve(self, run: Run) -> Run | None:
        """`on_budget: hold`: nothing is prepared before its amounts are reserved."""
        charged_at = run.charged_at or run.due_at
        wanted = self.schedule.reservations(due_at=charged_at, slot=run.slot)
        now = self._now()
        return await self._ledger.reserve(
            run, wanted, deadline_at=now + self.schedule.run_deadline, now=now
        )

    async def _guarded(self, run: Run, error: GuardError) -> Run:
        """A mismatch: nothing is signed, the schedule pauses, a person is told (DESIGN §8)."""
        run = await self._hold(run, Reason.GUARD, error.what, findings=error.findings)
        await self._ledger.pause_schedule(
            self.schedule.uid, reason=f"guard: {error.what}", now=self._now()
        )
        return await self._wait_for_a_person(run)

    async def _wait_for_a_person(self, run: Run) -> Run:
        """Nothing is asked again of a service that asked for the wrong signature, until told so."""
        reason = run.reason
        while _is_held(run, reason):
            tomorrow = self._now() + _ONE_DAY
            await self._sleep(run, self._growing_pause(run), until=run.expires_at or tomorrow)
            run = await self._end_if_late(await self._ledger.run(run.id), tomorrow)
        return run

    async def _not_now(self, run: Run, why: str, deadline: datetime) -> tuple[Run, datetime]:
        """B6: it cannot be prepared now (fees, balance, sponsorship, simulation)."""
        run = await self._hold(run, Reason.PREFLIGHT, why)
        await self._sleep(run, self._growing_pause(run), until=run.expires_at or deadline)
        run = await self._end_if_late(await self._ledger.run(run.id), deadline)
        if not _is_held(run, Reason.PREFLIGHT):
            return run, _renewed(run, deadline)
        return await self._release(run)

    async def _hold(
        self, run: Run, reason: Reason, detail: str, *, findings: tuple[object, ...] = ()
    ) -> Run:
        run = await self._ledger.run(run.id)
        if not (run.state is State.HELD and run.reason is reason):
            run = await self._ledger.move(
                run, State.HELD, reason=reason, detail=detail, now=self._now()
            )
        known = self._said.get(run.id) == detail
        self._said[run.id] = detail
        level = "critical" if reason is Reason.GUARD else "warning"
        self._say(
            "run.held",
            run,
            level="debug" if known else level,
            reason=reason.value,
            detail=detail,
            findings=[str(finding) for finding in findings],
            waits_until=run.expires_at,
        )
        return run

    async def _release(self, run: Run) -> tuple[Run, datetime]:
        deadline = self._now() + self.schedule.run_deadline
        run = await self._ledger.move(run, State.CLAIMED, now=self._now(), deadline_at=deadline)
        return run, deadline

    # ── after the signature ───────────────────────────────────────────────────────────────────

    async def _resume(self, run: Run, deadline: datetime) -> tuple[Run, Ending | None]:
        """A signed run found in the ledger: pursue it under the generation it is pinned to."""
        if run.grant_id is None:
            raise AssertionError("a signed run is pinned to a grant")
        grant = self._keeper.by_id(run.grant_id)
        lines = await self._ledger.transfers(run.id)
        self._keeper.charge(grant, run.id, spent_by_token(lines))
        async with self.schedule.session.account.lane.payment() as place:
            return await self._pursue(run, grant, deadline, place, tuple(lines))

    async def _pursue(
        self,
        run: Run,
        grant: Grant,
        deadline: datetime,
        place: Place,
        lines: tuple[TransferLine, ...],
        fresh: Operation | None = None,
    ) -> tuple[Run, Ending | None]:
        # The lane counts operations that a bundler still holds: in a block, it is free again.
        # What neither it nor its burn brings into one must not close the lane for good.
        patience = self.schedule.run_deadline + self._venue.margins.inclusion
        pursuit = Pursuit(
            venue=self._venue,
            watcher=self._watcher,
            operator=self._operator,
            ledger=self._ledger,
            telemetry=self._telemetry,
            grant=grant,
            lines=lines,
            deadline_at=deadline,
            may_burn=can_burn(self.schedule.session.permissions),
            standing=partial(self._keeper.standing, grant),
            fresh=fresh,
            on_evidence=self._keeper.wake,
            leave=place.leave,
            patience=patience,
            retry_until=self._retry_until,
        )
        self._pursuits[run.id] = pursuit
        try:
            ending = await pursuit.run(run)
        finally:
            self._pursuits.pop(run.id, None)
        return ending.run, ending

    # ── the end ───────────────────────────────────────────────────────────────────────────────

    async def _finish(self, run: Run, ending: Ending | None) -> Run | None:
        self._said.pop(run.id, None)
        self._tries.pop(run.id, None)
        self._bells.pop(run.id, None)
        self._doubted.discard(run.id)
        if run.grant_id is not None:
            self._keeper.let_go(run.grant_id, run.id, spent=run.state is State.SUCCESS)
        event = None if ending is None else ending.event
        lines = None if ending is None else ending.moved
        if lines is None:
            lines = tuple(await self._ledger.transfers(run.id))
        level = "info" if run.state in {State.SUCCESS, State.SKIPPED} else "error"
        if run.reason is Reason.PAID_DIFFERENTLY:
            level = "critical"
        self._say(
            f"run.{run.state}",
            run,
            level=level,
            reason=run.reason.value if run.reason else None,
            detail=run.detail,
            transfers=lines or (() if self._computes else self.schedule.most.lines),
            block=event.block_number if event else None,
            transaction=event.transaction_hash if event else None,
            took_seconds=(self._now() - run.claimed_at).total_seconds(),
        )
        succeeded = run.state is State.SUCCESS  # nothing follows that
        following = None if succeeded else await self._ledger.successor(run)
        if following is None:
            await self._break_if_wrong(run)
        return following

    def _retry_until(self, run: Run, state: State) -> datetime | None:
        """S4: after proof, inside the catch-up window, and never after a burn."""
        now = self._now()
        dead = state is State.NOT_INCLUDED
        most = min(self.schedule.spec.retry_on_revert, _MOST_ATTEMPTS)
        retried = state is State.REVERTED and run.attempt <= most
        inside = run.expires_at is None or now < run.expires_at
        return now + self.schedule.run_deadline if inside and (dead or retried) else None

    async def _break_if_wrong(self, run: Run) -> None:
        """
        M10: failures in a row, a payment that was not what we asked (X22), one that moved more
        (B8), or amounts at their maximum again and again (G10) pause the schedule.
        """
        most = self.schedule.spec.pause_after_failures
        reason = None
        if run.reason is Reason.PAID_DIFFERENTLY:
            reason = f"run {run.id} paid differently from what was asked"
        elif run.state is State.SUCCESS:
            if await self._amounts.at_limit():
                reason = "the newest runs all sent the most that a computed call may"
        elif most:
            failures = await self._ledger.failures_in_row(self.schedule.uid)
            reason = f"{failures} failed runs in a row" if failures >= most else None
        if reason is None:
            return
        await self._ledger.pause_schedule(self.schedule.uid, reason=reason, now=self._now())
        self._say("schedule.paused", run, level="critical", detail=reason)

    def _growing_pause(self, run: Run) -> float:
        """Seconds until a run is looked at again that nothing can be done about now."""
        self._tries[run.id] = tries = self._tries.get(run.id, 0) + 1
        pause: float = min(_PREFLIGHT_PAUSE * 2 ** min(tries - 1, 10), _LONGEST_PREFLIGHT_PAUSE)
        return pause

    async def _paused(self, run: Run) -> str | None:
        """
        What an operator forbids: a run by hand is held by a stop alone (O4, O8).

        The commit of `signed` asks in any case. Here it is asked where there is reason to: the
        run waits already, or was refused, or somebody has paused something.
        """
        if run.state is not State.HELD and run.id not in self._doubted:
            return None
        self._doubted.discard(run.id)
        if run.by_hand:
            return await self._ledger.stopped()
        return await self._ledger.paused(run.schedule, now=self._now())

    async def _sleep(self, run: Run, seconds: float, *, until: datetime) -> None:
        """Wait, unless an operator has something to say about this run."""
        left = (until - self._now()).total_seconds()
        bell = self._bells.setdefault(run.id, asyncio.Event())
        with suppress(TimeoutError):
            async with self._venue.clock.timeout(max(min(seconds, left), 0.01)):
                await bell.wait()
        bell.clear()

    def _say(self, event: str, run: Run, **fields: object) -> None:
        self._telemetry.emit(
            event,
            run=run.id,
            schedule=run.schedule,
            slot=run.slot,
            due_at=run.due_at,
            attempt=run.attempt,
            **fields,
        )


def _blackout(until: datetime) -> str:
    return f"nothing is paid until {until.isoformat().replace('+00:00', 'Z')}"


def _is_held(run: Run, reason: Reason | None) -> bool:
    return run.state is State.HELD and run.reason is reason


def _renewed(run: Run, deadline: datetime) -> datetime:
    """M9: the deadline begins anew when a hold ends, also when an operator ends it."""
    return max(deadline, run.deadline_at or deadline)


def is_unsigned(run: Run) -> bool:
    """Evidence aside, a held run has nothing signed."""
    return run.state in _UNSIGNED and run.reason is not Reason.EVIDENCE
