"""Installing from the bytes of a grant gives what its permissions mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.ethereum.address import Address, address_from_bytes
from runner.ethereum.installation import (
    Uninstallation,
    decode_install_validation,
    decode_uninstall_validation,
    install_validation,
    uninstall_validation,
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
from runner.guard.scope import initial_allowances, installed
from runner.sandbox.entity import AccountReverted, install, uninstall

KEY = Address("0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF")

addresses = st.integers(1, 8).map(lambda n: address_from_bytes(bytes(19) + bytes((n,))))
amounts = st.integers(0, 2**256 - 1)
selectors = st.lists(st.sampled_from([bytes((n,)) * 4 for n in range(5)]), min_size=1, unique=True)
functions = selectors.map(tuple)
limits = st.one_of(
    st.builds(Erc20TokenTransfer, addresses, amounts),
    st.builds(ContractAccess, addresses),
    st.builds(FunctionsOnAllContracts, functions),
    st.builds(FunctionsOnContract, addresses, functions),
)


@st.composite
def permissions(draw):
    chosen = draw(st.lists(limits, max_size=5))
    for once in (NativeTokenTransfer, GasLimit):
        if draw(st.booleans()):
            chosen.append(once(draw(amounts)))
    if draw(st.booleans()):
        chosen.append(AccountFunctions(draw(functions)))
    return draw(st.permutations(chosen)) or [Root()]


def standing(granted, *, entity_id=1, expiry=0, remains=None):
    call = install_validation(granted, key=KEY, entity_id=entity_id, expiry=expiry)
    return install(decode_install_validation(call), remains)


@given(permissions(), st.sampled_from([0, 1_900_000_000]))
def test_an_install_means_what_its_permissions_mean(granted, expiry):
    entity = standing(granted, expiry=expiry)

    assert entity.session == installed(granted, expiry=expiry)
    assert entity.allowances == initial_allowances(granted)
    assert entity.key == KEY


@given(permissions())
def test_a_clean_uninstall_leaves_nothing_that_counts(granted):
    entity = standing(granted, expiry=1_900_000_000)
    asked = decode_uninstall_validation(
        uninstall_validation(granted, entity_id=1, expiry=1_900_000_000)
    )

    remains, succeeded = uninstall(entity, asked)

    assert succeeded
    assert not any(entry.allowed for entry in remains.allowlist.entries.values())
    assert not any(entry.limited for entry in remains.spending.entries.values())
    assert not any(remains.allowlist.selectors.values())
    assert remains.erc20 == {}


@given(permissions(), permissions())
def test_an_uninstall_without_hook_data_hands_the_tables_on(first, second):
    bare = Uninstallation(standing(first).installation.module, 1, bytes(32), ())

    remains, succeeded = uninstall(standing(first), bare)
    again = standing(second, remains=remains)

    assert succeeded
    previous = installed(first)
    assert again.session == installed(second, previous=previous)
    assert again.allowances == initial_allowances(second, previous=initial_allowances(first))


def test_the_same_account_function_twice_cannot_be_installed():
    twice = AccountFunctions((b"aaaa", b"aaaa"))

    with pytest.raises(AccountReverted, match="ValidationAlreadySet"):
        standing([twice])
