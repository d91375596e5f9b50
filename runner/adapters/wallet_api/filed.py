"""
Files for `runner guard`: what was asked of a wallet service.

That is the parameter of the request as it goes on the wire, with or without its JSON-RPC envelope,
and beside its members what the wire does not say: fence, session, fees (docs/guard.md). Numbers are
read as people write them, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from runner.adapters.wallet_api.exchanges import request_in
from runner.adapters.wallet_api.members import Members, uint, whole_number
from runner.adapters.wallet_api.messages import first_fault
from runner.adapters.wallet_api.requests import PermissionMessage
from runner.adapters.wallet_api.scalars import read_address, read_bytes
from runner.errors import EncodingError
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.calls import Call
from runner.ethereum.granted import Granted, granted_by
from runner.ethereum.grants import (
    InstalledContext,
    LocalContext,
    decode_context,
    decode_deferred_action,
)
from runner.ethereum.installation import decode_install_validation
from runner.ethereum.nonce import OPTION_DEFERRED, decode_nonce
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
from runner.guard.filed import FiledGrant, FiledIntent
from runner.policy.faults import Refusal
from runner.policy.scalars import default_max_fee, parse_chain

T = TypeVar("T")

_STRICTEST_FEE = 2 * 10**15
"""Wei; where neither the file nor the chain has a bound (G2)."""

_parallel, _entity = uint(152), uint(32)

_GAS: Final = {
    "callGasLimit": "call_gas_limit",
    "verificationGasLimit": "verification_gas_limit",
    "preVerificationGas": "pre_verification_gas",
    "paymasterVerificationGasLimit": "paymaster_verification_gas_limit",
    "paymasterPostOpGasLimit": "paymaster_post_op_gas_limit",
}
_PERMISSIONS: Final[TypeAdapter[Any]] = TypeAdapter(
    Annotated[list[PermissionMessage], Field(min_length=1)]
)


def read_intent(value: Any) -> FiledIntent:
    """
    Read what was asked of `wallet_prepareCalls`.

    Raises:
        EncodingError: Something that is needed is missing, or something cannot be read.
    """
    top = Members(request_in(value), "intent")
    given = top.get(lambda each: Members(each, "capabilities"), "capabilities")
    capabilities = given or Members({}, "capabilities")
    context = capabilities.get(_context, "permissions") or top.get(_bytes_context, "context")
    session = top.get(read_grant, "grant", "session")
    granted = context.granted if context is not None else None
    sponsored = _sponsored(top, capabilities)
    fees, limits = _gas(capabilities)
    chain = top.needed(_chain, "chainId", "chain")
    override = capabilities.get(_override, "nonceOverride")
    parallel = top.get(_parallel, "nonceKey", "parallel")
    permissions = (
        top.get(read_permissions, "permissions"),
        None if session is None else session.permissions,
        None if granted is None else granted.permissions,
    )
    found = FiledIntent(
        chain_id=chain,
        account=top.needed(read_address, "from", "account", "sender"),
        calls=top.needed(_calls, "calls", "intent"),
        sponsored=sponsored,
        max_fee=_max_fee(top, chain),
        nonce=top.get(_nonce, "nonce", "fence"),
        parallel=_agree("nonceKey", parallel, override) or 0,
        entity_id=_agree(
            "entityId",
            top.get(_entity, "entityId", "entity"),
            None if context is None else context.entity_id,
            None if session is None else session.entity_id,
        ),
        permissions=next((each for each in permissions if each is not None), None),
        expiry=_agree(
            "expirySec",
            top.get(whole_number, "expirySec", "expiry", "expiresAt"),
            None if granted is None else granted.expiry,
            None if session is None else session.expiry,
        ),
        session_key=_agree(
            "sessionKey",
            top.get(_key, "sessionKey", "key", "signer"),
            None if granted is None else granted.key,
            None if session is None else session.key,
        ),
        owner=_agree(
            "owner",
            top.get(read_address, "owner", "ownerAddress"),
            None if session is None else session.owner,
        ),
        salt=top.get(uint(256), "salt") or 0,
        paymaster=top.get(read_address, "paymaster", "pinnedPaymaster"),
        least_fees=fees,
        gas_limits=limits,
        now=top.get(whole_number, "now", "timestamp"),
        receivers=top.get(_addresses, "receivers"),
        activation=top.get(_truth, "activation", "installs") or False,
        delegates=capabilities.get(_delegates, "eip7702Auth") or False,
        authorization_nonce=top.get(whole_number, "authorizationNonce"),
    )
    _check_agreement(found, session, parallel if override is None else override)
    unread = (*top.unread, *(f"capabilities.{name}" for name in capabilities.unread))
    return replace(found, unread=unread)


def _check_agreement(intent: FiledIntent, grant: FiledGrant | None, parallel: int | None) -> None:
    """Nonce, key and entity are one thing told twice; a grant is of this account and chain."""
    if grant is not None:
        _agree("account", intent.account, grant.account)
        _agree("chainId", intent.chain_id, grant.chain_id)
    if intent.nonce is None:
        return
    nonce = decode_nonce(intent.nonce)
    if intent.entity_id is not None:
        _agree("entityId", nonce.entity_id, intent.entity_id)
    if not nonce.options & OPTION_DEFERRED:  # on first use the key that was asked for is moot (F3)
        _agree("nonceKey", nonce.parallel, parallel)


def read_grant(value: Any) -> FiledGrant:
    """
    Read what was asked of `wallet_createSession`.

    Raises:
        EncodingError: Something that is needed is missing, or something cannot be read.
    """
    top = Members(request_in(value), "request")
    found = FiledGrant(
        chain_id=top.needed(_chain, "chainId", "chain"),
        account=top.needed(read_address, "account", "from"),
        key=top.needed(_key, "key", "sessionKey"),
        permissions=top.needed(read_permissions, "permissions"),
        expiry=top.get(whole_number, "expirySec", "expiry", "expiresAt") or 0,
        owner=top.get(read_address, "owner", "ownerAddress"),
        salt=top.get(uint(256), "salt") or 0,
        entity_id=top.get(_entity, "entityId", "entity"),
        living_entities=top.get(_entities, "livingEntities"),
        clean_sequences=top.get(_sequences, "cleanSequences") or {},
    )
    return replace(found, unread=top.unread)


def read_permissions(value: Any) -> tuple[Permission, ...]:
    """
    Read permissions as the wire has them.

    Raises:
        EncodingError: One of them is not to the letter.
    """
    try:
        return tuple(map(_permission, _PERMISSIONS.validate_python(value)))
    except ValidationError as error:
        raise EncodingError(first_fault(error)) from None


class _Context:
    """What a permissions context says: all of a grant, its entity, or nothing that we can read."""

    def __init__(self, data: bytes) -> None:
        self.granted: Granted | None = None
        self.entity_id: int | None = None
        context = decode_context(data)
        if isinstance(context, InstalledContext):
            self.entity_id = context.entity_id
        elif isinstance(context, LocalContext):
            action = decode_deferred_action(context.deferred_action)
            self.granted = granted_by(decode_install_validation(action.call))
            self.entity_id = decode_nonce(action.nonce).entity_id


def _context(value: Any) -> _Context | None:
    """A context, or a session's id and signature, which say nothing more."""
    members = Members(value, "capabilities.permissions")
    found = members.get(_bytes_context, "context")
    if found is None and members.get(read_bytes, "sessionId") is None:
        raise EncodingError("neither `context` nor `sessionId`")
    return found


