"""What is refused when it is sent, with the code of the service and a reason for programs."""

from __future__ import annotations

import pytest

from runner.ethereum.authorization import authorization_digest
from runner.ethereum.contracts import DELEGATE_7702
from runner.ethereum.signature import personal_sign_digest
from runner.ethereum.user_operation import user_operation_hash
from runner.sandbox.send import read_operation_json

CHAIN_ID = 84_532
PRECHECK, INVALID, REJECTED = -32000, -32602, -32500


def failure(client, action):
    with pytest.raises(client.failure) as caught:
        action()
    return caught.value.code, caught.value.reason


def signature(key, digest):
    return {"type": "secp256k1", "data": "0x" + key.sign(digest).hex()}


def signed(client, prepared, key=None, **changes):
    """A request to send what was prepared, its operation changed before it is signed."""
    data = {**prepared["data"], **changes}
    data = {name: value for name, value in data.items() if value is not None}
    digest = user_operation_hash(read_operation_json(data), CHAIN_ID)
    return {
        "type": prepared["type"],
        "chainId": prepared["chainId"],
        "data": data,
        "signature": signature(key or client.owner, personal_sign_digest(digest)),
    }


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x1"}, (PRECHECK, "FeeTooLow")),
        ({"maxPriorityFeePerGas": hex(10**12)}, (PRECHECK, "FeeTooLow")),
        ({"preVerificationGas": "0x1"}, (PRECHECK, "FeeTooLow")),
        ({"callGasLimit": hex(60_000_000)}, (PRECHECK, "GasLimitTooHigh")),
        ({"verificationGasLimit": "0x1"}, (REJECTED, "OverVerificationGasLimit")),
        ({"factory": None, "factoryData": None}, (REJECTED, "AA20")),
        ({"factoryData": "0x12345678"}, (REJECTED, "AA14")),
        ({"nonce": hex(1 << 64 | 1)}, (REJECTED, "InvalidNonce")),
        ({"nonce": hex(5 << 8 << 64)}, (REJECTED, "ValidationFunctionMissing")),
        ({"callGasLimit": "0x0" + 33 * "f"}, (INVALID, "InvalidParams")),
        ({"sender": "0x" + 40 * "5"}, (INVALID, "UnknownAccount")),
    ],
)
def test_operations_that_no_bundler_takes(client, changes, refusal):
    prepared = client.prepare([client.pay(5)], paymasterService=None)

    request = {**signed(client, prepared), "data": {**prepared["data"], **changes}}
    if refusal[1] != "InvalidParams":
        request = signed(client, prepared, **changes)

    assert failure(client, lambda: client.rpc("wallet_sendPreparedCalls", request)) == refusal


def test_too_much_gas_for_the_accounts_ether(client):
    prepared = client.prepare([], paymasterService=None)
    request = signed(client, prepared, maxFeePerGas=hex(10**18))

    assert failure(client, lambda: client.rpc("wallet_sendPreparedCalls", request)) == (
        PRECHECK,
        "InsufficientFunds",
    )


def test_a_session_that_is_not_the_operations_own(client):
    context = client.grant()
    client.key = client.new_key(8)
    other = client.grant(key=client.key)
    prepared = client.prepare([client.pay(5)], other)
    request = signed(client, prepared, client.key)
    request["capabilities"] = {"permissions": {"context": context}}

    assert failure(client, lambda: client.rpc("wallet_sendPreparedCalls", request)) == (
        INVALID,
        "SessionMismatch",
    )


def test_a_first_use_without_its_grant(client):
    context = client.context(client.session())
    request = signed(client, client.prepare([], context), client.key)

    assert failure(client, lambda: client.rpc("wallet_sendPreparedCalls", request)) == (
        REJECTED,
        "DeferredActionSignatureInvalid",
    )


def test_a_session_of_another_account(client):
    context = client.context(client.session())
    client.owner = client.new_key(31)
    client.__post_init__()

    assert failure(client, lambda: client.prepare([], context)) == (
        INVALID,
        "SessionOfAnotherAccount",
    )


