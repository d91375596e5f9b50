"""The slots that will fire, merged over schedules, from the policies alone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import Mark
from runner.policy.model import (
    At,
    CatchUp,
    Cron,
    Every,
    Fold,
    Gap,
    Limits,
    Overlap,
    OverlapKind,
    Schedule,
)
from runner.reporting.forecast import counts_from_now, next_of, upcoming

NOW = datetime(2026, 12, 1, 8, 0, 30, 500_000, tzinfo=UTC)
MARK = Mark("p.yaml", 1, 1)


def schedule(name, trigger, **changes):
    values = {
        "start_at": None,
        "end_at": None,
        "max_runs": None,
        "jitter": timedelta(0),
        "suspend": False,
    } | changes
    return Schedule(
        name=name,
        policy="p",
        session="k",
        trigger=trigger,
        calls=(),
        catch_up=CatchUp.LATEST,
        catch_up_window=None,
        catch_up_rate=timedelta(minutes=1),
        start_grace=timedelta(seconds=60),
        overlap=Overlap(OverlapKind.SKIP),
        run_deadline=None,
        retry_on_revert=0,
        pause_after_failures=3,
        on_budget="skip",
        limits=Limits(),
        previous_names=(),
        mark=MARK,
        trigger_mark=MARK,
        **values,
    )


def cron(expression, zone="UTC", gap=Gap.SHIFT):
    return Cron(expression, zone, None, gap, Fold.FIRST)


def listed(*schedules, start=NOW, count=4):
    found = upcoming(schedules, start=start, now=NOW, count=count)
    return [(one.schedule, one.due_at.isoformat().removesuffix("+00:00")) for one in found]


def test_an_every_without_a_start_counts_from_now():
    """
    Its first slot is one period later, as when it is applied.
    """
    hourly = schedule("a", Every(timedelta(hours=1), None))

    assert counts_from_now(hourly)
    assert listed(hourly, count=2) == [
        ("p/a", "2026-12-01T09:00:30"),
        ("p/a", "2026-12-01T10:00:30"),
    ]
    assert listed(hourly, start=NOW - timedelta(days=9), count=1) == listed(hourly, count=1)


@given(st.timedeltas(timedelta(days=-30), timedelta(days=30)))
def test_nothing_is_due_before_the_start(distance):
    """
    At or after it, ascending, for any start.
    """
    start = NOW + distance
    found = upcoming(
        [
            schedule("a", Every(timedelta(hours=7), NOW.replace(microsecond=0))),
            schedule("b", cron("0 9 * * 1", "Europe/Berlin")),
        ],
        start=start,
        now=NOW,
        count=5,
    )
    due = [one.due_at for one in found]

    assert len(due) == 5
    assert due == sorted(due)
    assert due[0] >= start


def test_the_start_itself_is_included():
    """
    A slot due exactly then is listed.
    """
    instant = datetime(2027, 1, 1, tzinfo=UTC)

    assert listed(schedule("a", At(instant)), start=instant) == [("p/a", "2027-01-01T00:00:00")]
    assert listed(schedule("a", At(instant)), start=instant + timedelta(microseconds=1)) == []


def test_slots_that_do_not_fire_are_left_out():
    """
    A wall time that spring skips, under `dst_gap: skip`.
    """
    nightly = schedule("a", cron("30 2 * * *", "Europe/Berlin", Gap.SKIP))

    assert listed(nightly, start=datetime(2027, 3, 27, tzinfo=UTC), count=2) == [
        ("p/a", "2027-03-27T01:30:00"),
        ("p/a", "2027-03-29T00:30:00"),
    ]


def test_what_is_suspended_does_not_fire():
    """
    Its slots would be skipped(paused).
    """
    assert listed(schedule("a", cron("* * * * *"), suspend=True)) == []


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (datetime(2026, 12, 1, tzinfo=UTC), ["12-05", "12-06"]),
        (datetime(2026, 12, 6, tzinfo=UTC), ["12-06"]),
        (datetime(2026, 12, 7, tzinfo=UTC), []),
    ],
)
def test_max_runs_counts_from_the_beginning(start, expected):
    """
    Where the policy names one.
    """
    daily = schedule("a", cron("0 0 * * *"), start_at=datetime(2026, 12, 5, tzinfo=UTC), max_runs=2)

    assert [due[5:10] for _, due in listed(daily, start=start)] == expected


def test_the_next_slot_counts_from_the_ledgers_anchor():
    """
    `status` knows when an `every` was applied.
    """
    hourly = schedule("a", Every(timedelta(hours=1), None))
    anchor = datetime(2026, 11, 1, 0, 17, tzinfo=UTC)
    found = next_of(hourly, anchor=anchor, after=NOW)

    assert found is not None
    assert found.due_at == datetime(2026, 12, 1, 8, 17, tzinfo=UTC)
    assert next_of(schedule("b", At(anchor)), anchor=anchor, after=NOW) is None