def _bytes_context(value: Any) -> _Context:
    return _Context(read_bytes(value))


def _chain(value: Any) -> int:
    """A chain id, or a chain's name."""
    if not isinstance(value, str) or value[:1].isdigit():
        return whole_number(value)
    try:
        return parse_chain(value)
    except Refusal:
        raise ValueError("neither a chain id nor the name of a chain") from None


def _override(value: Any) -> int:
    return Members(value, "nonceOverride").needed(_parallel, "nonceKey")


def _nonce(value: Any) -> int:
    """A full nonce, or its two halves."""
    if not isinstance(value, Mapping):
        return whole_number(value)
    members = Members(value, "nonce")
    full = members.get(whole_number, "nonce")
    if full is not None:
        return full
    key = members.needed(whole_number, "key192", "key")
    return decode_nonce(key << 64 | (members.get(whole_number, "sequence") or 0)).value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")
    return value


def _key(value: Any) -> Address:
    """An address, or the key of `wallet_createSession`."""
    if isinstance(value, Mapping):
        return Members(value, "key").needed(read_address, "publicKey", "address")
    return read_address(value)


def _addresses(value: Any) -> tuple[Address, ...]:
    return tuple(map(read_address, _list(value)))


def _entities(value: Any) -> frozenset[int]:
    return frozenset(map(_entity, _list(value)))


