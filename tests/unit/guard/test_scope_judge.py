"""
The scope engine rule by rule, and laws that hold for any session.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.ethereum.address import address_from_bytes
from runner.ethereum.calls import Call
from runner.ethereum.contracts import (
    ALLOWLIST_MODULE,
    EXECUTE,
    EXECUTE_BATCH,
    INSTALL_VALIDATION,
    PERFORM_CREATE,
    UPDATE_FALLBACK_SIGNER,
)
from runner.ethereum.erc20 import TRANSFER, TRANSFER_FROM, encode_approve, encode_transfer
from runner.ethereum.modular_account import encode_call_data
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
from runner.ethereum.words import uint_word
from runner.guard.scope import (
    Allowances,
    Form,
    GasPayer,
    Installed,
    Outcome,
    initial_allowances,
    installed,
    judge,
    operation_of,
    read_operation,
    spend,
    validate,
)
from runner.guard.scope_tables import account_selectors, allowlist_rows, spending_rows

ACCOUNT, TOKEN, OTHER_TOKEN, A, B = (address_from_bytes(bytes([n] * 20)) for n in range(1, 6))
FOO, BAR, ACCOUNT_ID = (bytes.fromhex(each) for each in ("2fbebd38", "febb0f7e", "9cfd7cff"))
NOW = 1_800_000_000
PAY = Call(TOKEN, 0, encode_transfer(A, 10))
ETHER = Call(A, 5)


def ask(permissions, calls, *, allowances=None, **changes):
    """
    Judge calls under fresh allowances, sponsored, long before expiry; changes as given.
    """
    if allowances is None:
        allowances = initial_allowances(permissions)
    usual = {"account": ACCOUNT, "now": NOW, "expiry": 0, "max_gas_cost": 100, "sponsored": True}
    return judge(permissions, calls, allowances=allowances, **(usual | changes))


def refusal(permissions, calls, **changes):
    """
    The reason and the position of the call that decides.
    """
    judgement = ask(permissions, calls, **changes)
    return judgement.reason, judgement.call_index


class TestAllowlist:
    def test_names_the_call_outside(self):
        """
        The first call to a stranger is reported by its position.
        """
        calls = [Call(A, 0, FOO), Call(B, 0, FOO)]

        assert refusal([ContractAccess(A)], calls) == ("AddressNotAllowed", 1)

    def test_contract_access_takes_anything(self):
        """
        Any function, no data, any value without a native limit.
        """
        calls = [Call(A, 0, FOO), Call(A, 10**30), Call(A, 1, b"\x01")]

        assert ask([ContractAccess(A)], calls).outcome is Outcome.ACCEPTED

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (BAR, "SelectorNotAllowed"),
            (b"", "NoSelectorSpecified"),
            (FOO[:3], "NoSelectorSpecified"),
        ],
    )
    def test_functions_on_contract_takes_its_list(self, data, reason):
        """
        Other functions and short data are told apart.
        """
        assert refusal([FunctionsOnContract(A, (FOO,))], [Call(A, 0, data)]) == (reason, 0)

    def test_own_entry_hides_the_functions_on_all(self):
        """
        A target with an entry of its own is judged by that entry alone.
        """
        permissions = [FunctionsOnAllContracts((FOO,)), FunctionsOnContract(A, (BAR,))]

        assert refusal(permissions, [Call(B, 0, FOO), Call(A, 0, FOO)]) == ("SelectorNotAllowed", 1)

    def test_zero_selector_admits_bare_ether(self):
        """
        Data shorter than a selector is padded with zeros, but only for the list on all targets.
        """
        everywhere, here = (bytes(4),), FunctionsOnContract(B, (bytes(4),))

        assert ask([FunctionsOnAllContracts(everywhere)], [ETHER]).outcome is Outcome.ACCEPTED
        assert refusal([here], [Call(B, 1)]) == ("NoSelectorSpecified", 0)

    def test_later_entry_overwrites_the_earlier(self):
        """
        Order decides when two permissions name one token; selectors stay listed.
        """
        narrow, wide = Erc20TokenTransfer(TOKEN, 100), ContractAccess(TOKEN)
        other = Call(TOKEN, 0, FOO + bytes(64))

        assert refusal([wide, narrow], [other]) == ("SelectorNotAllowed", 0)
        judgement = ask([narrow, wide], [other])
        assert judgement.outcome is Outcome.EXECUTION_REVERTED
        assert judgement.reason == "SelectorNotAllowed"


class TestAccount:
    def test_limits_alone_open_nothing(self):
        """
        Without a permission to call, not even an empty batch is possible.
        """
        permissions = [AccountFunctions((ACCOUNT_ID,)), NativeTokenTransfer(5)]

        assert refusal(permissions, []) == ("ValidationFunctionMissing", None)

    def test_account_function_is_called_directly(self):
        """
        A single call to the account is its call data; in a batch the allowlist stands in the way.
        """
        call = Call(ACCOUNT, 0, ACCOUNT_ID)
        permissions = [AccountFunctions((ACCOUNT_ID,)), ContractAccess(A)]

        assert ask(permissions, [call]).outcome is Outcome.ACCEPTED
        assert refusal(permissions, [call], form=Form.BATCH) == ("AddressNotAllowed", 0)
        both = [*permissions, FunctionsOnAllContracts((ACCOUNT_ID,))]
        assert ask(both, [call, call]).outcome is Outcome.ACCEPTED

    @pytest.mark.parametrize("selector", [EXECUTE, EXECUTE_BATCH])
    def test_batches_do_not_nest(self, selector):
        """
        A batch inside a batch is refused, for root too.
        """
        calls = [Call(A), Call(ACCOUNT, 0, selector + bytes(64))]

        assert refusal([Root()], calls) == ("SelfCallRecursionDepthExceeded", 1)
        assert refusal([Root()], [Call(ACCOUNT)], form=Form.EXECUTE) == (
            "SelfCallRecursionDepthExceeded",
            0,
        )

    def test_self_call_needs_a_selector(self):
        """
        Bare ether to oneself reverts without a word.
        """
        reason, index = refusal([Root()], [Call(A), Call(ACCOUNT, 1)])

        assert (reason, index) == ("AA23 reverted, no inner revert data", 1)

    @pytest.mark.parametrize(
        ("selector", "allowed"),
        [(INSTALL_VALIDATION, True), (UPDATE_FALLBACK_SIGNER, True), (ACCOUNT_ID, False)],
    )
    def test_root_has_the_owners_functions(self, selector, allowed):
        """
        Root may do what the owner may, which does not include functions that anyone may call.
        """
        judgement = ask([Root()], [Call(ACCOUNT, 0, selector)])

        assert (judgement.outcome is Outcome.ACCEPTED) is allowed

    def test_flag_of_the_nonce_decides_which_list_counts(self):
        """
        A scoped session used as a global one finds an empty list, and the other way round.
        """
        for permissions in ([ContractAccess(A)], [Root()]):
            session = installed(permissions)
            judgement = validate(
                session,
                operation_of([Call(A)], account=ACCOUNT, user_op_context=False),
                account=ACCOUNT,
                allowances=Allowances(),
                now=NOW,
                max_gas_cost=0,
                payer=GasPayer.ACCOUNT,
                as_global=not session.is_global,
            )
            assert judgement.reason == "ValidationFunctionMissing"

    def test_execution_hooks_need_the_prefix(self):
        """
        The prefix is needed with execution hooks and does no harm without them.
        """
        limited, free = [ContractAccess(A), NativeTokenTransfer(9)], [ContractAccess(A)]

        assert refusal(limited, [ETHER], user_op_context=False) == (
            "RequireUserOperationContext",
            None,
        )
        assert ask(free, [ETHER], user_op_context=True).outcome is Outcome.ACCEPTED

    def test_module_is_a_target_like_any_other(self):
        """
        The chain lets a key that may call a module widen itself; whoever grants must not.
        """
        call = Call(ALLOWLIST_MODULE, 0, bytes.fromhex("77a04242") + bytes(160))

        assert ask([ContractAccess(ALLOWLIST_MODULE)], [call]).outcome is Outcome.ACCEPTED
        assert refusal([ContractAccess(A)], [call]) == ("AddressNotAllowed", 0)


class TestLimits:
    def test_native_limit_sums_the_batch(self):
        """
        Equality is allowed; the call that crosses the limit is named.
        """
        permissions = [NativeTokenTransfer(10), ContractAccess(A)]

        judgement = ask(permissions, [Call(A, 4), Call(A, 6)])
        assert judgement.allowances.native == 0
        judgement = ask(permissions, [Call(A, 4), Call(A, 6), Call(A, 1)])
        assert (judgement.outcome, judgement.reason, judgement.call_index) == (
            Outcome.EXECUTION_REVERTED,
            "ExceededNativeTokenLimit",
            2,
        )
        assert judgement.allowances.native == 10

    def test_native_sum_overflows(self):
        """
        Values that sum up to 2^256 end in the module's arithmetic.
        """
        permissions = [NativeTokenTransfer(2**256 - 1), ContractAccess(A)]

        assert refusal(permissions, [Call(A, 2**255), Call(A, 2**255)]) == ("Panic", None)

    def test_native_limit_sees_what_root_would_create_with(self):
        """
        `performCreate` counts its value; other functions of the account count nothing.
        """
        session = Installed(functions=frozenset({PERFORM_CREATE, ACCOUNT_ID}), native_hook=True)
        create = Call(ACCOUNT, 0, PERFORM_CREATE + uint_word(11) + bytes(128))

        allowances = Allowances(native=10)
        assert ask(session, [create], allowances=allowances).reason == "ExceededNativeTokenLimit"
        assert ask(session, [Call(ACCOUNT, 0, ACCOUNT_ID)], allowances=allowances).reason is None

    def test_transfer_and_approve_count_in_full(self):
        """
        Nothing is credited for a smaller approval.
        """
        approve, nothing = (
            Call(TOKEN, 0, encode_approve(B, 60)),
            Call(TOKEN, 0, encode_approve(B, 0)),
        )

        judgement = ask([Erc20TokenTransfer(TOKEN, 100)], [PAY, approve, nothing])
        assert judgement.allowances.erc20 == {TOKEN: 30}
        assert refusal([Erc20TokenTransfer(TOKEN, 100)], [approve, nothing, approve]) == (
            "ExceededTokenLimit",
            2,
        )

    def test_transfer_from_is_no_spending(self):
        """
        Another function of the token is refused before it reaches the chain.
        """
        data = TRANSFER_FROM + bytes(96)

        assert refusal([Erc20TokenTransfer(TOKEN, 100)], [Call(TOKEN, 0, data)]) == (
            "SelectorNotAllowed",
            0,
        )

    def test_short_and_long_calldata(self):
        """
        The amount must be there; what follows is not looked at.
        """
        permissions = [Erc20TokenTransfer(TOKEN, 100)]
        short, long = Call(TOKEN, 0, PAY.data[:-1]), Call(TOKEN, 0, PAY.data + b"\xff")

        assert refusal(permissions, [short]) == ("InvalidCalldataLength", 0)
        assert ask(permissions, [long]).allowances.erc20 == {TOKEN: 90}

    def test_token_limit_refuses_account_functions(self):
        """
        The hook understands `execute` and `executeBatch` alone.
        """
        permissions = [Erc20TokenTransfer(TOKEN, 100), AccountFunctions((ACCOUNT_ID,))]

        judgement = ask(permissions, [Call(ACCOUNT, 0, ACCOUNT_ID)])
        assert judgement.outcome is Outcome.EXECUTION_REVERTED
        assert judgement.reason == "SpendingRequestNotAllowed"

    def test_native_limit_comes_before_the_token_limit(self):
        """
        Hooks run in the order in which they were installed.
        """
        permissions = [Erc20TokenTransfer(TOKEN, 1), NativeTokenTransfer(0)]

        assert refusal(permissions, [Call(TOKEN, 1, PAY.data)])[0] == "ExceededNativeTokenLimit"

    def test_last_allowance_of_a_token_counts(self):
        """
        The same token twice is not a sum.
        """
        permissions = [Erc20TokenTransfer(TOKEN, 500), Erc20TokenTransfer(TOKEN, 5)]

        assert refusal(permissions, [PAY]) == ("ExceededTokenLimit", 0)

    def test_gas_limit_counts_unless_sponsored(self):
        """
        The maximal cost is taken off before the allowlist is asked, sponsored or not decides.
        """
        permissions = [GasLimit(150), ContractAccess(A)]

        assert ask(permissions, [ETHER], sponsored=False).allowances.gas == 50
        assert ask(permissions, [ETHER]).allowances.gas == 150
        judgement = ask(permissions, [Call(B)], sponsored=False, max_gas_cost=151)
        assert (judgement.outcome, judgement.reason) == (
            Outcome.VALIDATION_REJECTED,
            "ExceededNativeTokenLimit",
        )

    def test_gas_stays_used_when_execution_is_refused(self):
        """
        Validation counters persist, execution counters roll back.
        """
        permissions = [GasLimit(150), NativeTokenTransfer(1), ContractAccess(A)]

        judgement = ask(permissions, [ETHER], sponsored=False)
        assert judgement.outcome is Outcome.EXECUTION_REVERTED
        assert judgement.allowances == Allowances(1, 50, {})

    @pytest.mark.parametrize(
        ("payer", "reason", "left"),
        [
            (GasPayer.SPECIAL_PAYMASTER, None, 50),
            (GasPayer.PAYMASTER, None, 150),
            (GasPayer.NOBODY, "InvalidPaymaster", 150),
        ],
    )
    def test_kinds_of_paymasters(self, payer, reason, left):
        """
        A paymaster that the account marked counts like the account; the zero address is refused.
        """
        judgement = validate(
            installed([GasLimit(150), ContractAccess(A)]),
            operation_of([ETHER], account=ACCOUNT, user_op_context=False),
            account=ACCOUNT,
            allowances=Allowances(gas=150),
            now=NOW,
            max_gas_cost=100,
            payer=payer,
        )
        assert (judgement.reason, judgement.allowances.gas) == (reason, left)


class TestTime:
    @pytest.mark.parametrize(("now", "accepted"), [(NOW, True), (NOW + 1, False)])
    def test_expiry_is_inclusive(self, now, accepted):
        """
        A block at the very second of expiry still holds the operation.
        """
        judgement = ask([ContractAccess(A)], [ETHER], now=now, expiry=NOW)

        assert (judgement.reason is None) is accepted

    def test_time_is_judged_last(self):
        """
        The account refuses before the EntryPoint compares times.
        """
        assert refusal([ContractAccess(A)], [Call(B)], now=NOW + 1, expiry=NOW)[0] == (
            "AddressNotAllowed"
        )


class TestLeftovers:
    """
    Tables that an earlier session left under the same entity id (onchain-facts 1).
    """

    OLD = (FunctionsOnContract(A, (FOO,)), Erc20TokenTransfer(TOKEN, 100))

    def test_old_targets_are_inherited(self):
        """
        The old function is open, the old token even without its limit.
        """
        session = installed([ContractAccess(B)], previous=installed(self.OLD))
        left = initial_allowances([ContractAccess(B)], previous=initial_allowances(self.OLD))
        calls = [Call(B), Call(A, 0, FOO), Call(TOKEN, 0, encode_transfer(A, 1000))]

        assert ask(session, calls, allowances=left).outcome is Outcome.ACCEPTED
        assert ask([ContractAccess(B)], calls).reason == "AddressNotAllowed"

    def test_a_new_token_limit_wakes_the_old_one(self):
        """
        With any token limit installed, the old token is held to what was left of its own.
        """
        new = [Erc20TokenTransfer(OTHER_TOKEN, 7)]
        session = installed(new, previous=installed(self.OLD))
        left = initial_allowances(new, previous=Allowances(erc20={TOKEN: 9}))

        assert left.erc20 == {TOKEN: 9, OTHER_TOKEN: 7}
        assert ask(session, [PAY], allowances=left).reason == "ExceededTokenLimit"

    def test_deleting_the_rows_leaves_nothing_callable(self):
        """
        Uninstalling with the rows of the installation is clean.
        """
        old = installed(self.OLD)
        clean = replace(
            old,
            allowlist=old.allowlist.deleted(allowlist_rows(self.OLD)),
            spending=old.spending.deleted(spending_rows(self.OLD)),
        )
        session = installed([ContractAccess(B)], previous=clean)

        assert (
            refusal(session, [Call(A, 0, FOO)], allowances=Allowances())[0] == "AddressNotAllowed"
        )
        assert refusal(session, [PAY], allowances=Allowances())[0] == "AddressNotAllowed"


def test_repeated_account_functions_stay_visible():
    """
    A selector listed twice is kept twice: the installation fails on chain.
    """
    permissions = [AccountFunctions((ACCOUNT_ID,)), AccountFunctions((ACCOUNT_ID,))]

    assert account_selectors(permissions) == (ACCOUNT_ID, ACCOUNT_ID)


@pytest.mark.parametrize("data", ["", "b61d27", "8dd7712fb61d27"])
def test_call_data_without_a_selector(data):
    """
    Short call data is refused, behind a prefix without a reason.
    """
    operation = read_operation(bytes.fromhex(data), account=ACCOUNT)
    judgement = validate(
        installed([Root()]),
        operation,
        account=ACCOUNT,
        allowances=Allowances(),
        now=NOW,
        max_gas_cost=0,
        payer=GasPayer.ACCOUNT,
    )
    expected = "AA23 reverted, no inner revert data" if data[:2] == "8d" else "UnrecognizedFunction"
    assert judgement.reason == expected


@pytest.mark.parametrize("cut", [32, 36, 100, 132])
def test_undecodable_batches_are_refused(cut):
    """
    A batch cut short reads as nothing, and the account refuses it.
    """
    whole = encode_call_data([PAY, ETHER], account=ACCOUNT, execution_hooks=False)
    operation = read_operation(whole[:cut], account=ACCOUNT)

    assert operation.calls is None
    assert spend(installed([NativeTokenTransfer(9)]), operation, Allowances(native=9)).reason == (
        "PreExecHookReverted"
    )


def half_read(calls, index, *, session, data_at):
    """
    The verdict on a batch in which the data of one call stands where nothing is.
    """
    whole = bytearray(encode_call_data(calls, account=ACCOUNT, execution_hooks=False))
    head = 4 + 64  # selector, offset and length of the array
    place = head + int.from_bytes(whole[head + 32 * index : head + 32 * index + 32], "big") + 64
    whole[place : place + 32] = uint_word(data_at)
    operation = read_operation(bytes(whole), account=ACCOUNT)
    assert operation.calls is None
    return validate(
        session,
        operation,
        account=ACCOUNT,
        allowances=Allowances(),
        now=NOW,
        max_gas_cost=0,
        payer=GasPayer.ACCOUNT,
    )


def test_the_account_reads_of_other_calls_no_more_than_whom_they_call():
    """
    A stranger's data that cannot be read is the allowlist's affair, and passes where none stands;
    what the account calls on itself it reads to the end, in order.
    """
    create = Call(ACCOUNT, 0, PERFORM_CREATE)
    owner, scoped = installed([Root()]), installed([ContractAccess(A)])

    def reason(calls, index, session):
        return half_read(calls, index, session=session, data_at=2**40).reason

    assert reason([ETHER, ETHER], 1, owner) is None
    assert reason([ETHER, ETHER], 1, scoped) == "PreUserOpValidationHookReverted"
    assert reason([ETHER, create], 1, owner) == "AA23 reverted, no inner revert data"
    assert reason([create, ETHER], 1, scoped) == "ValidationFunctionMissing"
    assert reason([ETHER, create], 0, scoped) == "ValidationFunctionMissing"


@pytest.mark.parametrize(("to", "refused"), [(ACCOUNT, True), (A, False)])
def test_the_account_looks_at_whom_execute_calls_and_at_nothing_else(to, refused):
    """
    Even where the rest of the arguments is missing, or bits stand before the address.
    """
    for call_data in (
        EXECUTE + bytes(12) + bytes.fromhex(to[2:]),
        EXECUTE + b"\x01" * 12 + bytes.fromhex(to[2:]) + bytes(64),
    ):
        operation = read_operation(call_data, account=ACCOUNT)
        judgement = validate(
            installed([Root()]),
            operation,
            account=ACCOUNT,
            allowances=Allowances(),
            now=NOW,
            max_gas_cost=0,
            payer=GasPayer.ACCOUNT,
        )
        assert operation.calls is None
        assert (judgement.reason == "SelfCallRecursionDepthExceeded") is refused


TARGETS = (ACCOUNT, TOKEN, OTHER_TOKEN, A, B)
SELECTORS = st.sampled_from([FOO, BAR, ACCOUNT_ID, TRANSFER, bytes(4)])
FUNCTIONS = st.lists(SELECTORS, min_size=1, max_size=3, unique=True).map(tuple)
AMOUNTS = st.integers(0, 20)
DATA = st.one_of(
    st.just(b""),
    SELECTORS,
    st.builds(encode_transfer, st.sampled_from(TARGETS), AMOUNTS),
    st.builds(encode_approve, st.sampled_from(TARGETS), AMOUNTS),
    st.binary(max_size=70),
)
CALLS = st.builds(Call, st.sampled_from(TARGETS), AMOUNTS, DATA)
BATCHES = st.lists(CALLS, max_size=5)
OUTSIDE = st.sampled_from((TOKEN, OTHER_TOKEN, A, B))
PERMISSIONS = st.lists(
    st.one_of(
        st.builds(NativeTokenTransfer, AMOUNTS),
        st.builds(Erc20TokenTransfer, OUTSIDE, AMOUNTS),
        st.builds(GasLimit, AMOUNTS),
        st.builds(ContractAccess, OUTSIDE),
        st.builds(AccountFunctions, FUNCTIONS),
        st.builds(FunctionsOnAllContracts, FUNCTIONS),
        st.builds(FunctionsOnContract, OUTSIDE, FUNCTIONS),
    ),
    max_size=5,
)
quick = settings(max_examples=150, deadline=None)


def total(allowances):
    """
    The counters as one tuple, for comparing.
    """
    return (allowances.native or 0, allowances.gas or 0, *sorted(allowances.erc20.items()))


@quick
@given(PERMISSIONS, BATCHES, st.integers(0, 20), st.booleans(), st.data())
def test_less_allowance_never_allows_more(permissions, calls, cost, sponsored, data):
    """
    Lowering any counter never turns a refusal into an acceptance.
    """
    full = initial_allowances(permissions)
    less = Allowances(
        None if full.native is None else data.draw(st.integers(0, full.native)),
        None if full.gas is None else data.draw(st.integers(0, full.gas)),
        {token: data.draw(st.integers(0, limit)) for token, limit in full.erc20.items()},
    )
    changes = {"max_gas_cost": cost, "sponsored": sponsored}

    if ask(permissions, calls, allowances=less, **changes).outcome is Outcome.ACCEPTED:
        assert ask(permissions, calls, allowances=full, **changes).outcome is Outcome.ACCEPTED


@quick
@given(PERMISSIONS, BATCHES, st.integers(0, 20), st.booleans())
def test_counters_only_go_down_and_refusals_cost_gas_alone(permissions, calls, cost, sponsored):
    """
    No counter ever rises; a rejection changes nothing, a revert nothing but the gas counter.
    """
    before = initial_allowances(permissions)
    judgement = ask(permissions, calls, max_gas_cost=cost, sponsored=sponsored)
    after = judgement.allowances

    assert (after.native or 0) <= (before.native or 0)
    assert (after.gas or 0) <= (before.gas or 0)
    assert all(0 <= left <= before.erc20[token] for token, left in after.erc20.items())
    if judgement.outcome is Outcome.VALIDATION_REJECTED:
        assert after == before
    if judgement.outcome is Outcome.EXECUTION_REVERTED:
        assert (after.native, after.erc20) == (before.native, before.erc20)


@quick
@given(PERMISSIONS, BATCHES)
def test_native_limit_is_the_sum(permissions, calls):
    """
    An accepted operation takes exactly the sum of its values off the native counter.
    """
    judgement = ask(permissions, calls, form=Form.BATCH)

    if judgement.outcome is Outcome.ACCEPTED and judgement.allowances.native is not None:
        spent = initial_allowances(permissions).native - judgement.allowances.native
        assert spent == sum(call.value for call in calls)


@quick
@given(PERMISSIONS, BATCHES)
def test_batch_counts_like_its_calls_one_by_one(permissions, calls):
    """
    A batch is accepted exactly if its calls are one after the other, and leaves the same.
    """
    whole = ask(permissions, calls, form=Form.BATCH)
    left, results = initial_allowances(permissions), []
    for call in calls:
        judgement = ask(permissions, [call], allowances=left, form=Form.BATCH)
        results.append(judgement.outcome is Outcome.ACCEPTED)
        left = judgement.allowances

    if calls:
        assert (whole.outcome is Outcome.ACCEPTED) is all(results)
    if whole.outcome is Outcome.ACCEPTED:
        assert total(whole.allowances) == total(left)


@quick
@given(PERMISSIONS, BATCHES, st.booleans())
def test_reading_undoes_encoding(permissions, calls, prefix):
    """
    Call data that we encode reads back as the operation it was made from.
    """
    data = encode_call_data(calls, account=ACCOUNT, execution_hooks=prefix)
    read = read_operation(data, account=ACCOUNT)
    made = operation_of(calls, account=ACCOUNT, user_op_context=prefix, form=Form.BATCH)

    assert replace(read, data=b"") == made
    assert read_operation(data + b"\xff", account=ACCOUNT).calls == tuple(calls)


@quick
@given(PERMISSIONS, BATCHES, st.integers(0, 20), st.booleans())
def test_phases_make_the_whole(permissions, calls, cost, sponsored):
    """
    Validation, then execution, is what `judge` says in one go, compiled or not.
    """
    session, allowances = installed(permissions), initial_allowances(permissions)
    operation = operation_of(calls, account=ACCOUNT, user_op_context=session.has_execution_hooks)
    staged = validate(
        session,
        operation,
        account=ACCOUNT,
        allowances=allowances,
        now=NOW,
        max_gas_cost=cost,
        payer=GasPayer.PAYMASTER if sponsored else GasPayer.ACCOUNT,
    )
    if staged.outcome is Outcome.ACCEPTED:
        staged = spend(session, operation, staged.allowances)

    for given_as in (permissions, session):
        assert staged == ask(
            given_as, calls, allowances=allowances, max_gas_cost=cost, sponsored=sponsored
        )


@quick
@given(PERMISSIONS, PERMISSIONS, BATCHES)
def test_leftovers_only_add_targets(old, new, calls):
    """
    What the allowlist lets through for a fresh entity it lets through for a used one, as long as
    the old session named other targets.
    """
    named = {row.target for row in allowlist_rows(new)}
    old = [each for each in old if getattr(each, "address", None) not in named]
    fresh, used = installed(new), installed(new, previous=installed(old))
    if any(call.to not in named for call in calls):
        return  # an old entry may hide the functions on all contracts
    allowances = initial_allowances(new)

    if ask(fresh, calls, allowances=allowances).outcome is Outcome.ACCEPTED:
        assert ask(used, calls, allowances=allowances).outcome is Outcome.ACCEPTED
