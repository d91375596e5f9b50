"""Incidents and the outbox of messages: what people were told survives every restart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from runner.adapters.sql import tables as t
from runner.adapters.sql.names import Names
from runner.adapters.sql.queries import runs
from runner.adapters.sql.store import SqlStore
from runner.adapters.sql.transaction import Transaction
from runner.alerting.causes import Cause, Severity
from runner.alerting.incidents import Incident
from runner.alerting.messages import Attachment, Message
from runner.ports import Letter
from runner.records import RunKind
from runner.scheduling.occurrence import State

_KEPT = timedelta(days=30)
"""So long messages that went out stay in the outbox."""

_FAILED = (State.REVERTED.value, State.NOT_INCLUDED.value, State.MISSED.value)

Told = tuple[str, Mapping[str, Any]]


class AlertRows:
    """The ledger's half about alerts: `ports.AlertBook`."""

    _store: SqlStore

    async def incidents(self) -> list[Incident]:
        """The last of each cause, open or over."""
        return await self._store.read(incidents)

    async def keep_incidents(
        self,
        changed: Sequence[Incident],
        letters: Sequence[tuple[Message, Sequence[str]]],
        *,
        now: datetime,
    ) -> None:
        """Incidents as they are now, and what is told of them to whom, in one transaction."""

        def work(tx: Transaction) -> None:
            for one in changed:
                _keep(tx, one)
            for message, destinations in letters:
                for destination in destinations:
                    tx.connection.execute(_letter(message, destination, now))
            if letters:
                old = t.outbox.c.written_at < now - _KEPT
                over = t.outbox.c.sent_at.is_not(None) | t.outbox.c.given_up_at.is_not(None)
                tx.connection.execute(delete(t.outbox).where(old, over))

        await self._store.write(work)

    async def standing(self, *, now: datetime) -> list[Told]:
        """What the ledger shows to be the matter, as the events that told it."""

        def read(c: Connection) -> list[Told]:
            names = Names(c)
            told = [
                *_held(c),
                *_asked(c, now, names),
                *_failing(c),
                *_paused(c),
                *_late(c),
                *_stopping(c),
            ]
            return [(event, names.told(fields)) for event, fields in told]

        return await self._store.read(read)

    async def waiting(self, destination: str, *, limit: int) -> list[Letter]:
        """What was not delivered yet, oldest first."""
        o = t.outbox.c
        query = (
            select(t.outbox)
            .where(o.destination == destination, o.sent_at.is_(None), o.given_up_at.is_(None))
            .order_by(o.id)
            .limit(limit)
        )
        return await self._store.read(lambda c: [_opened(row) for row in c.execute(query)])

    async def delivered(self, letter: Letter, *, now: datetime) -> None:
        """A channel took it."""
        values = {"sent_at": now, "attempts": letter.attempts + 1, "error": None}
        await self._update(letter, values)

    async def undelivered(
        self, letter: Letter, error: str, *, now: datetime, give_up: bool
    ) -> None:
        """A channel did not take it."""
        values: dict[str, Any] = {"attempts": letter.attempts + 1, "error": error}
        await self._update(letter, values | ({"given_up_at": now} if give_up else {}))

    async def _update(self, letter: Letter, values: Mapping[str, Any]) -> None:
        statement = update(t.outbox).where(t.outbox.c.id == letter.id).values(**values)
        await self._store.write(lambda tx: tx.connection.execute(statement) and None)


def incidents(c: Connection) -> list[Incident]:
    """The last of each cause, the worst first."""
    rows = c.execute(select(t.incidents).order_by(t.incidents.c.opened_at))
    found = [_incident(row) for row in rows]
    return sorted(found, key=lambda one: -one.severity.rank)


def _incident(row: Row[Any]) -> Incident:
    values = dict(row._mapping)
    cause = Cause(values.pop("kind"), values.pop("subject"))
    told = values.pop("told_severity")
    return Incident(
        cause=cause,
        severity=Severity(values.pop("severity")),
        told_severity=None if told is None else Severity(told),
        **values,
    )


def _keep(tx: Transaction, one: Incident) -> None:
    values = {name: getattr(one, name) for name in _COLUMNS}
    values |= {"kind": one.cause.kind, "subject": one.cause.subject}
    values["severity"] = one.severity.value
    values["told_severity"] = None if one.told_severity is None else one.told_severity.value
    keys = [t.incidents.c.kind, t.incidents.c.subject]
    _note(tx, one)
    statement = upsert(t.incidents).values(**values)
    tx.connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))


