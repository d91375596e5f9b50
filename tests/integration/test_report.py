"""`runner report` against the chain: what it says was paid is what the logs show."""

import csv
import io
import re
from collections import Counter

import pytest
from support.house import House, rpc, sandbox_on

pytestmark = pytest.mark.timeout(180)

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
accounts:
  treasury: {owner: treasury-owner, gas: sponsor}
  own: {owner: another-owner, gas: native}
sessions:
  pocket: {account: treasury, lifetime: 1d}
  coins: {account: own, lifetime: 1d}
schedules:
  both:
    session: pocket
    every: 2s
    calls:
      - pay: {to: alice, amount: 1.5 usdc, memo: "=HYPERLINK(\\"x\\")", ref: "<b>INV-1</b>"}
      - pay: {to: bob, amount: 2 usdc}
  coin: {session: coins, every: 3s, pay: {bob: 0.001 native}}
"""
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
OPERATION = "0x49628fd1471006c1482da88028e9ce4dbb080b815c9b0344d39e5a8e6ec1419f"


def logs(url, topic):
    return rpc(url, "eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "topics": [topic]})


def word(text, index):
    return int(text[2 + 64 * index : 2 + 64 * (index + 1)], 16)


def test_totals_fees_and_blocks_are_those_of_the_chain(tmp_path):
    house = House(tmp_path, policy=POLICY)
    try:
        assert house.run("up", "--for", "14s").returncode == 0
        made = house.json("report")
        text = house.run("report", "--format", "csv").stdout
        page = house.run("report", "--format", "html").stdout
        heads = house.run("db", "verify", "--head").stdout
        url = sandbox_on(house, ".runner/sandbox.json")
        senders = {one["from"] for one in made["payments"]}
        moved, operations = Counter(), {}
        for log in logs(url, TRANSFER):
            sender = "0x" + log["topics"][1][-40:]
            if sender in {one.lower() for one in senders}:
                moved["0x" + log["topics"][2][-40:]] += int(log["data"], 16)
        for log in logs(url, OPERATION):
            operations[log["topics"][1]] = (word(log["data"], 2), int(log["blockNumber"], 16))
    finally:
        house.stop()

    totals = {
        one["to"].lower(): int(one["amount"]) for one in made["totals"] if one["symbol"] == "usdc"
    }
    assert totals == moved
    assert len(moved) == 2
    for one in made["payments"]:
        assert (int(one["fee"]), one["block"]) == operations[one["user_op_hash"]]
    by_payer = {one["sponsored"]: one for one in made["fees"]}
    hashes = {one["user_op_hash"]: one["sponsored"] for one in made["payments"]}
    for sponsored, fees in by_payer.items():
        mine = [operations[one][0] for one, is_it in hashes.items() if is_it is sponsored]
        assert (int(fees["amount"]), fees["count"]) == (sum(mine), len(mine))
    assert all(one["mac"] in heads for one in made["heads"])

    rows = list(csv.DictReader(io.StringIO(text)))
    assert sum(int(one["base_units"]) for one in rows if one["symbol"] == "usdc") == sum(
        totals.values()
    )
    assert all(not re.match(r"[=+@-]", cell or "") for one in rows for cell in one.values())
    assert "<script" not in page
    assert "http" not in page
    assert "&lt;b&gt;INV-1&lt;/b&gt;" in page
    assert made["heads"][0]["mac"] in page
    (tmp_path / "report.html").write_text(page)
