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
        "How long one grant lives before its successor has taken over.",
        required=True,
    ),
    Key(
        "renew_before",
        "duration or percentage",
        "How long before its end a grant is renewed; at most 80% of its life.",
        "33% of a life of 10 days or more, else 50%",
    ),
    Key(
        "permissions",
        "derive or list",
        "What the key may do on chain: the least that the schedules need, or a list.",
        "derive",
    ),
    Key("margin", "percentage", "What `derive` adds to the need.", "10%"),
    Key(
        "receivers",
        "any or list of addresses or names",
        "Who may be paid; checked by the runner before it signs.",
        "any",
    ),
    Key("limits", "map", "Budgets kept by the runner."),
    Key(
        "max_exposure",
        "amount or list of amounts",
        "Most that all grants which can still sign may hold together.",
        "twice the allowance",
    ),
    Key("accept_risk", "text", "Why a permission that can widen itself is wanted."),
    Key(
        "on_no_grant",
        "hold, skip or fail",
        "What a run does that finds no grant to sign under.",
        "hold",
    ),
    Key(
        "owner_lead",
        "duration",
        "How long before the renewal a person is asked to sign it.",
        "a sixth of the lifetime",
    ),
    Key("renew", "auto or off", "Whether grants are renewed.", "auto"),
    Key(
        "previous_names",
        "list of names",
        "Names the session had before: its history goes on under the new one.",
    ),
)

LIMITS = level(
    "limits",
    "`limits`",
    Key("per_run", "list of amounts", "Most one run may spend."),
    Key("per_day", "list of amounts", "Most a day may spend."),
    Key("per_week", "list of amounts", "Most a week, from Monday, may spend."),
    Key("per_month", "list of amounts", "Most a month may spend."),
    Key("per_lifetime", "list of amounts", "Most that may ever be spent."),
    Key(
        "rolling", "map of durations to lists of amounts", "Most any window of a length may spend."
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
            "The key may call `transfer` and `approve` of the token, for this much in all. "
            "The token takes no other call from it. Enforced by the chain."
        ),
    ),
    Key(
        "native-token-transfer",
        "amount of the coin",
        (
            "The key may send this much of the coin in all, as payment or along with "
            "calls. Without it, a key that may call a contract may send any value along. "
            "Enforced by the chain."
        ),
    ),
    Key(
        "gas-limit",
        "amount of the coin",
        (
            "The account pays this much for the key's gas in all; 0 where gas is "
            "sponsored. Without it a stolen key can burn the account's coin as gas. "
            "Enforced by the chain."
        ),
    ),
    Key(
        "contract-access",
        "address or name",
        "The key may call every function of this contract. Enforced by the chain.",
    ),
    Key(
        "functions-on-contract",
        "map",
        "The key may call these functions of this contract. Enforced by the chain.",
    ),
    Key(
        "functions-on-all-contracts",
        "list of signatures",
        ("The key may call these functions of any contract, tokens too. Needs `accept_risk`."),
    ),
    Key(
        "account-functions",
        "list of signatures",
        "The key may call these functions of its own account. Needs `accept_risk`.",
    ),
    Key(
        "root",
        "nothing: a bare word",
        (
            "The key may do everything, and change who owns the account. Stands alone; "
            "needs `accept_risk`."
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
