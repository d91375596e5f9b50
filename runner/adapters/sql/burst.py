"""
Plain claims of one tick, written together.

Most slots need no judging one by one: their schedule has no open run, no budget and no end of its
own. They are read and written by a handful of statements, however many there are, so that ten
thousand due in one second are durable soon after it. All others go the way of `claims`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection, case, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from runner.adapters.sql import tables as t
from runner.adapters.sql.pauses import pause_of, wide_pauses
from runner.adapters.sql.prepared import Among, Prepared, given
from runner.adapters.sql.queries import note_decision, runs
from runner.adapters.sql.rows import (
    OCCURRENCE_COLUMNS,
    RUN_COLUMNS,
    Begun,
    occurrence_row,
    run_from,
    run_row,
)
from runner.adapters.sql.transaction import Transaction
from runner.records import Claim, Run
from runner.scheduling.occurrence import Reason, State

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

_o, _s = t.occurrences.c, t.schedules.c
_NEWEST = Prepared(select(func.max(_o.id)))
_SINCE = Prepared(select(_o.id).where(_o.id >= given("first")))
_BUSY = Prepared(select(t.runs.c.schedule).where(t.runs.c.closed_at.is_(None)).distinct())
_STANDING = select(_s.uid, _s.session, _s.account, _s.state, _s.paused_reason, _s.paused_until)
_ANY = Among(_STANDING, _s.uid)
_SPECIAL = Among(_STANDING.where((_s.state != "active") | _s.paused_reason.is_not(None)), _s.uid)
"""How schedules stand: of these all, and those that are over or paused."""

_RUNS = Among(runs(), t.runs.c.id)

# A slot that has its row already is left alone: whoever wrote it decided it (S1).
_OCCURRENCE = Prepared(
    upsert(t.occurrences).on_conflict_do_nothing(), columns=["id", *OCCURRENCE_COLUMNS]
)
_MADE = Prepared(insert(t.runs), columns=RUN_COLUMNS)
_PLACE = given("place", _s.decided_until.type)
_BEGUN = Prepared(
    update(t.schedules)
    .where(_s.uid == given("its_uid"))
    .values(
        runs=_s.runs + 1,
        decided_until=case((_s.decided_until < _PLACE, _PLACE), else_=_s.decided_until),
    )
)
"""A schedule has one run more, and a place on its calendar that is no earlier than it was."""


@dataclass(slots=True)
class Written:
    """
    What became of plain claims, and the claims that are not plain.

    `placed` are the schedules whose place on the calendar was written with their run.
    """

    made: list[Begun] = field(default_factory=list)
    placed: set[str] = field(default_factory=set)
    refused: list[Claim] = field(default_factory=list)
    rest: list[Claim] = field(default_factory=list)


def claim_plain(
    transaction: Transaction,
    claims: Sequence[Claim],
    *,
    decided_until: Mapping[str, datetime],
    now: datetime,
) -> Written:
    """
    Write the plain ones among these claims. The write lock is held: what is read here stays true.
    """
    counts = Counter(one.schedule for one in claims)
    alone = [one for one in claims if counts[one.schedule] == 1 and _is_plain(one)]
    if len(alone) < 2:
        return Written(rest=list(claims))
    c = transaction.connection
    busy = {row.schedule for row in _BUSY.all(c)}
    plain = [one for one in alone if one.schedule not in busy]
    names = {one.schedule for one in plain}
    written = Written(rest=[one for one in claims if one.schedule not in names])
    decided = _write_decisions(c, _judged(c, plain, now), now)
    for one, _ in decided:
        note_decision(transaction, one, now)
    claimed = [(one, place) for one, place in decided if one.decision is State.CLAIMED]
    written.refused = [one for one, _ in decided if one.decision is not State.CLAIMED]
    made = [
        run_row(one, occurrence=place, incarnation=transaction.incarnation, now=now)
        for one, place in claimed
    ]
    _MADE.run_many(c, made)
    written.placed = {one.schedule for one, _ in claimed}
    _BEGUN.run_many(
        c,
        (
            {"its_uid": one.schedule, "place": decided_until.get(one.schedule, _LONG_AGO)}
            for one, _ in claimed
        ),
    )
    written.made = [Begun(one.slot, row) for (one, _), row in zip(claimed, made, strict=True)]
    return written


def _is_plain(one: Claim) -> bool:
    return one.decision is State.CLAIMED and not one.reservations and one.max_runs is None


def _judged(c: Connection, plain: Sequence[Claim], now: datetime) -> list[Claim]:
    """Claims of schedules that are over are left out, those of paused ones decided against."""
    pauses = wide_pauses(c)
    looked_at = _ANY if pauses else _SPECIAL
    special = {row.uid: row for row in looked_at.all(c, [one.schedule for one in plain])}
    judged: list[Claim] = []
    for one in plain:
        schedule = special.get(one.schedule)
        if schedule is None:
            judged.append(one)
        elif schedule.state == "active":
            # A pause that ends covers what fell due in it, however late it is decided (O2).
            why = pause_of(schedule, pauses, at=min(now, one.due_at))
            judged.append(one if why is None else one.against(State.SKIPPED, Reason.PAUSED))
    return judged


def _write_decisions(
    c: Connection, decided: Sequence[Claim], now: datetime
) -> list[tuple[Claim, int]]:
    """The decisions that were not there yet, with their rows' ids."""
    first = (_NEWEST.scalar(c) or 0) + 1
    rows = [{"id": first + n, **occurrence_row(one, now)} for n, one in enumerate(decided)]
    numbered = list(zip(decided, range(first, first + len(decided)), strict=True))
    if _OCCURRENCE.run_many(c, rows) == len(rows):
        return numbered
    new = {row.id for row in _SINCE.all(c, first=first)}
    return [(one, place) for one, place in numbered if place in new]


def read_runs(c: Connection, identities: Sequence[str]) -> dict[str, Run]:
    """Runs by id."""
    return {row.id: run_from(row) for row in _RUNS.all(c, identities)}
