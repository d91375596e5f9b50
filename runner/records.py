"""
What the ledger holds, as values: schedules as first applied, runs, operations, grants.

`Ledger` (ports.py) speaks in these; they say nothing about SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.permissions import Permission
from runner.frozen import changed, frozen
from runner.guard.budget import Budgets, Reservation
from runner.guard.intent import TransferLine
from runner.scheduling.lookup import Rest
from runner.scheduling.occurrence import Reason, State


class RunKind(StrEnum):
    """A payment belongs to an occurrence; the others install a grant (X2) or take it off (X15)."""

    PAYMENT = "payment"
    ACTIVATION = "activation"
    REVOCATION = "revocation"


class OperationKind(StrEnum):
    """
    What an operation on a fence does: what was frozen, nothing (X4), or the install (X2); and what
    the owner does about a grant: take it off the account (X15), or void it unused (G7).
    """

    PAYMENT = "payment"
    ACTIVATION = "activation"
    BURN = "burn"
    UNINSTALL = "uninstall"
    VOID = "void"


class OperationStatus(StrEnum):
    """How far one signed operation has come. `dead` is proved by X3, never guessed."""

    SIGNED = "signed"
    SENT = "sent"
    UNKNOWN = "unknown"
    INCLUDED = "included"
    SUCCESS = "success"
    REVERTED = "reverted"
    DEAD = "dead"


LIVE_OPERATIONS = frozenset(
    {
        OperationStatus.SIGNED,
        OperationStatus.SENT,
        OperationStatus.UNKNOWN,
        OperationStatus.INCLUDED,
    }
)


class GrantState(StrEnum):
    """R11, word for word."""

    REQUESTED = "requested"
    OWNER_SIGNED = "owner_signed"
    ACTIVATING = "activating"
    ACTIVE = "active"
    DRAINING = "draining"
    RETIRED = "retired"
    EXPIRED = "expired"
    REVOKED = "revoked"
    ABANDONED = "abandoned"
    FOREIGN = "foreign"
    STOPPING = "stopping"


LIVING_GRANTS = frozenset(
    {
        GrantState.REQUESTED,
        GrantState.OWNER_SIGNED,
        GrantState.ACTIVATING,
        GrantState.ACTIVE,
        GrantState.DRAINING,
        GrantState.RETIRED,
        GrantState.STOPPING,
    }
)
"""Generations whose key may still be able to sign: they count for exposure (R14) and entities."""

BINDING_GRANTS = LIVING_GRANTS | {GrantState.REVOKED}
"""And those that runs may be pinned to which are still to be proved dead (X3)."""


OWNER_OPERATIONS = frozenset({OperationKind.UNINSTALL, OperationKind.VOID})
"""What an owner signs about grants: a stop does not forbid it (O8, O9)."""

SILENCED_GRANTS = frozenset(
    {
        GrantState.STOPPING,
        GrantState.RETIRED,
        GrantState.EXPIRED,
        GrantState.REVOKED,
        GrantState.ABANDONED,
        GrantState.FOREIGN,
    }
)
"""
Generations that must sign no more (R11): no payment, no install. Of one that is stopping burns are
signed still, since they only take away.
"""

SILENCEABLE_OPERATIONS = frozenset({OperationKind.PAYMENT, OperationKind.ACTIVATION})
"""What a silenced generation must not sign."""


@frozen
class ScheduleSeed:
    """
    A schedule of the policies in force, as it is to stand in the ledger. `budgets` are what its
    runs are charged to; `written` is its whole policy, kept with the revision so that a plan can
    say what an edit changes.
    """

    uid: str
    session: str
    trigger: str
    revision: str
    budgets: Budgets | None = None
    previous_uids: tuple[str, ...] = ()
    written: str = ""
    account: str = ""


@frozen
class ScheduleState:
    """What the ledger knows of a schedule. Slots up to `decided_until` have their rows."""

    uid: str
    session: str
    trigger: str
    anchor: datetime
    decided_until: datetime
    state: str
    runs: int
    failures_in_row: int
    paused_reason: str | None


@frozen
class Installed:
    """
    What came of bringing the ledger's schedules to those of the policies: how each of these stands
    now, by uid, and the slots that were decided against.
    """

    schedules: Mapping[str, ScheduleState]
    refused: Sequence[Claim]


@frozen
class Pace:
    """
    How `catch_up: all` works off what is late (M5): oldest first, one at a time.

    Attributes:
        apart: No late run begins sooner than this after the one before it.
        late: A run that begins later than this after it was due is a late one.
        run_deadline: What a run has from its beginning to its deadline: the ledger keeps that.
        beside: Late runs wait for late runs alone (`overlap: allow`).
    """

    apart: timedelta
    late: timedelta
    run_deadline: timedelta
    beside: bool


@frozen
class Claim:
    """
    One decided slot, on its way into the ledger.

    Only `claimed` decisions carry the times of a run. `buffer` is how many slots may wait behind
    a running one (M7: None skips, 0 means `buffer_one`, where the newest slot takes the place);
    `max_runs` ends the schedule (T9); with a `pace`, slots stand in line behind those that are late
    (M5). `count` and `last_*` are set for range rows (M4).
    """

    schedule: str
    slot: str
    due_at: datetime
    decision: State
    reason: Reason | None = None
    by_slot: str | None = None
    session: str = ""
    exclusive: bool = True
    deadline_at: datetime | None = None
    expires_at: datetime | None = None
    buffer: int | None = None
    max_runs: int | None = None
    pace: Pace | None = None
    reservations: tuple[Reservation, ...] = ()
    on_budget: str = "skip"
    count: int = 1
    last_slot: str | None = None
    last_due_at: datetime | None = None
    charged_at: datetime | None = None

    def against(self, decision: State, reason: Reason) -> Claim:
        """The same slot, decided against."""
        return changed(self, decision=decision, reason=reason, reservations=())


RangeCut = Callable[[datetime, datetime, int], Rest]
"""First and last due time of a range row and its count → what is left before and after a slot."""


@frozen
class Take:
    """
    A slot that an operator wants paid: a claim, and how a range row around it is cut (X11).

    `counted` says whether `max_runs` counts the run (T9: extra ones do not). With `waits`, it
    stands in line where another is open; without, that is a reason to refuse.
    """

    claim: Claim
    cut: RangeCut
    counted: bool = True
    waits: bool = False


@frozen
class Run:
    """
    One attempt at an occurrence, or the activation of a grant.

    A run `by_hand` is an operator's: a pause does not hold it (O4, M10), a stop does.
    `charged_at` names the periods of its budgets where these are not those of `due_at` (O5).
    """

    id: str
    kind: RunKind
    occurrence: int | None
    schedule: str
    session: str
    slot: str
    part: int
    attempt: int
    state: State
    reason: Reason | None
    detail: str | None
    due_at: datetime
    claimed_at: datetime
    deadline_at: datetime | None
    expires_at: datetime | None
    intent: tuple[Call, ...] | None
    revision: str | None
    grant_id: int | None
    version: int
    closed_at: datetime | None
    by_hand: bool = False
    charged_at: datetime | None = None
    cancelled_at: datetime | None = None


@frozen
class Operation:
    """One signed operation, without the bytes that send it: `Ledger.open_request` has those."""

    hash: str
    run: str
    kind: OperationKind
    call_id: str
    chain: int
    sender: Address
    nonce: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    max_cost: int
    sponsored: bool
    status: OperationStatus
    signed_at: datetime
    from_block: int
    block_number: int | None = None
    block_hash: str | None = None
    block_at: datetime | None = None
    transaction_hash: str | None = None
    gas_cost: int | None = None
    detail: str | None = None

    def included(self, inclusion: Inclusion) -> Operation:
        """The same, seen in a block."""
        return changed(
            self,
            status=OperationStatus.INCLUDED,
            gas_cost=inclusion.gas_cost,
            block_number=inclusion.block_number,
            block_hash=inclusion.block_hash,
            block_at=inclusion.block_at,
            transaction_hash=inclusion.transaction_hash,
        )


@frozen
class Grant:
    """One permission obtained for a session: key, scope and times, and how far it has come."""

    id: int
    session: str
    generation: int
    state: GrantState
    chain: int
    account: Address
    wallet: str
    key_address: Address
    key_sealed: bytes | None = field(repr=False)
    permissions: tuple[Permission, ...]
    scope: str
    requested_at: datetime
    expires_at: datetime
    next_renewal_at: datetime | None
    session_id: str | None
    entity_id: int | None
    nonce: int | None
    context_sealed: bytes | None = field(repr=False)
    activated_at: datetime | None
    draining_at: datetime | None
    closed_at: datetime | None
    detail: str | None
    version: int

    @property
    def is_clean(self) -> bool:
        """X15: proved to have left nothing behind, so that its entity may serve another grant."""
        return self.state is GrantState.REVOKED and self.detail is None


@frozen
class NewOperation:
    """
    A signed operation about to become durable: `request` is what will be sent, in clear.

    `hash` is 0x hex, `call_id` what the service will name it if it keeps to the convention,
    `checked` the rules by which the guard looked at it: all of them held.
    """

    hash: str
    kind: OperationKind
    call_id: str
    chain: int
    sender: Address
    nonce: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    max_cost: int
    sponsored: bool
    request: bytes = field(repr=False)
    from_block: int
    paymaster: Address | None = None
    checked: tuple[str, ...] = ()

    def signed(
        self, run: str, *, at: datetime, status: OperationStatus = OperationStatus.SIGNED
    ) -> Operation:
        """What it is once it is durable."""
        return Operation(
            hash=self.hash,
            run=run,
            kind=self.kind,
            call_id=self.call_id,
            chain=self.chain,
            sender=self.sender,
            nonce=self.nonce,
            max_fee_per_gas=self.max_fee_per_gas,
            max_priority_fee_per_gas=self.max_priority_fee_per_gas,
            max_cost=self.max_cost,
            sponsored=self.sponsored,
            status=status,
            signed_at=at,
            from_block=self.from_block,
        )


@frozen
class Inclusion:
    """Evidence that an operation is in a block: its event, and the block's time."""

    hash: str
    success: bool
    gas_cost: int
    block_number: int
    block_hash: str
    block_at: datetime
    transaction_hash: str


