"""Policies that change under the running daemon (X17, T10, X6)."""

import signal
import time
from datetime import datetime
from itertools import pairwise

import pytest
from support.house import (
    HOT_OWNER,
    POLICY,
    kill,
    reconcile,
    rpc,
    served_house,
    wait_for,
)

pytestmark = pytest.mark.timeout(180)

CAROL = "  carol: {session: pocket, every: 2s, pay: {carol: 0.5 usdc}}\n"
NO_BOB = POLICY.partition("  bob: {session")[0]


@pytest.fixture
def served(tmp_path):
    """A house whose wallet is a sandbox process of its own."""
    with served_house(tmp_path) as opened:
        yield opened


def edit(house, text):
    (house.folder / "policies" / "demo.yaml").write_text(text)


def told(house, event):
    return [one for one in house.events() if one["event"] == event]


def due(house, schedule):
    rows = house.json("runs", "list", "--limit", "10000")
    return sorted(datetime.fromisoformat(r["due_at"]) for r in rows if r["schedule"] == schedule)


def test_t10_x17_an_edit_is_in_force_at_once_and_unchanged_schedules_keep_their_slots(served):
    """
    Carol is added and bob taken out while alice is paid: each of her slots has its row, every two
    seconds, once; carol begins with a later slot; bob has no slot after he went.
    """
    house, url = served
    daemon = house.start("up")
    wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 3, what="payments")
    edit(house, POLICY + CAROL)
    wait_for(lambda: len(told(house, "policies.reloaded")) == 1, what="the first edit")
    time.sleep(5)
    edit(house, NO_BOB + CAROL)
    wait_for(lambda: len(told(house, "policies.reloaded")) == 2, what="the second edit")
    gone = datetime.fromisoformat(told(house, "policies.reloaded")[1]["at"])
    time.sleep(9)
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=70) == 0, house.logs()

    alice, carol = due(house, "demo/alice"), due(house, "demo/carol")
    assert {(after - before).total_seconds() for before, after in pairwise(alice)} == {2.0}
    assert carol
    assert carol[0] > datetime.fromisoformat(told(house, "policies.reloaded")[0]["at"])
    assert max(due(house, "demo/bob")) <= gone
    states = {row["schedule"]: row["state"] for row in house.json("schedules", "list")}
    assert states == {"demo/alice": "active", "demo/bob": "removed", "demo/carol": "active"}
    assert reconcile(house, url)["open"] == 0
    assert not told(house, "run.fault")


def test_a_bad_edit_changes_nothing_and_is_told(served):
    """
    The last good set pays on; the log names the fault; mended, it is in force. SIGHUP does the same
    as a changed file.
    """
    house, url = served
    daemon = house.start("up")
    wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 3, what="payments")
    edit(house, POLICY.replace("every: 2s", "every: soon"))
    refused = wait_for(lambda: told(house, "policies.refused"), what="the refusal")
    before = len(rpc(url, "sandbox_getOps"))
    time.sleep(4)
    after = len(rpc(url, "sandbox_getOps"))
    status = house.run("status")
    daemon.send_signal(signal.SIGHUP)
    wait_for(lambda: len(told(house, "policies.refused")) == 2, what="the second refusal")
    edit(house, POLICY + CAROL)
    wait_for(lambda: told(house, "policies.reloaded"), what="the good edit")
    wait_for(lambda: due(house, "demo/carol"), what="its first slot")
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=70) == 0, house.logs()

    assert "policies/demo.yaml:16:35" in refused[0]["findings"][0]
    assert refused[0]["level"] == "error"
    assert after > before + 1
    assert "cannot be read" in status.stdout
    assert reconcile(house, url)["open"] == 0


def test_a_file_that_is_written_again_as_it_was_changes_nothing(served):
    """
    Comments and order are no change: nothing is interrupted.
    """
    house, url = served
    daemon = house.start("up")
    wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 2, what="payments")
    edit(house, "# a remark\n" + POLICY)
    time.sleep(2)
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=70) == 0, house.logs()

    assert len(told(house, "daemon.ready")) == 1
    assert not told(house, "policies.reloaded")


def test_t10_a_session_that_left_the_policies_is_told_of_and_can_be_revoked(served):
    """
    Its key can sign until its end: a person is told, with the command that takes it off.
    """
    house, url = served
    daemon = house.start("up")
    wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 3, what="payments")
    edit(house, POLICY.replace("pocket", "purse"))
    (orphan, *_) = wait_for(lambda: told(house, "grant.orphaned"), what="the word")
    answer = house.run("grants", "revoke", "demo/pocket", "--reason", "renamed")
    wait_for(
        lambda: (
            {g["state"] for g in house.json("grants", "list") if g["session"] == "demo/pocket"}
            == {"revoked"}
        ),
        what="the proof",
    )
    paid = len(rpc(url, "sandbox_getOps"))
    wait_for(lambda: len(rpc(url, "sandbox_getOps")) > paid + 2, what="payments by the new one")
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=70) == 0, house.logs()

    assert (orphan["session"], orphan["level"]) == ("demo/pocket", "warning")
    assert answer.returncode == 0, answer.stderr
    assert not told(house, "run.orphaned")
    assert reconcile(house, url)["open"] == 0


