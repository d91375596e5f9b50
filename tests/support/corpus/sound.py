"""Odd files that are none the less sound."""

CASES = [
    ("trigger", "cron: 0 9 1 * *\ntimezone: UTC"),
    ("trigger", "cron: 0 9 * * 1-5 # weekdays\ntimezone: UTC"),
    ("trigger", "cron: 0 9 * * FRI#2\ntimezone: UTC"),
    ("trigger", "cron: 0 9 L * *\ntimezone: UTC"),
    ("session", "receivers:\n  - ${WHO}\n"),
    ("top", "description: ${WHO} pays\n"),
    ("top", "description: $WHO\n"),
    ("top", "description: $${WHO}\n"),
    ("trigger", "every: ${EMPTY:-1w}"),
    ("body", "session: ${UNSET:-salaries}\nevery: 1w\npay: {alice: 1 usdc}"),
    ("calls", "- call: {contract: vault, function: transfer(address), args: [alice]}"),
    (
        "calls",
        (
            "- call:\n    contract: vault\n    function: transfer(address,uint256)\n"
            "    args: [alice, 5]"
        ),
    ),
    (
        "session",
        (
            "permissions:\n  - functions-on-contract:\n      contract: vault\n"
            "      functions:\n        - f(address,bool)\n        - g()"
        ),
    ),
    ("calls", "- pay: {alice: 1 usdc}\n  memo: # nothing here\n    text"),
    ("calls", "- pay: {alice: 1 usdc}\n  memo: invoice #5\n"),
    ("calls", "- pay: {to: alice, amount: 1 usdc, memo: invoice#5}"),
    ("top", "description: 5%\n"),
    ("top", "description: Salaries:all\n"),
    ("top", "description: http://x.y\n"),
    ("top", "description: -x\n"),
    ("top", "description: ?x\n"),
    ("top", "description: :x\n"),
    ("top", "description: 'it''s'\n"),
    ("top", 'description: "a \\" b"\n'),
    ("top", "description: x 'y\n"),
    ("top", "description: it's\n"),
    ("calls", "- pay: {to: alice, amount: 1 usdc, memo: 09:30}"),
    ("trigger", "at: 2026-12-01 09:00:00 Z"),
    ("top", "...\n"),
    ("instead", "version: 1\n ⇒ \ufeffversion: 1\n"),
    ("top", "description: a\xa0b\n"),
    ("top", "description: \xa0\n"),
    ("top", "description: \U0001f389 \xe9moji \u65e5\u672c\n"),
    ("top", "description: a\ufe00b\n"),
    ("instead", "    every: 1w\n ⇒     every: 1w # x\ty\n"),
    ("instead", "    pay: {alice: 10 usdc}\n ⇒     pay: {alice: 10 usdc}\n"),
    ("top", "description: |\n  a\ttab\n"),
    ("instead", "every: 1w ⇒ every : 1w"),
    ("instead", 'every: 1w ⇒ "every": 1w'),
    ("instead", "every: 1w ⇒ ? every\n    : 1w"),
    ("instead", "  hosting: ⇒    hosting:"),
    ("instead", "pay: {alice: 10 usdc} ⇒ calls:\n    - pay: {alice: 1 usdc}"),
    ("instead", "pay: {alice: 10 usdc} ⇒ calls: [{pay: {alice: 1 usdc}, memo: x}]"),
    ("instead", "pay: {alice: 10 usdc} ⇒ pay: {alice: 1 usdc,}"),
    ("instead", 'pay: {alice: 10 usdc} ⇒ pay: {"alice": 1 usdc}'),
    ("instead", 'pay: {alice: 10 usdc} ⇒ pay: {"alice":1 usdc}'),
    ("anchored", "  other:\n    <<: *h\n    every: 2w\n"),
    ("anchored", "  other: *h\n"),
    ("top", "  other:\n    <<: {session: salaries, every: 1w}\n    pay: {alice: 1 usdc}\n"),
    ("top", "  other:\n    <<: [{session: salaries}, {every: 1w}]\n    pay: {alice: 1 usdc}\n"),
    ("anchored", "  other:\n    << : *h\n"),
    ("instead", "pay: {alice: 10 usdc} ⇒ pay: {alice: &a 1 usdc, vault: *a}"),
    ("instead", "pay: {alice: 10 usdc} ⇒ pay: {&n alice: &a 1 usdc}"),
    (
        "instead",
        (
            "pay: {alice: 10 usdc} ⇒ calls: [pay: {to: &n alice, amount: 1 usdc}, pay: {*n : "
            "1 usdc}]"
        ),
    ),
    (
        "instead",
        ("pay: {alice: 10 usdc} ⇒ calls: [pay: {to: &n alice, amount: 1 usdc}, pay: {*n: 1 usdc}]"),
    ),
    ("instead", "every: 1w ⇒ every: &a 1w"),
    ("amount", "1e3 usdc"),
    ("amount", "1.5e3 usdc"),
    ("amount", "1E3 usdc"),
    ("amount", "010 usdc"),
    ("amount", "10 wei"),
    ("amount", "1 ether"),
    ("amount", "1 native "),
    ("amount", '"5  usdc"'),
    ("amount", '"5 usdc"'),
    ("amount", '"5 usdc "'),
    (
        "amount",
        "115792089237316195423570985008687907853269984665640564039457584007913129639935 wei",
    ),
    ("amount", "0.0000010 usdc"),
    ("receiver", "0x036cbd53842c5426634e7929541ec2318f3dcf7e"),
    ("receiver", "0x036CBD53842C5426634E7929541EC2318F3DCF7E"),
    ("receiver", " alice"),
    ("receiver", "alice "),
    ("receiver", "usdc"),
    ("session", "accept_risk: x\npermissions:\n  - root"),
    ("session", "permissions:\n  - erc20-token-transfer: 0 usdc"),
    ("session", "permissions:\n  - contract-access: usdc\n  - erc20-token-transfer: 5 usdc"),
    (
        "session",
        ("permissions:\n  - functions-on-contract: {contract: vault, functions: ['0x12345678']}"),
    ),
    ("session", "accept_risk: x\npermissions:\n  - account-functions: {functions: ['f()']}"),
    ("session", "accept_risk: x\npermissions:\n  - functions-on-all-contracts: ['0x00000000']"),
    ("session", "renew_before: 80%"),
    ("session", "renew_before: 36d"),
    ("session", "margin: 0%"),
    ("session", "margin: 10 %"),
    ("session", "receivers: any"),
    ("session", "receivers: [alice, alice]"),
    ("session", "max_exposure: 5 usdc"),
    ("session", "renew: off"),
    ("session", "accept_risk: x"),
    ("session", "limits: {per_day: [0 usdc]}"),
    ("session", "limits: {per_day: [10 usdc], per_run: [20 usdc]}"),
    ("session", "limits: {per_month: [10 usdc], per_day: [20 usdc]}"),
    ("instead", "    lifetime: 45d\n ⇒     lifetime: 1w\n"),
    ("trigger", "at: 2026-12-01 09:00Z"),
    ("trigger", "timezone: UTC\ndates: {last_business_day: 17:00}"),
    (
        "trigger",
        (
            "timezone: UTC\n"
            "dates: [{last_business_day: '09:00', nth_weekday: {weekday: fri, nth: 1, time: "
            "'09:00'}}]"
        ),
    ),
    ("trigger", "every: 1w\njitter: 0"),
    ("trigger", "every: 1w\noverlap: buffer_all(5)"),
    ("trigger", "every: 1w\nsuspend: on"),
    ("trigger", "every: 1w\nmax_runs: 1e3"),
    ("trigger", "every: 1w\nmax_runs: 010"),
    ("trigger", "every: 1w\nday_match: and"),
    ("trigger", "every: 1w\ndst_gap: skip"),
    ("trigger", "cron: '0 9 * * *'\ntimezone: UTC\nanchor: 2026-12-01T00:00Z"),
    ("trigger", "every: 1w\nblackout: [{from: 2026-12-24T00:00Z, until: 2027-01-01T00:00Z}]"),
    ("calls", "- pay: {alice: 1 usdc, 0x00000000000000000000000000000000000a11ce: 2 usdc}"),
    (
        "calls",
        (
            "- call: {contract: vault, function: 'function f(uint256 a) external returns "
            "(bool)', args: [1]}"
        ),
    ),
    ("calls", "- call: {contract: vault, function: 'f(uint256)', args: [1.5 usdc]}"),
    ("calls", "- call: {contract: vault, function: 'f(int256)', args: [-5]}"),
    ("calls", "- call: {contract: vault, function: 'f(bool)', args: [no]}"),
    (
        "calls",
        (
            "- call: {contract: vault, function: 'f(address)', args: "
            "['0x0000000000000000000000000000000000000000']}"
        ),
    ),
    ("calls", "- call: {contract: vault, function: 'f((address,uint256))', args: [[alice, 5]]}"),
    ("calls", "- call: {contract: vault, function: 'f()', value: 0}"),
    ("calls", "- approve: {vault: 0 usdc}"),
    ("limited", "top_up: {to: alice, below: 1 usdc, up_to: 5 usdc, max: 5 usdc}"),
    ("limited", "sweep: {token: usdc, to: vault, max: 5 usdc}"),
    ("limited", "sweep: {token: usdc, to: vault, keep: 5, max: 5 usdc}"),
    ("file", 'version: "1"\nname: p\n'),
    (
        "file",
        (
            "version: 1\nname: p\n"
            "tokens: {usdc: {decimals: 6.0, address: 0x00000000000000000000000000000000000a11"
            "ce}}\n"
        ),
    ),
    ("file", "version: 1\nname: p\ngroups: {}\n"),
    ("file", "version: 1\nname: p\ndefaults: {}\n"),
    ("file", "version: 1\nname: p\ndefaults: {every: 1w}\n"),
    # Whoever takes one of these writes what completes it.
    ("file", "version: 1\nname: p\ndefaults: {cron: 0 9 1 * 1}\n"),
    ("file", "version: 1\nname: p\ndefaults: {at: 2026-12-01T09:00}\n"),
    ("file", "version: 1\nname: p\ndefaults: {catch_up: all}\n"),
    ("top", "defaults: {lifetime: 10d, renew_before: 9d}\n"),
    (
        "file",
        "version: 1\nname: p\ndefaults: {start_at: 2027-01-01T00:00Z, end_at: 2026-01-01T00:00Z}\n",
    ),
    ("top", "defaults: {top_up: {to: alice, below: 1 usdc, up_to: 2 usdc, max: 1 usdc}}\n"),
    ("file", "version: 1\nname: p\ndefaults: {permissions: [root]}\n"),
    ("account", "gas: sponsor"),
    ("account", "max_fee: 2 native\nmax_fee_per_day: 1 native"),
]
