"""Policies under the rules of an organisation: beyond is an error, within the narrower holds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from runner.guard.budget import Budgets
from runner.guard.intent import intent_of
from runner.planning.consent import History, doubts
from runner.planning.organisation import breaches, held_to
from runner.policy.organisation import parse_organisation
from runner.policy.parse import parse_policy
from runner.scheduling.cron import check_cron
from runner.scheduling.occurrence import Reason

USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
FAKE = "0x00000000000000000000000000000000000000da"
ALICE = "0x00000000000000000000000000000000000A11cE"
VAULT = "0x00000000000000000000000000000000000000fa"
POLICY = f"""\
version: 1
name: payroll
chain: base-sepolia
wallet: sandbox
tokens:
  usdc: {{decimals: 6, address: {USDC}}}
  fake: {{decimals: 18, address: {FAKE}}}
contacts:
  alice: {ALICE.lower()}
  bob: 0x0000000000000000000000000000000000000b0b
  vault: {VAULT}
accounts: {{treasury: {{owner: boss§ACCOUNT§}}}}
sessions:
  s: {{account: treasury, lifetime: 30d§SESSION§}}
schedules:
  a: {{session: s, every: 1w, §CALL§}}
"""
RULES = f"""\
version: 1
tokens: {{dollars: {{decimals: 6, address: {{base-sepolia: {USDC}, base: {FAKE}}}}}}}
contacts: {{alice: {ALICE.lower()}, vault: {VAULT}}}
"""
PAY = "pay: {alice: 100 usdc}"


def policy(*, call=PAY, session="", account=""):
    text = POLICY.replace("§ACCOUNT§", account).replace("§SESSION§", session)
    return parse_policy(
        text.replace("§CALL§", call), "p.yaml", environment={}, check_cron=check_cron
    )


def rules(*lines):
    return parse_organisation(RULES + "\n".join(lines) + "\n", "o.yaml", environment={})


@pytest.mark.parametrize(
    ("rule", "written", "said"),
    [
        ("chains: [base]", {}, "base-sepolia is no chain"),
        ("max_fee: 0.001 native", {"account": ", max_fee: 0.002 native"}, "0.001 native at most"),
        ("max_lifetime: 29d", {}, "29 days at most"),
        ("receivers: [vault]", {}, "`alice` is no receiver"),
        ("receivers: [alice]", {"session": ", receivers: [alice, bob]"}, "`bob` is no receiver"),
        ("receivers: [alice]", {"call": "pay: {bob: 1 native}"}, "`bob` is no receiver"),
        (
            "receivers: [alice]",
            {"call": "call: {contract: vault, function: 'f()', value: 1 wei}"},
            "`vault` is no receiver",
        ),
        (
            "receivers: [alice]",
            {"call": "calls: [{approve: {spender: vault, token: usdc, amount: 7}}]"},
            "`vault` is no receiver",
        ),
        ("contracts: [alice]", {"call": "pay: {alice: 1 fake}"}, "`fake` is no contract"),
        (
            "contracts: [alice]",
            {"call": "call: {contract: vault, function: 'f()'}"},
            "`vault` is no contract",
        ),
        (
            "contracts: [alice]",
            {
                "session": ", permissions: [{contract-access: vault}, {gas-limit: 1 native}]",
                "call": "pay: {alice: 1 native}",
            },
            "`vault` is no contract",
        ),
        (
            "contracts: [vault]",
            {"session": ", permissions: [root], accept_risk: because of it"},
            "`root` reaches more",
        ),
        (
            "forbidden_permissions: [erc20-token-transfer]",
            {"session": ", permissions: [{erc20-token-transfer: 5 usdc}]"},
            "`erc20-token-transfer` is forbidden",
        ),
        (
            "max_exposure: [500 dollars]",
            {"session": ", max_exposure: [501 usdc]"},
            "500 dollars at stake",
        ),
        ("limits: {per_run: [99 dollars]}", {}, "moves 100 dollars, and may move 99 dollars"),
        (
            "limits: {per_run: [99 dollars]}",
            {"call": "calls: [{pay: {alice: 50 usdc}}, {pay: {bob: 50 usdc}}]"},
            "moves 100 dollars",
        ),
    ],
)
def test_what_goes_beyond_a_rule_is_an_error_at_its_place(rule, written, said):
    (found, *more) = breaches(policy(**written), rules(rule))

    assert said in found.what
    assert more == []
    assert (found.code, found.severity) == ("P140", "error")
    assert str(found.mark).startswith("p.yaml:")
    assert rule.partition(":")[0] in found.hint
    assert "o.yaml:" in found.hint


@pytest.mark.parametrize(
    "rule",
    [
        "chains: [84532, base]",
        "max_fee: 1 native",
        "max_lifetime: 30d",
        "receivers: [alice]",
        "contracts: [vault]",
        "forbidden_permissions: [root]",
        "max_exposure: [5 dollars]",
        "limits: {per_run: [100 dollars], per_day: [1 dollars]}",
        "approve_above: [1 dollars]",
    ],
)
def test_what_stays_within_is_no_error(rule):
    assert list(breaches(policy(), rules(rule))) == []


def test_a_policy_is_held_to_the_narrower_of_both():
    asked = policy(account=", max_fee: 0.002 native", session=", receivers: [alice, bob]")
    held = held_to(asked, rules("receivers: [alice, vault]", "max_fee: 0.001 native"))

    assert held.sessions["s"].receivers == (ALICE,)
    assert held.accounts["treasury"].max_fee == 10**15
    free = held_to(policy(), rules("receivers: [vault]", "max_exposure: [500 dollars]"))
    assert free.sessions["s"].receivers == (VAULT,)
    assert [one.amount for one in free.sessions["s"].max_exposure] == [500_000_000]
    tighter = policy(session=", max_exposure: [10 usdc]")
    kept = held_to(tighter, rules("max_exposure: [500 dollars]")).sessions["s"]
    assert [one.amount for one in kept.max_exposure] == [10_000_000]


def test_no_policy_gets_out_of_a_rule_by_naming_a_token_otherwise():
    """A rule in dollars binds whatever a policy calls the same contract."""
    held = held_to(
        policy(), rules("limits: {per_day: [150 dollars]}", "approve_above: [90 dollars]")
    )
    schedule, session = held.schedules["a"], held.sessions["s"]
    assets = {asset.address or "native": asset for asset in held.assets}
    intent = intent_of(schedule.calls, assets)
    (taken,) = Budgets.of(schedule, session).reservations(
        intent.sums, due_at=parse_day("2026-12-01"), slot="x"
    )

    assert (taken.budget, taken.limit) == ("organisation:84532:per_day", 150_000_000)
    (doubt,) = doubts(
        schedule,
        intent.lines,
        History(anchored_at=None),
        due_at=parse_day("2026-12-01"),
        next_due=None,
        by_hand=False,
        organisation=session.above,
    )
    assert (doubt.reason, doubt.approvers) == (Reason.APPROVAL, 1)


def test_b2_the_budgets_of_an_organisation_are_shared_by_all_its_policies():
    first, second = policy(), policy(session=", receivers: [alice]")
    held = [held_to(one, rules("limits: {per_day: [150 dollars]}")) for one in (first, second)]
    names = {
        one.budget
        for each in held
        for one in Budgets.of(each.schedules["a"], each.sessions["s"]).reservations(
            {USDC: 5}, due_at=parse_day("2026-12-01"), slot="x"
        )
    }

    assert names == {"organisation:84532:per_day"}


def test_rules_are_those_of_the_chain():
    """Of a token that is not on a chain nothing is bounded there; its own address counts."""
    held = held_to(policy(), rules("contracts: [vault]", "limits: {per_run: [200 dollars]}"))

    assert held.sessions["s"].above.contracts == {VAULT, USDC}
    (bound,) = held.sessions["s"].above.limits.per_run
    assert bound.asset.address == USDC


def test_a_rule_about_grants_is_laid_on_the_session():
    held = held_to(policy(), rules("max_lifetime: 45d", "forbidden_permissions: [root]"))
    above = held.sessions["s"].above

    assert (above.max_lifetime, above.forbidden) == (timedelta(days=45), {"root"})


def parse_day(text):
    from datetime import UTC, datetime

    return datetime.fromisoformat(text).replace(tzinfo=UTC)
