"""Grants: entity ids, revocation and what it leaves, voiding, delegated accounts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runner.ethereum.contracts import ALLOWLIST_MODULE, SINGLE_SIGNER_MODULE
from runner.ethereum.hashing import keccak256
from runner.ethereum.installation import (
    decode_install_validation,
    encode_uninstallation,
    module_entity,
    uninstall_validation,
)
from runner.ethereum.modular_account import increment_nonce
from runner.ethereum.nonce import decode_nonce
from runner.ethereum.permissions import ContractAccess, Erc20TokenTransfer
from runner.ethereum.signature import personal_sign_digest
from runner.ethereum.user_operation import ENTRY_POINT_V07, user_operation_hash
from runner.ethereum.words import bytes_tail, dynamic_array, uint_word
from runner.sandbox.send import read_operation_json
from runner.sandbox.sponsor import Promise, promise_data

UNINSTALLED = "0x" + keccak256(b"ValidationUninstalled(address,uint32,bool)").hex()


def failure(client, action):
    with pytest.raises(client.failure) as caught:
        action()
    return caught.value.code, caught.value.reason


def contract_access(address):
    return {"type": "contract-access", "data": {"address": address}}


def revoke(client, data):
    """Let the owner uninstall; return status and what the event says."""
    identity = client.run([{"to": client.account, "data": "0x" + data.hex()}])
    answer = client.rpc("wallet_getCallsStatus", identity)
    events = [log for log in answer["receipts"][0]["logs"] if log["topics"][0] == UNINSTALLED]
    return answer["status"], [int(event["data"], 16) for event in events]


def validation_data(client, entity_id):
    name = module_entity(SINGLE_SIGNER_MODULE, entity_id).ljust(32, b"\0")
    data = "0xd31b575b" + name.hex()
    answer = client.rpc("eth_call", {"to": client.account, "data": data}, "latest")
    return bytes.fromhex(answer[2:])


def installation(session):
    call = session["signatureRequest"]["data"]["message"]["call"]
    return decode_install_validation(bytes.fromhex(call[2:]))


def entity(session):
    return decode_nonce(int(session["signatureRequest"]["data"]["message"]["nonce"], 16)).entity_id


def without_hook_data(installed):
    """Return an uninstall that gives the modules nothing."""
    whole = encode_uninstallation(installed)
    head = uint_word(0x60) + uint_word(0xA0) + bytes_tail(uint_word(installed.entity_id))
    return whole[:36] + head + dynamic_array([])


def test_the_lowest_free_entity_is_taken(client):
    first = client.session()
    second = client.session()
    client.run([], client.context(first))
    third = client.session()

    assert [entity(each) for each in (first, second, third)] == [1, 1, 2]


def test_of_two_grants_for_one_entity_one_is_dead(client):
    other = client.new_key(3)
    mine, its = client.session(), client.session(key=other)
    client.run([], client.context(mine))

    context = client.context(its)
    prepared = client.prepare([client.pay(5)], context)

    refusal = failure(client, lambda: client.send(prepared, context, other))
    assert refusal == (-32507, "InvalidSignature")


def test_two_first_uses_of_an_account_that_is_not_deployed(client):
    context = client.context(client.session())
    prepared = client.prepare([], context), client.prepare([])

    sent = [client.send(prepared[0], context), client.send(prepared[1])]
    client.wait(1)

    assert all("factory" in each["data"] for each in prepared)
    assert [client.status(each) for each in sent] == [200, 400]


def test_the_account_names_what_is_installed(client):
    session = client.session()
    assert validation_data(client, 1) == b""
    client.run([], client.context(session))

    answer = validation_data(client, 1)

    hooks = [answer[place : place + 32] for place in range(0, len(answer), 32)]
    configs = [
        module_entity(hook.module, hook.entity_id) + bytes((hook.flags,))
        for hook in installation(session).hooks
    ]
    assert int.from_bytes(answer[32:64], "big") == 1
    assert all(config.ljust(32, b"\0") in hooks for config in configs)
    assert not any(validation_data(client, 2)[32:64])


def test_a_clean_revocation_leaves_nothing(client):
    session = client.session()
    context = client.context(session)
    client.run([], context)
    waiting = client.send(
        client.prepare([client.pay(5)], context, nonceOverride=client.lane(1)), context
    )
    client.wait(1)
    clean = uninstall_validation(
        [Erc20TokenTransfer(client.usdc, 10_000 * 10**6)],
        entity_id=1,
        expiry=client.start + 86_400,
    )

    assert client.status(waiting) == 200
    assert revoke(client, clean) == (200, [1])
    assert not any(validation_data(client, 1)[32:64])
    assert failure(client, lambda: client.prepare([client.pay(5)], context)) == (
        -32500,
        "ValidationFunctionMissing",
    )
    # The next grant gets the id again, and the voided first nonce shows.
    again = client.session(contract_access(client.alice))
    context = client.context(again)
    client.run([], context)
    assert entity(again) == 1
    assert int(again["signatureRequest"]["data"]["message"]["nonce"], 16) & 0xFF == 1
    assert failure(client, lambda: client.prepare([client.pay(5)], context)) == (
        -32500,
        "AddressNotAllowed",
    )


def test_an_operation_that_waits_while_its_grant_is_revoked_fails_off_chain(client):
    session = client.session()
    context = client.context(session)
    client.run([], context)
    clean = encode_uninstallation(installation(session))
    payment = client.prepare([client.pay(5)], context, nonceOverride=client.lane(1))
    removal = client.prepare([{"to": client.account, "data": "0x" + clean.hex()}])

    sent = [client.send(removal), client.send(payment, context)]
    client.wait(1)

    assert [client.status(each) for each in sent] == [200, 400]


def test_empty_hook_data_leaves_the_tables_to_the_next_grant(client):
    session = client.session()
    client.run([], client.context(session))

    assert revoke(client, without_hook_data(installation(session))) == (200, [1])
    context = client.grant(contract_access(client.alice))

    # The old token can be moved, and without any limit.
    assert client.status(client.run([client.pay(20_000 * 10**6)], context)) == 200


def test_the_owner_can_mend_the_leftovers(client):
    session = client.session()
    client.run([], client.context(session))
    revoke(client, without_hook_data(installation(session)))
    tables = [
        hook.init_data for hook in installation(session).hooks if hook.module == ALLOWLIST_MODULE
    ]

    client.run([{"to": ALLOWLIST_MODULE, "data": "0xc67151f6" + each.hex()} for each in tables])

    context = client.grant(contract_access(client.alice))
    assert failure(client, lambda: client.prepare([client.pay(5)], context)) == (
        -32500,
        "AddressNotAllowed",
    )


def test_a_wrong_order_succeeds_and_says_so_only_in_the_event(client):
    session = client.session()
    client.run([], client.context(session))
    installed = installation(session)
    wrong = [uint_word(1), *(hook.init_data for hook in installed.hooks[1:])]
    whole = encode_uninstallation(installed)
    data = whole[:36] + uint_word(0x60) + uint_word(0xA0) + bytes_tail(uint_word(1))
    data += dynamic_array([bytes_tail(each) for each in wrong])

    assert revoke(client, data) == (200, [0])


def test_a_wrong_number_of_hook_data_reverts(client):
    session = client.session()
    client.run([], client.context(session))
    whole = encode_uninstallation(installation(session))
    data = whole[:36] + uint_word(0x60) + uint_word(0xA0) + bytes_tail(uint_word(1))
    data += dynamic_array([bytes_tail(b"")])

    code, reason = failure(client, lambda: revoke(client, data))

    assert (code, reason) == (-32521, "0x" + keccak256(b"ArrayLengthMismatch()")[:4].hex())


def test_a_wrong_entity_succeeds_silently(client):
    client.grant()

    data = uninstall_validation([ContractAccess(client.alice)], entity_id=9, expiry=0)

    assert revoke(client, data) == (200, [1])
    assert any(validation_data(client, 1)[32:64])


def test_a_session_cannot_revoke_itself(client):
    session = client.session()
    context = client.context(session)
    client.run([], context)
    data = encode_uninstallation(installation(session))

    refusal = failure(
        client,
        lambda: client.prepare([{"to": client.account, "data": "0x" + data.hex()}], context),
    )

    assert refusal == (-32500, "ValidationFunctionMissing")


def test_an_unused_grant_is_voided_by_its_nonce(client):
    session = client.session()
    context = client.context(session)
    prepared = client.prepare([], context)
    key192 = int(session["signatureRequest"]["data"]["message"]["nonce"], 16) >> 64

    client.run([{"to": ENTRY_POINT_V07, "data": "0x" + increment_nonce(key192).hex()}])

    assert failure(client, lambda: client.prepare([], context)) == (
        -32500,
        "ValidationFunctionMissing",
    )
    del prepared["data"]["factory"], prepared["data"]["factoryData"]
    assert failure(client, lambda: resend(client, prepared, context))[1] == "InvalidNonce"
    again = client.session()
    assert int(again["signatureRequest"]["data"]["message"]["nonce"], 16) & 0xFF == 1
    assert client.status(client.run([], client.context(again))) == 200


def resend(client, prepared, context):
    """Sign an operation anew whose fields were changed."""
    op = read_operation_json(prepared["data"])
    until = int(prepared["data"]["paymasterData"][2:14], 16)
    prepared["data"]["paymasterData"] = "0x" + promise_data(op, 84_532, Promise(until)).hex()
    op = read_operation_json(prepared["data"])
    raw = user_operation_hash(op, 84_532)
    prepared["signatureRequest"]["data"]["raw"] = "0x" + raw.hex()
    return client.send(prepared, context)


def test_root_may_do_what_the_owner_may(client):
    context = client.grant({"type": "root"})

    assert client.status(client.run([client.pay(5), client.pay(6)], context)) == 200
    data = uninstall_validation([], entity_id=9, expiry=0)
    call = {"to": client.account, "data": "0x" + data.hex()}
    assert client.status(client.run([call], context)) == 200


@pytest.mark.parametrize(
    ("permissions", "reason"),
    [
        ([{"type": "root"}, {"type": "root"}], "RootPermissionOnlyError"),
        ([{"type": "gas-limit", "data": {"limit": "0x1"}}], "ValidationConfigUnsetError"),
        ([{"type": "root", "data": {}}], "InvalidParams"),
        ([], "InvalidParams"),
    ],
)
def test_permissions_that_the_builder_refuses(client, permissions, reason):
    def ask():
        client.rpc(
            "wallet_createSession",
            {
                "account": client.account,
                "chainId": client.chain,
                "key": {"type": "secp256k1", "publicKey": client.key.address},
                "permissions": permissions,
            },
        )

    assert failure(client, ask) == (-32602, reason)


def test_an_expiry_in_the_past_is_refused(client):
    assert failure(client, lambda: client.session(expiry=client.start)) == (
        -32602,
        "ExpiredDeadlineError",
    )


def delegated(client) -> Callable[[dict], dict]:
    client.account = client.owner.address

    def signed(part):
        part = dict(part)
        request = part.pop("signatureRequest")
        if request["type"] == "eip7702Auth":
            digest = bytes.fromhex(request["rawPayload"][2:])
        else:
            digest = personal_sign_digest(bytes.fromhex(request["data"]["raw"][2:]))
        data = "0x" + client.owner.sign(digest).hex()
        return {**part, "signature": {"type": "secp256k1", "data": data}}

    return signed


def test_an_eoa_delegates_with_its_first_operation(client):
    signed = delegated(client)
    hint = {"creationHint": {"accountType": "7702"}}
    known = client.rpc("wallet_requestAccount", {"signerAddress": client.account, **hint})

    prepared = client.prepare([client.pay(5)])
    parts = [signed(part) for part in prepared["data"]]
    identity = client.rpc("wallet_sendPreparedCalls", {"type": "array", "data": parts})["id"]
    client.wait(1)

    assert known["accountAddress"] == client.account
    assert known["delegation"] == "0x69007702764179f14F51cdce752f4f775d74E139"
    assert [part["type"] for part in prepared["data"]] == ["authorization", "user-operation-v070"]
    assert client.status(identity) == 200
    code = client.rpc("eth_getCode", client.account, "latest")
    assert code == "0xef010069007702764179f14f51cdce752f4f775d74e139"
    assert client.rpc("eth_getTransactionCount", client.account, "latest") == "0x1"
    assert client.status(client.run([client.pay(5)], client.grant())) == 200


def test_an_eoa_takes_its_delegation_back(client):
    signed = delegated(client)
    parts = [signed(part) for part in client.prepare([])["data"]]
    client.rpc("wallet_sendPreparedCalls", {"type": "array", "data": parts})
    client.wait(1)

    asked = client.prepare([], eip7702Auth={"delegation": "0x" + 40 * "0"})
    identity = client.rpc("wallet_sendPreparedCalls", signed(asked))["id"]
    client.wait(1)

    assert asked["type"] == "authorization"
    assert client.status(identity) == 200
    assert client.rpc("eth_getCode", client.account, "latest") == "0x"
    assert failure(client, client.session) == (-32602, "NotDelegated")
