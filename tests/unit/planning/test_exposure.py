"""R14: when one more grant fits beside those that can still sign."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.ethereum.address import Address
from runner.ethereum.permissions import (
    AccountFunctions,
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    GasLimit,
    NativeTokenTransfer,
    Root,
)
from runner.planning.exposure import Holding, fits_at, is_unbounded

NOW = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
VAULT = Address("0x00000000000000000000000000000000000000fA")


def holding(days, **left):
    return Holding(NOW + days * DAY, left)


@pytest.mark.parametrize(
    ("holdings", "bound", "expected"),
    [
        ([], 100, NOW),
        ([], 99, None),
        ([holding(5, usdc=100)], 200, NOW),
        ([holding(5, usdc=100)], 199, NOW + 5 * DAY + SECOND),
        ([holding(5, usdc=20), holding(9, usdc=80)], 180, NOW + 5 * DAY + SECOND),
        ([holding(9, usdc=80), holding(5, usdc=20)], 179, NOW + 9 * DAY + SECOND),
        ([holding(-1, usdc=500)], 100, NOW),
        ([holding(0, usdc=1)], 100, NOW + SECOND),
        ([holding(5, other=900)], 100, NOW),
    ],
)
def test_r14_by_hand(holdings, bound, expected):
    """
    100 are wanted; a grant counts up to and with the second of its end.
    """
    assert fits_at(holdings, wanted={"usdc": 100}, bounds={"usdc": bound}, now=NOW) == expected


def test_r14_a_token_without_a_bound_is_not_looked_at():
    holdings = [holding(5, usdc=900, dai=5)]

    found = fits_at(holdings, wanted={"usdc": 900, "dai": 5}, bounds={"dai": 10}, now=NOW)

    assert found == NOW


tokens = st.sampled_from(["a", "b"])
amounts = st.dictionaries(tokens, st.integers(0, 50))


@given(
    holdings=st.lists(st.builds(holding, st.integers(-2, 9)), max_size=5),
    lefts=st.lists(amounts, min_size=5, max_size=5),
    wanted=amounts,
    bounds=st.dictionaries(tokens, st.integers(0, 120)),
)
def test_r14_it_fits_then_and_not_a_second_before(holdings, lefts, wanted, bounds):
    """
    Against counting, at each second, what may still be signed for.
    """
    made = [Holding(one.ends_at, left) for one, left in zip(holdings, lefts, strict=False)]

    def fits(moment):
        living = [one for one in made if one.ends_at >= moment]
        return all(
            sum(one.left.get(token, 0) for one in living) + wanted.get(token, 0) <= bound
            for token, bound in bounds.items()
        )

    found = fits_at(made, wanted=wanted, bounds=bounds, now=NOW)

    if found is None:
        assert not fits(NOW + 99 * DAY)
    else:
        assert fits(found)
        assert found == NOW or not fits(found - SECOND)


@pytest.mark.parametrize(
    ("permissions", "coin", "token"),
    [
        ([Erc20TokenTransfer(USDC, 5), GasLimit(0), NativeTokenTransfer(0)], False, False),
        ([ContractAccess(VAULT)], True, False),
        ([ContractAccess(USDC)], True, True),
        ([FunctionsOnContract(USDC, (b"\x01\x02\x03\x04",))], True, True),
        ([FunctionsOnContract(VAULT, (b"\x01\x02\x03\x04",))], True, False),
        ([FunctionsOnAllContracts((b"\x01\x02\x03\x04",))], True, True),
        ([AccountFunctions((b"\x01\x02\x03\x04",))], True, True),
        ([Root()], True, True),
    ],
)
def test_what_no_allowance_counts_is_unbounded(permissions, coin, token):
    assert is_unbounded(permissions, "native") is coin
    assert is_unbounded(permissions, USDC) is token
