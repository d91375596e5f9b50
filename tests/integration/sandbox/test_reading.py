"""What is read without sending anything: other states, code without a place, ERC-1271."""

from __future__ import annotations

import pytest

from runner.ethereum.contracts import FACTORY
from runner.ethereum.hashing import keccak256
from runner.ethereum.signature import personal_sign_digest
from runner.ethereum.typed_data import typed_data_digest
from runner.sandbox.typed_json import read_typed_data

VALID = "0x1626ba7e"
INVALID = "0xffffffff"


def usdc_slot(client):
    """Where the demo token keeps the account's balance."""
    return (
        "0x"
        + keccak256(bytes.fromhex(client.account[2:].rjust(64, "0") + "03".rjust(64, "0"))).hex()
    )


def test_an_estimate_in_another_state_leaves_this_one(client):
    too_much = client.pay(10**15)
    override = {client.usdc: {"stateDiff": {usdc_slot(client): "0x" + f"{10**16:064x}"}}}
    prepared = client.prepare([too_much], stateOverride=override)

    assert prepared["type"] == "user-operation-v070"
    assert client.balance(client.account) == 10**12
    with pytest.raises(client.failure) as caught:
        client.prepare([too_much])
    assert caught.value.code == -32521


def test_ether_that_is_not_there_pays_for_an_estimate(client):
    coins = int(client.rpc("eth_getBalance", client.account, "latest"), 16)
    call = {"to": client.alice, "value": hex(2 * coins)}
    override = {client.account: {"balance": hex(4 * coins)}}

    assert client.prepare([call], stateOverride=override, paymasterService=None)["data"]
    assert int(client.rpc("eth_getBalance", client.account, "latest"), 16) == coins
    with pytest.raises(client.failure) as caught:
        client.prepare([call], paymasterService=None)
    assert caught.value.code == -32521


def test_code_may_stand_elsewhere_while_gas_is_estimated(client):
    reverts = "0x5f5ffd"
    call = {"to": client.alice, "data": "0x12345678"}
    with pytest.raises(client.failure) as caught:
        client.prepare([call], stateOverride={client.alice: {"code": reverts}})
    assert caught.value.code == -32521
    assert client.prepare([call])["data"]
    assert client.rpc("eth_getCode", client.alice, "latest") == "0x"


def test_the_whole_storage_of_a_contract_is_not_replaced(client):
    with pytest.raises(client.failure) as caught:
        client.prepare([], stateOverride={client.usdc: {"state": {}}})
    assert (caught.value.code, caught.value.reason) == (-32602, "NotSupported")
    assert client.prepare([], stateOverride={client.alice: {"state": {"0x1": "0x2"}}})["data"]


def test_what_an_operation_leaves_unspent_pays_for_the_next(client, sandbox):
    prepared = client.prepare([], paymasterService=None)
    client.send(prepared)
    client.wait(1)
    (entry_point,) = (
        log["address"]
        for log in client.rpc("eth_getLogs", {"fromBlock": "earliest"})
        if log["topics"][0] == "0x" + keccak256(b"BeforeExecution()").hex()
    )
    data = "0x70a08231" + client.account[2:].rjust(64, "0")

    deposit = int(client.rpc("eth_call", {"to": entry_point, "data": data}, "latest"), 16)

    assert 0 < deposit < int(prepared["feePayment"]["maxAmount"], 16)
    state = sandbox._service.world(84_532).state
    assert state.deposit(client.account) == deposit


def test_code_is_run_without_a_place(client):
    answers_42 = "0x602a5f5260205ff3"

    assert client.rpc("eth_call", {"data": answers_42}, "latest") == "0x" + f"{42:064x}"
    assert client.rpc("eth_call", {"to": None, "data": answers_42}) == "0x" + f"{42:064x}"
    with pytest.raises(client.failure) as caught:
        client.rpc("eth_call", {"data": "0x5f5ffd"})
    assert caught.value.code == 3


def signed_text(client, text="hello", key=None):
    """An ERC-1271 signature as prepareSign and formatSign make it."""
    request = {"from": client.account, "chainId": client.chain}
    asked = client.rpc(
        "wallet_prepareSign",
        {**request, "signatureRequest": {"type": "personal_sign", "data": text}},
    )
    digest = typed_data_digest(read_typed_data(asked["signatureRequest"]["data"], "data"))
    raw = {"type": "ecdsa", "data": "0x" + (key or client.owner).sign(digest).hex()}
    return client.rpc("wallet_formatSign", {**request, "signature": raw})["signature"]


def judged(client, signature, text="hello"):
    """What the account itself says of a signature."""
    digest, raw = personal_sign_digest(text.encode()), bytes.fromhex(signature[2:])
    data = keccak256(b"isValidSignature(bytes32,bytes)")[:4] + digest
    data += (64).to_bytes(32, "big") + len(raw).to_bytes(32, "big") + raw + bytes(-len(raw) % 32)
    answer = client.rpc("eth_call", {"to": client.account, "data": "0x" + data.hex()}, "latest")
    return answer[:10]


def test_the_account_knows_its_owners_signatures(client):
    client.run([])
    signature = signed_text(client)

    assert judged(client, signature) == VALID
    assert judged(client, signature, "hallo") == INVALID
    assert judged(client, signed_text(client, key=client.key)) == INVALID
    assert judged(client, signature[:-2] + "00") == INVALID
    assert judged(client, signature[:10] + "01" + signature[12:]) == INVALID


def test_before_it_is_deployed_the_account_is_named_with_its_factory(client):
    signature = signed_text(client)

    assert signature.endswith("6492" * 16)
    assert signature[26:66] == FACTORY[2:].lower()
    client.run([])
    assert judged(client, signed_text(client)) == VALID


def test_a_new_owner_signs_and_the_old_one_no_more(client):
    client.run([])
    old = signed_text(client)
    data = bytes.fromhex("30009d52") + bytes.fromhex(client.key.address[2:].rjust(64, "0"))
    identity = client.run([{"to": client.account, "data": "0x" + (data + bytes(32)).hex()}])

    assert client.status(identity) == 200
    assert judged(client, old) == INVALID
    assert judged(client, signed_text(client, key=client.key)) == VALID
