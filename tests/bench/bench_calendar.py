"""
What many schedules cost the daemon that has started: a second at which all are due, and how late
each is claimed when they are due at any second of an hour. What the start costs: bench_start.py.

    python tests/bench/bench_calendar.py      prints a table, writes .bench/calendar.json

The real daemon against a sandbox in a process of its own. A claim counts when another process
reads it from the ledger, so when it is committed. Where node and npm are there, node-cron fires
bare callbacks for as many schedules in the same minute, for comparison. Exits 1 when a bound is
broken.
"""

from __future__ import annotations

import json
import math
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RESULT = REPOSITORY / ".bench" / "calendar.json"
RUNNER = (sys.executable, "-m", "runner")

SCHEDULES = 10_000
POLICIES = 10
LEAD = timedelta(seconds=25)
"""From the start of the daemon to the second at which everything is due."""

BOUNDS = {
    "burst_10000_claimed_after_seconds": 1.0,
    "lateness_10000_p99_seconds": 0.1,
}

WATCHED_SECONDS = 90
"""Of the hour in which schedules are due at random seconds."""

NODE_CRON = """
const cron = require('node-cron');
const count = Number(process.argv[2]), due = Number(process.argv[3]);
const when = new Date(due), late = [];
const expression = `${when.getUTCSeconds()} ${when.getUTCMinutes()} * * * *`;
for (let i = 0; i < count; i++)
  cron.schedule(expression, () => {
    late.push(Date.now() - due);
    if (late.length === count) tell();
  }, {timezone: 'UTC'});
setTimeout(tell, due - Date.now() + 30000);
function tell() {
  late.sort((a, b) => a - b);
  const p99 = late[Math.ceil(late.length * 0.99) - 1] / 1000;
  console.log(JSON.stringify({p99: p99 || 0, fired: late.length}));
  process.exit(0);
}
"""


Trigger = Callable[[int], str]
"""When a schedule is due, by its number in the policy, as the policy says it."""


def once(due: Callable[[], datetime]) -> Trigger:
    """Each schedule is due once."""
    return lambda _number: f"at: {due():%Y-%m-%dT%H:%M:%SZ}"


