"""
Delivers what stands in the outbox: to each destination in order, one message at a time.

A destination that fails is tried again, ever more seldom, and does not hold up the others. What
was sent and could not be ticked off is sent again: receivers tell it by its id.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta

from runner.alerting.messages import Message
from runner.errors import RunnerError, StoreError
from runner.ports import AlertBook, Channel, Clock, Letter, Telemetry

_FIRST_WAIT, _LAST_WAIT = 5.0, 900.0
_AT_ONCE = 20
_LOOK_SECONDS = 30.0
_LOUD_AFTER = 3
_LAST_SECONDS = 3.0
_OLDEST = timedelta(days=7)
"""What nobody took for so long is given up: it would help nobody any more."""


class PostOffice:
    """Every destination's queue."""

    def __init__(
        self, channels: Iterable[Channel], *, book: AlertBook, clock: Clock, telemetry: Telemetry
    ) -> None:
        self._queues = {
            one.name: Queue(one, book=book, clock=clock, telemetry=telemetry) for one in channels
        }

    def posted(self) -> None:
        """There is something new in the outbox."""
        for queue in self._queues.values():
            queue.bell.set()

    def shout(self, destination: str, message: Message) -> None:
        """Deliver what the outbox could not keep, once."""
        queue = self._queues.get(destination)
        if queue is not None:
            queue.unkept.append(message)
            queue.bell.set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Deliver as long as the block lasts, and what is on its way a moment longer."""
        tasks = {asyncio.create_task(one.run()): one for one in self._queues.values()}
        try:
            yield
        finally:
            for queue in tasks.values():
                queue.close()
            busy = [task for task, queue in tasks.items() if not queue.is_resting]
            if busy:
                await asyncio.wait(busy, timeout=_LAST_SECONDS)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Queue:
    """What is to be delivered to one destination."""

    def __init__(
        self, channel: Channel, *, book: AlertBook, clock: Clock, telemetry: Telemetry
    ) -> None:
        self._channel = channel
        self._book = book
        self._clock = clock
        self._telemetry = telemetry
        self._failures = 0
        self._closing = False
        self.is_resting = False
        """Whether it waits for its channel to recover."""

        self.bell = asyncio.Event()
        self.unkept: list[Message] = []

    def close(self) -> None:
        """End after what is on its way."""
        self._closing = True
        self.bell.set()

    async def run(self) -> None:
        """Until `close`."""
        while not self._closing:
            self.bell.clear()
            try:
                await self.deliver()
            except StoreError:  # the ledger says so itself
                await self._clock.sleep(_FIRST_WAIT)
            except Exception as error:  # a fault of ours must not silence all that follows
                fault = f"unexpected {type(error).__name__}"
                self._telemetry.emit("alerts.fault", level="error", detail=fault)
                await self._clock.sleep(_LOOK_SECONDS)
            await self._rest()

    async def _rest(self) -> None:
        if not self._failures:
            if not self._closing:
                await self._clock.idle(self.bell, _LOOK_SECONDS)
            return
        self.is_resting = True
        wait = _FIRST_WAIT * 2 ** min(self._failures - 1, 10)
        await self._clock.sleep(min(wait, _LAST_WAIT))
        self.is_resting = False

    async def deliver(self) -> None:
        """Everything that waits, up to the first that is not taken."""
        unkept, self.unkept = self.unkept, []
        for message in unkept:
            await self._try(message)
        while letters := await self._book.waiting(self._channel.name, limit=_AT_ONCE):
            for letter in letters:
                if not await self._carry(letter):
                    return

    async def _carry(self, letter: Letter) -> bool:
        error = await self._try(letter.message)
        now = self._clock.now()
        if error is None:
            await self._book.delivered(letter, now=now)
            return True
        give_up = now - letter.written_at > _OLDEST
        await self._book.undelivered(letter, error.what, now=now, give_up=give_up)
        return False

    async def _try(self, message: Message) -> RunnerError | None:
        try:
            await self._channel.send(message)
        except RunnerError as error:
            self._failures += 1
            if self._failures == _LOUD_AFTER:
                self._telemetry.emit(
                    "alerts.unreachable",
                    level="warning",
                    to=self._channel.name,
                    detail=error.what,
                    hint="nothing is lost: messages wait; try it: runner alerts test",
                )
            return error
        if self._failures >= _LOUD_AFTER:
            self._telemetry.emit("alerts.reachable", to=self._channel.name)
        self._failures = 0
        return None
