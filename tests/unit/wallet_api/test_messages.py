"""Answers are believed to the letter or not at all; requests carry only what fits."""

import copy
import json
import traceback

import pytest
from support.prepared import PREPARED

from runner.adapters.wallet_api.messages import (
    account_request,
    calls_request,
    operation_offer,
    sealed_request,
    session_offer,
    session_request,
)
from runner.errors import AnswerLost, EncodingError
from runner.ethereum.address import ZERO_ADDRESS, parse_address
from runner.ethereum.authorization import Authorization
from runner.ethereum.contracts import DELEGATE_7702
from runner.ethereum.permissions import AccountFunctions, GasLimit, Root
from runner.ethereum.typed_data import typed_data_digest
from runner.guard.offer import Claims, OtherRequest, PersonalSign, SignAuthorization, SignTypedData
from runner.guard.operation import OperationTerms, check_operation
from runner.guard.verdict import Refused
from runner.ports import FeeOverride

ACCOUNT = parse_address("0x76E765e80FFAC96ac10Aa8908a8267A3B80d606D")
KEY = parse_address("0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF")
SIGNATURE = bytes(range(64)) + b"\x1b"
SESSION = {
    "sessionId": "0xcd8b2d07a6fa76f1e8a5eaa8f3a7883c",
    "chainId": "0x66eee",
    "signatureRequest": {
        "type": "eth_signTypedData_v4",
        "data": {
            "domain": {"chainId": 421614, "verifyingContract": ACCOUNT},
            "types": {
                "DeferredAction": [
                    {"name": "nonce", "type": "uint256"},
                    {"name": "deadline", "type": "uint48"},
                    {"name": "call", "type": "bytes"},
                ]
            },
            "primaryType": "DeferredAction",
            "message": {
                "nonce": "0x1030000000000000000",
                "deadline": 4102444800,
                "call": "0x1bbf564c",
            },
        },
        "rawPayload": "0x394afc7358c9500baf3b510cd7e866abafc6576c4db84cebca09494cbdcbb5d0",
    },
}


def changed(answer: dict, path: str, value: object = ...) -> dict:
    """Return the answer with one member set, or removed."""
    result = copy.deepcopy(answer)
    *way, last = path.split(".")
    spot = result
    for name in way:
        spot = spot[name]
    if value is ...:
        del spot[last]
    else:
        spot[last] = value
    return result


def test_an_operation_is_read_into_values():
    """
    Numbers, bytes and addresses, in any letter case and with leading zeros.
    """
    offer = operation_offer(PREPARED, "m")

    assert offer.kind == "user-operation-v070"
    assert offer.chain_id == 421614
    assert offer.request == PersonalSign(bytes.fromhex(32 * "5a"), bytes.fromhex(32 * "a5"))
    assert offer.claims == Claims(True, ZERO_ADDRESS, 0, bytes.fromhex(32 * "5a"), ())
    assert offer.operation is not None
    assert offer.operation.sender == ACCOUNT
    assert offer.operation.nonce == 2**64
    assert offer.operation.call_data == bytes.fromhex("34fcd5be")
    assert offer.operation.call_gas_limit == 0x2BB8
    assert offer.operation.factory is None
    assert offer.operation.paymaster_verification_gas_limit == 0x74D3


