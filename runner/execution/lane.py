"""
A lane: the operations in flight on one account.

Bundlers hold few operations of an unstaked sender, so payments share a small width; grant work
takes the lane alone, since two first uses of entities at once cannot both be installed (H6, X16).
Who asks first goes first, so a stream of payments cannot starve a renewal.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Place:
    """A payment's place on a lane. It is given back once, however often that is said."""

    __slots__ = ("_lane",)

    def __init__(self, lane: Lane) -> None:
        self._lane: Lane | None = lane

    def leave(self) -> None:
        """Let the next one in."""
        lane, self._lane = self._lane, None
        if lane is not None:
            lane._leave()


class Lane:
    """Width for payments, solitude for grants; first come, first served."""

    def __init__(self, width: int = 4) -> None:
        self._width = width
        self._taken = 0
        self._alone = False
        self._waiting: deque[tuple[asyncio.Future[None], bool]] = deque()
        self.fees: set[str] = set()
        """Runs that may cost a fee and are not signed yet: the ledger does not count them (G2)."""

        self.grants = asyncio.Lock()
        """X16: held by the one grant that is between its request and its activation."""

    async def enter(self) -> Place:
        """One place among the lane's width, for whoever may give it back before it is done."""
        if self._waiting or self._alone or self._taken >= self._width:
            await self._enter(alone=False)
        else:
            self._taken += 1
        return Place(self)

    @asynccontextmanager
    async def payment(self) -> AsyncIterator[Place]:
        """One place among the lane's width."""
        place = await self.enter()
        try:
            yield place
        finally:
            place.leave()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """The whole lane."""
        await self._enter(alone=True)
        try:
            yield
        finally:
            self._alone = False
            self._admit()

    async def _enter(self, *, alone: bool) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, alone))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # admitted in the moment of giving up
                if alone:
                    self._alone = False
                else:
                    self._taken -= 1
            else:
                self._waiting = deque(w for w in self._waiting if w[0] is not turn)
            self._admit()
            raise

    def _leave(self) -> None:
        self._taken -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            turn, alone = self._waiting[0]
            if self._alone or (self._taken > 0 if alone else self._taken >= self._width):
                return
            self._waiting.popleft()
            if turn.cancelled():
                continue
            if alone:
                self._alone = True
            else:
                self._taken += 1
            turn.set_result(None)
