"""
What the Wallet API answers: every method, every variant.

An answer that is not as the specification has it is no answer. Two things are read that the
published schema refuses, since what to make of them is decided elsewhere: status codes that are
not known yet (F6), and a session that asks for another signature than typed data (G7).

Source: README §3 to §10 of the wire specification; where SDK versions differ, v5.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from runner.adapters.wallet_api.requests import PrepareCalls
from runner.adapters.wallet_api.scalars import (
    Base64Url,
    Bytes16,
    Bytes32,
    CallId,
    HexBigInt,
    HexBytes,
    HexNumber,
    HexText,
    Uuid,
    WireAddress,
)
from runner.adapters.wallet_api.typed_data import TypedDataAnswer
from runner.adapters.wallet_api.wire import (
    ABSENT,
    AuthorizationData,
    OperationData,
    OperationDataV06,
    RawMessage,
    Wire,
    WireCall,
)

# ── accounts ──────────────────────────────────────────────────────────────────────────────────


class Counterfactual(Wire):
    """How an account that does not exist yet is made."""

    factory_type: Literal[
        "LightAccountV1.0.1",
        "LightAccountV1.0.2",
        "LightAccountV1.1.0",
        "LightAccountV2.0.0",
        "LightAccountV2.0.0-MultiOwner",
        "MAv1.0.0-MultiOwner",
        "MAv1.0.0-MultiSig",
        "MAv2.0.0-sma-b",
        "MAv2.0.0-ma-ssv",
        "unknown",
    ]
    factory_address: WireAddress
    factory_data: HexBytes


class ListedAccount(Wire):
    """An account and its id."""

    account_address: WireAddress
    id: Uuid


class AccountAnswer(ListedAccount):
    """`wallet_requestAccount`; `delegation` is set for an EOA that delegates."""

    counterfactual_info: Counterfactual = ABSENT
    delegation: WireAddress = ABSENT


class Page(Wire):
    """Where a list goes on; null at its end."""

    total_count: int
    after: Base64Url | None


class AccountsAnswer(Wire):
    """`wallet_listAccounts`."""

    accounts: list[ListedAccount]
    meta: Page


# ── what is to be signed ──────────────────────────────────────────────────────────────────────


class PersonalSignAnswer(Wire):
    """Asks for `personal_sign` of bytes or of a text."""

    type: Literal["personal_sign"]
    data: RawMessage | str
    raw_payload: Bytes32


class SignTypedDataAnswer(Wire):
    """Asks for `eth_signTypedData_v4`."""

    type: Literal["eth_signTypedData_v4"]
    data: TypedDataAnswer
    raw_payload: HexBytes


class AuthorizationRequestAnswer(Wire):
    """Asks for a delegation (EIP-7702)."""

    type: Literal["eip7702Auth"]
    raw_payload: Bytes32


RequestAnswer = Annotated[
    PersonalSignAnswer | SignTypedDataAnswer | AuthorizationRequestAnswer,
    Field(discriminator="type"),
]


class SessionAnswer(Wire):
    """`wallet_createSession`."""

    session_id: Bytes16
    chain_id: HexNumber
    signature_request: RequestAnswer


# ── prepared calls ────────────────────────────────────────────────────────────────────────────


class FeePayment(Wire):
    """Who pays for gas, in which token (zero address: the coin), at most how much."""

    sponsored: bool
    token_address: WireAddress
    max_amount: HexBigInt


class PreparedDetailsData(Wire):
    """The service's own idea of the operation."""

    hash: Bytes32
    calls: list[WireCall]


class PreparedDetails(Wire):
    """What the service says of what it prepared."""

    type: Literal["user-operation"]
    data: PreparedDetailsData


class _Prepared(Wire):
    chain_id: HexNumber
    details: PreparedDetails = ABSENT


class _PreparedOperation(_Prepared):
    signature_request: RequestAnswer = ABSENT
    fee_payment: FeePayment


class OperationAnswer(_PreparedOperation):
    """`wallet_prepareCalls` with the one kind that a run accepts."""

    type: Literal["user-operation-v070"]
    data: OperationData


