"""
Messages: what is told, as people read it and as scripts do.

A message's id follows from what it says, so that one that is sent twice can be told to be the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from runner.alerting.causes import Severity
from runner.alerting.incidents import Incident, Word
from runner.frozen import frozen

VERSION: Final = 1
"""Of the JSON that webhooks get; members may be added, none is renamed or taken away."""

_MOST_LISTED = 20


@frozen
class Attachment:
    """A file that goes with a message where a channel can carry it."""

    name: str
    media_type: str
    text: str


@frozen
class Message:
    """
    Attributes:
        good: It is good news.
        body: For scripts, the whole of it, `id` included.
    """

    id: str
    severity: Severity
    title: str
    text: str
    body: dict[str, Any]
    good: bool = False
    attachments: tuple[Attachment, ...] = ()


def about(incident: Incident, word: Word, now: datetime) -> Message:
    """A word about an incident."""
    cause = incident.cause
    over = word is Word.RESOLVED
    label = "resolved" if over else str(incident.severity)
    again = {Word.REPEATED: " (still)", Word.WORSE: " (worse)"}.get(word, "")
    lines = [incident.detail] if incident.detail else []
    lines += [f"To do: {incident.hint}"] if incident.hint and not over else []
    since = f"Since {_stamp(incident.opened_at)}"
    seen = f", seen {incident.count} times" if incident.count > 1 else ""
    lines.append(f"{since} until {_stamp(now)}." if over else f"{since}{seen}.")
    seed = (cause.kind, cause.subject, incident.opened_at, word, incident.told)
    name = identifier(*(str(part) for part in seed))
    return Message(
        id=name,
        severity=incident.severity,
        title=f"[{label}] {cause.subject} {incident.what}{again}",
        text="\n".join(lines),
        body=_body(name, "incident", now)
        | {
            "status": word.value,
            "severity": incident.severity.value,
            "kind": cause.kind,
            "subject": cause.subject,
            "what": incident.what,
            "detail": incident.detail,
            "hint": incident.hint,
            "run": incident.run,
            "count": incident.count,
            "opened_at": rfc3339(incident.opened_at),
            "resolved_at": rfc3339(incident.resolved_at) if incident.resolved_at else None,
        },
        good=over,
    )


def together(incidents: Sequence[Incident], word: Word, now: datetime) -> Message:
    """One word about many incidents of one kind: what befalls all of them is told once."""
    worst = max(incidents, key=lambda one: one.severity.rank)
    over = word is Word.RESOLVED
    label = "resolved" if over else str(worst.severity)
    subjects = [one.cause.subject for one in incidents]
    lines = [
        f"{one.cause.subject}: {one.detail}" if one.detail else one.cause.subject
        for one in incidents[:_MOST_LISTED]
    ]
    if len(incidents) > _MOST_LISTED:
        lines.append(f"and {len(incidents) - _MOST_LISTED} more: runner alerts list")
    seeds = (f"{one.cause.subject} {one.opened_at} {one.told}" for one in incidents)
    name = identifier(worst.cause.kind, word.value, *seeds)
    return Message(
        id=name,
        severity=worst.severity,
        title=f"[{label}] {len(incidents)} times: {worst.what}",
        text="\n".join(lines),
        body=_body(name, "incidents", now)
        | {
            "status": word.value,
            "severity": worst.severity.value,
            "kind": worst.cause.kind,
            "subjects": subjects,
            "what": worst.what,
        },
        good=over,
    )


def trial(now: datetime) -> Message:
    """What `runner alerts test` sends."""
    name = identifier("test", str(now))
    text = "Nothing is wrong: somebody ran `runner alerts test`."
    body = _body(name, "test", now) | {"text": text}
    return Message(name, Severity.INFO, "[test] runner can reach you", text, body, good=True)


def _body(name: str, kind: str, now: datetime) -> dict[str, Any]:
    """What every message says of itself to scripts."""
    return {"version": VERSION, "id": name, "at": rfc3339(now), "type": kind}


def identifier(*parts: str) -> str:
    """An id that follows from what a message says."""
    digest = hashlib.sha256("\x00".join(parts).encode()).hexdigest()
    return f"evt_{digest[:32]}"


def rfc3339(moment: datetime) -> str:
    """An instant as JSON has it."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
