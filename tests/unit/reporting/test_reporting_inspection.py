"""
What a signer is shown: every byte of it counts, and what is wrong with it is said.
"""

import contextlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recorded import entries, raw

from runner.adapters.wallet_api.documents import (
    read_bundle,
    read_operations,
    read_typed_document,
)
from runner.errors import EncodingError
from runner.ethereum import contracts, grants, installation
from runner.ethereum.address import parse_address
from runner.ethereum.authorization import Authorization
from runner.ethereum.calls import Call
from runner.ethereum.erc20 import encode_approve, encode_transfer
from runner.ethereum.modular_account import (
    encode_call_data,
    factory_data,
    increment_nonce,
    install_validation,
    semi_modular_account_address,
    uninstall_validation,
)
from runner.ethereum.permissions import (
    AccountFunctions,
    ContractAccess,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    GasLimit,
    NativeTokenTransfer,
    Root,
)
from runner.ethereum.user_operation import ENTRY_POINT_V07, UserOperation
from runner.reporting.granting import authorization_report, context_report, typed_data_report
from runner.reporting.inspection import (
    ShownDelegation,
    ShownOperation,
    calldata_report,
    install_report,
    operation_report,
)
from runner.reporting.outline import outline
from runner.reporting.text import Look

ACCOUNT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
KEY = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
TOKEN = parse_address("0x00000000000000000000000000000000000000da")
SIGNATURE = bytes(range(64)) + b"\x1b"
GRANTED = (
    NativeTokenTransfer(1),
    GasLimit(2),
    Erc20TokenTransfer(TOKEN, 3),
    ContractAccess(KEY),
)
INSTALL = install_validation(GRANTED, key=KEY, entity_id=7, expiry=4102444800)
PREPARED = next(
    exchange["response"]["body"]["result"]
    for vector in entries("http_v5")
    for exchange in vector["exchanges"]
    if vector["name"] == "prepare+sign+send: v0.7 op + callId"
)


def operation(**changes):
    op = UserOperation(ACCOUNT, 1 << 64, b"", 1, 2, 3, 4, 5)
    return replace(op, **changes)


def told(op, **about):
    return operation_report(ShownOperation(op, 1, **about))["warnings"]


# ── every byte counts ─────────────────────────────────────────────────────────────────────────


def flips(data):
    for place in range(len(data)):
        for change in (0x01, 0x80):
            yield data[:place] + bytes((data[place] ^ change,)) + data[place + 1 :]


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (install_report, INSTALL),
        (install_report, uninstall_validation(GRANTED, entity_id=7, expiry=9)),
        (context_report, grants.session_context(bytes(16), SIGNATURE)),
        (context_report, grants.installed_context(7, global_=True)),
        (
            context_report,
            grants.local_context(
                grants.deferred_action_bytes(
                    execution_hooks=True, nonce=5, deadline=9, call=INSTALL, signature=SIGNATURE
                )
            ),
        ),
        (
            calldata_report,
            encode_call_data(
                [Call(TOKEN, 1, encode_transfer(KEY, 5)), Call(KEY, 0, b"\1\2\3\4\5")],
                account=ACCOUNT,
                execution_hooks=True,
            ),
        ),
        (calldata_report, increment_nonce(0x103)),
        (calldata_report, b"\1\2\3\4" + bytes(40)),
    ],
)
def test_any_changed_byte_is_reported_or_refused(read, data):
    good = read(data)
    for bad in flips(data):
        try:
            assert read(bad) != good
        except EncodingError:
            continue


def other_digits(text):
    """
    A hex string with one digit changed, for every digit.
    """
    for place in range(2, len(text)):
        other = "1" if text[place] == "0" else "0"
        yield text[:place] + other + text[place + 1 :]


