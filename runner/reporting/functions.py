"""
Functions that people meet in what they sign, by selector: names, parameters, and what is dangerous.

Source: ERC-20, ERC-2612, ERC-4337, mav2.md §10; semantics.md §6 for functions that lift limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from runner.ethereum.abi import Function, parse_function
from runner.reporting.values import hexed

_FUNCTIONS: Final[Mapping[str, str | None]] = {
    # Tokens.
    "transfer(address to, uint256 amount)": None,
    "approve(address spender, uint256 amount)": None,
    "transferFrom(address from, address to, uint256 amount)": None,
    "increaseAllowance(address spender, uint256 added)": None,
    "decreaseAllowance(address spender, uint256 taken)": None,
    "permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r,"
    " bytes32 s)": None,
    # The account.
    "execute(address target, uint256 value, bytes data)": None,
    "executeBatch((address,uint256,bytes)[] calls)": None,
    "executeWithRuntimeValidation(bytes data, bytes authorization)": None,
    "installValidation(bytes25 config, bytes4[] selectors, bytes data, bytes[] hooks)": None,
    "uninstallValidation(bytes24 validation, bytes data, bytes[] hooks)": None,
    "performCreate(uint256 value, bytes initCode, bool isCreate2, bytes32 salt)": None,
    "upgradeToAndCall(address implementation, bytes data)": "replaces the account's code",
    "updateFallbackSignerData(address signer, bool isDisabled)": "replaces the account's owner",
    "installExecution(address module, ((bytes4,bool,bool)[], (bytes4,uint32,bool,bool)[],"
    " bytes4[]) manifest, bytes data)": "gives the account the functions of a module",
    "uninstallExecution(address module, ((bytes4,bool,bool)[], (bytes4,uint32,bool,bool)[],"
    " bytes4[]) manifest, bytes data)": "takes functions from the account",
    # The entry point and the factory.
    "incrementNonce(uint192 key)": "voids what was signed for this nonce key",
    "depositTo(address account)": None,
    "withdrawTo(address receiver, uint256 amount)": "takes out what the account has deposited",
    "createSemiModularAccount(address owner, uint256 salt)": None,
    # The modules that hold a session's limits.
    "updateLimits(uint32 entity, uint256 limit)": "sets a session's limit on the coin",
    "updateLimits(uint32 entity, address token, bool isLimited, uint256 limit)": (
        "sets a session's limit on a token"
    ),
    "updateAllowlist(uint32 entity, (address,bool,bool,uint256,bytes4[])[] inputs)": (
        "changes what a session may call"
    ),
    "deleteAllowlist(uint32 entity, (address,bool,bool,uint256,bytes4[])[] inputs)": (
        "changes what a session may call"
    ),
    "setSelectorAllowlist(uint32 entity, address target, bytes4 selector, bool allowed)": (
        "changes what a session may call"
    ),
    "updateSpecialPaymaster(address paymaster, bool allowed)": "changes what counts as gas",
    "setTimeRange(uint32 entity, uint48 validUntil, uint48 validAfter)": (
        "changes how long a session lives"
    ),
    "transferSigner(uint32 entity, address signer)": "replaces a session's key",
}


def known_function(selector: bytes) -> tuple[Function, str | None] | None:
    """A function and what is dangerous in it; None if nobody here knows it."""
    return _by_selector().get(selector)


def name_of(selector: bytes) -> str:
    """The signature of a known function, else the selector itself."""
    known = known_function(selector)
    return hexed(selector) if known is None else known[0].signature


@cache
def _by_selector() -> Mapping[bytes, tuple[Function, str | None]]:
    read = ((parse_function(text), danger) for text, danger in _FUNCTIONS.items())
    return {function.selector: (function, danger) for function, danger in read}
