"""`runner doctor`: is everything as the daemon will need it?"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.loading import policies_of, settings_of
from runner.cli.options import config_option, format_options
from runner.cli.render import look, note, write, write_json

if TYPE_CHECKING:  # each command imports what it needs when it is called
    from runner.execution.checkup import Check
    from runner.policy.model import Policy
    from runner.settings import Settings


@click.command()
@config_option
@click.option(
    "--live",
    is_flag=True,
    help="Also send operations on testnets and sandboxes, to try what cannot be known otherwise.",
)
@click.argument(
    "paths", nargs=-1, type=click.Path(path_type=Path, exists=True), metavar="[POLICY…]"
)
@format_options()
def doctor(config: str | None, live: bool, paths: tuple[Path, ...], form: str) -> int:
    """
    Look at wallets, chains, accounts, tokens, signers and the ledger; exit 1 if something failed.

    Nothing is signed, sent or written, and a daemon may be running. With --live, operations
    without calls are sent from an account of their own on every testnet or sandbox that the
    policies name: what they find is unproven elsewhere.
    """
    from runner.execution.checkup import Outcome

    settings = settings_of(config)
    policies = policies_of(settings, paths)
    found = asyncio.run(_collect(settings, policies, live=live, people=form != "json"))
    if form == "json":
        write_json([_as_json(check, live=tried) for check, tried in found])
    else:
        write(_table([check for check, _ in found]))
        _advise([check for check, _ in found])
    return 1 if any(check.outcome is Outcome.FAILED for check, _ in found) else 0


async def _collect(
    settings: Settings, policies: tuple[Policy, ...], *, live: bool, people: bool
) -> list[tuple[Check, bool]]:
    from runner.doctor import examine, rehearse

    found = [(check, False) async for check in examine(settings, policies, os.environ)]
    if live:
        if people and sys.stderr.isatty():
            note("Trying things out; this takes from half a minute to several.")
        found += [(check, True) async for check in rehearse(settings, policies, os.environ)]
    return found


def _as_json(check: Check, *, live: bool) -> dict[str, Any]:
    return {
        "check": check.name,
        "subject": check.subject,
        "status": check.outcome.value.replace(" ", "_"),
        "detail": check.detail,
        "hint": check.hint,
        "live": live,
    }


def _table(found: list[Check]) -> list[str]:
    from runner.execution.checkup import Outcome
    from runner.reporting.text import Cell, Tone, table

    tones = {
        Outcome.OK: Tone.GOOD,
        Outcome.WARNING: Tone.WARN,
        Outcome.FAILED: Tone.BAD,
        Outcome.NOT_CHECKED: Tone.DIM,
    }
    rows: list[list[str | Cell]] = [
        [Cell(check.outcome.value, tones[check.outcome]), check.name, check.subject, check.detail]
        for check in found
    ]
    return table(("", "CHECK", "OF", "FOUND"), rows, look(), flexible=(3, 2))


def _advise(found: list[Check]) -> None:
    """How to mend what is not well, beside the table."""
    from runner.cli.render import hint
    from runner.execution.checkup import Outcome

    for check in found:
        if check.outcome is not Outcome.OK and check.hint:
            hint(f"{check.name} of {check.subject}: {check.hint}")
