"""The ledger on SQLite: claims, fences, budgets, events; one holder at a time."""

import asyncio
import os
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runner.adapters.sql.ledger import SqlLedger
from runner.adapters.sql.store import SqlStore, event_message
from runner.adapters.vault import Vault
from runner.errors import Conflict, LedgerHeld, StoreError
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.permissions import ContractAccess, Erc20TokenTransfer, GasLimit
from runner.guard.budget import Reservation
from runner.guard.intent import TransferLine
from runner.records import (
    Claim,
    GrantState,
    Inclusion,
    NewGrant,
    NewOperation,
    OperationKind,
    OperationStatus,
    ScheduleSeed,
)
from runner.scheduling.occurrence import Reason, State

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
ALICE = Address("0x00000000000000000000000000000000000A11cE")
SECRET = bytes(range(32))
SEED = ScheduleSeed(uid="p/s", session="p/key", trigger="every 1h", revision="r1")
CLAIM = Claim(
    schedule="p/s",
    slot="2026-12-01T09:00:00Z",
    due_at=NOW,
    decision=State.CLAIMED,
    session="p/key",
    deadline_at=NOW + timedelta(minutes=10),
    expires_at=NOW + timedelta(hours=1),
)
LINE = TransferLine(USDC, "usdc", 6, ALICE, "alice", 25_000_000)
NEW_GRANT = NewGrant(
    session="p/key",
    chain=84532,
    account=ALICE,
    wallet="sandbox",
    key_address=ALICE,
    permissions=(Erc20TokenTransfer(USDC, 10**30), GasLimit(0), ContractAccess(ALICE)),
    scope="0x01",
    requested_at=NOW,
    expires_at=NOW + timedelta(days=45),
    next_renewal_at=NOW + timedelta(days=30),
)


class Ledger(SqlLedger):
    def __init__(self, store, vault):
        super().__init__(store, vault)
        self.store = store


def open_ledger(path, secret=SECRET, create=True):
    vault = Vault(secret, entropy=os.urandom)
    return Ledger(SqlStore.open(f"sqlite:///{path}", vault, now=NOW, create=create), vault)


@pytest.fixture
async def ledger(tmp_path):
    opened = open_ledger(tmp_path / "ledger.db")
    await opened.install_schedules([SEED], now=NOW)
    yield opened
    await opened.store.close(now=NOW)


def slot(hour, **changes):
    due = NOW + timedelta(hours=hour)
    return replace(CLAIM, slot=f"{due:%Y-%m-%dT%H:%M:%SZ}", due_at=due, **changes)


async def claim(ledger, *claims):
    until = {"p/s": max(one.due_at for one in claims)}
    made, _ = await ledger.claim(claims, decided_until=until, now=NOW)
    return made


def operation(name="0xaa", nonce=2**200 + 5, kind=OperationKind.PAYMENT):
    return NewOperation(
        hash=name,
        kind=kind,
        call_id="0x01",
        chain=84532,
        sender=ALICE,
        nonce=nonce,
        max_fee_per_gas=10,
        max_priority_fee_per_gas=1,
        max_cost=10**15,
        sponsored=True,
        request=b"SIGNED BYTES",
        from_block=7,
    )


async def prepared(ledger, run):
    grant = await ledger.new_grant(NEW_GRANT, b"k" * 32)
    return await ledger.freeze(
        run,
        intent=[Call(USDC, 0, b"\x01")],
        transfers=[LINE],
        grant=grant,
        revision="r1",
        reservations=(),
        on_budget="skip",
        now=NOW,
    )


async def test_s1_a_slot_is_claimed_once(ledger):
    """
    The second claim of a slot makes no run, whoever asks.
    """
    first = await claim(ledger, slot(0))
    again = await claim(ledger, slot(0))

    assert [run.state for run in first] == [State.CLAIMED]
    assert again == []


async def test_m7_overlap_is_decided_by_the_database(ledger):
    """
    While a run is open, the next slot is skipped, and gets its row all the same.
    """
    await claim(ledger, slot(0))
    made = await claim(ledger, slot(1))
    rows = await ledger.store.read(
        lambda c: c.exec_driver_sql("SELECT decision, reason FROM occurrences ORDER BY id").all()
    )

    assert made == []
    assert [tuple(row) for row in rows] == [("claimed", None), ("skipped", "overlap")]