def authorization(client, *, delegate=DELEGATE_7702, nonce=0, key=None):
    return {
        "type": "authorization",
        "chainId": client.chain,
        "data": {"address": delegate, "nonce": hex(nonce)},
        "signature": signature(
            key or client.owner, authorization_digest(CHAIN_ID, delegate, nonce)
        ),
    }


def delegating(client):
    """Make the owner's own address an account."""
    hint = {"creationHint": {"accountType": "7702"}}
    client.rpc("wallet_requestAccount", {"signerAddress": client.owner.address, **hint})
    client.account = client.owner.address


def test_a_delegation_alone(client):
    delegating(client)
    answer = client.rpc("wallet_sendPreparedCalls", authorization(client))
    client.wait(1)
    status = client.rpc("wallet_getCallsStatus", answer["id"])

    assert answer["details"] == {"type": "delegation"}
    assert (status["status"], status["details"]["type"]) == (200, "delegation")
    (receipt,) = status["receipts"]
    assert status["details"]["txHash"] == receipt["transactionHash"]
    assert client.rpc("eth_getTransactionReceipt", receipt["transactionHash"])["logs"] == []
    again = lambda: client.rpc("wallet_sendPreparedCalls", authorization(client))  # noqa: E731
    assert failure(client, again) == (PRECHECK, "AuthorizationNonceMismatch")


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"nonce": 1}, (PRECHECK, "AuthorizationNonceMismatch")),
        ({"delegate": "0x" + 40 * "6"}, (INVALID, "InvalidParams")),
        ({"key": 41}, (PRECHECK, "InvalidAuthorization")),
    ],
)
def test_authorizations_that_do_not_delegate(client, changes, refusal):
    delegating(client)
    if "key" in changes:
        changes = {"key": client.new_key(changes["key"])}
    request = authorization(client, **changes)

    assert failure(client, lambda: client.rpc("wallet_sendPreparedCalls", request)) == refusal


def test_an_authorization_that_is_not_the_senders(client):
    delegating(client)
    prepared = client.prepare([client.pay(5)])
    client.owner = client.new_key(51)
    other = client.owner
    delegating(client)
    request = {
        "type": "array",
        "data": [authorization(client, key=other), signed(client, prepared["data"][1])],
    }

    assert failure(client, lambda: client.rpc("wallet_sendPreparedCalls", request)) == (
        PRECHECK,
        "InvalidAuthorization",
    )


def test_parts_of_two_chains(client):
    delegating(client)
    prepared = client.prepare([])
    operation = {**signed(client, prepared["data"][1]), "chainId": "0x1"}
    request = {"type": "array", "data": [authorization(client), operation]}

    assert failure(client, lambda: client.rpc("wallet_sendPreparedCalls", request)) == (
        INVALID,
        "InvalidParams",
    )


def test_a_delegation_that_a_failed_operation_carried_is_undone(client):
    delegating(client)
    client.rpc("sandbox_setFault", {"kind": "late_include", "seconds": 2_000, "count": 1})
    prepared = client.prepare([client.pay(5)])
    parts = [authorization(client), signed(client, prepared["data"][1])]
    identity = client.rpc("wallet_sendPreparedCalls", {"type": "array", "data": parts})["id"]
    client.wait(2_001)

    assert client.status(identity) == 400  # its sponsorship has lapsed
    assert client.rpc("eth_getCode", client.account, "latest") == "0x"
    assert client.rpc("eth_getTransactionCount", client.account, "latest") == "0x0"


@pytest.mark.parametrize(
    "context",
    [
        "0x01",
        "0x01" + 33 * "00",
        "0x01" + 33 * "00" + "0000001b" + 27 * "00" + "00000042" + 66 * "00",
    ],
)
def test_local_grants_that_are_none(client, context):
    code, reason = failure(client, lambda: client.prepare([], context))
    assert (code, reason) in {
        (INVALID, "InvalidParams"),
        (REJECTED, "DeferredActionSignatureInvalid"),
    }