class OperationAnswerV06(_PreparedOperation):
    """`wallet_prepareCalls`: an operation of EntryPoint v0.6."""

    type: Literal["user-operation-v060"]
    data: OperationDataV06


class AuthorizationAnswer(_Prepared):
    """`wallet_prepareCalls`: a delegation."""

    type: Literal["authorization"]
    data: AuthorizationData
    signature_request: AuthorizationRequestAnswer


PreparedItem = Annotated[
    OperationAnswer | OperationAnswerV06 | AuthorizationAnswer, Field(discriminator="type")
]


class ArrayAnswer(Wire):
    """`wallet_prepareCalls`: several, to be signed each; a delegation first, then an operation."""

    type: Literal["array"]
    data: list[PreparedItem]
    details: PreparedDetails = ABSENT


class PermitAnswer(Wire):
    """`wallet_prepareCalls`: a permit is wanted before `modifiedRequest` is prepared."""

    type: Literal["paymaster-permit"]
    modified_request: PrepareCalls
    data: TypedDataAnswer
    signature_request: SignTypedDataAnswer
    details: PreparedDetails = ABSENT


PreparedAnswer = Annotated[
    OperationAnswer | OperationAnswerV06 | AuthorizationAnswer | ArrayAnswer | PermitAnswer,
    Field(discriminator="type"),
]


# ── sent calls ────────────────────────────────────────────────────────────────────────────────


class PendingBundle(Wire):
    """The transaction that carries an operation, before it is in a block."""

    tx_hash: Bytes32
    sent_at_block: HexNumber


class OperationState(Wire):
    """What became of an operation."""

    hash: Bytes32
    calls: list[WireCall] = ABSENT
    pending_bundle: PendingBundle = ABSENT


class OperationDetails(Wire):
    """Details of an operation."""

    type: Literal["user-operation"]
    data: OperationState


class DelegationDetails(Wire):
    """Details of a delegation by itself."""

    type: Literal["delegation"]
    tx_hash: Bytes32 = ABSENT


Details = Annotated[OperationDetails | DelegationDetails, Field(discriminator="type")]


class SentAnswer(Wire):
    """`wallet_sendPreparedCalls`."""

    id: CallId
    prepared_call_ids: list[CallId]
    details: Details


class ReceiptLogAnswer(Wire):
    """A log in a receipt."""

    address: WireAddress
    data: HexBytes
    topics: list[Bytes32]


class CallsReceipt(Wire):
    """A receipt: the service's word, no evidence (X12)."""

    logs: list[ReceiptLogAnswer]
    status: Literal["0x1", "0x0"]
    block_hash: Bytes32
    block_number: HexNumber
    gas_used: HexBigInt
    transaction_hash: Bytes32


class StatusAnswer(Wire):
    """`wallet_getCallsStatus`."""

    id: CallId
    chain_id: HexNumber
    atomic: bool
    status: int
    receipts: list[CallsReceipt] = ABSENT
    details: Details


# ── messages and capabilities ─────────────────────────────────────────────────────────────────


class SignMessageAnswer(Wire):
    """`personal_sign`, without a digest."""

    type: Literal["personal_sign"]
    data: RawMessage | str


class SignTypedMessageAnswer(Wire):
    """`eth_signTypedData_v4`, without a digest."""

    type: Literal["eth_signTypedData_v4"]
    data: TypedDataAnswer


class PrepareSignAnswer(Wire):
    """`wallet_prepareSign`."""

    chain_id: HexNumber
    signature_request: Annotated[
        SignMessageAnswer | SignTypedMessageAnswer, Field(discriminator="type")
    ]


class FormatSignAnswer(Wire):
    """`wallet_formatSign`: ERC-1271 bytes."""

    signature: HexBytes


CapabilitiesAnswer = dict[HexText, dict[str, dict[str, Any]]]
"""`wallet_getCapabilities`: by chain (the service answers under `0x0` alone), by name."""
