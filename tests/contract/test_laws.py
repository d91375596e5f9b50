"""What the database refuses by itself, whatever asks it."""

import os
import sqlite3
from datetime import UTC, datetime
from itertools import product

import pytest

from runner.adapters.sql.store import SqlStore
from runner.adapters.vault import Vault
from runner.scheduling.moves import legal_moves, place_of
from runner.scheduling.occurrence import REASONS, State

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
ROWS = [(state, reason) for state in State for reason in sorted(REASONS[state], key=str)]


@pytest.fixture
async def database(tmp_path):
    path = tmp_path / "ledger.db"
    vault = Vault(bytes(range(32)), entropy=os.urandom)
    store = SqlStore.open(f"sqlite:///{path}", vault, now=NOW, create=True)
    await store.close(now=NOW)
    with sqlite3.connect(path) as connection:
        yield connection


def put(database, state, reason):
    database.execute("DROP TRIGGER IF EXISTS runs_are_kept")
    database.execute("DELETE FROM runs")
    database.execute(
        "INSERT INTO runs (id, kind, schedule, session, attempt, state, reason, running, due_at,"
        " claimed_at, version, incarnation) VALUES ('r', 'payment', 's', 'k', 1, ?, ?, 1, 0, 0,"
        " 7, 'i')",
        (state, reason),
    )


def test_h2_a_run_moves_by_the_table_and_nothing_else(database):
    """
    Of all pairs of states and reasons, the database takes those that the table has.
    """
    legal = set(legal_moves())
    taken = set()
    for (old, was), (new, reason) in product(ROWS, ROWS):
        put(database, old, was)
        try:
            database.execute("UPDATE runs SET state = ?, reason = ?, version = 8", (new, reason))
        except sqlite3.IntegrityError:
            continue
        taken.add((place_of(old, was), place_of(new, reason)))

    assert taken == legal


@pytest.mark.parametrize("version", [6, 7, 9])
def test_h2_each_change_is_one_version(database, version):
    """
    Who writes a row writes the version that follows the one that is there.
    """
    put(database, "signed", None)

    with pytest.raises(sqlite3.IntegrityError, match="does not move so"):
        database.execute("UPDATE runs SET state = 'sent', version = ?", (version,))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET data = '{}'",
        "DELETE FROM events",
        "UPDATE fences SET run = 'other'",
        "DELETE FROM fences",
        "DELETE FROM runs",
        "DELETE FROM operations",
        "UPDATE operations SET nonce = '1'",
        "DELETE FROM occurrences",
    ],
)
def test_what_was_written_stays(database, statement):
    """
    No row of what happened can be changed or taken out.
    """
    put(database, "success", None)
    database.execute(
        "CREATE TRIGGER runs_are_kept BEFORE DELETE ON runs BEGIN"
        " SELECT RAISE(ABORT, 'nothing is deleted from runs'); END"
    )
    database.execute(
        "INSERT INTO schedules (uid, session, trigger, anchor, decided_until, state, revision)"
        " VALUES ('s', 'k', 't', 0, 0, 'active', 'r')"
    )
    database.execute(
        "INSERT INTO occurrences (schedule, slot, due_at, decision, decided_at)"
        " VALUES ('s', 't', 0, 'claimed', 0)"
    )
    database.execute("INSERT INTO fences VALUES (1, 'a', '5', 'r', 0, 1)")
    database.execute(
        "INSERT INTO operations (hash, run, kind, call_id, chain, sender, nonce, max_fee_per_gas,"
        " max_priority_fee_per_gas, max_cost, sponsored, request_sealed, status, signed_at,"
        " from_block) VALUES ('h', 'r', 'payment', '', 1, 'a', '5', '1', '1', '1', 1, x'00',"
        " 'success', 0, 0)"
    )

    with pytest.raises(sqlite3.IntegrityError):
        database.execute(statement)
