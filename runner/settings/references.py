"""
Every secret that runner.yaml refers to, by the place that says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.settings.model import CommandRef, EnvRef, FileRef, Reference, Settings, WalletProfile


def references_of(settings: Settings) -> dict[str, tuple[Reference, ...]]:
    """By place, as `signers.boss`, what is read for that secret: a keystore has two parts."""
    found: dict[str, tuple[Reference, ...]] = {"secret_key": (settings.secret_key,)}
    for place, reference in _written(settings):
        if isinstance(reference, EnvRef | FileRef | CommandRef):
            found[place] = (*found.get(place, ()), reference)
    return found


def rpc_place(wallet: str, profile: WalletProfile, chain_id: int) -> str:
    """Where the endpoint for evidence of a chain is written: for that chain, or for all."""
    place = f"wallets.{wallet}.rpc_url"
    return f"{place}.{chain_id}" if chain_id in profile.rpc_url.by_chain else place


def _written(settings: Settings) -> Iterator[tuple[str, Reference | str | None]]:
    for name, profile in settings.wallets.items():
        yield f"wallets.{name}.api_key", profile.api_key
        yield f"wallets.{name}.rpc_url", profile.rpc_url.for_all
        for chain_id, reference in profile.rpc_url.by_chain.items():
            yield f"wallets.{name}.rpc_url.{chain_id}", reference
    for name, spec in settings.signers.items():
        yield f"signers.{name}", spec.source
        if spec.keystore is not None:
            yield f"signers.{name}", FileRef(spec.keystore)
        yield f"signers.{name}", spec.password
    yield "http.token", settings.http.token
    for number, route in enumerate(settings.alerts.routes):
        for position, target in enumerate(route.to):
            yield f"alerts.routes[{number}].to[{position}]", target
    for number, hook in enumerate(settings.alerts.webhooks):
        yield f"alerts.webhooks[{number}]", hook.to
        yield f"alerts.webhooks[{number}]", hook.secret
