"""
Modules' data, what an installation grants, packed operations, signatures, delegations: both ways.
"""

from dataclasses import fields, replace

import coincurve
import pytest
from eth_abi.abi import encode as oracle_encode
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import EncodingError
from runner.ethereum import contracts, grants, installation, modules
from runner.ethereum.address import ZERO_ADDRESS, address_from_bytes
from runner.ethereum.authorization import (
    Authorization,
    decode_delegation,
    delegation_code,
)
from runner.ethereum.granted import granted_by
from runner.ethereum.hashing import keccak256
from runner.ethereum.modular_account import (
    check_permissions,
    decode_factory_data,
    factory_data,
    uninstall_validation,
)
from runner.ethereum.permission_check import PermissionRefused
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
from runner.ethereum.user_operation import (
    UserOperation,
    unpack_user_operation,
    user_operation_hash,
)

ACCOUNT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
KEY = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
SIGNATURE = bytes(range(64)) + b"\x1b"

ADDRESSES = st.binary(min_size=20, max_size=20).map(address_from_bytes)
UINT32 = st.integers(0, 2**32 - 1)
UINT48 = st.integers(0, 2**48 - 1)
UINT128 = st.integers(0, 2**128 - 1)
UINT256 = st.integers(0, 2**256 - 1)
SELECTORS = st.lists(st.binary(min_size=4, max_size=4), max_size=3).map(tuple)
ENTRIES = st.builds(
    modules.AllowlistEntry, ADDRESSES, st.booleans(), st.booleans(), UINT256, SELECTORS
)
DATA = {
    contracts.SINGLE_SIGNER_MODULE: st.builds(modules.SingleSigner, UINT32, ADDRESSES),
    contracts.WEBAUTHN_MODULE: st.builds(modules.WebAuthn, UINT32, UINT256, UINT256),
    contracts.TIME_RANGE_MODULE: st.builds(modules.TimeRange, UINT32, UINT48, UINT48),
    contracts.NATIVE_LIMIT_MODULE: st.builds(modules.NativeLimit, UINT32, UINT256),
    contracts.ALLOWLIST_MODULE: st.builds(
        modules.Allowlist, UINT32, st.lists(ENTRIES, max_size=3).map(tuple)
    ),
    contracts.PAYMASTER_GUARD_MODULE: st.builds(modules.PaymasterGuard, UINT32, ADDRESSES),
}
MODULE_DATA = st.sampled_from(sorted(DATA)).flatmap(
    lambda module: st.tuples(st.just(module), DATA[module])
)
PERMISSIONS = st.one_of(
    st.just([Root()]),
    st.lists(
        st.one_of(
            st.builds(NativeTokenTransfer, UINT256),
            st.builds(GasLimit, UINT256),
            st.builds(Erc20TokenTransfer, ADDRESSES, UINT256),
            st.builds(ContractAccess, ADDRESSES),
            st.builds(AccountFunctions, SELECTORS),
            st.builds(FunctionsOnAllContracts, SELECTORS),
            st.builds(FunctionsOnContract, ADDRESSES, SELECTORS),
        ),
        min_size=1,
        max_size=6,
    ),
)
ABSENT_OR_ADDRESS = st.one_of(st.none(), ADDRESSES)


def flipped(draw, data):
    """
    Return the bytes with one of them changed.
    """
    place = draw.draw(st.integers(0, len(data) - 1))
    change = draw.draw(st.integers(1, 255))
    return data[:place] + bytes((data[place] ^ change,)) + data[place + 1 :]


@given(MODULE_DATA, st.data())
def test_module_data_round_trip(drawn, draw):
    module, value = drawn
    data = modules.encode_module_data(value)

    assert modules.decode_module_data(module, data) == value
    try:
        assert modules.decode_module_data(module, flipped(draw, data)) != value
    except EncodingError:
        return


@given(UINT32, st.lists(ENTRIES, max_size=3))
def test_allowlist_data_like_eth_abi(entity_id, entries):
    tuples = [tuple(getattr(entry, field.name) for field in fields(entry)) for entry in entries]
    expected = oracle_encode(
        ["uint32", "(address,bool,bool,uint256,bytes4[])[]"], [entity_id, tuples]
    )
    assert modules.encode_module_data(modules.Allowlist(entity_id, tuple(entries))) == expected


@given(st.sampled_from([*DATA, KEY]), st.lists(st.integers(0, 300), max_size=12), st.binary())
def test_reading_module_data_raises_nothing_else(module, words, rest):
    data = b"".join(word.to_bytes(32, "big") for word in words) + rest[:5]
    try:
        value = modules.decode_module_data(module, data)
    except EncodingError:
        return
    assert modules.encode_module_data(value) == data


