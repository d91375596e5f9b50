"""
The parts of `runner doctor`, put together: what the settings and the policies name is opened,
looked at and closed again. Whatever does not open is a finding, not the end.

The policies have been checked against the settings before, so every name that they use is there.
The ledger is not held and nothing is written, so a daemon may be running. An embedded sandbox is
looked at in a world of its own, which is thrown away.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from runner.adapters.chain import RpcChainReader
from runner.adapters.signers.local import LocalSigner, throw_away_signer
from runner.adapters.signers.opening import open_signer
from runner.adapters.sql.measures import take_and_leave
from runner.adapters.sql.store import is_held, open_for_reading, sqlite_path
from runner.adapters.sql.tables import meta
from runner.bootstrap.runtime import open_vault
from runner.bootstrap.wallets import Wallets
from runner.dashboard.server import listen, token_of
from runner.errors import RunnerError, StoreError, UsageError
from runner.execution.checkup import (
    Check,
    Outcome,
    Watched,
    account_checks,
    chain_checks,
    token_check,
    wallet_checks,
)
from runner.execution.contexts import Venue
from runner.execution.live import TESTNETS, Live
from runner.execution.trial import Trial
from runner.frozen import frozen
from runner.planning.addresses import played
from runner.planning.derive import max_fee_of
from runner.policy.model import Policy, SmartAccount, SponsoredGas
from runner.ports import Signer
from runner.reporting.text import plural
from runner.settings import Settings, WalletProfile

_LITTLE_SPACE = 100_000_000  # bytes


class _Silence:
    """A Telemetry that tells nobody: what matters here are the findings."""

    def emit(self, event: str, **fields: Any) -> None:
        """Nothing."""


@frozen
class _Place:
    """One chain through one wallet, opened, with the accounts on it."""

    venue: Venue
    chain: RpcChainReader
    accounts: Mapping[str, SmartAccount]


async def examine(
    settings: Settings, policies: Sequence[Policy], environment: Mapping[str, str]
) -> AsyncIterator[Check]:
    """Look at everything that the daemon will need, each finding as it is made."""
    yield _configuration(settings, policies)
    playing = all(_profile(settings, name).is_sandbox for name in _wallet_names(policies))
    for check in _ledger(settings, environment, playing=playing):
        yield check
    yield _web(settings, environment)
    async with AsyncExitStack() as stack:
        wallets = Wallets(stack, environment, _Silence())
        signers: dict[str, Signer] = {}
        async for check in _signers(settings, policies, environment, signers):
            yield check
        for name in _wallet_names(policies):
            opened = await _opened(wallets, settings, name, policies)
            if isinstance(opened, Check):
                yield opened
                continue
            async for check in _wallet(name, opened, policies, signers):
                yield check


async def rehearse(
    settings: Settings, policies: Sequence[Policy], environment: Mapping[str, str]
) -> AsyncIterator[Check]:
    """
    Try the open assumptions out, on every testnet and sandbox that the policies name.

    Raises:
        UsageError: they name none.
    """
    tried = False
    async with AsyncExitStack() as stack:
        wallets = Wallets(stack, environment, _Silence())
        for name in _wallet_names(policies):
            opened = await _opened(wallets, settings, name, policies)
            if isinstance(opened, Check):
                yield opened
                continue
            for place in opened:
                if not place.venue.sandbox and place.venue.chain_id not in TESTNETS:
                    why = "operations are tried on testnets and sandboxes alone"
                    yield Check("live", place.venue.name, Outcome.NOT_CHECKED, why)
                    continue
                tried = True
                async for check in _trial(place, settings, environment):
                    yield check
    if not tried:
        raise UsageError(
            "no account of the policies is on a testnet or a sandbox",
            hint="--live sends operations: point it at a policy of a testnet",
        )


# ── configuration and ledger ──────────────────────────────────────────────────────────────────


def _configuration(settings: Settings, policies: Sequence[Policy]) -> Check:
    warnings = [*settings.warnings, *(one for policy in policies for one in policy.warnings)]
    where = "built-in sandbox settings" if settings.file is None else str(settings.file)
    accounts = sum(len(policy.accounts) for policy in policies)
    detail = f"{plural(len(policies), 'policy', 'policies')}, {plural(accounts, 'account')}"
    if warnings:
        hint = "runner validate shows them"
        detail = f"{detail}, {plural(len(warnings), 'warning')}"
        return Check("configuration", where, Outcome.WARNING, detail, hint)
    return Check("configuration", where, Outcome.OK, detail)


def _ledger(
    settings: Settings, environment: Mapping[str, str], *, playing: bool
) -> Sequence[Check]:
    """Whether the ledger is there, opens with our key, and takes writes; beside a daemon too."""
    path = sqlite_path(settings.store)
    subject = "in memory" if path is None else str(path)
    if path is None:
        return [Check("ledger", subject, Outcome.WARNING, "is forgotten at the end")]
    if not path.exists():
        if not playing:
            return [
                Check("ledger", subject, Outcome.FAILED, "is not there", "make it: runner db init")
            ]
        folder = next(parent for parent in path.parents if parent.exists())
        if os.access(folder, os.W_OK | os.X_OK):
            detail = "is not there yet: the first start makes it, on a sandbox"
            return [Check("ledger", subject, Outcome.OK, detail)]
        hint = "choose another `store`, or the right user"
        return [Check("ledger", subject, Outcome.FAILED, f"{folder} cannot be written", hint)]
    try:
        take_and_leave(settings.store)
    except StoreError as error:
        return [Check("ledger", subject, Outcome.FAILED, error.what, error.hint)]
    space = os.statvfs(path.parent)
    free = space.f_bavail * space.f_frsize
    outcome = Outcome.OK if free >= _LITTLE_SPACE else Outcome.WARNING
    found = [Check("ledger", subject, outcome, f"takes writes; {free // 10**6} MB left")]
    return [*found, _secret(settings, environment)]


def _secret(settings: Settings, environment: Mapping[str, str]) -> Check:
    """Whether the secret key is the one that the ledger was made with."""
    name = "secret key"
    try:
        vault = open_vault(settings, environment, create=False)
        engine = open_for_reading(settings.store)
        try:
            with engine.connect() as connection:
                held = connection.scalar(select(meta.c.value).where(meta.c.key == "key_id"))
        finally:
            engine.dispose()
    except RunnerError as error:
        return Check(name, "ledger", Outcome.FAILED, error.what, error.hint)
    if held != vault.key_id.hex():
        detail = f"is {vault.key_id.hex()}, the ledger was made with {held}"
        return Check(name, "ledger", Outcome.FAILED, detail, "point `secret_key` at the right one")
    return Check(name, "ledger", Outcome.OK, f"{held}, the one that the ledger was made with")


def _web(settings: Settings, environment: Mapping[str, str]) -> Check:
    """Whether the daemon could show itself, and whether anything can be changed there."""
    bind = settings.http.bind
    try:
        token = token_of(settings, environment)
        if not is_held(settings.store):
            listen(settings.http.host, settings.http.port).close()
    except RunnerError as error:
        hint = error.hint or "choose another place: `http: {bind: 127.0.0.1:PORT}`"
        return Check("dashboard", bind, Outcome.WARNING, error.what, hint)
    detail = "can be listened on" if token is None else "can be listened on; changes need the token"
    return Check("dashboard", bind, Outcome.OK, detail)


# ── signers ───────────────────────────────────────────────────────────────────────────────────


async def _signers(
    settings: Settings,
    policies: Sequence[Policy],
    environment: Mapping[str, str],
    found: dict[str, Signer],
) -> AsyncIterator[Check]:
    """Open each owner's signer; those that open are left in `found`."""
    accounts = [account for policy in policies for account in policy.accounts.values()]
    for name in sorted({account.owner for account in accounts}):
        try:
            signer = await _signer(settings, name, environment)
        except RunnerError as error:
            yield Check("signer", name, Outcome.FAILED, error.what, error.hint)
            continue
        found[name] = signer
        yield _signer_check(name, signer)


