"""
What was measured on the published contracts happens here as well, each fact by itself.

Source: onchain-facts.md, whose sections the tests name.
"""

from __future__ import annotations

import pytest

from runner.ethereum.grants import deferred_action, deferred_action_bytes, grant_nonce
from runner.ethereum.installation import (
    decode_install_validation,
    encode_uninstallation,
    install_validation,
)
from runner.ethereum.permissions import Erc20TokenTransfer
from runner.ethereum.typed_data import typed_data_digest
from runner.sandbox.sandbox import Sandbox

INVALID_NONCE = (-32500, "InvalidNonce")


def failure(client, action):
    with pytest.raises(client.failure) as caught:
        action()
    return caught.value.code, caught.value.reason


def fault(client, kind, **members):
    client.rpc("sandbox_setFault", {"kind": kind, **members})


def ether(client, holder=None):
    return int(client.rpc("eth_getBalance", holder or client.account, "latest"), 16)


def sequence(prepared):
    return int(prepared["data"]["nonce"], 16) & (2**64 - 1)


def key(prepared):
    return int(prepared["data"]["nonce"], 16) >> 64


def local_grant(client, entity_id, signer):
    """A grant of an entity that the client chooses, signed by the owner (context 0x01)."""
    permissions = [Erc20TokenTransfer(client.usdc, 10_000)]
    nonce = grant_nonce(entity_id, global_=False).value
    terms = {
        "deadline": client.start + 86_400,
        "nonce": nonce,
        "call": install_validation(
            permissions, key=signer.address, entity_id=entity_id, expiry=client.start + 86_400
        ),
    }
    signed = typed_data_digest(
        deferred_action(chain_id=int(client.chain, 16), account=client.account, **terms)
    )
    signature = client.owner.sign(signed)
    return "0x01" + deferred_action_bytes(execution_hooks=True, signature=signature, **terms).hex()


# §1, an installed session and its nonce keys


def test_of_two_operations_on_one_nonce_the_second_is_late(client):
    context = client.grant()
    lane = client.lane(3)
    first, second = (client.prepare([client.pay(n)], context, nonceOverride=lane) for n in (1, 2))
    client.send(first, context)
    client.wait(1)

    assert failure(client, lambda: client.send(second, context)) == INVALID_NONCE
    chain = client.chain[2:].rjust(64, "0")
    never = "0x" + chain + second["details"]["data"]["hash"][2:]
    assert failure(client, lambda: client.status(never)) == (5730, "UnknownCalls")
    assert client.balance(client.alice) == 1


def test_24_keys_in_mixed_order_are_all_included(client):
    context = client.grant()
    keys = [2**152 - 1 - n * n * 2**100 for n in range(24)]
    prepared = [
        client.prepare([client.pay(1)], context, nonceOverride=client.lane(each)) for each in keys
    ]
    assert {sequence(each) for each in prepared} == {0}

    mixed = prepared[::2] + prepared[1::2][::-1]
    sent = []
    for place in range(0, 24, 4):
        sent += [client.send(each, context) for each in mixed[place : place + 4]]
        client.wait(1)

    assert [client.status(each) for each in sent] == [200] * 24
    assert client.balance(client.alice) == 24


def three_in_parallel(client, context=None, **capabilities):
    """Three payments prepared and taken before any is included; their statuses."""
    prepared = [
        client.prepare([client.pay(1)], context, nonceOverride=client.lane(n), **capabilities)
        for n in (1, 2, 3)
    ]
    sent = [client.send(each, context) for each in prepared]
    client.wait(1)
    return [client.status(each) for each in sent], prepared


