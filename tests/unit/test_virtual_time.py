"""A loop whose time is its own: the same moments in the same order, and none of them waited for."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.adapters.virtual import VirtualAlarm, VirtualClock, VirtualLoop

START = datetime(2026, 12, 1, tzinfo=UTC)
YEAR = 365 * 86_400.0


def run(main):
    """Run `main(loop, clock)` in a loop of its own; returns its result."""

    async def inside():
        loop = asyncio.get_running_loop()
        return await main(loop, VirtualClock(loop, start=START))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(inside())


def test_a_century_of_sleep_takes_no_time():
    """
    Waiting moves the clock by as much as was asked for, and nobody waits.
    """

    async def main(loop, clock):
        await clock.sleep(100 * YEAR)
        return clock.now(), clock.monotonic()

    before = time.monotonic()
    now, monotonic = run(main)

    assert now - START == timedelta(seconds=100 * YEAR)
    assert monotonic == 100 * YEAR
    assert time.monotonic() - before < 5


@given(st.lists(st.floats(0, 1e9, allow_nan=False), min_size=1, max_size=30))
def test_m12_everything_happens_in_order_and_at_its_time(delays):
    """
    Sleepers wake in the order of their moments, each within a microsecond of it, also after years.
    """

    async def main(loop, clock):
        woken = []

        async def sleeper(seconds):
            await clock.sleep(seconds)
            woken.append((seconds, loop.time()))

        await asyncio.gather(*(sleeper(seconds) for seconds in delays))
        return woken

    woken = run(main)

    assert sorted(seconds for seconds, _ in woken) == sorted(delays)
    assert [at for _, at in woken] == sorted(at for _, at in woken)
    assert all(-2e-6 <= at - seconds <= 3e-6 for seconds, at in woken)


def test_time_stands_still_while_anything_is_ready():
    """
    What needs no waiting happens at one moment, however much it is.
    """

    async def main(loop, clock):
        await clock.sleep(3)
        before = clock.now()
        for _ in range(1_000):
            await asyncio.sleep(0)
        return before, clock.now()

    before, after = run(main)

    assert before == after


def test_a_time_out_ends_what_waits_in_the_same_loop():
    """
    `timeout` bounds by the loop's time.
    """

    async def main(loop, clock):
        with pytest.raises(TimeoutError):
            async with clock.timeout(60):
                await clock.sleep(61)
        return loop.time()

    assert run(main) == pytest.approx(60, abs=1e-5)


def test_waiting_for_what_cannot_come_is_an_error_not_a_hang():
    """
    With nothing ready and no timer left, time would have to stop: the loop says so.
    """

    async def main(loop, clock):
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="nothing is left that could happen"):
        run(main)


def test_who_idles_looks_when_time_moves_and_before_the_timers_of_that_moment():
    """
    An idler wakes with the loop's next movement, not earlier than asked, ahead of what is due then.
    """

    async def main(loop, clock):
        seen, bell = [], asyncio.Event()

        async def watch():
            while True:
                bell.clear()
                await clock.idle(bell, 1.0)
                seen.append(("look", clock.now()))

        watcher = asyncio.create_task(watch())
        for seconds in (0.25, 0.25, 10, 3600):
            await clock.sleep(seconds)
            seen.append(("act", clock.now()))
        watcher.cancel()
        return seen

    seen = run(main)
    looks = [at for what, at in seen if what == "look"]

    assert [what for what, _ in seen] == ["act", "act", "look", "act", "look", "act"]
    assert looks == [at for what, at in seen if what == "act"][2:]


def test_a_bell_ends_idling_at_once():
    """
    Who is rung for does not wait for time to move.
    """

    async def main(loop, clock):
        bell = asyncio.Event()
        loop.call_soon(bell.set)
        await clock.idle(bell, 3600)
        return loop.time()

    assert run(main) == 0


def test_the_alarm_rings_at_the_moment_it_was_moved_to():
    """
    Moving it forgets the earlier moment; a moment that has passed rings at once.
    """

    async def main(loop, clock):
        alarm, rings = VirtualAlarm(loop), []
        for first, then in ((10, 500), (500, 10), (5, -3)):
            before = loop.time()
            alarm.ring_in(first)
            alarm.ring_in(then)
            await alarm.wait()
            rings.append(loop.time() - before)
        return rings

    assert run(main) == pytest.approx([500, 10, 0], abs=1e-5)


def test_several_rings_count_once_and_none_is_lost():
    """
    An alarm that rang while nobody waited is heard once by whoever waits next.
    """

    async def main(loop, clock):
        alarm = VirtualAlarm(loop)
        alarm.ring_in(1)
        await clock.sleep(5)
        alarm.ring_in(None)
        await alarm.wait()
        with pytest.raises(TimeoutError):
            async with clock.timeout(1_000):
                await alarm.wait()

    run(main)
