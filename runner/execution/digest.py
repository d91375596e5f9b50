"""Makes the digest when its time has come: one a day, whatever restarts and clocks do (O11)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from runner.alerting.messages import Message
from runner.errors import StoreError
from runner.ports import Clock, Telemetry
from runner.reporting.digest import is_wanted, last_due, next_due

_LOOK_SECONDS = 60.0
_FIRST_LOOK_SECONDS = 5.0
"""A daemon that has just started knows its schedules and grants a little later."""


class Digests:
    """Waits for the time of day, then composes and announces."""

    def __init__(
        self,
        at: time,
        zone: ZoneInfo,
        *,
        compose: Callable[[date, datetime], Awaitable[Message]],
        announce: Callable[[Message], Awaitable[None]],
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        """
        Args:
            announce: Takes a message once, however often it is handed over.
        """
        self._at = at
        self._zone = zone
        self._compose = compose
        self._announce = announce
        self._clock = clock
        self._telemetry = telemetry
        self._done: date | None = None

    async def run(self) -> None:
        """For ever."""
        await self._clock.sleep(_FIRST_LOOK_SECONDS)
        while True:
            try:
                await self.look()
            except StoreError:  # told by whoever pays; the next look may succeed
                pass
            except Exception as error:  # a fault of ours must not stop the next one
                fault = f"unexpected {type(error).__name__}: {error}"
                self._telemetry.emit("digest.fault", level="error", detail=fault)
            now = self._clock.now()
            left = (next_due(self._at, self._zone, now) - now).total_seconds()
            await self._clock.sleep(min(max(left, 0.1), _LOOK_SECONDS))

    async def look(self) -> None:
        """Announce what is due and was not announced yet."""
        now = self._clock.now()
        day, due = last_due(self._at, self._zone, now)
        if day == self._done or not is_wanted(due, now):
            return
        await self._announce(await self._compose(day, now))
        self._done = day
        self._telemetry.emit("digest.made", day=day.isoformat())
