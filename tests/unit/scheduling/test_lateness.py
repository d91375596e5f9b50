"""
Late and missed slots: what is claimed after an outage, and what becomes of the rest.

Source: SEMANTICS M1 to M6, M9.
"""

from __future__ import annotations

import tracemalloc
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.policy.model import CatchUp, Fold, Gap
from runner.scheduling import lateness
from runner.scheduling.lateness import (
    Decision,
    RangeDecision,
    catch_up_window_default,
    compress,
    decide,
    decide_since,
    decided_until,
    run_deadline_default,
)
from runner.scheduling.occurrence import Reason, Slot, State

NOW = datetime(2026, 12, 10, 9, tzinfo=UTC)
GRACE = timedelta(seconds=60)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def aged(*ages: timedelta, verdict: Reason | None = None) -> list[Slot]:
    """
    Slots due that long before now, the oldest first.
    """
    return [
        Slot(f"{n}", NOW - age, NOW - age, "", verdict)
        for n, age in enumerate(sorted(ages, reverse=True))
    ]


def verdicts(slots: list[Slot], **rule) -> list[tuple]:
    rule = {"start_grace": GRACE, "catch_up": CatchUp.LATEST, "now": NOW, **rule}
    return [(d.state.value, d.reason and d.reason.value, d.by) for d in decide(slots, **rule)]


CLAIMED = ("claimed", None, None)
LATE = ("missed", "late", None)


# ── on time ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("catch_up", CatchUp)
def test_m1_every_slot_on_time_is_claimed(catch_up):
    ages = [timedelta(seconds=s) for s in (0, 1, 30, 60)]

    assert verdicts(aged(*ages), catch_up=catch_up) == 4 * [CLAIMED]


def test_m1_grace_ends_after_its_last_second():
    just_late = aged(GRACE + timedelta(microseconds=1))

    assert verdicts(just_late, catch_up=CatchUp.NONE) == [LATE]


def test_m1_a_window_shorter_than_the_grace_takes_nothing_from_it():
    slots = aged(timedelta(seconds=50))

    assert verdicts(slots, catch_up_window=timedelta(seconds=10)) == [CLAIMED]


# ── catch-up ──────────────────────────────────────────────────────────────────────────────────


def test_m2_none_misses_all_that_is_late():
    assert verdicts(aged(2 * HOUR, HOUR), catch_up=CatchUp.NONE) == [LATE, LATE]


def test_m2_latest_claims_the_newest_in_the_window():
    slots = aged(50 * HOUR, 26 * HOUR, 2 * HOUR)

    assert verdicts(slots, catch_up_window=48 * HOUR) == [
        LATE,
        ("superseded", "catch_up", "2"),
        CLAIMED,
    ]


def test_m2_latest_yields_to_a_slot_on_time():
    """
    One payment after an outage, whether the daemon returns just before a slot or just after.
    """
    slots = aged(48 * HOUR, 24 * HOUR, timedelta(seconds=30), timedelta(seconds=5))

    assert verdicts(slots, catch_up_window=100 * HOUR) == [
        ("superseded", "catch_up", "2"),
        ("superseded", "catch_up", "2"),
        CLAIMED,
        CLAIMED,
    ]


def test_m2_all_claims_the_window_oldest_first():
    slots = aged(50 * HOUR, 26 * HOUR, 2 * HOUR, timedelta())

    states = verdicts(slots, catch_up=CatchUp.ALL, catch_up_window=48 * HOUR)

    assert states == [LATE, CLAIMED, CLAIMED, CLAIMED]


def test_m2_the_window_includes_its_last_instant():
    slots = aged(48 * HOUR)

    assert verdicts(slots, catch_up_window=48 * HOUR) == [CLAIMED]
    assert verdicts(slots, catch_up_window=48 * HOUR - timedelta(seconds=1)) == [LATE]


