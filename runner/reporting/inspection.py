"""
What a signer is shown, decoded and hashed: operations, and the calls that they make.

Everything is computed from the fields themselves. Where the document names a hash of its own, it
is compared, never taken over; what whoever signs should not overlook stands in `warnings`.

Source: mav2.md §4, §6, §7 and §11; ERC-4337.
"""

from __future__ import annotations

from typing import Final

from runner.errors import EncodingError
from runner.ethereum import contracts
from runner.ethereum.address import Address
from runner.ethereum.authorization import Authorization
from runner.ethereum.grants import decode_deferred_segment, decode_session_signature
from runner.ethereum.modular_account import decode_factory_data, semi_modular_account_address
from runner.ethereum.nonce import OPTION_DEFERRED, OPTION_DIRECT, OPTION_GLOBAL, decode_nonce
from runner.ethereum.signature import SIGNATURE_SIZE, personal_sign_digest
from runner.ethereum.typed_data import typed_data_digest
from runner.ethereum.user_operation import (
    ENTRY_POINT_V06,
    ENTRY_POINT_V07,
    UserOperation,
    UserOperationV06,
    call_id,
    user_operation_hash,
    user_operation_hash_v06,
)
from runner.frozen import frozen
from runner.guard.offer import PersonalSign, SignatureRequest, SignTypedData
from runner.reporting.calldata import read_calldata, warnings_of
from runner.reporting.granting import nonce_report, segment_report, signer_of
from runner.reporting.installations import read_installation, read_uninstallation
from runner.reporting.values import Report, hexed

_GAS: Final = (
    "call_gas_limit",
    "verification_gas_limit",
    "pre_verification_gas",
    "max_fee_per_gas",
    "max_priority_fee_per_gas",
    "paymaster_verification_gas_limit",
    "paymaster_post_op_gas_limit",
)


@frozen
class ShownOperation:
    """
    An operation as a signer is shown it.

    Args:
        request: What the service asks to sign for it, if the document says.
        claimed: A hash that the document names.
        signature: As it would go on chain, or the 65 bytes of a key.
    """

    operation: UserOperation | UserOperationV06
    chain_id: int
    entry_point: Address | None = None
    request: SignatureRequest | None = None
    claimed: bytes | None = None
    signature: bytes = b""


@frozen
class ShownDelegation:
    """An EIP-7702 authorization as a signer is shown it; `raw_payload` is the digest it names."""

    authorization: Authorization
    raw_payload: bytes | None = None
    signature: bytes = b""


# ── operations ────────────────────────────────────────────────────────────────────────────────


def operation_report(shown: ShownOperation) -> Report:
    """
    Read an operation.

    Raises:
        EncodingError: The chain id is not a uint256.
    """
    op = shown.operation
    packed = isinstance(op, UserOperation)
    entry_point = shown.entry_point or (ENTRY_POINT_V07 if packed else ENTRY_POINT_V06)
    digest = _hash(op, shown.chain_id, entry_point)
    nonce = decode_nonce(op.nonce)
    report: Report = {
        "kind": "user-operation",
        "version": "0.7" if packed else "0.6",
        "chain_id": shown.chain_id,
        "entry_point": entry_point,
        "user_op_hash": hexed(digest),
        "personal_sign_digest": hexed(personal_sign_digest(digest)),
        "call_id": hexed(call_id(shown.chain_id, digest)),
        "sender": op.sender,
        "nonce": nonce_report(nonce),
        "call_data": {"data": hexed(op.call_data), **read_calldata(op.call_data)},
        "gas": {name: str(getattr(op, name)) for name in _GAS if hasattr(op, name)},
        "max_cost_wei": str(op.max_cost),
        **_payers(op),
    }
    warnings = _operation_warnings(shown, report, digest, entry_point)
    if shown.request is not None:
        report["asked"] = _asked(shown.request)
    if shown.signature:
        report["signature"] = _signature(shown.signature, digest)
    installs = report.get("signature", {}).get("installs", {"warnings": ()})
    report["warnings"] = [*warnings, *warnings_of(report), *installs["warnings"]]
    return report


def _hash(op: UserOperation | UserOperationV06, chain_id: int, entry_point: Address) -> bytes:
    if isinstance(op, UserOperation):
        return user_operation_hash(op, chain_id, entry_point)
    return user_operation_hash_v06(op, chain_id, entry_point)


