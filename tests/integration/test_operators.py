"""Operators at work beside the real daemon, over the sandbox's HTTP; each verb as a command."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from support.house import (
    POLICY,
    balance,
    reconcile,
    rpc,
    served_house,
    wait_for,
)

pytestmark = pytest.mark.timeout(180)

USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
ALICE = "0x00000000000000000000000000000000000A11cE"
WHY = ("--reason", "because")
POLICY = (
    POLICY.partition("sessions:")[0]
    + """\
sessions:
  pocket:
    account: treasury
    lifetime: 10m
    permissions:
      - erc20-token-transfer: 20 usdc
      - native-token-transfer: 2 native
      - gas-limit: 0 native
      - contract-access: bob
schedules:
  yearly:
    session: pocket
    cron: "0 9 1 1 *"
    timezone: Europe/Berlin
    pay: {alice: 1 usdc}
    run_deadline: 5s
  often: {session: pocket, every: 2s, pay: {bob: 0.001 native}}
"""
)


@pytest.fixture
def served(tmp_path):
    """A house with its sandbox as a process of its own."""
    with served_house(tmp_path, policy=POLICY) as opened:
        yield opened


def paid(url):
    return [op for op in rpc(url, "sandbox_getOps") if op["calls"]]


def row(house, identity):
    return house.json("runs", "show", identity)


def closed(house, identity):
    """The newest attempt, once it is closed."""
    found = row(house, identity)
    return found if found["state"] in {"success", "not_included", "skipped", "missed"} else None


def done(answer):
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def test_x20_o4_o6_slots_are_paid_now_once_more_and_not_at_all(served):
    """
    `run --for` pays a slot that is years away, once; `--extra` one more, once for each key; a slot
    that was skipped beforehand is not paid when its time comes.
    """
    house, url = served
    daemon = house.start("up", "--for", "60s")
    wait_for(lambda: paid(url), what="payments")

    far = done(
        house.run("schedules", "run", "demo/yearly", "--for", "2031-01-01T09:00", *WHY, "--json")
    )
    wait_for(lambda: closed(house, far["runs"][0]), what="the payment")
    again = house.run("schedules", "run", "demo/yearly", "--for", "2031-01-01T08:00:00Z", *WHY)
    unasked = house.run("schedules", "run", "demo/yearly", "--extra", *WHY)
    extra = ("schedules", "run", "demo/yearly", "--extra", "--key", "bonus", *WHY, "--yes")
    bonus = done(house.run(*extra, "--json"))
    wait_for(lambda: closed(house, bonus["runs"][0]), what="the bonus")
    twice = house.run(*extra)
    slot = (datetime.now(UTC) + timedelta(seconds=12)).replace(microsecond=0)
    often = [o for o in house.json("next", "--count", "9") if o["schedule"] == "demo/often"]
    skipped = done(house.run("schedules", "skip", "demo/often", "--next", *WHY, "--json"))
    nobody = house.run("schedules", "skip", "demo/often", "--slot", "2020-01-01T09:00", *WHY)
    name = f"demo/often@{skipped['slot']}"
    wait_for(lambda: datetime.now(UTC) > slot, what="its time")
    daemon.terminate()
    assert daemon.wait(timeout=60) == 0, house.logs()

    assert (again.returncode, twice.returncode, nobody.returncode) == (1, 1, 1)
    assert far["runs"][0] in again.stderr
    assert bonus["runs"][0] in twice.stderr
    assert unasked.returncode == 2
    assert "1 usdc" in unasked.stderr
    assert row(house, far["runs"][0])["state"] == "success"
    assert balance(url, USDC, ALICE) == 2_000_000
    assert often
    assert (row(house, name)["state"], row(house, name)["reason"]) == ("skipped", "operator")
    reconcile(house, url)


def test_o8_a_stop_holds_within_a_second_and_resume_tells_what_it_cost(served):
    """
    Nothing is included that was not signed before; what was skipped is listed with its amount and
    the command that pays it, and that command pays it, without repeating anything.
    """
    house, url = served
    daemon = house.start("up", "--for", "80s")
    wait_for(lambda: len(paid(url)) > 2, what="payments")

    stopped = house.run("stop", *WHY)
    time.sleep(3)  # what was sent in the last moment may still be included
    before = len(paid(url))
    time.sleep(5)
    after = len(paid(url))
    begun = datetime.now(UTC) - timedelta(minutes=1)
    resumed = house.run("resume", *WHY)
    wait_for(lambda: len(paid(url)) > after, seconds=10, what="payments again")
    until = datetime.now(UTC)
    window = ("--from", begun.isoformat(), "--to", until.isoformat())
    filled = done(
        house.run("schedules", "backfill", "demo/often", *window, *WHY, "--yes", "--json")
    )
    wait_for(lambda: all(closed(house, one) for one in filled["runs"]), what="the backfill")
    daemon.terminate()
    assert daemon.wait(timeout=60) == 0, house.logs()

    states = {row(house, one)["state"] for one in filled["runs"]}
    assert stopped.returncode == 0
    assert before == after
    assert "skipped" in resumed.stderr
    assert "native" in resumed.stderr
    assert "runner schedules backfill demo/often --from" in resumed.stderr
    assert len(filled["runs"]) >= 2
    assert states == {"success"}
    reconcile(house, url)


def test_x4_o7_cancel_burns_what_is_signed_and_a_retry_pays_what_the_guard_held(served):
    """
    A signed run that nobody includes is burned on its fence; a run that the guard held is paid by
    `runs retry`, while its schedule is still paused.
    """
    house, url = served
    daemon = house.start("up", "--for", "90s")
    wait_for(lambda: paid(url), what="payments")
    house.run("schedules", "pause", "demo/often", *WHY)

    rpc(
        url,
        "sandbox_setFault",
        {
            "kind": "tamper",
            "method": "wallet_prepareCalls",
            "path": "data.maxFeePerGas",
            "value": "0xffffffffffffff",
        },
    )
    held = done(
        house.run("schedules", "run", "demo/yearly", "--for", "2031-01-01T09:00", *WHY, "--json")
    )
    wait_for(lambda: row(house, held["runs"][0])["reason"] == "guard", what="the guard")
    rpc(url, "sandbox_clearFaults", {})
    retried = house.run("runs", "retry", held["runs"][0], *WHY)
    released = wait_for(lambda: closed(house, held["runs"][0]), what="the payment")

    rpc(url, "sandbox_setFault", {"kind": "never_include"})
    stuck = done(
        house.run("schedules", "run", "demo/yearly", "--for", "2032-01-01T09:00", *WHY, "--json")
    )
    wait_for(lambda: row(house, stuck["runs"][0])["state"] == "sent", what="the send")
    cancelled = house.run("runs", "cancel", stuck["runs"][0], *WHY)
    rpc(url, "sandbox_clearFaults", {})
    burned = wait_for(lambda: closed(house, stuck["runs"][0]), what="the burn")
    late = house.run("runs", "cancel", stuck["runs"][0], *WHY)
    daemon.terminate()
    assert daemon.wait(timeout=60) == 0, house.logs()

    assert (retried.returncode, cancelled.returncode, late.returncode) == (0, 0, 1)
    assert released["state"] == "success"
    assert burned["state"] in {"not_included", "success"}  # whichever is included decides
    assert "burn" in house.logs()
    reconcile(house, url)


def test_o10_without_a_daemon_the_command_acts_and_the_next_start_pays(served):
    """
    The claim is durable when the command returns; a wish of a daemon's absence is no wish for ever.
    """
    house, url = served
    daemon = house.start("up", "--for", "4s")
    assert daemon.wait(timeout=60) == 0, house.logs()

    made = house.run("schedules", "run", "demo/yearly", "--for", "2031-01-01T09:00", *WHY, "--json")
    identity = done(made)["runs"][0]
    waiting = row(house, identity)["state"]
    daemon = house.start("up", "--for", "6s")
    assert daemon.wait(timeout=60) == 0, house.logs()

    assert waiting == "claimed"
    assert row(house, identity)["state"] == "success"
    reconcile(house, url)
