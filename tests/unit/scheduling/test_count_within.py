"""
How many slots a window can hold: what allowances are made of.

Source: SEMANTICS R25.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.policy.model import Fold
from runner.scheduling import triggers, wallclock
from runner.scheduling.triggers import count_within
from runner.scheduling.wallclock import most_within

START = datetime(2026, 1, 1, tzinfo=UTC)
HORIZON = timedelta(days=400)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("expression", "days", "most"),
    [
        ("0 9 1 * *", 48, 2),
        ("0 9 1 * *", 27, 1),
        ("0 9 1 * *", 59, 3),
        ("0 9 1 * *", 58, 2),
        ("0 9 * * 1", 48, 7),
        ("0 9 * * *", 45.5, 46),
        ("0 9 L * *", 31, 2),
        ("0 9 29 2 *", 400, 0),
    ],
)
def test_r25_slots_in_the_worst_window(cron, expression, days, most):
    assert count_within(cron(expression), days * DAY, HORIZON, START) == most


def test_r25_the_window_is_closed(cron, every):
    """
    A grant still pays in the second of its expiry, so both ends may hold a slot.
    """
    assert count_within(cron("0 9 * * *"), DAY, HORIZON, START) == 2
    assert count_within(every(86_400, "2026-01-01"), DAY, HORIZON, START) == 2
    assert count_within(every(86_400, "2026-01-01"), DAY - MINUTE, HORIZON, START) == 1


def test_r25_single_instants_and_ended_schedules_are_counted_as_often_as_they_come(at, every):
    ended = every(60, "2026-01-01", end_at=START + 4 * MINUTE)
    past = every(60, "2025-01-01", end_at=START - MINUTE)

    assert count_within(at(START + DAY), 45 * DAY, HORIZON, START) == 1
    assert count_within(at(START), 45 * DAY, HORIZON, START) == 1
    assert count_within(at(START - DAY), 45 * DAY, HORIZON, START) == 0
    assert count_within(ended, 45 * DAY, HORIZON, START) == 5
    assert count_within(past, 45 * DAY, HORIZON, START) == 0


def test_r25_a_lifetime_beyond_the_horizon_widens_it(every):
    assert count_within(every(86_400, "2026-01-01"), 500 * DAY, HORIZON, START) == 501


def test_r25_jitter_brings_slots_closer_together(every):
    table = every(3600, "2026-01-01", jitter=HOUR)

    assert count_within(table, HOUR - MINUTE, HORIZON, START) == 2


def test_r25_known_delays_are_counted_one_by_one(every):
    """
    The bound allows for all of the jitter; what the slots really do is less.
    """
    table = every(9 * 86_400, "2026-01-01", jitter=5 * DAY)
    slots = takewhile(lambda s: s.due_at <= START + HORIZON, table.slots(START - MINUTE))
    fired = [int(slot.fire_at.timestamp()) for slot in slots]
    counts = {
        days: (
            count_within(table, days * DAY, HORIZON, START, settled=True),
            count_within(table, days * DAY, HORIZON, START),
        )
        for days in range(1, 120)
    }

    assert all(most_within(fired, days * DAY) == exact for days, (exact, _) in counts.items())
    assert all(exact <= bound <= exact + 1 for exact, bound in counts.values())
    assert any(exact < bound for exact, bound in counts.values())


def test_r25_a_short_window_over_each_minute_is_exact(cron):
    for zone in ("UTC", "Europe/Berlin"):
        table = cron("* * * * *", zone)
        assert count_within(table, 11 * MINUTE, HORIZON, START) == 12
        assert count_within(table, DAY, HORIZON, START) == 1441


def test_r25_a_fold_is_counted_twice_where_the_schedule_does_so(cron):
    table = cron("*/2 2 * * *", "Europe/Berlin")
    both = cron("0-59/2 2 * * *", "Europe/Berlin", fold=Fold.BOTH)
    first = cron("0-59/2 2 * * *", "Europe/Berlin", fold=Fold.FIRST)

    assert count_within(table, 3 * HOUR, HORIZON, START) == 60
    assert count_within(both, 3 * HOUR, HORIZON, START) == 60
    assert count_within(first, 3 * HOUR, HORIZON, START) == 30


def test_r25_a_long_window_over_each_minute_is_over_by_an_hour_at_most(cron):
    table = cron("* * * * *", "Europe/Berlin")

    counted = count_within(table, 45 * DAY, HORIZON, START)

    assert 45 * 1440 + 1 <= counted <= 45 * 1440 + 61


def test_r25_weekends_are_left_out_of_long_windows(cron):
    table = cron("*/5 9-17 * * 1-5", "Europe/Berlin")

    counted = count_within(table, 28 * DAY, HORIZON, START)

    assert 20 * 108 <= counted <= 20 * 108 + 24


@pytest.mark.parametrize("expression", ["* * * * *", "* * * * * *", "*/10 * 9-17 * * 1-5"])
@pytest.mark.parametrize("days", [0.01, 1, 45])
def test_r25_even_the_densest_is_counted_quickly(cron, expression, days):
    begun = perf_counter()

    assert count_within(cron(expression, "Europe/Berlin"), days * DAY, HORIZON, START) > 0

    assert perf_counter() - begun < 2


@given(
    expression=st.sampled_from(
        ["0 9 1 * *", "*/20 * * * *", "0-59/15 1-4 * * 0,6", "30 2,3 * * *", "5 */3 1-7 * *"]
    ),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
    fold=st.sampled_from(Fold),
    jitter=st.sampled_from([0, 600]),
    hours=st.one_of(st.integers(1, 80), st.integers(80, 1000)),
    few=st.sampled_from([0, 40, 10_000]),
)
@settings(max_examples=60, deadline=None)
def test_r25_is_never_less_than_what_a_window_holds(
    *, cron, expression, zone, fold, jitter, hours, few
):
    """
    However few slots may be counted one by one, the bound stays a bound, and near.
    """
    table = cron(expression, zone, fold=fold, jitter=timedelta(seconds=jitter))
    begin, horizon, window = START + 70 * DAY, 25 * DAY, hours * HOUR
    end = begin + max(horizon, window)
    slots = takewhile(lambda s: s.due_at <= end, table.slots(begin - MINUTE / 60))
    fired = [int(slot.fire_at.timestamp()) for slot in slots if slot.verdict is None]
    exact = most_within(fired, window)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(triggers, "EXACT_UP_TO", few)
        patch.setattr(wallclock, "EXACT_UP_TO", few)
        bound = count_within(table, window, horizon, begin)

    assert bound >= exact
    if few == 10_000:
        assert bound == exact
