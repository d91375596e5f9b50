"""
Laws of the JSON Schema: what the loader takes, it takes; what is built wrongly, it refuses; each
text that a value's reader takes matches the value's pattern.
"""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from support.resolved import READERS, resolved
from unit.policy.test_schema import NEVER

from runner.errors import EncodingError, PolicyErrors
from runner.policy.books import Books, read_address
from runner.policy.dates import parse_local, parse_time, parse_weekday
from runner.policy.faults import Faults, Refusal
from runner.policy.language import LEVELS
from runner.policy.language.config import CONFIG_LEVELS
from runner.policy.model import Token
from runner.policy.nodes import Source
from runner.policy.permissions import parse_selector
from runner.policy.reader import Reader
from runner.policy.scalars import (
    parse_boolean,
    parse_chain,
    parse_count,
    parse_duration,
    parse_hex,
    parse_instant,
    parse_name,
    parse_percentage,
    parse_rate,
    parse_url,
    parse_zone,
)
from runner.policy.schema import config_schema, policy_schema
from runner.policy.schema.values import DEFINED
from runner.policy.signatures import parse_signature
from runner.policy.source import read
from runner.scheduling.cron import check_cron
from runner.settings import load_settings

SCHEMA = Draft202012Validator(policy_schema())
THOROUGH = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

WHOLE: dict[str, Any] = {
    "version": "1",
    "name": "payroll",
    "chain": "base-sepolia",
    "wallet": "sandbox",
    "tokens": {
        "usdc": {"decimals": "6", "address": "0x036CbD53842c5426634e7929541eC2318f3dCF7e"},
        "dai": {
            "decimals": "18",
            "address": {"base-sepolia": "0x00000000000000000000000000000000000000da"},
        },
    },
    "contacts": {
        "alice": "0x00000000000000000000000000000000000a11ce",
        "vault": "0x00000000000000000000000000000000000000fa",
    },
    "groups": {"staff": ["alice"]},
    "accounts": {"treasury": {"owner": "boss", "gas": {"sponsor": "default"}, "salt": "1"}},
    "sessions": {
        "s": {
            "account": "treasury",
            "lifetime": "45d",
            "renew_before": "33%",
            "permissions": [
                {"erc20-token-transfer": "20000 usdc"},
                {"functions-on-contract": {"contract": "vault", "functions": ["f(uint256)"]}},
                {"native-token-transfer": "0"},
            ],
            "receivers": ["staff", "vault"],
            "limits": {"per_day": ["6000 usdc", "1 native"], "rolling": {"7d": ["8000 usdc"]}},
            "renew": "auto",
        }
    },
    "schedules": {
        "a": {
            "session": "s",
            "cron": "0 9 1 * *",
            "timezone": "Europe/Berlin",
            "calls": [
                {"pay": {"to": "alice", "amount": "1 usdc"}, "memo": "x"},
                {"pay": {"alice": "1 usdc", "vault": "2 dai"}},
                {
                    "call": {
                        "contract": "vault",
                        "function": "f(uint256 a, address[] b)",
                        "args": {"a": "40 usdc", "b": ["alice"]},
                    }
                },
                {"approve": {"spender": "vault", "token": "usdc", "amount": "7"}},
                {"raw": {"to": "vault", "data": "0xd0e30db0", "value": "1 gwei"}},
            ],
            "catch_up": "latest",
            "limits": {"per_run": ["5 usdc"]},
            "blackout": [{"from": "2026-12-24", "until": "2027-01-01", "action": "skip"}],
            "require": [
                {"balance": {"at_least": "5 usdc"}},
                {"argument": {"function": "f(uint256 a)", "name": "a", "above": "0"}},
            ],
        },
        "b": {
            "session": "s",
            "dates": [
                "2026-12-24T09:00",
                {"nth_weekday": {"weekday": "fri", "nth": "2", "time": "9:00"}},
            ],
            "timezone": "UTC",
            "top_up": {"to": "alice", "below": "1 usdc", "up_to": "5 usdc", "max": "5 usdc"},
            "suspend": "true",
        },
        "c": {"session": "s", "every": "1w", "pay": {"alice": "10 usdc"}, "max_runs": "12"},
    },
}

