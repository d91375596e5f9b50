"""
Modular Account v2: what its operations call, and where an account lives.

The other parts of the account are reached from here too: `contracts` (addresses, selectors),
`installation` (installing and uninstalling a session), `grants` (what the owner signs),
`permission_check` (what the session builder refuses).

Source: mav2.md §6, §9 and §12; ERC-6900 for `execute` and `executeBatch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

from runner.errors import EncodingError
from runner.ethereum.abi_types import (
    AbiType,
    TupleType,
    make_array,
    make_tuple,
    parse_type,
    read_all,
)
from runner.ethereum.address import Address, address_bytes, address_from_bytes
from runner.ethereum.calls import Call
from runner.ethereum.contracts import (
    ALLOWLIST_MODULE,
    CREATE_SEMI_MODULAR_ACCOUNT,
    DELEGATE_7702,
    EXECUTE,
    EXECUTE_BATCH,
    EXECUTE_USER_OP,
    FACTORY,
    INCREMENT_NONCE,
    INSTALL_VALIDATION,
    NATIVE_LIMIT_MODULE,
    PAYMASTER_GUARD_MODULE,
    SEMI_MODULAR_IMPLEMENTATION,
    SINGLE_SIGNER_MODULE,
    TIME_RANGE_MODULE,
    UNINSTALL_VALIDATION,
)
from runner.ethereum.grants import (
    DUMMY_SIGNATURE,
    decode_context,
    deferred_action,
    deferred_action_bytes,
    grant_nonce,
    session_context,
    wrap_session_signature,
)
from runner.ethereum.hashing import keccak256
from runner.ethereum.installation import (
    Hook,
    Installation,
    decode_install_validation,
    decode_uninstall_validation,
    has_execution_hooks,
    install_validation,
    is_global,
    uninstall_validation,
)
from runner.ethereum.permission_check import PermissionRefused, check_permissions
from runner.ethereum.words import address_word, bytes_tail, dynamic_array, uint_word
from runner.frozen import frozen

__all__ = [
    "ALLOWLIST_MODULE",
    "DELEGATE_7702",
    "DUMMY_SIGNATURE",
    "EXECUTE",
    "EXECUTE_BATCH",
    "EXECUTE_USER_OP",
    "FACTORY",
    "INCREMENT_NONCE",
    "INSTALL_VALIDATION",
    "NATIVE_LIMIT_MODULE",
    "PAYMASTER_GUARD_MODULE",
    "SEMI_MODULAR_IMPLEMENTATION",
    "SINGLE_SIGNER_MODULE",
    "TIME_RANGE_MODULE",
    "UNINSTALL_VALIDATION",
    "DecodedCallData",
    "Form",
    "Hook",
    "Installation",
    "PermissionRefused",
    "check_permissions",
    "decode_call_data",
    "decode_context",
    "decode_install_validation",
    "decode_uninstall_validation",
    "deferred_action",
    "deferred_action_bytes",
    "encode_call_data",
    "factory_data",
    "grant_nonce",
    "has_execution_hooks",
    "increment_nonce",
    "install_validation",
    "is_global",
    "semi_modular_account_address",
    "session_context",
    "uninstall_validation",
    "wrap_session_signature",
]

Form = Literal["execute", "executeBatch"]
"""How calls are handed to the account."""

# A call, as a tuple: target, value, and the offset of its data, which is always the same.
_DATA_OFFSET = uint_word(3 * 32)
_BATCH_OFFSET = uint_word(32)

_FALLBACK_SALT = b"\xff\xff\xff\xff"
_PROXY_START = bytes.fromhex("6100513d8160233d3973")
_PROXY_END = bytes.fromhex(
    "60095155f3363d3d373d3d363d7f360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
    "545af43d6000803e6038573d6000fd5b3d6000f3"
)


@frozen
class DecodedCallData:
    """
    What call data make the account do.

    `user_op_context` tells whether the executeUserOp prefix hands the operation to execution
    hooks.
    """

    calls: tuple[Call, ...]
    form: Form
    user_op_context: bool


def encode_call_data(
    calls: Sequence[Call],
    *,
    account: Address,
    execution_hooks: bool,
    single: Form = "executeBatch",
) -> bytes:
    """
    Return the call data of an operation that makes these calls.

    Args:
        calls: In order; none makes an operation that does nothing but install or burn.
        account: The account; with `execute`, one call to itself is its call data as it is.
        execution_hooks: Whether the signing validation has execution hooks.
        single: How one call is wrapped; several, or none, always are a batch.

    Raises:
        EncodingError: A value is not a uint256, or a bare call to the account carries value.
    """
    prefix = EXECUTE_USER_OP if execution_hooks else b""
    if len(calls) != 1 or single == "executeBatch":
        batch = dynamic_array([_call_tuple(call) for call in calls])
        return prefix + EXECUTE_BATCH + _BATCH_OFFSET + batch
    call = calls[0]
    if call.to != account:
        return prefix + EXECUTE + _call_tuple(call)
    if call.value or len(call.data) < 4:
        raise EncodingError("a bare call to the account itself carries a function and no value")
    return prefix + call.data


def decode_call_data(data: bytes) -> DecodedCallData:
    """
    Read call data back into calls; encoding these gives the same bytes.

    Raises:
        EncodingError: Neither `execute` nor `executeBatch` behind at most one executeUserOp
            prefix, or not as an encoder would write it.
    """
    user_op_context = data[:4] == EXECUTE_USER_OP
    body = data[4:] if user_op_context else data
    selector, arguments = body[:4], body[4:]
    if selector == EXECUTE:
        call = Call(*read_all(_call_type().items, arguments))
        return DecodedCallData((call,), "execute", user_op_context)
    if selector == EXECUTE_BATCH:
        (batch,) = read_all(_batch_types(), arguments)
        calls = tuple(Call(*each) for each in batch)
        return DecodedCallData(calls, "executeBatch", user_op_context)
    raise EncodingError(f"neither execute nor executeBatch: 0x{selector.hex()}…")


def increment_nonce(key192: int) -> bytes:
    """
    Return the call to the EntryPoint that voids the next nonce of a key.

    Args:
        key192: The nonce key, `Nonce.key192`.

    Raises:
        EncodingError: Not a uint192.
    """
    return INCREMENT_NONCE + uint_word(key192, 192, "nonce key")


def factory_data(owner: Address, salt: int = 0) -> bytes:
    """
    Return the factory's calldata that makes the account of an owner.

    Raises:
        EncodingError: `salt` is not a uint256.
    """
    return CREATE_SEMI_MODULAR_ACCOUNT + address_word(owner) + uint_word(salt, what="salt")


def decode_factory_data(data: bytes) -> tuple[Address, int]:
    """
    Return the owner and the salt of the account that the factory is told to make.

    Raises:
        EncodingError: Another call, or not as an encoder would write it.
    """
    if data[:4] != CREATE_SEMI_MODULAR_ACCOUNT:
        raise EncodingError(f"not a call of createSemiModularAccount: 0x{data[:4].hex()}…")
    owner, salt = read_all(_owner_and_salt(), data[4:])
    return owner, salt


def semi_modular_account_address(owner: Address, salt: int = 0) -> Address:
    """
    Return the address of an owner's account, whether it exists yet or not.

    Raises:
        EncodingError: `salt` is not a uint256.

    Source: mav2.md §9; EIP-1014 (CREATE2).
    """
    raw_owner = address_bytes(owner)
    full_salt = keccak256(raw_owner + uint_word(salt, what="salt") + _FALLBACK_SALT)
    implementation = address_bytes(SEMI_MODULAR_IMPLEMENTATION)
    init_code = _PROXY_START + implementation + _PROXY_END + raw_owner
    return address_from_bytes(
        keccak256(b"\xff" + address_bytes(FACTORY) + full_salt + keccak256(init_code))[12:]
    )


def _call_tuple(call: Call) -> bytes:
    value = uint_word(call.value, what="call value")
    return address_word(call.to) + value + _DATA_OFFSET + bytes_tail(call.data)


@cache
def _call_type() -> TupleType:
    return make_tuple([parse_type(each) for each in ("address", "uint256", "bytes")])


@cache
def _owner_and_salt() -> tuple[AbiType, ...]:
    return parse_type("address"), parse_type("uint256")


@cache
def _batch_types() -> tuple[AbiType, ...]:
    return (make_array(_call_type(), None),)
