"""
Months as a grid with their payments: what was decided, from the ledger, and what is to come.

Each slot stands on the day of its own zone. Pure: entries and slots in, text or rows out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from runner.frozen import frozen
from runner.guard.intent import TransferLine
from runner.policy.model import Schedule
from runner.reporting.text import Look, Tone, amount, plural, rfc3339
from runner.reporting.views import Entry
from runner.reporting.words import label
from runner.scheduling.triggers import Timetable, timetable

_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)
_MOST_A_DAY = 24
"""More slots than these of one schedule on one day are counted, not listed."""

_MOST_LINES = 60
_DAYS = "Mo   Tu   We   Th   Fr   Sa   Su"
_PAID, _FAILED, _OPEN, _LEFT, _COMING = "+", "!", "?", "-", "*"
_LEGEND = "+ paid   * to come   ? open   - left out   ! not paid"
_ORDER = (_FAILED, _OPEN, _PAID, _COMING, _LEFT)
"""Which sign a day shows that has several."""

_TONES = {_PAID: Tone.GOOD, _FAILED: Tone.BAD, _OPEN: Tone.WARN, _LEFT: Tone.DIM}
_SIGNS = {
    "success": _PAID,
    **dict.fromkeys(("reverted", "not_included", "missed"), _FAILED),
    **dict.fromkeys(("skipped", "superseded"), _LEFT),
}


@frozen
class Mark:
    """One slot, or a range of them. `state` is None where it is still to come."""

    schedule: str
    due_at: datetime
    local: datetime
    state: str | None = None
    reason: str | None = None
    count: int = 1

    @property
    def day(self) -> date:
        """As its own zone shows it."""
        return self.local.date()

    @property
    def sign(self) -> str:
        """What the grid shows of it."""
        return _COMING if self.state is None else _SIGNS.get(self.state, _OPEN)


def coming(
    spec: Schedule, anchor: datetime, begin: datetime, end: datetime, *, uid: str | None = None
) -> Iterator[Mark]:
    """
    What fires in [begin, end): slot by slot, or so many a day.

    Args:
        uid: As it was applied first, where it is called otherwise since.
    """
    if spec.suspend:
        return
    zone = zone_of(spec)
    table = timetable(spec, anchor=anchor, uid=uid)
    days = -(-(end - begin) // _DAY)
    if table.count(begin - _INSTANT, end - _INSTANT) <= _MOST_A_DAY * days:
        yield from _listed(spec, table, zone, begin, end)
        return
    while begin < end:
        following = begin.astimezone(zone).date() + _DAY
        until = min(datetime.combine(following, time(), zone).astimezone(UTC), end)
        count = table.count(begin - _INSTANT, until - _INSTANT)
        first = table.next_firing_after(begin - _INSTANT) if count > _MOST_A_DAY else None
        if first is not None:
            yield Mark(spec.uid, first.due_at, first.due_at.astimezone(zone), count=count)
        else:
            yield from _listed(spec, table, zone, begin, until)
        begin = until


def _listed(
    spec: Schedule, table: Timetable, zone: ZoneInfo, begin: datetime, end: datetime
) -> Iterator[Mark]:
    due = table.due(begin - _INSTANT, end - _INSTANT)
    local = (datetime.fromtimestamp(moment, zone) for moment in due)
    for _, group in groupby(local, key=datetime.date):
        day = list(group)
        if len(day) > _MOST_A_DAY:
            yield Mark(spec.uid, day[0].astimezone(UTC), day[0], count=len(day))
        else:
            yield from (Mark(spec.uid, one.astimezone(UTC), one) for one in day)


def decided(entries: Iterable[Entry], specs: Mapping[str, Schedule]) -> list[Mark]:
    """What the ledger has, each on the day of its schedule's own zone."""
    zones = {uid: zone_of(spec) for uid, spec in specs.items()}
    return [
        Mark(
            one.occurrence.schedule,
            one.due_at,
            one.due_at.astimezone(zones.get(one.occurrence.schedule, UTC)),
            one.state,
            one.reason,
            one.occurrence.count,
        )
        for one in entries
        if one.occurrence is not None
    ]


