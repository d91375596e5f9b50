"""
What the core needs from the world, as Protocols. Adapters keep them, `bootstrap` wires them.

Amounts are base units, times aware UTC, durations seconds (float) where they are waited for.
"""

from __future__ import annotations

from asyncio import Event
from collections.abc import Awaitable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol

from runner.alerting.incidents import Incident
from runner.alerting.messages import Message
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.permissions import Permission
from runner.frozen import frozen
from runner.guard.budget import Reservation
from runner.guard.computed import Movement
from runner.guard.intent import TransferLine
from runner.guard.offer import OperationOffer, SessionOffer
from runner.guard.verdict import Approved, Finding
from runner.planning.consent import History
from runner.planning.facts import Identities
from runner.planning.renames import Named
from runner.records import (
    Adoption,
    Claim,
    Command,
    CommandState,
    Consent,
    Grant,
    GrantState,
    Inclusion,
    Installed,
    NewGrant,
    NewOperation,
    Operation,
    OperationStatus,
    Pace,
    Pause,
    Run,
    ScheduleSeed,
    ScheduleState,
    Take,
)
from runner.scheduling.occurrence import Reason, State
from runner.scheduling.signals import Breach, Facts


@frozen
class FeeOverride:
    """Absolute fees for a replacement, in wei per gas (X21)."""

    max_fee_per_gas: int
    max_priority_fee_per_gas: int


@frozen
class CallsStatus:
    """
    What the service says of a call id (EIP-5792). A hint when to look, never evidence (X12).

    `code` is the number as sent; `known` is False when the service never heard of the id.
    """

    code: int
    known: bool = True

    @property
    def pending(self) -> bool:
        return self.known and 100 <= self.code < 200


class WalletApi(Protocol):
    """
    The Wallet API of one profile. All methods raise `AnswerLost`, `WalletBusy`, `WalletRefused`.
    """

    async def request_account(
        self, owner: Address, *, salt: int, additional: bool = False, delegated: bool = False
    ) -> Address:
        """
        The account of this owner as the service names it; sends no transaction.

        A service answers a signer's oldest account, whatever the salt, unless an `additional` one
        is asked for. `delegated` asks for the owner's own address (EIP-7702).
        """
        ...

    async def create_session(
        self,
        *,
        account: Address,
        chain_id: int,
        expiry: int,
        key: Address,
        permissions: Sequence[Permission],
    ) -> SessionOffer:
        """Ask for a session; `expiry` in unix seconds. Nothing can be spent before it is signed."""
        ...

    async def prepare_calls(
        self,
        *,
        account: Address,
        chain_id: int,
        calls: Sequence[Call],
        context: bytes | None,
        gas_policy: str | None,
        nonce_key: int | None = None,
        fees: FeeOverride | None = None,
        delegate: bool = False,
    ) -> OperationOffer:
        """
        Ask for an operation. `nonce_key` is the 152-bit parallel part, None = the service's.

        `delegate` asks besides for what an EOA signs to run the account's code: the owner's
        business, never a run's (G9).
        """
        ...

    def keep_offer(self, offer: OperationOffer) -> dict[str, Any]:
        """An operation that was prepared as a document; raises EncodingError if it is none."""
        ...

    def read_offer(self, answer: Mapping[str, Any]) -> OperationOffer:
        """What was kept by `keep_offer`; believed no more than then."""
        ...

    def seal(
        self,
        offer: OperationOffer,
        signature: bytes,
        *others: bytes,
        context: bytes | None,
        gas_policy: str | None,
    ) -> bytes:
        """
        The exact request that sends a signed operation: stored before it goes out (X5).

        An array takes one signature for each of its parts.
        """
        ...

    async def send_prepared_calls(self, sealed: bytes) -> str:
        """Send what `seal` made, byte for byte; the answer is the call id (0x hex)."""
        ...

    async def get_calls_status(self, call_id: str) -> CallsStatus:
        """What the service says about a call id."""
        ...


@frozen
class Block:
    """A block's number, time and hash (0x hex)."""

    number: int
    timestamp: datetime
    hash: str


