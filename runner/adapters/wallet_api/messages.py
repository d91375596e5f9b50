"""
The messages of the Wallet API that a run needs: what we send, and what we make of the answers.

camelCase is read and written in this package and nowhere else. The shapes of all messages are in
`requests.py` and `answers.py`; here they meet the values of the program.

Source: README §3 to §8 of the wire specification; where SDK versions differ, v5.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from runner.adapters.wallet_api.answers import (
    ArrayAnswer,
    AuthorizationAnswer,
    AuthorizationRequestAnswer,
    OperationAnswer,
    OperationAnswerV06,
    PermitAnswer,
    PersonalSignAnswer,
    PreparedAnswer,
    PreparedDetails,
    SentAnswer,
    SessionAnswer,
    SignTypedDataAnswer,
)
from runner.adapters.wallet_api.envelope import for_people
from runner.adapters.wallet_api.methods import METHODS
from runner.adapters.wallet_api.scalars import hex_bytes, hex_integer
from runner.adapters.wallet_api.typed_data import TypedDataAnswer, read_typed_data
from runner.adapters.wallet_api.usual import usual_call_id, usual_offer
from runner.adapters.wallet_api.wire import OperationData, RawMessage
from runner.errors import AnswerLost, EncodingError
from runner.ethereum.address import Address
from runner.ethereum.authorization import Authorization
from runner.ethereum.calls import Call
from runner.ethereum.contracts import DELEGATE_7702
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
from runner.ethereum.typed_data import TypedData
from runner.ethereum.user_operation import ENTRY_POINT_V07, UserOperation
from runner.ethereum.words import uint_bytes
from runner.guard.offer import (
    Claims,
    OperationOffer,
    OtherRequest,
    PersonalSign,
    SessionOffer,
    SignatureRequest,
    SignAuthorization,
    SignTypedData,
)
from runner.ports import FeeOverride

T = TypeVar("T")

_LATEST_EXPIRY = 9_999_999_999
_PERMIT = "paymaster-permit"
_STRANGERS = frozenset(
    {"aggregator", "authorization", "eip7702Auth", "initCode", "paymasterAndData", "signature"}
)
"""Members of operations of other versions: whoever sends them may mean another operation."""


# What we send.


def encode(value: Any) -> bytes:
    """Return a value as JSON text without blanks."""
    try:
        return to_json(value)
    except PydanticSerializationError:  # half a character of a service's text, as only JSON has it
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def account_request(
    owner: Address, salt: int, *, additional: bool = False, delegated: bool = False
) -> dict[str, Any]:
    """
    The parameter of `wallet_requestAccount`.

    Args:
        salt: Of a semi-modular account.
        additional: Ask for one beside those that the signer has: without it the oldest is
            answered, whatever the salt.
        delegated: Ask for the owner's own address instead, which delegates (EIP-7702).
    """
    hint: dict[str, Any] = {"accountType": "7702" if delegated else "sma-b"}
    if salt:
        uint_bytes(salt, 256, "salt")
        hint["salt"] = hex_integer(salt)
    if additional:
        hint["createAdditional"] = True
    if delegated and len(hint) > 1:
        raise EncodingError("an EOA that delegates has neither a salt nor a second account")
    return {"signerAddress": owner, "creationHint": hint, "includeCounterfactualInfo": True}


def session_request(
    *,
    account: Address,
    chain_id: int,
    expiry: int,
    key: Address,
    permissions: Sequence[Permission],
) -> dict[str, Any]:
    """
    The parameter of `wallet_createSession`.

    Raises:
        EncodingError: No permission, or a number that the wire cannot carry.
    """
    if not permissions:
        raise EncodingError("a session without permissions")
    if not 0 <= expiry <= _LATEST_EXPIRY:
        raise EncodingError(f"expiry is not within 0 … {_LATEST_EXPIRY}: {expiry}")
    return {
        "account": account,
        "chainId": _chain(chain_id),
        "expirySec": expiry,
        "key": {"type": "secp256k1", "publicKey": key},
        "permissions": [_permission(permission) for permission in permissions],
    }


def calls_request(
    *,
    account: Address,
    chain_id: int,
    calls: Sequence[Call],
    context: bytes | None,
    gas_policy: str | None,
    nonce_key: int | None = None,
    fees: FeeOverride | None = None,
    delegate: bool = False,
) -> dict[str, Any]:
    """
    The parameter of `wallet_prepareCalls`.

    Args:
        delegate: Ask for what an EOA signs first to run the account's code (EIP-7702).

    Raises:
        EncodingError: A number does not fit its type.
    """
    request: dict[str, Any] = {
        "from": account,
        "chainId": _chain(chain_id),
        "calls": [_call(call) for call in calls],
    }
    capabilities = _capabilities(context, gas_policy)
    if fees is not None:
        capabilities["gasParamsOverride"] = {
            "maxFeePerGas": _amount(fees.max_fee_per_gas, 128),
            "maxPriorityFeePerGas": _amount(fees.max_priority_fee_per_gas, 128),
        }
    if nonce_key is not None:
        capabilities["nonceOverride"] = {"nonceKey": _amount(nonce_key, 152)}
    if delegate:
        capabilities["eip7702Auth"] = {"delegation": DELEGATE_7702}
    if capabilities:
        request["capabilities"] = capabilities
    return request


def sealed_request(
    offer: OperationOffer,
    signatures: Sequence[bytes],
    *,
    context: bytes | None,
    gas_policy: str | None,
) -> bytes:
    """
    The parameter of `wallet_sendPreparedCalls` as the bytes that are stored and sent.

    Args:
        signatures: One, or one for each part of an array.

    Raises:
        EncodingError: The offer is of a kind that is not sent, or a signature is missing or has
            not 65 bytes.
    """
    if offer.kind == _PERMIT:
        raise EncodingError("a permit is signed to prepare again, it is not sent")
    offers = offer.parts or (offer,)
    if len(offers) != len(signatures):
        raise EncodingError(f"{len(offers)} signatures are wanted, not {len(signatures)}")
    signed = [
        _with_members(one.wire, {"signature": _signature(signature)})
        for one, signature in zip(offers, signatures, strict=True)
    ]
    request = b'{"type":"array","data":[%b]}' % b",".join(signed) if offer.parts else signed[0]
    capabilities = _capabilities(context, gas_policy)
    if capabilities:
        request = _with_members(request, {"capabilities": capabilities})
    return request


def _with_members(wire: bytes, members: dict[str, Any]) -> bytes:
    """An object that `encode` has written, and that has members, with more behind them."""
    return b"%b,%b" % (wire[:-1], encode(members)[1:])


def _signature(signature: bytes) -> dict[str, str]:
    if len(signature) != 65:
        raise EncodingError(f"a signature has 65 bytes, not {len(signature)}")
    return {"type": "secp256k1", "data": hex_bytes(signature)}


def _capabilities(context: bytes | None, gas_policy: str | None) -> dict[str, Any]:
    """What has to be the same when calls are prepared and when they are sent."""
    capabilities: dict[str, Any] = {}
    if context is not None:
        capabilities["permissions"] = {"context": hex_bytes(context)}
    if gas_policy is not None:
        capabilities["paymasterService"] = {"policyId": gas_policy}
    return capabilities


def _call(call: Call) -> dict[str, str]:
    wire: dict[str, str] = {"to": call.to}
    if call.data:
        wire["data"] = hex_bytes(call.data)
    if call.value:
        wire["value"] = _amount(call.value)
    return wire


def _permission(permission: Permission) -> dict[str, Any]:
    data: dict[str, Any]
    match permission:
        case Root():
            return {"type": permission.kind}  # `data` must be absent: {} and null are refused
        case NativeTokenTransfer(allowance):
            data = {"allowance": _amount(allowance)}
        case Erc20TokenTransfer(address, allowance):
            data = {"allowance": _amount(allowance), "address": address}
        case GasLimit(limit):
            data = {"limit": _amount(limit)}
        case ContractAccess(address):
            data = {"address": address}
        case AccountFunctions(functions) | FunctionsOnAllContracts(functions):
            data = {"functions": _selectors(functions)}
        case FunctionsOnContract(address, functions):
            data = {"address": address, "functions": _selectors(functions)}
    return {"type": permission.kind, "data": data}


def _selectors(functions: Sequence[bytes]) -> list[str]:
    if not functions or any(len(selector) != 4 for selector in functions):
        raise EncodingError("a permission names at least one function, each by 4 bytes")
    return [hex_bytes(selector) for selector in functions]


def _chain(chain_id: int) -> str:
    return _amount(chain_id, 32, "chain id")


def _amount(value: int, bits: int = 256, what: str = "amount") -> str:
    uint_bytes(value, bits, what)
    return hex_integer(value)


# What we accept.


def accept(adapter: TypeAdapter[T], result: Any, what: str) -> T:
    """
    Return an answer as its model.

    Args:
        what: Begins the message: where and which method.

    Raises:
        AnswerLost: The answer is not as the specification has it.
    """
    try:
        return adapter.validate_python(result)
    except ValidationError as error:
        # Not `from error`, which would quote what the service sent.
        raise AnswerLost(f"{what}: unusable answer: {first_fault(error)}") from None


def first_fault(error: ValidationError) -> str:
    """Where a message is wrong and why, without what stands there."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    where = ".".join(map(str, faults[0]["loc"])) or "the message"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    # The place may name members that the service made up.
    return for_people(f"{where}: {faults[0]['msg']}") + more


