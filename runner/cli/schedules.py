"""`runner schedules`: the schedules of the ledger."""

from __future__ import annotations

import click

from runner.cli.loading import settings_of
from runner.cli.options import config_option, format_options
from runner.cli.render import hint, look, note, write, write_json


@click.group()
def schedules() -> None:
    """The schedules that were ever applied."""


@schedules.command("list")
@config_option
@format_options()
def list_schedules(config: str | None, form: str) -> None:
    """
    List schedules with their state, how often they ran, and what became of the last slot.
    """
    from runner.cli import reading
    from runner.reporting import scripts
    from runner.reporting.lists import schedules_table

    settings = settings_of(config)
    with reading.ledger(settings.store) as ledger:
        found = reading.schedules(ledger)
    if form == "json":
        write_json([scripts.schedule(one) for one in found])
        return
    if not found:
        note("No schedule was applied yet.")
        hint("the daemon applies the policies when it starts: runner up")
        return
    write(schedules_table(found, look()))
