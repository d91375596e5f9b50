"""What is counted of the events that the daemon tells."""

import pytest

from runner.adapters.audience import Audience
from runner.adapters.metering import LATE_BOUNDS, Histogram, Tally
from runner.scheduling.occurrence import CLOSED


class Heard:
    def __init__(self):
        self.events = []

    def emit(self, event, **fields):
        self.events.append((event, fields))


def told(*events):
    tally, heard = Tally(), Heard()
    telemetry = Audience.of(heard, tally)
    for event, fields in events:
        telemetry.emit(event, **fields)
    assert heard.events == list(events)
    return tally


@pytest.mark.parametrize("state", sorted(CLOSED))
def test_every_end_of_a_run_is_counted_by_its_reason(state):
    """
    M6: by schedule, state and reason; one without a reason has the empty one.
    """
    fields = {"schedule": "p/s", "took_seconds": 2.0}

    tally = told((f"run.{state}", {**fields, "reason": None}), (f"run.{state}", fields))

    assert tally.slots == {("p/s", state.value, ""): 2}


def test_decisions_count_every_slot_of_a_range():
    """
    A range row of 1,501 missed slots is 1,501 slots.
    """
    row = {"schedule": "p/s", "decision": "missed", "reason": "late", "count": 1501}

    assert told(("occurrence.decided", row)).slots == {("p/s", "missed", "late"): 1501}


def test_a_hold_is_counted_when_it_is_new():
    """
    Looks that find what was told before are told at `debug`, and are no further hold.
    """
    held = {"schedule": "p/s", "reason": "preflight"}

    tally = told(
        ("run.held", held | {"level": "warning"}),
        ("run.held", held | {"level": "debug"}),
    )

    assert tally.slots == {("p/s", "held", "preflight"): 1}


def test_requests_and_failing_grants_are_counted():
    """
    By wallet, method and outcome; by session.
    """
    request = {"wallet": "w", "method": "m", "outcome": "lost"}

    tally = told(
        ("wallet.request", request), ("wallet.request", request), ("grant.failed", {"session": "k"})
    )

    assert tally.requests == {("w", "m", "lost"): 2}
    assert tally.grant_failures == {"k": 1}


def test_states_end_when_their_event_says_so():
    """
    Clocks that agree again, chains that answer again, edits that are good again.
    """
    tally = told(
        ("clock.skewed", {"venue": "v", "level": "critical"}),
        ("chain.unreachable", {"venue": "v"}),
        ("policies.refused", {}),
    )
    assert (tally.skewed, tally.unreachable, tally.refused) == ({"v": "critical"}, {"v"}, True)

    for event in ("clock.agrees", "chain.reachable"):
        tally.hear(event, {"venue": "v"})
    tally.hear("policies.unchanged", {})

    assert (tally.skewed, tally.unreachable, tally.refused) == ({}, set(), False)


def test_buckets_are_cumulative_and_take_their_bound_in():
    """
    As Prometheus wants them: `le`.
    """
    found = Histogram((1.0, 2.0))
    for value in (-3.0, 1.0, 1.5, 99.0):
        found.add(value)

    assert found.buckets() == [("1.0", 2.0), ("2.0", 3.0), ("+Inf", 4.0)]
    assert found.total == 101.5


def test_lateness_is_taken_from_claims():
    """
    One claim, 70 ms late, falls into the second bucket.
    """
    tally = told(("run.claimed", {"late_seconds": 0.07, "schedule": "p/s"}))

    assert [count for _, count in tally.lateness.buckets()][:3] == [0.0, 1.0, 1.0]
    assert LATE_BOUNDS[:2] == (0.05, 0.1)
