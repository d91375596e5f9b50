"""
The operator's verbs about grants: which generations a wish means (O9).

A revoked grant is stopped here and taken off by its account's revoker; a renewal is due at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from runner.errors import UsageError
from runner.ethereum.address import Address
from runner.ethereum.modular_account import (
    deferred_action,
    install_validation,
    session_context,
)
from runner.ethereum.nonce import decode_nonce
from runner.ethereum.signature import recover_address
from runner.ethereum.typed_data import typed_data_digest
from runner.execution.commands import Handler
from runner.ports import GrantVerbs
from runner.records import LIVING_GRANTS, Command, Grant, GrantState

_GENERATION = re.compile(r"(?P<session>.+)#(?P<number>[0-9]+)")
_GONE = "there is nothing to take off"


class GrantWishes:
    """
    Carries out the wishes about grants.

    Args:
        may_renew: Whether the policies in force renew a session; None: they do not name it.
        account_of: By session, what account a signer owns there (G1); None: no policy names it.
        renew: Told that a session's next generation is to be asked for at once.
        changed: Told that generations have to go.
    """

    def __init__(
        self,
        ledger: GrantVerbs,
        *,
        now: Callable[[], datetime],
        may_renew: Callable[[str], bool | None],
        account_of: Callable[[str], Callable[[Address], Address] | None],
        renew: Callable[[str], None] = lambda _: None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger = ledger
        self._now = now
        self._may_renew = may_renew
        self._account_of = account_of
        self._renew = renew
        self._changed = changed

    def handlers(self) -> dict[str, Handler]:
        """By the kind of wish."""
        return {
            "grant.revoke": self.revoke,
            "grant.revoke_all": self.revoke_all,
            "grant.renew": self.renew,
            "grant.signed": self.signed,
        }

    async def revoke(self, command: Command) -> None:
        """X15: a session's living generations, or one of them, or what was found on an account."""
        target = command.wish.target
        foreign = bool(command.wish.arguments.get("foreign"))
        wanted = chosen(await self._ledger.grants(), target, foreign=foreign)
        await self._ledger.revoke_grants(command, wanted, now=self._now())
        self._changed()

    async def revoke_all(self, command: Command) -> None:
        """O9: everything that could still sign, of every session."""
        living = [one for one in await self._ledger.grants() if one.state in LIVING_GRANTS]
        await self._ledger.revoke_grants(command, living, now=self._now())
        self._changed()

    async def signed(self, command: Command) -> None:
        """R18: the owner's signature, brought back by hand, over what the ledger asked for."""
        (grant,) = chosen(await self._ledger.grants(), command.wish.target)
        expected = self._account_of(grant.session)
        if grant.nonce is None or grant.session_id is None or expected is None:
            raise UsageError(f"{command.wish.target} waits for no signature")
        if grant.expires_at <= self._now():
            raise UsageError(f"{command.wish.target} has expired: make a new request")
        signature = bytes.fromhex(str(command.wish.arguments["signature"]))
        expiry = int(grant.expires_at.timestamp())
        entity = decode_nonce(grant.nonce).entity_id
        action = deferred_action(
            chain_id=grant.chain,
            account=grant.account,
            nonce=grant.nonce,
            deadline=expiry,
            call=install_validation(
                grant.permissions, key=grant.key_address, entity_id=entity, expiry=expiry
            ),
        )
        owner = recover_address(typed_data_digest(action), signature)
        if expected(owner) != grant.account:
            raise UsageError(f"{owner} does not own {grant.account}: the signature is not used")
        context = session_context(bytes.fromhex(grant.session_id[2:]), signature)
        await self._ledger.accept_signature(command, grant, context, now=self._now())
        self._changed()

    async def renew(self, command: Command) -> None:
        """The next generation now; what failed before is forgotten (R8)."""
        session = command.wish.target
        renews = self._may_renew(session)
        if renews is None:
            raise UsageError(f"no policy in force has a session {session[:120]}")
        active = [
            one
            for one in await self._ledger.grants(session)
            if one.state is GrantState.ACTIVE and one.expires_at > self._now()
        ]
        if active and not renews:
            raise UsageError(
                f"session {session} is not renewed", hint="its policy says `renew: off`"
            )
        await self._ledger.hasten_grant(command, active[0] if active else None, now=self._now())
        self._renew(session)


def chosen(grants: list[Grant], target: str, *, foreign: bool = False) -> list[Grant]:
    """
    The generations that a person means by `policy/session`, or by `policy/session#2`.

    Raises:
        UsageError: there is none, or nothing of it can be taken off any more.
    """
    match = _GENERATION.fullmatch(target)
    session = match["session"] if match else target
    named = [one for one in grants if one.session == session]
    if match:
        named = [one for one in named if one.generation == int(match["number"])]
    if not named:
        raise UsageError(f"there is no grant of {target[:120]}", hint="see `runner grants list`")
    if any((one.state is GrantState.FOREIGN) is not foreign for one in named):
        raise UsageError(
            f"{target} was {'not ' if foreign else ''}found on the account by the daemon",
            hint="leave --foreign away" if foreign else "say --foreign if it is to go",
        )
    if foreign:
        return named
    living = [one for one in named if one.state in LIVING_GRANTS]
    if not living:
        raise UsageError(f"{target} is {named[-1].state}: {_GONE}")
    return living
