"""
Operations that the owner's key signs: an uninstall, the voiding of a grant, a delegation's carrier.

The owner's key signs exactly four things (G7): the DeferredAction of a grant (`grants.py`), the
first two of these, and an EIP-7702 authorization (`delegation.py`), with which the third goes. Each
is rebuilt here from what the ledger knows; nothing else that a service prepares is ever signed.

Source: rules G7, G9 and X15; mav2.md §4 and §12.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runner.errors import EncodingError
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.calls import Call
from runner.ethereum.contracts import LARGEST_ENTITY_ID, OWNER_ENTITY, SINGLE_SIGNER_MODULE
from runner.ethereum.installation import (
    Installation,
    encode_uninstallation,
    session_installation,
)
from runner.ethereum.modular_account import increment_nonce
from runner.ethereum.nonce import OPTION_DEFERRED, OPTION_GLOBAL, Nonce, decode_nonce
from runner.ethereum.permissions import Permission
from runner.ethereum.signature import personal_sign_digest
from runner.ethereum.user_operation import ENTRY_POINT_V07, UserOperation
from runner.frozen import frozen
from runner.guard.checks import (
    ApprovedOperation,
    Terms,
    offered_operation,
    operation_checks,
    rules_of,
    same,
)
from runner.guard.offer import OperationOffer
from runner.guard.verdict import Check, Refused, Subject, _approve


@frozen
class Uninstall:
    """Take a session off the account, its modules' tables included (X15)."""

    installation: Installation

    @classmethod
    def of(cls, permissions: tuple[Permission, ...], *, entity_id: int, expiry: int) -> Uninstall:
        """
        The uninstall of one of our grants; `expiry` in unix seconds, 0 if it had none.

        Raises:
            EncodingError: The entity id, the expiry, an amount or a selector is out of range.
        """
        # The key takes no part in the call: an uninstall names the entity alone.
        return cls(
            session_installation(permissions, key=ZERO_ADDRESS, entity_id=entity_id, expiry=expiry)
        )

    @property
    def entity_id(self) -> int:
        """Whose session goes."""
        return self.installation.entity_id

    def calls(self, account: Address) -> tuple[Call, ...]:
        """A call of the account to itself."""
        return (Call(account, 0, encode_uninstallation(self.installation)),)

    def checks(self) -> Iterator[Check]:
        """Only a session's key: never another kind of validation, never the owner's own."""
        yield same("G7.module", SINGLE_SIGNER_MODULE, self.installation.module)

    @property
    def kind(self) -> str:
        """What it is, in a word."""
        return "uninstall"

    @property
    def meaning(self) -> str:
        """What it does, in words."""
        return f"uninstall of entity {self.entity_id}"


@frozen
class Void:
    """
    Use up the nonce of a grant that was signed and never used (F7, G7).

    Args:
        nonce: As the owner signed it in the grant.
    """

    nonce: int

    @property
    def entity_id(self) -> int:
        """Whose grant it was."""
        return decode_nonce(self.nonce).entity_id

    def calls(self, account: Address) -> tuple[Call, ...]:
        """A call to the EntryPoint."""
        del account
        return (Call(ENTRY_POINT_V07, 0, increment_nonce(decode_nonce(self.nonce).key192)),)

    def checks(self) -> Iterator[Check]:
        """A grant's nonce, not that of an owner's or a session's operations."""
        options = decode_nonce(self.nonce).options
        known = (OPTION_DEFERRED, OPTION_DEFERRED | OPTION_GLOBAL)
        yield Check("G7.options", "those of a grant", options, options in known)

    @property
    def kind(self) -> str:
        """What it is, in a word."""
        return "void"

    @property
    def meaning(self) -> str:
        """What it does, in words."""
        return f"void of the grant with nonce {self.nonce:#x}"


@frozen
class CarryDelegation:
    """No calls: the operation that brings an EIP-7702 authorization to the chain (G9)."""

    def calls(self, account: Address) -> tuple[Call, ...]:
        """None."""
        del account
        return ()

    def checks(self) -> Iterator[Check]:
        """Nothing moves, so there is nothing to compare."""
        return iter(())

    @property
    def kind(self) -> str:
        """What it is, in a word."""
        return "carrier"

    @property
    def meaning(self) -> str:
        """What it does, in words."""
        return "operation without calls that carries a delegation"


Action = Uninstall | Void | CarryDelegation


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerTerms(Terms):
    """
    What was asked of the owner: one action, and the nonce that its operation has to carry.

    Args:
        entities: Entities of this account that our ledger knows, foreign ones included (G7).
    """

    action: Action
    owner: Address
    entities: frozenset[int]


def owner_nonce(*, parallel: int = 0, sequence: int = 0) -> Nonce:
    """
    The nonce of an operation that the owner signs; `parallel` is the key asked for.

    Raises:
        EncodingError: A part is wider than its field.
    """
    return Nonce(parallel, OWNER_ENTITY, OPTION_GLOBAL, sequence)


def check_owner_operation(terms: OwnerTerms, offer: OperationOffer) -> ApprovedOperation | Refused:
    """Every rule about an operation of the owner; approved only when none finds a difference."""
    return examine_owner_operation(terms, offer)[1]


def examine_owner_operation(
    terms: OwnerTerms, offer: OperationOffer
) -> tuple[tuple[Check, ...], ApprovedOperation | Refused]:
    """The verdict, and every comparison that led to it."""
    offered = offered_operation(offer, terms.chain_id)
    if isinstance(offered, Check):
        return (offered,), Refused((offered.finding,))
    operation, digest = offered
    try:
        calls = terms.action.calls(terms.account)
    except EncodingError as error:  # a hook of a module whose tables we could not clear
        unknown = Check("X15.hooks", "modules that we know", error.what, holds=False)
        return (unknown,), Refused((unknown.finding,))
    checks = (
        *operation_checks(terms, calls, offer, operation, digest, execution_hooks=False),
        *_authority(operation),
        *_entity(terms),
        *terms.action.checks(),
    )
    refused = Refused.by(checks)
    if refused is not None:
        return checks, refused
    approved = _approve(
        digest=personal_sign_digest(digest),
        signer=terms.owner,
        sandbox=terms.sandbox,
        meaning=f"operation 0x{digest.hex()}: {terms.action.meaning} on {terms.account}",
        subject=Subject(terms.action.kind, terms.chain_id, terms.account, operation),
    )
    return checks, ApprovedOperation(approved, operation, digest, rules_of(checks))


def _authority(operation: UserOperation) -> Iterator[Check]:
    """The nonce names who validates: the owner's own entity, and no deferred action with it."""
    nonce = decode_nonce(operation.nonce)
    yield same("G7.authority", OWNER_ENTITY, nonce.entity_id)
    yield same("G7.nonceOptions", OPTION_GLOBAL, nonce.options)


def _entity(terms: OwnerTerms) -> Iterator[Check]:
    """G7: what is taken away stands in our ledger, and is a session's."""
    if isinstance(terms.action, CarryDelegation):
        return
    entity = terms.action.entity_id
    known = entity in terms.entities and 1 <= entity <= LARGEST_ENTITY_ID
    yield Check("G7.entity", "one that our ledger knows", entity, known)
