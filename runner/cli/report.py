"""`runner report`: what was paid to whom."""

from __future__ import annotations

from datetime import datetime

import click

from runner.cli.loading import settings_of
from runner.cli.options import Instant, config_option, format_options, now
from runner.cli.render import look, note, write, write_json
from runner.errors import UsageError

_HEADS = 5
"""So many of the chains of events that were written to last are named."""


@click.command()
@config_option
@click.option("--from", "start", type=Instant(), help="Payments due at or after this moment.")
@click.option("--to", "end", type=Instant(), help="Payments due before this moment.")
@format_options("csv", "html", default="table")
def report(config: str | None, start: datetime | None, end: datetime | None, form: str) -> None:
    """
    Report what was paid to whom: payments that are final on the chain, and their totals.

    A payment belongs to the time at which it was due, as budgets count it; `paid_at` is the time
    of its block. Without --from and --to the whole ledger is reported. The page of --format html
    is one file without scripts, to print or to send.
    """
    from runner.adapters.sql import reading
    from runner.reporting import totals

    if start is not None and end is not None and end <= start:
        raise UsageError("--to is not later than --from: the report would be empty")
    settings = settings_of(config)
    with reading.ledger(settings.store) as ledger:
        made = totals.report(reading.payments(ledger, start=start, end=end))
        heads = reading.newest_heads(ledger, count=_HEADS)
    if form == "json":
        write_json(totals.as_json(made, heads))
    elif form == "csv":
        click.echo(totals.as_csv(made), nl=False)
    elif form == "html":
        from runner.reporting.paid_page import as_page

        click.echo(as_page(made, heads, start=start, end=end, at=now()), nl=False)
    else:
        write(totals.as_table(made, look(), heads))
    if made.unconfirmed:
        note("Some receipts did not show what was asked: see `runner runs show` for each.")
