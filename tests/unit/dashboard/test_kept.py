"""Sums that a page does not wait for: made once for all who ask, and told while they are made."""

import threading
import time

import pytest

from runner.dashboard.source import Kept, Patience
from runner.errors import StoreError

SPAN = 10.0
SOON = 0.01
LONG = 30.0


class Slow:
    """Something that takes until it is let go."""

    def __init__(self):
        self.asked = threading.Event()
        self.go = threading.Event()
        self.made = 0

    def __call__(self):
        self.asked.set()
        assert self.go.wait(LONG)
        self.made += 1
        return self.made


class Time:
    """A monotonic clock that is set by hand."""

    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def slow():
    one = Slow()
    yield one
    one.go.set()


def test_a_page_goes_without_what_is_not_ready(slow):
    """
    It says so; the next one has it.
    """
    kept = Kept(slow, SPAN)
    first, second = Patience(SOON), Patience(LONG)

    began = time.monotonic()
    assert first.of(kept) is None
    assert time.monotonic() - began < LONG / 2
    slow.go.set()

    assert second.of(kept) == 1
    assert (first.is_over, second.is_over) == (True, False)


def test_many_pages_are_one_question(slow):
    kept = Kept(slow, SPAN)

    assert [Patience(SOON).of(kept) for _ in range(5)] == [None] * 5
    slow.go.set()

    assert [Patience(LONG).of(kept) for _ in range(5)] == [1] * 5
    assert slow.made == 1


def test_patience_is_for_the_whole_page(slow):
    """
    Several sums that are not ready cost no more than one.
    """
    patience, began = Patience(0.2), time.monotonic()

    assert [patience.of(Kept(slow, SPAN)) for _ in range(20)] == [None] * 20

    assert time.monotonic() - began < 20 * 0.2 / 2


def test_what_is_a_little_old_is_shown_while_it_is_made_anew(slow):
    """
    What is much older is not.
    """
    clock = Time()
    kept = Kept(slow, SPAN, monotonic=clock)
    slow.go.set()
    assert Patience(LONG).of(kept) == 1
    slow.go.clear()

    clock.seconds += SPAN + 1
    patience = Patience(SOON)
    assert patience.of(kept) == 1
    assert patience.is_over
    clock.seconds += 10 * SPAN

    assert Patience(SOON).of(kept) is None


def test_who_only_looks_asks_for_nothing(slow):
    patience = Patience(LONG, asks=False)

    assert patience.of(Kept(slow, SPAN)) is None
    assert not slow.asked.wait(0.05)
    assert not patience.is_over


def test_a_sum_that_cannot_be_made_is_told_and_tried_again():
    answers = [StoreError("there is no ledger"), 7]

    def make():
        one = answers.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    kept = Kept(make, SPAN)

    with pytest.raises(StoreError, match="no ledger"):
        Patience(LONG).of(kept)
    assert Patience(LONG).of(kept) == 7


def test_sums_are_made_one_after_the_other(slow):
    """
    However many a page asks for, one thread is busy with them.
    """
    other = Slow()
    other.go.set()
    first, second = Kept(slow, SPAN), Kept(other, SPAN)
    Patience(0.0).of(first)
    assert slow.asked.wait(LONG)

    Patience(SOON).of(second)
    assert not other.asked.is_set()
    slow.go.set()

    assert Patience(LONG).of(second) == 1
