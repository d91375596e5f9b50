"""
The heap of next instants.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.scheduling.heap import Heap

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def instant(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_m1_takes_what_is_due_earliest_first():
    heap = Heap()
    for uid, seconds in (("late", 9), ("now", 0), ("soon", 1), ("past", -5)):
        heap.push(uid, instant(seconds))

    assert heap.peek() == (instant(-5), "past")
    assert heap.pop_due(NOW) == ["past", "now"]
    assert heap.pop_due(NOW) == []
    assert heap.peek() == (instant(1), "soon")
    assert len(heap) == 2


def test_m1_an_instant_is_replaced_not_added():
    heap = Heap()
    heap.push("a", instant(1))
    heap.replace("a", instant(5))
    heap.push("a", instant(3))

    assert heap.pop_due(instant(4)) == ["a"]
    assert heap.pop_due(instant(9)) == []
    assert heap.peek() is None
    assert "a" not in heap


def test_m1_what_was_removed_never_comes_up():
    heap = Heap()
    heap.push("a", NOW)
    heap.remove("a")
    heap.remove("never there")

    assert heap.peek() is None
    assert heap.instant_of("a") is None


def test_refuses_a_naive_instant():
    with pytest.raises(ValueError, match="aware"):
        Heap().push("a", datetime.fromisoformat("2026-01-01"))


def test_ten_thousand_schedules_moved_often_leave_no_husks_behind():
    heap = Heap()
    for turn in range(10):
        for n in range(10_000):
            heap.push(str(n), instant((n * 7919 + turn) % 100_000))

    assert len(heap) == 10_000
    assert len(heap._entries) <= 20_064
    taken = heap.pop_due(instant(100_000))
    assert len(taken) == len(set(taken)) == 10_000


@given(
    st.lists(
        st.tuples(st.sampled_from("abcde"), st.one_of(st.none(), st.integers(0, 20))), max_size=60
    ),
    st.integers(0, 20),
)
def test_behaves_like_a_dictionary_that_is_sorted(steps, until):
    heap, model = Heap(), {}
    for uid, seconds in steps:
        if seconds is None:
            heap.remove(uid)
            model.pop(uid, None)
        else:
            heap.push(uid, instant(seconds))
            model[uid] = instant(seconds)

    expected = sorted((at, uid) for uid, at in model.items())
    assert heap.peek() == (expected[0] if expected else None)
    soon = [entry for entry in expected if entry[0] <= instant(until)]
    assert sorted(set(heap.until(instant(until)))) == soon
    assert len(heap) == len(expected)
    assert heap.pop_due(instant(until)) == [u for at, u in expected if at <= instant(until)]
