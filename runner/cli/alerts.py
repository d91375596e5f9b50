"""`runner alerts`: what people are told, and whether it reaches them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from runner.cli.loading import settings_of
from runner.cli.options import config_option, format_options, now
from runner.cli.render import look, note, write, write_json
from runner.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.adapters.alerts.opening import Destination


@click.group()
def alerts() -> None:
    """What people are told, and whether it reaches them."""


@alerts.command("list")
@config_option
@click.option("--all", "every", is_flag=True, help="Also the last time of causes that are over.")
@format_options()
def list_(config: str | None, every: bool, form: str) -> None:
    """List open incidents, one for each cause, the worst first."""
    from runner.adapters.sql import reading
    from runner.adapters.sql.alerts import incidents
    from runner.reporting import alerts as pages

    settings = settings_of(config)
    with reading.ledger(settings.store) as ledger:
        found = [one for one in incidents(ledger) if every or one.is_open]
        silent = reading.silent_channels(ledger)
    if form == "json":
        write_json(pages.as_json(found))
        return
    write(pages.as_table(found, look(), at=now()))
    for one in silent:
        note(f"{one.waiting} messages wait for {one.destination}: {one.error}.")


@alerts.command("test")
@config_option
@format_options()
def test(config: str | None, form: str) -> int:
    """
    Send a test message to every destination, whatever its severity, and say what came of it.

    Needs no ledger and no daemon. Exit code 1 if one of them did not take it.
    """
    import asyncio

    from runner.adapters.alerts.opening import open_channels
    from runner.reporting import alerts as pages

    settings = settings_of(config)
    found = open_channels(settings.alerts, os.environ, now=now)
    if not found:
        raise UsageError(
            "runner.yaml names nobody who is told of alerts",
            hint="add `alerts: {routes: [{min_severity: warning, to: [{env: ALERT_URL}]}]}`",
        )
    results = asyncio.run(_try_each(found))
    if form == "json":
        write_json(results)
    else:
        write(pages.results_table(results, look()))
    return 0 if all(one["delivered"] for one in results) else 1


async def _try_each(destinations: Sequence[Destination]) -> list[dict[str, Any]]:
    import asyncio

    from runner.alerting.messages import trial
    from runner.errors import Undelivered

    message = trial(now())
    channels = {one.channel.name: one.channel for one in destinations}

    async def attempt(name: str) -> str | None:
        try:
            await channels[name].send(message)
        except Undelivered as error:
            return error.what if error.hint is None else f"{error.what}; {error.hint}"
        return None

    errors = dict(zip(channels, await asyncio.gather(*map(attempt, channels)), strict=True))
    return [
        {
            "destination": one.channel.name,
            "where": one.where,
            "min_severity": one.min_severity.value,
            "delivered": errors[one.channel.name] is None,
            "error": errors[one.channel.name],
        }
        for one in destinations
    ]
