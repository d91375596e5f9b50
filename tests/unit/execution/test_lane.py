"""A lane: width for payments, solitude for grants, nobody starves."""

import asyncio

import pytest

from runner.execution.lane import Lane


async def test_h6_no_more_than_width_payments_at_once():
    """
    A fifth payment waits until one of four leaves.
    """
    lane, inside, most = Lane(width=4), 0, 0

    async def pay():
        nonlocal inside, most
        async with lane.payment():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    await asyncio.gather(*(pay() for _ in range(20)))

    assert most == 4


async def test_h6_a_grant_is_alone_and_is_not_starved():
    """
    Whoever asks for the whole lane gets it after those before, and before those behind.
    """
    lane, log = Lane(width=2), []

    async def pay(name):
        async with lane.payment():
            log.append(name)
            await asyncio.sleep(0.001)
            log.append(f"{name} out")

    async def install():
        async with lane.alone():
            log.append("grant")
            await asyncio.sleep(0.001)
            log.append("grant out")

    first = asyncio.create_task(pay("a"))
    await asyncio.sleep(0)
    await asyncio.gather(install(), pay("b"), first)

    assert log == ["a", "a out", "grant", "grant out", "b", "b out"]


@pytest.mark.parametrize("alone", [True, False])
async def test_giving_up_the_wait_leaves_no_trace(alone):
    """
    A cancelled waiter neither holds a place nor blocks those behind it.
    """
    lane = Lane(width=1)
    async with lane.payment():
        waiting = asyncio.create_task(_enter(lane, alone=alone))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    async with asyncio.timeout(1), lane.alone():
        pass
    async with asyncio.timeout(1), lane.payment():
        pass

    assert waiting.cancelled()


async def test_cancelled_in_the_moment_of_admission():
    """
    A waiter that is admitted and cancelled in the same turn of the loop gives its place back.
    """
    lane = Lane(width=1)
    place = lane.payment()
    await place.__aenter__()
    waiting = asyncio.create_task(_enter(lane, alone=False))
    await asyncio.sleep(0)
    await place.__aexit__(None, None, None)  # admits the waiter
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    async with asyncio.timeout(1), lane.alone():
        pass

    assert waiting.cancelled()


async def _enter(lane, *, alone):
    async with lane.alone() if alone else lane.payment():
        await asyncio.sleep(10)


async def test_a_place_is_given_back_once():
    """
    Early, by whoever knows that a bundler holds nothing any more, and at the end again.
    """
    lane = Lane(1)
    async with lane.payment() as place:
        place.leave()
        place.leave()
        async with asyncio.timeout(1), lane.payment():
            waiting = asyncio.create_task(lane.enter())
            await asyncio.sleep(0)
            assert not waiting.done()

    (await waiting).leave()
    async with asyncio.timeout(1), lane.alone():
        pass
