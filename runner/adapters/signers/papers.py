"""
The request that a person signs, as a file or a page: readable, and recomputed wherever it is read.

What is signed is never taken from the file as it stands: the DeferredAction is built anew from
account, chain, key, permissions, expiry and nonce, and has to equal what the file shows (G7).
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.adapters.sql.rows import format_permissions, parse_permissions
from runner.errors import EncodingError, GuardError, RunnerError, UsageError
from runner.ethereum.address import Address, parse_address
from runner.ethereum.grants import deferred_action
from runner.ethereum.installation import install_validation
from runner.ethereum.nonce import decode_nonce
from runner.ethereum.permissions import Permission
from runner.ethereum.signature import recover_address
from runner.ethereum.typed_data import TypedData, typed_data_digest
from runner.frozen import frozen
from runner.guard.grants import GrantTerms, check_grant, latest_end
from runner.guard.offer import SessionOffer, SignTypedData
from runner.guard.verdict import Approved, Refused
from runner.planning.addresses import account_of
from runner.planning.risk import exposure
from runner.reporting.granting import typed_data_report
from runner.reporting.signing import wallet_typed_data
from runner.reporting.text import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runner.policy.model import Organisation, Policy
    from runner.records import Grant
    from runner.settings import Settings

_FORMAT = "runner/grant-request/v1"


@frozen
class Request:
    """What the owner is asked to allow, as fields."""

    session: str
    generation: int
    chain: int
    account: Address
    owner: Address
    session_id: bytes
    nonce: int
    key: Address
    permissions: tuple[Permission, ...]
    expires_at: datetime
    sandbox: bool

    @classmethod
    def of(cls, grant: Grant, owner: Address, *, sandbox: bool) -> Request:
        """The request of a grant that waits for its owner."""
        if grant.nonce is None or grant.session_id is None:
            raise UsageError(f"{grant.session}#{grant.generation} waits for no signature")
        return cls(
            session=grant.session,
            generation=grant.generation,
            chain=grant.chain,
            account=grant.account,
            owner=owner,
            session_id=bytes.fromhex(grant.session_id[2:]),
            nonce=grant.nonce,
            key=grant.key_address,
            permissions=grant.permissions,
            expires_at=grant.expires_at,
            sandbox=sandbox,
        )

    @property
    def expiry(self) -> int:
        return int(self.expires_at.timestamp())

    @property
    def typed_data(self) -> TypedData:
        """What is signed, built from the fields."""
        call = install_validation(
            self.permissions,
            key=self.key,
            entity_id=decode_nonce(self.nonce).entity_id,
            expiry=self.expiry,
        )
        return deferred_action(
            chain_id=self.chain,
            account=self.account,
            nonce=self.nonce,
            deadline=self.expiry,
            call=call,
        )

    @property
    def digest(self) -> bytes:
        """The 32 bytes that the owner signs."""
        return typed_data_digest(self.typed_data)

    @property
    def used_entity(self) -> int | None:
        """The entity, if a grant of it was signed before: it may hold more than this one says."""
        nonce = decode_nonce(self.nonce)
        return nonce.entity_id if nonce.sequence else None

    def approved(
        self,
        *,
        clean_entity: int | None = None,
        rules: Organisation | None = None,
        now: datetime,
    ) -> Approved:
        """
        The guard's leave to sign it here.

        Args:
            rules: Those above all policies, where this machine has them.
            clean_entity: A used entity that somebody vouches for: it was uninstalled clean (X15).
                The file itself is no proof of it.

        Raises:
            GuardError: it is no grant that the guard would let anybody sign.
        """
        nonce = decode_nonce(self.nonce)
        if self.used_entity is not None and self.used_entity != clean_entity:
            raise GuardError(
                f"entity {nonce.entity_id} of {self.account} was used before: unless it was "
                "uninstalled clean, the key would inherit what was allowed on it",
                hint="look at `runner grants list` where the ledger is; if its last grant is "
                f"revoked there, add --clean-entity {nonce.entity_id}",
            )
        verdict = check_grant(
            GrantTerms(
                chain_id=self.chain,
                account=self.account,
                owner=self.owner,
                key=self.key,
                permissions=self.permissions,
                expiry=self.expiry,
                living_entities=frozenset(),
                sandbox=self.sandbox,
                clean_sequences={nonce.entity_id: nonce.sequence} if nonce.sequence else None,
                forbidden=frozenset() if rules is None else rules.forbidden_permissions,
                latest=None if rules is None else latest_end(rules.max_lifetime, now),
            ),
            SessionOffer(self.session_id, self.chain, SignTypedData(self.typed_data, None)),
        )
        if isinstance(verdict, Refused):
            raise GuardError("this request is not to be signed", findings=verdict.findings)
        return verdict.approved

    def signed_by(self, signature: bytes) -> bytes:
        """
        The signature with its v as 27 or 28.

        Raises:
            UsageError: it is not the owner's over this request.
        """
        return owners_signature(self.digest, signature, self.owner)


def owners_signature(digest: bytes, signature: bytes, owner: Address) -> bytes:
    """
    The signature with its v as 27 or 28.

    Raises:
        UsageError: it is not the owner's over this digest.
    """
    if len(signature) == 65 and signature[64] in (0, 1):
        signature = signature[:64] + bytes([signature[64] + 27])
    try:
        signer = recover_address(digest, signature)
    except EncodingError as error:
        raise UsageError(f"this is no signature of the request: {error.what}") from None
    if signer != owner:
        raise UsageError(
            f"the signature is of {signer}, the owner is {owner}",
            hint="sign what this file says, unchanged, with the owner's key",
        )
    return signature


def owner_by_hand(
    settings: Settings, policies: Iterable[Policy], session: str
) -> tuple[Address, bool]:
    """
    The address of who signs for a session by hand, and whether that is on a sandbox.

    Raises:
        UsageError: no policy names the session, or its owner signs by itself.
    """
    account = account_of(policies, session)
    spec = settings.signers.get(account.owner)
    if spec is None or spec.manual is None:
        raise UsageError(
            f"signer `{account.owner}`, the owner of {session}, signs by itself",
            hint="requests are for signers of the form {manual: 0xADDRESS}",
        )
    return spec.manual, settings.wallets[account.wallet].is_sandbox


def write_request(request: Request) -> dict[str, Any]:
    """The file: first what people read, then what is signed, then what it was made from."""
    data = request.typed_data
    worst = exposure(request.permissions, tokens=())
    report = typed_data_report(data)
    return {
        "format": _FORMAT,
        "please": f"Let session key {request.key} act for {request.account}",
        "account": request.account,
        "chain": request.chain,
        "owner": request.owner,
        "session": request.session,
        "generation": request.generation,
        "expires_at": rfc3339(request.expires_at),
        "scope": report.get("grant", {}),
        "exposure": [
            {
                "token": loss.token or "native",
                "amount": "everything" if loss.amount is None else str(loss.amount),
                "way": loss.way.value,
            }
            for loss in worst.losses
        ],
        "dangers": [*_inherited(request), *(trap.what for trap in worst.traps)],
        "request_hash": "0x" + request.digest.hex(),
        "typed_data": wallet_typed_data(data),
        "fields": {
            "session_id": "0x" + request.session_id.hex(),
            "nonce": hex(request.nonce),
            "key": request.key,
            "expiry": request.expiry,
            "permissions": json.loads(format_permissions(request.permissions)),
            "sandbox": request.sandbox,
        },
    }


def _inherited(request: Request) -> list[str]:
    entity = request.used_entity
    if entity is None:
        return []
    unless = "unless it was uninstalled clean, the key also gets what was allowed on it then"
    return [f"entity {entity} was used before: {unless}"]


def read_request(path: Path) -> tuple[Request, bytes | None]:
    """
    The request of a file, and the signature in it, if there is one.

    Raises:
        UsageError: it is no such file, or what it shows is not what its fields say.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != _FORMAT:
            raise KeyError("format")
        fields = document["fields"]
        request = Request(
            session=str(document["session"]),
            generation=int(document["generation"]),
            chain=int(document["chain"]),
            account=parse_address(document["account"]),
            owner=parse_address(document["owner"]),
            session_id=bytes.fromhex(fields["session_id"][2:]),
            nonce=int(fields["nonce"], 16),
            key=parse_address(fields["key"]),
            permissions=parse_permissions(json.dumps(fields["permissions"])),
            expires_at=datetime.fromisoformat(document["expires_at"]),
            sandbox=bool(fields["sandbox"]),
        )
        signature = document.get("signature")
        shown = {name: document.get(name) for name in write_request(request)}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (KeyError, TypeError, ValueError, RunnerError) as error:
        raise UsageError(
            f"{path} is no request of a grant: {type(error).__name__} {error}",
            hint="make one: runner grants request SESSION --out FILE",
        ) from None
    for name, value in write_request(request).items():
        if shown[name] != value:
            raise UsageError(
                f"{path}: `{name}` is not what the fields of the request say; do not sign it",
                hint="somebody has changed the file: make a new one",
            )
    return request, None if signature is None else read_signature(str(signature))


def read_signature(text: str) -> bytes:
    """
    Hex to bytes.

    Raises:
        UsageError: it is none.
    """
    try:
        return bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        raise UsageError("a signature is 65 bytes in hex") from None