def _payers(op: UserOperation | UserOperationV06) -> Report:
    """Who makes the account, and who pays."""
    if isinstance(op, UserOperationV06):
        return {
            "init_code": hexed(op.init_code),
            "paymaster_and_data": hexed(op.paymaster_and_data),
        }
    found: Report = {"factory": None, "paymaster": None}
    if op.factory is not None:
        found["factory"] = {"address": op.factory, "data": hexed(op.factory_data), **_makes(op)}
    if op.paymaster is not None:
        found["paymaster"] = {"address": op.paymaster, "data": hexed(op.paymaster_data)}
    return found


def _makes(op: UserOperation) -> Report:
    """What the factory is told to make, if it is the one that we know."""
    try:
        owner, salt = decode_factory_data(op.factory_data)
    except EncodingError as error:
        return {"odd": error.what}
    made = semi_modular_account_address(owner, salt)
    return {"owner": owner, "salt": str(salt), "makes": made if _is_known(op) else None}


def _is_known(op: UserOperation) -> bool:
    return op.factory == contracts.FACTORY


def _operation_warnings(
    shown: ShownOperation, report: Report, digest: bytes, entry_point: Address
) -> list[str]:
    told = []
    op, asked = shown.operation, shown.request
    usual = {"0.7": ENTRY_POINT_V07, "0.6": ENTRY_POINT_V06}[report["version"]]
    if entry_point != usual:
        told.append(f"the entry point is not the one of v{report['version']}, {usual}")
    if isinstance(asked, PersonalSign) and asked.raw != digest:
        told.append(f"asks to sign {hexed(asked.raw)}, which is not the hash of this operation")
    elif asked is not None and not isinstance(asked, PersonalSign):
        told.append("asks for another signature than personal_sign of the operation's hash")
    if shown.claimed is not None and shown.claimed != digest:
        told.append(f"names {hexed(shown.claimed)} as its hash, which it is not")
    if isinstance(op, UserOperation) and op.factory is not None:
        makes = report["factory"].get("makes")
        if not _is_known(op):
            told.append(f"the factory is not the one of Modular Account v2, {contracts.FACTORY}")
        elif makes != op.sender:
            told.append(f"the factory makes {makes}, not the sender")
    if report["nonce"]["options"] & ~(OPTION_GLOBAL | OPTION_DEFERRED):
        direct = " (direct call)" if report["nonce"]["options"] & OPTION_DIRECT else ""
        told.append(f"the nonce has options that no session uses{direct}")
    return told


def _asked(request: SignatureRequest) -> Report:
    """What the document asks for, named; the values are compared elsewhere."""
    match request:
        case PersonalSign(raw):
            return {"type": "personal_sign", "raw": hexed(raw)}
        case SignTypedData(typed_data):
            try:
                digest = hexed(typed_data_digest(typed_data))
            except EncodingError as error:
                return {"type": "eth_signTypedData_v4", "odd": error.what}
            return {"type": "eth_signTypedData_v4", "digest": digest}
    return {"type": getattr(request, "kind", "authorization")}


def _signature(signature: bytes, digest: bytes) -> Report:
    """Whose signature it is; and the grant in front of it, if it installs one."""
    report: Report = {"data": hexed(signature)}
    deferred = b""
    if len(signature) != SIGNATURE_SIZE:
        try:
            found = decode_session_signature(signature)
        except EncodingError as error:
            return report | {"odd": error.what}
        signature, deferred = found.signature, found.deferred
    report["signer"] = signer_of(personal_sign_digest(digest), signature)
    if deferred:
        report["installs"] = segment_report(decode_deferred_segment(deferred))
    return report


# ── calls by themselves ───────────────────────────────────────────────────────────────────────


def install_report(data: bytes) -> Report:
    """
    Read an `installValidation` or `uninstallValidation` call.

    Raises:
        EncodingError: Another call, or not as an encoder would write it.
    """
    if data[:4] == contracts.UNINSTALL_VALIDATION:
        return {"kind": "uninstall", **read_uninstallation(data)}
    return {"kind": "install", **read_installation(data)}


def calldata_report(data: bytes) -> Report:
    """
    Read calldata.

    Raises:
        EncodingError: It begins like a function that we know, but is not as an encoder would
            write it; or it is shorter than a selector.
    """
    report = read_calldata(data)
    if "odd" in report:
        raise EncodingError(f"{report['does']}: {report['odd']}")
    told = warnings_of(report)
    return {"kind": "calldata", "data": hexed(data), **report, "warnings": told}
