"""
The composition root: the only place where parts meet.

`runtime` opens what a daemon needs, in order, and closes it in reverse, also when a later step
fails. Nothing above chooses an adapter, nothing below knows another.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from runner.adapters.alerts.opening import open_channels
from runner.adapters.chain import RpcChainReader
from runner.adapters.clock import SystemClock, WalletClock
from runner.adapters.pings import Pings
from runner.adapters.secret_renewal import Renewals
from runner.adapters.secret_watch import SecretWatch
from runner.adapters.secrets import fetch_reference, is_laid_by_others, read_reference
from runner.adapters.signers.local import (
    SessionKeys,
)
from runner.adapters.signers.manual import ManualSigner
from runner.adapters.signers.opening import signers_of
from runner.adapters.sql import reading
from runner.adapters.sql.ledger import SqlLedger
from runner.adapters.sql.rows import format_permissions
from runner.adapters.sql.store import SqlStore
from runner.adapters.telemetry import Renamed
from runner.adapters.vault import Vault, parse_secret, read_or_create_secret
from runner.adapters.wakeups import Wakeups
from runner.adapters.wallet_api.client import WalletApiClient
from runner.adapters.wallet_api.transport import Endpoint, JsonRpcTransport, Post
from runner.alerting.messages import Message
from runner.errors import (
    AnswerLost,
    GuardError,
    UsageError,
    WalletBusy,
)
from runner.ethereum.address import Address
from runner.ethereum.permissions import Permission
from runner.execution.alerting import AlertDesk, Subscriber
from runner.execution.commands import Desk
from runner.execution.contexts import (
    SECOND_LOOK,
    AccountContext,
    Finality,
    ScheduleContext,
    SessionContext,
    Terms,
    Venue,
    allowances,
)
from runner.execution.daemon import Daemon
from runner.execution.digest import Digests
from runner.execution.grant_verbs import GrantWishes
from runner.execution.lane import Lane
from runner.execution.strangers import Lookout
from runner.execution.verbs import RunVerbs
from runner.guard.budget import Budgets
from runner.guard.intent import NATIVE, Intent, intent_of
from runner.planning.addresses import address_of, played
from runner.planning.applied import record_of
from runner.planning.demand import demands_of
from runner.planning.derive import max_fee_of, permissions_of, scope_digest, uncovered
from runner.planning.exposure import is_unbounded
from runner.planning.renames import identified, names_of, title
from runner.planning.renewal import Margins, room
from runner.policy.fingerprint import fingerprint, trigger_text
from runner.policy.model import (
    AccountType,
    Derive,
    Policy,
    Session,
    SmartAccount,
    SponsoredGas,
)
from runner.ports import Clock, Signer, Telemetry
from runner.records import ScheduleSeed
from runner.reporting.digest import Chain, digest
from runner.reporting.views import LedgerView
from runner.scheduling.lateness import run_deadline_default
from runner.scheduling.zones import load_zone
from runner.settings import Alerts, FileRef, Reference, Settings, WalletProfile
from runner.settings.references import rpc_place

_DEFAULT_GAS_POLICY = "00000000-0000-4000-8000-000000000001"
"""The embedded sandbox's own sponsorship policy."""


