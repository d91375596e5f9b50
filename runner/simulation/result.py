"""The ledger of a simulation → what was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime

from runner.adapters.memory.ledger import MemoryLedger
from runner.adapters.memory.rows import OccurrenceRow
from runner.execution.contexts import ScheduleContext, SessionContext
from runner.execution.forecast_grants import named_allowances, symbols
from runner.records import Grant, GrantState, Operation, Run
from runner.reporting.foresight.model import FAILED, GrantLife, Outcome
from runner.scheduling.occurrence import CalendarSlot, State, parse_slot
from runner.simulation.window import Purses, Window

_PREFUND = 3, 2
"""A service wants this share of what an operation costs to be there before it prepares it."""


def outcomes_of(
    ledger: MemoryLedger, schedules: Mapping[str, ScheduleContext], purses: Purses
) -> tuple[Outcome, ...]:
    """Every occurrence of the ledger, in the order in which they were due."""
    found = [
        _outcome(ledger, row, schedules[row.schedule], purses)
        for row in ledger.rows.occurrences.values()
    ]
    found.sort(key=lambda one: (one.due_at, one.schedule))
    return tuple(_with_wanted_fees(found, schedules))


def _outcome(
    ledger: MemoryLedger, row: OccurrenceRow, context: ScheduleContext, purses: Purses
) -> Outcome:
    newest = ledger.rows.runs[row.attempts[-1]] if row.attempts else None
    state = row.decision if newest is None else newest.state
    reason = row.reason if newest is None else newest.reason
    operations = [] if newest is None else ledger.rows.operations_of(newest.id)
    winner = next((o for o in operations if o.transaction_hash is not None), None)
    lines = context.most.lines
    if newest is not None and state is State.SUCCESS:
        lines = tuple(ledger.rows.transfers[newest.id])
    account = context.session.account
    return Outcome(
        schedule=row.schedule,
        session=context.session.uid,
        account=purses.name_of[f"{context.spec.policy}/{account.spec.name}"],
        slot=row.slot,
        due_at=row.due_at,
        local_day=_local_day(row.slot, row.due_at),
        state=state.value,
        reason=None if reason is None else reason.value,
        detail=None if newest is None else newest.detail,
        ended_at=row.decided_at if newest is None else newest.closed_at,
        lines=lines,
        generation=_generation(ledger, newest),
        fee=_fees(ledger, row),
        count=row.count,
        last_due_at=row.last_due_at,
        user_op_hash="" if winner is None else winner.hash,
        transaction_hash=None if winner is None else winner.transaction_hash,
        run="" if newest is None else newest.id,
    )


def _generation(ledger: MemoryLedger, run: Run | None) -> int | None:
    if run is None or run.grant_id is None:
        return None
    return ledger.rows.grants[run.grant_id].generation


def _fees(ledger: MemoryLedger, row: OccurrenceRow) -> int:
    return sum(
        _paid_by_account(operation)
        for attempt in row.attempts
        for operation in ledger.rows.operations_of(attempt)
    )


def _paid_by_account(operation: Operation) -> int:
    return 0 if operation.sponsored else operation.gas_cost or 0


def _local_day(slot: str, due_at: datetime) -> date:
    parsed = parse_slot(slot)
    return parsed.local.date() if isinstance(parsed, CalendarSlot) else due_at.date()


def _with_wanted_fees(
    found: Iterable[Outcome], schedules: Mapping[str, ScheduleContext]
) -> Iterator[Outcome]:
    """
    What fails where the account pays its gas itself would have needed some coin besides: as much
    as its operations before, and the margin that the service prepares them with.
    """
    dearest: dict[str, int] = {}
    for one in found:
        if one.fee:
            dearest[one.account] = max(dearest.get(one.account, 0), one.fee)
        sponsored = schedules[one.schedule].session.account.gas_policy is not None
        if sponsored or one.state not in FAILED or one.fee:
            yield one
        else:
            wanted = dearest.get(one.account, 0) * _PREFUND[0] // _PREFUND[1]
            yield replace(one, fee=wanted)


def grants_of(
    ledger: MemoryLedger,
    schedules: Mapping[str, ScheduleContext],
    sessions: Mapping[str, SessionContext],
    purses: Purses,
    window: Window,
) -> tuple[GrantLife, ...]:
    """Every generation that was asked for before the window's end."""
    names = symbols(schedules.values())
    return tuple(
        _life(ledger, grant, sessions[grant.session], purses, names)
        for grant in sorted(
            ledger.rows.grants.values(), key=lambda one: (one.session, one.generation)
        )
        if grant.requested_at < window.end
    )


def _life(
    ledger: MemoryLedger,
    grant: Grant,
    session: SessionContext,
    purses: Purses,
    names: Mapping[str, tuple[str, int]],
) -> GrantLife:
    account = session.account.spec.name
    activation = ledger.rows.operations_of(f"activation:{grant.session}#{grant.generation}")
    ended = grant.state in {GrantState.EXPIRED, GrantState.ABANDONED, GrantState.REVOKED}
    return GrantLife(
        session=grant.session,
        account=purses.name_of[f"{session.spec.policy}/{account}"],
        generation=grant.generation,
        state=grant.state.value,
        requested_at=grant.requested_at,
        active_at=grant.activated_at,
        served_until=grant.draining_at or (grant.closed_at if ended else None),
        expires_at=grant.expires_at,
        next_renewal_at=grant.next_renewal_at,
        allowances=named_allowances(session, names),
        fee=sum(_paid_by_account(operation) for operation in activation),
    )
