"""What the owner's key signs besides grants: an uninstall, a void, a delegation; nothing else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.ethereum.address import Address
from runner.ethereum.authorization import Authorization
from runner.ethereum.calls import Call
from runner.ethereum.contracts import (
    ALLOWLIST_MODULE,
    DELEGATE_7702,
    FACTORY,
    INCREMENT_NONCE,
    LARGEST_ENTITY_ID,
    PAYMASTER_GUARD_MODULE,
    UNINSTALL_VALIDATION,
)
from runner.ethereum.installation import Hook, uninstall_validation
from runner.ethereum.modular_account import encode_call_data, factory_data, grant_nonce
from runner.ethereum.nonce import Nonce
from runner.ethereum.permissions import (
    ContractAccess,
    Erc20TokenTransfer,
    GasLimit,
    NativeTokenTransfer,
)
from runner.ethereum.signature import personal_sign_digest
from runner.ethereum.user_operation import ENTRY_POINT_V07, UserOperation, user_operation_hash
from runner.guard.checks import ApprovedOperation
from runner.guard.delegation import ApprovedDelegation, DelegationTerms, check_delegation
from runner.guard.offer import (
    OperationOffer,
    OtherRequest,
    PersonalSign,
    SignAuthorization,
)
from runner.guard.owner import (
    CarryDelegation,
    OwnerTerms,
    Uninstall,
    Void,
    check_owner_operation,
    owner_nonce,
)
from runner.guard.verdict import Refused

CHAIN = 84532
ACCOUNT = Address("0x3f1BF374c210DAf46f025Cc021727f7e5E0d2F5c")
OWNER = Address("0xFa91ff7DeDB0C938c71a4476C0c2d27F5FE7aAb7")
MALLORY = Address("0x0000000000000000000000000000000000000B0b")
USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
EXPIRY = 1_800_000_000
PERMISSIONS = (
    NativeTokenTransfer(0),
    Erc20TokenTransfer(USDC, 10**9),
    GasLimit(10**15),
    ContractAccess(MALLORY),
)
GRANT_NONCE = grant_nonce(3, global_=False).value
UNINSTALL = OwnerTerms(
    chain_id=CHAIN,
    account=ACCOUNT,
    owner=OWNER,
    action=Uninstall.of(PERMISSIONS, entity_id=3, expiry=EXPIRY),
    nonce=owner_nonce(parallel=77).value,
    sponsored=False,
    paymaster=None,
    max_fee=10**15,
    sandbox=True,
    entities=frozenset({3}),
)
VOID = replace(UNINSTALL, action=Void(GRANT_NONCE), deploys_for=(OWNER, 0))
DELEGATION = DelegationTerms(
    chain_id=CHAIN,
    account=OWNER,
    nonce=5,
    sandbox=True,
    carrier=replace(UNINSTALL, account=OWNER, action=CarryDelegation(), entities=frozenset()),
)
BODY = uninstall_validation(PERMISSIONS, entity_id=3, expiry=EXPIRY)
INCREMENT = Call(ENTRY_POINT_V07, 0, INCREMENT_NONCE + (GRANT_NONCE >> 64).to_bytes(32, "big"))


def batch(*calls):
    return encode_call_data(calls, account=ACCOUNT, execution_hooks=False)


def operation(terms, call_data, **changes):
    plain = UserOperation(
        sender=terms.account,
        nonce=terms.nonce,
        call_data=call_data,
        call_gas_limit=100_000,
        verification_gas_limit=200_000,
        pre_verification_gas=50_000,
        max_fee_per_gas=10**9,
        max_priority_fee_per_gas=10**8,
    )
    return replace(plain, **changes)


def offered(op, **changes):
    request = PersonalSign(user_operation_hash(op, CHAIN))
    return replace(OperationOffer("user-operation-v070", CHAIN, op, request, b"{}"), **changes)


def refused_by(terms, offer):
    verdict = check_owner_operation(terms, offer)
    assert isinstance(verdict, Refused), verdict
    return {finding.rule for finding in verdict.findings}


@pytest.mark.parametrize(
    ("terms", "call_data"),
    [
        (UNINSTALL, BODY),
        (UNINSTALL, batch(Call(ACCOUNT, 0, BODY))),
        (VOID, batch(INCREMENT)),
        (
            VOID,
            encode_call_data(
                (INCREMENT,), account=ACCOUNT, execution_hooks=False, single="execute"
            ),
        ),
    ],
)
def test_g7_the_owner_signs_what_the_ledger_asks_for(terms, call_data):
    """
    By itself or as the only item of a batch: an account's call to itself is its call data.
    """
    op = operation(terms, call_data)

    verdict = check_owner_operation(terms, offered(op))

    assert isinstance(verdict, ApprovedOperation)
    assert verdict.approved.digest == personal_sign_digest(user_operation_hash(op, CHAIN))
    assert verdict.approved.signer == OWNER


def without_hook_data():
    bare = replace(UNINSTALL.action.installation, hooks=())
    return Uninstall(bare).calls(ACCOUNT)[0].data


@pytest.mark.parametrize(
    ("rule", "call_data"),
    [
        ("G11.calldata", without_hook_data()),
        ("G11.calldata", uninstall_validation(PERMISSIONS, entity_id=4, expiry=EXPIRY)),
        ("G11.calldata", uninstall_validation(PERMISSIONS[1:], entity_id=3, expiry=EXPIRY)),
        ("G11.calldata", uninstall_validation(PERMISSIONS, entity_id=3, expiry=0)),
        ("G11.calldata", BODY + b"\0"),
        ("G11.calldata", b""),
        ("G11.calls[1]", batch(Call(ACCOUNT, 0, BODY), INCREMENT)),
        ("G11.calls[0]", batch(Call(MALLORY, 0, BODY))),
        ("G11.calls[0]", batch(Call(ACCOUNT, 1, BODY))),
        ("G11.calls[0]", batch()),
    ],
)
def test_x15_an_uninstall_takes_all_that_was_installed(rule, call_data):
    """
    Less hook data, another entity, another call: it would succeed on chain, and leave tables.
    """
    assert rule in refused_by(UNINSTALL, offered(operation(UNINSTALL, call_data)))


@given(position=st.integers(0, len(BODY) - 1), bit=st.integers(0, 7))
def test_x15_any_changed_bit_of_an_uninstall_is_refused(position, bit):
    """
    There is no bit that the guard does not look at.
    """
    data = bytearray(BODY)
    data[position] ^= 1 << bit

    assert refused_by(UNINSTALL, offered(operation(UNINSTALL, bytes(data))))


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("B4.sender", {"sender": MALLORY}),
        ("X1.nonce", {"nonce": owner_nonce(parallel=78).value}),
        ("X1.nonce", {"nonce": owner_nonce(parallel=77, sequence=1).value}),
        ("G7.authority", {"nonce": Nonce(77, 3, 1, 0).value}),
        ("G7.nonceOptions", {"nonce": Nonce(77, 0, 3, 0).value}),
        ("B4.factory", {"factory": FACTORY, "factory_data": factory_data(OWNER)}),
        ("G4.paymaster", {"paymaster": MALLORY}),
        ("G2.max_fee", {"max_fee_per_gas": 10**11}),
        ("G2.max_fee", {"pre_verification_gas": 10**7}),
        ("G2.priority", {"max_priority_fee_per_gas": 2 * 10**9}),
    ],
)
def test_g7_every_field_of_an_owner_operation_is_bound(rule, changes):
    """
    As for session keys, and besides: nobody but the owner's own validation is named.
    """
    assert rule in refused_by(UNINSTALL, offered(operation(UNINSTALL, BODY, **changes)))


@pytest.mark.parametrize(
    ("rule", "terms"),
    [
        ("G7.entity", replace(UNINSTALL, entities=frozenset({2}))),
        ("G7.entity", replace(VOID, entities=frozenset())),
        ("G7.options", replace(VOID, action=Void(owner_nonce().value))),
        ("G7.options", replace(VOID, action=Void(Nonce(0, 3, 1, 0).value))),
        (
            "G7.module",
            replace(
                UNINSTALL,
                action=Uninstall(replace(UNINSTALL.action.installation, module=ALLOWLIST_MODULE)),
            ),
        ),
    ],
)
def test_g7_only_what_the_ledger_knows_is_taken_away(rule, terms):
    """
    An entity that nobody wrote down, a nonce that is no grant's, a validation that is no key's.
    """
    calls = terms.action.calls(ACCOUNT)
    op = operation(terms, encode_call_data(calls, account=ACCOUNT, execution_hooks=False))

    assert rule in refused_by(terms, offered(op))


def test_g7_the_owners_own_entity_is_never_uninstalled():
    """
    Entity 0 is the owner.
    """
    own = replace(UNINSTALL.action.installation, entity_id=0)
    terms = replace(UNINSTALL, action=Uninstall(own), entities=frozenset({0, LARGEST_ENTITY_ID}))
    op = operation(terms, terms.action.calls(ACCOUNT)[0].data)

    assert refused_by(terms, offered(op)) == {"G7.entity"}


def test_x15_a_hook_whose_tables_we_cannot_clear_is_refused():
    """
    No uninstall is signed that might leave something behind.
    """
    strange = Hook(PAYMASTER_GUARD_MODULE, 3, 4, b"")
    installation = replace(UNINSTALL.action.installation, hooks=(strange,))
    terms = replace(UNINSTALL, action=Uninstall(installation))

    assert refused_by(terms, offered(operation(terms, BODY))) == {"X15.hooks"}


def test_g7_a_void_may_make_the_account_and_an_uninstall_may_not():
    """
    A grant can be voided before the account exists; nothing is installed on one that does not.
    """
    made = {"factory": FACTORY, "factory_data": factory_data(OWNER)}
    void = operation(VOID, batch(INCREMENT), **made)
    for_another = replace(void, factory_data=factory_data(MALLORY))

    assert isinstance(check_owner_operation(VOID, offered(void)), ApprovedOperation)
    assert refused_by(VOID, offered(for_another)) == {"B4.factoryData"}
    assert BODY[:4] == UNINSTALL_VALIDATION


# ── delegations ───────────────────────────────────────────────────────────────────────────────


def delegation(
    carrier_data=None, chain=CHAIN, named=CHAIN, delegate=DELEGATE_7702, nonce=5, raw=None
):
    """The answer of a service: the authorization, and the operation that carries it."""
    authorization = Authorization(named, delegate, nonce)
    request = SignAuthorization(authorization, raw or authorization.digest)
    first = OperationOffer("authorization", chain, None, request, b"{}")
    empty = encode_call_data((), account=OWNER, execution_hooks=False)
    second = offered(operation(DELEGATION.carrier, empty if carrier_data is None else carrier_data))
    return OperationOffer("array", None, None, OtherRequest("array"), b"{}", (first, second))


def delegation_refused_by(terms, offer):
    verdict = check_delegation(terms, offer)
    assert isinstance(verdict, Refused), verdict
    return {finding.rule for finding in verdict.findings}


def test_g9_the_canonical_delegation_is_approved():
    """
    Both parts are signed: the authorization, and an operation without calls.
    """
    verdict = check_delegation(DELEGATION, delegation())

    assert isinstance(verdict, ApprovedDelegation)
    assert verdict.approved.digest == Authorization(CHAIN, DELEGATE_7702, 5).digest
    assert verdict.approved.signer == OWNER
    assert verdict.carrier is not None
    assert verdict.carrier.operation.sender == OWNER


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("B4.chain", {"chain": 1}),
        ("G9.chain", {"named": 1}),
        ("G9.chain", {"named": 0}),
        ("G9.delegate", {"delegate": MALLORY}),
        ("G9.delegate", {"delegate": Address("0x" + "00" * 20)}),
        ("G9.nonce", {"nonce": 6}),
        ("G9.nonce", {"nonce": 4}),
        ("G9.rawPayload", {"raw": b"\x01" * 32}),
        ("G11.calls[0]", {"carrier_data": batch(Call(MALLORY, 1, b""))}),
    ],
)
def test_g9_every_field_of_a_delegation_is_bound(rule, changes):
    """
    Chain, delegate, nonce, digest; and the operation beside it moves nothing.
    """
    assert rule in delegation_refused_by(DELEGATION, delegation(**changes))


def test_g9_parts_come_as_asked():
    """
    One alone where two were asked for, two where one was, another order, one more: refused.
    """
    whole = delegation()
    first, second = whole.parts
    alone = replace(DELEGATION, carrier=None)

    assert isinstance(check_delegation(alone, first), ApprovedDelegation)
    assert delegation_refused_by(alone, whole) == {"G5.type"}
    assert "G5.type" in delegation_refused_by(DELEGATION, first)
    for parts in ((second, first), (first,), (first, second, second), (first, first)):
        assert delegation_refused_by(DELEGATION, replace(whole, parts=parts)) == {"G9.parts"}
    asked = replace(first, request=OtherRequest("authorization"))
    assert delegation_refused_by(alone, asked) == {"G9.request"}


def test_g9_a_carrier_carries_and_does_nothing_else():
    """
    Terms that would have more signed under the name of a delegation are refused.
    """
    void = replace(VOID, account=OWNER)
    elsewhere = replace(DELEGATION.carrier, account=ACCOUNT)

    assert delegation_refused_by(replace(DELEGATION, carrier=void), delegation()) == {
        "G9.carrier.calls"
    }
    assert delegation_refused_by(replace(DELEGATION, carrier=elsewhere), delegation()) == {
        "G9.carrier.account"
    }
