"""
What an operation changes outside of the EVM: session keys, owners, given-up nonces, leftovers.

The contracts log a marker wherever the account, the entry point or a module would have acted, so
order and rollback are the EVM's own; here the markers are read, carried out and taken away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from runner.errors import EncodingError
from runner.ethereum import contracts
from runner.ethereum.address import Address, address_from_bytes
from runner.ethereum.installation import decode_install_validation, decode_uninstall_validation
from runner.sandbox import artefacts
from runner.sandbox.entity import (
    AccountReverted,
    Entity,
    Remains,
    delete_allowlist,
    install,
    installed_log,
    uninstall,
    uninstalled_log,
)
from runner.sandbox.evm import Log

Slot = tuple[Address, int]
"""An account and an entity id."""

MARKERS: Final = frozenset(
    {
        artefacts.ACCOUNT_FUNCTION_TOPIC,
        artefacts.NONCE_INCREMENTED_TOPIC,
        artefacts.RECORDED_TOPIC,
    }
)
"""First topics of the logs that stand for something to be carried out."""

_DELETE_ALLOWLIST = bytes.fromhex("c67151f6")


@dataclass(slots=True)
class Effects:
    """The state after the markers, the logs to show, and the nonce keys that lost a number."""

    entities: dict[Slot, Entity]
    remains: dict[Slot, Remains]
    owners: dict[Address, Address]
    logs: list[Log] = field(default_factory=list)
    incremented: list[tuple[Address, int]] = field(default_factory=list)


def carry_out(
    logs: tuple[Log, ...],
    entities: dict[Slot, Entity],
    remains: dict[Slot, Remains],
    owners: dict[Address, Address],
) -> Effects:
    """
    Read the markers in the logs of one transaction; what is given stays as it is.

    Raises:
        AccountReverted: A function of the account would revert.
    """
    effects = Effects(dict(entities), dict(remains), dict(owners))
    for log in logs:
        topic = log.topics[0] if log.topics else b""
        if topic not in MARKERS:
            effects.logs.append(log)
        elif topic == artefacts.NONCE_INCREMENTED_TOPIC:
            effects.incremented.append(artefacts.incremented_nonce(log.data))
        elif topic == artefacts.RECORDED_TOPIC:
            _module_called(effects, log)
        else:
            account = address_from_bytes(bytes.fromhex(log.address[2:]))
            effects.logs += _account_function(effects, account, artefacts.marked_call(log.data))
    return effects


def _account_function(effects: Effects, account: Address, call: bytes) -> list[Log]:
    selector = call[:4]
    try:
        if selector == contracts.INSTALL_VALIDATION:
            return [_installed(effects, account, call)]
        if selector == contracts.UNINSTALL_VALIDATION:
            return [_uninstalled(effects, account, call)]
    except EncodingError:
        raise AccountReverted("InvalidCallData()") from None
    if selector == contracts.UPDATE_FALLBACK_SIGNER and len(call) == 4 + 2 * 32:
        effects.owners[account] = address_from_bytes(call[16:36])
        return []
    raise AccountReverted("UnrecognizedFunction(bytes4)", selector.ljust(32, b"\0"))


def _installed(effects: Effects, account: Address, call: bytes) -> Log:
    installation = decode_install_validation(call)
    slot = (account, installation.entity_id)
    if slot in effects.entities:
        raise AccountReverted("ValidationAlreadySet(bytes4,bytes24)", bytes(32), bytes(32))
    effects.entities[slot] = install(installation, effects.remains.pop(slot, None))
    return installed_log(account, installation)


def _uninstalled(effects: Effects, account: Address, call: bytes) -> Log:
    asked = decode_uninstall_validation(call)
    slot = (account, asked.entity_id)
    standing = effects.entities.get(slot)
    if standing is None or standing.installation.module != asked.module:
        # Measured: a wrong entity id succeeds silently.
        return uninstalled_log(account, asked, True)
    effects.remains[slot], succeeded = uninstall(standing, asked)
    del effects.entities[slot]
    return uninstalled_log(account, asked, succeeded)


def _module_called(effects: Effects, log: Log) -> None:
    """Of all calls to modules, only the mending of leftovers changes anything here."""
    caller, call = artefacts.recorded_call(log.data)
    if log.address != contracts.ALLOWLIST_MODULE.lower() or call[:4] != _DELETE_ALLOWLIST:
        return
    for slot, left in effects.remains.items():
        if slot[0] == caller:
            try:
                effects.remains[slot] = delete_allowlist(left, call[4:], entity_id=slot[1])
            except EncodingError:
                return
