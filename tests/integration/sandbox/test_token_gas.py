"""Gas paid in tokens: approvals, permits, what is taken and what is given back."""

from __future__ import annotations

import pytest

from runner.ethereum.authorization import authorization_digest
from runner.ethereum.hashing import keccak256
from runner.ethereum.signature import personal_sign_digest
from runner.sandbox.sandbox import Sandbox

PAYMASTER = "0x3f222Df6aB18C1E10d0Ec136503c3B0dfd929048"
RATE = 2_500 * 10**6
"""Base units of USDC for one ether."""


def tokens(client, **settings):
    """The capability that pays for gas in USDC."""
    return {**client.policy, "erc20": {"tokenAddress": client.usdc, **settings}}


def approves(client, amount=None):
    auto = True if amount is None else {"below": hex(amount), "amount": hex(amount)}
    return tokens(client, postOpSettings={"autoApprove": auto})


def permits(client, amount):
    auto = {"below": hex(amount), "amount": hex(amount)}
    return tokens(client, preOpSettings={"autoPermit": auto})


def ether(client):
    return int(client.rpc("eth_getBalance", client.account, "latest"), 16)


def allowance(client):
    data = "0xdd62ed3e" + client.account[2:].rjust(64, "0") + PAYMASTER[2:].rjust(64, "0")
    return int(client.rpc("eth_call", {"to": client.usdc, "data": data}, "latest"), 16)


def run(client, prepared, context=None):
    """Send, wait, and return the receipt with the fee in base units."""
    identity = client.send(prepared, context)
    client.wait(1)
    receipt = client.rpc("eth_getUserOperationReceipt", prepared["details"]["data"]["hash"])
    return client.status(identity), -(-int(receipt["actualGasCost"], 16) * RATE // 10**18), receipt


def refused(client, call):
    with pytest.raises(client.failure) as caught:
        call()
    return caught.value.code, caught.value.reason


def test_the_exact_fee_is_approved_and_taken_afterwards(client):
    before, coins = client.balance(client.account), ether(client)

    prepared = client.prepare([client.pay(5)], paymasterService=approves(client))
    status, fee, _ = run(client, prepared)

    payment = prepared["feePayment"]
    assert payment["sponsored"] is False
    assert payment["tokenAddress"] == client.usdc
    assert 0 < fee <= int(payment["maxAmount"], 16)
    assert [call["to"] for call in prepared["details"]["data"]["calls"]] == [client.usdc]
    assert status == 200
    taken = client.balance(PAYMASTER)
    assert client.balance(client.account) == before - 5 - taken
    # Taking it costs gas too, which is the paymaster's own.
    assert fee * 0.8 < taken < fee
    assert ether(client) == coins


def test_a_large_approval_serves_many_operations(client):
    first = client.prepare([], paymasterService=approves(client, 10**6))
    assert run(client, first)[0] == 200
    left, taken = allowance(client), client.balance(PAYMASTER)
    second = client.prepare([], paymasterService=tokens(client))

    assert run(client, second)[0] == 200
    assert len(second["data"]["callData"]) < len(first["data"]["callData"])
    assert left == 10**6 - taken
    assert allowance(client) == 10**6 - client.balance(PAYMASTER) < left


def test_calls_that_leave_nothing_to_take_are_undone(client):
    prepared = client.prepare([client.pay(5)], paymasterService=tokens(client))
    before = client.balance(client.account)
    status, _, receipt = run(client, prepared)

    assert status == 500
    assert receipt["success"] is False
    assert client.balance(client.account) == before
    assert client.balance(client.alice) == 0
    topic = keccak256(b"PostOpRevertReason(bytes32,address,uint256,bytes)")
    assert any(log["topics"][0] == "0x" + topic.hex() for log in receipt["logs"])


def test_what_is_taken_first_is_given_back_in_part(client):
    run(client, client.prepare([], paymasterService=approves(client, 10**9)))
    details = {"permitDetails": {"deadline": "0x0", "value": "0x0"}}
    prepared = client.prepare(
        [client.pay(5)], paymasterService=tokens(client, preOpSettings=details)
    )
    before, held = client.balance(client.account), client.balance(PAYMASTER)
    status, fee, receipt = run(client, prepared)

    assert status == 200
    assert client.balance(client.account) == before - 5 - fee
    assert client.balance(PAYMASTER) == held + fee
    taken = [log for log in receipt["logs"] if log["address"] == client.usdc.lower()]
    assert int(taken[0]["data"], 16) == int(prepared["feePayment"]["maxAmount"], 16)


def permitted(client, signer=None):
    """Sign the permit that is asked for, and prepare again."""
    asked = client.prepare([client.pay(5)], paymasterService=permits(client, 10**7))
    assert asked["type"] == "paymaster-permit"
    assert asked["data"]["primaryType"] == "Permit"
    assert asked["data"]["message"]["value"] == hex(10**7)
    digest = bytes.fromhex(asked["signatureRequest"]["rawPayload"][2:])
    signature = "0x" + (signer or client.owner).sign(digest).hex()
    request = {**asked["modifiedRequest"], "paymasterPermitSignature": {"type": "secp256k1"}}
    request["paymasterPermitSignature"]["data"] = signature
    return client.rpc("wallet_prepareCalls", request)


def test_a_permit_lets_the_paymaster_take_its_tokens(client):
    before = client.balance(client.account)
    prepared = permitted(client)
    status, fee, _ = run(client, prepared)

    assert status == 200
    assert client.balance(client.account) == before - 5 - fee
    assert allowance(client) == 10**7 - int(prepared["feePayment"]["maxAmount"], 16)
    again = client.prepare([client.pay(5)], paymasterService=permits(client, 10**6))
    assert again["type"] == "user-operation-v070"


def test_a_permit_of_another_key_is_refused(client):
    call = lambda: permitted(client, client.key)  # noqa: E731
    assert refused(client, call) == (-32501, "InvalidPermit")


def test_a_delegated_eoa_permits_too(client):
    client.account = client.owner.address
    authorization, operation = client.prepare([])["data"]
    assert authorization["type"] == "authorization"
    assert operation["data"]["sender"] == client.owner.address
    digest = authorization_digest(84_532, authorization["data"]["address"], 0)
    raw = bytes.fromhex(operation["signatureRequest"]["data"]["raw"][2:])
    signed = [
        {**authorization, "signature": signature(client.owner, digest)},
        {**operation, "signature": signature(client.owner, personal_sign_digest(raw))},
    ]
    client.rpc("wallet_sendPreparedCalls", {"type": "array", "data": signed})
    client.wait(1)

    status, fee, _ = run(client, permitted(client))

    assert status == 200
    assert client.balance(PAYMASTER) == fee


def signature(key, digest):
    return {"type": "secp256k1", "data": "0x" + key.sign(digest).hex()}


def test_approvals_of_a_session_count_against_its_allowance(client):
    context = client.grant(client.erc20(10**6))
    prepared = client.prepare([client.pay(5)], context, paymasterService=approves(client, 10**5))
    status, fee, _ = run(client, prepared, context)

    assert (status, fee > 0) == (200, True)
    most = 10**6 - 10**5 - 5
    assert client.prepare([client.pay(most)], context)
    assert refused(client, lambda: client.prepare([client.pay(most + 1)], context)) == (
        -32521,
        "ExceededTokenLimit",
    )


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"maxTokenAmount": "0x1"}, "MaxTokenAmountExceeded"),
        ({"tokenAddress": "0x" + 40 * "7"}, "UnsupportedToken"),
        (
            {"preOpSettings": {"permitDetails": {"deadline": "0x0", "value": "0x1"}}},
            "InsufficientTokenAllowance",
        ),
    ],
)
def test_what_the_paymaster_does_not_take(client, settings, reason):
    call = lambda: client.prepare([], paymasterService=tokens(client, **settings))  # noqa: E731
    assert refused(client, call) == (-32501, reason)


