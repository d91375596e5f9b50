"""
The operation by which an owner takes a grant off an account, as a file (G7).

As with a grant's request, nothing in it is taken as it stands: the calls are built anew from
the permissions, entity and end of the grant, the hash from the fields of the operation, and the
guard judges both.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.adapters.signers.papers import owners_signature, read_signature
from runner.adapters.sql.rows import format_permissions, parse_permissions
from runner.adapters.wallet_api.messages import operation_offer
from runner.errors import EncodingError, GuardError, RunnerError, UsageError
from runner.ethereum.address import Address, parse_address
from runner.ethereum.modular_account import semi_modular_account_address
from runner.ethereum.permissions import Permission
from runner.frozen import frozen
from runner.guard.checks import ApprovedOperation
from runner.guard.owner import OwnerTerms, Uninstall, Void, check_owner_operation
from runner.guard.verdict import Refused
from runner.reporting.signing import sign_request
from runner.reporting.text import rfc3339

if TYPE_CHECKING:
    from runner.records import Grant

FORMAT = "runner/owner-operation/v1"


@frozen
class Takeoff:
    """
    A grant, what its account is, and what the service has prepared.

    `kind` is `uninstall`, or `void` for one that was signed and never used.
    """

    session: str
    generation: int
    chain: int
    account: Address
    owner: Address
    salt: int
    key: Address
    entity_id: int
    nonce: int
    permissions: tuple[Permission, ...]
    expires_at: datetime
    sponsored: bool
    max_fee: int
    sandbox: bool
    kind: str
    answer: dict[str, Any]

    @classmethod
    def of(
        cls,
        grant: Grant,
        paper: dict[str, Any],
        *,
        owner: Address,
        salt: int,
        sponsored: bool,
        max_fee: int,
        sandbox: bool,
    ) -> Takeoff:
        """The paper that the daemon made for a grant of its ledger."""
        if grant.nonce is None or grant.entity_id is None:
            raise UsageError(f"{grant.session}#{grant.generation} is not ours to take off")
        return cls(
            session=grant.session,
            generation=grant.generation,
            chain=grant.chain,
            account=grant.account,
            owner=owner,
            salt=salt,
            key=grant.key_address,
            entity_id=grant.entity_id,
            nonce=grant.nonce,
            permissions=grant.permissions,
            expires_at=grant.expires_at,
            sponsored=sponsored,
            max_fee=max_fee,
            sandbox=sandbox,
            kind=str(paper["kind"]),
            answer=dict(paper["answer"]),
        )

    def approved(self) -> ApprovedOperation:
        """
        The guard's leave to sign it here.

        Raises:
            GuardError: it does not take off what it says, or something else besides.
        """
        delegated = self.account == self.owner  # its own address, by EIP-7702
        if not delegated and semi_modular_account_address(self.owner, self.salt) != self.account:
            raise GuardError(f"{self.owner} with salt {self.salt} does not own {self.account}")
        offer = operation_offer(self.answer, "the prepared operation")
        if offer.operation is None:
            raise GuardError("what was prepared is no operation")
        expiry = int(self.expires_at.timestamp())
        action = (
            Void(self.nonce)
            if self.kind == "void"
            else Uninstall.of(self.permissions, entity_id=self.entity_id, expiry=expiry)
        )
        verdict = check_owner_operation(
            OwnerTerms(
                chain_id=self.chain,
                account=self.account,
                # Which of the owner's nonces is the ledger's business; that it is one is checked.
                nonce=offer.operation.nonce,
                sponsored=self.sponsored,
                paymaster=None,
                max_fee=self.max_fee,
                sandbox=self.sandbox,
                deploys_for=None if delegated else (self.owner, self.salt),
                action=action,
                owner=self.owner,
                entities=frozenset({self.entity_id}),
            ),
            offer,
        )
        if isinstance(verdict, Refused):
            raise GuardError("this operation is not to be signed", findings=verdict.findings)
        return verdict

    def signed_by(self, signature: bytes) -> bytes:
        """
        The signature with its v as 27 or 28.

        Raises:
            UsageError: it is not the owner's over this operation.
        """
        return owners_signature(self.approved().approved.digest, signature, self.owner)


def write_takeoff(paper: Takeoff) -> dict[str, Any]:
    """
    The file: first what people read, then what is signed, then what it was made from.

    Raises:
        GuardError: the guard would not let anybody sign it.
    """
    verdict = paper.approved()
    shown = sign_request(verdict.approved)
    payer = "sponsored" if paper.sponsored else "paid by the account"
    return {
        "format": FORMAT,
        "please": f"Take session key {paper.key} off {paper.account}",
        "what": verdict.approved.meaning,
        "account": paper.account,
        "chain": paper.chain,
        "owner": paper.owner,
        "session": paper.session,
        "generation": paper.generation,
        "kind": paper.kind,
        "fee": f"at most {verdict.operation.max_cost} wei, {payer}",
        "calls": shown["details"]["calls"],
        "operation": shown["details"]["operation"],
        "request_hash": shown["digest"],
        "sign": shown["sign"],
        "fields": {
            "salt": str(paper.salt),
            "key": paper.key,
            "entity_id": paper.entity_id,
            "nonce": hex(paper.nonce),
            "permissions": json.loads(format_permissions(paper.permissions)),
            "expires_at": rfc3339(paper.expires_at),
            "sponsored": paper.sponsored,
            "max_fee": str(paper.max_fee),
            "sandbox": paper.sandbox,
            "answer": paper.answer,
        },
    }


def is_takeoff(path: Path) -> bool:
    """Whether a file says that it is such an operation."""
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")).get("format") == FORMAT)
    except (OSError, ValueError, AttributeError):
        return False  # whoever reads requests says what is wrong with it


def read_takeoff(path: Path) -> tuple[Takeoff, bytes | None]:
    """
    The operation of a file, and the signature in it, if there is one.

    Raises:
        UsageError: it cannot be read, or what it shows is not what its fields say.
        GuardError: the guard would not let anybody sign it.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        fields = document["fields"]
        paper = Takeoff(
            session=str(document["session"]),
            generation=int(document["generation"]),
            chain=int(document["chain"]),
            account=parse_address(document["account"]),
            owner=parse_address(document["owner"]),
            salt=int(fields["salt"]),
            key=parse_address(fields["key"]),
            entity_id=int(fields["entity_id"]),
            nonce=int(fields["nonce"], 16),
            permissions=parse_permissions(json.dumps(fields["permissions"])),
            expires_at=datetime.fromisoformat(fields["expires_at"]),
            sponsored=fields["sponsored"] is True,
            max_fee=int(fields["max_fee"]),
            sandbox=fields["sandbox"] is True,
            kind=str(document["kind"]),
            answer=dict(fields["answer"]),
        )
        signature = document.get("signature")
        wanted = write_takeoff(paper)
    except (GuardError, UsageError):
        raise
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (KeyError, TypeError, ValueError, EncodingError, RunnerError) as error:
        raise UsageError(
            f"{path} is no operation of an owner: {type(error).__name__} {error}",
            hint="make one: runner grants request SESSION#NUMBER --out FILE",
        ) from None
    for name, value in wanted.items():
        if document.get(name) != value:
            raise UsageError(
                f"{path}: `{name}` is not what the fields of the request say; do not sign it",
                hint="somebody has changed the file: make a new one",
            )
    return paper, None if signature is None else read_signature(str(signature))
