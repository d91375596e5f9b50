"""
Claims of one tick mean the same together as one by one (S1, M7, O1, O2, T9).
"""

import asyncio
import os
import random
import sqlite3
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, text

from runner.adapters.sql.ledger import SqlLedger
from runner.adapters.sql.pauses import write_pause
from runner.adapters.sql.store import SqlStore
from runner.adapters.vault import Vault
from runner.guard.budget import Reservation
from runner.records import Claim, Pause, PauseScope, ScheduleSeed
from runner.scheduling.occurrence import Reason, State

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
UIDS = [f"p/s{number:03}" for number in range(120)]
BUDGET = Reservation("schedule:p/x:per_day", "2026-12-01", "native", 5, 12)


def claim_of(uid, *, slot="2026-12-01T09:00:00#0", **changes):
    made = Claim(
        schedule=uid,
        slot=slot,
        due_at=NOW,
        decision=State.CLAIMED,
        session=f"p/key-{int(uid[-3:]) % 7}",
        exclusive=True,
        deadline_at=NOW + timedelta(minutes=10),
        expires_at=NOW + timedelta(hours=12),
    )
    return replace(made, **changes)


def drawn(chance):
    """What a tick may bring, with something odd about every other schedule."""
    claims = []
    for uid in UIDS:
        match chance.randrange(10):
            case 0:
                claims.append(claim_of(uid, reservations=(BUDGET,), on_budget="hold"))
            case 1:
                claims.append(claim_of(uid, max_runs=chance.randrange(2)))
            case 2:
                late = {"decision": State.MISSED, "reason": Reason.LATE, "deadline_at": None}
                claims.append(claim_of(uid, **late, slot="2026-11-30T09:00:00#0"))
                claims.append(claim_of(uid))
            case 3:
                claims.append(claim_of(uid, exclusive=False))
            case 4:
                claims.append(claim_of(uid, buffer=3))
            case _:
                claims.append(claim_of(uid))
    return claims


async def prepared(path, seed):
    """A ledger with runs under way, slots decided, pauses, and schedules that are over."""
    chance = random.Random(seed)
    vault = Vault(bytes(range(32)), entropy=os.urandom)
    store = SqlStore.open(f"sqlite:///{path}", vault, now=NOW, create=True)
    ledger = SqlLedger(store, vault)
    seeds = [
        ScheduleSeed(
            uid=uid,
            session=f"p/key-{int(uid[-3:]) % 7}",
            account="p/treasury",
            trigger="every 60s",
            revision="1",
        )
        for uid in UIDS
    ]
    await ledger.install_schedules(seeds, now=NOW - timedelta(days=1))
    for uid in chance.sample(UIDS, 20):
        slot = chance.choice(["2026-12-01T09:00:00#0", "2026-12-01T08:00:00#0"])
        await ledger.claim([claim_of(uid, slot=slot)], decided_until={}, now=NOW)
    await ledger.complete(chance.sample(UIDS, 10), now=NOW)
    ends = chance.choice([None, NOW - timedelta(seconds=1), NOW + timedelta(seconds=30)])
    paused = [Pause(PauseScope.SCHEDULE, uid, "why", NOW, ends) for uid in UIDS[:8]]
    paused.append(Pause(PauseScope.SESSION, "p/key-3", "held", NOW, ends))
    if chance.random() < 0.2:
        paused.append(Pause(PauseScope.STOP, "", "all of it", NOW, None))
    for pause in paused:
        await store.write(lambda tx, pause=pause: write_pause(tx, pause, author="eve"))
    return ledger, store


def found(path):
    """All that claims write, in an order of its own; whose row came first is nobody's matter."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as c:
        tables = {
            "schedules": "SELECT * FROM schedules ORDER BY uid",
            "occurrences": "SELECT schedule, slot, due_at, decision, reason, by_slot, decided_at, "
            "count FROM occurrences ORDER BY schedule, slot",
            "runs": "SELECT id, kind, schedule, session, attempt, state, reason, running, "
            "exclusive, due_at, claimed_at, deadline_at, expires_at, version FROM runs ORDER BY id",
            "events": "SELECT at, kind, subject, data FROM events WHERE kind LIKE 'occurrence.%' "
            "OR kind LIKE 'schedule.%' ORDER BY kind, subject, data",
            "budgets": "SELECT * FROM budgets ORDER BY budget, period",
            "joined": "SELECT r.id, o.schedule, o.slot FROM runs r JOIN occurrences o "
            "ON r.occurrence = o.id ORDER BY r.id",
        }
        rows = {name: [tuple(r) for r in c.execute(text(sql))] for name, sql in tables.items()}
    engine.dispose()
    return rows


@pytest.mark.parametrize("seed", range(12))
async def test_s1_claims_of_one_tick_are_the_same_together_and_one_by_one(tmp_path, seed):
    claims = drawn(random.Random(seed))
    until = {one.schedule: LATER for one in claims}
    together, alone = tmp_path / "together.db", tmp_path / "alone.db"

    ledger, store = await prepared(together, seed)
    made, refused = await ledger.claim(claims, decided_until=until, now=LATER)
    assert made == [await ledger.run(one.id) for one in made]
    written = found(together)
    again, _ = await ledger.claim(claims, decided_until=until, now=LATER)
    await store.close(now=LATER)

    ledger, store = await prepared(alone, seed)
    ones, turned_down = [], []
    for one in claims:
        run, no = await ledger.claim([one], decided_until={one.schedule: LATER}, now=LATER)
        ones, turned_down = ones + run, turned_down + no
    await store.close(now=LATER)

    assert written == found(alone)
    assert {run.id: run.state for run in made} == {run.id: run.state for run in ones}
    assert sorted(refused, key=repr) == sorted(turned_down, key=repr)
    assert again == []
    assert len(made) + len(refused) > 30


async def test_h7_the_ledger_is_kept_in_wal_with_full_syncs(tmp_path):
    vault = Vault(bytes(range(32)), entropy=os.urandom)
    path = tmp_path / "ledger.db"
    store = SqlStore.open(f"sqlite:///{path}", vault, now=NOW, create=True)

    def look(transaction):
        c = transaction.connection
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [c.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert await store.write(look) == ["wal", 2, 1, 5000]
    await store.close(now=NOW)


async def test_h7_a_daemon_that_starts_waits_for_whoever_writes(tmp_path):
    vault = Vault(bytes(range(32)), entropy=os.urandom)
    path = tmp_path / "ledger.db"
    url = f"sqlite:///{path}"
    await SqlStore.open(url, vault, now=NOW, create=True).close(now=NOW)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    end = threading.Timer(6.5, other.rollback)
    end.start()

    begun = time.monotonic()
    store = await asyncio.to_thread(SqlStore.open, url, vault, now=NOW, create=False)

    assert time.monotonic() - begun > 5.5
    await store.close(now=NOW)
    end.join()
    other.close()
