"""
One session key on one account, as the account and its modules store it.

Installing and uninstalling follow what was measured on the published contracts: an uninstall with
empty or misplaced hook data succeeds and leaves the modules' tables for the next session under
the same entity id.

Source: mav2.md §5 and §12; onchain-facts.md 1 and §6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import cache
from typing import Final

from runner.errors import EncodingError
from runner.ethereum import contracts
from runner.ethereum.abi_types import AbiType, parse_type, read_all
from runner.ethereum.address import Address
from runner.ethereum.hashing import keccak256
from runner.ethereum.installation import (
    Hook,
    Installation,
    Uninstallation,
    module_config,
    module_entity,
)
from runner.ethereum.words import uint_word
from runner.frozen import frozen
from runner.guard.scope import Allowances, Installed, Table
from runner.guard.scope_tables import Input
from runner.sandbox.evm import Log

VALIDATION_INSTALLED_TOPIC: Final = keccak256(b"ValidationInstalled(address,uint32)")
"""First topic of the event of an install."""

VALIDATION_UNINSTALLED_TOPIC: Final = keccak256(b"ValidationUninstalled(address,uint32,bool)")
"""First topic of the event of an uninstall."""

OWNER: Final = Installed(is_global=True)
"""The account's own validation, entity 0: everything is open to it."""

_NO_TABLE = Table()
_LIMIT_TYPES = ("uint32", "uint256")
_TIME_TYPES = ("uint32", "uint48", "uint48")
_ALLOWLIST_TYPES = ("uint32", "(address,bool,bool,uint256,bytes4[])[]")


class AccountReverted(Exception):
    """A function of the account reverts: `name` is the error's, `data` its revert data."""

    def __init__(self, signature: str, *words: bytes) -> None:
        super().__init__(signature)
        self.name = signature.partition("(")[0]
        self.data = keccak256(signature.encode())[:4] + b"".join(words)


@frozen
class Remains:
    """What modules still hold for an entity that is not installed."""

    allowlist: Table = _NO_TABLE
    spending: Table = _NO_TABLE
    erc20: Mapping[Address, int] = field(default_factory=dict)


@frozen
class Entity:
    """An installed session key: how it was installed, what it may do, what it may still spend."""

    installation: Installation
    key: Address
    session: Installed
    allowances: Allowances


def install(installation: Installation, remains: Remains | None) -> Entity:
    """
    Install a validation over what earlier ones left under its entity id.

    Raises:
        AccountReverted: The account or a module refuses it.
    """
    key = installation.key
    if key is None or any(hook.module not in _KNOWN for hook in installation.hooks):
        raise AccountReverted("ModuleInstallCallbackFailed(address,bytes)")
    if len(set(installation.selectors)) != len(installation.selectors):
        raise AccountReverted("ValidationAlreadySet(bytes4,bytes24)")
    left = remains or Remains()
    session = Installed(
        functions=frozenset(installation.selectors),
        is_global=installation.is_global,
        allowlist=left.allowlist,
        spending=left.spending,
    )
    allowances = Allowances(None, None, left.erc20)
    for hook in installation.hooks:
        try:
            session, allowances = _hooked(session, allowances, hook, installation.entity_id)
        except EncodingError:
            raise AccountReverted("ModuleInstallCallbackFailed(address,bytes)") from None
    return Entity(installation, key, session, allowances)


def uninstall(entity: Entity, asked: Uninstallation) -> tuple[Remains, bool]:
    """
    Take a validation away.

    Returns:
        What the modules keep, and the event's `onUninstallSucceeded`.

    Raises:
        AccountReverted: Hook data for another number of hooks.
    """
    session, erc20 = entity.session, dict(entity.allowances.erc20)
    remains = Remains(session.allowlist, session.spending, erc20)
    if not asked.hook_data:
        return remains, True
    backwards = tuple(reversed(entity.installation.hooks))
    hooks = [hook for hook in backwards if hook.in_validation]
    hooks += [hook for hook in backwards if not hook.in_validation]
    if len(hooks) != len(asked.hook_data):
        raise AccountReverted("ArrayLengthMismatch()")
    for hook, data in zip(hooks, asked.hook_data, strict=True):
        if not data:
            continue
        try:
            remains = _unhooked(remains, hook, data, entity.installation.entity_id)
        except EncodingError:
            return remains, False  # the first module that fails stops all that come after it
    return remains, len(asked.uninstall_data) >= 32