def _note(tx: Transaction, one: Incident) -> None:
    """In the chain of events: when each incident began, and when it was over."""
    i, cause = t.incidents.c, one.cause
    query = select(i.opened_at, i.resolved_at)
    before = tx.connection.execute(
        query.where(i.kind == cause.kind, i.subject == cause.subject)
    ).first()
    told = {"of": cause.kind, "severity": one.severity.value}
    if before is None or before.opened_at != one.opened_at:
        tx.event(one.opened_at, "alert.opened", cause.subject, **told, what=one.what)
    if one.resolved_at is not None and (before is None or before.resolved_at is None):
        tx.event(one.resolved_at, "alert.resolved", cause.subject, **told)


_COLUMNS = [
    column.name
    for column in t.incidents.c
    if column.name not in {"kind", "subject", "severity", "told_severity"}
]


# ── the outbox ────────────────────────────────────────────────────────────────────────────────


def _letter(message: Message, destination: str, now: datetime) -> Any:
    return (
        upsert(t.outbox)
        .values(
            message=message.id,
            destination=destination,
            severity=message.severity.value,
            title=message.title,
            text=message.text,
            body=json.dumps(message.body),
            attachments=json.dumps([asdict(one) for one in message.attachments]),
            good=message.good,
            written_at=now,
        )
        .on_conflict_do_nothing()
    )


def _opened(row: Row[Any]) -> Letter:
    message = Message(
        id=row.message,
        severity=Severity(row.severity),
        title=row.title,
        text=row.text,
        body=json.loads(row.body),
        good=row.good,
        attachments=tuple(Attachment(**one) for one in json.loads(row.attachments)),
    )
    return Letter(row.id, message, row.destination, row.written_at, row.attempts)


# ── what the ledger shows ─────────────────────────────────────────────────────────────────────


def _held(c: Connection) -> Iterator[Told]:
    r = t.runs.c
    query = runs().where(
        r.closed_at.is_(None), r.kind == RunKind.PAYMENT.value, r.state == State.HELD.value
    )
    for row in c.execute(query):
        told = {"schedule": row.schedule, "slot": row.slot, "run": row.id}
        yield "run.held", told | {"reason": row.reason, "detail": row.detail}


def _asked(c: Connection, now: datetime, names: Names) -> Iterator[Told]:
    a = t.approvals.c
    query = select(a.schedule, a.slot, a.detail).where(a.approved_at.is_(None), a.due_at > now)
    for row in c.execute(query.distinct()):
        name = names.schedule(row.schedule)
        hint = f"approve it: runner runs approve {name}@{row.slot} --reason …"
        yield "approval.asked", {**row._mapping, "hint": hint}


def _failing(c: Connection) -> Iterator[Told]:
    s, r = t.schedules.c, t.runs.c
    failing = select(s.uid).where(s.failures_in_row > 0, s.state == "active")
    for uid in c.scalars(failing).all():
        newest = runs().where(r.schedule == uid, r.state.in_(_FAILED))
        row = c.execute(newest.order_by(r.due_at.desc(), r.attempt.desc()).limit(1)).first()
        if row is not None:
            told = {"schedule": uid, "slot": row.slot, "run": row.id}
            yield f"run.{row.state}", told | {"reason": row.reason, "detail": row.detail}


def _paused(c: Connection) -> Iterator[Told]:
    """Schedules that the breaker has paused; what a person paused, they know of."""
    s, e = t.schedules.c, t.events.c
    query = select(s.uid, s.paused_reason).where(s.paused_reason.is_not(None), s.state == "active")
    for row in c.execute(query).all():
        told = select(e.data).where(e.subject == row.uid, e.kind == "schedule.paused")
        data = c.scalar(told.order_by(e.at.desc()).limit(1))
        if data is not None and "author" not in json.loads(data):
            yield "schedule.paused", {"schedule": row.uid, "detail": row.paused_reason}


def _late(c: Connection) -> Iterator[Told]:
    for row in c.execute(select(t.breaches)):
        yield "schedule.overdue", dict(row._mapping)


def _stopping(c: Connection) -> Iterator[Told]:
    g = t.grants.c
    for row in c.execute(select(g.session, g.detail).where(g.state == "stopping")):
        yield "grant.stopping", dict(row._mapping)
