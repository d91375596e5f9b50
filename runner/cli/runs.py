"""`runner runs`: what became of each due time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.cli.asking import ask, confirm, is_running, reason_option, tell, yes_option
from runner.cli.loading import policies_if_valid, settings_of
from runner.cli.options import config_option, format_options, now
from runner.cli.render import hint, look, note, write, write_json
from runner.errors import EncodingError, UsageError

if TYPE_CHECKING:
    from runner.reporting.views import Entry, RunView

_ON_A_PAGE = 20
_SHOWN = 5


@click.group()
def runs() -> None:
    """What became of each due time: paid, skipped, missed, held, and why."""


@runs.command("list")
@config_option
@click.option(
    "--limit",
    type=click.IntRange(1),
    help=f"The newest N only.  [default: {_ON_A_PAGE} as text, all as JSON]",
)
@click.option("--all", "everything", is_flag=True, help="Activations of grants too.")
@format_options()
def list_runs(config: str | None, limit: int | None, everything: bool, form: str) -> None:
    """
    List what became of each due time, the newest first.
    """
    from runner.adapters.sql import reading
    from runner.reporting import scripts
    from runner.reporting.lists import runs_table

    settings = settings_of(config)
    most = limit if form == "json" or limit is not None else _ON_A_PAGE
    with reading.ledger(settings.store) as ledger:
        found = reading.entries(ledger, limit=most, activations=everything)
        total = reading.count_occurrences(ledger)
    if form == "json":
        write_json([scripts.entry(one) for one in found])
        return
    if not found:
        note("Nothing was due yet.")
        hint("see what is coming: runner next")
        return
    write(runs_table(found, look()))
    rest = total - sum(one.occurrence is not None for one in found)
    if rest > 0:
        note(f"{rest} older; show more with --limit.")


@runs.command("show")
@click.argument("run_id", metavar="ID")
@config_option
@format_options()
def show_run(run_id: str, config: str | None, form: str) -> None:
    """
    Show one run from its slot to its block: calls, operations, timeline.

    ID is a run's id or its beginning, or POLICY/SCHEDULE@SLOT, where SLOT may be the time at
    which it was due.
    """
    from runner.adapters.sql import reading
    from runner.reporting import scripts
    from runner.reporting.story import functions_of, run_story

    settings = settings_of(config)
    with reading.ledger(settings.store) as ledger:
        entry = _the_one(reading.find(ledger, run_id), run_id)
        timeline = reading.timeline(ledger, entry)
    if form == "json":
        write_json(scripts.run(entry, timeline))
        return
    functions = functions_of(policies_if_valid(settings) or ())
    write(run_story(entry, timeline, look(), now=now(), functions=functions))


@runs.command()
@click.argument("run_id", metavar="ID")
@reason_option
@config_option
@format_options()
def cancel(run_id: str, reason: str, config: str | None, form: str) -> None:
    """
    Take one run back.

    While nothing of it is signed it is skipped. What is signed is burned: an empty operation on
    its nonce, and the chain decides which of the two is included.
    """
    entry = _look_up(config, run_id)
    tell(ask(config, "run.cancel", _newest(entry).id, reason), form)


@runs.command()
@click.argument("run_id", metavar="ID")
@reason_option
@yes_option
@config_option
@format_options()
def approve(run_id: str, reason: str, yes: bool, config: str | None, form: str) -> None:
    """
    Say yes to a run that waits for a person: its exact calls, and nothing else.

    ID is a run's id or its beginning, or POLICY/SCHEDULE@SLOT, also for a slot that is still to
    come and was asked for ahead. A run whose amount or receiver changes asks again.
    """
    from runner.adapters.sql import reading

    with reading.ledger(settings_of(config).store) as ledger:
        found = reading.find(ledger, run_id)
        asked = reading.asked(ledger, _place(found, run_id))
    if asked is None:
        raise UsageError(
            f"nothing of {run_id[:120]} waits for an approval",
            hint="what waits: runner status, runner runs list",
        )
    confirm(f"{asked.schedule}@{asked.slot}: {asked.detail}. Approve it?", yes=yes)
    later = None if is_running(settings_of(config)) else "it goes on when the daemon runs"
    shown = {"slot": asked.slot, "digest": asked.digest}
    command = ask(config, "run.approve", asked.schedule, reason, **shown)
    tell(command, form, later=later)


def _place(found: list[Entry], name: str) -> tuple[str, str]:
    """Schedule and slot that a person means; the slot may have no row yet."""
    if found or "@" not in name:
        entry = _the_one(found, name)
        if entry.occurrence is None:
            raise UsageError(f"{name[:120]} installs a grant: nobody is asked for it")
        return entry.occurrence.schedule, entry.occurrence.slot
    from runner.scheduling.occurrence import parse_slot

    schedule, _, slot = name.rpartition("@")
    try:
        return schedule, parse_slot(slot).text
    except EncodingError as error:
        raise UsageError(error.what, hint=error.hint) from None


@runs.command()
@click.argument("run_id", metavar="ID")
@reason_option
@yes_option
@config_option
@format_options()
def retry(run_id: str, reason: str, yes: bool, config: str | None, form: str) -> None:
    """
    Try one run again.

    A held run goes on with the same attempt. One that reverted, or is proved dead, gets its next
    attempt: that may pay again what you have paid by other means meanwhile, so you are asked.
    """
    from runner.reporting.text import moves

    run = _newest(_look_up(config, run_id))
    if run.state in {"reverted", "not_included"}:
        what = moves(run.lines, most=50) or "its calls"
        confirm(f"{run.schedule} will pay {what} by attempt {run.attempt + 1}. Go on?", yes=yes)
    later = None if is_running(settings_of(config)) else "it goes on when the daemon runs"
    tell(ask(config, "run.retry", run.id, reason), form, later=later)


def _look_up(config: str | None, run_id: str) -> Entry:
    from runner.adapters.sql import reading

    with reading.ledger(settings_of(config).store) as ledger:
        return _the_one(reading.find(ledger, run_id), run_id)


def _newest(entry: Entry) -> RunView:
    if entry.newest is None:
        raise UsageError(
            f"{entry.id} is {entry.state}: there is no run",
            hint=f"pay it now: runner schedules run {entry.schedule} --for SLOT",
        )
    return entry.newest


def _the_one(found: list[Entry], name: str) -> Entry:
    if not found:
        raise UsageError(f"there is no run {name[:120]}", hint="list them: runner runs list")
    if len(found) > 1:
        ids = ", ".join(one.id for one in found[:_SHOWN])
        more = " …" if len(found) > _SHOWN else ""
        raise UsageError(f"{name[:120]} may be any of {ids}{more}", hint="write more of the id")
    return found[0]
