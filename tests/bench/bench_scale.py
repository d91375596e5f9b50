"""
What a payment costs among 100,000 schedules, beside what it costs among 1,000.

    python tests/bench/bench_scale.py      prints a line a round, writes .bench/scale.json

Two real daemons, each against a sandbox in a process of its own, pay the same payments in turn,
each in every other minute. A payment costs what the kernel counts for the daemon in such a minute,
less what it counts in the minutes between, in which sessions, balances and open runs are looked
after all the same; that is told by itself. A minute begins before the daemon looks ahead, so what
is decided of a slot before it is due is counted too. The first round of both warms up; medians
count. Exits 1 when a bound is broken.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from bench_payment import REPOSITORY, Ledger, cpu_seconds
from support.house import House, free_port, listening, wait_for

RESULT = REPOSITORY / ".bench" / "scale.json"
SIZES = (1_000, 100_000)
RATIO = "cpu_per_payment_ratio_100000_to_1000"
BOUND = 1.2

ACCOUNTS, PAYMENTS, ROUNDS = 50, 200, 3
MINUTE = timedelta(seconds=60)
PERIOD = len(SIZES) * MINUTE
ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)
"""The schedules of the first daemon are due in whole periods from here on."""

BEFORE = timedelta(seconds=22)
"""So long before a slot the daemon has not looked at it yet."""

EACH = 1_000
"""Schedules of one policy that pay nothing while this runs."""


@dataclass(frozen=True)
class Side:
    """A daemon among so many schedules."""

    size: int
    process: subprocess.Popen[str]
    ledger: Ledger

    def check(self, due: datetime) -> None:
        """End here if a payment of a slot is not closed on final evidence."""
        query = "SELECT count(*) FROM runs WHERE state = 'success' AND due_at = ?"
        found = self.ledger.count(query, str(int(due.timestamp()) * 1_000_000))
        if found < PAYMENTS:
            sys.exit(f"{found} of {PAYMENTS} payments were confirmed among {self.size} schedules")


def _sleep_until(moment: datetime) -> None:
    time.sleep(max((moment - datetime.now(UTC)).total_seconds(), 0.0))


def write_policies(folder: Path, size: int, offset: timedelta) -> None:
    """Accounts of which each pays in every period, and schedules that are due once in years."""
    folder.mkdir(parents=True)
    head = [
        "version: 1",
        "chain: base-sepolia",
        "wallet: sandbox",
        "tokens:",
        "  usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}",
        "contacts: {alice: 0x00000000000000000000000000000000000a11ce}",
    ]
    paying = [
        "name: pay",
        "accounts:",
        *(f"  a{n}: {{owner: treasury-owner, gas: sponsor, salt: {n}}}" for n in range(ACCOUNTS)),
        "sessions:",
        *(f"  k{n}: {{account: a{n}, lifetime: 30d}}" for n in range(ACCOUNTS)),
        "schedules:",
        *(
            f"  p-{n:04}: {{session: k{n % ACCOUNTS}, every: {PERIOD // timedelta(seconds=1)}s, "
            f"anchor: {ANCHOR + offset:%Y-%m-%dT%H:%M:%SZ}, pay: {{alice: 0.01 usdc}}}}"
            for n in range(PAYMENTS)
        ),
    ]
    (folder / "pay.yaml").write_text("\n".join([*head, *paying]) + "\n", encoding="utf-8")
    rest, number = size - PAYMENTS, 0
    while rest:
        some = min(rest, EACH)
        waiting = [
            f"name: wait-{number}",
            f"accounts: {{idle: {{owner: treasury-owner, gas: sponsor, salt: {1000 + number}}}}}",
            "sessions: {key: {account: idle, lifetime: 30d}}",
            "schedules:",
            *(
                f"  w-{n:04}: {{session: key, at: 2099-01-01T00:00:00Z, pay: {{alice: 1 usdc}}}}"
                for n in range(some)
            ),
        ]
        text = "\n".join([*head, *waiting]) + "\n"
        (folder / f"wait-{number}.yaml").write_text(text, encoding="utf-8")
        rest, number = rest - some, number + 1


@contextmanager
def side(folder: Path, size: int, offset: timedelta) -> Iterator[Side]:
    """A sandbox and a daemon whose sessions may pay."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/v2/dev"
    folder.mkdir()
    house = House(
        folder,
        policy="",
        config=f"policies: pay/\nwallets: {{sandbox: {{url: '{url}'}}}}\n"
        f"signers: {{treasury-owner: {{private_key_for_sandbox_only: '0x{'11' * 32}'}}}}\n",
    )
    try:
        house.start("sandbox", "--port", str(port))
        wait_for(lambda: listening(url), what="the sandbox")
        write_policies(folder / "pay", size, offset)
        process = house.start("up")
        ledger = Ledger(folder / ".runner" / "ledger.db")

        def ready() -> bool:
            if process.poll() is not None:
                sys.exit(f"the daemon has ended:\n{house.logs()[-3000:]}")
            return ledger.active() >= ACCOUNTS

        wait_for(ready, seconds=300, what="the sessions")
        yield Side(size, process, ledger)
    finally:
        house.stop()


def measure(folder: Path) -> dict[str, float]:
    """Minutes in which one of them pays, in turn."""
    with ExitStack() as stack:
        sides = [
            stack.enter_context(side(folder / str(size), size, number * MINUTE))
            for number, size in enumerate(SIZES)
        ]
        ready = datetime.now(UTC) + BEFORE + timedelta(seconds=1)
        first = ANCHOR - ((ANCHOR - ready) // PERIOD) * PERIOD
        _sleep_until(first - BEFORE)
        used = [[cpu_seconds(one.process) for one in sides]]
        for minute in range(len(sides) * (ROUNDS + 1)):
            due = first + minute * MINUTE
            _sleep_until(due - BEFORE + MINUTE)
            sides[minute % len(sides)].check(due)
            used.append([cpu_seconds(one.process) for one in sides])
            minutes = [after - before for before, after in zip(*used[-2:], strict=True)]
            told = ", ".join(f"{cpu:.2f} s" for cpu in minutes)
            print(f"minute {minute}: {told}", flush=True)
    found: dict[str, float] = {}
    each: dict[int, float] = {}
    for number, size in enumerate(SIZES):
        cpu = [after[number] - before[number] for before, after in pairwise(used)]
        counted = list(enumerate(cpu))[len(SIZES) :]
        paying = statistics.median(c for n, c in counted if n % len(SIZES) == number)
        idle = statistics.median(c for n, c in counted if n % len(SIZES) != number)
        each[size] = (paying - idle) / PAYMENTS * 1e3
        found[f"cpu_per_payment_ms_of_{size}"] = each[size]
        found[f"cpu_percent_idle_of_{size}"] = idle / MINUTE.total_seconds() * 100
    small, large = (each[size] for size in SIZES)
    return found | {RATIO: large / small}


def main() -> int:
    """Measure, print, write; 1 when the bound is broken."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    for name, number in found.items():
        bound = f"  at most {BOUND:g}" if name == RATIO else ""
        print(f"{name:45} {number:10.3f}{bound}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return int(found[RATIO] > BOUND)


if __name__ == "__main__":
    sys.exit(main())
