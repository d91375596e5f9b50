"""
A schedule out of little: only what timetables look at is named by the test.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runner.errors import Mark
from runner.policy.model import (
    At,
    CatchUp,
    Cron,
    DateRule,
    Dates,
    DayMatch,
    Every,
    Fold,
    Gap,
    Limits,
    Overlap,
    OverlapKind,
    Schedule,
    Trigger,
)
from runner.scheduling.triggers import Timetable, timetable

Make = Callable[..., Timetable]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedule_of(trigger: Trigger, **changes: Any) -> Schedule:
    mark = Mark("policies/payroll.yaml", 1, 1)
    values: dict[str, Any] = {
        "name": "monthly-salaries",
        "policy": "payroll",
        "session": "salaries",
        "trigger": trigger,
        "calls": (),
        "start_at": None,
        "end_at": None,
        "max_runs": None,
        "jitter": timedelta(),
        "catch_up": CatchUp.LATEST,
        "catch_up_window": None,
        "catch_up_rate": timedelta(minutes=1),
        "start_grace": timedelta(seconds=60),
        "overlap": Overlap(OverlapKind.SKIP),
        "run_deadline": None,
        "retry_on_revert": 0,
        "pause_after_failures": 3,
        "on_budget": "skip",
        "limits": Limits(),
        "suspend": False,
        "previous_names": (),
        "mark": mark,
        "trigger_mark": mark,
    }
    return Schedule(**{**values, **changes})


@pytest.fixture(scope="session")
def cron() -> Make:
    """A timetable of a cron expression in a zone."""

    def make(
        expression: str,
        zone: str = "UTC",
        *,
        day_match: DayMatch | None = None,
        gap: Gap = Gap.SHIFT,
        fold: Fold = Fold.FIRST,
        **changes: Any,
    ) -> Timetable:
        trigger = Cron(expression, zone, day_match, gap, fold)
        return timetable(schedule_of(trigger, **changes), anchor=None)

    return make


@pytest.fixture(scope="session")
def every() -> Make:
    """A timetable of a period, counted from `anchor` as written or as first applied."""

    def make(
        seconds: int,
        anchor: str | None = None,
        *,
        applied: datetime | None = None,
        **changes: Any,
    ) -> Timetable:
        written = None if anchor is None else utc(anchor)
        trigger = Every(timedelta(seconds=seconds), written)
        return timetable(schedule_of(trigger, **changes), anchor=applied)

    return make


@pytest.fixture(scope="session")
def at() -> Make:
    """A timetable of one instant."""

    def make(instant: datetime, **changes: Any) -> Timetable:
        return timetable(schedule_of(At(instant), **changes), anchor=None)

    return make


@pytest.fixture(scope="session")
def dates() -> Make:
    """A timetable of wall times: texts are listed ones, all else are rules."""

    def make(
        *times: str | DateRule,
        zone: str = "UTC",
        gap: Gap = Gap.SHIFT,
        fold: Fold = Fold.FIRST,
        **changes: Any,
    ) -> Timetable:
        listed = sorted(datetime.fromisoformat(one) for one in times if isinstance(one, str))
        rules = tuple(one for one in times if not isinstance(one, str))
        trigger = Dates(tuple(listed), rules, zone, gap, fold)
        return timetable(schedule_of(trigger, **changes), anchor=None)

    return make
