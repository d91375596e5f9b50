"""The guard: an honest offer is approved, every change of it is refused, and names the rule."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.erc20 import TRANSFER_FROM, encode_approve, encode_transfer
from runner.ethereum.modular_account import (
    FACTORY,
    deferred_action,
    encode_call_data,
    factory_data,
    grant_nonce,
    install_validation,
)
from runner.ethereum.nonce import Nonce
from runner.ethereum.permissions import (
    Erc20TokenTransfer,
    GasLimit,
    NativeTokenTransfer,
    Root,
)
from runner.ethereum.signature import personal_sign_digest
from runner.ethereum.typed_data import Field, typed_data_digest
from runner.ethereum.user_operation import UserOperation, user_operation_hash
from runner.ethereum.words import address_word
from runner.guard.checks import ApprovedOperation
from runner.guard.grants import ApprovedGrant, GrantTerms, check_grant
from runner.guard.offer import (
    OperationOffer,
    OtherRequest,
    PersonalSign,
    SessionOffer,
    SignTypedData,
)
from runner.guard.operation import OperationTerms, check_operation
from runner.guard.verdict import Refused

CHAIN = 84532
ACCOUNT = Address("0x3f1BF374c210DAf46f025Cc021727f7e5E0d2F5c")
OWNER = Address("0xFa91ff7DeDB0C938c71a4476C0c2d27F5FE7aAb7")
KEY = Address("0xdA08E91259c376d7E4B84A06aA04F4D2aE9fe348")
ALICE = Address("0x00000000000000000000000000000000000A11cE")
MALLORY = Address("0x0000000000000000000000000000000000000B0b")
USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
PAYMASTER = Address("0x000000000000000000000000000000000000C0FF")
PERMISSIONS = (NativeTokenTransfer(0), Erc20TokenTransfer(USDC, 10**9), GasLimit(0))
PAY = Call(USDC, 0, encode_transfer(ALICE, 25_000_000))
FENCE = Nonce(12345, 1, 0, 0)
EXPIRY = 1_800_000_000


def data_of(*calls, hooks=True, single="executeBatch"):
    return encode_call_data(calls, account=ACCOUNT, execution_hooks=hooks, single=single)


OPERATION = UserOperation(
    sender=ACCOUNT,
    nonce=FENCE.value,
    call_data=data_of(PAY),
    call_gas_limit=100_000,
    verification_gas_limit=200_000,
    pre_verification_gas=50_000,
    max_fee_per_gas=10**9,
    max_priority_fee_per_gas=10**8,
    paymaster=PAYMASTER,
    paymaster_verification_gas_limit=30_000,
    paymaster_post_op_gas_limit=1,
    paymaster_data=b"\x01",
)
TERMS = OperationTerms(
    chain_id=CHAIN,
    account=ACCOUNT,
    intent=(PAY,),
    permissions=PERMISSIONS,
    expiry=EXPIRY,
    nonce=FENCE.value,
    session_key=KEY,
    sponsored=True,
    paymaster=PAYMASTER,
    max_fee=10**15,
    sandbox=True,
    now=EXPIRY - 1000,
    receivers=(ALICE,),
    moved_to=(ALICE,),
)


def offered(operation=OPERATION, chain=CHAIN, **changes):
    """What a service would answer: its hash is right for what it offers."""
    offer = OperationOffer(
        kind="user-operation-v070",
        chain_id=chain,
        operation=operation,
        request=PersonalSign(user_operation_hash(operation, chain)),
        wire=b"{}",
    )
    return replace(offer, **changes)


def refused_by(terms, offer):
    verdict = check_operation(terms, offer)
    assert isinstance(verdict, Refused), verdict
    return {finding.rule for finding in verdict.findings}


@pytest.mark.parametrize("single", ["executeBatch", "execute"])
def test_g11_an_honest_offer_is_approved(single):
    """
    What gets signed is the EIP-191 digest of the hash that we computed.
    """
    operation = replace(OPERATION, call_data=data_of(PAY, single=single))

    verdict = check_operation(TERMS, offered(operation))

    assert isinstance(verdict, ApprovedOperation)
    digest = user_operation_hash(operation, CHAIN)
    assert verdict.hash == digest
    assert verdict.approved.digest == personal_sign_digest(digest)
    assert verdict.approved.signer == KEY


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("B4.sender", {"sender": MALLORY}),
        ("X1.nonce", {"nonce": FENCE.value + 1}),
        ("X1.nonce", {"nonce": Nonce(12346, 1, 0, 0).value}),
        ("X1.nonce", {"nonce": Nonce(12345, 2, 0, 0).value}),
        ("X1.nonce", {"nonce": Nonce(12345, 1, 1, 0).value}),
        ("G11.calls[0]", {"call_data": data_of(replace(PAY, to=MALLORY))}),
        ("G11.calls[0]", {"call_data": data_of(replace(PAY, value=1))}),
        (
            "G11.calls[0]",
            {"call_data": data_of(replace(PAY, data=encode_transfer(ALICE, 25_000_001)))},
        ),
        (
            "G11.calls[0]",
            {"call_data": data_of(replace(PAY, data=encode_transfer(MALLORY, 25_000_000)))},
        ),
        ("G11.calls[1]", {"call_data": data_of(PAY, PAY)}),
        ("G11.calls[0]", {"call_data": data_of()}),
        ("G11.prefix", {"call_data": data_of(PAY, hooks=False)}),
        ("G11.calldata", {"call_data": b"\x12\x34"}),
        ("G11.calldata", {"call_data": data_of(PAY) + b"\x00"}),
        ("B4.factory", {"factory": FACTORY, "factory_data": factory_data(OWNER)}),
        (
            "G4.paymaster",
            {
                "paymaster": None,
                "paymaster_data": b"",
                "paymaster_verification_gas_limit": 0,
                "paymaster_post_op_gas_limit": 0,
            },
        ),
        ("G4.paymaster", {"paymaster": MALLORY}),
        ("G2.max_fee", {"call_gas_limit": 10**7}),
        ("G2.max_fee", {"verification_gas_limit": 10**7}),
        ("G2.max_fee", {"pre_verification_gas": 10**7}),
        ("G2.max_fee", {"paymaster_verification_gas_limit": 10**7}),
        ("G2.max_fee", {"paymaster_post_op_gas_limit": 10**7}),
        ("G2.max_fee", {"max_fee_per_gas": 10**11}),
        ("G2.priority", {"max_priority_fee_per_gas": 2 * 10**9}),
    ],
)
def test_b4_every_changed_field_is_refused(rule, changes):
    """
    A changed field is refused by its rule, although the offered hash fits the change.
    """
    assert rule in refused_by(TERMS, offered(replace(OPERATION, **changes)))


def test_b5_another_hash_is_refused():
    """
    The hash to be signed is ours, not the service's.
    """
    assert refused_by(TERMS, offered(request=PersonalSign(b"\x01" * 32))) == {"B5.hash"}


def test_b4_another_chain_is_refused():
    """
    An operation hashed for another chain is refused twice over.
    """
    assert refused_by(TERMS, offered(chain=1)) == {"B4.chain", "B5.hash"}


@pytest.mark.parametrize("kind", ["array", "authorization", "paymaster-permit"])
def test_g5_other_kinds_are_refused(kind):
    """
    A run signs a v0.7 operation by personal_sign, and nothing else.
    """
    assert refused_by(TERMS, replace(offered(), kind=kind, operation=None)) == {"G5.type"}
    assert "G5.request" in refused_by(TERMS, offered(request=OtherRequest("eip7702Auth")))


def test_g4_an_unsponsored_account_accepts_no_paymaster():
    """
    A paymaster that nobody asked for is refused.
    """
    assert "G4.paymaster" in refused_by(
        replace(TERMS, sponsored=False, paymaster=None, permissions=PERMISSIONS[:2]), offered()
    )


def test_b4_calls_outside_the_grant_are_refused():
    """
    Even our own intent is not signed when the grant does not hold it.
    """
    small = (NativeTokenTransfer(0), Erc20TokenTransfer(USDC, 1), GasLimit(0))

    assert refused_by(replace(TERMS, permissions=small), offered()) == {"B4.scope"}


def test_b4_receivers_and_b7_unlimited_approvals():
    """
    The session's receivers bound who is paid; an unlimited approval is never signed.
    """
    approve = Call(USDC, 0, encode_approve(ALICE, 2**256 - 1))
    wide = (Erc20TokenTransfer(USDC, 2**256 - 1), GasLimit(0))
    operation = replace(OPERATION, call_data=data_of(approve))

    assert refused_by(replace(TERMS, moved_to=(MALLORY,)), offered()) == {"B4.receiver"}
    assert "B7.approval" in refused_by(
        replace(TERMS, intent=(approve,), permissions=wide), offered(operation)
    )


def test_b4_nothing_is_pulled_out_of_the_account_itself():
    """
    `transferFrom` of its own tokens: neither limits nor receivers would see it. Another's are
    another matter.
    """
    root = replace(TERMS, permissions=(Root(),), nonce=Nonce(12345, 1, 1, 0).value, receivers=None)

    def verdict(whose, tail=b""):
        data = TRANSFER_FROM + address_word(whose) + address_word(MALLORY) + bytes(32) + tail
        pull = Call(USDC, 0, data)
        call_data = data_of(pull, hooks=False)
        operation = replace(OPERATION, call_data=call_data, nonce=root.nonce)
        return check_operation(replace(root, intent=(pull,)), offered(operation))

    assert isinstance(verdict(MALLORY), ApprovedOperation)
    for tail in (b"", b"\0"):
        refused = verdict(ACCOUNT, tail)
        assert [finding.rule for finding in refused.findings] == ["B4.transferFrom"]


def test_x21_a_replacement_has_to_outbid():
    """
    Fees below 110 % of what was signed are refused.
    """
    asked = replace(TERMS, least_fees=(11 * 10**8, 11 * 10**7))

    assert refused_by(asked, offered()) == {"X21.fees"}


@given(position=st.integers(0, len(OPERATION.call_data) - 1), bit=st.integers(0, 7))
def test_g11_any_changed_bit_is_refused(position, bit):
    """
    There is no bit of the call data that the guard does not look at.
    """
    data = bytearray(OPERATION.call_data)
    data[position] ^= 1 << bit

    assert refused_by(TERMS, offered(replace(OPERATION, call_data=bytes(data))))


# ── grants ────────────────────────────────────────────────────────────────────────────────────

GRANT = GrantTerms(
    chain_id=CHAIN,
    account=ACCOUNT,
    owner=OWNER,
    key=KEY,
    permissions=PERMISSIONS,
    expiry=EXPIRY,
    living_entities=frozenset({7}),
    sandbox=True,
)


def install(permissions=PERMISSIONS, key=KEY, entity=1, expiry=EXPIRY):
    return install_validation(permissions, key=key, entity_id=entity, expiry=expiry)


def session_offer(
    *, account=ACCOUNT, chain=CHAIN, nonce=None, deadline=EXPIRY, call=None, raw="right"
):
    nonce = grant_nonce(1, global_=False).value if nonce is None else nonce
    typed = deferred_action(
        chain_id=chain,
        account=account,
        nonce=nonce,
        deadline=deadline,
        call=install() if call is None else call,
    )
    payload = typed_data_digest(typed) if raw == "right" else raw
    return SessionOffer(b"\x05" * 16, chain, SignTypedData(typed, payload))


def grant_refused_by(offer, terms=GRANT):
    verdict = check_grant(terms, offer)
    assert isinstance(verdict, Refused), verdict
    return {finding.rule for finding in verdict.findings}


@pytest.mark.parametrize("raw", ["right", None])
def test_g7_an_honest_grant_is_approved(raw):
    """
    The owner signs the digest of the DeferredAction that we rebuilt.
    """
    offer = session_offer(raw=raw)

    verdict = check_grant(GRANT, offer)

    assert isinstance(verdict, ApprovedGrant)
    assert verdict.entity_id == 1
    assert verdict.approved.digest == typed_data_digest(offer.request.typed_data)
    assert verdict.approved.signer == OWNER


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("G7.domain.verifyingContract", {"account": MALLORY}),
        ("B4.chain", {"chain": 1}),
        ("G7.message.deadline", {"deadline": EXPIRY + 1}),
        ("G7.message.deadline", {"deadline": 0}),
        ("G7.message.call", {"call": install(key=MALLORY)}),
        ("G7.message.call", {"call": install(expiry=EXPIRY + 1)}),
        ("G7.message.call", {"call": install(entity=2)}),
        ("G7.message.call", {"call": install(permissions=PERMISSIONS[1:])}),
        (
            "G7.message.call",
            {"call": install(permissions=(Erc20TokenTransfer(USDC, 10**9 + 1), GasLimit(0)))},
        ),
        ("G7.message.call", {"call": b""}),
        ("G7.rawPayload", {"raw": b"\x01" * 32}),
        ("G8.entity", {"nonce": grant_nonce(0, global_=False).value}),
        ("G8.entity", {"nonce": grant_nonce(2**31 - 1, global_=False).value}),
        ("X16.entity", {"nonce": grant_nonce(7, global_=False).value}),
        ("G8.options", {"nonce": grant_nonce(1, global_=True).value}),
        ("G8.parallel", {"nonce": grant_nonce(1, global_=False, parallel=1).value}),
        ("X15.sequence", {"nonce": grant_nonce(1, global_=False, sequence=1).value}),
    ],
)
def test_g7_every_changed_field_of_a_grant_is_refused(rule, changes):
    """
    Account, chain, expiry, key, entity, permissions, nonce, payload: each by its rule.
    """
    assert rule in grant_refused_by(session_offer(**changes))


def test_g7_other_typed_data_is_refused():
    """
    A permit, or a DeferredAction with another type, is not what an owner key signs.
    """
    offer = session_offer()
    typed = offer.request.typed_data
    permit = replace(typed, primary_type="Permit")
    widened = replace(typed, types={"DeferredAction": (Field("nonce", "uint256"),)})
    named = replace(typed, domain={**typed.domain, "name": "USD Coin"})

    for changed, rule in (
        (permit, "G7.primaryType"),
        (widened, "G7.types"),
        (named, "G7.domain.name"),
    ):
        request = replace(offer.request, typed_data=changed, raw_payload=None)
        assert rule in grant_refused_by(replace(offer, request=request))
    assert grant_refused_by(replace(offer, request=PersonalSign(b"\x01" * 32))) == {"G7.request"}


def test_x3_a_grant_without_end_is_refused():
    """
    Nothing can ever be proved dead under a grant that does not expire.
    """
    endless = replace(GRANT, expiry=0)

    assert grant_refused_by(session_offer(deadline=0, call=install(expiry=0)), endless) == {
        "X3.expiry"
    }
