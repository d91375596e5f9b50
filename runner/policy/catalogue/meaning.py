"""Explanations of faults in what a file says: names, calls, sessions, schedules, settings."""

from __future__ import annotations

from runner.policy.catalogue.entry import Entry, entry
from runner.policy.codes import Code

MEANING: dict[Code, Entry] = {
    Code.NOT_AN_ADDRESS: entry(
        "not an address",
        "0x and 40 hex digits, or a name from `contacts`.",
        "to: alice",
    ),
    Code.WRONG_CHECKSUM: entry(
        "the checksum of the address is wrong",
        "The case of the letters is a checksum (EIP-55): one of them was mistyped. All lower "
        "case is taken without check.",
        "address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e",
    ),
    Code.ZERO_ADDRESS: entry(
        "the zero address",
        "It belongs to nobody; what is sent there is lost.",
        "to: alice",
    ),
    Code.UNKNOWN_CONTACT: entry(
        "no such contact",
        "Names stand for addresses by `contacts`, `tokens` and `accounts` of this file, and by the "
        "books that it includes.",
        "contacts: {alice: 0x00000000000000000000000000000000000a11ce}",
    ),
    Code.UNKNOWN_ACCOUNT: entry(
        "no such account",
        "A session names an account of the same file.",
        "account: treasury",
        "session.account",
    ),
    Code.UNKNOWN_SESSION: entry(
        "no such session",
        "A schedule names a session of the same file.",
        "session: salaries",
        "schedule.session",
    ),
    Code.NOT_ON_CHAIN: entry(
        "the token has no address on this chain",
        "A token with addresses by chain needs one for each chain it is paid on.",
        "address: {base: 0x833589fcd6edb6e08f4c7c32d4f71b54bda02913}",
        "token.address",
    ),
    Code.UNKNOWN_CHAIN: entry(
        "no such chain",
        "A name of the list, or an EIP-155 id.",
        "chain: base-sepolia",
    ),
    Code.NAME_TWICE: entry(
        "a name stands for two things",
        "Tokens, contacts and groups share their names, since each can stand for an address.",
        "contacts: {usdc-faucet: 0x0000000000000000000000000000000000000405}",
        "policy.tokens policy.contacts policy.groups policy.include",
    ),
    Code.NOT_ONE_RECEIVER: entry(
        "a group where one address is needed",
        "Write one call for each member.",
        "pay: {alice: 10 usdc, bob: 10 usdc}",
        "pay.to policy.groups",
    ),
    Code.UNKNOWN_WALLET: entry(
        "no such wallet profile",
        "`wallet` names an entry below `wallets` of runner.yaml.",
        "wallet: sandbox",
        "account.wallet policy.wallet",
    ),
    Code.UNKNOWN_SIGNER: entry(
        "no such signer",
        "`owner` names an entry below `signers` of runner.yaml.",
        "owner: treasury-owner",
        "account.owner",
    ),
    Code.UNKNOWN_GAS_POLICY: entry(
        "no such gas policy",
        "`gas` names an entry below `gas_policies` of the wallet profile.",
        "gas: {sponsor: default}",
        "account.gas gas.sponsor",
    ),
    Code.SANDBOX_MISMATCH: entry(
        "play money and real keys do not mix",
        "A signer marked `sandbox_only` signs for sandboxes alone, any other never for one (G3).",
        "signers: {treasury-owner: {env: DEV_KEY, sandbox_only: true}}",
        "account.owner account.wallet signer.sandbox_only",
    ),
    Code.POLICY_TWICE: entry(
        "two files have the same policy name",
        "What was paid is remembered under the name.",
        "name: payroll-2026",
        "policy.name",
    ),
    Code.PREVIOUS_NAME_IN_USE: entry(
        "a former name is in use",
        "One history belongs to one name.",
        "previous_names: [salaries-2025]",
        "session.previous_names schedule.previous_names",
    ),
    Code.NO_MAX_FEE: entry(
        "this chain has no default fee bound",
        "Where the coin is not known to be ether, its worth is not known either (G2).",
        "max_fee: 0.5 native",
        "account.max_fee",
    ),
    Code.NOT_ONE_KIND: entry(
        "exactly one kind of call",
        "Each item of `calls` is one of pay, pay_each, call, approve, raw, top_up, sweep; a "
        "schedule has `calls` or one short form.",
        "calls:\n  - pay: {to: alice, amount: 10 usdc}",
        "schedule.calls",
    ),
    Code.NOT_A_SIGNATURE: entry(
        "not a function signature",
        "Name and parameter types, as Solidity writes them, or 0x and 8 hex digits where a "
        "permission is meant.",
        'function: "deposit(uint256 amount)"',
    ),
    Code.WRONG_ARGUMENTS: entry(
        "the arguments do not fit the signature",
        "`args` is a list by position, or a map by parameter name; all are needed.",
        "args: {amount: 40 usdc}",
        "call.args argument.name",
    ),
    Code.BAD_ARGUMENT: entry(
        "an argument is not of its type",
        "Integers as digits, hex or an amount with its unit; bytes as hex; addresses as names.",
        "args: [alice, 40 usdc, true, 0x00ff]",
        "call.args",
    ),
    Code.NOT_HEX: entry(
        "not hex data",
        "0x and an even number of hex digits.",
        "data: 0xd0e30db0",
    ),
    Code.UNLIMITED_APPROVAL: entry(
        "an approval without limit",
        "It counts as spend of the full amount, and would outlive the session (B7).",
        "approve: {vault: 40 usdc}",
        "approve.amount",
    ),
    Code.NOT_A_RECEIVER: entry(
        "not among the session's receivers",
        "The runner would refuse this payment each time.",
        "receivers: [staff, hosting]",
        "session.receivers pay.to",
    ),
    Code.NO_CALLS: entry(
        "the schedule calls nothing",
        "It needs `calls`, or one short form.",
        "pay: {hosting: 19.99 usdc}",
        "schedule.calls",
    ),
    Code.BAD_PERMISSION: entry(
        "not a permission",
        "One of the eight kinds an item, with its value; `root` is a bare word.",
        "permissions:\n  - erc20-token-transfer: 20000 usdc",
        "session.permissions permissions.root",
    ),
    Code.ROOT_NOT_ALONE: entry(
        "`root` stands alone",
        "It allows everything; no other permission limits it, and the service refuses both.",
        "permissions: [root]",
        "permissions.root",
    ),
    Code.PERMISSION_TWICE: entry(
        "two permissions for the same thing",
        "The service refuses them, or the last one silently counts: never their sum.",
        "- erc20-token-transfer: 20000 usdc",
        "session.permissions",
    ),
    Code.RISK_NOT_ACCEPTED: entry(
        "a permission that can widen itself",
        "root, account-functions, functions-on-all-contracts, and access to the account's own "
        "modules or the EntryPoint let a key escape its other limits. If it must be, say why.",
        'accept_risk: "one-off migration, removed in March"',
        "session.accept_risk permissions.root permissions.account-functions "
        "permissions.functions-on-all-contracts permissions.contract-access",
    ),
    Code.FUNCTION_REFUSED: entry(
        "a function of the account that no key is granted",
        "execute, installValidation, upgradeToAndCall and their like stay with the owner.",
        'functions-on-contract: {contract: vault, functions: ["deposit(uint256)"]}',
        "permissions.account-functions",
    ),
    Code.NOTHING_ALLOWED: entry(
        "limits alone allow nothing",
        "native-token-transfer and gas-limit bound a key that another permission lets call.",
        "permissions:\n  - contract-access: vault\n  - native-token-transfer: 0",
        "permissions.native-token-transfer permissions.gas-limit",
    ),
    Code.ENDLESS: entry(
        "a grant that never ends",
        "A stolen key without expiry stays dangerous for ever, and a payment under it can never "
        "be proved dead.",
        "lifetime: 45d",
        "session.lifetime",
    ),
    Code.RENEWED_TOO_EARLY: entry(
        "renewal begins too early",
        "At most 80% of the lifetime (R2), else grants would follow each other without rest.",
        "renew_before: 33%",
        "session.renew_before",
    ),
    Code.NO_DAILY_LIMIT: entry(
        "a computed call needs a daily limit",
        "What top_up and sweep send is read from the chain when they run: a limit per_day, of the "
        "session or the schedule, bounds what a wrong answer can cost (G10).",
        "limits: {per_day: [5000 usdc]}",
        "top_up.max sweep.max limits.per_day",
    ),
    Code.NOT_COVERED: entry(
        "a call that no permission of its session covers",
        "The chain would refuse every run. `derive` asks for what the schedules need; written "
        "permissions are judged as the account's modules would judge them.",
        "permissions:\n  - erc20-token-transfer: 20000 usdc\n  - gas-limit: 0",
    ),
    Code.ALLOWANCE_TOO_SHORT: entry(
        "an allowance that does not last as long as its grant",
        "It is counted down and never filled up again: it has to carry the worst window of "
        "lifetime and catch-up in the next 400 days (R25).",
        "- erc20-token-transfer: 22000 usdc",
    ),
    Code.GAS_TOO_SHORT: entry(
        "a gas-limit that does not last as long as its grant",
        "It counts what each operation may cost at most, not what it did cost: all runs of the "
        "worst window, one activation and a tenth more for burns, each at `max_fee` (R27).",
        "- gas-limit: 0.05 native",
    ),
    Code.EXPOSURE_TOO_SMALL: entry(
        "one grant allows more than `max_exposure`",
        "No grant could be asked for. The bound holds for all grants of the session that can "
        "still sign, so it leaves room for two (R14).",
        "max_exposure: 44000 usdc",
    ),
    Code.NO_TRIGGER: entry(
        "the schedule has no trigger",
        "Exactly one of cron, every, at, dates.",
        'cron: "0 9 1 * *"',
        "schedule.cron schedule.every schedule.at schedule.dates",
    ),
    Code.TWO_TRIGGERS: entry(
        "the schedule has two triggers",
        "Write two schedules.",
        "every: 1w",
        "schedule.cron schedule.every schedule.at schedule.dates",
    ),
    Code.BAD_CRON: entry(
        "not a cron expression",
        "Minute, hour, day of month, month, day of week; seconds may lead. Sunday is 0 and 7.",
        'cron: "30 9 * * 1-5"',
    ),
    Code.NEVER_FIRES: entry(
        "it never fires",
        "No calendar has such a day, or the bounds exclude it.",
        'cron: "0 9 28 2 *"',
        "schedule.at",
    ),
    Code.NO_TIMEZONE: entry(
        "a time zone is missing",
        "09:00 is an instant only somewhere. The zone of this machine is never used.",
        "defaults: {timezone: Europe/Berlin}",
        "schedule.timezone blackout.timezone",
    ),
    Code.NO_DAY_MATCH: entry(
        "two day fields can be read in two ways",
        "Cron joins day of month and day of week by `or`, most people mean `and`: write it.",
        'cron: "0 9 13 * 5"\nday_match: and',
        "schedule.cron schedule.day_match",
    ),
    Code.NO_WINDOW: entry(
        "`catch_up: all` needs a window",
        "After a long pause it would pay everything at once: say how far back.",
        "catch_up: all\ncatch_up_window: 24h",
        "schedule.catch_up schedule.catch_up_window",
    ),
    Code.END_BEFORE_START: entry(
        "the end is not after the start",
        "Nothing would ever be paid.",
        "start_at: 2026-12-01T00:00Z\nend_at: 2027-12-01T00:00Z",
        "schedule.start_at schedule.end_at blackout.until",
    ),
    Code.NOT_ONE_INSTANT: entry(
        "the clocks leave the time out, or show it twice",
        "On the days the clocks change. An offset says which instant is meant.",
        "at: 2026-10-25T02:30+02:00",
        "schedule.dst_gap schedule.dst_fold",
    ),
    Code.NOT_A_DATE: entry(
        "not a date of `dates`",
        "A wall-clock time without offset, read in `timezone`; or a rule: last_business_day, "
        "nth_weekday, nearest_weekday.",
        'dates: [2026-12-24T09:00, {last_business_day: "17:00"}]',
        "schedule.dates",
    ),
    Code.BAD_BLACKOUT: entry(
        "a blackout has one beginning and one end",
        "Either `cron` and `for`, again and again, or `from` and `until`, once.",
        "blackout: [{from: 2026-12-24, until: 2027-01-01, action: skip}]",
        "schedule.blackout",
    ),
    Code.BAD_CONDITION: entry(
        "not a condition that can be checked",
        "`balance` or `argument`, one an item; an argument has at least one comparison, and "
        "`above`, `below` and their like compare numbers.",
        "require: [balance: {at_least: 5000 usdc}]",
        "schedule.require",
    ),
    Code.NOT_ONE_WALLET: entry(
        "a wallet is embedded or has a url",
        "Exactly one of them.",
        "wallets: {sandbox: {embedded: true}}",
        "wallet.embedded wallet.url",
    ),
    Code.BAD_URL: entry(
        "not a URL of http or https",
        "A scheme, a host, perhaps a port and a path; no blanks.",
        "url: https://api.g.alchemy.com/v2",
    ),
    Code.BAD_REFERENCE: entry(
        "not a reference to a secret",
        "A map of one key that says where the secret lies.",
        "secret_key: {file: .runner/secret.key}",
        "signer.password",
    ),
    Code.PLAIN_SECRET: entry(
        "a secret is written out",
        "runner.yaml names where secrets lie, it does not hold them.",
        "api_key: {env: ALCHEMY_API_KEY}",
    ),
    Code.BAD_BIND: entry(
        "not an address to listen on",
        "Host and port; a host of IPv6 between brackets.",
        "http: {bind: 127.0.0.1:8080}",
    ),
    Code.OPEN_WITHOUT_TOKEN: entry(
        "listening beyond this machine needs a token",
        "Whoever reaches the port could pause and pay.",
        "http: {bind: 0.0.0.0:8080, token: {env: RUNNER_HTTP_TOKEN}}",
        "http.bind http.token",
    ),
    Code.BAD_STORE: entry(
        "not a ledger that can be opened",
        "A file of SQLite, relative to runner.yaml. PostgreSQL comes later.",
        "store: sqlite:///.runner/ledger.db",
    ),
    Code.BAD_RATE: entry(
        "not a rate",
        "How many in a second, minute, hour or day.",
        "rate_limit: 25/s",
    ),
    Code.BAD_ROUTE: entry(
        "not a place where alerts can go",
        "Each route has a severity and where to: a reference to a URL, since it holds a token.",
        "alerts: {routes: [{min_severity: warning, to: [{env: ALERT_URL}]}]}",
        "alerts.routes",
    ),
    Code.NO_EFFECT: entry(
        "the key has no effect here",
        "It belongs to another trigger.",
        "every: 1w",
        "schedule.anchor schedule.day_match schedule.dst_gap schedule.dst_fold",
    ),
    Code.CRON_EVERY_MINUTE_OF_ONE_HOUR: entry(
        "follows elapsed time, yet names one hour",
        "A cron whose minute or hour begins with `*` fires through the change of the clocks as "
        "time goes by; in one hour it may be left out for a day, or come twice (T3).",
        'cron: "0,30 2 * * *"',
        "schedule.cron",
    ),
    Code.ROOT_GRANTED: entry(
        "root is granted",
        "A thief of the session key could take everything, until it expires and beyond.",
        "permissions: derive",
        "permissions.root",
    ),
    Code.VARIABLE_IGNORED: entry(
        "the variable names no setting",
        "RUNNER_ and the path in capitals, joined by two underscores.",
        "RUNNER_HTTP__BIND=127.0.0.1:9090",
    ),
    Code.SESSION_UNUSED: entry(
        "no schedule uses the session",
        "Its key would be granted, renewed and paid for, and never sign.",
        "schedules: {hosting: {session: salaries, every: 1w, pay: {hosting: 19.99 usdc}}}",
        "policy.sessions",
    ),
    Code.PAID_TWICE_IN_ONE_FILE: entry(
        "two rows pay the same receiver the same amount",
        "Most often a line was pasted twice. If both are meant, give them different `ref`s.",
        "to,amount,ref\nalice,100,INV-1\nalice,100,INV-2",
        "pay_each.csv",
    ),
    Code.NEVER_FIRES_AGAIN: entry(
        "it will not fire any more",
        "All of its slots lie in the past, or beyond `end_at`.",
        "end_at: 2030-12-31T23:59Z",
        "schedule.at schedule.dates schedule.end_at",
    ),
    Code.SKIPS_MONTHS: entry(
        "some months have no such day",
        "The 29th, 30th and 31st are left out where they do not exist; `L` is the last day.",
        'cron: "0 9 L * *"',
        "schedule.cron schedule.every date-rule.nth",
    ),
    Code.HITS_A_CLOCK_CHANGE: entry(
        "a slot meets a change of the clocks",
        "In spring the time is left out, in autumn it comes twice: `dst_gap` and `dst_fold` decide "
        "(T2, T3). An hour that no clock skips avoids both.",
        'cron: "30 4 * * *"',
        "schedule.cron schedule.dates schedule.dst_gap schedule.dst_fold",
    ),
    Code.TWICE_IN_ONE_MONTH: entry(
        "two payments fall into one month",
        "Four weeks or thirty days are shorter than most months. Paid by the calendar, each month "
        "has one.",
        'cron: "0 9 1 * *"',
        "schedule.every",
    ),
    Code.EITHER_DAY: entry(
        "either day will do",
        "With `day_match: or` it fires on the day of month and on every such weekday as well.",
        'cron: "0 9 13 * 5"\nday_match: and',
        "schedule.day_match",
    ),
    Code.BROADER_THAN_NEEDED: entry(
        "the session may do more than its schedules need",
        "What nothing uses serves only a thief of the key. `derive` asks for the least.",
        "permissions: derive",
        "session.permissions",
    ),
    Code.LONGER_THAN_NEEDED: entry(
        "the grant outlives what it is for",
        "A key that has nothing more to sign still can; shorter grants are renewed by themselves.",
        "lifetime: 45d",
        "session.lifetime",
    ),
    Code.CONTACT_UNUSED: entry(
        "nobody pays this contact",
        "An address that nothing uses is not reviewed either. Shared books may hold more.",
        "contacts: {alice: 0x00000000000000000000000000000000000a11ce}",
        "policy.contacts",
    ),
    Code.NOT_RENEWED: entry(
        "the schedules go on and their grant does not",
        "With `renew: off` a grant is asked for once. Later slots are held until a person renews "
        "it.",
        "renew: auto",
    ),
    Code.PAUSES_AT_RENEWAL: entry(
        "payments stop at each renewal",
        "Old and new grant live side by side for a while, each with its allowance. Where "
        "`max_exposure` does not hold both, the old one is revoked first (R13, R14).",
        "max_exposure: 44000 usdc",
    ),
    Code.TOO_SHORT_A_LIFE: entry(
        "grants too short for runs, or to hand over",
        "A run is begun only under a grant that lasts until it has ended for certain, and the old "
        "grant serves until the new one is active: `run_deadline`, and inclusion, skew and "
        "finality by the wallet's timing, take four fifths of a lifetime at most (R2, R6, R24).",
        "lifetime: 1d",
    ),
    Code.NEVER_WITHIN_LIMITS: entry(
        "each run spends more than a limit lets through",
        "A run is paid whole or not at all. What the fixed calls of one run spend is more than the "
        "limit holds in a whole period: no run is ever paid (B2).",
        "limits: {per_run: [2500 usdc], per_day: [6000 usdc]}",
    ),
    Code.PAID_TO_A_TOKEN: entry(
        "a payment to the contract of a token",
        "A token's name may stand where an address may, for calls of its functions. What is paid "
        "to it belongs to the contract, and nobody gets it out again.",
        "pay: {alice: 10 usdc}",
    ),
    Code.AMOUNT_OUT_OF_LINE: entry(
        "one amount is a thousand times the others",
        "Most often three zeros too many, or another unit. If it is meant, pay it from a schedule "
        "of its own.",
        "amount: 2500 usdc",
        "pay.amount",
    ),
}
"""By code."""
