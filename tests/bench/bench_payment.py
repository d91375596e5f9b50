"""
What a confirmed payment costs in CPU, from its due second to final evidence in the ledger.

    python tests/bench/bench_payment.py      prints a line a round, writes .bench/payment.json

The real daemon, with ledger, guard and evidence, against a sandbox in a process of its own. In
turn with it the TypeScript SDK makes the same payments on the same sandbox: it prepares, signs,
sends, and asks for the status once, with neither ledger nor checks. CPU is what the kernel counts
for each process, all threads of it. The first round of both warms up; it is the first payment of
each schedule, which looks up whom was paid before. Exits 1 when the ratio of their medians is over
its bound.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests"))

from support.house import House, free_port, listening, wait_for  # noqa: E402
from support.node import CONFORMANCE, NotInstalled, node_with_sdks  # noqa: E402

RESULT = REPOSITORY / ".bench" / "payment.json"
RATIO = "cpu_per_payment_ratio_to_typescript_sdk"
BOUND = 0.5

ACCOUNTS = 50
PAYMENTS = 600
ROUNDS = 3
LEAD = timedelta(seconds=60)
"""From the start of the daemon to its first round: its sessions are active by then."""

APART = timedelta(seconds=60)
"""Between rounds; the other one's round comes in between."""


