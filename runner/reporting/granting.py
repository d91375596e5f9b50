"""
Grants and delegations, read for the eyes of whoever is to sign or to send them.

Source: mav2.md §3 to §5 and §11; EIP-712; EIP-7702; Wallet API specification §5.1 for contexts.
"""

from __future__ import annotations

from runner.errors import EncodingError
from runner.ethereum import contracts
from runner.ethereum.address import ZERO_ADDRESS, Address
from runner.ethereum.authorization import Authorization
from runner.ethereum.grants import (
    OWNER_LOCATOR,
    DeferredAction,
    DeferredSegment,
    InstalledContext,
    LocalContext,
    RemoteContext,
    decode_context,
    decode_deferred_action,
)
from runner.ethereum.nonce import OPTION_DEFERRED, OPTION_GLOBAL, Nonce, decode_nonce
from runner.ethereum.signature import SIGNATURE_SIZE, recover_address
from runner.ethereum.typed_data import (
    TypedData,
    domain_separator,
    encode_type,
    hash_struct,
    typed_data_digest,
)
from runner.reporting.calldata import read_calldata
from runner.reporting.installations import moment, read_installation
from runner.reporting.values import Report, hexed, plain

_GRANT_TYPE = "DeferredAction(uint256 nonce,uint48 deadline,bytes call)"


def typed_data_report(data: TypedData, raw_payload: bytes | None = None) -> Report:
    """
    Read typed data; a grant is read down to its permissions.

    Args:
        raw_payload: The digest that the document names.

    Raises:
        EncodingError: It has no digest: a type is malformed, or a value does not fit.
    """
    digest = typed_data_digest(data)
    report: Report = {
        "kind": "typed-data",
        "digest": hexed(digest),
        "domain": plain(data.domain),
        "domain_separator": hexed(domain_separator(data.domain)),
        "primary_type": data.primary_type,
        "type": encode_type(data.primary_type, data.types),
        "struct_hash": hexed(hash_struct(data.primary_type, data.message, data.types)),
        "message": plain(data.message),
    }
    warnings = []
    if raw_payload is not None and raw_payload != digest:
        warnings.append(f"names {hexed(raw_payload)} as its digest, which it is not")
    if report["type"] == _GRANT_TYPE:
        report["grant"], told = _grant(data)
        warnings += told
    elif data.primary_type == "Permit":
        warnings.append("a permit: whoever holds its signature may take the tokens")
    report["warnings"] = warnings
    return report


def _grant(data: TypedData) -> tuple[Report, list[str]]:
    message = data.message
    nonce = decode_nonce(message["nonce"])
    report: Report = {
        "account": data.domain.get("verifyingContract"),
        "chain_id": data.domain.get("chainId"),
        "nonce": nonce_report(nonce),
        "deadline": moment(message["deadline"]),
    }
    told = []
    if set(data.domain) != {"chainId", "verifyingContract"}:
        told.append("a grant's domain has a chain and an account, and nothing else")
    try:
        installed = read_installation(message["call"])
    except EncodingError as error:
        report["call"] = {"data": hexed(message["call"]), **read_calldata(message["call"])}
        return report, [*told, f"installs no session: {error.what}"]
    report["installation"] = installed
    return report, [*told, *_mismatches(nonce, message["deadline"], installed)]


def _mismatches(nonce: Nonce, deadline: int, installed: Report) -> list[str]:
    """Where nonce, deadline and installation of one grant disagree (mav2.md §11)."""
    told = list(installed["warnings"])
    if nonce.entity_id != installed["entity_id"]:
        told.append(
            f"the nonce is of entity {nonce.entity_id}, the call installs {installed['entity_id']}"
        )
    if not nonce.options & OPTION_DEFERRED:
        told.append("the nonce is not one that installs")
    if bool(nonce.options & OPTION_GLOBAL) != installed["global"]:
        told.append("nonce and call disagree whether the session is global")
    if nonce.sequence:
        told.append(
            f"sequence {nonce.sequence}: the entity was used before, and a module that was not "
            "cleaned hands its tables down"
        )
    expiry = installed.get("expiry")
    if "permissions" in installed and deadline != (expiry["unix"] if expiry else 0):
        told.append("the deadline of the grant is not the end of the session")
    return told


# ── authorizations and contexts ───────────────────────────────────────────────────────────────