def test_any_changed_digit_of_a_prepared_operation_is_reported_or_refused():
    """
    Every digit of what is sent back, and of what is asked to be signed.
    """

    def report(document):
        [shown] = read_operations(document, None)
        return operation_report(shown)

    good, changed = report(PREPARED), 0
    for name, value in PREPARED["data"].items():
        for other in other_digits(value):
            changed += 1
            try:
                found = report({**PREPARED, "data": {**PREPARED["data"], name: other}})
            except EncodingError:
                continue
            assert found["user_op_hash"] != good["user_op_hash"], (name, other)
            assert found["warnings"], (name, other)
    asked = PREPARED["signatureRequest"]
    for other in other_digits(asked["data"]["raw"]):
        found = report({**PREPARED, "signatureRequest": {**asked, "data": {"raw": other}}})
        assert found["asked"] != good["asked"]
        assert "not the hash of this operation" in found["warnings"][0]
    assert changed > 500


@given(st.integers(0, len(INSTALL) - 1), st.integers(1, 255))
def test_any_changed_byte_of_a_grant_is_reported_or_refused(place, change):
    def report(call):
        return typed_data_report(
            grants.deferred_action(
                chain_id=1, account=ACCOUNT, nonce=0x702 << 64, deadline=9, call=call
            )
        )

    bad = INSTALL[:place] + bytes((INSTALL[place] ^ change,)) + INSTALL[place + 1 :]

    assert report(bad)["digest"] != report(INSTALL)["digest"]
    assert report(bad)["grant"] != report(INSTALL)["grant"]


# ── what is wrong is said ─────────────────────────────────────────────────────────────────────


def test_an_operation_like_any_other_gives_no_warning():
    call_data = encode_call_data([Call(KEY, 5)], account=ACCOUNT, execution_hooks=False)
    assert told(operation(call_data=call_data)) == []


@pytest.mark.parametrize(
    ("changes", "about", "warning"),
    [
        ({"call_data": b"\1"}, {}, "shorter than a selector"),
        ({"call_data": contracts.EXECUTE + b"\1"}, {}, "looks like execute"),
        ({"nonce": 4 << 64}, {}, "options that no session uses (direct call)"),
        ({"nonce": 0x80 << 64}, {}, "options that no session uses"),
        ({}, {"entry_point": KEY}, "not the one of v0.7"),
        ({}, {"claimed": bytes(32)}, "as its hash, which it is not"),
        ({"factory": KEY, "factory_data": factory_data(KEY)}, {}, "not the one of Modular Account"),
        (
            {"factory": contracts.FACTORY, "factory_data": factory_data(KEY)},
            {},
            "not the sender",
        ),
    ],
)
def test_an_operation_that_is_not_as_it_should_be(changes, about, warning):
    assert warning in " ".join(told(operation(**changes), **about))


def test_the_factory_that_makes_the_sender_is_no_cause_for_alarm():
    sender = semi_modular_account_address(KEY)
    made = operation(
        sender=sender, factory=contracts.FACTORY, factory_data=factory_data(KEY), call_data=b""
    )

    report = operation_report(ShownOperation(made, 1))

    assert report["warnings"] == []
    assert report["factory"]["makes"] == sender


@pytest.mark.parametrize(
    ("call", "warning"),
    [
        (Call(ACCOUNT, 0, contracts.UPDATE_FALLBACK_SIGNER + bytes(64)), "replaces the account's"),
        (Call(ENTRY_POINT_V07, 0, increment_nonce(1)), "voids what was signed"),
        (Call(TOKEN, 0, encode_approve(KEY, 2**256 - 1)), "now and later"),
        (Call(KEY, 0, contracts.EXECUTE_BATCH + b"\0"), "looks like executeBatch"),
        (Call(ACCOUNT, 0, INSTALL[:-32]), "looks like installValidation"),
    ],
)
def test_a_dangerous_call_is_named_by_its_place(call, warning):
    data = encode_call_data([Call(KEY), call], account=ACCOUNT, execution_hooks=False)

    warnings = told(operation(call_data=data))

    assert len(warnings) == 1
    assert warnings[0].startswith("call 2: ")
    assert warning in warnings[0]


