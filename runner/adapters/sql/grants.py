"""Grants in the ledger: asking, signing, activating, draining, and the end of each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from runner.adapters.sql import tables as t
from runner.adapters.sql.prepared import Prepared, given
from runner.adapters.sql.queries import run_by_id
from runner.adapters.sql.rows import format_permissions, grant_from
from runner.adapters.sql.store import SqlStore
from runner.adapters.sql.transaction import Transaction
from runner.adapters.vault import Vault
from runner.errors import Conflict, StoreError
from runner.ethereum.address import Address
from runner.records import BINDING_GRANTS, Grant, GrantState, NewGrant, Run, RunKind
from runner.scheduling.occurrence import State

_DESTROYS_KEY = frozenset(
    {GrantState.RETIRED, GrantState.EXPIRED, GrantState.REVOKED, GrantState.ABANDONED}
)
_CLOSED = frozenset({GrantState.EXPIRED, GrantState.REVOKED, GrantState.ABANDONED})
_PIN = Prepared(
    select(t.pins.c.paymaster).where(
        t.pins.c.wallet == given("its_wallet"), t.pins.c.chain == given("its_chain")
    )
)

_g, _newer = t.grants.c, t.grants.alias("newer").c
_GENERATIONS = Prepared(
    select(t.grants)
    .where(
        _g.session == given("its_session"),
        _g.state.in_(sorted(BINDING_GRANTS))
        | ~exists().where(_newer.session == _g.session, _newer.generation > _g.generation),
    )
    .order_by(_g.generation)
)


class GrantRows:
    """The ledger's half about grants."""

    def __init__(self, store: SqlStore, vault: Vault) -> None:
        self._store = store
        self._vault = vault
        self._pins: dict[tuple[str, int], Address] = {}
        """As they were read: a pin is never changed."""

    async def grants(self, session: str | None = None) -> list[Grant]:
        """Every generation, of one session or of all, oldest first."""
        query = select(t.grants).order_by(t.grants.c.session, t.grants.c.generation)
        if session is not None:
            query = query.where(t.grants.c.session == session)
        return await self._store.read(lambda c: [grant_from(row) for row in c.execute(query)])

    async def generations(self, session: str) -> list[Grant]:
        """A session's generations that still bind somebody, and its newest; oldest first."""
        return await self._store.glance(
            lambda c: [grant_from(row) for row in _GENERATIONS.all(c, its_session=session)]
        )

    async def grant(self, identity: int) -> Grant:
        """One generation as it stands."""
        return await self._store.read(lambda c: _grant(c, identity))

    async def adopt_foreign(self, new: NewGrant, entity_id: int) -> Grant:
        """Write down what was found on an account, its generation the entity (X18, X19)."""
        values = {
            "session": new.session,
            "generation": entity_id,
            "state": GrantState.FOREIGN.value,
            "chain": new.chain,
            "account": new.account,
            "wallet": new.wallet,
            "key_address": new.key_address,
            "permissions": format_permissions(new.permissions),
            "scope": new.scope,
            "requested_at": new.requested_at,
            "expires_at": new.expires_at,
            "entity_id": entity_id,
        }
        again = {
            "state": GrantState.FOREIGN.value,
            "closed_at": None,
            "detail": None,
            "version": t.grants.c.version + 1,
        }

        def work(tx: Transaction) -> Grant:
            row = upsert(t.grants).values(values)
            row = row.on_conflict_do_update(index_elements=["session", "generation"], set_=again)
            identity = tx.connection.execute(row.returning(t.grants.c.id)).scalar_one()
            tx.event(new.requested_at, "grant.foreign", new.session, entity=entity_id)
            return _grant(tx.connection, identity)

        return await self._store.write(work)

    async def new_grant(self, new: NewGrant, key: bytes) -> Grant:
        """Write a generation down as requested, its key sealed, before anyone is asked."""

        def work(tx: Transaction) -> Grant:
            c = tx.connection
            newest = c.scalar(
                select(func.max(t.grants.c.generation)).where(t.grants.c.session == new.session)
            )
            generation = (newest or 0) + 1
            sealed = self._vault.seal(
                key, table="grants", column="key", row=_row(new.session, generation)
            )
            identity = c.execute(
                insert(t.grants)
                .values(
                    session=new.session,
                    generation=generation,
                    state=GrantState.REQUESTED.value,
                    chain=new.chain,
                    account=new.account,
                    wallet=new.wallet,
                    key_address=new.key_address,
                    key_sealed=sealed,
                    permissions=format_permissions(new.permissions),
                    scope=new.scope,
                    requested_at=new.requested_at,
                    expires_at=new.expires_at,
                    next_renewal_at=new.next_renewal_at,
                )
                .returning(t.grants.c.id)
            ).scalar_one()
            tx.event(
                new.requested_at,
                "grant.requested",
                new.session,
                generation=generation,
                key=new.key_address,
                expires_at=new.expires_at.isoformat(),
            )
            return _grant(c, identity)

        return await self._store.write(work)

    async def offered(
        self, grant: Grant, *, session_id: bytes, entity_id: int, nonce: int, now: datetime
    ) -> Grant:
        """What a person is asked to sign: still requested, and known to the last bit (R18)."""
        return await self._change(
            grant,
            GrantState.REQUESTED,
            now=now,
            session_id="0x" + session_id.hex(),
            entity_id=entity_id,
            nonce=nonce,
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
        """The owner's signature is in: the context is written down before it is used (R21)."""
        sealed = self._vault.seal(context, table="grants", column="context", row=_name(grant))
        return await self._change(
            grant,
            GrantState.OWNER_SIGNED,
            now=now,
            session_id="0x" + session_id.hex(),
            entity_id=entity_id,
            nonce=nonce,
            context_sealed=sealed,
        )

    async def activation(self, grant: Grant, *, now: datetime) -> Run:
        """
        The row of the operation that installs a grant (X2), made once.

        A crash finds it again: the same grant always has the same activation.
        """

        def work(tx: Transaction) -> Run:
            c = tx.connection
            identity = f"activation:{grant.session}#{grant.generation}"
            c.execute(
                upsert(t.runs)
                .values(
                    id=identity,
                    kind=RunKind.ACTIVATION.value,
                    schedule=f"activation:{grant.session}",
                    session=grant.session,
                    attempt=1,
                    state=State.PREPARED.value,
                    running=True,
                    exclusive=False,
                    due_at=grant.requested_at,
                    claimed_at=now,
                    intent="[]",
                    grant_id=grant.id,
                    incarnation=tx.incarnation,
                )
                .on_conflict_do_nothing()
            )
            if grant.state is not GrantState.ACTIVATING:
                change(tx, grant, GrantState.ACTIVATING, now=now)
            return run_by_id(c, identity)

        return await self._store.write(work)

    async def revocation(self, grant: Grant, *, now: datetime, again: bool = False) -> Run:
        """
        The row of the newest operation that takes a grant off the account (X15).

        An open one goes on; after a closed one, which did not do it, comes another if asked for.
        """

        def work(tx: Transaction) -> Run:
            c = tx.connection
            earlier = c.execute(
                select(t.runs.c.id, t.runs.c.attempt, t.runs.c.closed_at)
                .where(t.runs.c.kind == RunKind.REVOCATION.value, t.runs.c.grant_id == grant.id)
                .order_by(t.runs.c.attempt.desc())
            ).first()
            if earlier is not None and (earlier.closed_at is None or not again):
                return run_by_id(c, earlier.id)
            attempt = 1 if earlier is None else earlier.attempt + 1
            identity = f"revocation:{_name(grant)}/{attempt}"
            c.execute(
                insert(t.runs).values(
                    id=identity,
                    kind=RunKind.REVOCATION.value,
                    schedule=f"revocation:{grant.session}",
                    session=grant.session,
                    attempt=attempt,
                    state=State.PREPARED.value,
                    running=True,
                    exclusive=False,
                    due_at=now,
                    claimed_at=now,
                    intent="[]",
                    grant_id=grant.id,
                    incarnation=tx.incarnation,
                )
            )
            return run_by_id(c, identity)

        return await self._store.write(work)

    async def let_go_at(self, grant: int) -> datetime | None:
        """When the last run that was pinned to a grant was closed (R12); None without any."""
        query = select(func.max(t.runs.c.closed_at)).where(t.runs.c.grant_id == grant)
        return await self._store.read(lambda c: c.scalar(query))

    async def activate(self, grant: Grant, *, now: datetime) -> Grant:
        """The new generation serves, the one before it drains: one moment for both (R12)."""

        def work(tx: Transaction) -> Grant:
            c = tx.connection
            for row in c.execute(
                select(t.grants).where(
                    t.grants.c.session == grant.session,
                    t.grants.c.state == GrantState.ACTIVE.value,
                )
            ).all():
                change(tx, grant_from(row), GrantState.DRAINING, now=now, draining_at=now)
            return change(tx, grant, GrantState.ACTIVE, now=now, activated_at=now)

        return await self._store.write(work)

    async def move_grant(
        self, grant: Grant, state: GrantState, *, detail: str | None = None, now: datetime
    ) -> Grant:
        """Draining, retired, expired, abandoned…: the end destroys key and context."""
        since = {"draining_at": now} if state is GrantState.DRAINING else {}
        return await self._change(grant, state, now=now, detail=detail, **since)

    def open_key(self, grant: Grant) -> bytes:
        """
        The session key of a generation, 32 bytes.

        Raises:
            StoreError: it was destroyed, or the vault cannot open it.
        """
        if grant.key_sealed is None:
            raise StoreError(f"the key of {_name(grant)} was destroyed")
        return self._vault.open(grant.key_sealed, table="grants", column="key", row=_name(grant))

    def open_context(self, grant: Grant) -> bytes:
        """The context that goes with every request under this grant."""
        if grant.context_sealed is None:
            raise StoreError(f"{_name(grant)} has no context")
        return self._vault.open(
            grant.context_sealed, table="grants", column="context", row=_name(grant)
        )

    async def paymaster_pin(self, wallet: str, chain: int) -> Address | None:
        """The paymaster that this profile has used on this chain (G4)."""
        pin = self._pins.get((wallet, chain))
        if pin is None:
            found = await self._store.glance(
                lambda c: _PIN.scalar(c, its_wallet=wallet, its_chain=chain)
            )
            if found is None:
                return None
            pin = self._pins[wallet, chain] = Address(found)
        return pin

    async def pin_paymaster(
        self, wallet: str, chain: int, paymaster: Address, *, now: datetime
    ) -> None:
        """Remember the first paymaster; a later one is refused by the guard (G4)."""

        def work(tx: Transaction) -> None:
            tx.connection.execute(
                upsert(t.pins)
                .values(wallet=wallet, chain=chain, paymaster=paymaster, pinned_at=now)
                .on_conflict_do_nothing()
            )
            tx.event(now, "paymaster.pinned", wallet, chain=chain, paymaster=paymaster)

        await self._store.write(work)

    async def _change(
        self, grant: Grant, state: GrantState, *, now: datetime, **values: Any
    ) -> Grant:
        return await self._store.write(lambda tx: change(tx, grant, state, now=now, **values))


def change(
    tx: Transaction, grant: Grant, state: GrantState, *, now: datetime, **values: Any
) -> Grant:
    ended: dict[str, Any] = {}
    if state in _DESTROYS_KEY:
        ended = {"key_sealed": None, "context_sealed": None}
    if state in _CLOSED:
        ended["closed_at"] = now
    changed = tx.connection.execute(
        update(t.grants)
        .where(t.grants.c.id == grant.id, t.grants.c.version == grant.version)
        .values(state=state.value, version=grant.version + 1, **values, **ended)
    )
    if changed.rowcount != 1:
        raise Conflict(f"{_name(grant)} was changed by another")
    if state is not grant.state:
        tx.event(
            now,
            f"grant.{state}",
            grant.session,
            generation=grant.generation,
            detail=values.get("detail"),
            key_destroyed=state in _DESTROYS_KEY and grant.key_sealed is not None,
        )
    return _grant(tx.connection, grant.id)


def _grant(c: Connection, identity: int) -> Grant:
    return grant_from(c.execute(select(t.grants).where(t.grants.c.id == identity)).one())


def _name(grant: Grant) -> str:
    return _row(grant.session, grant.generation)


def _row(session: str, generation: int) -> str:
    return f"{session}#{generation}"
