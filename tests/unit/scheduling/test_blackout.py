"""
Blackouts: when nothing is paid, which slots are left out, and what waits.

Source: SEMANTICS B1, T8.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from time import perf_counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runner.policy.model import CatchUp, Cron, DatedBlackout, Fold, Gap, RecurringBlackout
from runner.scheduling.blackout import Blackouts
from runner.scheduling.lateness import decide_since
from runner.scheduling.occurrence import Reason, State
from runner.scheduling.triggers import count_within

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def dated(begin: str, end: str, action="skip"):
    return DatedBlackout(utc(begin), utc(end), action)


def recurring(expression: str, lasts: timedelta, action="skip", zone="UTC"):
    return RecurringBlackout(Cron(expression, zone, None, Gap.SHIFT, Fold.FIRST), lasts, action)


HOLIDAYS = dated("2026-12-24", "2027-01-02", "defer")
WEEKENDS = recurring("0 20 * * 5", 60 * HOUR, "defer", "Europe/Vienna")


# ── when ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("instant", "until"),
    [
        ("2026-12-23T23:59:59.999", None),
        ("2026-12-24", "2027-01-02"),
        ("2027-01-01T23:59:59", "2027-01-02"),
        ("2027-01-02", None),
    ],
)
def test_b1_a_blackout_holds_its_first_instant_and_not_its_last(instant, until):
    found = Blackouts.of([HOLIDAYS]).until(utc(instant))

    assert found == (utc(until) if until else None)


@pytest.mark.parametrize(
    ("instant", "until"),
    [
        ("2026-07-03T17:59", None),  # Friday, 19:59 in Vienna
        ("2026-07-03T18:00", "2026-07-06T06:00"),
        ("2026-07-06T05:59:59", "2026-07-06T06:00"),
        ("2026-07-06T06:00", None),
        ("2026-12-04T18:30", None),  # an hour later by UTC in winter
        ("2026-12-04T19:00", "2026-12-07T07:00"),
        ("2026-03-27T19:00", "2026-03-30T07:00"),  # 60 hours, through the change of clocks
    ],
)
def test_b1_weekends_begin_on_the_wall_of_their_zone(instant, until):
    found = Blackouts.of([WEEKENDS]).until(utc(instant))

    assert found == (utc(until) if until else None)


def test_b1_blackouts_that_touch_are_one():
    """
    Whatever their action: what waits, waits for the end of all of them.
    """
    both = Blackouts.of([HOLIDAYS, WEEKENDS, dated("2027-01-02", "2027-01-02T12:00")])

    assert both.until(utc("2026-12-24")) == utc("2027-01-04T07:00")


def test_b1_a_night_that_never_ends_is_told_in_pieces():
    """
    Always dark: looked at again after a month or so, and not for ever.
    """
    always = Blackouts.of([recurring("*/10 * * * *", 20 * MINUTE)])
    begun = perf_counter()

    until = always.until(utc("2026-01-01"))
    pieces = list(islice(always.left_out(utc("2026-01-01")), 3))

    assert utc("2026-02-01") < until < utc("2026-02-15")
    assert [before[1] for before in pieces[:2]] == [after[0] for after in pieces[1:]]
    assert perf_counter() - begun < 5


instants = st.integers(0, 20 * 1440).map(lambda minutes: utc("2026-03-20") + minutes * MINUTE)
actions = st.sampled_from(["skip", "defer"])
spans = st.one_of(
    st.builds(
        lambda begin, minutes, action: DatedBlackout(begin, begin + minutes * MINUTE, action),
        instants,
        st.integers(1, 4000),
        actions,
    ),
    st.builds(
        recurring,
        st.sampled_from(["0 20 * * 5", "30 2 * * *", "0 */8 * * *", "15 9 28 * *"]),
        st.integers(1, 479).map(lambda minutes: minutes * MINUTE),
        actions,
        st.sampled_from(["UTC", "Europe/Vienna"]),
    ),
)


def is_dark(blackouts, instant):
    """As a person looks at it: has one of them begun, and not ended?"""
    for one in blackouts:
        if isinstance(one, DatedBlackout):
            if one.begin <= instant < one.end:
                return True
        elif any(begin <= instant < begin + one.lasts for begin in BEGINNINGS[one.cron]):
            return True
    return False


class Beginnings(dict):
    def __missing__(self, cron):
        from runner.scheduling.cron import check_cron
        from runner.scheduling.zones import load_zone

        walls = check_cron(cron.expression).walls(datetime(2026, 2, 20))  # noqa: DTZ001
        last = datetime(2026, 5, 1)  # noqa: DTZ001
        zone = load_zone(cron.timezone)
        found = [
            wall.replace(tzinfo=zone).astimezone(UTC)
            for wall in takewhile(lambda wall: wall < last, walls)
        ]
        self[cron] = found
        return found


BEGINNINGS = Beginnings()


@given(blackouts=st.lists(spans, max_size=4), instant=instants)
@settings(max_examples=150, deadline=None)
def test_b1_until_is_the_first_instant_that_is_not_dark(blackouts, instant):
    until = Blackouts.of(blackouts).until(instant)

    if until is None:
        assert not is_dark(blackouts, instant)
    else:
        assert is_dark(blackouts, instant)
        # Nights that follow each other without end are told in pieces: there it stays dark.
        assume(until - instant < timedelta(days=20))
        assert not is_dark(blackouts, until)
        steps = int((until - instant) / MINUTE)
        assert all(is_dark(blackouts, instant + n * MINUTE) for n in range(0, steps, 7))


# ── slots ─────────────────────────────────────────────────────────────────────────────────────


@given(
    blackouts=st.lists(spans, max_size=3),
    instant=instants,
    minutes=st.sampled_from([7, 61, 1440]),
    hours=st.integers(1, 300),
)
@settings(max_examples=100, deadline=None)
def test_b1_slots_inside_are_left_out_with_their_row(*, every, blackouts, instant, minutes, hours):
    """
    Listed, counted, set aside: all three say the same, and nothing else is touched.
    """
    plain = every(minutes * 60, "2026-03-01")
    table = every(minutes * 60, "2026-03-01", blackout=tuple(blackouts))
    skips = [one for one in blackouts if one.action == "skip"]
    end = instant + hours * HOUR
    expected = list(takewhile(lambda slot: slot.due_at <= end, plain.slots(instant)))

    slots = list(takewhile(lambda slot: slot.due_at <= end, table.slots(instant)))

    assert [slot.text for slot in slots] == [slot.text for slot in expected]
    for slot in slots:
        told = (slot.verdict, slot.closes_as)
        dark = is_dark(skips, slot.due_at)
        assert told == ((Reason.BLACKOUT, State.SKIPPED) if dark else (None, None))
    assert table.count(instant, end) == sum(slot.verdict is None for slot in slots)
    assert list(table.exceptions(instant, end)) == [s for s in slots if s.verdict is not None]
    fired = [slot for slot in slots if slot.verdict is None]
    assert table.latest(instant, end) == (fired[-1] if fired else None)


def test_b1_what_defers_leaves_every_slot_firing(cron):
    table = cron("0 7 * * *", "Europe/Vienna", blackout=(HOLIDAYS, WEEKENDS))

    slots = islice(table.slots(utc("2026-12-20")), 20)

    assert {slot.verdict for slot in slots} == {None}


@pytest.mark.parametrize("action", ["skip", "defer"])
def test_t8_jitter_never_leads_into_a_blackout(cron, action):
    """
    What is due before it fires before it; what is due inside fires when it is due.
    """
    dark = Blackouts.of([recurring("30 * * * *", 25 * MINUTE, action)])
    table = cron(
        "*/5 * * * *",
        jitter=4 * MINUTE,
        blackout=(*dark.skipping, *dark.deferring),
    )

    slots = list(islice(table.slots(utc("2026-01-01")), 500))
    delays = {slot.fire_at - slot.due_at for slot in slots if slot.verdict is None}

    assert len(delays) > 50
    for slot in slots:
        if dark.until(slot.due_at) is None:
            assert dark.until(slot.fire_at) is None
        else:
            assert slot.fire_at == slot.due_at


def test_r25_what_is_left_out_needs_no_allowance(cron):
    """
    Weekdays alone are paid; the worst week holds five of them.
    """
    weekends = recurring("0 0 * * 6", 48 * HOUR)
    start = utc("2026-01-01")

    daily = count_within(cron("0 9 * * *"), 7 * DAY - HOUR, 400 * DAY, start)
    spared = count_within(cron("0 9 * * *", blackout=(weekends,)), 7 * DAY - HOUR, 400 * DAY, start)

    assert (daily, spared) == (7, 5)


def test_m2_a_slot_that_is_left_out_supersedes_nothing(cron):
    """
    After an outage the newest slot that may be paid is, not the newest of all.
    """
    night = dated("2026-06-02T02:30", "2026-06-02T06:00")
    table = cron("0 * * * *", blackout=(night,))

    decisions = decide_since(
        table,
        utc("2026-06-02T00:30"),
        utc("2026-06-02T05:30"),
        start_grace=MINUTE,
        catch_up=CatchUp.LATEST,
        catch_up_window=DAY,
    )

    assert [(d.slot.text[11:13], d.state, d.reason) for d in decisions] == [
        ("01", State.SUPERSEDED, Reason.CATCH_UP),
        ("02", State.CLAIMED, None),
        ("03", State.SKIPPED, Reason.BLACKOUT),
        ("04", State.SKIPPED, Reason.BLACKOUT),
        ("05", State.SKIPPED, Reason.BLACKOUT),
    ]
