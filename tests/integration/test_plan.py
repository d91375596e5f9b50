"""`runner plan` around a real daemon: what it foretells comes to pass, and is planned no more."""

import json

import pytest
from support.house import House, wait_for

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


# ── apply ─────────────────────────────────────────────────────────────────────────────────────


def test_a_saved_plan_is_carried_out_exactly_once_and_pays_nothing(house):
    """
    Grants serve and schedules are seeded; then nothing is left to plan, and the plan is stale.
    """
    assert house.run("plan", "--out", "saved.json").returncode == 0

    applied = house.run("apply", "saved.json", "--json")
    again = house.run("apply", "saved.json")
    check = house.run("plan", "--check")

    assert applied.returncode == 0, applied.stderr
    done = json.loads(applied.stdout)
    assert (done["left"], done["awaiting_signature"]) == ([], [])
    assert len(done["plan"]["sessions"]) == 2
    assert check.returncode == 0, check.stdout
    assert {one["state"] for one in house.json("grants", "list")} == {"active"}
    assert house.json("runs", "list") == []
    assert again.returncode == 1
    assert "stale: there is a ledger by now" in again.stderr
    assert "No changes" in house.run("apply").stdout


def test_a_saved_plan_is_refused_when_a_policy_or_the_ledger_has_changed(house):
    """
    It says what has changed, and does nothing.
    """
    assert house.run("apply").returncode == 0
    write(house, EDITED)
    assert house.run("plan", "--out", "saved.json").returncode == 0
    write(house, EDITED.replace("2 usdc", "3 usdc"))
    grants = house.json("grants", "list")

    edited = house.run("apply", "saved.json")
    write(house, EDITED)
    applied = house.run("apply", "saved.json")
    late = house.run("apply", "saved.json")
    (house.folder / "saved.json").write_text("{}")
    broken = house.run("apply", "saved.json")

    assert edited.returncode == 1
    assert "stale: the policy `demo` was changed" in edited.stderr
    assert applied.returncode == 0, applied.stderr
    assert len(house.json("grants", "list")) > len(grants)
    assert "stale: grants or schedules of the ledger were changed" in late.stderr
    assert (broken.returncode, "no saved plan" in broken.stderr) == (1, True)


def test_beside_a_running_daemon_it_waits_until_that_has_done_it(house):
    """
    A policy that was edited is in force when it ends; a saved plan is refused, with the way out.
    """
    house.start("up", "--for", "60s")
    wait_for(lambda: "daemon.armed" in house.logs(), what="the daemon")
    assert house.run("apply").returncode == 0
    nothing = house.run("apply")
    assert house.run("plan", "--out", "saved.json").returncode == 0
    write(house, POLICY + "  added: {session: spare, every: 6h, pay: {alice: 1 usdc}}\n")

    applied = house.run("apply")
    saved = house.run("apply", "saved.json")

    assert (nothing.returncode, applied.returncode) == (0, 0), applied.stderr
    assert "No changes" in nothing.stdout
    assert "Applied by the daemon: " in applied.stdout
    assert "demo/added" in {one["schedule"] for one in house.json("schedules", "list")}
    assert house.run("plan", "--check").returncode == 0
    assert saved.returncode == 1
    assert "without the file waits until the daemon" in saved.stderr