def session_offer(result: Any, what: str) -> SessionOffer:
    """
    Read the answer of `wallet_createSession`.

    Raises:
        AnswerLost: It cannot be read.
    """
    answer: SessionAnswer = accept(METHODS["wallet_createSession"].answer, result, what)
    request = _request(answer.signature_request, what)
    return SessionOffer(answer.session_id, answer.chain_id, request)


def operation_offer(result: Any, what: str) -> OperationOffer:
    """
    Read the answer of `wallet_prepareCalls`.

    Raises:
        AnswerLost: It cannot be read.
    """
    offer = usual_offer(result)
    if offer is None:
        answer = accept(METHODS["wallet_prepareCalls"].answer, result, what)
        offer = _offer(answer, result, what)
    return offer


def sent_call_id(result: Any, what: str) -> str:
    """
    Read the answer of `wallet_sendPreparedCalls`.

    Raises:
        AnswerLost: It cannot be read.
    """
    call_id = usual_call_id(result)
    if call_id is None:
        answer: SentAnswer = accept(METHODS["wallet_sendPreparedCalls"].answer, result, what)
        call_id = answer.id
    return call_id


def kept_offer(offer: OperationOffer) -> dict[str, Any]:
    """
    Return an operation that was prepared as the answer that it came in, less what nobody checks.

    Raises:
        EncodingError: It is no operation with its hash to sign.
    """
    request, claims = offer.request, offer.claims
    if not isinstance(request, PersonalSign) or claims is None:
        raise EncodingError("only an operation with its hash to sign can be kept")
    asked: dict[str, Any] = {"type": "personal_sign", "data": {"raw": hex_bytes(request.raw)}}
    if request.raw_payload is not None:
        asked["rawPayload"] = hex_bytes(request.raw_payload)
    fee = {
        "sponsored": claims.sponsored,
        "tokenAddress": claims.fee_token,
        "maxAmount": hex(claims.fee),
    }
    return {**json.loads(offer.wire), "signatureRequest": asked, "feePayment": fee}


