"""`runner next`: the coming payments, from the policies alone."""

from __future__ import annotations

from datetime import datetime

import click

from runner.cli.options import Instant, config_option, format_options
from runner.cli.options import now as present


@click.command("next")
@config_option
@click.option("--count", default=10, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--from", "start", type=Instant(), help="At or after this time.  [default: now]")
@format_options()
def upcoming(config: str | None, count: int, start: datetime | None, form: str) -> None:
    """
    List the coming payments of the policies.

    From the policies alone: an `every` that has no `start_at` counts from now.
    """
    from runner.cli.loading import policies_of, settings_of
    from runner.cli.render import hint, look, write, write_json
    from runner.guard.intent import NATIVE, encode_all, transfer_lines
    from runner.reporting import forecast, scripts
    from runner.reporting.text import away, moves, stamp, table

    now = present()
    policies = policies_of(settings_of(config))
    schedules = {one.uid: one for policy in policies for one in policy.schedules.values()}
    coming = forecast.upcoming(schedules.values(), start=start or now, now=now, count=count)
    if form == "json":
        write_json([scripts.upcoming(one) for one in coming])
        return
    assets = {
        policy.name: {asset.address or NATIVE: asset for asset in policy.assets}
        for policy in policies
    }
    lines = {
        one.uid: transfer_lines(one.calls, encode_all(one.calls), assets[one.policy])
        for one in schedules.values()
    }
    if not coming:
        hint("no schedule fires any more; see `runner explain` and docs/policy.md")
        return
    rows = [
        [
            stamp(one.due_at, seconds=True),
            away(one.due_at, now),
            one.schedule,
            moves(lines[one.schedule]),
        ]
        for one in coming
    ]
    write(table(["DUE", "", "SCHEDULE", "PAYS"], rows, look(), flexible=(3, 2)))
