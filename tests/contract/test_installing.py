"""Bringing the ledger's schedules to the policies (T10, X17): in SQLite and in memory alike."""

import os
from dataclasses import replace
from datetime import timedelta

import pytest
from contract.test_ledger import NOW, SEED

from runner.adapters.memory.ledger import MemoryLedger
from runner.adapters.sql.ledger import SqlLedger
from runner.adapters.sql.store import SqlStore
from runner.adapters.vault import Vault
from runner.records import ScheduleSeed

LATER = NOW + timedelta(minutes=5)
OTHER = ScheduleSeed(uid="p/other", session="p/key", trigger="every 3h", revision="r1")
THIRD = replace(OTHER, uid="p/third")
CHANGED = replace(SEED, trigger="every 2h", session="p/purse", revision="r2")


@pytest.fixture(params=["sqlite", "memory"])
async def either(request, tmp_path):
    if request.param == "memory":
        yield MemoryLedger()
        return
    vault = Vault(bytes(range(32)), entropy=os.urandom)
    store = SqlStore.open(f"sqlite:///{tmp_path / 'ledger.db'}", vault, now=NOW, create=True)
    yield SqlLedger(store, vault)
    await store.close(now=NOW)


async def test_t10_who_installs_is_told_how_each_schedule_stands(either):
    """
    New, as it was, changed, completed, gone and back: as the ledger itself has it afterwards.
    """
    every = []
    for seeds in ([SEED, OTHER], [SEED, OTHER], [CHANGED, OTHER], [CHANGED], [CHANGED, OTHER]):
        installed = await either.install_schedules(seeds, now=NOW + len(every) * LATER.resolution)
        known = await either.schedules()
        every.append(installed.schedules == {one.uid: known[one.uid] for one in seeds})
    await either.complete([SEED.uid], now=LATER)
    raised = await either.install_schedules([CHANGED, OTHER], now=LATER)

    assert every == [True] * 5
    assert raised.schedules[SEED.uid].state == "active"
    assert raised.schedules == await either.schedules()


async def test_x17_whose_trigger_is_another_or_gone_is_superseded(either):
    """
    Active ones alone: of what is over or was taken out before, nothing is left to decide.
    """
    await either.install_schedules([SEED, OTHER, THIRD], now=NOW)
    known = await either.schedules()
    triggers = {one.uid: one.trigger for one in (SEED, OTHER, THIRD)}

    assert await either.superseded(triggers) == {}
    assert await either.superseded(triggers | {"p/s": "every 2h"}) == {"p/s": known["p/s"]}
    assert await either.superseded({"p/s": SEED.trigger}) == {
        "p/other": known["p/other"],
        "p/third": known["p/third"],
    }
    await either.complete(["p/other"], now=NOW)
    await either.install_schedules([SEED, OTHER], now=NOW)
    await either.complete(["p/other"], now=NOW)
    assert await either.superseded({}) == {"p/s": known["p/s"]}
