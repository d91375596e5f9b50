"""What only seems to be written, and values that are refused for what they would do."""

_KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
_PHRASE = "legal winner thank year wave sausage worth useful legal winner thank yellow"
_ADDRESS = "0x00000000000000000000000000000000000a11ce"

_REST = "schedules:\n  hosting:\n    session: salaries\n    every: 1w\n"
_PAYS = f"{_REST}    pay: {{alice: 10 usdc}}\n"
_ONLY_ALICE = f"    receivers: [alice]\n{_REST}"

CASES = [
    # Characters that look like others.
    ("P007", "instead", "    lifetime: 45d ⇒ §\xa0\xa0\xa0\xa0lifetime: 45d"),
    ("P007", "instead", "    lifetime: 45d ⇒     lifetime:§\xa045d"),
    ("P007", "instead", "    lifetime: 45d ⇒     lifetime§\uff1a 45d"),
    ("P007", "instead", "    lifetime: 45d ⇒     §\u3000lifetime: 45d"),
    ("P030", "instead", "    lifetime: 45d ⇒     §lif\u0435time: 45d"),
    ("P063", "calls", "- pay: {§\u0430lice: 1 usdc}"),
    # Lines that YAML cannot place.
    ("P014", "instead", "version: 1 ⇒ §version=1"),
    ("P014", "instead", "version: 1 ⇒ §version:1"),
    ("P014", "instead", "    account: treasury ⇒     §account:treasury"),
    ("P014", "instead", "    account: treasury ⇒     §account = treasury"),
    ("P014", "instead", "    lifetime: 45d ⇒     §'lifetime: 45d'"),
    ("P014", "instead", "    lifetime: 45d ⇒     §// a month\n    lifetime: 45d"),
    ("P014", "top", "§: x\n"),
    ("P014", "instead", "    lifetime: 45d ⇒ §<<<<<<< HEAD\n    lifetime: 45d\n=======\n>>>>>>> b"),
    ("P014", "file", "§%YAML 2.0\n---\nversion: 1\nname: p\n"),
    ("P006", "file", "§[section]\nkey = 1\n"),
    ("P006", "file", "# ini\n§[a]\nb=c\n"),
    ("P014", "top", f"§{'k' * 1100}: 1\n"),
    ("P030", "instead", "    lifetime: 45d ⇒   §lifetime: 45d"),
    ("P015", "anchored", "  other:\n    <<: *h\n    §<<: *h\n"),
    ("P013", "instead", "groups: {staff: [alice]} ⇒ groups: {staff: §[alice}}"),
    ("P013", "calls", "- pay: §{alice: 1 usdc]"),
    # Defaults that nothing takes.
    ("P065", "file", "version: 1\nname: p\ndefaults: {session: §x}\n"),
    ("P045", "file", "version: 1\nname: p\ndefaults: {lifetime: §3}\n"),
    ("P041", "file", "version: 1\nname: p\ndefaults: {overlap: §nope}\n"),
    ("P041", "file", "version: 1\nname: p\ndefaults: {catch_up: §ltest}\n"),
    ("P032", "file", "version: 1\nname: p\ndefaults: {limits: §5 usdc}\n"),
    ("P045", "top", "defaults: {lifetime: §abc}\n"),
    ("P045", "top", "defaults: {every: §7}\n"),
    ("P102", "top", "defaults: {cron: §61 * * * *}\n"),
    ("P063", "top", "defaults: {pay: {§alcie: 1 usdc}}\n"),
    ("P063", "top", "defaults: {receivers: [§alcie]}\n"),
    ("P051", "top", "defaults: {max_exposure: §5}\n"),
    ("P064", "top", "defaults: {account: §tresury}\n"),
    ("P111", "top", "defaults: {require: [{§argument: {function: f(uint256 a), name: a}}]}\n"),
    ("P033", "top", "defaults: {accept_risk: §no}\n"),
    # Reasons that are none.
    ("P033", "session", "accept_risk: §false"),
    ("P033", "session", "accept_risk: §no"),
    ("P033", "session", "accept_risk: §off"),
    ("P033", "session", "accept_risk: §''"),
    ("P033", "session", "accept_risk: §'-'"),
    ("P033", "session", "accept_risk: §n/a"),
    ("P033", "session", "accept_risk: §TBD"),
    ("P033", "session", "accept_risk: §false\npermissions: [root]"),
    # Guardrails that would not be there.
    ("P036", "session", "limits: §{}"),
    ("P036", "schedule", "limits: §{}"),
    ("P032", "session", "receivers: §nobody"),
    ("P063", "session", "receivers: [§'*']"),
    ("P071", "instead", f"    owner: treasury-owner ⇒     owner: §{_ADDRESS}"),
    # Secrets where no value is read, or in pieces.
    ("P039", "session", "receivers: §[" + _PHRASE.replace(" ", ", ") + "]"),
    ("P039", "session", "receivers:\n  §- " + _PHRASE.replace(" ", "\n  - ")),
    ("P039", "session", f"receivers: [alice, §{_PHRASE}]"),
    ("P039", "account", f"private_key: §0x{_KEY}"),
    ("P039", "account", f"gas_key: §'{_PHRASE}'"),
    ("P039", "session", f"limits: §{_KEY}"),
    ("P039", "schedule", f"require: §0x{_KEY}"),
    # Secrets in comments.
    ("P039", "top", f"# old key: §0x{_KEY}\n"),
    ("P039", "top", f"# §{_KEY}"),
    ("P039", "top", f"# §{_PHRASE}\n"),
    ("P039", "top", "# https://eth-mainnet.g.§alchemy.com/v2/abcDEF123456ghiJKL7890\n"),
    ("P039", "instead", f"    lifetime: 45d ⇒     lifetime: 45d # §{_KEY}"),
    ("P039", "session", f"receivers: [alice, # §{_KEY}\n  vault]"),
    ("P039", "top", f"description: |\n  # no comment\n  text\n# §{_KEY}\n"),
    ("P039 P039", "top", f"description: §'# {_KEY}'\n# §{_KEY}\n"),
    ("P097", "session", "owner_lead: §45d"),
    ("P097", "session", "owner_lead: §9999d"),
    ("P086", "instead", f"{_PAYS} ⇒ {_ONLY_ALICE}    approve: {{§vault: 1 usdc}}\n"),
    (
        "P086",
        "instead",
        f"{_PAYS} ⇒ {_ONLY_ALICE}    approve: {{spender: §vault, amount: 1 usdc}}\n",
    ),
    # Values that other programs take.
    ("P102", "trigger", 'cron: §"CRON_TZ=UTC 0 9 1 * *"\ntimezone: UTC'),
    ("P102", "trigger", "cron: §\u201c0 9 1 * *\u201d\ntimezone: UTC"),
    ("P102", "trigger", f"cron: §'{','.join(['1'] * 200)} * * * *'\ntimezone: UTC"),
    ("P102", "trigger", "cron: §every monday\ntimezone: UTC"),
    ("P048", "trigger", "cron: 0 9 1 * *\ntimezone: §localtime"),
    ("P048", "trigger", "cron: 0 9 1 * *\ntimezone: §Europe"),
    ("P048", "trigger", "cron: 0 9 1 * *\ntimezone: §Z"),
    ("P044", "trigger", f"every: §{'9' * 30}d"),
    ("P067", "account", "chain: §0x2105"),
    ("P050", "amount", "§\uff11\uff10 usdc"),
    ("P050", "amount", "§\u22125 usdc"),
    ("P050", "amount", "§10k usdc"),
    ("P050", "amount", "§unlimited"),
    ("P030", "calls", "- pay: {to: alice, amount: 1, §token: usdc}"),
    ("P030", "calls", "- approve: {§to: vault, amount: 1 usdc}"),
    ("P083", "calls", f"- call: {{contract: vault, function: f(uint256), args: [§{2**256}]}}"),
]
