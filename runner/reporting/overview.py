"""`status` as people see it, and as scripts do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runner.reporting import scripts
from runner.reporting.health import ScheduleStatus, SessionStatus, Severity, Status
from runner.reporting.text import (
    NOTHING,
    Cell,
    Look,
    Row,
    Tone,
    away,
    brief,
    clean,
    plural,
    rfc3339,
    stamp,
    state_cell,
    table,
    wrapped,
)
from runner.reporting.words import label

_SEVERITY = {Severity.CRITICAL: Tone.BAD, Severity.WARNING: Tone.WARN, Severity.INFO: Tone.DIM}

_CONDITION = {"Ready": Tone.GOOD, "Over": Tone.DIM}


def as_text(status: Status, look: Look, *, wallets: Mapping[str, str], store: str) -> list[str]:
    """
    One glance: is all well, what needs me, what comes next.

    Args:
        wallets: Profile → what it is, without any key.
        store: Where the ledger lies.
    """
    lines = [*_verdict(status, look), ""]
    lines += _findings(status, look)
    lines += _sessions(status.sessions, look, status)
    lines += _schedules(status.schedules, look, status)
    lines += _open(status, look)
    lines += [_today(status, look)]
    facts = [("daemon", _daemon(status)), ("ledger", store)]
    facts += [("wallet", f"{name}: {what}") for name, what in wallets.items()]
    lines += ["", *(f"{look.tint(name.ljust(6), Tone.DIM)}  {clean(text)}" for name, text in facts)]
    return lines


def _verdict(status: Status, look: Look) -> Iterator[str]:
    needed = sum(finding.severity is not Severity.INFO for finding in status.findings)
    if needed:
        worst = status.findings[0].severity
        needs = "needs" if needed == 1 else "need"
        yield look.tint(f"{plural(needed, 'thing')} {needs} you.", _SEVERITY[worst])
    else:
        yield look.tint("All is well.", Tone.GOOD)


def _findings(status: Status, look: Look) -> Iterator[str]:
    for finding in status.findings:
        word = f"{finding.severity.value}:"
        said = f"{finding.subject} {finding.what}"
        first, *rest = wrapped(said, look, indent="    ", taken=len(word) + 1)
        yield f"{look.tint(word, _SEVERITY[finding.severity])} {first}"
        yield from rest
        if finding.todo:
            yield from wrapped(f"    to do: {finding.todo}", look, indent="    ")
    if status.findings:
        yield ""


def _sessions(sessions: Sequence[SessionStatus], look: Look, status: Status) -> Iterator[str]:
    if not sessions:
        return
    rows: list[Row] = [
        [
            one.uid,
            Cell(one.condition, _CONDITION.get(one.condition, Tone.WARN)),
            NOTHING if one.grant is None else str(one.grant.generation),
            NOTHING if one.grant is None else away(one.grant.expires_at, status.at),
            _renewal(one, status),
        ]
        for one in sessions
    ]
    header = ["SESSION", "GRANT", "GEN", "ENDS", "RENEWS"]
    yield from table(header, rows, look, flexible=(0,), right=(2,))
    yield ""


def _renewal(one: SessionStatus, status: Status) -> str:
    if one.coming is not None and (
        one.grant is None or one.coming.generation > one.grant.generation
    ):
        return f"generation {one.coming.generation} is {one.coming.state}"
    if one.grant is None or one.grant.next_renewal_at is None:
        return NOTHING
    return away(one.grant.next_renewal_at, status.at)


def _schedules(schedules: Sequence[ScheduleStatus], look: Look, status: Status) -> Iterator[str]:
    if not schedules:
        return
    rows: list[Row] = []
    for one in schedules:
        last, coming = one.last, one.next
        rows.append(
            [
                one.uid,
                state_cell(one.state),
                Cell(
                    NOTHING
                    if last is None
                    else f"{label(last.state, last.reason)} {away(last.due_at, status.at)}",
                    Tone.PLAIN if last is None else state_cell(last.state).tone,
                ),
                NOTHING if coming is None else stamp(coming.due_at),
                NOTHING if coming is None else away(coming.due_at, status.at),
            ]
        )
    header = ["SCHEDULE", "STATE", "LAST", "NEXT", "AWAY"]
    yield from table(header, rows, look, flexible=(0, 2))
    yield ""


def _open(status: Status, look: Look) -> Iterator[str]:
    if not status.open_runs:
        return
    rows: list[Row] = []
    for one in status.open_runs:
        run = one.runs[0]
        rows.append(
            [
                Cell(label(run.state, run.reason), state_cell(run.state).tone),
                one.schedule or f"grant of {run.session}",
                stamp(run.due_at),
                away(run.claimed_at, status.at),
                Cell(brief(run.id), Tone.DIM),
            ]
        )
    header = ["OPEN RUN", "SCHEDULE", "DUE", "CLAIMED", "RUN"]
    yield from table(header, rows, look, flexible=(1,))
    yield ""


def _today(status: Status, look: Look) -> str:
    title = look.tint("today", Tone.DIM)
    if not status.today:
        return f"{title}   nothing was due so far"
    counts = [
        f"{count} {label(state, reason)}"
        for (state, reason), count in sorted(
            status.today.items(), key=lambda pair: (-pair[1], str(pair[0]))
        )
    ]
    return f"{title}   {', '.join(counts)}"


def _daemon(status: Status) -> str:
    daemon = status.daemon
    if not daemon.running:
        return "not running"
    who = f"process {daemon.pid} on {daemon.host}, runner {daemon.version}"
    since = "" if daemon.started_at is None else f" since {stamp(daemon.started_at)}"
    return f"running{since}: {who}"


# ── for scripts ───────────────────────────────────────────────────────────────────────────────


def as_json(status: Status, *, wallets: Mapping[str, str], store: str) -> dict[str, Any]:
    """The same data; `healthy` is false while anything needs a person."""
    daemon = status.daemon
    return {
        "at": rfc3339(status.at),
        "healthy": status.healthy,
        "daemon": {
            "running": daemon.running,
            "started_at": None if daemon.started_at is None else rfc3339(daemon.started_at),
            "ended_at": None if daemon.ended_at is None else rfc3339(daemon.ended_at),
            "pid": daemon.pid,
            "host": daemon.host,
            "version": daemon.version,
        },
        "store": store,
        "wallets": dict(wallets),
        "findings": [
            {
                "severity": finding.severity.value,
                "subject": finding.subject,
                "what": finding.what,
                "todo": finding.todo,
            }
            for finding in status.findings
        ],
        "sessions": [_session(one) for one in status.sessions],
        "schedules": [_schedule(one) for one in status.schedules],
        "open_runs": [
            scripts.entry(one) | {"age_seconds": _age(one.runs[0].claimed_at, status)}
            for one in status.open_runs
        ],
        "today": [
            {"state": state, "reason": reason, "count": count}
            for (state, reason), count in status.today.items()
        ],
    }


def _age(moment: Any, status: Status) -> int:
    return int((status.at - moment).total_seconds())


def _session(one: SessionStatus) -> dict[str, Any]:
    return {
        "session": one.uid,
        "condition": one.condition,
        "grant": None if one.grant is None else scripts.grant(one.grant),
        "coming": None if one.coming is None else scripts.grant(one.coming),
    }


def _schedule(one: ScheduleStatus) -> dict[str, Any]:
    return {
        "schedule": one.uid,
        "session": one.session,
        "state": one.state,
        "paused_reason": one.paused_reason,
        "failures_in_row": one.failures_in_row,
        "last": None if one.last is None else scripts.entry(one.last),
        "next": None if one.next is None else scripts.upcoming(one.next),
    }
