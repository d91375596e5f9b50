"""
A corpus of bad files: each has exactly one fault, with this code, at the character after `§`.
"""

from __future__ import annotations

import pytest

ALICE = "0x00000000000000000000000000000000000a11ce"

TEXT = [
    ("P006", "§"),
    ("P006", "§# nothing but a comment\n"),
    ("P006", "§- a\n- b\n"),
    ("P006", "§just words\n"),
    ("P007", "version: 1§\x00\n"),
    ("P007", "version: 1\nname: pay§\u202eroll\n"),
    ("P007", "name: pay§\u200broll\n"),
    ("P008", "version: 1§\u2028name: payroll\n"),
    ("P008", "version: 1 # note§\u0085name: payroll\n"),
    ("P008", "version: 1§\rname: payroll\n"),
    ("P009", "version: 1\naccounts:\n§\ttreasury: {}\n"),
    ("P009", "version: 1\naccounts:\n  §\ttreasury: {}\n"),
    ("P010", "version: 1\n§---\nversion: 1\n"),
    ("P012", "version: 1\nname: §*payroll\n"),
    ("P012", "version: 1\nname: p\ngroups: &g {staff: [§*g]}\n"),
    ("P013", "version: 1\ngroups: §{staff: [alice]\nname: x\n"),
    ("P013", "version: 1\ngroups: {staff: §[alice}\nname: x\n"),
    ("P013", "version: 1\nname: §'payroll\n"),
    ("P013", 'version: 1\nname: §"payroll\n'),
    ("P013", "version: 1\nname: p\nwallet: {a: [alice]}§}\n"),
    ("P014", "version: 1\nname: payroll\n  §chain: base\n"),
    ("P029", "version: 1\nname: §'payroll' x\n"),
    ("P014", "groups:\n  - alice\n  §staff: x\n"),
]

SHAPE = [
    ("P011", "top", "description: §!!str 5\n"),
    ("P017", "top", "defaults: {<<: §3}\n"),
    ("P030", "top", "§shedules: {}\n"),
    ("P030", "account", "§max_fe: 1 native"),
    ("P030", "session", "§cron: '0 9 * * *'"),
    ("P030", "schedule", "§catchup: latest"),
    ("P030", "calls", "- pay: {to: alice, amount: 1 usdc, §meno: x}"),
    ("P030", "calls", "- pay: {§too: alice}"),
    ("P032", "session", "receivers: §staff"),
    ("P032", "session", "limits: §5 usdc"),
    ("P032", "session", "limits: {per_day: §5 usdc}"),
    ("P032", "schedule", "suspend: §[true]"),
    ("P032", "schedule", "suspend: §{a: b}"),
    ("P032", "calls", "- §pay"),
    ("P033", "top", "§description:\n"),
    ("P033", "schedule", "§limits:"),
    ("P036", "session", "receivers: §[]"),
    ("P036", "session", "permissions: §[]"),
    ("P036", "session", "limits: {per_day: §[]}"),
    ("P037", "top", "description: §${NOT_SET}\n"),
    ("P038", "top", "description: §${NOT SET}\n"),
    ("P038", "top", "description: §${A:-${B}}\n"),
    ("P040", "session", "previous_names: [§a/b]"),
    ("P075", "session", "previous_names: [§salaries]"),
]

TRAPS = [
    ("P021", "body", "session: salaries\ncron: §*/5 * * * *\ntimezone: UTC\npay: {alice: 1 usdc}"),
    ("P021", "body", "session: salaries\ncron: §* * * * *\ntimezone: UTC\npay: {alice: 1 usdc}"),
    ("P022", "body", "session: salaries\ncron: §@daily\ntimezone: UTC\npay: {alice: 1 usdc}"),
    ("P023", "calls", "- pay: {to: §${WHO}, amount: 1 usdc}"),
    ("P023", "calls", "- pay: {to: alice, amount: §${HOW_MUCH:-1} usdc}"),
    ("P024", "calls", "- call: {contract: vault, function: §transfer(address,uint256), args: []}"),
    (
        "P024",
        "session",
        "permissions: [functions-on-contract: {contract: vault, functions: [§f(a,b)]}]",
    ),
    ("P025", "calls", "- pay: {to: alice, amount: §1,000 usdc}"),
    ("P025", "calls", "- pay: {to: alice, amount: §1,000,000 usdc, memo: x}"),
    ("P025", "session", "limits: {per_day: [§1,000 usdc]}"),
    ("P026", "calls", "- pay: {alice: 1 usdc}\n  memo: §#5"),
    ("P027", "top", "description: §`quoted`\n"),
    ("P028", "top", "description: §Salaries: all\n"),
]

