"""
A daemon with all that it needs, opened in order and closed again.

`runtime` opens what a daemon needs, in order, and closes it in reverse, also when a later step
fails. Nothing above chooses an adapter, nothing below knows another.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from runner.adapters.alerts.opening import open_channels
from runner.adapters.audience import Audience
from runner.adapters.clock import SystemClock
from runner.adapters.pings import Pings
from runner.adapters.secret_renewal import Renewals
from runner.adapters.secret_watch import SecretWatch
from runner.adapters.secrets import is_laid_by_others, read_reference
from runner.adapters.signers.local import (
    SessionKeys,
)
from runner.adapters.signers.opening import signers_of
from runner.adapters.sql.ledger import SqlLedger
from runner.adapters.sql.store import SqlStore
from runner.adapters.telemetry import renamed
from runner.adapters.vault import Vault, parse_secret, read_or_create_secret
from runner.adapters.wakeups import Wakeups
from runner.bootstrap.assembly import Assembly, seed_of, terms_of
from runner.bootstrap.wallets import Wallets
from runner.errors import (
    UsageError,
)
from runner.ethereum.address import Address
from runner.execution.alerting import AlertDesk, Subscriber
from runner.execution.commands import Desk
from runner.execution.daemon import Daemon
from runner.execution.grant_verbs import GrantWishes
from runner.execution.strangers import Lookout
from runner.execution.verbs import RunVerbs
from runner.frozen import frozen
from runner.planning.addresses import address_of, played
from runner.planning.applied import Papers
from runner.planning.renames import identified, names_of, title
from runner.policy.model import (
    Policy,
)
from runner.ports import Telemetry
from runner.records import ScheduleSeed
from runner.settings import Alerts, FileRef, Settings, WalletProfile


@frozen
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
    papers: Papers | None = None,
) -> AsyncIterator[Runtime]:
    """
    Open everything that `policies` need.

    Args:
        sandbox: `--sandbox`: every wallet is the embedded one, every signer a throw-away key.
        adopt: What becomes of session keys on accounts that the ledger does not know (X19): they
            are written into it, or refused; None: nobody looks.
        secrets: Looks at the files of secrets while this runs; None: nobody does.
        papers: What the ledger wants of these policies, where somebody has begun with it.

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
        pings = await stack.enter_async_context(Pings(desk, clock=SystemClock()).open())
        telemetry = Audience.of(telemetry, desk, pings)
        in_force: list[Policy] = []
        if settings.alerts.digest_at is not None and channels:
            daily = _digesting(settings, store, desk, telemetry, in_force)
            stack.push_async_callback(_cancelled, daily)
        stack.push_async_callback(_cancelled, asyncio.create_task(watch.run(telemetry)))
        wallets = Wallets(stack, environment, telemetry, secrets=watch)
        alarm = Wakeups()
        alarm.start()
        stack.callback(alarm.stop)

        lookout = Lookout(ledger, ledger, adopt=adopt)

        async def build(policies: Sequence[Policy], papers: Papers) -> Runtime:
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
            revisions = papers.digests(policies)
            known = identified(policies, await ledger.identities())
            named = renamed(telemetry, names_of(known))
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
            written = papers.records(
                [
                    policy
                    for policy in policies
                    if policy.schedules and revisions[policy.name] != applied.get(policy.name)
                ]
            )
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
                build=partial(build, papers=Papers()),
            )

        yield await build(policies, papers or Papers())


def _digesting(
    settings: Settings,
    store: SqlStore,
    desk: AlertDesk,
    telemetry: Telemetry,
    in_force: Sequence[Policy],
) -> asyncio.Task[None]:
    from runner.bootstrap.digests import digests_of  # noqa: PLC0415 (few want them)

    return asyncio.create_task(digests_of(settings, store, desk, telemetry, in_force).run())


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _revision(policies: Sequence[Policy]) -> frozenset[tuple[str, str]]:
    return frozenset(Papers().digests(policies).items())


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
