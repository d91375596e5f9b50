"""What each look at the chain reads, and what it shows of a fence."""

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import WalletApiError
from runner.ethereum.address import Address
from runner.execution.watch import Watcher
from runner.ports import Block, OperationEvent

NOW = datetime(2026, 12, 1, tzinfo=UTC)
SENDER = Address("0x00000000000000000000000000000000000A11cE")


class Chain:
    """Blocks of events, and a note of what was asked."""

    def __init__(self):
        self.number, self.events, self.asked, self.read = 100, [], [], []
        self.fork = 0
        self.outflows_asked, self.tells, self.passed = [], True, 0.0

    async def head(self):
        return await self.block(self.number)

    async def stuck(self):
        raise WalletApiError("no chain today")

    async def wait(self, seconds):
        self.passed += seconds
        if self.passed > 9:
            raise asyncio.CancelledError

    async def block(self, number):
        self.read.append(number)
        return Block(number, NOW, f"0x{number:x}" + "f" * self.fork)

    async def operation_events(self, senders, *, from_block, to_block):
        if from_block > to_block:
            raise WalletApiError("a range that ends before it begins")
        self.asked.append((from_block, to_block))
        return [one for one in self.events if from_block <= one.block_number <= to_block]

    async def outflows(self, block_hash, senders):
        self.outflows_asked.append((block_hash, senders))
        if not self.tells:
            raise WalletApiError("no logs by block hash here")
        await asyncio.sleep(0)
        return {
            one.user_op_hash: [one.nonce] for one in self.events if one.block_hash == block_hash
        }


def event(nonce, block):
    return OperationEvent(
        nonce.to_bytes(32, "big"), SENDER, nonce, True, 1, block, f"0x{block:x}", "0x"
    )


def watcher(chain):
    clock = SimpleNamespace(
        monotonic=lambda: chain.passed,
        observe=lambda _: None,
        now=lambda: NOW + timedelta(seconds=chain.passed),
    )
    finality = SimpleNamespace(blocks=2, age=timedelta(0))
    return Watcher(
        SimpleNamespace(name="v", chain=chain, clock=clock, finality=finality, poll_seconds=1),
        SimpleNamespace(emit=lambda *_, **__: None),
    )


async def test_x12_what_was_read_is_not_read_again():
    """
    A fence that is open for long costs each look the newest blocks alone.
    """
    chain = Chain()
    eyes = watcher(chain)
    with eyes.follow(SENDER, 1, 20) as follower:
        await eyes.look()
        chain.events.append(event(1, 101))
        chain.number = 101
        await eyes.look()
        chain.number = 149
        await eyes.look()
        kept = follower.event
        chain.number = 151
        await eyes.look()

    assert chain.asked == [(15, 100), (90, 101), (91, 149), (139, 151)]
    assert kept == chain.events[0]
    assert follower.event == chain.events[0]


async def test_s6_an_event_that_is_gone_from_the_newest_blocks_is_gone():
    """
    A reorganisation takes back what was seen.
    """
    chain = Chain()
    eyes = watcher(chain)
    chain.events = [event(1, 99)]
    with eyes.follow(SENDER, 1, 90) as follower:
        await eyes.look()
        seen = follower.event
        chain.events = []
        chain.number = 98
        await eyes.look()

    assert seen is not None
    assert follower.event is None


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=1, max_size=40
    )
)
async def test_x12_reading_little_shows_what_reading_all_would(steps):
    """
    Whatever is included, moved within the margin, or taken back: each look shows the truth.
    """
    chain = Chain()
    eyes = watcher(chain)
    with eyes.follow(SENDER, 1, 96) as follower:
        for forward, includes, back in steps:
            before = list(chain.events)
            if back and chain.events and chain.number - chain.events[0].block_number < back:
                chain.events = []
            chain.number += forward
            if includes and not chain.events:
                chain.events = [event(1, chain.number)]
            chain.fork += chain.events != before  # other events are in other blocks
            await eyes.look()
            assert follower.event == (chain.events[0] if chain.events else None)


