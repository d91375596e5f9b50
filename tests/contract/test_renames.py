"""What the ledger keeps of names (T10): in SQLite and in memory alike."""

import os
from datetime import timedelta

import pytest
from contract.test_ledger import CLAIM, NEW_GRANT, NOW, SEED

from runner.adapters.memory.ledger import MemoryLedger
from runner.adapters.sql import tables as t
from runner.adapters.sql.commands import ask
from runner.adapters.sql.ledger import SqlLedger
from runner.adapters.sql.names import Names
from runner.adapters.sql.pauses import called, in_force, lift_pause, write_pause
from runner.adapters.sql.store import SqlStore
from runner.adapters.vault import Vault
from runner.errors import StoreError, UsageError
from runner.planning.facts import Identities
from runner.planning.renames import Named
from runner.records import Pause, PauseScope, ScheduleSeed, Wish

LATER = NOW + timedelta(minutes=5)
OTHER = ScheduleSeed(uid="p/other", session="p/key", trigger="every 1h", revision="r1")
RENAMED = (Named("schedule", "p/s", "p/new"), Named("session", "p/key", "p/purse"))


class Ledger(SqlLedger):
    def __init__(self, store, vault):
        super().__init__(store, vault)
        self.store = store


def open_ledger(path):
    vault = Vault(bytes(range(32)), entropy=os.urandom)
    return Ledger(SqlStore.open(f"sqlite:///{path}", vault, now=NOW, create=True), vault)


@pytest.fixture(params=["sqlite", "memory"])
async def either(request, tmp_path):
    if request.param == "memory":
        yield MemoryLedger()
        return
    opened = open_ledger(tmp_path / "ledger.db")
    yield opened
    await opened.store.close(now=NOW)


@pytest.fixture
async def ledger(tmp_path):
    opened = open_ledger(tmp_path / "ledger.db")
    await opened.install_schedules([SEED, OTHER], now=NOW)
    yield opened
    await opened.store.close(now=NOW)


async def test_t10_a_rename_keeps_the_row_and_all_that_hangs_on_it(either):
    """
    Anchor, next slot, number of runs, and that a slot has its run: as if nothing had happened.
    """
    await either.install_schedules([SEED], now=NOW)
    (run,), _ = await either.claim([CLAIM], decided_until={"p/s": NOW}, now=NOW)
    await either.new_grant(NEW_GRANT, b"k" * 32)
    before = await either.schedules()

    await either.install_schedules([SEED], named=RENAMED, now=LATER)
    again, _ = await either.claim([CLAIM], decided_until={"p/s": NOW}, now=LATER)

    assert await either.schedules() == before
    assert again == []
    assert [one.id for one in await either.open_runs()] == [run.id]
    assert [one.session for one in await either.grants()] == ["p/key"]
    assert await either.identities() == Identities({"p/s": "p/new"}, {"p/key": "p/purse"})


async def test_t10_names_move_on_and_back(either):
    """
    A chain of renames, and the first name once more: the uid is the same all the time.
    """
    await either.install_schedules([SEED], now=NOW)
    for name in ("p/b", "p/c", "p/s"):
        await either.install_schedules([SEED], named=[Named("schedule", "p/s", name)], now=LATER)
        assert (await either.identities()).schedules == {"p/s": name}


async def test_t10_two_swap_their_names_in_one_edit(ledger):
    """
    Although a name belongs to one at a time.
    """
    swapped = [Named("schedule", "p/s", "p/other"), Named("schedule", "p/other", "p/s")]

    await ledger.install_schedules([SEED, OTHER], named=swapped, now=LATER)
    await ledger.install_schedules([SEED, OTHER], named=swapped, now=LATER)

    assert (await ledger.identities()).schedules == {"p/s": "p/other", "p/other": "p/s"}
    names = await ledger.store.read(Names)
    assert names.uid("schedule", "p/s") == "p/other"
    told = await ledger.store.read(lambda c: c.execute(t.events.select()).all())
    assert [one.subject for one in told if one.kind == "schedule.renamed"] == ["p/s", "p/other"]


async def test_t10_one_name_never_stands_for_two(ledger):
    """
    The database refuses it, whoever asks; and nothing else of that edit is in force then.
    """
    twice = [Named("schedule", "p/s", "p/x"), Named("schedule", "p/other", "p/x")]

    with pytest.raises(StoreError, match="UNIQUE"):
        await ledger.install_schedules([], named=twice, now=LATER)

    assert (await ledger.identities()).schedules == {"p/s": "p/s", "p/other": "p/other"}
    assert {one.state for one in (await ledger.schedules()).values()} == {"active"}


async def test_t10_wishes_and_pauses_take_todays_name_and_correct_the_former_one(ledger):
    """
    They are kept by uid; whoever says the former name is told the new one, and nothing is done.
    """
    await ledger.install_schedules([SEED, OTHER], named=RENAMED, now=LATER)

    def wish(kind, target):
        return Wish(kind, target, "anna", "a test", LATER, {})

    for kind, target, uid in (
        ("schedule.skip", "p/new", "p/s"),
        ("schedule.skip", "p/other", "p/other"),
        ("grant.revoke", "p/purse#2", "p/key#2"),
        ("grant.renew", "p/purse", "p/key"),
        ("run.retry", "0xabc", "0xabc"),
    ):
        made = wish(kind, target)
        identity = await ledger.store.write(lambda tx, made=made: ask(tx, made))
        asked = {one.id: one for one in await ledger.asked()}
        assert asked[identity].wish.target == uid
    for kind, target in (("schedule.skip", "p/s"), ("grant.revoke", "p/key#2")):
        made = wish(kind, target)
        with pytest.raises(UsageError, match=r"is called p/(new|purse) now"):
            await ledger.store.write(lambda tx, made=made: ask(tx, made))

    for scope, name in ((PauseScope.SCHEDULE, "p/new"), (PauseScope.SESSION, "p/purse")):
        pause = Pause(scope, name, "audit", LATER, None)
        await ledger.store.write(lambda tx, pause=pause: write_pause(tx, pause, author="anna"))
    assert await ledger.paused("p/s", now=LATER) == "audit"
    assert await ledger.paused("p/other", now=LATER) == "session p/key is paused: audit"
    shown = await ledger.store.read(lambda c: called(c, in_force(c)))
    assert {one.target for one in shown} == {"p/new", "p/purse"}
    with pytest.raises(UsageError, match="is called p/new now"):
        await ledger.store.write(
            lambda tx: lift_pause(
                tx, PauseScope.SCHEDULE, "p/s", reason="x", author="anna", now=LATER
            )
        )
    await ledger.store.write(
        lambda tx: lift_pause(
            tx, PauseScope.SCHEDULE, "p/new", reason="x", author="anna", now=LATER
        )
    )
    assert await ledger.paused("p/s", now=LATER) == "session p/key is paused: audit"
