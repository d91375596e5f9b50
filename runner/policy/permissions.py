"""
Reading `permissions`: what a session key may do, in the words of the file.

    - erc20-token-transfer: 20000 usdc
    - functions-on-contract: {contract: vault, functions: ["deposit(uint256)"]}
    - root

Sets that the service would refuse, or that the chain would read otherwise than a person does
(the last of two allowances counts), are refused here, at the permission. What lets a key widen
itself needs a written reason.

Source: semantics.md §2, §3, §6.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from runner.errors import EncodingError, Mark
from runner.ethereum import contracts
from runner.ethereum.abi import parse_function
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.permission_check import FORBIDDEN_ACCOUNT_FUNCTIONS
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
from runner.policy.books import Books
from runner.policy.codes import Code
from runner.policy.faults import Refusal, did_you_mean, shown
from runner.policy.language import FUNCTIONS, FUNCTIONS_ON_CONTRACT, PERMISSION
from runner.policy.nodes import Mapping, Node, Scalar, Sequence
from runner.policy.reader import Reader

_ENTRY_POINT = Address("0x0000000071727De22E5E9d8BAf0edAc6f37da032")  # v0.7, on every chain

RISKY_TARGETS = frozenset(
    {
        _ENTRY_POINT,
        contracts.SINGLE_SIGNER_MODULE,
        contracts.WEBAUTHN_MODULE,
        contracts.ALLOWLIST_MODULE,
        contracts.ALLOWLIST_MODULE_2_0_0,
        contracts.NATIVE_LIMIT_MODULE,
        contracts.TIME_RANGE_MODULE,
        contracts.PAYMASTER_GUARD_MODULE,
    }
)
"""Contracts through which a key could lift its own limits (semantics.md §6)."""

_ALWAYS_RISKY = (Root, AccountFunctions, FunctionsOnAllContracts)
_LIMITING = (NativeTokenTransfer, GasLimit)
_SELECTOR = re.compile(r"0x[0-9a-fA-F]{8}")


@frozen
class _Placed:
    permission: Permission
    node: Node


class PermissionsReader:
    """Reads the list of one session."""

    def __init__(self, reader: Reader, books: Books, chain: int | None) -> None:
        self.reader = reader
        self.books = books
        self.chain = chain

    def read(
        self, sequence: Sequence, *, risk_accepted: bool
    ) -> tuple[tuple[Permission, ...], tuple[Mark, ...]]:
        """Return the permissions and, in the same order, where each is written."""
        if not sequence.items:
            what, hint = "the list of permissions is empty", "write `permissions: derive`"
            self.reader.fault(Code.EMPTY, what, sequence, hint)
        before = len(self.reader.faults.errors)
        placed = [found for item in sequence if (found := self._item(item)) is not None]
        for place, each in enumerate(placed):
            self._check(each, placed[:place], risk_accepted=risk_accepted)
        calling = any(not isinstance(each.permission, _LIMITING) for each in placed)
        if placed and not calling and len(self.reader.faults.errors) == before:
            what = "these permissions limit the key, but none lets it call anything"
            hint = "add erc20-token-transfer, contract-access or functions-on-contract"
            self.reader.fault(Code.NOTHING_ALLOWED, what, placed[0].node, hint)
        return (
            tuple(each.permission for each in placed),
            tuple(each.node.mark for each in placed),
        )

    def _item(self, item: Node) -> _Placed | None:
        if isinstance(item, Scalar):
            word = self.reader.text(item)
            if word == "root":
                return _Placed(Root(), item)
            if word is not None:
                hint = did_you_mean(word, [*self._kinds, "root"], "permissions")
                if word in self._kinds:
                    hint = f"write `- {word}: …`"
                elif word == "derive":
                    hint = "write `permissions: derive`, without brackets"
                what = f"{shown(word)} is not a permission"
                self.reader.fault(Code.BAD_PERMISSION, what, item, hint)
            return None
        mapping = self.reader.mapping(item, PERMISSION)
        if mapping is None:
            return None
        entries = list(mapping.entries.items())
        if len(entries) != 1 and not mapping.partial:
            at = entries[1][1][0] if entries else mapping
            hint = "begin each permission with its own `- `"
            if not entries or entries[0][0] in self._kinds:
                self.reader.fault(Code.BAD_PERMISSION, "one permission an item", at, hint)
        if not entries:
            return None
        kind, (key, value) = entries[0]
        read = self._kinds.get(kind)
        if read is None:
            hint = did_you_mean(kind, [*self._kinds, "root"], "permissions")
            if kind == "root":
                hint = "it is a bare word: `- root`"
            what = f"{shown(kind)} is not a permission"
            self.reader.fault(Code.BAD_PERMISSION, what, key, hint)
            return None
        value.home = PERMISSION
        permission = read(self, value)
        return None if permission is None else _Placed(permission, value)

    def _native(self, node: Node) -> Permission | None:
        money = self.books.coin(node, self.chain)
        return NativeTokenTransfer(money.amount) if money.amount >= 0 else None

    def _gas_limit(self, node: Node) -> Permission | None:
        money = self.books.coin(node, self.chain)
        return GasLimit(money.amount) if money.amount >= 0 else None

    def _erc20(self, node: Node) -> Permission | None:
        money = self.books.money(node, self.chain)
        if money.amount < 0:
            return None
        if money.asset.address is None:
            what = "the chain's coin is not an ERC-20 token"
            self.reader.fault(Code.WRONG_ASSET, what, node, "write native-token-transfer")
            return None
        return Erc20TokenTransfer(money.asset.address, money.amount)

    def _access(self, node: Node) -> Permission | None:
        address = self._address(node)
        return None if address == ZERO_ADDRESS else ContractAccess(address)

    def _on_contract(self, node: Node) -> Permission | None:
        record = self.reader.record(node, FUNCTIONS_ON_CONTRACT)
        if record is None:
            return None
        contract, functions = record.get("contract"), record.get("functions")
        if contract is None or functions is None:
            return None
        address, selectors = self._address(contract), self._functions(functions)
        if address == ZERO_ADDRESS or not selectors:
            return None
        return FunctionsOnContract(address, selectors)

    def _account_functions(self, node: Node) -> Permission | None:
        selectors = self._listed(node)
        for item, selector in selectors:
            if selector in FORBIDDEN_ACCOUNT_FUNCTIONS:
                what = "no session key is ever granted this function of its account"
                self.reader.fault(Code.FUNCTION_REFUSED, what, item, "delete it")
        return AccountFunctions(tuple(s for _, s in selectors)) if selectors else None

    def _on_all(self, node: Node) -> Permission | None:
        selectors = tuple(selector for _, selector in self._listed(node))
        return FunctionsOnAllContracts(selectors) if selectors else None

    def _listed(self, node: Node) -> list[tuple[Node, bytes]]:
        """Read a list of functions, also where it stands in a map of one key."""
        if isinstance(node, Mapping):
            record = self.reader.record(node, FUNCTIONS)
            inner = None if record is None else record.get("functions")
            return [] if inner is None else self._selectors(inner)
        return self._selectors(node)

    def _functions(self, node: Node) -> tuple[bytes, ...]:
        return tuple(selector for _, selector in self._selectors(node))

    def _selectors(self, node: Node) -> list[tuple[Node, bytes]]:
        sequence = self.reader.sequence(node)
        if sequence is None:
            return []
        if not sequence.items:
            hint = 'name them: ["deposit(uint256)"]'
            self.reader.fault(Code.EMPTY, "no functions are named", node, hint)
        found: list[tuple[Node, bytes]] = []
        for item in sequence:
            selector = self.reader.read(item, parse_selector, b"")
            if selector and any(selector == other for _, other in found):
                what = "this function is listed twice"
                self.reader.fault(Code.PERMISSION_TWICE, what, item, "delete one of them")
            elif selector:
                found.append((item, selector))
        return found

    def _address(self, node: Node) -> Address:
        chain = self.chain
        return self.reader.read(node, lambda text: self.books.address(text, chain), ZERO_ADDRESS)

    def _check(self, placed: _Placed, earlier: list[_Placed], *, risk_accepted: bool) -> None:
        permission, node = placed.permission, placed.node
        others = [each.permission for each in earlier]
        if others and (isinstance(permission, Root) or any(isinstance(o, Root) for o in others)):
            what = "`root` stands alone: it allows everything, and nothing limits it"
            hint = "delete the other permissions, or `root`"
            self.reader.fault(Code.ROOT_NOT_ALONE, what, node, hint)
        elif any(_clash(permission, other) for other in others):
            what = f"`{permission.kind}` stands twice for the same thing"
            hint = "write one, with the sum or with all functions"
            self.reader.fault(Code.PERMISSION_TWICE, what, node, hint)
        if not risk_accepted and _risky(permission):
            what = f"`{permission.kind}` lets the key do more than it says, even widen itself"
            hint = 'if it must be, add `accept_risk: "the reason"` to the session'
            self.reader.fault(Code.RISK_NOT_ACCEPTED, what, node, hint)
        elif isinstance(permission, Root) and not others:
            what = "`root` lets a thief of the session key take everything"
            hint = "use `permissions: derive`"
            self.reader.faults.warn(Code.ROOT_GRANTED, what, node, hint)

    _kinds: dict[str, Callable[[PermissionsReader, Node], Permission | None]] = {  # noqa: RUF012
        "native-token-transfer": _native,
        "erc20-token-transfer": _erc20,
        "gas-limit": _gas_limit,
        "contract-access": _access,
        "account-functions": _account_functions,
        "functions-on-all-contracts": _on_all,
        "functions-on-contract": _on_contract,
    }


def parse_selector(text: str) -> bytes:
    """Read a function: its ABI signature, or the four bytes themselves."""
    if _SELECTOR.fullmatch(text):
        return bytes.fromhex(text[2:])
    try:
        return parse_function(text).selector
    except EncodingError as error:
        hint = error.hint or 'write it like "deposit(uint256 amount)", or as 0x and 8 hex digits'
        raise Refusal(Code.NOT_A_SIGNATURE, error.what, hint) from None


def _clash(permission: Permission, other: Permission) -> bool:
    """Tell whether the builder, or the contracts, would let one of two permissions win."""
    match permission, other:
        case (NativeTokenTransfer(), NativeTokenTransfer()) | (GasLimit(), GasLimit()):
            return True
        case Erc20TokenTransfer(), Erc20TokenTransfer():
            return permission.address == other.address
        case ContractAccess() | FunctionsOnContract(), ContractAccess() | FunctionsOnContract():
            return permission.address == other.address
        case AccountFunctions(), AccountFunctions():
            return not set(permission.functions).isdisjoint(other.functions)
    return False


def _risky(permission: Permission) -> bool:
    if isinstance(permission, ContractAccess | FunctionsOnContract):
        return permission.address in RISKY_TARGETS
    return isinstance(permission, _ALWAYS_RISKY)