async def test_m7_buffer_one_keeps_the_newest(ledger):
    """
    The waiting slot gives way to a newer one, and goes when the running one is closed.
    """
    (first,) = await claim(ledger, slot(0, buffer=0))
    (waiting,) = await claim(ledger, slot(1, buffer=0))
    (newer,) = await claim(ledger, slot(2, buffer=0))
    older = await ledger.run(waiting.id)
    nobody = await ledger.promote("p/s", deadline_at=NOW, now=NOW)
    await ledger.move(first, State.MISSED, reason=Reason.DEADLINE, now=NOW)
    promoted, _ = await ledger.promote("p/s", deadline_at=NOW, now=NOW)

    assert (older.state, older.reason) == (State.SUPERSEDED, Reason.OVERLAP)
    assert nobody == (None, None)
    assert promoted is not None
    assert (promoted.id, promoted.state) == (newer.id, State.CLAIMED)


async def test_x14_budgets_refuse_and_are_given_back(ledger):
    """
    A reservation over the limit is refused; a run closed without success frees its own.
    """
    wanted = (Reservation("session:p/key:per_day", "2026-12-01", USDC, 60, 100),)
    (first,) = await claim(ledger, slot(0, reservations=wanted, exclusive=False))
    refused = await claim(ledger, slot(1, reservations=wanted, exclusive=False))
    await ledger.move(first, State.MISSED, reason=Reason.DEADLINE, now=NOW)
    granted = await claim(ledger, slot(2, reservations=wanted, exclusive=False))

    assert refused == []
    assert len(granted) == 1


async def test_x14_on_budget_hold_waits_and_goes_on_once(ledger):
    """
    A held run takes its amounts when there is room, once; slots behind it do not disturb.
    """
    wanted = (Reservation("session:p/key:per_day", "2026-12-01", USDC, 60, 100),)
    hold = {"reservations": wanted, "on_budget": "hold"}
    (first,) = await claim(ledger, slot(0, **hold, exclusive=False))
    (held,) = await claim(ledger, slot(1, **hold, exclusive=False))
    behind = await claim(ledger, slot(2, **hold))
    refused = await ledger.reserve(held, wanted, deadline_at=NOW, now=NOW)
    await ledger.move(first, State.MISSED, reason=Reason.DEADLINE, now=NOW)
    goes_on = await ledger.reserve(held, wanted, deadline_at=NOW, now=NOW)

    assert (held.state, held.reason) == (State.HELD, Reason.BUDGET)
    assert behind == []
    assert refused is None
    assert goes_on is not None
    assert goes_on.state is State.CLAIMED


async def test_m8_a_waiting_slot_ends_with_its_window(ledger):
    """
    What waited longer than its catch-up window is missed(overlap), and never paid late.
    """
    (first,) = await claim(ledger, slot(0, buffer=9))
    (waiting,) = await claim(ledger, slot(1, buffer=9, expires_at=NOW + timedelta(hours=2)))
    await ledger.move(first, State.MISSED, reason=Reason.DEADLINE, now=NOW)
    nobody = await ledger.promote("p/s", deadline_at=NOW, now=NOW + timedelta(hours=3))

    ended = await ledger.run(waiting.id)
    assert nobody == (None, None)
    assert (ended.state, ended.reason) == (State.MISSED, Reason.OVERLAP)


async def test_m10_a_paused_schedule_promotes_nothing(ledger):
    """
    The breaker holds for slots that were claimed before it opened, too.
    """
    (first,) = await claim(ledger, slot(0, buffer=9))
    await claim(ledger, slot(1, buffer=9))
    await ledger.pause_schedule("p/s", reason="three failures", now=NOW)
    await ledger.move(first, State.MISSED, reason=Reason.DEADLINE, now=NOW)

    assert await ledger.promote("p/s", deadline_at=NOW, now=NOW) == (None, None)


async def test_x1_a_fence_belongs_to_one_run(ledger):
    """
    A second run cannot sign on the same full nonce, and nothing of the try is written.
    """
    (first,) = await claim(ledger, slot(0, exclusive=False))
    (second,) = await claim(ledger, slot(1, exclusive=False))
    await ledger.sign(await prepared(ledger, first), operation(), now=NOW)
    other = await prepared(ledger, second)

    with pytest.raises(Conflict):
        await ledger.sign(other, operation("0xbb"), now=NOW)

    assert await ledger.operations(second.id) == []
    assert (await ledger.run(second.id)).state is State.PREPARED


async def test_x1_a_run_never_changes_its_fence(ledger):
    """
    A later operation of a run stands on the same nonce or is refused.
    """
    (run,) = await claim(ledger, slot(0))
    signed = await ledger.sign(await prepared(ledger, run), operation(), now=NOW)

    with pytest.raises(Conflict):
        await ledger.sign(signed, operation("0xbb", nonce=6, kind=OperationKind.BURN), now=NOW)
    burned = await ledger.sign(signed, operation("0xcc", kind=OperationKind.BURN), now=NOW)

    assert burned.state is State.SIGNED
    assert [one.kind for one in await ledger.operations(run.id)] == ["payment", "burn"]


