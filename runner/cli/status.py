"""`runner status`: is all well, what needs me, what comes next?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from runner.cli.loading import near, policies_if_valid, settings_of, wallets_of
from runner.cli.options import config_option, format_options, midnight, now
from runner.cli.render import look, write, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runner.policy.model import Policy
    from runner.reporting.scripts import Upcoming
    from runner.reporting.views import ScheduleView


@click.command()
@config_option
@format_options()
def status(config: str | None, form: str) -> None:
    """
    Show at one glance whether all is well, what needs you, and what comes next.
    """
    from runner.adapters.sql import reading
    from runner.adapters.sql.store import sqlite_path
    from runner.reporting import overview
    from runner.reporting.health import status as judge

    settings = settings_of(config)
    moment = now()
    path = sqlite_path(settings.store)
    with reading.ledger(settings.store) as ledger:
        start = midnight(moment)
        end = start + timedelta(days=1)
        view = reading.overview(ledger, settings.store, start=start, end=end, now=moment)
    policies = policies_if_valid(settings)
    coming = _coming(policies or (), view.schedules, moment)
    made = judge(view, policies=policies, upcoming=coming, now=moment)
    wallets = wallets_of(settings)
    store = settings.store if path is None else str(near(path))
    if form == "json":
        write_json(overview.as_json(made, wallets=wallets, store=store))
        return
    write(overview.as_text(made, look(), wallets=wallets, store=store))


def _coming(
    policies: Iterable[Policy], rows: Sequence[ScheduleView], moment: datetime
) -> dict[str, Upcoming | None]:
    """The next slot of every schedule, counted from the anchor that the ledger keeps."""
    from runner.reporting.forecast import next_of

    known = {row.uid: row for row in rows}
    coming = {}
    for policy in policies:
        for one in policy.schedules.values():
            row = known.get(one.uid)
            anchor = moment if row is None else row.anchor
            # A slot that is due but not decided yet is still to come.
            after = moment if row is None else min(row.decided_until, moment)
            paid = {} if row is None else {of.token: of.spent + of.reserved for of in row.total}
            coming[one.uid] = (
                None if one.suspend else next_of(one, anchor=anchor, after=after, paid=paid)
            )
    return coming
