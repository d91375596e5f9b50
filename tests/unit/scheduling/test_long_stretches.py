"""What is remembered of a long stretch is what short ones have, laid end to end."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.policy.model import Fold, Gap
from runner.scheduling.cron import parse_cron
from runner.scheduling.wallclock import WallClock

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca")
CRONS = ("30 2 * * *", "0 9 1 * *", "15 1,2,3 * * SUN", "0 0 29 2 *", "*/30 * * * *", "59 23 L * *")
DAY = timedelta(days=1)
starts = st.integers(2 * 86_400, 4_000_000_000).map(lambda one: datetime.fromtimestamp(one, UTC))


@pytest.mark.parametrize("text", CRONS)
@given(
    zone=st.sampled_from(ZONES),
    gap=st.sampled_from(Gap),
    fold=st.sampled_from(Fold),
    start=starts,
    days=st.integers(30, 420),
    odd=st.integers(0, 86_399),
)
def test_a_long_stretch_has_the_slots_of_its_pieces(text, zone, gap, fold, start, days, odd):
    """
    Counted and listed, whichever zone, and wherever the clocks are changed in it.
    """
    clock = WallClock(parse_cron(text), ZoneInfo(zone), gap, fold)
    end = start + days * DAY + timedelta(seconds=odd)
    edges = [*(start + n * 9 * DAY for n in range(days // 9 + 1)), end]

    pieces = [clock.firings(low, high) for low, high in pairwise(edges)]

    assert clock.firings(start, end) == [one for piece in pieces for one in piece]
    assert clock.count(start, end) == sum(map(len, pieces))
