"""Wallet profiles, opened: clients, chains and embedded sandboxes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Any

from runner.adapters.chain import RpcChainReader
from runner.adapters.clock import SystemClock, WalletClock
from runner.adapters.secret_watch import SecretWatch
from runner.adapters.secrets import fetch_reference
from runner.adapters.wallet_api.client import WalletApiClient
from runner.adapters.wallet_api.endpoint import Endpoint
from runner.adapters.wallet_api.transport import JsonRpcTransport, Post
from runner.errors import (
    UsageError,
)
from runner.execution.contexts import (
    SECOND_LOOK,
    Finality,
    Venue,
)
from runner.frozen import frozen
from runner.planning.renewal import Margins
from runner.policy.model import (
    Policy,
)
from runner.ports import Clock, Telemetry
from runner.settings import Reference, WalletProfile
from runner.settings.references import rpc_place

_DEFAULT_GAS_POLICY = "00000000-0000-4000-8000-000000000001"
"""The embedded sandbox's own sponsorship policy."""


@frozen
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