@frozen
class NewGrant:
    """A grant about to be requested: written down, with its key sealed, before anyone is asked."""

    session: str
    chain: int
    account: Address
    wallet: str
    key_address: Address
    permissions: tuple[Permission, ...]
    scope: str
    requested_at: datetime
    expires_at: datetime
    next_renewal_at: datetime


class CommandState(StrEnum):
    """A wish waits for the holder of the ledger, who carries it out or says why not (O10)."""

    ASKED = "asked"
    DONE = "done"
    REFUSED = "refused"


@frozen
class Wish:
    """
    What an operator asks for, and why: a row of `commands` in the making.

    `kind` names the verb (`run.retry`), `target` what it is about, `arguments` the rest: plain
    JSON values, whose meaning is the kind's.
    """

    kind: str
    target: str
    author: str
    reason: str
    asked_at: datetime
    arguments: Mapping[str, Any] = field(default_factory=dict)


@frozen
class Command:
    """A wish in the ledger, and what came of it: in words, and as `data` for scripts."""

    id: int
    wish: Wish
    state: CommandState
    answer: str | None
    acted_at: datetime | None
    data: Mapping[str, Any] = field(default_factory=dict)


class PauseScope(StrEnum):
    """What is paused; a stop forbids signing and sending besides (O1, O8)."""

    SCHEDULE = "schedule"
    SESSION = "session"
    ACCOUNT = "account"
    ALL = "all"
    STOP = "stop"


@frozen
class Pause:
    """Something is paused, since when and why; `target` is its uid, empty for everything."""

    scope: PauseScope
    target: str
    reason: str
    since: datetime
    until: datetime | None = None

    @property
    def subject(self) -> str:
        """What is paused, in words."""
        return self.target or "everything"


DASHBOARD = "(dashboard)"
"""
Ends the author of what was wished for in the dashboard. Names there are what somebody typed who
has the token: where several persons have to approve, all of them are one.
"""


@frozen
class Consent:
    """What so many persons are asked to say yes to: exactly the intent with this digest (B9)."""

    schedule: str
    slot: str
    attempt: int
    digest: str
    due_at: datetime
    detail: str
    approvers: int = 1


@frozen
class Adoption:
    """
    What the chain shows of a slot that a restored ledger knows nothing of (X18).

    `state` and `reason` are its end; `operation` has no bytes: they are lost.
    """

    claim: Claim
    attempt: int
    operation: NewOperation
    inclusion: Inclusion
    intent: tuple[Call, ...]
    lines: tuple[TransferLine, ...]
    revision: str
    state: State
    reason: Reason | None
    detail: str
