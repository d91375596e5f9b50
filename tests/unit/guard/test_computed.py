"""What top_up and sweep send: pure arithmetic over balances (G10, X6)."""

from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import Mark
from runner.ethereum.address import Address, address_from_bytes
from runner.guard.computed import Movement, looks_at, movement, resolve, sends_most
from runner.guard.intent import NATIVE, TransferLine, intent_of
from runner.policy.model import Approve, Asset, Pay, Sweep, TopUp

MARK = Mark("p.yaml", 1, 1)
USDC = Asset("usdc", Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e"), 6)
COIN = Asset("native", None, 18)
ACCOUNT, ALICE, BOB = (address_from_bytes(bytes([n]) * 20) for n in (1, 2, 3))


def token_of(asset):
    return asset.address or NATIVE


def top_up(below, up_to, most, to=ALICE, asset=USDC):
    return TopUp(to, "alice", asset, below, up_to, most, MARK, "memo", "ref")


def sweep(keep, most, to=BOB, asset=USDC):
    return Sweep(to, "bob", asset, keep, most, MARK)


def pay(amount, to=BOB, asset=USDC):
    return Pay(to, "bob", asset, amount, MARK)


def amounts(*calls, alice=0, own=0, moving=(), fee=0, asset=USDC):
    token = token_of(asset)
    held = {(ALICE, token): alice, (ACCOUNT, token): own}
    resolved = resolve(calls, account=ACCOUNT, held=held, moving=moving, fee=fee)
    return [call.amount for call in resolved]


@pytest.mark.parametrize(
    ("balance", "sent"),
    [(0, [40]), (9, [40]), (19, [31]), (20, []), (21, []), (50, []), (99, [])],
)
def test_g10_a_top_up_fills_what_lacks_up_to_its_maximum(balance, sent):
    """
    Below 20, up to 50, 40 at most: what holds 20 is left alone.
    """
    assert amounts(top_up(20, 50, 40), alice=balance) == sent


@pytest.mark.parametrize(
    ("own", "sent"), [(0, []), (100, []), (101, [1]), (150, [50]), (160, [60]), (900, [60])]
)
def test_g10_a_sweep_sends_what_is_above_the_keep_up_to_its_maximum(own, sent):
    assert amounts(sweep(100, 60), own=own) == sent


def test_g10_a_sweep_of_the_coin_leaves_room_for_the_fee():
    """
    An account that pays its own gas needs it for this very operation.
    """
    coin = sweep(100, 60, asset=COIN)

    assert amounts(coin, own=150, fee=10, asset=COIN) == [40]
    assert amounts(coin, own=105, fee=10, asset=COIN) == []
    assert amounts(sweep(100, 60), own=150, fee=10) == [50]


def test_g10_what_is_computed_becomes_a_payment_with_its_notes():
    (paid,) = resolve(
        [top_up(20, 50, 40)],
        account=ACCOUNT,
        held={(ALICE, USDC.address): 0},
        moving=(),
        fee=0,
    )

    assert paid == Pay(ALICE, "alice", USDC, 40, MARK, "memo", "ref")
    (line,) = intent_of([paid], {}).lines
    assert line.kind == "pay"


def test_g10_in_a_batch_a_computed_call_that_needs_nothing_is_left_out():
    """
    The others stay as they are and where they are.
    """
    batch = [pay(5), top_up(20, 50, 40), pay(6), sweep(100, 60)]

    assert amounts(*batch, alice=30, own=0) == [5, 6]
    assert amounts(*batch, alice=0, own=1000) == [5, 40, 6, 60]


def test_g10_a_sweep_leaves_the_batch_what_it_needs():
    """
    Whatever the order: the batch succeeds as a whole or not at all.
    """
    approval = Approve(USDC, ALICE, "alice", 7, MARK)

    assert amounts(sweep(0, 999), pay(30), own=100) == [70, 30]
    assert amounts(approval, sweep(0, 999), own=100) == [7, 93]
    assert amounts(sweep(0, 999), top_up(20, 50, 40), own=100) == [60, 40]
    assert amounts(sweep(0, 30), sweep(0, 999), own=100) == [30, 70]


def test_g10_two_top_ups_of_one_receiver_see_each_other():
    assert amounts(top_up(20, 50, 30), top_up(60, 70, 30), alice=10) == [30, 30]
    assert amounts(top_up(20, 50, 40), top_up(20, 50, 40), alice=10) == [40]
    assert amounts(pay(15, to=ALICE), top_up(20, 50, 40), alice=10) == [15]


def test_g10_what_is_under_way_counts_where_it_makes_less():
    """
    A payment on its way to the receiver fills the gap; one from the account is spent already; and
    one that should come in is not counted on.
    """
    to_alice = Movement(ACCOUNT, ALICE, USDC.address, 15)
    from_alice = Movement(ALICE, BOB, USDC.address, 15)
    to_us = Movement(ALICE, ACCOUNT, USDC.address, 500)
    fee = Movement(ACCOUNT, None, NATIVE, 15)

    assert amounts(top_up(20, 50, 99), alice=10, moving=[to_alice]) == []
    assert amounts(top_up(30, 50, 99), alice=10, moving=[to_alice]) == [25]
    assert amounts(top_up(20, 50, 99), alice=10, moving=[from_alice]) == [40]
    assert amounts(top_up(20, 50, 99), alice=30, moving=[from_alice]) == []
    assert amounts(sweep(0, 999), own=100, moving=[to_alice]) == [85]
    assert amounts(sweep(0, 999), own=100, moving=[to_us]) == [100]
    assert amounts(sweep(0, 999, asset=COIN), own=100, moving=[fee], asset=COIN) == [85]


def test_b7_an_approval_brings_nobody_anything():
    line = TransferLine(USDC.address, "usdc", 6, ALICE, "alice", 9, kind="approve")

    assert movement(ACCOUNT, line) == Movement(ACCOUNT, None, USDC.address, 9)
    assert amounts(Approve(USDC, ALICE, "alice", 9, MARK), top_up(20, 50, 99)) == [9, 50]


def test_only_balances_that_decide_are_looked_at():
    """
    A top-up looks at its receiver, a sweep at the account, a payment at nobody.
    """
    calls = [top_up(1, 2, 3), top_up(1, 2, 3, asset=COIN), sweep(0, 1), pay(1, to=BOB)]

    assert looks_at(calls, ACCOUNT) == {
        (ALICE, USDC.address),
        (ALICE, NATIVE),
        (ACCOUNT, USDC.address),
    }


units = st.integers(1, 60)
assets = st.sampled_from([USDC, COIN])
people = st.sampled_from([ALICE, BOB])
top_ups = st.builds(
    lambda below, more, most, to, asset: top_up(below, below + more, most, to, asset),
    units,
    st.integers(0, 60),
    units,
    people,
    assets,
)
sweeps = st.builds(sweep, st.integers(0, 60), units, people, assets)
pays = st.builds(pay, units, people, assets)
batches = st.lists(st.one_of(top_ups, sweeps, pays), min_size=1, max_size=6)
purses = st.fixed_dictionaries(
    {
        (holder, token_of(asset)): st.integers(0, 300)
        for holder in (ACCOUNT, ALICE, BOB)
        for asset in (USDC, COIN)
    }
)
movements = st.lists(
    st.builds(
        Movement,
        st.sampled_from([ACCOUNT, ALICE]),
        st.sampled_from([ACCOUNT, ALICE, BOB, None]),
        st.sampled_from([USDC.address, NATIVE]),
        units,
    ),
    max_size=4,
)


def settled(held, account, calls, *, fee=0, moved=()):
    """The balances after other movements, a fee and a batch, by doing them one by one."""
    after = defaultdict(int, held)
    after[account, NATIVE] -= fee
    for one in moved:
        after[one.sender, one.token] -= one.amount
        if one.receiver is not None:
            after[one.receiver, one.token] += one.amount
    for call in calls:
        after[account, token_of(call.asset)] -= call.amount
        after[call.to, token_of(call.asset)] += call.amount
    return after


@given(batch=batches, held=purses, moving=movements, fee=st.integers(0, 20))
def test_g10_no_call_sends_more_than_it_may(batch, held, moving, fee):
    """
    Each is between 1 and its maximum, in the order of the policy; payments stay what they are.
    """
    batch = [replace(call, mark=Mark("p.yaml", line, 1)) for line, call in enumerate(batch)]
    resolved = resolve(batch, account=ACCOUNT, held=held, moving=moving, fee=fee)
    places = [call.mark.line for call in resolved]

    assert places == sorted(set(places))
    assert {call.mark.line for call in batch if isinstance(call, Pay)} <= set(places)
    for call in resolved:
        asked = batch[call.mark.line]
        assert (call.to, call.asset) == (asked.to, asked.asset)
        assert call == asked if isinstance(asked, Pay) else 0 < call.amount <= asked.most


@given(batch=batches, held=purses, moving=movements, fee=st.integers(0, 20))
def test_g10_sweeps_never_take_what_is_needed(batch, held, moving, fee):
    """
    With sweeps the account keeps what each says, after everything else that may still leave it,
    unless it would not even without them.
    """
    resolved = resolve(batch, account=ACCOUNT, held=held, moving=moving, fee=fee)
    leaving = [one for one in moving if one.sender == ACCOUNT]
    after = settled(held, ACCOUNT, resolved, fee=fee, moved=leaving)
    for asset in (USDC, COIN):
        token = token_of(asset)
        mine = [c for c in batch if isinstance(c, Sweep) and c.asset == asset]
        sent = [c.amount for c in resolved if c.asset == asset]
        fixed = [c.amount for c in batch if isinstance(c, Pay) and c.asset == asset]
        fills = [c.most for c in batch if isinstance(c, TopUp) and c.asset == asset]
        if mine and sum(sent) > sum(fixed) + sum(fills):
            # Something was swept: what is left is what the most modest sweep keeps, or more.
            assert after[ACCOUNT, token] >= min(c.keep for c in mine)


@given(batch=batches, held=purses, moving=movements, more=movements, fee=st.integers(0, 20))
def test_g10_what_is_under_way_never_makes_an_amount_larger(batch, held, moving, more, fee):
    """
    Neither what leaves, nor what may arrive: rather too little than twice.
    """
    one_each = [call for call in batch if not isinstance(call, Pay)][:1]
    alone = resolve(one_each, account=ACCOUNT, held=held, moving=moving, fee=fee)
    besides = resolve(one_each, account=ACCOUNT, held=held, moving=[*moving, *more], fee=fee)

    assert sum(c.amount for c in besides) <= sum(c.amount for c in alone)


@given(held=purses, fills=top_ups)
def test_g10_after_a_top_up_there_is_nothing_more_to_do(held, fills):
    """
    Unless its maximum was in the way: looking again finds a balance that is not below.
    """
    resolved = resolve([fills], account=ACCOUNT, held=held, moving=(), fee=0)
    after = settled(held, ACCOUNT, resolved)
    again = resolve([fills], account=ACCOUNT, held=after, moving=(), fee=0)

    assert after[fills.to, token_of(fills.asset)] <= max(
        fills.up_to, held[fills.to, token_of(fills.asset)]
    )
    assert again == () or resolved[0].amount == fills.most


# ── the breaker ───────────────────────────────────────────────────────────────────────────────


def lines(*calls):
    return intent_of(calls, {}).lines


@pytest.mark.parametrize(
    ("moved", "at_limit"),
    [
        ([pay(40, ALICE)], True),
        ([pay(39, ALICE)], False),
        ([pay(40, BOB)], False),
        ([pay(40, ALICE, COIN)], False),
        ([], False),
        ([pay(7), pay(40, ALICE), pay(60)], True),
    ],
)
def test_g10_a_run_at_its_maximum_is_told_by_what_it_moved(moved, at_limit):
    assert sends_most([pay(7), top_up(20, 50, 40), sweep(0, 61)], lines(*moved)) is at_limit


def test_g10_a_fixed_payment_of_the_same_amount_is_none():
    """
    The batch pays alice 40 anyway; only a second 40 is the top-up's.
    """
    batch = [pay(40, ALICE), top_up(20, 50, 40)]

    assert not sends_most(batch, lines(pay(40, ALICE), pay(5, ALICE)))
    assert sends_most(batch, lines(pay(40, ALICE), pay(40, ALICE)))
