"""Addresses, amounts and lengths of time in the words of a policy."""

from __future__ import annotations

from datetime import timedelta

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
)
from runner.ethereum.units import format_units
from runner.guard.intent import encode
from runner.policy.model import Asset, Invoke, Policy

COIN = Asset("native", None, 18)


class Names:
    """The names that one policy gives."""

    def __init__(self, policy: Policy) -> None:
        self._assets = {asset.address: asset for asset in policy.assets if asset.address}
        self._names: dict[Address, str] = {a: one.name for a, one in self._assets.items()}
        self._names |= {address: name for name, address in policy.contacts.items()}
        self._policy = policy
        self._functions: dict[bytes, str] | None = None

    def of(self, address: Address) -> str:
        """A contact's or token's name, else the address."""
        return self._names.get(address, address)

    def asset(self, token: Address | None) -> Asset:
        """A token as the policy declares it, else in base units; None is the coin."""
        if token is None:
            return COIN
        return self._assets.get(token, Asset(token, token, 0))

    def amount(self, token: Address | None, amount: int) -> str:
        """An amount with its unit."""
        return amount_of(self.asset(token), amount)

    def function(self, selector: bytes) -> str:
        """The signature by which the policy calls a function, else its selector."""
        if self._functions is None:
            self._functions = {
                encode(call).data[:4]: call.function
                for schedule in self._policy.schedules.values()
                for call in schedule.calls
                if isinstance(call, Invoke)
            }
        return self._functions.get(selector, f"0x{selector.hex()}")

    def value(self, permission: Permission) -> str:
        """What stands behind the kind of a permission, as it is written."""
        match permission:
            case Erc20TokenTransfer(token, allowance):
                return self.amount(token, allowance)
            case NativeTokenTransfer(amount) | GasLimit(amount):
                return self.amount(None, amount)
            case ContractAccess(address):
                return self.of(address)
            case FunctionsOnContract(address, functions):
                return f"{{contract: {self.of(address)}, functions: {self._listed(functions)}}}"
            case AccountFunctions(functions) | FunctionsOnAllContracts(functions):
                return self._listed(functions)
        return ""

    def permission(self, permission: Permission) -> str:
        """A permission as an item of a policy's list, without its dash."""
        value = self.value(permission)
        return f"{permission.kind}: {value}" if value else permission.kind

    def _listed(self, functions: tuple[bytes, ...]) -> str:
        return "[" + ", ".join(f'"{self.function(each)}"' for each in functions) + "]"


def amount_of(asset: Asset, amount: int) -> str:
    """`19.99 usdc`."""
    return f"{format_units(amount, asset.decimals)} {asset.name}"


def length_of(length: timedelta) -> str:
    """`45 days`, in the largest unit that fits."""
    for size, word in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        count, rest = divmod(int(length.total_seconds()), size)
        if count and not rest:
            return f"{count} {word}{'' if count == 1 else 's'}"
    return str(length)
