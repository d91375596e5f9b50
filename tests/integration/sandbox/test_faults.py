"""Faults of chain and answers, in process; those of the wire are in test_server.py."""

from __future__ import annotations

import pytest


def failure(client, action):
    with pytest.raises(client.failure) as caught:
        action()
    return caught.value.code, caught.value.reason


def fault(client, kind, **members):
    client.rpc("sandbox_setFault", {"kind": kind, **members})


def test_what_is_never_included_waits_until_the_fault_is_cleared(client):
    context = client.grant()
    fault(client, "never_include", count=1)
    stuck = client.send(
        client.prepare([client.pay(5)], context, nonceOverride=client.lane(1)), context
    )
    client.wait(100)
    other = client.run([client.pay(6)], context, nonceOverride=client.lane(2))

    assert [client.status(each) for each in (stuck, other)] == [100, 200]
    client.rpc("sandbox_clearFaults")
    client.wait(1)
    assert client.status(stuck) == 200


def test_what_is_stuck_can_be_burned(client):
    context = client.grant()
    fault(client, "never_include", count=1)
    lane = client.lane(1)
    stuck = client.send(client.prepare([client.pay(5)], context, nonceOverride=lane), context)

    burn = client.run([], context, nonceOverride=lane)
    client.rpc("sandbox_clearFaults")
    client.wait(5)

    assert [client.status(each) for each in (stuck, burn)] == [400, 200]
    assert client.balance(client.alice) == 0


def test_late_inclusion(client):
    context = client.grant()
    fault(client, "late_include", seconds=10)
    late = client.send(client.prepare([client.pay(5)], context), context)
    client.wait(10)
    assert client.status(late) == 100
    client.wait(1)
    assert client.status(late) == 200


def test_what_is_late_may_have_expired(client):
    context = client.grant(expiry=client.start + 8)
    fault(client, "late_include", seconds=20)
    late = client.send(client.prepare([client.pay(5)], context), context)
    client.wait(60)

    assert client.status(late) == 400
    assert client.balance(client.alice) == 0


def test_a_reorganisation_takes_blocks_back_and_includes_again(client):
    context = client.grant()
    client.wait(5)
    identity = client.run([client.pay(5)], context, nonceOverride=client.lane(1))
    client.wait(1)
    (before,) = client.rpc("wallet_getCallsStatus", identity)["receipts"]

    fault(client, "reorg", depth=3)

    assert client.status(identity) == 100
    assert client.balance(client.alice) == 0
    assert len(client.rpc("sandbox_getOps")) == 1
    client.wait(1)
    (after,) = client.rpc("wallet_getCallsStatus", identity)["receipts"]
    assert client.balance(client.alice) == 5
    assert after["blockNumber"] != before["blockNumber"]
    block = client.rpc("eth_getBlockByNumber", before["blockNumber"], False)
    assert block["hash"] != before["blockHash"]
    assert block["transactions"] == []


def test_a_reorganisation_waits_for_a_method(client):
    context = client.grant()
    client.wait(5)
    identity = client.run([client.pay(5)], context, nonceOverride=client.lane(1))
    fault(client, "reorg", depth=1, method="wallet_getCallsStatus", count=1)

    assert client.balance(client.alice) == 5
    assert client.status(identity) == 100
    assert client.balance(client.alice) == 0
    client.wait(1)
    assert client.status(identity) == 200


def test_sponsorship_is_refused(client):
    context = client.grant()
    fault(client, "refuse_sponsorship")

    assert failure(client, lambda: client.prepare([], context)) == (-32501, "SponsorshipRefused")
    assert client.prepare([], context, paymasterService=None)["feePayment"]["sponsored"] is False


def test_fees_rise_and_what_pays_less_waits(client):
    context = client.grant()
    identity = client.send(client.prepare([client.pay(5)], context), context)
    fault(client, "fee_spike", factor=50)
    client.wait(5)
    prepared = client.prepare([client.pay(5)], context, nonceOverride=client.lane(8))

    assert client.status(identity) == 100
    assert int(prepared["data"]["maxFeePerGas"], 16) >= 500_000_000
    client.rpc("sandbox_clearFaults")
    client.wait(2)
    assert client.status(identity) == 200


def test_the_head_block_lies_about_its_time(client):
    true = int(client.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    fault(client, "clock_skew", seconds=-300)

    told = int(client.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    assert told == true - 300


def test_the_status_lies(client):
    identity = client.run([client.pay(5)], client.grant())
    fault(client, "lie_status", status=400, count=1)

    assert [client.status(identity), client.status(identity)] == [400, 200]


def test_an_answer_is_tampered_with(client):
    context = client.grant()
    fault(client, "tamper", method="wallet_prepareCalls", path="data.callData", value="0x")

    assert client.prepare([client.pay(5)], context)["data"]["callData"] == "0x"


def test_tampering_waits_for_an_answer_that_has_the_place(client):
    context = client.grant()
    fault(client, "tamper", path="data.callData", value="0x", count=1)

    assert client.rpc("eth_chainId") == client.chain
    assert client.prepare([client.pay(5)], context)["data"]["callData"] == "0x"
    assert client.prepare([client.pay(5)], context)["data"]["callData"] != "0x"


def test_a_lapsed_sponsorship_fails_off_chain(client):
    context = client.grant()
    fault(client, "late_include", seconds=4_000, count=1)
    identity = client.send(client.prepare([client.pay(5)], context), context)
    client.wait(4_001)

    assert client.status(identity) == 400


@pytest.mark.parametrize(
    "members",
    [
        {"kind": "no such"},
        {"kind": "latency", "seconds": -1},
        {"kind": "reset", "probability": 2},
        {"kind": "tamper"},
        {"kind": "reset", "depth": 2},
        {"kind": "lie_status", "status": "400"},
        {"kind": "latency", "count": 0},
    ],
)
def test_malformed_faults_are_refused(client, members):
    assert failure(client, lambda: client.rpc("sandbox_setFault", members)) == (
        -32602,
        "InvalidParams",
    )
