"""
Grants: the DeferredAction by which an owner lets a session key in.

Source: rules G7, G8, X3, X15 and X16; mav2.md §3 and §5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from runner.errors import EncodingError
from runner.ethereum.address import Address, parse_address
from runner.ethereum.contracts import LARGEST_ENTITY_ID
from runner.ethereum.modular_account import deferred_action, install_validation, is_global
from runner.ethereum.nonce import OPTION_DEFERRED, OPTION_GLOBAL, decode_nonce
from runner.ethereum.permissions import Permission
from runner.ethereum.typed_data import TypedData, typed_data_digest
from runner.frozen import frozen
from runner.guard.checks import chain, kind_of, same
from runner.guard.offer import SessionOffer, SignTypedData
from runner.guard.verdict import Approved, Check, Refused, Subject, _approve


@frozen
class GrantTerms:
    """
    What was asked of `wallet_createSession`.

    Args:
        expiry: Unix seconds; never 0, a grant without end is refused (X3).
        living_entities: Entities of generations that can still sign (X16).
        clean_sequences: By entity that was used before and is proved to be clean (X15), the next
            sequence of its grants; any other entity has to be new, at sequence 0.
        forbidden: Kinds of permissions that the organisation forbids.
        latest: Unix seconds: the latest end that the organisation admits.
    """

    chain_id: int
    account: Address
    owner: Address
    key: Address
    permissions: tuple[Permission, ...]
    expiry: int
    living_entities: frozenset[int]
    sandbox: bool
    clean_sequences: Mapping[int, int] | None = None
    forbidden: frozenset[str] = frozenset()
    latest: int | None = None


@frozen
class ApprovedGrant:
    """The verdict on a grant, with the entity and nonce that the owner's signature binds."""

    approved: Approved
    entity_id: int
    nonce: int


def latest_end(longest: timedelta | None, now: datetime) -> int | None:
    """The latest end of a grant that is signed now, in Unix seconds; None: any."""
    return None if longest is None else int((now + longest).timestamp())


def check_grant(terms: GrantTerms, offer: SessionOffer) -> ApprovedGrant | Refused:
    """
    Rebuild the DeferredAction from what was asked, and compare it with what came (G7, G8).

    Only entity id and nonce are the service's to choose, within the rules.
    """
    return examine_grant(terms, offer)[1]


def examine_grant(
    terms: GrantTerms, offer: SessionOffer
) -> tuple[tuple[Check, ...], ApprovedGrant | Refused]:
    """The verdict, and every comparison that led to it."""
    checks = [chain(terms.chain_id, offer.chain_id)]
    checks.append(Check("X3.expiry", "a grant that ends", terms.expiry, terms.expiry > 0))
    checks += _organisation(terms)
    request = offer.request
    if not isinstance(request, SignTypedData):
        checks.append(Check("G7.request", "eth_signTypedData_v4", kind_of(request), holds=False))
        return _refused(checks)
    nonce = _whole(request.typed_data.message.get("nonce"))
    if nonce is None or nonce >= 1 << 256:
        checks.append(Check("G8.nonce", "uint256", nonce, holds=False))
        return _refused(checks)
    checks += _nonce(terms, nonce)
    if not all(check.holds for check in checks):
        return _refused(checks)
    entity_id = decode_nonce(nonce).entity_id
    call = install_validation(
        terms.permissions, key=terms.key, entity_id=entity_id, expiry=terms.expiry
    )
    ours = deferred_action(
        chain_id=terms.chain_id,
        account=terms.account,
        nonce=nonce,
        deadline=terms.expiry,
        call=call,
    )
    digest = typed_data_digest(ours)
    checks += _typed_data(ours, request.typed_data)
    if request.raw_payload is not None:
        checks.append(same("G7.rawPayload", digest, request.raw_payload))
    if not all(check.holds for check in checks):
        return _refused(checks)
    approved = _approve(
        digest=digest,
        signer=terms.owner,
        sandbox=terms.sandbox,
        meaning=f"grant to session key {terms.key} on {terms.account}, entity {entity_id}",
        subject=Subject("grant", terms.chain_id, terms.account, ours),
    )
    return tuple(checks), ApprovedGrant(approved, entity_id, nonce)


def _organisation(terms: GrantTerms) -> Iterator[Check]:
    """What no policy can ask for, whoever wrote it."""
    for kind in sorted({permission.kind for permission in terms.permissions} & terms.forbidden):
        yield Check("G7.permissions", "none that the organisation forbids", kind, holds=False)
    if terms.latest is not None:
        within = terms.expiry <= terms.latest
        yield Check("G7.lifetime", f"an end by {terms.latest}", terms.expiry, within)


def _refused(checks: list[Check]) -> tuple[tuple[Check, ...], Refused]:
    findings = tuple(check.finding for check in checks if not check.holds)
    return tuple(checks), Refused(findings)


def _nonce(terms: GrantTerms, value: int) -> Iterator[Check]:
    """G8: a clean entity, the options asked for, and a sequence that was never used."""
    nonce = decode_nonce(value)
    entity = nonce.entity_id
    options = OPTION_DEFERRED | (OPTION_GLOBAL if is_global(terms.permissions) else 0)
    in_range = 1 <= entity <= LARGEST_ENTITY_ID
    yield Check("G8.entity", f"1 to {LARGEST_ENTITY_ID}", entity, in_range)
    free = entity not in terms.living_entities
    held = entity if free else f"{entity}, held by a living grant"
    yield Check("X16.entity", "one of its own", held, free)
    yield same("G8.options", options, nonce.options)
    yield Check("G8.parallel", "0", hex(nonce.parallel), nonce.parallel == 0)
    # A used entity may hand down its old allowlist (X15): nothing in the call would show it.
    clean = (terms.clean_sequences or {}).get(entity)
    asked = "0: an entity never used" if clean is None else f"{clean}: as proved clean"
    yield Check("X15.sequence", asked, nonce.sequence, nonce.sequence == (clean or 0))


def _typed_data(ours: TypedData, offered: TypedData) -> Iterator[Check]:
    yield same("G7.primaryType", ours.primary_type, offered.primary_type)
    yield same("G7.types", _types(ours.types), _types(offered.types))
    yield from _compare("G7.domain", ours.domain, offered.domain)
    yield from _compare("G7.message", ours.message, offered.message)


def _compare(rule: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Check]:
    for name in sorted(ours.keys() | theirs.keys()):
        yield same(f"{rule}.{name}", _normal(ours.get(name)), _normal(theirs.get(name)))


def _normal(value: Any) -> Any:
    """An address with its checksum; anything else as it is."""
    if isinstance(value, str) and len(value) == 42 and value.startswith("0x"):
        try:
            return parse_address(value.lower())
        except EncodingError:
            return value
    return value


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _types(types: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    return {
        name: [(field.name, field.type) for field in fields]
        for name, fields in types.items()
        if name != "EIP712Domain"
    }
