"""Policies → what runs by them: accounts, sessions and schedules, each with what it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from runner.adapters.signers.manual import ManualSigner
from runner.adapters.sql.rows import format_permissions
from runner.bootstrap.wallets import Wallets
from runner.errors import (
    AnswerLost,
    GuardError,
    UsageError,
    WalletBusy,
)
from runner.ethereum.address import Address
from runner.ethereum.permissions import Permission
from runner.execution.contexts import (
    AccountContext,
    ScheduleContext,
    SessionContext,
    Terms,
    Venue,
    allowances,
)
from runner.execution.lane import Lane
from runner.guard.budget import Budgets, is_bounded
from runner.guard.intent import NATIVE, Intent, intent_of
from runner.planning.addresses import address_of, played
from runner.planning.demand import demands_of
from runner.planning.derive import max_fee_of, permissions_of, scope_digest, uncovered
from runner.planning.exposure import is_unbounded
from runner.planning.renewal import room
from runner.policy.fingerprint import trigger_text
from runner.policy.model import (
    AccountType,
    Derive,
    Pay,
    Policy,
    PolicyCall,
    Schedule,
    Session,
    SmartAccount,
    SponsoredGas,
)
from runner.ports import Signer, Telemetry
from runner.records import ScheduleSeed
from runner.scheduling.lateness import run_deadline_default


def terms_of(policies: Sequence[Policy]) -> dict[str, Terms]:
    """What verbs need of every schedule, by uid; no wallet is asked."""
    found = {}
    for policy in policies:
        assets: dict[str, Any] = {a.address or NATIVE: a for a in policy.assets}
        for schedule in policy.schedules.values():
            session = policy.sessions[schedule.session]
            found[schedule.uid] = Terms(
                spec=schedule,
                session=session.uid,
                most=intent_of(schedule.calls, assets),
                budgets=Budgets.of(schedule, session),
                run_deadline=schedule.run_deadline or run_deadline_default(session.lifetime),
            )
    return found


def seed_of(context: ScheduleContext, written: str = "") -> ScheduleSeed:
    """A schedule as it is to stand in the ledger; `written` is its policy, if that is kept."""
    return ScheduleSeed(
        uid=context.uid,
        session=context.session.uid,
        account=f"{context.spec.policy}/{context.session.spec.account}",
        trigger=trigger_text(context.spec),
        revision=context.revision,
        budgets=context.budgets,
        written=written,
    )


def _by_what(spec: SmartAccount) -> str:
    if spec.type is AccountType.EIP7702:
        return "is, as an EOA that delegates, its own account"
    return f"with salt {spec.salt} owns"


class Assembly:
    """Policies → contexts."""

    def __init__(
        self,
        wallets: Wallets,
        signers: Mapping[str, Signer],
        telemetry: Telemetry,
        *,
        sandbox: bool,
    ) -> None:
        self._wallets = wallets
        self._telemetry = telemetry
        self._signers = signers
        self._sandbox = sandbox
        self._lanes: dict[tuple[int, Address], Lane] = {}
        self.venues: dict[str, Venue] = {}
        self.accounts: dict[str, AccountContext] = {}

    async def contexts(
        self, policies: Sequence[Policy], revisions: Mapping[str, str]
    ) -> tuple[dict[str, ScheduleContext], dict[str, SessionContext]]:
        """
        Every schedule and session by uid.

        Args:
            revisions: The fingerprint of each policy, by its name.
        """
        schedules: dict[str, ScheduleContext] = {}
        sessions: dict[str, SessionContext] = {}
        for policy in policies:
            for account in policy.accounts.values():
                uid = f"{policy.name}/{account.name}"
                self.accounts[uid] = await self.account(account)
                self._telemetry.emit(
                    "account.ready", account=uid, address=self.accounts[uid].address
                )
            assets: dict[str, Any] = {a.address or NATIVE: a for a in policy.assets}
            most = _intents(policy.schedules, assets)
            uses: dict[str, list[Schedule]] = {name: [] for name in policy.sessions}
            for schedule in policy.schedules.values():
                uses[schedule.session].append(schedule)
            usual: dict[str, tuple[SessionContext, timedelta, timedelta]] = {}
            for session in policy.sessions.values():
                context = self._session(policy, session, uses[session.name], most)
                sessions[session.uid] = context
                deadline = run_deadline_default(session.lifetime)
                usual[session.name] = context, deadline, room(deadline, context.venue.margins)
            for schedule in policy.schedules.values():
                context, deadline, its_room = usual[schedule.session]
                if schedule.run_deadline is not None:
                    deadline = schedule.run_deadline
                    its_room = room(deadline, context.venue.margins)
                schedules[schedule.uid] = one = ScheduleContext(
                    spec=schedule,
                    session=context,
                    most=most[schedule.name],
                    assets=assets,
                    revision=revisions[policy.name],
                    run_deadline=deadline,
                    room=its_room,
                )
                if is_bounded(schedule, context.spec):
                    _check_budgets(one)
        return schedules, sessions

    async def account(self, spec: SmartAccount) -> AccountContext:
        """
        One account at its place, its address agreed upon with the service (G1).

        Raises:
            GuardError: The address is not the one that was written, or that the service names.
        """
        if self._sandbox or self._wallets.is_embedded(spec.wallet):
            spec = played(spec)
        owner = self._signers[spec.owner]
        key = f"{spec.wallet}/{spec.chain}"
        if key not in self.venues:
            self.venues[key] = await self._wallets.venue(spec.wallet, spec.chain)
        venue = self.venues[key]
        computed = address_of(spec.type, owner.address, spec.salt)
        if spec.address is not None and not self._sandbox and spec.address != computed:
            raise GuardError(
                f"account `{spec.name}` is written as {spec.address}, but signer `{spec.owner}` "
                f"({owner.address}) {_by_what(spec)} {computed}",
                hint="mend `address`, `owner` or `salt`; nothing was signed",
            )
        answered = await self._answered(venue, owner.address, spec, computed)
        if answered != computed:
            raise GuardError(
                f"the wallet service names {answered} as the account of {owner.address}, "
                f"computed offline it is {computed}",
                hint="nothing was signed; is this the right wallet, and the right account type?",
            )
        _check_gas(spec, venue)
        lane = self._lanes.setdefault((spec.chain, computed), Lane())
        return AccountContext(
            spec=spec,
            address=computed,
            owner=owner,
            venue=venue,
            lane=lane,
            by_hand=isinstance(owner, ManualSigner),
            max_fee=max_fee_of(spec, sandbox=venue.sandbox),
        )

    async def _answered(
        self, venue: Venue, owner: Address, spec: SmartAccount, computed: Address
    ) -> Address:
        """G1: what the service calls the account; one that cannot be asked is asked no more."""
        salt, is_eoa = spec.salt, spec.type is AccountType.EIP7702
        try:
            answered = await venue.api.request_account(owner, salt=salt, delegated=is_eoa)
            if answered != computed and not is_eoa:  # it names the owner's oldest account first
                answered = await venue.api.request_account(owner, salt=salt, additional=True)
        except (AnswerLost, WalletBusy) as error:
            # The address is computed here anyway; what was sent before has to be watched (H3).
            self._telemetry.emit(
                "wallet.unreachable",
                level="warning",
                wallet=venue.wallet,
                detail=error.what,
                hint="nothing is signed for it until it answers; what was sent is watched",
            )
            return computed
        return answered

    def _session(
        self,
        policy: Policy,
        spec: Session,
        uses: Sequence[Schedule],
        most: Mapping[str, Intent],
    ) -> SessionContext:
        account = self.accounts[f"{policy.name}/{spec.account}"]
        margins = account.venue.margins
        intents = list({id(one): one for one in (most[s.name] for s in uses)}.values())
        deadlines = {s.run_deadline for s in uses}
        demands = demands_of(
            spec,
            uses,
            now=account.venue.clock.now(),
            encode=lambda schedule: most[schedule.name].calls,
        )
        permissions = permissions_of(
            spec,
            demands,
            sponsored=isinstance(account.spec.gas, SponsoredGas),
            max_fee=account.max_fee,
        )
        # What is derived covers its own demand; a demand of no runs (a past `at`) needs nothing.
        written = [] if isinstance(spec.permissions, Derive) else demands
        for schedule, reason in uncovered(account.address, permissions, written):
            raise UsageError(
                f"the permissions of session `{spec.name}` refuse what schedule "
                f"`{schedule.name}` does: {reason}",
                where=schedule.calls[0].mark,
                hint="widen `permissions`, or write `permissions: derive`",
            )
        return SessionContext(
            spec=spec,
            account=account,
            permissions=permissions,
            scope=scope_digest(permissions, format_permissions),
            room=max(
                (room(one or run_deadline_default(spec.lifetime), margins) for one in deadlines),
                default=timedelta(0),
            ),
            max_exposure=_max_exposure(spec, permissions),
            dearest=_dearest(intents),
            reached=frozenset(call.to for intent in intents for call in intent.calls),
        )


def _intents(schedules: Mapping[str, Schedule], assets: Mapping[str, Any]) -> dict[str, Intent]:
    """What each schedule does at most, by its name; those that pay alike have it in common."""
    known: dict[Any, Intent] = {}
    found = {}
    for name, schedule in schedules.items():
        alike = tuple(map(_said, schedule.calls))
        intent = known.get(alike)
        if intent is None:
            intent = known[alike] = intent_of(schedule.calls, assets)
        found[name] = intent
    return found


def _said(call: PolicyCall) -> Any:
    """All that a payment says but where it is written; what else there is stands for itself."""
    if isinstance(call, Pay):
        return call.to, call.to_name, call.asset.address, call.amount, call.memo, call.ref
    return call


def _dearest(intents: Iterable[Intent]) -> dict[str, int]:
    found: dict[str, int] = {}
    for intent in intents:
        for token, amount in intent.sums.items():
            found[token] = max(found.get(token, 0), amount)
    return found


def _max_exposure(spec: Session, permissions: Sequence[Permission]) -> dict[str, int]:
    """R14: a bound that no grant keeps, or that none can know, would be none."""
    allowed, found = allowances(tuple(permissions)), {}
    for money in spec.max_exposure or ():
        token = money.asset.address or NATIVE
        if token not in allowed and is_unbounded(permissions, token):
            raise UsageError(
                f"`max_exposure` of session `{spec.name}` cannot be kept: its permissions set no "
                f"limit to what it may take of `{money.asset.name}`",
                where=money.mark,
                hint="add the permission that limits it, or delete this amount",
            )
        if allowed.get(token, 0) > money.amount:
            raise UsageError(
                f"one grant of session `{spec.name}` allows {allowed[token]} base units of "
                f"`{money.asset.name}`, `max_exposure` admits {money.amount}",
                where=money.mark,
                hint="raise it, or let grants live shorter",
            )
        found[token] = money.amount
    return found


def _check_budgets(context: ScheduleContext) -> None:
    """A budget that no single run fits would skip every slot: that is a mistake, not a policy."""
    now = context.session.venue.clock.now()
    for one in context.reservations(due_at=now, slot="any"):
        if one.amount > one.limit:
            raise UsageError(
                f"one run of schedule `{context.spec.name}` spends more than `{one.name}` allows: "
                f"{one.amount} of at most {one.limit} base units",
                where=context.spec.calls[0].mark,
                hint="raise the limit, or lower the amount",
            )


def _check_gas(spec: SmartAccount, venue: Venue) -> None:
    if isinstance(spec.gas, SponsoredGas) and spec.gas.policy not in venue.gas_policies:
        known = ", ".join(sorted(venue.gas_policies)) or "none"
        raise UsageError(
            f"account `{spec.name}` is sponsored by gas policy `{spec.gas.policy}`, "
            f"wallet `{venue.wallet}` has: {known}",
            where=spec.mark,
            hint=f"add it under `wallets.{venue.wallet}.gas_policies` in runner.yaml",
        )
