"""
Who was asked, who said yes, and to whom was paid before (B9, B10).

Functions over one transaction. An approval is a row of its own, bound to the digest of the
intent: it may be asked for, and given, before the run is there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from runner.adapters.sql import tables as t
from runner.adapters.sql.prepared import Among, Prepared, given
from runner.adapters.sql.transaction import Transaction
from runner.errors import UsageError
from runner.ethereum.address import Address
from runner.planning.consent import History
from runner.records import DASHBOARD, Consent, Run, RunKind
from runner.scheduling.occurrence import State

_PAID_LINES = Among(
    select(t.transfers.c.run, t.transfers.c.receiver_name, t.transfers.c.receiver)
    .where(t.transfers.c.kind != "observed")
    .distinct(),
    t.transfers.c.run,
)
_receiver = upsert(t.receivers).values(
    policy=given("policy"),
    name=given("name"),
    receiver=given("receiver"),
    paid_at=given("paid_at"),
)
_REMEMBER = Prepared(
    _receiver.on_conflict_do_update(
        index_elements=["policy", "name", "receiver"],
        set_={"paid_at": _receiver.excluded.paid_at},
    )
)
_ANCHOR = Prepared(select(t.schedules.c.anchor).where(t.schedules.c.uid == given("schedule")))
_LAST_PAID = Prepared(
    select(t.runs.c.due_at, t.runs.c.claimed_at)
    .where(
        t.runs.c.schedule == given("its_schedule"),
        t.runs.c.kind == RunKind.PAYMENT.value,
        t.runs.c.state == State.SUCCESS.value,
        t.runs.c.by_hand.is_(False),
    )
    .order_by(t.runs.c.due_at.desc())
    .limit(2)
)
_NEWEST_OF_NAME = Prepared(
    select(t.receivers.c.receiver)
    .where(t.receivers.c.policy == given("its_policy"), t.receivers.c.name == given("its_name"))
    .order_by(t.receivers.c.paid_at.desc(), t.receivers.c.receiver.desc())
    .limit(1)
)
_KNOWN = Prepared(
    select(t.receivers.c.receiver)
    .where(
        t.receivers.c.policy == given("its_policy"), t.receivers.c.receiver == given("its_receiver")
    )
    .limit(1)
)


def request(transaction: Transaction, one: Consent, *, now: datetime) -> bool:
    """Ask for an approval, once; tells whether this was the first time."""
    row = transaction.connection.execute(
        upsert(t.approvals)
        .values(
            schedule=one.schedule,
            slot=one.slot,
            attempt=one.attempt,
            digest=one.digest,
            due_at=one.due_at,
            detail=one.detail,
            asked_at=now,
            approvers=one.approvers,
        )
        .on_conflict_do_nothing()
        .returning(t.approvals.c.digest)
    ).first()
    a = t.approvals.c
    transaction.connection.execute(  # the organisation may ask for more persons by now
        update(t.approvals)
        .where(*_same(a, one), a.approved_at.is_(None), a.approvers < one.approvers)
        .values(approvers=one.approvers)
    )
    if row is not None:
        told = {"slot": one.slot, "attempt": one.attempt, "digest": one.digest}
        transaction.event(now, "approval.asked", one.schedule, **told, detail=one.detail)
    return row is not None


def is_given(connection: Connection, one: Consent) -> bool:
    """Whether somebody has approved exactly this."""
    query = select(t.approvals.c.approved_at).where(*_same(t.approvals.c, one))
    return connection.scalar(query) is not None


def give(
    transaction: Transaction,
    schedule: str,
    slot: str,
    digest: str,
    *,
    author: str,
    reason: str,
    now: datetime,
) -> tuple[Consent, int] | None:
    """
    Approve the intent with this digest.

    Returns:
        What was approved, and how many more persons have to; None: it is not asked for (any more).

    Raises:
        UsageError: this person has approved it already, and another one has to.
    """
    a, v = t.approvals.c, t.votes.c
    query = (
        select(t.approvals)
        .where(
            a.schedule == schedule,
            a.slot == slot,
            a.digest == digest,
            a.approved_at.is_(None),
        )
        .order_by(a.attempt.desc(), a.asked_at.desc())
    )
    connection = transaction.connection
    row = connection.execute(query.limit(1)).first()
    if row is None:
        return None
    asked = Consent(schedule, slot, row.attempt, row.digest, row.due_at, row.detail, row.approvers)
    before = set(connection.scalars(select(v.author).where(*_same(v, asked))))
    person = DASHBOARD if author.endswith(DASHBOARD) else author
    if person in before:
        raise UsageError(
            f"{person} has approved {schedule}@{slot} already",
            hint=f"it needs {row.approvers} persons: another one has to say yes",
        )
    connection.execute(
        insert(t.votes).values(
            schedule=schedule,
            slot=slot,
            attempt=row.attempt,
            digest=row.digest,
            author=person,
            reason=reason,
            at=now,
        )
    )
    missing = row.approvers - len(before) - 1
    if missing <= 0:
        connection.execute(
            update(t.approvals)
            .where(*_same(a, asked))
            .values(approved_at=now, author=author, reason=reason)
        )
    told = {"slot": slot, "attempt": row.attempt, "digest": row.digest, "detail": row.detail}
    transaction.event(
        now, "approval.given", schedule, **told, author=author, reason=reason, missing=missing
    )
    return asked, max(missing, 0)


def _same(
    columns: ReadOnlyColumnCollection[str, Column[Any]], one: Consent
) -> tuple[ColumnElement[bool], ...]:
    return (
        columns.schedule == one.schedule,
        columns.slot == one.slot,
        columns.attempt == one.attempt,
        columns.digest == one.digest,
    )


# ── what was paid before ──────────────────────────────────────────────────────────────────────


def remember_receivers(transaction: Transaction, run: Run, *, now: datetime) -> None:
    """A run has paid: whom it paid is known from now on."""
    policy = run.schedule.partition("/")[0]
    for line in transaction.of_run(_PAID_LINES, run.id):
        one = {"policy": policy, "name": line.receiver_name, "receiver": line.receiver}
        transaction.write(_REMEMBER, tuple(one.values()), one | {"paid_at": now}, replaces=True)


def history(
    connection: Connection, schedule: str, names: Collection[str], addresses: Sequence[Address]
) -> History:
    """What was paid before, as far as a run to these receivers depends on it."""
    policy = schedule.partition("/")[0]
    newest = {
        name: _NEWEST_OF_NAME.scalar(connection, its_policy=policy, its_name=name)
        for name in sorted(set(names))
    }
    known = (
        _KNOWN.scalar(connection, its_policy=policy, its_receiver=address)
        for address in sorted(set(addresses))
    )
    return History(
        anchored_at=_ANCHOR.scalar(connection, schedule=schedule),
        last_paid=tuple(
            (row.due_at, row.claimed_at)
            for row in _LAST_PAID.all(connection, its_schedule=schedule)
        ),
        by_name={name: Address(one) for name, one in newest.items() if one is not None},
        known=frozenset(Address(one) for one in known if one is not None),
    )
