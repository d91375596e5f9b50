"""
How `catch_up: all` works off what is late, on SQLite.

Source: SEMANTICS M5, M7, M8.
"""

import os
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runner.adapters.sql.ledger import SqlLedger
from runner.adapters.sql.store import SqlStore
from runner.adapters.vault import Vault
from runner.records import Claim, Pace, ScheduleSeed
from runner.scheduling.occurrence import Reason, State

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
DEADLINE = timedelta(minutes=10)
PACE = Pace(apart=60 * SECOND, late=60 * SECOND, run_deadline=DEADLINE, beside=False)
BESIDE = replace(PACE, beside=True)
UNBOUND = 1_000_000
SEED = ScheduleSeed("p/s", "p/key", "every 1h", "r1")


@asynccontextmanager
async def opened(path):
    vault = Vault(bytes(range(32)), entropy=os.urandom)
    store = SqlStore.open(f"sqlite:///{path}", vault, now=NOW, create=True)
    yield SqlLedger(store, vault)
    await store.close(now=NOW)


@pytest.fixture
async def ledger(tmp_path):
    async with opened(tmp_path / "ledger.db") as fresh:
        await fresh.install_schedules([SEED], now=NOW)
        yield fresh


def slot(hours, *, now=NOW, pace=PACE, **changes):
    """A slot due some hours from NOW, claimed at `now`; late ones wait without bound."""
    due = NOW + hours * HOUR
    late = now - due > PACE.late
    made = Claim(
        schedule="p/s",
        slot=f"{due:%Y-%m-%dT%H:%M:%SZ}",
        due_at=due,
        decision=State.CLAIMED,
        session="p/key",
        exclusive=late or pace is not BESIDE,
        buffer=UNBOUND if late else None,
        pace=pace if late or pace is not BESIDE else None,
        deadline_at=now + DEADLINE,
        expires_at=due + 48 * HOUR,
    )
    return replace(made, **changes)


async def claim(ledger, *wanted, now=NOW):
    made, refused = await ledger.claim(wanted, decided_until={}, now=now)
    return made, [(one.decision, one.reason) for one in refused]


async def promote(ledger, seconds, pace=PACE):
    now = NOW + seconds * SECOND
    return await ledger.promote("p/s", deadline_at=now + DEADLINE, pace=pace, now=now)


async def end(ledger, run, seconds):
    return await ledger.move(
        await ledger.run(run.id),
        State.MISSED,
        reason=Reason.DEADLINE,
        now=NOW + seconds * SECOND,
    )


def decided(runs):
    return [(run.due_at, run.state, run.reason) for run in runs]


async def test_m5_late_slots_begin_oldest_first_one_at_a_time(ledger):
    """
    The first begins at once, each other not before the one before it is closed, nor sooner than
    the rate says; who asks too early is told when.
    """
    made, refused = await claim(ledger, *(slot(-hours) for hours in (3, 2, 1)))
    busy = await promote(ledger, 70)
    await end(ledger, made[0], 71)
    second, _ = await promote(ledger, 71)
    await end(ledger, second, 75)
    nobody, again_at = await promote(ledger, 75)
    early = await promote(ledger, 130)
    third, _ = await promote(ledger, 131)

    assert refused == []
    assert decided(made) == [
        (NOW - 3 * HOUR, State.CLAIMED, None),
        (NOW - 2 * HOUR, State.HELD, Reason.OVERLAP),
        (NOW - 1 * HOUR, State.HELD, Reason.OVERLAP),
    ]
    assert busy == (None, None)
    assert second.due_at == NOW - 2 * HOUR
    assert (nobody, again_at) == (None, NOW + 131 * SECOND)
    assert early == (None, again_at)
    assert (third.due_at, third.state) == (NOW - 1 * HOUR, State.CLAIMED)


async def test_m5_the_pace_holds_through_a_restart(tmp_path):
    """
    When the last one began is in the ledger, closed or not.
    """
    async with opened(tmp_path / "ledger.db") as ledger:
        await ledger.install_schedules([SEED], now=NOW)
        made, _ = await claim(ledger, slot(-2), slot(-1))
        await end(ledger, made[0], 1)
    async with opened(tmp_path / "ledger.db") as ledger:
        early = await promote(ledger, 5)
        later, _ = await promote(ledger, 60)

    assert early == (None, NOW + 60 * SECOND)
    assert later.id == made[1].id


async def test_m5_a_new_slot_stands_in_line_behind_the_late_ones(ledger):
    """
    Where `overlap: skip` would skip it for a slow predecessor: a backlog is none. The line has no
    bound, and the turn of a slot that is on time needs no pace.
    """
    made, _ = await claim(ledger, slot(-1))
    behind_late, refused = await claim(ledger, slot(0))
    await end(ledger, made[0], 5)
    waits_its_turn, _ = await claim(ledger, slot(0.01), now=NOW + 36 * SECOND)
    first, _ = await promote(ledger, 36)
    await end(ledger, first, 40)
    second, _ = await promote(ledger, 40)

    assert refused == []
    assert decided(behind_late) == [(NOW, State.HELD, Reason.OVERLAP)]
    assert [run.state for run in waits_its_turn] == [State.HELD]
    assert (first.due_at, second.due_at) == (NOW, NOW + 36 * SECOND)


async def test_m7_behind_a_run_on_time_overlap_decides(ledger):
    """
    With no backlog, a slow predecessor is what `overlap` is about, under `catch_up: all` too.
    """
    await claim(ledger, slot(0))
    made, refused = await claim(ledger, slot(1, now=NOW + HOUR), now=NOW + HOUR)

    assert made == []
    assert refused == [(State.SKIPPED, Reason.OVERLAP)]


async def test_m5_under_allow_late_slots_wait_for_each_other_alone(ledger):
    """
    Runs on time go side by side, and neither wait for the late ones nor hold them up.
    """
    late, _ = await claim(ledger, slot(-2, pace=BESIDE), slot(-1, pace=BESIDE))
    on_time, _ = await claim(ledger, slot(0, pace=BESIDE), slot(0.001, pace=BESIDE))
    await end(ledger, late[0], 1)
    second, _ = await promote(ledger, 61, pace=BESIDE)

    assert [run.state for run in late] == [State.CLAIMED, State.HELD]
    assert [run.state for run in on_time] == [State.CLAIMED, State.CLAIMED]
    assert second.id == late[1].id


async def test_m8_a_late_slot_ends_with_its_own_window(ledger):
    """
    Whoever asks for the next finds those gone whose window ended while they waited.
    """
    made, _ = await claim(
        ledger,
        slot(-3),
        slot(-2, expires_at=NOW + 30 * SECOND),
        slot(-1),
    )
    await end(ledger, made[0], 1)
    third, _ = await promote(ledger, 61)

    assert third.id == made[2].id
    assert decided([await ledger.run(made[1].id)]) == [
        (NOW - 2 * HOUR, State.MISSED, Reason.OVERLAP)
    ]
