"""What pages show, made of rows: pure, so that a test can look at it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Final

from markupsafe import Markup

from runner.dashboard import plots
from runner.dashboard.shown import grouped
from runner.dashboard.views import Ahead, Terms
from runner.errors import UsageError
from runner.frozen import frozen
from runner.guard.intent import TransferLine
from runner.reporting.calendar import Mark
from runner.reporting.scripts import Upcoming
from runner.reporting.text import away, moves, stamp
from runner.reporting.totals import Moved, Total
from runner.reporting.views import ScheduleView

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_A_DAY = 4
"""Lines that a day of the calendar has room for."""

_KINDS: Final = {
    "success": "paid",
    **dict.fromkeys(("reverted", "not_included", "missed"), "failed"),
    **dict.fromkeys(("skipped", "superseded"), "left"),
}
_SIGNS: Final = {"paid": "✓", "coming": "→", "open": "…", "left": "–", "failed": "✗"}
_SAID: Final = {"paid": "paid", "failed": "not paid", "left": "left out"}


def kind_of(state: str | None) -> str:
    """What a state means to who wants to know whether it was paid."""
    return "coming" if state is None else _KINDS.get(state, "open")


def outcomes_plot(
    days: Sequence[date], ended: Mapping[date, Mapping[str, int]]
) -> tuple[Markup, Counter[str]]:
    """Ends of payments day by day, and how many there were of each kind."""
    sums: Counter[str] = Counter()
    parts: dict[date, list[plots.Part]] = {}
    for day in days:
        mine: Counter[str] = Counter()
        for state, count in ended.get(day, {}).items():
            mine[kind_of(state)] += count
        sums += mine
        parts[day] = [
            plots.Part(kind, mine[kind], f"{mine[kind]:,} {_SAID[kind]}")
            for kind in ("paid", "failed", "left")
            if mine[kind]
        ]
    label = f"Payments a day: {sums['paid']:,} paid, {sums['failed']:,} not paid in 30 days"
    return plots.bars(days, parts, label=label), sums


def schedule_facts(
    row: ScheduleView | None, known: Terms | None, following: Upcoming | None, now: datetime
) -> list[tuple[str, str]]:
    """What a schedule is, line by line."""
    found = []
    if known is not None:
        found.append(("session", known.session))
    if row is not None:
        found += [("when", row.trigger), ("runs", f"{row.runs:,}")]
        if row.paused_reason is not None:
            found.append(("paused", f"since {stamp(row.paused_at)}: {row.paused_reason}"))
        if row.failures_in_row:
            found.append(("failed", f"{row.failures_in_row} times in a row"))
        if row.last is not None:
            found.append(("last", f"{stamp(row.last.due_at)} ({away(row.last.due_at, now)})"))
    if following is not None:
        found.append(("next", f"{stamp(following.due_at)} ({away(following.due_at, now)})"))
        found.append(("on its clock", following.local))
    return found


# ── the calendar ──────────────────────────────────────────────────────────────────────────────


@frozen
class Line:
    """A line of a day: so many slots of one schedule that came to the same."""

    kind: str
    sign: str
    text: str


@frozen
class Day:
    """A cell of a month."""

    number: int
    inside: bool
    today: bool
    rows: tuple[Line, ...] = ()
    more: int = 0


def month_of(text: str | None, now: datetime) -> date:
    """
    The first day of the month that is meant.

    Raises:
        UsageError: it is none.
    """
    if text is None:
        return now.date().replace(day=1)
    match = _MONTH.fullmatch(text)
    if match is None or not 2 <= int(match[1]) <= 9998:
        raise UsageError("a month is written like 2026-12")
    return date(int(match[1]), int(match[2]), 1)


def weeks(
    first: date,
    marks: Iterable[Mark],
    lines: Mapping[str, Sequence[TransferLine]],
    *,
    today: date,
) -> list[list[Day]]:
    """A month from Monday to Sunday, week by week."""
    by_day: dict[date, list[Mark]] = {}
    for one in marks:
        by_day.setdefault(one.day, []).append(one)
    day = first - timedelta(days=first.weekday())
    found: list[list[Day]] = []
    while not found or day.month == first.month:
        week = [day + timedelta(days=n) for n in range(7)]
        found.append([_day(one, first, by_day, lines, today) for one in week])
        day += timedelta(days=7)
    return found


def _day(
    day: date,
    first: date,
    by_day: Mapping[date, Sequence[Mark]],
    lines: Mapping[str, Sequence[TransferLine]],
    today: date,
) -> Day:
    if day.month != first.month:
        return Day(day.day, inside=False, today=False)
    found = []
    keyed = sorted(by_day.get(day, ()), key=lambda one: (one.schedule, kind_of(one.state)))
    for (uid, kind), group in groupby(keyed, key=lambda one: (one.schedule, kind_of(one.state))):
        count = sum(one.count for one in group)
        times = f" × {count:,}" if count > 1 else ""
        pays = moves(lines.get(uid, ()), most=1) if kind in {"paid", "coming"} else ""
        text = f"{uid.partition('/')[2]}{times}" + (f": {pays}" if pays else "")
        found.append(Line(kind, _SIGNS[kind], text))
    found.sort(key=lambda one: list(_SIGNS).index(one.kind), reverse=True)
    shown, more = found[:_A_DAY], max(len(found) - _A_DAY, 0)
    return Day(day.day, inside=True, today=day == today, rows=tuple(shown), more=more)


# ── money ─────────────────────────────────────────────────────────────────────────────────────


@frozen
class Spend:
    """What was paid of a token, day by day."""

    name: str
    total: str
    plot: Markup


@frozen
class Need:
    """What coming payments take of a token."""

    name: str
    week: str
    month: str
    count: int


@frozen
class PaidTo:
    """A receiver's total."""

    receiver: str
    receiver_name: str
    text: str
    count: int


