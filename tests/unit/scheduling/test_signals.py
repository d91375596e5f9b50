"""Late signals: which breaches there are at one moment (M11, O2, X20)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.policy.parse import parse_policy
from runner.scheduling.cron import check_cron
from runner.scheduling.occurrence import Reason, Slot
from runner.scheduling.signals import Facts, OpenRun, Signal, breaches, long_pauses, watches

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
POLICY = """\
version: 1
name: p
chain: base-sepolia
wallet: sandbox
tokens: {usdc: {decimals: 6, address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e"}}
contacts: {alice: "0x00000000000000000000000000000000000a11ce"}
accounts: {treasury: {owner: o, gas: sponsor}}
sessions: {key: {account: treasury, lifetime: 45d}}
schedules:
  s:
    session: key
    every: 1d
    pay: {alice: 25 usdc}
    late_after: 15m
    max_runtime: 5m
    max_time_since_success: 32d
"""
SPEC = parse_policy(POLICY, "p.yaml", environment={}, check_cron=check_cron).schedules["s"]
QUIET = Facts(since=NOW - HOUR, paid_at=None, paused=False)


def run(due, claimed=None, reason=None):
    return OpenRun("0xab", "slot", NOW - due, NOW - (claimed or due), reason)


def told(facts, spec=SPEC, undecided=None):
    return [one.signal for one in breaches(spec, facts, undecided=undecided, now=NOW)]


@pytest.mark.parametrize(("age", "late"), [(14, False), (15, True), (99, True)])
def test_m11_an_open_payment_is_late_after_its_time(age, late):
    """
    Whatever it waits for; from the very second on.
    """
    spec = replace(SPEC, max_runtime=None)

    assert (told(replace(QUIET, open_runs=(run(age * MINUTE),)), spec) != []) is late


def test_m11_a_slot_that_nobody_decided_is_late_too():
    """
    A daemon without a head block claims nothing, and says so.
    """
    due = NOW - 16 * MINUTE
    slot = Slot("slot", due, due, "slot")

    assert told(QUIET, undecided=slot) == [Signal.LATE_AFTER]
    assert told(QUIET, undecided=replace(slot, fire_at=NOW + HOUR)) == []


@pytest.mark.parametrize(
    ("claimed", "reason", "long"),
    [(4, None, False), (5, None, True), (9, Reason.GRANT, True), (9, Reason.OVERLAP, False)],
)
def test_m11_a_run_that_stays_open_is_told_by_the_time_since_its_claim(claimed, reason, long):
    """
    One that waits in line has not begun.
    """
    facts = replace(QUIET, open_runs=(run(6 * MINUTE, claimed * MINUTE, reason),))

    assert told(facts) == ([Signal.MAX_RUNTIME] if long else [])


@pytest.mark.parametrize(
    ("applied", "paid", "silent"), [(31, None, False), (32, None, True), (99, 31, False)]
)
def test_m11_silence_counts_from_the_last_payment_or_from_the_beginning(applied, paid, silent):
    """
    A schedule that never paid is silent since it was applied.
    """
    day = timedelta(days=1)
    facts = Facts(NOW - applied * day, None if paid is None else NOW - paid * day, paused=False)

    assert told(facts) == ([Signal.MAX_TIME_SINCE_SUCCESS] if silent else [])


@given(st.integers(0, 10**6), st.booleans())
def test_o2_m11_what_is_paused_or_suspended_is_quiet(age, paused):
    """
    However late it is.
    """
    facts = Facts(NOW - timedelta(days=99), None, paused, (run(timedelta(seconds=age)),))

    assert told(facts, SPEC if paused else replace(SPEC, suspend=True)) == []


def test_m11_what_has_no_key_is_never_told():
    """
    Signals are asked for, one by one.
    """
    spec = replace(SPEC, late_after=None, max_runtime=None, max_time_since_success=None)
    facts = Facts(NOW - timedelta(days=999), None, paused=False, open_runs=(run(99 * HOUR),))

    assert (watches(SPEC), watches(spec)) == (True, False)
    assert told(facts, spec) == []


@pytest.mark.parametrize(
    ("hours", "until", "days"), [(23, None, []), (24, None, [1]), (71, None, [2]), (71, NOW, [])]
)
def test_x20_a_pause_without_an_end_is_told_after_a_day_and_daily(hours, until, days):
    """
    Each day is a breach of its own; one with an end never is.
    """
    found = list(long_pauses([("p/s", NOW - hours * HOUR, until, "audit")], now=NOW))

    assert [one.subject for one in found] == [f"day {day}" for day in days]
    assert all("audit" in one.detail for one in found)
