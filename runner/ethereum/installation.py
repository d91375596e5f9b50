"""
Installing and uninstalling a session: permissions as module hooks, byte for byte.

A session key is a validation of its own on the account: the single-signer module with the key,
the account functions it may call, and up to five hooks that hold its permissions.

Source: mav2.md §5, §5.1 and §12; ERC-6900.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, TypeVar

from runner.errors import EncodingError
from runner.ethereum import contracts
from runner.ethereum.abi_types import AbiType, parse_type, read_all
from runner.ethereum.address import ZERO_ADDRESS, Address, address_bytes, address_from_bytes
from runner.ethereum.erc20 import APPROVE, TRANSFER
from runner.ethereum.modules import (
    Allowlist,
    AllowlistEntry,
    ModuleData,
    NativeLimit,
    SingleSigner,
    TimeRange,
    decode_module_data,
    encode_module_data,
    selector_array,
)
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
from runner.ethereum.words import bytes_tail, dynamic_array, uint_bytes, uint_word
from runner.frozen import frozen

VALIDATION_USER_OP: Final = 1
"""Validation flag: validates user operations."""

VALIDATION_SIGNATURE: Final = 2
"""Validation flag: validates ERC-1271 signatures; no session has it."""

VALIDATION_GLOBAL: Final = 4
"""Validation flag: not bound to a list of account functions."""

HOOK_VALIDATION: Final = 1
"""Hook flag: runs in validation; without it, around the execution."""

HOOK_HAS_POST: Final = 2
"""Hook flag: has a post hook."""

HOOK_HAS_PRE: Final = 4
"""Hook flag: has a pre hook."""

_Limit = TypeVar("_Limit", NativeTokenTransfer, GasLimit)

_EXECUTION_HOOKS = frozenset({NativeTokenTransfer, Erc20TokenTransfer})
"""Permissions whose hooks stand before the execution."""

_INSTALL_TYPES = ("bytes25", "bytes4[]", "bytes", "bytes[]")
_UNINSTALL_TYPES = ("bytes24", "bytes", "bytes[]")


@frozen
class Hook:
    """One module hooked to a validation, with the data it is installed with."""

    module: Address
    entity_id: int
    flags: int
    init_data: bytes

    @property
    def in_validation(self) -> bool:
        """Whether it judges before execution."""
        return bool(self.flags & HOOK_VALIDATION)


@frozen
class Installation:
    """
    What an `installValidation` call installs.

    `key` is the session key if the module is the single-signer module and `install_data` is
    laid out as that module reads it for this entity, else None.
    """

    module: Address
    entity_id: int
    flags: int
    selectors: tuple[bytes, ...]
    install_data: bytes
    hooks: tuple[Hook, ...]

    @property
    def is_global(self) -> bool:
        """Whether the validation is bound to no list of account functions."""
        return bool(self.flags & VALIDATION_GLOBAL)

    @property
    def key(self) -> Address | None:
        """The session key's address."""
        try:
            data = decode_module_data(self.module, self.install_data)
        except EncodingError:
            return None
        if isinstance(data, SingleSigner) and data.entity_id == self.entity_id:
            return data.key
        return None


@frozen
class Uninstallation:
    """What an `uninstallValidation` call takes away; `hook_data` is one element for each hook."""

    module: Address
    entity_id: int
    uninstall_data: bytes
    hook_data: tuple[bytes, ...]


def is_global(permissions: Sequence[Permission]) -> bool:
    """Return whether these permissions make a global validation (root)."""
    return Root in map(type, permissions)


def has_execution_hooks(permissions: Sequence[Permission]) -> bool:
    """Return whether these permissions install an execution hook, which asks for executeUserOp."""
    return not _EXECUTION_HOOKS.isdisjoint(map(type, permissions))


def session_installation(
    permissions: Sequence[Permission], *, key: Address, entity_id: int, expiry: int
) -> Installation:
    """
    Return what a grant installs.

    Args:
        permissions: What the key may do.
        key: Address of the session key.
        entity_id: 1 to 2**31 - 2.
        expiry: Last valid second, unix time; 0 never expires.

    Raises:
        EncodingError: The entity id, the expiry, an amount or a selector is out of range.
    """
    if not 1 <= entity_id <= contracts.LARGEST_ENTITY_ID:
        raise EncodingError(f"entity id {entity_id} is not in 1 to {contracts.LARGEST_ENTITY_ID}")
    return Installation(
        module=contracts.SINGLE_SIGNER_MODULE,
        entity_id=entity_id,
        flags=VALIDATION_USER_OP | (VALIDATION_GLOBAL if is_global(permissions) else 0),
        selectors=_account_selectors(permissions),
        install_data=encode_module_data(SingleSigner(entity_id, key)),
        hooks=_hooks(permissions, entity_id, expiry),
    )


