"""Wishes of operators over a real SQLite file: written by one process, carried out by another."""

import asyncio
import os
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from support.book import NOW, PAYING, Book, Quiet

from runner.adapters.clock import SystemClock
from runner.adapters.sql import commands
from runner.adapters.sql.pauses import lift_pause, write_pause
from runner.adapters.sql.store import SqlStore
from runner.adapters.vault import Vault
from runner.errors import Conflict, LedgerHeld, StoreError, UsageError
from runner.execution.commands import Desk
from runner.records import CommandState, Pause, PauseScope, Wish
from runner.scheduling.occurrence import Reason, State

WISH = Wish("test.greet", "p/s", "anna", "because", NOW, {"words": ["hello"], "count": 2})


@pytest.fixture
async def book(tmp_path):
    opened = await Book.open(tmp_path / "ledger.db")
    yield opened
    await opened.close()


def beside(book):
    """Another process at the same ledger."""
    vault = Vault(bytes(range(32)), entropy=os.urandom)
    return SqlStore.open(book.url, vault, now=NOW, create=False, role="verb")


def desk(book, handlers, **more):
    return Desk(book.ledger, handlers, clock=SystemClock(), telemetry=Quiet(), **more)


async def test_o10_a_wish_written_beside_the_holder_is_carried_out_once(book):
    """
    It keeps its author, reason and arguments; the answer reaches who asked; there is one of it.
    """
    verb = beside(book)
    identity = await verb.write(lambda tx: commands.ask(tx, WISH))
    seen = []

    async def greet(command):
        seen.append(command.wish)
        await book.ledger.answer(
            command, CommandState.DONE, "hello twice", data={"said": 2}, now=NOW
        )

    counts = [await desk(book, {"test.greet": greet}).act() for _ in range(2)]
    command = await verb.read(lambda c: commands.command_by_id(c, identity))
    await verb.close(now=NOW)

    assert seen == [WISH]
    assert counts == [1, 0]
    assert (command.state, command.answer, command.data) == (
        CommandState.DONE,
        "hello twice",
        {"said": 2},
    )
    with pytest.raises(Conflict, match="acted on by another"):
        await book.ledger.answer(command, CommandState.DONE, "again", now=NOW)


async def test_o10_the_author_and_the_reason_are_in_the_audit_trail(book):
    """
    Asking and answering are events of the chain, both with who and why.
    """
    verb = beside(book)
    await verb.write(lambda tx: commands.ask(tx, WISH))
    await verb.close(now=NOW)

    await desk(book, {}).act()

    told = [(kind, data) for kind, data in await book.events() if kind.startswith("command.")]
    assert {kind for kind, _ in told} == {"command.test.greet", "command.refused"}
    assert all((data["author"], data["reason"]) == ("anna", "because") for _, data in told)


async def test_o10_what_a_handler_refuses_is_the_answer(book):
    """
    Its words and its hint; and the next wish is carried out all the same.
    """
    verb = beside(book)
    first = await verb.write(lambda tx: commands.ask(tx, WISH))
    second = await verb.write(lambda tx: commands.ask(tx, WISH))
    await verb.close(now=NOW)

    async def refuse(command):
        if command.id == first:
            raise UsageError("not on a Sunday", hint="ask on Monday")
        await book.ledger.answer(command, CommandState.DONE, "well", now=NOW)

    await desk(book, {"test.greet": refuse}).act()

    answers = [
        await book.store.read(lambda c, one=one: commands.command_by_id(c, one))
        for one in (first, second)
    ]
    assert [(one.state, one.answer) for one in answers] == [
        (CommandState.REFUSED, "not on a Sunday; ask on Monday"),
        (CommandState.DONE, "well"),
    ]


