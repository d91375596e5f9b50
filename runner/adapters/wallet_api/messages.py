"""
The messages of the Wallet API: what we send, as plain objects, and what we accept, as models.

camelCase is read and written in this package and nowhere else. Members that the specification
does not know are ignored; what it knows has to be right to the letter, or nothing is believed.

Source: README §3 to §8 of the wire specification; where SDK versions differ, v5.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from runner.adapters.wallet_api.scalars import (
    AbsentAddress,
    AbsentBytes,
    Bytes16,
    CallId,
    HexBigInt,
    HexBytes,
    HexNumber,
    WireAddress,
    hex_bytes,
    hex_integer,
)
from runner.adapters.wallet_api.typed_data import TypedDataAnswer, read_typed_data
from runner.errors import AnswerLost, EncodingError
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
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
from runner.ethereum.user_operation import UserOperation
from runner.ethereum.words import uint_bytes
from runner.guard.offer import (
    OperationOffer,
    OtherRequest,
    PersonalSign,
    SessionOffer,
    SignatureRequest,
    SignTypedData,
)
from runner.ports import FeeOverride

T = TypeVar("T")

OPERATION_KIND: Final = "user-operation-v070"
"""The only kind of answer that a session run signs (G5)."""

_LATEST_EXPIRY = 9_999_999_999


# What we send.


def encode(value: Any) -> bytes:
    """Return a value as JSON text without blanks."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def account_request(owner: Address, salt: int, *, additional: bool = False) -> dict[str, Any]:
    """
    The parameter of `wallet_requestAccount` for a semi-modular account.

    `additional` asks for one beside those that the signer has: without it the oldest is answered,
    whatever the salt.
    """
    hint: dict[str, Any] = {"accountType": "sma-b"}
    if salt:
        uint_bytes(salt, 256, "salt")
        hint["salt"] = hex_integer(salt)
    if additional:
        hint["createAdditional"] = True
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
    nonce_key: int | None,
    fees: FeeOverride | None,
) -> dict[str, Any]:
    """
    The parameter of `wallet_prepareCalls`.

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
    if capabilities:
        request["capabilities"] = capabilities
    return request


def sealed_request(
    offer: OperationOffer, signature: bytes, *, context: bytes | None, gas_policy: str | None
) -> bytes:
    """
    The parameter of `wallet_sendPreparedCalls` as the bytes that are stored and sent.

    Raises:
        EncodingError: The offer is of a kind that is not sent, or the signature has not 65 bytes.
    """
    if offer.kind != OPERATION_KIND or offer.operation is None:
        raise EncodingError(f"an answer of kind {offer.kind} cannot be sent")
    if len(signature) != 65:
        raise EncodingError(f"a signature has 65 bytes, not {len(signature)}")
    request = json.loads(offer.wire)
    request["signature"] = {"type": "secp256k1", "data": hex_bytes(signature)}
    capabilities = _capabilities(context, gas_policy)
    if capabilities:
        request["capabilities"] = capabilities
    return encode(request)


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


class Answer(BaseModel):
    """The base of all answers: strict, frozen, camelCase, deaf to unknown members."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        strict=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )


class AccountAnswer(Answer):
    """`wallet_requestAccount`."""

    account_address: WireAddress


class RawMessage(Answer):
    """`{raw}`: bytes to be signed by EIP-191."""

    raw: HexBytes


class PersonalSignAnswer(Answer):
    """Asks for `personal_sign` of bytes or of a text."""

    type: Literal["personal_sign"]
    data: RawMessage | str


class SignTypedDataAnswer(Answer):
    """Asks for `eth_signTypedData_v4`."""

    type: Literal["eth_signTypedData_v4"]
    data: TypedDataAnswer
    raw_payload: AbsentBytes = None


class AuthorizationRequestAnswer(Answer):
    """Asks for a delegation (EIP-7702)."""

    type: Literal["eip7702Auth"]


RequestAnswer = Annotated[
    PersonalSignAnswer | SignTypedDataAnswer | AuthorizationRequestAnswer,
    Field(discriminator="type"),
]


class SessionAnswer(Answer):
    """`wallet_createSession`."""

    session_id: Bytes16
    chain_id: HexNumber
    signature_request: RequestAnswer


