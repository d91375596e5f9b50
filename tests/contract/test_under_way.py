"""
What the ledger says of runs under way, and of the newest ones: what computed calls look at.

Source: SEMANTICS G10, X6.
"""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runner.adapters.sql.ledger import SqlLedger
from runner.adapters.sql.pauses import lift_pause, write_pause
from runner.adapters.sql.store import SqlStore
from runner.adapters.vault import Vault
from runner.ethereum.address import Address, address_from_bytes
from runner.ethereum.calls import Call
from runner.ethereum.permissions import Erc20TokenTransfer
from runner.guard.computed import Movement
from runner.guard.intent import NATIVE, TransferLine
from runner.records import (
    Claim,
    Inclusion,
    NewGrant,
    NewOperation,
    OperationKind,
    OperationStatus,
    Pause,
    PauseScope,
    ScheduleSeed,
)
from runner.scheduling.occurrence import Reason, State

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
CHAIN, BLOCK = 84532, 100
USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
ACCOUNT, ALICE, BOB = (address_from_bytes(bytes([n]) * 20) for n in (1, 2, 3))
LINE = TransferLine(USDC, "usdc", 6, ALICE, "alice", 25)
ALLOWED = TransferLine(USDC, "usdc", 6, BOB, "bob", 7, kind="approve")
GRANT = NewGrant(
    session="p/key",
    chain=CHAIN,
    account=ACCOUNT,
    wallet="sandbox",
    key_address=ALICE,
    permissions=(Erc20TokenTransfer(USDC, 10**30),),
    scope="0x01",
    requested_at=NOW,
    expires_at=NOW + timedelta(days=45),
    next_renewal_at=NOW + timedelta(days=30),
)


@pytest.fixture
async def ledger(tmp_path):
    vault = Vault(bytes(range(32)), entropy=os.urandom)
    store = SqlStore.open(f"sqlite:///{tmp_path / 'ledger.db'}", vault, now=NOW, create=True)
    opened = SqlLedger(store, vault)
    opened.store = store
    await opened.install_schedules([ScheduleSeed("p/s", "p/key", "every 1h", "r1")], now=NOW)
    yield opened
    await store.close(now=NOW)


async def claimed(ledger, hour=0):
    due = NOW + timedelta(hours=hour)
    claim = Claim(
        schedule="p/s",
        slot=f"{due:%Y-%m-%dT%H:%M:%SZ}",
        due_at=due,
        decision=State.CLAIMED,
        session="p/key",
        exclusive=False,
        deadline_at=due,
    )
    (run,), _ = await ledger.claim([claim], decided_until={}, now=due)
    return run


async def prepared(ledger, hour=0, lines=(LINE,), grant=GRANT):
    run = await claimed(ledger, hour)
    known = [one for one in await ledger.grants(grant.session) if one.chain == grant.chain]
    return await ledger.freeze(
        run,
        intent=[Call(USDC, 0, b"\x01")],
        transfers=lines,
        grant=known[0] if known else await ledger.new_grant(grant, b"k" * 32),
        revision="r1",
        reservations=(),
        on_budget="skip",
        now=NOW,
    )


async def signed(ledger, run, *, kind=OperationKind.PAYMENT, cost=10**15, sponsored=True):
    operation = NewOperation(
        hash=f"{kind}:{run.id}",
        kind=kind,
        call_id="0x01",
        chain=CHAIN,
        sender=ACCOUNT,
        nonce=int(run.id, 16),
        max_fee_per_gas=10,
        max_priority_fee_per_gas=1,
        max_cost=cost,
        sponsored=sponsored,
        request=b"SIGNED BYTES",
        from_block=7,
    )
    return await ledger.sign(run, operation, now=NOW)


async def included(ledger, run, block=BLOCK, kind=OperationKind.PAYMENT):
    seen = Inclusion(f"{kind}:{run.id}", True, 5, block, "0xb1", NOW, "0xt1")
    return await ledger.include(run, seen, now=NOW)


async def paid(ledger, hour, *lines):
    run = await included(ledger, await signed(ledger, await prepared(ledger, hour, lines)))
    return await ledger.close(
        run,
        State.SUCCESS,
        winner=f"payment:{run.id}",
        outcome=OperationStatus.SUCCESS,
        now=NOW,
    )


async def moving(ledger, block=BLOCK):
    return await ledger.moving(CHAIN, block=block)


async def test_only_open_runs_of_a_generation_are_pinned_to_it(ledger):
    other = replace(GRANT, session="p/other")
    mine = await prepared(ledger)
    theirs = await prepared(ledger, 1, grant=other)
    await claimed(ledger, 2)
    await paid(ledger, 3, LINE)

    assert await ledger.pinned_runs([mine.grant_id]) == [mine]
    assert await ledger.pinned_runs([mine.grant_id, theirs.grant_id]) == [mine, theirs]
    assert await ledger.pinned_runs([]) == []


