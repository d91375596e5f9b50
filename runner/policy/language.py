"""
The keys of the policy language, level by level: one table that reading, messages, `explain`, the
documentation and the JSON Schema share.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """
    One key.

    Attributes:
        type: What its value is, in the words of the documentation.
        about: What it does, in one sentence.
        default: What holds when it is not written; None for required keys and keys that are
            simply absent.
    """

    name: str
    type: str
    about: str
    default: str | None = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """A kind of map: its name, what messages call it, and its keys."""

    name: str
    article: str
    keys: dict[str, Key]

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(key.name for key in self.keys.values() if key.required)


def _level(name: str, article: str, *keys: Key) -> Level:
    return Level(name, article, {key.name: key for key in keys})


POLICY = _level(
    "policy",
    "a policy",
    Key("version", "1", "The version of this language.", required=True),
    Key("name", "name", "The policy's name, unique among all files.", required=True),
    Key("description", "text", "What the policy is for."),
    Key("chain", "chain", "Chain of accounts that name none."),
    Key("wallet", "name", "Wallet profile of accounts that name none.", "sandbox"),
    Key("defaults", "map", "Values for keys of schedules and sessions below."),
    Key("include", "list of paths", "Shared books: tokens, contacts, groups, defaults."),
    Key("tokens", "map", "ERC-20 tokens by name."),
    Key("contacts", "map", "Addresses by name."),
    Key("groups", "map", "Lists of contacts by name."),
    Key("accounts", "map", "Smart accounts that pay, by name."),
    Key("sessions", "map", "Session keys on these accounts, by name."),
    Key("schedules", "map", "What is to be paid when, by name."),
)

TOKEN = _level(
    "token",
    "a token",
    Key("decimals", "integer", "Decimals of the token, 0 to 36.", required=True),
    Key("address", "address or map by chain", "The token's contract.", required=True),
)

ACCOUNT = _level(
    "account",
    "an account",
    Key("owner", "name", "The signer of runner.yaml that owns the account.", required=True),
    Key("chain", "chain", "The chain it lives on.", "the policy's chain"),
    Key("wallet", "name", "The wallet profile of runner.yaml.", "the policy's wallet"),
    Key("type", "smart (eip7702: not yet)", "How the account is made.", "smart"),
    Key("gas", "native, sponsor or {sponsor: NAME}", "Who pays for gas.", "native"),
    Key("address", "address", "Compared with the address computed offline."),
    Key("salt", "integer", "Salt of the counterfactual address.", "0"),
    Key("max_fee", "amount", "Most one operation may cost.", "0.002 ether; 0.02 on mainnet"),
    Key("max_fee_per_day", "amount", "Most a day's operations may cost.", "50 times max_fee"),
)

GAS = _level(
    "gas",
    "`gas`",
    Key("sponsor", "name", "A gas policy of the wallet profile.", required=True),
)

SESSION = _level(
    "session",
    "a session",
    Key("account", "name", "The account the key acts for.", required=True),
    Key("lifetime", "duration", "How long one grant lives.", required=True),
    Key("renew_before", "duration or percentage", "When it is renewed.", "33% or 50% by rule R1"),
    Key("permissions", "derive or list", "What the key may do on chain.", "derive"),
    Key("margin", "percentage", "What derive adds to the need.", "10%"),
    Key("receivers", "any or list", "Who may be paid.", "any"),
    Key("limits", "map", "Budgets kept by the runner."),
    Key("max_exposure", "list of amounts", "Most all living grants may hold.", "2 allowances"),
    Key("accept_risk", "text", "Why a permission that can widen itself is wanted."),
    Key("on_no_grant", "hold, skip or fail", "What runs do without a grant.", "hold"),
    Key("owner_lead", "duration", "How early a person is asked to sign.", "a sixth of lifetime"),
    Key("renew", "auto or off", "Whether grants are renewed.", "auto"),
    Key("previous_names", "list of names", "Names the session had before."),
)

LIMITS = _level(
    "limits",
    "`limits`",
    Key("per_run", "list of amounts", "Most one run may spend."),
    Key("per_day", "list of amounts", "Most a day may spend."),
    Key("per_week", "list of amounts", "Most a week, from Monday, may spend."),
    Key("per_month", "list of amounts", "Most a month may spend."),
    Key("per_lifetime", "list of amounts", "Most one grant may spend."),
    Key("rolling", "map", "Most any window of a length may spend."),
    Key("timezone", "time zone", "Whose days and months count.", "timezone of defaults, or UTC"),
)

SCHEDULE = _level(
    "schedule",
    "a schedule",
    Key("session", "name", "The session whose key signs.", required=True),
    Key("cron", "cron", "Five fields, or six with seconds first; 0 and 7 are Sunday."),
    Key("every", "duration", "A fixed period from start_at, or from the first apply."),
    Key("at", "instant", "One instant."),
    Key("dates", "list", "Calendar dates, or rules for them."),
    Key("timezone", "time zone", "Where cron and times without offset are read."),
    Key("calls", "list of calls", "What each run does, all or nothing."),
    Key("pay", "map", "Short for calls with one payment."),
    Key("pay_each", "map", "Short for calls with one payment a CSV row."),
    Key("call", "map", "Short for calls with one function call."),
    Key("approve", "map", "Short for calls with one approval."),
    Key("raw", "map", "Short for calls with one raw call."),
    Key("top_up", "map", "Short for calls that fill a balance up."),
    Key("sweep", "map", "Short for calls that empty a balance."),
    Key("start_at", "instant", "No slot before it."),
    Key("end_at", "instant", "No slot after it."),
    Key("max_runs", "integer", "Runs until the schedule is complete."),
    Key("until_total", "amount", "What is paid until the schedule is complete."),
    Key("jitter", "duration", "Most a slot is delayed, by hash.", "0"),
    Key("day_match", "and, or", "How both day fields of cron combine."),
    Key("dst_gap", "shift, skip or fail", "What becomes of a time that spring omits.", "shift"),
    Key("dst_fold", "first, last or both", "Which of a time that autumn repeats.", "first"),
    Key("catch_up", "latest, none or all", "What becomes of slots nobody served.", "latest"),
    Key("catch_up_window", "duration", "How late a slot may be served.", "rule M2"),
    Key("catch_up_rate", "rate", "How fast all slots are caught up.", "1/m"),
    Key("start_grace", "duration", "How late is still on time.", "60s"),
    Key("overlap", "skip, buffer_one, buffer_all(N), allow", "While one still runs.", "skip"),
    Key("run_deadline", "duration", "How long a run may take.", "rule M9"),
    Key("retry_on_revert", "integer", "Tries after a revert, at most 3.", "0"),
    Key("pause_after_failures", "integer", "Failures in a row that pause it.", "3"),
    Key("on_budget", "skip or hold", "What a run does that a budget refuses.", "skip"),
    Key("approve_above", "list of amounts", "What a person must confirm."),
    Key("approval_lead", "duration", "How early the person is asked.", "24h"),
    Key("new_receiver_above", "amount", "What a new receiver must be confirmed for."),
    Key("require", "list", "Conditions on a run."),
    Key("blackout", "list", "When nothing is paid."),
    Key("limits", "map", "Budgets kept by the runner."),
    Key("suspend", "boolean", "Whether the schedule rests.", "false"),
    Key("late_after", "duration", "How late raises an alert."),
    Key("max_time_since_success", "duration", "Which silence raises an alert."),
    Key("max_runtime", "duration", "Which run time raises an alert."),
    Key("ping", "URL", "Called after each success."),
    Key("previous_names", "list of names", "Names the schedule had before."),
)

ITEM = _level(
    "item",
    "a call",
    Key("pay", "map", "Send a token or the coin."),
    Key("call", "map", "Call a function."),
    Key("approve", "map", "Let a spender take tokens."),
    Key("raw", "map", "Send calldata as it is."),
    Key("pay_each", "map", "Pay each row of a CSV file."),
    Key("top_up", "map", "Fill a balance up."),
    Key("sweep", "map", "Empty a balance."),
    Key("memo", "text", "A note for people."),
    Key("ref", "text", "A reference for programs."),
)

PAY = _level(
    "pay",
    "`pay`",
    Key("to", "address or name", "Who is paid.", required=True),
    Key("amount", "amount", "How much, above 0.", required=True),
    Key("memo", "text", "A note for people."),
    Key("ref", "text", "A reference for programs."),
)

CALL = _level(
    "call",
    "`call`",
    Key("contract", "address or name", "What is called.", required=True),
    Key("function", "signature", "The function, as Solidity writes it.", required=True),
    Key("abi", "path", "A file with the contract's ABI."),
    Key("args", "list or map", "By position, or by parameter name."),
    Key("value", "amount of the coin", "What is sent along.", "0"),
    Key("memo", "text", "A note for people."),
    Key("ref", "text", "A reference for programs."),
)

APPROVE = _level(
    "approve",
    "`approve`",
    Key("spender", "address or name", "Who may take the tokens.", required=True),
    Key("amount", "amount of a token", "How much; 0 takes an approval back.", required=True),
    Key("token", "name", "The token, when the amount names none."),
    Key("memo", "text", "A note for people."),
    Key("ref", "text", "A reference for programs."),
)

RAW = _level(
    "raw",
    "`raw`",
    Key("to", "address or name", "What is called.", required=True),
    Key("data", "hex data", "The calldata.", "0x"),
    Key("value", "amount of the coin", "What is sent along.", "0"),
    Key("memo", "text", "A note for people."),
    Key("ref", "text", "A reference for programs."),
)

FUNCTIONS_ON_CONTRACT = _level(
    "functions-on-contract",
    "`functions-on-contract`",
    Key("contract", "address or name", "The contract.", required=True),
    Key("functions", "list of signatures", "Its functions that may be called.", required=True),
)

FUNCTIONS = _level(
    "functions",
    "this permission",
    Key("functions", "list of signatures", "The functions that may be called.", required=True),
)

LEVELS = {
    level.name: level
    for level in (
        POLICY,
        TOKEN,
        ACCOUNT,
        GAS,
        SESSION,
        LIMITS,
        SCHEDULE,
        ITEM,
        PAY,
        CALL,
        APPROVE,
        RAW,
        FUNCTIONS_ON_CONTRACT,
        FUNCTIONS,
    )
}
"""All levels by name."""
