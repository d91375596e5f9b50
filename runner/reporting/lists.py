"""Tables for people: runs, grants, schedules, coming slots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from runner.ethereum.units import format_units
from runner.guard.intent import NATIVE, TransferLine
from runner.policy.model import Money
from runner.records import GrantState
from runner.reporting.scripts import Upcoming
from runner.reporting.text import (
    NOTHING,
    Cell,
    Look,
    Row,
    Tone,
    amount,
    away,
    brief,
    moves,
    plural,
    stamp,
    state_cell,
    table,
)
from runner.reporting.views import Entry, GrantView, ScheduleView
from runner.reporting.words import label

_WIDE = 150  # columns that grants take with dates and keys

_STILL_THERE = frozenset(GrantState) - {
    GrantState.RETIRED,
    GrantState.EXPIRED,
    GrantState.REVOKED,
    GrantState.ABANDONED,
}


def runs_table(entries: Sequence[Entry], look: Look) -> list[str]:
    """One line an occurrence, newest first; a range of slots is one line."""
    rows: list[Row] = [
        [
            stamp(one.due_at, seconds=_to_the_second(entries)),
            one.schedule or f"grant of {one.runs[0].session}",
            Cell(label(one.state, one.reason), state_cell(one.state).tone),
            _what(one),
            Cell(_handle(one), Tone.DIM),
        ]
        for one in entries
    ]
    header = ["DUE", "SCHEDULE", "STATE", "PAYS", "RUN"]
    return table(header, rows, look, flexible=(3, 1, 2))


def _to_the_second(entries: Iterable[Entry]) -> bool:
    return any(one.due_at.second for one in entries)


def _what(one: Entry) -> str:
    row, run = one.occurrence, one.newest
    if row is not None and row.count > 1:
        return f"{plural(row.count, 'slot')} until {stamp(row.last_due_at)}"
    if run is None:
        return f"instead: {row.by_slot}" if row is not None and row.by_slot else NOTHING
    again = f" (attempt {run.attempt})" if run.attempt > 1 else ""
    if run.kind == "activation":
        return f"activates generation {run.generation}"
    if run.kind == "revocation":
        return f"takes generation {run.generation} off the account{again}"
    return (moves(run.lines) or NOTHING) + again


def _handle(one: Entry) -> str:
    """What `runs show` takes: the head of the id; without a run, the slot says it all."""
    return brief(one.id) if one.runs else NOTHING


def grants_table(
    grants: Sequence[GrantView], look: Look, *, now: datetime, every: bool
) -> list[str]:
    """Living generations, or every one. A narrow terminal gets no dates, only distances."""
    shown = [one for one in grants if every or one.state in _STILL_THERE]
    if not shown:
        return []
    narrow = look.width is not None and look.width < _WIDE
    seconds = any(is_short(one) for one in shown)

    def when(moment: datetime | None) -> str:
        if moment is None or narrow:
            return NOTHING if moment is None else away(moment, now)
        return f"{stamp(moment, seconds=seconds)} ({away(moment, now)})"

    rows: list[Row] = [
        [
            one.session,
            str(one.generation),
            _grant_state(one, now),
            when(one.expires_at),
            when(one.next_renewal_at if one.state == GrantState.ACTIVE else None),
            *([] if narrow else [Cell(one.key_address, Tone.DIM)]),
        ]
        for one in shown
    ]
    header = ["SESSION", "GEN", "STATE", "ENDS", "RENEWS", *([] if narrow else ["KEY"])]
    return table(header, rows, look, flexible=(0,), right=(1,))


def is_short(one: GrantView) -> bool:
    """Whether it lives so short that its times need their seconds."""
    return one.expires_at - one.requested_at < timedelta(days=1)


def _grant_state(one: GrantView, now: datetime) -> Cell:
    if one.state in {GrantState.ACTIVE, GrantState.DRAINING} and one.expires_at <= now:
        return Cell(f"{one.state}, ended", Tone.BAD)
    return state_cell(one.state)


def schedules_table(
    schedules: Sequence[ScheduleView], look: Look, *, totals: Mapping[str, Sequence[Money]]
) -> list[str]:
    """
    One line a schedule; below, how far each has come that pays until a total, and what is paused
    since when and why.

    Args:
        totals: `until_total` by schedule uid, from the policies.
    """
    rows: list[Row] = []
    for one in schedules:
        state = "paused" if one.paused_reason is not None and one.state == "active" else one.state
        last = one.last
        rows.append(
            [
                one.uid,
                state_cell(state),
                one.trigger,
                str(one.runs),
                Cell(
                    NOTHING if last is None else f"{label(last.state, last.reason)}",
                    Tone.PLAIN if last is None else state_cell(last.state).tone,
                ),
                NOTHING if last is None else stamp(last.due_at),
            ]
        )
    header = ["SCHEDULE", "STATE", "TRIGGER", "RUNS", "LAST", "LAST DUE"]
    lines = table(header, rows, look, flexible=(2, 0, 4), right=(3,))
    for one in schedules:
        for money in totals.get(one.uid, ()):
            lines += ["", f"{one.uid} {_progress(one, money)}"]
        if one.paused_reason is not None and one.state == "active":
            since = "" if one.paused_at is None else f" since {stamp(one.paused_at)}"
            lines += ["", f"{one.uid} is paused{since}: {one.paused_reason}"]
    return lines


def _progress(one: ScheduleView, total: Money) -> str:
    """`has paid 50 of 100 usdc, 25 usdc are on their way`."""
    asset = total.asset
    token = asset.address or NATIVE
    spent = sum(part.spent for part in one.total if part.token == token)
    reserved = sum(part.reserved for part in one.total if part.token == token)
    paid = format_units(spent, asset.decimals)
    said = f"has paid {paid} of {amount(total.amount, asset.decimals, asset.name)}"
    if reserved:
        said += f", {amount(reserved, asset.decimals, asset.name)} are on their way"
    return said


def upcoming_table(
    slots: Sequence[Upcoming],
    pays: Mapping[str, Sequence[TransferLine]],
    look: Look,
    *,
    now: datetime,
) -> list[str]:
    """
    Coming slots: the instant, the schedule's own wall clock where that is not UTC, and what moves.

    Args:
        pays: By schedule uid, what one run of it moves.
    """
    seconds = any(one.due_at.second for one in slots)
    clocks = [local_time(one.local, seconds=seconds) for one in slots]
    rows: list[Row] = [
        [
            stamp(one.due_at, seconds=seconds),
            *([clock] if any(clocks) else []),
            Cell(away(one.due_at, now), Tone.DIM),
            one.schedule,
            moves(pays.get(one.schedule, ())),
        ]
        for one, clock in zip(slots, clocks, strict=True)
    ]
    header = ["DUE", *(["LOCAL"] if any(clocks) else []), "AWAY", "SCHEDULE", "PAYS"]
    return table(header, rows, look, flexible=(len(header) - 1, len(header) - 2))


def local_time(written: str, *, seconds: bool = False) -> str:
    """A slot's local time with weekday and offset: `Tue 09:00 +0100`; empty where that is UTC."""
    moment = datetime.fromisoformat(written)
    if not moment.utcoffset():
        return ""
    return f"{moment:{'%a %H:%M:%S %z' if seconds else '%a %H:%M %z'}}"
