"""
Delegations: the EIP-7702 authorization by which an EOA takes on the account's code.

Source: rules G7 and G9; EIP-7702.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.ethereum.address import Address
from runner.ethereum.authorization import Authorization
from runner.ethereum.contracts import DELEGATE_7702
from runner.frozen import frozen
from runner.guard.checks import ApprovedOperation, chain, kind_of, same
from runner.guard.offer import OperationOffer, SignAuthorization
from runner.guard.owner import CarryDelegation, OwnerTerms, check_owner_operation
from runner.guard.verdict import Approved, Check, Refused, Subject, _approve

_AUTHORIZATION = "authorization"
_ARRAY = "array"


@frozen
class DelegationTerms:
    """
    What was asked of the owner of an EOA.

    Args:
        account: The EOA: its key is the owner's, and signs.
        nonce: Its transaction count, read now (G9).
        carrier: What the operation that goes with the authorization has to be; None if the
            authorization comes by itself.
    """

    chain_id: int
    account: Address
    nonce: int
    sandbox: bool
    carrier: OwnerTerms | None = None


@frozen
class ApprovedDelegation:
    """The verdict on a delegation, and on the operation that carries it."""

    approved: Approved
    authorization: Authorization
    carrier: ApprovedOperation | None


def check_delegation(terms: DelegationTerms, offer: OperationOffer) -> ApprovedDelegation | Refused:
    """The canonical delegate, on our chain, with the EOA's current nonce, and nothing besides."""
    parts = _parts(terms, offer)
    if isinstance(parts, Refused):
        return parts
    delegation, operation = parts
    ours = Authorization(terms.chain_id, DELEGATE_7702, terms.nonce)
    refused = Refused.by(_authorization(ours, delegation))
    if refused is not None:
        return refused
    carrier = None
    if terms.carrier is not None and operation is not None:
        verdict = _carried(terms, terms.carrier, operation)
        if isinstance(verdict, Refused):
            return verdict
        carrier = verdict
    approved = _approve(
        digest=ours.digest,
        signer=terms.account,
        sandbox=terms.sandbox,
        meaning=f"delegation of {terms.account} to {DELEGATE_7702} on chain {terms.chain_id}",
        subject=Subject("delegation", terms.chain_id, terms.account, ours),
    )
    return ApprovedDelegation(approved, ours, carrier)


def _parts(
    terms: DelegationTerms, offer: OperationOffer
) -> tuple[OperationOffer, OperationOffer | None] | Refused:
    """The authorization first, then its carrier, if one was asked for."""
    kinds = tuple(part.kind for part in offer.parts)
    if terms.carrier is None:
        alone = same("G5.type", _AUTHORIZATION, offer.kind)
        return (offer, None) if alone.holds else Refused((alone.finding,))
    checks = (
        same("G5.type", _ARRAY, offer.kind),
        same("G9.parts", (_AUTHORIZATION, "user-operation-v070"), kinds),
    )
    refused = Refused.by(checks)
    return (offer.parts[0], offer.parts[1]) if refused is None else refused


def _authorization(ours: Authorization, offer: OperationOffer) -> Iterator[Check]:
    yield chain(ours.chain_id, offer.chain_id)
    request = offer.request
    if not isinstance(request, SignAuthorization):
        yield Check("G9.request", "eip7702Auth", kind_of(request), holds=False)
        return
    yield same("G9.chain", ours.chain_id, request.authorization.chain_id)
    yield same("G9.delegate", ours.address, request.authorization.address)
    yield same("G9.nonce", ours.nonce, request.authorization.nonce)
    yield same("G9.rawPayload", ours.digest, request.raw_payload)


def _carried(
    terms: DelegationTerms, carrier: OwnerTerms, operation: OperationOffer
) -> ApprovedOperation | Refused:
    """The carrier is of the same account, and does nothing but carry."""
    checks = (
        same("G9.carrier.chain", terms.chain_id, carrier.chain_id),
        same("G9.carrier.account", terms.account, carrier.account),
        same("G9.carrier.owner", terms.account, carrier.owner),
        Check(
            "G9.carrier.calls",
            "none",
            carrier.action.meaning,
            isinstance(carrier.action, CarryDelegation),
        ),
    )
    return Refused.by(checks) or check_owner_operation(carrier, operation)
