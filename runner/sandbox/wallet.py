"""
The `wallet_*` methods, but for calls and signatures.

Source: Wallet API specification §3 to §5, §8 and §10.
"""

from __future__ import annotations

import base64
import binascii
from itertools import count
from typing import Any, Final

from runner.errors import EncodingError
from runner.ethereum.address import Address
from runner.ethereum.contracts import DELEGATE_7702, FACTORY, LARGEST_ENTITY_ID
from runner.ethereum.grants import grant_nonce
from runner.ethereum.hashing import keccak256
from runner.ethereum.installation import decode_install_validation, install_validation, is_global
from runner.ethereum.permission_check import PermissionRefused, check_permissions
from runner.ethereum.permissions import Permission
from runner.ethereum.typed_data import typed_data_digest
from runner.sandbox import rpc, wire
from runner.sandbox.authority import grant_typed_data
from runner.sandbox.node import json_log
from runner.sandbox.records import Account, Grant, Sent, Session, Status
from runner.sandbox.service import Service
from runner.sandbox.stored import session_record
from runner.sandbox.typed_json import typed_data_json
from runner.sandbox.wire import hex_data
from runner.sandbox.world import World

_SMART: Final = "sma-b"
_DELEGATING: Final = "7702"
_ACCOUNT_TYPES: Final = frozenset({_SMART, _DELEGATING}) | {
    "la-v2",
    "la-v1.0.1",
    "la-v1.0.2",
    "la-v1.1.0",
    "la-v2-multi-owner",
    "ma-v1-multi-owner",
}
_MOST_LISTED: Final = 100
_PERMISSION_TYPES: Final = (
    "native-token-transfer",
    "erc20-token-transfer",
    "gas-limit",
    "contract-access",
    "account-functions",
    "functions-on-all-contracts",
    "functions-on-contract",
    "root",
)


