"""
Budgets on SQLite: what add up over runs, in whatever order they are due, and what ends a schedule.

Source: SEMANTICS B2, B3, T9, X14.
"""

import os
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.adapters.sql import budgets, claims
from runner.adapters.sql import tables as t
from runner.adapters.sql.ledger import SqlLedger
from runner.adapters.sql.store import SqlStore, make_engine
from runner.adapters.sql.transaction import Transaction
from runner.adapters.vault import Vault
from runner.errors import Mark
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.permissions import Erc20TokenTransfer
from runner.guard.budget import Budgets
from runner.guard.intent import TransferLine
from runner.policy.model import Asset, Limits, Money, RollingLimit
from runner.records import (
    Claim,
    Inclusion,
    NewGrant,
    NewOperation,
    OperationKind,
    OperationStatus,
    ScheduleSeed,
)
from runner.scheduling.occurrence import Reason, State

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
ALICE = Address("0x00000000000000000000000000000000000A11cE")
ASSET = Asset("usdc", USDC, 6)
MARK = Mark("p.yaml", 1, 1)
NEW_GRANT = NewGrant(
    session="p/key",
    chain=84532,
    account=ALICE,
    wallet="sandbox",
    key_address=ALICE,
    permissions=(Erc20TokenTransfer(USDC, 10**30),),
    scope="0x01",
    requested_at=NOW,
    expires_at=NOW + timedelta(days=45),
    next_renewal_at=NOW + timedelta(days=30),
)


def money(amount):
    return (Money(ASSET, amount, MARK),)


def budgets_of(*, limits=None, session_limits=None, total=None):
    until = () if total is None else money(total)
    return Budgets("p/s", "p/key", limits or Limits(), session_limits or Limits(), until)


def seed(charged):
    return ScheduleSeed("p/s", "p/key", "every 1h", "r1", budgets=charged)


def slot(hours, amount, charged, **changes):
    due = NOW + hours * HOUR
    text = f"{due:%Y-%m-%dT%H:%M:%SZ}"
    made = Claim(
        schedule="p/s",
        slot=text,
        due_at=due,
        decision=State.CLAIMED,
        session="p/key",
        exclusive=False,
        reservations=charged.reservations({USDC: amount}, due_at=due, slot=text),
    )
    return replace(made, **changes)


@pytest.fixture(scope="module")
def connection():
    engine = make_engine("sqlite://")
    with engine.connect() as opened, opened.begin():
        t.metadata.create_all(opened)
        yield opened
    engine.dispose()


@contextmanager
def transaction(connection):
    """A writing transaction on an empty ledger, taken back in the end."""
    savepoint = connection.begin_nested()
    try:
        yield Transaction(connection, "i1")
    finally:
        savepoint.rollback()


# ── limits over any order of slots ────────────────────────────────────────────────────────────

slots = st.tuples(st.just("claim"), st.integers(0, 24), st.integers(1, 60))
endings = st.tuples(st.sampled_from(["pay", "fail"]), st.integers(0, 30), st.just(0))
steps = st.tuples(
    st.lists(slots, min_size=8, max_size=25, unique_by=lambda step: step[1]),
    st.lists(endings, max_size=8),
).flatmap(lambda both: st.permutations([*both[0], *both[1]]))


@given(
    steps=steps, hours=st.integers(1, 12), rolling=st.integers(40, 120), life=st.integers(200, 900)
)
@settings(max_examples=60, deadline=None)
def test_b2_rolling_and_lifetime_against_a_naive_model(*, connection, steps, hours, rolling, life):
    """
    Late and backfilled slots in any order, some of them failing: a slot is claimed if and only if
    afterwards no window of that length, and not the life, holds more than its limit.
    """
    charged = budgets_of(
        limits=Limits(rolling=(RollingLimit(hours * HOUR, money(rolling)),)),
        session_limits=Limits(per_lifetime=money(life)),
    )
    alive: dict[str, tuple[int, int]] = {}

    def holds(payments):
        fullest = max(
            sum(amount for due, amount in payments if begin <= due < begin + hours)
            for begin in range(-hours, 25)
        )
        return fullest <= rolling and sum(amount for _, amount in payments) <= life

    with transaction(connection) as tx:
        claims.install_schedules(tx, [seed(charged)], now=NOW)
        for kind, number, amount in steps:
            runs = sorted(alive)
            if kind == "claim":
                made, refused = claims.claim(
                    tx, [slot(number, amount, charged)], decided_until={}, now=NOW
                )
                if holds([*alive.values(), (number, amount)]):
                    assert len(made) == 1
                    alive[made[0].id] = (number, amount)
                else:
                    assert made == []
                    assert [(one.decision, one.reason) for one in refused] == [
                        (State.SKIPPED, Reason.BUDGET)
                    ]
            elif kind == "pay" and runs:
                budgets.spend(tx, runs[number % len(runs)])
            elif kind == "fail" and runs:
                budgets.release(tx, runs[number % len(runs)])
                del alive[runs[number % len(runs)]]
        assert holds(list(alive.values()))