class OperationData(Answer):
    """An unsigned operation of EntryPoint v0.7."""

    sender: WireAddress
    nonce: HexBigInt
    call_data: HexBytes
    call_gas_limit: HexBigInt
    verification_gas_limit: HexBigInt
    pre_verification_gas: HexBigInt
    max_fee_per_gas: HexBigInt
    max_priority_fee_per_gas: HexBigInt
    factory: AbsentAddress = None
    factory_data: HexBytes = b""
    paymaster: AbsentAddress = None
    paymaster_verification_gas_limit: HexBigInt = 0
    paymaster_post_op_gas_limit: HexBigInt = 0
    paymaster_data: HexBytes = b""


class OperationAnswer(Answer):
    """`wallet_prepareCalls` with the one kind that a run accepts."""

    type: Literal["user-operation-v070"]
    data: OperationData
    chain_id: HexNumber
    signature_request: RequestAnswer | None = None


class OtherAnswer(Answer):
    """The kinds that a run refuses: known, so that the refusal can name them."""

    type: Literal["user-operation-v060", "authorization", "array", "paymaster-permit"]
    chain_id: HexNumber | None = None


class SentAnswer(Answer):
    """`wallet_sendPreparedCalls`."""

    id: CallId


class StatusAnswer(Answer):
    """`wallet_getCallsStatus`, without receipts: the service's word is no evidence (X12)."""

    id: CallId
    status: int


ACCOUNT: Final = TypeAdapter(AccountAnswer)
SESSION: Final = TypeAdapter(SessionAnswer)
PREPARED: Final[TypeAdapter[OperationAnswer | OtherAnswer]] = TypeAdapter(
    Annotated[OperationAnswer | OtherAnswer, Field(discriminator="type")]
)
SENT: Final = TypeAdapter(SentAnswer)
STATUS: Final = TypeAdapter(StatusAnswer)

_OPERATION_MEMBERS = tuple(to_camel(name) for name in OperationData.model_fields)
_NOT_SENT_BACK = frozenset({"signatureRequest", "feePayment", "details"})


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
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        first = faults[0]
        where = ".".join(map(str, first["loc"])) or "the answer"
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        # Not `from error`, which would quote what the service sent.
        raise AnswerLost(f"{what}: unusable answer: {where}: {first['msg']}{more}") from None


def session_offer(result: Any, what: str) -> SessionOffer:
    """
    Read the answer of `wallet_createSession`.

    Raises:
        AnswerLost: It cannot be read.
    """
    answer = accept(SESSION, result, what)
    request = _request(answer.signature_request, what)
    return SessionOffer(answer.session_id, answer.chain_id, request)


def operation_offer(result: Any, what: str) -> OperationOffer:
    """
    Read the answer of `wallet_prepareCalls`.

    Raises:
        AnswerLost: It cannot be read.
    """
    answer = accept(PREPARED, result, what)
    if isinstance(answer, OtherAnswer):
        wire = {name: value for name, value in result.items() if name not in _NOT_SENT_BACK}
        request = OtherRequest(_OTHER_REQUESTS[answer.type])
        return OperationOffer(answer.type, answer.chain_id, None, request, encode(wire))
    try:
        operation = UserOperation(
            **{name: getattr(answer.data, name) for name in OperationData.model_fields}
        )
    except EncodingError as error:
        raise AnswerLost(f"{what}: unusable answer: {error.what}") from error
    # Known members alone, each as it came: what goes back is what the hash was made of.
    data = {name: result["data"][name] for name in _OPERATION_MEMBERS if name in result["data"]}
    wire = {"type": answer.type, "data": data, "chainId": result["chainId"]}
    return OperationOffer(
        answer.type,
        answer.chain_id,
        operation,
        _request(answer.signature_request, what),
        encode(wire),
    )


_OTHER_REQUESTS: Mapping[str, str] = {
    "user-operation-v060": "operation of EntryPoint v0.6",
    "authorization": "authorization",
    "array": "array",
    "paymaster-permit": "permit",
}


def _request(
    answer: PersonalSignAnswer | SignTypedDataAnswer | AuthorizationRequestAnswer | None, what: str
) -> SignatureRequest:
    match answer:
        case PersonalSignAnswer(data=RawMessage(raw=raw)):
            return PersonalSign(raw)
        case PersonalSignAnswer():
            return OtherRequest("text")
        case SignTypedDataAnswer():
            try:
                typed_data = read_typed_data(answer.data)
            except ValueError as error:
                raise AnswerLost(f"{what}: unusable answer: {error}") from error
            return SignTypedData(typed_data, answer.raw_payload)
        case AuthorizationRequestAnswer():
            return OtherRequest("authorization")
        case None:
            return OtherRequest("none")
