"""R25 to R27: what is derived is enough, and no more."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import Mark, PlanError
from runner.ethereum.address import Address
from runner.ethereum.permissions import (
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnContract,
    GasLimit,
    NativeTokenTransfer,
)
from runner.guard.scope import Outcome, initial_allowances, installed, judge
from runner.planning.demand import demands_of
from runner.planning.derive import permissions_of, uncovered
from runner.policy.model import Limits
from runner.policy.parse import parse_policy
from runner.scheduling.cron import check_cron

NOW = datetime(2026, 12, 15, tzinfo=UTC)
ACCOUNT = Address("0x3f1BF374c210DAf46f025Cc021727f7e5E0d2F5c")
USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
ALICE = Address("0x00000000000000000000000000000000000A11cE")

POLICY = """\
version: 1
name: p
chain: base-sepolia
wallet: sandbox
tokens: {{usdc: {{decimals: 6, address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e"}}}}
contacts: {{alice: "0x00000000000000000000000000000000000a11ce"}}
accounts: {{treasury: {{owner: o}}}}
sessions: {{key: {{account: treasury, lifetime: {lifetime}, margin: {margin}}}}}
schedules:
{schedules}
"""


def derived(schedules, *, lifetime="45d", margin="0%", sponsored=True, max_fee=10**15):
    text = POLICY.format(lifetime=lifetime, margin=margin, schedules=schedules)
    policy = parse_policy(text, "p.yaml", environment={}, check_cron=check_cron)
    session = policy.sessions["key"]
    demands = demands_of(session, policy.schedules.values(), now=NOW)
    return permissions_of(session, demands, sponsored=sponsored, max_fee=max_fee), demands


MONTHLY = '  a: {session: key, cron: "0 9 1 * *", timezone: UTC, pay: {alice: 100 usdc}}\n'
COIN = "  b: {session: key, every: 10d, pay: {alice: 0.5 native}}\n"
DEPOSIT = (
    "  c: {session: key, every: 30d, "
    'call: {contract: alice, function: "deposit(uint256)", args: [1]}}\n'
)


def test_r25_the_worst_window_counts():
    """
    45 days and 72 hours of catch-up hold two firsts of a month.
    """
    permissions, _ = derived(MONTHLY)

    assert permissions == (
        NativeTokenTransfer(0),
        Erc20TokenTransfer(USDC, 200_000_000),
        GasLimit(0),
    )


def test_r25_margin_comes_on_top_and_is_rounded_up():
    """
    A tenth more, in whole base units.
    """
    permissions, _ = derived(MONTHLY.replace("100 usdc", "0.000001 usdc"), margin="10%")

    assert Erc20TokenTransfer(USDC, 3) in permissions  # 2 and a tenth of 2


def test_r27_native_value_and_gas():
    """
    Coin is bounded by what is sent; unsponsored gas by runs, an activation and burns.
    """
    permissions, demands = derived(COIN, sponsored=False)
    runs = demands[0].runs

    assert runs == 5  # closed window of 45 d + 72 h over a period of 10 d
    assert NativeTokenTransfer(runs * 5 * 10**17) in permissions
    assert ContractAccess(ALICE) in permissions
    assert GasLimit((runs + 1 + 1) * 10**15) in permissions


def test_functions_are_named_one_by_one():
    """
    A contract call needs its selector on its contract, nothing wider.
    """
    permissions, demands = derived(DEPOSIT)

    assert FunctionsOnContract(ALICE, (demands[0].intent[0].data[:4],)) in permissions


def test_a_session_without_schedules_derives_nothing():
    """
    There is nothing to derive from, and the message says what to do.
    """
    text = POLICY.format(lifetime="45d", margin="0%", schedules="  {}")
    session = parse_policy(
        text.replace("schedules:\n  {}", ""), "p.yaml", environment={}, check_cron=check_cron
    ).sessions["key"]

    with pytest.raises(PlanError, match="no schedule") as caught:
        permissions_of(session, [], sponsored=True, max_fee=1)
    assert isinstance(caught.value.where, Mark)


@given(
    amounts=st.lists(st.integers(1, 10**12), min_size=1, max_size=3),
    period=st.integers(1, 40),
    margin=st.sampled_from(["0%", "10%"]),
)
def test_r25_enough_for_every_run_of_the_worst_window_and_minimal_without_margin(
    amounts, period, margin
):
    """
    All runs of the window are accepted one after the other; without margin nothing is left.
    """
    schedules = "".join(
        f"  s{i}: {{session: key, every: {period}d, pay: {{alice: {amount} usdc}}}}\n"
        for i, amount in enumerate(amounts)
    )
    permissions, demands = derived(schedules, margin=margin)
    table = installed(permissions)
    left = initial_allowances(permissions)

    for demand in demands:
        for _ in range(demand.runs):
            judgement = judge(
                table,
                demand.intent,
                account=ACCOUNT,
                allowances=left,
                now=0,
                max_gas_cost=0,
                sponsored=True,
            )
            assert judgement.outcome is Outcome.ACCEPTED
            left = judgement.allowances

    spent = sum(amount * 10**6 * d.runs for amount, d in zip(amounts, demands, strict=True))
    spare = Decimal(margin[:-1]) / 100
    catch_up = min(timedelta(days=period) / 2, timedelta(hours=72))
    assert left.erc20[USDC] == spent * spare
    assert demands[0].runs == (timedelta(days=45) + catch_up) // timedelta(days=period) + 1


# ── computed calls ────────────────────────────────────────────────────────────────────────────

TOP_UP = (
    "  t: {session: key, every: 1d, limits: {per_day: [LIMIT usdc]}, "
    "top_up: {to: alice, below: 20 usdc, up_to: 50 usdc, max: 40 usdc}}\n"
)
SWEEP = (
    "  s: {session: key, every: 1d, limits: {per_day: [9 native]}, "
    "sweep: {token: native, keep: 1 native, to: alice, max: 4 native}}\n"
)
RUNS = 46  # 45 days and half a day of catch-up, both ends included
DAYS = 47  # that such a window touches


def test_r26_the_sum_of_the_maxima_where_limits_leave_room():
    permissions, demands = derived(TOP_UP.replace("LIMIT", "1000"))

    assert demands[0].runs == RUNS
    assert Erc20TokenTransfer(USDC, RUNS * 40 * 10**6) in permissions
    assert NativeTokenTransfer(0) in permissions


def test_r26_the_limits_where_they_are_less():
    permissions, _ = derived(TOP_UP.replace("LIMIT", "40").replace("every: 1d", "every: 12h"))

    assert Erc20TokenTransfer(USDC, DAYS * 40 * 10**6) in permissions


def test_r26_coin_is_closed_by_its_own_need():
    permissions, _ = derived(SWEEP)

    assert NativeTokenTransfer(RUNS * 4 * 10**18) in permissions
    assert ContractAccess(ALICE) in permissions


def test_r26_fixed_and_computed_needs_add_up():
    """
    What is fixed is needed in full; only what is computed is cut by the limit.
    """
    permissions, demands = derived(MONTHLY + TOP_UP.replace("LIMIT", "1000"))
    monthly = demands[0].runs * 100 * 10**6

    assert Erc20TokenTransfer(USDC, monthly + RUNS * 40 * 10**6) in permissions


def test_r26_the_sessions_limits_bound_all_its_schedules_together():
    both = TOP_UP.replace("LIMIT", "1000") + TOP_UP.replace("LIMIT", "1000").replace("t:", "u:", 1)
    text = POLICY.format(lifetime="45d", margin="0%", schedules=both)
    text = text.replace("margin: 0%", "margin: 0%, limits: {per_lifetime: [500 usdc]}")
    policy = parse_policy(text, "p.yaml", environment={}, check_cron=check_cron)
    session = policy.sessions["key"]
    demands = demands_of(session, policy.schedules.values(), now=NOW)
    permissions = permissions_of(session, demands, sponsored=True, max_fee=1)

    assert Erc20TokenTransfer(USDC, 500 * 10**6) in permissions


def test_r26_until_total_bounds_the_need():
    """
    Of computed calls the total itself, of fixed ones the runs that fit it.
    """
    until = TOP_UP.replace("LIMIT", "1000").replace("every: 1d", "every: 1d, until_total: 90 usdc")
    fixed = MONTHLY.replace("pay:", "until_total: 150 usdc, pay:")

    assert Erc20TokenTransfer(USDC, 90 * 10**6) in derived(until)[0]
    assert Erc20TokenTransfer(USDC, 100 * 10**6) in derived(fixed)[0]


def test_r26_without_a_limit_nothing_is_derived():
    text = POLICY.format(lifetime="45d", margin="0%", schedules=TOP_UP.replace("LIMIT", "40"))
    policy = parse_policy(text, "p.yaml", environment={}, check_cron=check_cron)
    session = policy.sessions["key"]
    unbounded = replace(policy.schedules["t"], limits=Limits())
    demands = demands_of(session, [unbounded], now=NOW)

    with pytest.raises(PlanError, match="no limit") as caught:
        permissions_of(session, demands, sponsored=True, max_fee=1)
    assert caught.value.where == unbounded.mark


def test_r26_what_is_derived_carries_a_run_at_its_maximum():
    permissions, demands = derived(TOP_UP.replace("LIMIT", "40") + SWEEP)

    assert uncovered(ACCOUNT, permissions, demands) == []