async def test_x12_under_the_same_head_only_new_fences_are_read():
    chain = Chain()
    eyes = watcher(chain)
    with eyes.follow(SENDER, 1, 20) as old:
        await eyes.look()
        await eyes.look()
        assert chain.asked == [(15, 100)]
        with eyes.follow(SENDER, 2, 95) as new:
            await eyes.look()
        chain.number = 101
        await eyes.look()

    assert chain.asked == [(15, 100), (90, 100), (90, 101)]
    assert (old.read_to, new.read_to) == (101, 100)


async def test_a_block_is_read_once_for_all_operations_in_it():
    chain = Chain()
    eyes = watcher(chain)
    await eyes.look()
    events = [event(1, 100), event(2, 99), event(3, 99)]

    blocks = await asyncio.gather(*(eyes.block_of(one) for one in events))

    assert [block.number for block in blocks] == [100, 99, 99]
    assert chain.read == [100, 99]


async def test_s6_a_block_that_has_taken_the_place_of_another_is_read_again():
    chain = Chain()
    eyes = watcher(chain)
    await eyes.look()
    moved = replace(event(1, 100), block_hash="0xother")

    await eyes.block_of(moved)

    assert chain.read == [100, 100]


async def followed(eyes, count):
    """Fences that have their event, as after a look."""
    with ExitStack() as stack:
        for nonce in range(1, count + 1):
            stack.enter_context(eyes.follow(SENDER, nonce, 99))
        await eyes.look()
        return [await eyes.outflows(event(nonce, 100)) for nonce in range(1, count + 1)]


@pytest.mark.parametrize(("count", "told"), [(9, False), (10, True), (60, True)])
async def test_x22_what_many_in_one_block_moved_is_asked_once(count, told):
    """
    Of few, each receipt is read: two questions about a block cost more.
    """
    chain = Chain()
    chain.events = [event(nonce, 100) for nonce in range(1, count + 1)]

    moved = await followed(watcher(chain), count)

    assert moved == [[nonce] if told else None for nonce in range(1, count + 1)]
    assert chain.outflows_asked == [("0x64", [SENDER])] * told


async def test_x22_an_endpoint_that_does_not_tell_of_a_block_is_asked_once():
    """
    Receipts remain: they say the same.
    """
    chain = Chain()
    chain.events, chain.tells = [event(nonce, 100) for nonce in range(1, 31)], False

    assert await followed(watcher(chain), 30) == [None] * 30
    assert len(chain.outflows_asked) == 1


async def test_h6_what_a_fence_keeps_from_others_is_given_up_whatever_the_chain_says():
    """
    Once, at its time by the monotonic clock (R17), also while the chain cannot be read.
    """
    chain = Chain()
    eyes = watcher(chain)
    chain.head = chain.stuck
    eyes.venue.clock.sleep = chain.wait
    left = []
    with eyes.follow(SENDER, 1, 99) as follower:
        follower.leaves(lambda: left.append(chain.passed), at=3.0)
        with pytest.raises(asyncio.CancelledError):
            await eyes.run()

    assert left == [3.0]


async def woken(eyes, waiting):
    """Whether one look wakes who waits."""
    await asyncio.sleep(0)
    await eyes.look()
    await asyncio.sleep(0)
    return waiting.done()


async def test_who_rests_is_woken_by_news_by_its_moment_and_after_a_second():
    """
    A look that shows nothing new of a fence wakes nobody who has nothing to do.
    """
    chain = Chain()
    eyes = watcher(chain)
    with eyes.follow(SENDER, 1, 99) as follower:
        resting = asyncio.create_task(follower.look())
        assert await woken(eyes, resting)  # it did not say that it rests

        resting = asyncio.create_task(follower.look(NOW + timedelta(hours=1)))
        chain.number += 1
        assert not await woken(eyes, resting)
        chain.events = [event(1, 101)]
        chain.number += 1
        assert await woken(eyes, resting)

        resting = asyncio.create_task(follower.look(NOW + timedelta(seconds=0.5)))
        assert not await woken(eyes, resting)
        chain.passed = 0.5
        assert await woken(eyes, resting)

        resting = asyncio.create_task(follower.look(NOW + timedelta(hours=1)))
        chain.passed = 1.4
        assert not await woken(eyes, resting)
        chain.passed = 1.5
        assert await woken(eyes, resting)

        resting = asyncio.create_task(follower.look(NOW + timedelta(hours=1)))
        await asyncio.sleep(0)
        chain.events = []
        chain.fork += 1
        assert await woken(eyes, resting)  # a block took it away again
