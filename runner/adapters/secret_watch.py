"""
Secrets that change under a running daemon: noticed, read anew, and taken over where that is safe.

Files are looked at, not watched: what Kubernetes swaps through two links, what Docker mounts, and
what lies on another machine's disk rings no bell everywhere. What cannot be read, or is none, is
told loudly, and the last good secret stays in use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from runner.errors import RunnerError
from runner.ports import Clock, Telemetry
from runner.settings import FileRef, Reference

_LOOK_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 30.0
"""So often what could not be read is tried again, its file unchanged or not."""

Renewal = Callable[[], Awaitable[bool]]
"""Reads a secret anew and takes it over: whether it was another one. Raises RunnerError."""

State = tuple[tuple[int, ...], ...]


@dataclass(slots=True)
class _Secret:
    """One place of runner.yaml; `seen` is the state of its files when they were last read."""

    files: tuple[Path, ...]
    seen: State
    settling: State | None = None
    renewals: list[Renewal] = field(default_factory=list)
    trouble: str | None = None
    again_at: float = 0.0


class SecretWatch:
    """
    Looks at the files of secrets each second; reads those that changed and have come to rest.

    Args:
        references: What is referred to, by place. Made before anything of it is read: a change
            after that is noticed, whenever it comes.
    """

    def __init__(self, references: Mapping[str, Iterable[Reference]], *, clock: Clock) -> None:
        self._clock = clock
        self._bell = asyncio.Event()
        self._secrets = {}
        for place, parts in references.items():
            files = tuple(one.path for one in parts if isinstance(one, FileRef))
            self._secrets[place] = _Secret(files, _state(files))

    def renewing(self, place: str, renewal: Renewal) -> None:
        """From now on `renewal` reads the secret of this place when it changes."""
        if place in self._secrets:
            self._secrets[place].renewals.append(renewal)

    def read_all(self) -> None:
        """Read everything anew at once: also what programs print."""
        self._bell.set()

    async def run(self, telemetry: Telemetry) -> None:
        """For ever."""
        while True:
            await self._clock.idle(self._bell, _LOOK_SECONDS)
            everything = self._bell.is_set()
            self._bell.clear()
            await self.look(telemetry, everything=everything)

    async def look(self, telemetry: Telemetry, *, everything: bool = False) -> None:
        """Look once; a file that changed is read when the next look finds it as this one did."""
        used = {place: one for place, one in self._secrets.items() if one.renewals}
        states = await asyncio.to_thread(
            lambda: {place: _state(one.files) for place, one in used.items()}
        )
        for place, one in used.items():
            state = states[place]
            rested = state != one.seen and state == one.settling
            one.settling = state
            due = one.trouble is not None and self._clock.monotonic() >= one.again_at
            if rested or due or everything:
                one.seen = state
                await self._read(place, one, telemetry)

    async def _read(self, place: str, one: _Secret, telemetry: Telemetry) -> None:
        changed = False
        try:
            for renewal in one.renewals:
                changed |= await renewal()
        except RunnerError as error:
            trouble, hint = error.what, error.hint
        except Exception as error:  # its text may hold the secret
            trouble, hint = f"unexpected {type(error).__name__}", None
        else:
            if changed or one.trouble is not None:
                telemetry.emit("secret.renewed", where=place)
            one.trouble = None
            return
        one.again_at = self._clock.monotonic() + _AGAIN_SECONDS
        if trouble == one.trouble:
            return
        one.trouble = trouble
        kept = "the last good one stays in use until this daemon ends"
        telemetry.emit(
            "secret.refused",
            level="error",
            where=place,
            detail=trouble,
            hint=f"{hint}; {kept}" if hint else kept,
        )


def _state(files: Iterable[Path]) -> State:
    """What stands behind each name now, links followed: another file, or another text, differs."""
    return tuple(_state_of(path) for path in files)


def _state_of(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError as error:
        return (error.errno or 0,)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
