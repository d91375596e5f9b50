"""What stays behind when the guard refuses, and when a contract takes what nobody planned."""

import json
import re
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from support.house import POLICY, House, free_port, listening, rpc, wait_for

pytestmark = pytest.mark.timeout(180)

USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
THIEF = "0x00000000000000000000000000000000000bad00"
VAULT = "0x00000000000000000000000000000000000000fa"
EVIL = "0x34fcd5be" + "00" * 31 + "20" + "00" * 32

ODD = (
    POLICY.partition("schedules:")[0].replace("contacts:", f'contacts:\n  vault: "{VAULT}"')
    + """\
schedules:
  honest:
    session: pocket
    every: 1h
    start_at: START+6
    calls:
      - approve: {{spender: vault, amount: 0.000007 usdc}}
      - call: {{contract: vault, function: "deposit()"}}
  allow:
    session: pocket
    every: 1h
    start_at: START+10
    calls: [{{approve: {{spender: vault, amount: 1 usdc}}}}]
  odd:
    session: pocket
    every: 1h
    start_at: START+15
    calls: [{{call: {{contract: vault, function: "deposit()"}}}}]
"""
)


def starting_now(policy):
    """`START+n`: n seconds from now."""
    now = datetime.now(UTC).replace(microsecond=0)
    return re.sub(
        r"START\+([0-9]+)", lambda m: (now + timedelta(seconds=int(m[1]))).isoformat(), policy
    )


@pytest.fixture
def served(tmp_path):
    """A daemon's folder, and a sandbox of its own to lie to it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/v2/dev"
    opened = House(
        tmp_path,
        config=(
            "policies: policies/\n"
            f"wallets: {{sandbox: {{url: '{url}'}}}}\n"
            "signers: {treasury-owner: {private_key_for_sandbox_only: '0x" + "11" * 32 + "'}}\n"
        ),
    )
    opened.start("sandbox", "--port", str(port), "--state", "chain.json")
    wait_for(lambda: listening(url), what="the sandbox")
    yield opened, url
    opened.stop()


def critical(house):
    return [event for event in house.events() if event.get("level") == "critical"]


def test_a_refusal_keeps_its_evidence(served):
    """
    held(guard), the schedule paused, a critical event; and `runs show` tells field by field what
    was asked and what was offered, out of the chain of events.
    """
    house, url = served
    daemon = house.start("up")
    wait_for(lambda: rpc(url, "sandbox_getOps"), what="an activation")
    fault = {"kind": "tamper", "method": "wallet_prepareCalls", "path": "data.callData"}
    rpc(url, "sandbox_setFault", {**fault, "value": EVIL})
    told = wait_for(lambda: critical(house), what="the guard")
    daemon.terminate()
    assert daemon.wait(timeout=90) == 0, house.logs()

    held = [row for row in house.json("runs", "list") if row["state"] == "held"]
    shown = house.run("runs", "show", held[0]["id"]).stdout
    story = house.json("runs", "show", held[0]["id"])
    (event,) = [one for one in story["timeline"] if one["event"] == "guard.refused"]
    paused = {row["schedule"] for row in house.json("schedules", "list") if row["paused"]}
    rules = {finding["rule"] for finding in event["data"]["findings"]}

    assert told[0]["event"] == "run.held"
    assert {(row["state"], row["reason"]) for row in held} == {("held", "guard")}
    assert held[0]["operations"] == []
    assert held[0]["schedule"] in paused
    assert {"G11.calls[0]", "B5.hash"} <= rules
    assert "REFUSED BY THE GUARD" in shown
    assert "asked    to 0x" in shown
    assert "offered  nothing" in shown
    assert all(one["asked"] != one["offered"] for one in event["data"]["findings"])
    with sqlite3.connect(house.folder / ".runner" / "ledger.db") as connection:
        (kept,) = connection.execute(
            "SELECT data FROM events WHERE kind = 'guard.refused' AND subject = ?",
            (held[0]["id"],),
        ).fetchall()
    assert json.loads(kept[0])["findings"] == event["data"]["findings"]


def vault_code():
    """Creation code of a contract that takes 7 base units of USDC from whoever calls it."""
    taking = (
        f"7f23b872dd{'00' * 28}600052"  # transferFrom(
        "33600452"  # caller,
        f"73{THIEF[2:]}602452"  # thief,
        "6007604452"  # 7)
        f"60006000606460006000" + f"73{USDC[2:].lower()}5af100"  # of the token, whatever it says
    )
    size = len(taking) // 2
    return f"0x60{size:02x}600c60003960{size:02x}6000f3{taking}"


def test_b8_a_contract_that_takes_what_the_run_did_not_approve_opens_the_breaker(served):
    """
    Within what the same run approves it may take; out of an older approval it opens the breaker,
    and the report counts what the logs show.
    """
    house, url = served
    rpc(url, "sandbox_deploy", {"bytecode": vault_code(), "address": VAULT})
    (house.folder / "policies" / "demo.yaml").write_text(starting_now(ODD))
    daemon = house.start("up")
    wait_for(
        lambda: any(event["event"] == "schedule.paused" for event in critical(house)),
        seconds=60,
        what="the breaker",
    )
    daemon.terminate()
    assert daemon.wait(timeout=90) == 0, house.logs()

    rows = {row["schedule"]: row for row in house.json("runs", "list")}
    paused = {row["schedule"] for row in house.json("schedules", "list") if row["paused"]}
    totals = house.json("report")["totals"]

    assert (rows["demo/allow"]["state"], rows["demo/allow"]["reason"]) == ("success", None)
    assert (rows["demo/honest"]["state"], rows["demo/honest"]["reason"]) == ("success", None)
    assert (rows["demo/odd"]["state"], rows["demo/odd"]["reason"]) == (
        "success",
        "paid_differently",
    )
    assert paused == {"demo/odd"}
    assert [(one["to"].lower(), one["amount"]) for one in totals] == [(THIEF, "14")]
    assert "left besides" in house.run("runs", "show", rows["demo/odd"]["id"]).stdout