async def test_h2_who_holds_an_old_version_loses(ledger):
    """
    A move from a version that is gone is refused and changes nothing.
    """
    (run,) = await claim(ledger, slot(0))
    await ledger.move(run, State.HELD, reason=Reason.GRANT, now=NOW)

    with pytest.raises(Conflict):
        await ledger.move(run, State.SKIPPED, reason=Reason.OPERATOR, now=NOW)

    assert (await ledger.run(run.id)).state is State.HELD


async def test_closed_is_closed(ledger):
    """
    No move leads out of a closed state.
    """
    (run,) = await claim(ledger, slot(0))
    closed = await ledger.move(run, State.MISSED, reason=Reason.DEADLINE, now=NOW)

    for state in State:
        with pytest.raises(Conflict):
            await ledger.move(closed, state, now=NOW)


async def test_x12_from_signed_to_success(ledger):
    """
    Signed, sent, included, success: each step leaves its evidence, and the breaker resets.
    """
    (run,) = await claim(ledger, slot(0))
    run = await ledger.sign(await prepared(ledger, run), operation(), now=NOW)
    run = await ledger.note(run, "0xaa", OperationStatus.SENT, detail=None, now=NOW)
    sent = run.state
    proof = Inclusion("0xaa", True, 123, 9, "0xb10c", NOW, "0x7a")
    run = await ledger.include(run, proof, now=NOW)
    late = await ledger.note(run, "0xaa", OperationStatus.UNKNOWN, detail="late", now=NOW)
    run = await ledger.close(
        late, State.SUCCESS, winner="0xaa", outcome=OperationStatus.SUCCESS, now=NOW
    )

    (done,) = await ledger.operations(run.id)
    assert sent is State.SENT
    assert late.state is State.INCLUDED
    assert (run.state, run.closed_at) == (State.SUCCESS, NOW)
    assert (done.status, done.block_number, done.gas_cost) == ("success", 9, 123)
    assert await ledger.open_request(done.hash) == b"SIGNED BYTES"
    assert await ledger.failures_in_row("p/s") == 0


async def test_s6_a_reorganisation_takes_it_back_to_sent(ledger):
    """
    What was included and is not any more is sent again, on the same fence.
    """
    (run,) = await claim(ledger, slot(0))
    run = await ledger.sign(await prepared(ledger, run), operation(), now=NOW)
    run = await ledger.include(run, Inclusion("0xaa", True, 1, 9, "0x", NOW, "0x"), now=NOW)
    run = await ledger.exclude(run, "0xaa", now=NOW)

    (back,) = await ledger.operations(run.id)
    assert run.state is State.SENT
    assert (back.status, back.block_number) == (OperationStatus.SENT, None)


async def test_s4_a_new_attempt_only_after_the_last_is_closed(ledger):
    """
    The next attempt comes with the end of the last one, in one transaction: nobody can claim a
    slot in between. It has a new id, so a new fence.
    """
    (run,) = await claim(ledger, slot(0))
    signed = await ledger.sign(await prepared(ledger, run), operation(), now=NOW)
    nobody = await ledger.successor(signed)
    await ledger.close(
        signed,
        State.NOT_INCLUDED,
        winner=None,
        outcome=OperationStatus.DEAD,
        reason=Reason.EXPIRED,
        retry_until=NOW + timedelta(minutes=1),
        now=NOW,
    )
    following = await ledger.successor(signed)

    assert nobody is None
    assert following is not None
    assert (following.attempt, following.state) == (2, State.CLAIMED)
    assert following.id != run.id


async def test_t10_an_unchanged_schedule_keeps_its_anchor(ledger):
    """
    The same trigger keeps anchor and place; a changed one begins anew in the future.
    """
    later = NOW + timedelta(hours=5)
    await ledger.install_schedules([SEED], now=later)
    kept = (await ledger.schedules())["p/s"]
    await ledger.install_schedules([replace(SEED, trigger="every 2h")], now=later)
    changed = (await ledger.schedules())["p/s"]
    await ledger.install_schedules([], now=later)
    removed = (await ledger.schedules())["p/s"]

    assert (kept.anchor, kept.decided_until) == (NOW, NOW)
    assert (changed.anchor, changed.decided_until) == (later, later)
    assert removed.state == "removed"


async def test_h1_one_holder_at_a_time(ledger, tmp_path):
    """
    A second process is told who holds the ledger.
    """
    with pytest.raises(LedgerHeld, match=f"process {os.getpid()} on "):
        open_ledger(tmp_path / "ledger.db")


