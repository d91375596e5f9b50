"""
What the ledger tells those who only look: rows without anything that is sealed.

`cli` and `dashboard` fill these from the database; everything else in this package turns them
into JSON for scripts and text for people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any

from runner.alerting.incidents import Incident
from runner.ethereum.calls import Call
from runner.frozen import frozen
from runner.guard.intent import TransferLine
from runner.records import Pause


@frozen
class OccurrenceView:
    """The row of a slot, or of a range of slots (`count` above 1, M4)."""

    id: int
    schedule: str
    slot: str
    due_at: datetime
    decision: str
    reason: str | None
    by_slot: str | None
    decided_at: datetime
    count: int = 1
    last_slot: str | None = None
    last_due_at: datetime | None = None


@frozen
class OperationView:
    """One signed operation: what it is, how far it came, what it cost (wei)."""

    hash: str
    run: str
    kind: str
    call_id: str
    chain: int
    sender: str
    nonce: int
    max_cost: int
    sponsored: bool
    status: str
    signed_at: datetime
    block_number: int | None = None
    block_at: datetime | None = None
    transaction_hash: str | None = None
    gas_cost: int | None = None
    detail: str | None = None


@frozen
class RunView:
    """One attempt with its operations (oldest first) and what its intent moves."""

    id: str
    kind: str
    occurrence: int | None
    schedule: str
    session: str
    attempt: int
    state: str
    reason: str | None
    detail: str | None
    due_at: datetime
    claimed_at: datetime
    deadline_at: datetime | None
    expires_at: datetime | None
    intent: tuple[Call, ...] | None
    generation: int | None
    revision: str | None
    closed_at: datetime | None
    operations: tuple[OperationView, ...] = ()
    lines: tuple[TransferLine, ...] = ()

    @property
    def open(self) -> bool:
        """Whether it may still change by itself."""
        return self.closed_at is None


@frozen
class Entry:
    """
    One occurrence with all its attempts, newest first; or an activation, which has none.

    `runs` is empty where nothing was ever claimed: skipped, missed, superseded.
    """

    occurrence: OccurrenceView | None
    runs: tuple[RunView, ...] = ()

    @property
    def newest(self) -> RunView | None:
        """The attempt that counts."""
        return self.runs[0] if self.runs else None

    @property
    def state(self) -> str:
        """The newest attempt's state, else the decision."""
        return self.runs[0].state if self.runs else self._occurrence.decision

    @property
    def reason(self) -> str | None:
        """Why it is in this state."""
        return self.runs[0].reason if self.runs else self._occurrence.reason

    @property
    def due_at(self) -> datetime:
        """The nominal time; of a range, its first."""
        return self.runs[0].due_at if self.occurrence is None else self.occurrence.due_at

    @property
    def schedule(self) -> str | None:
        """`policy/name`; None for the activation of a grant."""
        return None if self.occurrence is None else self.occurrence.schedule

    @property
    def id(self) -> str:
        """The run's id, or `schedule@slot` where there is no run."""
        if self.runs:
            return self.runs[0].id
        return f"{self._occurrence.schedule}@{self._occurrence.slot}"

    @property
    def operations(self) -> tuple[tuple[RunView, OperationView], ...]:
        """Every operation of every attempt, oldest first."""
        return tuple((run, one) for run in reversed(self.runs) for one in run.operations)

    @property
    def _occurrence(self) -> OccurrenceView:
        if self.occurrence is None:
            raise AssertionError("an entry is an occurrence, a run, or both")
        return self.occurrence


@frozen
class GrantView:
    """One generation of a session. `permissions` are the ledger's JSON rows."""

    session: str
    generation: int
    state: str
    chain: int
    account: str
    wallet: str
    key_address: str
    permissions: tuple[Mapping[str, Any], ...]
    requested_at: datetime
    expires_at: datetime
    next_renewal_at: datetime | None
    session_id: str | None
    entity_id: int | None
    activated_at: datetime | None
    draining_at: datetime | None
    closed_at: datetime | None
    detail: str | None


@frozen
class TotalView:
    """What a schedule's `until_total` has so far of a token (address or `native`), base units."""

    token: str
    spent: int
    reserved: int


@frozen
class ScheduleView:
    """
    A schedule as the ledger knows it. `uid` is what it is called today, `first_applied` as what it
    was applied first; `last` is its newest slot that was not superseded, `total` is empty where
    nothing is to be paid in all.
    """

    uid: str
    session: str
    trigger: str
    anchor: datetime
    decided_until: datetime
    state: str
    runs: int
    failures_in_row: int
    paused_reason: str | None
    paused_at: datetime | None
    first_applied: str = ""
    last: Entry | None = None
    total: tuple[TotalView, ...] = ()


@frozen
class AskedView:
    """What a person is asked to approve: exactly the intent with this digest (B9)."""

    schedule: str
    slot: str
    attempt: int
    digest: str
    due_at: datetime
    detail: str
    asked_at: datetime


@frozen
class EventView:
    """Something that happened, as it was recorded in the same transaction."""

    at: datetime
    kind: str
    subject: str
    data: Mapping[str, Any]


@frozen
class DaemonView:
    """The newest process that held the ledger. `running` is asked of the ledger's lock."""

    running: bool
    started_at: datetime | None = None
    ended_at: datetime | None = None
    pid: int | None = None
    host: str | None = None
    version: str | None = None


@frozen
class ChannelView:
    """A destination of alerts that does not take them: how many wait, since when, and why."""

    destination: str
    waiting: int
    since: datetime
    error: str


@frozen
class LedgerView:
    """The ledger at one moment, for `status`."""

    daemon: DaemonView
    schedules: Sequence[ScheduleView]
    grants: Sequence[GrantView]
    open_runs: Sequence[Entry]
    today: Mapping[tuple[str, str | None], int] = field(default_factory=dict)
    pauses: Sequence[Pause] = ()
    asked: Sequence[AskedView] = ()
    channels: Sequence[ChannelView] = ()
    incidents: Sequence[Incident] = ()


def policy_of(uid: str) -> str:
    """The policy's name in `policy/name`."""
    return uid.partition("/")[0]
