"""
One value → JSON Schema: for each word of the language's table that says what a value is.

An editor reads a file by the core schema of YAML 1.2: an unquoted `0x…` is a number to it, `12`
an integer, `true` a boolean, `09:00` and `on` are text. Other readers hand over text throughout.
So each value is taken as the text the loader reads, by a pattern, and as what such a reader makes
of it. Wherever text may stand, a variable may stand in it: `${NAME} usdc`.

Patterns are regular expressions that ECMA-262 and Python read alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from runner.policy.language import PERMISSION
from runner.policy.language.config import CONFIG_LEVELS
from runner.policy.scalars import CHAINS

Schema = dict[str, Any]

_VARIABLE = r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::-(?:[^}$]|\$(?!\{))*)?\}"
_TEXT = rf"(?:[^$]|\$(?!\{{)|{_VARIABLE})*"
"""Text whose variables, if it holds any, are written as variables are."""

_NUMBER = r"[0-9]+(?:_[0-9]+)*(?:\.[0-9]+(?:_[0-9]+)*)?(?:[eE][+-]?[0-9]{1,3})?"
_ZERO = r"0[0_]*(?:\.0[0_]*)?"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_ADDRESS = r"0x[0-9a-fA-F]{40}"
PARTY = rf"{_ADDRESS}|(?!0[xX]){_NAME}"
_DURATION = r"(?=[0-9_]*[1-9])[0-9]+(?:_[0-9]+)*[smhdw]"
_PERCENTAGE = r"[0-9]+(?:\.[0-9]+)? ?%"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_LOCAL = rf"{_DATE}[Tt ][0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}})?"
_INSTANT = rf"{_LOCAL}\s?(?:[Zz]|[+-][0-9]{{2}}:?[0-9]{{2}})?"
_SIGNATURE = r"\s*(?:function\s+)?[A-Za-z_$][A-Za-z0-9_$]*\s*\([\s\S]*\)[\s\S]*"
_CHAIN_ID = r"[0-9]+(?:_[0-9]+)*"
_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


def written(pattern: str, wanted: str, *natural: str, **bounds: Any) -> Schema:
    """
    A scalar.

    Args:
        pattern: What its text matches, where it holds no variable.
        wanted: What an editor says of text that does not.
        natural: The types, beside text, that a reader of YAML makes of it.
        bounds: Of a number, as `minimum`.
    """
    return {
        "type": ["string", *natural] if natural else "string",
        "pattern": rf"^(?:{pattern})$|^(?=[\s\S]*\$\{{){_TEXT}$",
        "errorMessage": f"not {wanted}",
        **bounds,
    }


def words(*choices: str) -> Schema:
    """One of a few words, or a variable that holds one."""
    return {"anyOf": [{"enum": list(choices)}, ref("variable")]}


def ref(name: str) -> Schema:
    """What is defined once for all places."""
    return {"$ref": f"#/$defs/{name}"}


def listed(items: Schema, *, least: int = 1) -> Schema:
    """A list, by default not an empty one."""
    found: Schema = {"type": "array", "items": items}
    return found | {"minItems": least} if least else found


def by(names: str, values: Schema, *, least: int = 0) -> Schema:
    """A map whose keys the user chose."""
    found: Schema = {
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{names})$"},
        "additionalProperties": values,
    }
    return found | {"minProperties": least} if least else found


def any_of(*schemas: Schema) -> Schema:
    """Any of several forms."""
    return {"anyOf": list(schemas)}


def _any_case(word: str) -> str:
    return "".join(f"[{letter.upper()}{letter}]" for letter in word)


def _integer(low: int, high: int | None = None) -> Schema:
    span = f"{low} or more" if high is None else f"{low} to {high}"
    bounds = {"minimum": low} | ({} if high is None else {"maximum": high})
    return written(_NUMBER, f"an integer, {span}", "integer", **bounds)


_BOOLEAN = "|".join(map(_any_case, ("true", "false", "yes", "no", "on", "off")))
_WEEKDAY = "|".join([*map(_any_case, _WEEKDAYS), *(_any_case(day[:3]) for day in _WEEKDAYS)])
_COIN = rf"{_NUMBER} +(?:native|ether|gwei|wei) *|{_ZERO}"
_PATH = r"(?![/~])[^\\]+\.{ending}"

DEFINED: dict[str, Schema] = {
    "variable": written(r"(?!)", "one of the words this key takes, nor a variable"),
    "text": {
        "type": ["string", "number", "boolean"],
        "minLength": 1,
        "pattern": f"^{_TEXT}$",
        "errorMessage": "a variable is written ${NAME} or ${NAME:-instead}",
    },
    "name": written(
        _NAME,
        "a name: letters, digits, -, _ and ., at most 63, a letter or digit first",
        "number",
        "boolean",
    ),
    "boolean": written(_BOOLEAN, "true or false", "boolean"),
    "integer": _integer(0),
    "number": written(_NUMBER, "a number", "number", minimum=0),
    "amount": written(rf"{_NUMBER} +{_NAME} *", "an amount: a number, a space, a unit: 2500 usdc"),
    "coin": written(
        _COIN, "an amount of the coin: 0.5 native, 20 gwei; or 0", "number", minimum=0, maximum=0
    ),
    "duration": written(_DURATION, "a duration: an integer and one of s m h d w: 90s, 45d"),
    "percentage": written(_PERCENTAGE, "a percentage: 10%"),
    "rate": written(r"[0-9]{1,9}\s?/\s?[smhd]", "a rate: 25/s, 1/m"),
    "instant": written(_INSTANT, "a date with a time: 2026-12-01T09:00Z"),
    "date-or-instant": written(rf"{_DATE}|{_INSTANT}", "a date, or a date with a time"),
    "wall-clock": written(_LOCAL, "a date with a time and no offset: 2026-12-24T09:00"),
    "time": written(r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?", 'a time of day: "09:00"'),
    "zone": written(
        r"(?!(?:UTC|GMT)[+-])[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*",
        "the name of a time zone: Europe/Berlin, UTC",
    ),
    "cron": written(
        r"\s*[0-9A-Za-z*,/#-]+(?:\s+[0-9A-Za-z*,/#-]+){4,5}\s*",
        'a cron expression: five fields, or six with seconds first: "0 9 1 * *"',
    ),
    "weekday": written(
        f"{_WEEKDAY}|[0-7]", "a weekday: monday, mon, or 0 to 7", "integer", minimum=0, maximum=7
    ),
    "chain": any_of(
        {"enum": list(CHAINS)},
        written(_CHAIN_ID, "a chain: its name or id", "integer", minimum=1),
    ),
    "address": written(_ADDRESS, "an address: 0x and 40 hex digits", "number", minimum=1),
    "party": written(
        PARTY,
        "an address (0x and 40 hex digits), nor a name",
        "number",
        "boolean",
    ),
    "signature": written(_SIGNATURE, 'a function signature: "deposit(uint256 amount)"'),
    "function": written(
        rf"{_SIGNATURE}|[A-Za-z_$][A-Za-z0-9_$]*",
        'a function: its signature, "deposit(uint256 amount)", or beside `abi` its name',
    ),
    "selector": written(
        rf"{_SIGNATURE}|0x[0-9a-fA-F]{{8}}",
        'a function: its signature, "deposit(uint256)", or 0x and 8 hex digits',
        "integer",
        minimum=0,
        maximum=2**32 - 1,
    ),
    "parameter": written(
        r"[A-Za-z_$][A-Za-z0-9_$]*|[0-9]{1,3}",
        "a parameter: its name, or its place from 0 on",
        "integer",
        "boolean",
        minimum=0,
    ),
    "abi-value": any_of(
        {"type": ["string", "number", "boolean"], "pattern": f"^{_TEXT}$"},
        listed(ref("abi-value"), least=0),
    ),
    "hex": written(
        r"0x(?:[0-9a-fA-F]{2})*",
        "hex data: 0x and an even number of hex digits",
        "number",
        minimum=0,
    ),
    "url": written(r"https?://[^\s/?#]+\S*", "a URL of http or https"),
    "path": written(r"\S(?:[\s\S]*\S)?", "a path: without blanks at its ends", "number", "boolean"),
    "words": listed({"type": ["string", "number", "boolean"], "minLength": 1}),
    "store": written(r"sqlite:///(?!:memory:$)[\s\S]+", "a ledger: sqlite:/// and a path"),
    "bind": written(
        r"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}", "a host and a port: 127.0.0.1:8080"
    ),
    "env": written(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable", "boolean"),
    "key": written(r"(?:0x)?[0-9a-fA-F]{64}", "a private key of 64 hex digits", "number"),
    "target": written(
        r"[A-Za-z][A-Za-z0-9+.-]*://\S+|mailto:\S+", "a URL that alerts can go to, nor {env: NAME}"
    ),
    "digest": written(
        r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})? +[A-Za-z][A-Za-z0-9_+/-]*",
        'a time of day and a zone: "17:00 Europe/Berlin"',
    ),
    "book-path": written(
        _PATH.replace("{ending}", "ya?ml"), "a path beside this file that ends in .yaml or .yml"
    ),
    "csv-path": written(_PATH.replace("{ending}", "csv"), "a path beside this file, to a .csv"),
    "json-path": written(_PATH.replace("{ending}", "json"), "a path beside this file, to a .json"),
}
"""Scalars that stand in many places, by their names below `$defs`."""

_AMOUNTS = listed(ref("amount"))
_PARTIES = listed(ref("party"))

PLAIN: dict[str, Schema] = {
    "1": {"anyOf": [{"const": 1}, {"const": "1"}, ref("variable")]},
    "text": ref("text"),
    "name": ref("name"),
    "boolean": ref("boolean"),
    "integer": ref("integer"),
    "chain": ref("chain"),
    "address": ref("address"),
    "address or name": ref("party"),
    "address or map by chain": any_of(
        ref("address"), by("|".join([*CHAINS, _CHAIN_ID]), ref("address"), least=1)
    ),
    "map of names to addresses": by(rf"(?!0[xX]){_NAME}", ref("address")),
    "map of names to lists of addresses or names": by(_NAME, _PARTIES),
    "any or list of addresses or names": any_of(
        {"const": "any", "errorMessage": "not a list, nor `any`: write [alice, staff]"}, _PARTIES
    ),
    "list of names": listed(ref("name"), least=0),
    "list of addresses or names": _PARTIES,
    "list of chains": listed(ref("chain")),
    "list of kinds of permissions": listed({"enum": list(PERMISSION.keys)}),
    "list of paths": listed(ref("book-path"), least=0),
    "path to .csv": ref("csv-path"),
    "path to .json": ref("json-path"),
    "amount": ref("amount"),
    "amount or number": any_of(ref("amount"), ref("number")),
    "amount of a token": ref("amount"),
    "amount of a token, or number": any_of(ref("amount"), ref("number")),
    "amount of the coin": ref("coin"),
    "amount or list of amounts": any_of(ref("amount"), _AMOUNTS),
    "list of amounts": _AMOUNTS,
    "map of durations to lists of amounts": by(_DURATION, _AMOUNTS),
    "percentage": ref("percentage"),
    "duration": ref("duration"),
    "duration or 0": written(
        rf"{_DURATION}|0[smhdw]?", "a duration: 90s, 45d; or 0", "number", minimum=0, maximum=0
    ),
    "duration or percentage": written(
        rf"{_DURATION}|{_PERCENTAGE}", "a duration, nor a percentage: 10d, 33%"
    ),
    "rate": ref("rate"),
    "time zone": ref("zone"),
    "cron": ref("cron"),
    "instant": ref("instant"),
    "date or instant": ref("date-or-instant"),
    "time of day": ref("time"),
    "weekday": ref("weekday"),
    "1 to 5, or last": any_of({"const": "last"}, _integer(1, 5)),
    "list of months": listed(_integer(1, 12)),
    "skip, buffer_one, buffer_all(N) or allow": any_of(
        {"enum": ["skip", "buffer_one", "allow"]},
        written(
            r"buffer_all\(\s*[0-9]{1,6}\s*\)", "one of skip, buffer_one, buffer_all(N) and allow"
        ),
    ),
    "auto or off": any_of({"enum": ["auto", "off", "no", "false", False]}, ref("variable")),
    "signature": ref("signature"),
    "signature, or function of `abi`": ref("function"),
    "list of signatures": listed(ref("selector")),
    "parameter": ref("parameter"),
    "argument": ref("abi-value"),
    "list of arguments": listed(ref("abi-value"), least=0),
    "list or map of arguments": any_of(
        listed(ref("abi-value"), least=0), by(r"[A-Za-z_$][A-Za-z0-9_$]*", ref("abi-value"))
    ),
    "hex data": ref("hex"),
    "path": ref("path"),
    "list of words": ref("words"),
    "true or false": ref("boolean"),
    "URL of a ledger": ref("store"),
    "host and port": ref("bind"),
    "name of a variable": ref("env"),
    "private key": ref("key"),
    "time of day and time zone": ref("digest"),
    "map of texts": by(_NAME, ref("text")),
    "URL": ref("url"),
}
"""Words for values that hold no maps of the language's levels."""

