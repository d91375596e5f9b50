"""`runner runs`: what became of each due time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.cli.options import config_option, format_options

if TYPE_CHECKING:
    from runner.reporting.views import Entry, EventView


@click.group()
def runs() -> None:
    """What became of each due time: list, show."""


@runs.command("list")
@config_option
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--all", "everything", is_flag=True, help="Activations of grants too.")
@format_options()
def list_runs(config: str | None, limit: int, everything: bool, form: str) -> None:
    """The newest due times, newest first, each with what became of it."""
    from runner.cli import reading
    from runner.cli.loading import settings_of
    from runner.cli.render import hint, look, write, write_json
    from runner.reporting import scripts
    from runner.reporting.text import Cell, brief, moves, stamp, state_cell, table

    with reading.ledger(settings_of(config).store) as c:
        found = reading.entries(c, limit=limit, activations=everything)
        total = reading.count_occurrences(c)
    if form == "json":
        write_json([scripts.entry(one) for one in found])
        return
    if not found:
        hint("nothing was due yet; `runner next` lists what is coming")
        return
    rows: list[list[str | Cell]] = [
        [
            stamp(one.due_at, seconds=True),
            one.schedule or f"{one.runs[0].session} (activation)",
            state_cell(one.state),
            one.reason or "",
            moves(one.newest.lines) if one.newest else "",
            brief(one.id) if one.runs else _count(one),
        ]
        for one in found
    ]
    head = ["DUE", "SCHEDULE", "STATE", "REASON", "MOVES", "RUN"]
    write(table(head, rows, look(), flexible=(4, 1)))
    if total > len(found):
        hint(f"{total - len(found)} older ones are not shown; see --limit")


@runs.command()
@click.argument("run")
@config_option
@format_options()
def show(run: str, config: str | None, form: str) -> None:
    """
    One RUN from its claim to its end.

    RUN is an id or its beginning, or policy/schedule@slot.
    """
    from runner.cli import reading
    from runner.cli.loading import settings_of
    from runner.cli.render import write, write_json
    from runner.errors import UsageError
    from runner.reporting import scripts

    with reading.ledger(settings_of(config).store) as c:
        found = reading.find(c, run)
        if len(found) == 1:
            timeline = reading.timeline(c, found[0])
    if not found:
        raise UsageError(f"the ledger has no run {run}", hint="`runner runs list` shows their ids")
    if len(found) > 1:
        ids = ", ".join(one.id for one in found[:5])
        raise UsageError(f"{run} may be any of {len(found)} runs", hint=f"say more of it: {ids}")
    if form == "json":
        write_json(scripts.run(found[0], timeline))
        return
    write(_story(found[0], timeline))


def _count(one: Entry) -> str:
    count = 1 if one.occurrence is None else one.occurrence.count
    return f"× {count}" if count > 1 else ""


def _story(one: Entry, timeline: list[EventView]) -> list[str]:
    from runner.reporting.text import amount, stamp
    from runner.reporting.words import meaning

    told = meaning(one.state, one.reason)
    run = one.newest
    reason = f" ({one.reason})" if one.reason else ""
    lines = [
        f"{one.schedule or 'activation'}  due {stamp(one.due_at, seconds=True)}",
        f"{one.state}{reason}: {told.what}",
        *([f"to do: {told.todo}"] if told.todo else []),
    ]
    if run is not None:
        lines += ["", f"run {run.id}", f"attempt {run.attempt}, session {run.session}"]
        lines += [f"detail: {run.detail}"] if run.detail else []
        lines += ["", "calls"]
        lines += [
            f"  {call.to}  value {call.value}  0x{call.data.hex()}" for call in run.intent or ()
        ]
        lines += ["", "moves"] if run.lines else []
        lines += [
            f"  {amount(line.amount, line.decimals, line.symbol)} → {line.receiver_name} "
            f"({line.receiver}, {line.kind})"
            for line in run.lines
        ]
    for attempt, operation in one.operations:
        lines += [
            "",
            f"operation {operation.hash} ({operation.kind}, attempt {attempt.attempt})",
            f"  {operation.status}, nonce {operation.nonce:#x}",
        ]
        if operation.block_number is not None:
            lines.append(f"  block {operation.block_number}, {operation.transaction_hash}")
            lines.append(f"  fee {amount(operation.gas_cost or 0, 18, 'native')}")
    lines += ["", "what happened"]
    lines += [f"  {event.at:%H:%M:%S.%f}  {event.kind}{_facts(event)}" for event in timeline]
    return lines


def _facts(event: EventView) -> str:
    shown = {k: v for k, v in event.data.items() if v not in (None, "", 1) and k != "hash"}
    return "  " + " ".join(f"{k}={v}" for k, v in shown.items()) if shown else ""
