"""
Operations that a session key signs: payments, activations, burns.

Source: rules G1 to G5, G11, B4 to B7, X1 and X4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.erc20 import TRANSFER_FROM
from runner.ethereum.modular_account import has_execution_hooks
from runner.ethereum.permissions import Permission
from runner.ethereum.signature import personal_sign_digest
from runner.ethereum.user_operation import UserOperation
from runner.ethereum.words import address_word
from runner.guard.checks import (
    ApprovedOperation,
    Terms,
    offered_operation,
    operation_checks,
    rules_of,
)
from runner.guard.intent import unlimited_approval
from runner.guard.offer import OperationOffer
from runner.guard.scope import (
    Allowances,
    Installed,
    Outcome,
    initial_allowances,
    installed,
    judge,
)
from runner.guard.verdict import Check, Refused, Subject, _approve


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationTerms(Terms):
    """
    What a session run asked for: the only operation that may be signed on its fence.

    Args:
        intent: The frozen calls, or none for an activation or a burn (X4).
        receivers: Who may receive; None is anyone.
        moved_to: Who the intent sends value or tokens to.
        contracts: What the organisation lets be called; None is anything.
    """

    intent: tuple[Call, ...]
    permissions: tuple[Permission, ...]
    expiry: int
    session_key: Address
    now: int
    receivers: tuple[Address, ...] | None = None
    moved_to: tuple[Address, ...] = ()
    contracts: frozenset[Address] | None = None


def check_operation(terms: OperationTerms, offer: OperationOffer) -> ApprovedOperation | Refused:
    """Every rule about a prepared operation; approved only when none finds a difference."""
    return examine_operation(terms, offer)[1]


def examine_operation(
    terms: OperationTerms, offer: OperationOffer
) -> tuple[tuple[Check, ...], ApprovedOperation | Refused]:
    """The verdict, and every comparison that led to it."""
    offered = offered_operation(offer, terms.chain_id)
    if isinstance(offered, Check):
        return (offered,), Refused((offered.finding,))
    operation, digest = offered
    checks = (
        *operation_checks(
            terms,
            terms.intent,
            offer,
            operation,
            digest,
            execution_hooks=has_execution_hooks(terms.permissions),
        ),
        _scope(terms, operation),
        *_receivers(terms),
        *_contracts(terms),
        approvals(terms.intent),
        _pulls(terms),
    )
    refused = Refused.by(checks)
    if refused is not None:
        return checks, refused
    what = f"{len(terms.intent)} call(s) of {terms.account} on chain {terms.chain_id}"
    approved = _approve(
        digest=personal_sign_digest(digest),
        signer=terms.session_key,
        sandbox=terms.sandbox,
        meaning=f"operation 0x{digest.hex()}: {what}",
        subject=Subject("operation", terms.chain_id, terms.account, operation),
    )
    return checks, ApprovedOperation(approved, operation, digest, rules_of(checks))


def _scope(terms: OperationTerms, operation: UserOperation) -> Check:
    """B4: the frozen calls lie inside the grant, as the account's modules will judge them."""
    session, allowances = _granted(terms.permissions, terms.expiry)
    judgement = judge(
        session,
        terms.intent,
        account=terms.account,
        allowances=allowances,
        now=terms.now,
        max_gas_cost=operation.max_cost,
        sponsored=terms.sponsored,
    )
    inside = judgement.outcome is Outcome.ACCEPTED
    where = "" if judgement.call_index is None else f" at calls[{judgement.call_index}]"
    offered = "inside" if inside else f"{judgement.reason}{where}"
    return Check("B4.scope", "calls inside the grant", offered, inside)


@lru_cache(maxsize=256)
def _granted(permissions: tuple[Permission, ...], expiry: int) -> tuple[Installed, Allowances]:
    """What a grant puts on the account, unspent: the same for all of its operations."""
    return installed(permissions, expiry=expiry), initial_allowances(permissions)


def _receivers(terms: OperationTerms) -> Iterator[Check]:
    for receiver in terms.moved_to if terms.receivers is not None else ():
        allowed = receiver in (terms.receivers or ())
        yield Check("B4.receiver", "one of the session's receivers", receiver, allowed)


def _contracts(terms: OperationTerms) -> Iterator[Check]:
    if terms.contracts is None:
        return
    for call in terms.intent:
        allowed = call.to in terms.contracts or not call.data
        yield Check("B4.contract", "one of the organisation's contracts", call.to, allowed)


def _pulls(terms: OperationTerms) -> Check:
    """B4: what leaves the account by `transferFrom` no limit counts and no receiver bounds."""
    own = address_word(terms.account)[12:]
    pull = next(
        (
            call
            for call in terms.intent
            if call.data[:4] == TRANSFER_FROM and call.data[16:36] == own
        ),
        None,
    )
    offered = "none" if pull is None else f"one of {pull.to}"
    return Check("B4.transferFrom", "none from the account itself", offered, pull is None)


def approvals(intent: tuple[Call, ...]) -> Check:
    """B7: whatever a grant allows, nothing without a bound is approved."""
    call = unlimited_approval(intent)
    offered = "none without a bound" if call is None else f"an unlimited one on {call.to}"
    return Check("B7.approval", "bounded approvals alone", offered, call is None)
