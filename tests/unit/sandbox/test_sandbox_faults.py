"""When a fault strikes, and what tampering does."""

from __future__ import annotations

import pytest

from runner.sandbox.faults import Fault, Faults, is_found, read_fault, tampered


def test_strikes_its_method_alone():
    faults = Faults()
    faults.set(read_fault({"kind": "reset", "method": "eth_call"}))

    assert faults.take("reset", "eth_call")
    assert faults.take("reset", "eth_chainId") is None
    assert faults.take("latency", "eth_call") is None


def test_strikes_as_often_as_it_says():
    faults = Faults()
    faults.set(read_fault({"kind": "reset", "count": 2}))

    assert [faults.take("reset", "eth_call") is not None for _ in range(4)] == [1, 1, 0, 0]


def test_strikes_as_probably_as_it_says():
    faults = Faults()
    faults.set(read_fault({"kind": "reset", "probability": 0.25}))

    struck = sum(faults.take("reset", "eth_call") is not None for _ in range(4_000))

    assert 900 < struck < 1_100


def test_the_same_kind_and_method_replaces_the_earlier():
    faults = Faults()
    faults.set(read_fault({"kind": "latency", "seconds": 9}))
    faults.set(read_fault({"kind": "latency", "seconds": 2}))

    assert faults.take("latency", "eth_call").seconds == 2


def test_controls_are_struck_only_by_name():
    faults = Faults()
    faults.set(read_fault({"kind": "reset"}))
    assert faults.take("reset", "sandbox_getOps") is None

    faults.set(read_fault({"kind": "reset", "method": "sandbox_getOps"}))
    assert faults.take("reset", "sandbox_getOps")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data.calls[0].to", {"data": {"calls": [{"to": "X"}]}, "n": 1}),
        ("result.n", {"data": {"calls": [{"to": "A"}]}, "n": "X"}),
        ("data.extra", {"data": {"calls": [{"to": "A"}], "extra": "X"}, "n": 1}),
        ("data.calls[7].to", {"data": {"calls": [{"to": "A"}]}, "n": 1}),
        ("nowhere.at.all", {"data": {"calls": [{"to": "A"}]}, "n": 1}),
    ],
)
def test_tampering_changes_one_value(path, expected):
    answer = {"data": {"calls": [{"to": "A"}]}, "n": 1}

    assert tampered(answer, Fault("tamper", path=path, value="X")) == expected
    assert answer == {"data": {"calls": [{"to": "A"}]}, "n": 1}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", True),
        ("data.calls[0].to", True),
        ("data.calls[0]", True),
        ("data.extra", True),
        ("data.calls[1]", False),
        ("nowhere.at", False),
        ("n.at", False),
    ],
)
def test_knows_whether_there_is_something_to_tamper_with(path, found):
    assert is_found({"data": {"calls": [{"to": "A"}]}, "n": 1}, path) is found


def test_what_has_nothing_to_strike_is_not_counted():
    faults = Faults()
    faults.set(read_fault({"kind": "reset", "count": 1}))

    assert faults.take("reset", "eth_call", applies=lambda _: False) is None
    assert faults.take("reset", "eth_call", applies=lambda _: True)


@pytest.mark.parametrize("waits", [{"count": 1}, {"probability": 0.5}, {"method": "eth_call"}])
def test_a_reorganisation_happens_at_once_or_waits(waits):
    assert read_fault({"kind": "reorg", "depth": 2}).at_once is True
    assert read_fault({"kind": "reorg", "depth": 2, **waits}).at_once is False