def test_m2_the_window_counts_from_nominal_time_and_jitter():
    delayed = Slot("x", NOW - 3 * HOUR, NOW - HOUR, "")

    assert verdicts([delayed], catch_up_window=2 * HOUR) == [CLAIMED]


@pytest.mark.parametrize(
    ("expression", "window"),
    [
        ("* * * * *", timedelta(minutes=1)),
        ("0 * * * *", timedelta(minutes=30)),
        ("0 9 * * *", 12 * HOUR),
        ("0 9 * * 1", 72 * HOUR),
        ("0 9 1 * *", 72 * HOUR),
    ],
)
def test_m2_default_window_is_half_the_distance_within_bounds(cron, expression, window):
    slots = cron(expression).slots(NOW)

    assert catch_up_window_default(next(slots), next(slots)) == window
    assert catch_up_window_default(next(slots), None) == 72 * HOUR


def test_m2_each_slot_has_the_default_window_of_its_own_distance():
    slots = aged(3 * HOUR, 2 * HOUR)
    (tomorrow,) = aged(-20 * HOUR)

    assert verdicts(slots, next_slot=tomorrow) == [LATE, CLAIMED]


def test_m2_default_window_looks_at_the_next_slot_that_fires():
    slot, skipped, following = aged(10 * HOUR, 9 * HOUR, -10 * HOUR)
    skipped = Slot("gap", skipped.due_at, skipped.due_at, "", Reason.DST_GAP, State.SKIPPED)

    states = verdicts([slot, skipped], next_slot=following)

    assert states == [CLAIMED, ("skipped", "dst_gap", None)]
    assert verdicts([slot], next_slot=skipped) == [CLAIMED]  # nothing known to follow: 72 h


@pytest.mark.parametrize(("gap", "state"), [(Gap.SKIP, "skipped"), (Gap.FAIL, "missed")])
@pytest.mark.parametrize("catch_up", CatchUp)
def test_t2_a_slot_in_the_gap_closes_by_its_policy(cron, gap, state, catch_up):
    table = cron("30 2 * * *", "Europe/Berlin", gap=gap)
    before, after = (datetime(2026, 3, 29, h, tzinfo=UTC) for h in (0, 2))

    (decision,) = decide_since(table, before, after, start_grace=GRACE, catch_up=catch_up)

    assert (decision.state, decision.reason) == (State(state), Reason.DST_GAP)


def test_t2_a_merged_slot_is_skipped_beside_the_one_it_met(cron):
    table = cron("30 2,3 * * *", "Europe/Berlin", jitter=timedelta(minutes=9))
    start = datetime(2026, 3, 29, 1, tzinfo=UTC)
    merged, regular = takewhile(lambda s: s.due_at < start + HOUR, table.slots(start))
    rule = {"start_grace": GRACE, "catch_up": CatchUp.LATEST}

    assert decide_since(table, start, regular.fire_at - timedelta(seconds=1), **rule) == []
    decisions = decide_since(table, start, regular.fire_at, **rule)

    assert [(d.slot, d.state, d.reason) for d in decisions] == [
        (merged, State.SKIPPED, Reason.DST_MERGED),
        (regular, State.CLAIMED, None),
    ]
    assert decided_until(decisions) == regular.due_at


# ── one computation for every outage ──────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("down_until", "states"),
    [
        ("2026-12-01T08:00:30", ["claimed"]),
        ("2026-12-04T07:59:00", ["claimed"]),
        ("2026-12-04T08:00:01", ["missed"]),
        ("2027-01-01T07:59:00", ["missed"]),
        ("2027-01-01T08:00:10", ["missed", "claimed"]),
        ("2027-02-03T00:00:00", ["missed", "missed", "claimed"]),
    ],
)
def test_m3_monthly_salaries_after_an_outage(cron, down_until, states):
    table = cron("0 9 1 * *", "Europe/Berlin")
    now = datetime.fromisoformat(down_until).replace(tzinfo=UTC)

    decisions = decide_since(
        table,
        datetime(2026, 11, 15, tzinfo=UTC),
        now,
        start_grace=GRACE,
        catch_up=CatchUp.LATEST,
    )

    assert [d.state.value for d in decisions] == states