@pytest.mark.parametrize(
    "value",
    [
        modules.SingleSigner(2**32, KEY),
        modules.TimeRange(1, 2**48, 0),
        modules.TimeRange(1, 0, 2**48),
        modules.NativeLimit(1, -1),
        modules.WebAuthn(1, 2**256, 0),
        modules.Allowlist(1, (modules.AllowlistEntry(KEY, True, selectors=(b"abc",)),)),
        modules.Allowlist(1, (modules.AllowlistEntry(KEY, True, True, 2**256),)),
    ],
)
def test_refuses_module_data_out_of_range(value):
    with pytest.raises(EncodingError):
        modules.encode_module_data(value)


# ── from an installation back to permissions ──────────────────────────────────────────────────


@given(PERMISSIONS, ADDRESSES, st.integers(1, contracts.LARGEST_ENTITY_ID), UINT48)
def test_what_was_granted_is_found_again(permissions, key, entity_id, expiry):
    """
    Whatever the builder takes comes back as permissions that install the same bytes.
    """
    try:
        check_permissions(permissions, expiry=expiry, now=0, account=ACCOUNT, entity_id=entity_id)
    except PermissionRefused:
        return
    terms = {"key": key, "entity_id": entity_id, "expiry": expiry}
    made = installation.session_installation(permissions, **terms)

    found = granted_by(made)

    assert (found.key, found.entity_id, found.expiry) == (key, entity_id, expiry)
    assert installation.session_installation(found.permissions, **terms) == made


def test_names_the_permissions_in_one_order():
    permissions = (
        NativeTokenTransfer(1),
        GasLimit(2),
        AccountFunctions((b"wxyz",)),
        Erc20TokenTransfer(ACCOUNT, 3),
        FunctionsOnContract(KEY, (b"abcd",)),
        FunctionsOnAllContracts((b"efgh",)),
        ContractAccess("0x" + 39 * "0" + "1"),
    )
    shuffled = (permissions[4], permissions[0], *permissions[5:], permissions[3], permissions[1:3])
    made = installation.session_installation(
        [*shuffled[:-1], *shuffled[-1]], key=KEY, entity_id=7, expiry=9
    )

    found = granted_by(made)

    assert set(found.permissions) == set(permissions)
    assert [type(each) for each in found.permissions[:3]] == [
        NativeTokenTransfer,
        GasLimit,
        AccountFunctions,
    ]


def full_installation():
    permissions = [GasLimit(5), Erc20TokenTransfer(ACCOUNT, 3), ContractAccess(KEY)]
    return installation.session_installation(permissions, key=KEY, entity_id=7, expiry=9)


@pytest.mark.parametrize(
    "change",
    [
        lambda made: replace(made, flags=made.flags | installation.VALIDATION_SIGNATURE),
        lambda made: replace(made, flags=made.flags | installation.VALIDATION_GLOBAL),
        lambda made: replace(made, selectors=()),
        lambda made: replace(made, selectors=(*made.selectors, b"abcd")),
        lambda made: replace(made, hooks=made.hooks[::-1]),
        lambda made: replace(made, hooks=(*made.hooks, made.hooks[0])),
        lambda made: replace(made, hooks=made.hooks[1:-1]),
        lambda made: replace(made, hooks=(replace(made.hooks[0], flags=4), *made.hooks[1:])),
        lambda made: replace(made, hooks=(replace(made.hooks[0], entity_id=8), *made.hooks[1:])),
        lambda made: replace(made, hooks=(replace(made.hooks[0], module=KEY), *made.hooks[1:])),
        lambda made: replace(
            made,
            hooks=(
                *made.hooks,
                installation.Hook(
                    contracts.PAYMASTER_GUARD_MODULE,
                    7,
                    5,
                    modules.encode_module_data(modules.PaymasterGuard(7, KEY)),
                ),
            ),
        ),
        lambda made: replace(made, module=contracts.WEBAUTHN_MODULE),
        lambda made: replace(made, entity_id=8),
    ],
)
def test_an_installation_made_by_hand_grants_nothing_nameable(change):
    """
    One thing more or less than our permissions would make, and none are named.
    """
    made = full_installation()
    assert granted_by(made) is not None

    assert granted_by(change(made)) is None


def test_uninstalling_takes_the_bytes_that_were_measured():
    """
    One function, one token and all five hooks: 1,572 bytes on the deployed contracts.
    """
    permissions = [
        FunctionsOnContract(KEY, (b"abcd",)),
        Erc20TokenTransfer(ACCOUNT, 100),
        NativeTokenTransfer(0),
        GasLimit(5),
    ]
    assert len(uninstall_validation(permissions, entity_id=1, expiry=9)) == 1572


# ── packed operations ─────────────────────────────────────────────────────────────────────────


@st.composite
def operations(draw):
    """
    Any operation of EntryPoint v0.7.
    """
    factory, paymaster = draw(ABSENT_OR_ADDRESS), draw(ABSENT_OR_ADDRESS)
    return UserOperation(
        sender=draw(ADDRESSES),
        nonce=draw(UINT256),
        call_data=draw(st.binary(max_size=80)),
        call_gas_limit=draw(UINT128),
        verification_gas_limit=draw(UINT128),
        pre_verification_gas=draw(UINT256),
        max_fee_per_gas=draw(UINT128),
        max_priority_fee_per_gas=draw(UINT128),
        factory=factory,
        factory_data=draw(st.binary(max_size=40)) if factory else b"",
        paymaster=paymaster,
        paymaster_verification_gas_limit=draw(UINT128) if paymaster else 0,
        paymaster_post_op_gas_limit=draw(UINT128) if paymaster else 0,
        paymaster_data=draw(st.binary(max_size=40)) if paymaster else b"",
    )


