"""Warnings about what is allowed and hardly meant: each at its place, none where none is due."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial

import pytest

from runner.planning.lint import lint
from runner.policy.parse import parse_policy
from runner.scheduling.cron import check_cron

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
POLICY = """\
version: 1
name: payroll
chain: base-sepolia
wallet: sandbox
defaults: {timezone: Europe/Berlin}
tokens: {usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}}
contacts:
  alice: 0x00000000000000000000000000000000000a11ce
  bob: 0x0000000000000000000000000000000000000b0b
  carol: 0x00000000000000000000000000000000000ca401
accounts: {treasury: {owner: treasury-owner, gas: sponsor}}
sessions:
  salaries:
    account: treasury
    lifetime: §LIFETIME§
    permissions: §PERMISSIONS§
schedules:
  monthly:
    session: salaries
    §TRIGGER§
    pay: §PAY§
"""
PAY = "{alice: 100 usdc, bob: 100 usdc, carol: 100 usdc}"


def findings(
    trigger: str = "every: 1w",
    *,
    pay: str = PAY,
    lifetime: str = "45d",
    permissions: str = "derive",
    now: datetime = NOW,
) -> list[tuple[str, str, str]]:
    """Code, what the caret stands at, and what is said."""
    text = POLICY.replace("§LIFETIME§", lifetime).replace("§PERMISSIONS§", permissions)
    text = text.replace("§TRIGGER§", trigger.replace("\n", "\n    "))
    text = text.replace("§PAY§", pay) if pay else text.replace("    pay: §PAY§\n", "")
    policy = parse_policy(
        text, "p.yaml", environment={}, check_cron=check_cron, lint=partial(lint, now=now)
    )
    lines = text.split("\n")
    return [
        (one.code, lines[one.where.line - 1][one.where.column - 1 :], one.what)
        for one in policy.warnings
    ]


@pytest.mark.parametrize(
    "trigger",
    [
        "every: 1w",
        "every: 1h",
        'cron: "0 9 1 * *"',
        'cron: "0 9 28 * *"',
        'cron: "0 9 L * *"',
        'cron: "0 9 LW * *"',
        'cron: "0 9 31 1,3,5 *"',
        'cron: "0 9 31 * 1"\nday_match: or\ntimezone: UTC',
        'cron: "30 2 * * *"\ntimezone: UTC',
        'cron: "30 2 * * *"\ntimezone: Asia/Tokyo',
        'cron: "30 2 * * *"\ndst_gap: shift\ndst_fold: first',
        'cron: "*/5 * * * *"',
        "at: 2027-01-01T09:00Z",
        "dates: [2026-12-24T09:00, 2027-12-24T09:00]",
        'dates: {last_business_day: "17:00"}',
    ],
)
def test_what_is_usual_is_not_warned_of(trigger):
    found = [one for one in findings(trigger, lifetime="10d") if one[0] != "P914"]

    assert found == []


@pytest.mark.parametrize(
    ("code", "trigger", "at", "words"),
    [
        ("P910", "at: 2026-11-26T11:59Z", "2026-11-26T11:59Z", "does not fire any more"),
        ("P910", "every: 1w\nend_at: 2026-01-01T00:00Z", "1w", "does not fire any more"),
        ("P910", 'cron: "0 9 1 2 *"\nend_at: 2027-01-15T00:00Z', '"0 9 1 2 *"', "any more"),
        ("P910", "dates: [2026-11-01T09:00]", "[2026-11-01T09:00]", "does not fire"),
        ("P911", 'cron: "0 9 31 * *"', '"0 9 31 * *"', "February, April, June, September"),
        ("P911", 'cron: "0 9 29,30 * *"', '"0 9 29,30 * *"', "in February:"),
        ("P911", 'cron: "0 9 * * 5#5"', '"0 9 * * 5#5"', "January, February"),
        ("P911", 'dates: {nth_weekday: {weekday: fri, nth: 5, time: "09:00"}}', "{nth", "fifth"),
        ("P911", "every: 31d\nstart_at: 2027-01-30T00:00Z", "31d", "2027-01-30 is followed by"),
        ("P912", 'cron: "30 2 * * *"', '"30 2 * * *"', "leave out 02:30 on 2027-03-28"),
        ("P912", 'cron: "30 2 * * 0"', '"30 2 * * 0"', "show 02:30 twice on 2027-10-31"),
        ("P912", "dates: [2027-03-28T02:30, 2028-01-01T00:00]", "[2027", "leave out 02:30"),
        ("P913", "every: 4w\nstart_at: 2026-12-01T00:00Z", "4w", "twice in December 2026"),
        ("P913", "every: 30d\nstart_at: 2026-12-01T00:00Z", "30d", "on the 1. and the 31."),
        ("P914", 'cron: "0 9 13 * 5"\nday_match: or', '"0 9 13 * 5"', "and on each such weekday"),
    ],
)
def test_triggers(code, trigger, at, words):
    (found,) = [one for one in findings(trigger, lifetime="10d") if one[0] == code]

    assert found[1].startswith(at)
    assert words in found[2]


def test_the_clock_change_is_told_in_full_once():
    (found,) = [one for one in findings('cron: "30 2 * * *"') if one[0] == "P912"]

    assert found[2] == (
        "the clocks of Europe/Berlin leave out 02:30 on 2027-03-28 (it is paid an hour later), "
        "and show 02:30 twice on 2027-10-31 (the first is paid)"
    )


@pytest.mark.parametrize(("key", "left"), [("dst_gap: skip", "twice"), ("dst_fold: both", "leave")])
def test_what_the_file_decides_is_not_told(key, left):
    (found,) = [one for one in findings(f'cron: "30 2 * * *"\n{key}') if one[0] == "P912"]

    assert left in found[2]
    assert ("leave" in found[2]) != ("twice" in found[2])


@pytest.mark.parametrize(
    ("pay", "warned"),
    [
        ("{alice: 100 usdc, bob: 100 usdc, carol: 99_999 usdc}", False),
        ("{alice: 100 usdc, bob: 100 usdc, carol: 100_000 usdc}", True),
        ("{alice: 1 usdc, bob: 1000 usdc, carol: 100_000 usdc}", False),
        ("{alice: 100 usdc, bob: 100_000 usdc, carol: 1 native}", False),
    ],
)
def test_an_amount_a_thousand_times_the_median(pay, warned):
    found = [one for one in findings(pay=pay) if one[0] == "P918"]

    assert bool(found) is warned
    assert all(one[1].startswith("carol") and "1000 times" in one[2] for one in found)


@pytest.mark.parametrize(
    ("permissions", "at", "words"),
    [
        ("[erc20-token-transfer: 20000 usdc]", "20000 usdc", "allows 8 times"),
        ("[erc20-token-transfer: 3000 usdc, contract-access: bob]", "bob", "is used by no"),
        ("[erc20-token-transfer: 3000 usdc, native-token-transfer: 1 gwei]", "1 gwei", "used by"),
        (
            (
                "[erc20-token-transfer: 3000 usdc, functions-on-contract: {contract: usdc, "
                'functions: ["transfer(address,uint256)", "approve(address,uint256)"]}]'
            ),
            "{contract",
            "names functions that no schedule calls: 0x095ea7b3",
        ),
    ],
)
def test_permissions_beyond_the_need(permissions, at, words):
    (found,) = [one for one in findings(permissions=permissions) if one[0] == "P915"]

    assert found[1].startswith(at)
    assert words in found[2]


def test_permissions_near_the_need_are_fine():
    assert findings(permissions="[erc20-token-transfer: 3000 usdc, gas-limit: 0]") == []


@pytest.mark.parametrize(
    ("lifetime", "trigger", "words"),
    [
        ("181d", "every: 1w", "would stay good for 181 days"),
        ("45d", "at: 2026-11-28T00:00Z", "lives 45 days, the last slot is 2026-11-28"),
        ("45d", "every: 1d\nend_at: 2026-12-01T00:00Z", "the last slot is 2026-12-01"),
    ],
)
def test_a_lifetime_beyond_the_need(lifetime, trigger, words):
    (found,) = [one for one in findings(trigger, lifetime=lifetime) if one[0] == "P916"]

    assert found[1] == lifetime
    assert words in found[2]


def test_a_contact_that_nothing_names():
    (found,) = [one for one in findings(pay="{alice: 1 usdc, bob: 1 usdc}") if one[0] == "P917"]

    assert found[1].startswith("carol:")


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        ("{per_run: [299 usdc]}", "per_run"),
        ("{per_day: [1 native, 299.999999 usdc]}", "per_day"),
        ("{per_month: [0 usdc]}", "per_month"),
        ("{rolling: {7d: [200 usdc]}}", "rolling 7d"),
        ("{per_run: [300 usdc], per_lifetime: [1 usdc]}", "per_lifetime"),
        ("{per_day: [1 usdc], per_month: [2 usdc]}", "per_day"),
    ],
)
def test_a_limit_that_no_run_keeps_is_told_once_at_its_amount(limits, name):
    ((code, at, what),) = findings(f"every: 1w\nlimits: {limits}")

    assert code == "P923"
    assert f"spends 300 usdc; `{name}` never" in what
    assert re.match(r"[0-9.]+ usdc", at)


@pytest.mark.parametrize(
    "limits",
    ["{per_run: [300 usdc]}", "{per_day: [300 usdc]}", "{rolling: {7d: [300 usdc]}}"],
)
def test_a_limit_that_one_run_just_keeps_is_fine(limits):
    assert findings(f"every: 1w\nlimits: {limits}") == []


def test_a_total_that_no_run_keeps_is_told():
    ((code, at, _),) = findings("every: 1w\nuntil_total: 299 usdc")

    assert (code, at) == ("P923", "299 usdc")


def test_approvals_and_coins_sent_along_count():
    calls = (
        "{approve: {alice: 5 usdc}}, {raw: {to: bob, data: 0x, value: 2 native}}, "
        "{pay: {carol: 5 usdc}}"
    )
    trigger = f"every: 1w\nlimits: {{per_run: [9 usdc, 1 native]}}\ncalls: [{calls}]"

    found = findings(trigger, pay="")

    assert [(code, at[:5]) for code, at, _ in found] == [("P923", "9 usd"), ("P923", "1 nat")]


def test_a_payment_to_a_token_is_told_at_its_call():
    found = findings(pay="{alice: 5 usdc, usdc: 5 usdc, bob: 1 usdc, carol: 1 usdc}")

    assert [(code, at[:4]) for code, at, _ in found] == [("P924", "usdc")]


def test_a_trigger_that_has_ended_is_told_once():
    found = findings("every: 1w\nend_at: 2026-01-01T00:00Z")

    assert [code for code, _, _ in found] == ["P910"]
