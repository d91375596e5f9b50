"""The `sandbox_*` methods by their contract, per chain, over HTTP; the command and its options."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import httpx
import pytest
from support.house import rpc

USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
DAI = "0x00000000000000000000000000000000000000DA"
BOB = "0x0000000000000000000000000000000000000b0b"
ANSWERS_42 = "0x67602a5f5260205ff35f5260086018f3"
"""Creation code of a contract that answers 42 to everything."""


def failure(client, action):
    with pytest.raises(client.failure) as caught:
        action()
    return caught.value.code, caught.value.reason


@pytest.mark.parametrize(
    ("before", "after"), [("USDC", USDC), ("dai", DAI), (USDC.lower(), USDC), (DAI, DAI)]
)
def test_tokens_are_made_by_symbol_or_address(client, before, after):
    client.rpc("sandbox_mint", {"token": before, "to": BOB, "amount": "17"})
    client.rpc("sandbox_mint", {"token": before, "to": BOB, "amount": "0x3"})
    client.rpc("sandbox_mint", before, BOB, 1)

    assert client.balance(BOB, after) == 21


def test_what_is_no_token_cannot_be_made(client):
    contract = client.rpc("sandbox_deploy", {"bytecode": "0x635f5ffd5f5f526004601cf3"})["address"]
    for token in (BOB, contract):
        with pytest.raises(client.failure) as caught:
            client.rpc("sandbox_mint", {"token": token, "to": BOB, "amount": 1})
        assert (caught.value.code, caught.value.reason) == (-32602, "InvalidParams")


def test_ether_is_given(client):
    client.rpc("sandbox_fund", {"address": BOB, "amount": "5"})
    client.rpc("sandbox_fund", {"address": BOB, "amount": "0x5"})

    assert client.rpc("eth_getBalance", BOB, "latest") == "0xa"


def test_time_by_number_by_hex_and_in_order(client):
    client.rpc("sandbox_setTime", {"timestamp": client.start + 100})
    client.rpc("sandbox_setTime", hex(client.start + 200))
    assert client.rpc("sandbox_advance", 50) == {"timestamp": client.start + 250}
    head = client.rpc("eth_getBlockByNumber", "latest", False)

    assert int(head["timestamp"], 16) == client.start + 250
    assert failure(client, lambda: client.rpc("sandbox_setTime", client.start)) == (
        -32602,
        "TimeGoesForward",
    )
    assert failure(client, lambda: client.rpc("sandbox_setTime", 2**50)) == (
        -32602,
        "InvalidParams",
    )


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("sandbox_mint", {"token": "usdc", "to": BOB}),
        ("sandbox_mint", {"token": "usdc", "to": BOB, "amount": -1}),
        ("sandbox_mint", {"token": "usdc", "to": BOB, "amount": 1.5}),
        ("sandbox_fund", {"address": "0x12", "amount": 1}),
        ("sandbox_fund", {"address": BOB, "amount": 1, "unit": "ether"}),
        ("sandbox_advance", {"seconds": -1}),
        ("sandbox_advance", {}),
        ("sandbox_deployToken", {"symbol": "", "decimals": 6}),
        ("sandbox_deployToken", {"symbol": "X", "decimals": 78}),
        ("sandbox_deployToken", {"symbol": "X", "decimals": 6, "address": DAI}),
        ("sandbox_deploy", {"bytecode": "0x0"}),
        ("sandbox_deploy", {"bytecode": ANSWERS_42, "address": USDC}),
    ],
)
def test_parameters_that_mean_nothing(client, method, params):
    assert failure(client, lambda: client.rpc(method, params)) == (-32602, "InvalidParams")


def test_too_many_parameters(client):
    assert failure(client, lambda: client.rpc("sandbox_advance", 1, 2)) == (
        -32602,
        "InvalidParams",
    )


def test_contracts_stand_where_they_are_asked_for(client):
    chosen = client.rpc("sandbox_deploy", {"bytecode": ANSWERS_42, "address": BOB})["address"]
    other = client.rpc("sandbox_deploy", {"bytecode": ANSWERS_42})["address"]

    assert chosen.lower() == BOB
    assert other != chosen
    for address in (chosen, other):
        assert int(client.rpc("eth_call", {"to": address}, "latest"), 16) == 42


def test_a_constructor_that_reverts_leaves_nothing(client):
    with pytest.raises(client.failure) as caught:
        client.rpc("sandbox_deploy", {"bytecode": "0x5f5ffd", "address": BOB})
    assert caught.value.code == 3
    assert client.rpc("eth_getCode", BOB, "latest") == "0x"


OPERATION = {
    "userOpHash",
    "callId",
    "sender",
    "nonce",
    "entityId",
    "calls",
    "success",
    "blockNumber",
    "timestamp",
    "transactionHash",
}


def test_included_operations_in_order(client):
    context = client.grant()
    paid = client.run([client.pay(5)], context)
    client.run([{"to": client.alice, "value": "0x7", "data": "0x1234"}])

    activation, payment, owner = client.rpc("sandbox_getOps")

    assert [set(op) for op in (activation, payment, owner)] == [OPERATION] * 3
    assert [op["entityId"] for op in (activation, payment, owner)] == [1, 1, 0]
    assert activation["calls"] == []
    assert payment["calls"] == [{**client.pay(5), "value": "0x0"}]
    assert owner["calls"] == [{"to": client.alice, "value": "0x7", "data": "0x1234"}]
    assert payment["callId"] == paid
    assert paid.endswith(payment["userOpHash"][2:])
    assert payment["sender"] == client.account
    assert payment["success"] is True
    receipt = client.rpc("eth_getTransactionReceipt", payment["transactionHash"])
    assert int(receipt["blockNumber"], 16) == payment["blockNumber"]
    block = client.rpc("eth_getBlockByNumber", receipt["blockNumber"], False)
    assert int(block["timestamp"], 16) == payment["timestamp"]
    assert block["transactions"] == [payment["transactionHash"]]


def test_every_chain_has_its_own_controls(embedded):
    here = embedded
    there = embedded.replace("/v2/dev", "/chain/421614/v2/dev")
    rpc(there, "sandbox_mint", {"token": "usdc", "to": BOB, "amount": 5})
    rpc(there, "sandbox_fund", {"address": BOB, "amount": 7})
    rpc(there, "sandbox_deploy", {"bytecode": ANSWERS_42, "address": "0x" + 40 * "7"})
    token = {"symbol": "EURC", "decimals": 2, "address": "0x" + 40 * "8"}
    rpc(there, "sandbox_deployToken", token)
    rpc(here, "sandbox_advance", {"seconds": 30})

    data = "0x70a08231" + BOB[2:].rjust(64, "0")
    assert [
        int(rpc(each, "eth_call", {"to": USDC, "data": data}), 16) for each in (there, here)
    ] == [
        5,
        0,
    ]
    assert [rpc(each, "eth_getBalance", BOB, "latest") for each in (there, here)] == ["0x7", "0x0"]
    assert rpc(there, "eth_getCode", "0x" + 40 * "7", "latest") != "0x"
    assert rpc(here, "eth_getCode", "0x" + 40 * "7", "latest") == "0x"
    assert rpc(here, "eth_getCode", "0x" + 40 * "8", "latest") == "0x"
    assert rpc(there, "sandbox_getOps") == rpc(here, "sandbox_getOps") == []
    # One clock for all.
    heads = [rpc(each, "eth_getBlockByNumber", "latest", False) for each in (there, here)]
    assert abs(int(heads[0]["timestamp"], 16) - int(heads[1]["timestamp"], 16)) <= 1


def command(*options):
    """Start `runner sandbox`; returns the process and its base URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", "sandbox", "--port", "0", *options],
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stderr.readline()
    found = re.search(r"http://\S+", line)
    return process, found[0] if found else line