def test_too_few_tokens_are_seen_when_prepared_unless_told_otherwise(clock, attach):
    sandbox = Sandbox(time_source=clock, faucet=False)
    client = attach(sandbox)
    call = lambda: client.prepare([], paymasterService=approves(client))  # noqa: E731

    assert refused(client, call) == (-32501, "InsufficientTokenBalance")
    post = {"autoApprove": True, "balanceCheck": False}
    prepared = client.prepare([], paymasterService=tokens(client, postOpSettings=post))
    assert run(client, prepared)[0] == 500
    sandbox.close()


def test_a_session_key_signs_no_permits(client):
    context = client.grant()
    call = lambda: client.prepare([], context, paymasterService=permits(client, 9))  # noqa: E731
    assert refused(client, call) == (-32602, "NotSupported")


def test_tokens_that_are_gone_when_sent_are_missed(client):
    run(client, client.prepare([], paymasterService=approves(client, 10**9)))
    details = {"permitDetails": {"deadline": "0x0", "value": "0x0"}}
    prepared = client.prepare(
        [],
        nonceOverride=client.lane(3),
        paymasterService=tokens(client, preOpSettings=details),
    )
    client.run([client.pay(client.balance(client.account))])

    assert refused(client, lambda: client.send(prepared)) == (-32501, "PaymasterReverted")


def test_an_estimate_names_the_fee(client):
    settings = {**approves(client), "onlyEstimation": True}
    prepared = client.prepare([client.pay(5)], paymasterService=settings)

    assert "signatureRequest" not in prepared
    assert prepared["feePayment"]["tokenAddress"] == client.usdc
    assert int(prepared["feePayment"]["maxAmount"], 16) > 0


def test_fees_are_replayed(tmp_path, clock, attach):
    sandbox = Sandbox(time_source=clock, state=tmp_path / "s.json")
    client = attach(sandbox)
    run(client, client.prepare([client.pay(5)], paymasterService=approves(client, 10**6)))
    run(client, permitted(client))
    held = client.balance(client.account), client.balance(PAYMASTER), allowance(client)
    sandbox.close()

    sandbox = Sandbox(time_source=clock, state=tmp_path / "s.json")
    client = attach(sandbox)
    assert (client.balance(client.account), client.balance(PAYMASTER), allowance(client)) == held
    sandbox.close()
