"""`runner schedules`: what the ledger knows of each schedule."""

from __future__ import annotations

import click

from runner.cli.options import config_option, format_options


@click.group()
def schedules() -> None:
    """The schedules of the ledger: list."""


@schedules.command("list")
@config_option
@format_options()
def list_schedules(config: str | None, form: str) -> None:
    """Every schedule ever applied."""
    from runner.cli import reading
    from runner.cli.loading import settings_of
    from runner.cli.render import hint, look, write, write_json
    from runner.reporting import scripts
    from runner.reporting.text import Cell, stamp, table

    with reading.ledger(settings_of(config).store) as c:
        found = reading.schedules(c)
    if form == "json":
        write_json([scripts.schedule(one) for one in found])
        return
    if not found:
        hint("no schedule was applied yet; start the daemon: runner up")
        return
    rows: list[list[str | Cell]] = [
        [
            one.uid,
            "paused" if one.paused_reason else one.state,
            one.trigger,
            str(one.runs),
            stamp(one.last.due_at, seconds=True) if one.last else "",
            one.last.state if one.last else "",
            one.paused_reason or "",
        ]
        for one in found
    ]
    head = ["SCHEDULE", "STATE", "TRIGGER", "RUNS", "LAST DUE", "CAME TO", "PAUSED FOR"]
    write(table(head, rows, look(), flexible=(6, 2, 0), right=(3,)))
