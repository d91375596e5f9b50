"""`runner schedules run|skip|backfill`: what an operator does to slots (O4 to O6, X20)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from runner.cli.asking import ask, confirm, is_running, known_policies, reason_option, tell
from runner.cli.asking import yes_option as yes_flag
from runner.cli.loading import settings_of
from runner.cli.options import Instant, config_option, format_options, now
from runner.cli.render import note
from runner.errors import UsageError
from runner.reporting.text import in_all, plural, rfc3339, stamp

if TYPE_CHECKING:
    from runner.adapters.sql.questions import Unpaid
    from runner.execution.contexts import Terms

LATER = "it is paid when the daemon runs: runner up"
_SHOWN = 50


@click.command()
@click.argument("schedule")
@click.option("--for", "slot", metavar="SLOT", help="Pay this occurrence now.")
@click.option("--extra", is_flag=True, help="Add a payment to those of the calendar.")
@click.option("--key", help="The extra payment's name: a repeated one is the same run.")
@click.option("--allow-overlap", is_flag=True, help="Also beside a run that is still open.")
@reason_option
@yes_flag
@config_option
@format_options()
def run_slot(
    schedule: str,
    slot: str | None,
    extra: bool,
    key: str | None,
    allow_overlap: bool,
    reason: str,
    yes: bool,
    config: str | None,
    form: str,
) -> None:
    """
    Pay one slot of SCHEDULE (policy/name) now, or one payment more. Works while it is paused.

    --for pays the occurrence of SLOT, as 2026-12-01T09:00 or an instant: the later tick finds it
    paid, and a slot that was skipped or missed is reopened. --extra is a payment besides.
    """
    if (slot is None) is not extra or (key is not None and not extra):
        raise UsageError(
            "say which payment is meant",
            hint="`--for SLOT` for one of the calendar, `--extra [--key K]` for one more",
        )
    more: dict[str, Any] = {"allow_overlap": True} if allow_overlap else {}
    if slot is not None:
        command = ask(config, "schedule.run", schedule, reason, slot=slot, **more)
    else:
        terms = terms_of(config, schedule)
        confirm(f"{schedule} pays {in_all(terms.most.lines, 1)} once more. Go on?", yes=yes)
        name = key if key is not None else _new_key()
        command = ask(config, "schedule.extra", schedule, reason, key=name, **more)
    tell(command, form, later=_later(config))


@click.command()
@click.argument("schedule")
@click.option("--slot", metavar="SLOT", help="This one, as 2026-12-01T09:00 or an instant.")
@click.option("--next", "coming", is_flag=True, help="The next one that is not decided.")
@reason_option
@config_option
@format_options()
def skip(
    schedule: str, slot: str | None, coming: bool, reason: str, config: str | None, form: str
) -> None:
    """
    Leave one slot of SCHEDULE (policy/name) out.

    Also one that is claimed, as long as nothing of it is signed; from then on there is only
    `runner runs cancel`.
    """
    if (slot is None) is not coming:
        raise UsageError("say which slot is meant", hint="`--slot SLOT` or `--next`")
    arguments = {} if slot is None else {"slot": slot}
    tell(ask(config, "schedule.skip", schedule, reason, **arguments), form)


@click.command()
@click.argument("schedule")
@click.option("--from", "start", type=Instant(), required=True, help="The first time, inclusive.")
@click.option("--to", "end", type=Instant(), required=True, help="The last time, exclusive.")
@reason_option
@yes_flag
@config_option
@format_options()
def backfill(
    schedule: str,
    start: datetime,
    end: datetime,
    reason: str,
    yes: bool,
    config: str | None,
    form: str,
) -> None:
    """
    Pay the slots of SCHEDULE (policy/name) due in a stretch of the past that were not paid.

    They keep their names, so what ran is not repeated. They are paid oldest first, one after the
    other, and charged to the budgets of today.
    """
    terms = terms_of(config, schedule)
    found = _unpaid(config, terms, start, min(end, now()))
    wanted, settled = found.slots, found.settled
    if not wanted:
        raise UsageError(
            f"no slot of {schedule} due then is left to pay",
            hint=f"{plural(settled, 'slot is', 'slots are')} paid or on the way"
            if settled
            else None,
        )
    first, last = wanted[0], wanted[-1]
    note(f"{plural(len(wanted), 'slot')}, {stamp(first.due_at)} to {stamp(last.due_at)}")
    if settled:
        note(f"{settled} more are paid or on the way, and left out")
    most = in_all(terms.most.lines, len(wanted))
    confirm(f"{schedule} pays {most} in all. Go on?", yes=yes)
    names = [one.text for one in wanted]
    command = ask(config, "schedule.backfill", schedule, reason, slots=names, today=True)
    tell(command, form, later=_later(config))


# ── what they need to know ────────────────────────────────────────────────────────────────────


def terms_of(config: str | None, schedule: str) -> Terms:
    """
    A schedule of the policies in force, and what it pays.

    Raises:
        UsageError: there is none of that name.
    """
    from runner.bootstrap.assembly import terms_of

    known = terms_of(known_policies(config))
    if schedule not in known:
        names = ", ".join(sorted(known)[:5]) or "none"
        raise UsageError(f"no policy has schedule {schedule}", hint=f"known: {names}")
    return known[schedule]


def _unpaid(config: str | None, terms: Terms, start: datetime, end: datetime) -> Unpaid:
    """
    What is left to pay of the slots of [start, end).

    Raises:
        UsageError: it was never applied.
    """
    from runner.adapters.sql import pages, questions, reading

    uid = terms.spec.uid
    with reading.ledger(settings_of(config).store) as ledger:
        row = pages.schedule(ledger, uid)
        if row is None:
            raise UsageError(f"{uid} was never applied", hint="the daemon applies it: runner up")
        return questions.unpaid(ledger, terms.spec, row, start=start, end=end)


def _new_key() -> str:
    import secrets

    return f"{rfc3339(now().replace(microsecond=0))}-{secrets.token_hex(3)}"


def _later(config: str | None) -> str | None:
    return None if is_running(settings_of(config)) else LATER
