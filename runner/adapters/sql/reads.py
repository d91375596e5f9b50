"""
The ledger's half that only looks: schedules, runs, operations, and sums over them.

Each read is a transaction of its own, beside the writer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime

from sqlalchemy import Connection, and_, func, or_, select

from runner.adapters.sql import tables as t
from runner.adapters.sql.prepared import Among, Prepared, given
from runner.adapters.sql.queries import run_by_id, runs
from runner.adapters.sql.rows import OPERATION_FIELDS, line_from, operation_from, run_from
from runner.adapters.sql.store import SqlStore
from runner.ethereum.address import Address
from runner.guard.computed import Movement, movement
from runner.guard.intent import NATIVE, TransferLine
from runner.records import Operation, OperationStatus, Run, RunKind, ScheduleState
from runner.scheduling.occurrence import PENDING, Reason, State

_FAILED = frozenset({State.REVERTED, State.NOT_INCLUDED, State.MISSED})
_NOT_IN_A_BLOCK = [
    status.value
    for status in (OperationStatus.SIGNED, OperationStatus.SENT, OperationStatus.UNKNOWN)
]


_SIGNED = select(*(t.operations.c[name] for name in OPERATION_FIELDS))
_OPERATIONS = Prepared(
    _SIGNED.where(t.operations.c.run == given("run")).order_by(t.operations.c.signed_at)
)
_LINES = Prepared(
    select(t.transfers).where(t.transfers.c.run == given("run")).order_by(t.transfers.c.position)
)
_WON = (OperationStatus.SUCCESS.value, OperationStatus.REVERTED.value)
_CLOSED_SINCE = Prepared(
    _SIGNED.join(t.runs, t.runs.c.id == t.operations.c.run).where(
        t.operations.c.chain == given("its_chain"),
        t.operations.c.block_number >= given("since_block"),
        t.operations.c.status.in_(_WON),
        t.runs.c.kind == RunKind.PAYMENT.value,
    )
)
_SUCCESSOR = Prepared(
    runs().where(
        t.runs.c.occurrence == given("its_occurrence"),
        t.runs.c.part == given("its_part"),
        t.runs.c.attempt == given("next_attempt"),
    )
)
_FAILURES = Prepared(
    select(t.schedules.c.failures_in_row).where(t.schedules.c.uid == given("schedule"))
)
_FEES = Prepared(
    select(t.operations.c.status, t.operations.c.gas_cost, t.operations.c.max_cost).where(
        t.operations.c.chain == given("its_chain"),
        t.operations.c.sender == given("its_sender"),
        t.operations.c.signed_at >= given("since"),
    )
)


_STATES = select(*(t.schedules.c[one.name] for one in fields(ScheduleState)))
_SCHEDULES = Prepared(_STATES)
_SOME_SCHEDULES = Among(_STATES, t.schedules.c.uid)
_TRIGGERS = Prepared(
    select(t.schedules.c.uid, t.schedules.c.trigger).where(t.schedules.c.state == "active")
)
_USES = Prepared(_STATES.where(t.schedules.c.session == given("its_session")))


class RunReads:
    """The reads of `ports.Ledger` about schedules and runs."""

    _store: SqlStore

    async def schedules(self, *, session: str | None = None) -> dict[str, ScheduleState]:
        """The schedules that the ledger knows, all or those of a session, by uid."""

        def query(c: Connection) -> dict[str, ScheduleState]:
            rows = _SCHEDULES.all(c) if session is None else _USES.all(c, its_session=session)
            return {row.uid: ScheduleState(*row) for row in rows}

        return await self._store.read(query)

    async def superseded(self, triggers: Mapping[str, str]) -> dict[str, ScheduleState]:
        """Active schedules that are not among these, or have another trigger there, by uid."""

        def query(c: Connection) -> dict[str, ScheduleState]:
            rows = _TRIGGERS.all(c)
            others = [row.uid for row in rows if triggers.get(row.uid) != row.trigger]
            return {row.uid: ScheduleState(*row) for row in _SOME_SCHEDULES.all(c, others)}

        return await self._store.read(query)

    async def applied(self) -> dict[str, str]:
        """The digest that each policy was last applied with, by the policy's name."""
        newest = select(t.revisions).order_by(t.revisions.c.installed_at)

        def query(c: Connection) -> dict[str, str]:
            return {row.policy: row.digest for row in c.execute(newest)}

        return await self._store.read(query)

    async def applied_texts(self, policies: Sequence[str]) -> dict[str, str]:
        """Policies as they were applied last, by name, where they were written down."""
        e = t.events.c
        query = select(e.subject, e.data).where(e.kind == "policy.applied", e.subject.in_(policies))

        def read(c: Connection) -> dict[str, str]:
            rows = c.execute(query.order_by(e.at, e.seq))
            return {row.subject: json.loads(row.data)["text"] for row in rows}

        return await self._store.read(read)

    async def counts(self, *, incarnation: str) -> dict[str, int]:
        """What this process has brought to an end: runs paid and failed, renewals, what is open."""

        def read(c: Connection) -> dict[str, int]:
            renewals = select(func.count()).where(
                t.events.c.incarnation == incarnation, t.events.c.kind == "grant.draining"
            )
            payments = (
                select(func.count())
                .select_from(t.runs)
                .where(t.runs.c.kind == RunKind.PAYMENT.value)
            )
            mine = payments.where(t.runs.c.incarnation == incarnation)
            failed = [state.value for state in _FAILED]
            return {
                "paid": c.scalar(mine.where(t.runs.c.state == State.SUCCESS.value)) or 0,
                "failed": c.scalar(mine.where(t.runs.c.state.in_(failed))) or 0,
                "renewals": c.scalar(renewals) or 0,
                "open": c.scalar(payments.where(t.runs.c.closed_at.is_(None))) or 0,
            }

        return await self._store.read(read)

    async def open_runs(self) -> list[Run]:
        """Every run that is not closed, oldest first."""
        query = runs().where(t.runs.c.closed_at.is_(None)).order_by(t.runs.c.due_at)
        return await self._store.read(lambda c: [run_from(row) for row in c.execute(query)])

    async def pinned_runs(self, grants: Sequence[int]) -> list[Run]:
        """Those among them that are pinned to one of these generations, oldest first."""
        r = t.runs.c
        query = runs().where(r.closed_at.is_(None), r.grant_id.in_(grants)).order_by(r.due_at)
        return await self._store.read(lambda c: [run_from(row) for row in c.execute(query)])

    async def has_open_runs(self, session: str) -> bool:
        """Whether a run of this session is not closed."""
        r = t.runs.c
        query = select(r.id).where(r.closed_at.is_(None), r.session == session).limit(1)
        return await self._store.read(lambda c: c.scalar(query)) is not None

    async def run(self, identity: str) -> Run:
        """One run as it stands."""
        return await self._store.glance(lambda c: run_by_id(c, identity))

    async def operations(self, run: str) -> list[Operation]:
        """All operations signed for a run, oldest first."""
        return await self._store.glance(lambda c: operations_of(c, run))

    async def closed_since(self, chain: int, block: int) -> list[Operation]:
        """What payments were closed on, included in this block or later (X13)."""
        since = {"its_chain": chain, "since_block": block}
        return await self._store.read(
            lambda c: [operation_from(row) for row in _CLOSED_SINCE.all(c, **since)]
        )

    async def successor(self, run: Run) -> Run | None:
        """The attempt that followed a closed run, if there is one."""
        its = {"its_occurrence": run.occurrence, "its_part": run.part}

        def read(c: Connection) -> Run | None:
            row = _SUCCESSOR.first(c, **its, next_attempt=run.attempt + 1)
            return None if row is None else run_from(row)

        return await self._store.glance(read)

    async def failures_in_row(self, schedule: str) -> int:
        """Failed runs of a schedule since its last success (M10)."""
        return int(await self._store.glance(lambda c: _FAILURES.scalar(c, schedule=schedule) or 0))

    async def fees_since(self, chain: int, sender: Address, since: datetime) -> int:
        """
        Wei that an account's operations signed since then have cost, or may still cost (G2).

        What is included counts what was charged, what is open its maximum, what is dead nothing.
        """

        def read(c: Connection) -> int:
            return sum(
                row.max_cost if row.gas_cost is None else row.gas_cost
                for row in _FEES.all(c, its_chain=chain, its_sender=sender, since=since)
                if row.status != OperationStatus.DEAD.value
            )

        return await self._store.glance(read)

    async def charged(self, grant: int) -> dict[str, dict[str, int]]:
        """By run pinned to this grant and not closed without success: base units per token."""
        spends = {State.SUCCESS.value, State.INCLUDED.value}
        query = (
            select(t.runs.c.id, t.transfers.c.token, t.transfers.c.amount)
            .join_from(t.transfers, t.runs, t.transfers.c.run == t.runs.c.id)
            .where(
                t.runs.c.grant_id == grant,
                t.transfers.c.kind != "observed",
                t.runs.c.closed_at.is_(None) | t.runs.c.state.in_(spends),
            )
        )

        def read(c: Connection) -> dict[str, dict[str, int]]:
            sums: dict[str, dict[str, int]] = {}
            for row in c.execute(query):
                by_token = sums.setdefault(row.id, {})
                by_token[row.token] = by_token.get(row.token, 0) + row.amount
            return sums

        return await self._store.read(read)

    async def moving(self, chain: int, *, block: int) -> list[Movement]:
        """
        What open runs on a chain may still move that balances after a block do not show.

        A run counts from its freezing until its operation, or its burn, is in such a block; one
        that is held has nothing under way. Of a fee the account pays, the most counts.
        """
        r, g, o = t.runs.c, t.grants.c, t.operations.c
        shown = select(o.run).where(o.run == r.id, o.block_number <= block).exists()
        under_way = [State.PREPARED.value, *(state.value for state in PENDING)]
        payments = (
            select(t.transfers, g.account)
            .join_from(t.runs, t.transfers, r.id == t.transfers.c.run)
            .join(t.grants, r.grant_id == g.id)
            .where(
                r.closed_at.is_(None),
                or_(
                    r.state.in_(under_way),
                    and_(r.state == State.HELD.value, r.reason == Reason.EVIDENCE.value),
                ),
                g.chain == chain,
                ~shown,
            )
        )
        fees = select(o.run, o.sender, o.max_cost).where(
            o.chain == chain, o.sponsored.is_(False), o.status.in_(_NOT_IN_A_BLOCK)
        )

        def read(c: Connection) -> list[Movement]:
            found = [movement(Address(row.account), line_from(row)) for row in c.execute(payments)]
            most: dict[tuple[str, str], int] = {}
            for row in c.execute(fees):
                key = (row.run, row.sender)
                most[key] = max(most.get(key, 0), row.max_cost)
            found += [
                Movement(Address(sender), None, NATIVE, cost) for (_, sender), cost in most.items()
            ]
            return found

        return await self._store.read(read)

    async def recent(self, schedule: str, *, count: int) -> list[list[TransferLine]]:
        """
        What each of the newest runs moved that paid, or found nothing to do, the newest first.

        Those before the schedule was last resumed are not among them.
        """
        r, e = t.runs.c, t.events.c
        resumed = select(func.max(e.at)).where(e.subject == schedule, e.kind == "schedule.resumed")
        idle = and_(r.state == State.SKIPPED.value, r.reason == Reason.NOTHING_TO_DO.value)
        query = (
            select(r.id, r.claimed_at)
            .where(r.schedule == schedule, or_(r.state == State.SUCCESS.value, idle))
            .order_by(r.due_at.desc(), r.attempt.desc())
            .limit(count)
        )

        def read(c: Connection) -> list[list[TransferLine]]:
            since = c.scalar(resumed)
            return [
                _lines(c, row.id)
                for row in c.execute(query)
                if since is None or row.claimed_at > since
            ]

        return await self._store.read(read)

    async def transfers(self, run: str) -> list[TransferLine]:
        """What a frozen intent moves, in order."""
        return await self._store.glance(lambda c: _lines(c, run))


def operations_of(c: Connection, run: str) -> list[Operation]:
    """All operations signed for a run, oldest first."""
    return [operation_from(row) for row in _OPERATIONS.all(c, run=run)]


def _lines(c: Connection, run: str) -> list[TransferLine]:
    return [line_from(row) for row in _LINES.all(c, run=run)]
