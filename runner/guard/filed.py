"""
Would this be signed? Decided from what files say, without a ledger and without a key.

A file may say less than the daemon knows. What it leaves out is never assumed in the service's
favour: it makes a check stricter, or the check is named as one that was not made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.calls import Call
from runner.ethereum.contracts import (
    EXECUTE_USER_OP,
    INCREMENT_NONCE,
    LARGEST_ENTITY_ID,
    OWNER_ENTITY,
    UNINSTALL_VALIDATION,
)
from runner.ethereum.erc20 import token_move
from runner.ethereum.installation import session_installation
from runner.ethereum.modular_account import is_global, semi_modular_account_address
from runner.ethereum.nonce import OPTION_DEFERRED, OPTION_GLOBAL, Nonce, decode_nonce
from runner.ethereum.permissions import Permission
from runner.ethereum.user_operation import ENTRY_POINT_V07, UserOperation
from runner.frozen import frozen
from runner.guard.checks import Terms, offered_operation, operation_checks, same
from runner.guard.delegation import DelegationTerms, check_delegation
from runner.guard.grants import GrantTerms, examine_grant
from runner.guard.offer import OperationOffer, SessionOffer
from runner.guard.operation import OperationTerms, approvals, examine_operation
from runner.guard.owner import CarryDelegation, OwnerTerms, owner_nonce
from runner.guard.verdict import Check, Refused

_GAS_LIMITS = (
    "call_gas_limit",
    "verification_gas_limit",
    "pre_verification_gas",
    "paymaster_verification_gas_limit",
    "paymaster_post_op_gas_limit",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledIntent:
    """
    What a file says of an operation that was asked for; None where it says nothing.

    Args:
        parallel: The nonce key asked for; 0 is the account's first lane.
        max_fee: Wei for the operation.
        gas_limits: Upper bounds by field of the operation.
        activation: Whether the operation installs its grant, and may make the account.
        delegates: Whether an EIP-7702 authorization was asked for besides.
        authorization_nonce: The EOA's transaction count for it.
        unread: Members of the file that say nothing to us.
    """

    chain_id: int
    account: Address
    calls: tuple[Call, ...]
    sponsored: bool
    max_fee: int
    nonce: int | None = None
    parallel: int = 0
    entity_id: int | None = None
    permissions: tuple[Permission, ...] | None = None
    expiry: int | None = None
    session_key: Address | None = None
    owner: Address | None = None
    salt: int = 0
    paymaster: Address | None = None
    least_fees: tuple[int, int] | None = None
    gas_limits: Mapping[str, int] = field(default_factory=dict)
    now: int | None = None
    receivers: tuple[Address, ...] | None = None
    activation: bool = False
    delegates: bool = False
    authorization_nonce: int | None = None
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledGrant:
    """
    What a file says of a grant that was asked for; None where it says nothing.

    Args:
        entity_id: The entity that it has to be, if that is known.
        living_entities: Entities of the account's living generations.
    """

    chain_id: int
    account: Address
    key: Address
    permissions: tuple[Permission, ...]
    expiry: int
    owner: Address | None = None
    salt: int = 0
    entity_id: int | None = None
    living_entities: frozenset[int] | None = None
    clean_sequences: Mapping[int, int] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


@frozen
class Judged:
    """Each check that was made, and what could not be checked. `signs` needs all to hold."""

    checks: tuple[Check, ...]
    unchecked: tuple[str, ...]

    @property
    def signs(self) -> bool:
        """Whether we would sign."""
        return bool(self.checks) and all(check.holds for check in self.checks)


def judge_operation(intent: FiledIntent, offer: OperationOffer) -> Judged:
    """What the guard says to the answer of `wallet_prepareCalls`."""
    unchecked = list(_unread(intent.unread))
    if intent.delegates:
        return Judged(tuple(_delegation(intent, offer)), tuple(unchecked))
    offered = offered_operation(offer, intent.chain_id)
    if isinstance(offered, Check):
        return Judged((offered,), tuple(unchecked))
    operation, digest = offered
    checks = [*_account(intent, unchecked)]
    terms = _terms(intent, operation)
    if _is_owners(intent):
        checks += operation_checks(
            terms, intent.calls, offer, operation, digest, execution_hooks=False
        )
        checks += _owners(intent, operation, unchecked)
    else:
        checks += _sessions(intent, terms, offer, operation, digest, unchecked)
    checks += _limits(intent, operation)
    if intent.sponsored and intent.paymaster is None:
        unchecked.append("that the paymaster is the one pinned: the intent names none (G4)")
    return Judged(tuple(checks), tuple(unchecked))


def judge_grant(asked: FiledGrant, offer: SessionOffer) -> Judged:
    """
    What the guard says to the answer of `wallet_createSession`.
    """
    unchecked = list(_unread(asked.unread))
    if asked.living_entities is None:
        unchecked.append("that no living grant holds the entity: the request lists none (X16)")
    checks, verdict = examine_grant(
        GrantTerms(
            chain_id=asked.chain_id,
            account=asked.account,
            owner=asked.owner or ZERO_ADDRESS,
            key=asked.key,
            permissions=asked.permissions,
            expiry=asked.expiry,
            living_entities=asked.living_entities or frozenset(),
            sandbox=False,
            clean_sequences=asked.clean_sequences,
        ),
        offer,
    )
    more = [*_owner_of(asked.account, asked.owner, asked.salt, unchecked)]
    if asked.entity_id is not None and not isinstance(verdict, Refused):
        more.append(same("G8.entity", asked.entity_id, verdict.entity_id))
    return Judged((*more, *checks), tuple(unchecked))


def can_be_granted(asked: FiledGrant) -> FiledGrant:
    """
    The request as it is, if a grant can be made of it at all.

    Raises:
        EncodingError: No service could.
    """
    session_installation(asked.permissions, key=asked.key, entity_id=1, expiry=asked.expiry)
    return asked


def _unread(names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        yield f"`{name}`: not a member that the guard reads"


# ── operations ────────────────────────────────────────────────────────────────────────────────


def _terms(intent: FiledIntent, operation: UserOperation) -> Terms:
    return Terms(
        chain_id=intent.chain_id,
        account=intent.account,
        nonce=_nonce(intent, operation),
        sponsored=intent.sponsored,
        paymaster=intent.paymaster,
        max_fee=intent.max_fee,
        sandbox=False,
        least_fees=intent.least_fees,
        deploys_for=_deploys_for(intent),
    )


def _deploys_for(intent: FiledIntent) -> tuple[Address, int] | None:
    """An account is made by an operation without calls, or one that says so, for its owner."""
    may = intent.activation or not intent.calls or _is_void(intent.calls)
    return (intent.owner, intent.salt) if may and intent.owner is not None else None


def _nonce(intent: FiledIntent, operation: UserOperation) -> int:
    """
    The nonce to be expected: what the file says of it, sequence 0, and the rest as offered.

    What is taken from the offer here is told as not checked, or bound by a check of its own.
    """
    if intent.nonce is not None:
        return intent.nonce
    if _is_owners(intent):
        return owner_nonce(parallel=intent.parallel).value
    offered = decode_nonce(operation.nonce)
    entity = offered.entity_id if intent.entity_id is None else intent.entity_id
    installs = OPTION_DEFERRED if _may_install(intent) else 0
    # Global only where the file says so: a session whose permissions it does not name is scoped.
    root = OPTION_GLOBAL if is_global(intent.permissions or ()) else 0
    options = offered.options & installs | root
    # On first use the nonce is what the owner signed, whatever key was asked for (F3).
    parallel = 0 if options & OPTION_DEFERRED else intent.parallel
    return Nonce(parallel, entity, options, 0).value


def _may_install(intent: FiledIntent) -> bool:
    return intent.activation or not intent.calls


def _sessions(
    intent: FiledIntent,
    terms: Terms,
    offer: OperationOffer,
    operation: UserOperation,
    digest: bytes,
    unchecked: list[str],
) -> Iterator[Check]:
    entity = decode_nonce(operation.nonce).entity_id
    valid = 1 <= entity <= LARGEST_ENTITY_ID
    yield Check("G7.entity", "a session's: 1 to 2147483646", entity, valid)
    if intent.nonce is None and intent.entity_id is None:
        unchecked.append(f"that entity {entity} is this session's: the intent names none")
    if intent.permissions is None:
        unchecked.append(
            "the calls, and whether they need the executeUserOp prefix, against the grant: the "
            "intent names no permissions (B4)"
        )
        hooks = operation.call_data[:4] == EXECUTE_USER_OP
        yield from operation_checks(
            terms, intent.calls, offer, operation, digest, execution_hooks=hooks
        )
        yield approvals(intent.calls)
        yield from _receivers(intent)
        return
    if intent.expiry is not None:
        yield Check("X3.expiry", "a grant that ends", intent.expiry, intent.expiry > 0)
    if intent.expiry is None or intent.now is None:
        unchecked.append("that the grant has not ended: the intent lacks `expirySec` or `now` (R6)")
    session = OperationTerms(
        chain_id=terms.chain_id,
        account=terms.account,
        nonce=terms.nonce,
        sponsored=terms.sponsored,
        paymaster=terms.paymaster,
        max_fee=terms.max_fee,
        sandbox=False,
        least_fees=terms.least_fees,
        deploys_for=terms.deploys_for,
        intent=intent.calls,
        permissions=intent.permissions,
        expiry=intent.expiry or 0,
        session_key=intent.session_key or ZERO_ADDRESS,
        now=(intent.expiry or 0) if intent.now is None else intent.now,
    )
    yield from examine_operation(session, offer)[0]
    yield from _receivers(intent)


def _receivers(intent: FiledIntent) -> Iterator[Check]:
    if intent.receivers is None:
        return
    for call in intent.calls:
        move = token_move(call.data)
        for receiver in ([call.to] if call.value else []) + ([move.party] if move else []):
            allowed = receiver in intent.receivers
            yield Check("B4.receiver", "one of the receivers", receiver, allowed)


def _limits(intent: FiledIntent, operation: UserOperation) -> Iterator[Check]:
    for name in _GAS_LIMITS:
        if name in intent.gas_limits:
            most, offered = intent.gas_limits[name], getattr(operation, name)
            yield Check(f"G2.{name}", f"at most {most}", offered, offered <= most)


def _account(intent: FiledIntent, unchecked: list[str]) -> Iterator[Check]:
    return _owner_of(intent.account, intent.owner, intent.salt, unchecked)


def _owner_of(
    account: Address, owner: Address | None, salt: int, unchecked: list[str]
) -> Iterator[Check]:
    """G1: the account is what its owner's address makes it, or the owner itself (EIP-7702)."""
    if owner is None:
        unchecked.append("that the account is its owner's: the file names no `owner` (G1)")
        return
    made = semi_modular_account_address(owner, salt)
    yield Check("G1.account", made, account, account in (made, owner))


