"""
Which level stands below which key, in policies and in runner.yaml: how maps nest, for paths,
`explain` and the JSON Schemas.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.frozen import frozen
from runner.policy.language.config import CONFIG_LEVELS
from runner.policy.language.defaults import DEFAULTS
from runner.policy.language.schedules import SCHEDULE
from runner.policy.language.sessions import SESSION


@frozen
class Below:
    """
    What stands below a key.

    Attributes:
        level: The level of its maps.
        step: How one gets there from the key: at once, by a `.NAME` that the user chose, or by a
            place `[]` in a list.
    """

    level: str
    step: str = ""


_BY_NAME, _IN_LIST = ".NAME", "[]"
_CALLS = ("pay", "call", "approve", "raw", "pay_each", "top_up", "sweep")

_SESSION = {
    "permissions": Below("permissions", _IN_LIST),
    "limits": Below("limits"),
}
_SCHEDULE = {
    "calls": Below("item", _IN_LIST),
    "dates": Below("dates", _IN_LIST),
    "blackout": Below("blackout", _IN_LIST),
    "require": Below("require", _IN_LIST),
    "limits": Below("limits"),
    **{kind: Below(kind) for kind in _CALLS},
}
_BOOK = {"tokens": Below("token", _BY_NAME), "defaults": Below("defaults")}

_BELOW: dict[str, dict[str, Below]] = {
    "policy": {
        **_BOOK,
        "accounts": Below("account", _BY_NAME),
        "sessions": Below("session", _BY_NAME),
        "schedules": Below("schedule", _BY_NAME),
    },
    "book": _BOOK,
    "organisation": {"tokens": _BOOK["tokens"], "limits": Below("limits")},
    "defaults": _SESSION | _SCHEDULE,
    "account": {"gas": Below("gas")},
    "session": _SESSION,
    "permissions": {
        "functions-on-contract": Below("functions-on-contract"),
        "functions-on-all-contracts": Below("functions"),
        "account-functions": Below("functions"),
    },
    "schedule": _SCHEDULE,
    "dates": {
        kind: Below("date rule") for kind in ("last_business_day", "nth_weekday", "nearest_weekday")
    },
    "require": {"balance": Below("balance"), "argument": Below("argument")},
    "item": {kind: Below(kind) for kind in _CALLS},
    "pay_each": {"columns": Below("columns")},
}

_CONFIG: dict[str, dict[str, Below]] = {
    "config": {"wallets": Below("wallet", _BY_NAME), "signers": Below("signer", _BY_NAME)},
    "wallet": {"rpc_url": Below("reference")},
    "alerts": {
        "routes": Below("route", _IN_LIST),
        "webhooks": Below("webhook", _IN_LIST),
    },
    "route": {"to": Below("reference", _IN_LIST)},
}

NESTED: dict[tuple[str, str], Below] = {
    **{
        (level.name, key.name): Below(key.type)
        for level in CONFIG_LEVELS.values()
        for key in level.keys.values()
        if key.type in CONFIG_LEVELS
    },
    **{
        (level, key): below
        for level, keys in (_BELOW | _CONFIG).items()
        for key, below in keys.items()
    },
}
"""By level and key."""

KEYS_OF_RULE = {
    "last_business_day": ("time", "months"),
    "nth_weekday": ("time", "months", "weekday", "nth"),
    "nearest_weekday": ("time", "months", "day"),
}
"""Which keys of a date rule the map of each kind may have; all but `months` are required."""

_ROOTS = ("policy", "book", "organisation", "config")


def owner(level: str, key: str) -> str:
    """Return the level that a key of `defaults` is taken from; of any other level itself."""
    if level != DEFAULTS.name:
        return level
    return SESSION.name if key in SESSION.keys else SCHEDULE.name


def places(level: str, key: str | None = None) -> Iterator[str]:
    """
    The paths at which the maps of a level stand in a file, or a key of it; `defaults` is left out.
    """
    end = "" if key is None else f".{key}"
    if level in _ROOTS:
        yield end.removeprefix(".")
        return
    for (parent, above), below in NESTED.items():
        if below.level != level or parent in (DEFAULTS.name, "book", "organisation"):
            continue
        if key is None or key in KEYS_OF_RULE.get(above, (key,)):
            for place in places(parent):
                yield f"{place}.{above}{below.step}{end}".removeprefix(".")


def slug(level: str) -> str:
    """Return the name of a level as one word."""
    return level.replace(" ", "-")
