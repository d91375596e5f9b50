"""
What a wallet service asks us to sign, as values: nothing here has been believed yet.

The client makes these from the wire, `checks.py` compares them with what was asked.
"""

from __future__ import annotations

from runner.ethereum.address import Address
from runner.ethereum.authorization import Authorization
from runner.ethereum.calls import Call
from runner.ethereum.typed_data import TypedData
from runner.ethereum.user_operation import UserOperation
from runner.frozen import frozen


@frozen
class PersonalSign:
    """
    `personal_sign` over bytes (EIP-191). For an operation `raw` should be its hash; `raw_payload`
    is the service's own idea of the digest.
    """

    raw: bytes
    raw_payload: bytes | None = None


@frozen
class SignTypedData:
    """`eth_signTypedData_v4`; `raw_payload` is the service's own idea of the digest."""

    typed_data: TypedData
    raw_payload: bytes | None


@frozen
class SignAuthorization:
    """A delegation of an EOA (EIP-7702); `raw_payload` is the service's own idea of the digest."""

    authorization: Authorization
    raw_payload: bytes


@frozen
class OtherRequest:
    """A request that a session run or a grant never signs (text, authorization, permit, none)."""

    kind: str


SignatureRequest = PersonalSign | SignTypedData | SignAuthorization | OtherRequest


@frozen
class Claims:
    """
    What a service says besides of the operation that it prepared. None of it is signed; where it
    contradicts the operation, one of the two is not what was asked.

    `fee_token` is the zero address for the coin, in whose base units `fee` is. `strangers` are
    members that mean something in another kind of operation, or name another entry point.
    """

    sponsored: bool
    fee_token: Address
    fee: int
    hash: bytes | None = None
    calls: tuple[Call, ...] | None = None
    strangers: tuple[str, ...] = ()


@frozen
class OperationOffer:
    """
    The answer of `wallet_prepareCalls`.

    `kind` is the wire's `type`; `operation` is None for kinds that a run does not accept (arrays,
    authorizations, v0.6, permits). `wire` is the JSON object as it came, less its signature
    request: what is sent back beside the signature; for a permit, the request to prepare again.
    `parts` are those of an array, each to be signed: a delegation first, then an operation.
    `claims` come with operations alone.
    """

    kind: str
    chain_id: int | None
    operation: UserOperation | None
    request: SignatureRequest
    wire: bytes
    parts: tuple[OperationOffer, ...] = ()
    claims: Claims | None = None


@frozen
class SessionOffer:
    """The answer of `wallet_createSession`: 16 bytes of id, and what the owner should sign."""

    session_id: bytes
    chain_id: int
    request: SignatureRequest
