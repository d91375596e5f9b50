"""
The life of a session's grants: ask, check, have the owner sign, activate, renew, retire.

Make before break (R12): the generation in service goes on until the next one is active. Grants of
one account go one at a time from request to activation (X16), and what installs a grant is an
operation without calls, never a payment (X2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta

from runner.errors import GuardError, RunnerError, WalletRefused
from runner.ethereum.modular_account import session_context
from runner.ethereum.permissions import AccountFunctions
from runner.execution.contexts import SessionContext, allowances
from runner.execution.pursuit import Ending, Pursuit
from runner.execution.steps import Operator, Order, TooLate
from runner.execution.watch import Watcher
from runner.guard.checks import GrantTerms, check_grant
from runner.guard.verdict import Refused
from runner.planning.exposure import Holding, fits_at
from runner.planning.renewal import Ladder, may_serve, renewal_at, retry_after
from runner.planning.widening import widens
from runner.ports import KeyRing, Ledger, Telemetry
from runner.records import (
    LIVING_GRANTS,
    Grant,
    GrantState,
    NewGrant,
    OperationKind,
    Run,
)
from runner.scheduling.occurrence import CLOSED, Reason, State

_DRAIN = timedelta(minutes=15)


class AllowanceBook:
    """
    What runs have taken from each generation's allowances, by token.

    The ledger's own sums, kept at hand: the chain enforces the allowance, this avoids asking for
    what it would refuse.
    """

    def __init__(self) -> None:
        self._runs: dict[int, dict[str, dict[str, int]]] = {}
        self._taken: dict[int, dict[str, int]] = {}

    def taken(self, grant: int, token: str) -> int:
        """Base units that runs have spent, or may yet spend."""
        return self._taken.get(grant, {}).get(token, 0)

    def holds(self, grant: Grant, run: str, sums: dict[str, int]) -> bool:
        """Whether the allowances left hold a run; what the run itself has taken is its own."""
        own = self._runs.get(grant.id, {}).get(run, {})
        return all(
            self.taken(grant.id, token) - own.get(token, 0) + sums.get(token, 0) <= allowance
            for token, allowance in allowances(grant.permissions).items()
        )

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


class SessionKeeper:
    """Keeps one session supplied with a grant; runs know it as the giver of generations."""

    def __init__(
        self,
        session: SessionContext,
        *,
        ledger: Ledger,
        keys: KeyRing,
        telemetry: Telemetry,
        watcher: Watcher,
        operator: Operator,
        chance: Callable[[], float],
    ) -> None:
        self.session = session
        self._venue = session.venue
        self._ledger = ledger
        self._keys = keys
        self._telemetry = telemetry
        self._watcher = watcher
        self._operator = operator
        self._chance = chance
        self._grants: list[Grant] = []
        self._book = AllowanceBook()
        self._failures = 0
        self._next_attempt_at: datetime | None = None
        self._wanted_early = False
        self._blocked = ""
        self._look_at = datetime.min.replace(tzinfo=UTC)
        self._bell = asyncio.Event()
        self.changed = asyncio.Event()
        self.signing = False

    # ── what runs ask ─────────────────────────────────────────────────────────────────────────

    def usable(self, room: timedelta) -> Grant | None:
        """The active generation, if it lasts long enough for a run to begin (R6)."""
        now = self._now()
        for grant in self._grants:
            if grant.state is GrantState.ACTIVE and may_serve(
                expires_at=grant.expires_at, now=now, run_room=room
            ):
                return grant
        return None

    def able(self, room: timedelta, run: str, sums: dict[str, int]) -> Grant | None:
        """
        The generation that can carry a run: it lasts long enough, and its allowances hold it (B6).

        Where only an allowance is too small, the next generation is asked for at once.
        """
        grant = self.usable(room)
        if grant is None or self._book.holds(grant, run, sums):
            return grant
        if not self._wanted_early:
            self._wanted_early = True
            self._bell.set()
        return None

    def charge(self, grant: Grant, run: str, sums: dict[str, int]) -> None:
        """Count a run against the allowances of the generation that it is pinned to."""
        self._book.charge(grant.id, run, sums)

    def discharge(self, grant_id: int, run: str, *, spent: bool = False) -> None:
        """A run ended: its amounts are spent for good, or free again."""
        self._book.discharge(grant_id, run, spent=spent)

    def wake(self) -> None:
        """Look again now: a run let go of a generation, or the policy changed."""
        self._bell.set()

    async def await_change(self, until: datetime) -> None:
        """Until a grant of this session changes, at most until then."""
        self.changed.clear()
        wait = min(until - self._now(), self._venue.second_look)
        with suppress(TimeoutError):
            async with self._venue.clock.timeout(max(wait.total_seconds(), 0.05)):
                await self.changed.wait()

    def pinned(self, run: Run) -> Grant | None:
        """The generation that a signed run is pinned to, if it is one of this session's place."""
        found = (grant for grant in self._grants if grant.id == run.grant_id)
        return next((grant for grant in found if self._is_ours(grant)), None)

    def by_id(self, identity: int) -> Grant:
        """A generation that a run is pinned to."""
        return next(grant for grant in self._grants if grant.id == identity)

    # ── the keeper's own work ─────────────────────────────────────────────────────────────────

    async def load(self) -> None:
        """Read the session's generations and what was charged to each."""
        await self._refresh()
        for grant in self._grants:
            if grant.state is GrantState.ACTIVE and not self._is_ours(grant):
                detail = "the session has moved to another account, chain or wallet"
                await self._ledger.move_grant(
                    grant, GrantState.DRAINING, detail=detail, now=self._now()
                )
        await self._refresh()
        for grant in self._grants:
            if grant.state in LIVING_GRANTS:
                for run, sums in (await self._ledger.charged(grant.id)).items():
                    self._book.charge(grant.id, run, sums)

    def _is_ours(self, grant: Grant) -> bool:
        place = (grant.chain, grant.account, grant.wallet)
        account = self.session.account
        return place == (self._venue.chain_id, account.address, self._venue.wallet)

    async def run(self) -> None:
        """Look after the session until cancelled."""
        while True:
            wait = self._venue.second_look
            try:
                wait = await self.step()
            except RunnerError as error:
                wait = self._failed(error)
            except Exception as error:  # a fault of ours must not end the sessions beside this one
                wait = self._failed(RunnerError(f"unexpected {type(error).__name__}: {error}"))
            self._bell.clear()
            try:
                async with self._venue.clock.timeout(max(wait.total_seconds(), 0.05)):
                    await self._bell.wait()
            except TimeoutError:
                continue

    async def step(self) -> timedelta:
        """One look at everything; returns how long nothing need be done."""
        if self._watcher.head is None:
            return timedelta(seconds=0.1)
        await self._refresh()
        await self._tidy()
        for grant in self._grants:
            waiting = grant.state in {GrantState.OWNER_SIGNED, GrantState.ACTIVATING}
            if waiting and self._is_ours(grant):
                await self._activate_in_turn(grant)
        now = self._now()
        if (self._due(now) or now >= self._look_at) and await self._is_over():
            await self._drain()
            return self._venue.second_look
        if self._next_attempt_at is not None and now < self._next_attempt_at:
            return self._next_attempt_at - now
        if not self._due(now):
            return self._until_due(now)
        wait = self._exposure_wait(now)
        if wait > timedelta(0):
            self._say_blocked(now, wait)
            return min(wait, self._venue.second_look)
        await self._obtain()
        self._failures, self._next_attempt_at, self._wanted_early = 0, None, False
        self._blocked = ""
        return timedelta(0)

    async def _is_over(self) -> bool:
        """T9: every schedule of the session is completed, and none of its runs is open."""
        self._look_at = self._now() + self._venue.second_look
        states = [
            schedule.state
            for schedule in (await self._ledger.schedules()).values()
            if schedule.session == self.session.uid and schedule.state != "removed"
        ]
        if not states or any(state != "completed" for state in states):
            return False
        return all(run.session != self.session.uid for run in await self._ledger.open_runs())

    async def _drain(self) -> None:
        """A generation that nothing needs any more: its key is destroyed when it has drained."""
        active = self._active()
        if active is not None:
            detail = "all schedules of the session are completed"
            await self._ledger.move_grant(
                active, GrantState.DRAINING, detail=detail, now=self._now()
            )
            await self._refresh()

    def _now(self) -> datetime:
        head = self._watcher.head
        now = self._venue.clock.now()
        return now if head is None else max(now, head.timestamp)  # now_p: expiry is judged by it

    def _active(self) -> Grant | None:
        return next((g for g in self._grants if g.state is GrantState.ACTIVE), None)

    def _due(self, now: datetime) -> bool:
        active = self._active()
        if active is None:
            return self.session.spec.renew == "auto" or not self._grants
        if self.session.spec.renew == "off":
            return False
        if widens(active.permissions, self.session.permissions):
            return True  # R25: more is granted anew at once; less waits for the renewal
        if now < _earliest_renewal(active):
            return False
        return self._wanted_early or (
            active.next_renewal_at is not None and now >= active.next_renewal_at
        )

    def _until_due(self, now: datetime) -> timedelta:
        active = self._active()
        moments = [now + self._venue.second_look]
        renewal = None if active is None else active.next_renewal_at
        if renewal is not None and renewal > now:
            moments.append(renewal)
        if active is not None and self._wanted_early:
            moments.append(max(_earliest_renewal(active), now))
        moments += [
            grant.expires_at + timedelta(seconds=1)
            for grant in self._grants
            if grant.state in LIVING_GRANTS and grant.expires_at >= now
        ]
        moments += [
            grant.draining_at + _DRAIN
            for grant in self._grants
            if grant.draining_at is not None and grant.draining_at + _DRAIN > now
        ]
        return min(moments) - now

    def _exposure_wait(self, now: datetime) -> timedelta:
        """
        R14: how long the next generation has to wait for the ends of older ones.

        A bound that is written holds whatever comes; the one by default gives way where payments
        would stop.
        """
        wanted = allowances(self.session.permissions)
        written = self.session.max_exposure
        usual = {token: 2 * amount for token, amount in wanted.items() if token not in written}
        holdings = [
            Holding(grant.expires_at, {token: self._left(grant, token) for token in wanted})
            for grant in self._grants
            if grant.state in LIVING_GRANTS
        ]
        free_at = fits_at(holdings, wanted=wanted, bounds=written, now=now) or now
        if free_at <= now and self._may_wait(now):
            free_at = fits_at(holdings, wanted=wanted, bounds=usual, now=now) or now
        return free_at - now

    def _may_wait(self, now: datetime) -> bool:
        """R14: only while the generation in service still carries runs; payments come first."""
        active = self._active()
        needed = self.session.room + self._venue.margins.activation
        return active is not None and active.expires_at - now > needed

    def _say_blocked(self, now: datetime, wait: timedelta) -> None:
        """Once when the next grant has to wait, and once more when payments stop for it."""
        level = "warning" if self._may_wait(now) else "critical"
        if self._blocked == level:
            return
        self._blocked = level
        self._telemetry.emit(
            "grant.blocked",
            level=level,
            session=self.session.uid,
            until=now + wait,
            detail="the next grant would exceed max_exposure beside those that can still sign",
            hint="it is asked for when an older one has ended; raise max_exposure, or lower the "
            "allowance, if payments must not wait",
        )

    def _left(self, grant: Grant, token: str) -> int:
        allowance = allowances(grant.permissions).get(token, 0)
        return max(allowance - self._book.taken(grant.id, token), 0)

    def _failed(self, error: RunnerError) -> timedelta:
        self._failures += 1
        now = self._now()
        active = self._active()
        left = timedelta(0) if active is None else max(active.expires_at - now, timedelta(0))
        refused = isinstance(error, WalletRefused | GuardError)
        wait = retry_after(
            Ladder.REFUSED if refused else Ladder.TRANSPORT,
            failures=self._failures,
            life_left=left,
            min_lead=self._venue.margins.min_lead,
            chance=self._chance(),
        )
        self._next_attempt_at = now + wait
        self._telemetry.emit(
            "grant.failed",
            level="critical" if isinstance(error, GuardError) else "warning",
            session=self.session.uid,
            failures=self._failures,
            next_attempt_at=self._next_attempt_at,
            detail=error.what,
            findings=[str(finding) for finding in getattr(error, "findings", ())],
            hint=error.hint
            or ("the grant in service goes on until it ends" if active else "no payment can start"),
        )
        return wait

    # ── asking for a generation ───────────────────────────────────────────────────────────────

    async def _obtain(self) -> None:
        """Request, check, sign, activate: alone on the account (X16)."""
        async with self.session.account.lane.grants:
            grant = await self._request()
            await self._activate(grant)

    async def _request(self) -> Grant:
        account, spec = self.session.account, self.session.spec
        now = self._now()
        issued = now.replace(microsecond=0)
        expires = issued + spec.lifetime
        generation = max((grant.generation for grant in self._grants), default=0) + 1
        key, address = self._keys.new_session_key()
        grant = await self._ledger.new_grant(
            NewGrant(
                session=self.session.uid,
                chain=self._venue.chain_id,
                account=account.address,
                wallet=self._venue.wallet,
                key_address=address,
                permissions=self.session.permissions,
                scope=self.session.scope,
                requested_at=now,
                expires_at=expires,
                next_renewal_at=renewal_at(
                    issued_at=issued,
                    expires_at=expires,
                    renew_before=spec.renew_before,
                    run_room=self.session.room,
                    margins=self._venue.margins,
                    seed=f"{account.address}/{self.session.uid}/{generation}",
                ),
            ),
            key,
        )
        await self._refresh()
        try:
            return await self._have_signed(grant)
        except RunnerError as error:
            await self._ledger.move_grant(
                grant, GrantState.ABANDONED, detail=error.what, now=self._now()
            )
            await self._refresh()
            raise

    async def _have_signed(self, grant: Grant) -> Grant:
        account = self.session.account
        expiry = int(grant.expires_at.timestamp())
        offer = await self._venue.api.create_session(
            account=account.address,
            chain_id=self._venue.chain_id,
            expiry=expiry,
            key=grant.key_address,
            permissions=grant.permissions,
        )
        verdict = check_grant(
            GrantTerms(
                chain_id=self._venue.chain_id,
                account=account.address,
                owner=account.owner.address,
                key=grant.key_address,
                permissions=grant.permissions,
                expiry=expiry,
                living_entities=await self._living_entities(),
                sandbox=self._venue.sandbox,
            ),
            offer,
        )
        if isinstance(verdict, Refused):
            raise GuardError(
                f"refused to sign the grant for {self.session.uid}",
                findings=verdict.findings,
                hint="nothing was signed; compare what was asked with what the service offered",
            )
        signature = await account.owner.sign(verdict.approved)
        return await self._ledger.owner_signed(
            grant,
            session_id=offer.session_id,
            entity_id=verdict.entity_id,
            nonce=verdict.nonce,
            context=session_context(offer.session_id, signature),
            now=self._now(),
        )

    async def _living_entities(self) -> frozenset[int]:
        """X16: entities of this account that one of our generations holds, of any session."""
        return frozenset(
            grant.entity_id
            for grant in await self._ledger.grants()
            if grant.account == self.session.account.address
            and grant.chain == self._venue.chain_id
            and grant.state in LIVING_GRANTS
            and grant.entity_id is not None
        )

    # ── activation ────────────────────────────────────────────────────────────────────────────

    async def _activate_in_turn(self, grant: Grant) -> None:
        async with self.session.account.lane.grants:
            await self._activate(grant)

    async def _activate(self, grant: Grant) -> None:
        """X2: an operation without calls installs the grant; final means active."""
        run = await self._ledger.activation(grant, now=self._now())
        await self._refresh()
        grant = self.by_id(grant.id)
        if run.state not in CLOSED:
            ending = await self._install(grant, run)
            run = ending.run
        if run.state in {State.SUCCESS, State.REVERTED}:  # the install stays either way
            before = self._active()
            grant = await self._ledger.activate(grant, now=self._now())
            self._telemetry.emit(
                "grant.active" if before is None else "grant.renewed",
                session=self.session.uid,
                generation=grant.generation,
                expires_at=grant.expires_at,
                next_renewal_at=grant.next_renewal_at,
                key=grant.key_address,
            )
        else:
            await self._ledger.move_grant(
                grant, GrantState.ABANDONED, detail="never installed", now=self._now()
            )
        await self._refresh()

    async def _install(self, grant: Grant, run: Run) -> Ending:
        async with AsyncExitStack() as lane:
            patience = self._venue.margins.inclusion.total_seconds()
            try:
                async with self._venue.clock.timeout(patience):
                    await lane.enter_async_context(self.session.account.lane.alone())
            except TimeoutError:
                # H6 asks for solitude, but not for ever: entities do not disturb each other once
                # the account stands, and a payment that is stuck must not stop renewals (R10).
                pass
            self.signing = True
            try:
                if run.state is State.PREPARED:
                    run = await self._send_install(grant, run)
                pursuit = Pursuit(
                    venue=self._venue,
                    watcher=self._watcher,
                    operator=self._operator,
                    ledger=self._ledger,
                    telemetry=self._telemetry,
                    grant=grant,
                    lines=(),
                    deadline_at=grant.expires_at,
                    may_burn=False,
                )
                task = asyncio.create_task(pursuit.run(run))
                try:
                    # H6: the lane is ours from send to inclusion, at most for `inclusion`.
                    with suppress(TimeoutError):
                        async with self._venue.clock.timeout(patience):
                            await asyncio.wait({task})
                    await lane.aclose()
                    return await task
                finally:
                    task.cancel()
            finally:
                self.signing = False

    async def _send_install(self, grant: Grant, run: Run) -> Run:
        if grant.nonce is None:
            raise AssertionError("a grant that the owner signed has its nonce")
        head = self._watcher.head
        order = Order(
            run=run,
            kind=OperationKind.ACTIVATION,
            intent=(),
            nonce=grant.nonce,
            grant=grant,
            sign_before=grant.expires_at - self._venue.margins.activation,
        )
        try:
            run, operation = await self._operator.make(order, head_block=head.number if head else 0)
        except (WalletRefused, GuardError, TooLate) as error:
            # In this order: a crash between the two finds the run closed and gives the grant up.
            await self._close_unsigned(run, error.what)
            await self._ledger.move_grant(
                grant, GrantState.ABANDONED, detail=error.what, now=self._now()
            )
            raise
        return await self._operator.send(run, operation)

    async def _close_unsigned(self, run: Run, detail: str) -> None:
        await self._ledger.move(
            run, State.SKIPPED, reason=Reason.GRANT, detail=detail, now=self._now()
        )

    # ── the end of generations ────────────────────────────────────────────────────────────────

    async def _tidy(self) -> None:
        now = self._now()
        held = {run.grant_id for run in await self._ledger.open_runs()}
        for grant in list(self._grants):
            if grant.state not in LIVING_GRANTS or grant.id in held:
                continue
            if self._watcher.final_at > grant.expires_at:
                await self._end(grant, GrantState.EXPIRED, now)
            elif grant.state is GrantState.REQUESTED:
                # Asked for before a crash and never signed: it can spend nothing (R21).
                await self._end(grant, GrantState.ABANDONED, now)
            elif (
                grant.state is GrantState.DRAINING
                and grant.draining_at is not None
                and now - grant.draining_at >= _DRAIN
            ):
                await self._end(grant, GrantState.RETIRED, now)

    async def _end(self, grant: Grant, state: GrantState, now: datetime) -> None:
        await self._ledger.move_grant(grant, state, now=now)
        if state is not GrantState.RETIRED:
            self._book.forget(grant.id)
        self._telemetry.emit(
            "grant.ended",
            level="warning" if grant.state is GrantState.ACTIVE else "info",
            session=self.session.uid,
            generation=grant.generation,
            state=state.value,
            key_destroyed=True,
        )
        await self._refresh()

    async def _refresh(self) -> None:
        grants = await self._ledger.grants(self.session.uid)
        # What has ended binds nobody: no open run is pinned to it. The newest counts generations.
        living = [grant for grant in grants[:-1] if grant.state in LIVING_GRANTS]
        self._grants = living + grants[-1:]
        self.changed.set()


def _earliest_renewal(active: Grant) -> datetime:
    """R2: two grants of one scope are never closer than a tenth of the life."""
    return active.requested_at + (active.expires_at - active.requested_at) / 10


def can_burn(session: SessionContext) -> bool:
    """X2: a session of account functions alone cannot make the empty batch that burns a fence."""
    return not all(isinstance(p, AccountFunctions) for p in session.permissions)