# ── what owners sign ──────────────────────────────────────────────────────────────────────────


def _is_owners(intent: FiledIntent) -> bool:
    """No session takes part: then it is the owner who signs."""
    named = (intent.permissions, intent.session_key, intent.entity_id, intent.expiry)
    if intent.nonce is not None:
        return decode_nonce(intent.nonce).entity_id == OWNER_ENTITY
    return all(each is None for each in named) and bool(_owner_call(intent))


def _is_void(calls: tuple[Call, ...]) -> bool:
    return (
        len(calls) == 1 and calls[0].to == ENTRY_POINT_V07 and calls[0].data[:4] == INCREMENT_NONCE
    )


def _owner_call(intent: FiledIntent) -> str:
    """Which of the operations that an owner signs this is (G7); empty if it is none."""
    if _is_void(intent.calls):
        return "void"
    to_itself = len(intent.calls) == 1 and intent.calls[0].to == intent.account
    uninstalls = to_itself and intent.calls[0].data[:4] == UNINSTALL_VALIDATION
    return "uninstall" if uninstalls else ""


def _owners(intent: FiledIntent, operation: UserOperation, unchecked: list[str]) -> Iterator[Check]:
    kind = _owner_call(intent)
    known = bool(kind) and not any(call.value for call in intent.calls)
    yield Check("G7.action", "an uninstall or a void", kind or "another operation", known)
    yield same("G7.authority", OWNER_ENTITY, decode_nonce(operation.nonce).entity_id)
    unchecked.append("that the ledger knows what is taken away (G7), and all its hooks (X15)")


