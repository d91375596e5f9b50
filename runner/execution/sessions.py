"""
Keeps a session supplied with a grant, and answers what runs ask of it.

Make before break (R12): the generation in service goes on until the next one is active, and
failing renewals never end it (R10). How a generation is asked for, installed and ended is in
`requests`, `activation` and `retirement`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

from runner.errors import Conflict, GuardError, RunnerError, WalletApiError
from runner.ethereum.contracts import DELEGATE_7702
from runner.ethereum.permissions import AccountFunctions, Permission
from runner.execution.activation import Activation
from runner.execution.contexts import SessionContext, allowances
from runner.execution.delegation import has_delegated
from runner.execution.generations import Generations
from runner.execution.requests import Requests
from runner.execution.retirement import Retirement
from runner.execution.steps import Operator
from runner.execution.watch import Watcher
from runner.planning.exposure import Holding, fits_at
from runner.planning.grant_alerts import Alert, GrantSituation, Raised, grant_alerts, owner_action
from runner.planning.renewal import ladder_of, may_serve, retry_after
from runner.planning.widening import widens
from runner.ports import KeyRing, Ledger, Telemetry
from runner.records import LIVING_GRANTS, Grant, GrantState, Run


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
        on_stopping: Callable[[], None] = lambda: None,
        on_settled: Callable[[], None] = lambda: None,
        slots: Callable[[datetime, datetime], int] = lambda _after, _until: 0,
        goes_on: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        Args:
            on_stopping: Told that a generation is to be taken off the account.
            on_settled: Told that the account is free for the grant of another session (X16).
            slots: How many slots of the session are due in (after, until].
            goes_on: Whether it is known, without asking the ledger, that it is not over (T9).
        """
        self.session = session
        self._venue = session.venue
        self._ledger = ledger
        self._telemetry = telemetry
        self._watcher = watcher
        self._chance = chance
        self._generations = Generations(session, ledger=ledger, watcher=watcher)
        self._requests = Requests(self._generations, ledger=ledger, keys=keys)
        self._activation = Activation(
            self._generations,
            ledger=ledger,
            telemetry=telemetry,
            watcher=watcher,
            operator=operator,
        )
        self._retirement = Retirement(
            self._generations,
            ledger=ledger,
            telemetry=telemetry,
            watcher=watcher,
            on_stopping=on_stopping,
        )
        self._on_settled = on_settled
        self._slots = slots
        self._goes_on = goes_on
        self._raised: dict[Alert, Raised] = {}
        self._failures = 0
        self._next_attempt_at: datetime | None = None
        self._wanted_early = False
        self._blocked = ""
        self._undelegated = False
        self._look_at = datetime.min.replace(tzinfo=UTC)
        self._bell = asyncio.Event()

    @property
    def signing(self) -> bool:
        """Whether a grant is being installed, which must not be cut off."""
        return self._activation.signing

    # ── what runs ask ─────────────────────────────────────────────────────────────────────────

    def usable(self, room: timedelta) -> Grant | None:
        """The active generation, if it lasts long enough for a run to begin (R6)."""
        grant, now = self._generations.active, self._generations.now
        if grant is None or not may_serve(expires_at=grant.expires_at, now=now, run_room=room):
            return None
        return grant

    def able(self, room: timedelta, run: str, sums: dict[str, int]) -> Grant | None:
        """
        The generation that can carry a run: it lasts long enough, and its allowances hold it (B6).

        Where only an allowance is too small, the next generation is asked for at once.
        """
        grant = self.usable(room)
        if grant is None or self._generations.book.holds(grant, run, sums):
            return grant
        if not self._wanted_early:
            self._wanted_early = True
            self._bell.set()
        return None

    def charge(self, grant: Grant, run: str, sums: dict[str, int]) -> None:
        """Count a run against the allowances of the generation that it is pinned to."""
        self._generations.book.charge(grant.id, run, sums)

    def discharge(self, grant_id: int, run: str) -> None:
        """Nothing of a run was signed: its amounts are free again."""
        self._generations.book.discharge(grant_id, run, spent=False)

    def let_go(self, grant_id: int, run: str, *, spent: bool) -> None:
        """
        A run that was pinned to a generation is closed: its amounts are spent, or free again.

        The keeper looks again where somebody may have waited for that. A payment in order, under
        the generation in service, is none of its business: there are thousands of them.
        """
        self._generations.book.discharge(grant_id, run, spent=spent)
        active = self._generations.active
        serves = active is not None and active.id == grant_id
        if not (spent and serves and self.usable(timedelta(0)) is not None):
            self._bell.set()

    def wake(self) -> None:
        """Look again now: a run let go of a generation, or the policy changed."""
        self._bell.set()

    def renew(self) -> None:
        """R8: a person wants the next generation now, whatever failed before."""
        self._failures, self._next_attempt_at = 0, None
        self._bell.set()

    async def await_change(self, until: datetime) -> None:
        """Until a grant of this session changes, at most until then."""
        changed = self._generations.changed
        changed.clear()
        wait = min(until - self._generations.now, self._venue.second_look)
        with suppress(TimeoutError):
            async with self._venue.clock.timeout(max(wait.total_seconds(), 0.05)):
                await changed.wait()

    def is_ours(self, run: Run) -> bool:
        """Whether a signed run is pinned to a generation of the place that the session has now."""
        return self._generations.holds(run.grant_id)

    def by_id(self, identity: int) -> Grant:
        """A generation that a run is pinned to."""
        return self._generations.by_id(identity)

    def standing(self, grant: Grant) -> GrantState:
        """How far a generation has come since a run was pinned to it."""
        return self._generations.state_of(grant.id) or grant.state

    # ── the keeper's own work ─────────────────────────────────────────────────────────────────

    async def load(self) -> None:
        """Read the session's generations and what was charged to each."""
        await self._generations.load()

    async def run(self) -> None:
        """Look after the session until cancelled."""
        while True:
            self._bell.clear()  # first: what rings while we look is looked at next
            try:
                wait = await self.step()
            except Conflict:  # somebody else has moved a grant on: look again
                wait = timedelta(0)
            except RunnerError as error:
                wait = self._failed(error)
            except Exception as error:  # a fault of ours must not end the sessions beside this one
                wait = self._failed(RunnerError(f"unexpected {type(error).__name__}: {error}"))
            try:
                async with self._venue.clock.timeout(max(wait.total_seconds(), 0.05)):
                    await self._bell.wait()
            except TimeoutError:
                continue

    async def step(self) -> timedelta:
        """One look at everything; returns how long nothing need be done."""
        if self._watcher.head is None:
            return timedelta(seconds=0.1)
        generations = self._generations
        await generations.refresh()
        await self._retirement.tidy()
        for grant in generations:
            waiting = grant.state in {GrantState.OWNER_SIGNED, GrantState.ACTIVATING}
            if waiting and generations.is_ours(grant):
                async with self._alone():
                    await self._activation.carry_out(grant)
        now = generations.now
        if now >= self._look_at:
            with suppress(WalletApiError):  # a chain that cannot be read says so by its watcher
                await self._look_at_code()
            self._watch(now)
        if self._due(now) or now >= self._look_at:
            self._look_at = now + self._venue.second_look
            if not self._goes_on() and await self._retirement.is_over():
                await self._retirement.drain()
                return self._venue.second_look
        if self._next_attempt_at is not None and now < self._next_attempt_at:
            return self._next_attempt_at - now
        if not self._due(now):
            return self._until_due(now)
        if await self._must_wait():
            return self._venue.second_look
        wait = self._exposure_wait(now)
        if wait > timedelta(0):
            return min(await self._wait_for_room(now, wait), self._venue.second_look)
        await self._obtain()
        self._failures, self._next_attempt_at, self._wanted_early = 0, None, False
        self._blocked = ""
        return timedelta(0)

    async def _must_wait(self) -> bool:
        """Whether no grant is asked for now, though one is due; the end of it wakes us."""
        generations = self._generations
        if generations.awaited is not None or await self._requests.is_blocked():
            return True  # R18, X16: until it is signed
        if generations.stopping and generations.active is None:
            return True  # R13: the owner takes the old one off first
        # R17: an expiry by a wrong clock means another time. O8: a stop forbids to sign.
        if self._watcher.is_skewed or await self._ledger.stopped() is not None:
            return True
        await self._look_at_code()
        return self._undelegated  # G9: its owner does it, and no daemon

    async def _look_at_code(self) -> None:
        """Whether an EOA still runs the account's code (EIP-7702): its owner may take it back."""
        before = self._undelegated
        self._undelegated = not await has_delegated(self.session.account)
        if self._undelegated is not before:
            self._watch(self._generations.now)

    async def _obtain(self) -> None:
        """Request, check, sign, activate."""
        async with self._alone():
            grant = await self._requests.make()
            if grant is None:
                self._watch(self._generations.now)  # a person is needed, and told so at once
            else:
                await self._activation.carry_out(grant)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """X16: no other grant of the account meanwhile; whoever waited for that looks again."""
        try:
            async with self.session.account.lane.grants:
                yield
        finally:
            self._on_settled()

    def _due(self, now: datetime) -> bool:
        active = self._generations.active
        if active is None:
            return self.session.spec.renew == "auto" or not self._generations
        if self.session.spec.renew == "off":
            return False
        if widens(active.permissions, self.session.permissions):
            return True  # R25: more is granted anew at once; less waits for the renewal
        if now < _earliest_renewal(active):
            return False
        renewal = self._asked_at(active)
        return self._wanted_early or (renewal is not None and now >= renewal)

    def _asked_at(self, active: Grant) -> datetime | None:
        """When the next one is asked for: of a person, `owner_lead` earlier (R18)."""
        if active.next_renewal_at is None or not self.session.account.by_hand:
            return active.next_renewal_at
        lead = self.session.spec.owner_lead or (active.expires_at - active.requested_at) / 6
        return max(active.next_renewal_at - lead, _earliest_renewal(active))

    def _until_due(self, now: datetime) -> timedelta:
        active = self._generations.active
        moments = [now + self._venue.second_look, *self._retirement.moments(now)]
        renewal = None if active is None else self._asked_at(active)
        if renewal is not None and renewal > now:
            moments.append(renewal)
        if active is not None and self._wanted_early:
            moments.append(max(_earliest_renewal(active), now))
        return min(moments) - now

    # ── exposure ──────────────────────────────────────────────────────────────────────────────

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
            Holding(
                grant.expires_at, {token: self._generations.left(grant, token) for token in wanted}
            )
            for grant in self._generations
            if grant.state in LIVING_GRANTS and self._generations.is_ours(grant)
        ]
        free_at = fits_at(holdings, wanted=wanted, bounds=written, now=now) or now
        if free_at <= now and self._may_wait(now):
            free_at = fits_at(holdings, wanted=wanted, bounds=usual, now=now) or now
        return free_at - now

    async def _wait_for_room(self, now: datetime, wait: timedelta) -> timedelta:
        """R14: wait for an older one to end while payments go on, else break before make (R13)."""
        self._say_blocked(now, wait)
        active = self._generations.active
        if active is not None and self._may_wait(now):
            return min(wait, active.expires_at - self._handover - now)
        await self._retirement.stop_all("max_exposure leaves no room for the next grant beside it")
        return wait

    @property
    def _handover(self) -> timedelta:
        """What the last run under a grant and the activation of the next one may take."""
        return self.session.room + self._venue.margins.activation

    def _may_wait(self, now: datetime) -> bool:
        """R14: only while the generation in service still carries runs; payments come first."""
        active = self._generations.active
        return active is not None and active.expires_at - now > self._handover

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

    # ── failing ───────────────────────────────────────────────────────────────────────────────

    def _failed(self, error: RunnerError) -> timedelta:
        self._failures += 1
        now = self._generations.now
        active = self._generations.active
        left = None if active is None else max(active.expires_at - now, timedelta(0))
        wait = retry_after(
            ladder_of(error),
            failures=self._failures,
            life_left=left,
            min_lead=self._venue.margins.min_lead,
            chance=self._chance(),
        )
        self._next_attempt_at = now + wait
        self._watch(now)
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

    # ── what people should know ───────────────────────────────────────────────────────────────

    def _watch(self, now: datetime) -> None:
        """R23: looked at each minute, whatever the timers say; each cause is told once."""
        active = self._generations.active
        found = {}
        if active is not None and self.session.spec.renew == "auto":
            found = {one.alert: one for one in grant_alerts(self._situation(active, now), now)}
        awaited = self._generations.awaited
        if awaited is not None:
            needed_by = now if active is None else active.expires_at - self._handover
            one = owner_action(awaited.requested_at, needed_by, now)
            found[one.alert] = one
        if self._undelegated:
            level = "critical" if active is None else "warning"
            found[Alert.OWNER_ACTION_NEEDED] = Raised(Alert.OWNER_ACTION_NEEDED, level, _NO_CODE)
        for alert, one in found.items():
            before = self._raised.get(alert)
            if before is None or before.level != one.level:
                self._telemetry.emit(
                    "grant.alert",
                    level=one.level,
                    alert=alert.value,
                    session=self.session.uid,
                    generation=None if active is None else active.generation,
                    detail=one.why,
                    hint=_remedy(one, self.session),
                )
        for alert in self._raised.keys() - found.keys():
            self._telemetry.emit("grant.alert_over", alert=alert.value, session=self.session.uid)
        self._raised = found

    def _situation(self, active: Grant, now: datetime) -> GrantSituation:
        last = active.expires_at - self.session.room
        renewal = active.next_renewal_at or last
        return GrantSituation(
            requested_at=active.requested_at,
            expires_at=active.expires_at,
            next_renewal_at=active.next_renewal_at,
            failures=self._failures,
            covered=self._slots(now, last) if last > now else 0,
            runs_left=self._generations.runs_left(active),
            coming=self._slots(now, renewal) if renewal > now else 0,
        )


_NO_CODE = "the owner's address has not delegated to the account's code (EIP-7702)"


def _remedy(one: Raised, context: SessionContext) -> str:
    session = context.uid
    if one.why == _NO_CODE and context.account.by_hand:
        return f"delegate to {DELEGATE_7702} with the wallet that holds the owner's key"
    if one.why == _NO_CODE:
        return f"runner grants request {session} --delegate"
    if one.alert is Alert.OWNER_ACTION_NEEDED:
        return f"runner grants request {session} --out FILE, then: runner grants sign FILE"
    return f"see why: runner grants show {session}"


def _earliest_renewal(active: Grant) -> datetime:
    """R2: two grants of one scope are never closer than a tenth of the life."""
    return active.requested_at + (active.expires_at - active.requested_at) / 10


def can_burn(permissions: Sequence[Permission]) -> bool:
    """X2: account functions alone do not allow the empty batch that burns a fence."""
    return not all(isinstance(one, AccountFunctions) for one in permissions)
