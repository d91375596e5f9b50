"""Break before make, with the real daemon: what must sign no more is taken off first (R13, X15)."""

import json
import signal
import time
from datetime import datetime

import pytest
from support.house import (
    POLICY,
    kill,
    reconcile,
    rpc,
    served_house,
    wait_for,
)

pytestmark = pytest.mark.timeout(180)

ACCOUNT_OF = "0x" + "11" * 32
USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"


@pytest.fixture
def served(tmp_path):
    """A house whose wallet is a sandbox process of its own, so that chain and daemon part."""
    with served_house(tmp_path, owner=f"private_key_for_sandbox_only: '{ACCOUNT_OF}'") as opened:
        yield opened


def generation(house, number):
    return next(g for g in house.json("grants", "list") if g["generation"] == number)


def installed(url, account, entity):
    """Whether the account holds a session key's validation under this entity."""
    module = "00000000000099DE0BF6fA90dEB851E2A2df7d83"
    data = "0xd31b575b" + (module + f"{entity:08x}").lower().ljust(64, "0")
    answer = rpc(url, "eth_call", {"to": account, "data": data}, "latest")
    return int(answer[66:130], 16) != 0  # flags


def test_r13_a_receiver_that_goes_takes_its_grant_with_it(served):
    """
    Bob is paid in coin, so the key may call him. Without him the old grant is off the account,
    proved clean, before the next one is made on the same entity; both are paid as they should be.
    """
    house, url = served
    first = house.start("up", "--for", "8s")
    assert first.wait(timeout=60) == 0, house.logs()
    narrowed = POLICY.partition("  bob: {session")[0]
    (house.folder / "policies" / "demo.yaml").write_text(narrowed)

    second = house.start("up", "--for", "14s")
    assert second.wait(timeout=60) == 0, house.logs()

    old, new = generation(house, 1), generation(house, 2)
    stopping = [e for e in house.events() if e["event"] == "grant.stopping"]
    account = rpc(url, "sandbox_getOps")[0]["sender"]

    assert old["state"] == "revoked"
    assert new["state"] == "active"
    assert [event["level"] for event in stopping] == ["critical"]
    assert old["entity_id"] == new["entity_id"] == 1  # the lowest free one, used before
    assert installed(url, account, 1)
    assert reconcile(house, url)["open"] == 0
    assert [e["level"] for e in house.events() if e["event"] == "grant.revoked"] == ["info"]
    due = [row["due_at"] for row in house.json("runs", "list") if row["state"] == "success"]
    assert max(map(datetime.fromisoformat, due)) > datetime.fromisoformat(new["activated_at"])


@pytest.mark.parametrize("seconds", [0.9, 1.3, 1.7, 2.2, 2.8])
def test_r13_killed_while_it_takes_a_grant_off_it_goes_on_where_it_was(served, seconds):
    """
    kill -9 before, between and after signing, sending and proving the uninstall: it is done once,
    the entity is clean, and payments go on under the next grant.
    """
    house, url = served
    first = house.start("up", "--for", "6s")
    assert first.wait(timeout=60) == 0, house.logs()
    narrowed = POLICY.partition("  bob: {session")[0]
    (house.folder / "policies" / "demo.yaml").write_text(narrowed)
    stopped = house.start("up")
    time.sleep(seconds)
    kill(stopped)

    last = house.start("up", "--for", "12s")
    assert last.wait(timeout=60) == 0, house.logs()

    taken_off = [
        op
        for op in rpc(url, "sandbox_getOps")
        if op["entityId"] == 0 and op["calls"] and op["calls"][0]["data"].startswith("0xb6b1ccfe")
    ]
    assert len(taken_off) == 1
    assert generation(house, 1)["state"] == "revoked"
    assert generation(house, 1)["detail"] is None  # proved clean
    assert "active" in {grant["state"] for grant in house.json("grants", "list")}
    assert reconcile(house, url)["open"] == 0


def test_o9_a_grant_that_a_person_revokes_is_off_the_account_when_the_command_ends(served):
    """
    Beside the running daemon: the command waits for the proof; the session goes on with a fresh
    key, and nothing is paid twice or left behind.
    """
    house, url = served
    daemon = house.start("up")
    wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 3, what="payments")
    account = rpc(url, "sandbox_getOps")[0]["sender"]

    answer = house.run("grants", "revoke", "demo/pocket", "--reason", "a laptop is lost", "--json")
    shown = json.loads(answer.stdout)
    wait_for(
        lambda: any(g["state"] == "active" for g in house.json("grants", "list")), what="a grant"
    )
    time.sleep(4)
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=70) == 0, house.logs()

    old, new = generation(house, 1), generation(house, 2)
    assert answer.returncode == 0, answer.stderr
    assert [(g["generation"], g["state"], g["detail"]) for g in shown["grants"]] == [
        (1, "revoked", None)
    ]
    assert old["key_address"] != new["key_address"]
    assert installed(url, account, new["entity_id"])
    assert reconcile(house, url)["open"] == 0
    states = {row["state"] for row in house.json("runs", "list")}
    assert states <= {"success", "not_included", "skipped"}


