"""
Does one permission set allow more than another? Widening is granted anew at once, narrowing waits
for the next renewal (R25).
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.ethereum.address import Address
from runner.ethereum.permissions import (
    AccountFunctions,
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    GasLimit,
    NativeTokenTransfer,
    Permission,
    Root,
)


def widens(before: Sequence[Permission], after: Sequence[Permission]) -> bool:
    """Whether `after` lets a key do anything that `before` did not, judged type by type."""
    if any(isinstance(p, Root) for p in before):
        return False
    return any(not _held(p, before) for p in after) or _unbounds(before, after)


def targets(permissions: Sequence[Permission]) -> frozenset[Address]:
    """Contracts, tokens and receivers of coin that a key may call by name."""
    named = (ContractAccess, FunctionsOnContract, Erc20TokenTransfer)
    return frozenset(one.address for one in permissions if isinstance(one, named))


def _unbounds(before: Sequence[Permission], after: Sequence[Permission]) -> bool:
    """A limit that is no longer there allows everything that it limited (semantics.md §2)."""
    limits = {type(p) for p in before if isinstance(p, NativeTokenTransfer | GasLimit)}
    return bool(limits - {type(p) for p in after})


def _held(wanted: Permission, before: Sequence[Permission]) -> bool:
    match wanted:
        case NativeTokenTransfer(amount):
            bounds = [p.allowance for p in before if isinstance(p, NativeTokenTransfer)]
            return not bounds or amount <= bounds[0]
        case GasLimit(amount):
            limits = [p.limit for p in before if isinstance(p, GasLimit)]
            return not limits or amount <= limits[0]
        case Erc20TokenTransfer(token, amount):
            same = [p for p in before if isinstance(p, Erc20TokenTransfer) and p.address == token]
            return any(amount <= p.allowance for p in same)
        case ContractAccess(address):
            return ContractAccess(address) in before
        case FunctionsOnContract(address, functions):
            return ContractAccess(address) in before or set(functions) <= {
                selector
                for p in before
                if isinstance(p, FunctionsOnContract) and p.address == address
                for selector in p.functions
            }
        case AccountFunctions(functions) | FunctionsOnAllContracts(functions):
            return set(functions) <= {
                selector for p in before if type(p) is type(wanted) for selector in p.functions
            }
        case _:
            return False
