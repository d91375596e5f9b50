"""
Grants: what the owner signs for a session, the bytes that carry it, and the signatures.

Source: mav2.md §3, §4, §5.2, §6 and §8; Wallet API specification §5.1 for contexts.
"""

from __future__ import annotations

from typing import Final

from runner.errors import EncodingError
from runner.ethereum import contracts
from runner.ethereum.address import Address, address_bytes
from runner.ethereum.nonce import OPTION_DEFERRED, OPTION_GLOBAL, Nonce
from runner.ethereum.signature import SIGNATURE_SIZE
from runner.ethereum.typed_data import Field, TypedData
from runner.ethereum.words import uint_bytes, uint_word
from runner.frozen import frozen

DEFERRED_ACTION_FIELDS: Final = (
    Field("nonce", "uint256"),
    Field("deadline", "uint48"),
    Field("call", "bytes"),
)
"""The members of `DeferredAction`, as the deployed account hashes them."""

OWNER_LOCATOR: Final = bytes(20) + b"\x01"
"""Names the owner's validation as the one that authorizes: entity 0, global."""

SEGMENT_FINAL: Final = b"\xff"
"""Introduces the last segment of a signature."""

EOA_SIGNATURE: Final = b"\x00"
"""Type byte of a signature by a key, not by a contract."""

DUMMY_SIGNATURE: Final = (
    SEGMENT_FINAL
    + EOA_SIGNATURE
    + bytes.fromhex("fffffffffffffffffffffffffffffff000000000000000000000000000000000")
    + bytes.fromhex("7aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1c")
)
"""Stands for a key's signature while gas is estimated."""

SESSION_ID_SIZE: Final = 16
"""Bytes of a session id."""


@frozen
class DeferredSegment:
    """
    A signed grant as the operation that installs it carries it: in front of its signature.

    `locator` names the validation that authorizes; `signature` has its type byte in front.
    """

    locator: bytes
    deadline: int
    call: bytes
    signature: bytes


@frozen
class DeferredAction(DeferredSegment):
    """
    A signed grant as a local context carries it.

    `execution_hooks` tells whether the session will need executeUserOp.
    """

    execution_hooks: bool
    nonce: int


@frozen
class RemoteContext:
    """The service keeps the grant: its session id, and the owner's signature."""

    session_id: bytes
    signature: bytes


@frozen
class LocalContext:
    """The grant travels along, as `deferred_action_bytes`."""

    deferred_action: bytes


@frozen
class InstalledContext:
    """The session is installed already."""

    entity_id: int
    is_global: bool


Context = RemoteContext | LocalContext | InstalledContext


def grant_nonce(entity_id: int, *, global_: bool, parallel: int = 0, sequence: int = 0) -> Nonce:
    """
    Return the nonce of the operation that will install a session.

    Raises:
        EncodingError: A part is wider than its field.
    """
    options = OPTION_DEFERRED | (OPTION_GLOBAL if global_ else 0)
    return Nonce(parallel, entity_id, options, sequence)


def deferred_action(
    *, chain_id: int, account: Address, nonce: int, deadline: int, call: bytes
) -> TypedData:
    """
    Return the typed data that the owner signs to grant a session.

    Args:
        chain_id: EIP-155 id.
        account: The account that will perform the call.
        nonce: Nonce of the operation that will carry it.
        deadline: Last second in which it can be carried, unix time; 0 is no deadline.
        call: The `installValidation` call.
    """
    return TypedData(
        domain={"chainId": chain_id, "verifyingContract": account},
        types={"DeferredAction": DEFERRED_ACTION_FIELDS},
        primary_type="DeferredAction",
        message={"nonce": nonce, "deadline": deadline, "call": call},
    )


def deferred_action_bytes(
    *, execution_hooks: bool, nonce: int, deadline: int, call: bytes, signature: bytes
) -> bytes:
    """
    Return a signed grant as a local context carries it: flag ‖ nonce ‖ `deferred_segment`.

    Args:
        execution_hooks: Whether the grant installs an execution hook.
        nonce: Nonce of the carrying operation.
        deadline: As signed.
        call: As signed.
        signature: The owner's 65 bytes.

    Raises:
        EncodingError: A number is out of range, or the signature is not 65 bytes.
    """
    return (
        uint_bytes(execution_hooks, 8)
        + uint_word(nonce, what="nonce")
        + deferred_segment(deadline=deadline, call=call, signature=signature)
    )


def deferred_segment(*, deadline: int, call: bytes, signature: bytes) -> bytes:
    """
    Return the part of a signed grant that stands in front of the first operation's signature.

    Raises:
        EncodingError: The deadline is not a uint48, or the signature is not 65 bytes.
    """
    action = OWNER_LOCATOR + uint_bytes(deadline, 48, "deadline") + call
    return _sized(action) + _sized(EOA_SIGNATURE + _checked(signature))


def decode_deferred_action(data: bytes) -> DeferredAction:
    """
    Read a signed grant.

    Raises:
        EncodingError: Not such bytes, or more than them.
    """
    if len(data) < 33 or data[0] > 1:
        raise EncodingError("not a deferred action")
    nonce = int.from_bytes(data[1:33], "big")
    return DeferredAction(*_read_segment(data[33:]), data[0] == 1, nonce)