def test_a_gas_limit_for_two_admits_two(client):
    context = client.grant(client.erc20(100))
    one = int(
        client.prepare(
            [client.pay(1)], context, nonceOverride=client.lane(9), paymasterService=None
        )["feePayment"]["maxAmount"],
        16,
    )
    limit = {"type": "gas-limit", "data": {"limit": hex(one * 5 // 2)}}
    other = client.new_key(9)
    session = client.session(client.erc20(100), limit, key=other)
    context, client.key = client.context(session), other
    client.run([], context)

    statuses, prepared = three_in_parallel(client, context, paymasterService=None)

    assert statuses == [200, 200, 400]
    assert client.balance(client.alice) == 2
    again = client.prepare([], context, nonceOverride=client.lane(3))
    assert again["data"]["nonce"] == prepared[2]["data"]["nonce"]


def test_ether_for_two_admits_two(clock, attach):
    sandbox = Sandbox(time_source=clock, faucet=False)
    client = attach(sandbox)
    client.rpc("sandbox_mint", {"token": "usdc", "to": client.account, "amount": 100})
    client.run([])
    lane = client.lane(9)
    client.rpc("sandbox_fund", {"address": client.account, "amount": 10**18})
    cost = client.prepare([client.pay(1)], nonceOverride=lane, paymasterService=None)
    cost = int(cost["feePayment"]["maxAmount"], 16)
    client.run([{"to": client.alice, "value": hex(10**18 - cost * 9 // 5)}])

    statuses, _ = three_in_parallel(client, paymasterService=None)

    assert statuses == [200, 200, 400]
    assert client.balance(client.alice) == 2
    assert ether(client) < cost
    sandbox.close()


# §2, the first use of a grant


def test_the_nonce_of_a_first_use_cannot_be_chosen(client):
    context = client.context(client.session())

    chosen = client.prepare([], context, nonceOverride=client.lane(77))

    assert key(chosen) == 0x102
    assert client.status(client.run([], context, nonceOverride=client.lane(77))) == 200


def test_the_installed_form_before_the_install(client):
    assert failure(client, lambda: client.prepare([], "0x020000000001")) == (
        -32500,
        "ValidationFunctionMissing",
    )
    client.grant()
    assert client.prepare([], "0x020000000001")["data"]


def test_a_first_use_with_a_factory_after_the_owner_has_deployed(client):
    context = client.context(client.session())
    with_factory = client.prepare([client.pay(5)], context)
    client.run([])

    # Seen when it is sent; while both waited it would have ended as 400.
    assert failure(client, lambda: client.send(with_factory, context)) == (-32500, "AA10")
    again = client.prepare([client.pay(5)], context)
    assert "factory" not in again["data"]
    assert again["data"]["nonce"] == with_factory["data"]["nonce"]
    client.send(again, context)
    client.wait(1)
    assert client.balance(client.alice) == 5


def test_a_first_use_whose_payment_reverts_installs_the_grant(client):
    client.run([])
    everything = client.balance(client.account)
    context = client.context(client.session(client.erc20(10 * everything)))
    prepared = client.prepare([client.pay(everything)], context)
    away = client.send(client.prepare([client.pay(everything - 1)]))
    first = client.send(prepared, context)
    client.wait(1)

    assert [client.status(away), client.status(first)] == [200, 500]
    following = client.prepare([client.pay(1)], context)
    assert (key(following), sequence(following)) == (0x100, 0)
    client.send(following, context)
    client.wait(1)
    assert client.balance(client.account) == 0


# §3, two grants on one account


def test_first_uses_of_two_grants_and_the_owner_in_one_block(client):
    client.run([])
    keys = [client.new_key(21), client.new_key(22)]
    contexts = [local_grant(client, n, each) for n, each in enumerate(keys, 1)]
    sent = [
        client.send(client.prepare([client.pay(5)], context), context, each)
        for context, each in zip(contexts, keys, strict=True)
    ]
    sent.append(client.send(client.prepare([client.pay(5)])))
    client.wait(1)

    assert [client.status(each) for each in sent] == [200, 200, 200]
    assert client.balance(client.alice) == 15
    entities = [op["entityId"] for op in client.rpc("sandbox_getOps")[-3:]]
    assert entities == [1, 2, 0]


# §4, identical signed bytes


def test_a_lapsed_sponsorship_is_refused_and_the_nonce_serves_again(client):
    context = client.grant()
    fault(client, "late_include", seconds=1_900, count=1)
    lapsing = client.prepare([client.pay(5)], context)
    identity = client.send(lapsing, context)
    client.wait(1_901)
    assert client.status(identity) == 400
    assert failure(client, lambda: client.send(lapsing, context)) == (-32503, "SponsorshipExpired")

    again = client.prepare([client.pay(5)], context)

    assert again["data"]["nonce"] == lapsing["data"]["nonce"]
    client.send(again, context)
    client.wait(1)
    assert client.balance(client.alice) == 5


def test_the_same_bytes_after_a_drop_have_the_same_id_and_end_well(client):
    client.run([])
    unsponsored = client.prepare(
        [client.pay(5)], nonceOverride=client.lane(2), paymasterService=None
    )
    drain = [{"to": client.alice, "value": hex(ether(client) - 10**9)}]
    client.send(client.prepare(drain, nonceOverride=client.lane(3)))
    identity = client.send(unsponsored)
    client.wait(1)
    assert client.status(identity) == 400  # nothing was left to pay for it (AA21)
    client.rpc("sandbox_fund", {"address": client.account, "amount": 10**18})

    assert client.send(unsponsored) == identity
    client.wait(1)
    assert client.status(identity) == 200
    assert client.balance(client.alice) == 5


# §5, expiry between send and inclusion


def test_what_expires_while_it_waits_leaves_everything_as_it_was(client):
    context = client.grant(client.erc20(100), expiry=client.start + 50)
    coins, tokens = ether(client), client.balance(client.account)
    fault(client, "late_include", seconds=60, count=1)
    identity = client.send(client.prepare([client.pay(5)], context, paymasterService=None), context)
    client.wait(61)

    assert client.status(identity) == 400
    assert (ether(client), client.balance(client.account)) == (coins, tokens)
    assert failure(client, lambda: client.prepare([], context)) == (-32503, "Expired")


# §6, revocation


def test_an_operation_that_waits_when_its_grant_is_revoked(client):
    session = client.session()
    context = client.context(session)
    client.run([], context)
    call = bytes.fromhex(session["signatureRequest"]["data"]["message"]["call"][2:])
    data = encode_uninstallation(decode_install_validation(call))
    prepared = client.prepare([client.pay(5)], context)
    client.send(client.prepare([{"to": client.account, "data": "0x" + data.hex()}]))
    late = client.send(prepared, context)
    client.wait(1)

    assert client.status(late) == 400
    assert client.balance(client.alice) == 0
    assert failure(client, lambda: client.send(prepared, context)) == (
        -32500,
        "ValidationFunctionMissing",
    )


# §9, activation by an empty operation, fence and burn


def functions(kind, selector, **data):
    return {"type": kind, "data": {"functions": [selector], **data}}


@pytest.mark.parametrize("deployed", [False, True])
@pytest.mark.parametrize("sponsored", [False, True])
@pytest.mark.parametrize(
    "kinds",
    [
        "erc20",
        "erc20 native gas-limit",
        "contract-access",
        "functions-on-contract",
        "functions-on-all-contracts",
        "root",
    ],
)
def test_activation_fence_and_burn(client, kinds, sponsored, deployed):
    permissions = {
        "erc20": client.erc20(10_000),
        "native": {"type": "native-token-transfer", "data": {"allowance": "0x0"}},
        "gas-limit": {"type": "gas-limit", "data": {"limit": hex(10**17)}},
        "contract-access": {"type": "contract-access", "data": {"address": client.usdc}},
        "functions-on-contract": functions(
            "functions-on-contract", "0xa9059cbb", address=client.usdc
        ),
        "functions-on-all-contracts": functions("functions-on-all-contracts", "0xa9059cbb"),
        "root": {"type": "root"},
    }
    payer = {} if sponsored else {"paymasterService": None}
    if deployed:
        client.run([])
    context = client.context(client.session(*(permissions[kind] for kind in kinds.split())))

    activation = client.prepare([], context, **payer)
    assert ("factory" in activation["data"]) is not deployed
    client.send(activation, context)
    client.wait(1)
    lane, other = client.lane(2**151 + 5), client.lane(2**151 + 6)
    payment = client.prepare([client.pay(5)], context, nonceOverride=lane, **payer)
    assert sequence(payment) == 0
    paid = client.send(payment, context)
    burned = client.send(client.prepare([], context, nonceOverride=other, **payer), context)
    client.wait(1)

    assert [client.status(each) for each in (paid, burned)] == [200, 200]
    late = client.prepare([client.pay(5)], context, nonceOverride=other, **payer)
    assert sequence(late) == 1
    assert client.balance(client.alice) == 5


def test_account_functions_alone_cannot_be_activated_by_an_empty_operation(client):
    context = client.context(client.session(functions("account-functions", "0x12345678")))

    assert failure(client, lambda: client.prepare([], context)) == (
        -32500,
        "ValidationFunctionMissing",
    )
