"""
The quick list of firings is the slow list of slots without its names.

Source: SEMANTICS R25, M2.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.policy.model import DatedBlackout, Fold, Gap
from runner.scheduling import triggers
from runner.scheduling.triggers import Timetable

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
CHANGES = {
    "Europe/Berlin": ["2026-03-29T01:00", "2026-10-25T01:00"],
    "Australia/Lord_Howe": ["2026-04-04T15:00", "2026-10-03T15:30"],
    "Africa/Casablanca": ["2026-02-15T02:00", "2026-03-22T02:00"],
    "Pacific/Apia": ["2011-12-30T10:00", "2011-09-24T14:00"],
    "UTC": ["2026-06-30T23:59"],
}
CRONS = [
    "0 9 1 * *",
    "30 2 * * *",
    "*/20 * * * *",
    "0,15,30,45 1,2,3 * * *",
    "7 */2 * * *",
    "0 30 2 * * *",
    "0 0 * * SUN#1",
    "59 23 L * *",
    "0-59/10 8-18 * 2-11 1-5",
]


@st.composite
def tables(draw, cron, every, at):
    zone = draw(st.sampled_from(sorted(CHANGES)))
    change = datetime.fromisoformat(draw(st.sampled_from(CHANGES[zone]))).replace(tzinfo=UTC)
    near = change + draw(st.integers(-3 * 86_400, 3 * 86_400)) * SECOND
    late = {"jitter": draw(st.sampled_from([0, 0, 45, 7200])) * SECOND}
    kind = draw(st.sampled_from([*CRONS, "every", "at"]))
    if kind == "every":
        return every(1013, applied=near - DAY, **late), near
    if kind == "at":
        return at(near + 5 * HOUR, **late), near
    ends = draw(st.sampled_from([{}, {"end_at": near + 9 * HOUR}, {"start_at": near + HOUR}]))
    if draw(st.booleans()):
        first = near + draw(st.integers(-50, 50)) * HOUR
        lasts = draw(st.integers(1, 100)) * HOUR
        action = draw(st.sampled_from(["skip", "defer"]))
        ends = {**ends, "blackout": (DatedBlackout(first, first + lasts, action),)}
    gap, fold = draw(st.sampled_from(Gap)), draw(st.sampled_from(Fold))
    return cron(kind, zone, gap=gap, fold=fold, **late, **ends), near


def slots(table: Timetable, after: datetime, until: datetime):
    inside = takewhile(lambda slot: slot.due_at <= until, table.slots(after))
    return [slot for slot in inside if slot.verdict is None]


@settings(deadline=None)
@given(data=st.data(), hours=st.integers(1, 200))
def test_firings_are_those_of_the_slots(cron, every, at, data, hours):
    table, near = data.draw(tables(cron, every, at))
    until = near + hours * HOUR

    expected = [slot.fire_at.timestamp() for slot in slots(table, near, until)]

    assert table.firings(near, until) == expected


@settings(deadline=None)
@given(data=st.data(), days=st.integers(1, 40), few=st.sampled_from([0, 10_000]))
def test_m2_no_two_slots_are_further_apart(cron, every, at, data, days, few):
    """
    Listed or by the pattern of days: the bound holds, and exactly where slots are listed.
    """
    table, near = data.draw(tables(cron, every, at))
    until = near + days * DAY
    due = [slot.due_at for slot in slots(table, near, until)]
    following = table.next_firing_after(until)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(triggers, "EXACT_UP_TO", few)
        widest = table.widest(near, until)

    if following is None:
        assert widest is None
        return
    listed = [later - earlier for earlier, later in pairwise([*due, following.due_at])]
    if few:
        assert widest == max(listed, default=timedelta(0))
    elif getattr(getattr(table.source, "source", table.source), "gap", Gap.SHIFT) is Gap.SHIFT:
        assert widest >= max(listed[:-1], default=timedelta(0))


@settings(deadline=None)
@given(data=st.data(), hours=st.integers(1, 200))
def test_t8_what_is_due_is_due_without_its_jitter(cron, every, at, data, hours):
    table, near = data.draw(tables(cron, every, at))
    until = near + hours * HOUR

    expected = [slot.due_at.timestamp() for slot in slots(table, near, until)]

    assert table.due(near, until) == expected
