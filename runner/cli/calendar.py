"""`runner calendar`: months with their payments, past and to come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from runner.cli.loading import policies_of, settings_of
from runner.cli.options import Instant, config_option, format_options, now
from runner.cli.render import look, write, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.execution.contexts import Terms
    from runner.reporting.calendar import Mark
    from runner.reporting.views import ScheduleView
    from runner.settings import Settings


@click.command()
@config_option
@click.option(
    "--months", type=click.IntRange(1, 24), default=2, show_default=True, help="How many."
)
@click.option(
    "--from", "start", type=Instant(), help="Any moment of the first month.  [default: now]"
)
@format_options()
def calendar(config: str | None, months: int, start: datetime | None, form: str) -> None:
    """
    Show months as a grid, with what was paid, what was not, and what is to come.

    What was decided comes from the ledger, what is to come from the policies. Each slot stands on
    the day of its schedule's own zone.
    """
    from runner.bootstrap.assembly import terms_of
    from runner.reporting import calendar as grid

    moment = now()
    settings = settings_of(config)
    terms = terms_of(policies_of(settings))
    first = (start or moment).astimezone(UTC).date().replace(day=1)
    begin = datetime(first.year, first.month, 1, tzinfo=UTC) - timedelta(days=1)
    end = begin + timedelta(days=31 * months + 3)
    known, rows = _decided(settings, terms, begin, end)
    marks = list(known)
    decided = {(one.schedule, one.due_at) for one in known}
    for uid, one in terms.items():
        row = rows.get(uid)
        anchor, first_applied = (moment, uid) if row is None else (row.anchor, row.first_applied)
        coming = grid.coming(one.spec, anchor, max(begin, moment), end, uid=first_applied)
        marks += [mark for mark in coming if (uid, mark.due_at) not in decided]
    if form == "json":
        write_json(grid.as_json(marks))
        return
    lines = {uid: one.most.lines for uid, one in terms.items()}
    today = moment.astimezone().date()
    write(grid.as_text(marks, lines, look(), first=first, months=months, today=today))


def _decided(
    settings: Settings, terms: dict[str, Terms], begin: datetime, end: datetime
) -> tuple[Sequence[Mark], dict[str, ScheduleView]]:
    """What the ledger has of this time, if there is one; and of the schedules themselves."""
    from runner.adapters.sql import reading
    from runner.adapters.sql.store import sqlite_path
    from runner.reporting.calendar import decided

    path = sqlite_path(settings.store)
    if path is not None and not path.exists():
        return (), {}
    with reading.ledger(settings.store) as ledger:
        rows = {one.uid: one for one in reading.schedules(ledger)}
        entries = reading.entries_between(ledger, start=begin, end=end)
    return decided(entries, {uid: one.spec for uid, one in terms.items()}), rows
