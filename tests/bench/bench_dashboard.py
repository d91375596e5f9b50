"""
How quickly pages and metrics come from a big ledger: 1,000 schedules and 100,000 runs.

    python tests/bench/bench_dashboard.py     prints a table, writes .bench/dashboard.json

The server of the daemon on loopback, over a ledger that is filled directly. Counted is the time to
the first byte of the answer: for the first time that anybody asks, when nothing is summed up yet,
and the best of several after it (what else the machine does is not the page); and how long it takes
until a page has all its sums. Exits 1 when a bound is broken.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests"))

from sqlalchemy import insert  # noqa: E402
from support.web import Told, source_of  # noqa: E402

from runner.adapters.sql import tables as t  # noqa: E402
from runner.adapters.sql.ledger import SqlLedger  # noqa: E402
from runner.adapters.sql.rows import format_permissions  # noqa: E402
from runner.adapters.sql.store import SqlStore, make_engine  # noqa: E402
from runner.adapters.vault import Vault  # noqa: E402
from runner.cli.loading import policies_of, settings_of  # noqa: E402
from runner.dashboard.server import _Thread, listen  # noqa: E402
from runner.ethereum.address import Address  # noqa: E402
from runner.ethereum.permissions import Erc20TokenTransfer  # noqa: E402
from runner.records import ScheduleSeed  # noqa: E402

RESULT = REPOSITORY / ".bench" / "dashboard.json"
POLICIES, EACH, DAYS = 10, 100, 100
BOUND_MS = 100.0
TIMES = 7
USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
ALICE = "0x00000000000000000000000000000000000A11cE"
PATHS = {
    "overview": "/",
    "calendar": "/calendar",
    "schedules": "/schedules",
    "schedule": "/schedules/p0/s5",
    "runs": "/runs",
    "runs_failed": "/runs?state=reverted",
    "runs_of_one": "/runs?schedule=p3/s7",
    "grants": "/grants",
    "grant": "/grants/p0/key",
    "money": "/money",
    "waiting": "/waiting",
    "api_runs": "/api/v1/runs",
    "api_schedules": "/api/v1/schedules",
    "metrics": "/metrics",
    "readyz": "/readyz",
}
PEOPLE = [name for name in PATHS if not name.startswith(("api_", "metrics", "readyz"))]
"""What a person opens: quick for the first time too."""

READY_SECONDS = 2.0
"""From the start of the server: its pages are compiled, nothing is summed up."""


def policy(number: int) -> str:
    """A policy with its share of the schedules: days, hours and months."""
    triggers = (
        'cron: "{m} 9 * * *", timezone: Europe/Berlin',
        "every: 1d, start_at: 2026-01-01T{h:02}:{m:02}Z",
        'cron: "{m} {h} 1 * *", timezone: America/New_York',
    )
    rows = "\n".join(
        f"  s{n}: {{session: key, {triggers[n % 3].format(m=n % 60, h=n % 24)}, "
        "pay: {alice: 1.5 usdc}}"
        for n in range(EACH)
    )
    return (
        f"version: 1\nname: p{number}\nchain: base-sepolia\nwallet: sandbox\n"
        f"tokens:\n  usdc: {{decimals: 6, address: {USDC}}}\n"
        f"contacts: {{alice: {ALICE}}}\n"
        f"accounts: {{treasury: {{owner: owner, gas: sponsor, salt: {number}}}}}\n"
        "sessions:\n  key:\n    account: treasury\n    lifetime: 45d\n    permissions:\n"
        f"      - erc20-token-transfer: 1000000 usdc\n      - gas-limit: 0\n"
        f"schedules:\n{rows}\n"
    )


async def fill(path: Path, now: datetime) -> None:
    """Schedules as the daemon installs them, then rows of runs directly."""
    vault = Vault(bytes(range(32)), entropy=os.urandom)
    store = SqlStore.open(f"sqlite:///{path}", vault, now=now, create=True)
    names = [f"p{n}/s{s}" for n in range(POLICIES) for s in range(EACH)]
    seeds = [ScheduleSeed(one, one.partition("/")[0] + "/key", "daily", "r1") for one in names]
    await SqlLedger(store, vault).install_schedules(seeds, now=now - timedelta(days=DAYS))
    incarnation = store.incarnation
    await store.close(now=now)
    engine = make_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(insert(t.grants), [grant(n, now) for n in range(POLICIES)])
        for n in range(POLICIES):
            mine = [one for one in names if one.startswith(f"p{n}/")]
            rows = [
                one
                for at, uid in enumerate(mine)
                for one in runs(uid, n * EACH + at, n + 1, incarnation, now)
            ]
            for table in (t.occurrences, t.runs, t.transfers, t.operations):
                connection.execute(insert(table), [row[table.name] for row in rows])
    engine.dispose()


def grant(number: int, now: datetime) -> dict[str, Any]:
    """The active grant of a policy."""
    return {
        "id": number + 1,
        "session": f"p{number}/key",
        "generation": 1,
        "state": "active",
        "chain": 84532,
        "account": ALICE,
        "wallet": "sandbox",
        "key_address": ALICE,
        "permissions": format_permissions((Erc20TokenTransfer(Address(USDC), 10**12),)),
        "scope": "0x01",
        "requested_at": now - timedelta(days=20),
        "expires_at": now + timedelta(days=25),
        "next_renewal_at": now + timedelta(days=10),
        "activated_at": now - timedelta(days=20),
    }


def runs(uid: str, place: int, grant_id: int, incarnation: str, now: datetime) -> list[Any]:
    """A run a day, one in two hundred of them reverted."""
    found = []
    for day in range(DAYS):
        row = place * DAYS + day + 1
        due = now - timedelta(days=DAYS - day) + timedelta(seconds=place * 60 % 80_000)
        state = "reverted" if row % 200 == 0 else "success"
        identity = f"0x{row:064x}"
        found.append(
            {
                "occurrences": {
                    "id": row,
                    "schedule": uid,
                    "slot": f"{due:%Y-%m-%dT%H:%M:%S}#0",
                    "due_at": due,
                    "decision": "claimed",
                    "decided_at": due,
                },
                "runs": {
                    "id": identity,
                    "kind": "payment",
                    "occurrence": row,
                    "schedule": uid,
                    "session": uid.partition("/")[0] + "/key",
                    "attempt": 1,
                    "state": state,
                    "running": False,
                    "due_at": due,
                    "claimed_at": due,
                    "intent": "[]",
                    "grant_id": grant_id if day > DAYS - 20 else None,
                    "incarnation": incarnation,
                    "closed_at": due + timedelta(seconds=3),
                },
                "transfers": {
                    "run": identity,
                    "position": 0,
                    "token": USDC,
                    "symbol": "usdc",
                    "decimals": 6,
                    "receiver": ALICE,
                    "receiver_name": "alice",
                    "amount": 1_500_000,
                    "kind": "pay",
                },
                "operations": {
                    "hash": identity,
                    "run": identity,
                    "kind": "payment",
                    "call_id": identity,
                    "chain": 84532,
                    "sender": ALICE,
                    "nonce": row,
                    "max_fee_per_gas": 1,
                    "max_priority_fee_per_gas": 1,
                    "max_cost": 1,
                    "sponsored": True,
                    "request_sealed": b"",
                    "status": state,
                    "signed_at": due,
                    "from_block": 1,
                    "block_number": row,
                    "block_at": due,
                    "transaction_hash": identity,
                    "gas_cost": 1,
                },
            }
        )
    return found


def whole(port: int, path: str) -> float:
    """Milliseconds until a page says no more that some of its sums are still being made."""
    began = time.perf_counter()
    while b"data-soon" in first_byte(port, path)[1]:
        time.sleep(0.02)
    return (time.perf_counter() - began) * 1000


def first_byte(port: int, path: str) -> tuple[float, bytes]:
    """Milliseconds from the request to the first byte of its answer; the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    began = time.perf_counter()
    connection.request("GET", path, headers={"Accept": "text/html"})
    answer = connection.getresponse()
    took = (time.perf_counter() - began) * 1000
    body = answer.read()
    connection.close()
    if answer.status != 200 or not body:
        sys.exit(f"{path} answered {answer.status}")
    return took, body


