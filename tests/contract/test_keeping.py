"""Keeping a ledger: checking it, copying it, another schema, another secret key."""

import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.payments import HOUR, granted, paid

from runner.adapters.sql import audit, keeping
from runner.adapters.sql import tables as t
from runner.adapters.sql.ledger import SqlLedger
from runner.adapters.sql.store import SqlStore, make_engine, open_for_reading
from runner.adapters.vault import Vault
from runner.errors import LedgerHeld, StoreError, UsageError
from runner.policy.fingerprint import trigger_text
from runner.policy.parse import parse_policy
from runner.records import ScheduleSeed
from runner.scheduling.cron import check_cron
from runner.scheduling.occurrence import run_id
from runner.scheduling.triggers import timetable

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
OLD = Vault(bytes(range(32)), entropy=os.urandom)
NEW = Vault(bytes(range(1, 33)), entropy=os.urandom)
VECTOR = Path(__file__).parents[1] / "vectors" / "ledger-r1.sql"
POLICY = """\
version: 1
name: p
chain: base-sepolia
wallet: sandbox
contacts: {alice: "0x00000000000000000000000000000000000a11ce"}
accounts: {treasury: {owner: treasury-owner}}
sessions: {key: {account: treasury, lifetime: 45d}}
schedules:
  s: {session: key, every: 1h, pay: {alice: 1 native}}
"""


SCHEDULE = parse_policy(POLICY, "p.yaml", environment={}, check_cron=check_cron).schedules["s"]


def url(path):
    return f"sqlite:///{path}"


async def opened(path, vault=OLD, *, create=False):
    return SqlStore.open(url(path), vault, now=NOW, create=create)


@pytest.fixture
async def path(tmp_path):
    """A ledger with three payments, at rest."""
    place = tmp_path / "ledger.db"
    store = await opened(place, create=True)
    ledger = SqlLedger(store, OLD)
    await ledger.install_schedules(
        [ScheduleSeed("p/s", "p/key", trigger_text(SCHEDULE), "r1")], now=NOW
    )
    await granted(ledger, NOW)
    for hour in (1, 2, 3):
        await paid(ledger, NOW + hour * HOUR)
    await store.close(now=NOW + 4 * HOUR)
    return place


def verified(path, vault=OLD):
    """The rules that the audit finds broken, and how many slots it compared."""
    engine = open_for_reading(url(path))
    try:
        with engine.connect() as connection:
            _, flaws = audit.chains(connection, vault)
            flaws += audit.laws(connection)
            table = timetable(SCHEDULE, anchor=audit.anchors(connection)["p/s"])
            slots, missing = audit.calendar(connection, {"p/s": (trigger_text(SCHEDULE), table)})
    finally:
        engine.dispose()
    return [flaw.rule for flaw in flaws + missing], slots


def change(path, *statements):
    """A hand on the file, which no trigger keeps away."""
    with sqlite3.connect(path) as connection:
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
    connection.close()


async def test_h9_an_untouched_ledger_verifies(path):
    """
    Every event, law and slot is as it was written.
    """
    assert verified(path) == ([], 3)


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE events SET data = replace(data, '1', '2') WHERE seq = 3", "H9"),
        ("UPDATE events SET at = at + 1 WHERE seq = 3", "H9"),
        ("DELETE FROM events WHERE seq = 3", "H9"),
        ("DELETE FROM events", "H9"),
        ("DELETE FROM occurrences WHERE slot LIKE '%T11%'", "M6"),
        ("UPDATE occurrences SET slot = '2026-12-01T23:00:00Z' WHERE slot LIKE '%T11%'", "M6"),
        ("UPDATE budgets SET reserved = '1'", "B3"),
        ("UPDATE budgets SET spent = '4'", "B3"),
        ("UPDATE runs SET closed_at = NULL", "X13"),
        ("UPDATE runs SET running = 1 WHERE due_at = (SELECT max(due_at) FROM runs)", "M7"),
        ("UPDATE runs SET state = 'reverted'", "X12"),
        ("UPDATE operations SET nonce = '5'", "X1"),
        ("UPDATE operations SET status = 'dead'", "X12"),
        ("DELETE FROM fences", "X1"),
        ("DELETE FROM operations", "X5"),
        ("UPDATE runs SET attempt = 2", "S4"),
    ],
)
async def test_db_verify_finds_what_was_changed(path, statement, rule):
    """
    Whoever changes the file behind our back is found out, by the rule that it breaks.
    """
    change(path, statement)

    rules, _ = verified(path)

    assert rule in rules


