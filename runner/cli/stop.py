"""`runner stop` and `runner resume`: nothing at all is signed or sent (O8, O9)."""

from __future__ import annotations

import click

from runner.cli.asking import ask, author, reason_option, write_beside
from runner.cli.options import Duration, config_option, format_options, now
from runner.cli.render import hint, note, write_json


@click.command()
@click.option(
    "--revoke-all",
    is_flag=True,
    help="Have every grant taken off its account, the greatest exposure first.",
)
@click.option(
    "--wait",
    "seconds",
    type=Duration(),
    default="15m",
    show_default=True,
    help="With --revoke-all: how long to wait for the proofs.",
)
@reason_option
@config_option
@format_options()
@click.pass_context
def stop(
    context: click.Context,
    revoke_all: bool,
    seconds: float,
    reason: str,
    config: str | None,
    form: str,
) -> None:
    """
    Sign and send nothing any more, in whatever process, until `runner resume`.

    Holds once written. What was sent before is watched to its end; payments that fall due
    meanwhile are skipped (paused). With --revoke-all the owners uninstall every grant that could
    still sign, and void those that were signed and never used; it ends when each is proved.
    """
    from runner.adapters.sql.pauses import write_pause
    from runner.records import Pause, PauseScope
    from runner.reporting import scripts

    wanted = Pause(PauseScope.STOP, "", reason, now())
    if not revoke_all or not _is_stopped(config):
        write_beside(config, lambda tx: write_pause(tx, wanted, author=author()))
    if form == "json" and not revoke_all:
        write_json(scripts.pause(wanted))
        return
    note("everything is stopped: nothing is signed or sent")
    hint("what was sent before may still be included: runner status")
    if revoke_all:
        from runner.cli.revoking import finish

        command = ask(config, "grant.revoke_all", "everything", reason)
        context.exit(finish(config, command, form, seconds=seconds))


def _is_stopped(config: str | None) -> bool:
    from runner.adapters.sql import reading
    from runner.adapters.sql.pauses import stopped
    from runner.cli.loading import settings_of

    with reading.ledger(settings_of(config).store) as ledger:
        return stopped(ledger) is not None


@click.command()
@reason_option
@config_option
@format_options()
def resume(reason: str, config: str | None, form: str) -> None:
    """
    End a stop: what is signed is sent, and every schedule goes on with its next slot.

    Pauses of single schedules, sessions and accounts stay.
    """
    from runner.cli.resuming import lift
    from runner.records import PauseScope

    lift(config, PauseScope.STOP, "", reason, catch_up=None, yes=False, form=form)