VALUES = [
    ("P041", "schedule", "catch_up: §lates"),
    ("P041", "schedule", "overlap: §buffer_all"),
    ("P041", "session", "renew: §maybe"),
    ("P041", "account", "gas: §sponsored"),
    ("P042", "schedule", "suspend: §maybe"),
    ("P043", "schedule", "max_runs: §ten"),
    ("P043", "schedule", "max_runs: §-1"),
    ("P044", "schedule", "max_runs: §0"),
    ("P044", "schedule", "retry_on_revert: §4"),
    ("P044", "schedule", "start_grace: §0s"),
    ("P045", "schedule", "start_grace: §60"),
    ("P045", "schedule", "start_grace: §1h30m"),
    ("P045", "schedule", "start_grace: §1 month"),
    ("P045", "schedule", "start_grace: §1.5h"),
    ("P046", "session", "margin: §0.1"),
    ("P047", "schedule", "start_at: §2026-12-01"),
    ("P047", "schedule", "start_at: §2026-13-01T00:00Z"),
    ("P048", "schedule", "timezone: §Europe/Berln"),
    ("P048", "schedule", "timezone: §+02:00"),
    ("P048", "schedule", "timezone: §UTC+2"),
    ("P104", "schedule", "start_at: §2026-12-01T00:00"),
    ("P050", "calls", "- pay: {alice: §-5 usdc}"),
    ("P050", "calls", "- pay: {alice: §5usdc}"),
    ("P050", "calls", "- pay: {alice: §usdc 5}"),
    ("P050", "calls", "- pay: {alice: §inf usdc}"),
    ("P050", "calls", "- pay: {alice: §0x10 usdc}"),
    ("P051", "calls", "- pay: {alice: §5}"),
    ("P052", "calls", "- pay: {alice: §5 USDC}"),
    ("P053", "calls", "- pay: {alice: §0.0000001 usdc}"),
    ("P054", "calls", "- pay: {alice: §1e80 usdc}"),
    ("P055", "calls", "- pay: {alice: §0 usdc}"),
    ("P055", "account", "max_fee: §0 native"),
    ("P056", "account", "max_fee: §1 usdc"),
    ("P057", "session", "limits: {per_day: [1 usdc, §2 usdc]}"),
]

NAMES = [
    ("P060", "calls", "- pay: {to: §0x12, amount: 1 usdc}"),
    ("P061", "calls", "- pay: {to: §0x036cbD53842c5426634e7929541eC2318f3dCF7e, amount: 1 usdc}"),
    ("P062", "calls", "- pay: {to: §0x" + 40 * "0" + ", amount: 1 usdc}"),
    ("P063", "calls", "- pay: {to: §alcie, amount: 1 usdc}"),
    ("P063", "calls", "- pay: {§bob: 1 usdc}"),
    ("P063", "session", "receivers: [alice, §bob]"),
    ("P069", "calls", "- pay: {to: §staff, amount: 1 usdc}"),
    ("P080", "calls", "- pay: {alice: 1 usdc}\n  §call: {contract: vault, function: f()}"),
    ("P080", "schedule", "§calls: [pay: {alice: 1 usdc}]"),
    ("P080", "calls", "- §memo: x"),
    ("P081", "calls", "- call: {contract: vault, function: §deposit}"),
    ("P082", "calls", "- call: {contract: vault, function: f(uint256 a), args: {§b: 1}}"),
    ("P082", "calls", "- call: {contract: vault, function: f(uint256 a), §args: {}}"),
    ("P082", "calls", "- call: {contract: vault, function: f(uint256 a), args: §[1 usdc, 2]}"),
    ("P082", "calls", "- §call: {contract: vault, function: f(uint256 a)}"),
    ("P083", "calls", "- call: {contract: vault, function: f(uint8 a), args: [§256]}"),
    ("P042", "calls", "- call: {contract: vault, function: f(bool a), args: [§1]}"),
    ("P084", "calls", "- raw: {to: vault, data: §0x123}"),
    ("P085", "calls", "- approve: {spender: vault, amount: §1e40 usdc}"),
    ("P056", "calls", "- approve: {spender: vault, amount: §1 native}"),
    ("P031", "calls", "- §pay: {to: alice}"),
    ("P015", "calls", "- pay: {to: alice, amount: 1 usdc, memo: a}\n  §memo: b"),
]

