"""
What a session key may do: the eight permissions of the Wallet API, as values.

Amounts are integers in base units (wei for the native coin), selectors are 4 bytes, addresses are
checksummed. How each is written on the wire, in YAML or on chain belongs to those who read and
write there; the meaning on chain is judged by `guard/scope.py`.

Source: ERC-7715 for the idea; the Wallet API's `wallet_createSession` for the eight types.
"""

from __future__ import annotations

from typing import ClassVar

from runner.ethereum.address import Address
from runner.frozen import frozen


@frozen
class NativeTokenTransfer:
    """Bound on the native coin sent along with calls, in wei over the session's life."""

    kind: ClassVar[str] = "native-token-transfer"
    allowance: int


@frozen
class Erc20TokenTransfer:
    """`transfer` and `approve` on one token; both count against the allowance (base units)."""

    kind: ClassVar[str] = "erc20-token-transfer"
    address: Address
    allowance: int


@frozen
class GasLimit:
    """Bound on the maximal gas cost of unsponsored operations, in wei (not in gas units)."""

    kind: ClassVar[str] = "gas-limit"
    limit: int


@frozen
class ContractAccess:
    """Every function of one address, with any value unless a native limit says otherwise."""

    kind: ClassVar[str] = "contract-access"
    address: Address


@frozen
class AccountFunctions:
    """Functions of the account itself, by selector."""

    kind: ClassVar[str] = "account-functions"
    functions: tuple[bytes, ...]


@frozen
class FunctionsOnAllContracts:
    """These selectors on every address that has no entry of its own."""

    kind: ClassVar[str] = "functions-on-all-contracts"
    functions: tuple[bytes, ...]


@frozen
class FunctionsOnContract:
    """Exactly these selectors on one address."""

    kind: ClassVar[str] = "functions-on-contract"
    address: Address
    functions: tuple[bytes, ...]


@frozen
class Root:
    """Everything the owner can do by operations. Must stand alone."""

    kind: ClassVar[str] = "root"


Permission = (
    NativeTokenTransfer
    | Erc20TokenTransfer
    | GasLimit
    | ContractAccess
    | AccountFunctions
    | FunctionsOnAllContracts
    | FunctionsOnContract
    | Root
)
