"""
How many payments the sandbox takes: pairs of wallet_prepareCalls and wallet_sendPreparedCalls.

    python tests/bench/sandbox.py [--pairs 2000] [--json FILE]

One client over one connection, each payment on a nonce key of its own, four to a block. The
sandbox is a process of its own, so what counts as one core is the CPU time that it has used; time
by the clock is shown too, and is the client's as well. Ends with 1 below the least that is allowed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from coincurve import PrivateKey

from runner.ethereum.address import Address, address_from_bytes
from runner.ethereum.erc20 import encode_transfer
from runner.ethereum.hashing import keccak256
from runner.ethereum.signature import personal_sign_digest
from runner.sandbox.sandbox import Sandbox

LEAST: Final = 300
"""Pairs per second on one core."""

CHAIN: Final = "0x14a34"
USDC: Final = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
PAYEE: Final = Address("0x00000000000000000000000000000000000A11cE")
POLICY: Final = {"policyId": "11111111-2222-4333-8444-555555555555"}

Rpc = Callable[..., Any]
"""Asks the sandbox for something: method, parameters."""


class Key:
    """A key that signs."""

    def __init__(self, number: int) -> None:
        self._key = PrivateKey(number.to_bytes(32, "big"))
        public = self._key.public_key.format(compressed=False)
        self.address = address_from_bytes(keccak256(public[1:])[12:])

    def sign(self, digest: bytes) -> str:
        raw = self._key.sign_recoverable(digest, hasher=None)
        return "0x" + raw[:64].hex() + f"{27 + raw[64]:02x}"


class Payer:
    """An account with an active session that pays a cent at a time."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self._owner, self._key = Key(1), Key(2)
        self.account = rpc("wallet_requestAccount", {"signerAddress": self._owner.address})[
            "accountAddress"
        ]
        allowance = {"address": USDC, "allowance": hex(10**12)}
        session = rpc(
            "wallet_createSession",
            {
                "account": self.account,
                "chainId": CHAIN,
                "expirySec": 4_102_444_800,
                "key": {"type": "secp256k1", "publicKey": self._key.address},
                "permissions": [{"type": "erc20-token-transfer", "data": allowance}],
            },
        )
        digest = bytes.fromhex(session["signatureRequest"]["rawPayload"][2:])
        signature = self._owner.sign(digest)
        self._permissions = {"context": f"0x00{session['sessionId'][2:]}{signature[2:]}"}
        self.pay(0, calls=[])
        rpc("sandbox_advance", {"seconds": 1})

    def pay(self, lane: int, *, calls: list[dict[str, str]] | None = None) -> None:
        """Prepare and send one payment."""
        if calls is None:
            calls = [{"to": USDC, "data": "0x" + encode_transfer(PAYEE, 10_000).hex()}]
        prepared = self._rpc(
            "wallet_prepareCalls",
            {
                "from": self.account,
                "chainId": CHAIN,
                "calls": calls,
                "capabilities": {
                    "permissions": self._permissions,
                    "paymasterService": POLICY,
                    "nonceOverride": {"nonceKey": hex(lane)},
                },
            },
        )
        raw = bytes.fromhex(prepared["signatureRequest"]["data"]["raw"][2:])
        data = self._key.sign(personal_sign_digest(raw))
        self._rpc(
            "wallet_sendPreparedCalls",
            {
                **{name: prepared[name] for name in ("type", "data", "chainId")},
                "signature": {"type": "secp256k1", "data": data},
                "capabilities": {"permissions": self._permissions},
            },
        )

    def pay_all(self, pairs: int) -> None:
        """Make payments, four to a block, and see that all were included."""
        for lane in range(1, pairs + 1):
            self.pay(lane)
            if lane % 4 == 0 or lane == pairs:
                self._rpc("sandbox_advance", {"seconds": 1})
        included = [op for op in self._rpc("sandbox_getOps") if op["success"] and op["calls"]]
        if len(included) != pairs:
            raise SystemExit(f"{pairs} payments were sent, {len(included)} included")


@contextmanager
def process() -> Iterator[tuple[Rpc, Callable[[], float]]]:
    """Start a sandbox; yields its method call and its CPU time so far, in seconds."""
    server = subprocess.Popen(
        [sys.executable, "-m", "runner", "sandbox", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        found = re.search(r"http://\S+", server.stderr.readline())
        assert found is not None

        def cpu_time() -> float:
            fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        with httpx.Client(timeout=30) as client:

            def rpc(method: str, *params: Any) -> Any:
                body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
                answer = client.post(found[0], json=body).json()
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']}")
                return answer["result"]

            yield rpc, cpu_time
    finally:
        server.terminate()
        server.wait()


def over_http(pairs: int) -> dict[str, float]:
    """Pairs per second over HTTP: of the sandbox's CPU time, and by the clock."""
    with process() as (rpc, cpu_time):
        payer = Payer(rpc)
        began, used = time.perf_counter(), cpu_time()
        payer.pay_all(pairs)
        used, took = cpu_time() - used, time.perf_counter() - began
    return {"per_core": pairs / used, "by_clock": pairs / took}


def in_process(pairs: int) -> float:
    """Pairs per second of CPU time without HTTP."""
    sandbox = Sandbox()
    spent = 0.0

    def rpc(method: str, *params: Any) -> Any:
        nonlocal spent
        began = time.process_time()
        try:
            return sandbox.handle(method, list(params))
        finally:
            spent += time.process_time() - began

    payer = Payer(rpc)
    spent = 0.0
    payer.pay_all(pairs)
    sandbox.close()
    return pairs / spent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=2_000)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    chosen = parser.parse_args()
    http, bare = over_http(chosen.pairs), in_process(chosen.pairs)
    print(f"sandbox, pairs of prepare and send per second, {chosen.pairs} pairs:")
    print(f"  {http['per_core']:6.0f}  on one core, over HTTP (at least {LEAST})")
    print(f"  {http['by_clock']:6.0f}  by the clock, with one client that signs and waits")
    print(f"  {bare:6.0f}  on one core, in process")
    if chosen.json is not None:
        numbers = {f"sandbox_pairs_{name}": value for name, value in http.items()}
        numbers["sandbox_pairs_in_process"] = bare
        chosen.json.write_text(json.dumps(numbers, indent=2) + "\n")
    if http["per_core"] < LEAST:
        raise SystemExit(f"fewer than {LEAST} pairs per second on one core")


if __name__ == "__main__":
    main()
