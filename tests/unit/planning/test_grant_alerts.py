"""What people are told about a grant, and when (SEMANTICS §2, alerts; R18, R22, R23)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from runner.planning.grant_alerts import (
    Alert,
    GrantSituation,
    grant_alerts,
    owner_action,
    owner_looks,
)

START = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
AT = GrantSituation(
    requested_at=START,
    expires_at=START + 45 * DAY,
    next_renewal_at=START + 30 * DAY,
    failures=0,
    covered=10,
    runs_left=9,
    coming=5,
)


def told(at, day):
    return {(one.alert, one.level) for one in grant_alerts(at, START + day * DAY)}


def test_renewal_overdue_after_a_tenth_of_the_life_or_three_failures():
    """
    Day 30 is the renewal, day 34.5 the tenth beyond it; failures count before that.
    """
    overdue = {(Alert.RENEWAL_OVERDUE, "warning")}

    assert told(AT, 34) == set()
    assert told(AT, 34.6) == overdue
    assert told(replace(AT, failures=2), 20) == set()
    assert told(replace(AT, failures=3), 20) == overdue


def test_grant_critical_when_overdue_and_little_is_left():
    """
    A fifth of the life, or fewer than two slots still covered; never before it is overdue.
    """
    critical = (Alert.GRANT_CRITICAL, "critical")

    assert critical not in told(replace(AT, covered=1), 29)
    assert critical in told(replace(AT, covered=1), 35)
    assert critical not in told(AT, 35.9)
    assert critical in told(AT, 36.1)


def test_allowance_low_when_fewer_than_two_runs_are_left_and_more_are_to_come():
    """
    What is not needed before the renewal is not missed.
    """
    low = {(Alert.ALLOWANCE_LOW, "warning")}

    assert told(replace(AT, runs_left=1), 10) == low
    assert told(replace(AT, runs_left=2), 10) == set()
    assert told(replace(AT, runs_left=1, coming=1), 10) == set()
    assert told(replace(AT, runs_left=None), 10) == set()


@given(st.floats(0, 30))
def test_never_on_days_left_alone(day):
    """
    As long as the renewal is not due and nothing has failed, nothing is said.
    """
    assert told(AT, day) == set()


@given(st.lists(st.floats(0, 2), min_size=2, max_size=9))
def test_r18_an_unanswered_request_only_grows_louder(shares):
    """
    At request, at half and at 80 % of the time that is left.
    """
    needed = START + 9 * DAY
    order = ["info", "warning", "critical"]
    levels = [
        order.index(owner_action(START, needed, START + share * 9 * DAY).level)
        for share in sorted(shares)
    ]
    half, late = owner_looks(START, needed)

    assert levels == sorted(levels)
    assert owner_action(START, needed, START).level == "info"
    assert owner_action(START, needed, half).level == "warning"
    assert owner_action(START, needed, late).level == "critical"
    assert "overdue" in owner_action(START, needed, needed).why