def main() -> int:
    """Fill, ask, tell."""
    now = datetime.now(UTC).replace(microsecond=0)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("policies").mkdir()
        for number in range(POLICIES):
            Path(f"policies/p{number}.yaml").write_text(policy(number), encoding="utf-8")
        Path("runner.yaml").write_text(
            "wallets: {sandbox: {embedded: true}}\n"
            f"signers: {{owner: {{private_key_for_sandbox_only: '0x{'11' * 32}'}}}}\n"
        )
        asyncio.run(fill(Path(".runner/ledger.db").absolute(), now))
        settings = settings_of(None)
        source = source_of(settings, policies_of(settings))
        listener = listen("127.0.0.1", 0)
        port = listener.getsockname()[1]
        server = _Thread(source, None, Told(), listener)
        server.start()
        try:
            time.sleep(READY_SECONDS)
            cold, full = {}, {}
            for name, path in PATHS.items():
                cold[name] = first_byte(port, path)[0]
                full[name] = whole(port, path)
            found = {
                name: min(first_byte(port, path)[0] for _ in range(TIMES))
                for name, path in PATHS.items()
            }
        finally:
            server.stop()
        os.chdir(REPOSITORY)
    print(f"{'page':<14} {'first, ms':>10} {'whole, ms':>10} {'then, ms':>10}")
    for name in PATHS:
        print(f"{name:<14} {cold[name]:10.0f} {full[name]:10.0f} {found[name]:10.1f}")
    numbers = {f"dashboard_{name}_ms": round(value, 1) for name, value in found.items()}
    numbers |= {f"dashboard_{name}_first_ms": round(cold[name], 1) for name in PEOPLE}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    slow = {name: value for name, value in found.items() if value > BOUND_MS}
    slow |= {f"{name}, first": cold[name] for name in PEOPLE if cold[name] > BOUND_MS}
    for name, value in slow.items():
        print(f"BROKEN: {name} took {value:.0f} ms, at most {BOUND_MS:.0f} are allowed")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