def test_b2_a_late_slot_is_held_against_what_was_paid_on_both_sides_of_it(connection):
    charged = budgets_of(limits=Limits(rolling=(RollingLimit(4 * HOUR, money(100)),)))

    with transaction(connection) as tx:
        claims.install_schedules(tx, [seed(charged)], now=NOW)
        around = [slot(0, 60, charged), slot(6, 60, charged)]
        made, _ = claims.claim(tx, around, decided_until={}, now=NOW)
        late = [slot(3, 50, charged), slot(4, 40, charged), slot(10, 60, charged)]
        more, refused = claims.claim(tx, late, decided_until={}, now=NOW)

    assert len(made) == 2
    assert [one.due_at for one in refused] == [NOW + 3 * HOUR]
    assert len(more) == 2  # 6 h and 10 h are a window apart, and do not meet in one


def test_b2_a_session_is_bounded_over_all_its_schedules(connection):
    shared = Limits(per_lifetime=money(100))
    one = budgets_of(session_limits=shared)
    other = Budgets("p/other", "p/key", Limits(), shared)

    with transaction(connection) as tx:
        seeds = [seed(one), ScheduleSeed("p/other", "p/key", "every 1h", "r1", budgets=other)]
        claims.install_schedules(tx, seeds, now=NOW)
        first, _ = claims.claim(tx, [slot(0, 60, one)], decided_until={}, now=NOW)
        second, refused = claims.claim(
            tx,
            [slot(0, 41, other, schedule="p/other"), slot(1, 40, other, schedule="p/other")],
            decided_until={},
            now=NOW,
        )

    assert len(first) == len(second) == len(refused) == 1


# ── with the whole ledger ─────────────────────────────────────────────────────────────────────


@pytest.fixture
async def ledger(tmp_path):
    vault = Vault(bytes(range(32)), entropy=os.urandom)
    store = SqlStore.open(f"sqlite:///{tmp_path / 'ledger.db'}", vault, now=NOW, create=True)
    opened = SqlLedger(store, vault)
    opened.store = store
    yield opened
    await store.close(now=NOW)


async def claim(ledger, *wanted):
    until = {"p/s": max(one.due_at for one in wanted)}
    return await ledger.claim(wanted, decided_until=until, now=NOW)


async def freeze(ledger, run, charged, amount, on_budget="skip"):
    grant = (await ledger.grants("p/key") or [await ledger.new_grant(NEW_GRANT, b"k" * 32)])[0]
    return await ledger.freeze(
        run,
        intent=[Call(USDC, 0, b"\x01")],
        transfers=[TransferLine(USDC, "usdc", 6, ALICE, "alice", amount)],
        grant=grant,
        revision="r1",
        reservations=charged.reservations({USDC: amount}, due_at=run.due_at, slot=run.slot),
        on_budget=on_budget,
        now=NOW,
    )


async def include(ledger, run, charged, amount):
    run = await freeze(ledger, run, charged, amount)
    name = "0x" + run.id[-8:]
    operation = NewOperation(
        hash=name,
        kind=OperationKind.PAYMENT,
        call_id="0x01",
        chain=84532,
        sender=ALICE,
        nonce=int(run.id, 16),
        max_fee_per_gas=10,
        max_priority_fee_per_gas=1,
        max_cost=10**15,
        sponsored=True,
        request=b"SIGNED BYTES",
        from_block=7,
    )
    run = await ledger.sign(run, operation, now=NOW)
    inclusion = Inclusion(name, True, 7, 100, "0xb1", NOW, "0xt1")
    return await ledger.include(run, inclusion, now=NOW), name


async def pay(ledger, run, charged, amount):
    run, name = await include(ledger, run, charged, amount)
    return await ledger.close(
        run, State.SUCCESS, winner=name, outcome=OperationStatus.SUCCESS, now=NOW
    )


async def state_of(ledger):
    return (await ledger.schedules())["p/s"].state


