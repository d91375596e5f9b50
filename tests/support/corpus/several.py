"""Files with several mistakes: each is told, and nothing else."""

CASES = [
    ("P023 P023", "calls", "- pay: {to: §${WHO}, amount: §${AMOUNT}}"),
    ("P030 P023", "top", "§groups2: {a: [§${WHO}]}\n"),
    ("P030 P038", "top", "§contacts2: {§${WHO}: x}\n"),
    ("P025 P025", "calls", "- pay: {alice: §12,500 usdc, vault: §1,000 usdc}"),
    ("P025 P025", "session", "limits: {per_day: [§6,000 usdc], per_month: [§15,000 usdc]}"),
    ("P026 P014", "calls", "- pay: {to: §#alice\n    §amount: 1 usdc}"),
    ("P031 P031", "file", "§§{}"),
    (
        "P030 P031 P031",
        "file",
        (
            "§§§a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]"
            "]]]]]]]]]]]]]]]]]]]]]]]]"
        ),
    ),
    ("P031 P031 P030", "file", "§§&a §a: &b {c: *a}\n"),
    ("P104 P101", "trigger", "cron: §'0 9 * * *'\n§every: 1w"),
    ("P051 P030", "calls", "- pay: {alice: §1, §token: usdc}"),
    ("P080 P036", "limited", "pay: {alice: 1 usdc}\n§calls: §[]"),
    ("P030 P030", "file", "§Version: 1\n§Name: p\n"),
    ("P030 P030", "file", "§apiVersion: v1\n§kind: Policy\nversion: 1\nname: p\n"),
    ("P031 P031", "file", "version: 1\nname: p\ntokens: {§§usdc: {}}\n"),
    (
        "P040 P060",
        "file",
        ("version: 1\nname: p\ncontacts: {§0x00000000000000000000000000000000000a11ce: §alice}\n"),
    ),
    ("P031 P031 P031", "file", "version: 1\nname: p\naccounts: {§§§a: {}}\n"),
    ("P031 P031", "file", "version: 1\nname: p\nsessions: {§§s: {}}\n"),
    ("P031 P100 P087", "file", "version: 1\nname: p\nschedules: {§§§s: {}}\n"),
    (
        "P065 P036",
        "file",
        "version: 1\nname: p\nschedules: {s: {session: §x, every: 1w, calls: §[]}}\n",
    ),
    ("P031 P030", "account", "§gas: {§token: usdc}"),
    (
        "P021 P048 P041 P023 P025 P063 P051",
        "body",
        (
            "session: salaries\ncron: §*/5 * * * *\ntimezone: §Europe/Berln\noverlap: §skp\n"
            "calls:\n  - pay: {to: §${X}, amount: §1,000 usdc}\n  - pay: {to: §bob, amount: §5}"
        ),
    ),
    (
        "P030 P045 P030 P063 P052",
        "body",
        "§sesion: salaries\nevery: §1 week\n§catchup: latest\npay: {§alcie: §5 USDC}",
    ),
    (
        "P065 P102 P048 P043 P025",
        "body",
        (
            "session: §salary\ncron: §0 9 * *\ntimezone: §Berlin\nmax_runs: §ten\n"
            "pay: {alice: §1,000 usdc}"
        ),
    ),
    (
        "P045 P045 P047 P047 P055",
        "body",
        (
            "session: salaries\nevery: §weekly\njitter: §5\nstart_at: §2026-13-01T00:00Z\n"
            "end_at: §2026-12-01\npay: {alice: §0 usdc}"
        ),
    ),
    (
        "P022 P030 P028 P121 P053",
        "body",
        (
            "session: salaries\ncron: §@daily\ntimezone: UTC\n§description: §Salaries: all\n"
            "ping: §monitor\npay: {vault: §0.0000001 usdc}"
        ),
    ),
    (
        "P032 P051 P030",
        "trigger",
        "every: 1w\nlimits: {per_day: §5 usdc, per_week: [§5], §daily: [1 usdc]}",
    ),
    (
        "P030 P026 P063 P024 P080",
        "body",
        (
            "session: salaries\nevery: 1w\ncalls:\n"
            "  - pay: {to: alice, §ammount: 5 usdc, memo: §#5}\n"
            "  - call: {contract: §valt, function: §f(uint256,bool), args: [1, 2]}\n"
            "  - §memo: x"
        ),
    ),
    (
        "P013 P063",
        "body",
        (
            "session: salaries\nevery: 1w\ncalls:\n  - pay: §{to: alice, amount: 5 usdc\n"
            "  - pay: {to: §bob, amount: 5 usdc}"
        ),
    ),
    (
        "P014 P063 P013",
        "body",
        (
            "session: salaries\nevery: 1w\ncalls:\n  - pay: {to: alice §amount: 5 usdc}\n"
            '  - pay: {to: §bob, amount: 5 usdc}\n  - pay: {to: alice, amount: §"5 usdc}'
        ),
    ),
    (
        "P051 P082 P104",
        "trigger",
        (
            "every: 1w\n"
            "require: [balance: {of: vault, at_least: §5}, argument: {function: f(uint256 "
            "a), name: §b, above: x}]\nblackout: [{from: §2026-12-24, until: 2026-12-23}]"
        ),
    ),
    (
        "P109 P109 P063",
        "body",
        (
            "session: salaries\ntimezone: UTC\n"
            "dates: [§2026-12-24, 2026-12-25T09:00, §2026-12-25T09:00]\npay: {§bob: 1 usdc}"
        ),
    ),
    (
        "P041 P041 P049 P030",
        "trigger",
        (
            "timezone: UTC\n"
            "dates: [{nth_weekday: {weekday: §freitag, nth: §6, time: §25:00}}, "
            "{§last_busines_day: 17:00}]"
        ),
    ),
    (
        "P015 P015",
        "body",
        ("every: 1w\nsession: salaries\n§every: 2w\npay: {alice: 1 usdc}\n§pay: {bob: 1 usdc}"),
    ),
    ("P014", "body", "session: salaries\nevery: 1w\n  §overlap: skip\npay: {bob: 1 usdc}"),
    ("P014 P063", "body", "session: salaries\n§every:1w\noverlap: skip\npay: {§bob: 1 usdc}"),
    (
        "P030 P030 P063",
        "body",
        "session: salaries\nevery: 1w\n§memo: x\n§lifetime: 3d\npay: {§bob: 1 usdc}",
    ),
    (
        "P063 P060 P025 P030 P090 P093 P097 P046",
        "session",
        (
            "receivers: [alice, §bob, §0x12]\n"
            "limits: {per_day: [§1,000 usdc], §per_wek: [2 usdc]}\n"
            "permissions: [§erc20-transfer: 5 usdc, §root]\nrenew_before: §90%\nmargin: §10"
        ),
    ),
    (
        "P050 P063 P024 P051 P090",
        "session",
        (
            "permissions:\n  - erc20-token-transfer: §20,000 usdc\n"
            "  - functions-on-contract: {contract: §valt, functions: [§f(a,b)]}\n"
            "  - gas-limit: §300000\n  - §contract-acess: vault"
        ),
    ),
    (
        "P032 P056 P041 P041 P045",
        "session",
        (
            "permissions: [contract-access: §[vault], native-token-transfer: §5 usdc]\n"
            "on_no_grant: §wait\nrenew: §maybe\nowner_lead: §7"
        ),
    ),
    (
        "P041 P051 P067 P060 P030",
        "account",
        "gas: §free\nmax_fee: §1\nchain: §bsae\naddress: §0x12\n§signer: x",
    ),
    ("P043", "instead", "tokens:\n  usdc: {decimals: 6, ⇒ tokens:\n  usdc: {decimals: §six,"),
    ("P060", "instead", "  alice: 0x00000000000000000000000000000000000a11ce ⇒   alice: §0x12"),
    ("P030", "instead", "contacts:\n ⇒ §contcts:\n"),
    ("P030", "instead", "tokens:\n ⇒ §token:\n"),
    ("P030", "instead", "sessions:\n ⇒ §session:\n"),
    ("P030", "instead", "accounts:\n ⇒ §acounts:\n"),
    (
        "P063 P068",
        "instead",
        "groups: {staff: [alice]} ⇒ groups: {staff: [§alcie], §alice: [vault]}",
    ),
    ("P035 P040", "instead", "version: 1\nname: payroll ⇒ version: §2\nname: §pay roll"),
    ("P031 P031", "instead", "version: 1\nname: payroll\n ⇒ §§"),
    (
        "P064 P045",
        "instead",
        (
            "    account: treasury\n    lifetime: 45d\n ⇒     account: §tresury\n"
            "    lifetime: §45 days\n"
        ),
    ),
    ("P028 P022", "calls", "- pay: {to: alice, amount: 5 usdc, memo: §x: y, ref: §@r}"),
    (
        "P063 P052 P063 P051 P030 P050",
        "calls",
        (
            "- pay: {to: §bob, amount: §5 dia}\n- pay: {to: §alise, amount: §5}\n"
            "- pay: {§too: alice, amount: §five usdc}"
        ),
    ),
    (
        "P063 P056 P084 P081",
        "calls",
        (
            "- approve: {spender: §nobody, amount: §5 native}\n- raw: {to: vault, data: §0x1}\n"
            "- call: {contract: vault, function: §f}"
        ),
    ),
    ("P063 P069", "calls", "- pay: {alice: 1 usdc, §bob: 2 usdc, §staff: 3 usdc}"),
    ("P032 P030 P030", "top", "description: §[a]\n§foo: 1\n§bar: 2\n"),
    ("P028 P030 P041", "top", "description: §a: b\ndefaults: {§timezon: UTC, overlap: §skp}\n"),
    ("P013", "top", 'description: §"a\ndefaults: {timezone: UTC}\n'),
    ("P012 P032", "top", "description: §*a\ninclude: §x.yaml\n"),
    ("P048 P041", "top", "defaults: {timezone: §Berlin, catch_up: §ltest}\n"),
    ("P033", "file", "version: 1\nname: p\naccounts:\n  §treasury:\n  owner: o\n"),
    ("P031 P032", "file", '§name: p\nschedules:\n§- name: a\n  cron: "0 9 * * *"\n'),
    (
        "P064 P090 P031 P031",
        "file",
        (
            "version: 1\nname: p\nsessions:\n  s:\n    account: §a\n    lifetime: 1d\n"
            "    permissions: §all\n  §§t: {}\n"
        ),
    ),
    ("P080 P032", "schedule", "§approve: §x"),
    (
        "P100 P087",
        "instead",
        (
            "  hosting:\n    session: salaries\n    every: 1w\n    pay: {alice: 10 usdc}\n"
            " ⇒   §§hosting:\n    session: salaries\n"
        ),
    ),
]
