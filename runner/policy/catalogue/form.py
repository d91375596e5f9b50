"""Explanations of faults in how a file is written: text, structure, values."""

from __future__ import annotations

from runner.policy.catalogue.entry import Entry, entry
from runner.policy.codes import Code

FORM: dict[Code, Entry] = {
    Code.UNREADABLE: entry(
        "the file cannot be read",
        "The path does not exist, is not readable for this user, or the folder has no *.yaml.",
        "runner validate policies/",
    ),
    Code.NOT_UTF8: entry(
        "the file is not UTF-8",
        "Other encodings are guessed differently by different programs. A byte order mark of "
        "UTF-8 at the very start is accepted.",
        "iconv -f ISO-8859-1 -t UTF-8 old.yaml > new.yaml",
    ),
    Code.TOO_LARGE: entry(
        "the file is larger than 1 MiB",
        "Nobody reviews such a file. Split it; names of policies stay unique.",
        "policies/payroll-2026.yaml",
    ),
    Code.TOO_DEEP: entry(
        "nested deeper than 50 levels",
        "No policy needs more than ten; deeper files are mistakes or attacks.",
        "limits: {per_day: [100 usdc]}",
    ),
    Code.EXPANDS_TOO_FAR: entry(
        "aliases expand the file too far",
        "All aliases of a file may add 10,000 nodes: a small file must not become a huge one.",
        "hosting: {<<: *monthly, pay: {hosting: 19.99 usdc}}",
    ),
    Code.NOT_A_MAP: entry(
        "the file is not a map",
        "A policy is a map of keys; an empty file, a list or plain text is none.",
        "version: 1\nname: payroll",
    ),
    Code.BAD_CHARACTER: entry(
        "a character that does not show",
        "Control characters, zero-width spaces and marks that reverse the reading direction "
        "could make a reviewer see another receiver than the program.",
        "contacts: {alice: 0x00000000000000000000000000000000000a11ce}",
    ),
    Code.HIDDEN_LINE_BREAK: entry(
        "a line break that editors do not show",
        "U+0085, U+2028, U+2029 and a lone carriage return end a line for YAML but not for "
        "editors: what looks like a comment would be read, and line numbers would differ.",
        "memo: one line, ended by a line feed",
    ),
    Code.TAB: entry(
        "a tab",
        "YAML does not allow tabs as indentation, and elsewhere they look like spaces.",
        "accounts:\n  treasury: {owner: treasury-owner}",
    ),
    Code.SECOND_DOCUMENT: entry(
        "a second document in one file",
        "One policy per file, so that a name and a file belong together.",
        "policies/payroll.yaml and policies/hosting.yaml",
    ),
    Code.TAG: entry(
        "a tag",
        "Each field knows its type; `!!int` and the like are not read.",
        "max_runs: 12",
    ),
    Code.BAD_ALIAS: entry(
        "an alias without anchor, or inside of it",
        "`*name` repeats what `&name` marks, above it in the file.",
        "weekday: &weekday {overlap: skip}\nother: {<<: *weekday}",
    ),
    Code.NOT_CLOSED: entry(
        "a bracket or quote is not closed",
        "The caret shows where it opens. A bracket that closes nothing is shown itself.",
        "receivers: [staff, hosting]",
    ),
    Code.NOT_YAML: entry(
        "this is not YAML",
        "Most often the indentation is off by one, a colon is missing, or a value needs quotes.",
        "sessions:\n  salaries:\n    account: treasury",
    ),
    Code.DUPLICATE_KEY: entry(
        "a key is written twice",
        "YAML readers disagree on which of them counts. Keys taken over by `<<` do not collide: "
        "what is written beside it wins.",
        "catch_up: latest",
    ),
    Code.BAD_KEY: entry(
        "a key is a list or map",
        "Keys are plain text. Braces in a value open a map: quote the value.",
        'to: "${RECEIVER}"',
    ),
    Code.BAD_MERGE: entry(
        "`<<` takes a map",
        "It merges the keys of a map, or of each map in a list.",
        "hosting: {<<: *monthly, pay: {hosting: 19.99 usdc}}",
    ),
    Code.STARTS_WITH_STAR: entry(
        "a value that begins with `*` needs quotes",
        "YAML reads it as an alias.",
        'cron: "*/5 * * * *"',
    ),
    Code.STARTS_WITH_AT: entry(
        "a value that begins with `@` needs quotes",
        "YAML reserves the character. Nicknames of cron are written out.",
        'cron: "0 0 * * *"',
    ),
    Code.VARIABLE_IN_BRACES: entry(
        "a variable between brackets needs quotes",
        "Inside `{…}` and `[…]` the brace of `${NAME}` opens another map.",
        'pay: {to: "${RECEIVER}", amount: 10 usdc}',
    ),
    Code.SIGNATURE_CUT: entry(
        "a signature between brackets needs quotes",
        "Inside `{…}` and `[…]` YAML cuts it at its commas.",
        'call: {contract: vault, function: "transfer(address,uint256)"}',
    ),
    Code.THOUSANDS_CUT: entry(
        "a comma cuts the number",
        "Inside brackets a comma ends the value. Numbers are grouped by `_`.",
        "pay: {to: alice, amount: 1_000 usdc}",
    ),
    Code.SWALLOWED_BY_COMMENT: entry(
        "the value is a comment",
        "After a blank, `#` begins a comment: the key is left without value.",
        'memo: "#5"',
    ),
    Code.RESERVED_START: entry(
        "a value that begins so needs quotes",
        "YAML reserves a leading backtick and percent sign.",
        'memo: "%5"',
    ),
    Code.COLON_IN_VALUE: entry(
        "a value that holds `: ` needs quotes",
        "YAML takes what stands before the colon for a key.",
        'description: "Salaries: paid monthly"',
    ),
    Code.VALUE_GOES_ON: entry(
        "a value that is quoted or bracketed in part needs quotes around all of it",
        "A quote or bracket at the beginning opens text, a list or a map, and what follows its end "
        "belongs to nothing. Between brackets a bracket within a value does so too.",
        "memo: 'the \"old\" [first] rate'",
    ),
    Code.UNKNOWN_KEY: entry(
        "there is no such key here",
        "A misspelt key must not be silently ignored: it may be a limit.",
        "catch_up: latest",
    ),
    Code.MISSING_KEY: entry(
        "a key is missing",
        "The caret shows the map that lacks it.",
        "sessions: {salaries: {account: treasury, lifetime: 45d}}",
    ),
    Code.WRONG_TYPE: entry(
        "a map, list or plain value of another kind is needed",
        "The caret shows the value.",
        "receivers: [staff]",
    ),
    Code.NO_VALUE: entry(
        "the key has no value",
        "Nothing is not a value: write one, or delete the key to get its default.",
        "description: Salaries",
    ),
    Code.NOT_SUPPORTED_YET: entry(
        "not carried out by this release",
        "Only PostgreSQL, so far: the ledger of one machine is a file of SQLite.",
        "store: sqlite:///.runner/ledger.db",
    ),
    Code.BAD_VERSION: entry(
        "another version of the language",
        "There is version 1.",
        "version: 1",
        "policy.version book.version",
    ),
    Code.EMPTY: entry(
        "an empty list or map",
        "It would mean nothing, or forbid everything: write what is meant.",
        "permissions: derive",
    ),
    Code.UNSET_VARIABLE: entry(
        "a variable is not set",
        "`${NAME}` must be in the environment; `${NAME:-default}` need not.",
        "wallet: ${WALLET:-sandbox}",
    ),
    Code.BAD_VARIABLE: entry(
        "not a variable as they are written here",
        "`${NAME}` and `${NAME:-default}`, in values, never in keys, not nested.",
        "wallet: ${WALLET:-sandbox}",
    ),
    Code.SECRET: entry(
        "a secret has no place in this file",
        "A private key, a seed phrase or the key of a provider was found; it is not repeated "
        "here. Files are copied, committed and reviewed: treat it as known to others, move the "
        "funds, make a new one. 64 hex digits are fine as bytes32, uint256 or raw data.",
        "signers: {treasury-owner: {env: TREASURY_OWNER_KEY}}",
    ),
    Code.BAD_NAME: entry(
        "not a name",
        "Names have letters, digits, `-`, `_` and `.`, at most 63, a letter or digit first.",
        "name: payroll-2026",
    ),
    Code.NOT_A_CHOICE: entry(
        "not one of the words this key takes",
        "The hint lists them.",
        "overlap: skip",
    ),
    Code.NOT_A_BOOLEAN: entry(
        "neither true nor false",
        "`yes`, `no`, `on` and `off` are taken as well.",
        "suspend: true",
    ),
    Code.NOT_A_NUMBER: entry(
        "not an integer",
        "Digits, single `_` between them, no sign: `010` is ten, `1e3` is a thousand.",
        "max_runs: 12",
    ),
    Code.OUT_OF_RANGE: entry(
        "outside of what this key takes",
        "The message names the bounds.",
        "retry_on_revert: 3",
    ),
    Code.NOT_A_DURATION: entry(
        "not a duration",
        "An integer above 0 and one of s m h d w; a day is 24 hours. Months and years differ in "
        "length and are none.",
        "lifetime: 45d",
    ),
    Code.NOT_A_PERCENTAGE: entry(
        "not a percentage",
        "Digits and a percent sign.",
        "margin: 10%",
    ),
    Code.NOT_AN_INSTANT: entry(
        "not a date with a time",
        "Date, time in whole seconds, and an offset unless `timezone` completes it.",
        "start_at: 2026-12-01T09:00Z",
    ),
    Code.UNKNOWN_TIMEZONE: entry(
        "no such time zone",
        "An IANA name, or UTC. An offset is none: it knows no summer.",
        "timezone: Europe/Berlin",
    ),
    Code.NOT_A_TIME: entry(
        "not a time of day",
        "Hours and minutes, perhaps seconds, between quotes: other readers of YAML take 9:30 for "
        "a number.",
        'dates: {last_business_day: "17:00"}',
    ),
    Code.NOT_AN_AMOUNT: entry(
        "not an amount",
        "A number, a space, a unit. No sign, no commas, no currency signs.",
        "amount: 2_500.50 usdc",
    ),
    Code.NO_UNIT: entry(
        "the amount has no unit",
        "2500 of what? Only 0 needs none.",
        "amount: 2500 usdc",
    ),
    Code.UNKNOWN_UNIT: entry(
        "no such unit",
        "Declared tokens, native, ether, gwei, wei; upper and lower case differ.",
        "tokens: {usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}}",
    ),
    Code.TOO_FINE: entry(
        "more decimals than the token has",
        "Amounts are exact; nothing is rounded.",
        "amount: 19.99 usdc",
    ),
    Code.TOO_MUCH: entry(
        "more than any token can count",
        "An amount in base units is below 2 to the 256.",
        "amount: 2500 usdc",
    ),
    Code.NOT_ABOVE_ZERO: entry(
        "the amount must be above 0",
        "A payment of nothing still costs a fee, a fee bound of 0 refuses everything.",
        "amount: 10 usdc",
        "pay.amount top_up.below top_up.up_to top_up.max sweep.max account.max_fee "
        "account.max_fee_per_day",
    ),
    Code.WRONG_ASSET: entry(
        "another asset is needed here",
        "Fees and values are paid in the chain's coin, approvals are given for tokens.",
        "max_fee: 0.001 native",
        "account.max_fee account.max_fee_per_day approve.amount "
        "permissions.erc20-token-transfer call.value raw.value",
    ),
    Code.AMOUNT_TWICE: entry(
        "two amounts of one asset",
        "Which of them counts would be a guess.",
        "per_day: [6000 usdc, 0.1 native]",
        "limits.per_run limits.per_day limits.per_week limits.per_month limits.per_lifetime "
        "session.max_exposure schedule.until_total schedule.approve_above "
        "schedule.new_receiver_above",
    ),
    Code.BAD_PATH: entry(
        "a file beside the policy cannot be used",
        "The path is relative to the policy's file; books end in .yaml or .yml, tables in .csv, "
        "ABIs in .json. Symbolic links are followed, and what they lead to must end so too.",
        "include: [shared/books.yaml]",
        "policy.include call.abi pay_each.csv",
    ),
    Code.BAD_BOOK: entry(
        "a book holds what only a policy may",
        "An included file shares tokens, contacts, groups and defaults. Accounts, sessions and "
        "schedules stay in the policy, where a reviewer sees them.",
        "tokens: {usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}}",
        "policy.include",
    ),
    Code.BAD_CSV: entry(
        "not a table that can be paid from",
        "UTF-8, separated by commas, quoted by double quotes, a header in the first line, the same "
        "number of columns in each.",
        "to,amount,memo\nalice,2500.00,salary",
        "pay_each.csv pay_each.columns",
    ),
    Code.TOO_MANY_ROWS: entry(
        "more rows than one batch takes",
        "A run is one operation, all or nothing: at most 50 payments. Split the file, one schedule "
        "for each.",
        "pay_each: {csv: salaries-a-to-m.csv, token: usdc}",
        "pay_each.csv",
    ),
    Code.BAD_ABI: entry(
        "not an ABI with such a function",
        "A JSON list of entries, or an object with the key `abi`, as compilers write it. Where two "
        "functions share a name, `function` is the whole signature.",
        "call: {contract: vault, abi: vault.json, function: deposit, args: [40 usdc]}",
        "call.abi call.function",
    ),
    Code.BEYOND_ORGANISATION: entry(
        "beyond a rule of the organisation",
        "`organisation` of runner.yaml names a file of rules above all policies. Whoever writes a "
        "policy stays within them, or has them changed by whoever keeps that file.",
        "organisation: organisation.yaml",
        "config.organisation",
    ),
}
"""By code."""
