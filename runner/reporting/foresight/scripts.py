"""
What scripts read of a simulation: JSON (DESIGN §4) and CSV.

Amounts are decimal strings of base units, times RFC 3339 UTC, days of purses UTC.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from runner.ethereum.units import format_units
from runner.guard.intent import TransferLine
from runner.reporting.foresight.model import Course, Foresight, GrantLife, Outcome
from runner.reporting.text import rfc3339
from runner.reporting.totals import Total, harmless

Json = dict[str, Any]

_MOST_GRANTS = 5_000
"""Grants that are listed one by one; `grants` counts all."""

_COLUMNS = (
    "due_at",
    "schedule",
    "state",
    "reason",
    "count",
    "to_name",
    "to",
    "amount",
    "symbol",
    "memo",
    "base_units",
    "token",
    "kind",
    "account",
    "session",
    "generation",
    "slot",
    "ended_at",
    "detail",
)


def as_json(found: Foresight) -> Json:
    """`simulate --json`."""
    return {
        "from": rfc3339(found.start),
        "to": rfc3339(found.end),
        "mode": "executed" if found.executed else "forecast",
        "occurrences": found.counts,
        "grants": len(found.grants),
        "renewals": found.renewals,
        "totals": [_total(one) for one in found.totals],
        "failures": [_failure(one) for one in found.failures],
        "troubles": [
            {
                "at": rfc3339(one.at),
                "subject": one.subject,
                "what": one.what,
                "hint": one.hint,
                "fatal": one.fatal,
            }
            for one in found.troubles
        ],
        "skips": [_occurrence(one) for one in found.skips],
        "funding": [_course(one) for one in found.courses],
        "months": [
            {"month": month} | _total(one)
            for month, totals in found.months.items()
            for one in totals
        ],
        "sessions": [_grant(found, one) for one in found.grants[:_MOST_GRANTS]],
        "payments": list(_payments(found)),
        "notes": list(found.notes),
    }


def _total(one: Total) -> Json:
    return {
        "token": one.token,
        "to": one.receiver,
        "amount": str(one.amount),
        "count": one.count,
        "chain": one.chain,
        "symbol": one.symbol,
        "decimals": one.decimals,
        "to_name": one.receiver_name,
    }


def _occurrence(one: Outcome) -> Json:
    return {
        "schedule": one.schedule,
        "slot": one.slot,
        "due_at": rfc3339(one.due_at),
        "until": rfc3339(one.until),
        "state": one.state,
        "reason": one.reason,
        "count": one.count,
    }


def _failure(one: Outcome) -> Json:
    ended = None if one.ended_at is None else rfc3339(one.ended_at)
    return _occurrence(one) | {"detail": one.detail, "ended_at": ended}


def _course(one: Course) -> Json:
    purse, short = one.purse, one.shortage
    return {
        "account": purse.account,
        "token": purse.token,
        "symbol": purse.symbol,
        "decimals": purse.decimals,
        "opening": str(purse.opening),
        "closing": str(one.closing),
        "runs_dry": None
        if short is None
        else {
            "day": short.day.isoformat(),
            "due_at": rfc3339(short.outcome.due_at),
            "schedule": short.outcome.schedule,
            "needs": str(short.needs),
            "holds": str(short.holds),
        },
        "lasts_until": None if one.lasts_until is None else one.lasts_until.isoformat(),
        "days": [{"day": day.isoformat(), "balance": str(left)} for day, left in one.points],
    }


def _grant(found: Foresight, one: GrantLife) -> Json:
    return {
        "session": one.session,
        "generation": one.generation,
        "state": one.state,
        "requested_at": rfc3339(one.requested_at),
        "active_at": None if one.active_at is None else rfc3339(one.active_at),
        "served_until": None if one.served_until is None else rfc3339(one.served_until),
        "expires_at": rfc3339(one.expires_at),
        "allowances": [
            {
                "token": each.token,
                "symbol": each.symbol,
                "decimals": each.decimals,
                "amount": str(each.amount),
                "spent": str(found.spent_in_all(one, each.token)),
            }
            for each in one.allowances
        ],
    }


def _payments(found: Foresight) -> Iterator[Json]:
    """Line by line where each was made; of a forecast, sums alone."""
    for one in found.paid if found.executed else ():
        for line in one.lines:
            yield {
                "schedule": one.schedule,
                "due_at": rfc3339(one.due_at),
                "token": line.token,
                "symbol": line.symbol,
                "to": line.receiver,
                "to_name": line.receiver_name,
                "amount": str(line.amount),
                "kind": line.kind,
                "run": one.run,
                "user_op_hash": one.user_op_hash,
            }


def as_csv(found: Foresight) -> str:
    """
    One line a movement, paid or not; a slot that moves nothing has a line too.

    `count` is how many like slots a line stands for, `amount` what each of them moves.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in found.outcomes:
        for line in one.lines or (None,):
            row = _row(one) | _moves(line)
            writer.writerow([harmless(row.get(name, "")) for name in _COLUMNS])
    return out.getvalue()


def _row(one: Outcome) -> Json:
    return {
        "due_at": rfc3339(one.due_at),
        "schedule": one.schedule,
        "state": one.state,
        "reason": one.reason or "",
        "count": one.count,
        "account": one.account,
        "session": one.session,
        "generation": "" if one.generation is None else one.generation,
        "slot": one.slot,
        "ended_at": "" if one.ended_at is None else rfc3339(one.ended_at),
        "detail": one.detail or "",
    }


def _moves(line: TransferLine | None) -> Json:
    if line is None:
        return {}
    return {
        "to_name": line.receiver_name,
        "to": line.receiver,
        "amount": format_units(line.amount, line.decimals),
        "symbol": line.symbol,
        "memo": line.memo or "",
        "base_units": str(line.amount),
        "token": line.token,
        "kind": line.kind,
    }
