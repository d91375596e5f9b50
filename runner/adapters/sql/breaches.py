"""What was told to be overdue, so that it is told once, also across a restart (M11)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from runner.adapters.sql import pauses
from runner.adapters.sql import tables as t
from runner.adapters.sql.queries import runs
from runner.adapters.sql.store import SqlStore
from runner.adapters.sql.transaction import Transaction
from runner.records import RunKind
from runner.scheduling.occurrence import Reason
from runner.scheduling.signals import Breach, Facts, OpenRun, Signal


class BreachRows:
    """The ledger's half about late signals: `ports.Breaches`."""

    _store: SqlStore

    async def signal_facts(
        self, schedules: Collection[str], *, now: datetime
    ) -> Mapping[str, Facts]:
        """What signals depend on, of these schedules."""

        def query(c: Connection) -> Mapping[str, Facts]:
            s, r = t.schedules.c, t.runs.c
            open_runs: dict[str, list[OpenRun]] = {}
            found = runs().where(r.closed_at.is_(None), r.kind == RunKind.PAYMENT.value)
            for row in c.execute(found.order_by(r.due_at)):
                reason = Reason(row.reason) if row.reason else None
                one = OpenRun(row.id, row.slot, row.due_at, row.claimed_at, reason)
                open_runs.setdefault(row.schedule, []).append(one)
            rows = c.execute(
                select(s.uid, s.anchor, s.paid_at).where(
                    s.uid.in_(sorted(schedules)), s.state == "active"
                )
            )
            return {
                row.uid: Facts(
                    since=row.anchor,
                    paid_at=row.paid_at,
                    paused=pauses.paused(c, row.uid, at=now) is not None,
                    open_runs=tuple(open_runs.get(row.uid, ())),
                )
                for row in rows
            }

        return await self._store.read(query)

    async def report_breaches(
        self, current: Sequence[Breach], *, now: datetime
    ) -> tuple[list[Breach], list[Breach]]:
        """
        Write down what is overdue now.

        Returns:
            What is new among it, and what is over.
        """

        def work(tx: Transaction) -> tuple[list[Breach], list[Breach]]:
            b = t.breaches.c
            known = {
                one.key: one
                for one in (
                    Breach(row.schedule, Signal(row.signal), row.subject, row.since, row.detail)
                    for row in tx.connection.execute(select(t.breaches))
                )
            }
            here = {one.key: one for one in current}
            raised = [one for key, one in here.items() if key not in known]
            over = [one for key, one in known.items() if key not in here]
            for one in raised:
                values = {"since": one.since, "detail": one.detail}
                names = dict(zip(("schedule", "signal", "subject"), one.key, strict=True))
                tx.connection.execute(insert(t.breaches).values(**names, **values))
                told = {"signal": one.signal.value, "of": one.subject}
                tx.event(now, "schedule.overdue", one.schedule, **told, detail=one.detail)
            for one in over:
                tx.connection.execute(
                    delete(t.breaches).where(
                        b.schedule == one.schedule,
                        b.signal == one.signal.value,
                        b.subject == one.subject,
                    )
                )
                told = {"signal": one.signal.value, "of": one.subject}
                tx.event(now, "schedule.in_time", one.schedule, **told)
            return raised, over

        return await self._store.write(work)