_HEADS = 5
"""So many chains of events a digest names."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """
    A daemon ready to run, the ledger it holds, and the seeds of its schedules.

    `revision` tells the policies apart, `about` says how much is in them, and where the ledger
    is; `build` makes the like over others. `beat_at` is the monotonic moment at which the daemon
    last had nothing to do, `settings` what it really uses (`--sandbox` has a ledger of its own),
    `telemetry` is heard by those who alert people.
    """

    policies: Sequence[Policy]
    settings: Settings
    beat_at: Callable[[], float]
    store: SqlStore
    daemon: Daemon
    ledger: SqlLedger
    seeds: Sequence[ScheduleSeed]
    incarnation: str
    revision: frozenset[tuple[str, str]]
    telemetry: Telemetry
    about: Mapping[str, Any]
    build: Callable[[Sequence[Policy]], Awaitable[Runtime]]

    async def rebuilt(self, policies: Sequence[Policy]) -> Runtime | None:
        """
        The same ledger and wallets under other policies; None where these are the same.

        Raises:
            RunnerError: something is missing or refuses; what runs goes on as it is.
        """
        return None if _revision(policies) == self.revision else await self.build(policies)

    async def remember_refusal(self, faults: Sequence[str]) -> None:
        """Keep in the ledger that an edit was not put in force, and why."""
        now = SystemClock().now()
        await self.ledger.record(now, "policies.refused", "policies", faults=list(faults))

    async def counts(self) -> dict[str, int]:
        """What this process has paid, renewed, failed, and left open."""
        return await self.ledger.counts(incarnation=self.incarnation)


@asynccontextmanager
async def runtime(
    settings: Settings,
    policies: Sequence[Policy],
    *,
    telemetry: Telemetry,
    environment: Mapping[str, str],
    sandbox: bool,
    adopt: bool | None = None,
    secrets: SecretWatch | None = None,
) -> AsyncIterator[Runtime]:
    """
    Open everything that `policies` need.

    Args:
        sandbox: `--sandbox`: every wallet is the embedded one, every signer a throw-away key.
        adopt: What becomes of session keys on accounts that the ledger does not know (X19): they
            are written into it, or refused; None: nobody looks.
        secrets: Looks at the files of secrets while this runs; None: nobody does.

    Raises:
        RunnerError: something is missing or refuses; what was opened is closed again.
    """
    settings = _playground(settings) if sandbox and settings.file is not None else settings
    profiles = _profiles(settings, policies, sandbox=sandbox)
    playing = all(profile.is_sandbox for profile in profiles.values())
    # Whatever can be refused without a ledger is refused before one is made.
    signers = await signers_of(settings, policies, environment, throw_away=sandbox)
    # Who plays beside a real configuration wakes nobody.
    told = Alerts() if sandbox else settings.alerts
    channels = open_channels(told, environment, now=SystemClock().now)
    watch = secrets or SecretWatch({}, clock=SystemClock())
    renewals = Renewals(watch, settings, environment, channels, playing=sandbox)
    async with AsyncExitStack() as stack:
        vault = open_vault(settings, environment, create=playing)
        renewals.secret_key(vault, partial(open_vault, settings, environment, create=False))
        store = SqlStore.open(settings.store, vault, now=SystemClock().now(), create=playing)
        stack.push_async_callback(lambda: store.close(now=SystemClock().now()))
        ledger = SqlLedger(store, vault)
        desk = AlertDesk(
            ledger,
            [Subscriber(one.channel, one.min_severity) for one in channels],
            clock=SystemClock(),
            telemetry=telemetry,
        )
        await stack.enter_async_context(desk.open())
        telemetry = pings = Pings(desk, clock=SystemClock())
        await stack.enter_async_context(pings.open())
        in_force: list[Policy] = []
        if settings.alerts.digest_at is not None and channels:
            digests = _digests(settings, store, desk, telemetry, in_force)
            stack.push_async_callback(_cancelled, asyncio.create_task(digests.run()))
        stack.push_async_callback(_cancelled, asyncio.create_task(watch.run(telemetry)))
        wallets = Wallets(stack, environment, telemetry, secrets=watch)
        alarm = Wakeups()
        alarm.start()
        stack.callback(alarm.stop)

        lookout = Lookout(ledger, ledger, adopt=adopt)

        async def build(policies: Sequence[Policy]) -> Runtime:
            wanted = _profiles(settings, policies, sandbox=sandbox)
            if playing and not all(profile.is_sandbox for profile in wanted.values()):
                raise UsageError(
                    "the edited policies pay real money, and this daemon began with play money",
                    hint="start it anew: runner init, runner db init, runner up",
                )
            opened = signers_of(settings, policies, environment, throw_away=sandbox, known=signers)
            signers.update(await opened)
            renewals.signers(signers)
            for name, profile in wanted.items():
                await wallets.open(name, profile, policies)
            # Whatever its schedules are called: a policy's digest leaves their first names out.
            revisions = fingerprints(policies)
            known = identified(policies, await ledger.identities())
            named = Renamed(telemetry, names_of(known))
            assembly = Assembly(wallets, signers, named, sandbox=sandbox)
            schedules, sessions = await assembly.contexts(known, revisions)
            await lookout.meet(assembly.accounts, named)
            daemon = Daemon(
                schedules=schedules,
                sessions=sessions,
                ledger=ledger,
                keys=SessionKeys(ledger.open_key, entropy=os.urandom),
                telemetry=named,
                alarm=alarm,
                clock=SystemClock(),
                chance=random.random,
                commands=ledger,
                verbs=ledger,
                grant_verbs=ledger,
                breaches=ledger,
                copies=ledger,
                funding_lead=settings.alerts.funding_lead,
            )
            applied = await ledger.applied()
            written = {
                policy.name: record_of(policy)
                for policy in policies
                if policy.schedules and revisions[policy.name] != applied.get(policy.name)
            }
            seeds = [
                seed_of(each, written.get(each.spec.policy, "")) for each in schedules.values()
            ]
            in_force[:] = policies
            pings.urls = {
                title(each.spec): each.spec.ping
                for each in schedules.values()
                if each.spec.ping is not None
            }
            return Runtime(
                policies=policies,
                settings=settings,
                beat_at=lambda: alarm.beat_at,
                store=store,
                daemon=daemon,
                ledger=ledger,
                seeds=seeds,
                incarnation=store.incarnation,
                revision=frozenset(revisions.items()),
                telemetry=telemetry,
                about={
                    "schedules": len(schedules),
                    "sessions": len(sessions),
                    "accounts": len(assembly.accounts),
                    "store": settings.store.removeprefix("sqlite:///"),
                },
                build=build,
            )

        yield await build(policies)


def _digests(
    settings: Settings,
    store: SqlStore,
    desk: AlertDesk,
    telemetry: Telemetry,
    in_force: Sequence[Policy],
) -> Digests:
    at, name = settings.alerts.digest_at or (time(17), "UTC")
    zone, clock = load_zone(name), SystemClock()

    async def compose(day: date, now: datetime) -> Message:
        def look(c: Connection) -> tuple[LedgerView, list[Chain]]:
            end = now + timedelta(days=1)
            view = reading.overview(c, settings.store, start=now, end=end, now=now)
            return view, reading.newest_heads(c, count=_HEADS)

        view, heads = await store.read(look)
        return digest(view, in_force, heads, day=day, zone=zone, now=now)

    return Digests(
        at, zone, compose=compose, announce=desk.announce, clock=clock, telemetry=telemetry
    )


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _revision(policies: Sequence[Policy]) -> frozenset[tuple[str, str]]:
    return frozenset(fingerprints(policies).items())


def fingerprints(policies: Sequence[Policy]) -> dict[str, str]:
    """By the name of each policy, its digest."""
    return {policy.name: fingerprint(policy) for policy in policies}


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


async def desk_of(
    ledger: SqlLedger, policies: Sequence[Policy], telemetry: Telemetry, settings: Settings
) -> Desk:
    """
    Who acts on wishes where no daemon does: the ledger's part is done at once, and the daemon
    carries on from there when it starts (O10).

    Raises:
        UsageError: names of the policies do not fit the ledger (T10).
    """
    policies = identified(policies, await ledger.identities())
    clock = SystemClock()
    verbs = RunVerbs(
        ledger,
        terms_of(policies),
        now=lambda _: clock.now(),
        start=lambda _: None,
        nudge=lambda _: None,
    )
    renews = {one.uid: one.renew == "auto" for p in policies for one in p.sessions.values()}
    accounts = {one.uid: p.accounts[one.account] for p in policies for one in p.sessions.values()}

    def account_of(uid: str) -> Callable[[Address], Address] | None:
        if uid not in accounts:
            return None
        spec = accounts[uid]
        spec = played(spec) if settings.wallets[spec.wallet].embedded else spec
        return lambda owner: address_of(spec.type, owner, spec.salt)

    grants = GrantWishes(
        ledger,
        now=clock.now,
        may_renew=renews.get,
        account_of=account_of,
    )
    known = verbs.handlers() | grants.handlers()
    return Desk(ledger, known, clock=clock, telemetry=telemetry)


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


def _playground(settings: Settings) -> Settings:
    """
    `--sandbox` beside a runner.yaml: a ledger and a secret of its own.

    Play payments in the real ledger would count their slots as paid.
    """
    store = Path(settings.store.removeprefix("sqlite:///"))
    folder = store.parent / "sandbox"
    return replace(
        settings,
        store=f"sqlite:///{folder / 'ledger.db'}",
        secret_key=FileRef(folder / "secret.key"),
    )


def _profiles(
    settings: Settings, policies: Sequence[Policy], *, sandbox: bool
) -> dict[str, WalletProfile]:
    names = {account.wallet for policy in policies for account in policy.accounts.values()}
    if sandbox:
        # Each world is kept beside the ledger that it belongs to.
        folder = Path(settings.store.removeprefix("sqlite:///")).parent
        return {
            name: WalletProfile(embedded=True, state=folder / f"{name}.json")
            for name in sorted(names)
        }
    found = {}
    for name in sorted(names):
        if name not in settings.wallets:
            known = ", ".join(sorted(settings.wallets)) or "none"
            raise UsageError(
                f"the policies use wallet `{name}`, runner.yaml has: {known}",
                hint=f"add `wallets: {{{name}: …}}` to runner.yaml, or run with --sandbox",
            )
        found[name] = settings.wallets[name]
    return found


def open_vault(settings: Settings, environment: Mapping[str, str], *, create: bool) -> Vault:
    """The vault by the secret key that the settings name; `create` may make a missing file."""
    reference = settings.secret_key
    if isinstance(reference, FileRef) and not is_laid_by_others(reference.path, environment):
        secret = read_or_create_secret(reference.path, create=create, entropy=os.urandom)
    else:
        text = read_reference(reference, environment, what="secret_key")
        secret = parse_secret(text, origin="secret_key")
    return Vault(secret, entropy=os.urandom)


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a wallet profile answers, by whose time, and who takes requests there (None: HTTP).

    `poll_seconds` and `second_look` are None where the profile's timing and rule R23 say it.
    """

    url: str
    clock: Clock
    post: Post | None = None
    poll_seconds: float | None = None
    second_look: timedelta | None = None


