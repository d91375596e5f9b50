"""What an owner is asked to sign, changed in every way: an uninstall, a void, a delegation."""

import asyncio
import re

import pytest
from support.mutations import MALLORY, mutations

from runner.adapters.signers.local import LocalSigner
from runner.adapters.wallet_api.messages import operation_offer
from runner.errors import AnswerLost
from runner.ethereum.contracts import DELEGATE_7702
from runner.ethereum.permissions import Erc20TokenTransfer
from runner.ethereum.signature import personal_sign_digest
from runner.ethereum.user_operation import user_operation_hash
from runner.guard.delegation import DelegationTerms, check_delegation
from runner.guard.owner import (
    CarryDelegation,
    OwnerTerms,
    Uninstall,
    Void,
    check_owner_operation,
    owner_nonce,
)
from runner.guard.verdict import Refused

LANE = 0x5EED
SECRET = (77).to_bytes(32, "big")
SIBLINGS = {
    "factory": MALLORY,
    "factoryData": "0x1234",
    "paymaster": MALLORY,
    "paymasterData": "0x12",
    "unheardOf": 1,
}
_TOLD = r"details|details\.data|feePayment|signatureRequest|signatureRequest\.data"
MAY_DIFFER = (
    r"^\w+: added",
    rf"^(data\.\d+\.)?({_TOLD})\.\w+: added",
    r"^(data\.1\.)?details\.data\.calls\.\d+\.\w+: added",
    r"^data(\.\d)?\.unheardOf: added",
    r"^data\.0\.\w+: added",
    r"^data\.\d\.data\.unheardOf: added",
    r"^data\.0\.data\.\w+: added",
    r"^data\.1\.\w+: added",
    r"^(data\.\d\.)?details: deleted",
    r"^(data\.1\.)?feePayment\.maxAmount: ",
    r"^details\.data\.calls\.\d+\.value: deleted",
)
"""Ignored, optional, or not signed; the reasons are those of the tamper matrix."""


def terms(client, action, **changes):
    defaults = {
        "chain_id": int(client.chain, 16),
        "account": client.account,
        "owner": client.owner.address,
        "action": action,
        "nonce": owner_nonce(parallel=LANE).value,
        "sponsored": False,
        "paymaster": None,
        "max_fee": 2 * 10**16,
        "sandbox": True,
        "entities": frozenset({1}),
    }
    return OwnerTerms(**(defaults | changes))


def prepared(client, action):
    calls = [
        {"to": call.to, "data": "0x" + call.data.hex()} for call in action.calls(client.account)
    ]
    return client.prepare(calls, paymasterService=None, nonceOverride=client.lane(LANE))


def uninstall(client):
    client.grant(expiry=client.start + 86_400)
    permissions = (Erc20TokenTransfer(client.usdc, 10_000 * 10**6),)
    action = Uninstall.of(permissions, entity_id=1, expiry=client.start + 86_400)
    asked = terms(client, action)
    return prepared(client, action), lambda offer: check_owner_operation(asked, offer)


def void(client):
    client.run([])  # makes the account
    nonce = int(client.session()["signatureRequest"]["data"]["message"]["nonce"], 16)
    asked = terms(client, Void(nonce))
    return prepared(client, asked.action), lambda offer: check_owner_operation(asked, offer)


def delegation(client):
    hint = {"accountType": "7702"}
    client.account = client.owner.address
    client.rpc(
        "wallet_requestAccount", {"signerAddress": client.owner.address, "creationHint": hint}
    )
    client.rpc("sandbox_fund", {"address": client.account, "amount": hex(10**18)})
    asked = DelegationTerms(
        chain_id=int(client.chain, 16),
        account=client.account,
        nonce=0,
        sandbox=True,
        carrier=terms(client, CarryDelegation(), entities=frozenset()),
    )
    answer = client.prepare(
        [],
        paymasterService=None,
        nonceOverride=client.lane(LANE),
        eip7702Auth={"delegation": DELEGATE_7702},
    )
    return answer, lambda offer: check_delegation(asked, offer)


class Owner:
    """The owner's signer, and how often it signed."""

    def __init__(self):
        self.signer = LocalSigner(SECRET, name="owner", sandbox_only=True)
        self.signed = 0

    def sign(self, verdict):
        approvals = [verdict.approved]
        if getattr(verdict, "carrier", None) is not None:
            approvals.append(verdict.carrier.approved)
        for approved in approvals:
            asyncio.run(self.signer.sign(approved))
            self.signed += 1

    def offered(self, answer, check):
        """What the daemon would do with an answer."""
        try:
            verdict = check(operation_offer(answer, "test"))
        except AnswerLost:
            return
        if not isinstance(verdict, Refused):
            self.sign(verdict)


def refitted(answer):
    """The answer with digests that fit its operation, or None."""
    try:
        offer = operation_offer(answer, "test")
        digest = user_operation_hash(offer.operation, offer.chain_id)
        answer["signatureRequest"]["data"]["raw"] = "0x" + digest.hex()
        answer["signatureRequest"]["rawPayload"] = "0x" + personal_sign_digest(digest).hex()
        answer["details"]["data"]["hash"] = "0x" + digest.hex()
    except (AnswerLost, AttributeError, KeyError, TypeError):
        return None
    return answer


@pytest.mark.parametrize("ask", [uninstall, void, delegation])
def test_g7_no_changed_owner_operation_is_signed(client, ask):
    """
    Every member in every way; the honest answer is signed, before and after.
    """
    owner = Owner()
    client.owner = client.new_key(77)
    client.account = client.rpc("wallet_requestAccount", {"signerAddress": client.owner.address})[
        "accountAddress"
    ]
    answer, check = ask(client)
    owner.offered(answer, check)
    parts = 2 if ask is delegation else 1
    assert owner.signed == parts
    tried = 0
    for mutation in mutations(answer, SIBLINGS):
        if any(re.search(pattern, str(mutation)) for pattern in MAY_DIFFER):
            continue
        before = owner.signed
        owner.offered(mutation.value, check)
        assert owner.signed == before, str(mutation)
        tried += 1
        gas = re.search(r"^data\.\w*(Gas|GasLimit|FeePerGas): ", str(mutation))
        if mutation.path[:1] == ("data",) and not gas and (fitted := refitted(mutation.value)):
            owner.offered(fitted, check)
            assert owner.signed == before, f"{mutation}, and the digests"

    owner.offered(answer, check)
    assert owner.signed == 2 * parts
    assert tried > 500
