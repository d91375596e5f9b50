"""
How soon a daemon that was killed claims again: from its start to its first claim in the ledger.

    python tests/bench/bench_restart.py      prints a line a round, writes .bench/restart.json

kill -9, then a new process on the same ledger, against a sandbox in a process of its own. A claim
counts when another process reads it, so when it is committed. Exits 1 when the bound is broken.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests"))

from support.house import House, free_port, kill, listening, wait_for  # noqa: E402

RESULT = REPOSITORY / ".bench" / "restart.json"
ROUNDS = 7
BOUND_SECONDS = 3.0
POLICY = """\
version: 1
name: demo
chain: base-sepolia
wallet: sandbox
contacts: {bob: "0x0000000000000000000000000000000000000b0b"}
accounts: {treasury: {owner: treasury-owner, gas: sponsor}}
sessions: {pocket: {account: treasury, lifetime: 1h}}
schedules:
  every-second: {session: pocket, every: 1s, overlap: allow, pay: {bob: 0.001 native}}
"""


def newest_decision(ledger: Path) -> int:
    """When the newest slot was decided, in microseconds since the epoch."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=5)) as connection:
        return int(connection.execute("SELECT max(decided_at) FROM occurrences").fetchone()[0] or 0)


def restarted(house: House, ledger: Path) -> float:
    """Seconds from the start of a process to its first claim."""
    before = newest_decision(ledger)
    began = time.monotonic()
    daemon = house.start("up")
    while newest_decision(ledger) == before:
        if daemon.poll() is not None or time.monotonic() - began > 60:
            sys.exit(f"the daemon claimed nothing: {house.logs()[-2000:]}")
        time.sleep(0.005)
    seconds = time.monotonic() - began
    time.sleep(1.5)
    kill(daemon)
    return seconds


def main() -> int:
    """0 when the median is within the bound."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        url = f"http://127.0.0.1:{port}/v2/dev"
        config = f"policies: policies/\nwallets: {{sandbox: {{url: '{url}'}}}}\n"
        key = "'0x" + "11" * 32 + "'"
        config += f"signers: {{treasury-owner: {{private_key_for_sandbox_only: {key}}}}}\n"
        house = House(Path(folder), policy=POLICY, config=config)
        ledger = Path(folder) / ".runner" / "ledger.db"
        try:
            house.start("sandbox", "--port", str(port))
            wait_for(lambda: listening(url), what="the sandbox")
            first = house.start("up")
            wait_for(lambda: '"daemon.ready"' in house.logs(), what="the daemon")
            wait_for(lambda: newest_decision(ledger), what="the first claim")
            kill(first)
            seconds = [restarted(house, ledger) for _ in range(ROUNDS)]
        finally:
            house.stop()
    found = {
        "restart_claims_after_seconds_median": round(statistics.median(seconds), 3),
        "restart_claims_after_seconds_max": round(max(seconds), 3),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(*(f"claims again after {one:.2f} s" for one in seconds), sep="\n")
    print(json.dumps(found))
    return int(found["restart_claims_after_seconds_median"] > BOUND_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
