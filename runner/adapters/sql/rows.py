"""Rows ↔ records: the only place that knows how each value is written in the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Row

from runner.adapters.vault import Vault
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.permissions import (
    AccountFunctions,
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    GasLimit,
    NativeTokenTransfer,
    Permission,
    Root,
)
from runner.guard.intent import TransferLine
from runner.records import (
    Claim,
    Grant,
    GrantState,
    NewOperation,
    Operation,
    OperationKind,
    OperationStatus,
    Run,
    RunKind,
)
from runner.scheduling.occurrence import Reason, State, is_running, run_id

_PERMISSIONS: dict[str, type[Any]] = {
    kind.kind: kind
    for kind in (
        AccountFunctions,
        ContractAccess,
        Erc20TokenTransfer,
        FunctionsOnAllContracts,
        FunctionsOnContract,
        GasLimit,
        NativeTokenTransfer,
        Root,
    )
}


OPERATION_COLUMNS = (
    *("run", "hash", "kind", "call_id", "chain", "sender", "nonce", "max_fee_per_gas"),
    *("max_priority_fee_per_gas", "max_cost", "sponsored", "request_sealed", "status"),
    *("signed_at", "from_block"),
)
"""What `operation_values` fills."""

_LINE_FIELDS = tuple(each.name for each in fields(TransferLine))
_line_values = attrgetter(*_LINE_FIELDS)
OPERATION_FIELDS = tuple(each.name for each in fields(Operation))
"""What `operation_from` reads."""


LINE_COLUMNS = ("run", "position", *_LINE_FIELDS)
"""What `transfer_rows` fills."""

OCCURRENCE_COLUMNS = (
    *("schedule", "slot", "due_at", "decision", "reason", "by_slot", "decided_at"),
    *("count", "last_slot", "last_due_at"),
)
"""What `occurrence_row` fills."""

RUN_COLUMNS = (
    *("id", "kind", "occurrence", "schedule", "session", "attempt", "state", "reason"),
    *("running", "exclusive", "due_at", "claimed_at", "deadline_at", "expires_at"),
    *("charged_at", "incarnation"),
)
"""What `run_row` fills."""


def occurrence_row(one: Claim, now: datetime) -> dict[str, Any]:
    """The row of a decided slot, or of a range of them."""
    return {
        "schedule": one.schedule,
        "slot": one.slot,
        "due_at": one.due_at,
        "decision": one.decision.value,
        "reason": None if one.reason is None else one.reason.value,
        "by_slot": one.by_slot,
        "decided_at": now,
        "count": one.count,
        "last_slot": one.last_slot,
        "last_due_at": one.last_due_at,
    }


def run_row(
    one: Claim, *, occurrence: int, attempt: int = 1, incarnation: str, now: datetime
) -> dict[str, Any]:
    """The row of the run that a claimed or held slot gets; its id is that of S1."""
    return {
        "id": "0x" + run_id(one.schedule, one.slot, part=0, attempt=attempt).hex(),
        "kind": RunKind.PAYMENT.value,
        "occurrence": occurrence,
        "schedule": one.schedule,
        "session": one.session,
        "attempt": attempt,
        "state": one.decision.value,
        "reason": None if one.reason is None else one.reason.value,
        "running": is_running(one.decision, one.reason),
        "exclusive": one.exclusive,
        "due_at": one.due_at,
        "claimed_at": now,
        "deadline_at": one.deadline_at,
        "expires_at": one.expires_at,
        "charged_at": one.charged_at,
        "incarnation": incarnation,
    }


class Begun(NamedTuple):
    """A slot's text, and the row that `run_row` made for it."""

    slot: str
    row: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The run's."""
        return str(self.row["id"])


def run_begun(begun: Begun) -> Run:
    """What would be read from the ledger, of a row that has just been written."""
    slot, row = begun
    return Run(
        id=row["id"],
        kind=RunKind.PAYMENT,
        occurrence=row["occurrence"],
        schedule=row["schedule"],
        session=row["session"],
        slot=slot,
        part=0,
        attempt=row["attempt"],
        state=State(row["state"]),
        reason=None if row["reason"] is None else Reason(row["reason"]),
        detail=None,
        due_at=row["due_at"],
        claimed_at=row["claimed_at"],
        deadline_at=row["deadline_at"],
        expires_at=row["expires_at"],
        intent=None,
        revision=None,
        grant_id=None,
        version=1,
        closed_at=None,
        charged_at=row["charged_at"],
    )