def test_calls_are_told_in_words():
    calls = [
        Call(TOKEN, 0, encode_transfer(KEY, 5)),
        Call(TOKEN, 2, encode_approve(KEY, 2**256 - 1)),
        Call(KEY, 7),
        Call(KEY, 0, b"\1\2\3\4"),
        Call(contracts.FACTORY, 0, factory_data(KEY)),
    ]
    report = calldata_report(encode_call_data(calls, account=ACCOUNT, execution_hooks=False))

    assert [call["does"] for call in report["calls"]] == [
        f"transfer 5 base units of token {TOKEN} to {KEY}",
        f"let {KEY} spend any amount of token {TOKEN} with 2 wei",
        f"send 7 wei to {KEY}",
        f"call the unknown function 0x01020304 of {KEY}",
        f"call createSemiModularAccount({KEY}, 0) of {contracts.FACTORY}",
    ]


def test_calls_within_calls_are_read_to_a_depth():
    data = b""
    for _ in range(20):
        data = encode_call_data([Call(KEY, 0, data)], account=ACCOUNT, execution_hooks=False)

    report = calldata_report(data)

    assert "nested too deep" in " ".join(report["warnings"])


@pytest.mark.parametrize(
    ("permissions", "expiry", "warnings"),
    [
        (GRANTED, 9, []),
        (GRANTED, 0, ["the session never ends"]),
        ((Root(),), 9, ["root: everything"]),
        ((ContractAccess(KEY),), 9, ["no gas-limit", "no native-token-transfer"]),
        ((GasLimit(1), Erc20TokenTransfer(TOKEN, 1)), 9, []),
        (
            (GasLimit(1), AccountFunctions((contracts.UPDATE_FALLBACK_SIGNER,))),
            9,
            ["account function updateFallbackSignerData(address,bool): as strong as root"],
        ),
        (
            (GasLimit(1), NativeTokenTransfer(0), FunctionsOnAllContracts((bytes(4),))),
            9,
            ["functions-on-all-contracts", "selector 0x00000000"],
        ),
        (
            (GasLimit(1), NativeTokenTransfer(0), ContractAccess(contracts.ALLOWLIST_MODULE)),
            9,
            ["through which the key can widen itself"],
        ),
    ],
)
def test_what_a_session_leaves_open_is_said(permissions, expiry, warnings):
    data = install_validation(permissions, key=KEY, entity_id=1, expiry=expiry)

    found = install_report(data)["warnings"]

    assert len(found) == len(warnings)
    assert all(part in text for part, text in zip(warnings, found, strict=True))


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ({"module": contracts.ALLOWLIST_MODULE_2_0_0}, "blind behind executeUserOp"),
        ({"module": KEY}, "a module that nobody knows"),
        ({"flags": 3}, "not made by any set of permissions"),
    ],
)
def test_an_installation_made_by_hand_is_told(change, warning):
    made = installation.session_installation(GRANTED, key=KEY, entity_id=1, expiry=9)
    odd = replace(made, hooks=(*made.hooks[:-1], replace(made.hooks[-1], **change)))

    report = install_report(installation.encode_installation(odd))

    assert "permissions" not in report
    assert warning in " ".join(report["warnings"])


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"nonce": 0x802 << 64}, "the nonce is of entity 8, the call installs 7"),
        ({"nonce": 0x700 << 64}, "not one that installs"),
        ({"nonce": 0x703 << 64}, "disagree whether the session is global"),
        ({"nonce": 0x702 << 64 | 1}, "the entity was used before"),
        ({"deadline": 8}, "not the end of the session"),
        ({"call": b"\xa9\x05\x9c\xbb"}, "installs no session"),
    ],
)
def test_a_grant_whose_parts_disagree_is_told(changes, warning):
    terms = {"chain_id": 1, "account": ACCOUNT, "nonce": 0x702 << 64, "deadline": 4102444800}
    good = grants.deferred_action(call=INSTALL, **terms)
    assert typed_data_report(good)["warnings"] == []

    odd = grants.deferred_action(**{"call": INSTALL, **terms, **changes})

    assert warning in " ".join(typed_data_report(odd)["warnings"])


