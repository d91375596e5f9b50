"""
Why a slot was or was not paid, will or will not be: field by field (X11, M6, B1 to B10).

Pure: policy and ledger in, an explanation out. The first field that says no is the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any

from runner.frozen import frozen
from runner.guard.budget import Budgets, Reservation
from runner.guard.intent import TransferLine
from runner.planning.consent import above
from runner.policy.fingerprint import trigger_text
from runner.policy.model import Schedule
from runner.reporting.text import Look, Tone, away, moves, rfc3339, stamp, wrapped
from runner.reporting.views import AskedView, Entry, GrantView, ScheduleView
from runner.reporting.words import label, meaning
from runner.scheduling.lateness import window_end
from runner.scheduling.occurrence import Slot
from runner.scheduling.triggers import Timetable

_WIDTH = 12


class Answer(StrEnum):
    """What a field says about the payment."""

    YES = "yes"
    NO = "no"
    WAITS = "waits"
    KNOWN = "known"


@frozen
class Field:
    """One thing that was looked at."""

    name: str
    answer: Answer
    text: str


@frozen
class Question:
    """
    A slot of a schedule, and all that is known about it.

    `slot` is None where the timetable has none at that time; then `near` are those around it.
    """

    uid: str
    at: datetime
    now: datetime
    schedule: Schedule | None
    row: ScheduleView | None
    table: Timetable | None
    slot: Slot | None
    near: tuple[Slot | None, Slot | None] = (None, None)
    entry: Entry | None = None
    pauses: Sequence[str] = ()
    grants: Sequence[GrantView] = ()
    open_runs: Sequence[Entry] = ()
    asked: AskedView | None = None
    lines: tuple[TransferLine, ...] = ()
    budgets: Budgets | None = None
    taken: Mapping[tuple[str, str, str], int] = field(default_factory=dict)


def why(question: Question) -> list[Field]:
    """Everything that decides, in the order in which it does."""
    found = [*_policy(question), *_slot(question)]
    if question.entry is not None:
        return [*found, *_decided(question.entry)]
    if question.slot is None or any(one.answer is Answer.NO for one in found):
        return found
    return [*found, *_coming(question)]


def verdict(question: Question, fields: Sequence[Field]) -> str:
    """The answer in a sentence."""
    entry = question.entry
    if entry is not None:
        return f"it {meaning(entry.state, entry.reason).what}"
    stops = [one for one in fields if one.answer is Answer.NO]
    if stops:
        return f"it will not be paid: {stops[0].text}"
    waits = [one for one in fields if one.answer is Answer.WAITS]
    if waits:
        return f"it will be paid once what it waits for is there: {waits[0].text}"
    return "it will be paid, as far as can be known now"


# ── the policy and the calendar ───────────────────────────────────────────────────────────────


def _policy(q: Question) -> Iterator[Field]:
    if q.schedule is None:
        yield Field("policy", Answer.NO, f"no policy in force has {q.uid}")
    elif q.schedule.suspend:
        yield Field("policy", Answer.NO, "the policy says `suspend: true`")
    else:
        yield Field("policy", Answer.YES, f"pays {moves(q.lines, most=5) or 'nothing by itself'}")
    if q.row is None:
        yield Field("ledger", Answer.NO, "the schedule was never applied: runner up")
    elif q.row.state != "active":
        yield Field("ledger", Answer.NO, f"the schedule is {q.row.state}")
    elif q.schedule is not None and trigger_text(q.schedule) != q.row.trigger:
        yield Field("ledger", Answer.WAITS, "its trigger was edited, and is not applied yet")


def _slot(q: Question) -> Iterator[Field]:
    if q.slot is None:
        before, after = (None if one is None else one.local for one in q.near)
        around = f"the one before is {before or 'none'}, the next one {after or 'none'}"
        answer = Answer.NO if q.entry is None else Answer.KNOWN
        yield Field("slot", answer, f"there is no slot at {stamp(q.at)}: {around}")
        return
    when = away(q.slot.due_at, q.now)
    yield Field("slot", Answer.YES, f"{q.slot.text}, due {q.slot.local} ({when})")
    if q.slot.verdict is not None and q.entry is None:
        state = q.slot.closes_as or "skipped"
        said = meaning(str(state), q.slot.verdict.value).what
        yield Field("calendar", Answer.NO, f"it {said}: {label(str(state), q.slot.verdict.value)}")


# ── what was decided ──────────────────────────────────────────────────────────────────────────


def _decided(entry: Entry) -> Iterator[Field]:
    row = entry.occurrence
    if row is not None:
        by = f", {row.by_slot} took its place" if row.by_slot else ""
        many = f", one of {row.count}" if row.count > 1 else ""
        text = f"{label(row.decision, row.reason)} on {stamp(row.decided_at, seconds=True)}{by}"
        answer = Answer.YES if row.decision in {"claimed", "held"} else Answer.NO
        yield Field("decision", answer, text + many)
    for run in reversed(entry.runs):
        said = meaning(run.state, run.reason)
        detail = f": {run.detail}" if run.detail else ""
        answer = _RUNS.get(run.state, Answer.WAITS)
        text = f"{label(run.state, run.reason)}, it {said.what}{detail}"
        yield Field(f"attempt {run.attempt}", answer, text)
        for one in run.operations:
            where = f", block {one.block_number}" if one.block_number is not None else ""
            yield Field("operation", Answer.KNOWN, f"{one.kind} {one.status}{where}, {one.hash}")
        if run.open and run.expires_at is not None:
            text = f"until {stamp(run.expires_at, seconds=True)}, the end of its window"
            yield Field("waits", Answer.KNOWN, text)
    todo = meaning(entry.state, entry.reason).todo
    if todo:
        yield Field("to do", Answer.KNOWN, todo.replace("ID", entry.id))


_RUNS = {
    "success": Answer.YES,
    **dict.fromkeys(("reverted", "not_included", "skipped", "missed", "superseded"), Answer.NO),
}


# ── what is still to come ─────────────────────────────────────────────────────────────────────


def _coming(q: Question) -> Iterator[Field]:
    if q.schedule is None or q.slot is None or q.table is None or q.row is None:
        raise AssertionError("asked about a slot of a schedule that is not there")
    end = window_end(q.schedule, q.table, q.slot)
    if end <= q.now:
        yield Field("window", Answer.NO, f"its catch-up window ended {stamp(end, seconds=True)}")
    for one in q.pauses:
        yield Field("pause", Answer.NO, one)
    dark = q.table.blackouts.until(q.slot.fire_at)
    if dark is not None:
        late = dark >= end
        text = f"nothing is paid until {stamp(dark)}" + (", and its window ends first" * late)
        yield Field("blackout", Answer.NO if late else Answer.WAITS, text)
    if q.schedule.max_runs is not None and q.row.runs >= q.schedule.max_runs:
        yield Field("max_runs", Answer.NO, f"{q.row.runs} of {q.schedule.max_runs} are used up")
    yield from _limits(q)
    yield _grant(q)
    for run in q.open_runs:
        text = f"{run.id} is {label(run.state, run.reason)}; overlap: {q.schedule.overlap.kind}"
        yield Field("overlap", Answer.WAITS, text)
    yield from _consent(q)
    if q.schedule.require:
        text = f"{len(q.schedule.require)} conditions are judged directly before signing"
        yield Field("require", Answer.KNOWN, text)


def _limits(q: Question) -> Iterator[Field]:
    if q.budgets is None or q.slot is None:
        return
    sums: dict[str, int] = {}
    for line in q.lines:
        sums[line.token] = sums.get(line.token, 0) + line.amount
    for one in q.budgets.reservations(sums, due_at=q.slot.due_at, slot=q.slot.text):
        if one.window is not None:
            continue  # what a window will hold by then depends on all slots before
        yield _limit(q, one)


def _limit(q: Question, one: Reservation) -> Field:
    taken = q.taken.get((one.budget, one.period, one.token), 0)
    room = taken + one.amount <= one.limit
    text = f"takes {one.amount} of {one.limit} base units in {one.period}, {taken} are taken"
    waits = q.schedule is not None and q.schedule.on_budget == "hold"
    return Field(one.name, Answer.YES if room else Answer.WAITS if waits else Answer.NO, text)


def _grant(q: Question) -> Field:
    if q.slot is None or q.row is None:
        raise AssertionError("asked about a slot of a schedule that is not there")
    active = [one for one in q.grants if one.state == "active" and one.session == q.row.session]
    if not active:
        return Field("grant", Answer.WAITS, f"{q.row.session} has no active grant now")
    grant = active[-1]
    until = f"generation {grant.generation} lasts until {stamp(grant.expires_at)}"
    if grant.expires_at > q.slot.due_at:
        return Field("grant", Answer.YES, until)
    renewal = stamp(grant.next_renewal_at)
    return Field("grant", Answer.WAITS, f"{until}; the next one is asked for {renewal}")


def _consent(q: Question) -> Iterator[Field]:
    if q.asked is not None:
        yield Field("approval", Answer.WAITS, f"a person was asked: {q.asked.detail}")
    elif q.schedule is not None:
        organisation = None if q.budgets is None else q.budgets.above
        for one in above(q.schedule, q.lines, organisation):
            yield Field("approval", Answer.KNOWN, f"a person is asked: {one.detail}")


# ── how it is shown ───────────────────────────────────────────────────────────────────────────

_TONES = {Answer.YES: Tone.GOOD, Answer.NO: Tone.BAD, Answer.WAITS: Tone.WARN}


def as_text(question: Question, fields: Sequence[Field], look: Look) -> list[str]:
    """The answer, then what was looked at."""
    lines = [*wrapped(f"{_name(question)}: {verdict(question, fields)}.", look), ""]
    for one in fields:
        head = one.name.ljust(_WIDTH)
        first, *rest = wrapped(one.text, look, indent=" " * (_WIDTH + 2), taken=_WIDTH + 2)
        lines += [f"  {look.tint(head, _TONES.get(one.answer, Tone.DIM))}{first}", *rest]
    return lines


def as_json(question: Question, fields: Iterable[Field]) -> dict[str, Any]:
    """The same for scripts."""
    fields = tuple(fields)
    entry = question.entry
    return {
        "schedule": question.uid,
        "at": rfc3339(question.at),
        "slot": None if question.slot is None else question.slot.text,
        "state": None if entry is None else entry.state,
        "reason": None if entry is None else entry.reason,
        "verdict": verdict(question, fields),
        "fields": [
            {"field": one.name, "answer": one.answer.value, "text": one.text} for one in fields
        ],
    }


def _name(question: Question) -> str:
    return f"{question.uid}@{stamp(question.at) if question.slot is None else question.slot.text}"
