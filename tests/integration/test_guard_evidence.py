"""What stays behind when the guard refuses, and when a contract takes what nobody planned."""

import json
import sqlite3

import pytest
from support.house import (
    POLICY,
    rpc,
    served_house,
    wait_for,
)
from support.tampered import run_tampered

from runner.records import RunKind
from runner.scheduling.occurrence import Reason, State

pytestmark = pytest.mark.timeout(180)

USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
THIEF = "0x00000000000000000000000000000000000bad00"
VAULT = "0x00000000000000000000000000000000000000fa"
EVIL = "0x34fcd5be" + "00" * 31 + "20" + "00" * 32

_HEAD = POLICY.partition("schedules:")[0].replace("lifetime: 45s", "lifetime: 10d")
ODD = (
    _HEAD.replace("contacts:", f'contacts:\n  vault: "{VAULT}"')
    + """\
schedules:
  honest:
    session: pocket
    at: 2026-12-01T00:01:00Z
    calls:
      - approve: {spender: vault, amount: 0.000007 usdc}
      - call: {contract: vault, function: "deposit()"}
  allow: {session: pocket, at: 2026-12-01T00:02:00Z, calls: [{approve: {vault: 1 usdc}}]}
  odd:
    session: pocket
    at: 2026-12-01T00:03:00Z
    call: {contract: vault, function: "deposit()"}
"""
)


@pytest.fixture
def served(tmp_path):
    """A daemon's folder, and a sandbox of its own to lie to it."""
    with served_house(tmp_path) as opened:
        yield opened


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


def test_b8_a_contract_that_takes_what_the_run_did_not_approve_opens_the_breaker():
    """
    Within what the same run approves it may take; out of an older approval it opens the breaker,
    and what the logs show is written down.
    """

    async def deploy(engine):
        code = {"bytecode": vault_code(), "address": VAULT}
        assert (await engine.liar.ask("sandbox_deploy", code))["address"]

    engine = run_tampered(ODD, deploy, minutes=5)
    rows = engine.ledger.rows
    runs = {run.schedule: run for run in rows.runs.values() if run.kind is RunKind.PAYMENT}
    paused = {uid for uid, one in rows.schedules.items() if one.paused_reason}

    assert {uid: (run.state, run.reason) for uid, run in runs.items()} == {
        "demo/honest": (State.SUCCESS, None),
        "demo/allow": (State.SUCCESS, None),
        "demo/odd": (State.SUCCESS, Reason.PAID_DIFFERENTLY),
    }
    assert paused == {"demo/odd"}
    assert runs["demo/odd"].detail == f"7 of {USDC} left besides, and 0 were approved"
    for uid in ("demo/honest", "demo/odd"):
        seen = [line for line in rows.transfers[runs[uid].id] if line.kind == "observed"]
        assert [(line.receiver.lower(), line.amount) for line in seen] == [(THIEF, 7)]
