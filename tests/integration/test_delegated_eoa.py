"""An EOA as the account (EIP-7702): delegated by its owner's word, then it pays like any other."""

import json
import signal

import pytest
from eth_account import Account
from support.house import POLICY, kill, reconcile, rpc, served_house, wait_for

from runner.ethereum.authorization import delegation_code
from runner.ethereum.contracts import DELEGATE_7702

pytestmark = pytest.mark.timeout(180)

OWNER = Account.from_key("0x" + "11" * 32).address
EOA = POLICY.replace("gas: sponsor}", "gas: sponsor, type: eip7702}")
USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
CODE = "0x" + delegation_code(DELEGATE_7702).hex()


@pytest.fixture
def served(tmp_path):
    """A house whose account is its owner's own address, on a sandbox in a process of its own."""
    with served_house(tmp_path, policy=EOA) as opened:
        yield opened


def delegate(house):
    return house.run("grants", "request", "demo/pocket", "--delegate")


def told(house, event):
    return [one for one in house.events() if one["event"] == event]


def test_g9_a_daemon_asks_for_the_delegation_and_never_makes_it(served):
    """
    Nothing is asked of the service for an account without code; once its owner has delegated, the
    daemon goes on by itself, and every payment comes from the owner's address.
    """
    house, url = served
    daemon = house.start("up")
    (asked,) = wait_for(lambda: told(house, "grant.alert"), what="the alert")
    before = rpc(url, "eth_getCode", OWNER, "latest"), house.json("grants", "list")

    answer = delegate(house)
    wait_for(
        lambda: (
            {row["schedule"] for row in house.json("runs", "list") if row["state"] == "success"}
            == {"demo/alice", "demo/bob"}
        ),
        what="payments",
    )
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=70) == 0, house.logs()

    assert (asked["alert"], asked["level"]) == ("OwnerActionNeeded", "critical")
    assert asked["hint"] == "runner grants request demo/pocket --delegate"
    assert before == ("0x", [])
    assert answer.returncode == 0, answer.stderr
    assert rpc(url, "eth_getCode", OWNER, "latest").lower() == CODE
    assert [one["alert"] for one in told(house, "grant.alert_over")] == ["OwnerActionNeeded"]
    operations = rpc(url, "sandbox_getOps")
    assert {one["sender"] for one in operations} == {OWNER}
    assert [one["calls"] for one in operations if one["entityId"] == 0] == [[]]  # the carrier
    assert reconcile(house, url)["open"] == 0


def test_g9_a_delegation_is_made_once_however_often_it_is_asked_for(served):
    """
    The second time nothing is signed or sent.
    """
    house, url = served

    first, second = delegate(house), delegate(house)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "already" not in first.stderr
    assert "already" in second.stderr
    assert len(rpc(url, "sandbox_getOps")) == 1
    assert int(rpc(url, "eth_getTransactionCount", OWNER, "latest"), 16) == 1


def test_x15_an_eoa_is_killed_renewed_and_revoked_like_any_account(served):
    """
    kill -9 between payments, a renewal, and an uninstall that is proved clean.
    """
    house, url = served
    assert delegate(house).returncode == 0
    daemon = house.start("up")
    wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 4, what="payments")
    kill(daemon)
    house.start("up")
    wait_for(
        lambda: (
            [g["generation"] for g in house.json("grants", "list") if g["state"] == "active"] == [2]
        ),
        seconds=90,
        what="a renewal",
    )

    answer = house.run("grants", "revoke", "demo/pocket", "--reason", "a laptop is lost", "--json")
    daemon = house.processes[-1]
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=70) == 0, house.logs()

    assert answer.returncode == 0, answer.stdout + answer.stderr
    gone = json.loads(answer.stdout)["grants"]
    assert {grant["state"] for grant in gone} == {"revoked"}
    assert {grant["detail"] for grant in gone} == {None}  # proved clean
    assert {one["sender"] for one in rpc(url, "sandbox_getOps")} == {OWNER}
    assert reconcile(house, url)["open"] == 0


def test_g9_a_lying_service_gets_no_signature_of_the_owner(served):
    """
    A delegation to other code is refused, and nothing is sent.
    """
    house, url = served
    tamper = {"path": "data.0.data.address", "value": USDC, "method": "wallet_prepareCalls"}
    rpc(url, "sandbox_setFault", {"kind": "tamper", **tamper})

    answer = delegate(house)

    assert answer.returncode == 4, answer.stderr
    assert "refused to sign the delegation" in answer.stderr
    assert rpc(url, "eth_getCode", OWNER, "latest") == "0x"


def test_g1_a_smart_account_has_nothing_to_delegate(tmp_path):
    """
    The command says so.
    """
    with served_house(tmp_path) as (house, url):
        answer = delegate(house)

        assert answer.returncode == 2
        assert "smart account" in answer.stderr
        assert rpc(url, "sandbox_getOps") == []


def test_o8_while_everything_is_stopped_no_owner_signs_a_delegation(served):
    """
    It is refused, and done after the stop.
    """
    house, url = served
    daemon = house.start("up")
    wait_for(lambda: told(house, "grant.alert"), what="the alert")
    assert house.run("stop", "--reason", "look into it").returncode == 0

    refused = delegate(house)
    assert house.run("resume", "--reason", "all is well").returncode == 0
    done = delegate(house)
    daemon.terminate()
    assert daemon.wait(timeout=70) == 0, house.logs()

    assert refused.returncode == 2, refused.stderr
    assert "look into it" in refused.stderr
    assert done.returncode == 0, done.stderr
    assert len([op for op in rpc(url, "sandbox_getOps") if op["entityId"] == 0]) == 1
