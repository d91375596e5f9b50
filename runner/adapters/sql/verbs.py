"""
What operators do to runs and slots, each verb with its answer in one transaction (O4 to O7).

The writer's transactions come one after the other, so a verb and a claim of the same slot never
both decide it: who comes second finds the row of the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from runner.adapters.sql import approvals, budgets, claims
from runner.adapters.sql import tables as t
from runner.adapters.sql.commands import answer
from runner.adapters.sql.moves import move, next_attempt, touch
from runner.adapters.sql.queries import run_by_id, runs
from runner.adapters.sql.rows import run_from, run_row
from runner.adapters.sql.store import SqlStore
from runner.adapters.sql.transaction import Transaction
from runner.errors import UsageError
from runner.guard.budget import Reservation
from runner.records import Claim, Command, CommandState, Run, Take
from runner.scheduling.lookup import Stretch
from runner.scheduling.occurrence import (
    CLOSED,
    DECIDED_AGAINST,
    UNSIGNED,
    Reason,
    State,
)

_NOT_BY_RETRY = {
    Reason.APPROVAL: "it waits for an approval: runner runs approve",
    Reason.NEW_RECEIVER: "it waits for an approval: runner runs approve",
    Reason.NEAR_DUPLICATE: "it waits for an approval: runner runs approve",
    Reason.EVIDENCE: "something is signed, and only the chain can end it",
    Reason.OVERLAP: "it goes on when its predecessor is closed",
    Reason.BUDGET: "it goes on when its budgets have room: raise a limit, or wait",
    Reason.BLACKOUT: "it goes on when the blackout ends",
}


_BY_APPROVAL = frozenset({Reason.APPROVAL, Reason.NEW_RECEIVER, Reason.NEAR_DUPLICATE})


class VerbRows:
    """The ledger's half about operators: `ports.Verbs`."""

    _store: SqlStore

    async def retry(
        self,
        command: Command,
        run: Run,
        *,
        deadline_at: datetime,
        reservations: Sequence[Reservation],
        now: datetime,
    ) -> Run:
        """A held run goes on; a reverted or dead one gets its next attempt (O7)."""

        def work(tx: Transaction) -> Run:
            if run.state is State.HELD:
                why = None if run.reason is None else _NOT_BY_RETRY.get(run.reason)
                if why is not None:
                    raise UsageError(f"run {run.id} is held({run.reason}): {why}")
                again = move(tx, run, State.CLAIMED, now=now, deadline_at=deadline_at, by_hand=True)
                told = f"run {run.id} goes on with attempt {run.attempt}"
            elif run.state in {State.REVERTED, State.NOT_INCLUDED}:
                _check_last(tx, run)
                _check_alone(tx, run.schedule)
                _check_budgets(tx, reservations)
                made = next_attempt(
                    tx,
                    run,
                    deadline_at=deadline_at,
                    by_hand=True,
                    reservations=reservations,
                    now=now,
                )
                again = run_by_id(tx.connection, made)
                told = f"attempt {again.attempt} is run {again.id}"
            else:
                raise UsageError(f"run {run.id} is {_stands(run)}", hint=_instead(run))
            answer(tx, command, CommandState.DONE, told, data={"runs": [again.id]}, now=now)
            return again

        return await self._store.write(work)

    async def approve(
        self,
        command: Command,
        schedule: str,
        slot: str,
        digest: str,
        *,
        deadline_at: datetime,
        now: datetime,
    ) -> Run | None:
        """Say yes to exactly what was asked of a slot; its run goes on, if it is there."""

        def work(tx: Transaction) -> Run | None:
            wish = command.wish
            given = approvals.give(
                tx, schedule, slot, digest, author=wish.author, reason=wish.reason, now=now
            )
            if given is None:
                raise UsageError(
                    f"nothing of {schedule}@{slot} waits for an approval as it was shown",
                    hint="it was approved, or something else is asked by now: look at it again",
                )
            asked, missing = given
            told = f"approved {schedule}@{slot}: {asked.detail}"
            if missing:
                data = {"slot": slot, "digest": asked.digest, "missing": missing, "runs": []}
                told += f"; {missing} more person has to say yes"
                answer(tx, command, CommandState.DONE, told, data=data, now=now)
                return None
            row = _row_of(tx, schedule, slot)
            run = None if row is None else _newest(tx, row.id)
            if run is not None and run.state is State.HELD and run.reason in _BY_APPROVAL:
                run = move(tx, run, State.CLAIMED, now=now, deadline_at=deadline_at)
            data = {"slot": slot, "digest": asked.digest, "runs": [] if run is None else [run.id]}
            answer(tx, command, CommandState.DONE, told, data=data, now=now)
            return run

        return await self._store.write(work)

    async def cancel(self, command: Command, run: Run, *, now: datetime) -> Run:
        """What is not signed is skipped; what is, is to be burned (X4, X5)."""

        def work(tx: Transaction) -> Run:
            if run.state in UNSIGNED and run.reason is not Reason.EVIDENCE:
                why = f"cancelled by {command.wish.author}: {command.wish.reason}"
                ended = move(tx, run, State.SKIPPED, reason=Reason.OPERATOR, detail=why, now=now)
                told = f"run {run.id} is skipped: nothing of it was signed"
            elif run.state in {State.SIGNED, State.SENT, State.UNKNOWN}:
                if run.cancelled_at is not None:
                    raise UsageError(f"run {run.id} is cancelled already: it is being burned")
                ended = touch(tx, run, cancelled_at=now)
                tx.event(now, "run.cancelled", run.id, author=command.wish.author)
                told = (
                    f"run {run.id} is signed: it is being burned, and the chain decides which of "
                    "the two is included"
                )
            else:
                raise UsageError(f"run {run.id} is {_stands(run)}", hint="there is nothing to stop")
            answer(tx, command, CommandState.DONE, told, data={"runs": [run.id]}, now=now)
            return ended

        return await self._store.write(work)

    async def take(self, command: Command, wanted: Sequence[Take], *, now: datetime) -> list[Run]:
        """Claim or reopen slots by hand (O4, O5, X11)."""

        def work(tx: Transaction) -> list[Run]:
            made: list[str] = []
            left: list[str] = []
            for one in wanted:
                try:
                    made.append(_take(tx, one, command, now))
                except UsageError as error:
                    if len(wanted) == 1:
                        raise
                    left.append(f"{one.claim.slot}: {error.what}")
            told = f"{len(made)} claimed by hand"
            if left:
                told += f", {len(left)} left out ({'; '.join(left[:3])})"
            if not made:
                raise UsageError(f"none of {len(wanted)} slots can be paid: {left[0]}")
            answer(tx, command, CommandState.DONE, told, data={"runs": made, "left": left}, now=now)
            return [run_by_id(tx.connection, identity) for identity in made]

        return await self._store.write(work)

    async def skip(self, command: Command, claim: Claim, *, now: datetime) -> Run | None:
        """Decide against a slot, or take its run back while it is unsigned (O6)."""

        def work(tx: Transaction) -> Run | None:
            row = _row_of(tx, claim.schedule, claim.slot)
            run, told = None, f"{claim.slot} will be skipped"
            if row is None:
                if _range_around(tx, claim) is not None:
                    raise UsageError(f"slot {claim.slot} is decided already")
                claims.write_decision(tx, claim, now)
            else:
                run = _newest(tx, row.id)
                if run is None or run.state in CLOSED:
                    stands = _stands(run) if run else _words(row.decision, row.reason)
                    raise UsageError(f"slot {claim.slot} is {stands}: there is nothing to skip")
                if run.state not in UNSIGNED or run.reason is Reason.EVIDENCE:
                    raise UsageError(
                        f"slot {claim.slot} is signed already, as run {run.id}",
                        hint=f"try to burn it: runner runs cancel {run.id}",
                    )
                why = f"skipped by {command.wish.author}: {command.wish.reason}"
                run = move(tx, run, State.SKIPPED, reason=Reason.OPERATOR, detail=why, now=now)
                told = f"{claim.slot} is skipped: nothing of run {run.id} was signed"
            answer(tx, command, CommandState.DONE, told, data={"slot": claim.slot}, now=now)
            return run

        return await self._store.write(work)

    async def decided_after(self, schedule: str, instant: datetime) -> frozenset[str]:
        """Slots that have a row and are due after an instant."""
        o = t.occurrences.c
        query = select(o.slot).where(o.schedule == schedule, o.due_at > instant)
        return await self._store.read(lambda c: frozenset(c.scalars(query)))