@frozen
class OperationEvent:
    """
    One `UserOperationEvent` of the EntryPoint: the only thing that proves an inclusion (X12).

    `gas_cost` is what was charged, in wei.
    """

    user_op_hash: bytes
    sender: Address
    nonce: int
    success: bool
    gas_cost: int
    block_number: int
    block_hash: str
    transaction_hash: str

    def inclusion(self, block: Block) -> Inclusion:
        """What the ledger keeps of it; `block` is the one that it stands in."""
        return Inclusion(
            hash="0x" + self.user_op_hash.hex(),
            success=self.success,
            gas_cost=self.gas_cost,
            block_number=self.block_number,
            block_hash=self.block_hash,
            block_at=block.timestamp,
            transaction_hash=self.transaction_hash,
        )


@frozen
class Validation:
    """
    What stands on an account under one entity id; all empty where nothing is installed.

    `hooks` are module ‖ entity id ‖ flags (25 bytes), validation hooks first, in their order.
    """

    flags: int
    hooks: tuple[bytes, ...]
    selectors: tuple[bytes, ...]

    @property
    def is_installed(self) -> bool:
        """Whether anything of it is left."""
        return bool(self.flags or self.hooks or self.selectors)


@frozen
class Transfer:
    """An ERC-20 `Transfer` event in a receipt."""

    token: Address
    sender: Address
    receiver: Address
    amount: int


class ChainReader(Protocol):
    """Evidence: reads of one chain. All methods raise `WalletApiError` and its leaves."""

    async def chain_id(self) -> int:
        """The chain that the endpoint serves."""
        ...

    async def head(self) -> Block:
        """The newest block."""
        ...

    async def block(self, number: int) -> Block:
        """One block by number."""
        ...

    async def operation_events(
        self, senders: Sequence[Address], *, from_block: int, to_block: int
    ) -> list[OperationEvent]:
        """All operations of these senders that the EntryPoint v0.7 included in these blocks."""
        ...

    async def transfers(self, transaction_hash: str, user_op_hash: str) -> list[Transfer]:
        """
        The ERC-20 transfers that one operation made.

        A bundle holds many: those of one operation stand between the `UserOperationEvent` before
        its own and its own.
        """
        ...

    async def outflows(
        self, block_hash: str, senders: Sequence[Address]
    ) -> dict[bytes, list[Transfer]]:
        """By hash of each operation in a block: the transfers it made out of these accounts."""
        ...

    async def validation(self, account: Address, entity_id: int, *, block: int) -> Validation:
        """What the account holds for a session key's entity after a block (X15)."""
        ...

    async def uninstalls(
        self, account: Address, transaction_hash: str, user_op_hash: str
    ) -> dict[int, bool]:
        """By entity that one operation uninstalled: whether its modules cleaned up (X15)."""
        ...

    async def reverted_with_data(self, transaction_hash: str, user_op_hash: str) -> bool:
        """Whether an operation's calls reverted with a reason (S4)."""
        ...

    async def nonce(self, sender: Address, key192: int, *, block: int) -> int:
        """The EntryPoint's next sequence of this key after that block."""
        ...

    async def time_in(self, block: int) -> datetime | None:
        """
        The time that contracts see in a block: by it a grant ends, whatever a header says. None
        where the endpoint runs no code of a caller.
        """
        ...

    async def code(self, address: Address) -> bytes:
        """The newest code at an address; empty if there is none."""
        ...

    async def transaction_count(self, address: Address) -> int:
        """The nonce that an EOA's next transaction or authorization has (EIP-7702)."""
        ...

    async def balance(
        self, holder: Address, token: Address | None, *, block: int | None = None
    ) -> int:
        """Balance of a token, or of the native coin (None), after a block; None is the newest."""
        ...


class Signer(Protocol):
    """A key. It signs what the guard approved and nothing else."""

    @property
    def address(self) -> Address:
        """Whose signatures these are."""
        ...

    async def sign(self, approved: Approved) -> bytes:
        """
        65 bytes r ‖ s ‖ v over `approved.digest`, v 27 or 28, low s.

        Raises:
            SignerError: the key is missing, locked, another's, or not for this kind of chain.
        """
        ...


class Clock(Protocol):
    """Time (M12): nothing else in the program reads or awaits it."""

    def now(self) -> datetime:
        """The wall clock, aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment, never backwards."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[Any]:
        """Bound the body's time; raises TimeoutError from the block."""
        ...

    async def idle(self, bell: Event, seconds: float) -> None:
        """
        Wait for a bell, but look again after a while, since what is watched rings no bell.

        A clock that makes its time itself looks again when it next moves, after `seconds` at the
        earliest: as long as it stands still, nothing can have changed.
        """
        ...

    def observe(self, head: datetime) -> None:
        """Told the newest block's time at every look: what a `wallet` clock lives on (R17)."""
        ...


