"""Incidents and destinations of alerts, as people see them and as scripts do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from runner.alerting.causes import Severity
from runner.alerting.incidents import Incident
from runner.reporting.text import Cell, Look, Row, Tone, away, rfc3339, table

_TONES = {Severity.CRITICAL: Tone.BAD, Severity.WARNING: Tone.WARN, Severity.INFO: Tone.DIM}


def as_table(incidents: Sequence[Incident], look: Look, *, at: datetime) -> list[str]:
    """One row for each cause."""
    if not incidents:
        return ["Nothing is the matter."]
    rows: list[Row] = [
        [
            Cell(one.severity.value, _TONES[one.severity])
            if one.is_open
            else Cell("over", Tone.DIM),
            one.cause.subject,
            one.what,
            away(one.opened_at, at),
            "" if one.told_at is None else away(one.told_at, at),
            one.detail or "",
        ]
        for one in incidents
    ]
    return table(
        ["SEVERITY", "ABOUT", "WHAT", "SINCE", "TOLD", "DETAIL"], rows, look, flexible=(5, 2)
    )


def as_json(incidents: Sequence[Incident]) -> list[dict[str, Any]]:
    """The same for scripts."""
    return [
        {
            "kind": one.cause.kind,
            "subject": one.cause.subject,
            "severity": one.severity.value,
            "what": one.what,
            "detail": one.detail,
            "hint": one.hint,
            "run": one.run,
            "opened_at": rfc3339(one.opened_at),
            "seen_at": rfc3339(one.seen_at),
            "count": one.count,
            "told_at": None if one.told_at is None else rfc3339(one.told_at),
            "resolved_at": None if one.resolved_at is None else rfc3339(one.resolved_at),
        }
        for one in incidents
    ]


def results_table(results: Sequence[Mapping[str, Any]], look: Look) -> list[str]:
    """What came of a test message, destination by destination."""
    rows: list[Row] = [
        [
            Cell("delivered", Tone.GOOD) if one["delivered"] else Cell("failed", Tone.BAD),
            one["destination"],
            one["where"],
            f"{one['min_severity']} and worse",
            one["error"] or "",
        ]
        for one in results
    ]
    return table(["RESULT", "DESTINATION", "WRITTEN AT", "TOLD", "WHY"], rows, look, flexible=(4,))