SETTINGS: dict[str, Any] = {
    "policies": "policies",
    "store": "sqlite:///data/ledger.db",
    "secret_key": {"file": "data/secret.key"},
    "wallets": {
        "sandbox": {"embedded": "true", "state": "data/sandbox.json"},
        "alchemy": {
            "url": "https://a.example/v2",
            "api_key": {"env": "KEY"},
            "rpc_url": {"base": {"env": "RPC"}, "10": "https://rpc.example/op"},
            "gas_policies": {"default": "1-2-3"},
            "rate_limit": "25/s",
            "timing": {"skew": "2s", "clock": "wallet", "finality": {"blocks": "3", "age": "0"}},
        },
    },
    "signers": {
        "boss": {"env": "KEY"},
        "cold": {"keystore": "k.json", "password": {"file": "p"}, "sandbox_only": "yes"},
        "device": {
            "command": ["sign", "1"],
            "address": "0x00000000000000000000000000000000000a11ce",
            "timeout": "5m",
        },
        "chair": {"manual": "0x00000000000000000000000000000000000a11ce"},
    },
    "http": {"bind": "127.0.0.1:8080", "token": {"env": "TOKEN"}},
    "alerts": {
        "routes": [{"min_severity": "info", "to": [{"env": "PAGER"}]}],
        "funding_lead": "5d",
    },
    "log": {"format": "json", "level": "debug"},
}

PIECES = st.sampled_from(
    [
        *("", "x", "0", "7", "1.5", "-1", "true", "no", "45d", "10%", "any", "derive", "root"),
        *("1 usdc", "1 native", "alice", "staff", "UTC", "2026-12-24T09:00", "9:00", "1/m", "all"),
        *("0x00000000000000000000000000000000000a11ce", "f(uint256)", "${V}", "${V", "a: b", "1e3"),
    ]
).map(copy.copy)
VALUES = st.one_of(
    PIECES,
    st.builds(list),
    st.builds(dict),
    PIECES.map(lambda piece: [piece]),
    st.tuples(PIECES, PIECES).map(lambda pair: {pair[0] or "k": pair[1]}),
    st.none(),
)
_NAMES = [key for level in [*LEVELS.values(), *CONFIG_LEVELS.values()] for key in level.keys]
KEYS = st.sampled_from([*_NAMES, "nonsense"])
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.%:T/-]*(?: [a-z]+)?")


