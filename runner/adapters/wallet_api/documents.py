"""
Documents that people have at hand: what a service answered, what was sent, what a wallet shows.

An operation may come as the answer of `wallet_prepareCalls` or its request to send, with or
without the JSON-RPC envelope, by itself, packed, or inside the calldata of `handleOps`.

Source: README §6 and §7 of the wire specification; ERC-4337; EIP-712.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Final, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from runner.adapters.wallet_api.messages import first_fault
from runner.adapters.wallet_api.scalars import (
    AbsentAddress,
    Bytes32,
    HexBigInt,
    HexBytes,
    WireAddress,
    read_bytes,
    read_integer,
)
from runner.adapters.wallet_api.typed_data import TypedDataAnswer, read_typed_data
from runner.adapters.wallet_api.wire import (
    ABSENT,
    AuthorizationData,
    EcdsaSignature,
    OperationData,
    OperationDataV06,
    Wire,
)
from runner.errors import EncodingError
from runner.ethereum.abi import Function, decode_call, parse_function
from runner.ethereum.authorization import Authorization
from runner.ethereum.typed_data import TypedData
from runner.ethereum.user_operation import UserOperation, UserOperationV06, unpack_user_operation
from runner.guard.offer import OtherRequest, PersonalSign, SignatureRequest, SignTypedData
from runner.reporting.inspection import ShownDelegation, ShownOperation

T = TypeVar("T")

HANDLE_OPS: Final = (
    "handleOps((address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)[] ops,"
    " address beneficiary)"
)
"""`handleOps` of EntryPoint v0.7, whose operations are packed."""

HANDLE_OPS_V06: Final = (
    "handleOps((address,uint256,bytes,bytes,uint256,uint256,uint256,uint256,uint256,bytes,"
    "bytes)[] ops, address beneficiary)"
)
"""`handleOps` of EntryPoint v0.6."""


class PackedData(Wire):
    """An operation of EntryPoint v0.7 in the form in which it is sent to the chain."""

    sender: WireAddress
    nonce: HexBigInt
    init_code: HexBytes
    call_data: HexBytes
    account_gas_limits: Bytes32
    pre_verification_gas: HexBigInt
    gas_fees: Bytes32
    paymaster_and_data: HexBytes


class _Wrapper(Wire):
    """Where the chain and the entry point may stand beside an operation."""

    chain_id: HexBigInt | Annotated[int, Field(ge=1)] = ABSENT  # people write it in decimal too
    entry_point: AbsentAddress = ABSENT


def read_operations(value: Any, chain_id: int | None) -> Sequence[ShownOperation | ShownDelegation]:
    """
    Read the operations of a document, and the delegations beside them.

    Args:
        value: What the JSON holds.
        chain_id: The chain, where the document names none.

    Raises:
        EncodingError: No operation in it, or one that is not right to the letter.
    """
    body = _unwrapped(value)
    if body.get("type") == "array":
        items = body.get("data")
        if not isinstance(items, list) or not items:
            raise EncodingError("an array without operations")
        return [_item(_object(item), chain_id) for item in items]
    return [_item(body, chain_id)]


def read_bundle(data: bytes, chain_id: int | None) -> Sequence[ShownOperation]:
    """
    Read the operations in calldata of `handleOps`.

    Raises:
        EncodingError: Another call, not as an encoder would write it, or the chain is not known.
    """
    packed, plain = _handlers()
    if data[:4] == packed.selector:
        operations, _ = decode_call(packed, data)
        return [_of_packed(each, _chain(None, chain_id)) for each in operations]
    if data[:4] == plain.selector:
        operations, _ = decode_call(plain, data)
        return [_of_v06(each, _chain(None, chain_id)) for each in operations]
    raise EncodingError(
        f"0x{data[:4].hex()}… is not a call of handleOps",
        hint="give the operation as JSON, or as the calldata that carries it to the entry point",
    )


def read_typed_document(value: Any) -> tuple[TypedData, bytes | None]:
    """
    Read typed data, and the digest that the document names: by itself, in a signature request, or
    in the answer of `wallet_createSession`.

    Raises:
        EncodingError: No typed data in it, or a value that cannot be read as its type.
    """
    body = _unwrapped(value)
    raw_payload = None
    for name in ("signatureRequest", "data", "typedData"):
        inner = body.get(name)
        if "primaryType" not in body and isinstance(inner, Mapping):
            if "rawPayload" in body:
                raw_payload = _raw(body["rawPayload"], "rawPayload")
            body = dict(inner)
    if "rawPayload" in body and raw_payload is None:
        raw_payload = _raw(body["rawPayload"], "rawPayload")
    answer = _accept(TypedDataAnswer, body)
    try:
        return read_typed_data(answer), raw_payload
    except ValueError as error:
        raise EncodingError(f"typed data: {error}") from None


def _unwrapped(value: Any) -> dict[str, Any]:
    """The object that matters: without envelope, parameter array, or a member that names it."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    body = _object(value)
    for name in ("result", "params"):
        if name in body and "jsonrpc" in body:
            return _unwrapped(body[name])
    return body


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise EncodingError("the JSON is not an object")
    return value


