"""
The policies, ready to run: each account, session and schedule with what it needs at hand.

Made once by `bootstrap` for the policies in force; nothing in here changes afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta

from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.permissions import Erc20TokenTransfer, NativeTokenTransfer, Permission
from runner.execution.lane import Lane
from runner.frozen import frozen
from runner.guard.budget import Budgets, Reservation, is_bounded
from runner.guard.intent import NATIVE, Intent, is_computed
from runner.planning.consent import Doubt, intent_digest
from runner.planning.renewal import Margins
from runner.policy.model import (
    AccountType,
    Asset,
    CatchUp,
    OverlapKind,
    Schedule,
    Session,
    SmartAccount,
    SponsoredGas,
)
from runner.ports import ChainReader, Clock, Signer, WalletApi
from runner.records import Claim, Consent, Pace
from runner.scheduling.blackout import Blackouts
from runner.scheduling.occurrence import State

SECOND_LOOK = timedelta(minutes=1)
"""R23: everything is looked at again this often, whatever the timers say."""


@frozen
class Finality:
    """When an inclusion counts as certain (X13): blocks on top and itself, and their age."""

    blocks: int
    age: timedelta


@frozen
class Venue:
    """
    One chain through one wallet profile: where operations go, and where evidence comes from.

    `independent` says that `chain` does not ask the wallet service itself (X12).
    """

    wallet: str
    chain_id: int
    api: WalletApi
    chain: ChainReader
    clock: Clock
    margins: Margins
    finality: Finality
    poll_seconds: float
    sandbox: bool
    independent: bool
    gas_policies: Mapping[str, str]
    second_look: timedelta = SECOND_LOOK
    computing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from reading balances to freezing what follows from them: one run sees the other's."""

    @property
    def name(self) -> str:
        return f"{self.wallet}/{self.chain_id}"


@frozen
class AccountContext:
    """
    An account with its address, its owner's signer and its lane; `by_hand`: a person signs (R18).
    """

    spec: SmartAccount
    address: Address
    owner: Signer
    venue: Venue
    lane: Lane
    max_fee: int
    by_hand: bool = False

    @property
    def is_eoa(self) -> bool:
        """Whether it is its owner's own address, which runs contract code by EIP-7702."""
        return self.spec.type is AccountType.EIP7702

    @property
    def deploys_for(self) -> tuple[Address, int] | None:
        """Owner and salt of the factory call that may come first; None: nothing deploys an EOA."""
        return None if self.is_eoa else (self.owner.address, self.spec.salt)

    @property
    def gas_policy(self) -> str | None:
        """The id of the gas policy that sponsors this account; None: it pays itself."""
        if isinstance(self.spec.gas, SponsoredGas):
            return self.venue.gas_policies[self.spec.gas.policy]
        return None


@frozen
class SessionContext:
    """
    A session with the permissions it asks for.

    `scope` is a digest of the permissions: a grant of another scope is out of date. `room` is
    the longest that any of its runs needs before a grant's end. `max_exposure` is what the policy
    writes, by token address or `native` (R14). `reached` is whom its schedules call, whenever that
    is (R13); `dearest` the most that one run takes, by token.
    """

    spec: Session
    account: AccountContext
    permissions: tuple[Permission, ...]
    scope: str
    room: timedelta
    max_exposure: Mapping[str, int]
    reached: frozenset[Address] = frozenset()
    dearest: Mapping[str, int] = field(default_factory=dict)

    @property
    def uid(self) -> str:
        return self.spec.uid

    @property
    def venue(self) -> Venue:
        return self.account.venue


