"""Grants in memory: asking, signing, activating, draining, and the end of each."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from runner.adapters.memory.budgets import Budgets
from runner.adapters.memory.rows import Tables
from runner.errors import StoreError
from runner.ethereum.address import Address
from runner.records import BINDING_GRANTS, Grant, GrantState, NewGrant, Run, RunKind
from runner.scheduling.occurrence import State

_DESTROYS_KEY = frozenset(
    {GrantState.RETIRED, GrantState.EXPIRED, GrantState.REVOKED, GrantState.ABANDONED}
)
_CLOSED = frozenset({GrantState.EXPIRED, GrantState.REVOKED, GrantState.ABANDONED})


class MemoryGrants:
    """The ledger's half about grants. Nothing is sealed: nothing outlives the process."""

    def __init__(self) -> None:
        self.rows = Tables()
        self.budgets = Budgets()

    async def grants(self, session: str | None = None) -> list[Grant]:
        """Every generation, of one session or of all, oldest first."""
        if session is not None:
            return self.rows.grants_of(session)
        return sorted(
            self.rows.grants.values(), key=lambda grant: (grant.session, grant.generation)
        )

    async def generations(self, session: str) -> list[Grant]:
        """A session's generations that still bind somebody, and its newest; oldest first."""
        every = self.rows.grants_of(session)
        return [one for one in every[:-1] if one.state in BINDING_GRANTS] + every[-1:]

    async def grant(self, identity: int) -> Grant:
        """One generation as it stands."""
        return self.rows.grants[identity]

    async def adopt_foreign(self, new: NewGrant, entity_id: int) -> Grant:
        """Write down what was found on an account, its generation the entity (X18, X19)."""
        for one in self.rows.grants_of(new.session):
            if one.generation == entity_id:
                again = {"state": GrantState.FOREIGN, "closed_at": None, "detail": None}
                return self.rows.change_grant(one, **again)
        made = self._made(new, entity_id, GrantState.FOREIGN)
        grant = replace(made, entity_id=entity_id, next_renewal_at=None)
        self.rows.add_grant(grant)
        return grant

    async def new_grant(self, new: NewGrant, key: bytes) -> Grant:
        """Write a generation down as requested, before anyone is asked."""
        before = self.rows.grants_of(new.session)
        number = before[-1].generation + 1 if before else 1
        grant = replace(self._made(new, number, GrantState.REQUESTED), key_sealed=key)
        self.rows.add_grant(grant)
        return grant

    def _made(self, new: NewGrant, generation: int, state: GrantState) -> Grant:
        return Grant(
            id=len(self.rows.grants) + 1,
            session=new.session,
            generation=generation,
            state=state,
            chain=new.chain,
            account=new.account,
            wallet=new.wallet,
            key_address=new.key_address,
            key_sealed=None,
            permissions=new.permissions,
            scope=new.scope,
            requested_at=new.requested_at,
            expires_at=new.expires_at,
            next_renewal_at=new.next_renewal_at,
            session_id=None,
            entity_id=None,
            nonce=None,
            context_sealed=None,
            activated_at=None,
            draining_at=None,
            closed_at=None,
            detail=None,
            version=1,
        )

    async def offered(
        self, grant: Grant, *, session_id: bytes, entity_id: int, nonce: int, now: datetime
    ) -> Grant:
        """What a person is asked to sign: still requested, and known to the last bit (R18)."""
        del now
        return self.rows.change_grant(
            grant, session_id="0x" + session_id.hex(), entity_id=entity_id, nonce=nonce
        )

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
        del now
        return self.rows.change_grant(
            grant,
            state=GrantState.OWNER_SIGNED,
            session_id="0x" + session_id.hex(),
            entity_id=entity_id,
            nonce=nonce,
            context_sealed=context,
        )

    async def activation(self, grant: Grant, *, now: datetime) -> Run:
        """The one run that installs this grant (X2)."""
        identity = f"activation:{grant.session}#{grant.generation}"
        if identity not in self.rows.runs:
            self.rows.add_run(_activation(grant, identity, now), exclusive=False)
        if grant.state is not GrantState.ACTIVATING:
            self.rows.change_grant(grant, state=GrantState.ACTIVATING)
        return self.rows.runs[identity]

    async def revocation(self, grant: Grant, *, now: datetime, again: bool = False) -> Run:
        """The newest run that takes this grant off the account (X15), begun if there is none."""
        earlier = [
            run
            for run in self.rows.runs.values()
            if run.kind is RunKind.REVOCATION and run.grant_id == grant.id
        ]
        if earlier and (earlier[-1].closed_at is None or not again):
            return earlier[-1]
        attempt = len(earlier) + 1
        identity = f"revocation:{grant.session}#{grant.generation}/{attempt}"
        run = replace(
            _activation(grant, identity, now),
            kind=RunKind.REVOCATION,
            schedule=f"revocation:{grant.session}",
            attempt=attempt,
            due_at=now,
        )
        self.rows.add_run(run, exclusive=False)
        return run

    async def let_go_at(self, grant: int) -> datetime | None:
        """When the last run that was pinned to a grant was closed (R12); None without any."""
        closed = (run.closed_at for run in self.rows.runs.values() if run.grant_id == grant)
        return max((moment for moment in closed if moment is not None), default=None)

    async def activate(self, grant: Grant, *, now: datetime) -> Grant:
        """The new generation serves, the one before it drains: one moment for both (R12)."""
        for other in self.rows.grants_of(grant.session):
            if other.state is GrantState.ACTIVE:
                self.rows.change_grant(other, state=GrantState.DRAINING, draining_at=now)
        return self.rows.change_grant(grant, state=GrantState.ACTIVE, activated_at=now)

    async def move_grant(
        self, grant: Grant, state: GrantState, *, detail: str | None = None, now: datetime
    ) -> Grant:
        """One step of a grant's life; its end destroys key and context."""
        values: dict[str, Any] = {"state": state, "detail": detail}
        if state is GrantState.DRAINING:
            values["draining_at"] = now
        if state in _DESTROYS_KEY:
            values |= {"key_sealed": None, "context_sealed": None}
        if state in _CLOSED:
            values["closed_at"] = now
        return self.rows.change_grant(grant, **values)

    def open_key(self, grant: Grant) -> bytes:
        """
        The session key of a generation, 32 bytes.

        Raises:
            StoreError: it was destroyed.
        """
        if grant.key_sealed is None:
            raise StoreError(f"the key of {grant.session}#{grant.generation} was destroyed")
        return grant.key_sealed

    def open_context(self, grant: Grant) -> bytes:
        """The context that goes with every request under this grant."""
        if grant.context_sealed is None:
            raise StoreError(f"{grant.session}#{grant.generation} has no context")
        return grant.context_sealed

    async def paymaster_pin(self, wallet: str, chain: int) -> Address | None:
        """The paymaster seen first (G4)."""
        return self.rows.pins.get((wallet, chain))

    async def pin_paymaster(
        self, wallet: str, chain: int, paymaster: Address, *, now: datetime
    ) -> None:
        """Remember it."""
        del now
        self.rows.pins.setdefault((wallet, chain), paymaster)


def _activation(grant: Grant, identity: str, now: datetime) -> Run:
    return Run(
        id=identity,
        kind=RunKind.ACTIVATION,
        occurrence=None,
        schedule=f"activation:{grant.session}",
        session=grant.session,
        slot="",
        part=0,
        attempt=1,
        state=State.PREPARED,
        reason=None,
        detail=None,
        due_at=grant.requested_at,
        claimed_at=now,
        deadline_at=None,
        expires_at=None,
        intent=(),
        revision=None,
        grant_id=grant.id,
        version=1,
        closed_at=None,
    )
