"""
The permissions behind an installation: the way back from bytes to what was granted.

What is found here is proved by going forth again: only an installation that these very permissions
would make, byte for byte, has permissions at all. Everything else was made by hand, and is shown
as modules and hooks.

Source: mav2.md §5 and §5.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.errors import EncodingError
from runner.ethereum import contracts
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.erc20 import APPROVE, TRANSFER
from runner.ethereum.installation import Installation, session_installation
from runner.ethereum.modules import (
    Allowlist,
    AllowlistEntry,
    NativeLimit,
    TimeRange,
    decode_module_data,
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
from runner.frozen import frozen

_TOKEN_CALLS = (APPROVE, TRANSFER)


@frozen
class Granted:
    """What a session was granted. `expiry` is the last valid second, unix time; 0 is none."""

    key: Address
    entity_id: int
    permissions: tuple[Permission, ...]
    expiry: int


def granted_by(installation: Installation) -> Granted | None:
    """
    Return the permissions that make this installation, or None if no permissions do.

    The order of permissions of different kinds does not reach the chain: limits come first here,
    then what may be called, in the order in which the module lists it.
    """
    key = installation.key
    if key is None:
        return None
    try:
        permissions, expiry = _read(installation)
        again = session_installation(
            permissions, key=key, entity_id=installation.entity_id, expiry=expiry
        )
    except EncodingError:
        return None
    alone = not installation.is_global or permissions == (Root(),)
    if again != installation or not alone:
        return None
    return Granted(key, installation.entity_id, permissions, expiry)


def _read(installation: Installation) -> tuple[tuple[Permission, ...], int]:
    """Guess from the hooks; whether the guess is right, the caller sees."""
    permissions: list[Permission] = [Root()] if installation.is_global else []
    expiry = 0
    limited: tuple[AllowlistEntry, ...] = ()
    allowed: tuple[AllowlistEntry, ...] = ()
    for hook in installation.hooks:
        match decode_module_data(hook.module, hook.init_data):
            case TimeRange(_, valid_until, _):
                expiry = valid_until
            case NativeLimit(_, limit) if hook.in_validation:
                permissions.append(GasLimit(limit))
            case NativeLimit(_, limit):
                permissions.append(NativeTokenTransfer(limit))
            case Allowlist(_, entries) if hook.in_validation:
                allowed = entries
            case Allowlist(_, entries):
                limited = entries
    return (*permissions, *_functions(installation), *_targets(allowed, limited)), expiry


def _functions(installation: Installation) -> Sequence[Permission]:
    """Account functions: the selectors less those that every session has which calls out."""
    selectors = installation.selectors
    if selectors[-2:] == (contracts.EXECUTE, contracts.EXECUTE_BATCH):
        selectors = selectors[:-2]
    return [AccountFunctions(selectors)] if selectors else []


def _targets(
    allowed: Sequence[AllowlistEntry], limited: Sequence[AllowlistEntry]
) -> Iterator[Permission]:
    """What may be called; tokens with a limit are listed twice, in the same order."""
    limits = list(limited)
    for entry in allowed:
        if entry.target == ZERO_ADDRESS:
            yield FunctionsOnAllContracts(entry.selectors)
        elif not entry.has_selector_allowlist:
            yield ContractAccess(entry.target)
        elif limits and (limits[0].target, _TOKEN_CALLS) == (entry.target, entry.selectors):
            yield Erc20TokenTransfer(entry.target, limits.pop(0).erc20_spend_limit)
        else:
            yield FunctionsOnContract(entry.target, entry.selectors)
