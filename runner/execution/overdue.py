"""Looks for what is overdue, and tells it once (M11, X20)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runner.errors import StoreError
from runner.execution.contexts import ScheduleContext
from runner.ports import Breaches, Clock, Commands, Telemetry
from runner.scheduling.occurrence import Slot
from runner.scheduling.signals import Breach, Signal, breaches, long_pauses, watches

_LOOK_SECONDS = 2.0

_HINTS = {
    Signal.LATE_AFTER: "see what it waits for: runner status",
    Signal.MAX_RUNTIME: "see where it stands: runner runs show",
    Signal.MAX_TIME_SINCE_SUCCESS: "see what became of its slots: runner runs list",
    Signal.LONG_PAUSE: "let it go on, or give the pause an end: runner schedules resume",
}


class Overdue:
    """Looks at every schedule that has a late signal, and at pauses without an end."""

    def __init__(
        self,
        schedules: Mapping[str, ScheduleContext],
        *,
        undecided: Callable[[str], Slot | None],
        ledger: Breaches,
        commands: Commands,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        """
        Args:
            undecided: The next slot of a schedule, which nobody has decided yet.
        """
        self._watched = {uid: one for uid, one in schedules.items() if watches(one.spec)}
        self._undecided = undecided
        self._ledger = ledger
        self._commands = commands
        self._clock = clock
        self._telemetry = telemetry
        self._known: frozenset[tuple[str, str, str]] | None = None

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self.look()
            except StoreError as error:
                self._telemetry.emit("signals.unreadable", level="error", detail=error.what)
            except Exception as error:  # a fault of ours must not stop payments
                fault = f"unexpected {type(error).__name__}: {error}"
                self._telemetry.emit("signals.fault", level="critical", detail=fault)
            await self._clock.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """Tell what has become overdue since the last look, and what is over."""
        found = [*await self._late(), *await self._paused()]
        keys = frozenset(one.key for one in found)
        if keys == self._known:
            return
        raised, over = await self._ledger.report_breaches(found, now=self._clock.now())
        self._known = keys
        for one in raised:
            level = "warning" if one.signal is Signal.LONG_PAUSE else "error"
            self._say("schedule.overdue", one, level=level, hint=_HINTS[one.signal])
        for one in over:
            if one.signal is not Signal.LONG_PAUSE:
                self._say("schedule.in_time", one)

    async def _late(self) -> list[Breach]:
        if not self._watched:
            return []
        facts = await self._ledger.signal_facts(tuple(self._watched), now=self._clock.now())
        return [
            breach
            for uid, known in facts.items()
            for breach in breaches(
                self._watched[uid].spec,
                known,
                undecided=self._undecided(uid),
                now=self._watched[uid].session.venue.clock.now(),
            )
        ]

    async def _paused(self) -> list[Breach]:
        pauses = await self._commands.pauses()
        told = [(one.subject, one.since, one.until, one.reason) for one in pauses]
        return list(long_pauses(told, now=self._clock.now()))

    def _say(self, event: str, breach: Breach, **fields: object) -> None:
        self._telemetry.emit(
            event,
            schedule=breach.schedule,
            signal=breach.signal.value,
            subject=breach.subject,
            since=breach.since,
            detail=breach.detail,
            **fields,
        )