SESSIONS = [
    ("P090", "permissions: §all"),
    ("P090", "permissions: [§everything]"),
    ("P090", "permissions: [§root: yes]"),
    ("P090", "permissions: [§erc20-transfer: 1 usdc]"),
    ("P056", "permissions: [erc20-token-transfer: §1 native]"),
    ("P091", "accept_risk: why\npermissions:\n  - contract-access: vault\n  - §root"),
    ("P092", "permissions:\n  - erc20-token-transfer: 1 usdc\n  - erc20-token-transfer: §2 usdc"),
    ("P092", "permissions: [contract-access: vault, gas-limit: 0, gas-limit: §1 native]"),
    ("P092", "permissions: [contract-access: vault, contract-access: §vault]"),
    ("P093", "permissions: [§root]"),
    ("P093", "permissions: [functions-on-all-contracts: §['f()']]"),
    ("P093", "permissions: [contract-access: §'0x0000000071727De22E5E9d8BAf0edAc6f37da032']"),
    ("P094", "accept_risk: why\npermissions: [account-functions: [§0xb61d27f6]]"),
    ("P095", "permissions: [gas-limit: §0.1 native]"),
    ("P081", "permissions: [functions-on-contract: {contract: vault, functions: [§deposit]}]"),
    ("P097", "renew_before: §81%"),
    ("P097", "renew_before: §40d"),
]

SCHEDULES = [
    ("P065", "session: §salary\nevery: 1w\npay: {alice: 1 usdc}"),
    ("P101", "session: salaries\nevery: 1w\n§at: 2026-12-01T00:00Z\npay: {alice: 1 usdc}"),
    ("P102", "session: salaries\ntimezone: UTC\ncron: §'0 9 1 *'\npay: {alice: 1 usdc}"),
    ("P102", "session: salaries\ntimezone: UTC\ncron: §'0 25 1 * *'\npay: {alice: 1 usdc}"),
    ("P103", "session: salaries\ntimezone: UTC\ncron: §'0 9 30 2 *'\npay: {alice: 1 usdc}"),
    ("P104", "session: salaries\ncron: §'0 9 1 * *'\npay: {alice: 1 usdc}"),
    ("P105", "session: salaries\ntimezone: UTC\ncron: §'0 9 13 * 5'\npay: {alice: 1 usdc}"),
    ("P106", "session: salaries\nevery: 1w\ncatch_up: §all\npay: {alice: 1 usdc}"),
    (
        "P107",
        (
            "session: salaries\nevery: 1w\nstart_at: 2026-12-02T00:00Z\n"
            "end_at: §2026-12-01T00:00Z\npay: {alice: 1 usdc}"
        ),
    ),
    (
        "P108",
        (
            "session: salaries\nat: §2026-03-29T02:30\ntimezone: Europe/Berlin\ndst_gap: skip\n"
            "pay: {alice: 1 usdc}"
        ),
    ),
    (
        "P103",
        (
            "session: salaries\nat: §2026-11-01T02:30Z\nstart_at: 2026-12-01T00:00Z\n"
            "pay: {alice: 1 usdc}"
        ),
    ),
]


@pytest.mark.parametrize(("code", "text"), TEXT)
def test_text(texts, code, text):
    found = texts.found(text)

    assert texts.expected(code, text)[0] in found


@pytest.mark.parametrize(("code", "level", "text"), [*SHAPE, *TRAPS, *NAMES])
def test_one_fault_at_its_place(texts, code, level, text):
    text = getattr(texts, level)(text)

    assert texts.found(text) == texts.expected(code, text)


