"""The conditions of `require`, on frozen calls and balances (B4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import Mark
from runner.ethereum.abi import encode_call, parse_function
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.erc20 import encode_transfer
from runner.guard.intent import NATIVE
from runner.guard.requirements import balances_needed, broken
from runner.policy.model import (
    ArgumentRequirement,
    Asset,
    BalanceRequirement,
    Comparison,
    Money,
)

USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
ME = Address("0x00000000000000000000000000000000000A11cE")
VAULT = Address("0x00000000000000000000000000000000000000fa")
MARK = Mark("p.yaml", 1, 1)
COIN = Asset("native", None, 18)
TOKEN = Asset("usdc", USDC, 6)
DEPOSIT = "deposit(uint256 amount, address to, bytes32 tag, uint8[] parts)"
TAG = bytes(range(32))


def balance(amount, asset=TOKEN, of=None, name=None):
    return BalanceRequirement(of, name, Money(asset, amount, MARK))


def deposit(amount=40, to=ME, parts=(1, 2)):
    return Call(VAULT, 0, encode_call(parse_function(DEPOSIT), [amount, to, TAG, list(parts)]))


def told(requirements, calls=(), held=None):
    return list(broken(requirements, calls, account=ME, held=held or {}))


@given(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
def test_b4_a_balance_holds_from_the_amount_on(has, least):
    """
    Exactly, to the last base unit of 256 bits.
    """
    assert (told([balance(least)], held={(ME, USDC): has}) == []) is (has >= least)


def test_b4_balances_are_read_of_the_paying_account_unless_another_is_named():
    """
    The coin and each token, once for each holder.
    """
    wanted = [balance(1), balance(2), balance(1, COIN), balance(1, of=VAULT, name="vault")]

    assert balances_needed(wanted, ME) == {(ME, USDC), (ME, NATIVE), (VAULT, USDC)}
    assert told([wanted[3]], held={(VAULT, USDC): 0}) == [
        "vault holds 0 usdc, at least 0.000001 is required"
    ]


C = Comparison


@pytest.mark.parametrize(
    ("position", "tests", "holds"),
    [
        (0, [(C.EQUALS, 40)], True),
        (0, [(C.EQUALS, 41)], False),
        (0, [(C.NOT, 41)], True),
        (0, [(C.NOT, 40)], False),
        (0, [(C.IN, (39, 40))], True),
        (0, [(C.IN, (39,))], False),
        (0, [(C.ABOVE, 39)], True),
        (0, [(C.ABOVE, 40)], False),
        (0, [(C.AT_LEAST, 40)], True),
        (0, [(C.AT_LEAST, 41)], False),
        (0, [(C.BELOW, 41)], True),
        (0, [(C.BELOW, 40)], False),
        (0, [(C.AT_MOST, 40)], True),
        (0, [(C.AT_MOST, 39)], False),
        (0, [(C.ABOVE, 10), (C.BELOW, 50)], True),
        (0, [(C.ABOVE, 10), (C.BELOW, 20)], False),
        (1, [(C.EQUALS, ME)], True),
        (1, [(C.IN, (VAULT,))], False),
        (2, [(C.EQUALS, TAG)], True),
        (2, [(C.NOT, TAG)], False),
        (3, [(C.EQUALS, (1, 2))], True),
        (3, [(C.EQUALS, (2, 1))], False),
    ],
)
def test_b4_an_argument_passes_every_test_or_the_run_waits(position, tests, holds):
    """
    Numbers, addresses, bytes and arrays, each as the ABI has them.
    """
    found = told([ArgumentRequirement(DEPOSIT, position, tuple(tests))], [deposit()])

    assert (found == []) is holds


def test_b4_each_call_of_the_function_is_judged_and_no_other():
    """
    The one that breaks the condition is named by its place.
    """
    wanted = [ArgumentRequirement(DEPOSIT, 0, ((C.AT_MOST, 100),))]
    other = Call(USDC, 0, encode_transfer(ME, 10**9))

    assert told(wanted, [other]) == []
    assert told(wanted, [deposit(100), other, deposit(101)]) == [
        "calls[2] deposit: amount is 101, not at most 100"
    ]


def test_b4_a_payment_is_a_call_of_transfer():
    """
    Conditions reach what `pay` encodes.
    """
    wanted = [ArgumentRequirement("transfer(address to, uint256 value)", 1, ((C.BELOW, 50),))]

    assert told(wanted, [Call(USDC, 0, encode_transfer(ME, 49))]) == []
    assert told(wanted, [Call(USDC, 0, encode_transfer(ME, 50))]) != []


@pytest.mark.parametrize("tail", [b"\0", b"\0" * 32])
def test_b4_what_cannot_be_decoded_does_not_hold(tail):
    """
    Trailing bytes may mean something to the contract that the condition never saw.
    """
    whole = deposit()
    wanted = [ArgumentRequirement(DEPOSIT, 0, ((C.EQUALS, 40),))]

    assert told(wanted, [Call(VAULT, 0, whole.data + tail)]) != []
    assert told(wanted, [Call(VAULT, 0, whole.data[:-1])]) != []
