"""
Cron expressions: what they match, what is refused, and how matches are counted.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from itertools import islice
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.policy.model import DayMatch
from runner.scheduling.cron import CronError, check_cron, parse_cron

START = datetime.fromisoformat("2026-01-01")


def days(expression: str, count: int, match: DayMatch | None = None) -> list[str]:
    walls = check_cron(expression, match).walls(START)
    return [wall.strftime("%a %Y-%m-%d") for wall in islice(walls, count)]


@pytest.mark.parametrize("sunday", ["0", "7", "SUN", "sun"])
def test_t1_weekdays_zero_and_seven_are_sunday(sunday):
    assert days(f"0 9 * * {sunday}", 2) == ["Sun 2026-01-04", "Sun 2026-01-11"]


def test_t1_weekday_one_is_monday():
    assert days("0 9 * * 1", 1) == ["Mon 2026-01-05"]
    assert days("0 9 * * MON-FRI", 3) == ["Thu 2026-01-01", "Fri 2026-01-02", "Mon 2026-01-05"]


def test_t1_last_and_nth_days():
    assert days("0 9 L * *", 2) == ["Sat 2026-01-31", "Sat 2026-02-28"]
    assert days("0 9 LW * *", 2) == ["Fri 2026-01-30", "Fri 2026-02-27"]
    assert days("0 9 * * 5L", 2) == ["Fri 2026-01-30", "Fri 2026-02-27"]
    assert days("0 9 * * FRI#2", 2) == ["Fri 2026-01-09", "Fri 2026-02-13"]


def test_t1_a_sixth_field_leads_with_seconds():
    walls = check_cron("30 15 9 * * *").walls(START)

    assert next(walls) == datetime.fromisoformat("2026-01-01T09:15:30")


def test_t1_both_day_fields_need_day_match():
    with pytest.raises(CronError, match="day of month and the day of week") as caught:
        check_cron("0 9 13 * 5", None)

    assert "day_match" in (caught.value.hint or "")
    assert days("0 9 13 * 5", 2, DayMatch.OR) == ["Fri 2026-01-02", "Fri 2026-01-09"]
    assert days("0 9 13 * 5", 2, DayMatch.AND) == ["Fri 2026-02-13", "Fri 2026-03-13"]


def test_t1_a_stepped_star_restricts_like_any_list():
    with pytest.raises(CronError):
        check_cron("0 9 */10 * 1", None)

    assert days("0 9 */10 * 1", 2, DayMatch.AND) == ["Mon 2026-05-11", "Mon 2026-06-01"]
    assert days("0 9 */10 * 1", 2, DayMatch.OR) == ["Thu 2026-01-01", "Mon 2026-01-05"]
    assert days("0 9 31 2 */2", 2, DayMatch.OR) == ["Sun 2026-02-01", "Tue 2026-02-03"]


def test_t1_one_star_leaves_the_other_field_alone():
    for match in (None, DayMatch.AND, DayMatch.OR):
        assert days("0 9 * * 1", 1, match) == ["Mon 2026-01-05"]
        assert days("0 9 */1 * 1", 1, match) == ["Mon 2026-01-05"]


@pytest.mark.parametrize(
    ("expression", "match"),
    [
        ("0 0 30 2 *", None),
        ("0 0 31 2,4,6,9,11 *", None),
        ("0 0 31 2 1", DayMatch.AND),
        ("0 0 31 * MON#1", DayMatch.AND),
        ("0 0 29 2 MON#1", DayMatch.AND),
    ],
)
def test_t1_a_cron_that_can_never_fire_is_an_error(expression, match):
    begun = perf_counter()
    with pytest.raises(CronError, match="never fires"):
        check_cron(expression, match)
    assert perf_counter() - begun < 2


def test_t1_rare_is_not_never():
    leap_monday = check_cron("0 0 29 2 1", DayMatch.AND).walls(START)

    assert next(leap_monday) == datetime.fromisoformat("2044-02-29")
    assert days("0 0 31 2 1", 1, DayMatch.OR) == ["Mon 2026-02-02"]


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("", "5|minute"),
        ("* * * *", "minute"),
        ("0 0 1 1 * 2026 *", "minute"),
        ("60 * * * *", "minute is 0 to 59"),
        ("0 24 * * *", "hour is 0 to 23"),
        ("0 0 0 * *", "day of month is 1 to 31"),
        ("0 0 1 13 *", "month is 1 to 12"),
        ("0 0 * * 8", "day of week is 0 to 7"),
        ("0 0 * * MOON", "day of week"),
        ("0 0 ? * 1", r"\*"),
        ("*/90 * * * *", "every"),
        ("0 */24 * * *", "every"),
        ("5-5/10 * * * *", "range of one"),
        ("0 0 L/2 * *", "one day"),
        ("@daily", r"0 0 \* \* \*"),
        ("@reboot", "fields"),
        ("0 9 1,,2 * *", "day of month"),
        ("0 9 2-1 * *", "day of month"),
        ("0 9 -1 * *", "day of month"),
        ("*/0 * * * *", "minute"),
        ("0 ９ * * *", "minute"),
    ],
)
def test_t1_says_which_field_is_wrong_and_what_may_stand_there(expression, hint):
    with pytest.raises(CronError) as caught:
        parse_cron(expression)

    assert caught.value.hint is not None
    assert re.search(hint, caught.value.hint)


def test_t1_an_endless_expression_is_refused_at_once():
    with pytest.raises(CronError):
        parse_cron("1," * 100_000 + "1 * * * *")


@given(st.text(alphabet="0123456789*/,-L#WMONJ ?@", max_size=40))
@settings(max_examples=300, deadline=None)
def test_t1_any_text_is_read_or_refused(text):
    try:
        cron = check_cron(text, DayMatch.OR)
    except CronError:
        return
    assert next(cron.walls(START)) >= START


@pytest.mark.parametrize(
    ("expression", "interval_like", "one_hour"),
    [
        ("0 9 1 * *", False, False),
        ("0-59 0-23 * * *", False, False),
        ("*/15 * * * *", True, False),
        ("30 */6 * * *", True, False),
        ("30 * * * *", True, False),
        ("*/15 2 * * *", True, True),
        ("0 0 9 * * *", True, True),
    ],
)
def test_t3_interval_like_or_fixed(expression, interval_like, one_hour):
    cron = parse_cron(expression)

    assert cron.interval_like is interval_like
    assert cron.names_one_hour is one_hour


@given(
    st.sampled_from(
        ["0 9 1 * *", "*/7 8-17 * * 1-5", "5/20 */15 0,12 L * *", "30 2 * 3,10 SUN#2", "0 0 29 2 *"]
    ),
    st.datetimes(datetime.fromisoformat("2023-01-01"), datetime.fromisoformat("2026-01-01")),
    st.integers(0, 90 * 86_400),
)
@settings(max_examples=60, deadline=None)
def test_counting_agrees_with_listing(expression, start, seconds):
    cron = check_cron(expression)
    start = start.replace(microsecond=0)
    end = start + timedelta(seconds=seconds)

    listed = 0
    for wall in cron.walls(start):
        if wall >= end:
            break
        assert cron.matches(wall)
        listed += 1

    assert cron.count(start, end) == listed


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("CRON_TZ=UTC 0 9 1 * *", 'write "0 9 1 * *", and `timezone: UTC`'),
        ("cron(0 9 1 * ? *)", "write what stands between the brackets, five fields of it: "),
        ("every monday", 'each monday at nine is "0 9 * * MON"'),
        ("daily at 9:30", 'each day at 9:30 is "30 9 * * *"'),
        ("daily", 'write "0 0 * * *"'),
        ("\u201c0 9 1 * *\u201d", 'straight quotes are needed around it: "0 9 1 * *"'),
        (",".join(["1"] * 200) + " * * * *", "write ranges and steps in the place of long lists"),
    ],
)
def test_what_other_schedulers_take_is_said_as_cron(expression, hint):
    with pytest.raises(CronError) as caught:
        parse_cron(expression)

    assert (caught.value.hint or "").startswith(hint)
