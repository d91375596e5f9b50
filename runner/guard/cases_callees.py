"""
The contracts that recorded cases call: tokens, test targets, the EntryPoint's deposits.

Only what decides whether a call reverts, and the balances that later calls depend on.

Source: `callees` of the cases' file; OpenZeppelin Contracts 5, ERC20; EntryPoint v0.7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.contracts import GET_NONCE, INCREMENT_NONCE
from runner.ethereum.erc20 import APPROVE, TRANSFER, TRANSFER_FROM
from runner.guard.cases_modules import Revert
from runner.guard.scope import NO_REVERT_DATA
from runner.guard.solidity import Arguments

FOO: Final = bytes.fromhex("2fbebd38")
"""`foo(uint256)`"""

BAZ: Final = bytes.fromhex("fc149efd")
"""`baz(address,uint256)`"""

FAILS: Final = bytes.fromhex("e6eec67e")
"""`fails(uint256)`"""

BURN: Final = bytes.fromhex("42966c68")
"""`burn(uint256)`"""

POKE: Final = bytes.fromhex("f29e3733")
"""`poke(bytes)`"""

_BALANCE_OF: Final = bytes.fromhex("70a08231")
_ALLOWANCE: Final = bytes.fromhex("dd62ed3e")
_TOKEN_CONSTANTS: Final = frozenset(
    bytes.fromhex(each) for each in ("06fdde03", "95d89b41", "313ce567", "18160ddd")
)
_UNLIMITED: Final = 2**256 - 1
_GAS_A_ROUND: Final = 100  # of the loop in `burn`: the right order of magnitude is enough


@dataclass(slots=True)
class Gas:
    """Gas left for execution, counted roughly: only loops are."""

    left: int

    def use(self, amount: int) -> None:
        """
        Use gas.

        Raises:
            Revert: None is left.
        """
        self.left -= amount
        if self.left < 0:
            raise Revert


@dataclass(slots=True)
class Token:
    """An ordinary ERC-20: `balances` by holder, `approved` by holder and spender, base units."""

    balances: dict[Address, int]
    approved: dict[tuple[Address, Address], int] = field(default_factory=dict)

    def copy(self) -> Token:
        """Return a copy that changes apart from this one."""
        return Token(dict(self.balances), dict(self.approved))

    def call(self, sender: Address, value: int, data: bytes) -> None:
        """
        Answer a call.

        Raises:
            Revert: As the token would; with value always, no function of it is payable.
        """
        if value:
            raise Revert
        selector, arguments = data[:4], Arguments(data, 4)
        if selector == TRANSFER:
            self._move(sender, arguments.address(0), arguments.uint(1))
        elif selector == APPROVE:
            spender, amount = arguments.address(0), arguments.uint(1)
            if spender == ZERO_ADDRESS:
                raise Revert("ERC20InvalidSpender")
            self.approved[sender, spender] = amount
        elif selector == TRANSFER_FROM:
            holder, to, amount = arguments.address(0), arguments.address(1), arguments.uint(2)
            self._use_approval(holder, sender, amount)
            self._move(holder, to, amount)
        elif selector == _BALANCE_OF:
            arguments.address(0)
        elif selector == _ALLOWANCE:
            arguments.address(0), arguments.address(1)
        elif selector not in _TOKEN_CONSTANTS:
            raise Revert

    def _use_approval(self, holder: Address, spender: Address, amount: int) -> None:
        approved = self.approved.get((holder, spender), 0)
        if approved == _UNLIMITED:
            return
        if approved < amount:
            raise Revert("ERC20InsufficientAllowance")
        if holder == ZERO_ADDRESS:
            raise Revert("ERC20InvalidApprover")
        self.approved[holder, spender] = approved - amount

    def _move(self, holder: Address, to: Address, amount: int) -> None:
        if holder == ZERO_ADDRESS:
            raise Revert("ERC20InvalidSender")
        if to == ZERO_ADDRESS:
            raise Revert("ERC20InvalidReceiver")
        balance = self.balances.get(holder, 0)
        if balance < amount:
            raise Revert("ERC20InsufficientBalance")
        self.balances[holder] = balance - amount
        self.balances[to] = self.balances.get(to, 0) + amount


@dataclass(slots=True)
class Deposits:
    """The EntryPoint as a callee: the account's deposit in wei, its next sequence by nonce key."""

    deposit: int
    sequences: dict[int, int] = field(default_factory=dict)

    def copy(self) -> Deposits:
        """Return a copy that changes apart from this one."""
        return Deposits(self.deposit, dict(self.sequences))

    def call(
        self, account: Address, value: int, data: bytes, pay: Callable[[Address, int], None]
    ) -> None:
        """
        Answer a call of the account.

        Args:
            account: Who calls.
            value: Wei sent along.
            data: Calldata.
            pay: Told to whom a withdrawal pays how much wei.

        Raises:
            Revert: As the EntryPoint would.
        """
        selector, arguments = data[:4], Arguments(data, 4)
        if not data:
            self.deposit += value
        elif selector == _DEPOSIT_TO:
            if arguments.address(0) == account:
                self.deposit += value
        elif value:
            if selector != _ADD_STAKE or arguments.uint(0, 32) == 0:
                raise Revert
        elif selector == _WITHDRAW_TO:
            to, amount = arguments.address(0), arguments.uint(1)
            if amount > self.deposit:
                raise Revert("Error")
            self.deposit -= amount
            pay(to, amount)
        elif selector == INCREMENT_NONCE:
            key = arguments.uint(0, 192)
            self.sequences[key] = self.sequences.get(key, 0) + 1
        elif selector in _REFUSED_WITH_TEXT:
            raise Revert("Error")
        elif selector in _BUNDLING:
            raise Revert("ReentrancyGuardReentrantCall")
        elif selector not in _ENTRY_POINT_VIEWS:
            raise Revert


