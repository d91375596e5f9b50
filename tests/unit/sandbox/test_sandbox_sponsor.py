"""The paymaster's promise holds for one operation and for a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.ethereum.address import Address
from runner.ethereum.user_operation import UserOperation
from runner.sandbox.artefacts import PAYMASTER
from runner.sandbox.refusal import Refusal
from runner.sandbox.sponsor import paid_until, promise

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


def paid(operation, until=1_900_000_000):
    return replace(operation, paymaster_data=promise(operation, 1, until))


def test_a_promise_is_read_back():
    assert paid_until(paid(OPERATION), 1) == 1_900_000_000
    assert (
        paid_until(replace(OPERATION, paymaster=None, paymaster_verification_gas_limit=0), 1) == 0
    )


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
def test_a_promise_for_another_operation_is_none(change):
    with pytest.raises(Refusal) as caught:
        paid_until(replace(paid(OPERATION), **change), 1)

    assert caught.value.code == -32501


def test_a_promise_for_another_chain_is_none():
    with pytest.raises(Refusal):
        paid_until(paid(OPERATION), 2)
