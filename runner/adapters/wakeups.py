"""
The only file that starts an APScheduler: an alarm clock, not a judge (M1).

Two jobs: a date trigger that is moved to the head of the heap, and a heartbeat each second that
catches whatever moved the clocks meanwhile. What is due is decided elsewhere, from the ledger and
the calendar; a ring too many or too few changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

_HEARTBEAT_SECONDS = 1


class Wakeups:
    """Implements `ports.Alarm`; `start` needs a running event loop."""

    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._bell = asyncio.Event()
        self.beat_at = time.monotonic()
        """When somebody last began to wait: who waits has done what was to be done."""

    def start(self) -> None:
        """Begin the heartbeat."""
        self._scheduler.start()
        self._scheduler.add_job(
            self._ring,
            IntervalTrigger(seconds=_HEARTBEAT_SECONDS, timezone=UTC),
            id="heartbeat",
            coalesce=True,
            misfire_grace_time=None,
            max_instances=1,
        )

    def stop(self) -> None:
        """End both jobs."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def ring_in(self, seconds: float | None) -> None:
        """Move the alarm; a moment that has passed rings at once."""
        if seconds is None:
            return
        if seconds <= 0:
            self._bell.set()
            return
        self._scheduler.add_job(
            self._ring,
            DateTrigger(datetime.now(UTC) + timedelta(seconds=seconds), timezone=UTC),
            id="alarm",
            replace_existing=True,
            misfire_grace_time=None,
        )

    async def wait(self) -> None:
        """Until one of the two rings."""
        self.beat_at = time.monotonic()
        await self._bell.wait()
        self._bell.clear()

    async def _ring(self) -> None:
        # A coroutine runs in the loop itself; a plain function would go to a thread pool.
        self._bell.set()