Embed = Callable[[WalletProfile, int], Place]
"""Starts the embedded sandbox of a profile, for a chain id that its plain paths serve."""


class Wallets:
    """Wallet profiles, opened: a client each, a clock and a chain reader per chain."""

    def __init__(
        self,
        stack: AsyncExitStack,
        environment: Mapping[str, str],
        telemetry: Telemetry,
        *,
        embed: Embed | None = None,
        secrets: SecretWatch | None = None,
    ) -> None:
        self._stack = stack
        self._environment = environment
        self._telemetry = telemetry
        self._secrets = secrets or SecretWatch({}, clock=SystemClock())
        self._chains: dict[tuple[str, int], JsonRpcTransport] = {}
        self._embed = embed or partial(_start_sandbox, stack)
        self._opened: dict[str, tuple[WalletProfile, WalletApiClient, Place]] = {}

    def is_embedded(self, name: str) -> bool:
        """Whether an opened wallet is a sandbox inside this process."""
        return self._opened[name][0].embedded

    async def open(self, name: str, profile: WalletProfile, policies: Sequence[Policy]) -> None:
        """Start an embedded sandbox or reach out to the profile's URL; again, for new tokens."""
        accounts = [a for p in policies for a in p.accounts.values() if a.wallet == name]
        if name in self._opened:
            if profile.embedded:
                for chain_id in sorted({account.chain for account in accounts}):
                    await self._deploy_tokens(name, chain_id, policies)
            return
        if profile.embedded:
            place = self._embed(profile, accounts[0].chain)
        elif profile.url is not None:
            place = Place(profile.url, _clock(profile))
        else:
            raise UsageError(f"wallet `{name}` has no url", hint="write `url:` or `embedded: true`")
        place_of_key = f"wallets.{name}.api_key"

        async def read_key() -> str:
            reference = profile.api_key or ""
            return await fetch_reference(reference, self._environment, what=place_of_key)

        key = None if profile.api_key is None else await read_key()
        client = WalletApiClient(
            url=place.url,
            api_key=key,
            clock=place.clock,
            rate_limit=profile.rate_limit,
            chain_url=_sandbox_chain_url(place.url) if profile.is_sandbox else None,
            post=place.post,
            observe=partial(self._observed, name),
        )
        await self._stack.enter_async_context(client)
        self._opened[name] = (profile, client, place)

        async def renew() -> bool:
            return client.take_key(await read_key())

        self._secrets.renewing(place_of_key, renew)
        for chain_id in sorted({account.chain for account in accounts}):
            self._telemetry.emit(
                "wallet.ready",
                wallet=name,
                chain_id=chain_id,
                url=client.origin,
                sandbox=profile.is_sandbox,
            )
            if profile.embedded:
                await self._deploy_tokens(name, chain_id, policies)

    async def _deploy_tokens(self, name: str, chain_id: int, policies: Sequence[Policy]) -> None:
        """Every declared token exists on the embedded chain, at its address and decimals."""
        for token in sorted(
            {
                (asset.name, asset.decimals, asset.address)
                for policy in policies
                for asset in policy.assets
                if asset.address is not None
            }
        ):
            symbol, decimals, address = token
            params = {"symbol": symbol.upper(), "decimals": decimals, "address": address}
            await self.control(name, chain_id, "sandbox_deployToken", params, repeat=True)

    async def control(
        self, name: str, chain_id: int, method: str, params: Any, *, repeat: bool = False
    ) -> Any:
        """Ask the sandbox of a profile for what no chain would do."""
        _, _, place = self._opened[name]
        endpoint = Endpoint(_sandbox_chain_url(place.url)(chain_id), None)
        rpc = JsonRpcTransport(endpoint, clock=place.clock, post=place.post)
        try:
            return await rpc.call(method, json.dumps([params]).encode(), repeat=repeat)
        finally:
            await rpc.aclose()

    def _observed(self, name: str, method: str, outcome: str) -> None:
        fields = {"wallet": name, "method": method, "outcome": outcome}
        self._telemetry.emit("wallet.request", level="debug", **fields)

    async def venue(self, name: str, chain_id: int) -> Venue:
        """One chain through one profile."""
        profile, client, place = self._opened[name]
        timing = profile.timing
        reader: RpcChainReader = client.chain_reader(chain_id)
        reference = profile.rpc_url.get(chain_id)
        if reference is not None:
            rpc = await self._evidence(name, chain_id, reference, place.clock)
            reader = RpcChainReader(rpc, chain_id=chain_id)
        inclusion = timing.inclusion
        return Venue(
            wallet=name,
            chain_id=chain_id,
            api=client,
            chain=reader,
            clock=place.clock,
            margins=Margins(
                inclusion=inclusion,
                skew=timing.skew,
                min_lead=timing.min_lead,
                finality=timing.finality_age,
            ),
            finality=Finality(timing.finality_blocks, timing.finality_age),
            poll_seconds=place.poll_seconds or min(2.0, max(0.2, inclusion.total_seconds() / 12)),
            sandbox=profile.is_sandbox,
            independent=reference is not None,
            gas_policies=_gas_policies(profile),
            second_look=place.second_look or SECOND_LOOK,
        )

    async def _evidence(
        self, name: str, chain_id: int, reference: Reference | str, clock: Clock
    ) -> JsonRpcTransport:
        """Where a chain is asked beside the wallet service; the same after a reload."""
        if (name, chain_id) in self._chains:
            return self._chains[name, chain_id]
        where = rpc_place(name, self._opened[name][0], chain_id)
        observe = partial(self._observed, name)

        async def reach() -> tuple[Endpoint, JsonRpcTransport]:
            url = await fetch_reference(reference, self._environment, what=where)
            endpoint = Endpoint(url, None)
            return endpoint, JsonRpcTransport(endpoint, clock=clock, observe=observe)

        _, rpc = await reach()
        self._stack.push_async_callback(rpc.aclose)
        self._chains[name, chain_id] = rpc

        async def renew() -> bool:
            endpoint, trial = await reach()
            async with trial:  # of another chain it would know nothing, and say that all is unpaid
                await RpcChainReader(trial, chain_id=chain_id).head()
            return rpc.reach(endpoint)

        self._secrets.renewing(where, renew)
        return rpc


