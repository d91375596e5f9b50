"""
What scripts read: the JSON that DESIGN §4 promises. More members may come, none may go.

Amounts and nonces are decimal strings, times RFC 3339 UTC with Z, `schedule` and `session` are
`policy/name`. A member that does not apply is null, a list that is empty is [].
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from runner.ethereum.calls import Call
from runner.frozen import frozen
from runner.guard.intent import TransferLine
from runner.records import Pause
from runner.reporting.text import rfc3339
from runner.reporting.views import (
    Entry,
    EventView,
    GrantView,
    OperationView,
    RunView,
    ScheduleView,
    policy_of,
)

Json = dict[str, Any]


@frozen
class Upcoming:
    """A slot that will fire: `local` is how the schedule's own wall clock shows it."""

    schedule: str
    due_at: datetime
    local: str


def entry(one: Entry) -> Json:
    """A row of `runs list --json`."""
    if one.occurrence is not None and one.occurrence.count > 1:
        return _range(one)
    run, occurrence = one.newest, one.occurrence
    session = None if run is None else run.session
    return {
        "id": one.id,
        "kind": "payment" if run is None else run.kind,
        "policy": policy_of(one.schedule or session or ""),
        "schedule": one.schedule,
        "session": session,
        "slot": None if occurrence is None else occurrence.slot,
        "due_at": rfc3339(one.due_at),
        "state": one.state,
        "reason": one.reason,
        "by": None if occurrence is None else occurrence.by_slot,
        "detail": None if run is None else run.detail,
        "attempt": 0 if run is None else run.attempt,
        "claimed_at": None if run is None else rfc3339(run.claimed_at),
        "closed_at": _when(None if run is None else run.closed_at),
        "intent": [] if run is None else calls(run.intent),
        "operations": [operation(attempt, op) for attempt, op in one.operations],
    }


def _range(one: Entry) -> Json:
    row = one.occurrence
    if row is None:
        raise AssertionError("a range is a row of its own")
    return {
        "schedule": row.schedule,
        "policy": policy_of(row.schedule),
        "state": row.decision,
        "reason": row.reason,
        "count": row.count,
        "from": rfc3339(row.due_at),
        "to": rfc3339(row.last_due_at or row.due_at),
    }


def calls(intent: Sequence[Call] | None) -> list[Json]:
    """The exact calls, as the chain sees them."""
    return [
        {"to": call.to, "value": str(call.value), "data": "0x" + call.data.hex()}
        for call in intent or ()
    ]


def operation(run: RunView, one: OperationView) -> Json:
    """A signed operation of a run, burns and replacements included."""
    return {
        "call_id": one.call_id,
        "user_op_hash": one.hash,
        "nonce": str(one.nonce),
        "status": one.status,
        "kind": one.kind,
        "attempt": run.attempt,
        "chain": one.chain,
        "sender": one.sender,
        "signed_at": rfc3339(one.signed_at),
        "transaction_hash": one.transaction_hash,
        "block_number": one.block_number,
        "block_at": _when(one.block_at),
        "gas_cost": None if one.gas_cost is None else str(one.gas_cost),
        "sponsored": one.sponsored,
        "detail": one.detail,
    }


def run(one: Entry, timeline: Sequence[EventView]) -> Json:
    """The whole story of one occurrence: `runs show --json`."""
    row = entry(one)
    newest = one.newest
    row["transfers"] = [] if newest is None else [transfer(line) for line in newest.lines]
    row["generation"] = None if newest is None else newest.generation
    row["deadline_at"] = _when(None if newest is None else newest.deadline_at)
    row["catch_up_until"] = _when(None if newest is None else newest.expires_at)
    row["timeline"] = [event(happened) for happened in timeline]
    return row


def transfer(line: TransferLine) -> Json:
    """A movement of value, in base units."""
    return {
        "token": line.token,
        "symbol": line.symbol,
        "decimals": line.decimals,
        "to": line.receiver,
        "to_name": line.receiver_name,
        "amount": str(line.amount),
        "kind": line.kind,
        "memo": line.memo,
        "ref": line.ref,
    }


def event(one: EventView) -> Json:
    """An entry of a timeline."""
    return {
        "at": rfc3339(one.at),
        "event": one.kind,
        "subject": one.subject,
        "data": dict(one.data),
    }


def grant(one: GrantView) -> Json:
    """A row of `grants list --json`."""
    return {
        "session": one.session,
        "generation": one.generation,
        "state": one.state,
        "session_id": one.session_id,
        "entity_id": one.entity_id,
        "expires_at": rfc3339(one.expires_at),
        "next_renewal_at": _when(one.next_renewal_at),
        "key_address": one.key_address,
        "account": one.account,
        "chain": one.chain,
        "wallet": one.wallet,
        "requested_at": rfc3339(one.requested_at),
        "activated_at": _when(one.activated_at),
        "draining_at": _when(one.draining_at),
        "closed_at": _when(one.closed_at),
        "permissions": [dict(permission) for permission in one.permissions],
        "detail": one.detail,
    }


def schedule(one: ScheduleView) -> Json:
    """A row of `schedules list --json`."""
    last = one.last
    return {
        "schedule": one.uid,
        "policy": policy_of(one.uid),
        "session": one.session,
        "state": one.state,
        "paused": one.paused_reason is not None,
        "paused_reason": one.paused_reason,
        "paused_at": _when(one.paused_at),
        "trigger": one.trigger,
        "anchor": rfc3339(one.anchor),
        "decided_until": rfc3339(one.decided_until),
        "runs": one.runs,
        "failures_in_row": one.failures_in_row,
        "until_total": [
            {"token": part.token, "spent": str(part.spent), "reserved": str(part.reserved)}
            for part in one.total
        ],
        "last": None
        if last is None
        else {
            "id": last.id,
            "due_at": rfc3339(last.due_at),
            "state": last.state,
            "reason": last.reason,
        },
    }


def upcoming(one: Upcoming) -> Json:
    """A row of `next --json`."""
    return {"schedule": one.schedule, "due_at": rfc3339(one.due_at), "local": one.local}


def _when(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def pause(one: Pause) -> dict[str, Any]:
    """What is paused or stopped, as its verbs tell it."""
    return {
        "scope": one.scope.value,
        "target": one.target,
        "reason": one.reason,
        "since": rfc3339(one.since),
        "until": _when(one.until),
    }
