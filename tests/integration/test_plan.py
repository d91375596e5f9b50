"""`runner plan` around a real daemon: what it foretells comes to pass, and is planned no more."""

import pytest
from support.house import House

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
sessions:
  pocket: {account: treasury, lifetime: 1d, margin: 0%}
  spare: {account: treasury, lifetime: 1d}
schedules:
  alice: {session: pocket, every: 2s, max_runs: 100, pay: {alice: 1.5 usdc}}
  bob: {session: pocket, every: 3s, max_runs: 100, pay: {bob: 0.001 native}}
  later: {session: spare, every: 4h, pay: {bob: 1 usdc}}
"""
EDITED = (
    POLICY.replace("1.5 usdc", "2 usdc")
    .replace("  spare: {account: treasury, lifetime: 1d}\n", "")
    .replace("  later: {session: spare, every: 4h, pay: {bob: 1 usdc}}\n", "")
    .replace("every: 3s", "every: 5s")
)


@pytest.fixture
def house(tmp_path):
    opened = House(tmp_path, policy=POLICY)
    yield opened
    opened.stop()


def write(house, policy):
    (house.folder / "policies" / "demo.yaml").write_text(policy)


def actions(plan):
    sessions = {one["session"]: one["action"] for one in plan["sessions"]}
    return sessions | {one["schedule"]: one["action"] for one in plan["schedules"]}


def test_what_was_planned_is_done_and_planned_no_more(house):
    """
    Plan, run, plan: empty; edit, plan, run, plan: empty again, but for a key that outlives its use.
    """
    first = house.json("plan")
    assert set(actions(first).values()) == {"create"}
    assert first["signatures"] == 2

    assert house.run("up", "--for", "12s").returncode == 0
    nothing = house.run("plan", "--check")
    assert nothing.returncode == 0, nothing.stdout
    assert "No changes." in nothing.stdout

    # What was paid is no longer at risk.
    paid = sum(int(t["amount"]) for t in house.json("report")["totals"] if t["token"] != "native")
    exposed = {one["symbol"]: one for one in house.json("plan")["exposure"]}
    granted = sum(
        int(permission["allowance"])
        for grant in house.json("grants", "list")
        for permission in grant["permissions"]
        if permission["type"] == "erc20-token-transfer"
    )
    assert paid > 0
    assert int(exposed["usdc"]["before"]) == granted - paid

    write(house, EDITED)
    edited = house.json("plan")
    assert actions(edited) == {
        "demo/pocket": "widen",
        "demo/spare": "retire",
        "demo/alice": "change",
        "demo/bob": "change",
        "demo/later": "retire",
    }
    assert edited["signatures"] == 1

    assert house.run("up", "--for", "8s").returncode == 0
    after = house.run("plan", "--check")
    assert after.returncode == 0, after.stdout
    assert "demo/spare is no longer used; generation 1 could sign until" in after.stdout


def test_plan_looks_beside_a_running_daemon(house):
    """
    Reading takes no lock, and disturbs nothing.
    """
    daemon = house.start("up", "--for", "10s")
    plans = []
    while daemon.poll() is None:
        answer = house.run("plan", "--check", "--json")
        assert answer.returncode in {0, 3}, answer.stderr
        plans.append(answer.returncode)

    assert daemon.returncode == 0
    assert plans[-1] == 0