@frozen
class Terms:
    """
    What can be known of a schedule without asking a wallet: enough to claim a slot of it.

    `session` is a uid, `most` what a run does at most.
    """

    spec: Schedule
    session: str
    most: Intent
    budgets: Budgets
    run_deadline: timedelta

    def claim(
        self,
        slot: str,
        *,
        due_at: datetime,
        now: datetime,
        charged_at: datetime | None = None,
        exclusive: bool | None = None,
    ) -> Claim:
        """
        A slot as an operator claims it: it has no catch-up window (X11).

        Args:
            charged_at: Whose periods its budgets are; its own due time unless told (O5).
            exclusive: Whether it lets no run beside it; as the policy says unless told (O4).
        """
        alone = self.spec.overlap.kind is not OverlapKind.ALLOW
        return Claim(
            schedule=self.spec.uid,
            slot=slot,
            due_at=due_at,
            decision=State.CLAIMED,
            session=self.session,
            exclusive=alone if exclusive is None else exclusive,
            deadline_at=now + self.run_deadline,
            reservations=self.reservations(charged_at or due_at, slot),
            on_budget=self.spec.on_budget,
            charged_at=charged_at,
        )

    def reservations(self, charged_at: datetime, slot: str) -> tuple[Reservation, ...]:
        """The most that a run of this slot may take of its budgets (X14)."""
        return self.budgets.reservations(self.most.sums, due_at=charged_at, slot=slot)


@frozen
class ScheduleContext:
    """
    A schedule with its intent encoded: the intent of every run, unless it has computed calls;
    then it is what a run does at most. `assets` are the policy's, by token address or `native`.
    """

    spec: Schedule
    session: SessionContext
    most: Intent
    assets: Mapping[str, Asset]
    revision: str
    run_deadline: timedelta
    room: timedelta

    @property
    def uid(self) -> str:
        return self.spec.uid

    @property
    def is_computed(self) -> bool:
        """Whether amounts are read from the chain when a run is prepared (G10)."""
        return any(is_computed(call) for call in self.spec.calls)

    @property
    def terms(self) -> Terms:
        """What of it needs no wallet."""
        return Terms(self.spec, self.session.uid, self.most, self.budgets, self.run_deadline)

    @property
    def blackouts(self) -> Blackouts:
        """When nothing of it is paid (B1)."""
        return Blackouts.of(self.spec.blackout)

    @property
    def budgets(self) -> Budgets:
        """What its runs are charged to."""
        return Budgets.of(self.spec, self.session.spec)

    @property
    def pace(self) -> Pace | None:
        """How its late slots are worked off, if all of them are (M5)."""
        if self.spec.catch_up is not CatchUp.ALL:
            return None
        return Pace(
            apart=self.spec.catch_up_rate,
            late=self.spec.start_grace + self.spec.jitter,
            run_deadline=self.run_deadline,
            beside=self.spec.overlap.kind is OverlapKind.ALLOW,
        )

    def consent(
        self,
        slot: str,
        attempt: int,
        due_at: datetime,
        calls: Sequence[Call],
        why: Sequence[Doubt],
    ) -> Consent:
        """What a person is asked about a run of these calls."""
        return Consent(
            schedule=self.uid,
            slot=slot,
            attempt=attempt,
            digest=intent_digest(self.uid, slot, attempt, calls),
            due_at=due_at,
            detail="; ".join(one.detail for one in why),
            approvers=max((one.approvers for one in why), default=1),
        )

    def reservations(
        self, *, due_at: datetime, slot: str, intent: Intent | None = None
    ) -> tuple[Reservation, ...]:
        """
        What a run of this slot charges to its budgets.

        Args:
            intent: Once it is known; until then the most that it may be counts (X14).
        """
        if not is_bounded(self.spec, self.session.spec):
            return ()
        sums = (intent or self.most).sums
        return self.budgets.reservations(sums, due_at=due_at, slot=slot)


class TermsOf(Mapping[str, Terms]):
    """The terms of schedules by uid, made when they are asked for."""

    def __init__(self, schedules: Mapping[str, ScheduleContext]) -> None:
        self._schedules = schedules

    def __getitem__(self, uid: str) -> Terms:
        return self._schedules[uid].terms

    def __iter__(self) -> Iterator[str]:
        return iter(self._schedules)

    def __len__(self) -> int:
        return len(self._schedules)


def allowances(permissions: tuple[Permission, ...]) -> dict[str, int]:
    """What a grant may spend per token address (or `native`); tokens without a limit are absent."""
    found: dict[str, int] = {}
    for permission in permissions:
        if isinstance(permission, Erc20TokenTransfer):
            found[permission.address] = permission.allowance
        elif isinstance(permission, NativeTokenTransfer):
            found[NATIVE] = permission.allowance
    return found