async def test_o10_a_wish_and_a_pause_are_noticed_within_two_seconds(book):
    """
    The holder looks at `PRAGMA data_version` each 250 ms; nobody tells it.
    """
    told, carried_out = asyncio.Event(), asyncio.Event()

    async def greet(command):
        await book.ledger.answer(command, CommandState.DONE, "hello", now=NOW)
        carried_out.set()

    looking = asyncio.create_task(desk(book, {"test.greet": greet}, on_pauses=told.set).run())
    await asyncio.sleep(0.4)
    verb = beside(book)
    await verb.write(lambda tx: commands.ask(tx, WISH))
    async with asyncio.timeout(2):
        await carried_out.wait()
    assert not told.is_set()
    stop = Pause(PauseScope.STOP, "", "stolen?", NOW)
    await verb.write(lambda tx: write_pause(tx, stop, author="anna"))
    async with asyncio.timeout(2):
        await told.wait()
    looking.cancel()
    await verb.close(now=NOW)


async def test_o10_with_no_daemon_a_verb_holds_the_ledger_itself(book):
    """
    And while it does, nobody else can; beside a holder it may only write wishes.
    """
    vault = Vault(bytes(range(32)), entropy=os.urandom)
    with pytest.raises(LedgerHeld):
        SqlStore.open(book.url, vault, now=NOW, create=False, role="verb", alone=True)
    await book.close()

    alone = SqlStore.open(book.url, vault, now=NOW, create=False, role="verb", alone=True)
    with pytest.raises(LedgerHeld):
        SqlStore.open(book.url, vault, now=NOW, create=False, role="verb", alone=True)
    await alone.close(now=NOW)
    book.store = SqlStore.open(book.url, vault, now=NOW, create=False)


async def test_o10_a_daemon_waits_for_a_command_that_holds_the_ledger_to_act(book):
    """
    For a moment: what a command does takes no longer.
    """
    await book.close()
    vault = Vault(bytes(range(32)), entropy=os.urandom)
    alone = SqlStore.open(book.url, vault, now=NOW, create=False, role="verb", alone=True)

    starting = asyncio.create_task(
        asyncio.to_thread(SqlStore.open, book.url, vault, now=NOW, create=False)
    )
    await asyncio.sleep(0.3)
    assert not starting.done()
    await alone.close(now=NOW)
    async with asyncio.timeout(4):
        book.store = await starting


# ── pauses ────────────────────────────────────────────────────────────────────────────────────

SCOPES = [
    (PauseScope.SCHEDULE, "p/s"),
    (PauseScope.SESSION, "p/key"),
    (PauseScope.ACCOUNT, "p/treasury"),
    (PauseScope.ALL, ""),
    (PauseScope.STOP, ""),
]


@pytest.mark.parametrize(("scope", "target"), SCOPES)
async def test_o1_o2_each_scope_skips_what_falls_due_and_signs_nothing_new(book, scope, target):
    """
    A pause written by another process holds for the very next claim and the very next signature;
    when it is lifted, both go on.
    """
    ready = await book.prepared(await book.claimed(0))
    verb = beside(book)
    pause = Pause(scope, target, "audit", NOW)
    await verb.write(lambda tx: write_pause(tx, pause, author="anna"))

    with pytest.raises(Conflict, match=r"may not be signed: .*audit"):
        await book.ledger.sign(ready, PAYING, now=NOW)
    made, refused = await book.claim(1)
    assert (made, [(one.decision, one.reason) for one in refused]) == (
        [],
        [(State.SKIPPED, Reason.PAUSED)],
    )
    assert await book.ledger.paused("p/s", now=NOW)

    await verb.write(
        lambda tx: lift_pause(tx, scope, target, reason="done", author="anna", now=NOW)
    )
    await verb.close(now=NOW)
    assert await book.ledger.paused("p/s", now=NOW) is None
    signed = await book.ledger.sign(ready, PAYING, now=NOW)
    assert signed.state is State.SIGNED


