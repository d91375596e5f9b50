"""
What the account and its modules store for one session key, as values.

    permissions ─ installed() → Installed

`Installed` is what judging needs and nothing else: the account functions that the key may call,
which hooks stand in front of it, and the tables that those hooks read. The tables outlive a
session: uninstalling with empty hook data leaves them behind, and the next session under the same
entity id inherits them. `previous` says so.

Source: semantics.md §1 and §2, mav2.md §5, onchain-facts.md 1 (leftovers).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from types import MappingProxyType
from typing import Final

from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.contracts import EXECUTE, EXECUTE_BATCH
from runner.ethereum.erc20 import APPROVE, TRANSFER
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
from runner.frozen import frozen

_TOKEN_FUNCTIONS: Final = (APPROVE, TRANSFER)


@frozen
class Allowances:
    """
    What a session key may still spend; None where no such limit exists.

    `native` is wei of value in calls, `gas` wei of maximal gas cost, `erc20` base units by token.
    """

    native: int | None = None
    gas: int | None = None
    erc20: Mapping[Address, int] = field(default_factory=lambda: MappingProxyType({}))


@frozen
class Entry:
    """One target in a table: callable, only by listed selectors, under a spend limit."""

    allowed: bool = False
    by_selector: bool = False
    limited: bool = False


@frozen
class Input:
    """One row handed to the AllowlistModule; the zero address stands for every target."""

    target: Address
    by_selector: bool
    limited: bool
    limit: int
    selectors: tuple[bytes, ...]


@frozen
class Table:
    """
    The AllowlistModule's storage for one account and one entity id, spend limits aside.

    `selectors` is by target, under the zero address those that any target without an entry of its
    own accepts. Selectors stay listed though the entry that needed them is gone or overwritten.
    """

    entries: Mapping[Address, Entry] = field(default_factory=lambda: MappingProxyType({}))
    selectors: Mapping[Address, frozenset[bytes]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def with_entry(self, target: Address, entry: Entry) -> Table:
        """Overwrite the entry of `target`."""
        return replace(self, entries={**self.entries, target: entry})

    def with_selectors(self, target: Address, selectors: Iterable[bytes], listed: bool) -> Table:
        """List or strike out selectors for `target`."""
        old = self.selectors.get(target, frozenset())
        new = old | frozenset(selectors) if listed else old - frozenset(selectors)
        return replace(self, selectors={**self.selectors, target: new})

    def updated(self, rows: Iterable[Input]) -> Table:
        """Take rows in order, a later one overwriting an earlier entry (`updateAllowlist`)."""
        table = self
        for row in rows:
            if row.target == ZERO_ADDRESS:
                table = table.with_selectors(ZERO_ADDRESS, row.selectors, True)
                continue
            table = table.with_entry(row.target, Entry(True, row.by_selector, row.limited))
            if row.by_selector:
                table = table.with_selectors(row.target, row.selectors, True)
        return table

    def deleted(self, rows: Iterable[Input]) -> Table:
        """Take rows out again; only what they name goes (`deleteAllowlist`)."""
        table = self
        for row in rows:
            if row.target != ZERO_ADDRESS:
                table = table.with_entry(row.target, Entry())
            if row.target == ZERO_ADDRESS or row.by_selector:
                table = table.with_selectors(row.target, row.selectors, False)
        return table


@frozen
class Installed:
    """
    A session key as the account knows it.

    `functions` are selectors of the account; `is_global` opens all of the owner's functions
    instead. `valid_until` and `valid_after` are unix seconds, both inclusive, 0 for no bound. The
    four hook flags say which checks stand before the key; the tables are read only where their
    hook stands. `allowlist` is kept under the entity id, `spending` under that plus 2^31 - 1.
    """

    functions: frozenset[bytes] = frozenset()
    is_global: bool = False
    valid_until: int = 0
    valid_after: int = 0
    native_hook: bool = False
    token_hook: bool = False
    gas_hook: bool = False
    allowlist_hook: bool = False
    allowlist: Table = Table()
    spending: Table = Table()

    @property
    def has_execution_hooks(self) -> bool:
        """Whether the call data needs the `executeUserOp` prefix."""
        return self.native_hook or self.token_hook

    def is_due(self, timestamp: int) -> bool:
        """Whether a block of this time may hold an operation of the key."""
        return timestamp >= self.valid_after and (
            self.valid_until == 0 or timestamp <= self.valid_until
        )


def account_selectors(permissions: Sequence[Permission]) -> tuple[bytes, ...]:
    """
    Return the account functions that installing will list, in order, repetitions kept.

    A repetition makes the installation fail on chain (`ValidationAlreadySet`).
    """
    listed = [
        selector
        for permission in permissions
        if isinstance(permission, AccountFunctions)
        for selector in permission.functions
    ]
    if allowlist_rows(permissions):
        listed += [each for each in (EXECUTE, EXECUTE_BATCH) if each not in listed]
    return tuple(listed)


def allowlist_rows(permissions: Sequence[Permission]) -> tuple[Input, ...]:
    """Return the rows for the allowlist proper, in permission order."""
    return tuple(row for row in map(_allowlist_row, permissions) if row is not None)


def spending_rows(permissions: Sequence[Permission]) -> tuple[Input, ...]:
    """Return the rows for the ERC-20 limits, in permission order."""
    return tuple(
        Input(permission.address, False, True, permission.allowance, ())
        for permission in permissions
        if isinstance(permission, Erc20TokenTransfer)
    )


def installed(
    permissions: Sequence[Permission], *, expiry: int = 0, previous: Installed | None = None
) -> Installed:
    """
    Compile permissions into what stands on chain once they are installed.

    Args:
        permissions: As granted; whether the builder would refuse them is not asked here.
        expiry: Unix seconds, 0 for none.
        previous: What an earlier session under the same entity id left behind.

    Source: mav2.md §5.1.
    """
    allowing, limiting = allowlist_rows(permissions), spending_rows(permissions)
    kinds = {type(permission) for permission in permissions}
    is_global = Root in kinds
    return Installed(
        functions=frozenset() if is_global else frozenset(account_selectors(permissions)),
        is_global=is_global,
        valid_until=expiry,
        native_hook=NativeTokenTransfer in kinds,
        token_hook=bool(limiting),
        gas_hook=GasLimit in kinds,
        allowlist_hook=bool(allowing),
        allowlist=(previous.allowlist if previous else Table()).updated(allowing),
        spending=(previous.spending if previous else Table()).updated(limiting),
    )


def initial_allowances(
    permissions: Sequence[Permission], *, previous: Allowances | None = None
) -> Allowances:
    """
    Return the counters as they stand right after installing.

    Args:
        permissions: As granted. The same token twice: the last allowance counts.
        previous: Counters that an earlier session under the same entity id left behind; those of
            tokens that the new session does not name live on.
    """
    native = gas = None
    erc20 = dict(previous.erc20) if previous else {}
    for permission in permissions:
        match permission:
            case NativeTokenTransfer(allowance):
                native = allowance
            case GasLimit(limit):
                gas = limit
            case Erc20TokenTransfer(address, allowance):
                erc20[address] = allowance
            case _:
                pass
    return Allowances(native, gas, erc20)


def _allowlist_row(permission: Permission) -> Input | None:
    match permission:
        case Erc20TokenTransfer(address, _):
            return Input(address, True, False, 0, _TOKEN_FUNCTIONS)
        case ContractAccess(address):
            return Input(address, False, False, 0, ())
        case FunctionsOnContract(address, functions):
            return Input(address, True, False, 0, functions)
        case FunctionsOnAllContracts(functions):
            return Input(ZERO_ADDRESS, False, False, 0, functions)
        case _:
            return None
