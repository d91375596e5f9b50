"""`runner why`: field by field, why a slot was or was not paid."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from runner.cli.asking import known_policies
from runner.cli.loading import settings_of
from runner.cli.options import config_option, format_options, now
from runner.cli.render import look, write, write_json
from runner.errors import UsageError

if TYPE_CHECKING:
    from runner.execution.contexts import Terms
    from runner.reporting.views import ScheduleView


@click.command()
@click.argument("schedule")
@click.option(
    "--at", "at", metavar="SLOT", help="As 2026-12-01T09:00, or an instant; else the next one."
)
@config_option
@format_options()
def why(schedule: str, at: str | None, config: str | None, form: str) -> None:
    """
    Explain why the slot of SCHEDULE (policy/name) at a time was or was not paid, or will be.

    Policy and ledger are asked, nothing else: what only the chain can tell is not foreseen.
    """
    from runner.adapters.sql import questions, reading
    from runner.adapters.sql.questions import Subject
    from runner.bootstrap.assembly import terms_of
    from runner.reporting import why as reasons

    moment = now()
    terms = terms_of(known_policies(config)).get(schedule)
    with reading.ledger(settings_of(config).store) as ledger:
        rows = {one.uid: one for one in reading.schedules(ledger)}
        row = rows.get(schedule)
        if terms is None and row is None:
            known = ", ".join(sorted(rows)[:5]) or "none"
            raise UsageError(f"there is no schedule {schedule}", hint=f"known: {known}")
        at = at or _next(schedule, terms, row, moment)
        subject = None if terms is None else Subject(terms.spec, terms.most.lines, terms.budgets)
        question = questions.about(ledger, schedule, at, subject, row=row, now=moment)
    fields = reasons.why(question)
    if form == "json":
        write_json(reasons.as_json(question, fields))
        return
    write(reasons.as_text(question, fields, look()))


def _next(schedule: str, terms: Terms | None, row: ScheduleView | None, moment: datetime) -> str:
    """
    The coming slot.

    Raises:
        UsageError: there is none.
    """
    from runner.scheduling.triggers import timetable

    slot = None
    if terms is not None:
        table = timetable(terms.spec, anchor=moment if row is None else row.anchor)
        slot = table.next_after(moment)
    if slot is None:
        raise UsageError(f"{schedule} has no slot to come", hint="say of which one: --at SLOT")
    return slot.text