def write_policies(folder: Path, trigger: Trigger, *, schedules: int, policies: int) -> None:
    """Write schedules, spread over policies with an account each."""
    folder.mkdir(parents=True)
    each = schedules // policies
    for number in range(policies):
        lines = [
            "version: 1",
            f"name: team-{number}",
            "chain: base-sepolia",
            "wallet: sandbox",
            "tokens:",
            "  usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}",
            "contacts:",
            *(f"  payee-{i}: 0x{4096 + number * 100 + i:040x}" for i in range(50)),
            f"accounts: {{treasury: {{owner: treasury-owner, gas: sponsor, salt: {number}}}}}",
            "sessions: {key: {account: treasury, lifetime: 45d}}",
            "schedules:",
            *(
                f"  s-{i:05}: {{session: key, {trigger(i)}, pay: {{payee-{i % 50}: 0.01 usdc}}}}"
                for i in range(each)
            ),
        ]
        (folder / f"team-{number}.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


@contextmanager
def house(
    trigger: Trigger, *, schedules: int = SCHEDULES, policies: int = POLICIES
) -> Iterator[Path]:
    """A folder with policies, a runner.yaml, and a sandbox at work."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_policies(folder / "policies", trigger, schedules=schedules, policies=policies)
        sandbox = subprocess.Popen(
            [*RUNNER, "sandbox", "--port", "0"], cwd=folder, stderr=subprocess.PIPE, text=True
        )
        try:
            url = _url(sandbox)
            (folder / "runner.yaml").write_text(
                "policies: policies/\n"
                f"wallets: {{sandbox: {{url: {url}, timing: {{clock: system}}}}}}\n"
                "signers: {treasury-owner: {private_key_for_sandbox_only: "
                f'"0x{"11" * 32}"}}}}\n',
                encoding="utf-8",
            )
            yield folder
        finally:
            sandbox.send_signal(signal.SIGTERM)
            sandbox.wait(timeout=30)


def _url(sandbox: subprocess.Popen[str]) -> str:
    assert sandbox.stderr is not None
    for line in sandbox.stderr:
        for word in line.replace('"', " ").split():
            if word.startswith("http://"):
                return word.rstrip(",.")
    raise SystemExit("the sandbox has not started")


@contextmanager
def daemon(folder: Path) -> Iterator[tuple[subprocess.Popen[str], float]]:
    """The daemon, and how many seconds after its start it had armed all schedules."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [*RUNNER, "up"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if '"daemon.armed"' in line:
                break
        else:
            raise SystemExit("the daemon has not started:\n" + "".join(said[-30:]))
        took = time.perf_counter() - started
        # Read on, or the pipe fills up and the daemon waits for us.
        drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
        yield process, took
        process.kill()
        drain.wait(timeout=30)
    finally:
        process.kill()
        process.wait(timeout=30)


def memory_mb(process: subprocess.Popen[str]) -> float:
    """The peak of its resident memory."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    (line,) = (one for one in status.splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def burst() -> dict[str, float]:
    """All are due in one second: when the last one is claimed durably."""
    due = datetime.now(UTC).replace(microsecond=0) + LEAD
    with house(once(lambda: due)) as folder, daemon(folder) as (process, _):
        if datetime.now(UTC) > due - timedelta(seconds=1):
            raise SystemExit("the daemon was not ready before the second: measure again")
        claimed = _wait_for_claims(folder / ".runner" / "ledger.db", due)
        memory = memory_mb(process)
    return {"burst_10000_claimed_after_seconds": claimed, "burst_10000_rss_mb": memory}


def _wait_for_claims(ledger: Path, due: datetime) -> float:
    time.sleep(max((due - datetime.now(UTC)).total_seconds(), 0))
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as connection:
        while (datetime.now(UTC) - due).total_seconds() < 60:
            moment = datetime.now(UTC)
            (count,) = connection.execute("SELECT count(*) FROM occurrences").fetchone()
            if count >= SCHEDULES:
                return (moment - due).total_seconds()
            time.sleep(0.005)
    raise SystemExit(f"only {count} of {SCHEDULES} were claimed within a minute")


def lateness() -> dict[str, float]:
    """Due at random seconds of an hour: how late claims are durable, for those of its beginning."""
    begin = datetime.now(UTC).replace(microsecond=0) + LEAD
    due = partial(_random_second, begin, random.Random(1))
    with house(once(due)) as folder, daemon(folder):
        if datetime.now(UTC) > begin - timedelta(seconds=1):
            raise SystemExit("the daemon was not ready before the hour: measure again")
        late = sorted(_watched(folder / ".runner" / "ledger.db", begin))
    p99 = late[math.ceil(len(late) * 0.99) - 1]
    return {"lateness_10000_p99_seconds": p99, "lateness_10000_claims": float(len(late))}


def _random_second(begin: datetime, chance: random.Random) -> datetime:
    return begin + timedelta(seconds=chance.randrange(3600))


def _watched(ledger: Path, begin: datetime) -> Iterator[float]:
    """For every claim of the time that is watched, how long after its second it can be read."""
    end = begin + timedelta(seconds=WATCHED_SECONDS)
    newest = 0
    query = "SELECT id, due_at FROM occurrences WHERE id > ? ORDER BY id"
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as connection:
        while (moment := datetime.now(UTC)) < end:
            for identity, due in connection.execute(query, (newest,)).fetchall():
                newest = identity
                yield moment.timestamp() - due / 1e6
            time.sleep(0.002)


def node_cron() -> dict[str, float]:
    """The 99th percentile of node-cron's lateness, its callbacks doing nothing."""
    if shutil.which("npm") is None:
        print("no npm here: node-cron is left out", file=sys.stderr)
        return {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "burst.js").write_text(NODE_CRON, encoding="utf-8")
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "node-cron@4"]
        subprocess.run(install, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        due = datetime.now(UTC).replace(microsecond=0) + LEAD
        command = ["node", "burst.js", str(SCHEDULES), str(int(due.timestamp() * 1000))]
        said = subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=120
        )
    found = json.loads(said.stdout)
    if found["fired"] < SCHEDULES:
        print(f"node-cron fired {found['fired']} of {SCHEDULES}", file=sys.stderr)
        return {"node_cron_10000_fired": float(found["fired"])}
    return {"node_cron_10000_p99_seconds": float(found["p99"])}


def main() -> int:
    """Measure, print, write; 1 when a bound is broken."""
    numbers = burst() | lateness() | node_cron()
    broken = []
    for name, number in numbers.items():
        bound = BOUNDS.get(name)
        if name == "burst_10000_claimed_after_seconds" and "node_cron_10000_p99_seconds" in numbers:
            bound = min(BOUNDS[name], numbers["node_cron_10000_p99_seconds"])
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
    with suppress(KeyboardInterrupt):
        sys.exit(main())