def delete_allowlist(remains: Remains, data: bytes, *, entity_id: int) -> Remains:
    """
    Take rows out of an entity's tables, as `AllowlistModule.deleteAllowlist` does.

    Raises:
        EncodingError: `data` is not its arguments.
    """
    named, rows = _rows(data)
    if named == entity_id:
        return replace(remains, allowlist=remains.allowlist.deleted(rows))
    if named == entity_id + contracts.SECOND_HOOK_OFFSET:
        gone = {row.target for row in rows if row.limited}
        left = {token: rest for token, rest in remains.erc20.items() if token not in gone}
        return replace(remains, spending=remains.spending.deleted(rows), erc20=left)
    return remains


def validation_data(entity: Entity | None) -> bytes:
    """Return what `getValidationData` answers: flags, validation and execution hooks, selectors."""
    installation = entity.installation if entity else None
    hooks = installation.hooks if installation else ()
    arrays = [
        _word_array([_hook_config(hook) for hook in hooks if hook.in_validation]),
        _word_array([_hook_config(hook) for hook in hooks if not hook.in_validation]),
        _word_array(installation.selectors if installation else ()),
    ]
    head = uint_word(installation.flags if installation else 0)
    place = 4 * 32
    for array in arrays:
        head += uint_word(place)
        place += len(array)
    return uint_word(32) + head + b"".join(arrays)


def installed_log(account: Address, installation: Installation) -> Log:
    """Return the event of an install."""
    return Log(account.lower(), (VALIDATION_INSTALLED_TOPIC, *_named(installation)), b"")


def uninstalled_log(account: Address, asked: Uninstallation, succeeded: bool) -> Log:
    """Return the event of an uninstall."""
    topics = (VALIDATION_UNINSTALLED_TOPIC, *_named(asked))
    return Log(account.lower(), topics, uint_word(succeeded))


def _named(validation: Installation | Uninstallation) -> tuple[bytes, bytes]:
    name = module_entity(validation.module, validation.entity_id)
    return name[:20].rjust(32, b"\0"), name[20:].rjust(32, b"\0")


def _hooked(
    session: Installed, allowances: Allowances, hook: Hook, entity_id: int
) -> tuple[Installed, Allowances]:
    """Install one hook: its module reads the data that came with it."""
    data = hook.init_data
    if hook.module == contracts.TIME_RANGE_MODULE:
        _, until, after = read_all(_parsed(_TIME_TYPES), data)
        return replace(session, valid_until=until, valid_after=after), allowances
    if hook.module == contracts.NATIVE_LIMIT_MODULE:
        _, limit = read_all(_parsed(_LIMIT_TYPES), data)
        if hook.in_validation:
            return replace(session, gas_hook=True), replace(allowances, gas=limit)
        return replace(session, native_hook=True), replace(allowances, native=limit)
    named, rows = _rows(data)
    if named == entity_id:
        table = session.allowlist.updated(rows)
        return replace(session, allowlist_hook=True, allowlist=table), allowances
    limits = {row.target: row.limit for row in rows if row.limited}
    table = session.spending.updated(rows)
    return (
        replace(session, token_hook=True, spending=table),
        replace(allowances, erc20={**allowances.erc20, **limits}),
    )


def _unhooked(remains: Remains, hook: Hook, data: bytes, entity_id: int) -> Remains:
    if hook.module == contracts.ALLOWLIST_MODULE:
        return delete_allowlist(remains, data, entity_id=entity_id)
    if len(data) < 32:
        raise EncodingError("uninstall data ends too early")
    return remains


def _rows(data: bytes) -> tuple[int, tuple[Input, ...]]:
    named, rows = read_all(_parsed(_ALLOWLIST_TYPES), data)
    return named, tuple(
        Input(target, by_selector, limited, limit, tuple(selectors))
        for target, by_selector, limited, limit, selectors in rows
    )


def _hook_config(hook: Hook) -> bytes:
    return module_config(hook.module, hook.entity_id, hook.flags)


def _word_array(values: Sequence[bytes]) -> bytes:
    return uint_word(len(values)) + b"".join(value.ljust(32, b"\0") for value in values)


@cache
def _parsed(types: tuple[str, ...]) -> tuple[AbiType, ...]:
    return tuple(parse_type(each) for each in types)


_KNOWN = (
    contracts.ALLOWLIST_MODULE,
    contracts.NATIVE_LIMIT_MODULE,
    contracts.TIME_RANGE_MODULE,
)

__all__ = [
    "OWNER",
    "VALIDATION_INSTALLED_TOPIC",
    "VALIDATION_UNINSTALLED_TOPIC",
    "AccountReverted",
    "Entity",
    "Remains",
    "delete_allowlist",
    "install",
    "installed_log",
    "uninstall",
    "uninstalled_log",
    "validation_data",
]