class Telemetry(Protocol):
    """What people and machines see happening: one event a step, no secrets."""

    def emit(self, event: str, **fields: Any) -> None:
        """`event` is dotted (`run.sent`); a field `level` may be info, warning, error, critical."""
        ...


class Alarm(Protocol):
    """Wakes the daemon: at a moment, and every second besides (M1)."""

    def ring_in(self, seconds: float | None) -> None:
        """Move the alarm; None leaves the heartbeat alone."""
        ...

    async def wait(self) -> None:
        """Until the alarm or the heartbeat rings; several rings count once."""
        ...


class KeyRing(Protocol):
    """Session keys: made from the system's entropy, opened from the vault to sign."""

    def new_session_key(self) -> tuple[bytes, Address]:
        """A fresh private key (32 bytes, on its way into the vault) and its address."""
        ...

    def session_signer(self, grant: Grant) -> Signer:
        """
        The signer of one generation.

        Raises:
            StoreError: its key was destroyed.
        """
        ...


class Ledger(Protocol):
    """
    The only truth about the past. Every method is one transaction, durable when it returns.

    `freeze` and `note` are written in order but need not be waited for (S3). All raise
    `Conflict` when the row moved on, `StoreError` when nothing could be written.
    """

    async def install_schedules(
        self,
        seeds: Sequence[ScheduleSeed],
        *,
        named: Sequence[Named] = (),
        decided: Sequence[Claim] = (),
        decided_until: Mapping[str, datetime] = MappingProxyType({}),
        now: datetime,
    ) -> Installed:
        """
        Bring the ledger's schedules to those of the policies in force (T5, T10).

        Args:
            named: What schedules and sessions are called today.
            decided: What fell due under the policies before, in the same transaction (X17).
        """
        ...

    async def superseded(self, triggers: Mapping[str, str]) -> dict[str, ScheduleState]:
        """Active schedules, by uid, that are not among these, or have another trigger there."""
        ...

    async def applied_texts(self, policies: Sequence[str]) -> dict[str, str]:
        """Policies as they were applied last, by name, where they were written down."""
        ...

    async def identities(self) -> Identities:
        """Every schedule and session ever applied, and what it is called today (T10)."""
        ...

    async def schedules(self, *, session: str | None = None) -> dict[str, ScheduleState]:
        """All schedules ever applied, or those of a session, by uid."""
        ...

    async def pause_schedule(self, uid: str, *, reason: str, now: datetime) -> None:
        """Stop claiming for a schedule (M10)."""
        ...

    async def keep_evidence(
        self, subject: str, *, what: str, findings: Sequence[Finding], now: datetime
    ) -> None:
        """What the guard would not sign, field by field; `subject` is a run or a session."""
        ...

    async def paused(self, schedule: str, *, now: datetime) -> str | None:
        """Why nothing of a schedule is to be signed now, if an operator or a breaker says so."""
        ...

    async def stopped(self) -> str | None:
        """Why nothing at all may be signed or sent, if an operator says so (O8)."""
        ...

    async def complete(self, schedules: Sequence[str], *, now: datetime) -> None:
        """No slot of these is left: they are over (T9)."""
        ...

    async def claim(
        self, decided: Sequence[Claim], *, decided_until: Mapping[str, datetime], now: datetime
    ) -> tuple[list[Run], list[Claim]]:
        """
        One row for every decided slot, one run for every slot of ours (S1, X14).

        Returns the runs, and the slots that were decided against, as decided.
        """
        ...

    async def promote(
        self, schedule: str, *, deadline_at: datetime, pace: Pace | None = None, now: datetime
    ) -> tuple[Run | None, datetime | None]:
        """
        The oldest slot that waits behind a running one becomes claimed (M7); late ones at their
        pace (M5).

        Returns:
            The run, if there is one, and when to ask again, if that is known.
        """
        ...

    async def reserve(
        self, run: Run, wanted: Sequence[Reservation], *, deadline_at: datetime, now: datetime
    ) -> Run | None:
        """
        A held run takes its amounts and goes on, if its budgets have room by now (X14).

        It is skipped, and its schedule completed, where the total is used up for good (T9).
        """
        ...

    async def open_runs(self) -> list[Run]:
        """Every run that is not closed, oldest first."""
        ...

    async def pinned_runs(self, grants: Sequence[int]) -> list[Run]:
        """Those among them that are pinned to one of these generations, oldest first."""
        ...

    async def has_open_runs(self, session: str) -> bool:
        """Whether a run of this session is not closed."""
        ...

    async def run(self, identity: str) -> Run:
        """One run as it stands."""
        ...

    async def operations(self, run: str) -> list[Operation]:
        """All operations signed for a run, oldest first."""
        ...

    async def move(
        self,
        run: Run,
        state: State,
        *,
        reason: Reason | None = None,
        detail: str | None = None,
        now: datetime,
        deadline_at: datetime | None = None,
    ) -> Run:
        """One legal move of a run."""
        ...

    def freeze(
        self,
        run: Run,
        *,
        intent: Sequence[Call],
        transfers: Sequence[TransferLine],
        grant: Grant,
        revision: str,
        reservations: Sequence[Reservation],
        on_budget: str,
        now: datetime,
    ) -> Awaitable[Run]:
        """
        The run becomes prepared: intent, revision and generation are pinned (X6).

        Held or skipped(budget), if the frozen amounts do not fit their budgets any more.
        """
        ...

    async def history(
        self, schedule: str, *, names: Sequence[str], addresses: Sequence[Address]
    ) -> History:
        """What was paid before, as far as a run to these receivers depends on it (B10, X9)."""
        ...

    async def consent(
        self, run: Run, wanted: Consent, *, reason: Reason, now: datetime
    ) -> tuple[Run, bool]:
        """
        A frozen run goes on if somebody has approved it; else it is held, and somebody asked.

        Returns:
            The run, and whether nobody had been asked before.
        """
        ...

    async def ask_ahead(self, wanted: Sequence[Consent], *, now: datetime) -> list[Consent]:
        """Ask for approvals before the runs are there; those nobody had been asked for (B9)."""
        ...

    async def sign(self, run: Run, operation: NewOperation, *, now: datetime) -> Run:
        """The point of no return: bytes, hash and fence (X1, X5)."""
        ...

    def note(
        self,
        run: Run,
        operation: str,
        status: OperationStatus,
        *,
        detail: str | None,
        call_id: str | None = None,
        now: datetime,
    ) -> Awaitable[Run]:
        """What the service answered to a send."""
        ...

    async def include(self, run: Run, inclusion: Inclusion, *, now: datetime) -> Run:
        """An operation of this run is in a block."""
        ...

    async def exclude(self, run: Run, operation: str, *, now: datetime) -> Run:
        """A reorganisation took it out again (S6)."""
        ...

    async def close(
        self,
        run: Run,
        state: State,
        *,
        winner: str | None,
        outcome: OperationStatus,
        reason: Reason | None = None,
        detail: str | None = None,
        observed: Sequence[TransferLine] = (),
        retry_until: datetime | None = None,
        retry_held: bool = False,
        now: datetime,
    ) -> Run:
        """The end of a signed run, on evidence alone; and its next attempt, if one is due."""
        ...

    async def closed_since(self, chain: int, block: int) -> list[Operation]:
        """What payments were closed on, included in this block or later (X13)."""
        ...

    async def contradict(self, run: Run, operation: str, *, now: datetime) -> Run:
        """What closed a run is not on the chain: the same row is open again, in `sent` (X13)."""
        ...

    async def successor(self, run: Run) -> Run | None:
        """The attempt that followed a closed run, if there is one (S4)."""
        ...

    async def failures_in_row(self, schedule: str) -> int:
        """Failed runs of a schedule since its last success (M10)."""
        ...

    async def transfers(self, run: str) -> list[TransferLine]:
        """What a frozen intent moves."""
        ...

    async def moving(self, chain: int, *, block: int) -> list[Movement]:
        """What open runs on a chain may still move that balances after a block do not show."""
        ...

    async def recent(self, schedule: str, *, count: int) -> list[list[TransferLine]]:
        """
        What each of the newest runs moved that paid, or found nothing to do, the newest first.

        Those before the schedule was last resumed are not among them.
        """
        ...

    async def charged(self, grant: int) -> dict[str, dict[str, int]]:
        """By run pinned to this grant and not closed without success: base units per token."""
        ...

    async def fees_since(self, chain: int, sender: Address, since: datetime) -> int:
        """Wei that operations signed since then have cost, or may still cost (G2)."""
        ...

    async def open_request(self, operation: str) -> bytes:
        """The bytes that send an operation, as they were signed."""
        ...

    async def grants(self, session: str | None = None) -> list[Grant]:
        """Every generation, oldest first."""
        ...

    async def generations(self, session: str) -> list[Grant]:
        """A session's generations that still bind somebody, and its newest; oldest first."""
        ...

    async def new_grant(self, new: NewGrant, key: bytes) -> Grant:
        """Write a generation down before anyone is asked."""
        ...

    async def adopt_foreign(self, new: NewGrant, entity_id: int) -> Grant:
        """Write down what was found on an account, its generation the entity (X18, X19)."""
        ...

    async def offered(
        self, grant: Grant, *, session_id: bytes, entity_id: int, nonce: int, now: datetime
    ) -> Grant:
        """What a person is asked to sign: still requested, and known to the last bit (R18)."""
        ...

    async def owner_signed(
        self,
        grant: Grant,
        *,
        session_id: bytes,
        entity_id: int,
        nonce: int,
        context: bytes,
        now: datetime,
    ) -> Grant:
        """The owner's signature is in, and its context kept (R21)."""
        ...

    async def activation(self, grant: Grant, *, now: datetime) -> Run:
        """The one run that installs this grant (X2)."""
        ...

    async def revocation(self, grant: Grant, *, now: datetime, again: bool = False) -> Run:
        """
        The newest run that takes this grant off the account (X15), begun if there is none.

        Args:
            again: Begin another one where it is closed.
        """
        ...

    async def let_go_at(self, grant: int) -> datetime | None:
        """When the last run that was pinned to a grant was closed (R12); None without any."""
        ...

    async def activate(self, grant: Grant, *, now: datetime) -> Grant:
        """The generation serves, and the one before it drains (R12)."""
        ...

    async def move_grant(
        self, grant: Grant, state: GrantState, *, detail: str | None = None, now: datetime
    ) -> Grant:
        """One step of a grant's life; its end destroys key and context."""
        ...

    def open_context(self, grant: Grant) -> bytes:
        """The context that goes with every request under this grant."""
        ...

    async def paymaster_pin(self, wallet: str, chain: int) -> Address | None:
        """The paymaster seen first (G4)."""
        ...

    async def pin_paymaster(
        self, wallet: str, chain: int, paymaster: Address, *, now: datetime
    ) -> None:
        """Remember it."""
        ...


