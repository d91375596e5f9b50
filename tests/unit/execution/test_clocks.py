"""
Clocks and heads: how far they are believed, and what is told when they part.

Source: SEMANTICS X10, R17.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.execution.watch import Watcher
from runner.ports import Block
from runner.scheduling.lateness import AHEAD_OF_HEAD, HEAD_STALE, decide_now

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SECONDS = st.integers(-(10**7), 10**7).map(lambda seconds: timedelta(seconds=seconds))


@given(jump=SECONDS, behind=SECONDS, age=st.integers(0, 599))
def test_x10_no_step_of_the_clock_decides_beyond_the_chain(jump, behind, age):
    head = NOW - behind

    found = decide_now(NOW + jump, head=head, head_age=timedelta(seconds=age))

    assert found is not None
    assert found <= NOW + jump
    assert found <= head + AHEAD_OF_HEAD
    assert found in {NOW + jump, head + AHEAD_OF_HEAD}


@pytest.mark.parametrize(
    ("head", "age", "decides"),
    [(None, timedelta(0), False), (NOW, HEAD_STALE, True), (NOW, HEAD_STALE + SECOND, False)],
)
def test_x10_without_a_fresh_head_nothing_is_decided(head, age, decides):
    assert (decide_now(NOW, head=head, head_age=age) is not None) is decides


@dataclass
class Told:
    events: list = field(default_factory=list)

    def emit(self, event, *, level="info", **said):
        self.events.append((event, level, said.get("seconds")))


class Machine:
    """A clock that somebody sets; time that passes by the monotonic one."""

    def __init__(self) -> None:
        self.wall = NOW
        self.steady = 0.0

    def now(self):
        return self.wall

    def monotonic(self):
        return self.steady

    def observe(self, head):
        del head


class Chain:
    def __init__(self, times):
        self.times = iter(times)

    async def head(self):
        return Block(number=1, hash="0x01", timestamp=next(self.times))


def watcher_on(machine, ahead):
    """A watcher whose machine is that many seconds ahead of the head, look by look."""
    told = Told()
    chain = Chain([machine.wall - timedelta(seconds=seconds) for seconds in ahead])
    venue = SimpleNamespace(name="real/84532", clock=machine, chain=chain)
    return Watcher(venue, told), told


async def test_r17_clocks_that_part_are_told_once_by_how_far():
    watcher, told = watcher_on(Machine(), [0, 30, 31, 60, -45, 121, 500, -31, 2])

    blocked = []
    for _ in range(9):
        await watcher.look()
        blocked.append(watcher.is_skewed)

    assert told.events == [
        ("clock.skewed", "warning", 31),
        ("clock.skewed", "critical", 121),
        ("clock.skewed", "warning", -31),
        ("clock.agrees", "info", 2),
    ]
    assert blocked == [False, False, False, False, False, True, True, False, False]


async def test_r17_a_head_that_was_read_a_while_ago_is_no_skew():
    machine = Machine()
    watcher, _ = watcher_on(machine, [0])
    await watcher.look()
    machine.wall += timedelta(minutes=9)
    machine.steady += 9 * 60

    assert watcher.skew == timedelta(0)
    assert not watcher.is_skewed

    machine.wall += timedelta(hours=1)  # and now somebody set it

    assert watcher.is_skewed