AROUND: dict[str, Callable[[Schema], Schema]] = {
    **{name: lambda inner: inner for name in CONFIG_LEVELS},
    "map of wallets": lambda inner: by(_NAME, inner),
    "map of signers": lambda inner: by(_NAME, inner),
    "URL, reference or map by chain": lambda inner: any_of(
        ref("url"),
        inner,
        by("|".join([*CHAINS, _CHAIN_ID]), any_of(ref("url"), inner), least=1),
    ),
    "list of routes": lambda inner: listed(inner, least=0),
    "list of webhooks": lambda inner: listed(inner, least=0),
    "list of references or URLs": lambda inner: listed(any_of(ref("target"), inner)),
    "map": lambda inner: inner,
    "map by name": lambda inner: by(_NAME, inner),
    "native, sponsor or {sponsor: NAME}": lambda inner: any_of(words("native", "sponsor"), inner),
    "derive or list": lambda inner: any_of(words("derive"), inner),
    "list of signatures": lambda inner: any_of(listed(ref("selector")), inner),
    "list of calls": listed,
    "list of spans": listed,
    "list of conditions": listed,
    "list of dates and rules, or a rule": lambda inner: any_of(
        listed(any_of(ref("wall-clock"), inner)), inner
    ),
    "time of day or map": lambda inner: any_of(ref("time"), inner),
}
"""Words for values that hold maps of a level, given that level."""

_RANGE = re.compile(r"integer, ([0-9]+) (?:to ([0-9]+)|or more)")
_CHOICES = frozenset(
    {
        "smart or eip7702",
        "hold, skip or fail",
        "and or or",
        "shift, skip or fail",
        "first, last or both",
        "latest, none or all",
        "skip or hold",
        "defer or skip",
        "system or wallet",
        "info, warning or critical",
        "auto, text or json",
        "debug, info, warning or error",
    }
)


def value(word: str, inner: Schema | None = None) -> Schema:
    """
    The schema of a value.

    Args:
        word: What it is, in the words of the language's table.
        inner: The maps below it, if it holds maps of a level.

    Raises:
        KeyError: Nobody has said what this word means.
    """
    if inner is not None:
        return AROUND[word](inner)
    if word in _CHOICES:
        return words(*re.split(", | or ", word))
    if match := _RANGE.fullmatch(word):
        return _integer(int(match[1]), None if match[2] is None else int(match[2]))
    return PLAIN[word]