def _item(body: dict[str, Any], chain_id: int | None) -> ShownOperation | ShownDelegation:
    wrapper = _accept(_Wrapper, body)
    chain = _chain(wrapper.chain_id, chain_id)
    data = _object(body.get("userOperation", body.get("data", body)))
    signature = _signature(body.get("signature", data.get("signature")))
    if "callData" not in data and {"address", "nonce"} <= set(data):
        named = _accept(AuthorizationData, data)
        raw = _object(body.get("signatureRequest", {})).get("rawPayload")
        payload = None if raw is None else _raw(raw, "rawPayload")
        return ShownDelegation(Authorization(chain, named.address, named.nonce), payload, signature)
    return ShownOperation(
        operation=_operation(data),
        chain_id=chain,
        entry_point=wrapper.entry_point,
        request=_request(body.get("signatureRequest")),
        claimed=_claimed(body),
        signature=signature,
    )


def _chain(named: int | None, given: int | None) -> int:
    if named is not None and given is not None and named != given:
        raise EncodingError(
            f"the document is of chain {named}, not {given}",
            hint="leave --chain-id out: the document names its chain",
        )
    chain = given if named is None else named
    if chain is None:
        raise EncodingError(
            "the document names no chain, and the hash depends on it", hint="add --chain-id N"
        )
    return chain


def _operation(data: dict[str, Any]) -> UserOperation | UserOperationV06:
    if "accountGasLimits" in data:
        packed = _accept(PackedData, data)
        return unpack_user_operation(
            **{name: getattr(packed, name) for name in PackedData.model_fields}
        )
    if "initCode" in data or "paymasterAndData" in data:
        v06 = _accept(OperationDataV06, data)
        return UserOperationV06(
            **{name: getattr(v06, name) for name in OperationDataV06.model_fields}
        )
    # Nodes write null for a factory or a paymaster that is not there.
    present = {name: each for name, each in data.items() if each is not None}
    v07 = _accept(OperationData, present)
    return UserOperation(**{name: getattr(v07, name) for name in OperationData.model_fields})


def _of_packed(values: tuple[Any, ...], chain: int) -> ShownOperation:
    names = tuple(PackedData.model_fields)
    *unsigned, signature = values
    operation = unpack_user_operation(**dict(zip(names, unsigned, strict=True)))
    return ShownOperation(operation, chain, signature=signature)


def _of_v06(values: tuple[Any, ...], chain: int) -> ShownOperation:
    *unsigned, signature = values
    names = tuple(OperationDataV06.model_fields)
    operation = UserOperationV06(**dict(zip(names, unsigned, strict=True)))
    return ShownOperation(operation, chain, signature=signature)


def _signature(value: Any) -> bytes:
    """A signature as bytes, or as an object of the Wallet API."""
    if value is None:
        return b""
    if not isinstance(value, dict):
        return _raw(value, "signature")
    data = _accept(EcdsaSignature, value).data
    if isinstance(data, bytes):
        return data
    parity = getattr(data, "y_parity", None)
    v = 27 + read_integer(parity) if parity is not None else read_integer(getattr(data, "v", "0x0"))
    r, s = read_integer(data.r), read_integer(data.s)
    if v not in (27, 28):
        raise EncodingError("signature: v is neither 27 nor 28")
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((v,))


def _request(value: Any) -> SignatureRequest | None:
    if value is None:
        return None
    request = _object(value)
    data = request.get("data")
    if request.get("type") == "personal_sign" and isinstance(data, dict):
        return PersonalSign(_raw(data.get("raw"), "signatureRequest.data.raw"))
    if request.get("type") == "eth_signTypedData_v4":
        typed, payload = read_typed_document(request)
        return SignTypedData(typed, payload)
    return OtherRequest(str(request.get("type"))[:40])


def _claimed(body: dict[str, Any]) -> bytes | None:
    """A hash that the document names."""
    details = body.get("details")
    named = body.get("userOpHash", body.get("user_op_hash"))
    if named is None and isinstance(details, dict) and isinstance(details.get("data"), dict):
        named = details["data"].get("hash")
    return None if named is None else _raw(named, "hash")


def _raw(value: Any, name: str) -> bytes:
    try:
        return read_bytes(value)
    except ValueError as error:
        raise EncodingError(f"{name}: {error}") from None


def _accept(model: type[T], value: Any) -> T:
    try:
        return TypeAdapter(model).validate_python(value)
    except ValidationError as error:
        raise EncodingError(first_fault(error)) from None


@cache
def _handlers() -> tuple[Function, Function]:
    return parse_function(HANDLE_OPS), parse_function(HANDLE_OPS_V06)
