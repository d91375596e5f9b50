"""Pre-flight with the real daemon: each thing in the way has its code, and time to go away (B6)."""

import pytest
from support.house import (
    POLICY,
    balance,
    reconcile,
    rpc,
    served_house,
    wait_for,
)

pytestmark = pytest.mark.timeout(180)

USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
BOB = "0x0000000000000000000000000000000000000b0b"
CAROL = "0x00000000000000000000000000000000000Ca401"
HEAD = (
    POLICY.partition("sessions:")[0]
    + """\
sessions:
  pocket:
    account: treasury
    lifetime: 10m
    permissions:
      - erc20-token-transfer: 3_000_000 usdc
      - gas-limit: 0 native
      - native-token-transfer: 0 native
"""
)
SCHEDULES = """\
schedules:
  asks:
    session: pocket
    at: 2031-01-01T00:00Z
    pay: {bob: 2 usdc}
    require:
      - balance: {of: carol, at_least: 5 usdc}
      - argument: {function: "transfer(address to, uint256 value)", name: value, at_most: 2 usdc}
  poor:
    session: pocket
    at: 2031-01-01T00:00Z
    pay: {alice: 2_000_000 usdc}
  never:
    session: pocket
    at: 2031-01-01T00:00Z
    pay: {alice: 3 usdc}
    require:
      - argument: {function: "transfer(address to, uint256 value)", name: value, at_most: 2 usdc}
  sponsored: {session: pocket, at: 2031-01-01T00:00Z, pay: {alice: 1 usdc}}
"""


@pytest.fixture
def served(tmp_path):
    with served_house(tmp_path, policy=HEAD + SCHEDULES) as opened:
        yield opened


def rows(house):
    return {row["schedule"].removeprefix("demo/"): row for row in house.json("runs", "list")}


def detail(house, name):
    """What was said last of why it is held."""
    held = [
        e for e in house.events() if e["event"] == "run.held" and e["schedule"] == f"demo/{name}"
    ]
    return held[-1]["detail"]


WHY = ("--reason", "try it")


def test_b6_b4_each_obstacle_has_its_code_and_the_run_goes_on_when_it_is_gone(served):
    """
    A condition on a balance, one on an argument, a balance that does not reach, a paymaster that
    refuses: nothing is signed; what can be mended is paid, within its window.
    """
    house, url = served
    daemon = house.start("up", "--for", "100s")
    wait_for(lambda: [e for e in house.events() if e["event"] == "grant.active"], what="a grant")
    for name in ("asks", "poor", "never"):
        answer = house.run("schedules", "run", f"demo/{name}", "--extra", *WHY, "--yes")
        assert answer.returncode == 0, answer.stderr
    wait_for(
        lambda: all(one["reason"] == "preflight" for one in rows(house).values()), what="the holds"
    )
    told = {name: detail(house, name) for name in ("asks", "poor", "never")}
    rpc(url, "sandbox_setFault", {"kind": "refuse_sponsorship"})
    house.run("schedules", "run", "demo/sponsored", "--extra", *WHY, "--yes")
    wait_for(lambda: rows(house).get("sponsored", {}).get("reason") == "preflight", what="it")
    refused = detail(house, "sponsored")
    unsigned = [op for op in rpc(url, "sandbox_getOps") if op["calls"]]

    rpc(url, "sandbox_clearFaults", {})
    rpc(url, "sandbox_mint", {"token": USDC, "to": CAROL, "amount": "5000000"})
    wait_for(lambda: rows(house)["asks"]["state"] == "success", what="the payment", seconds=40)
    wait_for(lambda: rows(house)["sponsored"]["state"] == "success", what="it", seconds=40)
    daemon.terminate()
    assert daemon.wait(timeout=60) == 0, house.logs()

    assert told["asks"] == "require: carol holds 0 usdc, at least 5 is required"
    assert told["poor"].startswith("balance: the account holds 1000000 usdc, the run takes up to")
    assert told["never"] == "require: calls[0] transfer: value is 3000000, not at most 2000000"
    assert refused.startswith("sponsorship: ")
    assert unsigned == []
    assert balance(url, USDC, BOB) == 2_000_000
    assert rows(house)["never"]["operations"] == []
    reconcile(house, url)
