"""A session that moves to another account while a payment of it is under way (X6, O9)."""

import json

import pytest
from support.house import POLICY, kill, reconcile, rpc, served_house, wait_for

pytestmark = pytest.mark.timeout(180)

LONG = POLICY.replace("lifetime: 45s", "lifetime: 1h").replace(
    "every: 2s, pay", "every: 2s, run_deadline: 10m, pay"
)
MOVED = LONG.replace("gas: sponsor}", "gas: sponsor, salt: 1}")
BOTH = MOVED.replace(
    "sessions:\n",
    "  old: {owner: treasury-owner, gas: sponsor}\nsessions:\n"
    "  rest: {account: old, lifetime: 1h}\n",
).replace(
    "schedules:\n",
    "schedules:\n  yearly: {session: rest, every: 52w, pay: {carol: 1 usdc}}\n",
)


@pytest.fixture
def served(tmp_path):
    with served_house(tmp_path, policy=LONG) as opened:
        yield opened


def put(house, policy):
    (house.folder / "policies" / "demo.yaml").write_text(policy)


def told(house, event):
    return [one for one in house.events() if one["event"] == event]


def senders(url):
    """Who sent payments, in order."""
    return [one["sender"] for one in rpc(url, "sandbox_getOps") if one["calls"]]


def state_of(house, run):
    return next(row["state"] for row in house.json("runs", "list") if row["id"] == run)


def signed_and_not_included(house, url):
    """The run of a payment that stands in no block, its daemon killed."""
    daemon = house.start("up")
    wait_for(lambda: len(senders(url)) > 1, what="payments")
    rpc(url, "sandbox_setFault", {"kind": "never_include"})
    before = len(rpc(url, "sandbox_getOps"))
    stuck = wait_for(
        lambda: [row for row in house.json("runs", "list") if row["state"] == "sent"],
        what="a payment that is sent",
    )
    kill(daemon)
    assert len(rpc(url, "sandbox_getOps")) >= before
    return stuck[0]["id"]


def test_x6_what_was_signed_before_a_move_is_finished_where_it_was_signed(served):
    """
    The payment of the old account is followed there, and the new account pays from its own grant;
    nothing of one is signed for the other.
    """
    house, url = served
    run = signed_and_not_included(house, url)
    put(house, BOTH)

    daemon = house.start("up")
    wait_for(lambda: len(set(senders(url))) > 0 and told(house, "grant.active"), what="grants")
    rpc(url, "sandbox_clearFaults", {})
    wait_for(lambda: state_of(house, run) in {"success", "not_included"}, seconds=60, what="it")
    wait_for(lambda: len(set(senders(url))) == 2, what="a payment of the new account")
    daemon.terminate()
    assert daemon.wait(timeout=70) == 0, house.logs()

    assert told(house, "run.orphaned") == []
    assert told(house, "run.fault") == []
    assert "refused to sign" not in house.logs()
    counts = reconcile(house, url)
    assert counts["open"] == 0


def test_x6_without_its_old_account_it_waits_and_a_person_is_told(served):
    """
    No other account stands in for it. When the account is back, it is finished.
    """
    house, url = served
    run = signed_and_not_included(house, url)
    put(house, MOVED)
    daemon = house.start("up")
    (first, *_) = wait_for(lambda: told(house, "run.orphaned"), what="a word about it")
    daemon.terminate()
    assert daemon.wait(timeout=70) == 0, house.logs()
    waiting = state_of(house, run)

    put(house, BOTH)
    rpc(url, "sandbox_clearFaults", {})
    daemon = house.start("up")
    wait_for(lambda: state_of(house, run) in {"success", "not_included"}, seconds=60, what="it")
    daemon.terminate()
    assert daemon.wait(timeout=70) == 0, house.logs()

    assert first["level"] == "critical"
    assert waiting == "sent"
    assert json.dumps(told(house, "run.fault")) == "[]"
    assert reconcile(house, url)["open"] == 0
