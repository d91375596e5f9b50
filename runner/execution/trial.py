"""
An account and its sessions for trying a wallet service out, apart from all that pays.

Grants and operations are made, checked and signed as the daemon does it, but nothing is written
down: what is signed here is worth nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from runner.errors import GuardError
from runner.ethereum.address import Address
from runner.ethereum.hashing import keccak256
from runner.ethereum.modular_account import semi_modular_account_address, session_context
from runner.ethereum.nonce import Nonce
from runner.ethereum.permissions import (
    ContractAccess,
    GasLimit,
    NativeTokenTransfer,
    Permission,
)
from runner.execution.contexts import Venue
from runner.frozen import frozen
from runner.guard.checks import ApprovedOperation
from runner.guard.grants import GrantTerms, check_grant
from runner.guard.offer import OperationOffer
from runner.guard.operation import OperationTerms, check_operation
from runner.guard.verdict import Refused
from runner.ports import FeeOverride, OperationEvent, Signer

SALT: Final = int.from_bytes(keccak256(b"runner/doctor/live/v1"), "big")
"""Salt of the account that is used for nothing else."""

_OPERATIONS = 24
"""At least as many operations as are ever tried, for the gas limit of the sessions."""


@dataclass(slots=True)
class TrialSession:
    """A session of the account, and whether it is installed yet."""

    key: Signer
    permissions: tuple[Permission, ...]
    expires_at: datetime
    entity_id: int
    grant_nonce: int
    context: bytes = field(repr=False)
    installed: bool = False

    def fence(self, parallel: int) -> int:
        """The nonce of the first operation on a nonce key of our own."""
        return Nonce(parallel, self.entity_id, 0, 0).value


@frozen
class Sealed:
    """A signed operation, ready to be sent."""

    request: bytes = field(repr=False)
    verdict: ApprovedOperation

    @property
    def nonce(self) -> int:
        return self.verdict.operation.nonce


@dataclass(slots=True)
class Trial:
    """
    Where to try: the owner, who pays, and what one operation may cost in wei.

    Args:
        gas_policy: Id of the policy that sponsors; None: the account pays.
        new_key: Makes a fresh session key.
        entropy: For nonce keys.
    """

    venue: Venue
    owner: Signer
    gas_policy: str | None
    max_fee: int
    new_key: Callable[[], Signer]
    entropy: Callable[[int], bytes]
    from_block: int = 0
    _living: set[int] = field(default_factory=set)

    @property
    def account(self) -> Address:
        """The account that is used for nothing else."""
        return semi_modular_account_address(self.owner.address, SALT)

    def permissions(self) -> tuple[Permission, ...]:
        """The least that may call `executeBatch`: the owner's address, without value."""
        gas = 0 if self.gas_policy is not None else _OPERATIONS * self.max_fee
        return NativeTokenTransfer(0), GasLimit(gas), ContractAccess(self.owner.address)

    def unix(self, lifetime: timedelta) -> int:
        """The second in which a life that begins now ends."""
        return int((self.venue.clock.now() + lifetime).timestamp())

    def parallel(self) -> int:
        """A nonce key that nobody has used."""
        return int.from_bytes(self.entropy(19), "big")

    async def session(self, lifetime: timedelta) -> TrialSession:
        """A session that the owner has signed; nothing of it is on the chain yet."""
        key, permissions = self.new_key(), self.permissions()
        expiry = self.unix(lifetime)
        offer = await self.venue.api.create_session(
            account=self.account,
            chain_id=self.venue.chain_id,
            expiry=expiry,
            key=key.address,
            permissions=permissions,
        )
        terms = GrantTerms(
            chain_id=self.venue.chain_id,
            account=self.account,
            owner=self.owner.address,
            key=key.address,
            permissions=permissions,
            expiry=expiry,
            living_entities=frozenset(self._living),
            sandbox=self.venue.sandbox,
        )
        verdict = check_grant(terms, offer)
        if isinstance(verdict, Refused):
            raise GuardError(f"refused to sign the grant: {verdict}")
        signature = await self.owner.sign(verdict.approved)
        self._living.add(verdict.entity_id)
        ends = datetime.fromtimestamp(expiry, UTC)
        return TrialSession(
            key=key,
            permissions=permissions,
            expires_at=ends,
            entity_id=verdict.entity_id,
            grant_nonce=verdict.nonce,
            context=session_context(offer.session_id, signature),
        )

    async def fenced(self, session: TrialSession) -> Sealed:
        """An empty operation on a nonce key of its own, signed and not sent."""
        parallel = self.parallel()
        return await self.sealed(session, nonce=session.fence(parallel), parallel=parallel)

    async def sealed(self, session: TrialSession, *, nonce: int, parallel: int | None) -> Sealed:
        """An empty operation on this nonce, signed and not sent."""
        offer = await self.prepare(session, parallel)
        return await self.seal(session, offer, nonce)

    async def prepare(
        self,
        session: TrialSession,
        parallel: int | None,
        fees: FeeOverride | None = None,
    ) -> OperationOffer:
        """Ask for an operation without calls."""
        return await self.venue.api.prepare_calls(
            account=self.account,
            chain_id=self.venue.chain_id,
            calls=(),
            context=session.context,
            gas_policy=self.gas_policy,
            nonce_key=parallel,
            fees=fees,
        )

    async def seal(
        self,
        session: TrialSession,
        offer: OperationOffer,
        nonce: int,
        fees: FeeOverride | None = None,
    ) -> Sealed:
        """
        Check and sign what was prepared.

        Raises:
            GuardError: it is not what was asked for.
        """
        terms = OperationTerms(
            chain_id=self.venue.chain_id,
            account=self.account,
            intent=(),
            permissions=session.permissions,
            expiry=int(session.expires_at.timestamp()),
            nonce=nonce,
            session_key=session.key.address,
            sponsored=self.gas_policy is not None,
            paymaster=None,
            max_fee=self.max_fee,
            sandbox=self.venue.sandbox,
            now=int(self.venue.clock.now().timestamp()),
            least_fees=None
            if fees is None
            else (fees.max_fee_per_gas, fees.max_priority_fee_per_gas),
            deploys_for=None if session.installed else (self.owner.address, SALT),
        )
        verdict = check_operation(terms, offer)
        if isinstance(verdict, Refused):
            raise GuardError(f"refused to sign an operation: {verdict}")
        signature = await session.key.sign(verdict.approved)
        request = self.venue.api.seal(
            offer, signature, context=session.context, gas_policy=self.gas_policy
        )
        return Sealed(request, verdict)

    async def included(self, nonce: int) -> OperationEvent | None:
        """Watch the chain until an operation on this nonce is in a block, at most `inclusion`."""
        patience = self.venue.margins.inclusion.total_seconds() + 5
        try:
            async with self.venue.clock.timeout(patience):
                while True:
                    head = await self.look()
                    events = await self.venue.chain.operation_events(
                        [self.account], from_block=self.from_block, to_block=head
                    )
                    for event in events:
                        if event.nonce == nonce:
                            return event
                    await self.venue.clock.sleep(self.venue.poll_seconds)
        except TimeoutError:
            return None

    async def look(self) -> int:
        """Read the head: its number, and its time for the clock."""
        head = await self.venue.chain.head()
        self.venue.clock.observe(head.timestamp)
        return head.number

    async def sleep_until(self, moment: datetime) -> None:
        """Wait until the chain's time has come to a moment."""
        await self.look()
        wait = (moment - self.venue.clock.now()).total_seconds()
        await self.venue.clock.sleep(max(wait, 0.0))
