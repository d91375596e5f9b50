"""
Evidence: one look at a chain for all operations that are open on it.

The newest block is read at every look, the EntryPoint's events once for all fences that are
watched (X12). Followers are woken after each look that may concern them, and decide for themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from runner.errors import WalletApiError
from runner.ethereum.address import Address
from runner.execution.contexts import Venue
from runner.ports import Block, OperationEvent, Telemetry, Transfer

_REORG_MARGIN = 5
"""Blocks below the oldest watched operation that are read again: its block may have moved."""

_WHOLE_EVERY = 50
"""Blocks after which everything is read again."""

_IDLE_SECONDS = 1.0

_LONGEST_REST = 1.0
"""Seconds after which a follower is woken in any case: clocks and generations move besides."""

_MANY = 10
"""Operations in one block that are cheaper read together than by their receipts."""

_MOST_MOVED = 8
"""Newest blocks of which it is kept what their operations moved."""

_MOST_BLOCKS = 64
"""Newest blocks that are kept at hand; whoever asks for one that is older reads it again."""


SKEW_WARNS = timedelta(seconds=30)
"""R17: clocks this far apart are worth a word."""

SKEW_BLOCKS = timedelta(seconds=120)
"""R17: clocks this far apart stop grants and sends."""


def skew_level(skew: timedelta) -> str | None:
    """How loud clocks that are so far apart are told of (R17); None: they agree."""
    if abs(skew) > SKEW_BLOCKS:
        return "critical"
    return "warning" if abs(skew) > SKEW_WARNS else None


@dataclass(slots=True)
class Follower:
    """One fence under watch: what the last look showed of it, and who waits for the next one."""

    sender: Address
    nonce: int
    from_block: int
    event: OperationEvent | None = None
    read_to: int | None = None  # the newest block that was read for it
    rests_until: datetime | None = None
    rung_at: float = 0.0
    leave_at: float | None = None
    _leave: Callable[[], None] = lambda: None
    _turn: asyncio.Future[None] | None = None

    async def look(self, rests_until: datetime | None = None) -> None:
        """
        Wait for the next look; a chain that cannot be read gives none, and decides nothing.

        Args:
            rests_until: Looks before this moment that show nothing new of the fence are passed
                over: there was nothing to do by the last one, and there is nothing by them.
        """
        self.rests_until = rests_until
        self._turn = asyncio.get_running_loop().create_future()
        await self._turn

    def leaves(self, leave: Callable[[], None], *, at: float) -> None:
        """Give up at a monotonic second what is kept from others, whatever is seen by then."""
        self._leave, self.leave_at = leave, at

    def leave(self) -> None:
        """That second has come."""
        self.leave_at = None
        self._leave()

    def ring(self) -> None:
        """Whoever waits goes on."""
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)


class Watcher:
    """The eyes on one venue; `run` looks until it is cancelled."""

    def __init__(self, venue: Venue, telemetry: Telemetry) -> None:
        self.venue = venue
        self._telemetry = telemetry
        self._followers: dict[int, Follower] = {}
        self._failing = False
        self._skew_level: str | None = None
        self._read_at: float | None = None
        self._wanted = asyncio.Event()
        self._blocks: dict[str, Block] = {}
        self._asking = asyncio.Lock()
        self._summing = asyncio.Lock()
        self._moved: dict[str, dict[bytes, list[Transfer]]] = {}
        self.head: Block | None = None
        self.seen = asyncio.Event()
        """Set once a first head was read: nothing can be decided before (X10)."""

    @property
    def head_age(self) -> float | None:
        """Seconds since a head block was last read (X10); None before the first."""
        if self._read_at is None:
            return None
        return self.venue.clock.monotonic() - self._read_at

    @property
    def skew(self) -> timedelta:
        """How far our clock is ahead of the chain's head (R17); zero before the first look."""
        if self.head is None or self._read_at is None:
            return timedelta(0)
        age = timedelta(seconds=self.venue.clock.monotonic() - self._read_at)
        return self.venue.clock.now() - self.head.timestamp - age

    @property
    def is_skewed(self) -> bool:
        """R17: clocks too far apart for a grant to be asked for or a payment to be sent."""
        return abs(self.skew) > SKEW_BLOCKS

    @property
    def final_block(self) -> int:
        """The newest block that counts as final by number (X13)."""
        return -1 if self.head is None else self.head.number - self.venue.finality.blocks + 1

    @property
    def final_at(self) -> datetime:
        """Blocks up to this time are old enough to be final; their depth is asked for besides."""
        if self.head is None:
            raise AssertionError("asked before the first look")
        return self.head.timestamp - self.venue.finality.age

    def is_final(self, block_number: int, block_at: datetime) -> bool:
        """Whether a block is deep and old enough."""
        return block_number <= self.final_block and block_at <= self.final_at

    async def block_of(self, event: OperationEvent) -> Block:
        """
        The block that an operation is in. It was mostly a head, and is read once for all in it.

        Raises:
            WalletApiError: the chain cannot be read.
        """
        block = self._blocks.get(event.block_hash)
        if block is not None:
            return block
        async with self._asking:
            block = self._blocks.get(event.block_hash)
            if block is None:
                block = await self.venue.chain.block(event.block_number)
                self._keep(block)
        return block

    async def outflows(self, event: OperationEvent) -> list[Transfer] | None:
        """
        What an operation moved out of its account, asked once for all that are in its block.

        None where they are few, or the endpoint does not tell: its receipt does.
        """
        moved = self._moved.get(event.block_hash)
        if moved is None:
            async with self._summing:
                moved = self._moved.get(event.block_hash)
                if moved is None:
                    moved = self._moved[event.block_hash] = await self._moved_in(event.block_hash)
                    if len(self._moved) > _MOST_MOVED:
                        del self._moved[next(iter(self._moved))]
        return moved.get(event.user_op_hash)

    async def _moved_in(self, block_hash: str) -> dict[bytes, list[Transfer]]:
        events = (one.event for one in self._followers.values() if one.event is not None)
        senders = [one.sender for one in events if one.block_hash == block_hash]
        if len(senders) < _MANY:
            return {}
        with suppress(WalletApiError):
            return await self.venue.chain.outflows(block_hash, sorted(set(senders)))
        return {}

    def _keep(self, block: Block) -> None:
        self._blocks[block.hash] = block
        if len(self._blocks) > _MOST_BLOCKS:
            del self._blocks[next(iter(self._blocks))]

    @contextmanager
    def follow(self, sender: Address, nonce: int, from_block: int) -> Iterator[Follower]:
        """Watch a fence for as long as the block lasts."""
        follower = Follower(sender, nonce, from_block)
        self._followers[id(follower)] = follower
        self._wanted.set()
        try:
            yield follower
        finally:
            del self._followers[id(follower)]

    async def run(self) -> None:
        """Look for ever; a failing endpoint is told once and asked again."""
        while True:
            try:
                await self.look()
            except WalletApiError as error:
                if not self._failing:
                    self._telemetry.emit(
                        "chain.unreachable",
                        level="warning",
                        venue=self.venue.name,
                        detail=error.what,
                        hint="payments already sent are watched again as soon as it answers",
                    )
                self._failing = True
            except Exception as error:  # a fault of ours must not close the eyes for good
                self._telemetry.emit(
                    "chain.fault",
                    level="critical",
                    venue=self.venue.name,
                    detail=f"unexpected {type(error).__name__}: {error}",
                )
            else:
                if self._failing:
                    self._telemetry.emit("chain.reachable", venue=self.venue.name)
                self._failing = False
            self._end_patience()
            await self._rest()

    def _end_patience(self) -> None:
        """Also where the chain cannot be read: places on a lane do not wait for that (R17)."""
        now = self.venue.clock.monotonic()
        for follower in self._followers.values():
            if follower.leave_at is not None and now >= follower.leave_at:
                follower.leave()

    async def _rest(self) -> None:
        """Until the next look: nothing is in a hurry while nobody follows."""
        if not self._followers:
            self._wanted.clear()
            await self.venue.clock.idle(self._wanted, _IDLE_SECONDS)
        if self._followers:
            await self.venue.clock.sleep(self.venue.poll_seconds)

    def _tell_skew(self) -> None:
        """R17: once when clocks have come too far apart, once more when it is worse or over."""
        skew = self.skew
        level = skew_level(skew)
        if level == self._skew_level:
            return
        self._skew_level = level
        seconds = round(skew.total_seconds())
        if level is None:
            self._telemetry.emit("clock.agrees", venue=self.venue.name, seconds=seconds)
            return
        self._telemetry.emit(
            "clock.skewed",
            level=level,
            venue=self.venue.name,
            seconds=seconds,
            detail=f"our clock is {abs(seconds)} s {'after' if seconds > 0 else 'before'} the "
            "newest block",
            hint=(
                "nothing is granted or sent until they agree; "
                if level == "critical"
                else f"beyond {SKEW_BLOCKS.total_seconds():.0f} s nothing is granted or sent; "
            )
            + "is the time of this machine synchronised, and the node up to date?",
        )

    async def look(self) -> None:
        """Read the head and the events of all watched fences; wake whom it may concern."""
        head = await self.venue.chain.head()
        # At once: events may take their time, and the head would tell an hour that has passed.
        read_at = self.venue.clock.monotonic()
        self.venue.clock.observe(head.timestamp)
        self._keep(head)
        followers = list(self._followers.values())
        # While the newest block is the same one, so is all below it: only who is new has to read.
        same = self.head is not None and self.head.hash == head.hash
        unread = [one for one in followers if not same or one.read_to is None]
        events: list[OperationEvent] = []
        lowest = 0
        if unread:
            lowest = min(self._unread(follower, head.number) for follower in unread)
            events = await self.venue.chain.operation_events(
                sorted({follower.sender for follower in unread}),
                from_block=lowest,
                to_block=head.number,
            )
        self.head = head
        self._read_at = read_at
        self._tell_skew()
        self.seen.set()
        by_fence = {(event.sender, event.nonce): event for event in events}
        for follower in unread:
            seen = by_fence.get((follower.sender, follower.nonce))
            before = follower.event
            if seen is not before and (
                seen is not None or before is None or before.block_number >= lowest
            ):
                follower.event = seen
                follower.rests_until = None
            follower.read_to = head.number
        now = max(self.venue.clock.now(), head.timestamp)
        for follower in followers:
            rests = follower.rests_until is not None and follower.rests_until > now
            if not rests or read_at - follower.rung_at >= _LONGEST_REST:
                follower.rung_at = read_at
                follower.ring()

    def _unread(self, follower: Follower, head: int) -> int:
        """
        From which block on a fence has to be looked for.

        What is below the blocks that may still move was read once and stands; now and then all
        of it is read again, since a margin is a guess.
        """
        first = max(follower.from_block - _REORG_MARGIN, 0)
        if follower.read_to is None or head % _WHOLE_EVERY == 0:
            return first
        margin = max(self.venue.finality.blocks, _REORG_MARGIN) + _REORG_MARGIN
        return max(min(follower.read_to, head) - margin, first)
