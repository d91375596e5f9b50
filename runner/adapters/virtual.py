"""
Time that costs nothing: an event loop that jumps to the next thing to do, its clock, its alarm.

Where the machine's loop would sleep until its next timer, this one sets its time to that timer's
and goes on. Whatever runs in it sees the same moments in the same order as in real time, as long
as nothing in it waits for the world outside: no thread, no socket (M12).

Source: PEP 3156 for the loop; `BaseEventLoop` asks its selector how long to sleep, which is here
the only place where time passes.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any

_PER_SECOND = 1_000_000
_SECOND = timedelta(seconds=1)


class _Standstill(selectors.DefaultSelector):
    """Never waits: whoever would sleep is told that the time has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.elapsed = timedelta(0)
        self.idlers: list[tuple[float, asyncio.Event]] = []

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Move on by what the loop would have slept; nothing is ever read from a file."""
        if timeout is None:
            raise RuntimeError("everything waits, and nothing is left that could happen")
        if timeout > 0:
            self.elapsed += timedelta(microseconds=max(math.ceil(timeout * _PER_SECOND), 1))
            self.seconds = self.elapsed / _SECOND
            self._ring()
        return []

    def _ring(self) -> None:
        due = [bell for earliest, bell in self.idlers if earliest <= self.seconds]
        if due:
            self.idlers = [idler for idler in self.idlers if idler[0] > self.seconds]
        # Before the timers of this moment: who idles has looked when they act.
        for bell in due:
            bell.set()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is its own; it begins at 0 and counts seconds."""

    def __init__(self) -> None:
        self._standstill = _Standstill()
        super().__init__(self._standstill)
        # A timer is due within the clock's resolution. The machine's, a nanosecond, is lost in a
        # float of years: a timer at this very moment would be waited for for ever.
        self._clock_resolution = 1 / _PER_SECOND

    def time(self) -> float:
        """Seconds, to the microsecond; stands still while anything is ready to run."""
        return self._standstill.seconds

    @property
    def elapsed(self) -> timedelta:
        """As `time`, exactly; the same object until time moves."""
        return self._standstill.elapsed

    def ring_on_moving(self, bell: asyncio.Event, after: float) -> None:
        """Set a bell when time next moves, at this time of the loop or later."""
        self._standstill.idlers.append((after, bell))


class VirtualClock:
    """Implements `ports.Clock` on a `VirtualLoop` that stood at 0 when it was `start`."""

    def __init__(self, loop: VirtualLoop, *, start: datetime) -> None:
        self._loop = loop
        self._start = start
        self._now = (timedelta(0), start)

    def now(self) -> datetime:
        """The loop's time as an instant."""
        elapsed = self._loop.elapsed
        if elapsed is not self._now[0]:  # asked far more often than time moves
            self._now = (elapsed, self._start + elapsed)
        return self._now[1]

    def monotonic(self) -> float:
        """The loop's time."""
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Let the loop move on by this much."""
        await asyncio.sleep(seconds)

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[Any]:
        """Bound the body's time, which passes in the loop alone."""
        return asyncio.timeout(seconds)

    async def idle(self, bell: asyncio.Event, seconds: float) -> None:
        """Wait for a bell or the loop's next movement, after `seconds` at the earliest."""
        self._loop.ring_on_moving(bell, self._loop.time() + seconds)
        await bell.wait()

    def observe(self, head: datetime) -> None:
        """Chains follow this clock, not it them."""
        del head


class VirtualAlarm:
    """
    Implements `ports.Alarm`. It has no heartbeat: no clock is ever moved here, and no ring is lost.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._bell = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def ring_in(self, seconds: float | None) -> None:
        """Move the alarm; a moment that has passed rings at once."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self._timer = self._loop.call_later(max(seconds, 0.0), self._bell.set)

    async def wait(self) -> None:
        """Until it rings; several rings count once."""
        await self._bell.wait()
        self._bell.clear()
