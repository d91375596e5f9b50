"""Keys of sessions, their limits and permissions."""

from __future__ import annotations

from runner.policy.language.level import Key, level

SESSION = level(
    "session",
    "a session",
    Key("account", "name", "The account the key acts for.", required=True),
    Key(
        "lifetime",
        "duration",
        (
            "How long one grant of the key is good. Renewal comes in time and by itself, so it "
            "may be short: a stolen key is worth nothing after it."
        ),
        required=True,
    ),
    Key(
        "renew_before",
        "duration or percentage",
        (
            "How long before its end a grant is renewed: a duration, or a share of its life, at "
            "most 80%."
        ),
        "33% of a life of 10 days or more, else 50%",
    ),
    Key(
        "permissions",
        "derive or list",
        (
            "What the key may do on chain: `derive` asks for the least that the session's "
            "schedules need; a list says it by hand."
        ),
        "derive",
    ),
    Key(
        "margin",
        "percentage",
        "What `derive` adds to each allowance, so that a small raise needs no new grant.",
        "10%",
    ),
    Key(
        "receivers",
        "any or list of addresses or names",
        (
            "Whom the session may pay or give an approval to: addresses, contacts, groups. "
            "Anybody else is refused before signing."
        ),
        "any",
    ),
    Key("limits", "map", "Budgets over all schedules of the session together."),
    Key(
        "max_exposure",
        "amount or list of amounts",
        (
            "Most that all grants of the session which could still sign may have left together, "
            "by token: what a thief could take at worst."
        ),
        "twice the allowance",
    ),
    Key(
        "accept_risk",
        "text",
        (
            "The reason why a permission is wanted that lets the key do more than it says, or "
            "widen itself. Without a reason such a permission is an error."
        ),
    ),
    Key(
        "on_no_grant",
        "hold, skip or fail",
        (
            "What becomes of a run that finds no grant to sign under: it waits within its "
            "catch-up window, is left out, or counts as missed."
        ),
        "hold",
    ),
    Key(
        "owner_lead",
        "duration",
        "How long before the renewal an owner who signs by hand is asked for the signature.",
        "a sixth of the lifetime",
    ),
    Key(
        "renew",
        "auto or off",
        "Whether grants are renewed; with `off` the session ends with its grant.",
        "auto",
    ),
    Key(
        "previous_names",
        "list of names",
        "Names the session had before: its grants and budgets go on under the new one.",
    ),
)

LIMITS = level(
    "limits",
    "`limits`",
    Key("per_run", "list of amounts", "Most that one run may spend, by token."),
    Key("per_day", "list of amounts", "Most that the runs due on one day may spend."),
    Key("per_week", "list of amounts", "Most that the runs due in one week, from Monday, spend."),
    Key("per_month", "list of amounts", "Most that the runs due in one calendar month may spend."),
    Key("per_lifetime", "list of amounts", "Most that may ever be spent."),
    Key(
        "rolling",
        "map of durations to lists of amounts",
        "Most that any stretch of this length may spend, wherever it begins.",
    ),
    Key(
        "timezone",
        "time zone",
        "Whose days, weeks and months count.",
        "that of the schedule, else of `defaults`, else UTC",
    ),
)

PERMISSION = level(
    "permissions",
    "a permission",
    Key(
        "erc20-token-transfer",
        "amount of a token",
        (
            "The key may call `transfer` and `approve` of this token, for this much in all, "
            "until the grant ends. The token takes no other call from it."
        ),
    ),
    Key(
        "native-token-transfer",
        "amount of the coin",
        (
            "The key may send this much of the coin in all, as payment or along with calls; it "
            "lets it call nothing by itself. Without it, a key that may call a contract may send "
            "any value along: write 0."
        ),
    ),
    Key(
        "gas-limit",
        "amount of the coin",
        (
            "The account pays this much for the key's gas in all; 0 where gas is sponsored. "
            "Without it a stolen key can burn all of the account's coin as gas."
        ),
    ),
    Key(
        "contract-access",
        "address or name",
        (
            "The key may call every function of this contract with any arguments and any value, "
            "and send coin to it. For a token that means all of it."
        ),
    ),
    Key(
        "functions-on-contract",
        "map",
        "The key may call these functions of one contract, with any arguments and any value.",
    ),
    Key(
        "functions-on-all-contracts",
        "list of signatures",
        (
            "The key may call these functions of any contract, tokens included, that no other "
            "permission names. Needs `accept_risk`."
        ),
    ),
    Key(
        "account-functions",
        "list of signatures",
        (
            "The key may call these functions of its own account, with any arguments. Needs "
            "`accept_risk`."
        ),
    ),
    Key(
        "root",
        "nothing: a bare word",
        (
            "The key may do everything the owner can, and change who the owner is. Stands "
            "alone; needs `accept_risk`."
        ),
    ),
)

FUNCTIONS_ON_CONTRACT = level(
    "functions-on-contract",
    "`functions-on-contract`",
    Key("contract", "address or name", "The contract.", required=True),
    Key(
        "functions",
        "list of signatures",
        "Its functions that may be called: signatures, or 0x and 8 hex digits.",
        required=True,
    ),
)

FUNCTIONS = level(
    "functions",
    "this permission",
    Key(
        "functions",
        "list of signatures",
        "The functions that may be called: signatures, or 0x and 8 hex digits.",
        required=True,
    ),
)