async def test_a_session_has_open_runs_until_the_last_is_closed(ledger):
    assert not await ledger.has_open_runs("p/key")
    await paid(ledger, 0, LINE)
    assert not await ledger.has_open_runs("p/key")
    await claimed(ledger, 1)
    assert await ledger.has_open_runs("p/key")
    assert not await ledger.has_open_runs("p/other")


OUT = Movement(ACCOUNT, ALICE, USDC, 25)


async def test_a_claimed_run_has_nothing_under_way(ledger):
    await claimed(ledger)

    assert await moving(ledger) == []


async def test_a_run_is_under_way_from_its_freezing_on(ledger):
    """
    Before it is signed, too: the next look at a balance comes after this one's freezing.
    """
    run = await prepared(ledger, lines=(LINE, ALLOWED))
    frozen = await moving(ledger)
    await signed(ledger, run)

    assert frozen == [OUT, Movement(ACCOUNT, None, USDC, 7)]
    assert await moving(ledger) == frozen


@pytest.mark.parametrize("kind", [OperationKind.PAYMENT, OperationKind.BURN])
async def test_what_is_in_a_block_shows_in_the_balances_after_it(ledger, kind):
    """
    A burn settles it as well: what it stands for will never move.
    """
    run = await signed(ledger, await prepared(ledger))
    if kind is OperationKind.BURN:
        run = await signed(ledger, run, kind=kind)
    await included(ledger, run, kind=kind)

    assert await moving(ledger, block=BLOCK - 1) == [OUT]
    assert await moving(ledger, block=BLOCK) == []
    assert await moving(ledger, block=BLOCK + 1) == []


async def test_a_reorganisation_puts_it_under_way_again(ledger):
    run = await included(ledger, await signed(ledger, await prepared(ledger)))
    await ledger.exclude(run, f"payment:{run.id}", now=NOW)

    assert await moving(ledger) == [OUT]


async def test_held_and_closed_runs_have_nothing_under_way(ledger):
    held = await prepared(ledger, 0)
    closed = await prepared(ledger, 1)
    await ledger.move(held, State.HELD, reason=Reason.PREFLIGHT, now=NOW)
    await ledger.move(closed, State.MISSED, reason=Reason.DEADLINE, now=NOW)

    assert await moving(ledger) == []


async def test_held_for_evidence_it_may_still_be_included(ledger):
    run = await signed(ledger, await prepared(ledger))
    await ledger.move(run, State.HELD, reason=Reason.EVIDENCE, now=NOW)

    assert await moving(ledger) == [OUT]


async def test_each_chain_has_its_own(ledger):
    elsewhere = replace(GRANT, session="p/other", chain=1)
    await prepared(ledger, grant=elsewhere)

    assert await moving(ledger) == []
    assert await ledger.moving(1, block=BLOCK) == [OUT]


async def test_fees_that_the_account_may_pay_are_under_way(ledger):
    """
    Once for a run, at the most that one of its operations may cost: one of them is included.
    """
    run = await signed(ledger, await prepared(ledger), sponsored=False, cost=500)
    await signed(ledger, run, kind=OperationKind.BURN, sponsored=False, cost=800)

    assert await moving(ledger) == [OUT, Movement(ACCOUNT, None, NATIVE, 800)]


async def test_the_newest_runs_with_what_they_moved(ledger):
    """
    Those that paid or had nothing to do, by their due times; failed ones say nothing.
    """
    await paid(ledger, 0, LINE)
    idle = await claimed(ledger, 1)
    await ledger.move(idle, State.SKIPPED, reason=Reason.NOTHING_TO_DO, now=NOW)
    failed = await claimed(ledger, 2)
    await ledger.move(failed, State.MISSED, reason=Reason.DEADLINE, now=NOW)
    await paid(ledger, 3, LINE, ALLOWED)

    assert await ledger.recent("p/s", count=9) == [[LINE, ALLOWED], [], [LINE]]
    assert await ledger.recent("p/s", count=2) == [[LINE, ALLOWED], []]
    assert await ledger.recent("p/other", count=2) == []


async def test_a_resumed_schedule_begins_to_count_anew(ledger):
    await paid(ledger, 0, LINE)
    hour = timedelta(hours=1)
    pause = Pause(PauseScope.SCHEDULE, "p/s", "r", NOW + hour)
    await ledger.store.write(lambda tx: write_pause(tx, pause, author="a"))
    lifted = {"reason": "r", "author": "a", "now": NOW + 2 * hour}
    await ledger.store.write(lambda tx: lift_pause(tx, pause.scope, pause.target, **lifted))
    await paid(ledger, 3, ALLOWED)

    assert await ledger.recent("p/s", count=9) == [[ALLOWED]]
