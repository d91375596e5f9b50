"""`runner up`: the daemon."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from runner.cli.options import Duration, config_option

if TYPE_CHECKING:
    from runner.adapters.metering import Tally
    from runner.planning.applied import Papers
    from runner.policy.model import Policy
    from runner.ports import Telemetry
    from runner.settings import Settings


@click.command()
@config_option
@click.option("--sandbox", is_flag=True, help="Play money only: embedded wallet, throw-away keys.")
@click.option("--for", "seconds", type=Duration(), help="End by itself after this time, as 40s.")
@click.option(
    "--adopt",
    is_flag=True,
    help="Go on beside session keys on an account that the ledger does not know.",
)
def up(config: str | None, sandbox: bool, seconds: float | None, adopt: bool) -> None:
    """
    Run the daemon: keep sessions granted, pay what falls due, watch it to its end.

    Policies that change are put in force at once (or on SIGHUP); a bad edit changes nothing.
    SIGTERM and Ctrl-C end it cleanly: nothing more is claimed, signed payments are awaited for
    up to a minute. Whatever ends it, the next start continues where it stopped.
    """
    from runner.adapters.process import collector_at_rest, keep_memory_private

    keep_memory_private()
    with collector_at_rest() as settle:
        _up(config, sandbox=sandbox, seconds=seconds, adopt=adopt, settle=settle)


def _up(
    config: str | None,
    *,
    sandbox: bool,
    seconds: float | None,
    adopt: bool,
    settle: Callable[[], None],
) -> None:
    from runner.cli.loading import policies_ahead, policies_of, settings_of

    settings = settings_of(config)
    # `--sandbox` replaces every signer: what is written about them does not matter then.
    checked = replace(settings, throw_away_signers=True) if sandbox else settings
    with policies_ahead(checked, beside=_import_the_daemon) as (policies, papers):
        _complete(
            _run(
                settings,
                policies,
                papers,
                sandbox=sandbox,
                seconds=seconds,
                adopt=adopt,
                read=lambda: policies_of(checked, one_process=True),
                settle=settle,
            )
        )


def _import_the_daemon() -> None:
    """Half a second of work that waits for nothing."""
    import runner.bootstrap.runtime
    import runner.cli.reloading
    import runner.dashboard.server  # noqa: F401  (as everything here)


def _complete(work: Coroutine[None, None, None]) -> None:
    """Run it on uvloop: the daemon's day is many small messages, and libuv passes them cheaper."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def _voice(settings: Settings, policies: Sequence[Policy], tally: Tally) -> Telemetry:
    """How the daemon speaks; it begins with what was warned of."""
    from runner.adapters.audience import Audience
    from runner.adapters.telemetry import StructlogTelemetry

    people = settings.log.format == "text" or (
        settings.log.format == "auto" and sys.stderr.isatty()
    )
    telemetry = Audience(tally, StructlogTelemetry(people=people, level=settings.log.level))
    warnings = (*settings.warnings, *(one for policy in policies for one in policy.warnings))
    for warning in warnings:
        telemetry.emit(
            "policy.warning",
            level="warning",
            code=warning.code,
            where=str(warning.where),
            detail=warning.what,
            hint=warning.hint,
        )
    return telemetry


async def _run(
    settings: Settings,
    policies: Sequence[Policy],
    papers: Papers,
    *,
    sandbox: bool,
    seconds: float | None,
    adopt: bool,
    read: Callable[[], Sequence[Policy]],
    settle: Callable[[], None],
) -> None:
    from runner.adapters.clock import SystemClock
    from runner.adapters.metering import Tally
    from runner.adapters.secret_watch import SecretWatch
    from runner.bootstrap.runtime import runtime
    from runner.cli.reloading import Changes, Reloader
    from runner.dashboard.server import serve, token_of
    from runner.dashboard.source import Source
    from runner.settings.references import references_of

    # Made before any of them is read: whatever changes from here on is noticed.
    secrets = SecretWatch(references_of(settings), clock=SystemClock())
    token = token_of(settings, os.environ)
    tally = Tally()
    telemetry = _voice(settings, policies, tally)
    started = time.monotonic()
    loop = asyncio.get_running_loop()
    async with runtime(
        settings,
        policies,
        telemetry=telemetry,
        environment=os.environ,
        sandbox=sandbox,
        adopt=adopt,
        secrets=secrets,
        papers=papers,
    ) as ready:
        telemetry = ready.telemetry
        changes = Changes(settings, telemetry, hung_up=secrets.read_all)
        reloader = Reloader(ready, changes, telemetry, read=read, settle=settle)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, reloader.stop)
        # Said when SIGTERM ends it cleanly, and not before.
        telemetry.emit("daemon.ready", **ready.about)
        timer = loop.call_later(seconds, reloader.stop) if seconds is not None else None
        source = Source(
            ready.settings,
            policies=lambda: reloader.policies,
            tally=tally,
            beat_at=ready.beat_at,
            writer=_across(loop, ready.store.write),
        )
        pages = asyncio.create_task(
            serve(source, token, telemetry, secrets=secrets, environment=os.environ)
        )
        try:
            await reloader.run()
        finally:
            if timer is not None:
                timer.cancel()
            pages.cancel()
            await asyncio.gather(pages, return_exceptions=True)
        counts = await ready.counts()
        telemetry.emit("daemon.summary", seconds=time.monotonic() - started, **counts)


def _across(loop: asyncio.AbstractEventLoop, write: Callable[..., Any]) -> Any:
    """The daemon's writer, for those who live in another loop."""

    def writer(work: Any) -> Any:
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(write(work), loop))

    return writer