def decode_deferred_segment(data: bytes) -> DeferredSegment:
    """
    Read the part of a signed grant that stands in front of an operation's signature.

    Raises:
        EncodingError: Not such bytes, or more than them.
    """
    return DeferredSegment(*_read_segment(data))


def session_context(session_id: bytes, signature: bytes) -> bytes:
    """
    Return the context of a session that the service keeps: 0x00 ‖ id ‖ signature.

    Raises:
        EncodingError: The id is not 16 bytes, or the signature is empty.
    """
    if len(session_id) != SESSION_ID_SIZE or not signature:
        raise EncodingError("a session has an id of 16 bytes and a signature")
    return b"\x00" + session_id + signature


def local_context(deferred: bytes) -> bytes:
    """Return the context that carries a signed grant along."""
    return b"\x01" + deferred


def installed_context(entity_id: int, *, global_: bool) -> bytes:
    """
    Return the context of a session that is installed.

    Raises:
        EncodingError: The entity id is not a uint32.
    """
    return b"\x02" + uint_bytes(global_, 8) + uint_bytes(entity_id, 32, "entity id")


def decode_context(data: bytes) -> Context:
    """
    Read a permissions context.

    Raises:
        EncodingError: Unknown first byte, or too short.

    Source: Wallet API specification §5.1; what follows an installed context is not looked at.
    """
    kind, rest = data[:1], data[1:]
    if kind == b"\x00" and len(rest) > SESSION_ID_SIZE:
        return RemoteContext(rest[:SESSION_ID_SIZE], rest[SESSION_ID_SIZE:])
    if kind == b"\x01" and rest:
        return LocalContext(rest)
    if kind == b"\x02" and len(rest) >= 5:
        return InstalledContext(int.from_bytes(rest[1:5], "big"), rest[0] == 1)
    raise EncodingError(f"not a permissions context: 0x{data[:8].hex()}")


def wrap_session_signature(signature: bytes, deferred: bytes = b"") -> bytes:
    """
    Return the signature of an operation as it goes on chain.

    Args:
        signature: 65 bytes by the session key or by the owner.
        deferred: `deferred_segment` of the grant that this operation installs.

    Raises:
        EncodingError: The signature is not 65 bytes.
    """
    return deferred + SEGMENT_FINAL + EOA_SIGNATURE + _checked(signature)


@frozen
class SessionSignature:
    """
    The signature of an operation as it goes on chain: the key's 65 bytes, and in front of them
    the grant that the operation installs, if it installs one.
    """

    signature: bytes
    deferred: bytes = b""


def decode_session_signature(data: bytes) -> SessionSignature:
    """
    Read the signature of an operation; `wrap_session_signature` makes the same bytes again.

    Raises:
        EncodingError: Not a signature by a key, with or without a grant in front.
    """
    size = len(data) - SIGNATURE_SIZE - 2
    if size < 0 or data[size : size + 2] != SEGMENT_FINAL + EOA_SIGNATURE:
        raise EncodingError("not the signature of an operation by a key")
    if size:
        decode_deferred_segment(data[:size])
    return SessionSignature(data[size + 2 :], data[:size])


def replay_safe_hash(
    digest: bytes, *, chain_id: int, account: Address, entity_id: int = contracts.OWNER_ENTITY
) -> TypedData:
    """
    Return the typed data that a key signs to give an ERC-1271 signature of `digest`.

    Args:
        digest: EIP-191 or EIP-712 digest, 32 bytes.
        chain_id: EIP-155 id.
        account: The account that answers for the signature.
        entity_id: Validation of the key; 0 is the owner.
    """
    domain: dict[str, object] = {"chainId": chain_id, "verifyingContract": account}
    if entity_id != contracts.OWNER_ENTITY:
        domain["verifyingContract"] = contracts.SINGLE_SIGNER_MODULE
        domain["salt"] = bytes(12) + address_bytes(account)
    return TypedData(
        domain=domain,
        types={"ReplaySafeHash": (Field("hash", "bytes32"),)},
        primary_type="ReplaySafeHash",
        message={"hash": digest},
    )


def contract_signature(signature: bytes, entity_id: int = contracts.OWNER_ENTITY) -> bytes:
    """
    Return an ERC-1271 signature of an account.

    Raises:
        EncodingError: The signature is not 65 bytes, or the entity id not a uint32.
    """
    return b"\x00" + uint_bytes(entity_id, 32, "entity id") + wrap_session_signature(signature)


def _checked(signature: bytes) -> bytes:
    if len(signature) != SIGNATURE_SIZE:
        raise EncodingError(f"a signature has 65 bytes, not {len(signature)}")
    return signature


def _sized(data: bytes) -> bytes:
    return uint_bytes(len(data), 32, "length") + data


def _read_segment(data: bytes) -> tuple[bytes, int, bytes, bytes]:
    """Return locator, deadline, call and signature."""
    action, rest = _read_sized(data)
    signature, rest = _read_sized(rest)
    if rest or len(action) < 27 or not signature:
        raise EncodingError("not a deferred action")
    return action[:21], int.from_bytes(action[21:27], "big"), action[27:], signature


def _read_sized(data: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(data[:4], "big")
    if len(data) < 4 + size:
        raise EncodingError("a deferred action ends too early")
    return data[4 : 4 + size], data[4 + size :]