def test_x19_play_money_does_not_become_real_money_by_an_edit(served):
    """
    Its ledger and its secret were made unasked: for real money a person makes them first.
    """
    house, url = served
    (house.folder / "owner.key").write_text("0x" + "11" * 32)
    (house.folder / "owner.key").chmod(0o600)
    (house.folder / "runner.yaml").write_text(
        "policies: policies/\n"
        "wallets:\n"
        f"  sandbox: {{url: '{url}'}}\n"
        "  real:\n"
        "    url: https://wallet.example/v2\n"
        "    api_key: {env: NO_SUCH_KEY}\n"
        "    gas_policies: {default: 00000000-0000-4000-8000-000000000002}\n"
        f"signers: {{treasury-owner: {{{HOT_OWNER}}}, real-owner: {{file: owner.key}}}}\n"
    )
    daemon = house.start("up")
    wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 3, what="payments")
    real = POLICY.replace("wallet: sandbox", "wallet: real")
    edit(house, real.replace("owner: treasury-owner", "owner: real-owner"))
    (refused, *_) = wait_for(lambda: told(house, "policies.refused"), what="the refusal")
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=70) == 0, house.logs()

    assert "play money" in refused["detail"]
    assert reconcile(house, url)["open"] == 0


RENAMED = (
    POLICY.replace("  pocket: {", "  purse: {previous_names: [pocket], ")
    .replace("session: pocket", "session: purse")
    .replace("  alice: {session", "  wages: {previous_names: [alice], session")
)


def test_t10_a_rename_keeps_slots_grants_and_pays_none_twice(served):
    """
    Under the running daemon: every two seconds one slot, before and after, under one name; no
    grant is asked for because of it; killed and started anew, the same; a plan of it is a move.
    """
    house, url = served
    daemon = house.start("up")
    wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 3, what="payments")
    (house.folder / "next").mkdir()
    (house.folder / "next" / "demo.yaml").write_text(RENAMED)
    plan = house.run("plan", "next")
    edit(house, RENAMED)
    wait_for(lambda: told(house, "policies.reloaded"), what="the rename")
    time.sleep(4)
    kill(daemon)
    daemon = house.start("up")
    wait_for(lambda: len(due(house, "demo/wages")) > 6, what="payments after it")
    before = len(house.json("grants", "list"))
    old = house.run("schedules", "skip", "demo/alice", "--next", "--reason", "a test")
    skipped = house.run("schedules", "skip", "demo/wages", "--next", "--reason", "a test")
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=70) == 0, house.logs()

    slots = due(house, "demo/wages")
    assert {(after - before).total_seconds() for before, after in pairwise(slots)} == {2.0}
    assert due(house, "demo/alice") == []
    grants = house.json("grants", "list")
    assert {one["session"] for one in grants} == {"demo/purse"}
    assert before <= 2
    assert "was demo/alice, and keeps its place" in plan.stdout
    assert "was demo/pocket, and keeps its grants" in plan.stdout
    assert (old.returncode, skipped.returncode) == (2, 0), skipped.stderr
    assert "is called demo/wages now" in old.stderr
    paid = [one for one in rpc(url, "sandbox_getOps") if one["calls"]]
    nonces = [int(one["nonce"], 16) >> 64 for one in paid]
    assert len(set(nonces)) == len(nonces)
    assert reconcile(house, url)["open"] == 0
    verified = house.run("db", "verify")
    assert verified.returncode == 0, verified.stdout
    events = house.events()
    since = next(i for i, one in enumerate(events) if one["event"] == "policies.reloaded")
    named = {one["schedule"] for one in events[since:] if one["event"] == "run.success"}
    assert named == {"demo/wages", "demo/bob"}


def steps(house):
    """Seconds between alice's slots."""
    alice = due(house, "demo/alice")
    return [(after - before).total_seconds() for before, after in pairwise(alice)]


def test_x17_slots_that_fell_due_before_an_edit_was_in_force_are_decided_by_the_old_trigger(served):
    """
    The daemon dies, slots fall due, the file is edited, it starts: each of alice's slots up to
    then has its row and is paid, those of bob, who is gone, are skipped(removed); then her new
    trigger holds.
    """
    house, url = served
    daemon = house.start("up")
    wait_for(lambda: len(rpc(url, "sandbox_getOps")) > 3, what="payments")
    kill(daemon)
    down = len(due(house, "demo/alice"))
    time.sleep(7)
    edit(house, NO_BOB.replace("every: 2s", "every: 3s"))
    daemon = house.start("up")
    wait_for(lambda: steps(house)[-2:] == [3.0, 3.0], what="slots of the new trigger")
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=70) == 0, house.logs()

    found = steps(house)
    change = found.index(next(step for step in found if step != 2.0))
    assert change >= down + 2  # the slots of the time when nobody looked are among them
    assert set(found[change + 1 :]) == {3.0}
    rows = house.json("runs", "list", "--limit", "10000")
    bob = [row for row in rows if row["schedule"] == "demo/bob"]
    skipped = [row for row in bob if row["reason"] == "removed"]
    assert len(skipped) >= 2
    assert {row["state"] for row in skipped} == {"skipped"}
    times = sorted(datetime.fromisoformat(row["due_at"]) for row in bob)
    assert {(after - before).total_seconds() for before, after in pairwise(times)} == {3.0}
    verified = house.run("db", "verify")
    assert verified.returncode == 0, verified.stdout
    assert reconcile(house, url)["open"] == 0
