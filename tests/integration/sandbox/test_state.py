"""The state file: everything that was answered is there again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from runner.errors import StoreError
from runner.sandbox.sandbox import Sandbox


def facts(client):
    """Return what a client can see."""
    head = client.rpc("eth_getBlockByNumber", "latest", False)
    return {
        "operations": client.rpc("sandbox_getOps"),
        "logs": client.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"}),
        "head": (head["number"], head["hash"], head["timestamp"]),
        "alice": client.balance(client.alice),
        "account": client.balance(client.account),
        "ether": client.rpc("eth_getBalance", client.account, "latest"),
    }


def test_comes_back_as_it_was(tmp_path, clock, attach):
    path = tmp_path / "state" / "sandbox.json"
    sandbox = Sandbox(time_source=clock, state=path)
    client = attach(sandbox)
    token = client.rpc("sandbox_deployToken", {"symbol": "EURC", "decimals": 6})["address"]
    context = client.grant(client.erc20(10**9), client.erc20(10**9, token))
    client.rpc("sandbox_advance", {"seconds": 1_000})
    client.run([client.pay(5), client.pay(7, token=token)], context, nonceOverride=client.lane(1))
    client.rpc("sandbox_mint", {"token": "USDC", "to": client.alice, "amount": "1000"})
    client.rpc("sandbox_fund", {"address": client.alice, "amount": "5"})
    waiting = client.send(
        client.prepare([client.pay(6)], context, nonceOverride=client.lane(3)), context
    )
    before = facts(client)
    sandbox.close()

    sandbox = Sandbox(time_source=clock, state=path)
    client = attach(sandbox)

    assert facts(client) == before
    assert client.status(waiting) == 100
    client.wait(1)
    assert client.status(waiting) == 200
    assert client.status(client.run([client.pay(5)], context, nonceOverride=client.lane(4))) == 200
    sandbox.close()


def test_a_reorganisation_comes_back_too(tmp_path, clock, attach):
    sandbox = Sandbox(time_source=clock, state=tmp_path / "s.json")
    client = attach(sandbox)
    context = client.grant()
    client.wait(5)
    client.run([client.pay(5)], context)
    client.rpc("sandbox_setFault", {"kind": "reorg", "depth": 2})
    client.wait(3)
    before = facts(client)
    sandbox.close()

    sandbox = Sandbox(time_source=clock, state=tmp_path / "s.json")

    assert facts(attach(sandbox)) == before
    assert before["alice"] == 5
    sandbox.close()


def test_a_torn_last_line_is_dropped(tmp_path, clock, attach):
    path = tmp_path / "s.json"
    sandbox = Sandbox(time_source=clock, state=path)
    client = attach(sandbox)
    client.run([client.pay(5)], client.grant())
    before = facts(client)
    sandbox.close()
    with path.open("ab") as file:
        file.write(b'{"kind":"fund","chain":845')

    sandbox = Sandbox(time_source=clock, state=path)
    client = attach(sandbox)

    assert facts(client) == before
    client.rpc("sandbox_fund", {"address": client.alice, "amount": "1"})
    sandbox.close()
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_damage_in_the_middle_is_named(tmp_path, clock, attach):
    path = tmp_path / "s.json"
    sandbox = Sandbox(time_source=clock, state=path)
    attach(sandbox)
    sandbox.close()
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "x", *lines[1:], ""]))

    with pytest.raises(StoreError, match=r"s\.json:2 is not a record"):
        Sandbox(time_source=clock, state=path)


def test_one_process_at_a_time(tmp_path, clock):
    sandbox = Sandbox(time_source=clock, state=tmp_path / "s.json")

    with pytest.raises(StoreError, match="another process"):
        Sandbox(time_source=clock, state=tmp_path / "s.json")
    sandbox.close()
    Sandbox(time_source=clock, state=tmp_path / "s.json").close()


def test_reset_forgets_everything_but_the_time(tmp_path, clock, attach):
    sandbox = Sandbox(time_source=clock, state=tmp_path / "s.json")
    client = attach(sandbox)
    client.run([client.pay(5)], client.grant())
    number = client.rpc("eth_blockNumber")

    client.rpc("sandbox_reset")

    assert client.rpc("eth_blockNumber") == number
    assert client.rpc("sandbox_getOps") == []
    assert client.balance(client.alice) == 0
    sandbox.close()
    sandbox = Sandbox(time_source=clock, state=tmp_path / "s.json")
    assert attach(sandbox).rpc("eth_blockNumber") == number
    sandbox.close()


SERVER = """
import sys
from pathlib import Path
from runner.sandbox.server import serve
serve(host="127.0.0.1", port=0, chain_id=84532, state=Path(sys.argv[1]), faults=None, faucet=True)
"""


class Process:
    """A server of its own."""

    def __init__(self, state: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(state)], stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert line.startswith("sandbox listening on "), line + self.process.stderr.read()
        self.http = httpx.Client(base_url=line.split()[-1])

    def rpc(self, method, *params):
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = self.http.post("", json=body).json()
        assert "error" not in answer, answer
        return answer["result"]

    def end(self, number) -> int:
        self.http.close()
        os.kill(self.process.pid, number)
        code = self.process.wait(10)
        self.process.stderr.close()
        return code


def test_a_killed_server_loses_nothing_that_it_answered(tmp_path, client):
    server = Process(tmp_path / "s.json")
    client.rpc = server.rpc
    client.wait = time.sleep
    client.__post_init__()
    context = client.context(client.session(expiry=int(time.time()) + 3_600))
    client.run([], context)
    prepared = client.prepare([client.pay(5)], context, nonceOverride=client.lane(1))
    sent = client.send(prepared, context)

    server.end(signal.SIGKILL)
    server = Process(tmp_path / "s.json")
    client.rpc = server.rpc
    time.sleep(1.1)

    assert client.status(sent) == 200
    assert client.balance(client.alice) == 5
    assert client.send(prepared, context) == sent
    assert server.end(signal.SIGTERM) == 0