def _signer_check(name: str, signer: Signer) -> Check:
    from runner.adapters.signers.command import CommandSigner  # noqa: PLC0415  (seldom needed)

    if not isinstance(signer, CommandSigner):
        detail = f"holds the key of {signer.address}; nothing was signed"
        return Check("signer", name, Outcome.OK, detail)
    if signer.program is None:
        what = "its program is not there, or is not executable"
        hint = f"check the first word of `signers.{name}.command` in runner.yaml"
        return Check("signer", name, Outcome.FAILED, what, hint)
    detail = f"{signer.program} is to sign as {signer.address}; it was not run"
    return Check("signer", name, Outcome.OK, detail)


async def _signer(settings: Settings, name: str, environment: Mapping[str, str]) -> Signer:
    if settings.throw_away_signers:
        return throw_away_signer(name)
    return await open_signer(name, settings.signers[name], environment)


# ── wallets, chains, accounts ─────────────────────────────────────────────────────────────────


def _wallet_names(policies: Sequence[Policy]) -> list[str]:
    return sorted({account.wallet for policy in policies for account in policy.accounts.values()})


def _profile(settings: Settings, name: str) -> WalletProfile:
    """The profile as it is looked at: an embedded sandbox keeps nothing of this."""
    return replace(settings.wallets[name], state=None)


