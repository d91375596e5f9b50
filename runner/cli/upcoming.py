"""`runner next`: the coming payments, from the policies alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from runner.cli.loading import policies_of, settings_of
from runner.cli.options import Instant, config_option, format_options, now
from runner.cli.render import hint, look, note, write, write_json
from runner.reporting.text import plural

if TYPE_CHECKING:
    from runner.guard.intent import TransferLine
    from runner.policy.model import Policy


@click.command("next")
@config_option
@click.option(
    "--count", type=click.IntRange(1, 100_000), default=10, show_default=True, help="How many."
)
@click.option("--from", "start", type=Instant(), help="At or after this moment.  [default: now]")
@format_options()
def upcoming(config: str | None, count: int, start: datetime | None, form: str) -> None:
    """
    List the slots that will fire, of all schedules in order of time.

    Reads the policies alone: neither the ledger nor the daemon is asked. A schedule with `every`
    and neither `anchor` nor `start_at` counts from now, since it is not known when it is applied.
    """
    from runner.reporting import forecast, scripts
    from runner.reporting.lists import upcoming_table

    moment = now()
    policies = policies_of(settings_of(config))
    schedules = [one for policy in policies for one in policy.schedules.values()]
    slots = forecast.upcoming(schedules, start=start or moment, now=moment, count=count)
    if form == "json":
        write_json([scripts.upcoming(slot) for slot in slots])
        return
    if slots:
        write(upcoming_table(slots, _pays(policies), look(), now=moment))
    elif schedules:
        note("Nothing will fire from then on.")
    else:
        note("The policies hold no schedule.")
        hint("write a first one: runner init")
    suspended = sum(one.suspend for one in schedules)
    if suspended:
        note(f"{plural(suspended, 'schedule')} left out: suspended.")
    if names := [one.uid for one in schedules if forecast.counts_from_now(one)]:
        note(f"Counted from now, for lack of a start_at: {', '.join(names)}.")


def _pays(policies: Sequence[Policy]) -> dict[str, tuple[TransferLine, ...]]:
    """What each schedule moves, by uid."""
    from runner.guard.intent import NATIVE, encode_all, transfer_lines

    found = {}
    for policy in policies:
        assets = {str(asset.address or NATIVE): asset for asset in policy.assets}
        for one in policy.schedules.values():
            found[one.uid] = transfer_lines(one.calls, encode_all(one.calls), assets)
    return found