def _sequences(value: Any) -> dict[int, int]:
    if not isinstance(value, Mapping):
        raise ValueError("not an object: entity id to sequence")
    return {_entity(entity): whole_number(sequence) for entity, sequence in value.items()}


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("not a list")
    return value


def _calls(value: Any) -> tuple[Call, ...]:
    if isinstance(value, Mapping) and "calls" in value:
        value = value["calls"]
    return tuple(map(_call, _list(value)))


def _call(value: Any) -> Call:
    members = Members(value, "call")
    call = Call(
        to=members.needed(read_address, "to", "target"),
        value=members.get(whole_number, "value") or 0,
        data=members.get(read_bytes, "data", "callData") or b"",
    )
    if members.unread:
        raise ValueError(f"a call has no member {members.unread[0]!r}")
    return call


def _delegates(value: Any) -> bool:
    """`true`, or a delegation to the account's code; undelegating is nothing that we sign."""
    if value is True:
        return True
    members = Members(value, "eip7702Auth")
    members.get(read_address, "account")
    named = members.needed(str, "delegation")
    if named == ZERO_ADDRESS:
        raise ValueError("a delegation is never taken back by this program")
    return True


def _sponsored(top: Members, capabilities: Members) -> bool:
    """Whether a gas policy, or the file itself, says so; a named paymaster says so, too."""
    policy = capabilities.get(lambda each: Members(each, "paymasterService"), "paymasterService")
    said = top.get(_truth, "sponsored")
    named = top.get(read_address, "paymaster", "pinnedPaymaster") is not None
    if said is not None:
        if not said and (policy is not None or named):
            raise EncodingError("intent: not sponsored, and yet a gas policy or a paymaster named")
        return said
    return policy is not None or named


def _gas(capabilities: Members) -> tuple[tuple[int, int] | None, dict[str, int]]:
    """Absolute overrides: fees that have to be reached, limits that must not be passed."""
    gas = capabilities.get(lambda each: Members(each, "gasParamsOverride"), "gasParamsOverride")
    if gas is None:
        return None, {}
    limits = {ours: gas.get(_absolute, wire) for wire, ours in _GAS.items()}
    fee, priority = gas.get(_absolute, "maxFeePerGas"), gas.get(_absolute, "maxPriorityFeePerGas")
    fees = None if fee is None and priority is None else (fee or 0, priority or 0)
    return fees, {name: most for name, most in limits.items() if most is not None}


def _absolute(value: Any) -> int | None:
    return None if isinstance(value, Mapping) else whole_number(value)


def _max_fee(top: Members, chain: int) -> int:
    """G2: always a bound; where none is written, the chain's, else the strictest."""
    written = top.get(whole_number, "maxFee", "maxFeeWei")
    return written if written is not None else default_max_fee(chain) or _STRICTEST_FEE


def _agree(name: str, *said: T | None) -> T | None:
    """One fact that several places may tell."""
    told = [each for each in said if each is not None]
    if any(each != told[0] for each in told):
        raise EncodingError(f"intent: two places tell a different `{name}`")
    return told[0] if told else None


def _permission(message: Any) -> Permission:
    data: Any = getattr(message, "data", None)
    match message.type:
        case "native-token-transfer":
            return NativeTokenTransfer(data.allowance)
        case "erc20-token-transfer":
            return Erc20TokenTransfer(data.address, data.allowance)
        case "gas-limit":
            return GasLimit(data.limit)
        case "contract-access":
            return ContractAccess(data.address)
        case "account-functions":
            return AccountFunctions(tuple(data.functions))
        case "functions-on-all-contracts":
            return FunctionsOnAllContracts(tuple(data.functions))
        case "functions-on-contract":
            return FunctionsOnContract(data.address, tuple(data.functions))
    return Root()