def test_m3_nothing_due_decides_nothing(cron):
    table = cron("0 9 1 * *")

    decisions = decide_since(table, NOW, NOW + DAY, start_grace=GRACE, catch_up=CatchUp.ALL)

    assert decisions == []
    assert decided_until(decisions) is None
    assert decide_since(table, NOW, NOW - DAY, start_grace=GRACE, catch_up=CatchUp.ALL) == []


def test_m4_a_thousand_rows_stay_rows_and_one_more_makes_a_range():
    slots = aged(*(n * HOUR for n in range(100, 1101)))
    late = [Decision(slot, State.MISSED, Reason.LATE) for slot in slots]
    claim = Decision(aged(timedelta())[0], State.CLAIMED)

    assert compress([*late[1:], claim]) == [*late[1:], claim]
    assert compress([*late, claim]) == [
        RangeDecision(State.MISSED, Reason.LATE, 1001, slots[0], slots[-1]),
        claim,
    ]


def test_m4_claims_are_never_put_together():
    claims = [Decision(slot, State.CLAIMED) for slot in aged(*(n * HOUR for n in range(1500)))]

    assert compress(claims) == claims


@pytest.mark.parametrize("catch_up", CatchUp)
@pytest.mark.parametrize("window", [None, timedelta(seconds=90), timedelta(minutes=20)])
def test_m4_ten_years_of_seconds_take_no_time_and_no_memory(every, catch_up, window):
    table = every(1, "2016-01-01")
    tracemalloc.start()
    begun = perf_counter()

    decisions = decide_since(
        table,
        datetime(2016, 12, 10, 9, tzinfo=UTC),
        NOW,
        start_grace=GRACE,
        catch_up=catch_up,
        catch_up_window=window,
    )

    assert perf_counter() - begun < 5
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()
    counted = sum(d.count if isinstance(d, RangeDecision) else 1 for d in decisions)
    assert counted == (NOW - datetime(2016, 12, 10, 9, tzinfo=UTC)) // timedelta(seconds=1)
    assert isinstance(decisions[0], RangeDecision)
    assert decisions[0].from_slot.text == "2016-12-10T09:00:01Z"
    assert decided_until(decisions) == NOW


@pytest.mark.parametrize(
    "expression", ["* * * * *", "0-59 0-23 * * *", "* * * * * *", "*/5 9-17 * * 1-5"]
)
def test_m4_years_of_a_dense_cron_are_counted_not_listed(cron, expression):
    table = cron(expression, "Europe/Berlin")
    begun = perf_counter()

    decisions = decide_since(
        table, NOW - 3 * 365 * DAY, NOW, start_grace=GRACE, catch_up=CatchUp.LATEST
    )

    assert perf_counter() - begun < 5
    assert len(decisions) < 1000
    ranges = [d for d in decisions if isinstance(d, RangeDecision)]
    assert [(d.state, d.reason) for d in ranges] == [(State.MISSED, Reason.LATE)]


def test_m4_the_superseded_of_a_long_window_are_one_range(every):
    table = every(1, "2026-01-01")

    decisions = decide_since(
        table,
        NOW - 40 * DAY,
        NOW,
        start_grace=timedelta(),
        catch_up=CatchUp.LATEST,
        catch_up_window=30 * DAY,
    )

    missed, superseded, claimed = decisions
    assert (missed.state, missed.count) == (State.MISSED, 10 * 86_400 - 1)
    assert (superseded.state, superseded.count) == (State.SUPERSEDED, 30 * 86_400)
    assert superseded.by == claimed.slot.text == "2026-12-10T09:00:00Z"
    assert superseded.from_slot.text == "2026-11-10T09:00:00Z"


