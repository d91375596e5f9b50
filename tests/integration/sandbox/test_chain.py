"""What a node answers, and what a sandbox may do: time, tokens, contracts, several chains."""

from __future__ import annotations

import pytest

from runner.sandbox.sandbox import Sandbox

# Returns its own storage slot 0, which its constructor sets to 42.
DEPLOYS_42 = "0x602a600055600b6011600039600b6000f360005460005260206000f3"


def failure(client, action):
    with pytest.raises(client.failure) as caught:
        action()
    return caught.value.code, caught.value.reason


def test_a_block_for_every_second(client, clock):
    first = client.rpc("eth_getBlockByNumber", "latest", False)
    client.wait(3_600)
    last = client.rpc("eth_getBlockByNumber", "latest", False)

    assert int(last["number"], 16) - int(first["number"], 16) == 3_600
    assert int(last["timestamp"], 16) - int(first["timestamp"], 16) == 3_600
    parent = client.rpc("eth_getBlockByNumber", hex(int(last["number"], 16) - 1), False)
    assert last["parentHash"] == parent["hash"]
    assert client.rpc("eth_getBlockByHash", parent["hash"], False) == parent
    assert client.rpc("eth_getBlockByNumber", hex(int(last["number"], 16) + 1), False) is None


def test_time_goes_forward_only(client):
    now = int(client.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    client.rpc("sandbox_setTime", {"timestamp": now + 500})
    client.rpc("sandbox_advance", {"seconds": 5})

    assert int(client.rpc("eth_getBlockByNumber", "latest")["timestamp"], 16) == now + 505
    assert failure(client, lambda: client.rpc("sandbox_setTime", {"timestamp": now})) == (
        -32602,
        "TimeGoesForward",
    )


def test_a_clock_that_steps_back_stops_the_chain(client, clock):
    client.wait(100)
    number = client.rpc("eth_blockNumber")
    clock.now -= 50

    assert client.rpc("eth_blockNumber") == number


def test_new_accounts_are_given_something(client):
    assert client.rpc("eth_getBalance", client.account, "latest") == hex(100 * 10**18)
    assert client.balance(client.account) == 10**12
    dai = "0x00000000000000000000000000000000000000da"
    assert client.balance(client.account, dai) == 10**24


def test_no_faucet(clock, attach):
    client = attach(Sandbox(time_source=clock, faucet=False))

    assert client.rpc("eth_getBalance", client.account, "latest") == "0x0"
    assert client.balance(client.account) == 0


def test_a_token_is_deployed_once_and_given_to_all(client):
    wish = {"symbol": "EURC", "decimals": 6, "address": "0x" + 38 * "0" + "e0"}
    first = client.rpc("sandbox_deployToken", wish)
    again = client.rpc("sandbox_deployToken", wish)
    late = client.rpc("wallet_requestAccount", {"signerAddress": client.new_key(9).address})

    assert first == again
    assert client.balance(client.account, first["address"]) == 10**12
    assert client.balance(late["accountAddress"], first["address"]) == 10**12
    other = {**wish, "decimals": 7}
    assert failure(client, lambda: client.rpc("sandbox_deployToken", other))[0] == -32602


def test_the_built_in_token_may_be_asked_for_again(client):
    before = client.balance(client.account)

    client.rpc("sandbox_deployToken", {"symbol": "usdc", "decimals": 6, "address": client.usdc})

    assert client.balance(client.account) == before


def test_contracts_are_deployed_and_called(client):
    address = client.rpc("sandbox_deploy", {"bytecode": DEPLOYS_42})["address"]
    chosen = "0x" + 38 * "0" + "c0"
    client.rpc("sandbox_deploy", {"bytecode": DEPLOYS_42, "address": chosen})

    for each in (address, chosen):
        assert int(client.rpc("eth_call", {"to": each}, "latest"), 16) == 42


def test_calls_in_the_name_of_an_account(client):
    data = "0xa9059cbb" + client.alice[2:].rjust(64, "0") + f"{5:064x}"
    wish = {"from": client.account, "to": client.usdc, "data": data}

    assert int(client.rpc("eth_call", wish, "latest"), 16) == 1
    assert client.balance(client.alice) == 0
    assert client.status(client.run([client.pay(5)])) == 200


def test_a_call_that_reverts_says_why(client):
    data = "0xa9059cbb" + client.account[2:].rjust(64, "0") + f"{5:064x}"
    wish = {"from": client.alice, "to": client.usdc, "data": data}

    with pytest.raises(client.failure) as caught:
        client.rpc("eth_call", wish, "latest")

    assert caught.value.code == 3
    assert caught.value.message.endswith("ERC20: transfer amount exceeds balance")
    assert caught.value.reason.startswith("0x08c379a0")


def test_logs_by_topic_alternatives_and_range(client):
    context = client.grant()
    client.run([client.pay(5)], context)
    client.wait(10)
    transfer = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    to = "0x" + client.alice[2:].lower().rjust(64, "0")
    whole = {"fromBlock": "0x0", "toBlock": "latest", "address": [client.usdc]}

    found = client.rpc("eth_getLogs", {**whole, "topics": [[transfer, "0x" + 64 * "1"], None, to]})

    assert len(found) == 1
    assert int(found[0]["data"], 16) == 5
    assert client.rpc("eth_getLogs", {**whole, "topics": [None, to]}) == []
    assert client.rpc("eth_getLogs", {**whole, "fromBlock": "latest"}) == []
    one = {"blockHash": found[0]["blockHash"], "topics": [transfer]}
    assert client.rpc("eth_getLogs", one) == found
    receipt = client.rpc("eth_getTransactionReceipt", found[0]["transactionHash"])
    assert found[0] in receipt["logs"]


def test_chains_do_not_know_each_other(client, sandbox):
    client.run([client.pay(5)], client.grant())

    other = sandbox.handle("sandbox_getOps", [], chain_id=1)
    balance = sandbox.handle("eth_getBalance", [client.account, "latest"], chain_id=1)

    assert other == []
    assert balance == hex(100 * 10**18)
    assert len(client.rpc("sandbox_getOps")) == 2


def test_accounts_by_owner(client):
    more = {"creationHint": {"createAdditional": True, "salt": "0x5"}}
    owner = {"signerAddress": client.owner.address}
    second = client.rpc("wallet_requestAccount", {**owner, **more})["accountAddress"]

    first = client.rpc("wallet_listAccounts", {**owner, "limit": 1})
    rest = client.rpc("wallet_listAccounts", {**owner, "after": first["meta"]["after"]})

    assert [each["accountAddress"] for each in first["accounts"]] == [client.account]
    assert [each["accountAddress"] for each in rest["accounts"]] == [second]
    assert rest["meta"] == {"totalCount": 2, "after": None}
    assert client.rpc("wallet_requestAccount", owner)["accountAddress"] == client.account


def test_capabilities_name_the_permissions(client):
    answer = client.rpc("wallet_getCapabilities", client.account, ["0x1"])

    assert list(answer) == ["0x0"]
    assert len(answer["0x0"]["permissions"]["permissionTypes"]) == 8


def test_signing_a_message_for_erc_1271(client):
    client.run([])
    base = {"from": client.account, "chainId": client.chain}
    asked = {"type": "personal_sign", "data": "hello world"}
    prepared = client.rpc("wallet_prepareSign", {**base, "signatureRequest": asked})
    signature = {"type": "ecdsa", "data": "0x" + 64 * "11" + "1b"}

    formatted = client.rpc("wallet_formatSign", {**base, "signature": signature})

    request = prepared["signatureRequest"]["data"]
    assert request["primaryType"] == "ReplaySafeHash"
    digest = "0xd9eba16ed0ecae432b71fe008c98cc872bb4cc214d3220a36f365326cf807d68"
    assert request["message"] == {"hash": digest}
    assert formatted["signature"] == "0x0000000000ff00" + 64 * "11" + "1b"
