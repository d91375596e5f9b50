"""
R25 to R27, by brute force: what is derived carries every window, and nothing of it can go.

The windows are played through the scope engine operation by operation, so nothing here shares a
formula with what is tested.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import event, given, settings
from hypothesis import strategies as st

from runner.errors import Mark
from runner.ethereum.address import Address
from runner.ethereum.permissions import (
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnContract,
    GasLimit,
    NativeTokenTransfer,
)
from runner.guard.scope import Outcome, initial_allowances, installed, judge
from runner.planning.coverage import coverage
from runner.planning.demand import HORIZON, demands_of
from runner.planning.derive import permissions_of
from runner.policy.model import NativeGas
from runner.policy.parse import parse_policy
from runner.scheduling.cron import check_cron

NOW = datetime(2026, 12, 15, tzinfo=UTC)
ACCOUNT = Address("0x3f1BF374c210DAf46f025Cc021727f7e5E0d2F5c")
FEE = 10**15
POLICY = """\
version: 1
name: p
chain: base-sepolia
wallet: sandbox
defaults: {timezone: Europe/Berlin}
tokens:
  usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}
  dai: {decimals: 18, address: 0x00000000000000000000000000000000000000da}
contacts:
  alice: 0x00000000000000000000000000000000000a11ce
  bob: 0x0000000000000000000000000000000000000b0b
  vault: 0x00000000000000000000000000000000000000fa