def _delegation(intent: FiledIntent, offer: OperationOffer) -> Iterator[Check]:
    """G9: nothing is taken from the offer; a count that is not known is no count."""
    count = intent.authorization_nonce
    if count is None:
        yield Check("G9.nonce", "the EOA's transaction count", "not in the intent", holds=False)
        return
    carrier = OwnerTerms(
        chain_id=intent.chain_id,
        account=intent.account,
        owner=intent.account,
        action=CarryDelegation(),
        nonce=owner_nonce(parallel=intent.parallel).value if intent.nonce is None else intent.nonce,
        sponsored=intent.sponsored,
        paymaster=intent.paymaster,
        max_fee=intent.max_fee,
        sandbox=False,
        entities=frozenset(),
    )
    yield Check("G9.calls", "none", intent.calls, not intent.calls)
    terms = DelegationTerms(
        chain_id=intent.chain_id, account=intent.account, nonce=count, sandbox=False
    )
    if offer.kind == "array":
        terms = replace(terms, carrier=carrier)
    verdict = check_delegation(terms, offer)
    if isinstance(verdict, Refused):
        for finding in verdict.findings:
            yield Check(finding.rule, finding.asked, finding.offered, holds=False)
        return
    yield Check("G9.delegation", verdict.authorization.address, "the same", holds=True)