def test_only_what_the_hash_covers_goes_back():
    """
    Members of another version, fee payment and details are not sent along.
    """
    odd = changed(PREPARED, "data.signature", "0x1234")

    offer = operation_offer(odd, "m")

    wire = json.loads(offer.wire)
    assert wire == {name: PREPARED[name] for name in ("type", "data", "chainId")}
    assert b" " not in offer.wire


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("type", "user-operation-v080"),
        ("type", ...),
        ("data", ...),
        ("data.sender", "0x76E765"),
        ("data.sender", ...),
        ("data.nonce", 1),
        ("data.nonce", "18446744073709551616"),
        ("data.nonce", "0x1" + 64 * "0"),
        ("data.callData", "0x123"),
        ("data.callData", None),
        ("data.callGasLimit", "0x"),
        ("data.callGasLimit", "0x1" + 32 * "0"),
        ("data.maxFeePerGas", ...),
        ("data.factory", None),
        ("data.factory", "0x7702"),
        ("data.factoryData", "0x00"),
        ("data.paymaster", ...),
        ("chainId", 421614),
        ("chainId", "0x100000000"),
        ("chainId", ...),
        ("signatureRequest.type", "eth_sign"),
        ("signatureRequest.data", {"raw": "0xabc"}),
        ("signatureRequest.data", {"raw": 7}),
        ("signatureRequest", []),
        ("signatureRequest", None),
        ("signatureRequest.rawPayload", ...),
        ("signatureRequest.rawPayload", "0x12"),
        ("feePayment", ...),
        ("feePayment.sponsored", "true"),
        ("feePayment.maxAmount", 0),
        ("details.data.calls", ...),
        ("details.data.hash", "0x5a"),
    ],
)
def test_an_operation_that_is_not_to_the_letter_is_lost(path, value):
    """
    No field is guessed, defaulted or rounded.
    """
    with pytest.raises(AnswerLost, match=r"^https://host: m: unusable answer"):
        operation_offer(changed(PREPARED, path, value), "https://host: m")


@pytest.mark.parametrize("answer", [None, [], "x", 1, {}])
def test_an_answer_that_is_no_object_is_lost(answer):
    """
    Neither offer is made of anything but an object.
    """
    for read in (operation_offer, session_offer):
        with pytest.raises(AnswerLost):
            read(answer, "m")


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        ({"type": "personal_sign", "data": "pay me", "rawPayload": "0x" + 32 * "00"}, "text"),
        ({"type": "eip7702Auth", "rawPayload": "0x" + 32 * "00"}, "authorization"),
        (..., "none"),
    ],
)
def test_a_request_that_no_run_signs_is_named(request_, kind):
    """
    The guard refuses these by their kind.
    """
    offer = operation_offer(changed(PREPARED, "signatureRequest", request_), "m")

    assert offer.request == OtherRequest(kind)


V06 = {
    **PREPARED,
    "type": "user-operation-v060",
    "data": {
        **{k: v for k, v in PREPARED["data"].items() if not k.startswith("paymaster")},
        "initCode": "0x",
        "paymasterAndData": "0x",
    },
}
AUTHORIZATION = {
    "type": "authorization",
    "data": {"address": DELEGATE_7702, "nonce": "0x3"},
    "chainId": "0x66eee",
    "signatureRequest": {"type": "eip7702Auth", "rawPayload": "0x" + 32 * "77"},
}
ARRAY = {"type": "array", "data": [AUTHORIZATION, PREPARED], "details": PREPARED["details"]}
PERMIT = {
    "type": "paymaster-permit",
    "modifiedRequest": {"from": ACCOUNT, "chainId": "0x66eee", "calls": []},
    "data": SESSION["signatureRequest"]["data"],
    "signatureRequest": SESSION["signatureRequest"],
}


def test_an_operation_of_another_entry_point_is_known_by_name():
    """
    It could be sent back, but holds no operation that a run would look at.
    """
    offer = operation_offer(V06, "m")

    assert (offer.kind, offer.chain_id, offer.operation) == ("user-operation-v060", 421614, None)
    sent = json.loads(sealed_request(offer, [SIGNATURE], context=None, gas_policy=None))
    assert sent["data"] == V06["data"]


def test_a_delegation_is_read_into_an_authorization():
    """
    Chain, delegate and nonce: all that the owner's key would sign.
    """
    offer = operation_offer(AUTHORIZATION, "m")

    authorization = Authorization(421614, DELEGATE_7702, 3)
    assert offer.request == SignAuthorization(authorization, bytes.fromhex(32 * "77"))
    assert (offer.kind, offer.operation, offer.parts) == ("authorization", None, ())