def test_an_uninstallation_without_data_leaves_tables_behind():
    """
    Measured: it succeeds, and the next session of the entity inherits.
    """
    full = uninstall_validation(GRANTED, entity_id=7, expiry=9)
    made = installation.session_installation((), key=KEY, entity_id=7, expiry=0)

    assert install_report(full)["warnings"] == []
    assert [each["entity_id"] for each in install_report(full)["hook_data"]][-1] == 7
    empty = install_report(installation.encode_uninstallation(made))
    assert "keep the session's tables" in empty["warnings"][0]


@pytest.mark.parametrize(
    ("authorization", "warnings"),
    [
        (Authorization(1, contracts.DELEGATE_7702, 0), []),
        (Authorization(1, "0x" + 40 * "0", 0), []),
        (Authorization(1, KEY, 0), ["not the account's code"]),
        (Authorization(0, contracts.DELEGATE_7702, 0), ["on every chain"]),
    ],
)
def test_a_delegation_is_told(authorization, warnings):
    found = authorization_report(authorization)["warnings"]

    assert len(found) == len(warnings)
    assert all(part in text for part, text in zip(warnings, found, strict=True))


def test_a_permit_is_told():
    vector = next(v for v in entries("signatures") if v["kind"].endswith("Permit"))
    data, _ = read_typed_document(vector["typedData"])

    report = typed_data_report(data)

    assert report["digest"] == vector["digest"]
    assert "permit" in report["warnings"][0]


# ── whatever comes ────────────────────────────────────────────────────────────────────────────

JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**300),
        st.floats(allow_nan=False),
        st.text(max_size=8),
        st.binary(max_size=40).map(lambda data: "0x" + data.hex()),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["type", "data", "chainId", "signature", "signatureRequest", "types", "domain"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=10,
)
DOCUMENTS = st.one_of(
    JSON,
    st.tuples(st.sampled_from(sorted(PREPARED)), JSON).map(
        lambda drawn: {**PREPARED, drawn[0]: drawn[1]}
    ),
    st.tuples(st.sampled_from(sorted(PREPARED["data"])), JSON).map(
        lambda drawn: {**PREPARED, "data": {**PREPARED["data"], drawn[0]: drawn[1]}}
    ),
)


@given(DOCUMENTS, st.none() | st.integers(1, 2**70))
def test_any_document_is_shown_or_refused(document, chain_id):
    with contextlib.suppress(EncodingError):
        for shown in read_operations(document, chain_id):
            report = (
                authorization_report(shown.authorization, shown.raw_payload, shown.signature)
                if isinstance(shown, ShownDelegation)
                else operation_report(shown)
            )
            assert_shown(report)
    with contextlib.suppress(EncodingError):
        assert_shown(typed_data_report(*read_typed_document(document)))


@given(
    st.sampled_from(
        [b"", INSTALL, b"\0", b"\1", b"\2", contracts.EXECUTE_USER_OP, b"\x76\x5e\x82\x7f"]
    ),
    st.binary(max_size=120),
)
def test_any_bytes_are_shown_or_refused(start, rest):
    data = start + rest
    for read in (install_report, context_report, calldata_report):
        try:
            assert_shown(read(data))
        except EncodingError:
            continue
    with contextlib.suppress(EncodingError):
        read_bundle(data, 1)


def assert_shown(report):
    """
    JSON for scripts, printable lines for people.
    """
    json.dumps(report, allow_nan=False)
    for look in (Look(), Look(width=80, colour=True)):
        assert all(line.replace("\x1b", "").isprintable() for line in outline(report, look))


def test_long_bytes_are_cut_on_a_terminal_alone():
    data = "0x" + 200 * "ab"
    report = {"kind": "calldata", "data": data, "warnings": []}

    assert data in "".join(outline(report, Look()))
    assert "(200 bytes)" in "".join(outline(report, Look(width=80)))


def test_hex_of_the_recorded_grants_is_read_back():
    for vector in entries("permissions"):
        report = install_report(raw(vector["installValidationCalldata"]))
        assert report["kind"] == "install"
        assert report["permissions"]
