"""
Policies that change under a running daemon: noticed, read, and put in force, or refused as a whole.

A bad edit changes nothing: the last good set stays in force, and people are told what is wrong.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import PolicyErrors, RunnerError

if TYPE_CHECKING:
    from runner.bootstrap.runtime import Runtime
    from runner.policy.model import Policy
    from runner.ports import Telemetry
    from runner.settings import Settings

_MOST_FAULTS = 20
_DEBOUNCE_MS = 300
_STEP_MS = 50


class Changes:
    """Rings when policies or the organisation's rules change, and on SIGHUP."""

    def __init__(
        self, settings: Settings, telemetry: Telemetry, *, hung_up: Callable[[], None] | None = None
    ) -> None:
        """
        Args:
            hung_up: Is called on SIGHUP besides.
        """
        self._hung_up = hung_up
        self._policies = settings.policies
        self._rules = settings.organisation
        self._telemetry = telemetry
        self._bell = asyncio.Event()
        self._ended = asyncio.Event()

    async def watch(self) -> None:
        """Until cancelled. What cannot be watched is told once; SIGHUP works all the same."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._ring)
        folder = self._policies if self._policies.is_dir() else self._policies.parent
        watching = [self._watch(folder)]
        if self._rules is not None:
            watching.append(self._watch(self._rules.parent, only=self._rules.name))
        await asyncio.gather(*watching)

    async def _watch(self, folder: Path, *, only: str | None = None) -> None:
        """A folder with all below it; or `only` one file in it, which an editor may replace."""
        from watchfiles import DefaultFilter, awatch

        wanted = DefaultFilter() if only is None else lambda _, path: Path(path).name == only
        try:
            async for _ in awatch(
                folder,
                watch_filter=wanted,
                recursive=only is None,
                debounce=_DEBOUNCE_MS,
                step=_STEP_MS,
                stop_event=self._ended,
            ):
                self._bell.set()
        except (OSError, RuntimeError) as error:
            self._telemetry.emit(
                "policies.unwatched",
                level="warning",
                detail=f"{folder} cannot be watched: {error}",
                hint="after an edit send SIGHUP to this process",
            )

    def _ring(self) -> None:
        self._bell.set()
        if self._hung_up is not None:
            self._hung_up()

    def end(self) -> None:
        """Watch no more."""
        self._ended.set()

    async def wait(self) -> None:
        """Until something has changed since the last time."""
        await self._bell.wait()
        self._bell.clear()


class Reloader:
    """
    Runs a daemon, and the next one after each good edit.

    Args:
        read: Reads and checks the policies on disk.
        settle: Is called whenever a daemon is ready, for what it consists of stays.
    """

    def __init__(
        self,
        ready: Runtime,
        changes: Changes,
        telemetry: Telemetry,
        *,
        read: Callable[[], Sequence[Policy]],
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        self._ready = ready
        self._changes = changes
        self._telemetry = telemetry
        self._read = read
        self._settle = settle
        self._stopped = False

    @property
    def policies(self) -> Sequence[Policy]:
        """Those in force."""
        return self._ready.policies

    def stop(self) -> None:
        """As `Daemon.stop`, whichever runs."""
        self._stopped = True
        self._ready.daemon.stop()

    async def run(self) -> None:
        """Until `stop`."""
        self._settle()
        watching = asyncio.create_task(self._changes.watch())
        running = asyncio.create_task(self._ready.daemon.run(self._ready.seeds))
        try:
            while True:
                changed = asyncio.create_task(self._changes.wait())
                await asyncio.wait({running, changed}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
                if running.done():
                    break
                following = await self._renewed()
                if following is None or self._stopped:
                    continue
                self._ready.daemon.hand_over()
                await running
                self._ready = following
                self._settle()
                if self._stopped:  # told so while the one before let go
                    following.daemon.stop()
                running = asyncio.create_task(following.daemon.run(following.seeds))
            await running
        finally:
            self._changes.end()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _renewed(self) -> Runtime | None:
        """The daemon over what is on disk now; None where that is the same, or not good."""
        try:
            policies = await asyncio.to_thread(self._read)
            following = await self._ready.rebuilt(policies)
        except PolicyErrors as errors:
            faults = [str(fault) for fault in errors.faults[:_MOST_FAULTS]]
            await self._refuse(errors.what, faults)
            return None
        except RunnerError as error:
            await self._refuse(error.what, [str(error)])
            return None
        if following is None:
            self._telemetry.emit("policies.unchanged", level="debug")
        else:
            self._telemetry.emit("policies.reloaded", schedules=len(following.seeds))
        return following

    async def _refuse(self, what: str, faults: Sequence[str]) -> None:
        self._telemetry.emit(
            "policies.refused",
            level="error",
            detail=what,
            findings=faults,
            hint="nothing has changed: the last good policies stay in force; see each fault: "
            "runner validate",
        )
        await self._ready.remember_refusal(faults)
