"""
What is decided before a slot fires is what would be decided once it has.

Source: SEMANTICS M1 to M3.
"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.execution.contexts import ScheduleContext, SessionContext
from runner.execution.due import DueSlots
from runner.guard.intent import intent_of
from runner.scheduling.occurrence import Reason, State
from tests.support.planning import POLICY, parse

BEFORE_SPRING = datetime(2026, 3, 28, 23, 58, 30, tzinfo=UTC)
BEFORE_AUTUMN = datetime(2026, 10, 24, 23, 58, 30, tzinfo=UTC)
DARK = "blackout: [{from: 2026-03-29T01:00Z, until: 2026-03-29T02:00Z, action: skip}]"
TRIGGERS = (
    "every: 1s, start_at: 2026-01-01T00:00Z",
    "every: 7s, start_at: 2026-01-01T00:00Z",
    "every: 2h, jitter: 90m, start_at: 2026-01-01T00:00Z",
    "every: 90s, jitter: 1m, start_at: 2026-01-01T00:00Z",
    "at: 2026-03-29T00:00Z",
    'cron: "*/20 * * * * *"',
    'cron: "*/20 * * * *", jitter: 3m',
    'cron: "30 2 * * *"',
    'cron: "0,30 2,3 * * *", dst_gap: skip, dst_fold: both',
    'cron: "0,30 2,3 * * *", dst_gap: fail, jitter: 45m',
    'cron: "0,30 2,3 * * *", dst_gap: shift, dst_fold: last',
    "dates: [2026-03-29T02:15, 2026-03-29T02:45, 2026-10-25T02:15], dst_fold: both",
    f"every: 30m, start_at: 2026-01-01T00:00Z, {DARK}",
    "every: 1m, end_at: 2026-03-29T00:05Z, start_at: 2026-03-01T00:00Z",
)
STEPS = st.one_of(
    st.integers(0, 3_000_000).map(lambda n: timedelta(microseconds=n)),
    st.integers(0, 200).map(lambda n: timedelta(seconds=n)),
    st.integers(0, 400).map(lambda n: timedelta(minutes=n)),
)
KEYS = st.sampled_from(
    (
        "",
        "catch_up: none",
        "catch_up: all, catch_up_window: 1h",
        "catch_up_window: 20s",
        "start_grace: 1s",
        "start_grace: 5m, catch_up: none",
        "overlap: buffer_one",
        "overlap: {buffer_all: 3}, catch_up: all, catch_up_window: 2h",
        "overlap: allow",
        "suspend: true",
        "max_runs: 3, on_budget: hold",
        "until_total: 100 usdc",
    )
)


class LateDue(DueSlots):
    """Decides when it is asked, and never before."""

    def _foreseen(self, slot=None, following=None):
        del slot, following


def context(keys: str) -> ScheduleContext:
    """One schedule with a trigger and keys, at an account that nobody asks."""
    schedule = f"  one: {{session: salaries, {keys}, pay: {{alice: 2 usdc}}}}\n"
    policy = parse(POLICY.partition("  monthly:")[0] + schedule)
    spec = policy.schedules["one"]
    assets = {asset.address or "native": asset for asset in policy.assets}
    session = SessionContext(
        spec=policy.sessions["salaries"],
        account=None,
        permissions=(),
        scope="",
        room=timedelta(minutes=3),
        max_exposure={},
    )
    return ScheduleContext(
        spec=spec,
        session=session,
        most=intent_of(spec.calls, assets),
        assets=assets,
        revision="r",
        run_deadline=timedelta(minutes=10),
        room=timedelta(minutes=3),
    )


def due_of(kind, schedule, place, until=None):
    return kind(schedule, anchor=BEFORE_SPRING, decided_until=place, until=until)


@given(
    trigger=st.sampled_from(TRIGGERS),
    keys=KEYS,
    start=st.sampled_from((BEFORE_SPRING, BEFORE_AUTUMN)),
    steps=st.lists(
        st.tuples(STEPS, st.booleans()),
        min_size=1,
        max_size=12,
    ),
    bound=st.none() | st.integers(0, 6 * 3600),
)
def test_m3_what_is_decided_ahead_is_what_is_decided_when_it_is_due(
    trigger, keys, start, steps, bound
):
    schedule = context(f"{trigger}, {keys}" if keys else trigger)
    until = None if bound is None else start + timedelta(seconds=bound)
    due, now = due_of(DueSlots, schedule, start, until), start
    place = start
    for step, looks in steps:
        if looks:
            due.look_ahead()
        now += step

        decided, reached = due.decide(now)

        late = due_of(LateDue, schedule, place, until)
        assert (decided, reached) == late.decide(now)
        due.decided(reached)
        late.decided(reached)
        place = reached
        assert due.next_slot() == late.next_slot()


def test_m9_a_deadline_counts_from_the_moment_of_the_claim():
    due = due_of(DueSlots, context("every: 1h, start_at: 2026-01-01T00:00Z"), BEFORE_SPRING)
    slot = due.next_slot()
    moment = slot.fire_at + timedelta(milliseconds=700)

    due.look_ahead()
    (claim,), place = due.decide(moment)

    assert (claim.decision, claim.slot, place) == (State.CLAIMED, slot.text, slot.due_at)
    assert claim.deadline_at == moment + timedelta(minutes=10)
    assert claim.expires_at == slot.fire_at + timedelta(minutes=30)


def test_m2_a_slot_that_was_looked_at_and_is_found_late_is_late():
    keys = "every: 1h, start_at: 2026-01-01T00:00Z, catch_up: none"
    due = due_of(DueSlots, context(keys), BEFORE_SPRING)
    moment = due.next_slot().fire_at + timedelta(minutes=2)

    due.look_ahead()
    (claim,), _ = due.decide(moment)

    assert (claim.decision, claim.reason) == (State.MISSED, Reason.LATE)


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_looks_ahead_once_for_each_slot(trigger):
    due = due_of(DueSlots, context(trigger), BEFORE_SPRING)
    due.look_ahead()
    slot = due.next_slot()

    assert due.is_looked_at
    assert due.decide(slot.fire_at - timedelta(microseconds=1)) == ([], BEFORE_SPRING)
    assert due.is_looked_at

    due.decided(slot.due_at)

    assert not due.is_looked_at


def test_m1_a_slot_that_another_has_overtaken_is_decided_with_it():
    due = due_of(DueSlots, context("every: 1s, start_at: 2026-01-01T00:00Z"), BEFORE_SPRING)
    first = due.next_slot()

    due.look_ahead()
    claims, place = due.decide(first.fire_at + timedelta(milliseconds=1200))

    assert [claim.decision for claim in claims] == [State.CLAIMED, State.CLAIMED]
    assert place == first.due_at + timedelta(seconds=1)


def test_t2_a_slot_that_does_not_fire_is_never_claimed():
    due = due_of(DueSlots, context('cron: "30 2 * * *", dst_gap: skip'), BEFORE_SPRING)
    slot = due.next_slot()

    due.look_ahead()
    (claim,), place = due.decide(slot.fire_at)

    assert (claim.decision, claim.reason) == (State.SKIPPED, Reason.DST_GAP)
    assert place == slot.due_at


@given(
    trigger=st.sampled_from(TRIGGERS),
    after=st.integers(-3600, 7200),
    length=st.integers(0, 4 * 3600),
)
def test_counts_what_is_coming_and_was_not_decided(trigger, after, length):
    due = due_of(DueSlots, context(trigger), BEFORE_SPRING)
    begin = BEFORE_SPRING + timedelta(seconds=after)
    end = begin + timedelta(seconds=length)

    listed = list(due.coming(max(begin, BEFORE_SPRING), end))

    assert due.count(begin, end) == len(listed)
