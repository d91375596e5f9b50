"""R14, DESIGN §5: what a thief of a session key could take, held against the scope engine."""

from __future__ import annotations

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from runner.ethereum import contracts
from runner.ethereum.address import address_from_bytes
from runner.ethereum.calls import Call
from runner.ethereum.erc20 import (
    APPROVE,
    TRANSFER,
    TRANSFER_FROM,
    decode_approve,
    decode_transfer,
    encode_approve,
    encode_transfer,
)
from runner.ethereum.permissions import (
    AccountFunctions,
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    GasLimit,
    NativeTokenTransfer,
    Root,
)
from runner.guard.scope import Allowances, Outcome, initial_allowances, installed, judge
from runner.planning.risk import ENTRY_POINT, Reach, Way, exposure, together

ACCOUNT, USDC, DAI, ALICE, VAULT, THIEF = (address_from_bytes(bytes([n] * 20)) for n in range(1, 7))
DEPOSIT = bytes.fromhex("b6b55f25")
TOKENS = (USDC, DAI)


def worst(*permissions, **changes):
    return exposure(permissions, tokens=TOKENS, **changes)


def traps(*permissions, **changes):
    return [trap.id for trap in worst(*permissions, **changes).traps]


SAFE = (Erc20TokenTransfer(USDC, 100), NativeTokenTransfer(0), GasLimit(0))


def test_a_tight_set_loses_its_allowance_and_no_more():
    """
    To anyone, since the chain knows no receivers; no traps.
    """
    found = worst(*SAFE)

    assert found.most(USDC) == 100
    assert found.most(DAI) == 0
    assert found.most(None) == 0
    assert [loss.to for loss in found.losses if loss.token == USDC] == [()]
    assert found.traps == ()
    assert found.reaches == ()


def test_what_was_spent_is_lost_no_more():
    """
    Of a generation in use what is left counts.
    """
    assert worst(*SAFE, left=Allowances(0, 0, {USDC: 30})).most(USDC) == 30


def test_value_without_a_limit_is_all_there_is():
    """
    Any target that takes calls takes coin; native-token-transfer bounds it.
    """
    open_ended, bounded = ContractAccess(ALICE), NativeTokenTransfer(7)

    assert worst(open_ended, GasLimit(0)).most(None) is None
    assert traps(open_ended, GasLimit(0)) == ["unlimited-value"]
    assert worst(open_ended, bounded, GasLimit(5)).most(None) == 12
    assert traps(open_ended, bounded, GasLimit(5)) == []
    assert worst(open_ended, bounded, GasLimit(5)).losses[0].to == (ALICE,)


def test_a_token_under_a_limit_takes_no_coin():
    """
    `transfer` and `approve` are not payable: only gas is at stake.
    """
    assert worst(Erc20TokenTransfer(USDC, 1), GasLimit(3)).most(None) == 3


def test_gas_without_a_limit_is_all_there_is():
    """
    Sponsorship is the runner's choice, a thief need not ask for it.
    """
    assert traps(Erc20TokenTransfer(USDC, 1)) == ["unlimited-gas"]
    assert worst(Erc20TokenTransfer(USDC, 1)).most(None) is None


@pytest.mark.parametrize(
    "permission",
    [
        ContractAccess(USDC),
        FunctionsOnContract(USDC, (TRANSFER,)),
        FunctionsOnContract(USDC, (DEPOSIT, TRANSFER_FROM)),
        FunctionsOnAllContracts((APPROVE,)),
    ],
)
def test_a_token_without_a_limit_is_lost_whole(permission):
    """
    Access to the contract is access to the balance.
    """
    found = worst(permission, NativeTokenTransfer(0), GasLimit(0))

    assert found.most(USDC) is None
    assert found.most(DAI) == (None if isinstance(permission, FunctionsOnAllContracts) else 0)


def test_a_token_limit_holds_beside_wider_permissions():
    """
    The limit hook lets transfer and approve through alone, whatever else is granted.
    """
    found = worst(Erc20TokenTransfer(USDC, 5), FunctionsOnAllContracts((TRANSFER,)), *SAFE[1:])

    assert found.most(USDC) == 5
    assert found.most(DAI) is None


