"""
One session's generations: what the ledger knows of them, and what runs took from each.

All that works on a session's grants reads them here and writes through here, so that each sees
what the other has done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime

from runner.execution.contexts import SessionContext, allowances
from runner.execution.watch import Watcher
from runner.ports import Ledger
from runner.records import LIVING_GRANTS, Grant, GrantState

_LEFT_BEHIND = {
    GrantState.ACTIVE: GrantState.DRAINING,
    GrantState.OWNER_SIGNED: GrantState.ABANDONED,  # nothing that uses it was made
}
"""What becomes of a generation on a place that its session has left."""


class AllowanceBook:
    """
    What runs have taken from each generation's allowances, by token.

    The ledger's own sums, kept at hand: the chain enforces the allowance, this avoids asking for
    what it would refuse.
    """

    def __init__(self) -> None:
        self._runs: dict[int, dict[str, dict[str, int]]] = {}
        self._taken: dict[int, dict[str, int]] = {}
        self._allowed: dict[int, dict[str, int]] = {}

    def taken(self, grant: int, token: str) -> int:
        """Base units that runs have spent, or may yet spend."""
        return self._taken.get(grant, {}).get(token, 0)

    def holds(self, grant: Grant, run: str, sums: dict[str, int]) -> bool:
        """Whether the allowances left hold a run; what the run itself has taken is its own."""
        own = self._runs.get(grant.id, {}).get(run, {})
        allowed = self._allowed.get(grant.id)
        if allowed is None:
            allowed = self._allowed[grant.id] = allowances(grant.permissions)
        for token, allowance in allowed.items():
            taken = self.taken(grant.id, token) - own.get(token, 0)
            if taken + sums.get(token, 0) > allowance:
                return False
        return True

    def charge(self, grant: int, run: str, sums: dict[str, int]) -> None:
        """Take a run's amounts, once."""
        self.discharge(grant, run, spent=False)
        self._runs.setdefault(grant, {})[run] = sums
        taken = self._taken.setdefault(grant, {})
        for token, amount in sums.items():
            taken[token] = taken.get(token, 0) + amount

    def discharge(self, grant: int, run: str, *, spent: bool) -> None:
        """A run ended: forget it, and give its amounts back unless they are spent."""
        sums = self._runs.get(grant, {}).pop(run, {})
        if not spent:
            for token, amount in sums.items():
                self._taken[grant][token] -= amount

    def forget(self, grant: int) -> None:
        """A generation ended."""
        self._runs.pop(grant, None)
        self._taken.pop(grant, None)
        self._allowed.pop(grant, None)


class Generations:
    """The generations of one session that still matter, as last read."""

    def __init__(self, session: SessionContext, *, ledger: Ledger, watcher: Watcher) -> None:
        self.session = session
        self.book = AllowanceBook()
        self.changed = asyncio.Event()
        self._venue = session.venue
        self._ledger = ledger
        self._watcher = watcher
        self._grants: list[Grant] = []

    def __iter__(self) -> Iterator[Grant]:
        return iter(tuple(self._grants))

    def __bool__(self) -> bool:
        return bool(self._grants)

    @property
    def now(self) -> datetime:
        """now_p: the later of the clock and the newest block, by which expiry is judged."""
        head = self._watcher.head
        now = self._venue.clock.now()
        return now if head is None else max(now, head.timestamp)

    @property
    def active(self) -> Grant | None:
        """The generation in service."""
        for one in self._grants:
            if one.state is GrantState.ACTIVE:
                return one
        return None

    @property
    def newest(self) -> int:
        """The newest generation's number; 0 before the first."""
        return max((one.generation for one in self._grants), default=0)

    def by_id(self, identity: int) -> Grant:
        """A generation that a run is pinned to."""
        return next(one for one in self._grants if one.id == identity)

    def holds(self, identity: int | None) -> bool:
        """Whether a generation is known here, and on the place that the session has now."""
        return any(one.id == identity and self.is_ours(one) for one in self._grants)

    def is_ours(self, grant: Grant) -> bool:
        """Whether a generation is on the account, chain and wallet that the session has now."""
        place = (grant.chain, grant.account, grant.wallet)
        account = self.session.account
        return place == (self._venue.chain_id, account.address, self._venue.wallet)

    def left(self, grant: Grant, token: str) -> int:
        """What a generation may still spend of a token, in base units."""
        allowance = allowances(grant.permissions).get(token, 0)
        return max(allowance - self.book.taken(grant.id, token), 0)

    def runs_left(self, grant: Grant) -> int | None:
        """Of the session's dearest kind of run, those that the allowances hold; None: no limit."""
        limited = allowances(grant.permissions)
        return min(
            (
                self.left(grant, token) // amount
                for token, amount in self.session.dearest.items()
                if amount and token in limited
            ),
            default=None,
        )

    async def load(self) -> None:
        """Read the generations and what was charged to each; those of another place drain."""
        await self.refresh()
        for grant in self:
            left = _LEFT_BEHIND.get(grant.state)
            if left is not None and not self.is_ours(grant):
                detail = "the session has moved to another account, chain or wallet"
                await self.move(grant, left, detail=detail)
        for grant in self:
            if grant.state in LIVING_GRANTS:
                for run, sums in (await self._ledger.charged(grant.id)).items():
                    self.book.charge(grant.id, run, sums)

    @property
    def awaited(self) -> Grant | None:
        """The newest generation that a person has been asked to sign (R18)."""
        asked = [
            one
            for one in self._grants
            if one.state is GrantState.REQUESTED and one.nonce is not None
        ]
        return asked[-1] if asked else None

    @property
    def stopping(self) -> tuple[Grant, ...]:
        """Generations that must sign no more, and are not yet taken off the account (R13)."""
        stopping = (one for one in self._grants if one.state is GrantState.STOPPING)
        return tuple(one for one in stopping if self.is_ours(one))

    def state_of(self, identity: int) -> GrantState | None:
        """How far a generation has come, as last read."""
        for one in self._grants:
            if one.id == identity:
                return one.state
        return None

    async def move(self, grant: Grant, state: GrantState, *, detail: str | None = None) -> None:
        """One step of a generation's life."""
        await self._ledger.move_grant(grant, state, detail=detail, now=self.now)
        await self.refresh()

    async def refresh(self) -> None:
        """Read them again; who waits for a change is woken."""
        self._grants = await self._ledger.generations(self.session.uid)
        self.changed.set()
