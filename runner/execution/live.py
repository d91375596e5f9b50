"""
What cannot be known without trying: the open assumptions about a wallet service, tried out.

Everything happens on an account of its own, made for this purpose by a salt of its own, so that
the accounts that pay carry no session and no operation of ours. What is signed goes through the
guard like any other grant and operation. The sessions that are left behind end within the hour.

Source: SEMANTICS §11; each finding names the rules that rest on it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from runner.errors import GuardError, RunnerError, WalletRefused
from runner.ethereum.nonce import decode_nonce
from runner.ethereum.user_operation import call_id
from runner.execution.checkup import Check, Outcome
from runner.execution.contexts import Venue
from runner.execution.trial import SALT, Sealed, Trial, TrialSession
from runner.guard.offer import SignTypedData
from runner.ports import FeeOverride

TESTNETS: Final = frozenset({11155111, 84532, 421614, 11155420, 80002})
"""Chains whose coin is worth nothing: sepolia, base, arbitrum, optimism sepolia, polygon amoy."""

_LIFE = timedelta(hours=1)
_MOST_AT_ONCE = 6


@dataclass(slots=True)
class Live:
    """Tries the assumptions out, one after the other; `findings` tells each as it is known."""

    trial: Trial

    async def findings(self) -> AsyncIterator[Check]:
        """Every finding, in the order in which it was made."""
        yield await self._tried("an account of its own", self._open_account())
        yield await self._tried("two sessions asked for at once", self._two_sessions())
        try:
            session = await self.trial.session(_LIFE)
        except RunnerError as error:
            yield self._failed("a session", error)
            return
        activation = await self._first_use(session)
        yield activation
        if not session.installed:
            yield self._unchecked("everything under a session", "no session could be installed")
            return
        yield self._gas_limit()
        yield await self._tried("a chosen nonce", self._chosen_nonce(session))
        yield await self._tried("the same bytes again", self._same_bytes(session))
        yield await self._tried("higher fees on a pending nonce", self._replacement(session))
        yield await self._tried("operations in flight", self._in_flight(session))
        async for check in self._near_the_end():
            yield check
        yield self._unchecked(
            "a revoked grant", "the owner's uninstall is not among what is signed here"
        )

    # ── the probes ────────────────────────────────────────────────────────────────────────────

    async def _open_account(self) -> tuple[Outcome, str]:
        self.trial.from_block = await self.trial.look()
        api, owner = self._venue.api, self.trial.owner.address
        answered = await api.request_account(owner, salt=SALT)
        if answered != self.trial.account:
            answered = await api.request_account(owner, salt=SALT, additional=True)
        if answered != self.trial.account:
            return Outcome.FAILED, f"named {answered}, computed offline {self.trial.account} (G1)"
        return Outcome.OK, f"{self.trial.account}, as computed offline (G1)"

    async def _two_sessions(self) -> tuple[Outcome, str]:
        """X16: which entity ids two requests get before either is installed. Nothing is signed."""
        nonces = []
        for _ in range(2):
            offer = await self._venue.api.create_session(
                account=self.trial.account,
                chain_id=self._venue.chain_id,
                expiry=self.trial.unix(_LIFE),
                key=self.trial.new_key().address,
                permissions=self.trial.permissions(),
            )
            request = offer.request
            message = request.typed_data.message if isinstance(request, SignTypedData) else {}
            nonce = message.get("nonce")
            if not isinstance(nonce, int):
                return Outcome.FAILED, "a session asks the owner for something else (G7)"
            nonces.append(decode_nonce(nonce))
        first, second = nonces
        ids = f"entities {first.entity_id} and {second.entity_id}"
        if first == second:
            return Outcome.OK, f"{ids}, the same nonce: only one can be installed, as X16 expects"
        return Outcome.OK, f"{ids}: they differ, so X16 is stricter than needed"

    async def _first_use(self, session: TrialSession) -> Check:
        """X2: an operation without calls installs the session."""
        name = "an empty operation, first use"
        try:
            sealed = await self.trial.sealed(session, nonce=session.grant_nonce, parallel=None)
            await self._venue.api.send_prepared_calls(sealed.request)
            event = await self.trial.included(sealed.nonce)
        except RunnerError as error:
            hint = "a session would have to be activated by approve(token, 0): X2"
            if self.trial.gas_policy is None:
                hint = f"the account {self.trial.account} pays by itself: has it any coin?"
            return Check(name, self._venue.name, Outcome.FAILED, error.what, hint)
        if event is None:
            return self._failed(name, RunnerError("taken, but not included in time"))
        session.installed = True
        detail = f"installs the session, in block {event.block_number} (X2)"
        return Check(name, self._venue.name, Outcome.OK, detail)

    def _gas_limit(self) -> Check:
        name = "gas-limit 0 on a sponsored session"
        if self.trial.gas_policy is None:
            return self._unchecked(name, "the account pays for its gas itself")
        return Check(name, self._venue.name, Outcome.OK, "the activation above had it (R27, G4)")

    async def _chosen_nonce(self, session: TrialSession) -> tuple[Outcome, str]:
        """S2: `nonceOverride` together with `permissions`, and the sequence once it is used."""
        parallel = self.trial.parallel()
        offer = await self.trial.prepare(session, parallel)
        answered = None if offer.operation is None else offer.operation.nonce
        if answered != session.fence(parallel):
            shown = "nothing" if answered is None else hex(answered)
            return Outcome.FAILED, f"answered {shown}: sessions would work at width 1 (S2)"
        sealed = await self.trial.seal(session, offer, answered)
        await self._venue.api.send_prepared_calls(sealed.request)
        if await self.trial.included(sealed.nonce) is None:
            return Outcome.FAILED, "answered as chosen, but not included in time"
        again = await self.trial.prepare(session, parallel)
        sequence = None if again.operation is None else decode_nonce(again.operation.nonce).sequence
        outcome = Outcome.OK if sequence == 1 else Outcome.WARNING
        return (
            outcome,
            f"answered as chosen, and then with sequence {sequence} on the used key (S2)",
        )

    async def _same_bytes(self, session: TrialSession) -> tuple[Outcome, str]:
        """S3: whether a repeated send is answered with the same id."""
        sealed = await self.trial.fenced(session)
        first = await self._venue.api.send_prepared_calls(sealed.request)
        try:
            second = await self._venue.api.send_prepared_calls(sealed.request)
        except WalletRefused as refusal:
            await self.trial.included(sealed.nonce)
            return Outcome.WARNING, f"refused ({_code(refusal)}): look the fence up instead (S3)"
        await self.trial.included(sealed.nonce)
        if second != first:
            return Outcome.WARNING, f"answered another id, {second} after {first} (S3)"
        return Outcome.OK, "answered with the same id (S3)"

    async def _replacement(self, session: TrialSession) -> tuple[Outcome, str]:
        """X21: the same nonce again, with absolute fees a tenth higher."""
        sealed = await self.trial.fenced(session)
        await self._venue.api.send_prepared_calls(sealed.request)
        operation = sealed.verdict.operation
        fees = FeeOverride(
            _raised(operation.max_fee_per_gas), _raised(operation.max_priority_fee_per_gas)
        )
        parallel = decode_nonce(sealed.nonce).parallel
        try:
            offer = await self.trial.prepare(session, parallel, fees)
            other = await self.trial.seal(session, offer, sealed.nonce, fees)
            await self._venue.api.send_prepared_calls(other.request)
        except (WalletRefused, GuardError) as error:
            event = await self.trial.included(sealed.nonce)
            if event is not None:
                return Outcome.NOT_CHECKED, f"the first was included too soon: {error.what}"
            return Outcome.FAILED, f"not taken: {error.what} (X21)"
        event = await self.trial.included(sealed.nonce)
        if event is None:
            return Outcome.FAILED, "taken, but neither was included in time"
        winner = "the replacement" if event.user_op_hash == other.verdict.hash else "the original"
        return Outcome.OK, f"taken; {winner} was included (X21)"

    async def _in_flight(self, session: TrialSession) -> tuple[Outcome, str]:
        """H6: how many operations of one sender are taken before the first is included."""
        prepared = [await self.trial.fenced(session) for _ in range(_MOST_AT_ONCE)]
        taken: list[Sealed] = []
        refused = None
        for sealed in prepared:
            try:
                await self._venue.api.send_prepared_calls(sealed.request)
            except WalletRefused as refusal:
                refused = refusal
                break
            taken.append(sealed)
        for sealed in taken:
            await self.trial.included(sealed.nonce)
        outcome = Outcome.OK if len(taken) >= 4 else Outcome.WARNING
        if refused is None:
            return outcome, f"{len(taken)} at once, none refused (H6 expects 4)"
        return outcome, f"{len(taken)} at once, the next refused ({_code(refused)}; H6 expects 4)"

    async def _near_the_end(self) -> AsyncIterator[Check]:
        """F5, R6: how late a send is taken, and what a lapsed grant is told."""
        lifetime, margins = self._schedule_of_the_end()
        last, lapsed = "the last moment to send", "a lapsed grant"
        try:
            session = await self.trial.session(lifetime)
            first = await self._first_use(session)
            if not session.installed:
                yield self._unchecked(last, f"no second session: {first.detail}")
                return
            prepared = [await self.trial.fenced(session) for _ in range(len(margins) + 1)]
        except RunnerError as error:
            yield self._failed(last, error)
            return
        yield await self._tried(last, self._last_moment(session, margins, prepared))
        yield await self._tried(lapsed, self._after_the_end(session, prepared[-1]))

    def _schedule_of_the_end(self) -> tuple[timedelta, Sequence[int]]:
        """A life that leaves room to activate, and the margins that are tried, in seconds."""
        if self._venue.sandbox:
            return timedelta(seconds=12), (6, 4, 2)
        inclusion = self._venue.margins.inclusion
        return inclusion + timedelta(seconds=90), (60, 45, 30, 20, 10, 5)

    async def _last_moment(
        self, session: TrialSession, margins: Sequence[int], prepared: Sequence[Sealed]
    ) -> tuple[Outcome, str]:
        taken: int | None = None
        for margin, sealed in zip(margins, prepared, strict=False):
            await self.trial.sleep_until(session.expires_at - timedelta(seconds=margin))
            try:
                await self._venue.api.send_prepared_calls(sealed.request)
            except WalletRefused as refusal:
                before = "none earlier" if taken is None else f"taken {taken} s before the end"
                said = f"{before}, refused at {margin} s ({_code(refusal)})"
                return Outcome.OK, f"{said}; `timing` must leave more (R6)"
            taken = margin
        return Outcome.OK, f"still taken {taken} s before the end (R6)"

    async def _after_the_end(self, session: TrialSession, unsent: Sealed) -> tuple[Outcome, str]:
        await self.trial.sleep_until(session.expires_at + timedelta(seconds=3))
        told = [
            await self._said("prepare", self.trial.prepare(session, self.trial.parallel())),
            await self._said("send", self._venue.api.send_prepared_calls(unsent.request)),
        ]
        unknown = "0x" + call_id(self._venue.chain_id, unsent.verdict.hash).hex()
        status = await self._venue.api.get_calls_status(unknown)
        told.append(f"status {status.code if status.known else 'unknown id'}")
        refused = all("refused" in text for text in told[:2])
        return (Outcome.OK if refused else Outcome.WARNING), f"{', '.join(told)} (F6)"

    async def _said(self, what: str, asked: Awaitable[object]) -> str:
        try:
            await asked
        except WalletRefused as refusal:
            return f"{what} refused ({_code(refusal)})"
        return f"{what} taken"

    # ── small things ──────────────────────────────────────────────────────────────────────────

    @property
    def _venue(self) -> Venue:
        return self.trial.venue

    async def _tried(self, name: str, probe: Awaitable[tuple[Outcome, str]]) -> Check:
        try:
            outcome, detail = await probe
        except RunnerError as error:
            return self._failed(name, error)
        return Check(name, self._venue.name, outcome, detail)

    def _failed(self, name: str, error: RunnerError) -> Check:
        return Check(name, self._venue.name, Outcome.FAILED, error.what, error.hint)

    def _unchecked(self, name: str, why: str) -> Check:
        return Check(name, self._venue.name, Outcome.NOT_CHECKED, why)


def _code(refusal: WalletRefused) -> str:
    return f"code {refusal.code}"


def _raised(fee: int) -> int:
    """X21: at least a tenth more, rounded up."""
    return -(-fee * 11 // 10)
