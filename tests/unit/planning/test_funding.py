"""B11: the first slot that is not covered: counting agrees with going through them one by one."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from runner.planning.funding import Planned, first_shortfall

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
UNTIL = NOW + timedelta(hours=1)
SECOND = timedelta(seconds=1)


def planned(name, most, seconds, open_runs=0):
    """A schedule with slots so many seconds from now."""
    times = [NOW + second * SECOND for second in seconds]
    return Planned(
        name, {"usdc": most}, open_runs, lambda until: sum(NOW < at <= until for at in times)
    )


def test_b11_the_first_slot_that_is_not_covered_is_named_with_what_it_needs_and_what_is_there():
    salaries = planned("p/salaries", 100, [60, 600, 1200])
    hosting = planned("p/hosting", 30, [300])

    found = first_shortfall([salaries, hosting], {"usdc": 180}, now=NOW, until=UNTIL)

    assert found is not None
    assert (found.schedule, found.needs, found.has) == ("p/salaries", 100, 50)
    assert NOW + 599 * SECOND < found.due_at <= NOW + 601 * SECOND
    enough = first_shortfall([salaries, hosting], {"usdc": 330}, now=NOW, until=UNTIL)
    assert enough is None


def test_b11_what_is_under_way_counts_before_what_is_to_come():
    waiting = planned("p/salaries", 100, [60], open_runs=1)

    found = first_shortfall([waiting], {"usdc": 150}, now=NOW, until=UNTIL)

    assert found is not None
    assert found.has == 50


def test_b11_each_token_is_looked_at_and_the_earliest_is_told():
    def due(seconds):
        return lambda until: int(NOW + seconds * SECOND <= until)

    native = Planned("p/fees", {"native": 5}, 0, due(30))
    usdc = Planned("p/pay", {"usdc": 5}, 0, due(10))

    found = first_shortfall([native, usdc], {"usdc": 0, "native": 0}, now=NOW, until=UNTIL)

    assert found is not None
    assert (found.schedule, found.token) == ("p/pay", "usdc")


SCHEDULES = st.lists(
    st.tuples(st.integers(1, 50), st.lists(st.integers(1, 3000), max_size=6, unique=True)),
    min_size=1,
    max_size=4,
)


@given(SCHEDULES, st.integers(0, 400))
def test_law_counting_agrees_with_going_through_the_slots(schedules, balance):
    made = [planned(f"p/{n}", most, seconds) for n, (most, seconds) in enumerate(schedules)]
    slots = sorted((s, most) for most, seconds in schedules for s in seconds)
    left, first = balance, None
    for second, most in slots:
        left -= most
        if left < 0:
            first = second
            break

    found = first_shortfall(made, {"usdc": balance}, now=NOW, until=UNTIL)

    if first is None:
        assert found is None
    else:
        assert found is not None
        assert abs((found.due_at - NOW).total_seconds() - first) <= 1
        assert found.has < found.needs or found.has <= balance
