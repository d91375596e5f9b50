"""
Who signs an operation: the owner, a session that it installs, or one that stands.

Source: Wallet API specification §5.1; mav2.md §3 and §4.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from runner.errors import EncodingError
from runner.ethereum import contracts
from runner.ethereum.address import Address
from runner.ethereum.grants import (
    Context,
    InstalledContext,
    LocalContext,
    RemoteContext,
    decode_context,
    decode_deferred_action,
    deferred_action,
)
from runner.ethereum.installation import decode_install_validation
from runner.ethereum.nonce import OPTION_DEFERRED, OPTION_GLOBAL, Nonce, decode_nonce
from runner.ethereum.signature import recover_address
from runner.ethereum.typed_data import TypedData, typed_data_digest
from runner.frozen import frozen
from runner.sandbox import rpc, wire
from runner.sandbox.records import Grant
from runner.sandbox.refusal import Refusal
from runner.sandbox.world import World


@frozen
class Authority:
    """
    The validation of an operation.

    `grant` is the deferred action that it carries, None when there is nothing to install;
    `execution_hooks` tells whether its call data need the prefix.
    """

    entity_id: int
    is_global: bool
    execution_hooks: bool
    grant: Grant | None = None

    def nonce(self, world: World, account: Address, parallel: int) -> Nonce:
        """Return the next nonce: the grant's own on first use, else on the lane asked for."""
        if self.grant is not None:
            return decode_nonce(self.grant.nonce)
        options = OPTION_GLOBAL if self.is_global else 0
        lane = Nonce(parallel, self.entity_id, options, 0)
        sequence = world.state.sequence(account, lane.key192)
        return Nonce(parallel, self.entity_id, options, sequence)


OWNER = Authority(contracts.OWNER_ENTITY, is_global=True, execution_hooks=False)
"""The owner's key, for operations without a session."""


def read_context(value: Any, where: str) -> Context:
    """
    Read the permissions capability; a context wins over session id and signature.

    Raises:
        RpcError: Neither of the two forms.
    """
    fields = wire.members(value, where)
    if "context" not in fields:
        return RemoteContext(
            wire.required(fields, "sessionId", wire.fixed_bytes(16), where),
            wire.required(fields, "signature", wire.data_bytes, where),
        )
    try:
        return decode_context(wire.required(fields, "context", wire.data_bytes, where))
    except EncodingError as error:
        raise rpc.invalid(f"{where}.context: {error.what}") from None


def authority_of(world: World, account: Address, context: Context) -> Authority:
    """
    Return the validation that a context names, as it stands on chain now.

    A grant whose nonce is used counts as installed, even if it was another grant that used it.

    Raises:
        RpcError: Unknown session, or one of another account.
        Refusal: The owner did not sign the grant, or the session is not installed.
    """
    if isinstance(context, InstalledContext):
        return _installed(world, account, context.entity_id)
    grant = _grant(world, account, context)
    nonce = decode_nonce(grant.nonce)
    if world.state.sequence(account, nonce.key192) > nonce.sequence:
        return _installed(world, account, nonce.entity_id)
    _check_signature(world, grant, context)
    hooks = any(not hook.in_validation for hook in grant.installation.hooks)
    return Authority(nonce.entity_id, grant.installation.is_global, hooks, grant)


def signed_grant(world: World, account: Address, context: Context) -> Grant | None:
    """
    Return the grant that a context carries, whether or not it was used; None if it carries none.

    Raises:
        RpcError: Unknown session, or one of another account.
        Refusal: The owner did not sign the grant.
    """
    if isinstance(context, InstalledContext):
        return None
    grant = _grant(world, account, context)
    _check_signature(world, grant, context)
    return grant


def entity_of(world: World, account: Address, context: Context) -> int:
    """
    Return the entity id that a context names.

    Raises:
        RpcError: Unknown session, or one of another account.
    """
    if isinstance(context, InstalledContext):
        return context.entity_id
    return decode_nonce(_grant(world, account, context).nonce).entity_id


def grant_typed_data(chain_id: int, grant: Grant) -> TypedData:
    """Return what the owner signs for a grant."""
    return deferred_action(
        chain_id=chain_id,
        account=grant.account,
        nonce=grant.nonce,
        deadline=grant.deadline,
        call=grant.call,
    )


def _installed(world: World, account: Address, entity_id: int) -> Authority:
    if entity_id == contracts.OWNER_ENTITY:
        return OWNER
    standing = world.state.entities.get((account, entity_id))
    if standing is None:
        raise Refusal.validation("ValidationFunctionMissing")
    session = standing.session
    return Authority(entity_id, session.is_global, session.has_execution_hooks)


def _grant(world: World, account: Address, context: RemoteContext | LocalContext) -> Grant:
    if isinstance(context, RemoteContext):
        session = world.sessions.get(context.session_id)
        if session is None:
            raise rpc.refused(rpc.INVALID_PARAMS, "UnknownSession", "unknown session id")
        grant = session.grant
    else:
        grant = _local_grant(account, context.deferred_action)
    if grant.account != account:
        what = "the session is not one of this account"
        raise rpc.refused(rpc.INVALID_PARAMS, "SessionOfAnotherAccount", what)
    return grant


@lru_cache(maxsize=256)
def _local_grant(account: Address, deferred: bytes) -> Grant:
    try:
        action = decode_deferred_action(deferred)
        installation = decode_install_validation(action.call)
    except EncodingError as error:
        raise rpc.invalid(f"capabilities.permissions.context: {error.what}") from None
    nonce = decode_nonce(action.nonce)
    if nonce.entity_id != installation.entity_id or not nonce.options & OPTION_DEFERRED:
        raise Refusal.validation("DeferredActionSignatureInvalid")
    return Grant(account, action.nonce, action.deadline, action.call, installation)


def _check_signature(world: World, grant: Grant, context: RemoteContext | LocalContext) -> None:
    if isinstance(context, RemoteContext):
        signature = context.signature
    else:
        signature = decode_deferred_action(context.deferred_action).signature
    if len(signature) == 66 and signature[0] == 0:
        signature = signature[1:]  # the type byte of a signature by a key
    owner = _signer(world.chain_id, grant, signature)
    if owner != world.state.owners.get(grant.account):
        raise Refusal.validation("DeferredActionSignatureInvalid")


@lru_cache(maxsize=256)
def _signer(chain_id: int, grant: Grant, signature: bytes) -> Address | None:
    try:
        return recover_address(typed_data_digest(grant_typed_data(chain_id, grant)), signature)
    except EncodingError:
        return None
