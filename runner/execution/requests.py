"""
Asking for a generation: write it down, ask the service, check what comes, have the owner sign.

Grants of one account go one at a time from request to activation (X16). Nothing can be spent
before the owner's signature is in.
"""

from __future__ import annotations

from runner.errors import GuardError, RunnerError, SignatureNeeded
from runner.ethereum.address import Address
from runner.ethereum.modular_account import session_context
from runner.ethereum.nonce import decode_nonce
from runner.execution.generations import Generations
from runner.guard.grants import GrantTerms, check_grant, latest_end
from runner.guard.verdict import Refused
from runner.planning.renewal import renewal_at
from runner.ports import KeyRing, Ledger
from runner.records import LIVING_GRANTS, Grant, GrantState, NewGrant

_UNDER_WAY = frozenset({GrantState.REQUESTED, GrantState.OWNER_SIGNED, GrantState.ACTIVATING})


class Requests:
    """Asks for the generations of one session."""

    def __init__(self, generations: Generations, *, ledger: Ledger, keys: KeyRing) -> None:
        self._generations = generations
        self._session = generations.session
        self._venue = generations.session.venue
        self._ledger = ledger
        self._keys = keys

    async def make(self) -> Grant | None:
        """
        The next generation, signed by the owner, its context written down (R21).

        Returns:
            None where a person has to sign it: it stays requested, and is exported (R18).

        Raises:
            RunnerError: the service, the guard or the owner refused; the generation is abandoned.
        """
        key, address = self._keys.new_session_key()
        grant = await self._ledger.new_grant(self._wanted(address), key)
        await self._generations.refresh()
        try:
            return await self._have_signed(grant)
        except RunnerError as error:
            await self._generations.move(grant, GrantState.ABANDONED, detail=error.what)
            raise

    async def is_blocked(self) -> bool:
        """X16: another session of this account is between its request and its activation."""
        place = (self._venue.chain_id, self._session.account.address)
        return any(
            (one.chain, one.account) == place
            and one.session != self._session.uid
            and one.nonce is not None
            and one.state in _UNDER_WAY
            for one in await self._ledger.grants()
        )

    def _wanted(self, key: Address) -> NewGrant:
        account, spec = self._session.account, self._session.spec
        now = self._generations.now
        issued = now.replace(microsecond=0)
        expires = issued + spec.lifetime
        seed = f"{account.address}/{self._session.uid}/{self._generations.newest + 1}"
        return NewGrant(
            session=self._session.uid,
            chain=self._venue.chain_id,
            account=account.address,
            wallet=self._venue.wallet,
            key_address=key,
            permissions=self._session.permissions,
            scope=self._session.scope,
            requested_at=now,
            expires_at=expires,
            next_renewal_at=renewal_at(
                issued_at=issued,
                expires_at=expires,
                renew_before=spec.renew_before,
                run_room=self._session.room,
                margins=self._venue.margins,
                seed=seed,
            ),
        )

    async def _have_signed(self, grant: Grant) -> Grant | None:
        account = self._session.account
        expiry = int(grant.expires_at.timestamp())
        offer = await self._venue.api.create_session(
            account=account.address,
            chain_id=self._venue.chain_id,
            expiry=expiry,
            key=grant.key_address,
            permissions=grant.permissions,
        )
        living, clean = await self._entities()
        above = self._session.spec.above
        verdict = check_grant(
            GrantTerms(
                chain_id=self._venue.chain_id,
                account=account.address,
                owner=account.owner.address,
                key=grant.key_address,
                permissions=grant.permissions,
                expiry=expiry,
                living_entities=living,
                sandbox=self._venue.sandbox,
                clean_sequences=clean,
                forbidden=frozenset() if above is None else above.forbidden,
                latest=None
                if above is None
                else latest_end(above.max_lifetime, self._generations.now),
            ),
            offer,
        )
        if isinstance(verdict, Refused):
            what = f"refused to sign the grant for {self._session.uid}"
            await self._ledger.keep_evidence(
                self._session.uid,
                what=what,
                findings=verdict.findings,
                now=self._generations.now,
            )
            raise GuardError(
                what,
                findings=verdict.findings,
                hint="nothing was signed; compare what was asked with what the service offered",
            )
        try:
            signature = await account.owner.sign(verdict.approved)
        except SignatureNeeded:
            await self._ledger.offered(
                grant,
                session_id=offer.session_id,
                entity_id=verdict.entity_id,
                nonce=verdict.nonce,
                now=self._generations.now,
            )
            await self._generations.refresh()
            return None
        return await self._ledger.owner_signed(
            grant,
            session_id=offer.session_id,
            entity_id=verdict.entity_id,
            nonce=verdict.nonce,
            context=session_context(offer.session_id, signature),
            now=self._generations.now,
        )

    async def _entities(self) -> tuple[frozenset[int], dict[int, int]]:
        """
        Entities of this account that a generation of ours holds, of any session (X16); and those
        that were proved clean, with the sequence that their next grant has to have (X15, G8).
        """
        place = (self._venue.chain_id, self._session.account.address)
        newest: dict[int, Grant] = {}
        for grant in sorted(await self._ledger.grants(), key=lambda one: one.id):
            if (grant.chain, grant.account) == place and grant.entity_id is not None:
                newest[grant.entity_id] = grant
        taken = frozenset(
            entity
            for entity, grant in newest.items()
            if grant.state in LIVING_GRANTS | {GrantState.FOREIGN}
        )
        clean = {
            entity: await self._next_sequence(grant.nonce)
            for entity, grant in newest.items()
            if grant.is_clean and grant.nonce is not None
        }
        return taken, clean

    async def _next_sequence(self, nonce: int) -> int:
        """The EntryPoint's value for a grant under the same entity and options."""
        head = await self._venue.chain.head()
        return await self._venue.chain.nonce(
            self._session.account.address, decode_nonce(nonce).key192, block=head.number
        )
