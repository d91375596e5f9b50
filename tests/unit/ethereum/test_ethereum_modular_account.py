"""
Call data and installations: what is read is all that the bytes do.
"""

import pytest
from eth_abi.abi import encode as oracle_encode
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import EncodingError
from runner.ethereum import contracts, grants, installation, modular_account
from runner.ethereum.address import address_from_bytes
from runner.ethereum.calls import Call
from runner.ethereum.hashing import keccak256
from runner.ethereum.modular_account import (
    PermissionRefused,
    check_permissions,
    decode_call_data,
    decode_context,
    decode_install_validation,
    decode_uninstall_validation,
    encode_call_data,
    increment_nonce,
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

ACCOUNT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
KEY = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
SIGNATURE = b"\x01" * 64 + b"\x1b"
ADDRESSES = st.binary(min_size=20, max_size=20).map(address_from_bytes)
AMOUNTS = st.integers(0, 2**256 - 1)
SELECTORS = st.lists(st.binary(min_size=4, max_size=4), max_size=3).map(tuple)
CALLS = st.lists(st.builds(Call, ADDRESSES, AMOUNTS, st.binary(max_size=100)), max_size=4)
PERMISSIONS = st.tuples(
    st.lists(st.builds(NativeTokenTransfer, AMOUNTS), max_size=1),
    st.lists(st.builds(GasLimit, AMOUNTS), max_size=1),
    st.lists(
        st.one_of(
            st.builds(Erc20TokenTransfer, ADDRESSES, AMOUNTS),
            st.builds(ContractAccess, ADDRESSES),
            st.builds(AccountFunctions, SELECTORS),
            st.builds(FunctionsOnAllContracts, SELECTORS),
            st.builds(FunctionsOnContract, ADDRESSES, SELECTORS),
            st.just(Root()),
        ),
        max_size=3,
    ),
).map(lambda parts: [permission for part in parts for permission in part])
ENTITIES = st.integers(1, contracts.LARGEST_ENTITY_ID)
EXPIRIES = st.one_of(st.just(0), st.integers(1, 2**48 - 1))
GRANTED = [
    NativeTokenTransfer(1),
    GasLimit(2),
    Erc20TokenTransfer(ACCOUNT, 3),
    FunctionsOnContract(KEY, (b"abcd",)),
    AccountFunctions((b"wxyz",)),
]


def flipped(draw, data):
    """
    Return the bytes with one of them changed.
    """
    place = draw.draw(st.integers(0, len(data) - 1))
    change = draw.draw(st.integers(1, 255))
    return data[:place] + bytes((data[place] ^ change,)) + data[place + 1 :]


@given(CALLS, st.booleans(), st.sampled_from(["execute", "executeBatch"]))
def test_decoding_undoes_encoding_call_data(calls, hooks, single):
    data = encode_call_data(calls, account=ACCOUNT, execution_hooks=hooks, single=single)

    decoded = decode_call_data(data)

    assert decoded.calls == tuple(calls)
    assert decoded.user_op_context is hooks
    assert decoded.form == (single if len(calls) == 1 else "executeBatch")


@given(CALLS)
def test_encodes_like_eth_abi(calls):
    tuples = [(call.to, call.value, call.data) for call in calls]
    expected = contracts.EXECUTE_BATCH + oracle_encode(["(address,uint256,bytes)[]"], [tuples])
    assert encode_call_data(calls, account=ACCOUNT, execution_hooks=False) == expected


@given(CALLS, st.booleans(), st.sampled_from(["execute", "executeBatch"]), st.data())
def test_any_changed_byte_of_call_data_is_seen(calls, hooks, single, draw):
    data = encode_call_data(calls, account=ACCOUNT, execution_hooks=hooks, single=single)
    bad = flipped(draw, data)
    try:
        decoded = decode_call_data(bad)
    except EncodingError:
        return
    assert decoded != decode_call_data(data)


@given(st.binary(max_size=8), st.lists(st.integers(0, 300), max_size=12), st.binary(max_size=3))
def test_reading_call_data_raises_nothing_else(start, words, rest):
    body = b"".join(word.to_bytes(32, "big") for word in words) + rest
    for head in (start, contracts.EXECUTE, contracts.EXECUTE_USER_OP + contracts.EXECUTE_BATCH):
        try:
            decoded = decode_call_data(head + body)
        except EncodingError:
            continue
        again = encode_call_data(
            decoded.calls,
            account="0x" + "00" * 19 + "99",
            execution_hooks=decoded.user_op_context,
            single=decoded.form,
        )
        assert again == head + body


def test_refuses_other_call_data():
    good = encode_call_data([Call(KEY)], account=ACCOUNT, execution_hooks=True)
    for data in (
        b"",
        contracts.EXECUTE,
        contracts.EXECUTE_USER_OP,
        contracts.EXECUTE_USER_OP + good,
        good + b"\0",
        good[:-1],
        bytes.fromhex("a9059cbb") + good[4:],
    ):
        with pytest.raises(EncodingError):
            decode_call_data(data)


@pytest.mark.parametrize(
    "call", [Call(ACCOUNT, 1, b"abcd"), Call(ACCOUNT, 0, b"abc"), Call(KEY, -1), Call(KEY, 2**256)]
)
def test_refuses_calls_that_cannot_be_made(call):
    with pytest.raises(EncodingError):
        encode_call_data([call], account=ACCOUNT, execution_hooks=False, single="execute")


@given(PERMISSIONS, ADDRESSES, ENTITIES, EXPIRIES)
def test_decoding_undoes_encoding_an_installation(permissions, key, entity_id, expiry):
    arguments = {"key": key, "entity_id": entity_id, "expiry": expiry}
    made = installation.session_installation(permissions, **arguments)

    found = decode_install_validation(install_validation(permissions, **arguments))

    assert found == made
    assert found.key == key
    assert found.is_global == installation.is_global(permissions)
    execution_hooks = [hook for hook in found.hooks if not hook.in_validation]
    assert bool(execution_hooks) == installation.has_execution_hooks(permissions)


@given(PERMISSIONS, ENTITIES, EXPIRIES)
def test_installation_encodes_like_eth_abi(permissions, entity_id, expiry):
    made = installation.session_installation(
        permissions, key=KEY, entity_id=entity_id, expiry=expiry
    )
    config = installation.module_config(made.module, entity_id, made.flags)
    hooks = [
        installation.module_config(hook.module, hook.entity_id, hook.flags) + hook.init_data
        for hook in made.hooks
    ]
    types = ["bytes25", "bytes4[]", "bytes", "bytes[]"]
    arguments = [config, list(made.selectors), made.install_data, hooks]
    assert installation.encode_installation(made)[4:] == oracle_encode(types, arguments)


@given(PERMISSIONS, st.data())
def test_any_changed_byte_of_an_installation_is_seen(permissions, draw):
    data = install_validation(permissions, key=KEY, entity_id=1, expiry=4102444800)
    bad = flipped(draw, data)
    try:
        found = decode_install_validation(bad)
    except EncodingError:
        return
    assert found != decode_install_validation(data)


def test_every_single_changed_byte_of_a_full_installation_is_seen():
    data = install_validation(GRANTED, key=KEY, entity_id=7, expiry=4102444800)
    good = decode_install_validation(data)
    for place in range(len(data)):
        for change in (1, 0x20, 0x80):
            bad = data[:place] + bytes((data[place] ^ change,)) + data[place + 1 :]
            try:
                found = decode_install_validation(bad)
            except EncodingError:
                continue
            assert found != good, place


@given(PERMISSIONS, ENTITIES, EXPIRIES, st.data())
def test_uninstallation_round_trip(permissions, entity_id, expiry, draw):
    data = uninstall_validation(permissions, entity_id=entity_id, expiry=expiry)
    found = decode_uninstall_validation(data)

    assert (found.module, found.entity_id) == (contracts.SINGLE_SIGNER_MODULE, entity_id)
    entity = installation.module_entity(found.module, entity_id)
    types = ["bytes24", "bytes", "bytes[]"]
    arguments = [entity, found.uninstall_data, list(found.hook_data)]
    assert data[4:] == oracle_encode(types, arguments)
    try:
        assert decode_uninstall_validation(flipped(draw, data)) != found
    except EncodingError:
        return


def test_uninstalls_backwards_validation_hooks_first():
    """
    The order that leaves no table behind, measured on the deployed bytecode.
    """
    data = uninstall_validation(GRANTED, entity_id=7, expiry=9)

    second = 7 + contracts.SECOND_HOOK_OFFSET
    hooks = decode_install_validation(install_validation(GRANTED, key=KEY, entity_id=7, expiry=9))
    time, native, erc20, gas, allowlist = hooks.hooks
    assert [hook.entity_id for hook in (time, native, erc20, gas, allowlist)] == [
        7,
        7,
        second,
        second,
        7,
    ]
    assert decode_uninstall_validation(data).hook_data == (
        allowlist.init_data,
        second.to_bytes(32),
        (7).to_bytes(32),
        erc20.init_data,
        (7).to_bytes(32),
    )


def test_knows_no_uninstall_data_of_a_foreign_module():
    hook = installation.Hook(contracts.PAYMASTER_GUARD_MODULE, 1, 1, b"")
    foreign = installation.Installation(contracts.SINGLE_SIGNER_MODULE, 1, 1, (), b"", (hook,))

    with pytest.raises(EncodingError, match="no uninstall data"):
        installation.encode_uninstallation(foreign)


@pytest.mark.parametrize(
    ("permissions", "changes"),
    [
        ([], {"entity_id": 0}),
        ([], {"entity_id": contracts.LARGEST_ENTITY_ID + 1}),
        ([], {"expiry": 2**48}),
        ([], {"expiry": -1}),
        ([NativeTokenTransfer(1), NativeTokenTransfer(1)], {}),
        ([GasLimit(1), GasLimit(1)], {}),
        ([NativeTokenTransfer(-1)], {}),
        ([GasLimit(2**256)], {}),
        ([Erc20TokenTransfer(KEY, 2**256)], {}),
        ([FunctionsOnContract(KEY, (b"abc",))], {}),
        ([AccountFunctions((b"abcde",))], {}),
    ],
)
def test_refuses_to_encode(permissions, changes):
    with pytest.raises(EncodingError):
        install_validation(permissions, **({"key": KEY, "entity_id": 1, "expiry": 0} | changes))


@pytest.mark.parametrize(
    ("module", "install_data"),
    [
        (contracts.WEBAUTHN_MODULE, (1).to_bytes(32) + bytes(32)),
        (contracts.SINGLE_SIGNER_MODULE, b""),
        (contracts.SINGLE_SIGNER_MODULE, (2).to_bytes(32) + bytes(32)),
        (contracts.SINGLE_SIGNER_MODULE, (1).to_bytes(32) + b"\x01" + bytes(31)),
        (contracts.SINGLE_SIGNER_MODULE, (1).to_bytes(32) + bytes(64)),
    ],
)
def test_an_installation_of_something_else_has_no_key(module, install_data):
    assert installation.Installation(module, 1, 1, (), install_data, ()).key is None


@given(st.binary(max_size=4), st.lists(st.integers(0, 300), max_size=14), st.binary(max_size=3))
def test_reading_raises_nothing_else(start, words, rest):
    body = b"".join(word.to_bytes(32, "big") for word in words) + rest
    for read, head in (
        (decode_install_validation, contracts.INSTALL_VALIDATION),
        (decode_uninstall_validation, contracts.UNINSTALL_VALIDATION),
        (decode_context, b""),
        (grants.decode_deferred_action, b""),
    ):
        for data in (head + body, start, start + body):
            try:
                read(data)
            except EncodingError:
                continue


@given(st.booleans(), AMOUNTS, st.integers(0, 2**48 - 1), st.binary(max_size=80), st.data())
def test_deferred_action_round_trip(hooks, nonce, deadline, call, draw):
    data = grants.deferred_action_bytes(
        execution_hooks=hooks, nonce=nonce, deadline=deadline, call=call, signature=SIGNATURE
    )
    found = grants.decode_deferred_action(data)

    assert (found.execution_hooks, found.nonce, found.deadline) == (hooks, nonce, deadline)
    assert (found.call, found.signature) == (call, b"\0" + SIGNATURE)
    assert found.locator == grants.OWNER_LOCATOR
    try:
        assert grants.decode_deferred_action(flipped(draw, data)) != found
    except EncodingError:
        return


def test_refuses_malformed_grant_parts():
    for make in (
        lambda: grants.session_context(bytes(15), SIGNATURE),
        lambda: grants.session_context(bytes(16), b""),
        lambda: grants.wrap_session_signature(SIGNATURE[:-1]),
        lambda: grants.contract_signature(SIGNATURE, 2**32),
        lambda: grants.installed_context(2**32, global_=False),
        lambda: grants.deferred_segment(deadline=2**48, call=b"", signature=SIGNATURE),
        lambda: grants.deferred_segment(deadline=0, call=b"", signature=b""),
        lambda: increment_nonce(2**192),
        lambda: modular_account.factory_data(KEY, 2**256),
        lambda: modular_account.semi_modular_account_address(KEY, -1),
    ):
        with pytest.raises(EncodingError):
            make()


def test_increment_nonce():
    selector = keccak256(b"incrementNonce(uint192)")[:4]
    assert increment_nonce(0x103) == selector + (0x103).to_bytes(32)


@pytest.mark.parametrize(
    ("selector", "signature"),
    [
        (contracts.EXECUTE, "execute(address,uint256,bytes)"),
        (contracts.EXECUTE_BATCH, "executeBatch((address,uint256,bytes)[])"),
        (contracts.EXECUTE_WITH_RUNTIME_VALIDATION, "executeWithRuntimeValidation(bytes,bytes)"),
        (contracts.INSTALL_VALIDATION, "installValidation(bytes25,bytes4[],bytes,bytes[])"),
        (contracts.UNINSTALL_VALIDATION, "uninstallValidation(bytes24,bytes,bytes[])"),
        (contracts.UPGRADE_TO_AND_CALL, "upgradeToAndCall(address,bytes)"),
        (contracts.UPDATE_FALLBACK_SIGNER, "updateFallbackSignerData(address,bool)"),
        (contracts.GET_VALIDATION_DATA, "getValidationData(bytes24)"),
        (contracts.IS_VALID_SIGNATURE, "isValidSignature(bytes32,bytes)"),
        (contracts.CREATE_SEMI_MODULAR_ACCOUNT, "createSemiModularAccount(address,uint256)"),
        (contracts.GET_NONCE, "getNonce(address,uint192)"),
    ],
)
def test_selectors(selector, signature):
    assert selector == keccak256(signature.encode())[:4]


@pytest.mark.parametrize("expiry", [99, 100])
def test_the_second_that_has_begun_is_past(expiry):
    with pytest.raises(PermissionRefused) as caught:
        check_permissions([Root()], expiry=expiry, now=100, account=ACCOUNT)

    assert caught.value.name == "ExpiredDeadlineError"


@pytest.mark.parametrize("expiry", [0, 101])
def test_takes_an_expiry_to_come_or_none(expiry):
    check_permissions([Root()], expiry=expiry, now=100, account=ACCOUNT)


def test_names_exported_for_others_exist():
    for name in modular_account.__all__:
        assert hasattr(modular_account, name)
