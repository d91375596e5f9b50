"""
Messages and typed data that the account signs: `wallet_prepareSign` and `wallet_formatSign`.

Source: Wallet API specification §10; mav2.md §8; ERC-1271; ERC-6492.
"""

from __future__ import annotations

from typing import Any, Final

from runner.errors import EncodingError
from runner.ethereum.address import Address
from runner.ethereum.contracts import FACTORY, OWNER_ENTITY
from runner.ethereum.grants import contract_signature, replay_safe_hash
from runner.ethereum.signature import personal_sign_digest
from runner.ethereum.typed_data import TypedData, typed_data_digest
from runner.ethereum.words import address_word, bytes_tail, uint_word
from runner.sandbox import rpc, wire
from runner.sandbox.authority import entity_of, read_context
from runner.sandbox.records import Account
from runner.sandbox.service import Service
from runner.sandbox.typed_json import read_typed_data, typed_data_json
from runner.sandbox.wire import hex_data
from runner.sandbox.world import World

_NOT_DEPLOYED: Final = bytes.fromhex("6492" * 16)


def prepare_sign(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Answer `wallet_prepareSign`: the replay-safe form of what is to be signed."""
    account, world, entity_id = _signing(service, request)
    asked = wire.required(request, "signatureRequest", wire.members, "request")
    kind = wire.required(asked, "type", wire.text, "request.signatureRequest")
    data = asked.get("data")
    where = "request.signatureRequest.data"
    if kind == "personal_sign":
        if isinstance(data, str) and data:
            message = data.encode()
        else:
            message = wire.required(wire.members(data, where), "raw", wire.data_bytes, where)
        digest = personal_sign_digest(message)
    elif kind == "eth_signTypedData_v4":
        typed = read_typed_data(data, where)
        if _is_own_grant(typed, account, world):
            # A grant of this very account is signed as it is.
            return {"chainId": hex(world.chain_id), "signatureRequest": asked}
        try:
            digest = typed_data_digest(typed)
        except EncodingError as error:
            raise rpc.invalid(f"{where}: {error.what}") from None
    else:
        raise rpc.invalid("request.signatureRequest.type: neither personal_sign nor typed data")
    safe = replay_safe_hash(digest, chain_id=world.chain_id, account=account, entity_id=entity_id)
    return {
        "chainId": hex(world.chain_id),
        "signatureRequest": {"type": "eth_signTypedData_v4", "data": typed_data_json(safe)},
    }


def format_sign(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Answer `wallet_formatSign`: a signature as ERC-1271 wants it."""
    address, world, entity_id = _signing(service, request)
    given = wire.required(request, "signature", wire.signature, "request")
    signature = contract_signature(given, entity_id)
    account = service.accounts.get(address)
    if account is not None and not account.is_delegating and address not in world.state.deployed:
        signature = _counterfactual(signature, account)
    return {"signature": hex_data(signature)}


def _counterfactual(signature: bytes, account: Account) -> bytes:
    """Return a signature with what deploys the account that answers for it (ERC-6492)."""
    factory_data = bytes_tail(account.factory_data)
    head = (
        address_word(FACTORY),
        uint_word(3 * 32),
        uint_word(3 * 32 + len(factory_data)),
    )
    return b"".join(head) + factory_data + bytes_tail(signature) + _NOT_DEPLOYED


def _signing(service: Service, request: dict[str, Any]) -> tuple[Address, World, int]:
    address = wire.required(request, "from", wire.address, "request")
    world = service.world(wire.required(request, "chainId", wire.chain_id, "request"))
    fields = wire.optional(request, "capabilities", wire.members, "request") or {}
    context = wire.optional(fields, "permissions", read_context, "request.capabilities")
    entity_id = OWNER_ENTITY if context is None else entity_of(world, address, context)
    return address, world, entity_id


def _is_own_grant(typed: TypedData, account: Address, world: World) -> bool:
    domain = typed.domain
    return (
        typed.primary_type == "DeferredAction"
        and domain.get("chainId") == world.chain_id
        and str(domain.get("verifyingContract", "")).lower() == account.lower()
    )
