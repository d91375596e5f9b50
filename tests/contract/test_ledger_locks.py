"""A ledger that is opened twice in one process: neither may cost the other its lock."""

import os
import subprocess
import sys
from datetime import UTC, datetime

from runner.adapters.sql.store import SqlStore
from runner.adapters.vault import Vault

READER = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1])
other.execute("SELECT count(*) FROM events").fetchone()
other.close()
"""


def log_is_there_after_a_reader(path):
    subprocess.run([sys.executable, "-c", READER, str(path)], check=True)
    return path.with_name("ledger.db-wal").exists()


async def test_h7_a_second_opening_leaves_the_first_ones_lock_alone(tmp_path):
    """
    Closing any handle of a file drops every POSIX lock of the process on it. Whoever then reads
    the ledger in another process believes to be the last one, and takes the log away that the
    daemon still writes into: the ledger is torn.
    """
    path, now = tmp_path / "ledger.db", datetime.now(UTC)
    url, vault = f"sqlite:///{path}", Vault(bytes(32), entropy=os.urandom)
    first = SqlStore.open(url, vault, now=now, create=True)
    second = SqlStore.open(url, vault, now=now, create=False, role="verb", alone=False)
    try:
        assert log_is_there_after_a_reader(path)
    finally:
        await second.close(now=now)
        await first.close(now=now)
