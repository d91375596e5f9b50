"""R25: what counts as widening."""

import pytest

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
from runner.planning.widening import widens

A = Address("0x00000000000000000000000000000000000A11cE")
B = Address("0x0000000000000000000000000000000000000B0b")
F, G = b"\x01\x02\x03\x04", b"\x05\x06\x07\x08"


@pytest.mark.parametrize(
    ("before", "after", "wider"),
    [
        ([Erc20TokenTransfer(A, 10)], [Erc20TokenTransfer(A, 10)], False),
        ([Erc20TokenTransfer(A, 10)], [Erc20TokenTransfer(A, 9)], False),
        ([Erc20TokenTransfer(A, 10)], [Erc20TokenTransfer(A, 11)], True),
        ([Erc20TokenTransfer(A, 10)], [Erc20TokenTransfer(B, 1)], True),
        ([ContractAccess(A), NativeTokenTransfer(0)], [ContractAccess(A)], True),
        ([ContractAccess(A)], [ContractAccess(A), NativeTokenTransfer(5)], False),
        ([GasLimit(0)], [GasLimit(1)], True),
        ([ContractAccess(A)], [FunctionsOnContract(A, (F,))], False),
        ([FunctionsOnContract(A, (F, G))], [FunctionsOnContract(A, (F,))], False),
        ([FunctionsOnContract(A, (F,))], [FunctionsOnContract(A, (F, G))], True),
        ([FunctionsOnContract(A, (F,))], [ContractAccess(A)], True),
        ([AccountFunctions((F,))], [AccountFunctions((F, G))], True),
        ([FunctionsOnAllContracts((F, G))], [FunctionsOnAllContracts((G,))], False),
        ([ContractAccess(A)], [Root()], True),
        ([Root()], [ContractAccess(A)], False),
    ],
)
def test_r25_widening(before, after, wider):
    """
    More of an amount, another target, another function or a limit gone: wider.
    """
    assert widens(before, after) is wider
