"""
The session-key modules as contracts: what they store for one account, and what a call to them does.

A key that may call a module can widen itself, so predicting a run of operations needs the
modules' own functions, not only their checks.

Source: semantics.md §6; mav2.md §5 and §10; onchain-facts.md 1 and 6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.contracts import (
    ALLOWLIST_MODULE,
    NATIVE_LIMIT_MODULE,
    SINGLE_SIGNER_MODULE,
    TIME_RANGE_MODULE,
)
from runner.guard.scope import NO_REVERT_DATA
from runner.guard.scope_tables import Entry, Input, Table
from runner.guard.solidity import Arguments

ON_INSTALL: Final = bytes.fromhex("6d61fe70")
"""`onInstall(bytes)`"""

ON_UNINSTALL: Final = bytes.fromhex("8a91b0e3")
"""`onUninstall(bytes)`"""


class Revert(Exception):
    """A call reverted; `reason` is the name of the innermost error."""

    def __init__(self, reason: str = NO_REVERT_DATA) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class Modules:
    """
    Storage of all modules for one account, keyed by hook entity id as on chain.

    `time_ranges` holds (valid until, valid after), unix seconds; limits are wei or base units.
    """

    tables: dict[int, Table] = field(default_factory=dict)
    token_limits: dict[int, dict[Address, int]] = field(default_factory=dict)
    native_limits: dict[int, int] = field(default_factory=dict)
    time_ranges: dict[int, tuple[int, int]] = field(default_factory=dict)
    signers: dict[int, Address] = field(default_factory=dict)
    special_paymasters: frozenset[Address] = frozenset()

    def copy(self) -> Modules:
        """Return a copy that changes apart from this one."""
        limits = {entity: dict(each) for entity, each in self.token_limits.items()}
        return Modules(
            dict(self.tables),
            limits,
            dict(self.native_limits),
            dict(self.time_ranges),
            dict(self.signers),
            self.special_paymasters,
        )

    def call(self, module: Address, data: bytes) -> None:
        """
        Let the account call a module.

        Raises:
            Revert: The module has no such function or refuses the arguments.
            UndecodableError: The module cannot read the arguments.
        """
        selector, arguments = data[:4], Arguments(data, 4)
        if selector in (ON_INSTALL, ON_UNINSTALL):
            hooks = _ON_INSTALL if selector == ON_INSTALL else _ON_UNINSTALL
            hooks[module](self, Arguments(arguments.dynamic_bytes(0)))
        elif selector in _FUNCTIONS[module]:
            _FUNCTIONS[module][selector](self, arguments)
        elif selector in _VIEWS[module]:
            for index, bits in enumerate(_VIEWS[module][selector]):
                arguments.uint(index, bits)
        else:
            raise Revert

    def _set_time_range(self, arguments: Arguments) -> None:
        entity = arguments.uint(0, 32)
        until, after = arguments.uint(1, 48), arguments.uint(2, 48)
        if until and until <= after:
            raise Revert("TimeRangeNotValid")
        self.time_ranges[entity] = until, after

    def _forget_time_range(self, arguments: Arguments) -> None:
        self.time_ranges[arguments.uint(0, 32)] = 0, 0

    def _set_native_limit(self, arguments: Arguments) -> None:
        entity, limit = arguments.uint(0, 32), arguments.uint(1)
        self.native_limits[entity] = limit

    def _forget_native_limit(self, arguments: Arguments) -> None:
        self.native_limits[arguments.uint(0, 32)] = 0

    def _mark_paymaster(self, arguments: Arguments) -> None:
        paymaster, special = arguments.address(0), arguments.boolean(1)
        marked = self.special_paymasters
        self.special_paymasters = marked | {paymaster} if special else marked - {paymaster}

    def _set_signer(self, arguments: Arguments) -> None:
        entity, signer = arguments.uint(0, 32), arguments.address(1)
        self.signers[entity] = signer

    def _forget_signer(self, arguments: Arguments) -> None:
        self.signers[arguments.uint(0, 32)] = ZERO_ADDRESS

    def _update_allowlist(self, arguments: Arguments) -> None:
        entity, rows = _allowlist_arguments(arguments)
        self.tables[entity] = self._table(entity).updated(rows)
        limits = self.token_limits.setdefault(entity, {})
        limits.update({row.target: row.limit for row in rows if row.target != ZERO_ADDRESS})

    def _delete_allowlist(self, arguments: Arguments) -> None:
        entity, rows = _allowlist_arguments(arguments)
        self.tables[entity] = self._table(entity).deleted(rows)
        limits = self.token_limits.setdefault(entity, {})
        limits.update({row.target: 0 for row in rows if row.target != ZERO_ADDRESS})

    def _set_address(self, arguments: Arguments) -> None:
        entity, target = arguments.uint(0, 32), arguments.address(1)
        entry = Entry(*(arguments.boolean(index) for index in (2, 3, 4)))
        self.tables[entity] = self._table(entity).with_entry(target, entry)

    def _set_selector(self, arguments: Arguments) -> None:
        entity, target = arguments.uint(0, 32), arguments.address(1)
        selector, listed = arguments.fixed(2, 4), arguments.boolean(3)
        self.tables[entity] = self._table(entity).with_selectors(target, [selector], listed)

    def _set_token_limit(self, arguments: Arguments) -> None:
        entity, token = arguments.uint(0, 32), arguments.address(1)
        limited, limit = arguments.boolean(2), arguments.uint(3)
        if token == ZERO_ADDRESS:
            raise Revert("ERC20NotAllowed")
        table = self._table(entity)
        entry = replace(table.entries.get(token, Entry()), limited=limited)
        self.tables[entity] = table.with_entry(token, entry)
        self.token_limits.setdefault(entity, {})[token] = limit

    def _table(self, entity: int) -> Table:
        return self.tables.get(entity, Table())


_Function = Callable[[Modules, Arguments], None]

# Private methods of `Modules`, bound here to the selectors under which contracts answer to them.
_ON_INSTALL: Final[dict[Address, _Function]] = {
    ALLOWLIST_MODULE: Modules._update_allowlist,
    NATIVE_LIMIT_MODULE: Modules._set_native_limit,
    TIME_RANGE_MODULE: Modules._set_time_range,
    SINGLE_SIGNER_MODULE: Modules._set_signer,
}
_ON_UNINSTALL: Final[dict[Address, _Function]] = {
    ALLOWLIST_MODULE: Modules._delete_allowlist,
    NATIVE_LIMIT_MODULE: Modules._forget_native_limit,
    TIME_RANGE_MODULE: Modules._forget_time_range,
    SINGLE_SIGNER_MODULE: Modules._forget_signer,
}
_FUNCTIONS: Final[dict[Address, dict[bytes, _Function]]] = {
    ALLOWLIST_MODULE: {
        bytes.fromhex("4380c278"): Modules._set_token_limit,  # updateLimits
        bytes.fromhex("798053f1"): Modules._update_allowlist,
        bytes.fromhex("c67151f6"): Modules._delete_allowlist,
        bytes.fromhex("77a04242"): Modules._set_address,
        bytes.fromhex("e1ded0b0"): Modules._set_selector,
    },
    NATIVE_LIMIT_MODULE: {
        bytes.fromhex("71280be3"): Modules._set_native_limit,  # updateLimits
        bytes.fromhex("5c6e5169"): Modules._mark_paymaster,  # updateSpecialPaymaster
    },
    TIME_RANGE_MODULE: {bytes.fromhex("e762c77c"): Modules._set_time_range},
    SINGLE_SIGNER_MODULE: {bytes.fromhex("4aeb3b03"): Modules._set_signer},  # transferSigner
}
_OF_ALL: Final[dict[bytes, tuple[int, ...]]] = {
    bytes.fromhex("a1308f27"): (),  # moduleId()
    bytes.fromhex("01ffc9a7"): (256,),  # supportsInterface(bytes4)
}
_VIEWS: Final[dict[Address, dict[bytes, tuple[int, ...]]]] = {
    ALLOWLIST_MODULE: {
        **_OF_ALL,
        bytes.fromhex("bd945668"): (32, 160, 160),  # addressAllowlist
        bytes.fromhex("b33b322c"): (32, 160, 160),  # erc20SpendLimits
        bytes.fromhex("28f60c17"): (32, 256, 160, 160),  # selectorAllowlist
    },
    NATIVE_LIMIT_MODULE: {
        **_OF_ALL,
        bytes.fromhex("e19500ba"): (256, 160),  # limits
        bytes.fromhex("9f176d5f"): (160, 160),  # specialPaymasters
    },
    TIME_RANGE_MODULE: {**_OF_ALL, bytes.fromhex("cb81b9bc"): (32, 160)},  # timeRanges
    SINGLE_SIGNER_MODULE: {**_OF_ALL, bytes.fromhex("217178fb"): (32, 160)},  # signers
}
"""Functions that change nothing, with the bits of their arguments."""

MODULE_ADDRESSES: Final = frozenset(_FUNCTIONS)
"""The modules that sessions are made of."""


def _allowlist_arguments(arguments: Arguments) -> tuple[int, tuple[Input, ...]]:
    return arguments.uint(0, 32), tuple(
        Input(row.address(0), row.boolean(1), row.boolean(2), row.uint(3), row.fixed_items(4, 4))
        for row in arguments.dynamic_items(1)
    )
