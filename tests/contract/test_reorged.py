"""What was final and is not on the chain any more, in both ledgers (X13)."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from support.payments import ALICE, CHAIN, HOUR, granted, paid, signed

from runner.adapters.memory.ledger import MemoryLedger
from runner.adapters.sql.ledger import SqlLedger
from runner.adapters.sql.store import SqlStore
from runner.adapters.vault import Vault
from runner.execution.contradiction import reopen_contradicted
from runner.ports import Block, OperationEvent
from runner.records import OperationStatus, ScheduleSeed
from runner.scheduling.occurrence import Reason, State

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)


@pytest.fixture(params=["sql", "memory"])
async def ledger(request, tmp_path):
    store = None
    if request.param == "memory":
        opened = MemoryLedger()
    else:
        vault = Vault(bytes(range(32)), entropy=os.urandom)
        store = SqlStore.open(f"sqlite:///{tmp_path / 'l.db'}", vault, now=NOW, create=True)
        opened = SqlLedger(store, vault)
    await opened.install_schedules([ScheduleSeed("p/s", "p/key", "every 1h", "r1")], now=NOW)
    await granted(opened, NOW)
    yield opened
    if store is not None:
        await store.close(now=NOW)


class Chain:
    """Block 8 and what is in it."""

    def __init__(self, block_hash, events):
        self.hash, self.events = block_hash, events

    async def operation_events(self, senders, *, from_block, to_block):
        return self.events

    async def block(self, number):
        return Block(number, NOW, self.hash)


async def look(ledger, chain, head=20):
    told = []
    venue = SimpleNamespace(
        chain_id=CHAIN, chain=chain, clock=SimpleNamespace(now=lambda: NOW + 9 * HOUR)
    )
    watcher = SimpleNamespace(head=Block(head, NOW, "0xh"))
    telemetry = SimpleNamespace(emit=lambda event, **fields: told.append((event, fields)))
    return await reopen_contradicted(venue, watcher, ledger=ledger, telemetry=telemetry), told


def event(operation, block=8):
    return OperationEvent(
        user_op_hash=bytes.fromhex(operation.hash[2:]),
        sender=ALICE,
        nonce=operation.nonce,
        success=True,
        gas_cost=9,
        block_number=block,
        block_hash="0xb",
        transaction_hash="0xt",
    )


async def test_x13_a_row_that_the_chain_contradicts_is_open_again(ledger):
    """
    The same row, a new version, in `sent`: with its operation, its fence and its reservation.
    """
    closed = await paid(ledger, NOW + HOUR)
    (operation,) = await ledger.operations(closed.id)

    (run,), told = await look(ledger, Chain("0xother", []))

    assert (run.id, run.state, run.version) == (closed.id, State.SENT, closed.version + 1)
    assert [one.id for one in await ledger.open_runs()] == [closed.id]
    assert [one.status for one in await ledger.operations(run.id)] == [OperationStatus.SENT]
    assert [(name, fields["level"]) for name, fields in told] == [("run.reorged", "critical")]
    assert await look(ledger, Chain("0xother", [])) == ([], [])
    assert operation.status is OperationStatus.SUCCESS


@pytest.mark.parametrize("moved", [8, 9])
async def test_x13_what_is_still_there_stands(ledger, moved):
    """
    In the same block or in another one: it is paid.
    """
    closed = await paid(ledger, NOW + HOUR)
    (operation,) = await ledger.operations(closed.id)

    assert await look(ledger, Chain("0xother", [event(operation, moved)])) == ([], [])


@pytest.mark.parametrize(("block_hash", "head"), [("0xb", 20), ("0xother", 7), ("0xother", 99)])
async def test_x13_a_node_that_lags_contradicts_nothing(ledger, block_hash, head):
    """
    Its logs lack the event, but its block is the one that was seen, or is not there yet; what is
    long past is not asked for.
    """
    await paid(ledger, NOW + HOUR)

    assert await look(ledger, Chain(block_hash, []), head) == ([], [])


async def test_x13_what_was_tried_again_is_told_and_left(ledger):
    """
    Where an attempt followed, nothing is sent again by itself.
    """
    closed = await paid(ledger, NOW + HOUR)

    class Followed:
        def __getattr__(self, name):
            return getattr(ledger, name)

        async def successor(self, run):
            return replace(run, attempt=2)

    reopened, told = await look(Followed(), Chain("0xother", []))

    assert reopened == []
    assert "tried again" in told[0][1]["hint"]
    assert (await ledger.run(closed.id)).state is State.SUCCESS


async def test_m10_the_breaker_counts_a_slot_that_is_tried_again_once(ledger):
    """
    A dead attempt that another follows by itself is no failure yet; the last one is.
    """
    run, _ = await signed(ledger, NOW + HOUR)
    dead = {"winner": None, "outcome": OperationStatus.DEAD, "reason": Reason.EXPIRED}

    closed = await ledger.close(
        run, State.NOT_INCLUDED, **dead, retry_until=NOW + 2 * HOUR, now=NOW + HOUR
    )
    between = await ledger.failures_in_row("p/s")
    following = await ledger.successor(closed)
    await ledger.move(following, State.MISSED, reason=Reason.DEADLINE, now=NOW + 2 * HOUR)

    assert following.attempt == 2
    assert (between, await ledger.failures_in_row("p/s")) == (0, 1)