# ── claiming by hand ──────────────────────────────────────────────────────────────────────────


def _take(tx: Transaction, one: Take, command: Command, now: datetime) -> str:
    """Claim a slot that nobody decided, or reopen one that was decided against; the run's id."""
    claim, c = one.claim, tx.connection
    state, reason = State.CLAIMED, None
    if claim.exclusive and claims.running(tx, claim.schedule):
        if not one.waits:
            _check_alone(tx, claim.schedule)
        state, reason = State.HELD, Reason.OVERLAP
    row, attempt = _row_of(tx, claim.schedule, claim.slot), 1
    if row is not None:
        newest = _newest(tx, row.id)
        if newest is None and State(row.decision) not in DECIDED_AGAINST:
            raise UsageError(f"slot {claim.slot} is {row.decision}")
        if newest is not None:
            if newest.state not in DECIDED_AGAINST:
                raise UsageError(
                    f"slot {claim.slot} is {_stands(newest)}, as run {newest.id}",
                    hint=_instead(newest),
                )
            attempt = newest.attempt + 1
    _check_budgets(tx, claim.reservations)
    if row is None:
        _cut_range(tx, one, now)
        written = claims.write_decision(tx, replace(claim, decision=state, reason=reason), now)
        if written is None:
            raise AssertionError("a slot without a row takes one")
        occurrence = written
    else:
        occurrence = row.id
        values = {"decision": state.value, "reason": reason.value if reason else None}
        c.execute(
            update(t.occurrences)
            .where(t.occurrences.c.id == row.id)
            .values(**values, by_slot=None, decided_at=now)
        )
        was = _words(row.decision, row.reason)
        told = {"slot": claim.slot, "was": was, "author": command.wish.author}
        tx.event(now, "occurrence.reopened", claim.schedule, **told, reason=command.wish.reason)
    made = run_row(
        replace(claim, decision=state, reason=reason, expires_at=None),
        occurrence=occurrence,
        attempt=attempt,
        incarnation=tx.incarnation,
        now=now,
    )
    identity: str = made["id"]
    c.execute(insert(t.runs).values(**made, by_hand=True))
    if one.counted and attempt == 1:
        c.execute(
            update(t.schedules)
            .where(t.schedules.c.uid == claim.schedule)
            .values(runs=t.schedules.c.runs + 1)
        )
    budgets.reserve(tx, identity, claim.reservations)
    return identity


