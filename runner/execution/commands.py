"""
What operators ask for, carried out by whoever holds the ledger (O10).

A verb of the command line writes a wish; here it is noticed, handed to the handler of its kind,
and answered. A handler changes the ledger and answers in one transaction, so a wish is carried
out once, and races with a claim are decided by the ledger's one writer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from runner.errors import Conflict, RunnerError, StoreError
from runner.ports import Clock, Commands, Telemetry
from runner.records import Command, CommandState, Pause

Handler = Callable[[Command], Awaitable[None]]
"""
Carries out one kind of wish and answers it. It must not wait for the world outside: what takes
long is answered as begun. A `RunnerError` that it raises is the answer: refused.
"""

_LOOK_SECONDS = 0.25


class Desk:
    """Where wishes are noticed."""

    def __init__(
        self,
        commands: Commands,
        handlers: Mapping[str, Handler],
        *,
        clock: Clock,
        telemetry: Telemetry,
        on_pauses: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            on_pauses: Told when something else is paused or stopped than before.
        """
        self._commands = commands
        self._handlers = handlers
        self._clock = clock
        self._telemetry = telemetry
        self._on_pauses = on_pauses
        self._pauses: list[Pause] | None = None

    async def run(self) -> None:
        """For ever: each quarter of a second one look whether anything was written."""
        seen: int | None = None
        while True:
            try:
                await self._end_pauses()
                version = await self._commands.version()
                if version != seen:
                    await self._look_at_pauses()
                    await self.act()
                    seen = version
            except StoreError as error:
                self._telemetry.emit("commands.unreadable", level="error", detail=error.what)
            await self._clock.sleep(_LOOK_SECONDS)

    async def _end_pauses(self) -> None:
        now = self._clock.now()
        if any(one.until is not None and one.until <= now for one in self._pauses or ()):
            for one in await self._commands.lift_ended(now=now):
                self._telemetry.emit("pause.ended", scope=one.scope.value, subject=one.subject)

    async def _look_at_pauses(self) -> None:
        pauses = await self._commands.pauses()
        if self._pauses is not None and pauses != self._pauses:
            self._on_pauses()
        self._pauses = pauses

    async def act(self) -> int:
        """Carry out every wish that waits; tells how many there were."""
        waiting = await self._commands.asked()
        for command in waiting:
            await self._carry_out(command)
        return len(waiting)

    async def _carry_out(self, command: Command) -> None:
        wish = command.wish
        try:
            handler = self._handlers.get(wish.kind)
            if handler is None:
                raise RunnerError(f"nobody here can do {wish.kind}", hint="is the daemon older?")
            await handler(command)
        except Conflict:
            return  # acted on by another, or the row moved on: the next look finds which
        except Exception as error:  # a fault of ours must not stop the wishes behind it
            if not isinstance(error, RunnerError):
                error = RunnerError(f"unexpected {type(error).__name__}", hint="nothing was done")
            text = error.what if error.hint is None else f"{error.what}; {error.hint}"
            await self._commands.answer(command, CommandState.REFUSED, text, now=self._clock.now())
            self._say("command.refused", command, detail=text)
            return
        self._say("command.done", command)

    def _say(self, event: str, command: Command, **fields: object) -> None:
        wish = command.wish
        self._telemetry.emit(
            event,
            command=command.id,
            verb=wish.kind,
            target=wish.target,
            author=wish.author,
            reason=wish.reason,
            **fields,
        )
