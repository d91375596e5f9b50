"""`runner status`: is all well, what needs me, what comes next?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from runner.cli.options import config_option, format_options, midnight
from runner.cli.options import now as present

if TYPE_CHECKING:
    from runner.policy.model import Policy
    from runner.reporting.health import Status
    from runner.reporting.views import LedgerView
    from runner.settings import Settings


@click.command()
@config_option
@format_options()
def status(config: str | None, form: str) -> None:
    """Is all well, what needs me, what comes next?"""
    from runner.cli.loading import settings_of
    from runner.cli.render import write, write_json
    from runner.reporting import health

    settings = settings_of(config)
    now = present()
    ledger = _ledger(settings, now)
    policies = _policies(settings)
    upcoming = _upcoming(ledger, policies or (), now)
    found = health.status(ledger, policies=policies, upcoming=upcoming, now=now)
    if form == "json":
        write_json(_as_json(found))
    else:
        write(_page(found))


def _ledger(settings: Settings, now: datetime) -> LedgerView:
    from runner.cli import reading
    from runner.reporting.views import LedgerView

    start = midnight(now)
    with reading.ledger(settings.store) as c:
        return LedgerView(
            daemon=reading.daemon(c, settings.store),
            schedules=reading.schedules(c),
            grants=reading.grants(c),
            open_runs=reading.open_entries(c),
            today=reading.tally(c, start=start, end=start + timedelta(days=1)),
        )


def _policies(settings: Settings) -> tuple[Policy, ...] | None:
    from runner.cli.loading import policies_of
    from runner.errors import PolicyErrors

    try:
        return policies_of(settings)
    except PolicyErrors:
        return None


def _upcoming(ledger: LedgerView, policies: tuple[Policy, ...], now: datetime) -> dict[str, Any]:
    from runner.reporting.forecast import next_of

    anchors = {one.uid: one.anchor for one in ledger.schedules}
    return {
        schedule.uid: next_of(schedule, anchor=anchors.get(schedule.uid, now), after=now)
        for policy in policies
        for schedule in policy.schedules.values()
    }


def _as_json(found: Status) -> dict[str, Any]:
    from runner.reporting import scripts
    from runner.reporting.text import rfc3339

    daemon = found.daemon
    return {
        "at": rfc3339(found.at),
        "healthy": found.healthy,
        "daemon": {
            "running": daemon.running,
            "pid": daemon.pid,
            "host": daemon.host,
            "started_at": None if daemon.started_at is None else rfc3339(daemon.started_at),
            "version": daemon.version,
        },
        "findings": [
            {
                "severity": one.severity.value,
                "subject": one.subject,
                "what": one.what,
                "todo": one.todo,
            }
            for one in found.findings
        ],
        "sessions": [
            {
                "session": one.uid,
                "condition": one.condition,
                "grant": None if one.grant is None else scripts.grant(one.grant),
            }
            for one in found.sessions
        ],
        "schedules": [
            {
                "schedule": one.uid,
                "session": one.session,
                "state": one.state,
                "paused_reason": one.paused_reason,
                "failures_in_row": one.failures_in_row,
                "last": None if one.last is None else scripts.entry(one.last),
                "next": None if one.next is None else scripts.upcoming(one.next),
            }
            for one in found.schedules
        ],
        "open_runs": [scripts.entry(one) for one in found.open_runs],
        "today": [
            {"state": state, "reason": reason, "count": count}
            for (state, reason), count in sorted(found.today.items(), key=str)
        ],
    }


def _page(found: Status) -> list[str]:
    from runner.cli.render import look
    from runner.reporting.text import Cell, Tone, away, stamp, state_cell, table

    eye = look()
    daemon = found.daemon
    state = f"running (process {daemon.pid})" if daemon.running else "not running"
    verdict = eye.tint("all is well", Tone.GOOD) if found.healthy else "something needs you"
    lines = [f"{verdict}; daemon {state}", ""]
    for one in found.findings:
        tone = Tone.PLAIN if one.severity.value == "info" else Tone.BAD
        lines.append(f"{eye.tint(one.severity.value, tone)}  {one.subject}: {one.what}")
        lines += [f"    to do: {one.todo}"] if one.todo else []
    lines += [""] if found.findings else []
    sessions: list[list[str | Cell]] = [
        [
            one.uid,
            one.condition,
            "" if one.grant is None else f"#{one.grant.generation}",
            "" if one.grant is None else f"ends {away(one.grant.expires_at, found.at)}",
            ""
            if one.grant is None or one.grant.next_renewal_at is None
            else f"renews {away(one.grant.next_renewal_at, found.at)}",
        ]
        for one in found.sessions
    ]
    lines += table(["SESSION", "CONDITION", "GRANT", "", ""], sessions, eye, flexible=(0,))
    schedules: list[list[str | Cell]] = [
        [
            one.uid,
            one.state,
            state_cell(one.last.state) if one.last else "",
            stamp(one.last.due_at, seconds=True) if one.last else "",
            away(one.next.due_at, found.at) if one.next else "",
        ]
        for one in found.schedules
    ]
    lines += ["", *table(["SCHEDULE", "STATE", "LAST", "", "NEXT"], schedules, eye, flexible=(0,))]
    if found.open_runs:
        waiting: list[list[str | Cell]] = [
            [
                one.schedule or one.id,
                state_cell(one.state),
                one.reason or "",
                away(one.due_at, found.at),
            ]
            for one in found.open_runs[:10]
        ]
        lines += ["", *table(["OPEN", "STATE", "REASON", "DUE"], waiting, eye, flexible=(0,))]
    counts = [
        f"{count} {state}{f' ({reason})' if reason else ''}"
        for (state, reason), count in sorted(found.today.items(), key=str)
    ]
    return [*lines, "", f"today: {', '.join(counts) or 'nothing was due'}"]
