"""
What all messages are made of: the base of the models, and the shapes that go both ways.

Members that the specification does not know are ignored; what it knows has to be right to the
letter, or nothing is believed.

Source: README §2, §5, §6 of the wire specification; where SDK versions differ, v5.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from runner.adapters.wallet_api.scalars import (
    AbsentAddress,
    HexBigInt,
    HexBytes,
    HexNumber,
    HexText,
    WireAddress,
)

ABSENT: Any = None
"""
Default of a member that may be absent but is never null. Its own type would refuse it, and nothing
looks at defaults: what was not given is not written either.
"""


class Wire(BaseModel):
    """The base of all messages: strict, frozen, camelCase, deaf to unknown members."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        strict=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        defer_build=True,  # a command that loads this module need not speak to a service
    )

    def written(self) -> Any:
        """
        The message as plain objects, with the members that were given and no others.

        What is ignored when it is read, is left out when it is written.
        """
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Closed(Wire):
    """A shape that the specification closes: an unknown member is an error."""

    model_config = ConfigDict(extra="forbid")


class WireCall(Wire):
    """A call; missing data is empty, missing value 0."""

    to: WireAddress
    data: HexBytes = b""
    value: HexBigInt = 0


class RawMessage(Wire):
    """`{raw}`: bytes to be signed by EIP-191."""

    raw: HexBytes


class OperationData(Wire):
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


class OperationDataV06(Wire):
    """An unsigned operation of EntryPoint v0.6."""

    sender: WireAddress
    nonce: HexBigInt
    init_code: HexBytes
    call_data: HexBytes
    call_gas_limit: HexBigInt
    verification_gas_limit: HexBigInt
    pre_verification_gas: HexBigInt
    max_fee_per_gas: HexBigInt
    max_priority_fee_per_gas: HexBigInt
    paymaster_and_data: HexBytes


class AuthorizationData(Wire):
    """What an EOA signs to delegate, less the chain (EIP-7702)."""

    address: WireAddress
    nonce: HexNumber


class ParityParts(Wire):
    """A signature in parts, with the parity of y."""

    r: HexText
    s: HexText
    y_parity: HexText


class RecoveryParts(Wire):
    """A signature in parts, with v."""

    r: HexText
    s: HexText
    v: HexText


class EcdsaSignature(Wire):
    """A signature by a key: 65 bytes, or its parts."""

    type: Literal["secp256k1", "ecdsa"]
    data: Annotated[HexBytes | ParityParts | RecoveryParts, Field(union_mode="left_to_right")]


class ByContext(Wire):
    """A session by its context."""

    context: HexBytes


class BySessionId(Wire):
    """A session by its id and the owner's signature."""

    session_id: HexBytes
    signature: HexBytes


WirePermissions = Annotated[ByContext | BySessionId, Field(union_mode="left_to_right")]
"""The `permissions` capability; where both forms are given, the context counts."""
