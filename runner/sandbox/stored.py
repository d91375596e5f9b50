"""
Records of the journal: written as things happen, read back at start.

Operations are stored with what checking them has found, so that a replay checks no signature and
computes no hash.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runner.errors import StoreError
from runner.ethereum.address import Address
from runner.ethereum.installation import decode_install_validation
from runner.ethereum.nonce import decode_nonce
from runner.ethereum.user_operation import UserOperation, call_id
from runner.guard.scope import read_operation
from runner.sandbox.journal import VERSION, Record
from runner.sandbox.records import Delegation, Grant, Operation, Sent, Session
from runner.sandbox.refusal import Refusal
from runner.sandbox.service import Service
from runner.sandbox.sponsor import read_fee
from runner.sandbox.world import Token, World

_NUMBERS = (
    "nonce",
    "call_gas_limit",
    "verification_gas_limit",
    "pre_verification_gas",
    "max_fee_per_gas",
    "max_priority_fee_per_gas",
    "paymaster_verification_gas_limit",
    "paymaster_post_op_gas_limit",
)
_BYTES = ("call_data", "factory_data", "paymaster_data")
_ADDRESSES = ("sender", "factory", "paymaster")


def operation_record(chain_id: int, sent: Sent, operation: Operation) -> Record:
    """Return the record of an operation that was taken in."""
    op = operation.op
    fields: dict[str, Any] = {name: hex(getattr(op, name)) for name in _NUMBERS}
    fields |= {name: getattr(op, name).hex() for name in _BYTES if getattr(op, name)}
    fields |= {name: getattr(op, name) for name in _ADDRESSES if getattr(op, name)}
    record = {**_sent_record(chain_id, sent), "op": fields, "signer": operation.signer}
    if operation.grant is not None:
        record["grant"] = _grant_fields(operation.grant)
    if operation.paid_until:
        record["paid_until"] = operation.paid_until
    if sent.delegation is not None:
        record["delegation"] = _delegation_fields(sent.delegation)
    return record


def delegation_record(chain_id: int, sent: Sent, delegation: Delegation) -> Record:
    """Return the record of a delegation that was taken in without an operation."""
    return {**_sent_record(chain_id, sent), "delegation": _delegation_fields(delegation)}


def session_record(chain_id: int, session: Session) -> Record:
    """Return the record of a session."""
    return {
        "kind": "session",
        "chain": chain_id,
        "id": session.session_id.hex(),
        "grant": _grant_fields(session.grant),
    }


def restore(service: Service) -> bool:
    """
    Bring back what the journal holds.

    Returns:
        Whether it held anything.

    Raises:
        StoreError: It is of another version, or does not replay.
    """
    found = False
    for record in service.stored():
        if not found:
            _begin(service, record)
            found = True
            continue
        kind = record.get("kind")
        read = _READERS.get(kind) if isinstance(kind, str) else None
        if read is None:
            raise StoreError(f"the sandbox state holds a record of unknown kind {kind!r}")
        try:
            read(service, record)
        except (KeyError, ValueError, TypeError, Refusal) as error:
            raise StoreError(
                f"the sandbox state does not replay: record {kind}: {error!r}",
                hint="move the state file away to start from an empty chain",
            ) from error
    service.mine_heads(max((world.head_time for world in service.worlds.values()), default=0))
    return found


def _begin(service: Service, record: Record) -> None:
    if record.get("kind") != "genesis" or record.get("version") != VERSION:
        raise StoreError(
            "not a state file of this version of the sandbox",
            hint="move it away to start from an empty chain",
        )
    service.adopt(record["time"], faucet=record["faucet"], offset=record["offset"])


def _sent_record(chain_id: int, sent: Sent) -> Record:
    return {
        "kind": "sent",
        "chain": chain_id,
        "key": sent.key.hex(),
        "account": sent.account,
        "include_at": sent.include_at,
        "order": sent.order,
    }


def _grant_fields(grant: Grant) -> Record:
    return {
        "account": grant.account,
        "nonce": hex(grant.nonce),
        "deadline": grant.deadline,
        "call": grant.call.hex(),
    }


def _delegation_fields(delegation: Delegation) -> Record:
    return {
        "account": delegation.account,
        "delegate": delegation.delegate,
        "nonce": delegation.nonce,
    }


def _read_grant(fields: Record) -> Grant:
    call = bytes.fromhex(fields["call"])
    return Grant(
        account=Address(fields["account"]),
        nonce=int(fields["nonce"], 16),
        deadline=fields["deadline"],
        call=call,
        installation=decode_install_validation(call),
    )


def _read_delegation(fields: Record) -> Delegation:
    return Delegation(Address(fields["account"]), Address(fields["delegate"]), fields["nonce"])


def _read_operation(record: Record, key: bytes, *, delegates: bool) -> Operation:
    fields: dict[str, Any] = dict(record["op"])
    fields |= {name: int(fields[name], 16) for name in _NUMBERS}
    fields |= {name: bytes.fromhex(fields[name]) for name in _BYTES if name in fields}
    fields.setdefault("call_data", b"")
    op = UserOperation(**fields)
    grant = record.get("grant")
    return Operation(
        user_op_hash=key,
        op=op,
        nonce=decode_nonce(op.nonce),
        calls=read_operation(op.call_data, account=op.sender),
        signer=record["signer"],
        grant=None if grant is None else _read_grant(grant),
        paid_until=record.get("paid_until", 0),
        fee=read_fee(op.paymaster_data),
        delegates=delegates,
    )


def _read_sent(service: Service, record: Record) -> None:
    world = _world(service, record)
    key = bytes.fromhex(record["key"])
    delegation = record.get("delegation")
    operation = None
    if "op" in record:
        operation = _read_operation(record, key, delegates=delegation is not None)
    world.accept(
        Sent(
            key=key,
            call_id=call_id(world.chain_id, key),
            account=Address(record["account"]),
            operation=operation,
            delegation=None if delegation is None else _read_delegation(delegation),
            include_at=record["include_at"],
            order=record["order"],
        )
    )


def _include(service: Service, record: Record) -> None:
    world = _world(service, record)
    world.include(world.sent[bytes.fromhex(record["key"])], record["at"], record["fee"])


def _drop(service: Service, record: Record) -> None:
    world = _world(service, record)
    world.drop(world.sent[bytes.fromhex(record["key"])], record["reason"])


def _postpone(service: Service, record: Record) -> None:
    _world(service, record).sent[bytes.fromhex(record["key"])].include_at = record["at"]


def _account(service: Service, record: Record) -> None:
    salt = record["salt"]
    service.restore_account(
        Address(record["owner"]), None if salt is None else int(salt, 16), record["uuid"]
    )


def _session(service: Service, record: Record) -> None:
    session = Session(bytes.fromhex(record["id"]), _read_grant(record["grant"]))
    _world(service, record).sessions[session.session_id] = session


def _world(service: Service, record: Record) -> World:
    return service.worlds[record["chain"]]


def _mint(service: Service, record: Record) -> None:
    token, to = Address(record["token"]), Address(record["to"])
    _world(service, record).mint(token, to, int(record["amount"], 16))


def _fund(service: Service, record: Record) -> None:
    _world(service, record).fund(Address(record["address"]), int(record["amount"], 16))


def _token(service: Service, record: Record) -> None:
    token = Token(Address(record["address"]), record["symbol"], record["decimals"])
    _world(service, record).deploy_token(token)


def _deploy(service: Service, record: Record) -> None:
    code = bytes.fromhex(record["code"])
    _world(service, record).deploy(Address(record["address"]), code)


def _chain(service: Service, record: Record) -> None:
    service.add_world(record["chain"])


def _clock(service: Service, record: Record) -> None:
    service.set_offset(record["offset"])
    service.mine_heads(record["at"])


def _release(service: Service, record: Record) -> None:
    _world(service, record).release(record["include_at"])


def _reorg(service: Service, record: Record) -> None:
    world = _world(service, record)
    world.head_time = max(world.head_time, record["at"])
    world.reorganise(record["depth"], record["include_at"])


_READERS: dict[str, Callable[[Service, Record], None]] = {
    "account": _account,
    "chain": _chain,
    "clock": _clock,
    "deploy": _deploy,
    "drop": _drop,
    "fund": _fund,
    "include": _include,
    "mint": _mint,
    "postpone": _postpone,
    "release": _release,
    "reorg": _reorg,
    "sent": _read_sent,
    "session": _session,
    "token": _token,
}