def test_an_array_is_signed_part_by_part():
    """
    A delegation first, then the operation; each signature stands in its own part.
    """
    offer = operation_offer(ARRAY, "m")
    delegation, operation = offer.parts

    assert (offer.kind, offer.operation, offer.request) == ("array", None, OtherRequest("array"))
    assert isinstance(delegation.request, SignAuthorization)
    assert operation == operation_offer(PREPARED, "m")
    other = SIGNATURE[::-1]
    sent = json.loads(sealed_request(offer, [SIGNATURE, other], context=b"\2", gas_policy=None))
    assert sent == {
        "type": "array",
        "data": [
            {
                "type": "authorization",
                "data": AUTHORIZATION["data"],
                "chainId": "0x66eee",
                "signature": {"type": "secp256k1", "data": "0x" + SIGNATURE.hex()},
            },
            {
                "type": "user-operation-v070",
                "data": PREPARED["data"],
                "chainId": "0x66eee",
                "signature": {"type": "secp256k1", "data": "0x" + other.hex()},
            },
        ],
        "capabilities": {"permissions": {"context": "0x02"}},
    }


@pytest.mark.parametrize("signatures", [[], [SIGNATURE], [SIGNATURE] * 3, [SIGNATURE, b""]])
def test_an_array_takes_one_signature_a_part(signatures):
    """
    No part goes out unsigned.
    """
    with pytest.raises(EncodingError, match=r"signatures? "):
        sealed_request(operation_offer(ARRAY, "m"), signatures, context=None, gas_policy=None)


def test_a_permit_is_known_and_never_sent():
    """
    What it asks to prepare again is kept; what it asks to sign is typed data like any other.
    """
    offer = operation_offer(PERMIT, "m")

    assert (offer.kind, offer.operation) == ("paymaster-permit", None)
    assert json.loads(offer.wire) == PERMIT["modifiedRequest"]
    assert isinstance(offer.request, SignTypedData)
    with pytest.raises(EncodingError, match="not sent"):
        sealed_request(offer, [SIGNATURE], context=None, gas_policy=None)


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        (V06, "G5.type"),
        (AUTHORIZATION, "G5.type"),
        (ARRAY, "G5.type"),
        (PERMIT, "G5.type"),
        ({**PREPARED, "signatureRequest": SESSION["signatureRequest"]}, "G5.request"),
        ({k: v for k, v in PREPARED.items() if k != "signatureRequest"}, "G5.request"),
    ],
)
def test_a_run_signs_none_of_these(answer, rule):
    """
    G5: the guard refuses every kind and every request but one, whatever it holds.
    """
    terms = OperationTerms(
        chain_id=421614,
        account=ACCOUNT,
        intent=(),
        permissions=(Root(),),
        expiry=2**40,
        nonce=2**64,
        session_key=KEY,
        sponsored=True,
        paymaster=None,
        max_fee=2**200,
        sandbox=True,
        now=1,
    )

    verdict = check_operation(terms, operation_offer(answer, "m"))

    assert isinstance(verdict, Refused)
    assert rule in [finding.rule for finding in verdict.findings]


def test_a_session_is_read_into_values():
    """
    The digest of what was read is the digest that the service names.
    """
    offer = session_offer(SESSION, "m")

    assert offer.session_id == bytes.fromhex("cd8b2d07a6fa76f1e8a5eaa8f3a7883c")
    assert offer.chain_id == 421614
    assert isinstance(offer.request, SignTypedData)
    assert typed_data_digest(offer.request.typed_data) == offer.request.raw_payload
    assert offer.request.typed_data.message["nonce"] == 0x1030000000000000000


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sessionId", "0xcd"),
        ("sessionId", ...),
        ("chainId", ...),
        ("signatureRequest", ...),
        ("signatureRequest.rawPayload", "0x123"),
        ("signatureRequest.data.domain.chainId", "0x66eee"),
        ("signatureRequest.data.domain.chainId", 0),
        ("signatureRequest.data.domain.chainId", True),
        ("signatureRequest.data.domain.verifyingContract", "0x12"),
        ("signatureRequest.data.domain.purpose", "unknown member"),
        ("signatureRequest.data.primaryType", "Other"),
        ("signatureRequest.data.types.EIP712Domain", [{"name": "name", "type": "string"}]),
        ("signatureRequest.data.message.extra", 1),
        ("signatureRequest.data.message.call", ...),
        ("signatureRequest.data.message.call", "0x1"),
        ("signatureRequest.data.message.call", 5),
        ("signatureRequest.data.message.deadline", 1.5),
        ("signatureRequest.data.message.deadline", True),
        ("signatureRequest.data.message.nonce", "one"),
        ("signatureRequest.data.message.nonce", None),
    ],
)
def test_a_session_that_is_not_to_the_letter_is_lost(path, value):
    """
    What the owner would sign has one reading.
    """
    with pytest.raises(AnswerLost, match="unusable answer"):
        session_offer(changed(SESSION, path, value), "m")


