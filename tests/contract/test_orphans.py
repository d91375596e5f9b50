"""T10: what becomes of the grants of sessions that left the policies."""

import sqlite3
from dataclasses import dataclass, replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from contract.test_ledger import NEW_GRANT, NOW, SEED, open_ledger

from runner.execution.orphans import Orphans
from runner.records import GrantState

END = NEW_GRANT.expires_at


@dataclass
class Clock:
    at: object = NOW

    def now(self):
        return self.at


class Told:
    def __init__(self):
        self.events, self.hints = [], []

    def emit(self, event, *, level="info", **fields):
        self.events.append((event, level, fields["session"], fields["generation"]))
        self.hints.append(fields.get("hint"))


@pytest.fixture
async def ledger(tmp_path):
    opened = open_ledger(tmp_path / "ledger.db")
    await opened.install_schedules([SEED], now=NOW)
    yield opened
    await opened.store.close(now=NOW)


HERE = ((NEW_GRANT.chain, NEW_GRANT.account),)


def orphans(ledger, *, final_at, sessions=("p/other",), chain=84532, accounts=HERE):
    venue = SimpleNamespace(chain_id=chain, clock=Clock(final_at))
    watcher = SimpleNamespace(venue=venue, final_at=final_at)
    told = Told()
    found = Orphans(
        sessions, accounts, ledger=ledger, telemetry=told, watchers=[watcher], clock=Clock()
    )
    return found, told


async def active(ledger, **changes):
    grant = await ledger.new_grant(replace(NEW_GRANT, **changes), b"k" * 32)
    return await ledger.owner_signed(
        grant, session_id=b"i" * 16, entity_id=1, nonce=5, context=b"c" * 40, now=NOW
    )


async def state_of(ledger, session="p/key"):
    return (await ledger.grants(session))[0].state


async def test_t10_a_key_is_destroyed_once_a_final_block_is_later_than_its_end(ledger, tmp_path):
    await active(ledger)
    early, _ = orphans(ledger, final_at=END)
    waits = await early.tidy()
    before = await state_of(ledger)
    late, told = orphans(ledger, final_at=END + timedelta(seconds=1))
    ended = [await late.tidy(), await late.tidy()]

    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        ((key,),) = connection.execute("SELECT key_sealed FROM grants").fetchall()
    assert (waits, ended) == (True, [False, False])
    assert before is GrantState.OWNER_SIGNED
    assert (await state_of(ledger), key) == (GrantState.EXPIRED, None)
    assert told.events == [("grant.ended", "info", "p/key", 1)]


async def test_t10_one_that_is_kept_or_of_a_chain_without_time_is_left_alone(ledger):
    await active(ledger)
    after = END + timedelta(days=1)
    for found, _ in (
        orphans(ledger, final_at=after, sessions=("p/key",)),
        orphans(ledger, final_at=after, chain=1),
    ):
        await found.tidy()

    assert await state_of(ledger) is GrantState.OWNER_SIGNED


async def test_t10_it_is_told_while_its_key_can_sign(ledger):
    await active(ledger)
    living, told = orphans(ledger, final_at=NOW)
    await living.tell()
    ended, quiet = orphans(ledger, final_at=END)
    await ended.tell()

    assert told.events == [("grant.orphaned", "warning", "p/key", 1)]
    assert quiet.events == []


async def test_o9_a_key_on_an_account_that_no_policy_names_is_told_with_what_to_do(ledger):
    """
    Its session is there, but elsewhere: that its key can sign, and once that nobody takes it off.
    """
    grant = await active(ledger)
    found, told = orphans(ledger, final_at=NOW, sessions=("p/key",), accounts=())
    await found.tell()
    await found.tell_stuck()
    await ledger.move_grant(grant, GrantState.STOPPING, detail=None, now=NOW)
    await found.tell_stuck()
    await found.tell_stuck()
    reached, quiet = orphans(ledger, final_at=NOW, sessions=("p/key",))
    await reached.tell()
    await reached.tell_stuck()

    assert told.events == [
        ("grant.orphaned", "warning", "p/key", 1),
        ("grant.revocation_failed", "critical", "p/key", 1),
    ]
    assert all("put the account back" in hint for hint in told.hints)
    assert quiet.events == []
