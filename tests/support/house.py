"""Driving the real daemon and the real sandbox as processes, and comparing ledger with chain."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

POLICY = """\
version: 1
name: demo
chain: base-sepolia
wallet: sandbox
tokens:
  usdc: {decimals: 6, address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e"}
contacts:
  alice: "0x00000000000000000000000000000000000a11ce"
  bob: "0x0000000000000000000000000000000000000b0b"
  carol: "0x00000000000000000000000000000000000ca401"
accounts:
  treasury: {owner: treasury-owner, gas: sponsor}
sessions:
  pocket: {account: treasury, lifetime: 45s}
schedules:
  alice: {session: pocket, every: 2s, pay: {alice: 1.5 usdc}}
  bob: {session: pocket, every: 3s, pay: {bob: 0.001 native}}
"""

HOT_OWNER = f"private_key_for_sandbox_only: '0x{'11' * 32}'"


@dataclass
class House:
    """A folder with a policy and a configuration, and the processes started in it."""

    folder: Path
    policy: str = POLICY
    config: str | None = None
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "policies").mkdir(exist_ok=True)
        (self.folder / "policies" / "demo.yaml").write_text(self.policy)
        if self.config is not None:
            (self.folder / "runner.yaml").write_text(self.config)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `runner` with these arguments; its output goes to a file of its own."""
        number = len(self.processes)
        with (self.folder / f"out-{number}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "runner", *arguments],
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                env=_environment(),
            )
        self.processes.append(process)
        return process

    def run(self, *arguments: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run `runner` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "runner", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env=_environment(),
        )

    def json(self, *arguments: str) -> Any:
        """What a reading command answers with --json."""
        answer = self.run(*arguments, "--json")
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    def logs(self) -> str:
        """Everything that the started processes have written."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("out-*.log")))

    def events(self) -> list[dict[str, Any]]:
        """The JSON lines among it."""
        lines = [line for line in self.logs().splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines]

    def stop(self) -> None:
        """End whatever still runs."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()


@contextmanager
def served_house(
    folder: Path, *, policy: str = POLICY, owner: str = HOT_OWNER
) -> Iterator[tuple[House, str]]:
    """
    A house whose wallet is a sandbox process of its own, and that one's URL.

    Args:
        owner: What runner.yaml says of the signer `treasury-owner`.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}/v2/dev"
    house = House(
        folder,
        policy=policy,
        config=(
            "policies: policies/\n"
            f"wallets: {{sandbox: {{url: '{url}'}}}}\n"
            f"signers: {{treasury-owner: {{{owner}}}}}\n"
        ),
    )
    try:
        house.start("sandbox", "--port", str(port), "--state", "chain.json")
        wait_for(lambda: listening(url), what="the sandbox")
        yield house, url
    finally:
        house.stop()


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("RUNNER_")}
    return kept | {"PYTHONUNBUFFERED": "1"}


def kill(process: subprocess.Popen[str]) -> None:
    """kill -9: nothing is cleaned up."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def rpc(url: str, method: str, *params: Any) -> Any:
    """One JSON-RPC call by the standard library."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
    request = urllib.request.Request(
        url, data=body.encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        answer = json.loads(response.read())
    assert "error" not in answer, answer
    return answer["result"]


def wait_for(condition: Any, *, seconds: float = 30.0, what: str = "it") -> Any:
    """Poll until `condition()` is true; the value is handed on."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if value := condition():
                return value
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s for {what}")


def listening(url: str) -> bool:
    """Whether a sandbox answers."""
    return bool(rpc(url, "eth_chainId"))


def sandbox_on(house: House, state: str) -> str:
    """The chain as a daemon with an embedded sandbox left it, served again."""
    port = free_port()
    house.start("sandbox", "--port", str(port), "--state", state)
    url = f"http://127.0.0.1:{port}/v2/dev"
    wait_for(lambda: listening(url), what="the sandbox")
    return url


def balance(url: str, token: str, holder: str) -> int:
    """`balanceOf` by eth_call, or the coin's balance for `native`."""
    if token == "native":
        return int(rpc(url, "eth_getBalance", holder, "latest"), 16)
    data = "0x70a08231" + holder[2:].lower().rjust(64, "0")
    return int(rpc(url, "eth_call", {"to": token, "data": data}, "latest"), 16)


def reconcile(house: House, url: str) -> dict[str, int]:
    """
    Chain and ledger tell one story: what was included is what is closed as success, once each.

    Returns counts for the tests to look at.
    """
    included = rpc(url, "sandbox_getOps")
    # What the owner does (entity 0) is no payment.
    paid = [op for op in included if op["calls"] and op["success"] and op["entityId"]]
    rows = house.json("runs", "list", "--limit", "100000")
    by_hash = {
        operation["user_op_hash"]: row for row in rows for operation in row.get("operations", [])
    }
    for op in paid:
        assert op["userOpHash"] in by_hash, f"paid on chain, unknown to the ledger: {op}"
    per_row = Counter(by_hash[op["userOpHash"]]["id"] for op in paid)
    assert all(count == 1 for count in per_row.values()), f"paid twice: {per_row}"
    wins = [row for row in rows if row["state"] == "success"]
    closed = {row["id"] for row in wins}
    assert closed <= set(per_row), "the ledger says paid, the chain does not"
    missing = [i for i in per_row if i not in closed]
    states = {row["id"]: row["state"] for row in rows}
    assert all(states[i] in {"included", "signed", "sent", "unknown"} for i in missing), missing
    slots = Counter((row["schedule"], row["due_at"]) for row in rows if "due_at" in row)
    assert all(count == 1 for count in slots.values()), "one slot has two rows"
    for total in house.json("report")["totals"]:
        held = balance(url, total["token"], total["to"])
        extra = len(missing) > 0
        assert held == int(total["amount"]) or (extra and held > int(total["amount"]))
    return {"paid": len(paid), "rows": len(rows), "open": len(missing)}
