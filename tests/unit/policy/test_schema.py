"""
The JSON Schema and the loader, side by side over one corpus. Each file is given to the schema as
the core schema of YAML 1.2 reads it, and once more with all scalars as text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support import corpus as odd
from support import house
from support.placed import place
from support.resolved import READERS, resolved
from support.texts import Texts
from unit.policy import test_policy_faults as corpus

from runner.errors import PolicyErrors
from runner.policy.catalogue.examples import CONFIG_EXAMPLES, EXAMPLES
from runner.policy.language import LEVELS, Key
from runner.policy.language.config import CONFIG_LEVELS
from runner.policy.language.nesting import DEFAULTS, NESTED, slug
from runner.policy.language.organisation import ORGANISATION
from runner.policy.schema import SCHEMAS
from runner.policy.schema.values import AROUND, DEFINED, PLAIN, value
from runner.policy.source import read
from runner.settings import load_settings

KINDS = sorted(SCHEMAS)
ALICE = "0x00000000000000000000000000000000000a11ce"
KEYS = [(level.name, key) for level in LEVELS.values() for key in level.keys.values()]
CONFIG_KEYS = [(level.name, key) for level in CONFIG_LEVELS.values() for key in level.keys.values()]

NEVER = frozenset(
    {
        *("P030", "P031", "P032", "P033", "P036", "P038", "P080", "P087", "P090", "P091", "P095"),
        *("P100", "P101", "P106", "P110", "P111"),
    }
)
"""Faults of structure: no schema lets a file with one of them through."""


@pytest.fixture(scope="module")
def validators():
    return {kind: Draft202012Validator(SCHEMAS[kind]()) for kind in KINDS}


def verdicts(validator, text: str) -> dict[str, list[str]]:
    """What a schema says of a file, by reader: paths with messages; none if it takes it."""
    root = read(text, "f").root
    assert root is not None, text
    return {
        name: [
            f"{error.json_path}: {error.message}"
            for error in validator.iter_errors(resolved(root, resolve))
        ]
        for name, resolve in READERS.items()
    }


# ── the schema itself ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_valid_draft_2020_12(kind):
    schema = SCHEMAS[kind]()

    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert "$id" not in schema
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize(
    ("level", "key"),
    [*KEYS, *CONFIG_KEYS],
    ids=[f"{lvl}.{key.name}" for lvl, key in [*KEYS, *CONFIG_KEYS]],
)
def test_every_type_is_mapped(level: str, key: Key):
    if key.type != "nothing: a bare word":
        inner = {"type": "object"}
        assert value(key.type, inner if (level, key.name) in NESTED else None)


def test_no_type_is_mapped_that_there_is_not():
    used = {key.type for _, key in [*KEYS, *CONFIG_KEYS]}
    used |= {key.type for key in ORGANISATION.keys.values()}

    assert set(PLAIN) | set(AROUND) <= used | set(CONFIG_LEVELS)


def test_no_definition_stands_for_two_things():
    levels = [slug(name) for name in [*LEVELS, *CONFIG_LEVELS, DEFAULTS.name]]

    assert len({*levels, *DEFINED}) == len(levels) + len(DEFINED)


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_described_with_type_and_example(kind, validators):
    told = list(_described(validators[kind].schema))

    assert told
    for name, schema in told:
        assert schema["description"].endswith("."), name
        assert schema["examples"], name
        inner = Draft202012Validator({"$defs": validators[kind].schema["$defs"], **schema})
        for example in [*schema["examples"], *([schema["default"]] if "default" in schema else [])]:
            assert inner.is_valid(example), (name, example)


def _described(schema: Any):
    if isinstance(schema, dict):
        if "title" in schema and "examples" in schema:
            yield schema["title"], schema
        for part in schema.values():
            yield from _described(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _described(part)


@pytest.mark.parametrize("kind", KINDS)
def test_the_copy_in_the_documentation_is_current(kind):
    """
    `make docs` brings it up to date.
    """
    copy = Path(f"docs/{kind}.schema.json").read_text(encoding="utf-8")

    assert json.loads(copy) == SCHEMAS[kind]()


# ── files that the loader takes ───────────────────────────────────────────────────────────────

SOUND = [
    *sorted(Path("policies").glob("**/*.y*ml")),
    *sorted(file for file in Path("examples").glob("*/*.yaml") if file.stem != "runner"),
    Path("tests/unit/policy/example.yaml"),
]


def test_the_policy_that_processes_run_on_passes(validators):
    assert verdicts(validators["policy"], house.POLICY) == {"core": [], "text": []}


@pytest.mark.parametrize("file", SOUND, ids=str)
def test_sound_files_pass(file, validators):
    found = verdicts(validators["policy"], file.read_text(encoding="utf-8"))

    assert found == {"core": [], "text": []}


@pytest.mark.parametrize(
    ("level", "key"), [(lvl, key.name) for lvl, key in KEYS], ids=[f"{a}.{b.name}" for a, b in KEYS]
)
def test_every_example_passes(tmp_path, validators, level, key):
    file = place(level, EXAMPLES[level][key], tmp_path)
    kind = "book" if file.parent.name == "shared" else "policy"

    found = verdicts(validators[kind], file.read_text(encoding="utf-8"))

    assert found == {"core": [], "text": []}


TAKEN = [
    ("top", "defaults: {timezone: UTC, limits: {per_day: [1 usdc]}, catch_up_window: 1h}\n"),
    ("top", "description: 2026\n"),
    ("top", "description: yes\n"),
    ("top", "description: ${SET:-a {b} $5}\n"),
    ("account", "chain: 84532"),
    ("account", "chain: 84_532"),
    ("account", "gas: {sponsor: default}"),
    ("account", "salt: 18_446_744_073_709_551_616"),
    ("account", "max_fee: 1e-3 ether"),
    ("account", "max_fee: 1 gwei"),
    ("session", "renew: off"),
    ("session", "renew: no"),
    ("session", "renew_before: 33.5 %"),
    ("session", "renew_before: 10d"),
    ("session", "permissions: derive"),
    ("session", "permissions: [contract-access: vault, native-token-transfer: 0]"),
    ("session", "permissions: [contract-access: 0x00000000000000000000000000000000000000fa]"),
    ("session", "accept_risk: why\npermissions: [functions-on-all-contracts: [0xd0e30db0]]"),
    ("session", "receivers: any"),
    ("session", f"receivers: [staff, {ALICE}]"),
    ("session", "limits: {per_day: [1_000.5 usdc, 0 native], rolling: {7d: [1 usdc]}}"),
    ("session", "limits: {timezone: UTC}"),
    ("session", "max_exposure: 5 usdc"),
    ("session", "previous_names: []"),
    ("schedule", "jitter: 0"),
    ("schedule", "jitter: 0s"),
    ("schedule", "overlap: buffer_all(3)"),
    ("schedule", "overlap: ${OVERLAP:-skip}"),
    ("schedule", "max_runs: 1e3"),
    ("schedule", "suspend: on"),
    ("schedule", "suspend: TRUE"),
    ("schedule", "catch_up: all\ncatch_up_window: 24h"),
    ("schedule", "start_at: 2026-12-01 09:00:00+01:00"),
    ("schedule", "ping: https://[::1]:8080/x?y=1"),
    ("schedule", "blackout: [{cron: '0 22 * * *', for: 8h, timezone: UTC}]"),
    ("schedule", "require: [balance: {at_least: 0 native}]"),
    ("schedule", "require: [argument: {function: f(uint256 n), name: 0, in: [1, 0x2]}]"),
    ("calls", "- pay: {to: alice, amount: 1 usdc}\n  memo: 2026"),
    ("calls", f"- pay: {{{ALICE}: 1 usdc, vault: 2e-3 native}}"),
    ("calls", "- approve: {spender: vault, token: usdc, amount: 7}"),
    ("calls", "- approve: {spender: vault, token: usdc, amount: 0.5}"),
    ("calls", "- approve: {vault: 0 usdc}"),
    ("calls", "- raw: {to: usdc, data: 0xd0e30db0, value: 0}"),
    ("calls", "- raw: {to: usdc, data: 0x}"),
    ("calls", "- call: {contract: vault, function: 'f(bool a, string b)', args: [yes, 1e3]}"),
    ("calls", "- call: {contract: vault, function: 'f(uint8[2][] a)', args: [[[1, 2], [3, 0x4]]]}"),
    ("calls", "- call: {contract: vault, function: 'function f() external payable', value: 1 wei}"),
    ("body", "session: salaries\nat: 2026-12-01T09:00\ntimezone: UTC\npay: {alice: 1 usdc}"),
    (
        "body",
        (
            "session: salaries\ndates: [2026-12-01T09:00, {nth_weekday: {weekday: 5, nth: last, "
            "time: 9:00, months: [1, 12]}}]\ntimezone: UTC\npay: {alice: 1 usdc}"
        ),
    ),
    (
        "body",
        (
            "session: salaries\ncron: '*/10 0 9 1-5 JAN,JUL *'\ntimezone: Asia/Ho_Chi_Minh\n"
            "sweep: {token: native, keep: 0.5 native, to: alice, max: 1 native}\n"
            "limits: {per_day: [1 native]}"
        ),
    ),
]


@pytest.mark.parametrize(("level", "text"), TAKEN)
def test_all_ways_of_writing_pass(texts, validators, level, text):
    text = getattr(texts, level)(text).replace("    chain: base-sepolia\n", "")
    assert texts.faults(text) == []

    assert verdicts(validators["policy"], text) == {"core": [], "text": []}


@pytest.mark.parametrize(
    "text",
    [
        f"version: 1\nname: p\ndefaults: {{every: 1w, pay: {{{ALICE}: 1 native}}}}\n",
        "version: 1\nname: p\nwallet: w\naccounts: {t: {owner: o, chain: 1}}\n",
        "version: '1'\nname: 2026\n",
        "version: 1\nname: p\nchain: 1\nwallet: w\naccounts: {t: {owner: o}}\n"
        "defaults: {account: t, lifetime: 1d, session: s, at: 2026-12-01T00:00Z}\n"
        "sessions: {s: {margin: 0%}}\nschedules: {h: {pay: {usdc: 1 native}}}\n"
        "tokens: {usdc: {decimals: 6, address: " + ALICE + "}}\n",
        "{version: 1, name: p, schedules: {}}\n",
        "version: 1\nname: p\ncontacts: &c {a: " + ALICE + "}\ngroups: {g: [a]}\n",
    ],
)
def test_short_files_pass(texts, validators, text):
    assert texts.faults(text) == []

    assert verdicts(validators["policy"], text) == {"core": [], "text": []}


# ── files that it refuses ─────────────────────────────────────────────────────────────────────

FAULTY = [
    ("P030", "top", "shedules: {}\n"),
    ("P030", "session", "limits: {per_hour: [1 usdc]}"),
    ("P030", "schedule", "blackout: [{from: 2026-12-24, till: 2027-01-01}]"),
    ("P030", "top", "defaults: {previous_names: [a]}\n"),
    ("P030", "top", "defaults: {account: treasury, lifetimes: 1d}\n"),
    ("P032", "top", "include: books.yaml\n"),
    ("P032", "top", "defaults: [1]\n"),
    ("P032", "session", "permissions: {root: 1}"),
    ("P032", "session", "limits: [per_day]"),
    ("P032", "schedule", "overlap: [skip]"),
    ("P032", "schedule", "start_at: 2026-12-01T00:00Z\nday_match: [or]"),
    ("P032", "body", "session: salaries\nat: 2026-12-01T00:00Z\nanchor: []\npay: {alice: 1 usdc}"),
    ("P032", "schedule", "require: {balance: {at_least: 1 usdc}}"),
    ("P032", "calls", "- pay: {alice: [1 usdc]}"),
    ("P032", "calls", "- pay: 5 usdc"),
    ("P032", "calls", "- call: {contract: vault, function: f(), args: 1}"),
    ("P033", "schedule", "catch_up:"),
    ("P033", "calls", "- pay: {to: alice, amount: }"),
    ("P036", "calls", "- pay: {}"),
    ("P036", "schedule", "require: []"),
    ("P036", "schedule", "blackout: []"),
    ("P041", "schedule", "dst_gap: shfit"),
    ("P042", "schedule", "suspend: maybe"),
    ("P045", "schedule", "run_deadline: 10"),
    ("P046", "session", "margin: 10"),
    ("P050", "session", "limits: {per_day: [usdc]}"),
    ("P051", "session", "limits: {per_day: [5]}"),
    ("P080", "calls", "- pay: {alice: 1 usdc}\n  raw: {to: vault}"),
    ("P090", "session", "permissions: [{gas-limit: 0, contract-access: vault}]"),
    ("P090", "session", "permissions: [{}]"),
    ("P093", "session", "permissions: [root]"),
    ("P093", "session", "permissions: [functions-on-all-contracts: ['f()']]"),
    ("P104", "body", "session: salaries\ndates: [2026-12-24T09:00]\npay: {alice: 1 usdc}"),
    ("P104", "schedule", "blackout: [{from: 2026-12-24, until: 2027-01-01}]"),
    ("P106", "schedule", "catch_up: all"),
    ("P110", "schedule", "timezone: UTC\nblackout: [{from: 2026-12-24}]"),
    (
        "P110",
        "schedule",
        "timezone: UTC\nblackout: [{cron: '0 0 * * *', for: 1h, until: 2027-01-01}]",
    ),
    ("P111", "schedule", "require: [{}]"),
    ("P111", "schedule", "require: [argument: {function: f(uint256 a), name: a}]"),
]

CASES = [
    *((code, level, text) for code, level, text in FAULTY),
    *corpus.SHAPE,
    *corpus.VALUES,
    *corpus.NAMES,
    *((code, "session", text) for code, text in corpus.SESSIONS),
    *((code, "body", text) for code, text in corpus.SCHEDULES),
]


@pytest.mark.parametrize(("code", "level", "text"), FAULTY)
def test_what_is_built_wrongly_is_refused(texts, validators, code, level, text):
    text = getattr(texts, level)(text)
    assert code in [fault.code for fault in texts.faults(text)]

    found = verdicts(validators["policy"], text)

    assert found["core"]
    assert found["text"]


@pytest.mark.parametrize(("code", "level", "text"), CASES)
def test_no_fault_of_structure_gets_through(texts, validators, code, level, text):
    text = getattr(texts, level)(text.replace("§", ""))

    found = verdicts(validators["policy"], text)

    if code in NEVER:
        assert found["core"]
        assert found["text"]
    assert bool(found["core"]) <= bool(texts.faults(text))
    assert bool(found["text"]) <= bool(texts.faults(text))


# Types of arguments, reasons that are none, variables, and what readers of YAML differ on.
BEYOND = ("args: [", "argument: {", "accept_risk: ", "${", "null")


def built_wrongly():
    """Odd files that are YAML, and that the loader refuses for how they are built."""
    for family, cases in odd.FAMILIES.items():
        for number, (codes, level, piece) in enumerate(cases):
            text = getattr(Texts(), level)(piece.replace("§", ""))
            document = read(text, "p.yaml")
            if document.root is None or document.faults.errors:
                continue
            if NEVER.intersection(codes.split()) and not any(each in text for each in BEYOND):
                yield pytest.param(text, id=f"{family}-{number}")


@pytest.mark.parametrize("text", list(built_wrongly()))
def test_no_odd_structure_gets_through(validators, text):
    found = verdicts(validators["policy"], text)

    assert found["core"]
    assert found["text"]


@pytest.mark.parametrize(("level", "text"), odd.SOUND)
def test_odd_files_that_are_sound_pass(texts, validators, level, text):
    text = getattr(texts, level)(text)

    assert verdicts(validators["policy"], text) == {"core": [], "text": []}


# ── runner.yaml ───────────────────────────────────────────────────────────────────────────────

KEY = "0x" + 63 * "0" + "1"
SETTINGS_TAKEN = [
    *(text for keys in CONFIG_EXAMPLES.values() for text in keys.values()),
    "wallets: {w: {url: http://127.0.0.1:8545/v2/dev, embedded: no}}\n",
    "wallets: {w: {embedded: ON}}\n",
    "wallets: {w: {url: https://a.example, rpc_url: https://b.example}}\n",
    "wallets: {w: {url: https://a.example, rpc_url: {env: RPC}}}\n",
    "wallets: {w: {url: https://a.example, rpc_url: {base: https://b.example, 10: {env: RPC}}}}\n",
    "wallets: {w: {url: '${WALLET:-https://a.example}', timing: {finality: {age: 0}}}}\n",
    f"signers: {{toy: {{private_key_for_sandbox_only: {KEY}}}}}\n",
    "signers: {a.b-c: {keystore: keys/k.json, sandbox_only: yes}}\n",
    "http: {bind: '[::1]:9000'}\nlog: {}\nwallets: {}\nalerts: {routes: []}\n",
]
SETTINGS_REFUSED = [
    ("P030", "walets: {}\n"),
    ("P030", "http: {port: 80}\n"),
    ("P030", "wallets: {w: {url: https://a.example, timing: {speed: 1s}}}\n"),
    ("P031", "alerts: {routes: [{min_severity: info}]}\n"),
    ("P032", "wallets: [sandbox]\n"),
    ("P032", "signers: {boss: KEY}\n"),
    ("P032", "log: {level: {a: b}}\n"),
    ("P032", "signers: {boss: {command: sign}}\n"),
    ("P033", "store:\n"),
    ("P041", "log: {level: loud}\n"),
    ("P045", "wallets: {w: {url: https://a.example, timing: {skew: 5}}}\n"),
    ("P120", "wallets: {w: {}}\n"),
    ("P120", "wallets: {w: {embedded: true, url: https://a.example}}\n"),
    ("P120", "wallets: {w: {embedded: false}}\n"),
    ("P121", "wallets: {w: {url: localhost}}\n"),
    ("P122", "secret_key: {}\n"),
    ("P122", "secret_key: {env: A, file: b}\n"),
    ("P122", "signers: {boss: {}}\n"),
    ("P122", "signers: {boss: {sandbox_only: true}}\n"),
    ("P122", "signers: {boss: {env: A, file: b}}\n"),
    ("P122", "signers: {boss: {env: A, password: {env: B}}}\n"),
    ("P122", "signers: {boss: {env: 'not a name'}}\n"),
    ("P122", "signers: {boss: {command: [sign]}}\n"),
    ("P122", f"signers: {{boss: {{env: A, address: '{KEY[:39]}abc'}}}}\n"),
    ("P122", "signers: {boss: {file: a, timeout: 5m}}\n"),
    ("P123", "http: {token: secret}\n"),
    ("P124", "http: {bind: 8080}\n"),
    ("P126", "store: ledger.db\n"),
    ("P127", "wallets: {w: {url: https://a.example, rate_limit: 25}}\n"),
    ("P128", "alerts: {routes: [{to: {env: A}}]}\n"),
    ("P128", "alerts: {routes: [{to: []}]}\n"),
]


def codes_of_settings(folder: Path, text: str) -> list[str]:
    (folder / "runner.yaml").write_text(text)
    try:
        load_settings(None, {}, folder)
    except PolicyErrors as errors:
        return [fault.code for fault in errors.faults if fault.severity == "error"]
    return []


@pytest.mark.parametrize("file", sorted(Path("examples").glob("*/runner.yaml")), ids=str)
def test_settings_of_recipes_pass(file, validators):
    assert verdicts(validators["config"], file.read_text()) == {"core": [], "text": []}


@pytest.mark.parametrize("text", SETTINGS_TAKEN)
def test_all_ways_of_writing_settings_pass(tmp_path, validators, text):
    assert codes_of_settings(tmp_path, text) == []

    assert verdicts(validators["config"], text) == {"core": [], "text": []}


@pytest.mark.parametrize(("code", "text"), SETTINGS_REFUSED)
def test_settings_that_are_built_wrongly_are_refused(tmp_path, validators, code, text):
    assert code in codes_of_settings(tmp_path, text)

    found = verdicts(validators["config"], text)

    assert found["core"]
    assert found["text"]
