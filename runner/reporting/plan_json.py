"""
`plan --json`: the plan for scripts. More members may come, none may go.

Amounts are base units as decimal strings, or `all` where nothing bounds them; times are RFC 3339
UTC. `action` is create, renew, widen, narrow, replace, change or retire.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from runner.ethereum.permissions import Permission
from runner.guard.intent import NATIVE
from runner.planning.diff import Action, ScheduleChange, SessionChange
from runner.planning.limits import Limit
from runner.planning.plan import Plan
from runner.planning.trees import KeyChange
from runner.reporting.text import rfc3339

Json = dict[str, Any]


def as_json(plan: Plan) -> Json:
    """All of it; lists are empty where there is nothing to say."""
    found, ahead = plan.difference, plan.outlook
    return {
        "at": rfc3339(plan.at),
        "until": rfc3339(ahead.until),
        "ledger": plan.exists,
        "changes": plan.changes,
        "signatures": plan.signatures,
        "accounts": [{"account": one.uid, "keys": _keys(one.keys)} for one in found.accounts],
        "sessions": [_session(one) for one in found.sessions],
        "schedules": [_schedule(one) for one in found.schedules],
        "notes": [{"subject": one.subject, "what": one.what} for one in found.notes],
        "payments": [
            {
                "policy": one.policy,
                "token": one.line.token,
                "symbol": one.line.symbol,
                "decimals": one.line.decimals,
                "to": one.line.receiver,
                "to_name": one.line.receiver_name,
                "amount": str(one.amount),
                "count": one.count,
                "kind": "approve" if one.line.kind == "approve" else "pay",
                "at_most": one.at_most,
            }
            for one in ahead.payments
        ],
        "needs": [
            {
                "account": one.account,
                "month": one.month,
                "token": one.token,
                "symbol": one.symbol,
                "decimals": one.decimals,
                "payments": str(one.payments),
                "fees_at_most": str(one.fees),
            }
            for one in ahead.needs
        ],
        "grants": [
            {
                "session": one.session,
                "dates": [rfc3339(each) for each in one.dates],
                "count": one.count,
                "exact": one.exact,
                "sponsored": one.sponsored,
                "fees_at_most": str(one.fees),
            }
            for one in ahead.renewals
        ],
        "exposure": [
            {
                "account": one.account,
                "token": one.asset.address or NATIVE,
                "symbol": one.asset.name,
                "decimals": one.asset.decimals,
                "before": _most(one.before),
                "after": _most(one.after),
                "keys_before": one.keys_before,
                "keys_after": one.keys_after,
            }
            for one in plan.at_risk
        ],
        "limits": [
            {
                "session": one.session,
                "limits": limits_as_json(one.limits),
                "traps": [{"id": trap.id, "what": trap.what} for trap in one.traps],
            }
            for one in plan.guarded
        ],
        "clock_changes": [
            {
                "at": rfc3339(one.at),
                "timezone": one.zone,
                "schedule": one.schedule,
                "what": one.what,
            }
            for one in ahead.clocks
        ],
        "without_own_evidence": [
            {"wallet": wallet, "chain": chain} for wallet, chain in plan.blind
        ],
        "tzdata": plan.tzdata,
    }


def _session(one: SessionChange) -> Json:
    return {
        "session": one.uid,
        "action": one.action.value,
        "why": one.why,
        "at": _when(one.at),
        "signatures": one.signatures,
        "stops_payments": one.stops,
        "was": one.was,
        "generation": None if one.grant is None else one.grant.generation,
        "expires_at": None if one.grant is None else rfc3339(one.grant.expires_at),
        "permissions_before": None if one.before is None else permissions_as_json(one.before),
        "permissions_after": None if one.after is None else permissions_as_json(one.after),
        "keys": _keys(one.keys),
    }


def _schedule(one: ScheduleChange) -> Json:
    near = one.near
    return {
        "schedule": one.uid,
        "action": one.action.value,
        "session": one.session,
        "first": _when(one.first),
        "counts_from_applying": one.floating,
        "was": one.was,
        "keys": _keys(one.keys),
        "near_duplicate": None
        if near is None
        else {
            "first": rfc3339(near.first),
            "last_paid": rfc3339(near.last_paid),
            "least_seconds": int(near.least.total_seconds()),
        },
        "severity": "error" if near is not None and one.action is Action.CHANGE else "info",
    }


def _keys(keys: Iterable[KeyChange]) -> list[Json]:
    return [
        {"key": one.path, "before": one.before, "after": one.after, "about": one.about}
        for one in keys
    ]


def limits_as_json(limits: Iterable[Limit]) -> list[Json]:
    """Limits with who enforces each: `chain` or `runner`."""
    return [
        {"rule": one.rule, "value": one.value, "enforced_by": one.enforcer.value} for one in limits
    ]


def permissions_as_json(permissions: Sequence[Permission]) -> list[Json]:
    """As `grants list --json` shows them."""
    return [
        {"type": one.kind} | {each.name: _plain(getattr(one, each.name)) for each in fields(one)}
        for one in permissions
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return ["0x" + selector.hex() for selector in value]
    return str(value)


def _most(value: int | None) -> str:
    return "all" if value is None else str(value)


def _when(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