def format_calls(calls: Sequence[Call]) -> str:
    """Calls as JSON text, values in decimal: also what `runs list --json` shows."""
    rows = [{"to": c.to, "value": str(c.value), "data": "0x" + c.data.hex()} for c in calls]
    return json.dumps(rows, separators=(",", ":"))


def parse_calls(text: str) -> tuple[Call, ...]:
    """The inverse of `format_calls`."""
    return tuple(
        Call(Address(row["to"]), int(row["value"]), bytes.fromhex(row["data"][2:]))
        for row in json.loads(text)
    )


def format_permissions(permissions: Sequence[Permission]) -> str:
    """Permissions as JSON text: integers in decimal, selectors in hex."""

    def plain(value: Any) -> Any:
        if isinstance(value, tuple):
            return ["0x" + selector.hex() for selector in value]
        return str(value)

    rows = [
        {"type": p.kind} | {f.name: plain(getattr(p, f.name)) for f in fields(p)}
        for p in permissions
    ]
    return json.dumps(rows, separators=(",", ":"))


def parse_permissions(text: str) -> tuple[Permission, ...]:
    """The inverse of `format_permissions`."""

    def value(name: str, written: Any) -> Any:
        if name in {"allowance", "limit"}:
            return int(written)
        if name == "functions":
            return tuple(bytes.fromhex(selector[2:]) for selector in written)
        return Address(written)

    return tuple(
        _PERMISSIONS[row["type"]](**{k: value(k, v) for k, v in row.items() if k != "type"})
        for row in json.loads(text)
    )


def run_from(row: Row[Any]) -> Run:
    """A row of `runs` joined with its occurrence's `slot`."""
    return Run(
        id=row.id,
        kind=RunKind(row.kind),
        occurrence=row.occurrence,
        schedule=row.schedule,
        session=row.session,
        slot=row.slot or "",
        part=row.part,
        attempt=row.attempt,
        state=State(row.state),
        reason=Reason(row.reason) if row.reason else None,
        detail=row.detail,
        due_at=row.due_at,
        claimed_at=row.claimed_at,
        deadline_at=row.deadline_at,
        expires_at=row.expires_at,
        intent=None if row.intent is None else parse_calls(row.intent),
        revision=row.revision,
        grant_id=row.grant_id,
        version=row.version,
        closed_at=row.closed_at,
        by_hand=row.by_hand,
        charged_at=row.charged_at,
        cancelled_at=row.cancelled_at,
    )


def line_from(row: Row[Any]) -> TransferLine:
    """A row of `transfers`."""
    values = dict(zip(_LINE_FIELDS, _line_values(row), strict=True))
    values["receiver"] = Address(row.receiver)
    return TransferLine(**values)


def operation_from(row: Row[Any]) -> Operation:
    """A row of `OPERATION_FIELDS`."""
    values = dict(zip(OPERATION_FIELDS, row, strict=True))
    values["kind"] = OperationKind(row.kind)
    values["status"] = OperationStatus(row.status)
    return Operation(**values)


def grant_from(row: Row[Any]) -> Grant:
    """A row of `grants`."""
    values = {f.name: getattr(row, f.name) for f in fields(Grant)}
    values["state"] = GrantState(row.state)
    values["permissions"] = parse_permissions(row.permissions)
    return Grant(**values)


def operation_values(run: str, new: NewOperation, vault: Vault, now: datetime) -> dict[str, Any]:
    """A row of `operations` for what was just signed, its bytes sealed."""
    return {
        "run": run,
        "hash": new.hash,
        "kind": new.kind.value,
        "call_id": new.call_id,
        "chain": new.chain,
        "sender": new.sender,
        "nonce": new.nonce,
        "max_fee_per_gas": new.max_fee_per_gas,
        "max_priority_fee_per_gas": new.max_priority_fee_per_gas,
        "max_cost": new.max_cost,
        "sponsored": new.sponsored,
        "request_sealed": vault.seal(
            new.request, table="operations", column="request", row=new.hash
        ),
        "status": OperationStatus.SIGNED.value,
        "signed_at": now,
        "from_block": new.from_block,
    }


def transfer_rows(
    run: str, lines: Sequence[TransferLine], *, start: int = 0
) -> list[dict[str, Any]]:
    """Rows of `transfers`, counted from `start`."""
    rows = []
    for position, line in enumerate(lines, start):
        values = zip(_LINE_FIELDS, _line_values(line), strict=True)
        rows.append({"run": run, "position": position, **dict(values)})
    return rows
