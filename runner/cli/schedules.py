"""`runner schedules`: the schedules of the ledger."""

from __future__ import annotations

import click

from runner.cli.loading import policies_if_valid, settings_of
from runner.cli.options import config_option, format_options
from runner.cli.render import hint, look, note, write, write_json


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
    from runner.cli import reading
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


@schedules.command()
@click.argument("schedule")
@click.option("--reason", required=True, help="Why; kept in the ledger with your name.")
@config_option
def pause(schedule: str, reason: str, config: str | None) -> None:
    """
    Claim nothing more for SCHEDULE (policy/name) until it is resumed.

    Holds once written, also beside a running daemon. What is signed already goes on; slots that
    fall due meanwhile are skipped (paused).
    """
    _decide(config, schedule, reason, paused=True)
    note(f"{schedule} is paused")


@schedules.command()
@click.argument("schedule")
@click.option("--reason", required=True, help="Why; kept in the ledger with your name.")
@config_option
def resume(schedule: str, reason: str, config: str | None) -> None:
    """
    Let SCHEDULE (policy/name) go on, from its next slot. Nothing that was skipped is replayed.
    """
    _decide(config, schedule, reason, paused=False)
    note(f"{schedule} goes on with its next slot")


def _decide(config: str | None, schedule: str, reason: str, *, paused: bool) -> None:
    import asyncio
    import getpass
    import os

    from runner.adapters.sql.store import SqlStore
    from runner.adapters.sql.verbs import set_paused
    from runner.bootstrap import open_vault
    from runner.cli.options import now

    settings = settings_of(config)
    vault = open_vault(settings, os.environ, create=False)

    async def write_wish() -> None:
        store = SqlStore.open(settings.store, vault, now=now(), create=False, role="verb")
        try:
            await store.write(
                lambda tx: set_paused(
                    tx, schedule, paused=paused, reason=reason, author=getpass.getuser(), now=now()
                )
            )
        finally:
            await store.close(now=now())

    asyncio.run(write_wish())
