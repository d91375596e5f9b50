"""A sandbox process, a daemon process on one ledger, and the truths that hold between them."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from support.house import House, free_port, kill, listening, rpc, wait_for

ROOT = Path(__file__).parents[2]
OWNER = "11" * 32

POLICY = """\
version: 1
name: demo
chain: base-sepolia
wallet: sandbox
defaults: {pause_after_failures: 1000}
tokens:
  usdc: {decimals: 6, address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e"}
contacts:
  alice: "0x00000000000000000000000000000000000a11ce"
  bob: "0x0000000000000000000000000000000000000b0b"
accounts:
  first: {owner: treasury-owner, gas: sponsor, max_fee: 1 native}
  second: {owner: treasury-owner, gas: sponsor, salt: 7, max_fee: 1 native}
sessions:
  one: {account: first, lifetime: 40s, limits: {per_day: [1000000 usdc]}}
  two: {account: second, lifetime: 3m}
schedules:
  a: {session: one, every: 2s, pay: {alice: 1.5 usdc}, limits: {per_month: [900000 usdc]}}
  b: {session: one, every: 3s, pay: {bob: 0.001 native}}
  c: {session: one, every: 5s, overlap: buffer_one, pay: {alice: 2 usdc}, catch_up: latest}
  d: {session: two, every: 1s, overlap: allow, pay: {alice: 0.25 usdc}, run_deadline: 20s}
  e: {session: two, every: 1s, overlap: allow, pay: {bob: 0.5 usdc}, run_deadline: 20s}
  f: {session: two, every: 4s, pay: {bob: 3 usdc}, run_deadline: 8s, catch_up_window: 1m}
"""


class Broken(AssertionError):
    """One of the truths does not hold."""


class Stage:
    """One ledger and one chain, through any number of daemons."""

    def __init__(self, folder: Path, *, policy: str = POLICY) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/v2/dev"
        self.house = House(
            folder,
            policy=policy,
            config=(
                "policies: policies/\n"
                f"wallets: {{sandbox: {{url: '{self.url}'}}}}\n"
                f"signers: {{treasury-owner: {{private_key_for_sandbox_only: '0x{OWNER}'}}}}\n"
            ),
        )
        self.house.start("sandbox", "--port", str(self.port), "--state", "chain.json")
        wait_for(lambda: listening(self.url), what="the sandbox")
        self.daemon: subprocess.Popen[str] | None = None
        self._logs = 0
        self._readers: list[threading.Thread] = []

    def stop(self) -> None:
        """End what still runs; what it wrote is read to its end."""
        self.house.stop()
        for reader in self._readers:
            reader.join(timeout=10)

    # ── processes ─────────────────────────────────────────────────────────────────────────────

    @property
    def ledger(self) -> Path:
        return self.house.folder / ".runner" / "ledger.db"

    @property
    def exists(self) -> bool:
        """Whether there is a ledger, and not only the file of one that was just begun."""
        if not self.ledger.exists():
            return False
        with self.read() as c:
            return bool(c.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchall())

    @property
    def alive(self) -> bool:
        return self.daemon is not None and self.daemon.poll() is None

    def start(self, *, die: str | None = None, seconds: int | None = None) -> None:
        """A daemon, its output read through a pipe: a full disk must not silence it."""
        self.check_end()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("RUNNER_", "CHAOS_"))}
        kept |= {"CHAOS_ROOT": str(ROOT), "PYTHONUNBUFFERED": "1"}
        if die is not None:
            kept["CHAOS_DIE"] = die
        ends = [] if seconds is None else ["--for", f"{seconds}s"]
        self.daemon = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "chaos" / "daemon.py"), "up", *ends],
            cwd=self.house.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=kept,
        )
        self.house.processes.append(self.daemon)
        self._logs += 1
        target = self.house.folder / f"daemon-{self._logs:05}.log"
        target.touch()  # the newest log is that of the newest daemon, from here on
        reader = threading.Thread(target=_copy, args=(self.daemon.stdout, target), daemon=True)
        reader.start()
        self._readers.append(reader)

    def check_end(self) -> None:
        """Whatever goes wrong, a daemon goes on until it is killed."""
        if self.daemon is not None and self.daemon.poll() not in {None, 0, -signal.SIGKILL}:
            last = self.logs()[-1].read_text()[-1500:]
            raise Broken(f"the daemon ended by itself: {self.daemon.returncode}: {last}")

    def kill(self) -> None:
        """kill -9."""
        if self.daemon is not None and self.alive:
            kill(self.daemon)

    def ready(self, seconds: float = 30.0, *, event: str = "daemon.ready") -> bool:
        """Wait until the daemon says so; False if it does not come to that."""
        end = time.monotonic() + seconds
        while self.alive and time.monotonic() < end:
            if f'"{event}"' in self.logs()[-1].read_text():
                return True
            time.sleep(0.1)
        return False

    def logs(self) -> list[Path]:
        """What the daemons have written, a file each."""
        return sorted(self.house.folder.glob("daemon-*.log"))

    def calm(self, seconds: float = 60.0) -> None:
        """Let a daemon bring to its end what is open, with nothing going wrong any more."""
        rpc(self.url, "sandbox_clearFaults", {})
        if not self.alive:
            self.start()
        wait_for(self._beats, seconds=seconds, what="the daemon to go on")
        daemon = self.daemon
        if daemon is not None:
            self.ready(event="daemon.armed")  # one that is still starting has claimed nothing
            daemon.terminate()
            if daemon.wait(timeout=120) != 0:
                raise Broken(f"the daemon ended with {daemon.returncode}")

    def _beats(self) -> bool:
        """Nothing is left open that has been open for long, and something was paid just now."""
        with self.read() as c:
            stale = c.execute(
                "SELECT count(*) FROM runs WHERE kind = 'payment' AND closed_at IS NULL AND state"
                " IN ('signed', 'sent', 'unknown', 'included') AND due_at <"
                " (SELECT max(due_at) FROM runs WHERE kind = 'payment') - 15000000"
            ).fetchone()[0]
            fresh = c.execute(
                "SELECT count(*) FROM runs WHERE state = 'success' AND kind = 'payment' AND due_at"
                " > (SELECT max(decided_until) FROM schedules) - 10000000"
            ).fetchone()[0]
        return stale == 0 and fresh > 0

    # ── truths ────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """The ledger, as it stands."""
        with closing(
            sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True, timeout=10)
        ) as connection:
            yield connection

    def included(self) -> list[dict[str, Any]]:
        """Payments on the chain."""
        return [op for op in rpc(self.url, "sandbox_getOps") if op["calls"] and op["success"]]

    def check(self, *, at_rest: bool = False) -> Counter[str]:
        """
        What holds at any moment: nothing is paid twice or unknown to the ledger, no secret is told.

        Args:
            at_rest: No daemon runs and nothing is open: ledger and chain say the same, and the
                ledger's own laws hold, chains of events and calendar too.
        """
        paid = self.included()
        with self.read() as c:
            runs = {
                row[0]: row[1:]
                for row in c.execute("SELECT id, state, occurrence, schedule, kind FROM runs")
            }
            owner = dict(c.execute("SELECT hash, run FROM operations").fetchall())
        per_slot: Counter[int] = Counter()
        for op in paid:
            run = owner.get(op["userOpHash"])
            if run is None:
                raise Broken(f"paid on chain, unknown to the ledger: {op}")
            per_slot[runs[run][1]] += 1
        if twice := [slot for slot, count in per_slot.items() if count > 1]:
            raise Broken(f"paid twice: {twice}")
        paid_runs = {owner[op["userOpHash"]] for op in paid}
        for run, (state, _, schedule, kind) in runs.items():
            if kind != "payment":
                continue
            if state in {"not_included", "skipped", "missed", "superseded"} and run in paid_runs:
                raise Broken(f"{run} of {schedule} is {state}, and paid")
            if at_rest and state == "success" and run not in paid_runs:
                raise Broken(f"{run} of {schedule} is success, and the chain has no payment")
        self._check_secrets()
        if at_rest:
            self._audit()
        return Counter(state for state, _, _, kind in runs.values() if kind == "payment")

    def _check_secrets(self) -> None:
        secrets = [OWNER]
        key = self.house.folder / ".runner" / "secret.key"
        if key.exists():
            secrets.append(key.read_text().strip())
        for path in self.logs():
            text = path.read_text(errors="replace")
            if any(secret in text for secret in secrets):
                raise Broken(f"a secret is in {path.name}")

    def _audit(self) -> None:
        answer = self.house.run("db", "verify", "--json", timeout=300)
        if answer.returncode != 0:
            raise Broken(f"db verify: {answer.stdout[:2000]} {answer.stderr[:2000]}")

    # ── things that go wrong ──────────────────────────────────────────────────────────────────

    def fault(self, fault: dict[str, Any]) -> None:
        rpc(self.url, "sandbox_setFault", fault)

    def lock(self, seconds: float) -> None:
        """Another process writes in the ledger, and takes its time."""
        connection = sqlite3.connect(self.ledger, timeout=10, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            connection.execute("ROLLBACK")
        finally:
            connection.close()

    def second(self) -> None:
        """A second daemon by mistake: it ends with 1 and names the first (H1)."""
        answer = self.house.run("up", "--for", "5s")
        daemon = self.daemon
        named = daemon is not None and f"process {daemon.pid}" in answer.stderr
        if self.alive and (answer.returncode != 1 or not named):
            raise Broken(f"a second daemon: {answer.returncode} {answer.stderr}")


def _copy(source: Any, target: Path) -> None:
    with source, target.open("w") as log:
        for line in source:
            log.write(line)
            log.flush()


# ── what a round does ─────────────────────────────────────────────────────────────────────────

_READS = ["eth_blockNumber", "eth_getLogs", "eth_getBlockByNumber", "wallet_getCallsStatus"]
_WRITES = ["wallet_prepareCalls", "wallet_sendPreparedCalls", "wallet_createSession"]


def fault_of(chance: random.Random) -> dict[str, Any]:
    """One of all kinds of faults (DESIGN §10)."""
    kind = chance.choice(KINDS)
    fault: dict[str, Any] = {"kind": kind}
    if kind in {"latency", "timeout_before_accept", "drop_reply_after_accept", "reset"}:
        fault["method"] = chance.choice(_WRITES + _READS)
        fault["probability"] = chance.choice([0.2, 0.5, 1])
        fault["count"] = chance.randint(1, 4)
    elif kind in {"rate_limit", "error_500", "error_503", "malformed_json", "wrong_id"}:
        fault["probability"] = chance.choice([0.1, 0.3, 0.7])
        fault["count"] = chance.randint(2, 12)
    elif kind == "reorg":
        fault["depth"] = chance.randint(1, 3)
    elif kind == "lie_status":
        fault["status"] = chance.choice([100, 200, 400, 500, 600, 42])
    elif kind == "fee_spike":
        fault["factor"] = chance.choice([2, 10, 1000])
    elif kind == "clock_skew":
        fault["seconds"] = chance.choice([-20, -3, 5, 30])
    elif kind in {"never_include", "late_include"}:
        fault["count"] = chance.randint(1, 6)
        if kind == "late_include":
            fault["seconds"] = chance.randint(2, 25)
    elif kind == "tamper":
        fault |= chance.choice(TAMPERINGS)
        fault["count"] = 1
    return fault


KINDS = [
    "latency",
    "timeout_before_accept",
    "drop_reply_after_accept",
    "reset",
    "rate_limit",
    "error_500",
    "error_503",
    "malformed_json",
    "wrong_id",
    "tamper",
    "never_include",
    "late_include",
    "reorg",
    "refuse_sponsorship",
    "fee_spike",
    "clock_skew",
    "lie_status",
]

TAMPERINGS: list[dict[str, Any]] = [
    {"method": "wallet_getCallsStatus", "path": "status", "value": 200},
    {"method": "wallet_sendPreparedCalls", "path": "id", "value": "0x" + "ab" * 32},
    {"method": "eth_blockNumber", "path": "", "value": "latest"},
]
"""Lies that a daemon lives with; those that make it ask for a person are the guard's tests."""


def report(**fields: Any) -> str:
    """A line for people and machines."""
    return json.dumps(fields, sort_keys=True)
