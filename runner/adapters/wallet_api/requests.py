"""
What may be asked of the Wallet API: every method, every capability, every variant.

The runner sends few of these (`messages.py` builds them). The models say what the specification
allows, read it strictly and write it in one spelling; `METHODS` holds one for each method.

Source: README §3 to §10 of the wire specification; where SDK versions differ, v5.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from runner.adapters.wallet_api.capabilities import (
    Capabilities,
    SendCapabilities,
    SignCapabilities,
)
from runner.adapters.wallet_api.scalars import (
    Base64Url,
    Bytes4,
    HexBigInt,
    HexBytes,
    HexNumber,
    Uuid,
    WireAddress,
)
from runner.adapters.wallet_api.typed_data import TypedDataAnswer
from runner.adapters.wallet_api.wire import (
    ABSENT,
    AuthorizationData,
    Closed,
    EcdsaSignature,
    OperationData,
    OperationDataV06,
    RawMessage,
    Wire,
    WireCall,
)

# ── accounts ──────────────────────────────────────────────────────────────────────────────────


class PlainHint(Wire):
    """How to make an account of one owner."""

    create_additional: Literal[True] = ABSENT
    salt: HexBigInt = ABSENT
    account_type: Literal["sma-b", "la-v2", "la-v1.0.1", "la-v1.0.2", "la-v1.1.0"] = ABSENT


class MultiOwnerHint(Wire):
    """How to make an account of several owners."""

    create_additional: Literal[True] = ABSENT
    salt: HexBigInt = ABSENT
    account_type: Literal["la-v2-multi-owner", "ma-v1-multi-owner"]
    initial_owners: list[WireAddress] = ABSENT


class DelegatedHint(Wire):
    """The owner's own address, delegated."""

    account_type: Literal["7702"]


class BySigner(Wire):
    """`wallet_requestAccount`: the account of a signer."""

    signer_address: WireAddress
    id: Uuid = ABSENT
    creation_hint: Annotated[
        PlainHint | MultiOwnerHint | DelegatedHint, Field(union_mode="left_to_right")
    ] = ABSENT
    include_counterfactual_info: bool = ABSENT


class ByAccount(Wire):
    """`wallet_requestAccount`: an account by its address."""

    account_address: WireAddress
    include_counterfactual_info: bool = ABSENT


RequestAccount = Annotated[BySigner | ByAccount, Field(union_mode="left_to_right")]


class ListAccounts(Wire):
    """`wallet_listAccounts`."""

    signer_address: WireAddress
    limit: Annotated[int, Field(ge=1, le=100)] = ABSENT
    after: Base64Url = ABSENT


# ── sessions ──────────────────────────────────────────────────────────────────────────────────

Functions = Annotated[list[Bytes4], Field(min_length=1)]


class Allowance(Wire):
    """Wei."""

    allowance: HexBigInt


class TokenAllowance(Wire):
    """Base units of a token."""

    address: WireAddress
    allowance: HexBigInt


class Limit(Wire):
    """Wei."""

    limit: HexBigInt


class Target(Wire):
    """A contract."""

    address: WireAddress


class OfAny(Wire):
    """Functions, wherever they are."""

    functions: Functions


class OfOne(Wire):
    """Functions of one contract."""

    address: WireAddress
    functions: Functions


class NativePermission(Wire):
    """A bound on the coin."""

    type: Literal["native-token-transfer"]
    data: Allowance


class TokenPermission(Wire):
    """A bound on a token."""

    type: Literal["erc20-token-transfer"]
    data: TokenAllowance


class GasPermission(Wire):
    """A bound on the cost of gas."""

    type: Literal["gas-limit"]
    data: Limit


class ContractPermission(Wire):
    """All of one contract."""

    type: Literal["contract-access"]
    data: Target


class FunctionsPermission(Wire):
    """Functions of the account, or of all contracts."""

    type: Literal["account-functions", "functions-on-all-contracts"]
    data: OfAny


