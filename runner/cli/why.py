"""`runner why`: field by field, why a slot was or was not paid."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from runner.cli.asking import known_policies
from runner.cli.loading import settings_of
from runner.cli.options import config_option, format_options, now
from runner.cli.render import look, write, write_json
from runner.errors import EncodingError, UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.execution.contexts import Terms
    from runner.reporting.views import ScheduleView
    from runner.reporting.why import Question
    from runner.scheduling.occurrence import Slot
    from runner.scheduling.triggers import Timetable


@click.command()
@click.argument("schedule")
@click.option(
    "--at", "at", metavar="SLOT", required=True, help="As 2026-12-01T09:00, or an instant."
)
@config_option
@format_options()
def why(schedule: str, at: str, config: str | None, form: str) -> None:
    """
    Explain why the slot of SCHEDULE (policy/name) at a time was or was not paid, or will be.

    Policy and ledger are asked, nothing else: what only the chain can tell is not foreseen.
    """
    from runner.adapters.sql import reading
    from runner.bootstrap import terms_of
    from runner.reporting import why as reasons

    moment = now()
    terms = terms_of(known_policies(config)).get(schedule)
    with reading.ledger(settings_of(config).store) as ledger:
        rows = {one.uid: one for one in reading.schedules(ledger)}
        row = rows.get(schedule)
        if terms is None and row is None:
            known = ", ".join(sorted(rows)[:5]) or "none"
            raise UsageError(f"there is no schedule {schedule}", hint=f"known: {known}")
        question = _question(ledger, schedule, at, terms, row, moment)
    fields = reasons.why(question)
    if form == "json":
        write_json(reasons.as_json(question, fields))
        return
    write(reasons.as_text(question, fields, look()))


def _question(
    ledger: Connection,
    schedule: str,
    at: str,
    terms: Terms | None,
    row: ScheduleView | None,
    moment: datetime,
) -> Question:
    from runner.adapters.sql import pauses, reading
    from runner.reporting.why import Question
    from runner.scheduling.triggers import timetable

    table = None
    if terms is not None:
        table = timetable(terms.spec, anchor=moment if row is None else row.anchor)
    slot, text, wanted = _slot(table, at)
    found = reading.find(ledger, f"{schedule}@{text}")
    if not found and slot is not None:
        found = reading.find(ledger, f"{schedule}@{slot.due_at.isoformat()}")
    paused = pauses.paused(ledger, schedule, at=max(moment, wanted))
    grants = () if row is None else reading.grants(ledger, row.session)
    return Question(
        uid=schedule,
        at=wanted,
        now=moment,
        schedule=None if terms is None else terms.spec,
        row=row,
        table=table,
        slot=slot,
        near=_around(table, wanted),
        entry=found[0] if found else None,
        pauses=() if paused is None else (paused,),
        grants=tuple(grants),
        open_runs=[one for one in reading.open_entries(ledger) if one.schedule == schedule],
        asked=reading.asked(ledger, (schedule, text)),
        lines=() if terms is None else terms.most.lines,
        budgets=None if terms is None else terms.budgets,
        taken=reading.taken(ledger),
    )


def _slot(table: Timetable | None, at: str) -> tuple[Slot | None, str, datetime]:
    """The slot that is named, its name in full, and the moment that is meant."""
    from runner.scheduling.lookup import slot_named
    from runner.scheduling.occurrence import CalendarSlot, InstantSlot, parse_slot

    try:
        parsed = parse_slot(at)
        slot = None if table is None else slot_named(table, at)
    except EncodingError as error:
        raise UsageError(error.what, hint=error.hint) from None
    if slot is not None:
        return slot, slot.text, slot.due_at
    if isinstance(parsed, InstantSlot):
        return None, parsed.text, parsed.instant
    if isinstance(parsed, CalendarSlot):
        from datetime import UTC

        return None, parsed.text, parsed.local.replace(tzinfo=UTC)
    raise UsageError("an extra run has no time", hint="runner runs show names it by its id")


def _around(table: Timetable | None, at: datetime) -> tuple[Slot | None, Slot | None]:
    if table is None:
        return None, None
    year = timedelta(days=366)
    return table.latest(at - year, at), table.next_firing_after(at)