def install_validation(
    permissions: Sequence[Permission], *, key: Address, entity_id: int, expiry: int
) -> bytes:
    """
    Return the `installValidation` call of a grant; arguments as in `session_installation`.

    Raises:
        EncodingError: The entity id, the expiry, an amount or a selector is out of range.
    """
    return encode_installation(
        session_installation(permissions, key=key, entity_id=entity_id, expiry=expiry)
    )


def encode_installation(installation: Installation) -> bytes:
    """
    Return the `installValidation` call of an installation.

    Raises:
        EncodingError: A selector is not 4 bytes, or a number is out of range.
    """
    selectors = selector_array(installation.selectors)
    install_data = bytes_tail(installation.install_data)
    hooks = dynamic_array(
        [
            bytes_tail(module_config(hook.module, hook.entity_id, hook.flags) + hook.init_data)
            for hook in installation.hooks
        ]
    )
    config = module_config(installation.module, installation.entity_id, installation.flags)
    return (
        contracts.INSTALL_VALIDATION
        + config.ljust(32, b"\0")
        + _offsets(4, selectors, install_data, hooks)
    )


def decode_install_validation(data: bytes) -> Installation:
    """
    Read an `installValidation` call.

    Raises:
        EncodingError: Another call, or not as an encoder would write it.
    """
    config, selectors, install_data, hooks = _read_call(
        contracts.INSTALL_VALIDATION, _INSTALL_TYPES, data, "installValidation"
    )
    return Installation(
        *decode_module_config(config),
        selectors,
        install_data,
        tuple(_read_hook(hook) for hook in hooks),
    )


def uninstall_validation(
    permissions: Sequence[Permission], *, entity_id: int, expiry: int
) -> bytes:
    """
    Return the `uninstallValidation` call that leaves nothing of a grant behind.

    Args:
        permissions: What was granted.
        entity_id: The grant's entity.
        expiry: The grant's expiry; 0 if it had none.

    Raises:
        EncodingError: The entity id, the expiry, an amount or a selector is out of range.
    """
    return encode_uninstallation(
        session_installation(permissions, key=ZERO_ADDRESS, entity_id=entity_id, expiry=expiry)
    )


def encode_uninstallation(installation: Installation) -> bytes:
    """
    Return the `uninstallValidation` call that undoes an installation of the known modules.

    Raises:
        EncodingError: A hook is of a module whose uninstall data we do not know.

    Source: mav2.md §12: validation hooks backwards, then execution hooks backwards. The account
    takes any other order without complaint, and the modules keep their tables.
    """
    backwards = tuple(reversed(installation.hooks))
    hooks = [hook for hook in backwards if hook.in_validation]
    hooks += [hook for hook in backwards if not hook.in_validation]
    entity = module_entity(installation.module, installation.entity_id)
    return (
        contracts.UNINSTALL_VALIDATION
        + entity.ljust(32, b"\0")
        + _offsets(
            3,
            bytes_tail(uint_word(installation.entity_id, 32)),
            dynamic_array([bytes_tail(_uninstall_data(hook)) for hook in hooks]),
        )
    )


def decode_uninstall_validation(data: bytes) -> Uninstallation:
    """
    Read an `uninstallValidation` call.

    Raises:
        EncodingError: Another call, or not as an encoder would write it.
    """
    entity, uninstall_data, hook_data = _read_call(
        contracts.UNINSTALL_VALIDATION, _UNINSTALL_TYPES, data, "uninstallValidation"
    )
    module, entity_id, _ = decode_module_config(entity + b"\0")
    return Uninstallation(module, entity_id, uninstall_data, hook_data)


def module_entity(module: Address, entity_id: int) -> bytes:
    """Return module ‖ entity id, 24 bytes: the name of a validation on an account."""
    return address_bytes(module) + uint_bytes(entity_id, 32, "entity id")


def module_config(module: Address, entity_id: int, flags: int) -> bytes:
    """Return module ‖ entity id ‖ flags, 25 bytes: a validation or hook and how it is bound."""
    return module_entity(module, entity_id) + uint_bytes(flags, 8, "flags")


