"""
Who was asked, who said yes, and to whom was paid before (B9, B10).

Functions over one transaction. An approval is a row of its own, bound to the digest of the
intent: it may be asked for, and given, before the run is there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from runner.adapters.sql import tables as t
from runner.adapters.sql.store import Transaction
from runner.ethereum.address import Address
from runner.planning.consent import History
from runner.records import Consent, Run, RunKind
from runner.scheduling.occurrence import State


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
        )
        .on_conflict_do_nothing()
        .returning(t.approvals.c.digest)
    ).first()
    if row is not None:
        told = {"slot": one.slot, "attempt": one.attempt, "digest": one.digest}
        transaction.event(now, "approval.asked", one.schedule, **told, detail=one.detail)
    return row is not None


def is_given(connection: Connection, one: Consent) -> bool:
    """Whether somebody has approved exactly this."""
    a = t.approvals.c
    query = select(a.approved_at).where(
        a.schedule == one.schedule,
        a.slot == one.slot,
        a.attempt == one.attempt,
        a.digest == one.digest,
    )
    return connection.scalar(query) is not None


def give(
    transaction: Transaction, schedule: str, slot: str, *, author: str, reason: str, now: datetime
) -> Consent | None:
    """Approve what was asked last of a slot; None: nothing is asked of it."""
    a = t.approvals.c
    query = (
        select(t.approvals)
        .where(a.schedule == schedule, a.slot == slot, a.approved_at.is_(None))
        .order_by(a.attempt.desc(), a.asked_at.desc())
    )
    row = transaction.connection.execute(query.limit(1)).first()
    if row is None:
        return None
    transaction.connection.execute(
        update(t.approvals)
        .where(
            a.schedule == schedule,
            a.slot == slot,
            a.attempt == row.attempt,
            a.digest == row.digest,
        )
        .values(approved_at=now, author=author, reason=reason)
    )
    told = {"slot": slot, "attempt": row.attempt, "digest": row.digest, "detail": row.detail}
    transaction.event(now, "approval.given", schedule, **told, author=author, reason=reason)
    return Consent(schedule, slot, row.attempt, row.digest, row.due_at, row.detail)


# ── what was paid before ──────────────────────────────────────────────────────────────────────


def remember_receivers(transaction: Transaction, run: Run, *, now: datetime) -> None:
    """A run has paid: whom it paid is known from now on."""
    x = t.transfers.c
    lines = transaction.connection.execute(
        select(x.receiver_name, x.receiver).where(x.run == run.id, x.kind != "observed").distinct()
    )
    policy = run.schedule.partition("/")[0]
    for line in lines.all():
        row = upsert(t.receivers).values(
            policy=policy, name=line.receiver_name, receiver=line.receiver, paid_at=now
        )
        transaction.connection.execute(
            row.on_conflict_do_update(
                index_elements=["policy", "name", "receiver"], set_={"paid_at": now}
            )
        )


def history(
    connection: Connection, schedule: str, names: Collection[str], addresses: Sequence[Address]
) -> History:
    """What was paid before, as far as a run to these receivers depends on it."""
    s, r, w = t.schedules.c, t.runs.c, t.receivers.c
    policy = schedule.partition("/")[0]
    anchored_at = connection.scalar(select(s.anchor).where(s.uid == schedule))
    paid = connection.execute(
        select(r.due_at, r.claimed_at)
        .where(
            r.schedule == schedule,
            r.kind == RunKind.PAYMENT.value,
            r.state == State.SUCCESS.value,
            r.by_hand.is_(False),
        )
        .order_by(r.due_at.desc())
        .limit(2)
    )
    by_name = {
        row.name: Address(row.receiver)
        for row in connection.execute(
            select(w.name, w.receiver)
            .where(w.policy == policy, w.name.in_(sorted(names)))
            .order_by(w.paid_at, w.receiver)
        )
    }
    known = connection.scalars(
        select(w.receiver).where(w.policy == policy, w.receiver.in_(sorted(set(addresses))))
    )
    return History(
        anchored_at=anchored_at,
        last_paid=tuple((row.due_at, row.claimed_at) for row in paid),
        by_name=by_name,
        known=frozenset(Address(one) for one in known),
    )
