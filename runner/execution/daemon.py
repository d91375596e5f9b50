"""
The daemon: decides what is due, and keeps every run and every session looked after.

A tick is one look at the calendar: take what is due from the heap, decide each slot (claimed,
late, superseded), write all decisions in one transaction, start the runs. Ticks come from the
alarm and from the heartbeat; one too many does nothing, since a decided slot has its row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from runner.errors import Conflict, StoreError, WalletApiError
from runner.execution.asking import Asking, asks_ahead
from runner.execution.commands import Desk, Handler
from runner.execution.contexts import ScheduleContext, SessionContext, TermsOf, Venue
from runner.execution.contradiction import reopen_contradicted
from runner.execution.due import DueSlots
from runner.execution.executor import Executor, is_unsigned
from runner.execution.funding import FundingWatch
from runner.execution.grant_verbs import GrantWishes
from runner.execution.grantwork import GrantWork
from runner.execution.leftover import Leftovers
from runner.execution.overdue import Overdue
from runner.execution.papers import Papers
from runner.execution.pursuit import Pursuit
from runner.execution.reconcile import Reconciler
from runner.execution.sessions import can_burn
from runner.execution.verbs import RunVerbs
from runner.execution.watch import Watcher
from runner.planning.facts import SCHEDULE, SESSION
from runner.planning.renames import Named, title
from runner.ports import (
    Alarm,
    Breaches,
    Clock,
    Commands,
    Copies,
    GrantVerbs,
    KeyRing,
    Ledger,
    Telemetry,
    Verbs,
)
from runner.records import Claim, Grant, Run, RunKind, ScheduleSeed
from runner.scheduling.heap import Heap
from runner.scheduling.lateness import decide_now
from runner.scheduling.occurrence import CLOSED, Reason, Slot, State

_LAST_WAIT_SECONDS = 60.0
_SWEEP_SECONDS = 30.0
"""H3: this often the ledger is searched for open runs that nobody drives."""


_LOOK_AHEAD = timedelta(seconds=20)
"""Slots that fire within this time are decided beforehand, while nothing else is to be done."""

_LOOKS_AT_ONCE = 16
"""So many schedules are looked at before everybody else in the loop has had a turn."""

_UNWRITABLE_AGAIN_SECONDS = 5.0
_RECONCILE_AGAIN_SECONDS = 2.0
_BEGIN_AGAIN_SECONDS = 1.0


@dataclass(slots=True)
class _Task:
    """A driver at work, and the attempt that it drives now."""

    task: asyncio.Task[None]
    run: str
    signing: bool = False


class Daemon:
    """The engine over one set of policies. What is due at `until` or later is left alone."""

    def __init__(
        self,
        *,
        schedules: Mapping[str, ScheduleContext],
        sessions: Mapping[str, SessionContext],
        ledger: Ledger,
        keys: KeyRing,
        telemetry: Telemetry,
        alarm: Alarm,
        clock: Clock,
        chance: Callable[[], float],
        until: datetime | None = None,
        commands: Commands | None = None,
        verbs: Verbs | None = None,
        grant_verbs: GrantVerbs | None = None,
        breaches: Breaches | None = None,
        copies: Copies | None = None,
        funding_lead: timedelta | None = None,
        handlers: Mapping[str, Handler] = MappingProxyType({}),
    ) -> None:
        """
        Args:
            commands: Where operators write their wishes; None: nobody can.
            verbs: What they may do to runs and slots.
            grant_verbs: What they may do to grants.
            breaches: Where it is kept what was told to be overdue; None: nobody is told.
            funding_lead: How far ahead is looked whether balances last (B11); None: not at all.
            copies: Knows whether the ledger is a restored copy; None: it never is.
            handlers: Carry out further kinds of wishes.
        """
        self._schedules = schedules
        self._sessions = sessions
        self._ledger = ledger
        self._telemetry = telemetry
        self._alarm = alarm
        self._clock = clock
        self._chance = chance
        self._until = until
        self._stopping = asyncio.Event()
        self._handing_over = False
        self._runs: dict[str, _Task] = {}
        self._driven: set[str] = set()
        """The attempts that they drive now."""

        self._sweep_at = 0.0
        self._looking: asyncio.Task[None] | None = None
        self._asking = Asking(ledger=ledger, telemetry=telemetry)
        self._quiet_until = 0.0
        venues = {s.venue.name: s.venue for s in sessions.values()}
        self._venues = venues
        self._watchers = {name: Watcher(venue, telemetry) for name, venue in venues.items()}
        self._heaps = {name: Heap() for name in venues}
        self._turns = {name: Heap() for name in venues}
        """When the next late slot of a schedule may begin (M5)."""

        self._due: dict[str, DueSlots] = {}
        self._uses: dict[str, list[str]] = {}
        for uid, one in schedules.items():
            self._uses.setdefault(one.session.uid, []).append(uid)
        self._grantwork = GrantWork(
            sessions,
            ledger=ledger,
            keys=keys,
            telemetry=telemetry,
            watchers=self._watchers,
            clock=clock,
            slots=self._slots_of,
            goes_on=self._goes_on,
            chance=chance,
        )
        self._operators = self._grantwork.operators
        self._keepers = self._grantwork.keepers
        self._executors: dict[str, Executor] = {}
        """Of the schedules that had a run here: most of a hundred thousand have none for long."""

        self._asks_ahead = [uid for uid, one in schedules.items() if asks_ahead(one)]
        self._copies = copies
        self._desk = None
        if commands is not None:
            self._desk = self._open_desk(commands, verbs, grant_verbs, handlers)
        self._funding = (
            None
            if funding_lead is None
            else FundingWatch(
                schedules,
                lead=funding_lead,
                count=self._count_of,
                ledger=ledger,
                clock=clock,
                telemetry=telemetry,
            )
        )
        self._overdue = (
            None
            if commands is None or breaches is None
            else Overdue(
                schedules,
                undecided=self._undecided,
                ledger=breaches,
                commands=commands,
                clock=clock,
                telemetry=telemetry,
            )
        )

    def _open_desk(
        self,
        commands: Commands,
        verbs: Verbs | None,
        grant_verbs: GrantVerbs | None,
        handlers: Mapping[str, Handler],
    ) -> Desk:
        known = dict(handlers)
        if verbs is not None:
            known |= RunVerbs(
                verbs,
                TermsOf(self._schedules),
                now=self._now_of,
                start=self._start,
                nudge=self._nudge,
            ).handlers()
        if grant_verbs is not None:
            known |= GrantWishes(
                grant_verbs,
                now=self._clock.now,
                may_renew=self._grantwork.may_renew,
                account_of=self._grantwork.account_of,
                renew=self._grantwork.renew,
                changed=self._grantwork.wake,
            ).handlers()
            known |= Papers(
                commands,
                grant_verbs.grants,
                revoker_of=self._grantwork.revoker_of,
                now=self._clock.now,
            ).handlers()
        return Desk(
            commands,
            known,
            clock=self._clock,
            telemetry=self._telemetry,
            on_pauses=self._pauses_changed,
        )

    def stop(self) -> None:
        """Claim nothing more; `run` returns once signed runs are closed, after 60 s at most."""
        self._stopping.set()

    def hand_over(self) -> None:
        """
        X17: decide what is due under the policies in force, then let go at once.

        Whoever comes next takes up the open runs from the ledger, as after a crash.
        """
        self._handing_over = True
        self._stopping.set()

    @property
    def at_rest(self) -> bool:
        """Whether nothing is driven here, and no slot is left to come."""
        heaps = [*self._heaps.values(), *self._turns.values()]
        return not self._runs and not any(len(heap) for heap in heaps)

    async def run(self, seeds: Sequence[ScheduleSeed]) -> None:
        """Until `stop`; nothing else ends it. A ledger that takes no write is waited for."""
        background: list[asyncio.Task[None]] = []
        try:
            background += [asyncio.create_task(w.run()) for w in self._watchers.values()]
            await self._first_look()
            if self._stopping.is_set():
                return
            await self._begin(seeds)
            self._telemetry.emit("daemon.armed", schedules=len(self._due))
            background += [asyncio.create_task(one) for one in self._grantwork.work()]
            if self._desk is not None:
                background.append(asyncio.create_task(self._desk.run()))
            if self._overdue is not None:
                background.append(asyncio.create_task(self._overdue.run()))
            if self._funding is not None:
                background.append(asyncio.create_task(self._funding.run()))
            await self._tick_until_stopped(background)
            await (self.tick() if self._handing_over else self._drain())
        finally:
            if self._looking is not None:
                background.append(self._looking)
            for entry in self._runs.values():
                entry.task.cancel()
            for task in background:
                task.cancel()
            await asyncio.gather(
                *background, *(e.task for e in self._runs.values()), return_exceptions=True
            )

    async def take_off(self) -> None:
        """Nothing but what has to go from accounts, until it is gone (O9, O10)."""
        watching = [asyncio.create_task(w.run()) for w in self._watchers.values()]
        try:
            await self._first_look()
            await self._grantwork.take_off()
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)

    async def apply(self, seeds: Sequence[ScheduleSeed]) -> None:
        """
        Schedules are brought to those of the policies and sessions are looked after, for ever;
        nothing is claimed, and no run is taken up: the next start does.
        """
        tasks = [asyncio.create_task(w.run()) for w in self._watchers.values()]
        try:
            await self._first_look()
            await self._reconcile()
            await self._install(seeds)
            await self._grantwork.load()
            keeping = [asyncio.create_task(one) for one in self._grantwork.work()]
            tasks += keeping
            if keeping:
                await asyncio.wait(keeping, return_when=asyncio.FIRST_COMPLETED)
                for task in keeping:
                    if task.done():
                        task.result()  # a keeper ends by a fault alone: let it be seen
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # ── starting ──────────────────────────────────────────────────────────────────────────────

    async def _first_look(self) -> None:
        """Nothing can be decided before the chain's time is known (X10)."""
        stopped = asyncio.create_task(self._stopping.wait())
        for watcher in self._watchers.values():
            seen = asyncio.create_task(watcher.seen.wait())
            await asyncio.wait({stopped, seen}, return_when=asyncio.FIRST_COMPLETED)
            seen.cancel()
        stopped.cancel()

    async def _begin(self, seeds: Sequence[ScheduleSeed]) -> None:
        """What a start needs of the ledger; one that cannot be written is waited for (H7)."""
        while not self._stopping.is_set():
            try:
                await self._reconcile()
                await self._install(seeds)
                await self._grantwork.load()
                await self._look_again()
                await self._recover()
            except StoreError as error:
                self._unwritable(error)
                await self._clock.sleep(_BEGIN_AGAIN_SECONDS)
            else:
                return

    async def _reconcile(self) -> None:
        """H5: a restored ledger pays nothing before it knows what was paid since its copy."""
        while self._copies is not None and not self._stopping.is_set():
            reconciler = Reconciler(
                schedules=self._schedules,
                watchers=self._watchers,
                ledger=self._ledger,
                copies=self._copies,
                telemetry=self._telemetry,
            )
            try:
                await reconciler.run()
                return
            except WalletApiError as error:
                self._telemetry.emit("ledger.unreconciled", level="warning", detail=error.what)
                await self._clock.sleep(_RECONCILE_AGAIN_SECONDS)

    async def _install(self, seeds: Sequence[ScheduleSeed]) -> None:
        now = min((v.clock.now() for v in self._venues.values()), default=None)
        if now is None:
            return
        triggers = {one.uid: one.trigger for one in seeds}
        decided, until = await Leftovers(
            self._schedules, triggers, self._ledger, decide_at=self._decide_at
        ).decide()
        installed = await self._ledger.install_schedules(
            seeds, named=self._named(), decided=decided, decided_until=until, now=now
        )
        self._tell_refused(installed.refused)
        known = installed.schedules
        for uid, schedule in self._schedules.items():
            state = known[uid]
            slots = DueSlots(
                schedule,
                anchor=state.anchor,
                decided_until=state.decided_until,
                until=self._until,
            )
            self._due[uid] = slots
        await self._rearm([uid for uid in self._due if known[uid].state == "active"])

    def _decide_at(self, schedule: ScheduleContext | None) -> datetime | None:
        """X10: up to when the slots of a schedule are decided; None: nothing can be."""
        moments = [
            self._decide_now(venue, self._watchers[name])
            for name, venue in self._venues.items()
            if schedule is None or venue is schedule.session.venue
        ]
        known = [one for one in moments if one is not None]
        return min(known) if known and len(known) == len(moments) else None

    def _named(self) -> list[Named]:
        """What everything is called by the policies in force."""
        kinds = ((SCHEDULE, self._schedules), (SESSION, self._sessions))
        return [
            Named(kind, uid, title(one.spec)) for kind, every in kinds for uid, one in every.items()
        ]

    async def _recover(self) -> None:
        """Take over every open run that nobody drives (H3); the chain is asked first."""
        runs = await self._ledger.open_runs()
        mine = [r for r in runs if self._is_driven_here(r) and r.id not in self._driven]
        # What waits for its predecessor is promoted when that one closes.
        waits = {r.id for r in mine if r.reason is Reason.OVERLAP and r.schedule in self._schedules}
        mine = [run for run in mine if run.id not in waits]
        if mine:
            self._telemetry.emit("daemon.recovered", runs=len(mine))
        for run in mine:
            schedule = self._schedules.get(run.schedule)
            same = schedule is not None and schedule.session.uid == run.session
            stays = same and self._keepers[run.session].is_ours(run)
            if stays or (schedule is not None and is_unsigned(run)):
                self._start(run)
            elif is_unsigned(run):
                await self._give_up(run)
            else:
                await self._pursue_orphan(run)
        for uid in {r.schedule for r in runs if r.id in waits}:
            await self._promote(uid)
        for uid in self._asks_ahead:
            await self._asking.ask(self._executor(uid), self._due[uid], now=self._now_of(uid))
        self._sweep_at = self._clock.monotonic() + _SWEEP_SECONDS

    async def _give_up(self, run: Run) -> None:
        """Nothing of it was signed, and nobody would sign it any more."""
        gone, why = Reason.REMOVED, "its schedule is no longer in the policies"
        if run.kind is RunKind.ACTIVATION:
            gone, why = Reason.GRANT, "its session has left the policies, or moved"
        await self._ledger.move(run, State.SKIPPED, reason=gone, detail=why, now=run.claimed_at)
        if run.kind is RunKind.ACTIVATION:
            await self._grantwork.abandon(run, why)

    def _is_driven_here(self, run: Run) -> bool:
        """A payment; and an activation that no keeper pursues: its session has gone, or moved."""
        if run.kind is RunKind.ACTIVATION:
            keeper = self._keepers.get(run.session)
            return keeper is None or not keeper.is_ours(run)
        return run.kind is RunKind.PAYMENT

    async def _sweep(self) -> None:
        if self._clock.monotonic() < self._sweep_at:
            return
        if self._looking is None or self._looking.done():
            if self._looking is not None:
                self._looking.result()  # a fault of ours: let it be seen
            # Beside the ticks: no slot waits for a chain that is slow to answer.
            self._looking = asyncio.create_task(self._look_again())
        try:
            await self._recover()
        except StoreError as error:
            self._sweep_at = self._clock.monotonic() + 1.0
            self._unwritable(error)

    async def _look_again(self) -> None:
        """X13: what was closed on blocks that are gone by now is open again."""
        for name, venue in self._venues.items():
            try:
                reopened = await reopen_contradicted(
                    venue,
                    self._watchers[name],
                    ledger=self._ledger,
                    telemetry=self._telemetry,
                )
            except WalletApiError:  # a chain that cannot be read says so by its watcher
                continue
            except StoreError as error:
                self._unwritable(error)
                return
            if reopened:
                self._sweep_at = self._clock.monotonic()

    def _unwritable(self, error: StoreError) -> None:
        """Said once in a while, however many runs meet it."""
        now = self._clock.monotonic()
        if now < self._quiet_until:
            return
        self._quiet_until = now + _UNWRITABLE_AGAIN_SECONDS
        self._telemetry.emit(
            "ledger.unwritable",
            level="critical",
            detail=error.what,
            hint="nothing is claimed or sent until the ledger can be written again",
        )

    async def _pursue_orphan(self, run: Run) -> None:
        """A signed run whose schedule or session is gone is finished as it was pinned (X6)."""
        grants = await self._ledger.grants(run.session)
        grant = next((one for one in grants if one.id == run.grant_id), None)
        session = None if grant is None else self._grantwork.neighbour(grant)
        if session is None or grant is None:
            self._telemetry.emit(
                "run.orphaned",
                level="critical",
                run=run.id,
                schedule=run.schedule,
                detail=f"signed under {run.session}, whose account no policy names any more",
                hint="put the account back until this run is closed, with a session on it",
            )
            return
        watcher = self._watchers[session.venue.name]
        self._spawn(run.id, self._finish_orphan(run, session, grant, watcher), signing=True)

    async def _finish_orphan(
        self, run: Run, session: SessionContext, grant: Grant, watcher: Watcher
    ) -> None:
        keeper = self._keepers.get(grant.session)
        async with session.account.lane.payment():
            pursuit = Pursuit(
                venue=session.venue,
                watcher=watcher,
                operator=self._operators[session.uid],
                ledger=self._ledger,
                telemetry=self._telemetry,
                grant=grant,
                lines=tuple(await self._ledger.transfers(run.id)),
                deadline_at=run.deadline_at or session.venue.clock.now(),
                may_burn=run.kind is RunKind.PAYMENT and can_burn(grant.permissions),
                standing=lambda: grant.state if keeper is None else keeper.standing(grant),
                on_evidence=self._grantwork.wake,
            )
            await pursuit.run(run)
        if run.schedule in self._schedules:
            await self._promote(run.schedule)

    # ── ticking ───────────────────────────────────────────────────────────────────────────────

    async def _tick_until_stopped(self, background: Sequence[asyncio.Task[None]]) -> None:
        stopped = asyncio.create_task(self._stopping.wait())
        # One that stands for all of them: a tick asks none of a thousand keepers.
        ended = asyncio.create_task(
            asyncio.wait({stopped, *background}, return_when=asyncio.FIRST_COMPLETED)
        )
        try:
            while not self._stopping.is_set():
                await self.tick()
                await self._sweep()
                self._set_alarm()
                ring = asyncio.create_task(self._alarm.wait())
                try:
                    await self._look_ahead(ring)
                    await asyncio.wait({ring, ended}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    ring.cancel()
                if ended.done():
                    for task in ended.result()[0]:
                        task.result()  # a keeper or watcher ends by a fault alone: let it be seen
        finally:
            stopped.cancel()
            ended.cancel()

    async def tick(self) -> None:
        """Decide and claim everything that is due, and begin what has waited its time."""
        for name, venue in self._venues.items():
            for uid in self._turns[name].pop_due(venue.clock.now()):
                await self._take_turn(uid)
            decide_at = self._decide_now(venue, self._watchers[name])
            if decide_at is None:
                continue
            due = self._heaps[name].pop_due(decide_at)
            if due:
                await self._claim(venue, due, decide_at)

    async def _look_ahead(self, ring: asyncio.Task[None]) -> None:
        """
        Until the alarm rings: decide what fires soon, the earliest first.

        So where thousands fire in one second, little is left to be done in it but to write.
        """
        for name, heap in self._heaps.items():
            soon = heap.until(self._venues[name].clock.now() + _LOOK_AHEAD)
            ahead = sorted(one for one in soon if not self._due[one[1]].is_looked_at)
            for number, (_, uid) in enumerate(ahead):
                if number % _LOOKS_AT_ONCE == 0:
                    await asyncio.sleep(0)
                    if ring.done() or self._stopping.is_set():
                        return
                self._due[uid].look_ahead()

    def _tell_refused(self, refused: Sequence[Claim]) -> None:
        for claim in refused:
            self._telemetry.emit(
                "occurrence.decided",
                level="warning",
                schedule=claim.schedule,
                slot=claim.slot,
                decision=claim.decision.value,
                reason=claim.reason.value if claim.reason else None,
                count=claim.count,
            )

    def _decide_now(self, venue: Venue, watcher: Watcher) -> datetime | None:
        return decide_now(
            venue.clock.now(),
            head=None if watcher.head is None else watcher.head.timestamp,
            head_age=timedelta(seconds=watcher.head_age or 0.0),
        )

    async def _claim(self, venue: Venue, due: Sequence[str], decide_at: datetime) -> None:
        try:
            await self._claim_all(venue, due, decide_at)
        except StoreError as error:
            if len(due) > 1:  # one schedule's trouble must not stop the others
                for uid in due:
                    await self._claim(venue, [uid], decide_at)
                return
            self._unwritable(error)
            self._heaps[venue.name].push(due[0], decide_at + timedelta(seconds=1))

    async def _claim_all(self, venue: Venue, due: Sequence[str], decide_at: datetime) -> None:
        claims: list[Claim] = []
        until: dict[str, datetime] = {}
        for uid in due:
            decided, watermark = self._due[uid].decide(decide_at)
            claims += decided
            until[uid] = watermark
        now = venue.clock.now()
        made, refused = await self._ledger.claim(claims, decided_until=until, now=now)
        for uid in due:
            self._due[uid].decided(until[uid])
        self._tell_refused(refused)
        for run in made:
            late = (run.claimed_at - run.due_at).total_seconds()
            self._telemetry.emit(
                "run.claimed",
                level="debug",
                run=run.id,
                schedule=run.schedule,
                slot=run.slot,
                late_seconds=late,
            )
            if not (run.state is State.HELD and run.reason is Reason.OVERLAP):
                self._start(run)
        await self._rearm(due)

    async def _rearm(self, uids: Iterable[str]) -> None:
        """Wait for the next slot of each; where none is left, the schedule is over (T9)."""
        over: dict[str, list[str]] = {}
        for uid in uids:
            venue = self._schedules[uid].session.venue
            upcoming = self._due[uid].next_slot()
            if upcoming is None:
                over.setdefault(venue.name, []).append(uid)
            elif not self._due[uid].is_beyond(upcoming):
                self._heaps[venue.name].push(uid, upcoming.fire_at)
        for name, ended in over.items():
            await self._ledger.complete(ended, now=self._venues[name].clock.now())

    def _set_alarm(self) -> None:
        waits = []
        heaps = [*self._heaps.items(), *self._turns.items()]
        for name, heap in heaps:
            first = heap.peek()
            if first is not None:
                left = (first[0] - self._venues[name].clock.now()).total_seconds()
                # A little late rather than early: a ring before the second decides nothing.
                waits.append(max(left, 0.0) + 0.005)
        self._alarm.ring_in(min(waits, default=None))

    # ── runs ──────────────────────────────────────────────────────────────────────────────────

    def _executor(self, uid: str) -> Executor:
        found = self._executors.get(uid)
        if found is None:
            schedule = self._schedules[uid]
            session = schedule.session
            found = self._executors[uid] = Executor(
                schedule,
                ledger=self._ledger,
                telemetry=self._telemetry,
                watcher=self._watchers[session.venue.name],
                keeper=self._keepers[session.uid],
                operator=self._operators[session.uid],
                chance=self._chance,
            )
        return found

    def _start(self, run: Run) -> None:
        if run.id in self._driven:  # the sweep may have found it first
            return
        self._spawn(run.id, self._drive(run))

    def _spawn(self, key: str, work: Coroutine[None, None, None], *, signing: bool = False) -> None:
        entry = _Task(asyncio.create_task(work), key, signing)
        self._runs[key] = entry
        self._driven.add(key)
        entry.task.add_done_callback(lambda task: self._ended(key, entry, task))

    def _ended(self, key: str, entry: _Task, task: asyncio.Task[None]) -> None:
        self._driven.discard(entry.run)
        if self._runs.get(key) is entry:  # else it was reopened, and is driven by another (X13)
            del self._runs[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            # The run stays open in the ledger; the sweep finds it and begins anew from there.
            self._sweep_at = min(self._sweep_at, self._clock.monotonic() + 5.0)
            if isinstance(error, StoreError) and not isinstance(error, Conflict):
                self._unwritable(error)
                return
            self._telemetry.emit(
                "run.fault",
                level="critical",
                run=key,
                detail=f"{type(error).__name__}: {error}",
                hint="the run stays open and is taken up again in a moment",
            )

    async def _drive(self, run: Run) -> None:
        executor = self._executor(run.schedule)
        current: Run | None = run
        entry = self._runs[run.id]
        while current is not None and not self._stopping.is_set():
            self._follow(entry, current.id)
            current = await executor.drive(current, signing=lambda: self._mark_signing(run.id))
        await self._promote(run.schedule)

    def _follow(self, entry: _Task, attempt: str) -> None:
        self._driven.discard(entry.run)
        entry.run = attempt
        self._driven.add(attempt)

    def _mark_signing(self, key: str) -> None:
        if key in self._runs:
            self._runs[key].signing = True

    async def _promote(self, uid: str) -> None:
        """M7: what waited behind the run that closed takes its turn."""
        if self._stopping.is_set():
            return
        schedule = self._schedules[uid]
        venue = schedule.session.venue
        now = venue.clock.now()
        following, again_at = await self._ledger.promote(
            uid, deadline_at=now + schedule.run_deadline, pace=schedule.pace, now=now
        )
        if again_at is not None:
            self._turns[venue.name].push(uid, again_at)
        if following is not None:
            self._start(following)

    async def _take_turn(self, uid: str) -> None:
        try:
            await self._promote(uid)
        except StoreError as error:
            self._unwritable(error)
            venue = self._schedules[uid].session.venue
            self._turns[venue.name].push(uid, venue.clock.now() + timedelta(seconds=1))

    # ── operators ─────────────────────────────────────────────────────────────────────────────

    def _slots_of(self, session: str, after: datetime, until: datetime) -> int:
        """How many slots of a session are due in (after, until]."""
        mine = (self._due[uid] for uid in self._uses.get(session, ()) if uid in self._due)
        return sum(one.count(after, until) for one in mine)

    def _goes_on(self, session: str) -> bool:
        """Whether a schedule of a session has slots left, and no number or sum that ends it."""
        for uid in self._uses.get(session, ()):
            spec, due = self._schedules[uid].spec, self._due.get(uid)
            bounded = spec.max_runs is not None or spec.until_total
            if due is not None and not bounded and due.next_slot() is not None:
                return True
        return False

    def _count_of(self, schedule: str, after: datetime, until: datetime) -> int:
        """How many slots of a schedule are due in (after, until]; none of one that is over."""
        due = self._due.get(schedule)
        if due is None or due.next_slot() is None:
            return 0
        return due.count(after, until)

    def _now_of(self, schedule: str) -> datetime:
        context = self._schedules.get(schedule)
        clock = self._clock if context is None else context.session.venue.clock
        return clock.now()

    def _undecided(self, schedule: str) -> Slot | None:
        due = self._due.get(schedule)
        return None if due is None else due.next_slot()

    def _nudge(self, run: Run) -> None:
        """A run has changed under its driver; one that nobody drives is taken up."""
        if run.schedule in self._schedules:
            self._executor(run.schedule).nudge(run.id)
        if run.state not in CLOSED and run.id not in self._driven:
            self._sweep_at = 0.0

    def _pauses_changed(self) -> None:
        """Who waits looks again, and what waits in line is promoted."""
        for executor in self._executors.values():
            executor.nudge()
        for keeper in self._keepers.values():
            keeper.wake()
        self._sweep_at = 0.0

    # ── stopping ──────────────────────────────────────────────────────────────────────────────

    async def _drain(self) -> None:
        """What is signed is awaited; what is not stays open in the ledger for the next start."""
        for entry in list(self._runs.values()):
            if not entry.signing:
                entry.task.cancel()
        await asyncio.sleep(0)
        signed = [entry.task for entry in self._runs.values() if entry.signing]
        if signed:
            self._telemetry.emit("daemon.stopping", signed=len(signed))
        patience = self._clock.monotonic() + _LAST_WAIT_SECONDS
        while self._clock.monotonic() < patience:
            busy = [e.task for e in self._runs.values() if e.signing]
            activating = any(keeper.signing for keeper in self._keepers.values())
            if not busy and not activating:
                return
            await self._clock.sleep(0.05)