def write_policies(folder: Path, dues: list[datetime]) -> None:
    """Accounts with a session each; every schedule pays in the same second, once a round."""
    folder.mkdir(parents=True)
    lines = [
        "version: 1",
        "name: pay",
        "chain: base-sepolia",
        "wallet: sandbox",
        "tokens:",
        "  usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}",
        "contacts: {alice: 0x00000000000000000000000000000000000a11ce}",
        "accounts:",
        *(f"  a{n}: {{owner: treasury-owner, gas: sponsor, salt: {n}}}" for n in range(ACCOUNTS)),
        "sessions:",
        *(f"  k{n}: {{account: a{n}, lifetime: 45d}}" for n in range(ACCOUNTS)),
        "schedules:",
        *(
            f"  r-{n:04}: {{session: k{n % ACCOUNTS}, every: {APART.seconds}s, "
            f"start_at: {dues[0]:%Y-%m-%dT%H:%M:%SZ}, "
            f"end_at: {dues[-1] + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}, "
            "pay: {alice: 0.01 usdc}}"
            for n in range(PAYMENTS)
        ),
    ]
    (folder / "pay.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def cpu_seconds(process: subprocess.Popen[str]) -> float:
    """User and system time of a process so far, all its threads."""
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    user, system = fields.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class Ledger:
    """The daemon's ledger, looked at from outside: what is committed, and nothing else."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def count(self, query: str, *values: str) -> int:
        """The number that a query answers; 0 while there is no ledger."""
        if not self._path.exists():
            return 0
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as connection:
            try:
                return int(connection.execute(query, values).fetchone()[0])
            except sqlite3.OperationalError:  # the tables are being made
                return 0

    def active(self) -> int:
        """Sessions that may pay."""
        return self.count("SELECT count(*) FROM grants WHERE state = 'active'")

    def confirmed(self, number: int) -> int:
        """Payments of a round that are closed on final evidence; those before it are all."""
        query = "SELECT count(*) FROM runs WHERE state = 'success' AND schedule LIKE 'pay/r-%'"
        return max(self.count(query) - number * PAYMENTS, 0)


def our_round(
    daemon: subprocess.Popen[str], ledger: Ledger, number: int, due: datetime
) -> tuple[float, float] | None:
    """
    CPU and wall seconds of one round, from its due second to its last confirmation.

    None where the round before took so long that this one had begun: half of it proves nothing.
    """
    early = (due - datetime.now(UTC)).total_seconds()
    time.sleep(max(early - 0.2, 0.0))
    began, used = time.monotonic(), cpu_seconds(daemon)
    while ledger.confirmed(number) < PAYMENTS:
        if daemon.poll() is not None or time.monotonic() - began > 120:
            sys.exit(f"{ledger.confirmed(number)} of {PAYMENTS} payments were confirmed")
        time.sleep(0.2)
    cost = cpu_seconds(daemon) - used, time.monotonic() - began
    return cost if early > 0 else None


@contextmanager
def sdk(url: str) -> Iterator[subprocess.Popen[str] | None]:
    """The SDK's process, its sessions installed; None where there is no Node.js."""
    try:
        node = node_with_sdks()
    except NotInstalled as error:
        print(f"without the TypeScript SDK: {error}", file=sys.stderr)
        yield None
        return
    process = subprocess.Popen(
        [node, "pay.mjs", url, str(ACCOUNTS)],
        cwd=CONFORMANCE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            sys.exit("the TypeScript SDK could not open its sessions")
        yield process
    finally:
        process.kill()
        process.wait()


def their_round(process: subprocess.Popen[str]) -> tuple[float, float]:
    """CPU and wall seconds of as many payments by the SDK."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{PAYMENTS}\n")
    process.stdin.flush()
    found = json.loads(process.stdout.readline())
    return found["cpu"], found["wall"]


Round = tuple[tuple[float, float], tuple[float, float] | None]


def measure(folder: Path) -> list[Round]:
    """What each whole round has cost us, and the SDK; the first one is left out."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/v2/dev"
    house = House(
        folder,
        policy="",
        config=f"policies: pay/\nwallets: {{sandbox: {{url: '{url}'}}}}\n"
        f"signers: {{treasury-owner: {{private_key_for_sandbox_only: '0x{'11' * 32}'}}}}\n",
    )
    try:
        house.start("sandbox", "--port", str(port))
        wait_for(lambda: listening(url), what="the sandbox")
        with sdk(url) as other:
            first = datetime.now(UTC).replace(microsecond=0) + LEAD
            dues = [first + number * APART for number in range(ROUNDS + 1)]
            write_policies(folder / "pay", dues)
            daemon = house.start("up")
            ledger = Ledger(folder / ".runner" / "ledger.db")
            wait_for(lambda: ledger.active() == ACCOUNTS, seconds=120, what="the sessions")
            rounds = []
            for number, due in enumerate(dues):
                mine = our_round(daemon, ledger, number, due)
                theirs = None if other is None else their_round(other)
                name = "warm-up" if number == 0 else f"round {number}"
                print(f"{name}: {_told(mine)}, the SDK {_told(theirs)}", flush=True)
                if number > 0 and mine is not None:
                    rounds.append((mine, theirs))
    finally:
        house.stop()
    if not rounds:
        sys.exit("this machine was too busy: no round was over when the next began")
    return rounds


def _told(cost: tuple[float, float] | None) -> str:
    if cost is None:
        return "not measured"
    return f"{cost[0] / PAYMENTS * 1e3:.2f} ms a payment ({cost[1]:.1f} s by the clock)"


def main() -> int:
    """0 when the ratio is within its bound, or there is nothing to compare with."""
    with tempfile.TemporaryDirectory() as folder:
        rounds = measure(Path(folder))
    found = {"cpu_per_payment_ms": _median_ms([mine for mine, _ in rounds])}
    theirs = [other for _, other in rounds if other is not None]
    if theirs:
        found["typescript_sdk_cpu_per_payment_ms"] = _median_ms(theirs)
        ratios = [mine[0] / other[0] for mine, other in rounds if other is not None]
        found[RATIO] = round(statistics.median(ratios), 3)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for name, number in found.items():
        bound = f"  at most {BOUND:g}" if name == RATIO else ""
        print(f"{name:45} {number:10.3f}{bound}")
    return int(found.get(RATIO, 0.0) > BOUND)


def _median_ms(rounds: list[tuple[float, float]]) -> float:
    return round(statistics.median(cpu for cpu, _ in rounds) / PAYMENTS * 1e3, 3)


if __name__ == "__main__":
    sys.exit(main())
