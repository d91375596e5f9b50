"""
All that looks after grants: a keeper for each session, a revoker for each account.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from runner.ethereum.address import Address
from runner.execution.contexts import AccountContext, SessionContext
from runner.execution.orphans import Orphans
from runner.execution.owner import OwnerOperator
from runner.execution.revocation import Revoker
from runner.execution.sessions import SessionKeeper
from runner.execution.steps import Operator
from runner.execution.watch import Watcher
from runner.planning.addresses import address_of
from runner.ports import Clock, KeyRing, Ledger, Telemetry
from runner.records import Grant, GrantState, Run

_LOOK_SECONDS = 0.2


class GrantWork:
    """Keepers and operators by session, revokers by account."""

    def __init__(
        self,
        sessions: Mapping[str, SessionContext],
        *,
        ledger: Ledger,
        keys: KeyRing,
        telemetry: Telemetry,
        watchers: Mapping[str, Watcher],
        clock: Clock,
        slots: Callable[[str, datetime, datetime], int],
        goes_on: Callable[[str], bool],
        chance: Callable[[], float],
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._ledger = ledger
        self._orphans = Orphans(
            sessions,
            {(one.venue.chain_id, one.account.address) for one in sessions.values()},
            ledger=ledger,
            telemetry=telemetry,
            watchers=watchers.values(),
            clock=clock,
        )
        self.operators = {
            uid: Operator(one.account, ledger=ledger, keys=keys, telemetry=telemetry)
            for uid, one in sessions.items()
        }
        self.revokers: dict[str, Revoker] = {}
        self._of_account: defaultdict[str, list[str]] = defaultdict(list)
        for one in sessions.values():
            name = _place(one.account)
            self._of_account[name].append(one.uid)
            if name not in self.revokers:
                self.revokers[name] = Revoker(
                    one.account,
                    ledger=ledger,
                    telemetry=telemetry,
                    watcher=watchers[one.venue.name],
                    operator=OwnerOperator(
                        one.account, ledger=ledger, keys=keys, telemetry=telemetry
                    ),
                    chance=chance,
                    on_revoked=self.wake,
                )
        self.keepers = {
            uid: SessionKeeper(
                one,
                ledger=ledger,
                keys=keys,
                telemetry=telemetry,
                watcher=watchers[one.venue.name],
                operator=self.operators[uid],
                chance=chance,
                on_stopping=self.revokers[_place(one.account)].wake,
                on_settled=partial(self._wake_beside, one),
                slots=partial(slots, uid),
                goes_on=partial(goes_on, uid),
            )
            for uid, one in sessions.items()
        }

    async def load(self) -> None:
        """Read what the ledger has of every session."""
        for keeper in self.keepers.values():
            await keeper.load()
        await self._orphans.tell()

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """What runs as long as the daemon does."""
        keeping = [keeper.run() for keeper in self.keepers.values()]
        keeping += [revoker.run() for revoker in self.revokers.values()]
        return [*keeping, self._orphans.run()]

    async def take_off(self) -> None:
        """Only what has to go from accounts, until it is gone."""
        working = [asyncio.create_task(revoker.run()) for revoker in self.revokers.values()]
        try:
            while True:
                waiting = [await revoker.waiting() for revoker in self.revokers.values()]
                if not any(waiting):
                    return
                await self._clock.sleep(_LOOK_SECONDS)
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    def may_renew(self, session: str) -> bool | None:
        """Whether the policies in force renew a session; None: they do not name it."""
        context = self._sessions.get(session)
        return None if context is None else context.spec.renew == "auto"

    def account_of(self, session: str) -> Callable[[Address], Address] | None:
        """What account a signer owns where a session lives (G1)."""
        context = self._sessions.get(session)
        if context is None:
            return None
        spec = context.account.spec
        return lambda owner: address_of(spec.type, owner, spec.salt)

    def revoker_of(self, grant: Grant) -> Revoker | None:
        """Who takes a grant off its account; None: no policy names that."""
        session = self.neighbour(grant)
        return None if session is None else self.revokers[_place(session.account)]

    def renew(self, session: str) -> None:
        """R8: a person wants the next generation now, whatever failed before."""
        self.keepers[session].renew()

    def neighbour(self, grant: Grant) -> SessionContext | None:
        """
        The grant's session, if it is where it was; else another one on the same account, best by
        the wallet that knows the grant.
        """
        there = [
            one
            for one in self._sessions.values()
            if one.account.address == grant.account and one.venue.chain_id == grant.chain
        ]
        there.sort(key=lambda one: (one.venue.wallet != grant.wallet, one.uid != grant.session))
        return there[0] if there else None

    async def abandon(self, activation: Run, why: str) -> None:
        """A grant that was never sent to the chain, nor will be."""
        for grant in await self._ledger.grants(activation.session):
            if grant.id == activation.grant_id and grant.state is GrantState.ACTIVATING:
                await self._ledger.move_grant(
                    grant, GrantState.ABANDONED, detail=why, now=self._clock.now()
                )

    def _wake_beside(self, settled: SessionContext) -> None:
        """The account's other sessions may ask for a grant now (X16)."""
        for uid in self._of_account[_place(settled.account)]:
            if uid != settled.uid:
                self.keepers[uid].wake()

    def wake(self) -> None:
        """Something about grants has changed in the ledger: everybody looks again."""
        self._orphans.wake()
        for keeper in self.keepers.values():
            keeper.wake()
        for revoker in self.revokers.values():
            revoker.wake()


def _place(account: AccountContext) -> str:
    return f"{account.venue.name}/{account.address}"