def _cut_range(tx: Transaction, one: Take, now: datetime) -> None:
    """A slot that is taken out of a range row leaves what was before it and after it (X11)."""
    row = _range_around(tx, one.claim)
    if row is None:
        return
    tx.connection.execute(t.occurrences.delete().where(t.occurrences.c.id == row.id))
    count = row._mapping["count"]
    for part in one.cut(row.due_at, row.last_due_at, count):
        if part is not None:
            claims.write_decision(tx, _as_range(row, part), row.decided_at)
    slot, was = one.claim.slot, _words(row.decision, row.reason)
    tx.event(now, "occurrence.range_cut", one.claim.schedule, slot=slot, was=was, count=count)


def _as_range(row: Row[Any], part: Stretch) -> Claim:
    many = part.count > 1
    return Claim(
        schedule=row.schedule,
        slot=part.first.text,
        due_at=part.first.due_at,
        decision=State(row.decision),
        reason=Reason(row.reason) if row.reason else None,
        by_slot=row.by_slot,
        count=part.count,
        last_slot=part.last.text if many else None,
        last_due_at=part.last.due_at if many else None,
    )


# ── looking ───────────────────────────────────────────────────────────────────────────────────


def _row_of(tx: Transaction, schedule: str, slot: str) -> Row[Any] | None:
    """The row of this slot alone; a range row that begins with it is none."""
    o = t.occurrences.c
    query = select(t.occurrences).where(o.schedule == schedule, o.slot == slot, o.count == 1)
    return tx.connection.execute(query).first()


def _range_around(tx: Transaction, claim: Claim) -> Row[Any] | None:
    o = t.occurrences.c
    query = select(t.occurrences).where(
        o.schedule == claim.schedule,
        o.count > 1,
        o.due_at <= claim.due_at,
        o.last_due_at >= claim.due_at,
    )
    return tx.connection.execute(query).first()


def _newest(tx: Transaction, occurrence: int) -> Run | None:
    query = runs().where(t.runs.c.occurrence == occurrence).order_by(t.runs.c.attempt.desc())
    row = tx.connection.execute(query.limit(1)).first()
    return None if row is None else run_from(row)


def _check_last(tx: Transaction, run: Run) -> None:
    newest = tx.connection.scalar(
        select(func.max(t.runs.c.attempt)).where(t.runs.c.occurrence == run.occurrence)
    )
    if newest != run.attempt:
        raise UsageError(f"run {run.id} was tried again already: attempt {newest}")


def _check_alone(tx: Transaction, schedule: str) -> None:
    """S4, M7: one run of a schedule at a time."""
    query = select(t.runs.c.id).where(t.runs.c.schedule == schedule, t.runs.c.running)
    other = tx.connection.scalar(query.limit(1))
    if other is not None:
        raise UsageError(
            f"run {other} of {schedule} is open",
            hint="wait for its end, or `runner runs cancel` it",
        )


def _check_budgets(tx: Transaction, wanted: Sequence[Reservation]) -> None:
    full = next((one for one in wanted if not budgets.fits(tx, [one])), None)
    if full is not None:
        raise UsageError(
            f"`{full.name}` has no room for it: at most {full.limit} base units of {full.token}",
            hint="raise the limit in the policy, or wait for its next period",
        )


def _words(state: str, reason: str | None) -> str:
    return state if reason is None else f"{state}({reason})"


def _stands(run: Run) -> str:
    return _words(run.state, run.reason)


def _instead(run: Run) -> str:
    if run.state in DECIDED_AGAINST:
        return f"pay it now: runner schedules run {run.schedule} --for {run.slot}"
    if run.state in {State.REVERTED, State.NOT_INCLUDED}:
        return f"try it again: runner runs retry {run.id}"
    if run.state is State.SUCCESS:
        return f"it is paid; another payment: runner schedules run {run.schedule} --extra"
    return f"see where it stands: runner runs show {run.id}"