def test_the_domain_type_may_be_spelled_out():
    """
    Some services list EIP712Domain; it has to be what the domain makes it.
    """
    spelled = [
        {"name": "chainId", "type": "uint256"},
        {"name": "verifyingContract", "type": "address"},
    ]
    answer = changed(SESSION, "signatureRequest.data.types.EIP712Domain", spelled)

    assert session_offer(answer, "m") == session_offer(SESSION, "m")


def test_nested_typed_data_is_read_by_its_types():
    """
    Structs, arrays, and numbers in three spellings.
    """
    data = {
        "domain": {"name": "d", "salt": "0x" + 32 * "01"},
        "types": {
            "A": [
                {"name": "items", "type": "B[]"},
                {"name": "flag", "type": "bool"},
                {"name": "pair", "type": "int8[2]"},
            ],
            "B": [{"name": "to", "type": "address"}, {"name": "memo", "type": "string"}],
        },
        "primaryType": "A",
        "message": {
            "items": [{"to": ACCOUNT.lower(), "memo": "0x12"}],
            "flag": True,
            "pair": ["-5", "0x7"],
        },
    }
    answer = changed(SESSION, "signatureRequest.data", data)

    request = session_offer(answer, "m").request

    assert isinstance(request, SignTypedData)
    assert request.typed_data.domain == {"name": "d", "salt": bytes.fromhex(32 * "01")}
    assert request.typed_data.message == {
        "items": ({"to": ACCOUNT, "memo": "0x12"},),
        "flag": True,
        "pair": (-5, 7),
    }
    typed_data_digest(request.typed_data)


def test_a_request_that_the_wire_cannot_carry_is_not_made():
    """
    Numbers out of range, sessions without permissions and functions without selectors.
    """
    calls = {
        "account": ACCOUNT,
        "chain_id": 1,
        "calls": [],
        "context": None,
        "gas_policy": None,
        "nonce_key": None,
        "fees": None,
    }
    with pytest.raises(EncodingError, match="neither a salt"):
        account_request(ACCOUNT, 1, delegated=True)
    session = {
        "account": ACCOUNT,
        "chain_id": 1,
        "expiry": 0,
        "key": KEY,
        "permissions": [Root()],
    }
    for change in (
        {"nonce_key": 2**152},
        {"nonce_key": -1},
        {"chain_id": 2**32},
        {"fees": FeeOverride(2**128, 1)},
    ):
        with pytest.raises(EncodingError):
            calls_request(**{**calls, **change})
    for change in (
        {"permissions": []},
        {"permissions": [AccountFunctions(())]},
        {"permissions": [AccountFunctions((b"abc",))]},
        {"permissions": [GasLimit(-1)]},
        {"expiry": 10**10},
        {"expiry": -1},
    ):
        with pytest.raises(EncodingError):
            session_request(**{**session, **change})
    assert "capabilities" not in calls_request(**calls)
    assert session_request(**session)["permissions"] == [{"type": "root"}]


def test_a_signature_has_65_bytes():
    """
    Nothing else is sealed.
    """
    offer = operation_offer(PREPARED, "m")

    with pytest.raises(EncodingError, match="65 bytes"):
        sealed_request(offer, [bytes(64)], context=None, gas_policy=None)


def test_an_unusable_answer_is_named_without_its_content():
    """
    The message says where, not what the service wrote there.
    """
    sent = "".join(["0x", "h", "ush"])
    with pytest.raises(AnswerLost) as caught:
        operation_offer(changed(PREPARED, "data.callData", sent), "m")

    assert "data.callData" in caught.value.what
    assert sent not in "".join(traceback.format_exception(caught.value))