def written(tree: Any) -> str:
    """A tree as YAML: text plain where it may be, a missing value as nothing."""
    match tree:
        case dict():
            pairs = (f"{json.dumps(key)}: {written(value)}" for key, value in tree.items())
            return "{" + ", ".join(pairs) + "}"
        case list():
            return "[" + ", ".join(written(item) or '""' for item in tree) + "]"
        case None:
            return ""
    return tree if _SAFE.fullmatch(tree) else json.dumps(tree)


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every container in a tree, with each of its keys or indexes."""
    match tree:
        case dict():
            here = [(tree, key) for key in tree]
        case list():
            here = [(tree, index) for index in range(len(tree))]
        case _:
            return []
    return here + [inner for parent, key in here for inner in places(parent[key])]


@st.composite
def mutated(draw: st.DrawFn, whole: dict[str, Any]) -> Any:
    """A sound file in which one to three things were changed."""
    tree = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        parent, key = draw(st.sampled_from(places(tree)))
        match draw(st.sampled_from(["drop", "set", "set", "add", "wrap", "unwrap", "swap"])):
            case "drop":
                del parent[key]
            case "set":
                parent[key] = draw(VALUES)
            case "add" if isinstance(parent, dict):
                parent[draw(KEYS)] = draw(VALUES)
            case "wrap":
                parent[key] = [parent[key]]
            case "unwrap" if isinstance(parent[key], list) and parent[key]:
                parent[key] = parent[key][0]
            case _:
                other, place = draw(st.sampled_from(places(tree)))
                value = copy.deepcopy(other[place])
                parent[key] = value
    return tree


def is_taken(root: Any, schema: Draft202012Validator = SCHEMA) -> set[bool]:
    return {schema.is_valid(resolved(root, resolve)) for resolve in READERS.values()}


def beyond_it(tree: Any) -> set[str]:
    """Faults that no schema can see: of ABI types, of variables, of who is paid."""
    typed = [value for value in below(tree, "args", "argument") if value not in ARGUMENTS]
    found = {"P032", "P033"} if typed else set()
    if any(value not in PAID for value in below(tree, "pay")):
        found |= {"P030"}
    return found | ({"P090"} if "${V}" in written(tree) else set())


def below(tree: Any, *names: str) -> list[Any]:
    """The values of some keys, wherever they stand."""
    return [parent[key] for parent, key in places(tree) if key in names]


ARGUMENTS = below(WHOLE, "args", "argument")
PAID = below(WHOLE, "pay")


def has_empty_text(tree: Any) -> bool:
    """The one thing that the schema takes more narrowly than the loader."""
    return any(
        parent[key] == "" or (parent[key] is None and isinstance(parent, list))
        for parent, key in places(tree)
    )


def test_the_policy_that_is_changed_is_sound(texts):
    assert texts.faults(written(WHOLE)) == []
    assert is_taken(read(written(WHOLE), "f").root) == {True}


@THOROUGH
@given(tree=mutated(WHOLE))
def test_loader_and_schema_agree_on_what_is_built_wrongly(texts, tree):
    text = written(tree)
    root = read(text, "f").root
    codes = {fault.code for fault in texts.faults(text, {"V": "alice"})}

    if root is not None and not has_empty_text(tree):
        if not codes:
            assert is_taken(root) == {True}
        if codes & NEVER - beyond_it(tree):
            assert is_taken(root) == {False}


def completed_by_defaults() -> dict[str, Any]:
    """The same policy, with keys that must be written below `defaults`."""
    tree = copy.deepcopy(WHOLE)
    for section, keys in (("sessions", ("account", "lifetime")), ("schedules", ("session",))):
        for inner in tree[section].values():
            for key in keys:
                tree.setdefault("defaults", {})[key] = inner.pop(key)
    del tree["schedules"]["c"]["every"], tree["schedules"]["b"]["timezone"]
    more = {"every": "1w", "timezone": "UTC", "catch_up": "all", "catch_up_window": "1h"}
    return tree | {"defaults": tree["defaults"] | more}


def test_defaults_complete_a_policy(texts):
    text = written(completed_by_defaults())

    assert texts.faults(text) == []
    assert is_taken(read(text, "f").root) == {True}


@THOROUGH
@given(tree=mutated(completed_by_defaults()))
def test_what_defaults_do_not_complete_is_refused(texts, tree):
    """
    One way only: the loader reads each default alone, the schema all of them together. What else a
    default asks of a schedule (P106) is seen by the loader alone.
    """
    text = written(tree)
    root = read(text, "f").root
    codes = {fault.code for fault in texts.faults(text, {"V": "alice"})}
    never = NEVER - beyond_it(tree) - {"P106"}

    if root is not None and not has_empty_text(tree) and codes & never:
        assert is_taken(root) == {False}


NEVER_IN_SETTINGS = frozenset({"P030", "P031", "P032", "P033", "P120", "P123"})
CONFIG_SCHEMA = Draft202012Validator(config_schema())


def codes_of_settings(folder: Path, text: str) -> set[str]:
    (folder / "runner.yaml").write_text(text)
    try:
        load_settings(None, {"V": "alice"}, folder)
    except PolicyErrors as errors:
        return {fault.code for fault in errors.faults if fault.severity == "error"}
    return set()


def test_the_settings_that_are_changed_are_sound(tmp_path):
    assert codes_of_settings(tmp_path, written(SETTINGS)) == set()
    assert is_taken(read(written(SETTINGS), "f").root, CONFIG_SCHEMA) == {True}


@THOROUGH
@given(tree=mutated(SETTINGS))
def test_settings_and_their_schema_agree_on_what_is_built_wrongly(tmp_path, tree):
    text = written(tree)
    root = read(text, "f").root
    codes = codes_of_settings(tmp_path, text)

    if root is not None and not has_empty_text(tree):
        if not codes:
            assert is_taken(root, CONFIG_SCHEMA) == {True}
        if codes & NEVER_IN_SETTINGS:
            assert is_taken(root, CONFIG_SCHEMA) == {False}


# ── texts of values ───────────────────────────────────────────────────────────────────────────


def _amount(text: str) -> None:
    books = Books(Reader(Faults(Source("f", "")), {}))
    books.tokens["usdc"] = Token("usdc", 6, None)
    books.amount(text, None, None)


READERS_OF: dict[str, tuple[Any, str]] = {
    "duration": (parse_duration, "0123456789_smhdw ."),
    "percentage": (parse_percentage, "0123456789.% "),
    "rate": (parse_rate, "0123456789/smhd "),
    "integer": (parse_count, "0123456789_.eE+-"),
    "number": (parse_count, "0123456789_.eE+-"),
    "boolean": (parse_boolean, "truefalsyonTRUEFALSYON"),
    "name": (parse_name, "aZ09-_. é"),
    "instant": (lambda text: parse_instant(text, "UTC", "shift", "first"), "0123456789-:TZtz +"),
    "wall-clock": (parse_local, "0123456789-:Tt "),
    "time": (parse_time, "0123456789:"),
    "weekday": (parse_weekday, "0123456789mondayfriMONTU"),
    "zone": (parse_zone, "UTCEurope/BlinGM+-0123456789_"),
    "chain": (parse_chain, "0123456789_base-polia"),
    "address": (read_address, "0xabcdef123456789"),
    "hex": (parse_hex, "0xabcdef123456789"),
    "url": (parse_url, "htps:/.[]@?#a1 "),
    "signature": (parse_signature, "fuint256address(),[] bool_x$functioreturns;"),
    "selector": (parse_selector, "fuint256address(),[] 0xabcdef"),
    "cron": (lambda text: check_cron(" ".join(text.split())), "0123456789*/,-# LWMONJA"),
    "amount": (_amount, "0123456789_.eE+- usdcnativ"),
    "coin": (_amount, "0123456789_.eE+- ethrgwinav"),
}
"""By definition: who reads such a text, and of which characters it is made."""

LIKELY = {
    "duration": ["45d", "1_000s", "0d", "2W"],
    "percentage": ["33%", "0.5 %", "1000%"],
    "rate": ["25/s", "1 / m", "0/s"],
    "boolean": ["True", "OFF", "yEs"],
    "instant": ["2026-12-01T09:00Z", "2026-12-01 09:00:30+0100", "2026-12-01t09:00 z"],
    "wall-clock": ["2026-12-24T09:00", "2026-12-24 9:00"],
    "time": ["9:00", "09:00:15", "24:00"],
    "weekday": ["mon", "FRIDAY", "7", "fr"],
    "zone": ["Europe/Berlin", "Etc/GMT+5", "America/Argentina/Ushuaia", "EST5EDT", "UTC+2", "GMT0"],
    "chain": ["base", "84_532", "0"],
    "address": ["0x" + "0" * 39 + "1", "0x036CbD53842c5426634e7929541eC2318f3dCF7e"],
    "hex": ["0x", "0xd0e3"],
    "url": ["https://a.example/x", "http://[::1]:80", "https://u@h"],
    "signature": ["f()", "function f(uint256 a) external returns (bool)", " f (address)"],
    "selector": ["0xd0e30db0", "transfer(address,uint256)"],
    "cron": ["0 9 1 * *", "*/15 0 9 L JAN-JUN fri#2", "0 9 LW * 1-5", "30 4 1,15 * 5"],
    "amount": ["2500 usdc", "1_000.5  usdc", "1e-3 native", "5  gwei"],
    "coin": ["0.5 native", "20 gwei", "1e-3 ether"],
}


@pytest.mark.parametrize("name", sorted(READERS_OF))
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_every_text_that_is_read_matches(name, data):
    parse, characters = READERS_OF[name]
    likely = st.sampled_from(LIKELY.get(name, ["12"]))
    text = data.draw(st.one_of(likely, st.text(characters, max_size=24), _changed(likely)))
    schema = Draft202012Validator({"$defs": DEFINED, "$ref": f"#/$defs/{name}"})
    try:
        parse(text)
    except (Refusal, EncodingError):
        return
    if name != "coin" or text.split()[-1] in ("native", "ether", "gwei", "wei"):
        assert schema.is_valid(text), text


@st.composite
def _changed(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    text = draw(texts)
    place = draw(st.integers(0, len(text)))
    return text[:place] + draw(st.sampled_from(["", " ", "0", "_", "m", "."])) + text[place + 1 :]


@pytest.mark.parametrize("name", sorted(set(LIKELY)))
def test_usual_texts_match(name):
    schema = Draft202012Validator({"$defs": DEFINED, "$ref": f"#/$defs/{name}"})

    assert schema.is_valid(LIKELY[name][0])
    assert schema.is_valid("${NAME}")
    assert not schema.is_valid("${NAME")
    assert not schema.is_valid("")
    assert not schema.is_valid(None)
    assert not schema.is_valid([LIKELY[name][0]])
