"""
The tables of a ledger as Python objects.

What is a row of the database is an object here; where the database has an index, there is a
dictionary. Records (`records.py`) are handed out as they are, since they cannot be changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import takewhile
from typing import Any

from runner.errors import Conflict, StoreError
from runner.ethereum.address import Address
from runner.guard.intent import TransferLine
from runner.records import Consent, Grant, Operation, Run, ScheduleState
from runner.scheduling.occurrence import CLOSED, Reason, State, is_running

Fence = tuple[int, Address, int]
"""Chain, sender and full nonce (X1)."""


@dataclass(slots=True)
class OccurrenceRow:
    """A decided slot, or a range of slots that closed alike (M4). `attempts` are its runs."""

    id: int
    schedule: str
    slot: str
    due_at: datetime
    decision: State
    reason: Reason | None
    by_slot: str | None
    decided_at: datetime
    count: int = 1
    last_slot: str | None = None
    last_due_at: datetime | None = None
    attempts: list[str] = field(default_factory=list)


class Tables:
    """All rows, and the ways to find them."""

    def __init__(self) -> None:
        self.schedules: dict[str, ScheduleState] = {}
        self.names: dict[tuple[str, str], str] = {}
        """By kind and uid: what schedules and sessions are called today (T10)."""

        self.occurrences: dict[tuple[str, str], OccurrenceRow] = {}
        self.occurrence: dict[int, OccurrenceRow] = {}
        self.runs: dict[str, Run] = {}
        self.exclusive: set[str] = set()
        self.open: dict[str, None] = {}
        self.transfers: dict[str, list[TransferLine]] = {}
        self.operations: dict[str, Operation] = {}
        self.requests: dict[str, bytes] = {}
        self.fences: dict[Fence, str] = {}
        self.grants: dict[int, Grant] = {}
        self.pins: dict[tuple[str, int], Address] = {}
        self.receivers: dict[tuple[str, str, Address], datetime] = {}
        """By policy and name as written: when each address was paid last."""

        self.paid: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
        """By schedule: due times and moments of claiming of what was paid, oldest first."""

        self.asked: dict[tuple[str, str, int, str], Consent] = {}
        self._rows_of: dict[str, list[OccurrenceRow]] = defaultdict(list)
        self._closed_last: dict[str, str] = {}
        self._open_of: dict[str, dict[str, None]] = defaultdict(dict)
        self._operations_of: dict[str, list[str]] = defaultdict(list)
        self._grants_of: dict[str, list[Grant]] = defaultdict(list)
        self._sent_by: dict[tuple[int, Address], list[str]] = defaultdict(list)
        self._included: dict[int, list[tuple[int, str]]] = defaultdict(list)

    # ── occurrences and schedules ─────────────────────────────────────────────────────────────

    def add_occurrence(self, row: OccurrenceRow) -> None:
        """A slot is decided; the caller has looked that it was not."""
        self.occurrences[row.schedule, row.slot] = row
        self.occurrence[row.id] = row
        self._rows_of[row.schedule].append(row)

    def rows_of(self, schedule: str) -> list[OccurrenceRow]:
        """A schedule's decided slots, as they were decided."""
        return self._rows_of[schedule]

    def change_schedule(self, uid: str, **values: Any) -> ScheduleState:
        """A schedule as it is from now on."""
        changed = replace(self.schedules[uid], **values)
        self.schedules[uid] = changed
        return changed

    # ── runs ──────────────────────────────────────────────────────────────────────────────────

    def add_run(self, run: Run, *, exclusive: bool) -> None:
        """
        A run that is new.

        Raises:
            StoreError: another run of its schedule is open, and both want to be alone (X14).
        """
        if exclusive:
            self._check_alone(run)
            self.exclusive.add(run.id)
        self.runs[run.id] = run
        self.open[run.id] = None
        self._open_of[run.schedule][run.id] = None
        if run.occurrence is not None:
            self.occurrence[run.occurrence].attempts.append(run.id)

    def change_run(self, run: Run, **values: Any) -> Run:
        """
        A run as it is from now on; its version grows.

        Raises:
            Conflict: it was changed since it was read (H2).
            StoreError: another run of its schedule is open, and both want to be alone.
        """
        current = self.runs[run.id]
        if current.version != run.version:
            raise Conflict(f"run {run.id} was changed by another")
        changed = replace(current, version=run.version + 1, **values)
        if run.id in self.exclusive and not is_running(current.state, current.reason):
            self._check_alone(changed)
        self.runs[run.id] = changed
        if current.state in CLOSED and changed.state not in CLOSED:
            self.open[run.id] = None
            self._open_of[run.schedule][run.id] = None
        if changed.state in CLOSED:
            self._closed_last[run.schedule] = run.id
            self.open.pop(run.id, None)
            self._open_of[run.schedule].pop(run.id, None)
        return changed

    def open_of(self, schedule: str) -> Iterator[Run]:
        """Open runs of a schedule, in the order in which they were claimed."""
        return (self.runs[identity] for identity in self._open_of[schedule])

    def runs_of(self, schedule: str) -> Iterator[Run]:
        """Runs of a schedule that are open, and the newest that was closed."""
        yield from self.open_of(schedule)
        if schedule in self._closed_last:
            yield self.runs[self._closed_last[schedule]]

    def is_running(self, schedule: str, *, beside: bool = False) -> bool:
        """
        Whether a run of this schedule is open, those that wait for it excepted (M7).

        Args:
            beside: Only runs that let none beside them count.
        """
        return any(
            is_running(run.state, run.reason) and (not beside or run.id in self.exclusive)
            for run in self.open_of(schedule)
        )

    def waiting(self, schedule: str) -> list[Run]:
        """Runs that wait for their predecessor, oldest first."""
        held = (run for run in self.open_of(schedule) if run.state is State.HELD)
        return sorted(
            (run for run in held if run.reason is Reason.OVERLAP), key=lambda run: run.due_at
        )

    def _check_alone(self, run: Run) -> None:
        if not is_running(run.state, run.reason):
            return
        for other in self.open_of(run.schedule):
            alone = other.id in self.exclusive and other.id != run.id
            if alone and is_running(other.state, other.reason):
                raise StoreError(f"run {other.id} of {run.schedule} is open")

    # ── operations ────────────────────────────────────────────────────────────────────────────

    def add_operation(self, operation: Operation, request: bytes) -> None:
        """A signed operation, and what sends it."""
        self.operations[operation.hash] = operation
        self.requests[operation.hash] = request
        self._operations_of[operation.run].append(operation.hash)
        self._sent_by[operation.chain, operation.sender].append(operation.hash)

    def change_operation(self, identity: str, **values: Any) -> None:
        """An operation as it is from now on."""
        changed = replace(self.operations[identity], **values)
        self.operations[identity] = changed
        if changed.block_number is not None and "block_number" in values:
            self._included[changed.chain].append((changed.block_number, identity))

    def operations_of(self, run: str) -> list[Operation]:
        """All operations signed for a run, oldest first."""
        return [self.operations[identity] for identity in self._operations_of.get(run, ())]

    def newest_of(self, chain: int, sender: Address) -> Iterator[Operation]:
        """An account's operations, newest first."""
        return (self.operations[identity] for identity in reversed(self._sent_by[chain, sender]))

    def included_since(self, chain: int, block: int) -> list[Operation]:
        """A chain's operations that are in this block or later; blocks come in their order."""
        recent = takewhile(lambda one: one[0] >= block, reversed(self._included[chain]))
        found = (self.operations[one] for one in dict.fromkeys(name for _, name in recent))
        return [one for one in found if one.block_number is not None and one.block_number >= block]

    # ── grants ────────────────────────────────────────────────────────────────────────────────

    def add_grant(self, grant: Grant) -> None:
        """A generation that is asked for."""
        self.grants[grant.id] = grant
        self._grants_of[grant.session].append(grant)

    def change_grant(self, grant: Grant, **values: Any) -> Grant:
        """
        A generation as it is from now on.

        Raises:
            Conflict: it was changed since it was read.
        """
        current = self.grants[grant.id]
        if current.version != grant.version:
            raise Conflict(f"{grant.session}#{grant.generation} was changed by another")
        changed = replace(current, version=grant.version + 1, **values)
        self.grants[grant.id] = changed
        mine = self._grants_of[grant.session]
        mine[next(i for i, one in enumerate(mine) if one.id == grant.id)] = changed
        return changed

    def grants_of(self, session: str) -> list[Grant]:
        """Every generation of a session, oldest first."""
        return list(self._grants_of.get(session, ()))
