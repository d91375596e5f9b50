"""
What may be written in runner.yaml: pydantic models of the file, key by key.

They check the structure and read plain values, by the same readers as policies. What the keys
mean together is said in `load.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, SecretStr, Tag
from pydantic_core import PydanticCustomError

from runner.policy.codes import Code
from runner.policy.faults import Refusal, shown
from runner.policy.scalars import (
    choice,
    parse_boolean,
    parse_chain,
    parse_count,
    parse_duration,
    parse_duration_or_zero,
    parse_name,
    parse_rate,
)

_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEX_KEY = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")
_BIND = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):(?P<port>[0-9]{1,5})")


def refuse(refusal: Refusal) -> PydanticCustomError:
    """Carry a refusal through pydantic: the code is the error's type."""
    context = {"what": refusal.what, "hint": refusal.hint}
    return PydanticCustomError(refusal.code.value, "{what}", context)


def _via(parse: Callable[[str], Any]) -> BeforeValidator:
    """Read text by one of the readers of plain values."""

    def validate(value: Any) -> Any:
        if not isinstance(value, str):
            kind = "a map" if isinstance(value, dict) else "a list"
            what = f"one value is needed here, not {kind}"
            raise refuse(Refusal(Code.WRONG_TYPE, what, "write a plain value"))
        try:
            return parse(value)
        except Refusal as refusal:
            raise refuse(refusal) from None

    return BeforeValidator(validate, json_schema_input_type=str)


def _one_of(*words: str) -> BeforeValidator:
    return _via(lambda text: choice(text, words))


def _parse_variable_name(text: str) -> str:
    # Not repeated: who confuses the name of a variable with its value writes the secret here.
    if not _VARIABLE_NAME.fullmatch(text):
        what = "this is not the name of an environment variable"
        raise Refusal(Code.BAD_REFERENCE, what, "write its name, as in {env: ALCHEMY_API_KEY}")
    return text


def _parse_path(text: str) -> str:
    if "\0" in text or text.strip() != text:
        raise Refusal(Code.BAD_REFERENCE, f"{shown(text)} is not a path", "delete the blanks")
    return text


def _parse_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or re.search(r"\s", text):
        hint = "write it like https://api.g.alchemy.com/v2 or http://127.0.0.1:8545/v2/dev"
        raise Refusal(Code.BAD_URL, f"{shown(text)} is not a URL of http or https", hint)
    return text


def _parse_bind(text: str) -> tuple[str, int]:
    match = _BIND.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        what = f"{shown(text)} is not a host and a port"
        raise Refusal(Code.BAD_BIND, what, "write it like 127.0.0.1:8080 or [::1]:8080")
    return match["host"].strip("[]"), int(match["port"])


def _parse_requests(text: str) -> float:
    count, period = parse_rate(text)
    return count / period.total_seconds()


def _parse_sandbox_key(text: str) -> SecretStr:
    if not _HEX_KEY.fullmatch(text):
        what = "this is not a private key of 64 hex digits"
        raise Refusal(Code.BAD_REFERENCE, what, "a key for play money, never one with funds")
    return SecretStr(text)


Boolean = Annotated[bool, _via(parse_boolean)]
Count = Annotated[int, _via(parse_count)]
Duration = Annotated[timedelta, _via(parse_duration)]
DurationOrZero = Annotated[timedelta, _via(parse_duration_or_zero)]
Name = Annotated[str, _via(parse_name)]
Chain = Annotated[int, _via(parse_chain)]
Text = Annotated[str, _via(str)]
PathText = Annotated[str, _via(_parse_path)]
Url = Annotated[str, _via(_parse_url)]


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class WrittenReference(_Written):
    """Where a secret lies: exactly one of the two."""

    env: Annotated[str, _via(_parse_variable_name)] | None = None
    file: PathText | None = None


def _kind_of_rpc(value: Any) -> str:
    if not isinstance(value, dict):
        return "one"
    return "reference" if set(value) & {"env", "file"} else "map"


RpcUrl = Annotated[
    Annotated[Url, Tag("one")] | Annotated[WrittenReference, Tag("reference")],
    Discriminator(lambda value: "reference" if isinstance(value, dict) else "one"),
]
RpcUrlOrMap = Annotated[
    Annotated[Url, Tag("one")]
    | Annotated[WrittenReference, Tag("reference")]
    | Annotated[dict[Chain, RpcUrl], Tag("map")],
    Discriminator(_kind_of_rpc),
]


class WrittenFinality(_Written):
    """When an inclusion is certain."""

    blocks: Annotated[int, _via(parse_count), Field(ge=1)] | None = None
    age: DurationOrZero | None = None


class WrittenTiming(_Written):
    """Margins; what is not written depends on the kind of profile."""

    inclusion: Duration | None = None
    skew: Duration | None = None
    min_lead: Duration | None = None
    clock: Annotated[Literal["system", "wallet"], _one_of("system", "wallet")] | None = None
    finality: WrittenFinality | None = None


class WrittenWallet(_Written):
    """A wallet profile."""

    embedded: Boolean = False
    state: PathText | None = None
    url: Url | None = None
    api_key: WrittenReference | None = None
    rpc_url: RpcUrlOrMap | None = None
    gas_policies: dict[Name, Text] = {}
    rate_limit: Annotated[float, _via(_parse_requests)] | None = None
    timing: WrittenTiming = WrittenTiming()


class WrittenSigner(_Written):
    """A signer: exactly one of the kinds, and whether it is for play money alone."""

    env: Annotated[str, _via(_parse_variable_name)] | None = None
    file: PathText | None = None
    keystore: PathText | None = None
    password: WrittenReference | None = None
    private_key_for_sandbox_only: Annotated[SecretStr, _via(_parse_sandbox_key)] | None = None
    command: Any = None
    manual: Any = None
    sandbox_only: Boolean = False


class WrittenHttp(_Written):
    """The dashboard."""

    bind: Annotated[tuple[str, int], _via(_parse_bind)] = ("127.0.0.1", 8080)
    token: WrittenReference | None = None


class WrittenLog(_Written):
    """Events of the daemon."""

    format: Annotated[Literal["auto", "text", "json"], _one_of("auto", "text", "json")] = "auto"
    level: Annotated[
        Literal["debug", "info", "warning", "error"], _one_of("debug", "info", "warning", "error")
    ] = "info"


class WrittenSettings(_Written):
    """runner.yaml."""

    policies: PathText = "policies/"
    store: Text = "sqlite:///.runner/ledger.db"
    secret_key: WrittenReference = WrittenReference(file=".runner/secret.key")
    wallets: dict[Name, WrittenWallet] = {}
    signers: dict[Name, WrittenSigner] = {}
    http: WrittenHttp = WrittenHttp()
    log: WrittenLog = WrittenLog()
    alerts: Any = None
    organisation: Any = None