def authorization_report(
    authorization: Authorization, raw_payload: bytes | None = None, signature: bytes = b""
) -> Report:
    """Read an EIP-7702 authorization."""
    report: Report = {
        "kind": "authorization",
        "digest": hexed(authorization.digest),
        "chain_id": authorization.chain_id,
        "delegate": authorization.address,
        "nonce": str(authorization.nonce),
    }
    told = []
    match authorization.address:
        case contracts.DELEGATE_7702:
            report["does"] = "runs the account's code at the address of the signer"
        case zero if zero == ZERO_ADDRESS:
            report["does"] = "takes the signer's delegation back"
        case other:
            report["does"] = f"runs the code of {other} at the address of the signer"
            told.append(f"the delegate is not the account's code, {contracts.DELEGATE_7702}")
    if authorization.chain_id == 0:
        told.append("holds on every chain")
    if raw_payload is not None and raw_payload != authorization.digest:
        told.append(f"names {hexed(raw_payload)} as its digest, which it is not")
    if signature:
        report["signature"] = {
            "data": hexed(signature),
            "signer": signer_of(authorization.digest, signature),
        }
    return report | {"warnings": told}


def context_report(context: bytes) -> Report:
    """
    Read a permissions context.

    Raises:
        EncodingError: Unknown first byte, too short, or no grant where one is carried.
    """
    report: Report = {"kind": "context", "bytes": len(context)}
    match decode_context(context):
        case RemoteContext(session_id, signature):
            report |= {
                "form": "remote",
                "does": "names a session that the service keeps, with the owner's signature",
                "session_id": hexed(session_id),
                "signature": hexed(signature),
            }
            if len(signature) != SIGNATURE_SIZE:
                report["warnings"] = [f"a signature has 65 bytes, this one {len(signature)}"]
        case LocalContext(deferred):
            action = decode_deferred_action(deferred)
            report |= {"form": "local", "does": "carries a signed grant", **_action(action)}
        case InstalledContext(entity_id, is_global):
            report |= {
                "form": "installed",
                "does": f"names the session of entity {entity_id}, which is installed",
                "entity_id": entity_id,
                "global": is_global,
                "data": hexed(context),
            }
    report.setdefault("warnings", [])
    return report


def _action(action: DeferredAction) -> Report:
    nonce = decode_nonce(action.nonce)
    segment = segment_report(action)
    told = segment.pop("warnings")
    report: Report = {
        "execution_hooks": action.execution_hooks,
        "nonce": nonce_report(nonce),
        **segment,
    }
    installed = segment.get("installation")
    if installed is not None:
        told = [*told, *_mismatches(nonce, action.deadline, installed)]
        around = any(hook["runs"] != "in validation" for hook in installed["hooks"])
        if around != action.execution_hooks:
            told.append("the flag of execution hooks is not what the call installs")
    return report | {"warnings": told}


def segment_report(segment: DeferredSegment) -> Report:
    """Read the grant that an operation installs."""
    report: Report = {
        "authorized_by": "the owner" if segment.locator == OWNER_LOCATOR else "another validation",
        "locator": hexed(segment.locator),
        "deadline": moment(segment.deadline),
        "signature": hexed(segment.signature),
    }
    told = [] if segment.locator == OWNER_LOCATOR else ["not authorized by the owner's validation"]
    try:
        report["installation"] = read_installation(segment.call)
    except EncodingError as error:
        report["call"] = {"data": hexed(segment.call), **read_calldata(segment.call)}
        told.append(f"installs no session: {error.what}")
    return report | {"warnings": told}


def nonce_report(nonce: Nonce) -> Report:
    """The parts of a nonce, as Modular Account v2 reads them."""
    return {
        "value": str(nonce.value),
        "hex": hex(nonce.value),
        "parallel": hex(nonce.parallel),
        "entity_id": nonce.entity_id,
        "global": bool(nonce.options & OPTION_GLOBAL),
        "installs": bool(nonce.options & OPTION_DEFERRED),
        "options": nonce.options,
        "sequence": str(nonce.sequence),
    }


def signer_of(digest: bytes, signature: bytes) -> Address | None:
    """Whose key made a signature; None if nobody's did."""
    try:
        return recover_address(digest, signature)
    except EncodingError:
        return None
