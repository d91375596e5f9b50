"""
How the keys of one map depend on each other, as JSON Schema.

Only keywords that draft 7 had as well, or whose loss makes a schema no stricter, are used: many
editors read no newer ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from runner.policy.calls import CALL_KEYS, KINDS
from runner.policy.language import APPROVE, ARGUMENT, PAY, PERMISSION, SCHEDULE, SESSION, Level
from runner.policy.language.config import REFERENCE, SIGNER
from runner.policy.schedules import TRIGGERS
from runner.policy.schema.values import PARTY, Schema, any_of, by, listed, ref

NOTES = ("memo", "ref")
"""What stands beside a call in its item, or inside of it, but not both."""

LIMITING = ("native-token-transfer", "gas-limit")
"""Permissions that let a key call nothing by themselves."""

RISKY = ("account-functions", "functions-on-all-contracts")
"""Permissions that need `accept_risk`, as `root` does, whatever they hold."""


def has(*keys: str) -> Schema:
    """All of these keys are written."""
    return {"required": list(keys)}


def has_any(keys: Iterable[str]) -> Schema:
    """One of these keys is written, or more."""
    return {"anyOf": [has(key) for key in keys]}


def wants(keys: Sequence[str], what: str) -> Schema:
    """One of these keys is written, or an editor says that `what` is missing."""
    message = f"{what} is missing: one of {', '.join(keys)}"
    return {"anyOf": [has(key) | {"errorMessage": message} for key in keys]}


def at_most_one(keys: Sequence[str], what: str) -> list[Schema]:
    """No two of these keys are written, or an editor shows the one that is too many."""
    message = f"a second {what}: exactly one of {', '.join(keys)}"
    return [
        only_if(has(key), {"properties": dict.fromkeys(later, False), "errorMessage": message})
        for place, key in enumerate(keys)
        if (later := keys[place + 1 :])
    ]


def only_if(condition: Schema, then: Schema) -> Schema:
    """What holds where a condition does."""
    return {"if": condition, "then": then}


def _written_once(note: str) -> Schema:
    inner = {"properties": {note: False}, "errorMessage": f"`{note}` is written twice"}
    return only_if(has(note), {"properties": dict.fromkeys(KINDS, inner)})


def _span(pair: tuple[str, str], other: tuple[str, str]) -> Schema:
    message = "a blackout has `cron` and `for`, or `from` and `until`"
    only = {"properties": dict.fromkeys(other, False), "errorMessage": message}
    return only_if(has_any(pair), has(*pair) | only)


_AGAIN, _ONCE = ("cron", "for"), ("from", "until")


_SIGNATURE = {
    "pattern": r"[(]|\$\{",
    "errorMessage": 'without `abi` it is a signature: "deposit(uint256 amount)"',
}
_WITH_UNIT = {
    "type": "string",
    "pattern": r" |\$\{",
    "errorMessage": "without `token` it has a unit: 40 usdc",
}
_COMPARISONS = [key for key in ARGUMENT.keys if key not in ARGUMENT.required]

# What a session or schedule lacks may come from `defaults`, of the file or of a book it includes;
# so it is the whole policy that must have it.

COMPLETED = (SESSION.name, SCHEDULE.name)
"""Levels whose required keys may stand elsewhere."""


def _unless_default(keys: Iterable[str], section: str, then: Schema) -> Schema:
    default = {"required": ["defaults"], "properties": {"defaults": has_any(keys)}}
    absent = {"not": {"anyOf": [has("include"), default]}}
    return only_if(absent, {"properties": {section: {"additionalProperties": then}}})


def _inherited(key: str) -> Schema:
    return only_if(
        {"not": has(key)}, {"properties": {"accounts": {"additionalProperties": has(key)}}}
    )


_CATCHES_UP_ALL = {"required": ["catch_up"], "properties": {"catch_up": {"const": "all"}}}
_OFFSET = {"pattern": r"(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})$|\$\{"}
_NEEDS_NO_ZONE = has("from", "until") | {"properties": {"from": _OFFSET, "until": _OFFSET}}
_BLACKOUT_ZONES = {
    "anyOf": [
        has("timezone"),
        {"properties": {"blackout": {"items": {"anyOf": [has("timezone"), _NEEDS_NO_ZONE]}}}},
    ]
}
_RISKS = {
    "required": ["permissions"],
    "properties": {
        "permissions": {
            "type": "array",
            "contains": {"anyOf": [{"const": "root"}, *map(has, RISKY)]},
        }
    },
}

_COMPLETE: list[Schema] = [
    _inherited("chain"),
    _inherited("wallet"),
    *(_unless_default((key,), "sessions", has(key)) for key in SESSION.required),
    *(_unless_default((key,), "schedules", has(key)) for key in SCHEDULE.required),
    _unless_default(TRIGGERS, "schedules", wants(TRIGGERS, "a trigger")),
    _unless_default(CALL_KEYS, "schedules", wants(CALL_KEYS, "what it pays or calls")),
    _unless_default(
        ("timezone",), "schedules", only_if(has_any(("cron", "dates")), has("timezone"))
    ),
    _unless_default(("timezone",), "schedules", only_if(has("blackout"), _BLACKOUT_ZONES)),
    _unless_default(
        ("catch_up_window",), "schedules", only_if(_CATCHES_UP_ALL, has("catch_up_window"))
    ),
    _unless_default(("accept_risk",), "sessions", only_if(_RISKS, has("accept_risk"))),
]

_SIGNERS = tuple(
    key for key in SIGNER.keys if key not in ("password", "address", "timeout", "sandbox_only")
)


def _embedded(*words: str) -> Schema:
    texts = [form for word in words for form in (word, word.capitalize(), word.upper())]
    message = "a wallet is embedded or has a `url`: exactly one of them"
    return any_of({"enum": [words[0] == "true", *texts], "errorMessage": message}, ref("variable"))


RULES: dict[str, list[Schema]] = {
    "policy": _COMPLETE,
    "schedule": [*at_most_one(TRIGGERS, "trigger"), *at_most_one(CALL_KEYS, "form of calls")],
    "item": [
        wants(KINDS, "the kind of call"),
        *at_most_one(KINDS, "kind of call"),
        *map(_written_once, NOTES),
    ],
    "permissions": [{"minProperties": 1, "maxProperties": 1}],
    "require": [{"minProperties": 1, "maxProperties": 1}],
    "dates": [{"minProperties": 1}],
    "limits": [{"minProperties": 1}],
    "blackout": [
        wants((*_AGAIN, *_ONCE), "its beginning and its end"),
        _span(_AGAIN, _ONCE),
        _span(_ONCE, _AGAIN),
    ],
    "argument": [wants(_COMPARISONS, "what it is compared with")],
    "call": [only_if({"not": has("abi")}, {"properties": {"function": _SIGNATURE}})],
    "reference": [
        wants(tuple(REFERENCE.keys), "where the secret lies"),
        *at_most_one(tuple(REFERENCE.keys), "place"),
    ],
    "signer": [
        wants(_SIGNERS, "where the key lies"),
        *at_most_one(_SIGNERS, "place"),
        only_if({"not": has("keystore")}, {"properties": {"password": False}}),
        only_if({"not": has("command")}, {"properties": {"address": False, "timeout": False}}),
        only_if(has("command"), has("address") | {"errorMessage": "`command` needs its `address`"}),
    ],
    "wallet": [
        only_if(has("url"), {"properties": {"embedded": _embedded("false", "no", "off")}}),
        only_if(
            {"not": has("url")},
            {
                "required": ["embedded"],
                "errorMessage": "a `url` is missing, or `embedded: true`",
                "properties": {"embedded": _embedded("true", "yes", "on")},
            },
        ),
    ],
    "approve": [only_if({"not": has("token")}, {"properties": {"amount": _WITH_UNIT}})],
}
"""By level: what must hold for each of its maps."""


def _permissions(one: Schema) -> Schema:
    """A list of permissions: `root` stands alone, and something must let the key act."""
    root = {"const": "root"}
    acting = [has(kind) for kind in PERMISSION.keys if kind not in LIMITING]
    return listed(any_of(root, one)) | {
        "contains": any_of(root, *acting),
        "errorMessage": "nothing in this list lets the key call anything",
        **only_if({"contains": root}, {"maxItems": 1, "errorMessage": "`root` stands alone"}),
    }


def _long_or_short(level: Level) -> Callable[[Schema], Schema]:
    """The keys of a level, or receivers and amounts."""
    short = by(PARTY, ref("amount"), least=1)
    short["propertyNames"]["not"] = {"enum": list(level.keys)}
    return lambda long: {"oneOf": [long, short]}


FORMS: dict[str, Callable[[Schema], Schema]] = {
    "permissions": _permissions,
    "pay": _long_or_short(PAY),
    "approve": _long_or_short(APPROVE),
}
"""By level: the form in which its maps stand below a key, where it is not the plain map."""
