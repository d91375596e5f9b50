"""
The operator's verbs about runs and slots: from a wish to what the ledger is to do (O4 to O7).

Here the policy's part is known: which slots there are, what they cost, how long they may take.
Whether a verb may do what it asks is judged in the ledger's transaction, where nothing moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import islice

from runner.errors import EncodingError, UsageError
from runner.execution.commands import Handler
from runner.execution.contexts import Terms
from runner.ports import Verbs
from runner.records import Command, RangeCut, Run, RunKind, ScheduleState, Take, Wish
from runner.scheduling.lookup import Rest, around, slot_named
from runner.scheduling.occurrence import Reason, Slot, State, format_extra_slot
from runner.scheduling.triggers import Timetable, timetable

MOST_SLOTS = 1_000
"""A backfill of more slots than these is more likely a slip of the pen."""

_FAR = 10_000


class RunVerbs:
    """Carries out the wishes about runs and slots."""

    def __init__(
        self,
        ledger: Verbs,
        terms: Mapping[str, Terms],
        *,
        now: Callable[[str], datetime],
        start: Callable[[Run], None],
        nudge: Callable[[Run], None],
    ) -> None:
        """
        Args:
            terms: By schedule.
            now: The clock of a schedule's wallet.
            start: Takes over a run that is new, nudge: one that has changed.
        """
        self._ledger = ledger
        self._terms = terms
        self._now = now
        self._start = start
        self._nudge = nudge

    def handlers(self) -> dict[str, Handler]:
        """By the kind of wish."""
        return {
            "run.retry": self.retry,
            "run.cancel": self.cancel,
            "run.approve": self.approve,
            "schedule.run": self.run_slot,
            "schedule.extra": self.run_extra,
            "schedule.backfill": self.backfill,
            "schedule.skip": self.skip,
        }

    # ── runs ──────────────────────────────────────────────────────────────────────────────────

    async def retry(self, command: Command) -> None:
        """O7: a held run goes on, a reverted or dead one gets its next attempt."""
        run = await self._run(command)
        terms = self._of(run.schedule)
        now = self._now(run.schedule)
        again = await self._ledger.retry(
            command,
            run,
            deadline_at=now + terms.run_deadline,
            reservations=terms.reservations(run.charged_at or run.due_at, run.slot),
            now=now,
        )
        if again.id == run.id:
            self._nudge(again)
        else:
            self._start(again)

    async def approve(self, command: Command) -> None:
        """B9: a yes to what was asked of a slot, whether its run is there or not."""
        wish = command.wish
        schedule, slot = str(wish.target), str(wish.arguments["slot"])
        now = self._now(schedule)
        run = await self._ledger.approve(
            command,
            schedule,
            slot,
            str(wish.arguments.get("digest")),
            deadline_at=now + self._of(schedule).run_deadline,
            now=now,
        )
        if run is not None:
            self._nudge(run)

    async def cancel(self, command: Command) -> None:
        """X4, X5: what is not signed is skipped, what is, is burned."""
        run = await self._run(command)
        if run.schedule not in self._terms and run.state not in {State.CLAIMED, State.HELD}:
            raise UsageError(
                f"{run.schedule} is no longer in the policies: run {run.id} ends as it was pinned"
            )
        self._nudge(await self._ledger.cancel(command, run, now=self._now(run.schedule)))

    async def _run(self, command: Command) -> Run:
        run = await self._ledger.run(command.wish.target)
        if run.kind is not RunKind.PAYMENT:
            raise UsageError(
                f"run {run.id} installs a grant", hint="its session tries again by itself"
            )
        return run

    # ── slots ─────────────────────────────────────────────────────────────────────────────────

    async def run_slot(self, command: Command) -> None:
        """X20: that occurrence now; the later tick finds it claimed."""
        wish = command.wish
        terms, table, _ = await self._calendar(wish)
        slot = _slot(table, wish)
        now = self._now(wish.target)
        claim = terms.claim(slot.text, due_at=slot.due_at, now=now, exclusive=_alone(wish))
        await self._take(command, [Take(claim, _cut(table, slot))])

    async def run_extra(self, command: Command) -> None:
        """O4: one payment more, named by its key; a repeated key is the same run."""
        wish = command.wish
        terms, now = self._of(wish.target), self._now(wish.target)
        text = format_extra_slot(str(wish.arguments["key"]))
        due_at = now.replace(microsecond=0)
        claim = terms.claim(text, due_at=due_at, now=now, exclusive=_alone(wish))
        await self._take(command, [Take(claim, _never_in_a_range, counted=False)])

    async def backfill(self, command: Command) -> None:
        """O3, O5: slots that were not paid, oldest first; a backfill charges today's budgets."""
        wish = command.wish
        terms, table, _ = await self._calendar(wish)
        now = self._now(wish.target)
        slots = [_named(table, str(text), wish.target) for text in wish.arguments["slots"]]
        if len(slots) > MOST_SLOTS:
            raise UsageError(
                f"{len(slots)} slots at once, at most {MOST_SLOTS}", hint="do it in several steps"
            )
        charged_at = now if wish.arguments.get("today") else None
        wanted = [
            Take(
                terms.claim(one.text, due_at=one.due_at, now=now, charged_at=charged_at),
                _cut(table, one),
                waits=True,
            )
            for one in slots
        ]
        await self._take(command, wanted)

    async def skip(self, command: Command) -> None:
        """O6: this slot, or the next one that nobody has decided."""
        wish = command.wish
        terms, table, state = await self._calendar(wish)
        now = self._now(wish.target)
        slot = _slot(table, wish) if "slot" in wish.arguments else await self._next(table, state)
        claim = terms.claim(slot.text, due_at=slot.due_at, now=now).against(
            State.SKIPPED, Reason.OPERATOR
        )
        run = await self._ledger.skip(command, claim, now=now)
        if run is not None:
            self._nudge(run)

    async def _next(self, table: Timetable, state: ScheduleState) -> Slot:
        decided = await self._ledger.decided_after(state.uid, state.decided_until)
        for slot in islice(table.slots(state.decided_until), _FAR):
            if slot.verdict is None and slot.text not in decided:
                return slot
        raise UsageError(f"{state.uid} has no slot left to skip")

    # ── what they have in common ──────────────────────────────────────────────────────────────

    async def _take(self, command: Command, wanted: list[Take]) -> None:
        now = self._now(command.wish.target)
        for run in await self._ledger.take(command, wanted, now=now):
            if run.state is State.CLAIMED:
                self._start(run)

    def _of(self, schedule: str) -> Terms:
        terms = self._terms.get(schedule)
        if terms is None:
            known = ", ".join(sorted(self._terms)[:5]) or "none"
            raise UsageError(f"no policy in force has schedule {schedule}", hint=f"known: {known}")
        return terms

    async def _calendar(self, wish: Wish) -> tuple[Terms, Timetable, ScheduleState]:
        terms = self._of(wish.target)
        state = (await self._ledger.schedules()).get(wish.target)
        if state is None:
            raise UsageError(
                f"{wish.target} was never applied", hint="the daemon applies it: runner up"
            )
        return terms, timetable(terms.spec, anchor=state.anchor), state


def _slot(table: Timetable, wish: Wish) -> Slot:
    return _named(table, str(wish.arguments["slot"]), wish.target)


def _named(table: Timetable, text: str, schedule: str) -> Slot:
    try:
        slot = slot_named(table, text)
    except EncodingError as error:
        raise UsageError(error.what, hint=error.hint) from None
    if slot is None:
        raise UsageError(
            f"{schedule} has no slot {text}", hint="see which it has: runner next, runner runs list"
        )
    return slot


def _alone(wish: Wish) -> bool | None:
    """`--allow-overlap` lets a run begin beside another (O4)."""
    return False if wish.arguments.get("allow_overlap") else None


def _cut(table: Timetable, slot: Slot) -> RangeCut:
    def cut(first: datetime, last: datetime, count: int) -> Rest:
        return around(table, slot, first=first, last=last, count=count)

    return cut


def _never_in_a_range(first: datetime, last: datetime, count: int) -> Rest:
    raise AssertionError(f"an extra run in a range row of {count}, {first} to {last}")
