"""
Taking grants off accounts, and waiting until each is proved to be off (X15, O9).

A running daemon does it; where none runs, the command opens wallets and signers itself, does this
and nothing else.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.cli.asking import is_running
from runner.cli.loading import policies_of, settings_of
from runner.cli.render import hint, look, note, write, write_json
from runner.errors import LedgerHeld

if TYPE_CHECKING:
    from runner.records import Command
    from runner.reporting.views import GrantView
    from runner.settings import Settings

_LOOK_SECONDS = 0.25


def finish(config: str | None, command: Command, form: str, *, seconds: float) -> int:
    """
    Wait until the grants of a wish are off their accounts; tell what became of each.

    Returns:
        The exit code: 1 if one can still sign.
    """
    settings = settings_of(config)
    names = frozenset(command.data.get("grants", ()))
    if form != "json":
        note(command.answer or "done")
    if seconds > 0:
        asyncio.run(_finish(settings, names, seconds))
    left = _tell(settings, names, form, command)
    return 1 if left and seconds > 0 else 0


async def _finish(settings: Settings, names: Collection[str], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while _open(settings, names) and loop.time() < end:
        if not is_running(settings):
            try:
                await _take_off(settings, end - loop.time())
            except LedgerHeld:  # a daemon has started meanwhile
                continue
            return
        await asyncio.sleep(_LOOK_SECONDS)


async def _take_off(settings: Settings, seconds: float) -> None:
    from runner.adapters.telemetry import StructlogTelemetry
    from runner.bootstrap.runtime import runtime
    from runner.settings import Alerts

    telemetry = StructlogTelemetry(people=True, level="warning")
    async with runtime(
        replace(settings, alerts=Alerts()),  # in a hurry, no secret of a chat server is missed
        policies_of(settings),
        telemetry=telemetry,
        environment=os.environ,
        sandbox=False,
    ) as ready:
        try:
            async with asyncio.timeout(seconds):
                await ready.daemon.take_off()
        except TimeoutError:
            return


def _grants(settings: Settings, names: Collection[str]) -> list[GrantView]:
    from runner.adapters.sql import reading

    with reading.ledger(settings.store) as ledger:
        found = reading.grants(ledger)
    return [one for one in found if f"{one.session}#{one.generation}" in names]


def _open(settings: Settings, names: Collection[str]) -> list[GrantView]:
    return [one for one in _grants(settings, names) if one.state == "stopping"]


def _tell(settings: Settings, names: Collection[str], form: str, command: Command) -> bool:
    from runner.cli.options import now
    from runner.reporting import scripts
    from runner.reporting.lists import grants_table

    found = _grants(settings, names)
    left = [one for one in found if one.state == "stopping"]
    if form == "json":
        write_json({"command": command.id, "grants": [scripts.grant(one) for one in found]})
    else:
        write(grants_table(found, look(), now=now(), every=True))
    if left:
        hint(
            f"{len(left)} can still sign on the chain until the owner's operation is final; see "
            "`runner status`"
        )
    return bool(left)