def _offer(answer: PreparedAnswer, came: Mapping[str, Any], what: str) -> OperationOffer:
    """Return an answer as what it offers; `came` is the same as it stood in the message."""
    match answer:
        case OperationAnswer():
            request = _request(answer.signature_request, what)
            operation = _operation(answer.data, what)
            return OperationOffer(
                answer.type,
                answer.chain_id,
                operation,
                request,
                _echo(answer, came),
                claims=_claims(answer, came),
            )
        case OperationAnswerV06():
            request = _request(answer.signature_request, what)
            return OperationOffer(answer.type, answer.chain_id, None, request, _echo(answer, came))
        case AuthorizationAnswer():
            authorization = Authorization(answer.chain_id, answer.data.address, answer.data.nonce)
            request = SignAuthorization(authorization, answer.signature_request.raw_payload)
            return OperationOffer(answer.type, answer.chain_id, None, request, _echo(answer, came))
        case ArrayAnswer():
            parts = tuple(
                _told(_offer(item, part, what), answer.details, what)
                for item, part in zip(answer.data, came["data"], strict=True)
            )
            wire = {"type": answer.type, "data": [json.loads(part.wire) for part in parts]}
            return OperationOffer(
                answer.type, None, None, OtherRequest("array"), encode(wire), parts
            )
        case PermitAnswer():
            permit = _request(answer.signature_request, what)
            wire = came["modifiedRequest"]
            return OperationOffer(answer.type, None, None, permit, encode(wire))