def end(process):
    process.send_signal(signal.SIGTERM)
    code = process.wait(10)
    process.stderr.close()
    return code


def test_the_command_takes_its_options(tmp_path):
    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps([{"kind": "error_503", "method": "eth_gasPrice", "count": 1}]))
    state = tmp_path / "state.json"
    options = ("--chain-id", "10", "--no-faucet", "--state", str(state), "--faults", str(faults))

    process, url = command(*options)
    assert rpc(url, "eth_chainId") == "0xa"
    account = rpc(url, "wallet_requestAccount", {"signerAddress": BOB})["accountAddress"]
    assert rpc(url, "eth_getBalance", account, "latest") == "0x0"
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_gasPrice", "params": []}
    assert [httpx.post(url, json=body).status_code for _ in range(2)] == [503, 200]
    rpc(url, "sandbox_fund", {"address": BOB, "amount": 3})
    assert end(process) == 0

    process, url = command("--chain-id", "10", "--state", str(state))
    assert rpc(url, "eth_getBalance", BOB, "latest") == "0x3"
    listed = rpc(url, "wallet_listAccounts", {"signerAddress": BOB})
    assert [each["accountAddress"] for each in listed["accounts"]] == [account]
    assert end(process) == 0


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        ("nothing", "cannot use the faults"),
        ('[{"kind": "no such"}]', "unknown kind"),
        ('[{"kind": "reorg", "depth": 2}]', "needs a method, a probability or a count"),
    ],
)
def test_the_command_refuses_faults_that_mean_nothing(tmp_path, faults, says):
    path = tmp_path / "faults.json"
    path.write_text(faults)

    process, line = command("--faults", str(path))
    rest = process.stderr.read()
    process.stderr.close()

    assert process.wait(10) == 1
    assert says in line + rest
