"""Operations: prepared, signed, sent, included, by owner and by session."""

from __future__ import annotations

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data

from runner.ethereum.hashing import keccak256
from runner.ethereum.modular_account import semi_modular_account_address
from runner.ethereum.user_operation import ENTRY_POINT_V07, USER_OPERATION_EVENT_TOPIC


def failure(client, action):
    with pytest.raises(client.failure) as caught:
        action()
    return caught.value.code, caught.value.reason


def test_pays_by_session(client):
    context = client.grant()

    identity = client.run([client.pay(5)], context, nonceOverride=client.lane(77))

    assert client.status(identity) == 200
    assert client.balance(client.alice) == 5


def test_account_has_the_address_that_create2_gives_it(client):
    assert client.account == semi_modular_account_address(client.owner.address, 0)
    assert client.rpc("eth_getCode", client.account, "latest") == "0x"

    client.grant()

    assert client.rpc("eth_getCode", client.account, "latest") != "0x"


def test_first_operation_deploys_and_installs_on_the_grants_own_nonce(client):
    session = client.session()
    context = client.context(session)

    first = client.prepare([client.pay(5)], context, nonceOverride=client.lane(9))
    client.send(first, context)
    client.wait(1)
    second = client.prepare([client.pay(5)], context, nonceOverride=client.lane(9))

    nonce = session["signatureRequest"]["data"]["message"]["nonce"]
    assert first["data"]["nonce"] == nonce == "0x1020000000000000000"
    assert first["data"]["factory"] == "0x00000000000017c61b5bEe81050EC8eFc9c6fecd"
    assert int(second["data"]["nonce"], 16) == 9 << 104 | 1 << 72
    assert "factory" not in second["data"]


def test_event_of_an_operation_is_as_the_entry_point_logs_it(client):
    identity = client.run([client.pay(5)], client.grant(), nonceOverride=client.lane(1))

    (log,) = client.rpc(
        "eth_getLogs",
        {
            "fromBlock": "0x0",
            "toBlock": "latest",
            "address": ENTRY_POINT_V07,
            "topics": ["0x" + USER_OPERATION_EVENT_TOPIC.hex(), [identity[:2] + identity[-64:]]],
        },
    )
    words = [int(log["data"][2 + 64 * n :][:64], 16) for n in range(4)]
    receipt = client.rpc("eth_getUserOperationReceipt", "0x" + identity[-64:])
    assert words[0] == 1 << 104 | 1 << 72
    assert words[1] == 1
    assert words[2] == int(receipt["actualGasCost"], 16) > 0
    assert words[3] == int(receipt["actualGasUsed"], 16)
    assert log["topics"][2][-40:] == client.account[2:].lower()
    transfer = "0x" + keccak256(b"Transfer(address,address,uint256)").hex()
    assert [each["topics"][0] for each in receipt["logs"]][-2:] == [transfer, log["topics"][0]]
    assert {each["transactionHash"] for each in receipt["logs"]} == {log["transactionHash"]}


def test_signatures_of_another_library_are_taken(client):
    owner, key = (Account.from_key(n.to_bytes(32, "big")) for n in (1, 2))
    session = client.session()
    typed = session["signatureRequest"]["data"]
    typed["types"]["EIP712Domain"] = [
        {"name": "chainId", "type": "uint256"},
        {"name": "verifyingContract", "type": "address"},
    ]
    typed["message"]["nonce"] = int(typed["message"]["nonce"], 16)
    signed = owner.sign_message(encode_typed_data(full_message=typed))
    context = f"0x00{session['sessionId'][2:]}{signed.signature.hex()}"

    prepared = client.prepare([], context)
    raw = bytes.fromhex(prepared["signatureRequest"]["data"]["raw"][2:])
    message = encode_defunct(raw)
    body = {name: value for name, value in prepared.items() if name != "signatureRequest"}
    body["signature"] = {"type": "ecdsa", "data": "0x" + key.sign_message(message).signature.hex()}
    body["capabilities"] = {"permissions": {"context": context}}
    identity = client.rpc("wallet_sendPreparedCalls", body)["id"]
    client.wait(1)

    assert client.status(identity) == 200


@pytest.mark.parametrize(
    ("call", "code", "reason"),
    [
        ({"to": "0x00000000000000000000000000000000000000da"}, -32500, "AddressNotAllowed"),
        ({"data": "0x23b872dd" + 192 * "0"}, -32500, "SelectorNotAllowed"),
        ({"data": "0xa9059cbb" + 112 * "0" + 8 * "f"}, -32521, "InvalidCalldataLength"),
        ({"amount": 10_001 * 10**6}, -32521, "ExceededTokenLimit"),
    ],
)
def test_refuses_what_the_permissions_do_not_allow(client, call, code, reason):
    context = client.grant()
    wanted = {**client.pay(call.pop("amount", 5)), **call}

    assert failure(client, lambda: client.prepare([wanted], context)) == (code, reason)


