"""Keys of the calls of a schedule."""

from __future__ import annotations

from runner.policy.language.level import Key, level

_MEMO = Key("memo", "text", "A note for people; it stays in the ledger, the chain does not see it.")
_REF = Key("ref", "text", "A reference for programs, in reports and exports.")

ITEM = level(
    "item",
    "a call",
    Key("pay", "map", "Send a token or the coin to one receiver, or to several."),
    Key("call", "map", "Call a function of a contract by its signature."),
    Key("approve", "map", "Let a spender take tokens later; the full amount counts as spent now."),
    Key("raw", "map", "Send calldata as it is written."),
    Key("pay_each", "map", "Send a payment for each row of a CSV file."),
    Key(
        "top_up",
        "map",
        "Fill a balance up; how much it takes is read from the chain when the run is prepared.",
    ),
    Key(
        "sweep",
        "map",
        "Send away what the account holds above an amount to keep, read when it is prepared.",
    ),
    _MEMO,
    _REF,
)

PAY = level(
    "pay",
    "`pay`",
    Key("to", "address or name", "Who is paid: one address or contact.", required=True),
    Key("amount", "amount", "How much of what, above 0.", required=True),
    _MEMO,
    _REF,
)

UNITS_APART = frozenset({"token", "asset", "currency", "unit"})
"""Keys that people write in `pay` for the unit, which stands in the amount here."""

CALL = level(
    "call",
    "`call`",
    Key("contract", "address or name", "The contract that is called.", required=True),
    Key(
        "function",
        "signature, or function of `abi`",
        "The function, as Solidity writes it; beside `abi` its name is enough.",
        required=True,
    ),
    Key("abi", "path to .json", "A JSON file with the contract's ABI, beside the policy."),
    Key(
        "args",
        "list or map of arguments",
        "The arguments: a list by position, or a map by parameter name.",
        "no arguments",
    ),
    Key("value", "amount of the coin", "Coin that is sent along.", "0"),
    _MEMO,
    _REF,
)

APPROVE = level(
    "approve",
    "`approve`",
    Key("spender", "address or name", "Who may take the tokens.", required=True),
    Key(
        "amount",
        "amount of a token, or number",
        "How much of which token; 0 takes an approval back.",
        required=True,
    ),
    Key("token", "name", "The token, when `amount` is a number without one."),
    _MEMO,
    _REF,
)

RAW = level(
    "raw",
    "`raw`",
    Key("to", "address or name", "The contract that is called.", required=True),
    Key("data", "hex data", "The calldata.", "0x"),
    Key("value", "amount of the coin", "Coin that is sent along.", "0"),
    _MEMO,
    _REF,
)

PAY_EACH = level(
    "pay_each",
    "`pay_each`",
    Key(
        "csv",
        "path to .csv",
        "The file, beside the policy: UTF-8, commas, a header; at most 50 rows.",
        required=True,
    ),
    Key(
        "token",
        "name",
        "What amounts without a unit count; without it, each amount names its unit.",
    ),
    Key(
        "columns",
        "map",
        ("Which columns hold what, where their headers are not `to`, `amount`, `memo`, `ref`."),
        "to, amount, memo, ref",
    ),
    _MEMO,
    _REF,
)

COLUMNS = level(
    "columns",
    "`columns`",
    Key("to", "text", "The column with the receiver: a name or an address.", "to"),
    Key("amount", "text", "The column with the amount.", "amount"),
    Key("memo", "text", "The column with a note for people.", "memo, if there is one"),
    Key("ref", "text", "The column with a reference for programs.", "ref, if there is one"),
)

TOP_UP = level(
    "top_up",
    "`top_up`",
    Key("to", "address or name", "Whose balance is looked at and filled.", required=True),
    Key(
        "below",
        "amount",
        "A balance below it is filled up; at or above it, nothing is sent.",
        required=True,
    ),
    Key("up_to", "amount", "What the balance is filled up to.", required=True),
    Key(
        "max",
        "amount",
        "Most that one run sends, whatever the chain says. A limit `per_day` must hold as well.",
        required=True,
    ),
    _MEMO,
    _REF,
)

SWEEP = level(
    "sweep",
    "`sweep`",
    Key("token", "name", "What is sent: a token's name, or native.", required=True),
    Key("keep", "amount or number", "What stays in the account.", "0"),
    Key("to", "address or name", "Who gets the rest.", required=True),
    Key(
        "max",
        "amount",
        "Most that one run sends, whatever the chain says. A limit `per_day` must hold as well.",
        required=True,
    ),
    _MEMO,
    _REF,
)
