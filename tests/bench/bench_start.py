"""
What a start costs the daemon, by number of schedules: how soon it has armed all of them, and how
much memory it takes.

    python tests/bench/bench_start.py      prints a table, writes .bench/start.json

The real daemon against a sandbox in a process of its own: once on a ledger that does not exist
yet, once on the one that it left behind when it was killed. Then with a schedule that is due each
second among the others: after a kill, how soon another process reads a new claim from the ledger.
CPU is that of the daemon's process and of those that it starts to read policies. Exits 1 when a
bound is broken.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench_calendar import RUNNER, Trigger, daemon, house, memory_mb, once

REPOSITORY = Path(__file__).resolve().parents[2]
RESULT = REPOSITORY / ".bench" / "start.json"

SIZES = {10_000: 10, 100_000: 100}
"""Schedules, and the policies that hold them."""

BOUNDS = {
    "start_10000_schedules_seconds": 3.0,
    "start_10000_schedules_rss_mb": 300.0,
    "start_10000_crons_seconds": 4.0,
    "start_100000_schedules_seconds": 20.0,
    "start_100000_schedules_rss_mb": 1000.0,
    "claims_again_10000_schedules_seconds": 3.0,
}

_LATER = timedelta(days=30)
_TICKS = os.sysconf("SC_CLK_TCK")


def later() -> Trigger:
    """Due once, when the measuring has long ended."""
    due = datetime.now(UTC) + _LATER
    return once(lambda: due)


def daily(number: int) -> str:
    """Due each day, a thousand schedules of a policy at as many times of day."""
    return f'cron: "{number % 60} {number // 60 % 24} * * *", timezone: Europe/Berlin'


def started(folder: Path) -> dict[str, float]:
    """One start: until all is armed, the CPU up to there, and the peak of its memory."""
    with daemon(folder) as (process, seconds):
        return {
            "seconds": seconds,
            "cpu_seconds": cpu_seconds(process),
            "rss_mb": memory_mb(process),
        }


def cpu_seconds(process: subprocess.Popen[str]) -> float:
    """Of a process and of its children that have ended."""
    text = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8")
    return sum(map(int, text.rpartition(")")[2].split()[11:15])) / _TICKS


def at_rest(name: str, trigger: Trigger, schedules: int, policies: int) -> dict[str, float]:
    """Start with schedules that are not due for long, or not often."""
    with house(trigger, schedules=schedules, policies=policies) as folder:
        first = started(folder)
        again = started(folder)  # after a kill, on a ledger that knows them
    return {f"start_{name}_{what}": number for what, number in first.items()} | {
        f"start_again_{name}_{what}": number for what, number in again.items()
    }


def claims_again(schedules: int, policies: int) -> dict[str, float]:
    """
    After a kill, with one schedule due each second beside all the others.
    """
    with house(later(), schedules=schedules, policies=policies) as folder:
        _add_one_each_second(folder / "policies" / "team-0.yaml")
        ledger = folder / ".runner" / "ledger.db"
        with daemon(folder):
            _wait_for_a_claim(ledger, after=0, since=time.perf_counter())
        newest = _newest(ledger)
        began = time.perf_counter()
        again = subprocess.Popen(
            [*RUNNER, "up"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            took = _wait_for_a_claim(ledger, after=newest, since=began)
        finally:
            again.kill()
            again.wait(timeout=30)
    return {f"claims_again_{schedules}_schedules_seconds": took}


def _add_one_each_second(policy: Path) -> None:
    with policy.open("a", encoding="utf-8") as file:
        file.write("  often: {session: key, every: 1s, overlap: allow, pay: {payee-0: 1 usdc}}\n")


def _newest(ledger: Path) -> int:
    """When the newest slot was decided, in microseconds since the epoch."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=5)) as connection:
        return int(connection.execute("SELECT max(decided_at) FROM occurrences").fetchone()[0] or 0)


def _wait_for_a_claim(ledger: Path, *, after: int, since: float) -> float:
    while time.perf_counter() - since < 120:
        if _newest(ledger) > after:
            return time.perf_counter() - since
        time.sleep(0.005)
    raise SystemExit("nothing was claimed within two minutes")


def main() -> int:
    """Measure, print, write; 1 when a bound is broken."""
    numbers: dict[str, float] = {}
    for schedules, policies in SIZES.items():
        numbers |= at_rest(f"{schedules}_schedules", later(), schedules, policies)
    numbers |= at_rest("10000_crons", daily, 10_000, SIZES[10_000])
    numbers |= claims_again(10_000, SIZES[10_000])
    broken = []
    for name, number in numbers.items():
        bound = BOUNDS.get(name)
        text = "" if bound is None else f"  at most {bound:g}"
        print(f"{name:45} {number:10.3f}{text}")
        if bound is not None and number > bound:
            broken.append(name)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    for name in broken:
        print(f"broken: {name}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