@pytest.mark.parametrize(("code", "level", "text"), VALUES)
def test_values(texts, code, level, text):
    text = getattr(texts, level)(text)

    assert texts.found(text) == texts.expected(code, text)


@pytest.mark.parametrize(("code", "text"), SESSIONS)
def test_sessions(texts, code, text):
    text = texts.session(text)

    assert texts.found(text) == texts.expected(code, text)


@pytest.mark.parametrize(("code", "text"), SCHEDULES)
def test_schedules(texts, code, text):
    text = texts.body(text)

    assert texts.found(text) == texts.expected(code, text)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("P035", "version: §2\nname: payroll\n"),
        ("P031", "§name: payroll\n"),
        ("P031", "§version: 1\n"),
        ("P015", "version: 1\nname: payroll\n§version: 1\n"),
        ("P040", "version: 1\nname: §pay roll\n"),
        (
            "P067",
            "version: 1\nname: p\ntokens: {t: {decimals: 6, address: {§bsae: " + ALICE + "}}}\n",
        ),
        ("P044", "version: 1\nname: p\ntokens: {t: {decimals: §37, address: " + ALICE + "}}\n"),
        ("P031", "version: 1\nname: p\ntokens: {§t: {decimals: 6}}\n"),
        ("P068", "version: 1\nname: p\ntokens: {§ether: {decimals: 6, address: " + ALICE + "}}\n"),
        ("P068", "version: 1\nname: p\ncontacts: {a: " + ALICE + "}\ngroups: {§a: [a]}\n"),
        ("P060", "version: 1\nname: p\ncontacts: {a: §alice.eth}\n"),
        ("P031", "version: 1\nname: p\nchain: base\naccounts: {§a: {owner: o}}\n"),
        ("P031", "version: 1\nname: p\nwallet: w\naccounts: {§a: {owner: o}}\n"),
        (
            "P056",
            (
                "version: 1\nname: p\nwallet: w\nchain: polygon\naccounts: "
                "{a: {owner: o, max_fee: §1 ether}}\n"
            ),
        ),
        ("P064", "version: 1\nname: p\nsessions: {s: {account: §a, lifetime: 1d}}\n"),
        ("P031", "version: 1\nname: p\nsessions: {§s: {account: a}}\n"),
        ("P030", "version: 1\nname: p\ndefaults: {§timezon: UTC}\n"),
        ("P048", "version: 1\nname: p\ndefaults: {timezone: §Berlin}\n"),
        ("P038", "version: 1\nname: p\ncontacts: {§'${A}': " + ALICE + "}\n"),
    ],
)
def test_short_files(texts, code, text):
    expected = texts.expected(code, text)

    assert expected[0] in texts.found(text)


def test_missing_trigger_and_calls_point_at_the_schedule(texts):
    text = texts.body("session: salaries").replace("  hosting:", "  §hosting:")

    assert texts.found(text) == texts.expected("P100", text) + texts.expected("P087", text)


def test_endless_lifetime(texts):
    text = texts.whole(session="    account: treasury\n    lifetime: §never\n")

    assert texts.found(text) == texts.expected("P096", text)


def test_token_without_address_on_the_chain(texts):
    text = texts.whole(
        account="    owner: o\n    chain: base\n",
        schedule="    session: salaries\n    every: 1w\n    pay: {alice: §1 dai}\n",
    )

    assert texts.found(text) == texts.expected("P066", text)


def test_receiver_outside_the_session(texts):
    text = texts.whole(
        session="    account: treasury\n    lifetime: 45d\n    receivers: [vault]\n",
        schedule="    session: salaries\n    every: 1w\n    pay: {§alice: 1 usdc}\n",
    )

    assert texts.found(text) == texts.expected("P086", text)


def test_all_faults_of_a_file_come_out_at_once(texts):
    text = texts.body(
        "session: salaries\ncron: */5 * * * *\ntimezone: Europe/Berln\noverlap: skp\n"
        "calls:\n  - pay: {to: ${X}, amount: 1,000 usdc}\n  - pay: {to: bob, amount: 5}"
    )

    codes = [fault.split()[0] for fault in texts.found(text)]

    assert codes == ["P021", "P048", "P041", "P023", "P025", "P063", "P051"]