"""
TRIGGERS = [
    'cron: "0 9 1 * *"',
    'cron: "0 9 15 * *"',
    'cron: "30 2 * * 0"',
    'cron: "0 8 * * 1-5"',
    "at: 2027-01-10T00:00Z",
    "at: 2027-01-12T00:00Z",
    "at: 2027-09-10T00:00Z",
    "{every: 9d, start_at: 2026-12-03T00:00Z}",
    "{every: 31d, start_at: 2027-02-03T00:00Z, end_at: 2027-10-01T00:00Z}",
    "{every: 5d, start_at: 2026-12-20T00:00Z, max_runs: 4}",
    '{cron: "0 9 * * *", jitter: 3h, end_at: 2027-03-01T00:00Z}',
    'cron: "0 9 31 * *"',
    'cron: "0 0 29,30 1-3 *"',
    'cron: "0 12 * 2,8 5#1"',
    '{cron: "30 2 * 3,10 0", dst_gap: skip, dst_fold: both}',
    '{cron: "30 2 * 3,10 *", dst_fold: last, jitter: 12h}',
    '{cron: "*/30 1-3 * * *", start_at: 2027-03-26T00:00Z, end_at: 2027-03-30T00:00Z}',
    '{cron: "0 * * * *", start_at: 2027-10-29T00:00Z, end_at: 2027-11-02T00:00Z}',
    '{dates: {last_business_day: "17:00"}, jitter: 2h}',
    'dates: [2027-03-28T02:30, 2027-10-31T02:30, {nearest_weekday: {day: 31, time: "09:00"}}]',
    "{every: 9d, start_at: 2026-12-03T00:00Z, jitter: 5d}",
]
TO_BOB = "0b0b".rjust(64, "0")
SEVEN = "7".rjust(64, "0")
CALLS = [
    "pay: {alice: 3 usdc}",
    "pay: {bob: 0.5 native}",
    "approve: {vault: 7 usdc}",
    "pay: {bob: 11 dai}",
    'call: {contract: vault, function: "deposit(uint256)", args: [1]}',
    'call: {contract: vault, function: "take()", args: [], value: 2 gwei}',
    'call: {contract: usdc, function: "transfer(address,uint256)", args: [bob, 5 usdc]}',
    f"raw: {{to: usdc, data: 0xa9059cbb{TO_BOB}{SEVEN}}}",
    f"raw: {{to: dai, data: 0x095ea7b3{TO_BOB}{SEVEN}00}}",
    f"raw: {{to: vault, data: 0xb6b55f25{SEVEN}}}",
    "raw: {to: vault, value: 3 gwei, data: 0xd0e30db0}",
    "raw: {to: bob, value: 5 gwei}",
    "raw: {to: vault, data: 0x}",
]
LATE = [
    "",
    "catch_up: none, ",
    "catch_up_window: 40h, ",
    "start_grace: 30h, ",
    "catch_up: all, catch_up_window: 20d, ",
]


@st.composite
def policies(draw, margin="0%"):
    gas = draw(st.sampled_from(["sponsor", "native"]))
    lifetime = draw(st.sampled_from(["9d", "30d", "45d", "100d"]))
    text = POLICY + f"accounts: {{treasury: {{owner: o, gas: {gas}, max_fee: 0.001 native}}}}\n"
    text += f"sessions: {{key: {{account: treasury, lifetime: {lifetime}, margin: {margin}}}}}\n"
    text += "schedules:\n"
    for index in range(draw(st.integers(1, 3))):
        trigger = draw(st.sampled_from(TRIGGERS)).strip("{}")
        calls = draw(st.lists(st.sampled_from(CALLS), min_size=1, max_size=3))
        late = draw(st.sampled_from(LATE))
        listed = ", ".join(f"{{{call}}}" for call in calls)
        text += f"  s{index}: {{session: key, {trigger}, {late}calls: [{listed}]}}\n"
    return parse_policy(text, "p.yaml", environment={}, check_cron=check_cron)


def derived(policy):
    session, account = policy.sessions["key"], policy.accounts["treasury"]
    demands = demands_of(session, policy.schedules.values(), now=NOW)
    paid = isinstance(account.gas, NativeGas)
    return permissions_of(session, demands, sponsored=not paid, max_fee=FEE), demands, paid


def windows(policy, demands):
    """Every set of runs that a grant may meet: one beginning for each slot that ends a window."""
    life = policy.sessions["key"].lifetime.total_seconds()
    start = demands[0].strand.start
    fires = []
    for index, demand in enumerate(demands):
        slots = demand.strand.table.slots(start - timedelta(microseconds=1))
        for slot in slots:
            if slot.due_at > start + HORIZON:
                break
            if slot.verdict is None:
                fires.append((slot.fire_at.timestamp(), index))
    seen = set()
    for latest, _ in fires:
        begin = latest - life
        inside = [0] * len(demands)
        for fired, index in fires:
            if begin - demands[index].strand.back.total_seconds() <= fired <= latest:
                inside[index] += 1
        for index, demand in enumerate(demands):
            most = demand.schedule.max_runs
            inside[index] = inside[index] if most is None else min(inside[index], most)
        seen.add(tuple(inside))
    # A window that is contained in another asks for less.
    return [w for w in seen if not any(o != w and all(map(int.__ge__, o, w)) for o in seen)]


def carries(permissions, demands, runs, *, paid):
    """Whether a grant carries an activation, so many runs, and a tenth of them as burns."""
    sealed, left = installed(tuple(permissions)), initial_allowances(permissions)
    intents = [()]
    for demand, count in zip(demands, runs, strict=True):
        intents += [demand.intent] * count
    if paid:
        intents += [()] * (-(-sum(runs) // 10))
    for intent in intents:
        judgement = judge(
            sealed,
            intent,
            account=ACCOUNT,
            allowances=left,
            now=0,
            max_gas_cost=FEE,
            sponsored=not paid,
        )
        if judgement.outcome is not Outcome.ACCEPTED:
            return False
        left = judgement.allowances
    return True


def lowered(permission, *, paid):
    """All that is a little less: dropped, a unit lower, without one of its functions."""
    match permission:
        case Erc20TokenTransfer(token, amount):
            yield []
            if amount:
                yield [Erc20TokenTransfer(token, amount - 1)]
        case NativeTokenTransfer(amount) if amount:
            yield [NativeTokenTransfer(amount - 1)]
        case GasLimit(amount) if amount and paid:
            yield [GasLimit(amount - 1)]
        case ContractAccess():
            yield []
        case FunctionsOnContract(address, functions):
            yield []
            for one in functions:
                rest = tuple(each for each in functions if each != one)
                if rest:
                    yield [FunctionsOnContract(address, rest)]


@settings(deadline=None, max_examples=60)
@given(policy=policies())
def test_r25_enough_for_every_window_and_nothing_can_go(policy):
    """
    The whole set carries every window; drop or lower anything, and some window is refused.
    """
    permissions, demands, paid = derived(policy)
    met = windows(policy, demands)

    assert all(carries(permissions, demands, runs, paid=paid) for runs in met)
    needed = {index for runs in met for index, count in enumerate(runs) if count}
    if len(needed) < len(demands):
        event("a schedule has no slot")
        return
    for index, permission in enumerate(permissions):
        for less in lowered(permission, paid=paid):
            rest = (*permissions[:index], *less, *permissions[index + 1 :])
            refused = any(not carries(rest, demands, runs, paid=paid) for runs in met)
            assert refused, (permission, less)


@settings(deadline=None, max_examples=100)
@given(policy=policies(margin="10%") | policies())
def test_what_is_derived_is_covered(policy):
    """
    Coverage need not look at derived sets: written out, they have no finding; a unit less has one.
    """
    permissions, _, _ = derived(policy)
    session = policy.sessions["key"]

    def found(written, margin):
        marks = tuple(Mark("p.yaml", 1, index + 1) for index in range(len(written)))
        asked = replace(session, permissions=tuple(written), permission_marks=marks, margin=margin)
        changed = replace(policy, sessions={"key": asked})
        return [one.code for one in coverage(changed, now=NOW, margins={})]

    assert found(permissions, session.margin) == []
    if not session.margin:
        for index, permission in enumerate(permissions):
            if isinstance(permission, Erc20TokenTransfer) and permission.allowance:
                less = Erc20TokenTransfer(permission.address, permission.allowance - 1)
                written = (*permissions[:index], less, *permissions[index + 1 :])
                assert found(written, session.margin) == ["P112"]
