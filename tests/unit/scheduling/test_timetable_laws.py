"""
Laws that hold for every timetable, above all where clocks are changed.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import islice, pairwise, takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.policy.model import (
    Cron,
    DatedBlackout,
    Fold,
    Gap,
    LastBusinessDay,
    NearestWeekday,
    NthWeekday,
    RecurringBlackout,
)
from runner.scheduling.cron import check_cron
from runner.scheduling.triggers import Timetable
from runner.scheduling.zones import instants, load_zone

SECOND = timedelta(seconds=1)
CHANGES = {
    "Europe/Berlin": ["2026-03-29T01:00", "2026-10-25T01:00"],
    "America/New_York": ["2026-03-08T07:00", "2026-11-01T06:00"],
    "Australia/Lord_Howe": ["2026-04-04T15:00", "2026-10-03T15:30"],
    "Africa/Casablanca": ["2026-02-15T02:00", "2026-03-22T02:00"],
    "Pacific/Apia": ["2011-12-30T10:00", "2011-09-24T14:00"],
    "America/St_Johns": ["2006-04-02T03:31", "2006-10-29T02:31"],
    "UTC": ["2026-06-30T23:59"],
}
EXPRESSIONS = [
    "0 9 1 * *",
    "30 2 * * *",
    "*/20 * * * *",
    "0,15,30,45 1,2,3 * * *",
    "10,35 0-23 * * *",
    "7 */2 * * *",
    "0 30 2 * * *",
    "0 0 * * SUN#1",
    "59 23 L * *",
]


ALL_MONTHS = tuple(range(1, 13))
RULES = [
    LastBusinessDay(time(2, 30), ALL_MONTHS),
    NthWeekday(0, -1, time(2, 10), ALL_MONTHS),
    NthWeekday(0, 2, time(2), ALL_MONTHS),
    NthWeekday(0, 5, time(1, 45, 30), ALL_MONTHS),
    NearestWeekday(31, time(0), (3, 10, 12)),
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@st.composite
def near_a_change(draw) -> tuple[str, datetime]:
    """
    A zone, and an instant some days around a change of its clocks.
    """
    zone = draw(st.sampled_from(sorted(CHANGES)))
    change = utc(draw(st.sampled_from(CHANGES[zone])))
    return zone, change + draw(st.integers(-3 * 86_400, 3 * 86_400)) * SECOND


def wall_times(zone: str, near: datetime) -> list[str]:
    """
    Times of the wall every 35 minutes of four days around an instant, those of no day among them.
    """
    middle = near.astimezone(load_zone(zone)).replace(tzinfo=None, second=0)
    steps = (middle + timedelta(minutes=35 * step) for step in range(-82, 83))
    return [wall.isoformat() for wall in steps]


@pytest.fixture(scope="session")
def table_of(cron, every, at, dates):
    def make(drawn: tuple) -> Timetable:
        kind, (zone, near), gap, fold, jitter, dark = drawn
        late = {"jitter": jitter * SECOND, "blackout": blackouts(dark, zone, near)}
        if kind == "every":
            return every(1013, applied=near - timedelta(days=1), **late)
        if kind == "at":
            return at(near + timedelta(hours=5), **late)
        if kind in {"dates", "rules"}:
            listed = wall_times(zone, near) if kind == "dates" else []
            return dates(*listed, *RULES, zone=zone, gap=gap, fold=fold, **late)
        return cron(kind, zone, gap=gap, fold=fold, **late)

    return make


timetables = st.tuples(
    st.sampled_from([*EXPRESSIONS, "every", "at", "dates", "rules"]),
    near_a_change(),
    st.sampled_from(Gap),
    st.sampled_from(Fold),
    st.sampled_from([0, 0, 45, 7200]),
    st.sampled_from(["", "", "defer", "skip", "both"]),
)


def blackouts(kind: str, zone: str, near: datetime) -> tuple:
    """
    A stretch around the change, and an hour and a half of each night in the zone.
    """
    nightly = Cron("45 1 * * *", zone, None, Gap.SHIFT, Fold.FIRST)
    lasts = timedelta(minutes=90)
    whole = near.replace(microsecond=0)
    dated = {"defer": "defer", "skip": "skip", "both": "skip"}.get(kind)
    night = {"defer": "defer", "skip": "skip", "both": "defer"}.get(kind)
    if dated is None or night is None:
        return ()
    return (
        DatedBlackout(whole - timedelta(hours=7), whole + timedelta(hours=4), dated),
        RecurringBlackout(nightly, lasts, night),
    )


def within(table: Timetable, after: datetime, until: datetime) -> list:
    return list(takewhile(lambda slot: slot.due_at <= until, table.slots(after)))


@given(timetables)
@settings(max_examples=150, deadline=None)
def test_firing_instants_strictly_increase_and_names_are_unique(table_of, drawn):
    table, near = table_of(drawn), drawn[1][1]

    slots = within(table, near - timedelta(days=4), near + timedelta(days=4))

    firing = [slot.fire_at for slot in slots if slot.verdict is None]
    assert all(one < other for one, other in pairwise(firing))
    assert all(a.due_at <= b.due_at and a.fire_at <= b.fire_at for a, b in pairwise(slots))
    assert len({slot.text for slot in slots}) == len(slots)


@given(timetables, st.lists(st.integers(0, 6 * 86_400_000_000), max_size=4))
@settings(max_examples=150, deadline=None)
def test_windows_laid_end_to_end_fire_like_one(table_of, drawn, cuts):
    table, near = table_of(drawn), drawn[1][1]
    start, end = near - timedelta(days=3), near + timedelta(days=3)
    edges = sorted([start, end, *(start + timedelta(microseconds=cut) for cut in cuts)])

    pieces = [slot for one, other in pairwise(edges) for slot in within(table, one, other)]

    assert pieces == within(table, start, end)
    counted = sum(table.count(one, other) for one, other in pairwise(edges))
    assert counted == sum(slot.verdict is None for slot in pieces)
    set_aside = [slot for one, other in pairwise(edges) for slot in table.exceptions(one, other)]
    assert set_aside == [slot for slot in pieces if slot.verdict is not None]


@given(timetables, st.integers(-2 * 86_400, 2 * 86_400))
@settings(max_examples=150, deadline=None)
def test_a_restart_at_any_instant_changes_nothing(table_of, drawn, seconds):
    table, near = table_of(drawn), drawn[1][1]
    restart, end = near + seconds * SECOND, near + timedelta(days=3)
    whole = within(table, near - timedelta(days=3), end)

    assert within(table, restart, end) == [slot for slot in whole if slot.due_at > restart]
    for count in (0, 1, 2, 5):
        assert table.first(restart, count) == tuple(islice(table.slots(restart), count))
    fired = [s for s in whole if s.verdict is None and s.due_at <= restart]
    expected = fired[-1] if fired else None
    assert table.latest(near - timedelta(days=3), restart) == expected


@given(near_a_change(), st.sampled_from(EXPRESSIONS), st.sampled_from(Gap), st.sampled_from(Fold))
@settings(max_examples=200, deadline=None)
def test_t2_t3_agree_with_looking_at_every_minute(cron, near, expression, gap, fold):
    """
    A fixed cron by its wall times one by one, an interval by every minute of elapsed time.
    """
    table = cron(expression, near[0], gap=gap, fold=fold)

    agrees_with_every_minute(table, check_cron(expression), near, gap, fold)


@given(near_a_change(), st.booleans(), st.sampled_from(Gap), st.sampled_from(Fold))
@settings(max_examples=100, deadline=None)
def test_t2_t7_dates_agree_with_their_wall_times_one_by_one(dates, near, ruled, gap, fold):
    """
    Listed dates and rules are fixed times: every change of clocks is met by them as by a cron.
    """
    times = RULES if ruled else wall_times(*near)
    table = dates(*times, zone=near[0], gap=gap, fold=fold)

    agrees_with_every_minute(table, table.source.times, near, gap, fold)


def agrees_with_every_minute(table, rule, near, gap, fold):
    zone, middle = near
    clock = load_zone(zone)
    middle = middle.replace(second=0)
    start, end = middle - timedelta(days=2), middle + timedelta(days=2)
    expected = set()
    for minute in range(4 * 1440):
        instant = start + timedelta(minutes=minute + 1)
        wall = instant.astimezone(clock)
        if rule.interval_like and rule.matches(wall):
            second = wall.fold and wall.replace(fold=0).astimezone(UTC) < instant
            expected.add((instant, wall.replace(tzinfo=None).isoformat() + f"#{int(second)}"))
    if not rule.interval_like:
        for wall in rule.walls((start - timedelta(days=2)).replace(tzinfo=None)):
            if wall > (end + timedelta(days=2)).replace(tzinfo=None):
                break
            firing = instants(wall, clock, gap=gap, fold=fold)
            for index, instant in enumerate(firing):
                back = instant.astimezone(clock).replace(tzinfo=None)
                regular = back == wall or not rule.matches(back)
                if start < instant <= end and regular:
                    expected.add((instant, f"{wall.isoformat()}#{index}"))

    slots = within(table, start, end)
    assert {(s.due_at, s.text) for s in slots if s.verdict is None} == expected


@pytest.mark.parametrize("fold", Fold)
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe"])
def test_t3_a_fold_is_seen_from_any_distance(cron, zone, fold):
    """
    Wherever the search begins, a month or more before the change, its wall times fire alike.
    """
    table = cron("5-59/10 0-23 * * *", zone, fold=fold)
    change = utc(CHANGES[zone][zone == "Europe/Berlin"])
    end = change + timedelta(days=1)
    nearby = within(table, end - timedelta(days=2), end)

    for minutes in range(0, 90, 7):
        start = change - timedelta(days=28, minutes=minutes)
        slots = within(table, start, end)
        assert slots[-len(nearby) :] == nearby


def test_a_timetable_can_be_remembered_by_its_value(cron, every):
    assert cron("0 9 1 * *", "Europe/Berlin") == cron("0 9 1 * *", "Europe/Berlin")
    assert len({cron("0 9 1 * *"), cron("0 9 1 * *"), every(60, "2026-01-01")}) == 2
