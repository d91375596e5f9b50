"""
Pings: each success of a schedule calls its monitor, which notices when nobody calls (M11).

As good as can be, no more: three tries within a minute, and only for the newest success. A monitor
wants to hear of now; what could not be told in time is told by the next success.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from runner.adapters.alerts.egress import request
from runner.adapters.alerts.threads import Aside
from runner.errors import Undelivered
from runner.ports import Clock, Telemetry

_WAITS = (5.0, 20.0)
_SECONDS = 10.0
_PATIENCE = 30.0


class Pings:
    """Stands before another `ports.Telemetry`, passes everything on, and calls monitors."""

    def __init__(self, inner: Telemetry, *, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._asides: dict[str, Aside] = {}
        self._failing: set[str] = set()
        self.urls: Mapping[str, str] = {}
        """By schedule, whom to call: those of the policies in force."""

    def emit(self, event: str, **fields: Any) -> None:
        """One event a step; a success calls."""
        self._inner.emit(event, **fields)
        self.hear(event, fields)

    def concerns(self, event: str, _level: str) -> bool:
        """Whether an event may call somebody."""
        return event == "run.success"

    def hear(self, event: str, fields: Mapping[str, Any]) -> None:
        """A success calls; this never fails, and never waits."""
        if event == "run.success" and fields.get("reason") is None:
            url = self.urls.get(fields["schedule"])
            if url is not None:
                self._start(fields["schedule"], url)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Pings]:
        """Nobody is called any more after the block; a call under way has a moment to end."""
        try:
            yield self
        finally:
            tasks = list(self._tasks.values())
            if tasks:
                await asyncio.wait(tasks, timeout=1.0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, schedule: str, url: str) -> None:
        before = self._tasks.get(schedule)
        if before is not None and not before.done():
            return  # it is being called: for its monitor one call is as good as two
        self._tasks[schedule] = asyncio.create_task(self._call(schedule, url))

    async def _call(self, schedule: str, url: str) -> None:
        aside = self._asides.setdefault(schedule, Aside(f"ping {schedule}", patience=_PATIENCE))
        error: Undelivered | None = None
        for wait in (0.0, *_WAITS):
            await self._clock.sleep(wait)
            try:
                await aside.run(lambda: request("GET", url, seconds=_SECONDS))
            except Undelivered as failure:
                error = failure
            else:
                if schedule in self._failing:
                    self._failing.discard(schedule)
                    self._inner.emit("ping.answered", schedule=schedule)
                return
        self._failing.add(schedule)
        self._inner.emit(
            "ping.failed",
            level="warning",
            schedule=schedule,
            detail="" if error is None else error.what,
            hint="the payment is made; its monitor does not know",
        )