async def _opened(
    wallets: Wallets, settings: Settings, name: str, policies: Sequence[Policy]
) -> list[_Place] | Check:
    """A wallet's chains, ready to be asked; or why they are not."""
    places = []
    try:
        await wallets.open(name, _profile(settings, name), policies)
        for chain_id in sorted(_on_wallet(policies, name)):
            venue = await wallets.venue(name, chain_id)
            if not isinstance(venue.chain, RpcChainReader):
                raise AssertionError("a chain that is not read over JSON-RPC")
            accounts = _on_wallet(policies, name)[chain_id]
            if wallets.is_embedded(name):
                accounts = {uid: played(one) for uid, one in accounts.items()}
            places.append(_Place(venue, venue.chain, accounts))
    except RunnerError as error:
        return Check("endpoint", name, Outcome.FAILED, error.what, error.hint)
    return places


def _on_wallet(policies: Sequence[Policy], wallet: str) -> dict[int, dict[str, SmartAccount]]:
    """The accounts of a wallet by chain and uid."""
    found: dict[int, dict[str, SmartAccount]] = {}
    for policy in policies:
        for account in policy.accounts.values():
            if account.wallet == wallet:
                found.setdefault(account.chain, {})[f"{policy.name}/{account.name}"] = account
    return found


async def _wallet(
    name: str,
    places: Sequence[_Place],
    policies: Sequence[Policy],
    signers: Mapping[str, Signer],
) -> AsyncIterator[Check]:
    answers = False
    async for check in wallet_checks(name, places[0].venue.chain_id, places[0].venue.api):
        answers = answers or (check.name == "API key" and check.outcome is Outcome.OK)
        yield check
    for place in places:
        readable = True
        async for check in chain_checks(place.venue):
            readable = readable and not (
                check.name == "chain id" and check.outcome is Outcome.FAILED
            )
            yield check
        async for check in _place(place, policies, signers, answers=answers, readable=readable):
            yield check


async def _place(
    place: _Place,
    policies: Sequence[Policy],
    signers: Mapping[str, Signer],
    *,
    answers: bool,
    readable: bool,
) -> AsyncIterator[Check]:
    venue = place.venue
    for symbol, token, decimals in _tokens(policies, venue.chain_id):
        if readable:
            yield await token_check(venue, place.chain, symbol, token, decimals)
        else:
            subject = f"{symbol} on {venue.name}"
            yield Check("decimals", subject, Outcome.NOT_CHECKED, "the chain cannot be read")
    for uid, spec in place.accounts.items():
        signer = signers.get(spec.owner)
        why = (
            f"the signer `{spec.owner}` does not open"
            if signer is None
            else None
            if answers and readable
            else "the wallet or its chain does not answer"
        )
        if signer is None or why is not None:
            yield Check("address", uid, Outcome.NOT_CHECKED, why or "")
            continue
        try:
            watched = _watched(uid, spec, venue, signer)
        except RunnerError as error:
            yield Check("gas", uid, Outcome.FAILED, error.what, error.hint)
            continue
        async for check in account_checks(watched, venue, place.chain):
            yield check


def _watched(uid: str, spec: SmartAccount, venue: Venue, signer: Signer) -> Watched:
    return Watched(
        uid=uid,
        kind=spec.type,
        owner=signer.address,
        salt=spec.salt,
        pinned=spec.address,
        gas_policy=_gas_policy(spec, venue),
        max_fee=max_fee_of(spec, sandbox=venue.sandbox),
    )


def _gas_policy(spec: SmartAccount, venue: Venue) -> str | None:
    if isinstance(spec.gas, SponsoredGas):
        return venue.gas_policies[spec.gas.policy]
    return None


def _tokens(policies: Sequence[Policy], chain_id: int) -> list[tuple[str, Any, int]]:
    """The declared tokens on a chain: name, address, decimals; each address once."""
    found: dict[Any, tuple[str, Any, int]] = {}
    for policy in policies:
        if not any(account.chain == chain_id for account in policy.accounts.values()):
            continue
        for token in policy.tokens.values():
            address = token.on(chain_id)
            if address is not None:
                found.setdefault((address, token.decimals), (token.name, address, token.decimals))
    return sorted(found.values())


# ── the rehearsal ─────────────────────────────────────────────────────────────────────────────


async def _trial(
    place: _Place, settings: Settings, environment: Mapping[str, str]
) -> AsyncIterator[Check]:
    uid, spec = next(iter(place.accounts.items()))
    try:
        owner = await _signer(settings, spec.owner, environment)
        trial = Trial(
            venue=place.venue,
            owner=owner,
            gas_policy=_gas_policy(spec, place.venue),
            max_fee=max_fee_of(spec, sandbox=place.venue.sandbox),
            new_key=_new_key,
            entropy=os.urandom,
        )
    except RunnerError as error:
        yield Check("live", uid, Outcome.NOT_CHECKED, error.what, error.hint)
        return
    async for check in Live(trial).findings():
        yield check


def _new_key() -> LocalSigner:
    return LocalSigner(os.urandom(32), name="a key for trying out", sandbox_only=None)