def request_account(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Answer `wallet_requestAccount`: the oldest account of a signer, or a new one."""
    shows = wire.optional(request, "includeCounterfactualInfo", wire.flag, "request") or False
    if "accountAddress" in request:
        address = wire.required(request, "accountAddress", wire.address, "request")
        account = service.accounts.get(address)
        if account is None:
            what = f"no account {address} is known here"
            raise rpc.refused(rpc.INVALID_PARAMS, "UnknownAccount", what)
        return _account_json(account, shows)
    owner = wire.required(request, "signerAddress", wire.address, "request")
    uuid = wire.optional(request, "id", wire.uuid, "request")
    hint = wire.optional(request, "creationHint", wire.members, "request") or {}
    additional = wire.optional(hint, "createAdditional", wire.flag, "request.creationHint")
    if additional is False:
        raise rpc.invalid("request.creationHint.createAdditional must be true or absent")
    salt = wire.optional(hint, "salt", wire.big, "request.creationHint") or 0
    kind = wire.optional(hint, "accountType", wire.text, "request.creationHint") or _SMART
    if kind not in _ACCOUNT_TYPES:
        raise rpc.invalid(f"request.creationHint.accountType: unknown type {kind[:80]!r}")
    if kind not in (_SMART, _DELEGATING):
        what = f"request.creationHint.accountType: {kind[:80]!r} is not made here"
        raise rpc.refused(rpc.INVALID_PARAMS, "NotSupported", what)
    existing = service.accounts_of(owner)
    if kind == _DELEGATING:
        return _account_json(service.register(owner, None, uuid), shows)
    smart = [account for account in existing if not account.is_delegating]
    if smart and not additional:
        named = [account for account in smart if account.uuid == uuid]
        return _account_json((named or smart)[0], shows)
    return _account_json(service.register(owner, salt, uuid), shows)


def list_accounts(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Answer `wallet_listAccounts`, page by page."""
    owner = wire.required(request, "signerAddress", wire.address, "request")
    limit = wire.optional(request, "limit", wire.integer, "request")
    limit = _MOST_LISTED if limit is None else limit
    if not 1 <= limit <= _MOST_LISTED:
        raise rpc.invalid(f"request.limit must be between 1 and {_MOST_LISTED}")
    accounts = service.accounts_of(owner)
    start = _read_page(request["after"]) if "after" in request else 0
    page = accounts[start : start + limit]
    more = start + limit < len(accounts)
    return {
        "accounts": [{"accountAddress": each.address, "id": each.uuid} for each in page],
        "meta": {
            "totalCount": len(accounts),
            "after": _write_page(start + limit) if more else None,
        },
    }


def create_session(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """
    Answer `wallet_createSession`: what the owner has to sign for a session key.

    The entity id is the lowest that is free on chain, so two sessions that are asked for before
    either is installed get the same one.
    """
    address = wire.required(request, "account", wire.address, "request")
    world = service.world(wire.required(request, "chainId", wire.chain_id, "request"))
    expiry = wire.optional(request, "expirySec", wire.expiry, "request") or 0
    key = _session_key(wire.required(request, "key", wire.members, "request"))
    permissions = wire.required(request, "permissions", wire.permissions, "request")
    account = service.accounts.get(address)
    if account is None:
        what = f"no account {address} is known here"
        raise rpc.refused(rpc.INVALID_PARAMS, "UnknownAccount", what)
    if account.is_delegating and address not in world.state.deployed:
        what = "the account is not delegated yet (EIP-7702)"
        raise rpc.refused(rpc.INVALID_PARAMS, "NotDelegated", what)
    grant = _grant(service, world, account, permissions=permissions, key=key, expiry=expiry)
    number = len(world.sessions)
    seed = f"session/{world.chain_id}/{address}/{number}/{grant.nonce}/{service.now}"
    session = Session(keccak256(seed.encode())[:16], grant)
    service.record(session_record(world.chain_id, session))
    world.sessions[session.session_id] = session
    data = grant_typed_data(world.chain_id, grant)
    return {
        "sessionId": hex_data(session.session_id),
        "chainId": hex(world.chain_id),
        "signatureRequest": {
            "type": "eth_signTypedData_v4",
            "data": typed_data_json(data),
            "rawPayload": hex_data(typed_data_digest(data)),
        },
    }


def get_calls_status(service: Service, identity: Any) -> dict[str, Any]:
    """Answer `wallet_getCallsStatus`."""
    key = wire.data_bytes(identity, "params[0]")
    world = service.worlds.get(int.from_bytes(key[:32], "big")) if len(key) == 64 else None
    sent = world.sent.get(key[32:]) if world is not None else None
    if world is None or sent is None:
        raise rpc.refused(rpc.UNKNOWN_CALLS, "UnknownCalls", "unknown bundle id")
    answer: dict[str, Any] = {
        "id": hex_data(key),
        "chainId": hex(world.chain_id),
        "atomic": True,
        "status": int(sent.status),
        "details": _status_details(sent),
    }
    receipt = sent.receipt
    if receipt is not None:
        answer["receipts"] = [
            {
                "logs": [json_log(log) for log in receipt.logs],
                "status": "0x1" if receipt.success else "0x0",
                "blockHash": hex_data(world.block_hash(receipt.place.block_number)),
                "blockNumber": hex(receipt.place.block_number),
                "gasUsed": hex(receipt.gas_used),
                "transactionHash": hex_data(receipt.transaction_hash),
            }
        ]
    lie = service.faults.take("lie_status", "wallet_getCallsStatus")
    if lie is not None:
        answer["status"] = lie.status
        if lie.status < Status.CONFIRMED:
            answer.pop("receipts", None)
    return answer


def get_capabilities() -> dict[str, Any]:
    """Answer `wallet_getCapabilities`, the same for all chains."""
    supported = {"supported": True}
    return {
        "0x0": {
            "atomic": {"status": "supported"},
            "paymasterService": supported,
            "eip7702Auth": supported,
            "gasParamsOverride": supported,
            "nonceOverride": supported,
            "experimental_dataSuffix": supported,
            "permissions": {
                "supported": True,
                "signerTypes": ["keys"],
                "keyTypes": ["secp256k1"],
                "permissionTypes": list(_PERMISSION_TYPES),
            },
        }
    }


def _session_key(fields: dict[str, Any]) -> Address:
    kind = wire.required(fields, "type", wire.text, "request.key")
    if kind not in ("secp256k1", "ecdsa", "contract"):
        raise rpc.invalid("request.key.type must be secp256k1, ecdsa or contract")
    return wire.required(fields, "publicKey", wire.address, "request.key")


def _grant(
    service: Service,
    world: World,
    account: Account,
    *,
    permissions: tuple[Permission, ...],
    key: Address,
    expiry: int,
) -> Grant:
    """Build the deferred action of a session."""
    entity_id = _free_entity(world, account.address)
    try:
        check_permissions(
            permissions,
            expiry=expiry,
            now=service.now,
            account=account.address,
            entity_id=entity_id,
        )
        call = install_validation(permissions, key=key, entity_id=entity_id, expiry=expiry)
    except PermissionRefused as error:
        reason = error.name.removeprefix("PermissionBuilder: ")
        raise rpc.refused(rpc.INVALID_PARAMS, reason, f"{error.name}: {error.what}") from None
    except EncodingError as error:
        raise rpc.invalid(f"request.permissions: {error.what}") from None
    lane = grant_nonce(entity_id, global_=is_global(permissions))
    sequence = world.state.sequence(account.address, lane.key192)
    return Grant(
        account=account.address,
        nonce=grant_nonce(entity_id, global_=is_global(permissions), sequence=sequence).value,
        deadline=expiry,
        call=call,
        installation=decode_install_validation(call),
    )


def _free_entity(world: World, account: Address) -> int:
    for entity_id in count(1):
        if entity_id > LARGEST_ENTITY_ID or (account, entity_id) not in world.state.entities:
            return entity_id
    raise AssertionError


def _account_json(account: Account, shows: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"accountAddress": account.address, "id": account.uuid}
    if account.is_delegating:
        answer["delegation"] = DELEGATE_7702
    elif shows:
        answer["counterfactualInfo"] = {
            "factoryType": "MAv2.0.0-sma-b",
            "factoryAddress": FACTORY,
            "factoryData": hex_data(account.factory_data),
        }
    return answer


def _status_details(sent: Sent) -> dict[str, Any]:
    if sent.operation is None:
        details: dict[str, Any] = {"type": "delegation"}
        if sent.receipt is not None:
            details["txHash"] = hex_data(sent.receipt.transaction_hash)
        return details
    calls = sent.operation.calls.calls or ()
    data = {"hash": hex_data(sent.key), "calls": wire.json_calls(calls)}
    return {"type": "user-operation", "data": data}


def _write_page(start: int) -> str:
    return base64.urlsafe_b64encode(str(start).encode()).decode().rstrip("=")


def _read_page(value: Any) -> int:
    text = wire.text(value, "request.after")
    if not text:
        return 0
    try:
        return int(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise rpc.invalid("request.after is not a page of this list") from None
