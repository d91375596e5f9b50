"""
What claiming a due slot costs, however many schedules there are beside it.

    python tests/bench/bench_claims.py      prints a table, writes .bench/claims.json

The heap of next instants and the ledger on disk, for 100 to 100,000 schedules: some of them fall
due together, are taken from the heap, claimed in one transaction and read back. CPU of the
process, the writer's thread included; the median of rounds in which the sizes take turns. Then a
second in which ten thousand are due. Exits 1 when a bound is broken.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runner.adapters.sql.ledger import SqlLedger
from runner.adapters.sql.store import SqlStore
from runner.adapters.vault import Vault
from runner.records import Claim, ScheduleSeed
from runner.scheduling.heap import Heap
from runner.scheduling.occurrence import State

RESULT = Path(__file__).resolve().parents[2] / ".bench" / "claims.json"
SIZES = (100, 10_000, 100_000)
DUE, ROUNDS, BURST = 10, 9, 10_000
START = datetime(2026, 12, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)
BOUNDS = {"claim_cost_ratio_100000_to_100": 1.5}


class Calendar:
    """A ledger with so many schedules, each of which is due once a day at its own second."""

    def __init__(self, folder: Path, size: int) -> None:
        self.size = size
        vault = Vault(bytes(range(32)), entropy=os.urandom)
        url = f"sqlite:///{folder / f'{size}.db'}"
        self._store = SqlStore.open(url, vault, now=START, create=True)
        self._ledger = SqlLedger(self._store, vault)
        self._heap = Heap()
        self._round = 0

    async def fill(self) -> None:
        """Install the schedules."""
        uids = [f"policy-{n % 100}/schedule-{n:06}" for n in range(self.size)]
        seeds = [ScheduleSeed(uid, f"{uid.partition('/')[0]}/key", "daily", "r") for uid in uids]
        await self._ledger.install_schedules(seeds, now=START)
        for place, uid in enumerate(uids):
            self._heap.push(uid, START + timedelta(seconds=1 + place // DUE))

    async def claim(self, seconds: int = 1) -> tuple[float, float]:
        """CPU and wall seconds of claiming what is due in the next seconds."""
        self._round += seconds
        now = START + timedelta(seconds=self._round)
        used, began = time.process_time(), time.perf_counter()
        due = self._heap.pop_due(now)
        claims = [_claim(uid, now) for uid in due]
        runs, _ = await self._ledger.claim(claims, decided_until=dict.fromkeys(due, now), now=now)
        for uid in due:
            self._heap.push(uid, now + DAY)
        cost = time.process_time() - used, time.perf_counter() - began
        if len(runs) != DUE * seconds:
            raise SystemExit(f"{len(runs)} of {DUE * seconds} slots were claimed")
        return cost

    async def close(self) -> None:
        """Let go of the file."""
        await self._store.close(now=START)


def _claim(uid: str, now: datetime) -> Claim:
    return Claim(
        schedule=uid,
        slot=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        due_at=now,
        decision=State.CLAIMED,
        session=f"{uid.partition('/')[0]}/key",
        deadline_at=now + timedelta(minutes=10),
        expires_at=now + DAY,
    )


async def measure(folder: Path) -> dict[str, float]:
    """Every size in turn, then the burst on the largest."""
    calendars = [Calendar(folder, size) for size in SIZES]
    for one in calendars:
        await one.fill()
    found: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(ROUNDS):
        for one in calendars:
            cpu, _ = await one.claim()
            found[one.size].append(cpu / DUE * 1e6)
    cpu, wall = await calendars[-1].claim(BURST // DUE)
    for one in calendars:
        await one.close()
    numbers = {f"claim_cpu_us_of_{size}": statistics.median(found[size]) for size in SIZES}
    return numbers | {
        "claim_cost_ratio_100000_to_100": numbers["claim_cpu_us_of_100000"]
        / numbers["claim_cpu_us_of_100"],
        "claim_burst_10000_cpu_us": cpu / BURST * 1e6,
        "claim_burst_10000_wall_seconds": wall,
    }


def main() -> int:
    """Measure, print, write; 1 when a bound is broken."""
    with tempfile.TemporaryDirectory() as folder:
        numbers = asyncio.run(measure(Path(folder)))
    broken = [name for name, most in BOUNDS.items() if numbers[name] > most]
    for name, number in numbers.items():
        bound = f"  at most {BOUNDS[name]:g}" if name in BOUNDS else ""
        print(f"{name:45} {number:10.3f}{bound}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    for name in broken:
        print(f"broken: {name}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
