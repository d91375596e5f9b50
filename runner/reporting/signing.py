"""
What is to be signed, for whoever signs elsewhere: in words, in fields, and as wallets take it.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from runner.ethereum.authorization import Authorization
from runner.ethereum.typed_data import TypedData
from runner.ethereum.user_operation import ENTRY_POINT_V07, UserOperation, user_operation_hash
from runner.guard.verdict import Approved, Subject
from runner.reporting.calldata import read_calldata
from runner.reporting.granting import authorization_report, typed_data_report
from runner.reporting.values import Report, hexed

FORMAT = "runner/sign-request/v1"
"""Names the shape of the document; it grows by members, and never changes one."""


def sign_request(approved: Approved) -> Report:
    """
    One document about one signature: first what people read, then what programs do.

    `digest` is what is signed; `sign` is what it was made from, as `eth_signTypedData_v4`,
    `personal_sign` or an EIP-7702 authorization, for a device that makes the digest by itself.
    """
    subject = approved.subject
    return {
        "format": FORMAT,
        "kind": subject.kind,
        "what": approved.meaning,
        "chain_id": subject.chain_id,
        "account": subject.account,
        "signer": approved.signer,
        "sandbox": approved.sandbox,
        "details": _details(subject),
        "sign": _sign(subject),
        "digest": hexed(approved.digest),
    }


def wallet_typed_data(data: TypedData) -> Report:
    """Typed data of a grant as wallets take it for `eth_signTypedData_v4`."""
    types = {
        name: [{"name": field.name, "type": field.type} for field in fields]
        for name, fields in data.types.items()
    }
    domain = [{"name": "chainId", "type": "uint256"}]
    domain.append({"name": "verifyingContract", "type": "address"})
    return {
        "types": {"EIP712Domain": domain} | types,
        "primaryType": data.primary_type,
        "domain": {name: _shown(value) for name, value in data.domain.items()},
        "message": {name: _shown(value) for name, value in data.message.items()},
    }


def _details(subject: Subject) -> Report:
    match subject.content:
        case TypedData() as data:
            report = typed_data_report(data)
            return {"grant": report.get("grant", {}), "warnings": report["warnings"]}
        case UserOperation() as operation:
            fields = {
                name: hexed(value) if isinstance(value, bytes) else value
                for name, value in asdict(operation).items()
            }
            return {
                "entry_point": ENTRY_POINT_V07,
                "operation": {
                    name: str(value) if isinstance(value, int) else value
                    for name, value in fields.items()
                },
                "calls": read_calldata(operation.call_data),
            }
        case Authorization() as authorization:
            return authorization_report(authorization)


def _sign(subject: Subject) -> Report:
    match subject.content:
        case TypedData() as data:
            return {"method": "eth_signTypedData_v4", "data": wallet_typed_data(data)}
        case UserOperation() as operation:
            raw = hexed(user_operation_hash(operation, subject.chain_id))
            return {"method": "personal_sign", "data": {"raw": raw}}
        case Authorization(chain_id, address, nonce):
            fields = {"chain_id": chain_id, "address": address, "nonce": nonce}
            return {"method": "eip7702_authorization", "data": fields}


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return hexed(value)
    return hex(value) if isinstance(value, int) and value >= 2**53 else value
