"""top_up and sweep with the real daemon: balances are read, amounts frozen (G10, X6)."""

import signal
import sqlite3

import pytest
from support.house import (
    POLICY,
    balance,
    kill,
    reconcile,
    rpc,
    served_house,
    wait_for,
)

pytestmark = pytest.mark.timeout(180)

USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
ALICE = "0x00000000000000000000000000000000000A11cE"
BOB = "0x0000000000000000000000000000000000000B0b"
COIN = 10**18
HEAD = POLICY.partition("schedules:")[0]
OWN_GAS = HEAD.replace("gas: sponsor", "gas: native, max_fee: 0.01 native")
LIMITS = "limits: {per_day: [5000000 usdc, 5000 native]}"
TOP_UP = f"""\
schedules:
  tank:
    session: pocket
    every: 2s
    {LIMITS}
    top_up: {{to: alice, below: 20 usdc, up_to: 50 usdc, max: 14 usdc, memo: tank}}
"""
SWEEP = f"""\
schedules:
  till:
    session: pocket
    every: 2s
    {LIMITS}
    sweep: {{token: native, keep: 7 native, to: bob, max: 1000 native}}
"""
BATCH = f"""\
schedules:
  both:
    session: pocket
    every: 2s
    {LIMITS}
    calls:
      - pay: {{bob: 3 usdc}}
      - top_up: {{to: alice, below: 20 usdc, up_to: 50 usdc, max: 40 usdc}}
"""


@pytest.fixture
def house(tmp_path):
    """A house whose sandbox stays when the daemon ends."""
    with served_house(tmp_path) as (opened, url):
        opened.url = url
        yield opened


def write(house, policy):
    (house.folder / "policies" / "demo.yaml").write_text(policy)


def finish(daemon, house):
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=90) == 0, house.logs()


def rows_of(house, state=None):
    rows = list(reversed(house.json("runs", "list")))
    return [row for row in rows if state in (None, row["state"])]


def paid_by(house, row):
    """What a run moved, as `runs show` has it."""
    return [int(line["amount"]) for line in house.json("runs", "show", row["id"])["transfers"]]


def test_g10_a_tank_is_filled_when_it_runs_low_and_else_left_alone(house):
    """
    What lacks is sent, at most the maximum; a balance that is not low closes the run at once, as
    skipped(nothing_to_do). Every page shows what was sent and not what might have been.
    """
    write(house, HEAD + TOP_UP)
    rpc(house.url, "sandbox_mint", {"token": USDC, "to": ALICE, "amount": hex(5_000_000)})
    daemon = house.start("up")
    wait_for(lambda: balance(house.url, USDC, ALICE) == 33_000_000, what="two payments")
    wait_for(lambda: len(rows_of(house)) >= 5, what="runs with nothing to do")
    finish(daemon, house)

    rows = rows_of(house)
    told = [(row["state"], row["reason"]) for row in rows if row["reason"] != "overlap"]
    (total,) = house.json("report")["totals"]
    paid = [row for row in rows if row["state"] == "success"]

    assert told[:2] == [("success", None)] * 2
    assert set(told[2:]) == {("skipped", "nothing_to_do")}
    assert [paid_by(house, row) for row in paid] == [[14_000_000], [14_000_000]]
    assert all(row["operations"] == [] for row in rows if row["state"] == "skipped")
    assert (total["to"], int(total["amount"]), total["count"]) == (ALICE, 28_000_000, 2)
    assert {line["memo"] for line in house.json("report")["payments"]} == {"tank"}
    assert "up to 14 usdc → alice" in house.run("next").stdout


def test_g10_three_runs_at_their_maximum_open_the_breaker(house):
    """
    A balance that never fills is not what the policy had in mind: a person is asked.
    """
    write(house, HEAD + TOP_UP.replace("below: 20 usdc", "below: 49 usdc"))
    daemon = house.start("up")
    critical = wait_for(
        lambda: [e for e in house.events() if e["event"] == "schedule.paused"],
        what="the breaker",
    )
    wait_for(lambda: ("skipped", "paused") in states(house), what="a slot that is skipped")
    finish(daemon, house)
    (schedule,) = house.json("schedules", "list")

    assert balance(house.url, USDC, ALICE) == 3 * 14_000_000
    assert critical[0]["level"] == "critical"
    assert "most" in schedule["paused_reason"]


