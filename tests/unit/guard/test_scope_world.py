"""
Cases made up beside the recorded ones, with what is known of the contracts as the answer.

Source: onchain-facts.md (measured), semantics.md §2, §3 and §6, mav2.md §7.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.ethereum import contracts
from runner.ethereum.address import address_from_bytes
from runner.ethereum.erc20 import TRANSFER_FROM, encode_approve, encode_transfer
from runner.ethereum.installation import (
    install_validation,
    session_installation,
    uninstall_validation,
)
from runner.ethereum.permissions import (
    ContractAccess,
    Erc20TokenTransfer,
    GasLimit,
    NativeTokenTransfer,
)
from runner.ethereum.words import address_word, bytes_tail, uint_word
from runner.guard.cases import judge_case
from runner.guard.cases_reading import make_world, normal, written_permission
from runner.guard.scope import (
    Allowances,
    Form,
    Outcome,
    initial_allowances,
    installed,
    judge,
    read_operation,
)

FILE = Path(__file__).parents[2] / "vectors" / "oracle-verdicts.json"
DOCUMENT = json.loads(FILE.read_text(encoding="utf-8"))
LABELS = DOCUMENT["labels"]
ADDRESSES = {name: address_from_bytes(bytes.fromhex(text[2:])) for name, text in LABELS.items()}
FOO = "0x2fbebd38" + "00" * 31 + "01"
ACCOUNT_ID = "0x9cfd7cff"
ACCESS_A = [{"type": "contract-access", "data": {"address": LABELS["targetA"]}}]


def access(*names):
    """
    contract-access on the labelled addresses.
    """
    return [{"type": "contract-access", "data": {"address": LABELS[name]}} for name in names]


def call(name, data=FOO, value=0):
    """
    One call to a labelled address.
    """
    return {
        "to": LABELS[name],
        "data": data if isinstance(data, str) else "0x" + data.hex(),
        "value": hex(value),
    }


def send(*calls, **members):
    """
    A step that sends these calls.
    """
    return {"calls": list(calls), "timestamp": 1_800_000_112, "executeUserOp": False, **members}


def run(permissions, *steps, install="installed", account=None, **grant):
    """
    Judge a made-up case; the outcome and reason of each step, or of the case without steps.
    """
    case = {
        "id": "made-up",
        "kind": "combination",
        "account": {"type": "sma-bytecode", "address": LABELS["account"], "deployed": True}
        | (account or {}),
        "grant": {"permissions": permissions, "entityId": 1, **grant},
        "install": install,
        "steps": list(steps),
    }
    verdict = judge_case(case, DOCUMENT)
    answers = verdict["steps"] or [verdict]
    return [(answer["outcome"], answer["reason"]) for answer in answers]


ACCEPTED = ("accepted", None)
EXPENSIVE = {**DOCUMENT["defaultGas"], "maxFeePerGas": hex(10**13)}


def rejected(reason):
    """
    Refused before inclusion.
    """
    return ("validation_rejected", reason)


def reverted(reason):
    """
    Included and reverted.
    """
    return ("execution_reverted", reason)


class TestFirstUse:
    def test_grant_is_used_once(self):
        """
        A second first use finds the validation installed; on the lane, once revoked, AA25.
        """
        again = send(call("targetA"), usesDeferredAction=True)
        revoke = {"ownerAction": "uninstallValidation of the session entity (no hook data)"}
        verdicts = run(
            ACCESS_A,
            again,
            {**again, "nonce": "0x1020000000000000000"},
            revoke,
            {**again, "nonce": "0x1020000000000000000"},
            install="deferred",
        )

        assert verdicts == [
            ACCEPTED,
            rejected("ValidationAlreadySet"),
            ACCEPTED,
            rejected("AA25 invalid account nonce"),
        ]

    def test_grant_is_bound_to_its_lane(self):
        """
        The owner signed the nonce; another key makes another message.
        """
        step = send(call("targetA"), usesDeferredAction=True, nonceKey="0x7")

        assert run(ACCESS_A, step, install="deferred") == [
            rejected("DeferredActionSignatureInvalid")
        ]

    def test_voided_grant(self):
        """
        The owner consumes the grant's nonce: the installation works, its nonce does not.
        """
        void = {"ownerAction": "EntryPoint.incrementNonce for the grant"}
        step = send(call("targetA"), usesDeferredAction=True, nonce="0x1020000000000000000")

        assert run(ACCESS_A, void, step, install="deferred") == [
            ACCEPTED,
            rejected("AA25 invalid account nonce"),
        ]

    def test_replay_with_a_factory(self):
        """
        The same bytes again on an account that they deployed: AA10 before anything else.
        """
        account = {"address": LABELS["accountUndeployed"], "deployed": False}
        replay = {"calls": None, "encodedAs": "replay of step 0", "timestamp": 1_800_000_124}

        assert run(
            ACCESS_A, send(call("targetA")), replay, install="deferred", account=account
        ) == [ACCEPTED, rejected("AA10 sender already constructed")]

    def test_tampered_grant(self):
        """
        A grant changed after signing is not the owner's.
        """
        step = send(call("targetA"), usesDeferredAction=True)

        assert run(ACCESS_A, step, install="deferred", tampered="permissions") == [
            rejected("DeferredActionSignatureInvalid")
        ]

    def test_invalid_time_range_fails_in_validation(self):
        """
        Carried by an operation, a refused installation rejects the operation.
        """
        hook = {"validAfter": 1_800_001_000, "validUntil": 1_800_001_000}
        step = send(call("targetA"), usesDeferredAction=True)

        assert run(ACCESS_A, step, install="deferred", timeRangeHook=hook) == [
            rejected("TimeRangeNotValid")
        ]


class TestOrderOfChecks:
    """
    EntryPoint v0.7: account, prefund, nonce, then signature and time.
    """

    @pytest.mark.parametrize(
        ("members", "reason"),
        [
            ({}, "AddressNotAllowed"),
            ({"calls": [call("targetA")]}, "AA21 didn't pay prefund"),
            ({"calls": [call("targetA")], "gas": None}, "AA25 invalid account nonce"),
            ({"calls": [call("targetA")], "gas": None, "nonceDelta": 0}, "AA24 signature error"),
            (
                {"calls": [call("targetA")], "gas": None, "nonceDelta": 0, "signer": "session"},
                "AA22 expired or not due",
            ),
        ],
    )
    def test_first_fault_is_named(self, members, reason):
        """
        With everything wrong, mending one fault shows the next.
        """
        step = send(call("targetB"), gas=EXPENSIVE, nonceDelta=1, signer="other")
        late = {**step, **members, "timestamp": 1_900_000_000}

        assert run(ACCESS_A, late, expirySec=1_800_003_600) == [rejected(reason)]

    def test_native_limit_precedes_the_token_limit(self):
        """
        Both exceeded: the hook installed first speaks.
        """
        permissions = [
            {
                "type": "erc20-token-transfer",
                "data": {"address": LABELS["tokenA"], "allowance": "0x1"},
            },
            {"type": "native-token-transfer", "data": {"allowance": "0x0"}},
        ]
        over = call("tokenA", encode_transfer(ADDRESSES["eoaB"], 2), 1)

        assert run(permissions, send(over, executeUserOp=True)) == [
            reverted("ExceededNativeTokenLimit")
        ]


class TestCallees:
    TOKEN = access("tokenA")

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (encode_transfer(address_from_bytes(bytes(20)), 1), "ERC20InvalidReceiver"),
            (encode_approve(address_from_bytes(bytes(20)), 1), "ERC20InvalidSpender"),
            (encode_transfer(ADDRESSES["eoaB"], 10**10), "ERC20InsufficientBalance"),
            (
                TRANSFER_FROM
                + address_word(ADDRESSES["eoaA"])
                + address_word(ADDRESSES["eoaB"])
                + uint_word(1),
                "ERC20InsufficientAllowance",
            ),
            (bytes.fromhex("39509351") + bytes(64), "no revert data"),
            (encode_transfer(ADDRESSES["eoaB"], 1)[:-1], "no revert data"),
            (b"", "no revert data"),
        ],
    )
    def test_token_refuses(self, data, reason):
        """
        Open to any function, the token still has rules of its own.
        """
        assert run(self.TOKEN, send(call("tokenA", data))) == [reverted(reason)]

    def test_account_may_approve_itself(self):
        """
        transferFrom takes an approval, also from the holder.
        """
        own = ADDRESSES["account"]
        pull = TRANSFER_FROM + address_word(own) + address_word(ADDRESSES["eoaB"]) + uint_word(5)
        steps = [call("tokenA", encode_approve(own, 5)), call("tokenA", pull)]

        assert run(self.TOKEN, send(*steps), send(call("tokenA", pull))) == [
            ACCEPTED,
            reverted("ERC20InsufficientAllowance"),
        ]

    def test_false_is_no_revert(self):
        """
        A token that answers false has still used the allowance up.
        """
        permissions = [
            {
                "type": "erc20-token-transfer",
                "data": {"address": LABELS["falseToken"], "allowance": "0x5"},
            }
        ]
        pay = call("falseToken", encode_transfer(ADDRESSES["eoaB"], 5))

        assert run(permissions, send(pay, executeUserOp=True), send(pay, executeUserOp=True)) == [
            ACCEPTED,
            reverted("ExceededTokenLimit"),
        ]

    def test_target_rules(self):
        """
        Known functions need their arguments, `fails` names its error, loops run out of gas.
        """
        data = ["0x2fbebd38", "0xe6eec67e" + "00" * 32, "0x42966c68" + "ff" * 32, "0xdeadbeef"]

        assert [run(ACCESS_A, send(call("targetA", each)))[0] for each in data] == [
            reverted("no revert data"),
            reverted("Nope"),
            reverted("no revert data"),
            ACCEPTED,
        ]

    def test_contract_that_calls_back_may_do_nothing(self):
        """
        A callee has no validation of its own on the account.
        """
        inner = bytes.fromhex("b61d27f6") + bytes(96)
        data = bytes.fromhex("f29e3733") + uint_word(32) + bytes_tail(inner)

        assert run(access("reentrant"), send(call("reentrant", data))) == [
            reverted("ValidationFunctionMissing")
        ]

    def test_entry_point_pays_out(self):
        """
        The deposit can be withdrawn by a key that may call the EntryPoint, up to its amount.
        """
        to = address_word(ADDRESSES["eoaB"])
        withdraw = bytes.fromhex("205c2878") + to

        assert run(
            access("entryPoint"),
            send(call("entryPoint", withdraw + uint_word(1000))),
            send(call("entryPoint", withdraw + uint_word(10**19))),
        ) == [ACCEPTED, reverted("Error")]


class TestWidening:
    """
    Keys that reach modules or the owner's functions outgrow their scope (semantics.md §6).
    """

    def test_signer_handed_over(self):
        """
        transferSigner makes another key the session's.
        """
        hand = bytes.fromhex("4aeb3b03") + uint_word(1) + address_word(ADDRESSES["otherKey"])
        permissions = access("singleSignerValidationModule")
        mine = send(call("singleSignerValidationModule", hand))

        assert run(permissions, mine, mine, {**mine, "signer": "other"}) == [
            ACCEPTED,
            rejected("AA24 signature error"),
            ACCEPTED,
        ]

    def test_root_outlives_its_expiry(self):
        """
        setTimeRange on its own entity.
        """
        later = bytes.fromhex("e762c77c") + uint_word(1) + uint_word(2_000_000_000) + uint_word(0)
        step = send(call("timeRangeModule", later))
        after = send(call("targetB"), timestamp=1_900_000_000)

        assert run([{"type": "root"}], step, after, expirySec=1_800_003_600) == [ACCEPTED, ACCEPTED]

    def test_root_installs_another_key(self):
        """
        The new validation works under its own entity id.
        """
        data = install_validation(
            [ContractAccess(ADDRESSES["targetB"])],
            key=ADDRESSES["otherKey"],
            entity_id=5,
            expiry=0,
        )
        other = send(call("targetB"), signer="other", entityId=5)
        other["global"] = False

        assert run([{"type": "root"}], send(call("account", data)), other) == [ACCEPTED, ACCEPTED]

    @pytest.mark.parametrize(
        ("module", "call_data"),
        [
            ("allowlistModule", "0xbd945668" + "00" * 96),
            ("nativeTokenLimitModule", "0xe19500ba" + "00" * 64),
            ("timeRangeModule", "0xcb81b9bc" + "00" * 64),
            ("singleSignerValidationModule", "0x217178fb" + "00" * 64),
            ("singleSignerValidationModule", "0xa1308f27"),
        ],
    )
    def test_a_module_tells_what_it_holds(self, module, call_data):
        """
        Reading changes nothing and reverts only where an argument is missing, or not its function.
        """
        assert run(access(module), send(call(module, call_data))) == [ACCEPTED]
        for other in (call_data[:10][:-1] + "0" + call_data[10:], call_data[:-2]):
            assert run(access(module), send(call(module, other))) == [reverted("no revert data")]

    def test_unknown_account_function(self):
        """
        Granted or not, what the account does not have reverts in execution.
        """
        permissions = [{"type": "account-functions", "data": {"functions": ["0xdeadbeef"]}}]

        assert run(permissions, send(call("account", "0xdeadbeef"))) == [
            reverted("UnrecognizedFunction")
        ]

    def test_root_sends_a_batch_that_nobody_can_read(self):
        """
        Before validation the account looks only at whom it would call; at execution it reverts.
        """
        batch = "0x34fcd5be" + "".join(
            word.hex()
            for word in (
                *map(uint_word, (32, 1, 32)),
                address_word(ADDRESSES["targetA"]),
                *map(uint_word, (0, 2**40)),
            )
        )
        raw = {"calls": None, "encodedAs": "raw", "callData": batch, "timestamp": 1_800_000_112}

        assert run([{"type": "root"}], raw) == [reverted("no revert data")]
        assert run(ACCESS_A, raw) == [rejected("PreUserOpValidationHookReverted")]

    def test_delegated_account_does_not_upgrade(self):
        """
        EIP-7702 accounts refuse upgradeToAndCall; others refuse what is no implementation.
        """
        data = contracts.UPGRADE_TO_AND_CALL + address_word(ADDRESSES["targetA"])
        data += uint_word(64) + uint_word(0)
        delegated = {"type": "sma-7702", "address": LABELS["account7702"]}
        step = send({**call("account7702", data)})

        assert run([{"type": "root"}], step, account=delegated) == [reverted("UpgradeNotAllowed")]
        assert run([{"type": "root"}], send(call("account", data))) == [reverted("UpgradeFailed")]


class TestGrants:
    @pytest.mark.parametrize(
        ("permissions", "name"),
        [
            ([{"type": "call-limit"}], "UnsupportedPermissionTypeError"),
            ([*ACCESS_A, *ACCESS_A], "DuplicateTargetAddressError"),
            (access("account"), "AccountAddressAsTargetError"),
            (
                [{"type": "contract-access", "data": {"address": "0x" + "Ab" * 20}}],
                "InvalidAddressError",
            ),
            (
                [
                    {
                        "type": "functions-on-contract",
                        "data": {"address": LABELS["targetA"], "functions": ["0x010203"]},
                    }
                ],
                "AbiEncodingBytesSizeMismatchError",
            ),
        ],
    )
    def test_builder_refuses(self, permissions, name):
        """
        The builder's error, without its prefix.
        """
        assert run(permissions) == [("grant_refused", name)]

    def test_letter_case_slips_through(self):
        """
        The builder compares text; the chain then refuses the account as a target by its own rules.
        """
        spelled = {"type": "contract-access", "data": {"address": LABELS["account"].lower()}}
        step = send(call("account", ACCOUNT_ID), encodedAs="executeBatch")

        assert run([spelled], step) == [rejected("ValidationFunctionMissing")]


def test_installing_is_what_the_engine_compiles():
    """
    The bytes of an installation, carried out, make the session that `installed` predicts.
    """
    for case in DOCUMENT["cases"]:
        if "installCallData" not in case["grant"] or case["grant"].get("timeRangeHook"):
            continue
        if case["outcome"] == "install_failed" or case["kind"] == "allowlist-2.0.0":
            continue
        permissions = [normal(written_permission(each)) for each in case["grant"]["permissions"]]
        expiry = case["grant"].get("expirySec", 0)
        world = make_world(case["account"], DOCUMENT, ADDRESSES)
        data = bytes.fromhex(case["grant"]["installCallData"][2:])
        world.call_account(world.account, 0, data)

        assert world.session(1) == installed(permissions, expiry=expiry)
        assert world.allowances(1) == initial_allowances(permissions)


def test_one_operation_agrees_with_the_recorded_step():
    """
    `judge`, given the recorded limits, says what the chain said wherever scope decides.
    """
    seen = 0
    for case in DOCUMENT["cases"]:
        if case["kind"] in ("runtime-path", "allowlist-2.0.0", "self-and-module-calls", "time"):
            continue
        permissions = [normal(written_permission(each)) for each in case["grant"]["permissions"]]
        expiry, fresh = case["grant"].get("expirySec", 0), initial_allowances(permissions)
        for step in case.get("steps", ()):
            error = (step.get("error") or {}).get("reason")
            foreign = {"entityId", "global", "tampered", "nonceDelta", "ownerAction"} & set(step)
            if foreign or step.get("signer") != "session" or step.get("calls") is None:
                continue
            if error is not None and error not in SCOPE_REASONS:
                continue
            before = step["limitsBefore"]
            allowances = fresh if before is None else limits(before)
            account = address_from_bytes(bytes.fromhex(case["account"]["address"][2:]))
            operation = read_operation(bytes.fromhex(step["callData"][2:]), account=account)
            judgement = judge(
                installed(permissions, expiry=expiry),
                operation.calls,
                account=account,
                allowances=allowances,
                now=step["timestamp"],
                max_gas_cost=int(step["maxGasCost"], 16),
                sponsored="paymaster" in step,
                form=operation.form,
                user_op_context=operation.user_op_context,
            )
            if error == "ValidationFunctionMissing" and judgement.reason is None:
                assert case["id"] in REVOKED
                continue
            assert (judgement.outcome, judgement.reason) == (step["outcome"], error), case["id"]
            if step["limitsAfter"] is not None:
                assert judgement.allowances == limits(step["limitsAfter"])
            seen += 1
    assert seen > 200


SCOPE_REASONS = {
    "AA22 expired or not due",
    "AA23 reverted, no inner revert data",
    "AddressNotAllowed",
    "ExceededNativeTokenLimit",
    "ExceededTokenLimit",
    "InvalidCalldataLength",
    "NoSelectorSpecified",
    "RequireUserOperationContext",
    "SelectorNotAllowed",
    "SelfCallRecursionDepthExceeded",
    "SpendingRequestNotAllowed",
    "ValidationFunctionMissing",
}
REVOKED = {"deferred-action-010i", "root-018"}


def limits(recorded):
    """
    Recorded limits as allowances.
    """
    erc20 = {
        address_from_bytes(bytes.fromhex(token[2:])): int(limit, 16)
        for token, limit in recorded.get("erc20", {}).items()
    }
    native, gas = (
        int(recorded[name], 16) if name in recorded else None for name in ("native", "gas")
    )
    return Allowances(native, gas, erc20)


def test_uninstalling_with_full_data_leaves_nothing():
    """
    Hook data in the right order clears every table; without it the tables stay (onchain-facts 1).
    """
    permissions = [
        Erc20TokenTransfer(ADDRESSES["tokenA"], 9),
        ContractAccess(ADDRESSES["targetA"]),
        NativeTokenTransfer(4),
        GasLimit(5),
    ]
    installation = session_installation(
        permissions, key=ADDRESSES["sessionKey"], entity_id=1, expiry=1_900_000_000
    )
    account = {"type": "sma-bytecode", "address": LABELS["account"]}
    for full in (True, False):
        world = make_world(account, DOCUMENT, ADDRESSES)
        world.install(installation)
        if full:
            data = uninstall_validation(permissions, entity_id=1, expiry=1_900_000_000)
            world.call_account(world.account, 0, data)
        else:
            world.uninstall(1, contracts.SINGLE_SIGNER_MODULE, uint_word(1), ())
        world.install(
            session_installation(
                [ContractAccess(ADDRESSES["targetB"])],
                key=ADDRESSES["otherKey"],
                entity_id=1,
                expiry=0,
            )
        )
        old = read_operation(
            contracts.EXECUTE
            + address_word(ADDRESSES["targetA"])
            + uint_word(0)
            + uint_word(96)
            + bytes_tail(b""),
            account=world.account,
        )
        judgement = judge(
            world.session(1),
            old.calls,
            account=world.account,
            allowances=world.allowances(1),
            now=1,
            max_gas_cost=0,
            sponsored=True,
            form=Form.EXECUTE,
        )
        expected = Outcome.VALIDATION_REJECTED if full else Outcome.ACCEPTED
        assert judgement.outcome is expected
        assert world.modules.signers[1] == ADDRESSES["otherKey"]