def spends(days: Sequence[date], moved: Iterable[Moved]) -> list[Spend]:
    """By chain and token."""
    found = []
    groups: dict[tuple[int, str, str, int], dict[date, list[int]]] = {}
    for one in moved:
        line = one.line
        by_day = groups.setdefault((one.chain, line.token, line.symbol, line.decimals), {})
        mine = by_day.setdefault(one.day, [0, 0])
        mine[0] += line.amount * one.times
        mine[1] += one.times
    for (chain, _, symbol, decimals), by_day in sorted(groups.items()):
        total = grouped(sum(amount for amount, _ in by_day.values()), decimals, symbol)
        # A plot needs no more than four digits of an amount.
        unit = 10 ** max(len(str(max(amount for amount, _ in by_day.values()))) - 4, 0)
        parts = {
            day: [
                plots.Part(
                    "paid",
                    max(amount // unit, 1),
                    f"{grouped(amount, decimals, symbol)} in {count:,} payments",
                )
            ]
            for day, (amount, count) in by_day.items()
        }
        label = f"{symbol} a day, {total} in 30 days"
        plot = plots.bars(days, parts, label=label, scale=10**decimals / unit)
        found.append(Spend(f"{symbol} on chain {chain}", total, plot))
    return found


def needs(ahead: Iterable[Ahead], terms: Mapping[str, Terms]) -> list[Need]:
    """Sums by token and chain."""
    week: Counter[tuple[int, str, int]] = Counter()
    month: Counter[tuple[int, str, int]] = Counter()
    counts: Counter[tuple[int, str, int]] = Counter()
    for one in ahead:
        known = terms[one.schedule]
        session = known.policy.sessions[known.spec.session]
        chain = known.policy.accounts[session.account].chain
        for line in known.most.lines:
            if line.kind != "approve" and one.month:
                key = (chain, line.symbol, line.decimals)
                week[key] += line.amount * one.week
                month[key] += line.amount * one.month
                counts[key] += one.month
    return [
        Need(
            name=f"{key[1]} on chain {key[0]}",
            week=grouped(week[key], key[2], key[1]),
            month=grouped(month[key], key[2], key[1]),
            count=counts[key],
        )
        for key in sorted(month)
    ]


def totals(found: Iterable[Total]) -> list[PaidTo]:
    """What each receiver got, the most payments first."""
    shown = [
        PaidTo(
            str(one.receiver),
            one.receiver_name,
            grouped(one.amount, one.decimals, one.symbol),
            one.count,
        )
        for one in found
    ]
    return sorted(shown, key=lambda one: -one.count)[:200]
