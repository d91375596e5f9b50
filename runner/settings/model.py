"""
The settings as the rest of the program knows them: frozen, paths absolute, names resolved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import time, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlsplit

from runner.ethereum.address import Address
from runner.frozen import frozen


class Secret:
    """Text that shows in no repr, no log and no message: who needs it asks for it by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        """The text itself."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(…)"


@frozen
class EnvRef:
    """A secret in an environment variable."""

    name: str


@frozen
class FileRef:
    """A secret in a file, its path absolute."""

    path: Path


@frozen
class CommandRef:
    """A secret that a program prints: the program and its arguments, no shell between."""

    words: tuple[str, ...]


Reference = EnvRef | FileRef | CommandRef


@frozen
class Timing:
    """
    Margins of a wallet profile (R24).

    Attributes:
        inclusion: How long an operation may take from send to block.
        skew: How far clocks may be apart.
        min_lead: The shortest time between a renewal and the end of the old grant.
        clock: `system`, or `wallet` for the time of the head block (R17).
        finality_blocks: Blocks, the including one counted, after which an inclusion is certain.
        finality_age: And the age it must have by then (X13).
    """

    inclusion: timedelta
    skew: timedelta
    min_lead: timedelta
    clock: Literal["system", "wallet"]
    finality_blocks: int
    finality_age: timedelta


SANDBOX_TIMING = Timing(
    inclusion=timedelta(seconds=3),
    skew=timedelta(seconds=1),
    min_lead=timedelta(seconds=5),
    clock="wallet",
    finality_blocks=1,
    finality_age=timedelta(0),
)
"""What an embedded or loopback profile has for every key not written."""

SERVICE_TIMING = Timing(
    inclusion=timedelta(seconds=120),
    skew=timedelta(seconds=30),
    min_lead=timedelta(minutes=5),
    clock="system",
    # X13 asks 12 blocks of mainnet and unknown chains, 1 block and 30 s of an L2. A profile may
    # serve both: the stricter of each holds, and on an L2 12 blocks are past within those 30 s.
    finality_blocks=12,
    finality_age=timedelta(seconds=30),
)
"""What any other profile has."""


@frozen
class RpcUrls:
    """Endpoints for independent evidence (X12): one for all chains, or one for each."""

    for_all: Reference | str | None = None
    by_chain: Mapping[int, Reference | str] = field(default_factory=dict)

    def get(self, chain: int) -> Reference | str | None:
        """Return the endpoint of a chain, or None: then the wallet's own is asked."""
        return self.by_chain.get(chain, self.for_all)


_BY_KIND: Any = None  # stands for the timing that fits the kind of profile


@frozen
class WalletProfile:
    """
    A wallet service: embedded, or at a URL.

    Attributes:
        state: Where the embedded one keeps its chain; None forgets it at the end.
        gas_policies: The service's policy ids, by name.
        rate_limit: Requests a second; None for no limit.
    """

    embedded: bool = False
    state: Path | None = None
    url: str | None = None
    api_key: Reference | None = None
    rpc_url: RpcUrls = field(default_factory=RpcUrls)
    gas_policies: Mapping[str, str] = field(default_factory=dict)
    rate_limit: float | None = None
    timing: Timing = _BY_KIND

    def __post_init__(self) -> None:
        if self.timing is _BY_KIND:
            timing = SANDBOX_TIMING if self.is_sandbox else SERVICE_TIMING
            object.__setattr__(self, "timing", timing)

    @property
    def is_sandbox(self) -> bool:
        """Embedded, or on this machine."""
        return self.embedded or (self.url is not None and is_loopback(urlsplit(self.url).hostname))

    @property
    def shown(self) -> str:
        """It in a few words; of a URL only its origin, since a path may hold a key."""
        if self.embedded:
            return "embedded sandbox"
        parts = urlsplit(self.url or "")
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}{' (sandbox)' if self.is_sandbox else ''}"


SIGNING_TIME = timedelta(seconds=60)
"""How long a program may take to sign where nothing is written."""


@frozen
class SignerSpec:
    """
    Who signs: the key in `source`, that in `keystore` locked by `password`, the program `command`
    with the key of `address` within `timeout`, the person of the address `manual`, or, for play
    money alone, the `private_key` itself. Exactly one of the five is set.
    """

    source: EnvRef | FileRef | None = None
    keystore: Path | None = None
    password: Reference | None = None
    command: tuple[str, ...] | None = None
    address: Address | None = None
    timeout: timedelta = SIGNING_TIME
    manual: Address | None = None
    private_key: Secret | None = None
    sandbox_only: bool = False


@frozen
class Http:
    """Where the dashboard listens, and the token that changing actions need."""

    host: str = "127.0.0.1"
    port: int = 8080
    token: Reference | None = None

    @property
    def bind(self) -> str:
        """Host and port as they are written."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@frozen
class Route:
    """
    Who is told of alerts from a severity on.

    Attributes:
        to: URLs as Apprise writes them. Such a URL may hold a token, so the repr leaves it out.
    """

    min_severity: Literal["info", "warning", "critical"]
    to: tuple[Reference | str, ...] = field(repr=False)


@frozen
class Webhook:
    """
    A program that is told, each message signed by the shared `secret`.

    Attributes:
        allow_private: Whether it may stand in a private network.
    """

    to: Reference
    secret: Reference
    min_severity: Literal["info", "warning", "critical"] = "warning"
    allow_private: bool = False


@frozen
class Alerts:
    """
    Who is told what.

    Attributes:
        digest_at: Time of day and IANA zone at which the next day's payments are announced (O11).
        funding_lead: How long before a payment that is not covered there is an alert (B11).
    """

    routes: tuple[Route, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    digest_at: tuple[time, str] | None = None
    funding_lead: timedelta = timedelta(days=3)


@frozen
class Log:
    """`auto` is text on a terminal and JSON lines in a pipe."""

    format: Literal["auto", "text", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


@frozen
class Settings:
    """
    The environment of the daemon.

    Attributes:
        policies: A folder or file.
        store: `sqlite:////absolute/path`.
        organisation: The file of rules above all policies, if there is one.
        throw_away_signers: Without runner.yaml every signer name stands for a throw-away key.
        file: The runner.yaml that was read, if there was one.
        warnings: Faults of severity `warning`.
    """

    policies: Path
    store: str
    secret_key: Reference
    wallets: Mapping[str, WalletProfile]
    signers: Mapping[str, SignerSpec] = field(default_factory=lambda: MappingProxyType({}))
    http: Http = field(default_factory=Http)
    alerts: Alerts = field(default_factory=Alerts)
    organisation: Path | None = None
    log: Log = field(default_factory=Log)
    throw_away_signers: bool = False
    file: Path | None = None
    warnings: tuple[Any, ...] = ()


def is_loopback(host: str | None) -> bool:
    """Tell whether a host name or address is this machine's own."""
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