async def rows(ledger):
    def query(c):
        found = c.execute(t.budgets.select().order_by(t.budgets.c.budget, t.budgets.c.period))
        return [(r.budget, r.period, r.reserved, r.spent) for r in found]

    return await ledger.store.read(query)


async def test_t9_a_total_that_is_paid_ends_the_schedule(ledger):
    """
    The run that would exceed it is none: the schedule is completed, and its later slots are no
    longer decided.
    """
    charged = budgets_of(total=100)
    await ledger.install_schedules([seed(charged)], now=NOW)
    for hour in range(2):
        ((run,), _) = await claim(ledger, slot(hour, 40, charged))
        await pay(ledger, run, charged, 40)
    before = await state_of(ledger)
    third = await claim(ledger, slot(2, 40, charged))
    fourth = await claim(ledger, slot(3, 1, charged))

    assert before == "active"
    assert third == fourth == ([], [])
    assert await state_of(ledger) == "completed"
    assert await rows(ledger) == [
        ("schedule:p/s:until_total", "", 0, 0),
        ("schedule:p/s:until_total", "life", 0, 80),
    ]


async def test_t9_the_last_run_may_reach_the_total_exactly(ledger):
    charged = budgets_of(total=80)
    await ledger.install_schedules([seed(charged)], now=NOW)
    for hour in range(2):
        ((run,), _) = await claim(ledger, slot(hour, 40, charged))
        await pay(ledger, run, charged, 40)

    assert await claim(ledger, slot(2, 40, charged)) == ([], [])
    assert await state_of(ledger) == "completed"


@pytest.mark.parametrize("included", [False, True])
async def test_t9_a_run_that_may_still_fail_ends_nothing(ledger, included):
    """
    While an open run holds the rest, even in a block, slots are skipped(budget); when it fails,
    the next slot is paid.
    """
    charged = budgets_of(total=100)
    await ledger.install_schedules([seed(charged)], now=NOW)
    ((run,), _) = await claim(ledger, slot(0, 80, charged))
    if included:
        run, name = await include(ledger, run, charged, 80)
    made, (refused,) = await claim(ledger, slot(1, 80, charged))
    if included:
        run = await ledger.exclude(run, name, now=NOW)
        await ledger.close(
            run,
            State.NOT_INCLUDED,
            winner=None,
            outcome=OperationStatus.DEAD,
            reason=Reason.EXPIRED,
            now=NOW,
        )
    else:
        await ledger.move(run, State.MISSED, reason=Reason.DEADLINE, now=NOW)
    ((later,), _) = await claim(ledger, slot(2, 80, charged))

    assert made == []
    assert (refused.decision, refused.reason) == (State.SKIPPED, Reason.BUDGET)
    assert later.state is State.CLAIMED
    assert await state_of(ledger) == "active"


async def test_t9_a_run_held_for_the_total_is_skipped_when_it_is_used_up(ledger):
    """
    Under `on_budget: hold` it waits as long as the open run may fail, and no longer.
    """
    charged = budgets_of(total=100)
    await ledger.install_schedules([seed(charged)], now=NOW)
    ((run,), _) = await claim(ledger, slot(0, 80, charged))
    ((held,), _) = await claim(ledger, slot(1, 80, charged, on_budget="hold"))
    wanted = charged.reservations({USDC: 80}, due_at=held.due_at, slot=held.slot)
    waits = await ledger.reserve(held, wanted, deadline_at=NOW, now=NOW)
    await pay(ledger, run, charged, 80)
    ended = await ledger.reserve(held, wanted, deadline_at=NOW, now=NOW)

    assert (held.state, held.reason) == (State.HELD, Reason.BUDGET)
    assert waits is None
    assert (ended.state, ended.reason) == (State.SKIPPED, Reason.BUDGET)
    assert await state_of(ledger) == "completed"


async def test_t9_a_raised_total_goes_on_after_a_restart(ledger):
    charged, raised = budgets_of(total=50), budgets_of(total=100)
    await ledger.install_schedules([seed(charged)], now=NOW)
    ((run,), _) = await claim(ledger, slot(0, 40, charged))
    await pay(ledger, run, charged, 40)
    await claim(ledger, slot(1, 40, charged))
    completed = await state_of(ledger)
    await ledger.install_schedules([seed(raised)], now=NOW)
    ((more,), _) = await claim(ledger, slot(2, 40, raised))

    assert completed == "completed"
    assert more.state is State.CLAIMED


