"""Values that YAML reads otherwise than they were meant, wherever they can stand."""

CASES = [
    ("P021", "trigger", "cron: §*/5 * * * *\ntimezone: UTC"),
    ("P021", "body", "session: salaries\ntimezone: UTC\npay: {alice: 1 usdc}\ncron: §*/5 * * * *"),
    ("P021", "trigger", "cron: §* * * * *  # every minute\ntimezone: UTC"),
    ("P021", "trigger", "cron: §*/5 9-17 * * 1-5\ntimezone: UTC"),
    ("P021", "trigger", "cron: §*/15 * * * *\r\ntimezone: UTC\r"),
    (
        "P021",
        "instead",
        (
            "  hosting:\n    session: salaries\n    every: 1w\n    pay: {alice: 10 usdc}\n"
            " ⇒   hosting: {session: salaries, cron: §*/5 * * * *, timezone: UTC, pay: "
            "{alice: 1 usdc}}\n"
        ),
    ),
    (
        "P021",
        "instead",
        (
            "  hosting:\n    session: salaries\n    every: 1w\n    pay: {alice: 10 usdc}\n"
            " ⇒   hosting: {session: salaries, timezone: UTC, pay: {alice: 1 usdc}, cron: §* "
            "* * * *}\n"
        ),
    ),
    ("P021", "trigger", "blackout:\n  - cron: §* 22 * * *\n    for: 8h\ntimezone: UTC\nevery: 1w"),
    ("P021", "trigger", "blackout: [{cron: §* 22 * * *, for: 8h}]\ntimezone: UTC\nevery: 1w"),
    ("P021", "trigger", "blackout: [{for: 8h, cron: §* 22 * * *}]\ntimezone: UTC\nevery: 1w"),
    ("P021", "trigger", "cron:\n  §*/5 * * * *\ntimezone: UTC"),
    ("P022", "trigger", "cron: §@daily\ntimezone: UTC"),
    ("P022", "trigger", "cron: §@Daily # x\ntimezone: UTC"),
    ("P022", "trigger", "cron: §@every 5m\ntimezone: UTC"),
    ("P022", "trigger", "cron: §@reboot\ntimezone: UTC"),
    ("P027", "trigger", "cron: §? * * * *\ntimezone: UTC"),
    (
        "P024",
        "calls",
        "- call: {contract: vault, function: §transfer(address,uint256), args: [alice, 5]}",
    ),
    (
        "P024",
        "calls",
        "- call: {contract: vault, args: [alice, 5], function: §transfer(address,uint256)}",
    ),
    (
        "P024",
        "calls",
        (
            "- call: {contract: vault, function: §transfer(address to, uint256 amount), "
            "args: [alice, 5]}"
        ),
    ),
    (
        "P024",
        "calls",
        (
            "- call: {\n    contract: vault,\n    function: §transfer(address,uint256),\n"
            "    args: [alice, 5]\n  }"
        ),
    ),
    (
        "P024",
        "calls",
        ("- call: {contract: vault, function: §pay((address,uint256)[]), args: [[[alice, 5]]]}"),
    ),
    (
        "P024",
        "calls",
        (
            "- call: {contract: vault, function: §pay((address to, uint256 v)[] xs), args: "
            "[[[alice, 5]]]}"
        ),
    ),
    (
        "P024",
        "calls",
        "- call: {contract: vault, function: §f(uint256[2],bool), args: [[1,2],true]}",
    ),
    ("P024", "calls", "- call: {contract: vault, function: §f(uint256[] a), args: [[1,2]]}"),
    ("P024", "calls", "- call: {contract: vault, function: §f(uint256[]), args: [[1,2]]}"),
    (
        "P025",
        "calls",
        (
            "- call: {contract: vault, function: 'transfer(address,uint256)', args: [alice, "
            "§1,000 usdc]}"
        ),
    ),
    (
        "P024",
        "session",
        "permissions: [functions-on-contract: {contract: vault, functions: [§f(a,b)]}]",
    ),
    (
        "P024",
        "session",
        (
            "permissions: [functions-on-contract: {contract: vault, functions: "
            "[§f(address,bool), g(bool)]}]"
        ),
    ),
    (
        "P024",
        "session",
        (
            "permissions: [functions-on-contract: {contract: vault, functions: [g(bool), "
            "§f(address,bool)]}]"
        ),
    ),
    (
        "P024",
        "session",
        (
            "permissions:\n"
            "  - functions-on-contract: {contract: vault, functions: [§f(address, bool)]}"
        ),
    ),
    (
        "P024",
        "session",
        "accept_risk: x\npermissions: [functions-on-all-contracts: [§f(address,bool)]]",
    ),
    (
        "P024",
        "session",
        (
            "accept_risk: x\n"
            "permissions: [account-functions: [§updateFallbackSignerData(address,bool)]]"
        ),
    ),
    (
        "P024",
        "schedule",
        "require: [argument: {function: §f(address a,uint256 b), name: b, above: 1}]",
    ),
    ("P025", "calls", "- pay: {to: alice, amount: §1,000 usdc}"),
    ("P025", "calls", "- pay: {amount: §1,000 usdc, to: alice}"),
    ("P025", "calls", "- pay: {amount: §1,000.50 usdc, to: alice}"),
    ("P025", "calls", "- pay: {amount: §1,000,000.50 usdc, to: alice}"),
    ("P025", "calls", "- pay: {alice: §1,000 usdc}"),
    ("P025", "calls", "- pay: {alice: §1,000 usdc, vault: 5 usdc}"),
    ("P025", "calls", "- pay: {alice: §1,5 usdc}"),
    ("P025", "calls", "- pay: {alice: §1,50 usdc}"),
    ("P025", "calls", "- pay: {alice: §1, 000 usdc}"),
    ("P025", "calls", "- pay: {alice: §1.000,50 usdc}"),
    ("P025", "calls", "- pay: {alice: §10,00,000 usdc}"),
    ("P025", "calls", "- pay: {alice: §1000,00 usdc}"),
    ("P025", "calls", "- pay: {alice: §0,5 usdc}"),
    ("P025", "calls", "- pay: {\n    alice: §1,000 usdc\n  }"),
    ("P025", "calls", "- pay: {\n    to: alice,\n    amount: §1,000 usdc,\n    memo: x\n  }"),
    ("P025", "session", "limits: {per_day: [§1,000 usdc, 2 native]}"),
    ("P025", "session", "limits: {per_day: [2 native, §1,000 usdc]}"),
    ("P025", "session", "limits: {per_day: [§6, 000 usdc]}"),
    ("P025", "session", "limits:\n  per_day: [§1,000,000 usdc]"),
    ("P025", "session", "permissions: [erc20-token-transfer: §20,000 usdc]"),
    ("P025", "session", "permissions: [{erc20-token-transfer: §20,000 usdc}]"),
    ("P025", "session", "max_exposure: [§20,000 usdc]"),
    ("P025", "schedule", "approve_above: [§10,000 usdc]"),
    (
        "P025",
        "instead",
        (
            "  hosting:\n    session: salaries\n    every: 1w\n    pay: {alice: 10 usdc}\n"
            " ⇒   hosting: {session: salaries, every: 1w, max_runs: §1,000, pay: {alice: 1 "
            "usdc}}\n"
        ),
    ),
    ("P025", "calls", "- call: {contract: vault, function: 'f(uint256)', args: [§1,000]}"),
    ("P025", "calls", "- call: {contract: vault, function: 'f(uint256 a)', args: {a: §1,000}}"),
    ("P025", "calls", "- call: {contract: vault, function: 'f(uint256[] a)', args: {a: [§1,000]}}"),
    ("P025", "calls", "- call: {contract: vault, function: 'f()', value: §1,000 gwei}"),
    (
        "P025",
        "instead",
        (
            "  treasury:\n    owner: treasury-owner\n"
            " ⇒   treasury: {owner: treasury-owner, max_fee: §1,000 gwei}\n"
        ),
    ),
    ("P026", "calls", "- pay: {alice: 1 usdc}\n  memo: §#5"),
    ("P026", "calls", "- pay: {to: alice, amount: 1 usdc, memo: §#5}"),
    ("P026", "calls", "- pay: {to: alice, amount: 1 usdc, memo: §#5, ref: x}"),
    ("P026", "calls", "- pay: {\n    to: alice,\n    memo: §#5,\n    amount: 1 usdc}"),
    ("P026", "calls", "- pay:\n    to: alice\n    amount: 1 usdc\n    memo: §#5 invoice"),
    ("P026", "calls", "- pay: {alice: 1 usdc}\n  memo:   §#5"),
    ("P026", "calls", "- pay: {alice: 1 usdc}\n  memo: §# nothing here\n"),
    ("P026", "calls", "- pay: {to: alice, amount: 1 usdc, memo: §invoice #5}"),
    ("P026", "calls", "- pay: {to: alice, amount: §#1 usdc\n    }"),
    ("P026", "calls", "- pay: {alice: §#1 usdc\n    }"),
    ("P026", "amount", "§#1 usdc\n"),
    ("P026", "calls", "- §#pay: {alice: 1 usdc}\n"),
    ("P026", "calls", "- pay: §#{alice: 1 usdc}\n"),
    ("P026", "session", "receivers: §# [alice]\n"),
    ("P026", "session", "receivers:\n  - alice\n  - §# vault\n"),
    ("P033", "session", "receivers:\n  - alice\n  §-\n"),
    ("P026", "session", "limits: §#{per_day: [1 usdc]}\n"),
    ("P026", "trigger", "every: §#1w"),
    ("P026", "trigger", "every: §# 1w\r"),
    ("P026", "body", "session: salaries\nevery: 1w\npay: §# nobody\n"),
    ("P027", "top", "description: §`quoted`\n"),
    ("P027", "top", "description: §`quoted\n"),
    ("P027", "top", "description: §%5 of it\n"),
    ("P022", "top", "description: §@all\n"),
    ("P028", "top", "description: §Salaries: all\n"),
    ("P028", "top", "description: §Salaries: all: of: them\n"),
    ("P028", "top", "description: §note: http://x.y\n"),
    ("P028", "top", "description: §a: {b: c}\n"),
    ("P011", "top", "description: §!important\n"),
    ("P011", "top", "description: §!!str x\n"),
    ("P033", "top", "description: §&name\n"),
    ("P027", "top", "description: §& more\n"),
    ("P021", "top", "description: §*bold* text\n"),
    ("P021", "top", "description: §**bold**\n"),
    ("P027", "top", "description: §| text\n"),
    ("P027", "top", "description: §> text\n"),
    ("P027", "top", "description: §|text\n"),
    ("P027", "top", "description: §>5 usdc\n"),
    ("P027", "top", "description: §,x\n"),
    ("P027", "top", "description: §]x\n"),
    ("P027", "top", "description: §}x\n"),
    ("P029", "top", "description: §[x] y\n"),
    ("P029", "top", "description: §{x} y\n"),
    ("P027", "top", "description: §- x\n"),
    ("P027", "top", "description: §? x\n"),
    ("P027", "top", "description: §: x\n"),
    ("P029", "top", "description: §'it's'\n"),
    ("P014", "top", 'description: §"a \\d b"\n'),
    ("P029", "top", 'description: §"x" y\n'),
    ("P029", "top", "description: §'x' y\n"),
    ("P028", "top", 'description: §"x": y\n'),
    ("P022", "calls", "- pay: {to: alice, amount: 1 usdc, memo: §@bob}"),
    ("P027", "calls", "- pay: {to: alice, amount: 1 usdc, memo: §`x`}"),
    ("P027", "calls", "- pay: {to: alice, amount: 1 usdc, memo: §%5}"),
    ("P028", "calls", "- pay: {to: alice, amount: 1 usdc, memo: §a: b}"),
    ("P021", "calls", "- pay: {to: alice, amount: 1 usdc, memo: §*x*}"),
    ("P029", "calls", "- pay: {to: alice, amount: 1 usdc, memo: §a, b}"),
    ("P029", "calls", "- pay: {to: alice, amount: 1 usdc, memo: §a [b] c}"),
    ("P029", "calls", "- pay: {to: alice, amount: 1 usdc, memo: §a {b} c}"),
    ("P028", "calls", "- pay: {alice: 1 usdc}\n  memo: §a: b"),
    ("P022", "calls", "- pay: {alice: 1 usdc}\n  memo: §@bob"),
    ("P027", "calls", "- pay: {alice: 1 usdc}\n  memo: §%5"),
    ("P022", "session", "receivers:\n  - §@alice\n"),
    ("P012", "session", "receivers:\n  - §*alice\n"),
    ("P022", "session", "receivers: [§@alice]\n"),
    ("P012", "session", "receivers: [§*alice]\n"),
    ("P012", "session", "receivers: [§*alice, vault]\n"),
    ("P012", "session", "receivers: §*staff\n"),
    ("P021", "session", "permissions: §*\n"),
    ("P021", "session", "receivers: §*\n"),
    ("P021", "session", "receivers: [§*]\n"),
    ("P028", "session", "accept_risk: §migration: one evening\n"),
    ("P101", "schedule", "§at: 2026-12-01T09:00Z # x\n"),
    ("P028", "schedule", "suspend: §yes: no\n"),
    ("P028", "trigger", "at: §2026-12-01: 09:00"),
]
