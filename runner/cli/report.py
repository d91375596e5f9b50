"""`runner report`: what was paid to whom."""

from __future__ import annotations

from datetime import datetime

import click

from runner.cli.loading import settings_of
from runner.cli.options import Instant, config_option, format_options
from runner.cli.render import look, note, write, write_json
from runner.errors import UsageError


@click.command()
@config_option
@click.option("--from", "start", type=Instant(), help="Payments due at or after this moment.")
@click.option("--to", "end", type=Instant(), help="Payments due before this moment.")
@format_options("csv", default="table")
def report(config: str | None, start: datetime | None, end: datetime | None, form: str) -> None:
    """
    Report what was paid to whom: payments that are final on the chain, and their totals.

    A payment belongs to the time at which it was due, as budgets count it; `paid_at` is the time
    of its block. Without --from and --to the whole ledger is reported.
    """
    from runner.adapters.sql import reading
    from runner.reporting import totals

    if start is not None and end is not None and end <= start:
        raise UsageError("--to is not later than --from: the report would be empty")
    settings = settings_of(config)
    with reading.ledger(settings.store) as ledger:
        made = totals.report(reading.payments(ledger, start=start, end=end))
    if form == "json":
        write_json(totals.as_json(made))
    elif form == "csv":
        click.echo(totals.as_csv(made), nl=False)
    else:
        write(totals.as_table(made, look()))
    if made.unconfirmed:
        note("Some receipts did not show what was asked: see `runner runs show` for each.")
