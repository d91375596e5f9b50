"""
Reading `wallets`: services, their endpoints, and their margins of time.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal, cast

from runner.policy.codes import Code
from runner.policy.faults import Refusal, meant, shown
from runner.policy.language.config import FINALITY, REFERENCE, TIMING, WALLET
from runner.policy.nodes import Mapping as MapNode
from runner.policy.nodes import Node
from runner.policy.record import Record
from runner.policy.scalars import (
    CHAINS,
    between,
    choice,
    parse_boolean,
    parse_chain,
    parse_duration,
    parse_duration_or_zero,
    parse_text,
    parse_url,
)
from runner.settings.model import (
    Reference,
    RpcUrls,
    Timing,
    WalletProfile,
)
from runner.settings.reader import SettingsReader
from runner.settings.values import parse_requests

_MOST_BLOCKS = 100_000


def read_wallets(reader: SettingsReader, node: Node | None) -> dict[str, WalletProfile]:
    """Read all profiles; without any there is one embedded sandbox."""
    found = {}
    for name, _, value in reader.named(node):
        record = reader.record(value, WALLET)
        if record is not None:
            found[name] = _profile(reader, name, record)
    if not found:
        found["sandbox"] = WalletProfile(embedded=True, state=reader.placed(_state("sandbox")))
    return found


def _profile(reader: SettingsReader, name: str, record: Record) -> WalletProfile:
    embedded = record.read("embedded", parse_boolean, None)
    broken = embedded is None and "embedded" in record
    if bool(embedded) == ("url" in record) and not broken and not reader.misspelt(record):
        what = f"wallet `{name}` is embedded or has a `url`: exactly one of them"
        hint = "write `embedded: true`, or the `url` of the service"
        reader.fault(Code.NOT_ONE_WALLET, what, record.place, hint)
    url = record.read("url", parse_url, None)
    rough = WalletProfile(embedded=bool(embedded), url=url)
    # Without a file an embedded chain would be gone at the next start, and the ledger not.
    state = record.get("state")
    path = reader.placed(_state(name)) if state is None else reader.path(state)
    return WalletProfile(
        embedded=bool(embedded),
        state=path if embedded else None,
        url=url,
        api_key=reader.reference(record.get("api_key")),
        rpc_url=_endpoints(reader, record.get("rpc_url")),
        gas_policies=MappingProxyType(
            {
                policy: reader.read(value, parse_text, "")
                for policy, _, value in reader.named(record.get("gas_policies"))
            }
        ),
        rate_limit=record.read("rate_limit", parse_requests, None),
        timing=_timing(reader, record.get("timing"), rough.timing),
    )


def _state(name: str) -> str:
    return f".runner/{name}.json"


def _endpoints(reader: SettingsReader, node: Node | None) -> RpcUrls:
    if node is None:
        return RpcUrls()
    if not isinstance(node, MapNode) or _is_reference(node):
        return RpcUrls(_endpoint(reader, node))
    by_chain: dict[int, Reference | str] = {}
    written: dict[int, str] = {}
    for text, key, value in reader.named(node, names=False):
        endpoint = _endpoint(reader, value)
        try:
            chain = parse_chain(text)
        except Refusal as refusal:
            reader.faults.refuse(refusal, key)
            continue
        first = written.setdefault(chain, text)
        if first != text:
            what = f"{shown(text)} is the chain {shown(first)} again"
            reader.fault(Code.DUPLICATE_KEY, what, key, "delete one of them")
        if endpoint is not None:
            by_chain[chain] = endpoint
    return RpcUrls(by_chain=MappingProxyType(by_chain))


def _is_reference(node: MapNode) -> bool:
    """Tell a reference, however its key is spelled, from a map by chain."""
    words = [key for key in node.entries if key not in CHAINS and not key.isdecimal()]
    return not node.entries or any(meant(word, REFERENCE.keys) for word in words)


def _endpoint(reader: SettingsReader, node: Node) -> Reference | str | None:
    if isinstance(node, MapNode):
        return reader.reference(node)
    return reader.read(node, parse_url, None)


def _timing(reader: SettingsReader, node: Node | None, default: Timing) -> Timing:
    record = None if node is None else reader.record(node, TIMING)
    if record is None:
        return default
    blocks, age = default.finality_blocks, default.finality_age
    finality = record.get("finality")
    inner = None if finality is None else reader.record(finality, FINALITY)
    if inner is not None:
        blocks = inner.read("blocks", between(1, _MOST_BLOCKS), blocks)
        age = inner.read("age", parse_duration_or_zero, age)
    return Timing(
        inclusion=record.read("inclusion", parse_duration, default.inclusion),
        skew=record.read("skew", parse_duration, default.skew),
        min_lead=record.read("min_lead", parse_duration, default.min_lead),
        clock=record.read("clock", _clock, default.clock),
        finality_blocks=blocks,
        finality_age=age,
    )


def _clock(text: str) -> Literal["system", "wallet"]:
    return cast("Literal['system', 'wallet']", choice(text, ("system", "wallet")))
