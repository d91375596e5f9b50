"""
What a person asks for on a page, written down as the commands write it: a wish in the ledger, with
a name and a reason, which the daemon carries out; pauses are rows that hold once written (O10).
The daemon's own writer takes them: a ledger is opened for writing once in a process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from runner.adapters.sql import commands
from runner.adapters.sql.pauses import lift_pause, write_pause
from runner.dashboard.source import Source
from runner.errors import UsageError
from runner.records import Command, CommandState, Pause, PauseScope, Wish

_LOOK_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 5.0


async def ask(
    source: Source, kind: str, target: str, author: str, reason: str, arguments: Mapping[str, Any]
) -> Command:
    """
    Write a wish down and see what comes of it; it is still `asked` if nobody acts within seconds.

    Raises:
        StoreError: the ledger takes no write.
    """
    wish = Wish(kind, target, author, reason, source.now(), arguments)
    identity = await source.write(lambda tx: commands.ask(tx, wish))
    end = source.monotonic() + _PATIENCE_SECONDS
    while True:
        found = await asyncio.to_thread(_command, source, identity)
        if found.state is not CommandState.ASKED or source.monotonic() >= end:
            return found
        await asyncio.sleep(_LOOK_SECONDS)


def _command(source: Source, identity: int) -> Command:
    with source.ledger() as connection:
        return commands.command_by_id(connection, identity)


async def pause(
    source: Source,
    scope: PauseScope,
    target: str,
    author: str,
    reason: str,
    until: datetime | None = None,
) -> None:
    """
    Claim nothing more for what the scope names; a stop signs and sends nothing more (O8).

    Raises:
        UsageError: it is paused already, there is none of that name, or the end has passed.
    """
    now = source.now()
    if until is not None and until <= now:
        raise UsageError("its end lies in the past", hint="give a time that is still to come")
    wanted = Pause(scope, target, reason, now, until)
    await source.write(lambda tx: write_pause(tx, wanted, author=author))


async def resume(source: Source, scope: PauseScope, target: str, author: str, reason: str) -> None:
    """
    Let it go on with its next slot; nothing that was skipped is replayed (O3).

    Raises:
        UsageError: it is not paused.
    """
    now = source.now()
    await source.write(
        lambda tx: lift_pause(tx, scope, target, reason=reason, author=author, now=now)
    )