def test_harmless_functions_of_a_token_lose_nothing():
    """
    A function that moves nothing is a reach, not a loss.
    """
    found = worst(FunctionsOnContract(USDC, (DEPOSIT,)), *SAFE[1:])

    assert found.most(USDC) == 0
    assert found.reaches == (Reach(USDC, (DEPOSIT,)),)


@pytest.mark.parametrize(
    ("permission", "trap"),
    [
        (Root(), "root"),
        (AccountFunctions((contracts.UPDATE_FALLBACK_SIGNER,)), "account-function"),
        (AccountFunctions((contracts.INSTALL_EXECUTION,)), "account-function"),
        (AccountFunctions((contracts.UNINSTALL_EXECUTION,)), "account-function"),
        (ContractAccess(contracts.ALLOWLIST_MODULE), "module"),
        (ContractAccess(contracts.NATIVE_LIMIT_MODULE), "module"),
        (FunctionsOnContract(contracts.TIME_RANGE_MODULE, (bytes.fromhex("e762c77c"),)), "module"),
        (FunctionsOnAllContracts((bytes.fromhex("4380c278"),)), "module"),
    ],
)
def test_what_widens_itself_loses_everything(permission, trap):
    """
    No other limit counts then.
    """
    beside = () if isinstance(permission, Root) else SAFE
    found = worst(*beside, permission)

    assert found.traps[0].id == trap
    assert [found.most(token) for token in (None, USDC, DAI)] == [None, None, None]
    assert {loss.way for loss in found.losses} == {Way.ANYTHING}


def test_the_wrong_selectors_of_the_builder_are_worth_nothing():
    """
    What it refuses as installExecution is no function of the account; it widens nothing.
    """
    assert worst(AccountFunctions((bytes.fromhex("1d37e7d6"),)), *SAFE).most(USDC) == 100


def test_functions_of_modules_that_only_look_widen_nothing():
    """
    A module is a contract like others as long as nothing of it is rewritten.
    """
    looking = FunctionsOnContract(contracts.ALLOWLIST_MODULE, (DEPOSIT,))

    assert traps(looking, *SAFE) == []


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        ((FunctionsOnAllContracts((bytes(4),)), *SAFE[1:]), ["plain-coin-to-anyone"]),
        ((FunctionsOnAllContracts((TRANSFER,)), *SAFE[1:]), ["any-token"]),
        ((ContractAccess(ENTRY_POINT), *SAFE[1:]), ["entry-point"]),
        (
            (FunctionsOnAllContracts((contracts.INCREMENT_NONCE,)), *SAFE[1:]),
            ["entry-point"],
        ),
        ((Erc20TokenTransfer(USDC, 100), *SAFE), ["last-allowance-wins"]),
    ],
)
def test_the_traps_that_builder_and_contracts_leave_open(permissions, expected):
    assert traps(*permissions) == expected


def test_of_two_allowances_the_last_counts():
    assert (
        worst(Erc20TokenTransfer(USDC, 9), *SAFE[1:], Erc20TokenTransfer(USDC, 4)).most(USDC) == 4
    )


def test_an_inherited_table_counts():
    """
    An entity id used again brings back what the key before was allowed.
    """
    before = installed((ContractAccess(DAI),))

    assert worst(*SAFE, previous=before).most(DAI) is None
    assert "inherited-tables" in traps(*SAFE, previous=before)


def test_r14_generations_add_up():
    """
    Two keys lose both allowances; one without bound loses all.
    """
    first, second = worst(*SAFE), worst(*SAFE, left=Allowances(0, 0, {USDC: 40}))

    assert together([first, second], USDC) == 140
    assert together([first, worst(ContractAccess(USDC))], USDC) is None
    assert together([], USDC) == 0


# ── against the engine ────────────────────────────────────────────────────────────────────────