def test_o10_with_no_daemon_the_command_takes_it_off_itself(served):
    """
    And pays nothing meanwhile, though slots are due.
    """
    house, url = served
    first = house.start("up", "--for", "6s")
    assert first.wait(timeout=60) == 0, house.logs()
    before = [op for op in rpc(url, "sandbox_getOps") if op["entityId"]]
    account = before[0]["sender"]

    answer = house.run("grants", "revoke", "demo/pocket#1", "--reason", "moving house")
    again = house.run("grants", "revoke", "demo/pocket#1", "--reason", "moving house")
    unknown = house.run("grants", "revoke", "demo/purse", "--reason", "moving house")

    assert answer.returncode == 0, answer.stderr
    assert generation(house, 1)["state"] == "revoked"
    assert not installed(url, account, 1)
    assert [op for op in rpc(url, "sandbox_getOps") if op["entityId"]] == before
    assert (again.returncode, unknown.returncode) == (1, 1)
    assert "is revoked" in again.stderr
    assert "no grant of demo/purse" in unknown.stderr


def test_r8_a_renewal_that_a_person_asks_for_is_made_at_once(served):
    """
    The old one serves until the new one does.
    """
    house, url = served
    house.start("up")
    wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 1, what="payments")

    time.sleep(5)
    answer = house.run("grants", "renew", "demo/pocket", "--reason", "a trial")
    wait_for(lambda: len(house.json("grants", "list")) == 2, what="the next grant")
    wait_for(lambda: generation(house, 2)["state"] == "active", what="its activation")

    assert answer.returncode == 0, answer.stderr
    assert generation(house, 1)["state"] == "draining"


def test_o9_stop_revoke_all_ends_every_key_and_every_unused_grant(served):
    """
    While its activation cannot even be prepared, a grant is voided; what is installed is taken off.
    Nothing is granted or paid until `resume`, then everything goes on with fresh keys.
    """
    house, url = served
    daemon = house.start("up")
    wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 3, what="payments")
    account = rpc(url, "sandbox_getOps")[0]["sender"]
    rpc(url, "sandbox_setFault", {"kind": "error_503", "method": "wallet_prepareCalls"})
    time.sleep(4.6)  # R2: a tenth of its life
    renewed = house.run("grants", "renew", "demo/pocket", "--reason", "a second one")
    wait_for(lambda: len(house.json("grants", "list")) == 2, what="the second grant")
    wait_for(lambda: generation(house, 2)["state"] == "activating", what="its signature")
    assert renewed.returncode == 0, renewed.stderr
    stopping = house.start("stop", "--revoke-all", "--reason", "a stolen laptop")
    wait_for(lambda: generation(house, 2)["state"] == "stopping", what="the stop")
    rpc(url, "sandbox_clearFaults", {})

    assert stopping.wait(timeout=60) == 0, house.logs()
    paid = [op for op in rpc(url, "sandbox_getOps") if op["entityId"] and op["calls"]]
    by_owner = [
        op["calls"][0]["data"][:10] for op in rpc(url, "sandbox_getOps") if not op["entityId"]
    ]
    assert {g["state"] for g in house.json("grants", "list")} == {"revoked"}
    assert sorted(by_owner) == ["0x0bd28e3b", "0xb6b1ccfe"]  # incrementNonce, uninstallValidation
    assert not installed(url, account, 1)
    time.sleep(3)
    later = [op for op in rpc(url, "sandbox_getOps") if op["entityId"] and op["calls"]]
    assert later == paid
    assert len(house.json("grants", "list")) == 2

    assert house.run("resume", "--reason", "found again").returncode == 0
    wait_for(lambda: len(house.json("grants", "list")) == 3, what="a fresh grant")
    wait_for(lambda: generation(house, 3)["state"] == "active", what="its activation")
    time.sleep(3)
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=70) == 0, house.logs()
    assert reconcile(house, url)["open"] == 0
    shown = house.json("runs", "list", "--all")
    assert all(row["state"] != "prepared" for row in shown)
