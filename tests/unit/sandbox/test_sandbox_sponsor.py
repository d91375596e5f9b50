"""The paymaster's promise holds for one operation and for a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.ethereum.address import Address
from runner.ethereum.user_operation import UserOperation
from runner.sandbox.artefacts import PAYMASTER, TokenFee
from runner.sandbox.refusal import Refusal
from runner.sandbox.sponsor import NO_PROMISE, Promise, promise_data, read_fee, read_promise

OPERATION = UserOperation(
    sender=Address("0x1111111111111111111111111111111111111111"),
    nonce=5,
    call_data=b"data",
    call_gas_limit=1,
    verification_gas_limit=2,
    pre_verification_gas=3,
    max_fee_per_gas=4,
    max_priority_fee_per_gas=5,
    paymaster=PAYMASTER,
    paymaster_verification_gas_limit=6,
)


FEE = TokenFee(Address("0x3333333333333333333333333333333333333333"), 2_500, 99, first=True)
FEES = [None, FEE, replace(FEE, first=False, permit=b"permit")]


def paid(operation, until=1_900_000_000, fee=None):
    data = promise_data(operation, 1, Promise(until, fee))
    return replace(operation, paymaster_data=data)


@pytest.mark.parametrize("fee", FEES)
def test_a_promise_is_read_back(fee):
    assert read_promise(paid(OPERATION, fee=fee), 1) == Promise(1_900_000_000, fee)
    assert read_fee(paid(OPERATION, fee=fee).paymaster_data) == fee


def test_an_operation_without_a_paymaster_has_no_promise():
    own = replace(OPERATION, paymaster=None, paymaster_verification_gas_limit=0)
    assert read_promise(own, 1) == NO_PROMISE


@pytest.mark.parametrize("fee", FEES)
@pytest.mark.parametrize(
    "change",
    [
        {"nonce": 6},
        {"call_data": b"other"},
        {"max_fee_per_gas": 5},
        {"call_gas_limit": 9},
        {"paymaster": Address("0x2222222222222222222222222222222222222222")},
        {"paymaster_data": b""},
        {"paymaster_data": bytes(71)},
    ],
)
def test_a_promise_for_another_operation_is_none(change, fee):
    with pytest.raises(Refusal) as caught:
        read_promise(replace(paid(OPERATION, fee=fee), **change), 1)

    assert caught.value.code == -32501


@pytest.mark.parametrize("fee", FEES)
def test_no_byte_of_a_promise_may_change(fee):
    data = paid(OPERATION, fee=fee).paymaster_data
    for index in range(len(data)):
        changed = data[:index] + bytes((data[index] ^ 1,)) + data[index + 1 :]
        with pytest.raises(Refusal):
            read_promise(replace(OPERATION, paymaster_data=changed), 1)


def test_a_promise_for_another_chain_is_none():
    with pytest.raises(Refusal):
        read_promise(paid(OPERATION), 2)