def test_names_the_revert_of_the_called_contract(client):
    context = client.grant(client.erc20(10**30))

    with pytest.raises(client.failure) as caught:
        client.prepare([client.pay(10**20)], context)

    assert caught.value.code == -32521
    assert "ERC20: transfer amount exceeds balance" in caught.value.message


def test_limits_are_judged_when_included(client):
    context = client.grant(client.erc20(99))
    prepared = [
        client.prepare([client.pay(40)], context, nonceOverride=client.lane(n)) for n in range(3)
    ]
    sent = [client.send(each, context) for each in prepared]
    client.wait(1)

    assert [client.status(each) for each in sent] == [200, 200, 500]
    assert client.balance(client.alice) == 80
    assert client.rpc("sandbox_getOps")[-1]["success"] is False


def test_a_batch_is_paid_as_a_whole_or_not_at_all(client):
    context = client.grant(client.erc20(10**30))
    everything = client.balance(client.account)
    lanes = [client.lane(n) for n in (1, 2)]
    both = [
        client.prepare([client.pay(5), client.pay(everything - 5)], context, nonceOverride=lane)
        for lane in lanes
    ]
    sent = [client.send(each, context) for each in both]
    client.wait(1)

    assert [client.status(each) for each in sent] == [200, 500]
    assert client.balance(client.alice) == everything


def test_unsponsored_operations_are_paid_by_the_account(client):
    context = client.grant()
    before = int(client.rpc("eth_getBalance", client.account, "latest"), 16)

    prepared = client.prepare([client.pay(5)], context, paymasterService=None)
    identity = client.send(prepared, context)
    client.wait(1)

    after = int(client.rpc("eth_getBalance", client.account, "latest"), 16)
    receipt = client.rpc("eth_getUserOperationReceipt", "0x" + identity[-64:])
    deposit = client.balance(client.account, ENTRY_POINT_V07)
    assert prepared["feePayment"]["sponsored"] is False
    assert "paymaster" not in prepared["data"]
    assert before - after - deposit == int(receipt["actualGasCost"], 16)


def test_gas_limit_holds_unless_sponsored(client):
    context = client.grant(client.erc20(99), {"type": "gas-limit", "data": {"limit": "0x0"}})

    refusal = failure(
        client, lambda: client.prepare([client.pay(5)], context, paymasterService=None)
    )

    assert refusal == (-32500, "ExceededNativeTokenLimit")
    assert client.status(client.run([client.pay(5)], context)) == 200


def test_an_account_without_money_cannot_pay_for_gas(client):
    poor = client.rpc("wallet_requestAccount", {"signerAddress": client.new_key(7).address})
    client.account, client.owner = poor["accountAddress"], client.new_key(7)
    balance = int(client.rpc("eth_getBalance", client.account, "latest"), 16)
    client.run([{"to": client.alice, "value": hex(balance)}])

    refusal = failure(client, lambda: client.prepare([], None, paymasterService=None))

    assert refusal == (-32000, "InsufficientFunds")


def test_another_key_is_refused(client):
    context = client.grant()
    prepared = client.prepare([client.pay(5)], context)

    refusal = failure(client, lambda: client.send(prepared, context, client.new_key(3)))

    assert refusal == (-32507, "InvalidSignature")


def test_a_grant_that_the_owner_did_not_sign_is_refused(client):
    context = client.context(client.session(), client.new_key(3))

    refusal = failure(client, lambda: client.prepare([], context))

    assert refusal == (-32500, "DeferredActionSignatureInvalid")


@pytest.mark.parametrize("member", ["callData", "maxFeePerGas", "paymasterData", "nonce"])
def test_any_change_after_signing_is_refused(client, member):
    context = client.grant()
    prepared = client.prepare([client.pay(5)], context)
    value = prepared["data"][member]
    last = "1" if value[-1] != "1" else "2"
    prepared["data"][member] = value[:-1] + last

    code, _ = failure(client, lambda: client.send(prepared, context))

    assert code in (-32500, -32501, -32507, -32000)


