"""
Incidents: one open for each cause, told at once, then ever more quietly, and taken back when over.

Pure: an incident and what has happened → the incident as it is now, and when to speak of it next.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from runner.alerting.causes import Cause, Raised, Severity
from runner.frozen import frozen

_FIRST_REPEAT = {
    Severity.CRITICAL: timedelta(minutes=30),
    Severity.WARNING: timedelta(hours=4),
}
_LAST_REPEAT = timedelta(hours=24)
_FLAPPING = timedelta(minutes=5)
"""What comes back sooner than this is told no sooner than this after the last word about it."""

FINDS_AGAIN = timedelta(minutes=3)
"""So long after a start what was open before may be found again; else it is over."""


class Word(StrEnum):
    """What is told of an incident."""

    OPENED = "opened"
    REPEATED = "repeated"
    WORSE = "worse"
    RESOLVED = "resolved"


@frozen
class Incident:
    """
    Something that people should know of, from when it was seen first to its end.

    Attributes:
        count: How often it was seen since it was opened.
        told: How many words were spoken of it since then.
        told_at: The last word, also about an earlier time; None: never.
        told_severity: Of that word.
        tell_at: When to speak next; None: there is nothing more to say.
        lapse_at: When it is over unless it is seen again.
    """

    cause: Cause
    severity: Severity
    what: str
    detail: str | None
    hint: str | None
    run: str | None
    opened_at: datetime
    seen_at: datetime
    count: int = 1
    told: int = 0
    told_at: datetime | None = None
    told_severity: Severity | None = None
    tell_at: datetime | None = None
    lapse_at: datetime | None = None
    resolved_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still lasts."""
        return self.resolved_at is None


def raised(before: Incident | None, news: Raised, now: datetime) -> Incident:
    """It was seen (again). Its severity can rise while it lasts, never fall."""
    at = _first_word_at(before, news, now)
    if before is None or not before.is_open:
        return Incident(
            cause=news.cause,
            severity=news.severity,
            what=news.what,
            detail=news.detail,
            hint=news.hint,
            run=news.run,
            opened_at=now,
            seen_at=now,
            told_at=None if before is None else before.told_at,
            told_severity=None if before is None else before.told_severity,
            tell_at=at,
            lapse_at=news.lapse_at,
        )
    worse = news.severity.rank > before.severity.rank
    sooner = worse or not before.told
    leads: Raised | Incident = news if news.severity.rank >= before.severity.rank else before
    return replace(
        before,
        severity=leads.severity,
        what=leads.what,
        detail=leads.detail or news.detail,
        hint=leads.hint or before.hint,
        run=news.run or before.run,
        seen_at=now,
        count=before.count + 1,
        tell_at=min(at, before.tell_at or at) if sooner else before.tell_at,
        lapse_at=news.lapse_at,
    )


def _first_word_at(before: Incident | None, news: Raised, now: datetime) -> datetime:
    at = now + news.lasting
    if before is None or before.told_at is None or before.told_severity is None:
        return at
    worse = news.severity.rank > before.told_severity.rank
    return at if worse else max(at, before.told_at + _FLAPPING)


def resolved(before: Incident, now: datetime) -> Incident:
    """It is over; who was told of it is told so."""
    return replace(before, resolved_at=now, tell_at=now if before.told else None, lapse_at=None)


def due(incident: Incident, now: datetime) -> Word | None:
    """What is to be said of it now."""
    if incident.tell_at is None or incident.tell_at > now:
        return None
    if not incident.is_open:
        return Word.RESOLVED
    if not incident.told or incident.told_severity is None:
        return Word.OPENED
    rises = incident.severity.rank > incident.told_severity.rank
    return Word.WORSE if rises else Word.REPEATED


def spoken(incident: Incident, now: datetime) -> Incident:
    """After a word about it: when the next one follows."""
    first = _FIRST_REPEAT.get(incident.severity) if incident.is_open else None
    worse = due(incident, now) is Word.WORSE
    # What became worse is urgent anew.
    repeats = 0 if worse else incident.told
    wait = None if first is None else min(first * 2 ** min(repeats, 10), _LAST_REPEAT)
    return replace(
        incident,
        told=1 if worse else incident.told + 1,
        told_at=now,
        told_severity=incident.severity,
        tell_at=None if wait is None else now + wait,
    )
