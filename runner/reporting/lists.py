"""Tables for people: runs, grants, schedules, coming slots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from runner.records import GrantState
from runner.reporting.scripts import Upcoming
from runner.reporting.text import (
    NOTHING,
    Cell,
    Look,
    Row,
    Tone,
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
    return (moves(run.lines) or NOTHING) + again


def _handle(one: Entry) -> str:
    """What `runs show` takes: the head of the id; without a run, the slot says it all."""
    return brief(one.id) if one.runs else NOTHING


def grants_table(
    grants: Sequence[GrantView], look: Look, *, now: datetime, every: bool
) -> list[str]:
    """Living generations, or every one."""
    shown = [one for one in grants if every or one.state in _STILL_THERE]
    rows: list[Row] = [
        [
            one.session,
            str(one.generation),
            _grant_state(one, now),
            f"{stamp(one.expires_at)} ({away(one.expires_at, now)})",
            stamp(one.next_renewal_at) if one.state == GrantState.ACTIVE else NOTHING,
            Cell(one.key_address, Tone.DIM),
        ]
        for one in shown
    ]
    header = ["SESSION", "GEN", "STATE", "ENDS", "RENEWS", "KEY"]
    if look.width is not None and look.width < 120:
        header, rows = header[:-1], [row[:-1] for row in rows]
    return table(header, rows, look, flexible=(0, 3), right=(1,)) if rows else []


def _grant_state(one: GrantView, now: datetime) -> Cell:
    if one.state in {GrantState.ACTIVE, GrantState.DRAINING} and one.expires_at <= now:
        return Cell(f"{one.state}, ended", Tone.BAD)
    return state_cell(one.state)


def schedules_table(schedules: Sequence[ScheduleView], look: Look) -> list[str]:
    """One line a schedule; what is paused says since when and why below."""
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
        if one.paused_reason is not None and one.state == "active":
            since = "" if one.paused_at is None else f" since {stamp(one.paused_at)}"
            lines += ["", f"{one.uid} is paused{since}: {one.paused_reason}"]
    return lines


def upcoming_table(slots: Sequence[Upcoming], look: Look, *, now: datetime) -> list[str]:
    """Coming slots: the instant, the schedule's own wall clock, and how far away it is."""
    seconds = any(one.due_at.second for one in slots)
    rows: list[Row] = [
        [
            stamp(one.due_at, seconds=seconds),
            local_time(one.local, seconds=seconds),
            one.schedule,
            Cell(away(one.due_at, now), Tone.DIM),
        ]
        for one in slots
    ]
    return table(["DUE", "LOCAL TIME", "SCHEDULE", "AWAY"], rows, look, flexible=(2,))


def local_time(written: str, *, seconds: bool = False) -> str:
    """A slot's local time with its weekday and offset; empty where that is UTC anyway."""
    moment = datetime.fromisoformat(written)
    if moment.utcoffset() == UTC.utcoffset(None):
        return f"{moment:%a}"
    return f"{moment:{'%a %Y-%m-%d %H:%M:%S %z' if seconds else '%a %Y-%m-%d %H:%M %z'}}"
