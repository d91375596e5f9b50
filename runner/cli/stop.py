"""`runner stop` and `runner resume`: nothing at all is signed or sent (O8)."""

from __future__ import annotations

import click

from runner.cli.asking import author, reason_option, write_beside
from runner.cli.options import config_option, now
from runner.cli.render import hint, note


@click.command()
@reason_option
@config_option
def stop(reason: str, config: str | None) -> None:
    """
    Sign and send nothing any more, in whatever process, until `runner resume`.

    Holds once written. What was sent before is watched to its end; payments that fall due
    meanwhile are skipped (paused).
    """
    from runner.adapters.sql.pauses import write_pause
    from runner.records import Pause, PauseScope

    wanted = Pause(PauseScope.STOP, "", reason, now())
    write_beside(config, lambda tx: write_pause(tx, wanted, author=author()))
    note("everything is stopped: nothing is signed or sent")
    hint("what was sent before may still be included: runner status")


@click.command()
@reason_option
@config_option
def resume(reason: str, config: str | None) -> None:
    """
    End a stop: what is signed is sent, and every schedule goes on with its next slot.

    Pauses of single schedules, sessions and accounts stay.
    """
    from runner.cli.resuming import lift
    from runner.records import PauseScope

    lift(config, PauseScope.STOP, "", reason, catch_up=None, yes=False)