class Commands(Protocol):
    """Wishes of operators (O10); a ledger that nobody else can reach has none."""

    async def version(self) -> int:
        """A number that changes with whatever another connection has committed."""
        ...

    async def asked(self) -> list[Command]:
        """Wishes that nobody has acted on, oldest first."""
        ...

    async def answer(
        self,
        command: Command,
        state: CommandState,
        text: str,
        *,
        data: Mapping[str, Any] = ...,
        now: datetime,
    ) -> None:
        """Say what came of a wish that changes nothing else in the ledger; once."""
        ...

    async def pauses(self) -> list[Pause]:
        """What is paused or stopped."""
        ...

    async def lift_ended(self, *, now: datetime) -> list[Pause]:
        """Pauses whose end has come are over (O1)."""
        ...


class Copies(Protocol):
    """A ledger that may be a copy of another, restored (X18)."""

    async def copied_at(self) -> datetime | None:
        """When it was copied, while nobody has looked for what was paid since."""
        ...

    async def first_block(self, chain: int) -> int:
        """From this block on it may not know what was included."""
        ...

    async def adopt(self, found: Adoption, *, now: datetime) -> Run:
        """Write down what the chain shows of a slot, from its claim to its end."""
        ...

    async def reconciled(self, *, adopted: int, missed: int, now: datetime) -> None:
        """Everything was looked for: it is a ledger like any other."""
        ...