async def test_h9_a_chain_that_was_cut_off_is_missed_by_the_next(path):
    """
    The newest event of a chain is named by the first of the one after it.
    """
    store = await opened(path)
    await store.close(now=NOW)
    change(path, "DELETE FROM events WHERE kind = 'daemon.stopped' AND seq > 9")

    assert verified(path)[0] == ["H9"]


async def test_a_backup_is_whole_private_and_says_that_it_is_one(path, tmp_path):
    """
    Taken while a daemon writes; it never replaces a file.
    """
    target = tmp_path / "copy.db"
    store = await opened(path)
    try:
        size = keeping.backup(path, target, now=NOW)
        await store.write(lambda tx: tx.event(NOW, "after", "the copy"))
    finally:
        await store.close(now=NOW)

    assert target.stat().st_mode & 0o777 == 0o600
    assert size == target.stat().st_size
    assert verified(target) == ([], 3)
    with sqlite3.connect(target) as connection:
        (told,) = connection.execute("SELECT value FROM meta WHERE key = 'copied_at'").fetchone()
    assert told == NOW.isoformat()
    with pytest.raises(UsageError, match="exists"):
        keeping.backup(path, target, now=NOW)


async def test_a_restored_ledger_stands_where_the_other_was(path, tmp_path):
    """
    What was there is kept; a ledger that is held is not touched.
    """
    target = tmp_path / "copy.db"
    keeping.backup(path, target, now=NOW)
    store = await opened(path)
    with pytest.raises(LedgerHeld):
        keeping.restore(target, path, now=NOW)
    await store.close(now=NOW)

    aside = keeping.restore(target, path, now=NOW)

    assert verified(path) == ([], 3)
    assert aside is not None
    assert verified(aside) == ([], 3)


async def test_h10_another_key_seals_everything_and_old_events_still_verify(path):
    """
    The old key opens nothing any more; keys, contexts and signed bytes open by the new one.
    """
    count = keeping.rekey(url(path), path, OLD, NEW)

    assert count == 4
    assert verified(path, NEW) == ([], 3)
    with pytest.raises(StoreError, match="sealed by"):
        await opened(path)
    store = await opened(path, NEW)
    ledger = SqlLedger(store, NEW)
    (grant,) = await ledger.grants()
    operations = await ledger.operations(
        "0x" + run_id("p/s", "2026-12-01T10:00:00Z", attempt=1).hex()
    )
    opened_key = ledger.open_key(grant)
    request = await ledger.open_request(operations[0].hash)
    await store.close(now=NOW)
    assert opened_key == b"k" * 32
    assert request == b"SIGNED BYTES"
    assert verified(path, NEW) == ([], 3)


def test_h10_every_sealed_column_is_known_to_the_rekeying():
    """
    A column that is added is sealed anew as well.
    """
    sealed = {
        (table.name, column.name)
        for table in t.metadata.sorted_tables
        for column in table.columns
        if column.name.endswith("_sealed")
    }

    assert sealed == set(keeping._SEALED)


def schema(path):
    """Columns, indexes and triggers, whatever their order."""
    found = set()
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
        for kind, name, sql in rows:
            if kind == "table" and not name.startswith("sqlite_"):
                found |= {
                    (name, *column[1:4])
                    for column in connection.execute(f"PRAGMA table_info({name})")
                }
            elif sql is not None:
                found.add((kind, name, sql.replace('"', "")))
    return found


def test_an_old_ledger_is_brought_to_todays_schema(tmp_path):
    """
    Revision by revision, with a copy first; what comes out is what a new ledger is.
    """
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    with sqlite3.connect(old) as connection:
        connection.executescript(VECTOR.read_text())
    engine = make_engine(url(new))
    t.metadata.create_all(engine)
    engine.dispose()

    found, copy = keeping.migrate(url(old), old, now=NOW)
    again, none = keeping.migrate(url(old), old, now=NOW)

    assert (found, again, none) == (1, t.REVISION, None)
    assert schema(old) == schema(new)
    assert copy is not None
    with sqlite3.connect(copy) as connection:
        kept = connection.execute("SELECT value FROM meta WHERE key = 'revision'").fetchone()
    assert kept == ("1",)


def test_a_ledger_of_the_future_is_left_alone(path_of_future):
    """
    An older program does not touch what a newer one has made.
    """
    with pytest.raises(StoreError, match="revision 999"):
        keeping.migrate(url(path_of_future), path_of_future, now=NOW)


@pytest.fixture
def path_of_future(tmp_path):
    place = tmp_path / "future.db"
    with sqlite3.connect(place) as connection:
        connection.executescript(VECTOR.read_text())
        connection.execute("UPDATE meta SET value = '999'")
    return place
