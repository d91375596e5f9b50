"""Keys of the organisation file: rules above all policies."""

from __future__ import annotations

from runner.policy.language.accounts import POLICY, TOKEN
from runner.policy.language.level import Key, level
from runner.policy.language.sessions import LIMITS

ORGANISATION = level(
    "organisation",
    "an organisation file",
    Key("version", "1", "The version of this language; there is 1.", required=True),
    POLICY.keys["description"],
    Key(
        "tokens",
        "map by name",
        (
            "Tokens by their true contracts: what amounts in this file are counted in. A policy "
            "may call them as it likes; the address decides."
        ),
    ),
    Key(
        "contacts",
        "map of names to addresses",
        "Addresses by name, for `receivers` and `contracts`.",
    ),
    POLICY.keys["groups"],
    Key("chains", "list of chains", "The chains that accounts may live on.", "any chain"),
    Key(
        "receivers",
        "list of addresses or names",
        "Whom policies may pay or give an approval to; each session is held to these.",
        "any receiver",
    ),
    Key(
        "contracts",
        "list of addresses or names",
        (
            "What policies may call, the tokens of this file beside; other tokens cannot be paid "
            "then."
        ),
        "any contract",
    ),
    Key(
        "forbidden_permissions",
        "list of kinds of permissions",
        "Permissions that no session may ask for, whatever its `accept_risk` says.",
    ),
    Key("max_lifetime", "duration", "The longest life of a grant."),
    Key(
        "max_exposure",
        "list of amounts",
        "Most that the grants of one session which could still sign may have left together.",
    ),
    Key("max_fee", "amount of the coin", "Most that one operation may cost, all gas fields."),
    Key(
        "limits",
        "map",
        "Budgets over all policies together, on each chain; `per_run` bounds each run.",
    ),
    Key("approve_above", "list of amounts", "A run of this much or more needs an approval."),
    Key(
        "approvers",
        "integer, 1 to 2",
        "How many persons have to approve what reaches `approve_above` of this file.",
        "1",
    ),
)

ORGANISATION_LEVELS = {level.name: level for level in (ORGANISATION, TOKEN, LIMITS)}
"""All levels of an organisation file by name."""