def zone_of(spec: Schedule) -> ZoneInfo:
    """The zone of its wall clock; UTC where it has none."""
    return ZoneInfo(getattr(spec.trigger, "timezone", "UTC"))


def as_text(
    marks: Iterable[Mark],
    lines: Mapping[str, Sequence[TransferLine]],
    look: Look,
    *,
    first: date,
    months: int,
    today: date,
) -> list[str]:
    """
    Args:
        lines: What a run of each schedule moves.
        first: Any day of the first month.
    """
    by_month: dict[tuple[int, int], list[Mark]] = {}
    for one in marks:
        by_month.setdefault((one.day.year, one.day.month), []).append(one)
    found: list[str] = []
    month = first.replace(day=1)
    for _ in range(months):
        mine = sorted(by_month.get((month.year, month.month), []), key=lambda one: one.due_at)
        found += [*_grid(month, mine, look, today), *_list(mine, lines, look), ""]
        month = (month + timedelta(days=31)).replace(day=1)
    return [*found, look.tint(_LEGEND, Tone.DIM)]


def _grid(month: date, marks: Sequence[Mark], look: Look, today: date) -> Iterator[str]:
    signs: dict[date, set[str]] = {}
    for one in marks:
        signs.setdefault(one.day, set()).add(one.sign)
    total = sum(one.count for one in marks)
    yield look.tint(f"{month:%B %Y}", Tone.STRONG) + f"   {plural(total, 'slot')}"
    yield look.tint(_DAYS, Tone.DIM)
    cells = ["    "] * month.weekday()
    day = month
    while day.month == month.month:
        sign = next((one for one in _ORDER if one in signs.get(day, ())), " ")
        shown = look.tint(f"{day.day:2}{sign}", _TONES.get(sign, Tone.PLAIN))
        cells.append(shown + ("<" if day == today else " "))
        day += timedelta(days=1)
    for start in range(0, len(cells), 7):
        yield " ".join(cells[start : start + 7]).rstrip()


def _list(
    marks: Sequence[Mark], lines: Mapping[str, Sequence[TransferLine]], look: Look
) -> Iterator[str]:
    rows = []
    keyed = sorted(marks, key=lambda one: (one.day, one.schedule, one.sign, one.due_at))
    for (day, schedule, sign), group in groupby(
        keyed, key=lambda one: (one.day, one.schedule, one.sign)
    ):
        mine = list(group)
        count = sum(one.count for one in mine)
        times = f"{mine[0].local:%H:%M}" + (f" x{count}" if count > 1 else "")
        state = "" if mine[0].state is None else label(mine[0].state, mine[0].reason)
        pays = _total(lines.get(schedule, ()), count) if sign in {_COMING, _PAID} else ""
        told = "  ".join(part for part in (schedule, pays, state) if part)
        rows.append(
            f"  {look.tint(sign, _TONES.get(sign, Tone.PLAIN))} {day:%d %a} {times}  {told}"
        )
    yield from rows[:_MOST_LINES]
    if len(rows) > _MOST_LINES:
        yield look.tint(f"  and {len(rows) - _MOST_LINES} more lines: --json has all", Tone.DIM)


def _total(lines: Sequence[TransferLine], count: int) -> str:
    sums: dict[tuple[str, int], int] = {}
    for line in lines:
        if line.kind != "approve":
            key = (line.symbol, line.decimals)
            sums[key] = sums.get(key, 0) + line.amount * count
    most = "up to " if any(line.kind == "at_most" for line in lines) else ""
    return ", ".join(
        f"{most}{amount(value, decimals, symbol)}" for (symbol, decimals), value in sums.items()
    )


def as_json(marks: Iterable[Mark]) -> list[dict[str, Any]]:
    """One row a slot, in the order of time."""
    return [
        {
            "schedule": one.schedule,
            "due_at": rfc3339(one.due_at),
            "local": one.local.isoformat(),
            "state": one.state or "to_come",
            "reason": one.reason,
            "count": one.count,
        }
        for one in sorted(marks, key=lambda one: (one.due_at, one.schedule))
    ]
