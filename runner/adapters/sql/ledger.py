"""
The Ledger on SQL: runs, operations and fences.

Every change of a run is conditional on its version; a change that finds another version raises
`Conflict` and writes nothing (H2). Final rows are never changed again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from runner.adapters.sql import approvals, budgets, claims, pauses
from runner.adapters.sql import tables as t
from runner.adapters.sql.alerts import AlertRows
from runner.adapters.sql.breaches import BreachRows
from runner.adapters.sql.burst import read_runs
from runner.adapters.sql.commands import CommandRows
from runner.adapters.sql.copies import CopyRows
from runner.adapters.sql.grant_verbs import GrantVerbRows
from runner.adapters.sql.grants import GrantRows
from runner.adapters.sql.moves import move, move_on, next_attempt, touch
from runner.adapters.sql.names import identities, write_names
from runner.adapters.sql.prepared import Among, Prepared, given
from runner.adapters.sql.queries import run_by_id
from runner.adapters.sql.reads import RunReads
from runner.adapters.sql.rows import (
    LINE_COLUMNS,
    OPERATION_COLUMNS,
    operation_values,
    run_begun,
    transfer_rows,
)
from runner.adapters.sql.store import SqlStore
from runner.adapters.sql.transaction import Transaction
from runner.adapters.sql.verbs import VerbRows
from runner.adapters.vault import Vault
from runner.errors import Conflict
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.guard.budget import Reservation
from runner.guard.intent import TransferLine
from runner.guard.verdict import Finding
from runner.planning.consent import History
from runner.planning.facts import Identities
from runner.planning.renames import Named
from runner.records import (
    LIVE_OPERATIONS,
    OWNER_OPERATIONS,
    SILENCEABLE_OPERATIONS,
    SILENCED_GRANTS,
    Claim,
    Consent,
    Grant,
    Inclusion,
    Installed,
    NewOperation,
    OperationKind,
    OperationStatus,
    Pace,
    Run,
    RunKind,
    ScheduleSeed,
)
from runner.scheduling.moves import may_move
from runner.scheduling.occurrence import Reason, State

_TOLD = ("signed", "sent", "unknown")
_LIVE = tuple(status.value for status in LIVE_OPERATIONS)
_o, _f = t.operations.c, t.fences.c

_FENCE = Prepared(
    select(_f.nonce, _f.chain, _f.sender).where(
        _f.run == given("its_run"), _f.attempt == given("its_attempt")
    )
)
_NEW_FENCE = Prepared(
    insert(t.fences), columns=["chain", "sender", "nonce", "run", "part", "attempt"]
)
_NEW_OPERATION = Prepared(insert(t.operations), columns=OPERATION_COLUMNS)
_GRANT_STATE = Prepared(select(t.grants.c.state).where(t.grants.c.id == given("grant")))
_KINDS = Among(select(_o.run, _o.hash, _o.kind), _o.run)
_REQUEST = Prepared(select(_o.request_sealed).where(_o.hash == given("its_hash")))
_SAID = Prepared(
    update(t.operations)
    .where(_o.hash == given("its_hash"), _o.status.in_(_TOLD))
    .values(
        status=given("its_status"),
        detail=given("its_detail"),
        call_id=func.coalesce(given("its_call_id", _o.call_id.type), _o.call_id),
    )
)
_INCLUDED = Prepared(
    update(t.operations)
    .where(_o.hash == given("its_hash"))
    .values(
        status=OperationStatus.INCLUDED.value,
        block_number=given("number"),
        block_hash=given("its_block"),
        block_at=given("at"),
        transaction_hash=given("transaction"),
        gas_cost=given("cost"),
    )
)
_WON = Prepared(
    update(t.operations).where(_o.hash == given("its_hash")).values(status=given("its_status"))
)
_LOST = Prepared(
    update(t.operations)
    .where(_o.run == given("its_run"), _o.status.in_(_LIVE))
    .values(status=OperationStatus.DEAD.value)
)
_NO_LINES = Prepared(t.transfers.delete().where(t.transfers.c.run == given("its_run")))
_NEW_LINE = Prepared(insert(t.transfers), columns=LINE_COLUMNS)


class SqlLedger(
    RunReads, GrantRows, GrantVerbRows, CommandRows, VerbRows, BreachRows, CopyRows, AlertRows
):
    """`ports.Ledger` over a `SqlStore`; what is secret goes through the vault."""

    def __init__(self, store: SqlStore, vault: Vault) -> None:
        super().__init__(store, vault)

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

        def work(tx: Transaction) -> Installed:
            _, refused = claims.claim(tx, decided, decided_until=decided_until, now=now)
            write_names(tx, named, now=now)
            return Installed(claims.install_schedules(tx, seeds, now=now), refused)

        return await self._store.write(work)

    async def identities(self) -> Identities:
        """Every schedule and session ever applied, and what it is called today (T10)."""
        return await self._store.read(identities)

    async def record(self, at: datetime, kind: str, subject: str, **data: object) -> None:
        """Leave an event that changes nothing else."""
        await self._store.write(lambda tx: tx.event(at, kind, subject, **data))

    async def pause_schedule(self, uid: str, *, reason: str, now: datetime) -> None:
        """Stop claiming for a schedule, and say why (M10)."""

        def work(tx: Transaction) -> None:
            changed = tx.connection.execute(
                update(t.schedules)
                .where(t.schedules.c.uid == uid, t.schedules.c.paused_reason.is_(None))
                .values(paused_reason=reason, paused_at=now)
            )
            if changed.rowcount:
                tx.event(now, "schedule.paused", uid, reason=reason)

        await self._store.write(work)

    async def keep_evidence(
        self, subject: str, *, what: str, findings: Sequence[Finding], now: datetime
    ) -> None:
        """Into the chain of events, whose past nobody changes unseen (H9)."""
        told = [{"rule": one.rule, "asked": one.asked, "offered": one.offered} for one in findings]
        await self._store.write(
            lambda tx: tx.event(now, "guard.refused", subject, detail=what, findings=told)
        )

    async def paused(self, schedule: str, *, now: datetime) -> str | None:
        """Why nothing of a schedule is to be signed now (O1)."""
        return await self._store.read(lambda c: pauses.paused(c, schedule, at=now))

    async def stopped(self) -> str | None:
        """Why nothing at all may be signed or sent (O8)."""
        return await self._store.glance(pauses.stopped)

    async def complete(self, schedules: Sequence[str], *, now: datetime) -> None:
        """No slot of these is left: they are over (T9)."""

        await self._store.write(
            lambda tx: claims.complete(tx, schedules, limit="the last slot", now=now)
        )

    async def claim(
        self, decided: Sequence[Claim], *, decided_until: Mapping[str, datetime], now: datetime
    ) -> tuple[list[Run], list[Claim]]:
        """
        One transaction a tick: a row for every decided slot, a run for every slot of ours.

        Returns the runs, and the slots that were decided against, as decided.
        """

        made, refused = await self._store.write(
            lambda tx: claims.claim(tx, decided, decided_until=decided_until, now=now)
        )
        # Once they are durable: ten thousand take a while, and nothing waits for it.
        runs = {one.id: run_begun(one) for one in made}
        # A slot that waits may have made room for the next one at once (M7).
        waiting = [run.id for run in runs.values() if run.state is State.HELD]
        if waiting:
            runs |= await self._store.read(lambda c: read_runs(c, waiting))
        return list(runs.values()), refused

    async def promote(
        self, schedule: str, *, deadline_at: datetime, pace: Pace | None = None, now: datetime
    ) -> tuple[Run | None, datetime | None]:
        """
        The oldest slot that waits for its predecessor becomes claimed, if nothing runs (M7).

        Slots whose catch-up window ended while they waited are missed(overlap) (M8). A paused
        schedule promotes nothing. Late slots begin at their pace (M5).

        Returns:
            The run, if there is one, and when to ask again, if that is known.
        """

        def work(tx: Transaction) -> tuple[Run | None, datetime | None]:
            c = tx.connection
            ended, first = claims.next_in_line(tx, schedule, now=now)
            for identity in ended:
                move(tx, run_by_id(c, identity), State.MISSED, reason=Reason.OVERLAP, now=now)
            beside = pace is not None and pace.beside
            if first is None or claims.running(tx, schedule, beside=beside):
                return None, None
            run = run_by_id(c, first)
            if not run.by_hand and pauses.paused(c, schedule, at=now) is not None:
                return None, None
            turn = claims.begins_at(tx, run, pace, now=now)
            if turn > now:
                return None, turn
            return move(tx, run, State.CLAIMED, now=now, deadline_at=deadline_at), None

        # What waits was held while another ran, so before that one was closed: a look shows it.
        if not await self._store.glance(lambda c: claims.is_waited_for(c, schedule)):
            return None, None
        return await self._store.write(work)

    async def reserve(
        self, run: Run, wanted: Sequence[Reservation], *, deadline_at: datetime, now: datetime
    ) -> Run | None:
        """
        A held run takes its amounts and goes on, if its budgets have room by now (X14).

        Where what it would exceed is the total of its schedule, that is over (T9): the run is
        skipped, and the schedule completed.
        """

        def work(tx: Transaction) -> Run | None:
            over = next((one for one in wanted if one.ends and budgets.used_up(tx, one)), None)
            if over is not None:
                claims.complete(tx, [run.schedule], limit=over.name, now=now)
                return move(tx, run, State.SKIPPED, reason=Reason.BUDGET, now=now)
            if not budgets.exchange(tx, run.id, wanted):
                return None
            return move(tx, run, State.CLAIMED, now=now, deadline_at=deadline_at)

        return await self._store.write(work)

    # ── runs ──────────────────────────────────────────────────────────────────────────────────

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
        return await self._store.write(
            lambda tx: move(
                tx, run, state, reason=reason, detail=detail, now=now, deadline_at=deadline_at
            )
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
        """
        The run becomes prepared: intent, revision and generation are pinned (X6).

        From now on its reservations are of the frozen amounts (X14). If these do not fit, as
        after an edit of the policy, the run is held or skipped(budget) instead. Not waited for: it
        is durable with or before the commit of `signed` (S3).
        """

        def work(tx: Transaction) -> Run:
            if not budgets.exchange(tx, run.id, reservations):
                state = State.HELD if on_budget == "hold" else State.SKIPPED
                return move(tx, run, state, reason=Reason.BUDGET, now=now)
            if run.intent is not None:  # it was frozen before, and held since
                _NO_LINES.run(tx.connection, its_run=run.id)
            _write_lines(tx, run.id, transfers, start=0)
            return move(
                tx,
                run,
                State.PREPARED,
                now=now,
                intent=intent,
                revision=revision,
                grant_id=grant.id,
            )

        return self._store.enqueue(work, about=run.id)

    async def history(
        self, schedule: str, *, names: Sequence[str], addresses: Sequence[Address]
    ) -> History:
        """What was paid before, as far as a run to these receivers depends on it."""
        return await self._store.glance(
            lambda c: approvals.history(c, schedule, names, list(addresses))
        )

    async def consent(
        self, run: Run, wanted: Consent, *, reason: Reason, now: datetime
    ) -> tuple[Run, bool]:
        """A frozen run goes on if somebody has approved it; else it is held, and somebody asked."""

        def work(tx: Transaction) -> tuple[Run, bool]:
            if approvals.is_given(tx.connection, wanted):
                return run_by_id(tx.connection, run.id), False
            first = approvals.request(tx, wanted, now=now)
            held = move(tx, run, State.HELD, reason=reason, detail=wanted.detail, now=now)
            return held, first

        return await self._store.write(work)

    async def ask_ahead(self, wanted: Sequence[Consent], *, now: datetime) -> list[Consent]:
        """Ask for approvals before the runs are there; those nobody had been asked for."""
        return await self._store.write(
            lambda tx: [one for one in wanted if approvals.request(tx, one, now=now)]
        )

    async def sign(self, run: Run, operation: NewOperation, *, now: datetime) -> Run:
        """
        The point of no return: bytes, hash and fence are durable when this returns (X1, X5).

        Raises:
            Conflict: the run moved on, its generation must sign no more (R13), the fence is taken
                by another run, or an operator has paused or stopped it (O8).
        """

        def work(tx: Transaction) -> Run:
            _check_allowed(tx, run, operation, now)
            _check_generation(tx, run, operation)
            _hold_fence(tx, run, operation)
            row = operation_values(run.id, operation, self._vault, now)
            tx.write(_NEW_OPERATION, operation.hash, row)
            tx.event(
                now,
                f"operation.signed.{operation.kind}",
                run.id,
                hash=operation.hash,
                nonce=str(operation.nonce),
                chain=operation.chain,
                checked=" ".join(operation.checked),
            )
            if run.state is State.PREPARED:
                return move(tx, run, State.SIGNED, now=now)
            return touch(tx, run)

        return await self._store.write(work, about=run.id)

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
        """
        What the service answered to a send: information, not permission. Rides along (S3).

        The run follows, unless evidence has moved it on meanwhile.
        """

        def work(tx: Transaction) -> Run:
            # An id is the service's to choose; one that it does not tell stays as it is.
            told = {"its_status": status.value, "its_detail": detail, "its_call_id": call_id}
            tx.write(_SAID, operation, told | {"its_hash": operation}, checked=False)
            state = State(status.value)
            with suppress(Conflict):  # it is as its caller knows it nearly always
                if run.state is not state:
                    return move(tx, run, state, detail=detail, now=now)
            current = run_by_id(tx.connection, run.id)
            known = may_move(current.state, state, was=current.reason, reason=None)
            if current.state is state or not known:
                return current
            return move(tx, current, state, detail=detail, now=now)

        return self._store.enqueue(work, about=run.id)

    async def include(self, run: Run, inclusion: Inclusion, *, now: datetime) -> Run:
        """An operation of this run is in a block: evidence seen, not yet final."""

        def work(tx: Transaction) -> Run:
            place = {
                "its_hash": inclusion.hash,
                "number": inclusion.block_number,
                "its_block": inclusion.block_hash,
                "at": inclusion.block_at,
                "transaction": inclusion.transaction_hash,
                "cost": inclusion.gas_cost,
            }
            tx.write(_INCLUDED, inclusion.hash, place, checked=False)
            kinds = {row.hash: row.kind for row in tx.of_run(_KINDS, run.id)}
            paid = kinds.get(inclusion.hash) == OperationKind.PAYMENT.value and inclusion.success
            tx.event(
                now,
                "operation.included",
                run.id,
                hash=inclusion.hash,
                block=inclusion.block_number,
                transaction=inclusion.transaction_hash,
                success=inclusion.success,
            )
            return move_on(tx, run, State.INCLUDED, now=now, counts=paid)

        return await self._store.write(work, about=run.id)

    async def exclude(self, run: Run, operation: str, *, now: datetime) -> Run:
        """A reorganisation took the operation out of its block: back to `sent` (S6)."""

        def work(tx: Transaction) -> Run:
            c = tx.connection
            c.execute(
                update(t.operations)
                .where(t.operations.c.hash == operation)
                .values(status=OperationStatus.SENT.value, block_number=None, block_hash=None)
            )
            tx.event(now, "operation.excluded", run.id, hash=operation)
            return move(tx, run_by_id(c, run.id), State.SENT, now=now)

        return await self._store.write(work)

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
        """
        The end of a signed run, on evidence: `winner` was included and is final, or none was.

        All other operations of the run are dead with it: one fence, one inclusion. `observed`
        are transfers of its receipt that the intent did not name. With `retry_until`, the deadline
        of a next attempt, that attempt is made in the same transaction, and takes over the
        reservations before anyone else can (S4); `retry_held` lets it wait for a person (X12).
        """

        def work(tx: Transaction) -> Run:
            if winner is not None:
                its = {"its_hash": winner, "its_status": outcome.value}
                tx.write(_WON, winner, its, checked=False)
            if any(row.hash != winner for row in tx.of_run(_KINDS, run.id)):
                tx.write(_LOST, run.id, {"its_run": run.id}, checked=False)
            if observed:
                asked = select(func.count()).where(t.transfers.c.run == run.id)
                many = tx.connection.scalar(asked) or 0
                _write_lines(tx, run.id, observed, start=many)
            again = retry_until is not None
            closed = move_on(tx, run, state, reason=reason, detail=detail, now=now, goes_on=again)
            if retry_until is not None:
                next_attempt(tx, closed, deadline_at=retry_until, held=retry_held, now=now)
            return closed

        return await self._store.write(work, about=run.id)

    async def contradict(self, run: Run, operation: str, *, now: datetime) -> Run:
        """
        What closed a run is not on the chain: the same row is open again, as a new version (X13).

        It stands beside whatever run of its schedule is open by now.
        """

        def work(tx: Transaction) -> Run:
            c, o = tx.connection, t.operations.c
            gone = {"status": OperationStatus.SENT.value, "block_number": None, "block_hash": None}
            c.execute(update(t.operations).where(o.hash == operation).values(gone))
            c.execute(
                update(t.operations)
                .where(o.run == run.id, o.status == OperationStatus.DEAD.value)
                .values(status=OperationStatus.UNKNOWN.value)
            )
            tx.event(now, "run.reorged", run.id, was=run.state, hash=operation)
            return move(tx, run, State.SENT, now=now, reopens=True, exclusive=False)

        return await self._store.write(work)

    async def open_request(self, operation: str) -> bytes:
        """The bytes that send the operation of this hash, as they were signed."""
        sealed = await self._store.glance(lambda c: _REQUEST.scalar(c, its_hash=operation))
        return self._vault.open(sealed, table="operations", column="request", row=operation)


def _check_allowed(tx: Transaction, run: Run, operation: NewOperation, now: datetime) -> None:
    """
    O8, O10: no pause is overtaken by a signature. What is signed already goes on when paused, and
    the owner takes grants off whatever is stopped.
    """
    if operation.kind in OWNER_OPERATIONS or not tx.recall("paused", pauses.are_any):
        return
    why = tx.recall("stopped", pauses.stopped)
    new = run.state is State.PREPARED and run.kind is RunKind.PAYMENT
    if why is None and new and not run.by_hand:
        asked = ("paused", run.schedule, now)
        why = tx.recall(asked, lambda c: pauses.paused(c, run.schedule, at=now))
    if why is not None:
        raise Conflict(f"run {run.id} may not be signed: {why}")


def _check_generation(tx: Transaction, run: Run, operation: NewOperation) -> None:
    """R11, R13: what has to stop signs nothing that gives."""
    if operation.kind not in SILENCEABLE_OPERATIONS:
        return
    grant = run.grant_id
    state = tx.recall(("grant", grant), lambda c: _GRANT_STATE.scalar(c, grant=grant))
    if state in SILENCED_GRANTS:
        raise Conflict(f"the grant that run {run.id} is pinned to is {state}")


def _hold_fence(tx: Transaction, run: Run, operation: NewOperation) -> None:
    """X1: one fence for an attempt, for ever; what outbids is signed on the same one."""
    fence = {"chain": operation.chain, "sender": operation.sender, "nonce": operation.nonce}
    if run.state is not State.PREPARED:
        held = _FENCE.first(tx.connection, its_run=run.id, its_attempt=run.attempt)
        if held is not None:
            if tuple(held) != (operation.nonce, operation.chain, operation.sender):
                raise Conflict(f"run {run.id} is pinned to another fence")
            return
    mine: dict[str, object] = {"run": run.id, "part": run.part, "attempt": run.attempt}
    try:
        tx.write(_NEW_FENCE, tuple(fence.values()), fence | mine)
    except IntegrityError:
        raise Conflict(f"the fence of run {run.id} is taken by another") from None


def _write_lines(tx: Transaction, run: str, lines: Sequence[TransferLine], *, start: int) -> None:
    for row in transfer_rows(run, lines, start=start):
        tx.write(_NEW_LINE, (run, row["position"]), row)
