"""`runner apply`: carry a plan out once, exactly as it was saved or not at all."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.asking import is_running
from runner.cli.loading import policies_of, settings_of
from runner.cli.options import Duration, config_option, format_options, now
from runner.cli.render import hint, write, write_json
from runner.errors import LedgerHeld, PlanError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.bootstrap.runtime import Runtime
    from runner.planning.plan import Plan
    from runner.planning.saved import Basis
    from runner.policy.model import Policy
    from runner.settings import Settings

_LOOK_SECONDS = 0.3
_ON_THE_WAY = frozenset({"requested", "owner_signed", "activating"})


@click.command()
@click.argument(
    "planfile",
    required=False,
    metavar="[PLANFILE]",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
)
@config_option
@click.option(
    "--wait",
    "seconds",
    type=Duration(),
    default="10m",
    show_default=True,
    help="How long it may take until every grant serves.",
)
@format_options()
def apply(planfile: Path | None, config: str | None, seconds: float, form: str) -> int:
    """
    Carry the plan out once: obtain the grants it names, seed its schedules, pay nothing, end.

    PLANFILE is what `runner plan --out FILE` saved; it is refused when policies, the ledger or
    runner.yaml have changed since. A running daemon puts edited policies in force by itself: beside
    one this waits until it has, and a PLANFILE is refused. Exit code: 0 done, 1 when it is not all
    done in time.
    """
    from runner.reporting.plan_json import as_json

    settings = settings_of(config)
    policies = policies_of(settings)
    beside = is_running(settings)
    if beside and planfile is not None:
        raise LedgerHeld(
            "a daemon holds the ledger, and puts edited policies in force by itself: a saved plan "
            "cannot be held against what it does meanwhile",
            hint="`runner apply` without the file waits until the daemon has done it; to apply "
            "exactly this plan, stop the daemon before the policies are edited",
        )
    saved = None if planfile is None else _read(planfile)
    if saved is not None:
        _refuse_stale(saved, policies, settings)
    made = _plan(policies, settings)
    left: Sequence[str] = []
    if made.changes and beside:
        left = _until_done(settings, policies, seconds)
    elif made.changes:
        left = asyncio.run(_carry_out(settings, policies, saved, seconds))
    asked = _asked(policies, settings)
    if form == "json":
        write_json({"plan": as_json(made), "left": left, "awaiting_signature": asked})
    else:
        write([_said(made, left, beside=beside)])
        for uid in asked:
            hint(f"its owner signs by hand: runner grants request {uid} --out FILE")
    return 1 if left else 0


def _said(made: Plan, left: Sequence[str], *, beside: bool) -> str:
    if not made.changes:
        return "No changes: nothing was done."
    if left and beside:
        return f"The daemon has not done it in time: {', '.join(left)}. Its log says why."
    if left:
        return f"Not done in time: {', '.join(left)}. What was begun goes on with the next start."
    changed = made.difference
    who = "Applied by the daemon" if beside else "Applied"
    return f"{who}: {len(changed.sessions)} sessions and {len(changed.schedules)} schedules."


def _until_done(settings: Settings, policies: Sequence[Policy], seconds: float) -> Sequence[str]:
    """The daemon acts; what is left of the plan when the time is over."""
    end = time.monotonic() + seconds
    while (left := _left(policies, settings)) and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
    return left


def _read(planfile: Path) -> Basis:
    from runner.planning.saved import read_document

    return read_document(planfile.read_text(encoding="utf-8"))


def _refuse_stale(saved: Basis, policies: Sequence[Policy], settings: Settings) -> None:
    from runner.cli.standing import facts_of, settings_facts
    from runner.planning.saved import basis_of, stale

    current = basis_of(policies, facts_of(settings), settings_facts(settings, policies))
    reasons = stale(saved, current)
    if reasons:
        raise PlanError(
            f"the saved plan is stale: {'; '.join(reasons)}",
            hint="nothing was done; look at a new one: runner plan --out FILE",
        )


def _plan(policies: Sequence[Policy], settings: Settings) -> Plan:
    from datetime import timedelta

    from runner.cli.standing import facts_of, wallets_as_facts
    from runner.planning.plan import make_plan

    facts, wallets = facts_of(settings), wallets_as_facts(settings)
    return make_plan(policies, facts, wallets, now=now(), horizon=timedelta(days=90))


async def _carry_out(
    settings: Settings, policies: Sequence[Policy], saved: Basis | None, seconds: float
) -> list[str]:
    """Until nothing is left of the plan, or the time is over; what is left."""
    from runner.adapters.telemetry import StructlogTelemetry
    from runner.bootstrap.runtime import runtime
    from runner.cli.standing import facts_of
    from runner.settings import Alerts

    before = facts_of(settings).exists
    telemetry = StructlogTelemetry(people=True, level=settings.log.level)
    async with runtime(
        replace(settings, alerts=Alerts()),  # whoever applies looks on: nobody has to be told
        policies,
        telemetry=telemetry,
        environment=os.environ,
        sandbox=False,
        adopt=False,
    ) as ready:
        if saved is not None and before:  # now that nobody else can change the ledger
            _refuse_stale(saved, policies, settings)
        return await _watched(ready, settings, policies, seconds)


async def _watched(
    ready: Runtime, settings: Settings, policies: Sequence[Policy], seconds: float
) -> list[str]:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    work = asyncio.create_task(ready.daemon.apply(ready.seeds))
    try:
        while True:
            await asyncio.wait({work}, timeout=_LOOK_SECONDS)
            if work.done():
                work.result()
            left = await asyncio.to_thread(_left, policies, settings)
            if not left or loop.time() >= end:
                return left
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


def _left(policies: Sequence[Policy], settings: Settings) -> list[str]:
    """What is to happen at once and has not; what a person is asked to sign has been done."""
    from runner.cli.standing import facts_of
    from runner.planning.diff import Action

    changed = _plan(policies, settings).difference
    asked = set(_asked(policies, settings))
    found = {
        one.uid for one in changed.sessions if one.at is None and one.action is not Action.RETIRE
    }
    wanted = {session.uid for policy in policies for session in policy.sessions.values()}
    coming = {one.session for one in facts_of(settings).grants if one.state in _ON_THE_WAY}
    found |= coming & wanted
    return sorted(found - asked) + [one.uid for one in changed.schedules]


def _asked(policies: Sequence[Policy], settings: Settings) -> list[str]:
    """The sessions whose next grant waits for a signature by hand."""
    from runner.cli.standing import facts_of

    requested = {one.session for one in facts_of(settings).grants if one.state == "requested"}
    found = []
    for policy in policies:
        for session in policy.sessions.values():
            spec = settings.signers.get(policy.accounts[session.account].owner)
            by_hand = spec is not None and spec.manual is not None
            if by_hand and session.uid in requested:
                found.append(session.uid)
    return found