selectors = st.sampled_from([TRANSFER, APPROVE, TRANSFER_FROM, DEPOSIT, bytes(4)])
some = st.lists(selectors, min_size=1, max_size=3, unique=True).map(tuple)
targets = st.sampled_from([USDC, DAI, ALICE, VAULT])
permission = st.one_of(
    st.builds(Erc20TokenTransfer, st.sampled_from(TOKENS), st.integers(0, 1000)),
    st.builds(ContractAccess, targets),
    st.builds(FunctionsOnContract, targets, some),
    st.builds(FunctionsOnAllContracts, some),
    st.builds(NativeTokenTransfer, st.integers(0, 1000)),
    st.builds(GasLimit, st.integers(0, 1000)),
)
amounts = st.integers(0, 1200)
theft = st.one_of(
    st.builds(lambda t, a: Call(t, 0, encode_transfer(THIEF, a)), st.sampled_from(TOKENS), amounts),
    st.builds(lambda t, a: Call(t, 0, encode_approve(THIEF, a)), st.sampled_from(TOKENS), amounts),
    st.builds(Call, st.sampled_from([ALICE, VAULT, THIEF]), amounts),
    st.builds(
        lambda to, value: Call(to, value, DEPOSIT), st.sampled_from([ALICE, VAULT, THIEF]), amounts
    ),
)


@given(
    permissions=st.lists(permission, min_size=1, max_size=5),
    batches=st.lists(st.lists(theft, min_size=1, max_size=4), min_size=1, max_size=4),
    gas=st.integers(0, 600),
)
def test_no_sequence_of_accepted_batches_takes_more(permissions, batches, gas):
    """
    Whatever a thief gets past the chain adds up to what was foretold, at most.
    """
    found = worst(*permissions)
    sealed, left = installed(permissions), initial_allowances(permissions)
    taken = dict.fromkeys((None, *TOKENS), 0)
    for calls in batches:
        judgement = judge(
            sealed,
            calls,
            account=ACCOUNT,
            allowances=left,
            now=0,
            max_gas_cost=gas,
            sponsored=False,
        )
        if judgement.outcome is Outcome.VALIDATION_REJECTED:
            continue
        left = judgement.allowances
        taken[None] += gas
        if judgement.outcome is not Outcome.ACCEPTED:
            continue
        event("a batch was accepted")
        for call in calls:
            taken[None] += call.value
            moved = decode_transfer(call.data) or decode_approve(call.data)
            if moved is not None and call.to in TOKENS:
                taken[call.to] += moved[1]
    for asset, amount in taken.items():
        most = found.most(asset)
        assert most is None or amount <= most


SPELLINGS = [b"", *(each + bytes(64) for each in (TRANSFER, APPROVE, TRANSFER_FROM, DEPOSIT))]
SPELLINGS.append(bytes(4))


def moving(amount):
    """Each way to part with an amount of a token."""
    taking = TRANSFER_FROM + bytes(12) + b"\x01" * 20 + bytes(12) + b"\x06" * 20
    return [
        encode_transfer(THIEF, amount),
        encode_approve(THIEF, amount),
        taking + amount.to_bytes(32, "big"),
    ]


@given(permissions=st.lists(permission, min_size=1, max_size=5))
def test_what_is_foretold_can_be_taken(permissions):
    """
    Each bounded loss is accepted in one batch, and a unit more is not; an unbounded one has none.
    """
    sealed, left = installed(permissions), initial_allowances(permissions)

    def accepted(calls, gas=0):
        judgement = judge(
            sealed,
            calls,
            account=ACCOUNT,
            allowances=left,
            now=0,
            max_gas_cost=gas,
            sponsored=False,
        )
        return judgement.outcome is Outcome.ACCEPTED

    for loss in worst(*permissions).losses:
        amount = 10**30 if loss.amount is None else loss.amount
        if loss.way is Way.TOKEN:
            ways = [Call(loss.token, 0, data) for data in moving(amount)]
            more = [Call(loss.token, 0, data) for data in moving(amount + 1)]
        elif loss.way is Way.VALUE:
            ways = [Call(to, amount, data) for to in loss.to or (THIEF,) for data in SPELLINGS]
            more = [Call(call.to, amount + 1, call.data) for call in ways]
        else:
            continue
        assert any(accepted([call]) for call in ways)
        assert loss.amount is None or not any(accepted([call]) for call in more)
    for amount in (one.amount for one in worst(*permissions).losses if one.way is Way.GAS):
        assert accepted([], 10**30 if amount is None else amount) or not sealed.functions
        assert amount is None or not accepted([], amount + 1)
