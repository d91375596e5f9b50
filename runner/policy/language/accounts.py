"""Keys of a policy itself, of shared books, tokens and accounts."""

from __future__ import annotations

from runner.policy.language.level import Key, level

POLICY = level(
    "policy",
    "a policy",
    Key("version", "1", "The version of this language.", required=True),
    Key(
        "name",
        "name",
        ("The policy's name, unique among all files: what was paid is remembered under it."),
        required=True,
    ),
    Key("description", "text", "What the policy is for."),
    Key("chain", "chain", "Chain of accounts that name none."),
    Key("wallet", "name", "Wallet profile of runner.yaml for accounts that name none."),
    Key(
        "defaults",
        "map",
        "Values for keys of the schedules and sessions below that do not write them.",
    ),
    Key(
        "include",
        "list of paths",
        "Shared books beside the file: tokens, contacts, groups, defaults.",
    ),
    Key("tokens", "map", "ERC-20 tokens by name."),
    Key("contacts", "map", "Addresses by name."),
    Key("groups", "map", "Lists of contacts by name."),
    Key("accounts", "map", "Smart accounts that pay, by name."),
    Key("sessions", "map", "Session keys on these accounts, by name."),
    Key("schedules", "map", "What is to be paid when, by name."),
)

BOOK = level(
    "book",
    "a book",
    Key("version", "1", "The version of this language."),
    POLICY.keys["description"],
    POLICY.keys["tokens"],
    POLICY.keys["contacts"],
    POLICY.keys["groups"],
    POLICY.keys["defaults"],
)

TOKEN = level(
    "token",
    "a token",
    Key("decimals", "integer", "Decimals of the token, 0 to 36.", required=True),
    Key(
        "address",
        "address or map by chain",
        "The token's contract: one address for every chain, or one for each.",
        required=True,
    ),
)

ACCOUNT = level(
    "account",
    "an account",
    Key("owner", "name", "The signer of runner.yaml that owns the account.", required=True),
    Key("chain", "chain", "The chain it lives on.", "the policy's chain"),
    Key("wallet", "name", "The wallet profile of runner.yaml.", "the policy's wallet"),
    Key(
        "type",
        "smart or eip7702",
        ("A smart account of its own, or the owner's address with an EIP-7702 delegation."),
        "smart",
    ),
    Key(
        "gas",
        "native, sponsor or {sponsor: NAME}",
        "Who pays for gas: the account, or a gas policy of the wallet profile.",
        "native",
    ),
    Key(
        "address",
        "address",
        "Compared with the address computed offline; needed where none can be computed.",
    ),
    Key("salt", "integer", "Salt of the counterfactual address.", "0"),
    Key(
        "max_fee",
        "amount of the coin",
        "Most one operation may cost, all gas fields together.",
        "0.002 ether on layer 2, 0.02 on mainnet; to be written elsewhere",
    ),
    Key(
        "max_fee_per_day",
        "amount of the coin",
        "Most the operations of a day (UTC) may cost.",
        "50 × max_fee; none on a sandbox",
    ),
)

GAS = level(
    "gas",
    "`gas`",
    Key("sponsor", "name", "A gas policy of the wallet profile.", required=True),
)