_DEPOSIT_TO: Final = bytes.fromhex("b760faf9")
_WITHDRAW_TO: Final = bytes.fromhex("205c2878")
_ADD_STAKE: Final = bytes.fromhex("0396cb60")
_REFUSED_WITH_TEXT: Final = frozenset(  # without stake, or without value
    bytes.fromhex(each) for each in ("0396cb60", "bb9fe6bf", "c23a5cea")
)
_BUNDLING: Final = frozenset({bytes.fromhex("765e827f"), bytes.fromhex("dbed18e0")})
_ENTRY_POINT_VIEWS: Final = frozenset(
    {
        _BALANCE_OF,
        GET_NONCE,
        bytes.fromhex("5287ce12"),  # getDepositInfo(address)
        bytes.fromhex("fc7e286d"),  # deposits(address)
        bytes.fromhex("1b2e01b8"),  # nonceSequenceNumber(address,uint192)
        bytes.fromhex("01ffc9a7"),  # supportsInterface(bytes4)
    }
)


def call_target(data: bytes, gas: Gas) -> None:
    """
    Call a test target, which takes nearly anything, with any value.

    Raises:
        Revert: `fails`, arguments too short, or a loop that outlasts the gas.
    """
    selector, arguments = data[:4], Arguments(data, 4)
    if selector == FOO:
        arguments.uint(0)
    elif selector == BAZ:
        arguments.address(0), arguments.uint(1)
    elif selector == FAILS:
        arguments.uint(0)
        raise Revert("Nope")
    elif selector == BURN:
        gas.use(arguments.uint(0) * _GAS_A_ROUND)


def call_plain(value: int, data: bytes) -> None:
    """
    Call the contract that has one function, `foo`, and takes no value.

    Raises:
        Revert: Anything else.
    """
    if value or data[:4] != FOO:
        raise Revert(NO_REVERT_DATA)
    Arguments(data, 4).uint(0)


def call_false_token(value: int, data: bytes) -> None:
    """
    Call the token whose `transfer` and `approve` return false and do not revert.

    Raises:
        Revert: Other functions, value, or arguments too short.
    """
    if value or data[:4] not in (TRANSFER, APPROVE):
        raise Revert
    arguments = Arguments(data, 4)
    arguments.address(0), arguments.uint(1)