class Verbs(Protocol):
    """
    What an operator may do to runs and slots. Each answers its command in the same transaction.

    All raise `UsageError` with what stands in the way, `Conflict` where the row moved on.
    """

    async def schedules(self) -> dict[str, ScheduleState]:
        """All schedules ever applied, by uid."""
        ...

    async def run(self, identity: str) -> Run:
        """One run as it stands."""
        ...

    async def retry(
        self,
        command: Command,
        run: Run,
        *,
        deadline_at: datetime,
        reservations: Sequence[Reservation],
        now: datetime,
    ) -> Run:
        """A held run goes on; a reverted or dead one gets its next attempt (O7)."""
        ...

    async def approve(
        self,
        command: Command,
        schedule: str,
        slot: str,
        digest: str,
        *,
        deadline_at: datetime,
        now: datetime,
    ) -> Run | None:
        """
        Say yes to exactly what was asked of a slot; its run goes on, if it is there (B9, B10, X9).

        Args:
            digest: Of the intent that the person was shown (X6).
        """
        ...

    async def cancel(self, command: Command, run: Run, *, now: datetime) -> Run:
        """What is not signed is skipped; what is, is to be burned (X4, X5)."""
        ...

    async def take(self, command: Command, wanted: Sequence[Take], *, now: datetime) -> list[Run]:
        """Claim or reopen slots by hand (O4, O5, X11)."""
        ...

    async def skip(self, command: Command, claim: Claim, *, now: datetime) -> Run | None:
        """Decide against a slot, or take its run back while it is unsigned (O6)."""
        ...

    async def decided_after(self, schedule: str, instant: datetime) -> frozenset[str]:
        """Slots that have a row and are due after an instant."""
        ...