@pytest.mark.parametrize(
    ("scope", "target"), [(PauseScope.SESSION, "p/other"), (PauseScope.ACCOUNT, "p/other")]
)
async def test_o1_a_pause_of_what_no_schedule_uses_is_refused(book, scope, target):
    """
    A slip of the pen would look like a pause, and be none.
    """
    with pytest.raises(UsageError, match="no schedule of the ledger uses"):
        await book.store.write(
            lambda tx: write_pause(tx, Pause(scope, target, "audit", NOW), author="anna")
        )
    assert await book.ledger.pauses() == []


async def test_o8_a_stop_forbids_burns_too_and_names_itself(book):
    """
    What is signed already may not be outbid or burned while everything is stopped.
    """
    signed = await book.ledger.sign(await book.prepared(await book.claimed(0)), PAYING, now=NOW)
    await book.store.write(
        lambda tx: write_pause(tx, Pause(PauseScope.STOP, "", "stolen?", NOW), author="anna")
    )

    with pytest.raises(Conflict, match="everything is stopped: stolen"):
        await book.ledger.sign(signed, book.burn, now=NOW)
    assert await book.ledger.stopped() == "everything is stopped: stolen?"
    with pytest.raises(UsageError, match="stopped already"):
        await book.store.write(
            lambda tx: write_pause(tx, Pause(PauseScope.STOP, "", "again", NOW), author="bob")
        )


async def test_o1_a_pause_with_an_end_covers_what_was_due_in_it_and_lifts_itself(book):
    """
    A slot of the pause is skipped(paused) also where it is decided after the pause's end.
    """
    hour = timedelta(hours=1)
    pause = Pause(PauseScope.SCHEDULE, "p/s", "audit", NOW, NOW + 2 * hour)
    await book.store.write(lambda tx: write_pause(tx, pause, author="anna"))

    _, inside = await book.claim(1, now=NOW + 3 * hour)
    made, _ = await book.claim(2, now=NOW + 3 * hour)
    lifted = await book.ledger.lift_ended(now=NOW + 3 * hour)

    assert [one.reason for one in inside] == [Reason.PAUSED]
    assert len(made) == 1
    assert lifted == [pause]
    assert await book.ledger.pauses() == []


@pytest.mark.parametrize("_", range(3))
async def test_o8_o10_a_stop_of_another_process_lets_no_signature_through_after_it(book, _):
    """
    Many runs are being signed while another process stops everything: what is signed when the
    stop is committed is all that is ever signed.
    """
    runs = [await book.prepared(await book.claimed(hour)) for hour in range(40)]
    count = "select count(*) from operations"

    def stop(tx):
        write_pause(tx, Pause(PauseScope.STOP, "", "stolen?", NOW), author="anna")
        return tx.connection.exec_driver_sql(count).scalar()

    async def sign_all():
        refused = 0
        for number, run in enumerate(runs):
            operation = replace(PAYING, hash=f"0x{number:04x}", nonce=2**200 + number)
            try:
                await book.ledger.sign(run, operation, now=NOW)
            except Conflict:
                refused += 1
        return refused

    verb = beside(book)
    signing = asyncio.create_task(sign_all())
    await asyncio.sleep(0.02)
    at_the_stop = await verb.write(stop)
    refused = await signing
    await verb.close(now=NOW)

    after = await book.store.read(lambda c: c.exec_driver_sql(count).scalar())
    assert after == at_the_stop
    assert refused == len(runs) - after


async def test_o10_whoever_locks_the_ledger_stops_no_loop(book, monkeypatch):
    """
    Looking for wishes waits beside the loop, not in it.
    """
    store, looks = book.store, []
    look = store._version

    def locked(*, patience=0.0):
        looks.append((patience > 0, threading.current_thread() is threading.main_thread()))
        if not patience:
            raise StoreError("cannot look at the ledger: database is locked")
        return look(patience=patience)

    seen = await store.version()
    monkeypatch.setattr(store, "_version", locked)
    again = await store.version()
    monkeypatch.undo()

    assert looks == [(False, True), (True, False)]
    assert seen == again == await store.version()
