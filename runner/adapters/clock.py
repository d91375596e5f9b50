"""
Clocks: the system's, and the one that follows a chain's head (R17).

Waiting uses the monotonic clock in both, so a step of the wall clock neither shortens nor
lengthens a wait.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

_STEP = timedelta(seconds=2)
"""A head this far behind our reckoning means that its clock was moved, not that a read was slow."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The wall clock, aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment, never backwards."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[Any]:
        """Bound the body's time."""
        return asyncio.timeout(seconds)

    async def idle(self, bell: asyncio.Event, seconds: float) -> None:
        """Wait for a bell, a while at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await bell.wait()

    def observe(self, head: datetime) -> None:
        """The system clock goes its own way; skew is judged elsewhere."""
        del head


class WalletClock(SystemClock):
    """
    `timing.clock: wallet`: the head block's time plus what has passed since it was read.

    A block's time is a whole second that lies behind us when we read it, so of several readings
    the one that puts us latest is the best; a head far behind it resets the reckoning.
    """

    def __init__(self) -> None:
        self._zero: datetime | None = None  # chain time when our monotonic time was 0

    def now(self) -> datetime:
        """Chain time; the system's until a first head was read."""
        if self._zero is None:
            return super().now()
        return self._zero + timedelta(seconds=time.monotonic())

    def observe(self, head: datetime) -> None:
        """Take note of a head block that was read just now."""
        zero = head - timedelta(seconds=time.monotonic())
        if self._zero is None or zero > self._zero or self._zero - zero > _STEP:
            self._zero = zero