def _claims(answer: OperationAnswer, came: Mapping[str, Any]) -> Claims:
    fee = answer.fee_payment
    strangers = [
        name
        for name, value in (*came.items(), *came["data"].items())
        if name in _STRANGERS or (name == "entryPoint" and not _is_entry_point(value))
    ]
    claims = Claims(
        fee.sponsored, fee.token_address, fee.max_amount, strangers=tuple(dict.fromkeys(strangers))
    )
    return claims if answer.details is None else _with(claims, answer.details)


def _told(part: OperationOffer, details: PreparedDetails | None, what: str) -> OperationOffer:
    """A part of an array, with what is said of its operation beside the array."""
    if part.claims is None or details is None:
        return part
    claims = _with(part.claims, details)
    if part.claims.hash is not None and part.claims != claims:
        raise AnswerLost(f"{what}: unusable answer: details: two of one operation that differ")
    return replace(part, claims=claims)


def _with(claims: Claims, details: PreparedDetails) -> Claims:
    said = details.data
    calls = tuple(Call(call.to, call.value, call.data) for call in said.calls)
    return replace(claims, hash=said.hash, calls=calls)


def _is_entry_point(value: Any) -> bool:
    return isinstance(value, str) and value.lower() == ENTRY_POINT_V07.lower()


def _operation(data: OperationData, what: str) -> UserOperation:
    try:
        return UserOperation(**{name: getattr(data, name) for name in OperationData.model_fields})
    except EncodingError as error:
        raise AnswerLost(f"{what}: unusable answer: {error.what}") from error


def _echo(
    answer: OperationAnswer | OperationAnswerV06 | AuthorizationAnswer, came: Mapping[str, Any]
) -> bytes:
    """Known members alone, each as it came: what goes back is what the hash was made of."""
    known: Mapping[str, Any] = type(answer.data).model_fields
    names = [field.alias for field in known.values() if field.alias in came["data"]]
    data = {name: came["data"][name] for name in names}
    return encode({"type": answer.type, "data": data, "chainId": came["chainId"]})


def _request(
    answer: PersonalSignAnswer | SignTypedDataAnswer | AuthorizationRequestAnswer | None, what: str
) -> SignatureRequest:
    match answer:
        case PersonalSignAnswer(data=RawMessage(raw=raw)):
            return PersonalSign(raw, answer.raw_payload)
        case PersonalSignAnswer():
            return OtherRequest("text")
        case SignTypedDataAnswer():
            return SignTypedData(_typed_data(answer.data, what), answer.raw_payload)
        case AuthorizationRequestAnswer():
            return OtherRequest("authorization")
        case None:
            return OtherRequest("none")


def _typed_data(answer: TypedDataAnswer, what: str) -> TypedData:
    try:
        return read_typed_data(answer)
    except ValueError as error:
        raise AnswerLost(f"{what}: unusable answer: {for_people(str(error))}") from None
