"""Accounts on several chains in one file: one embedded world for each chain id."""

import re
import shutil
from pathlib import Path

import pytest
from support.house import House, balance, rpc, sandbox_on

pytestmark = pytest.mark.timeout(180)

EXAMPLE = Path("examples/several-chains")
CHAINS = {"base": 84532, "arbitrum": 421614, "optimism": 11155420}


@pytest.fixture
def house(tmp_path):
    opened = House(tmp_path)
    yield opened
    opened.stop()


def test_one_policy_pays_on_three_chains(house):
    """
    The recipe, every two seconds: each chain has its own token, grants and payments, and ledger
    and worlds agree, also after the worlds were served again.
    """
    shutil.rmtree(house.folder / "policies")
    shutil.copytree(EXAMPLE, house.folder / "policies")
    policy = house.folder / "policies" / "several-chains.yaml"
    text = re.sub(r'cron: "[^"]*"', "every: 2s", policy.read_text())
    policy.write_text(text.replace("receivers:", "lifetime: 45s, receivers:"))
    daemon = house.start("up", "--for", "14s")
    assert daemon.wait(timeout=90) == 0, house.logs()

    url = sandbox_on(house, ".runner/sandbox.json")
    totals = {total["chain"]: total for total in house.json("report")["totals"]}
    grants = {grant["chain"]: grant for grant in house.json("grants", "list")}
    rows = house.json("runs", "list")

    assert set(totals) == set(grants) == set(CHAINS.values())
    assert len({total["token"] for total in totals.values()}) == 3
    assert len({grant["account"] for grant in grants.values()}) == 1  # one owner, one salt
    for name, chain in CHAINS.items():
        world, total = url.replace("/v2/", f"/chain/{chain}/v2/"), totals[chain]
        paid = [op for op in rpc(world, "sandbox_getOps") if op["calls"] and op["success"]]
        mine = [r for r in rows if r["schedule"] == f"several-chains/{name}"]
        assert int(rpc(world, "eth_chainId"), 16) == chain
        assert len(paid) == total["count"] == sum(row["state"] == "success" for row in mine) >= 3
        assert balance(world, total["token"], total["to"]) == int(total["amount"])
        assert {op["chain"] for row in mine for op in row["operations"]} == {chain}
        assert {op["user_op_hash"] for row in mine for op in row["operations"]} == {
            op["userOpHash"] for op in paid
        }
