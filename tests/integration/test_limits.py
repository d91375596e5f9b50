"""Limits that hold over many runs, kept by the daemon on a chain that shows what was paid."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from support.house import POLICY, House, reconcile, sandbox_on

pytestmark = pytest.mark.timeout(180)

HEAD = POLICY.partition("schedules:")[0]


@pytest.fixture
def house(tmp_path):
    opened = House(tmp_path, policy=HEAD + SCHEDULES)
    yield opened
    opened.stop()


SCHEDULES = """\
schedules:
  vesting: {session: pocket, every: 2s, pay: {alice: 1 usdc}, until_total: 3.5 usdc}
  for-life: {session: pocket, every: 2s, pay: {bob: 1 usdc}, limits: {per_lifetime: [2 usdc]}}
  rolling: {session: pocket, every: 2s, pay: {carol: 1 usdc}, limits: {rolling: {6s: [1 usdc]}}}
"""


def paid(rows, name):
    mine = [row for row in reversed(rows) if row["schedule"] == f"demo/{name}"]
    due = [datetime.fromisoformat(row["due_at"]) for row in mine if row["state"] == "success"]
    return due, [(row["state"], row["reason"]) for row in mine if row["state"] != "success"]


def test_b2_t9_limits_hold_and_a_total_ends_its_schedule(house):
    """
    What is paid in all ends a schedule; a lifetime and a rolling window skip what exceeds them.
    """
    daemon = house.start("up", "--for", "18s")
    assert daemon.wait(timeout=90) == 0, house.logs()
    again = house.start("up", "--for", "6s")
    assert again.wait(timeout=90) == 0, house.logs()

    url = sandbox_on(house, ".runner/sandbox.json")
    assert reconcile(house, url)["open"] == 0
    rows = house.json("runs", "list")
    schedules = {row["schedule"]: row for row in house.json("schedules", "list")}
    (total,) = schedules["demo/vesting"]["until_total"]
    told = house.run("schedules", "list").stdout
    vesting, others = paid(rows, "vesting")
    for_life, skipped = paid(rows, "for-life")
    rolling, waited = paid(rows, "rolling")

    assert (len(vesting), others) == (3, [])
    assert schedules["demo/vesting"]["state"] == "completed"
    assert (total["spent"], total["reserved"]) == ("3000000", "0")
    assert "demo/vesting has paid 3 of 3.5 usdc" in told
    assert len(for_life) == 2
    assert set(skipped) == {("skipped", "budget")}
    assert schedules["demo/for-life"]["state"] == "active"
    assert len(rolling) >= 3
    assert all(after - before >= timedelta(seconds=6) for before, after in pairwise(rolling))
    assert ("skipped", "budget") in waited


def test_t9_next_stops_where_the_total_would_be_exceeded(house):
    """
    From the policies alone, as if nothing had been paid.
    """
    slots = [row["schedule"] for row in house.json("next", "--count", "50")]

    assert slots.count("demo/vesting") == 3
    assert slots.count("demo/for-life") > 20


def test_a_total_that_no_run_fits_is_refused(house):
    """
    It would end the schedule before it began.
    """
    policy = house.folder / "policies" / "demo.yaml"
    policy.write_text(policy.read_text().replace("until_total: 3.5", "until_total: 0.5"))

    answer = house.run("up", "--for", "3s")

    assert answer.returncode == 2
    assert "until_total" in answer.stderr
    assert "policies/demo.yaml:" in answer.stderr


def test_t9_when_all_its_schedules_are_completed_the_session_is_retired(house):
    """
    Its key is drained and not renewed; the status has nothing to complain of. A schedule whose
    last slot has passed is completed as well.
    """
    only = SCHEDULES.splitlines()[1] + "\n  once: {session: pocket, at: 2026-01-01T00:00Z, PAY}\n"
    once = only.replace("PAY", "pay: {bob: 1 usdc}")
    (house.folder / "policies" / "demo.yaml").write_text(HEAD + "schedules:\n" + once)
    daemon = house.start("up", "--for", "32s")
    assert daemon.wait(timeout=90) == 0, house.logs()

    schedules = {row["schedule"]: row["state"] for row in house.json("schedules", "list")}
    (grant,) = house.json("grants", "list")
    (session,) = house.json("status")["sessions"]

    assert schedules == {"demo/vesting": "completed", "demo/once": "completed"}
    assert (grant["generation"], grant["state"]) == (1, "draining")
    assert session["condition"] == "Over"
    assert len(house.json("report")["payments"]) == 3