def _clock(profile: WalletProfile) -> Clock:
    return WalletClock() if profile.timing.clock == "wallet" else SystemClock()


def _start_sandbox(stack: AsyncExitStack, profile: WalletProfile, chain_id: int) -> Place:
    from runner.sandbox.server import EmbeddedSandbox  # noqa: PLC0415  (a heavy import)

    if profile.state is not None:
        profile.state.parent.mkdir(parents=True, exist_ok=True)
    embedded = EmbeddedSandbox(chain_id=chain_id, state=profile.state)
    url = embedded.start()
    stack.callback(embedded.stop)
    return Place(url, _clock(profile))


def _sandbox_chain_url(url: str) -> Callable[[int], str]:
    """The sandbox's path for `eth_*` of one chain (DESIGN §10)."""
    origin = "/".join(url.split("/")[:3])
    key = url.rsplit("/", 1)[1] if "/v2/" in url else "dev"
    return lambda chain_id: f"{origin}/chain/{chain_id}/v2/{key}"


def _gas_policies(profile: WalletProfile) -> dict[str, str]:
    policies = dict(profile.gas_policies)
    if profile.is_sandbox:
        policies.setdefault("default", _DEFAULT_GAS_POLICY)
    return policies


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
            most = {one.name: intent_of(one.calls, assets) for one in policy.schedules.values()}
            for session in policy.sessions.values():
                sessions[session.uid] = self._session(policy, session, most)
            for schedule in policy.schedules.values():
                context = sessions[policy.sessions[schedule.session].uid]
                deadline = schedule.run_deadline or run_deadline_default(context.spec.lifetime)
                schedules[schedule.uid] = ScheduleContext(
                    spec=schedule,
                    session=context,
                    most=most[schedule.name],
                    assets=assets,
                    revision=revisions[policy.name],
                    run_deadline=deadline,
                    room=room(deadline, context.venue.margins),
                )
                _check_budgets(schedules[schedule.uid])
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

    def _session(self, policy: Policy, spec: Session, most: Mapping[str, Intent]) -> SessionContext:
        account = self.accounts[f"{policy.name}/{spec.account}"]
        margins = account.venue.margins
        uses = [s for s in policy.schedules.values() if s.session == spec.name]
        rooms = [room(s.run_deadline or run_deadline_default(spec.lifetime), margins) for s in uses]
        demands = demands_of(spec, uses, now=account.venue.clock.now())
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
            room=max(rooms, default=timedelta(0)),
            max_exposure=_max_exposure(spec, permissions),
            dearest=_dearest(most[one.name] for one in uses),
            reached=frozenset(call.to for one in uses for call in most[one.name].calls),
        )


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
