"""
Dates: listed ones, and days of the month that a rule finds.

Source: SEMANTICS T7.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise, takewhile
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.policy.model import Fold, Gap, LastBusinessDay, NearestWeekday, NthWeekday
from runner.scheduling import triggers, wallclock
from runner.scheduling.dates import WallDates, day_of
from runner.scheduling.occurrence import Reason, State
from runner.scheduling.triggers import count_within
from runner.scheduling.wallclock import most_within

NINE = time(9)
ALL = tuple(range(1, 13))
DECADES = range(1990, 2060)
FRIDAY_13TH = NthWeekday(5, 2, NINE, ALL)

times = st.builds(time, st.integers(0, 23), st.integers(0, 59), st.sampled_from([0, 30]))
months = st.sets(st.integers(1, 12), min_size=1).map(lambda found: tuple(sorted(found)))
rules = st.one_of(
    st.builds(LastBusinessDay, times, months),
    st.builds(NthWeekday, st.integers(0, 6), st.sampled_from([-1, 1, 2, 3, 4, 5]), times, months),
    st.builds(NearestWeekday, st.integers(1, 31), times, months),
)
walls = st.datetimes(datetime(2024, 1, 1), datetime(2032, 12, 31)).map(  # noqa: DTZ001
    lambda wall: wall.replace(microsecond=0)
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def days_of(year: int, month: int) -> list[date]:
    return [date(year, month, day + 1) for day in range(monthrange(year, month)[1])]


def naive(rule, year: int, month: int) -> date | None:
    """The rule as a person does it: look at every day of the month."""
    days = days_of(year, month)
    if month not in rule.months:
        return None
    working = [day for day in days if day.isoweekday() <= 5]
    match rule:
        case LastBusinessDay():
            return working[-1]
        case NthWeekday(weekday, nth):
            named = [day for day in days if day.isoweekday() % 7 == weekday]
            if nth == -1:
                return named[-1]
            return named[nth - 1] if nth <= len(named) else None
        case NearestWeekday(number):
            wanted = days[min(number, len(days)) - 1]
            return min(working, key=lambda day: abs(day - wanted))


# ── rules ─────────────────────────────────────────────────────────────────────────────────────


@given(rules)
@settings(max_examples=60, deadline=None)
def test_t7_a_rule_names_the_day_that_a_person_finds(rule):
    """
    Over seven decades, month by month.
    """
    for year in DECADES:
        for month in ALL:
            assert day_of(rule, year, month) == naive(rule, year, month)


@pytest.mark.parametrize(
    ("rule", "month", "day"),
    [
        (LastBusinessDay(NINE, ALL), "2026-01", 30),  # ends on a Saturday
        (LastBusinessDay(NINE, ALL), "2026-05", 29),  # ends on a Sunday
        (LastBusinessDay(NINE, ALL), "2026-04", 30),
        (LastBusinessDay(NINE, ALL), "2032-02", 27),  # a leap day on a Sunday
        (NthWeekday(1, 1, NINE, ALL), "2026-06", 1),  # Monday is 1, as in cron
        (NthWeekday(0, 1, NINE, ALL), "2026-11", 1),  # Sunday is 0
        (NthWeekday(6, 5, NINE, ALL), "2026-01", 31),
        (NthWeekday(5, 5, NINE, ALL), "2026-02", None),
        (NthWeekday(5, -1, NINE, ALL), "2026-02", 27),
        (NthWeekday(0, 5, NINE, ALL), "2032-02", 29),
        (NearestWeekday(1, NINE, ALL), "2026-08", 3),  # a Saturday: not back into July
        (NearestWeekday(1, NINE, ALL), "2026-11", 2),  # a Sunday
        (NearestWeekday(31, NINE, ALL), "2026-05", 29),  # a Sunday: not on into June
        (NearestWeekday(31, NINE, ALL), "2026-10", 30),  # a Saturday
        (NearestWeekday(31, NINE, ALL), "2026-02", 27),  # its last day, a Saturday
        (NearestWeekday(15, NINE, ALL), "2026-08", 14),  # a Saturday: the Friday before
        (NearestWeekday(16, NINE, ALL), "2026-08", 17),  # a Sunday: the Monday after
        (NearestWeekday(15, NINE, (3, 6)), "2026-08", None),
    ],
)
def test_t7_days_by_hand(rule, month, day):
    year, number = (int(part) for part in month.split("-"))

    found = day_of(rule, year, number)

    assert (found and found.day) == day


def test_t7_a_month_without_a_fifth_is_passed_over(dates):
    slots = islice(dates(NthWeekday(5, 5, NINE, ALL)).slots(utc("2026-01-01")), 4)

    assert [slot.text[:10] for slot in slots] == [
        "2026-01-30",
        "2026-05-29",
        "2026-07-31",
        "2026-10-30",
    ]


def test_t7_a_fifth_sunday_of_february_is_awaited_for_decades(dates):
    begun = perf_counter()
    slots = list(islice(dates(NthWeekday(0, 5, NINE, (2,))).slots(utc("2026-01-01")), 3))

    assert [slot.text[:10] for slot in slots] == ["2032-02-29", "2060-02-29", "2088-02-29"]
    assert perf_counter() - begun < 2


# ── sets of wall times ────────────────────────────────────────────────────────────────────────


@given(st.lists(walls, max_size=12, unique=True), st.lists(rules, max_size=4), walls)
@settings(max_examples=100, deadline=None)
def test_t7_the_union_has_each_wall_time_once_and_in_order(listed, ruled, start):
    every = WallDates(tuple(sorted(listed)), tuple(ruled))
    end = start + timedelta(days=900)
    expected = {wall for wall in listed if start <= wall < end} | {
        wall
        for rule in ruled
        for year in range(start.year, end.year + 1)
        for month in ALL
        if (day := naive(rule, year, month)) is not None
        if start <= (wall := datetime.combine(day, rule.time)) < end
    }

    found = list(takewhile(lambda wall: wall < end, every.walls(start)))

    assert found == sorted(expected)
    assert every.count(start, end) == len(expected)
    assert all(every.matches(wall) for wall in found)
    assert not every.matches(start.replace(microsecond=1))
    assert {wall.hour * 3600 + wall.minute * 60 + wall.second for wall in found} <= set(
        every.seconds_of_day()
    )


def test_t7_a_date_that_is_listed_and_ruled_is_one_slot(dates):
    slots = dates("2026-03-13T09:00", FRIDAY_13TH, end_at=utc("2026-04-01")).slots(
        utc("2026-03-01")
    )

    assert [slot.text for slot in slots] == ["2026-03-13T09:00:00#0"]


def test_t7_listed_dates_end(dates):
    table = dates("2026-12-24T09:00", "2027-06-30T17:00", zone="Europe/Berlin")

    slots = list(table.slots(utc("2020-01-01")))

    assert [slot.local for slot in slots] == [
        "2026-12-24T09:00:00+01:00",
        "2027-06-30T17:00:00+02:00",
    ]
    assert table.next_after(slots[-1].due_at) is None
    assert table.latest(utc("2020-01-01"), utc("2031-01-01")) == slots[-1]
    assert table.count(utc("2020-01-01"), utc("2031-01-01")) == 2
    assert table.count(slots[0].due_at, utc("2031-01-01")) == 1


def test_t7_ten_years_of_month_ends(dates):
    table = dates(LastBusinessDay(time(17), ALL), zone="America/New_York")

    slots = list(
        takewhile(lambda slot: slot.due_at < utc("2036-01-01"), table.slots(utc("2026-01-01")))
    )

    assert len(slots) == len({slot.text[:7] for slot in slots}) == 120
    assert {slot.local[10:19] for slot in slots} == {"T17:00:00"}
    assert all(slot.due_at - slot.due_at.replace(day=1) > timedelta(days=24) for slot in slots)


def test_t9_bounds_cut_dates_like_all_others(dates):
    table = dates(
        NearestWeekday(15, NINE, ALL), start_at=utc("2026-03-16T09:00"), end_at=utc("2026-05-15")
    )

    assert [slot.text[:10] for slot in table.slots(utc("2020-01-01"))] == [
        "2026-03-16",
        "2026-04-15",
    ]


# ── changes of clocks ─────────────────────────────────────────────────────────────────────────

LAST_SUNDAY = NthWeekday(0, -1, time(2, 30), (3, 10))


@pytest.mark.parametrize(
    ("gap", "local_time", "verdict", "closes_as"),
    [
        (Gap.SHIFT, "2026-03-29T03:30:00+02:00", None, None),
        (Gap.SKIP, "2026-03-29T03:30:00+02:00", Reason.DST_GAP, State.SKIPPED),
        (Gap.FAIL, "2026-03-29T03:30:00+02:00", Reason.DST_GAP, State.MISSED),
    ],
)
@pytest.mark.parametrize("time_of", ["2026-03-29T02:30", LAST_SUNDAY])
def test_t2_a_date_in_the_gap(*, dates, time_of, gap, local_time, verdict, closes_as):
    table = dates(time_of, zone="Europe/Berlin", gap=gap)

    slot = table.next_after(utc("2026-03-01"))

    assert (slot.text, slot.local) == ("2026-03-29T02:30:00#0", local_time)
    assert (slot.verdict, slot.closes_as) == (verdict, closes_as)


def test_t2_a_date_of_the_gap_that_meets_a_listed_one_is_merged(dates):
    table = dates("2026-03-29T03:30", LAST_SUNDAY, zone="Europe/Berlin", end_at=utc("2026-04-01"))

    slots = list(table.slots(utc("2026-03-01")))

    assert [(slot.text, slot.verdict) for slot in slots] == [
        ("2026-03-29T02:30:00#0", Reason.DST_MERGED),
        ("2026-03-29T03:30:00#0", None),
    ]


@pytest.mark.parametrize(
    ("fold", "expected"),
    [
        (Fold.FIRST, [("#0", "+02:00")]),
        (Fold.LAST, [("#0", "+01:00")]),
        (Fold.BOTH, [("#0", "+02:00"), ("#1", "+01:00")]),
    ],
)
@pytest.mark.parametrize("time_of", ["2026-10-25T02:30", LAST_SUNDAY])
def test_t3_a_date_in_the_fold(dates, time_of, fold, expected):
    table = dates(time_of, zone="Europe/Berlin", fold=fold, end_at=utc("2026-11-01"))

    slots = list(table.slots(utc("2026-10-01")))

    assert [(slot.text[19:], slot.local[-6:]) for slot in slots] == expected


def test_t2_the_day_that_samoa_left_out(dates):
    (slot,) = dates("2011-12-30T09:00", zone="Pacific/Apia").slots(utc("2011-01-01"))

    assert (slot.text, slot.local) == ("2011-12-30T09:00:00#0", "2011-12-31T09:00:00+14:00")


# ── density ───────────────────────────────────────────────────────────────────────────────────


@given(
    listed=st.lists(walls, min_size=1, max_size=40, unique=True),
    ruled=st.lists(rules, max_size=3),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
    fold=st.sampled_from(Fold),
    jitter=st.sampled_from([0, 600]),
    hours=st.one_of(st.integers(1, 80), st.integers(80, 1500)),
    few=st.sampled_from([0, 5, 10_000]),
)
@settings(max_examples=60, deadline=None)
def test_r25_no_window_holds_more_than_is_counted(
    *, dates, listed, ruled, zone, fold, jitter, hours, few
):
    """
    Exact while the dates are few; where they were too many to list, a bound from above.
    """
    texts = [wall.isoformat() for wall in listed]
    table = dates(*texts, *ruled, zone=zone, fold=fold, jitter=timedelta(seconds=jitter))
    begin = min(listed).replace(tzinfo=UTC) - timedelta(days=1)
    horizon, window = timedelta(days=60), timedelta(hours=hours)
    end = begin + max(horizon, window)
    slots = takewhile(lambda slot: slot.due_at <= end, table.slots(begin - timedelta(seconds=1)))
    fired = [int(slot.fire_at.timestamp()) for slot in slots if slot.verdict is None]
    exact = most_within(fired, window)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(triggers, "EXACT_UP_TO", few)
        patch.setattr(wallclock, "EXACT_UP_TO", few)
        bound = count_within(table, window, horizon, begin)

    assert bound >= exact
    if few == 10_000:
        assert bound == exact


def test_r25_fifty_thousand_dates_are_counted_quickly(dates):
    first = local("2026-01-01T00:00")
    texts = [(first + timedelta(minutes=11 * n)).isoformat() for n in range(50_000)]
    table = dates(*texts, zone="Europe/Berlin")
    begun = perf_counter()

    counted = count_within(table, timedelta(days=45), timedelta(days=400), utc("2026-01-01"))

    assert perf_counter() - begun < 5
    assert 45 * 1440 // 11 <= counted <= 45 * 1440 // 11 + 14
    assert all(
        b.due_at > a.due_at for a, b in pairwise(islice(table.slots(utc("2026-10-24")), 400))
    )
