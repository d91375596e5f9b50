"""
What operators do to grants, each verb with its answer in one transaction (O9, O10).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update

from runner.adapters.sql import tables as t
from runner.adapters.sql.commands import answer
from runner.adapters.sql.grants import change
from runner.adapters.sql.rows import grant_from
from runner.adapters.sql.store import SqlStore
from runner.adapters.sql.transaction import Transaction
from runner.adapters.vault import Vault
from runner.errors import Conflict, UsageError
from runner.records import LIVING_GRANTS, Command, CommandState, Grant, GrantState

_REVOCABLE = (LIVING_GRANTS | {GrantState.FOREIGN}) - {GrantState.STOPPING}


class GrantVerbRows:
    """The ledger's half about what operators do to grants: `ports.GrantVerbs`."""

    _store: SqlStore
    _vault: Vault

    async def revoke_grants(
        self, command: Command, wanted: Sequence[Grant], *, now: datetime
    ) -> list[Grant]:
        """
        These sign no more from here on, and wait for their owner to take them off (R13, X15).

        What was asked for and never signed is given up: there is nothing to take off.
        """
        wish = command.wish
        why = f"revoked by {wish.author}: {wish.reason}"

        def work(tx: Transaction) -> list[Grant]:
            stopped = []
            for one in wanted:
                current = _current(tx, one)
                if current.state in _REVOCABLE:
                    end = current.state is GrantState.REQUESTED and current.nonce is None
                    state = GrantState.ABANDONED if end else GrantState.STOPPING
                    stopped.append(change(tx, current, state, now=now, detail=why))
            names = [_name(one) for one in wanted]
            told = f"{', '.join(names)}: stopped, to be taken off the account by the owner"
            answer(tx, command, CommandState.DONE, told, data={"grants": names}, now=now)
            return stopped

        return await self._store.write(work)

    async def accept_signature(
        self, command: Command, grant: Grant, context: bytes, *, now: datetime
    ) -> None:
        """The owner's signature has come back by hand: its context is kept (R18, R21)."""
        name = _name(grant)
        sealed = self._vault.seal(context, table="grants", column="context", row=name)

        def work(tx: Transaction) -> None:
            current = _current(tx, grant)
            if current.state is not GrantState.REQUESTED or current.nonce != grant.nonce:
                raise UsageError(f"{name} is {current.state}: it waits for no signature")
            change(tx, current, GrantState.OWNER_SIGNED, now=now, context_sealed=sealed)
            told = f"{name} is signed; it is activated next"
            answer(tx, command, CommandState.DONE, told, data={"grants": [name]}, now=now)

        return await self._store.write(work)

    async def hasten_grant(self, command: Command, grant: Grant | None, *, now: datetime) -> None:
        """The next generation is due now, also for a daemon that starts later."""

        def work(tx: Transaction) -> None:
            session = command.wish.target
            told = f"the next grant of {session} is asked for now"
            if grant is not None:
                current = _current(tx, grant)
                if current.state is not GrantState.ACTIVE:
                    raise Conflict(f"{_name(grant)} is {current.state}")
                free_at = current.requested_at + (current.expires_at - current.requested_at) / 10
                if free_at > now:
                    raise UsageError(
                        f"{_name(grant)} is younger than a tenth of its life; its successor can be "
                        f"asked for from {free_at:%Y-%m-%dT%H:%M:%SZ} on (R2)"
                    )
                tx.connection.execute(
                    update(t.grants)
                    .where(t.grants.c.id == current.id)
                    .values(next_renewal_at=now, version=current.version + 1)
                )
            answer(tx, command, CommandState.DONE, told, now=now)

        return await self._store.write(work)


def _current(tx: Transaction, grant: Grant) -> Grant:
    query = select(t.grants).where(t.grants.c.id == grant.id)
    return grant_from(tx.connection.execute(query).one())


def _name(grant: Grant) -> str:
    return f"{grant.session}#{grant.generation}"
