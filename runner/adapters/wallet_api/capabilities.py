"""
The capabilities of the Wallet API: who pays, under which session, with which nonce, fees and code.

Source: README §6.1 and §7 of the wire specification.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PlainSerializer, PlainValidator, model_validator

from runner.adapters.wallet_api.scalars import (
    AbsentAddress,
    HexBigInt,
    HexBytes,
    HexNumber,
    HexText,
    Uuid,
    WireAddress,
    hex_integer,
    read_integer,
)
from runner.adapters.wallet_api.wire import ABSENT, Closed, Wire, WirePermissions


class AutoPermit(Closed):
    """Have a permit signed when the allowance is below."""

    below: HexBigInt
    amount: HexBigInt
    duration_seconds: HexNumber = ABSENT


class PermitDetails(Closed):
    """The permit that was signed."""

    deadline: HexNumber
    value: HexBigInt


class WithAutoPermit(Closed):
    """Before the operation."""

    auto_permit: AutoPermit


class WithPermitDetails(Closed):
    """Before the operation."""

    permit_details: PermitDetails


class AutoApprove(Closed):
    """Approve more when the allowance is below."""

    below: HexBigInt
    amount: HexBigInt


class PostOpSettings(Closed):
    """After the operation."""

    auto_approve: Literal[True] | AutoApprove = ABSENT
    balance_check: Literal[False] = ABSENT


class Erc20Payment(Closed):
    """Gas paid in a token."""

    token_address: WireAddress
    max_token_amount: HexBigInt = ABSENT
    pre_op_settings: WithAutoPermit | WithPermitDetails = ABSENT
    post_op_settings: PostOpSettings = ABSENT

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if {"pre_op_settings", "post_op_settings"} <= self.model_fields_set:
            raise ValueError("preOpSettings and postOpSettings exclude each other")
        return self


class SendPaymaster(Wire):
    """Who pays for gas, as sending names it."""

    policy_id: Uuid = ABSENT
    policy_ids: list[Uuid] = ABSENT
    webhook_data: str = ABSENT

    @model_validator(mode="after")
    def _some_policy(self) -> Self:
        if not {"policy_id", "policy_ids"} & self.model_fields_set:
            raise ValueError("neither policyId nor policyIds")
        return self


class PaymasterService(SendPaymaster):
    """Who pays for gas, as preparing names it."""

    only_estimation: bool = ABSENT
    erc20: Erc20Payment = ABSENT


class Multiplier(Wire):
    """Times what the service estimates; not an amount, so a JSON number."""

    multiplier: float | int


Gas = HexBigInt | Multiplier


class GasParamsOverride(Wire):
    """Gas parameters, absolute or as a multiple."""

    pre_verification_gas: Gas = ABSENT
    verification_gas_limit: Gas = ABSENT
    call_gas_limit: Gas = ABSENT
    paymaster_verification_gas_limit: Gas = ABSENT
    paymaster_post_op_gas_limit: Gas = ABSENT
    max_fee_per_gas: Gas = ABSENT
    max_priority_fee_per_gas: Gas = ABSENT


class Delegation(Wire):
    """Delegate to the account's code, or (zero address) take that back."""

    account: AbsentAddress = ABSENT
    delegation: Literal[
        "ModularAccountV2",
        "0x69007702764179f14F51cdce752f4f775d74E139",
        "0x0000000000000000000000000000000000000000",
    ]


def _nonce_key(value: object) -> int:
    key = read_integer(value)
    if key >= 2**152:
        raise ValueError("more than 152 bits")
    return key


class NonceOverride(Wire):
    """The parallel part of the nonce key."""

    nonce_key: Annotated[
        int, PlainValidator(_nonce_key), PlainSerializer(hex_integer, when_used="json")
    ]


class StateEntry(Closed):
    """What to assume of an account while estimating."""

    balance: HexBigInt = ABSENT
    nonce: HexNumber = ABSENT
    code: HexBytes = ABSENT
    state: dict[HexText, HexText] = ABSENT
    state_diff: dict[HexText, HexText] = ABSENT

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if {"state", "state_diff"} <= self.model_fields_set:
            raise ValueError("state and stateDiff exclude each other")
        return self


class DataSuffix(Wire):
    """Bytes behind the call data."""

    value: HexBytes


class SendCapabilities(Wire):
    """What is said again when calls are sent."""

    permissions: WirePermissions = ABSENT
    paymaster_service: SendPaymaster = ABSENT


class Capabilities(Wire):
    """All that can be asked for when calls are prepared."""

    permissions: WirePermissions = ABSENT
    paymaster_service: PaymasterService = ABSENT
    gas_params_override: GasParamsOverride = ABSENT
    eip7702_auth: Annotated[Literal[True] | Delegation, Field(alias="eip7702Auth")] = ABSENT
    nonce_override: NonceOverride = ABSENT
    state_override: dict[WireAddress, StateEntry] = ABSENT
    data_suffix: Annotated[DataSuffix, Field(alias="experimental_dataSuffix")] = ABSENT


class SignCapabilities(Wire):
    """Which session signs a message."""

    permissions: WirePermissions = ABSENT
