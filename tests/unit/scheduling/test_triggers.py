"""
Timetables slot by slot: names, order, bounds, jitter.

Source: SEMANTICS T1 to T9, X8.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile

import pytest

from runner.errors import EncodingError
from runner.policy.model import Fold, Gap
from runner.scheduling.cron import CronError
from runner.scheduling.occurrence import Reason, State

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
]
YEAR = timedelta(days=365)


def at_utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def between(table, after: str, until: str):
    end = at_utc(until)
    return list(takewhile(lambda slot: slot.due_at <= end, table.slots(at_utc(after))))


def texts(slots) -> list[str]:
    return [slot.text for slot in slots]


# ── the calendar ──────────────────────────────────────────────────────────────────────────────


def test_s1_a_calendar_slot_is_named_by_its_wall_time(cron):
    slot = cron("0 9 1 * *", "Europe/Berlin").next_after(at_utc("2026-11-15"))

    assert slot.text == "2026-12-01T09:00:00#0"
    assert slot.due_at == slot.fire_at == at_utc("2026-12-01T08:00")
    assert slot.local == "2026-12-01T09:00:00+01:00"
    assert slot.verdict is None


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("begin", [2005, 2016, 2026])
def test_t1_ten_years_of_monthly_salaries_are_120_slots(cron, zone, begin):
    table = cron("0 9 1 * *", zone)

    slots = between(table, f"{begin - 1}-12-15", f"{begin + 9}-12-15")

    assert len(slots) == 120
    assert len(set(texts(slots))) == 120
    assert {slot.local[8:19] for slot in slots} == {"01T09:00:00"}
    assert table.count(at_utc(f"{begin - 1}-12-15"), at_utc(f"{begin + 9}-12-15")) == 120


def test_t1_the_zone_decides_not_the_host(cron):
    instants = {z: cron("0 9 1 * *", z).next_after(at_utc("2026-06-15")).due_at for z in ZONES}

    assert len(set(instants.values())) == len(ZONES)


def test_t1_an_expression_that_cannot_be_computed_with_is_refused(cron):
    with pytest.raises(CronError):
        cron("0 0 30 2 *")
    with pytest.raises(CronError):
        cron("0 0 1 * 1")
    with pytest.raises(EncodingError):
        cron("0 0 1 * *", "Mars/Olympus")


# ── the gap ───────────────────────────────────────────────────────────────────────────────────


def test_t2_shift_reads_the_gap_by_the_offset_before_it(cron):
    slots = between(cron("30 2 * * *", "Europe/Berlin"), "2026-03-28T12:00", "2026-03-30T12:00")

    assert [(s.text, s.local, s.verdict) for s in slots] == [
        ("2026-03-29T02:30:00#0", "2026-03-29T03:30:00+02:00", None),
        ("2026-03-30T02:30:00#0", "2026-03-30T02:30:00+02:00", None),
    ]


def test_t2_a_shifted_slot_that_meets_a_regular_one_is_merged(cron):
    slots = between(cron("30 2,3 * * *", "Europe/Berlin"), "2026-03-29T00:30", "2026-03-29T12:00")

    assert [(s.text, s.verdict, s.closes_as) for s in slots] == [
        ("2026-03-29T02:30:00#0", Reason.DST_MERGED, State.SKIPPED),
        ("2026-03-29T03:30:00#0", None, None),
    ]
    assert slots[0].due_at == slots[1].due_at


@pytest.mark.parametrize(("gap", "state"), [(Gap.SKIP, State.SKIPPED), (Gap.FAIL, State.MISSED)])
def test_t2_skip_and_fail_leave_a_row(cron, gap, state):
    table = cron("30 2 * * *", "Europe/Berlin", gap=gap)

    slots = between(table, "2026-03-28T12:00", "2026-03-30T12:00")

    assert [(s.text, s.verdict, s.closes_as) for s in slots] == [
        ("2026-03-29T02:30:00#0", Reason.DST_GAP, state),
        ("2026-03-30T02:30:00#0", None, None),
    ]


def test_t2_the_next_row_is_not_always_the_next_payment(cron):
    table = cron("30 2 * * *", "Europe/Berlin", gap=Gap.SKIP)
    evening = at_utc("2026-03-28T12:00")

    assert table.next_after(evening).text == "2026-03-29T02:30:00#0"
    assert table.next_firing_after(evening).text == "2026-03-30T02:30:00#0"


def test_t2_a_gap_of_half_an_hour_keeps_slots_in_order_of_time(cron):
    table = cron("10,35 2 * * *", "Australia/Lord_Howe")

    slots = between(table, "2026-10-03T12:00", "2026-10-03T23:00")

    assert texts(slots) == ["2026-10-04T02:35:00#0", "2026-10-04T02:10:00#0"]
    assert [s.local[11:16] for s in slots] == ["02:35", "02:40"]


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        (Gap.SHIFT, [("30", Reason.DST_MERGED), ("31", None)]),
        (Gap.SKIP, [("30", Reason.DST_GAP), ("31", None)]),
        (Gap.FAIL, [("30", Reason.DST_GAP), ("31", None)]),
    ],
)
def test_t2_the_day_that_samoa_left_out(cron, gap, expected):
    table = cron("0 9 * * *", "Pacific/Apia", gap=gap)

    slots = between(table, "2011-12-30T00:00", "2011-12-31T00:00")

    assert [(s.text[8:10], s.verdict) for s in slots] == expected


def test_t2_a_payment_on_the_day_that_samoa_left_out_is_made_the_day_after(cron):
    (slot,) = between(cron("0 9 30 12 *", "Pacific/Apia"), "2011-12-01", "2012-01-31")

    assert slot.text == "2011-12-30T09:00:00#0"
    assert slot.local == "2011-12-31T09:00:00+14:00"


def test_t3_an_interval_follows_elapsed_time_through_gap_and_fold(cron):
    table = cron("*/30 * * * *", "Europe/Berlin")

    spring = between(table, "2026-03-28T23:00", "2026-03-29T23:00")
    autumn = between(table, "2026-10-24T23:00", "2026-10-25T23:00")

    for slots in (spring, autumn):
        assert len(slots) == 48
        assert {b.due_at - a.due_at for a, b in pairwise(slots)} == {timedelta(minutes=30)}
        assert {slot.verdict for slot in slots} == {None}
    assert "2026-03-29T02:30:00#0" not in texts(spring)
    assert texts(autumn)[1:6] == [
        "2026-10-25T02:00:00#0",
        "2026-10-25T02:30:00#0",
        "2026-10-25T02:00:00#1",
        "2026-10-25T02:30:00#1",
        "2026-10-25T03:00:00#0",
    ]


@pytest.mark.parametrize(
    ("fold", "expected"),
    [
        (Fold.FIRST, [("2026-10-25T02:30:00#0", "+02:00")]),
        (Fold.LAST, [("2026-10-25T02:30:00#0", "+01:00")]),
        (Fold.BOTH, [("2026-10-25T02:30:00#0", "+02:00"), ("2026-10-25T02:30:00#1", "+01:00")]),
    ],
)
def test_t3_x8_a_fixed_slot_in_the_fold(cron, fold, expected):
    table = cron("30 2 * * *", "Europe/Berlin", fold=fold)

    slots = between(table, "2026-10-24T12:00", "2026-10-25T12:00")

    assert [(slot.text, slot.local[-6:]) for slot in slots] == expected


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("fold", [Fold.FIRST, Fold.LAST])
def test_t3_a_fixed_slot_fires_once_a_day_for_years(cron, zone, fold):
    table = cron("30 2 * * *", zone, fold=fold)

    slots = between(table, "2009-12-30", "2015-01-02")
    names = [slot.text for slot in slots if "2010" <= slot.text[:4] < "2015"]

    assert len(names) == len(set(names)) == 1826
    assert all(name.endswith("T02:30:00#0") for name in names)


# ── periods and single instants ───────────────────────────────────────────────────────────────


def test_t5_a_period_counts_from_its_anchor(every):
    table = every(7 * 86_400, "2026-12-01T00:00")

    slots = list(islice(table.slots(at_utc("2020-01-01")), 2))

    assert texts(slots) == ["2026-12-01T00:00:00Z", "2026-12-08T00:00:00Z"]
    assert slots[0].local == "2026-12-01T00:00:00+00:00"


def test_t5_anchor_comes_before_start_at_before_the_first_apply(every):
    start, applied = at_utc("2026-12-01T06:00"), at_utc("2026-11-01T00:07:30.999")
    day = 86_400

    both = every(day, "2026-11-30T12:00", applied=applied, start_at=start)
    started = every(day, applied=applied, start_at=start)
    bare = every(day, applied=applied)

    assert both.next_after(applied).text == "2026-12-01T12:00:00Z"
    assert started.next_after(applied).text == "2026-12-01T06:00:00Z"
    assert bare.next_after(applied).text == "2026-11-02T00:07:30Z"


def test_t5_without_an_anchor_there_is_no_timetable(every):
    with pytest.raises(EncodingError, match="never applied"):
        every(60)


def test_t5_a_period_is_whole_seconds(every):
    with pytest.raises(EncodingError):
        every(0.5, "2026-01-01")


def test_t5_a_century_ahead_is_one_step(every):
    table = every(1, "2026-01-01")

    slot = table.next_after(at_utc("2126-01-01"))

    assert slot.text == "2126-01-01T00:00:01Z"
    assert table.count(at_utc("2025-01-01"), at_utc("2126-01-01")) == 36_524 * 86_400 + 1


def test_t6_one_instant_fires_once(at):
    table = at(at_utc("2026-12-01T08:00:00.5"))

    assert texts(table.slots(at_utc("2026-01-01"))) == ["2026-12-01T08:00:00Z"]
    assert table.next_after(at_utc("2026-12-01T08:00")) is None
    assert table.next_after(at_utc("2026-12-01T07:59:59.999")) is not None
    assert table.count(at_utc("2026-01-01"), at_utc("2027-01-01")) == 1
    assert table.latest(at_utc("2026-01-01"), at_utc("2026-11-30")) is None


def test_t6_an_instant_without_a_zone_is_refused(at):
    with pytest.raises(EncodingError):
        at(datetime.fromisoformat("2026-12-01"))


def test_slots_are_asked_with_aware_instants(every):
    with pytest.raises(EncodingError):
        every(60, "2026-01-01").next_after(datetime.fromisoformat("2026-01-01"))


# ── jitter and bounds ─────────────────────────────────────────────────────────────────────────


def test_t8_jitter_delays_within_its_bound_and_always_alike(cron):
    table = cron("0 * * * *", "Europe/Berlin", jitter=timedelta(minutes=10))

    slots = list(islice(table.slots(at_utc("2026-01-01")), 400))
    delays = [slot.fire_at - slot.due_at for slot in slots]

    assert min(delays) >= timedelta()
    assert timedelta(minutes=8) < max(delays) <= timedelta(minutes=10)
    assert len(set(delays)) > 100
    assert slots == list(islice(table.slots(at_utc("2026-01-01")), 400))


def test_t8_jitter_is_no_part_of_the_name(cron):
    plain, late = cron("0 * * * *"), cron("0 * * * *", jitter=timedelta(hours=1))

    start = at_utc("2026-01-01")
    assert texts(islice(plain.slots(start), 99)) == texts(islice(late.slots(start), 99))


@pytest.mark.parametrize("jitter", [1, 59, 60, 61, 3600, 86_400])
def test_t8_jitter_never_crosses_the_next_slot(cron, every, jitter):
    bound = timedelta(seconds=jitter)
    tables = (
        every(60, "2026-01-01", jitter=bound),
        every(1, "2026-01-01", jitter=bound),
        cron("30,31 2,3 * * *", "Europe/Berlin", jitter=bound),
    )
    for table in tables:
        slots = list(islice(table.slots(at_utc("2026-03-28T23:00")), 200))
        firing = [slot for slot in slots if slot.verdict is None]
        for one, other in pairwise(firing):
            assert one.due_at <= one.fire_at < other.due_at


def test_t8_merged_slots_wait_for_each_other(cron):
    table = cron("30 2,3 * * *", "Europe/Berlin", jitter=timedelta(hours=1))

    merged, regular = islice(table.slots(at_utc("2026-03-29T00:30")), 2)

    assert merged.verdict is Reason.DST_MERGED
    assert merged.fire_at == regular.fire_at > regular.due_at
    assert list(table.exceptions(at_utc("2026-01-01"), at_utc("2026-12-31"))) == [merged]


def test_t9_bounds_include_both_their_ends(cron):
    table = cron("0 0 * * *", start_at=at_utc("2026-12-01"), end_at=at_utc("2026-12-03"))

    slots = list(table.slots(at_utc("2026-01-01")))

    assert [slot.text[:10] for slot in slots] == ["2026-12-01", "2026-12-02", "2026-12-03"]
    assert table.count(at_utc("2026-01-01"), at_utc("2027-01-01")) == 3
    assert table.latest(at_utc("2026-01-01"), at_utc("2027-01-01")) == slots[-1]
    assert table.next_after(at_utc("2026-12-03")) is None


def test_t9_a_bound_inside_a_second_leaves_the_second_out(every):
    half = at_utc("2026-12-01T00:00:01.5")

    begun = every(1, "2026-12-01", start_at=half)
    ended = every(1, "2026-12-01", end_at=half)

    assert begun.next_after(at_utc("2026-01-01")).text == "2026-12-01T00:00:02Z"
    assert [t[-3:] for t in texts(ended.slots(at_utc("2026-01-01")))] == ["00Z", "01Z"]


def test_the_end_of_the_calendar_is_an_end(cron, every):
    for table in (cron("0 0 1 1 *", "Europe/Berlin"), every(86_400, "2026-01-01")):
        assert list(table.slots(datetime(9998, 1, 1, tzinfo=UTC))) == []
        assert table.next_after(datetime.min.replace(tzinfo=UTC)) is not None


def test_far_and_rare_slots_are_found_without_walking(cron):
    table = cron("0 0 29 2 *", "Europe/Berlin")

    leap_days = between(table, "2026-01-01", "2126-01-01")

    assert len(leap_days) == 24  # 2100 is no leap year
    assert table.latest(at_utc("1970-02-01"), at_utc("2104-02-01")).text[:4] == "2096"