def test_the_same_operation_again_has_the_same_id(client):
    context = client.grant()
    prepared = client.prepare([client.pay(5)], context, nonceOverride=client.lane(1))

    waiting = [client.send(prepared, context) for _ in range(2)]
    client.wait(1)
    included = client.send(prepared, context)

    assert waiting == [included, included]
    client.wait(1)
    assert client.balance(client.alice) == 5


def test_replacement_pays_a_tenth_more(client):
    context = client.grant()
    lane = client.lane(1)
    first = client.prepare([client.pay(5)], context, nonceOverride=lane)
    cheap = client.prepare([client.pay(6)], context, nonceOverride=lane)
    older = client.send(first, context)
    raised = client.prepare([client.pay(7)], context, nonceOverride=lane)

    assert failure(client, lambda: client.send(cheap, context)) == (
        -32602,
        "ReplacementUnderpriced",
    )
    newer = client.send(raised, context)
    client.wait(1)

    assert raised["data"]["nonce"] == first["data"]["nonce"]
    for fee in ("maxFeePerGas", "maxPriorityFeePerGas"):
        assert int(raised["data"][fee], 16) * 10 >= int(first["data"][fee], 16) * 11
    assert [client.status(older), client.status(newer)] == [400, 200]
    assert client.balance(client.alice) == 7
    assert failure(client, lambda: client.send(first, context)) == (-32500, "InvalidNonce")
    again = client.prepare([client.pay(5)], context, nonceOverride=lane)
    assert int(again["data"]["nonce"], 16) & 0xFF == 1


def test_fees_that_the_caller_names_are_taken_as_they_are(client):
    context = client.grant()
    fees = {"maxFeePerGas": "0x3b9aca00", "maxPriorityFeePerGas": {"multiplier": 3}}

    prepared = client.prepare([client.pay(5)], context, gasParamsOverride=fees)

    assert prepared["data"]["maxFeePerGas"] == "0x3b9aca00"
    assert int(prepared["data"]["maxPriorityFeePerGas"], 16) == 3_000_000


def test_a_fifth_waiting_operation_is_refused(client):
    context = client.grant()
    prepared = [
        client.prepare([client.pay(5)], context, nonceOverride=client.lane(n)) for n in range(5)
    ]
    for each in prepared[:4]:
        client.send(each, context)

    refusal = failure(client, lambda: client.send(prepared[4], context))

    assert refusal == (-32505, "MaxOperationsReached")
    client.wait(1)
    client.send(prepared[4], context)


def test_expiry_counts_with_its_last_second(client):
    context = client.grant(expiry=client.start + 10)
    client.wait(client.start + 9 - int(client.rpc("eth_getBlockByNumber")["timestamp"], 16))

    identity = client.run([client.pay(5)], context)

    (receipt,) = client.rpc("wallet_getCallsStatus", identity)["receipts"]
    block = client.rpc("eth_getBlockByNumber", receipt["blockNumber"], False)
    assert int(block["timestamp"], 16) == client.start + 10
    assert failure(client, lambda: client.prepare([client.pay(5)], context)) == (-32503, "Expired")


def test_status_of_an_unknown_id(client):
    assert failure(client, lambda: client.status("0x" + 128 * "1")) == (5730, "UnknownCalls")


def test_only_an_estimation_has_nothing_to_sign(client):
    service = {**client.policy, "onlyEstimation": True}

    prepared = client.prepare([client.pay(5)], client.grant(), paymasterService=service)

    assert "signatureRequest" not in prepared


@pytest.mark.parametrize("key", [2**152 - 1, 1])
def test_every_152_bit_lane_works(client, key):
    identity = client.run([client.pay(5)], client.grant(), nonceOverride=client.lane(key))

    assert client.status(identity) == 200
    number = client.rpc("sandbox_getOps")[-1]
    assert int(number["nonce"], 16) >> 104 == key


def test_a_lane_beyond_152_bits_is_refused(client):
    context = client.grant()

    refusal = failure(
        client, lambda: client.prepare([], context, nonceOverride=client.lane(2**152))
    )

    assert refusal == (-32602, "InvalidParams")


def test_nonces_are_known_for_every_block(client):
    context = client.grant()
    key192 = 5 << 40 | 1 << 8
    data = "0x35567e1a" + client.account[2:].rjust(64, "0") + f"{key192:064x}"
    before = client.rpc("eth_blockNumber")
    client.wait(1)

    client.run([], context, nonceOverride=client.lane(5))

    read = [
        int(client.rpc("eth_call", {"to": ENTRY_POINT_V07, "data": data}, block), 16)
        for block in (before, "latest")
    ]
    assert read == [key192 << 64, key192 << 64 | 1]