async def test_x19_no_ledger_is_made_unasked(tmp_path):
    """
    On a real profile a missing ledger is an error, and no file appears.
    """
    with pytest.raises(StoreError, match="no ledger"):
        open_ledger(tmp_path / "new" / "ledger.db", create=False)

    assert not (tmp_path / "new" / "ledger.db").exists()


async def test_h10_another_secret_key_is_refused(tmp_path):
    """
    The ledger names the key that it needs.
    """
    first = open_ledger(tmp_path / "ledger.db")
    await first.store.close(now=NOW)

    with pytest.raises(StoreError, match="was sealed by secret key"):
        open_ledger(tmp_path / "ledger.db", secret=b"x" * 32)


async def test_h10_no_secret_lies_in_clear(ledger, tmp_path):
    """
    Session keys, contexts and signed requests are nowhere in the files.
    """
    (run,) = await claim(ledger, slot(0))
    grant = await ledger.new_grant(NEW_GRANT, b"PRIVATE KEY OF THE SESSION ....!")
    grant = await ledger.owner_signed(
        grant, session_id=b"i" * 16, entity_id=1, nonce=5, context=b"THE CONTEXT", now=NOW
    )
    await ledger.sign(await prepared(ledger, run), operation(), now=NOW)
    files = b"".join(path.read_bytes() for path in tmp_path.glob("ledger.db*"))

    assert ledger.open_key(grant) == b"PRIVATE KEY OF THE SESSION ....!"
    assert ledger.open_context(grant) == b"THE CONTEXT"
    for secret in (b"PRIVATE KEY", b"THE CONTEXT", b"SIGNED BYTES", b"PRIVATE KEY".hex().encode()):
        assert secret not in files


async def test_r12_activation_hands_over_in_one_moment(ledger):
    """
    One generation is active at a time; the end of a generation destroys its key.
    """
    first = await ledger.activate(await ledger.new_grant(NEW_GRANT, b"k" * 32), now=NOW)
    second = await ledger.activate(await ledger.new_grant(NEW_GRANT, b"l" * 32), now=NOW)
    first = await ledger.grant(first.id)
    ended = await ledger.move_grant(first, GrantState.RETIRED, now=NOW)

    assert (first.state, second.state) == (GrantState.DRAINING, GrantState.ACTIVE)
    assert (first.generation, second.generation) == (1, 2)
    assert second.permissions == NEW_GRANT.permissions
    with pytest.raises(StoreError, match="destroyed"):
        ledger.open_key(ended)


async def test_x2_a_grant_has_one_activation(ledger):
    """
    Asked again after a crash, the same row comes back.
    """
    grant = await ledger.new_grant(NEW_GRANT, b"k" * 32)
    run = await ledger.activation(grant, now=NOW)
    again = await ledger.activation(await ledger.grant(grant.id), now=NOW)

    assert run.id == again.id
    assert again.intent == ()


async def test_x15_a_grant_is_taken_off_by_one_run_after_the_other(ledger):
    """
    An open one goes on; a closed one stays the answer until another is asked for.
    """
    grant = await ledger.new_grant(NEW_GRANT, b"k" * 32)
    first = await ledger.revocation(grant, now=NOW)
    open_still = await ledger.revocation(grant, now=NOW, again=True)
    closed = await ledger.move(first, State.SKIPPED, reason=Reason.NOTHING_TO_DO, now=NOW)
    newest = await ledger.revocation(grant, now=NOW)
    second = await ledger.revocation(grant, now=NOW, again=True)

    assert (open_still.id, newest.id) == (first.id, closed.id)
    assert (second.id, second.attempt, second.state) == (
        "revocation:p/key#1/2",
        2,
        State.PREPARED,
    )


@pytest.mark.parametrize("state", [GrantState.STOPPING, GrantState.REVOKED, GrantState.RETIRED])
async def test_r13_a_generation_that_has_to_stop_signs_no_payment(ledger, state):
    """
    The commit of `signed` reads the grant's row, so a stop holds once it is written; what only
    burns a fence is signed still.
    """
    (run,) = await claim(ledger, slot(0))
    run = await prepared(ledger, run)
    (grant,) = await ledger.grants()
    await ledger.move_grant(grant, state, now=NOW)

    with pytest.raises(Conflict, match=f"is {state}"):
        await ledger.sign(run, operation(), now=NOW)

    signed = await ledger.sign(run, operation(kind=OperationKind.BURN), now=NOW)
    assert signed.state is State.SIGNED