@given(
    kind=st.sampled_from(["131", "20", "*/3 * * * *", "0-59/2 1-4 * * *", "30 2,3 * * *"]),
    catch_up=st.sampled_from(CatchUp),
    window=st.none() | st.integers(1, 30_000),
    grace=st.sampled_from([0, 10, 60, 600]),
    jitter=st.sampled_from([0, 0, 30, 500]),
    gap=st.sampled_from(Gap),
    down=st.integers(0, 80_000),
    late=st.integers(-50_000, 50_000_000),
)
@settings(max_examples=250, deadline=None)
def test_m6_counting_decides_as_listing_does(
    *, cron, every, kind, catch_up, window, grace, jitter, gap, down, late
):
    """
    With lists allowed to be long or hardly at all, the same slots close for the same reasons.
    """
    middle = datetime(2026, 3, 29, 1, tzinfo=UTC)
    delay = timedelta(seconds=jitter)
    table = (
        every(int(kind), "2026-03-01", jitter=delay)
        if kind.isdecimal()
        else cron(kind, "Europe/Berlin", gap=gap, fold=Fold.BOTH, jitter=delay)
    )
    now = middle + timedelta(seconds=late // 1000, milliseconds=late % 1000)
    after = now - timedelta(seconds=down)
    rule = {
        "start_grace": timedelta(seconds=grace),
        "catch_up": catch_up,
        "catch_up_window": None if window is None else timedelta(seconds=window),
    }
    listed = decide_since(table, after, now, **rule)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lateness, "LIST_LIMIT", 0)
        patch.setattr(lateness, "RANGE_LIMIT", 3)
        counted = decide_since(table, after, now, **rule)

    def totals(decisions):
        total = Counter()
        for d in decisions:
            total[d.state, d.reason, d.by] += d.count if isinstance(d, RangeDecision) else 1
        return total

    def ends(decisions):
        found = {}
        for d in decisions:
            texts = [d.slot] if isinstance(d, Decision) else [d.from_slot, d.to_slot]
            found.setdefault((d.state, d.reason, d.by), []).extend(texts)
        return {
            k: (min(v, key=lambda s: s.fire_at), max(v, key=lambda s: s.fire_at))
            for k, v in found.items()
        }

    assert totals(counted) == totals(listed)
    assert ends(counted) == ends(listed)
    assert decided_until(counted) == decided_until(listed)


@given(st.lists(st.integers(1, 40_000), max_size=6), st.sampled_from([0, 40, 900]))
@settings(max_examples=80, deadline=None)
def test_m6_every_slot_is_decided_exactly_once_whenever_we_look(cron, steps, jitter):
    table = cron("*/10 1-5 * * *", "Europe/Berlin", gap=Gap.SKIP, jitter=timedelta(seconds=jitter))
    looked = cursor = datetime(2026, 3, 28, 22, tzinfo=UTC)
    seen: list[Slot] = []

    for step in steps:
        looked += timedelta(seconds=step)
        decisions = decide_since(table, cursor, looked, start_grace=GRACE, catch_up=CatchUp.NONE)
        seen += [d.slot for d in decisions]
        cursor = decided_until(decisions) or cursor

    due = takewhile(
        lambda s: s.fire_at <= looked, table.slots(datetime(2026, 3, 28, 22, tzinfo=UTC))
    )
    assert seen == list(due)


@pytest.mark.parametrize(
    ("lifetime", "deadline"),
    [
        (timedelta(days=45), timedelta(minutes=10)),
        (timedelta(minutes=100), timedelta(minutes=10)),
        (timedelta(minutes=5), timedelta(seconds=30)),
        (timedelta(seconds=45), timedelta(seconds=4.5)),
    ],
)
def test_m9_a_run_has_ten_minutes_or_a_tenth_of_a_short_life(lifetime, deadline):
    assert run_deadline_default(lifetime) == deadline
