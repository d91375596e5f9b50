"""
What is fuzzed: every decoder, fed with bytes, may return or raise its declared error, nothing else.

Where a decoder has an encoder, what was read has to be written back as it came.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from runner.adapters.wallet_api.documents import (
    read_bundle,
    read_operations,
    read_typed_document,
)
from runner.adapters.wallet_api.envelope import HttpAnswer, read_answer
from runner.adapters.wallet_api.messages import (
    _offer,
    accept,
    operation_offer,
    session_offer,
)
from runner.adapters.wallet_api.methods import METHODS
from runner.adapters.wallet_api.usual import usual_call_id, usual_offer
from runner.errors import EncodingError, WalletApiError
from runner.ethereum import contracts, erc20, grants, installation, modules
from runner.ethereum.abi import decode_call, encode_call, parse_function
from runner.ethereum.address import parse_address
from runner.ethereum.authorization import decode_delegation, delegation_code
from runner.ethereum.granted import granted_by
from runner.ethereum.modular_account import (
    decode_call_data,
    decode_factory_data,
    encode_call_data,
    factory_data,
)
from runner.ethereum.nonce import decode_nonce
from runner.ethereum.signature import recover_address
from runner.ethereum.typed_data import typed_data_digest
from runner.ethereum.units import format_units, parse_units
from runner.guard.offer import SignTypedData
from runner.reporting.granting import authorization_report, context_report, typed_data_report
from runner.reporting.inspection import (
    ShownOperation,
    calldata_report,
    install_report,
    operation_report,
)
from runner.reporting.outline import outline
from runner.reporting.text import Look
from runner.reporting.values import Report
from runner.strict_json import parse_json

VECTORS = Path(__file__).parents[1] / "vectors"
NOBODY = "0x" + 39 * "0" + "9"
MODULES = (
    contracts.SINGLE_SIGNER_MODULE,
    contracts.WEBAUTHN_MODULE,
    contracts.TIME_RANGE_MODULE,
    contracts.NATIVE_LIMIT_MODULE,
    contracts.ALLOWLIST_MODULE,
    contracts.PAYMASTER_GUARD_MODULE,
)


def same(made: bytes, came: bytes) -> None:
    """Encoding undoes decoding."""
    if made != came:
        raise AssertionError(f"read 0x{came.hex()}, wrote 0x{made.hex()}")


def calldata(data: bytes) -> None:
    with suppress(EncodingError):
        found = decode_call_data(data)
        made = encode_call_data(
            found.calls,
            account=NOBODY,
            execution_hooks=found.user_op_context,
            single=found.form,
        )
        if found.form == "executeBatch" or found.calls[0].to != NOBODY:
            same(made, data)
    with suppress(EncodingError):
        same(factory_data(*decode_factory_data(data)), data)
    erc20.decode_transfer(data)
    erc20.decode_approve(data)


def install(data: bytes) -> None:
    with suppress(EncodingError):
        found = installation.decode_install_validation(data)
        same(installation.encode_installation(found), data)
        granted = granted_by(found)
        if granted is not None:
            made = installation.install_validation(
                granted.permissions,
                key=granted.key,
                entity_id=granted.entity_id,
                expiry=granted.expiry,
            )
            same(made, data)
    with suppress(EncodingError):
        installation.decode_uninstall_validation(data)
    for module in MODULES:
        with suppress(EncodingError):
            same(modules.encode_module_data(modules.decode_module_data(module, data)), data)


def grant(data: bytes) -> None:
    with suppress(EncodingError):
        grants.decode_context(data)
    with suppress(EncodingError):
        grants.decode_deferred_action(data)
    with suppress(EncodingError):
        found = grants.decode_session_signature(data)
        same(grants.wrap_session_signature(found.signature, found.deferred), data)
    with suppress(EncodingError):
        same(delegation_code(decode_delegation(data)), data)
    with suppress(EncodingError):
        recover_address(data[:32], data[32:97])
    value = int.from_bytes(data[:40], "big")
    with suppress(EncodingError):
        if decode_nonce(value).value != value:
            raise AssertionError(hex(value))


def text(data: bytes) -> None:
    written = data.decode("utf-8", "surrogateescape" if data[:1] == b"!" else "replace")
    with suppress(EncodingError):
        parse_address(written)
    with suppress(EncodingError):
        units = parse_units(written, 6)
        if parse_units(format_units(units, 6), 6) != units:
            raise AssertionError(written)
    signature, _, arguments = written.partition("\n")
    with suppress(EncodingError):
        function = parse_function(signature)
        raw = function.selector + arguments.encode("latin-1", "replace")
        same(encode_call(function, decode_call(function, raw)), raw)


def envelope(data: bytes) -> None:
    status = 200 + (data[0] if data else 0) * 2
    with suppress(WalletApiError):
        read_answer(HttpAnswer(status, data[1:], data[1:5].decode("latin-1")), 1, "m")


def answers(data: bytes) -> None:
    value = read(data)
    for method in METHODS.values():
        with suppress(WalletApiError):
            accept(method.answer, value, "m")
    for offered in (operation_offer, session_offer):
        with suppress(WalletApiError):
            request = offered(value, "m").request
            if isinstance(request, SignTypedData):
                with suppress(EncodingError):
                    typed_data_digest(request.typed_data)


def usual(data: bytes) -> None:
    """What is read the short way, the models read the same way."""
    value = read(data)
    prepared, sent = (
        METHODS[name].answer for name in ("wallet_prepareCalls", "wallet_sendPreparedCalls")
    )
    offer, call_id = usual_offer(value), usual_call_id(value)
    if offer is not None and offer != _offer(accept(prepared, value, "m"), value, "m"):
        raise AssertionError("another operation than its model reads")
    if call_id is not None and call_id != accept(sent, value, "m").id:
        raise AssertionError("another id than its model reads")


def documents(data: bytes) -> None:
    value = read(data)
    with suppress(EncodingError):
        for shown in read_operations(value, 1):
            if isinstance(shown, ShownOperation):
                show(operation_report(shown))
            else:
                show(authorization_report(shown.authorization, shown.raw_payload, shown.signature))
    with suppress(EncodingError):
        show(typed_data_report(*read_typed_document(value)))


def reports(data: bytes) -> None:
    for made in (calldata_report, install_report, context_report):
        with suppress(EncodingError):
            show(made(data))
    with suppress(EncodingError):
        for shown in read_bundle(data, 1):
            show(operation_report(shown))


def read(data: bytes) -> Any:
    try:
        return parse_json(data)
    except ValueError:
        return None


def show(report: Report) -> None:
    """As JSON and as text: printable, whatever came."""
    json.dumps(report, allow_nan=False)
    if not all(line.isprintable() for line in outline(report, Look(width=80))):
        raise AssertionError("an unprintable line")


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each
    for each in (calldata, install, grant, text, envelope, answers, usual, documents, reports)
}
"""Name → what is fed."""


def seeds(name: str) -> Iterator[bytes]:
    """Recorded inputs of a target: where the fuzzer begins."""
    match name:
        case "text":
            yield b"deposit(uint256 amount)\n" + bytes(32)
            yield b"pay((address to, uint256 value)[] calls) external payable returns (bool)"
            yield b"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
            yield b"1_000.25e3"
        case "envelope" | "answers" | "usual" | "documents":
            yield from _bodies(envelope=name == "envelope")
        case _:
            for vector in _load("permissions")["vectors"]:
                yield bytes.fromhex(vector["installValidationCalldata"][2:])
                yield b"\x01" + bytes.fromhex(vector["deferredActionWithOwnerSignature"][2:])
            for vector in _load("account_calldata")["calldata"]:
                yield bytes.fromhex(vector["output"][2:])
            for vector in _load("account_calldata")["userOpSignatures"]:
                yield bytes.fromhex(vector["userOpSignature"][2:])


def _bodies(*, envelope: bool) -> Iterator[bytes]:
    for vector in _load("http_v5")["vectors"]:
        for exchange in vector["exchanges"]:
            body = exchange["response"]["body"]
            if envelope:
                yield b"\0" + json.dumps({**body, "id": 1}).encode()
            elif "result" in body:
                yield json.dumps(body["result"]).encode()
    if not envelope:
        for vector in _load("permissions")["vectors"]:
            yield json.dumps(vector["typedData"]).encode()


def _load(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