def states(house):
    return {(row["state"], row["reason"]) for row in rows_of(house)}


def test_g10_a_till_of_the_coin_keeps_what_it_should_and_its_fees(house):
    """
    An account that pays its own gas is emptied down to the keep and what one operation may cost,
    never below; what comes in later is swept as well.
    """
    write(house, OWN_GAS + SWEEP)
    daemon = house.start("up")
    wait_for(lambda: balance(house.url, "native", BOB) > 0, what="a first sweep")
    wait_for(lambda: ("skipped", "nothing_to_do") in states(house), what="nothing to do")
    account = house.json("grants", "list")[0]["account"]
    left = balance(house.url, "native", account)
    rpc(house.url, "sandbox_fund", {"address": account, "amount": hex(5 * COIN)})
    wait_for(lambda: balance(house.url, "native", BOB) > 95 * COIN, what="a second sweep")
    finish(daemon, house)

    paid = [paid_by(house, row) for row in rows_of(house) if row["state"] == "success"]
    after = balance(house.url, "native", account)
    assert 7 * COIN <= left <= 7 * COIN + COIN // 100
    assert 7 * COIN <= after <= 7 * COIN + COIN // 100
    assert sum(sum(amounts) for amounts in paid) == balance(house.url, "native", BOB)
    reconcile(house, house.url)


def test_g10_a_computed_call_of_a_batch_is_left_out_where_it_needs_nothing(house):
    """
    The other calls are paid all the same.
    """
    write(house, HEAD + BATCH)
    daemon = house.start("up")
    wait_for(lambda: balance(house.url, USDC, BOB) >= 9_000_000, what="three payments")
    finish(daemon, house)

    paid = [row for row in rows_of(house) if row["state"] == "success"]
    assert [paid_by(house, row) for row in paid[:2]] == [[3_000_000, 40_000_000], [3_000_000]]
    assert {len(row["intent"]) for row in paid[1:]} == {1}
    assert balance(house.url, USDC, ALICE) == 40_000_000
    reconcile(house, house.url)


def test_x6_an_attempt_never_resolves_its_amounts_again(house):
    """
    Frozen, then killed before anything was signed: meanwhile the balance is filled by another, and
    the run sends what was frozen for it all the same. Its budgets hold that amount.
    """
    write(house, HEAD + TOP_UP.replace("every: 2s", "every: 6s"))
    daemon = house.start("up")
    wait_for(lambda: "grant.active" in house.logs(), what="a grant")
    rpc(house.url, "sandbox_setFault", {"kind": "error_503", "method": "wallet_prepareCalls"})
    (run,) = wait_for(lambda: frozen(house), what="a frozen run")
    kill(daemon)
    reserved = ledger(house, "SELECT DISTINCT amount FROM reservations WHERE run = ?", run)
    rpc(house.url, "sandbox_mint", {"token": USDC, "to": ALICE, "amount": hex(900_000_000)})
    rpc(house.url, "sandbox_clearFaults", {})
    daemon = house.start("up")
    wait_for(lambda: ("skipped", "nothing_to_do") in states(house), what="a later run")
    finish(daemon, house)

    (row,) = [row for row in rows_of(house) if row["id"] == run]
    assert reserved == [("14000000",)]
    assert row["state"] == "success"
    assert paid_by(house, row) == [14_000_000]
    assert balance(house.url, USDC, ALICE) == 914_000_000 + sum(
        sum(paid_by(house, other)) for other in rows_of(house, "success") if other["id"] != run
    )


def ledger(house, query, *values):
    path = house.folder / ".runner" / "ledger.db"
    with sqlite3.connect(path) as connection:
        return connection.execute(query, values).fetchall()


def frozen(house):
    found = ledger(
        house, "SELECT id FROM runs WHERE kind = 'payment' AND state = 'prepared' LIMIT 1"
    )
    return found[0] if found else None
