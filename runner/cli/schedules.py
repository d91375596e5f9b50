"""`runner schedules`: the schedules of the ledger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import click

from runner.cli import slots
from runner.cli.asking import author, reason_option, write_beside, yes_option
from runner.cli.loading import policies_if_valid, settings_of
from runner.cli.options import Instant, config_option, format_options, now
from runner.cli.render import hint, look, note, write, write_json
from runner.cli.resuming import lift
from runner.errors import UsageError
from runner.reporting.text import stamp

if TYPE_CHECKING:
    from runner.records import PauseScope


@click.group()
def schedules() -> None:
    """The schedules that were ever applied."""


@schedules.command("list")
@config_option
@format_options()
def list_schedules(config: str | None, form: str) -> None:
    """
    List schedules with their state, how often they ran, and what became of the last slot.
    """
    from runner.adapters.sql import reading
    from runner.reporting import scripts
    from runner.reporting.lists import schedules_table

    settings = settings_of(config)
    with reading.ledger(settings.store) as ledger:
        found = reading.schedules(ledger)
    if form == "json":
        write_json([scripts.schedule(one) for one in found])
        return
    if not found:
        note("No schedule was applied yet.")
        hint("the daemon applies the policies when it starts: runner up")
        return
    policies = policies_if_valid(settings) or ()
    totals = {s.uid: s.until_total for policy in policies for s in policy.schedules.values()}
    write(schedules_table(found, look(), totals=totals))


def _scope_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--all", "everything", is_flag=True, help="Everything."),
        click.option("--account", metavar="POLICY/ACCOUNT", help="All that one account pays."),
        click.option("--session", metavar="POLICY/SESSION", help="All that one session pays."),
        click.argument("schedule", required=False),
    ):
        command = option(command)
    return command


@schedules.command()
@_scope_options
@click.option("--until", type=Instant(), help="It ends by itself then.  [default: no end]")
@reason_option
@config_option
@format_options()
def pause(
    schedule: str | None,
    session: str | None,
    account: str | None,
    everything: bool,
    until: datetime | None,
    reason: str,
    config: str | None,
    form: str,
) -> None:
    """
    Claim nothing more for SCHEDULE (policy/name), a session, an account or everything.

    Holds once written, also beside a running daemon. What is signed already goes on; what is
    claimed and not signed waits; slots that fall due meanwhile are skipped (paused).
    """
    from runner.adapters.sql.pauses import write_pause
    from runner.records import Pause
    from runner.reporting import scripts

    moment = now()
    if until is not None and until <= moment:
        raise UsageError("`--until` lies in the past", hint="give a time that is still to come")
    scope, target = _scope(schedule, session, account, everything=everything)
    wanted = Pause(scope, target, reason, moment, until)
    write_beside(config, lambda tx: write_pause(tx, wanted, author=author()))
    if form == "json":
        write_json(scripts.pause(wanted))
        return
    note(f"{wanted.subject} is paused" + ("" if until is None else f" until {stamp(until)}"))


@schedules.command()
@_scope_options
@click.option(
    "--catch-up",
    type=click.Choice(["latest", "all"]),
    help="Pay the newest slot that was skipped, or all of them.  [default: none]",
)
@reason_option
@yes_option
@config_option
@format_options()
def resume(
    schedule: str | None,
    session: str | None,
    account: str | None,
    everything: bool,
    catch_up: str | None,
    reason: str,
    yes: bool,
    config: str | None,
    form: str,
) -> None:
    """
    Let SCHEDULE (policy/name), a session, an account or everything go on, from the next slot.

    Nothing that was skipped is replayed unless you ask for it; what was skipped is listed with
    what it would cost and the command that pays it.
    """
    scope, target = _scope(schedule, session, account, everything=everything)
    lift(config, scope, target, reason, catch_up=catch_up, yes=yes, form=form)


schedules.add_command(slots.run_slot, "run")
schedules.add_command(slots.skip)
schedules.add_command(slots.backfill)


def _scope(
    schedule: str | None, session: str | None, account: str | None, *, everything: bool
) -> tuple[PauseScope, str]:
    from runner.records import PauseScope

    named = [
        (PauseScope.SCHEDULE, schedule),
        (PauseScope.SESSION, session),
        (PauseScope.ACCOUNT, account),
        (PauseScope.ALL, "" if everything else None),
    ]
    found = [(scope, target) for scope, target in named if target is not None]
    if len(found) != 1:
        raise UsageError(
            "name one of: a schedule, --session, --account, --all",
            hint="see `runner schedules list`",
        )
    return found[0]