async def test_x14_the_reservation_is_of_the_frozen_amount(ledger):
    """
    What a run reserved at its claim and does not need is free for others once it is frozen.
    """
    charged = budgets_of(limits=Limits(per_day=money(100)))
    await ledger.install_schedules([seed(charged)], now=NOW)
    ((run,), _) = await claim(ledger, slot(0, 90, charged))
    refused, _ = await claim(ledger, slot(1, 60, charged))
    frozen = await freeze(ledger, run, charged, 30)
    granted, _ = await claim(ledger, slot(2, 60, charged))

    assert refused == []
    assert frozen.state is State.PREPARED
    assert len(granted) == 1
    assert (await rows(ledger))[-1] == ("schedule:p/s:per_day", "2026-12-01", 90, 0)


@pytest.mark.parametrize(("on_budget", "state"), [("skip", State.SKIPPED), ("hold", State.HELD)])
async def test_x14_a_frozen_amount_that_does_not_fit_is_not_prepared(ledger, on_budget, state):
    """
    As after an edit of the policy: what it had reserved is free, and it can reserve anew.
    """
    charged = budgets_of(limits=Limits(per_day=money(100)))
    await ledger.install_schedules([seed(charged)], now=NOW)
    ((run,), _) = await claim(ledger, slot(0, 60, charged))
    frozen = await freeze(ledger, run, charged, 101, on_budget=on_budget)
    granted, _ = await claim(ledger, slot(1, 60, charged))
    again = None
    if state is State.HELD:
        wanted = charged.reservations({USDC: 40}, due_at=run.due_at, slot=run.slot)
        again = await ledger.reserve(frozen, wanted, deadline_at=NOW, now=NOW)

    assert (frozen.state, frozen.reason) == (state, Reason.BUDGET)
    assert len(granted) == 1
    assert again is None or again.state is State.CLAIMED
    assert await ledger.transfers(run.id) == []


# ── limits that come and go ───────────────────────────────────────────────────────────────────


async def test_b2_a_limit_counts_what_was_paid_before_it_was_written(ledger):
    """
    Of its own schedule, or of all schedules of the session; what failed does not count.
    """
    none = budgets_of()
    await ledger.install_schedules([seed(none)], now=NOW)
    for hour in range(3):
        ((run,), _) = await claim(ledger, slot(hour, 20, none))
        await pay(ledger, run, none, 20)
    ((open_run,), _) = await claim(ledger, slot(3, 7, none))
    await freeze(ledger, open_run, none, 7)
    ((failed,), _) = await claim(ledger, slot(4, 500, none))
    await freeze(ledger, failed, none, 500)
    await ledger.move(await ledger.run(failed.id), State.MISSED, reason=Reason.DEADLINE, now=NOW)
    limited = budgets_of(
        limits=Limits(rolling=(RollingLimit(2 * HOUR, money(1000)),)),
        session_limits=Limits(per_lifetime=money(1000)),
        total=1000,
    )
    await ledger.install_schedules([seed(limited)], now=NOW)
    counted = await rows(ledger)
    await ledger.install_schedules([seed(limited)], now=NOW)
    again = await rows(ledger)
    await pay(ledger, await ledger.run(open_run.id), limited, 7)

    assert again == counted
    assert [row[1:] for row in counted if row[0] == "session:p/key:per_lifetime"] == [
        ("", 0, 0),
        ("life", 7, 60),
    ]
    assert [row[1:] for row in counted if row[0] == "schedule:p/s:until_total"][1] == (
        "life",
        7,
        60,
    )
    assert [row[2:] for row in counted if "rolling" in row[0]] == [
        (0, 0),
        (0, 20),
        (0, 20),
        (0, 20),
        (7, 0),
    ]
    assert [r[1:] for r in await rows(ledger) if r[0] == "session:p/key:per_lifetime"][1] == (
        "life",
        0,
        67,
    )


async def test_b2_a_limit_that_was_away_counts_what_was_paid_meanwhile(ledger):
    """
    Taken out and put back, it is as if it had always been there.
    """
    limited, none = budgets_of(total=100), budgets_of()
    for hour, charged in enumerate([limited, none, limited]):
        await ledger.install_schedules([seed(charged)], now=NOW)
        ((run,), _) = await claim(ledger, slot(hour, 30, charged))
        await pay(ledger, run, charged, 30)

    assert (await rows(ledger))[-1] == ("schedule:p/s:until_total", "life", 0, 90)
    assert await claim(ledger, slot(9, 30, limited)) == ([], [])
