"""
Session keys on an account that this ledger knows nothing of (X18, X19).

They may sign beside ours, and their entities must not be taken for free ones. What they may do
nobody tells, so it counts as everything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from runner.errors import UsageError, WalletApiError
from runner.ethereum.address import ZERO_ADDRESS
from runner.ethereum.permissions import Root
from runner.execution.contexts import AccountContext
from runner.ports import Copies, Ledger, Telemetry
from runner.records import Grant, GrantState, NewGrant

_NO_END_KNOWN = datetime(9999, 12, 31, tzinfo=UTC)

_IN_A_ROW = 8
"""Entities are given out from 1 upwards, the lowest free one first (F2): after so many that hold
nothing, beyond the highest that the ledger knows, nobody is looked for any more."""


def session_of(account: str) -> str:
    """Under which name of a session the strangers of an account stand in the ledger."""
    return f"{account}/foreign"


class Lookout:
    """
    Looks for strangers on every account, once.

    Args:
        adopt: Write them into the ledger, where they can be revoked; None: nobody looks. A
            restored ledger knows that it lacks some, and always takes them in (X18).
    """

    def __init__(self, ledger: Ledger, copies: Copies, *, adopt: bool | None) -> None:
        self._ledger = ledger
        self._copies = copies
        self._adopt = adopt
        self._met: set[str] = set()

    async def meet(self, accounts: Mapping[str, AccountContext], telemetry: Telemetry) -> None:
        """
        Look at the accounts that are new here, and tell of each stranger.

        Raises:
            UsageError: there are some where real money is, and nobody said that this is meant.
        """
        if self._adopt is None:
            return
        adopt = self._adopt or await self._copies.copied_at() is not None
        for uid in accounts.keys() - self._met:
            account = accounts[uid]
            try:
                found = await strangers(account, self._ledger)
            except WalletApiError as error:
                telemetry.emit(
                    "account.unscanned",
                    level="warning",
                    account=uid,
                    detail=error.what,
                    hint=_LATER,
                )
                continue
            if found and not adopt and not account.venue.sandbox:
                raise _refusal(uid, account, found)
            for entity in found if adopt else ():
                await self._ledger.adopt_foreign(_found_grant(uid, account), entity)
            if found:
                _tell(telemetry, uid, account, found, adopt=adopt)
            self._met.add(uid)


def _tell(
    telemetry: Telemetry, uid: str, account: AccountContext, found: Sequence[int], *, adopt: bool
) -> None:
    take_off = f"take one off: runner grants revoke {_name(uid, found[0])} --foreign --reason …"
    adopting = "start with --adopt to have them in the ledger, where they can be revoked"
    telemetry.emit(
        "account.foreign",
        level="warning",
        account=uid,
        entities=list(found),
        detail=f"{_listed(found)} can sign for {account.address} and are not ours",
        hint=take_off if adopt else adopting,
    )


_LATER = "unknown session keys on it are looked for again at the next start"


def _refusal(uid: str, account: AccountContext, found: Sequence[int]) -> UsageError:
    return UsageError(
        f"account {uid} ({account.address}) carries session keys that this ledger does not know: "
        f"{_listed(found)}",
        where=account.spec.mark,
        hint="if the ledger is the right one, start with `runner up --adopt`; they are then "
        f"taken off by `runner grants revoke {_name(uid, found[0])} --foreign --reason …`",
    )


def _name(uid: str, entity: int) -> str:
    return f"{session_of(uid)}#{entity}"


def _listed(found: Iterable[int]) -> str:
    return "entities " + ", ".join(map(str, found))


def _found_grant(uid: str, account: AccountContext) -> NewGrant:
    """Nobody tells whose key it is, what it may do or until when: so it counts as all of it."""
    return NewGrant(
        session=session_of(uid),
        chain=account.venue.chain_id,
        account=account.address,
        wallet=account.venue.wallet,
        key_address=ZERO_ADDRESS,
        permissions=(Root(),),
        scope="",
        requested_at=account.venue.clock.now(),
        expires_at=_NO_END_KNOWN,
        next_renewal_at=_NO_END_KNOWN,
    )


async def strangers(account: AccountContext, ledger: Ledger) -> list[int]:
    """
    The entities of an account that hold a session key, and are not in the ledger.

    Raises:
        WalletApiError: the chain does not answer.
    """
    known = _known(await ledger.grants(), account)
    chain = account.venue.chain
    block = (await chain.head()).number
    found: list[int] = []
    entity, last = 1, max(known, default=0)
    while entity <= last + _IN_A_ROW:
        if entity not in known:
            standing = await chain.validation(account.address, entity, block=block)
            if standing.is_installed:
                found.append(entity)
                last = max(last, entity)
        entity += 1
    return found


def _known(grants: Sequence[Grant], account: AccountContext) -> Collection[int]:
    place = (account.venue.chain_id, account.address)
    return {
        one.entity_id
        for one in grants
        if (one.chain, one.account) == place
        and one.entity_id is not None
        and one.state is not GrantState.REVOKED
    }