class ContractFunctionsPermission(Wire):
    """Functions of one contract."""

    type: Literal["functions-on-contract"]
    data: OfOne


class RootPermission(Closed):
    """Everything; has no `data`."""

    type: Literal["root"]


PermissionMessage = Annotated[
    NativePermission
    | TokenPermission
    | GasPermission
    | ContractPermission
    | FunctionsPermission
    | ContractFunctionsPermission
    | RootPermission,
    Field(discriminator="type"),
]


class SessionKeyMessage(Wire):
    """The key of a session; `publicKey` is its address."""

    type: Literal["secp256k1", "ecdsa", "contract"]
    public_key: WireAddress


class CreateSession(Wire):
    """`wallet_createSession`."""

    account: WireAddress
    chain_id: HexNumber
    expiry_sec: Annotated[int, Field(ge=0, le=9_999_999_999)] = ABSENT
    key: SessionKeyMessage
    permissions: Annotated[list[PermissionMessage], Field(min_length=1)]


# ── calls ─────────────────────────────────────────────────────────────────────────────────────


class PrepareCalls(Wire):
    """`wallet_prepareCalls`."""

    from_: Annotated[WireAddress, Field(alias="from")]
    chain_id: HexNumber
    calls: list[WireCall] = ABSENT
    capabilities: Capabilities = ABSENT
    paymaster_permit_signature: EcdsaSignature = ABSENT


class Signed(Wire):
    """A prepared call with its signature."""

    chain_id: HexNumber
    signature: EcdsaSignature


class SignedOperation(Signed):
    """An operation of EntryPoint v0.7."""

    type: Literal["user-operation-v070"]
    data: OperationData


class SignedOperationV06(Signed):
    """An operation of EntryPoint v0.6."""

    type: Literal["user-operation-v060"]
    data: OperationDataV06


class SignedAuthorization(Signed):
    """A delegation."""

    type: Literal["authorization"]
    data: AuthorizationData


SignedItem = Annotated[
    SignedOperation | SignedOperationV06 | SignedAuthorization, Field(discriminator="type")
]


class _Sent(Wire):
    capabilities: SendCapabilities = ABSENT
    call_id: HexBytes = ABSENT


class SendOperation(SignedOperation, _Sent):
    """`wallet_sendPreparedCalls`: an operation of EntryPoint v0.7."""


class SendOperationV06(SignedOperationV06, _Sent):
    """`wallet_sendPreparedCalls`: an operation of EntryPoint v0.6."""


class SendAuthorization(SignedAuthorization, _Sent):
    """`wallet_sendPreparedCalls`: a delegation by itself."""


class SendArray(_Sent):
    """`wallet_sendPreparedCalls`: several at once; no chain of its own."""

    type: Literal["array"]
    data: list[SignedItem]


SendPreparedCalls = Annotated[
    SendOperation | SendOperationV06 | SendAuthorization | SendArray, Field(discriminator="type")
]


# ── messages to sign ──────────────────────────────────────────────────────────────────────────


class SignMessage(Wire):
    """`personal_sign` of bytes, or of a text that is not empty."""

    type: Literal["personal_sign"]
    data: RawMessage | Annotated[str, StringConstraints(min_length=1)]


class SignTypedDataMessage(Wire):
    """`eth_signTypedData_v4`."""

    type: Literal["eth_signTypedData_v4"]
    data: TypedDataAnswer


class PrepareSign(Wire):
    """`wallet_prepareSign`."""

    from_: Annotated[WireAddress, Field(alias="from")]
    chain_id: HexNumber
    signature_request: Annotated[SignMessage | SignTypedDataMessage, Field(discriminator="type")]
    capabilities: SignCapabilities = ABSENT


class FormatSign(Wire):
    """`wallet_formatSign`."""

    from_: Annotated[WireAddress, Field(alias="from")]
    chain_id: HexNumber
    signature: EcdsaSignature
    capabilities: SignCapabilities = ABSENT
