"""`runner report`: what was paid to whom."""

from __future__ import annotations

from datetime import datetime

import click

from runner.cli.options import Instant, config_option, format_options


@click.command()
@config_option
@click.option("--from", "start", type=Instant(), help="Due at or after this time.")
@click.option("--to", "end", type=Instant(), help="Due before this time.")
@format_options("csv", default="table")
def report(config: str | None, start: datetime | None, end: datetime | None, form: str) -> None:
    """
    What was paid to whom: closed successes only, proved by the chain.

    Without --from and --to, the whole ledger.
    """
    from runner.cli import reading
    from runner.cli.loading import settings_of
    from runner.cli.render import look, write, write_json
    from runner.reporting import totals

    with reading.ledger(settings_of(config).store) as c:
        made = totals.report(reading.payments(c, start=start, end=end))
    if form == "json":
        write_json(totals.as_json(made))
    elif form == "csv":
        click.echo(totals.as_csv(made), nl=False)
    else:
        write(totals.as_table(made, look()))
