"""
The modules of Modular Account v2: the data that each is installed with, both ways.

Every module's data begin with the entity that they are for, and are plain ABI; `decode_module_data`
takes them only as an encoder would write them, so equal values mean equal bytes.

Source: mav2.md §5 and §5.1; the modules' `onInstall`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from runner.errors import EncodingError
from runner.ethereum import contracts
from runner.ethereum.abi_types import AbiType, parse_type, read_all
from runner.ethereum.address import Address
from runner.ethereum.words import address_word, dynamic_array, uint_word
from runner.frozen import frozen


@frozen
class SingleSigner:
    """SingleSignerValidationModule: the one key of a validation."""

    entity_id: int
    key: Address


@frozen
class WebAuthn:
    """WebAuthnValidationModule: a passkey, as a point of P-256."""

    entity_id: int
    x: int
    y: int


@frozen
class TimeRange:
    """TimeRangeModule: first and last valid second, unix time; `valid_until` 0 has no end."""

    entity_id: int
    valid_until: int
    valid_after: int


@frozen
class NativeLimit:
    """NativeTokenLimitModule: wei to be sent, or wei of gas where it is hooked to validation."""

    entity_id: int
    limit: int


@frozen
class AllowlistEntry:
    """One `AllowlistInput`: a target, what may be called there, and what may be spent of it."""

    target: Address
    has_selector_allowlist: bool
    has_erc20_spend_limit: bool = False
    erc20_spend_limit: int = 0
    selectors: tuple[bytes, ...] = ()


@frozen
class Allowlist:
    """AllowlistModule: targets and selectors, or limits on tokens."""

    entity_id: int
    entries: tuple[AllowlistEntry, ...]


@frozen
class PaymasterGuard:
    """PaymasterGuardModule: the only paymaster that may be used. No permission installs it."""

    entity_id: int
    paymaster: Address


ModuleData = SingleSigner | WebAuthn | TimeRange | NativeLimit | Allowlist | PaymasterGuard


def encode_module_data(data: ModuleData) -> bytes:
    """
    Return the bytes that a module is installed with.

    Raises:
        EncodingError: A number is out of range, or a selector is not 4 bytes.
    """
    entity = uint_word(data.entity_id, 32, "entity id")
    match data:
        case SingleSigner(_, account) | PaymasterGuard(_, account):
            return entity + address_word(account)
        case WebAuthn(_, x, y):
            return entity + uint_word(x, what="x") + uint_word(y, what="y")
        case TimeRange(_, until, after):
            return entity + uint_word(until, 48, "expiry") + uint_word(after, 48, "valid after")
        case NativeLimit(_, limit):
            return entity + uint_word(limit, what="limit")
        case Allowlist(_, entries):
            return entity + uint_word(2 * 32) + dynamic_array([_entry(each) for each in entries])


def decode_module_data(module: Address, data: bytes) -> ModuleData:
    """
    Read what a module is installed with.

    Raises:
        EncodingError: A module that is not one of these, or not as an encoder would write it.
    """
    if module not in _SHAPES:
        raise EncodingError(f"not a known module: {module}")
    types, make = _SHAPES[module]
    return make(*read_all(_parsed(types), data))


def selector_array(selectors: Sequence[bytes]) -> bytes:
    """
    Return `bytes4[]`: the number of selectors, then each as a word.

    Raises:
        EncodingError: A selector is not 4 bytes.
    """
    for selector in selectors:
        if len(selector) != 4:
            raise EncodingError(f"a selector has 4 bytes, not {len(selector)}")
    return uint_word(len(selectors)) + b"".join(each.ljust(32, b"\0") for each in selectors)


def _entry(entry: AllowlistEntry) -> bytes:
    return (
        address_word(entry.target)
        + uint_word(entry.has_selector_allowlist)
        + uint_word(entry.has_erc20_spend_limit)
        + uint_word(entry.erc20_spend_limit, what="ERC-20 allowance")
        + uint_word(5 * 32)
        + selector_array(entry.selectors)
    )


def _allowlist(entity_id: int, entries: tuple[tuple[Any, ...], ...]) -> Allowlist:
    return Allowlist(entity_id, tuple(AllowlistEntry(*entry) for entry in entries))


_SHAPES: Final[Mapping[Address, tuple[tuple[str, ...], Callable[..., ModuleData]]]] = {
    contracts.SINGLE_SIGNER_MODULE: (("uint32", "address"), SingleSigner),
    contracts.WEBAUTHN_MODULE: (("uint32", "uint256", "uint256"), WebAuthn),
    contracts.TIME_RANGE_MODULE: (("uint32", "uint48", "uint48"), TimeRange),
    contracts.NATIVE_LIMIT_MODULE: (("uint32", "uint256"), NativeLimit),
    contracts.ALLOWLIST_MODULE: (
        ("uint32", "(address,bool,bool,uint256,bytes4[])[]"),
        _allowlist,
    ),
    contracts.PAYMASTER_GUARD_MODULE: (("uint32", "address"), PaymasterGuard),
}


@cache
def _parsed(types: tuple[str, ...]) -> tuple[AbiType, ...]:
    return tuple(parse_type(each) for each in types)