def decode_module_config(config: bytes) -> tuple[Address, int, int]:
    """
    Return module, entity id and flags.

    Raises:
        EncodingError: Not 25 bytes.
    """
    if len(config) != 25:
        raise EncodingError(f"a module's configuration has 25 bytes, not {len(config)}")
    return address_from_bytes(config[:20]), int.from_bytes(config[20:24], "big"), config[24]


def _account_selectors(permissions: Sequence[Permission]) -> tuple[bytes, ...]:
    """Return the account functions that a key may have called (mav2.md §5)."""
    calls_out = (Erc20TokenTransfer, ContractAccess, FunctionsOnAllContracts, FunctionsOnContract)
    selectors: list[bytes] = []
    for permission in permissions:
        if isinstance(permission, AccountFunctions):
            selectors += permission.functions
    if any(isinstance(permission, calls_out) for permission in permissions):
        selectors += (contracts.EXECUTE, contracts.EXECUTE_BATCH)
    return tuple(selectors)


def _hooks(permissions: Sequence[Permission], entity: int, expiry: int) -> tuple[Hook, ...]:
    """Return the hooks in the fixed order of mav2.md §5.1."""
    second = entity + contracts.SECOND_HOOK_OFFSET
    in_validation = HOOK_VALIDATION | HOOK_HAS_PRE
    found: list[tuple[Address, int, ModuleData]] = []
    if expiry:
        valid = TimeRange(entity, expiry, 0)
        found.append((contracts.TIME_RANGE_MODULE, HOOK_VALIDATION, valid))
    natives = [each for each in permissions if isinstance(each, NativeTokenTransfer)]
    for native in _at_most_one(natives):
        limit = NativeLimit(entity, native.allowance)
        found.append((contracts.NATIVE_LIMIT_MODULE, HOOK_HAS_PRE, limit))
    tokens = tuple(
        AllowlistEntry(token.address, False, True, token.allowance)
        for token in permissions
        if isinstance(token, Erc20TokenTransfer)
    )
    if tokens:
        found.append((contracts.ALLOWLIST_MODULE, HOOK_HAS_PRE, Allowlist(second, tokens)))
    for gas in _at_most_one([each for each in permissions if isinstance(each, GasLimit)]):
        limit = NativeLimit(second, gas.limit)
        found.append((contracts.NATIVE_LIMIT_MODULE, in_validation, limit))
    allowed = tuple(entry for entry in map(_allowed, permissions) if entry is not None)
    if allowed:
        found.append((contracts.ALLOWLIST_MODULE, in_validation, Allowlist(entity, allowed)))
    return tuple(
        Hook(module, data.entity_id, flags, encode_module_data(data))
        for module, flags, data in found
    )


def _at_most_one(limits: list[_Limit]) -> list[_Limit]:
    if len(limits) > 1:
        raise EncodingError(f"two {limits[0].kind} permissions: a session has one such limit")
    return limits


def _allowed(permission: Permission) -> AllowlistEntry | None:
    """Return what a permission adds to the list of allowed targets."""
    match permission:
        case Erc20TokenTransfer(address):
            return AllowlistEntry(address, True, selectors=(APPROVE, TRANSFER))
        case ContractAccess(address):
            return AllowlistEntry(address, False)
        case FunctionsOnContract(address, functions):
            return AllowlistEntry(address, True, selectors=functions)
        case FunctionsOnAllContracts(functions):
            return AllowlistEntry(ZERO_ADDRESS, False, selectors=functions)
    return None


def _uninstall_data(hook: Hook) -> bytes:
    if hook.module == contracts.ALLOWLIST_MODULE:
        return hook.init_data
    if hook.module in (contracts.NATIVE_LIMIT_MODULE, contracts.TIME_RANGE_MODULE):
        return uint_word(hook.entity_id, 32)
    raise EncodingError(f"no uninstall data known for the module {hook.module}")


def _offsets(heads: int, *tails: bytes) -> bytes:
    """Return the offsets of dynamic parts, the last of `heads` words, and the parts."""
    offsets, place = [], 32 * heads
    for tail in tails:
        offsets.append(uint_word(place))
        place += len(tail)
    return b"".join((*offsets, *tails))


def _read_call(selector: bytes, types: tuple[str, ...], data: bytes, name: str) -> tuple[Any, ...]:
    if data[:4] != selector:
        raise EncodingError(f"not a call of {name}: 0x{data[:4].hex()}…")
    return read_all(_parsed(types), data[4:])


def _read_hook(data: bytes) -> Hook:
    return Hook(*decode_module_config(data[:25]), data[25:])


@cache
def _parsed(types: tuple[str, ...]) -> tuple[AbiType, ...]:
    return tuple(parse_type(each) for each in types)
