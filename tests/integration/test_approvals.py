"""Approvals with the real daemon: nothing is signed before a person has said yes (B9, B10)."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from support.house import POLICY, House, balance, reconcile, sandbox_on, wait_for

pytestmark = pytest.mark.timeout(180)

USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
ALICE = "0x00000000000000000000000000000000000A11cE"
MOVED = "0x00000000000000000000000000000000000000fa"
WHY = ("--reason", "checked by phone")
HEAD = POLICY.partition("schedules:")[0].replace("45s", "10m")
SCHEDULES = """\
schedules:
  big:
    session: pocket
    at: {due}
    pay: {{alice: 100 usdc}}
    approve_above: 100 usdc
    approval_lead: 1h
  nobody-answers:
    session: pocket
    at: {due}
    pay: {{bob: 100 usdc}}
    approve_above: 50 usdc
    catch_up_window: 14s
    start_grace: 1s
  often: {{session: pocket, every: 3s, pay: {{carol: 1 usdc}}}}
"""


@pytest.fixture
def house(tmp_path):
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=12)
    opened = House(tmp_path, policy=HEAD + SCHEDULES.format(due=f"{due:%Y-%m-%dT%H:%M:%SZ}"))
    opened.due = due
    yield opened
    opened.stop()


def rows(house, schedule):
    return [row for row in house.json("runs", "list") if row["schedule"] == f"demo/{schedule}"]


def held(house, schedule, reason):
    return [
        row for row in rows(house, schedule) if (row["state"], row["reason"]) == ("held", reason)
    ]


def told(house, event):
    return [one for one in house.events() if one["event"] == event]


def asked(house):
    return told(house, "approval.asked")


def test_b9_asked_ahead_held_at_the_due_time_and_paid_once_approved(house):
    """
    The question comes before the payment is due; unanswered it is held, and another one, which
    nobody answers, is missed(approval) at the end of its window. Nothing else waits for them.
    """
    daemon = house.start("up", "--for", "70s")
    wait_for(lambda: len(asked(house)) == 2, what="the questions")
    before_due = datetime.now(UTC) < house.due
    (waiting,) = wait_for(lambda: held(house, "big", "approval"), what="the hold")
    unasked = house.run("runs", "approve", waiting["id"], *WHY)
    answer = house.run("runs", "approve", waiting["id"], *WHY, "--yes", "--json")
    wait_for(lambda: rows(house, "big")[0]["state"] == "success", what="the payment")
    wait_for(lambda: rows(house, "nobody-answers")[0]["state"] == "missed", what="its end")
    again = house.run("runs", "approve", waiting["id"], *WHY, "--yes")
    daemon.terminate()
    assert daemon.wait(timeout=60) == 0, house.logs()

    url = sandbox_on(house, ".runner/sandbox.json")
    (missed,) = rows(house, "nobody-answers")
    assert before_due
    assert unasked.returncode == 2
    assert "100 usdc" in unasked.stderr
    assert (answer.returncode, json.loads(answer.stdout)["runs"]) == (0, [waiting["id"]])
    assert (missed["state"], missed["reason"], missed["operations"]) == ("missed", "approval", [])
    assert again.returncode == 2
    assert balance(url, USDC, ALICE) == 100_000_000
    assert len([row for row in rows(house, "often") if row["state"] == "success"]) >= 3
    reconcile(house, url)


def test_b9_approved_ahead_it_is_paid_on_time(house):
    """
    The slot has no run yet: it is named by its schedule and time.
    """
    daemon = house.start("up", "--for", "70s")
    wait_for(lambda: len(asked(house)) == 2, what="the questions")
    slot = f"demo/big@{house.due:%Y-%m-%dT%H:%M:%SZ}"
    answer = house.run("runs", "approve", slot, *WHY, "--yes")
    wait_for(lambda: rows(house, "big"), what="its time")
    wait_for(lambda: rows(house, "big")[0]["state"] == "success", what="the payment")
    daemon.terminate()
    assert daemon.wait(timeout=60) == 0, house.logs()

    (paid,) = rows(house, "big")
    signed = datetime.fromisoformat(paid["operations"][0]["signed_at"])
    assert answer.returncode == 0
    assert signed < house.due + timedelta(seconds=6)


def test_b10_a_contact_that_moved_is_held_until_somebody_has_looked(tmp_path):
    """
    Without any key: an address that changed since it was last paid waits for a person.
    """
    policy = HEAD + "schedules:\n  a: {session: pocket, every: 3s, pay: {alice: 1 usdc}}\n"
    house = House(tmp_path, policy=policy)
    try:
        daemon = house.start("up", "--for", "60s")
        wait_for(lambda: told(house, "run.success"), what="a payment")
        daemon.terminate()
        assert daemon.wait(timeout=60) == 0, house.logs()
        moved = policy.replace("0x00000000000000000000000000000000000a11ce", MOVED)
        (house.folder / "policies" / "demo.yaml").write_text(moved)
        daemon = house.start("up", "--for", "60s")
        (waiting,) = wait_for(lambda: held(house, "a", "new_receiver"), what="the hold")
        show = house.run("runs", "show", waiting["id"])
        before = [row["intent"] for row in rows(house, "a") if row["state"] == "success"]
        house.run("runs", "approve", waiting["id"], *WHY, "--yes")
        wait_for(lambda: house.json("runs", "show", waiting["id"])["state"] == "success", what="it")
        daemon.terminate()
        assert daemon.wait(timeout=60) == 0, house.logs()

        url = sandbox_on(house, ".runner/sandbox.json")
        assert ALICE in show.stdout
        assert MOVED[2:] not in str(before)
        assert balance(url, USDC, MOVED) >= 1_000_000
        reconcile(house, url)
    finally:
        house.stop()


def test_b9_a_schedule_of_seconds_asks_for_a_few_slots_not_for_a_day_of_them(tmp_path):
    policy = HEAD + (
        "schedules:\n"
        "  dense: {session: pocket, every: 2s, pay: {alice: 2 usdc}, approve_above: 1 usdc}\n"
    )
    opened = House(tmp_path, policy=policy)
    try:
        daemon = opened.start("up", "--for", "8s")
        assert daemon.wait(timeout=60) == 0, opened.logs()

        assert 20 <= len(asked(opened)) <= 26
    finally:
        opened.stop()


def test_x9_a_trigger_that_was_moved_right_behind_a_payment_is_held(tmp_path):
    """
    The first slot of the new trigger follows the last payment within half a period: somebody has
    to say yes before the same thing is paid again.
    """
    base = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=8)
    text = "schedules:\n  a: {{session: pocket, every: 40s, anchor: {0}, pay: {{alice: 1 usdc}}}}\n"
    house = House(tmp_path, policy=HEAD + text.format(f"{base:%Y-%m-%dT%H:%M:%SZ}"))
    try:
        daemon = house.start("up", "--for", "60s")
        wait_for(lambda: told(house, "run.success"), what="a payment")
        daemon.terminate()
        assert daemon.wait(timeout=60) == 0, house.logs()
        moved = base + timedelta(seconds=18)
        (house.folder / "policies" / "demo.yaml").write_text(
            HEAD + text.format(f"{moved:%Y-%m-%dT%H:%M:%SZ}")
        )
        daemon = house.start("up", "--for", "60s")
        (waiting,) = wait_for(lambda: held(house, "a", "near_duplicate"), what="the hold")
        house.run("runs", "approve", waiting["id"], *WHY, "--yes")
        wait_for(lambda: rows(house, "a")[0]["state"] == "success", what="the payment")
        daemon.terminate()
        assert daemon.wait(timeout=60) == 0, house.logs()

        url = sandbox_on(house, ".runner/sandbox.json")
        assert balance(url, USDC, ALICE) == 2_000_000
        reconcile(house, url)
    finally:
        house.stop()