class GrantVerbs(Protocol):
    """What an operator may do to grants. Each answers its command in the same transaction."""

    async def grants(self, session: str | None = None) -> list[Grant]:
        """Every generation, oldest first."""
        ...

    async def revoke_grants(
        self, command: Command, wanted: Sequence[Grant], *, now: datetime
    ) -> list[Grant]:
        """These sign no more from here on, and are to be taken off; those that were stopped."""
        ...

    async def accept_signature(
        self, command: Command, grant: Grant, context: bytes, *, now: datetime
    ) -> None:
        """The owner's signature has come back by hand: its context is kept (R18, R21)."""
        ...

    async def hasten_grant(self, command: Command, grant: Grant | None, *, now: datetime) -> None:
        """The successor of a generation is due now; None: the first one is."""
        ...


class Breaches(Protocol):
    """What is overdue, and what was told of it (M11)."""

    async def signal_facts(
        self, schedules: Collection[str], *, now: datetime
    ) -> Mapping[str, Facts]:
        """What signals depend on, of these schedules."""
        ...

    async def report_breaches(
        self, current: Sequence[Breach], *, now: datetime
    ) -> tuple[list[Breach], list[Breach]]:
        """Write down what is overdue now; returns what is new among it, and what is over."""
        ...


@frozen
class Letter:
    """A message on its way to one destination."""

    id: int
    message: Message
    destination: str
    written_at: datetime
    attempts: int


class AlertBook(Protocol):
    """What people were told, and what they are still to be told."""

    async def incidents(self) -> list[Incident]:
        """The last of each cause, open or over."""
        ...

    async def keep_incidents(
        self,
        changed: Sequence[Incident],
        letters: Sequence[tuple[Message, Sequence[str]]],
        *,
        now: datetime,
    ) -> None:
        """Incidents as they are now, and what is told of them to which destinations; at once."""
        ...

    async def standing(self, *, now: datetime) -> list[tuple[str, Mapping[str, Any]]]:
        """What the ledger shows to be the matter, as the events that told it."""
        ...

    async def waiting(self, destination: str, *, limit: int) -> list[Letter]:
        """What was not delivered yet, oldest first."""
        ...

    async def delivered(self, letter: Letter, *, now: datetime) -> None:
        """A channel took it."""
        ...

    async def undelivered(
        self, letter: Letter, error: str, *, now: datetime, give_up: bool
    ) -> None:
        """A channel did not take it."""
        ...


class Channel(Protocol):
    """A way to people."""

    @property
    def name(self) -> str:
        """What it is referred to by in runner.yaml; never its URL."""
        ...

    async def send(self, message: Message) -> None:
        """
        Deliver.

        Raises:
            Undelivered: nobody took it, as far as we know.
        """
        ...