PACKED = ("init_code", "account_gas_limits", "gas_fees", "paymaster_and_data")
KEPT = ("sender", "nonce", "call_data", "pre_verification_gas")


@given(operations(), st.data())
def test_unpacking_undoes_packing(operation, draw):
    packed = {name: getattr(operation, name) for name in (*KEPT, *PACKED)}

    assert unpack_user_operation(**packed) == operation
    name = draw.draw(st.sampled_from([n for n in ("call_data", *PACKED) if packed[n]] or [None]))
    if name is None:
        return
    other = unpack_user_operation(**{**packed, name: flipped(draw, packed[name])})
    assert other != operation
    assert user_operation_hash(other, 1) != user_operation_hash(operation, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("account_gas_limits", bytes(31)),
        ("account_gas_limits", bytes(33)),
        ("gas_fees", b""),
        ("init_code", bytes(19)),
        ("paymaster_and_data", bytes(51)),
        ("paymaster_and_data", bytes(1)),
    ],
)
def test_refuses_a_packed_field_that_ends_early(name, value):
    packed = {
        "sender": KEY,
        "nonce": 0,
        "init_code": b"",
        "call_data": b"",
        "account_gas_limits": bytes(32),
        "pre_verification_gas": 0,
        "gas_fees": bytes(32),
        "paymaster_and_data": b"",
    }
    assert unpack_user_operation(**packed).sender == KEY
    with pytest.raises(EncodingError):
        unpack_user_operation(**{**packed, name: value})


# ── signatures and delegations ────────────────────────────────────────────────────────────────


@given(st.binary(min_size=65, max_size=65), st.booleans(), UINT48, st.binary(max_size=60))
def test_an_operations_signature_round_trip(signature, installs, deadline, call):
    segment = b""
    if installs:
        segment = grants.deferred_segment(deadline=deadline, call=call, signature=SIGNATURE)

    found = grants.decode_session_signature(grants.wrap_session_signature(signature, segment))

    assert (found.signature, found.deferred) == (signature, segment)
    if installs:
        read = grants.decode_deferred_segment(found.deferred)
        assert (read.locator, read.deadline, read.call, read.signature) == (
            grants.OWNER_LOCATOR,
            deadline,
            call,
            b"\0" + SIGNATURE,
        )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        SIGNATURE,
        b"\xff\x01" + SIGNATURE,
        b"\xfe\x00" + SIGNATURE,
        b"\x00\xff\x00" + SIGNATURE,
        bytes(8) + b"\xff\x00" + SIGNATURE,
    ],
)
def test_refuses_what_is_no_operations_signature(data):
    with pytest.raises(EncodingError):
        grants.decode_session_signature(data)


@given(st.binary(max_size=200))
def test_reading_signatures_raises_nothing_else(data):
    for made in (data, data + b"\xff\x00" + SIGNATURE):
        try:
            found = grants.decode_session_signature(made)
        except EncodingError:
            continue
        assert grants.wrap_session_signature(found.signature, found.deferred) == made


@given(ADDRESSES, UINT256)
def test_factory_data_round_trip(owner, salt):
    assert decode_factory_data(factory_data(owner, salt)) == (owner, salt)


@pytest.mark.parametrize("data", [b"", factory_data(KEY)[:-1], b"abcd" + factory_data(KEY)[4:]])
def test_refuses_other_factory_data(data):
    with pytest.raises(EncodingError):
        decode_factory_data(data)


@given(st.binary(min_size=32, max_size=32), UINT256, ADDRESSES, st.integers(0, 2**64 - 1))
def test_the_authority_is_who_signed(secret, chain_id, delegate, nonce):
    try:
        key = coincurve.PrivateKey(secret)
    except ValueError:
        return
    authorization = Authorization(chain_id, delegate, nonce)
    signed = key.sign_recoverable(authorization.digest, hasher=None)

    authority = authorization.authority(signed[:64] + bytes((27 + signed[64],)))

    public = key.public_key.format(compressed=False)[1:]
    assert authority == address_from_bytes(keccak256(public)[12:])


@given(ADDRESSES)
def test_a_delegated_eoa_has_its_delegate_in_its_code(delegate):
    assert decode_delegation(delegation_code(delegate)) == delegate
    assert len(delegation_code(delegate)) == 23


@pytest.mark.parametrize(
    "code", [b"", b"\xef\x01\x00", bytes(23), delegation_code(ZERO_ADDRESS) + b"\0"]
)
def test_refuses_the_code_of_anything_else(code):
    with pytest.raises(EncodingError):
        decode_delegation(code)
