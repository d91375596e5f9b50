"""
The digest (O11): the day before, what will be paid, what it takes, and what waits for a person.

Pure: the ledger at one moment and the policies in force → one message, with a calendar file beside
it. Times are those of the zone that runner.yaml names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from runner.alerting.causes import Severity
from runner.alerting.messages import VERSION, Attachment, Message, identifier, rfc3339
from runner.frozen import frozen
from runner.guard.intent import NATIVE, TransferLine, intent_of
from runner.policy.model import Fold, Gap, Policy
from runner.reporting.health import SessionStatus, session_status
from runner.reporting.text import amount, moves, plural
from runner.reporting.views import LedgerView, ScheduleView
from runner.scheduling.triggers import Timetable, timetable
from runner.scheduling.zones import instants

_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)
_MOST_LINES = 40
_OFTEN = 24
_MOST_EVENTS = 500
_LATE = timedelta(hours=6)
"""So long after its time a digest is still made, by a daemon that was not there in time."""


@frozen
class Chain:
    """The newest event of a chain (H9): who keeps it finds out later what was cut off."""

    incarnation: str
    seq: int
    mac: str


@frozen
class Coming:
    """What one schedule pays in the day: each time of it, or how often where that is too often."""

    schedule: str
    lines: tuple[TransferLine, ...]
    count: int
    times: tuple[datetime, ...]


def last_due(at: time, zone: ZoneInfo, now: datetime) -> tuple[date, datetime]:
    """The newest day whose digest time has come, and when: one a day, whatever clocks do."""
    today = now.astimezone(zone).date() + _DAY
    for back in range(3):
        day = today - back * _DAY
        due = _instant(day, at, zone)
        if due <= now:
            return day, due
    raise AssertionError("a day is no longer than two")


def next_due(at: time, zone: ZoneInfo, now: datetime) -> datetime:
    """When the next digest is to be made."""
    day, _ = last_due(at, zone, now)
    return _instant(day + _DAY, at, zone)


def is_wanted(due: datetime, now: datetime) -> bool:
    """Whether a digest that was due then still helps anybody."""
    return now - due <= _LATE


def message_id(day: date) -> str:
    """One digest a day: the outbox takes an id once."""
    return identifier("digest", day.isoformat())


def digest(
    view: LedgerView,
    policies: Sequence[Policy],
    heads: Sequence[Chain],
    *,
    day: date,
    zone: ZoneInfo,
    now: datetime,
) -> Message:
    """What is announced on `day`: the payments of the day after it."""
    tomorrow = day + _DAY
    start, end = _instant(tomorrow, time(), zone), _instant(tomorrow + _DAY, time(), zone)
    rows = {row.uid: row for row in view.schedules}
    paused = {one.target for one in view.pauses}
    every = [one for policy in policies for one in _coming(policy, rows, start, end)]
    coming = [one for one in every if one.count and one.schedule not in paused]
    left_out = [one.schedule for one in every if one.count and one.schedule in paused]
    totals = _totals(coming)
    sessions = [
        session_status(session.uid, [g for g in view.grants if g.session == session.uid], now)
        for policy in policies
        for session in policy.sessions.values()
    ]
    waiting = [f"{one.schedule}@{one.slot}: {one.detail}" for one in view.asked]
    waiting += [
        f"{one.cause.subject} {one.what}" + (f": {one.detail}" if one.detail else "")
        for one in view.incidents
    ]
    count = sum(one.count for one in coming)
    summed = ", ".join(amount(total, decimals, symbol) for symbol, decimals, total in totals)
    title = f"[digest] {tomorrow:%A} {tomorrow.day} {tomorrow:%B}: {plural(count, 'payment')}"
    name = message_id(day)
    chains = [f"{one.incarnation} {one.seq} {one.mac}" for one in heads]
    when = f"Payments on {tomorrow.isoformat()} ({zone.key})"
    return Message(
        id=name,
        severity=Severity.INFO,
        title=f"{title}, {summed}" if summed else title,
        text="\n".join(
            [
                *_section(when, _payments(coming, zone)),
                *_section("Totals", [summed] if summed else []),
                *_section("Paused, not paid", left_out),
                *_section("Grants", [_grant(one, zone) for one in sessions]),
                *_section("Waits for you", waiting),
                *_section("Heads of the ledger", chains),
            ]
        ).rstrip(),
        body=_body(name, tomorrow, coming, totals, sessions, waiting, heads, now),
        attachments=(calendar(coming, tomorrow, now),) if coming else (),
    )


def _instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    (instant,) = instants(datetime.combine(day, at), zone, gap=Gap.SHIFT, fold=Fold.FIRST)
    return instant


def _coming(
    policy: Policy, rows: dict[str, ScheduleView], start: datetime, end: datetime
) -> Iterator[Coming]:
    assets = {str(asset.address or NATIVE): asset for asset in policy.assets}
    for one in policy.schedules.values():
        row = rows.get(one.uid)
        if one.suspend or row is None or row.state != "active":
            continue
        table = timetable(one, anchor=row.anchor)
        lines = intent_of(one.calls, assets).lines
        times = tuple(islice(_times(table, start, end), _MOST_EVENTS))
        many = len(times) == _MOST_EVENTS
        count = table.count(start - _INSTANT, end - _INSTANT) if many else len(times)
        yield Coming(one.uid, lines, count, times)


def _times(table: Timetable, start: datetime, end: datetime) -> Iterator[datetime]:
    for slot in table.slots(start - _INSTANT):
        if slot.due_at >= end:
            return
        if slot.verdict is None:
            yield slot.due_at


def _totals(coming: Iterable[Coming]) -> list[tuple[str, int, int]]:
    sums: dict[tuple[str, str, int], int] = {}
    for one in coming:
        for line in one.lines:
            if line.kind != "approve":
                key = (line.token, line.symbol, line.decimals)
                sums[key] = sums.get(key, 0) + line.amount * one.count
    return [(symbol, decimals, total) for (_, symbol, decimals), total in sorted(sums.items())]


def _payments(coming: Sequence[Coming], zone: ZoneInfo) -> list[str]:
    each = sorted(
        (at, one.schedule, moves(one.lines))
        for one in coming
        if one.count < _OFTEN
        for at in one.times
    )
    told = [
        f"{at.astimezone(zone):%H:%M}  {what}  ({name})" for at, name, what in each[:_MOST_LINES]
    ]
    if len(each) > _MOST_LINES:
        told.append(f"and {len(each) - _MOST_LINES} more: see the calendar")
    often = [one for one in coming if one.count >= _OFTEN]
    return told + [f"{one.count} times  {moves(one.lines)}  ({one.schedule})" for one in often]


def _grant(one: SessionStatus, zone: ZoneInfo) -> str:
    if one.grant is None:
        return f"{one.uid}: {one.condition}"
    until = one.grant.expires_at.astimezone(zone)
    return f"{one.uid}: {one.condition}, good until {until:%Y-%m-%d %H:%M}"


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"{title}:", *(f"  {line}" for line in lines or ["none"]), ""]


def _body(
    name: str,
    tomorrow: date,
    coming: Sequence[Coming],
    totals: Sequence[tuple[str, int, int]],
    sessions: Sequence[SessionStatus],
    waiting: Sequence[str],
    heads: Sequence[Chain],
    now: datetime,
) -> dict[str, Any]:
    return {
        "version": VERSION,
        "id": name,
        "at": rfc3339(now),
        "type": "digest",
        "day": tomorrow.isoformat(),
        "payments": [
            {
                "schedule": one.schedule,
                "count": one.count,
                "due_at": [rfc3339(t) for t in one.times],
            }
            for one in coming
        ],
        "totals": [
            {"symbol": symbol, "decimals": decimals, "amount": str(total)}
            for symbol, decimals, total in totals
        ],
        "grants": [
            {
                "session": one.uid,
                "condition": one.condition,
                "expires_at": None if one.grant is None else rfc3339(one.grant.expires_at),
            }
            for one in sessions
        ],
        "waiting": list(waiting),
        "heads": [{"incarnation": h.incarnation, "seq": h.seq, "mac": h.mac} for h in heads],
    }


# ── the calendar file ─────────────────────────────────────────────────────────────────────────


def calendar(coming: Sequence[Coming], day: date, now: datetime) -> Attachment:
    """
    The payments as iCalendar events.

    Source: RFC 5545: lines end by CRLF and are folded at 75 octets, text is escaped.
    """
    events = sorted(
        ((at, one) for one in coming for at in one.times),
        key=lambda pair: (pair[0], pair[1].schedule),
    )
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//runner//digest//EN"]
    for at, one in events[:_MOST_EVENTS]:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{_escaped(one.schedule)}@{_basic(at)}",
            f"DTSTAMP:{_basic(now)}",
            f"DTSTART:{_basic(at)}",
            f"SUMMARY:{_escaped(moves(one.lines))}",
            f"DESCRIPTION:{_escaped(one.schedule)}",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    text = "".join(f"{part}\r\n" for line in lines for part in _folded(line))
    return Attachment(f"payments-{day.isoformat()}.ics", "text/calendar", text)


def _basic(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _escaped(text: str) -> str:
    for mark in ("\\", ";", ","):
        text = text.replace(mark, f"\\{mark}")
    return text.replace("\r", " ").replace("\n", "\\n")


def _folded(line: str) -> Iterator[str]:
    part = ""
    for sign in line:
        if len((part + sign).encode()) > 75:
            yield part
            part = " "
        part += sign
    yield part