async def test_r12_when_the_last_run_let_a_grant_go(ledger):
    """
    Counted from the end of runs that were pinned to it; none, none.
    """
    (run,) = await claim(ledger, slot(0))
    run = await prepared(ledger, run)
    (grant,) = await ledger.grants()
    before = await ledger.let_go_at(grant.id)
    later = NOW + timedelta(minutes=3)
    await ledger.move(run, State.SKIPPED, reason=Reason.OPERATOR, now=later)

    assert before is None
    assert await ledger.let_go_at(grant.id) == later


async def test_s3_what_was_not_awaited_is_durable_with_the_next(ledger):
    """
    Writes reach the disk in the order in which they were asked for.
    """
    order = []
    futures = [
        ledger.store.enqueue(lambda tx, n=n: order.append(n) or tx.event(NOW, "test", str(n)))
        for n in range(50)
    ]
    await ledger.store.write(lambda tx: order.append("last"))

    assert order == [*range(50), "last"]
    assert all(future.done() for future in futures)


async def test_a_fault_in_one_write_spares_its_neighbours(ledger):
    """
    Writes that share a commit do not share a failure.
    """

    def broken(tx):
        tx.event(NOW, "never", "x")
        raise ValueError("a bug")

    good = ledger.store.enqueue(lambda tx: tx.event(NOW, "before", "x"))
    bad = ledger.store.enqueue(broken)
    after = ledger.store.enqueue(lambda tx: tx.event(NOW, "after", "x"))
    results = await asyncio.gather(good, bad, after, return_exceptions=True)
    kinds = await ledger.store.read(
        lambda c: c.exec_driver_sql("SELECT kind FROM events WHERE subject = 'x'").scalars().all()
    )

    assert [type(result) for result in results] == [type(None), ValueError, type(None)]
    assert kinds == ["before", "after"]


@pytest.mark.parametrize("pattern", ["bad", "good bad", "bad good", "good bad good bad good good"])
async def test_what_a_failed_piece_wrote_is_gone_and_all_else_is_there(ledger, pattern):
    """
    Rows and events alike, and the chain has no hole where the piece was.
    """

    def piece(name, is_good):
        def work(tx):
            tx.connection.exec_driver_sql("INSERT INTO meta VALUES (?, 'x')", (name,))
            tx.event(NOW, "tried", name)
            if not is_good:
                raise Conflict(name)
            return name

        return work

    goods = {f"{n}": each == "good" for n, each in enumerate(pattern.split())}
    writes = [ledger.store.enqueue(piece(name, good)) for name, good in goods.items()]
    results = await asyncio.gather(*writes, return_exceptions=True)

    def read(c):
        rows = c.exec_driver_sql("SELECT key FROM meta WHERE value = 'x' ORDER BY key").scalars()
        told = c.exec_driver_sql("SELECT subject FROM events WHERE kind = 'tried' ORDER BY seq")
        seqs = c.exec_driver_sql("SELECT seq FROM events ORDER BY seq").scalars()
        return rows.all(), told.scalars().all(), seqs.all()

    rows, told, seqs = await ledger.store.read(read)
    survivors = [name for name, good in goods.items() if good]
    assert rows == told == survivors
    assert [one for one in results if isinstance(one, str)] == survivors
    assert sum(isinstance(one, Conflict) for one in results) == len(goods) - len(survivors)
    assert seqs == list(range(1, len(seqs) + 1))


async def test_h9_events_form_a_chain(tmp_path):
    """
    Each event's MAC covers the one before it: an edited row no longer fits.
    """
    ledger = open_ledger(tmp_path / "ledger.db")
    await ledger.install_schedules([SEED], now=NOW)
    await claim(ledger, slot(0))
    await ledger.store.close(now=NOW)
    vault = Vault(SECRET, entropy=os.urandom)
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        rows = connection.execute(
            "SELECT incarnation, seq, at, kind, subject, data, mac FROM events ORDER BY seq"
        ).fetchall()

    mac = b""
    for incarnation, seq, at, kind, subject, data, found in rows:
        moment = datetime.fromtimestamp(at / 1e6, UTC)
        mac = vault.authenticate(mac + event_message(incarnation, seq, moment, kind, subject, data))
        assert mac == found
    assert [row[1] for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= 4


async def test_a_locked_database_fails_the_write_and_says_so(ledger, tmp_path, monkeypatch):
    """
    When another program holds the write lock for too long, the write is refused, nothing is lost.
    """
    blocker = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StoreError, match="took no write"):
            await claim(ledger, slot(0))
    finally:
        blocker.execute("ROLLBACK")
        blocker.close()

    assert len(await claim(ledger, slot(0))) == 1
