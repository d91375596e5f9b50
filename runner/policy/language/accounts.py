"""Keys of a policy itself, of shared books, tokens and accounts."""

from __future__ import annotations

from runner.policy.language.level import Key, level

POLICY = level(
    "policy",
    "a policy",
    Key("version", "1", "The version of this language; there is 1.", required=True),
    Key(
        "name",
        "name",
        (
            "The policy's name, unique among all files. What was paid is remembered under it: "
            "under another name it would be another policy."
        ),
        required=True,
    ),
    Key("description", "text", "What the policy is for; people read it, nothing else does."),
    Key("chain", "chain", "Chain of the accounts that name none."),
    Key("wallet", "name", "Wallet profile of runner.yaml for the accounts that name none."),
    Key(
        "defaults",
        "map",
        "Values for keys that a session or schedule below does not write itself.",
    ),
    Key(
        "include",
        "list of paths",
        (
            "Books beside the file: their tokens, contacts, groups and defaults hold here as if "
            "written here."
        ),
    ),
    Key(
        "tokens",
        "map by name",
        "ERC-20 tokens. The name is the unit of amounts: `2500 usdc`.",
    ),
    Key(
        "contacts",
        "map of names to addresses",
        "Addresses by name. The name may stand wherever an address may.",
    ),
    Key(
        "groups",
        "map of names to lists of addresses or names",
        "Lists of contacts by name, for `receivers`.",
    ),
    Key(
        "accounts",
        "map by name",
        "Smart accounts that pay: who owns each, where it lives, who pays its gas.",
    ),
    Key(
        "sessions",
        "map by name",
        "Session keys on these accounts: what each may do, and how long one grant of it lives.",
    ),
    Key(
        "schedules",
        "map by name",
        "What is paid when. Each due time of a schedule is paid at most once.",
    ),
)

BOOK = level(
    "book",
    "a book",
    Key("version", "1", "The version of this language; there is 1."),
    POLICY.keys["description"],
    POLICY.keys["tokens"],
    POLICY.keys["contacts"],
    POLICY.keys["groups"],
    POLICY.keys["defaults"],
)

TOKEN = level(
    "token",
    "a token",
    Key(
        "decimals",
        "integer, 0 to 36",
        "How many decimals one unit has; an amount with more of them is an error.",
        required=True,
    ),
    Key(
        "address",
        "address or map by chain",
        "The token's contract: one address that holds on every chain, or one for each chain.",
        required=True,
    ),
)

ACCOUNT = level(
    "account",
    "an account",
    Key(
        "owner",
        "name",
        "The signer of runner.yaml that owns the account. It signs grants, never payments.",
        required=True,
    ),
    Key(
        "chain",
        "chain",
        "The chain the account lives on: a name, or an EIP-155 id.",
        "the policy's chain",
    ),
    Key(
        "wallet",
        "name",
        "The wallet profile of runner.yaml whose service sends its operations.",
        "the policy's wallet",
    ),
    Key(
        "type",
        "smart or eip7702",
        ("A smart account of its own, or the owner's address with an EIP-7702 delegation."),
        "smart",
    ),
    Key(
        "gas",
        "native, sponsor or {sponsor: NAME}",
        (
            "Who pays for gas: the account itself, the default gas policy of the wallet profile, "
            "or another policy by its name."
        ),
        "native",
    ),
    Key(
        "address",
        "address",
        (
            "The account's address. It must equal the one computed from owner and salt; where "
            "none can be computed, it must be written."
        ),
    ),
    Key(
        "salt",
        "integer",
        (
            "Enters the computed address: another salt is another account of the same owner. "
            "A delegated EOA has none."
        ),
        "0",
    ),
    Key(
        "max_fee",
        "amount of the coin",
        (
            "Most that one operation may cost: all of its gas fields, at the highest fee it "
            "offers. A dearer one is not signed."
        ),
        "0.002 ether on layer 2, 0.02 on mainnet; to be written elsewhere",
    ),
    Key(
        "max_fee_per_day",
        "amount of the coin",
        (
            "Most that the operations of a day (UTC) may cost: sponsored, reverted, replaced "
            "ones and burns count too."
        ),
        "50 × max_fee; none on a sandbox",
    ),
)

GAS = level(
    "gas",
    "`gas`",
    Key(
        "sponsor",
        "name",
        "The gas policy that pays, by its name below `gas_policies` of the wallet profile.",
        required=True,
    ),
)
