"""
The smart account of a recorded case: validations, owner, and what its own functions do.

The account judges with `guard.scope`; this module adds what a verdict needs beyond a session's
scope: who signed, what installing and uninstalling change, and whether the calls themselves revert.

Source: mav2.md §2, §5, §7, §10 and §12; ERC-6900; SemiModularAccount 2.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from runner.ethereum import contracts
from runner.ethereum.address import ZERO_ADDRESS, Address, address_from_bytes
from runner.ethereum.installation import (
    HOOK_VALIDATION,
    VALIDATION_GLOBAL,
    Hook,
    Installation,
)
from runner.frozen import frozen
from runner.guard.cases_callees import Deposits, Gas, Token
from runner.guard.cases_modules import MODULE_ADDRESSES, ON_INSTALL, ON_UNINSTALL, Modules, Revert
from runner.guard.scope import Allowances, Form, Installed, read_operation
from runner.guard.solidity import Arguments, UndecodableError

_OWNER_SESSION: Final = Installed(is_global=True)
_HOOK_SIZE: Final = 25


class Callee(Protocol):
    """A contract outside the account."""

    def __call__(self, world: World, value: int, data: bytes, /) -> None:
        """
        Answer a call of the account; `value` in wei.

        Raises:
            Revert: The contract reverts.
        """


@frozen
class Validation:
    """One validation of the account, as `installValidation` left it."""

    module: Address
    is_global: bool
    functions: frozenset[bytes]
    hooks: tuple[Hook, ...]


@dataclass(slots=True)
class World:
    """
    One account and what it can reach. `balance` is its ether in wei.

    `stored_owner` is what `updateFallbackSignerData` wrote, the zero address for the first owner.
    """

    account: Address
    first_owner: Address
    delegated: bool  # EIP-7702: an EOA that runs the account's code
    implementations: frozenset[Address]
    callees: Mapping[Address, Callee]
    balance: int
    entry_point: Deposits
    tokens: dict[Address, Token]
    deployed: bool = True
    modules: Modules = field(default_factory=Modules)
    validations: dict[int, Validation] = field(default_factory=dict)
    stored_owner: Address = ZERO_ADDRESS
    owner_disabled: bool = False
    gas: Gas = field(default_factory=lambda: Gas(0))

    def copy(self) -> World:
        """Return a copy that changes apart from this one."""
        return replace(
            self,
            entry_point=self.entry_point.copy(),
            tokens={address: token.copy() for address, token in self.tokens.items()},
            modules=self.modules.copy(),
            validations=dict(self.validations),
            gas=Gas(self.gas.left),
        )

    @property
    def owner(self) -> Address:
        """
        Who signs for the owner validation.

        Raises:
            Revert: It is switched off.
        """
        if self.owner_disabled:
            raise Revert("FallbackSignerDisabled")
        return self.first_owner if self.stored_owner == ZERO_ADDRESS else self.stored_owner

    def signer(self, entity_id: int) -> Address:
        """
        Return whose signature a validation takes.

        Raises:
            Revert: It takes none.
        """
        if entity_id == contracts.OWNER_ENTITY:
            return self.owner
        validation = self.validations.get(entity_id)
        if validation is None or validation.module != contracts.SINGLE_SIGNER_MODULE:
            raise Revert("UserOpValidationInvalid")
        return self.modules.signers.get(entity_id, ZERO_ADDRESS)

    def session(self, entity_id: int) -> Installed:
        """Return what stands under an entity id, as `guard.scope` judges it."""
        if entity_id == contracts.OWNER_ENTITY:
            return _OWNER_SESSION
        validation = self.validations.get(entity_id)
        if validation is None:
            return Installed()
        hooks = _hook_entities(validation)
        until, after = self.modules.time_ranges.get(hooks.get(_TIME, -1), (0, 0))
        tables, blank = self.modules.tables, Installed()
        return Installed(
            functions=validation.functions,
            is_global=validation.is_global,
            valid_until=until,
            valid_after=after,
            native_hook=_NATIVE in hooks,
            token_hook=_TOKENS in hooks,
            gas_hook=_GAS in hooks,
            allowlist_hook=_ALLOWLIST in hooks,
            allowlist=tables.get(hooks.get(_ALLOWLIST, -1), blank.allowlist),
            spending=tables.get(hooks.get(_TOKENS, -1), blank.spending),
        )

    def allowances(self, entity_id: int) -> Allowances:
        """Return what the modules hold for a validation, hook by hook."""
        validation = self.validations.get(entity_id)
        hooks = {} if validation is None else _hook_entities(validation)
        limits = self.modules.native_limits
        return Allowances(
            limits.get(hooks[_NATIVE], 0) if _NATIVE in hooks else None,
            limits.get(hooks[_GAS], 0) if _GAS in hooks else None,
            self.modules.token_limits.get(hooks[_TOKENS], {}) if _TOKENS in hooks else {},
        )

    def store_allowances(self, entity_id: int, allowances: Allowances) -> None:
        """Write back what `guard.scope` has left."""
        validation = self.validations.get(entity_id)
        hooks = {} if validation is None else _hook_entities(validation)
        if _NATIVE in hooks and allowances.native is not None:
            self.modules.native_limits[hooks[_NATIVE]] = allowances.native
        if _GAS in hooks and allowances.gas is not None:
            self.modules.native_limits[hooks[_GAS]] = allowances.gas
        if _TOKENS in hooks:
            self.modules.token_limits[hooks[_TOKENS]] = dict(allowances.erc20)

    def install(self, installation: Installation) -> None:
        """
        Install a validation, or add to one.

        Raises:
            Revert: The account or a module refuses.
        """
        entity_id, module = installation.entity_id, installation.module
        if entity_id == contracts.OWNER_ENTITY and module != ZERO_ADDRESS:
            raise Revert("FallbackValidationInstallationNotAllowed")
        old = self.validations.get(entity_id, Validation(ZERO_ADDRESS, False, frozenset(), ()))
        if old.module not in (ZERO_ADDRESS, module):
            raise Revert("ValidationEntityIdInUse")
        listed = set(old.functions)
        for selector in installation.selectors:
            if selector in listed:
                raise Revert("ValidationAlreadySet")
            listed.add(selector)
        hooks = list(old.hooks)
        for hook in installation.hooks:
            if any(_same_hook(hook, other) for other in hooks):
                in_validation = hook.flags & HOOK_VALIDATION
                raise Revert(
                    "PreValidationHookDuplicate" if in_validation else "ExecutionHookAlreadySet"
                )
            hooks.append(hook)
            self._tell_module(hook.module, hook.init_data)
        self._tell_module(module, installation.install_data)
        self.validations[entity_id] = Validation(
            module, bool(installation.flags & VALIDATION_GLOBAL), frozenset(listed), tuple(hooks)
        )

    def uninstall(
        self, entity_id: int, module: Address, data: bytes, hook_data: tuple[bytes, ...]
    ) -> None:
        """
        Uninstall a validation. Modules that are given no data keep their tables.

        Raises:
            Revert: Hook data is given, but not one element for each hook.
        """
        validation = self.validations.pop(entity_id, None)
        hooks = () if validation is None else validation.hooks[::-1]
        hooks = (
            *(hook for hook in hooks if hook.flags & HOOK_VALIDATION),
            *(hook for hook in hooks if not hook.flags & HOOK_VALIDATION),
        )
        if hook_data and len(hook_data) != len(hooks):
            raise Revert("ArrayLengthMismatch")
        told = [(hook.module, each) for hook, each in zip(hooks, hook_data, strict=False)]
        for target, each in (*told, (module, data)):
            if each and not self._untell_module(target, each):
                return  # the first module that fails keeps all later ones from being told

    def send(self, to: Address, value: int, data: bytes) -> None:
        """
        Let the account call somebody.

        Raises:
            Revert: The call reverts, or the account lacks the ether.
        """
        if value > self.balance:
            raise Revert
        if to == self.account:
            self.call_account(to, value, data)
            return
        self.balance -= value
        try:
            if to in self.tokens:
                self.tokens[to].call(self.account, value, data)
            elif to in MODULE_ADDRESSES:
                if value:
                    raise Revert
                self.modules.call(to, data)
            elif to in self.callees:
                self.callees[to](self, value, data)
        except UndecodableError:
            raise Revert from None

    def call_account(self, sender: Address, value: int, data: bytes) -> None:
        """
        Call a function of the account.

        Args:
            sender: The EntryPoint, the account itself, or somebody who may do little.
            value: Wei sent along.
            data: Calldata.

        Raises:
            Revert: The function does not exist, is not for this caller, or fails.
        """
        if not data:
            return
        selector = data[:4].ljust(4, b"\0")
        function = _FUNCTIONS.get(selector) if len(data) >= 4 else None
        if function is None and selector not in _VIEWS:
            raise Revert("UnrecognizedFunction")
        if value and selector not in _PAYABLE:
            raise Revert
        if function is None:
            _view(selector, data)
            return
        trusted = sender in (self.account, _ENTRY_POINT)
        if not trusted and selector not in _OPEN:
            raise Revert("ValidationFunctionMissing")
        try:
            function(self, data)
        except UndecodableError:
            raise Revert from None

    def _tell_module(self, module: Address, data: bytes) -> None:
        if not data:
            return
        if module not in MODULE_ADDRESSES:
            raise Revert("InterfaceNotSupported")
        try:
            self.modules.call(module, ON_INSTALL + _as_bytes(data))
        except UndecodableError:
            raise Revert("ModuleInstallCallbackFailed") from None

    def _untell_module(self, module: Address, data: bytes) -> bool:
        try:
            self.modules.call(module, ON_UNINSTALL + _as_bytes(data))
        except (Revert, UndecodableError, KeyError):
            return False
        return True

    def _run_calls(self, data: bytes) -> None:
        operation = read_operation(data, account=self.account)
        if operation.form is Form.DIRECT or operation.calls is None:
            raise Revert
        for call in operation.calls:
            self.send(call.to, call.value, call.data)

    def _install_validation(self, data: bytes) -> None:
        arguments = Arguments(data, 4)
        module, entity_id, flags = _module_config(arguments.fixed(0, _HOOK_SIZE))
        hooks = []
        for each in arguments.bytes_items(3):
            if len(each) < _HOOK_SIZE:
                raise Revert
            hooks.append(Hook(*_module_config(each), each[_HOOK_SIZE:]))
        selectors, install_data = arguments.fixed_items(1, 4), arguments.dynamic_bytes(2)
        self.install(Installation(module, entity_id, flags, selectors, install_data, tuple(hooks)))

    def _uninstall_validation(self, data: bytes) -> None:
        arguments = Arguments(data, 4)
        entity = arguments.fixed(0, 24)
        self.uninstall(
            int.from_bytes(entity[20:], "big"),
            address_from_bytes(entity[:20]),
            arguments.dynamic_bytes(1),
            arguments.bytes_items(2),
        )

    def _update_owner(self, data: bytes) -> None:
        arguments = Arguments(data, 4)
        owner, disabled = arguments.address(0), arguments.boolean(1)
        self.stored_owner, self.owner_disabled = owner, disabled

    def _create(self, data: bytes) -> None:
        arguments = Arguments(data, 4)
        value, _ = arguments.uint(0), arguments.dynamic_bytes(1)
        arguments.boolean(2), arguments.word(3)
        if value > self.balance:
            raise Revert("CreateFailed")
        self.balance -= value

    def _upgrade(self, data: bytes) -> None:
        if self.delegated:
            raise Revert("UpgradeNotAllowed")
        arguments = Arguments(data, 4)
        implementation, _ = arguments.address(0), arguments.dynamic_bytes(1)
        if implementation not in self.implementations:
            raise Revert("UpgradeFailed")

    def _install_execution(self, data: bytes) -> None:
        arguments = Arguments(data, 4)
        module, _, _ = arguments.address(0), arguments.nested(1), arguments.dynamic_bytes(2)
        if module == ZERO_ADDRESS:
            raise Revert("NullModule")

    def _uninstall_execution(self, data: bytes) -> None:
        arguments = Arguments(data, 4)
        arguments.address(0), arguments.nested(1), arguments.dynamic_bytes(2)

    def _from_entry_point_only(self, data: bytes) -> None:
        # Both take an operation first; the EntryPoint's own way in does not come through here.
        arguments = Arguments(data, 4)
        arguments.word(1), arguments.nested(0).word(_OPERATION_WORDS - 1)
        raise Revert("NotEntryPoint")

    def _refuse(self, _: bytes) -> None:
        # What these take (an operation, signatures) is not what a session's calls carry.
        raise Revert


_ENTRY_POINT: Final = Address("0x0000000071727De22E5E9d8BAf0edAc6f37da032")
_VALIDATE_USER_OP: Final = bytes.fromhex("19822f7c")
_OPERATION_WORDS: Final = 9
_TIME, _NATIVE, _TOKENS, _GAS, _ALLOWLIST = range(5)
_KINDS: Final = {
    (contracts.TIME_RANGE_MODULE, True): _TIME,
    (contracts.NATIVE_LIMIT_MODULE, False): _NATIVE,
    (contracts.ALLOWLIST_MODULE, False): _TOKENS,
    (contracts.NATIVE_LIMIT_MODULE, True): _GAS,
    (contracts.ALLOWLIST_MODULE, True): _ALLOWLIST,
}
# Private methods of `World`, bound here to the selectors under which the account answers to them.
_FUNCTIONS: Final[dict[bytes, Callable[[World, bytes], None]]] = {
    contracts.EXECUTE: World._run_calls,
    contracts.EXECUTE_BATCH: World._run_calls,
    contracts.INSTALL_VALIDATION: World._install_validation,
    contracts.UNINSTALL_VALIDATION: World._uninstall_validation,
    contracts.INSTALL_EXECUTION: World._install_execution,
    contracts.UNINSTALL_EXECUTION: World._uninstall_execution,
    contracts.UPDATE_FALLBACK_SIGNER: World._update_owner,
    contracts.PERFORM_CREATE: World._create,
    contracts.UPGRADE_TO_AND_CALL: World._upgrade,
    contracts.EXECUTE_USER_OP: World._from_entry_point_only,
    _VALIDATE_USER_OP: World._from_entry_point_only,
    contracts.EXECUTE_WITH_RUNTIME_VALIDATION: World._refuse,
    contracts.IS_VALID_SIGNATURE: World._refuse,
}
_OPEN: Final = frozenset(
    {
        contracts.EXECUTE_USER_OP,
        _VALIDATE_USER_OP,
        contracts.EXECUTE_WITH_RUNTIME_VALIDATION,
        contracts.IS_VALID_SIGNATURE,
    }
)
"""Functions that look at their caller themselves, or not at all."""

_PAYABLE: Final = frozenset(
    {
        contracts.EXECUTE,
        contracts.EXECUTE_BATCH,
        contracts.PERFORM_CREATE,
        contracts.UPGRADE_TO_AND_CALL,
    }
)
_VIEWS: Final = {
    bytes.fromhex("9cfd7cff"): 0,  # accountId()
    bytes.fromhex("b0d691fe"): 0,  # entryPoint()
    bytes.fromhex("a8b04729"): 0,  # getFallbackSignerData()
    bytes.fromhex("01ffc9a7"): 4,  # supportsInterface(bytes4)
    bytes.fromhex("757c8a26"): 4,  # getExecutionData(bytes4)
    contracts.GET_VALIDATION_DATA: 24,
    bytes.fromhex("52d1902d"): -1,  # proxiableUUID(), which a proxy refuses
}
"""Functions that change nothing, with the size of their one argument, a `bytesN`."""


def _view(selector: bytes, data: bytes) -> None:
    size = _VIEWS[selector]
    if size < 0:
        raise Revert("UnauthorizedCallContext")
    if size:
        try:
            Arguments(data, 4).fixed(0, size)
        except UndecodableError:
            raise Revert from None


def _hook_entities(validation: Validation) -> dict[int, int]:
    found = {}
    for hook in validation.hooks:
        kind = _KINDS.get((hook.module, bool(hook.flags & HOOK_VALIDATION)))
        if kind is not None:
            found[kind] = hook.entity_id
    return found


def _same_hook(one: Hook, other: Hook) -> bool:
    return (one.module, one.entity_id, one.flags) == (other.module, other.entity_id, other.flags)


def _module_config(raw: bytes) -> tuple[Address, int, int]:
    return address_from_bytes(raw[:20]), int.from_bytes(raw[20:24], "big"), raw[24]


def _as_bytes(data: bytes) -> bytes:
    return (32).to_bytes(32, "big") + len(data).to_bytes(32, "big") + data
