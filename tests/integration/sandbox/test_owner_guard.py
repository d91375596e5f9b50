"""The guard of the owner's key on honest answers: they are signed, and do what they should."""

import pytest

from runner.adapters.wallet_api.messages import operation_offer
from runner.ethereum.authorization import decode_delegation
from runner.ethereum.contracts import DELEGATE_7702, GET_VALIDATION_DATA, SINGLE_SIGNER_MODULE
from runner.ethereum.installation import module_entity
from runner.ethereum.modular_account import semi_modular_account_address
from runner.ethereum.nonce import decode_nonce
from runner.ethereum.permissions import Erc20TokenTransfer, GasLimit
from runner.ethereum.user_operation import ENTRY_POINT_V07
from runner.guard.checks import ApprovedOperation
from runner.guard.delegation import ApprovedDelegation, DelegationTerms, check_delegation
from runner.guard.owner import (
    CarryDelegation,
    OwnerTerms,
    Uninstall,
    Void,
    check_owner_operation,
    owner_nonce,
)

LANE = 0x5EED
MAX_FEE = 2 * 10**16


def terms(client, action, **changes):
    defaults = {
        "chain_id": int(client.chain, 16),
        "account": client.account,
        "owner": client.owner.address,
        "action": action,
        "nonce": owner_nonce(parallel=LANE).value,
        "sponsored": True,
        "paymaster": None,
        "max_fee": MAX_FEE,
        "sandbox": True,
        "entities": frozenset({1}),
    }
    return OwnerTerms(**(defaults | changes))


def prepared(client, calls):
    wire = [{"to": c.to, "data": "0x" + c.data.hex(), "value": hex(c.value)} for c in calls]
    return client.prepare(wire, nonceOverride=client.lane(LANE))


def installed(client, entity):
    query = GET_VALIDATION_DATA + module_entity(SINGLE_SIGNER_MODULE, entity) + bytes(8)
    call = {"to": client.account, "data": "0x" + query.hex()}
    return client.rpc("eth_call", call, "latest")


def test_x15_an_honest_uninstall_is_signed_and_proved_by_the_account(client):
    """
    What the guard approves takes the session off: no flags and no hooks are left.
    """
    permissions = (Erc20TokenTransfer(client.usdc, 10**9), GasLimit(0))
    gas = {"type": "gas-limit", "data": {"limit": "0x0"}}
    context = client.grant(client.erc20(10**9), gas, expiry=client.start + 86_400)
    assert installed(client, 1) != installed(client, 9)
    asked = terms(client, Uninstall.of(permissions, entity_id=1, expiry=client.start + 86_400))
    answer = prepared(client, asked.action.calls(client.account))

    verdict = check_owner_operation(asked, operation_offer(answer, "test"))

    assert isinstance(verdict, ApprovedOperation), verdict
    identity = client.send(answer)
    client.wait(1)
    assert client.status(identity) == 200
    assert installed(client, 1) == installed(client, 9)  # as one that never was
    with pytest.raises(client.failure):
        client.prepare([client.pay(1)], context)


def test_g7_an_honest_void_is_signed_and_the_grant_is_dead(client):
    """
    A grant that was signed and not used cannot be used any more, also where no account stood yet.
    """
    session = client.session()
    nonce = int(session["signatureRequest"]["data"]["message"]["nonce"], 16)
    owner = client.owner.address
    assert client.account == semi_modular_account_address(owner)
    asked = terms(client, Void(nonce), deploys_for=(owner, 0))
    answer = prepared(client, asked.action.calls(client.account))
    assert answer["data"]["factory"]

    verdict = check_owner_operation(asked, operation_offer(answer, "test"))

    assert isinstance(verdict, ApprovedOperation), verdict
    assert verdict.operation.call_data.find(bytes.fromhex(ENTRY_POINT_V07[2:])) > 0
    identity = client.send(answer)
    client.wait(1)
    assert client.status(identity) == 200
    with pytest.raises(client.failure):
        client.prepare([], client.context(session))
    again = int(client.session()["signatureRequest"]["data"]["message"]["nonce"], 16)
    assert decode_nonce(again).sequence == 1


def test_g9_an_honest_delegation_is_signed(client):
    """
    The sandbox asks for both parts; the guard approves each for what it is.
    """
    eoa = client.new_key(77)
    account = client.rpc(
        "wallet_requestAccount",
        {"signerAddress": eoa.address, "creationHint": {"accountType": "7702"}},
    )["accountAddress"]
    client.account = account
    asked = DelegationTerms(
        chain_id=int(client.chain, 16),
        account=eoa.address,
        nonce=int(client.rpc("eth_getTransactionCount", eoa.address, "latest"), 16),
        sandbox=True,
        carrier=terms(client, CarryDelegation(), owner=eoa.address, entities=frozenset()),
    )
    answer = client.prepare(
        [], eip7702Auth={"delegation": DELEGATE_7702}, nonceOverride=client.lane(LANE)
    )

    verdict = check_delegation(asked, operation_offer(answer, "test"))

    assert isinstance(verdict, ApprovedDelegation), verdict
    assert verdict.carrier is not None
    first, second = answer["data"]
    sent = {"type": "array", "data": []}
    for item, approved in ((first, verdict.approved), (second, verdict.carrier.approved)):
        body = {name: value for name, value in item.items() if name != "signatureRequest"}
        signature = "0x" + eoa.sign(approved.digest).hex()
        sent["data"].append(body | {"signature": {"type": "secp256k1", "data": signature}})
    identity = client.rpc("wallet_sendPreparedCalls", sent)["id"]
    client.wait(1)
    assert client.status(identity) == 200
    code = client.rpc("eth_getCode", account, "latest")
    assert decode_delegation(bytes.fromhex(code[2:])) == DELEGATE_7702
