"""
The real TypeScript SDKs as clients of the sandbox: both make every journey, nothing is mocked.

Source: @account-kit/wallet-client 4.88.5, @alchemy/wallet-apis 5.1.0, @alchemy/wallet-api-types.
"""

from __future__ import annotations

from typing import Any

import pytest

from runner.ethereum.address import Address, parse_address
from runner.ethereum.contracts import DELEGATE_7702, FACTORY
from runner.ethereum.modular_account import semi_modular_account_address

pytestmark = pytest.mark.timeout(900)  # the first test of each SDK waits for all its journeys

REJECTED, INVALID, EXPIRED = -32500, -32602, -32503
BAD_SIGNATURE, REVERTED = -32507, -32521

METHODS = {
    "wallet_requestAccount",
    "wallet_listAccounts",
    "wallet_createSession",
    "wallet_prepareCalls",
    "wallet_sendPreparedCalls",
    "wallet_getCallsStatus",
    "wallet_prepareSign",
    "wallet_formatSign",
    "wallet_getCapabilities",
    "eth_call",
    "eth_getBalance",
    "eth_getBlockByNumber",
    "eth_getCode",
    "eth_getLogs",
    "eth_getTransactionCount",
    "eth_getUserOperationReceipt",
}


def refused(told: dict[str, Any]) -> tuple[int | None, str]:
    """Code and reason of a refusal."""
    return told["code"], told["reason"]


def test_no_answer_violates_the_published_schemas(told):
    assert told.violations == []
    assert set(told.methods) >= METHODS
    assert told.methods["wallet_prepareCalls"] > 100


def test_every_journey_came_to_its_end(told):
    assert {name: each["error"] for name, each in told.results.items() if "error" in each} == {}


def test_accounts_have_their_create2_addresses(told):
    facts = told["account"]
    owner = parse_address(facts["owner"])
    first = semi_modular_account_address(owner, 0)
    second = semi_modular_account_address(owner, 7)
    assert [facts["first"], facts["again"], facts["byAddress"]] == [first] * 3
    assert facts["second"] == second
    assert facts["listed"] == [first, second]
    assert (facts["total"], facts["after"]) == (2, None)
    assert facts["code"] is None
    assert (facts["ether"], facts["usdc"]) == (str(100 * 10**18), str(1_000_000 * 10**6))


def test_the_owner_pays_sponsored(told):
    facts = told["owner_sponsored"]
    assert (facts["pending"], facts["code"], facts["receiptStatus"]) == (100, 200, "success")
    assert (facts["received"], facts["spent"]) == ("5", "5")
    assert facts["deployed"] is True


def test_the_owner_pays_for_gas(told):
    facts = told["owner_pays_gas"]
    assert (facts["code"], facts["success"], facts["sponsored"]) == (200, True, False)
    assert facts["paymaster"] is None
    assert facts["received"] == "5"
    assert int(facts["spent"]) == 5 + int(facts["cost"])
    assert 0 < int(facts["cost"]) <= int(facts["maxAmount"], 0)
    assert facts["transaction"] == facts["inReceipts"]
    assert facts["mined"] == "success"
    assert facts["inBlock"] == [facts["transaction"]]


def test_a_block_comes_each_second(told):
    assert told["waits_for_a_block"] == {"code": 200}


def test_a_session_key_installs_itself_and_pays(told):
    facts = told["session"]
    assert facts["codes"] == [200, 200]
    assert facts["received"] == "9"
    assert facts["context"].startswith("0x00")
    assert len(facts["context"]) == 2 + 2 * (1 + 16 + 65)
    assert facts["id"] == f"0x{told.chain:064x}{facts['hash'][2:]}"
    # Entity 1 not global: with its install, then installed.
    assert [int(nonce) for nonce in facts["nonces"]] == [0x102 << 64, 0x100 << 64]
    assert facts["factories"] == [FACTORY, None]
    assert facts["callData"] == "0x8dd7712f34fcd5be"
    assert [event["hash"] for event in facts["events"]] == facts["hashes"]
    assert [event["nonce"] for event in facts["events"]] == facts["nonces"]
    assert all(event["success"] for event in facts["events"])


def test_a_session_by_id_and_signature(told):
    assert told["session_by_id_and_signature"] == {"code": 200, "received": "6"}


def test_sessions_are_those_that_the_sdk_builds(told):
    facts = told["sessions_as_the_sdk_builds_them"]
    assert facts["differences"] == []
    assert facts["same"] > 100
    assert set(facts["refused"]) >= {
        "AccountAddressAsTargetError",
        "DuplicateTargetAddressError",
        "MultipleGasLimitError",
        "MultipleNativeTokenTransferError",
        "RootPermissionOnlyError",
        "SelectorNotAllowed",
        "ValidationConfigUnsetError",
        "ZeroAddressError",
    }


def test_a_grant_that_travels_with_the_request(told):
    facts = told["local_and_installed_context"]
    assert facts == {"codes": [200, 200, 200], "entities": [5, 5, 5], "received": "7"}


def test_every_kind_of_key_gives_the_same_session(told):
    kinds = {"secp256k1", "contract"} | ({"ecdsa"} if told.sdk == "v5" else set())
    assert told["kinds_of_keys"] == dict.fromkeys(kinds, 200)


def test_another_chain_is_another_world(told):
    facts = told["another_chain"]
    assert (facts["code"], facts["chainId"]) == (200, facts["chain"])
    assert (facts["here"], facts["there"]) == ("0", "11")


def test_a_data_suffix_ends_the_call_data(told):
    assert told["data_suffix"] == {"code": 200, "end": "c0ffee", "received": "1"}


def test_an_operation_without_calls_activates_a_session(told):
    facts = told["activation"]
    assert facts["codes"] == [200, 200]
    assert [op["callId"] for op in facts["ops"]] == facts["ids"]
    assert [op["entityId"] for op in facts["ops"]] == [1, 1]
    assert [len(op["calls"]) for op in facts["ops"]] == [0, 1]
    assert facts["received"] == "7"
    # The session's gas-limit of 0 is for sponsored operations alone.
    assert refused(facts["unsponsored"]) == (REJECTED, "ExceededNativeTokenLimit")


def test_calls_outside_the_permission_are_refused(told):
    facts = told["outside_the_permission"]
    assert {name: refused(each) for name, each in facts["refusals"].items()} == {
        "otherToken": (REJECTED, "AddressNotAllowed"),
        "otherFunction": (REJECTED, "SelectorNotAllowed"),
        "anybody": (REJECTED, "AddressNotAllowed"),
        "tooMuch": (REVERTED, "ExceededTokenLimit"),
        "tooMuchTogether": (REVERTED, "ExceededTokenLimit"),
        "withValue": (REVERTED, "ExceededNativeTokenLimit"),
        "accountItself": (REJECTED, "ValidationFunctionMissing"),
    }
    assert (facts["code"], facts["received"]) == (200, "60")
    assert refused(facts["left"]) == (REVERTED, "ExceededTokenLimit")


def test_every_permission_opens_what_it_says(told):
    facts = told["every_permission"]
    assert facts == {
        "contract-access": outcomes(200, 200, "AddressNotAllowed", "AddressNotAllowed"),
        "functions-on-contract": outcomes(
            200, "SelectorNotAllowed", "AddressNotAllowed", "AddressNotAllowed"
        ),
        "functions-on-all-contracts": outcomes(200, "AddressNotAllowed", 200, "AddressNotAllowed"),
        "account-functions": outcomes(*["ValidationFunctionMissing"] * 4),
        "root": outcomes(200, 200, 200, 200),
    }


def outcomes(transfer: Any, approve: Any, dai: Any, ether: Any) -> dict[str, Any]:
    """What became of the four calls: a status code, or the reason of the refusal."""
    return {"transfer": transfer, "approve": approve, "dai": dai, "ether": ether}


def test_permissions_that_make_no_session(told):
    facts = told["refused_permissions"]
    assert {name: refused(each) for name, each in facts.items()} == {
        "rootAndMore": (INVALID, "RootPermissionOnlyError"),
        "limitsAlone": (INVALID, "ValidationConfigUnsetError"),
        "execute": (INVALID, "SelectorNotAllowed"),
        "zeroAddress": (INVALID, "ZeroAddressError"),
        "account": (INVALID, "AccountAddressAsTargetError"),
        "past": (INVALID, "ExpiredDeadlineError"),
    }


def test_a_gas_limit_binds_unless_sponsored(told):
    facts = told["gas_limit"]
    assert facts["code"] == 200
    assert refused(facts["refused"]) == (REJECTED, "ExceededNativeTokenLimit")
    assert facts["sponsored"] == 200


def test_only_the_right_key_signs(told):
    facts = told["wrong_key"]
    assert refused(facts["stranger"]) == (BAD_SIGNATURE, "InvalidSignature")
    assert refused(facts["byOwner"]) == (BAD_SIGNATURE, "InvalidSignature")
    assert refused(facts["sessionAsOwner"]) == (BAD_SIGNATURE, "InvalidSignature")
    assert refused(facts["notByOwner"]) == (REJECTED, "DeferredActionSignatureInvalid")
    assert facts["received"] == "0"


def test_what_was_altered_after_signing_is_refused(told):
    refusal = told["altered_after_signing"]["refused"]
    assert refused(refusal) == (BAD_SIGNATURE, "InvalidSignature")


def test_an_expired_session_can_do_nothing(told):
    facts = told["expired"]
    assert facts["inTime"] == 200
    assert refused(facts["prepare"]) == (EXPIRED, "Expired")
    assert refused(facts["send"]) == (EXPIRED, "Expired")
    assert facts["received"] == "1"
    assert refused(told["never_used_and_expired"]["prepare"]) == (EXPIRED, "Expired")


def test_what_expires_while_it_waits_is_given_up(told):
    assert told["lapses_while_it_waits"] == {"code": 400, "receipts": 0, "received": "0"}


def test_limits_are_judged_at_inclusion(told):
    facts = told["reverted_when_included"]
    assert facts["codes"] == [200, 500]
    assert facts["receiptStatus"] == ["success", "reverted"]
    assert facts["received"] == "60"


def test_a_replacement_pays_a_tenth_more(told):
    facts = told["replacement"]
    assert refused(facts["underpriced"]) == (INVALID, "ReplacementUnderpriced")
    assert "replacement underpriced" in facts["underpriced"]["message"]
    assert facts["sameNonce"] is True
    assert facts["asked"] == "0"
    assert facts["raisedEnough"] is True
    assert facts["codes"] == [400, 200]
    assert facts["sequences"] == ["0", "1"]
    assert facts["received"] == "0"


def test_the_same_bytes_again_are_the_same_call(told):
    facts = told["repeated_send"]
    assert len(set(facts["ids"])) == 1
    assert (facts["code"], facts["received"]) == (200, "1")


def test_at_most_four_operations_wait(told):
    facts = told["at_most_four_wait"]
    assert refused(facts["fifth"]) == (-32505, "MaxOperationsReached")
    assert (facts["codes"], facts["received"]) == ([200] * 4, "4")


def test_a_revoked_session_can_do_nothing(told):
    facts = told["revoked"]
    assert (facts["code"], facts["flags"]) == (200, [1, 0])
    assert refused(facts["refused"]) == (REJECTED, "ValidationFunctionMissing")


def test_a_voided_grant_can_do_nothing(told):
    facts = told["voided"]
    assert facts["code"] == 200
    assert refused(facts["refused"]) == (REJECTED, "ValidationFunctionMissing")


def test_an_eoa_delegates_and_grants_a_session(told):
    facts = told["delegation"]
    assert facts["hinted"] == facts["address"]
    assert facts["kinds"] == ["authorization", "user-operation-v070"]
    assert (facts["delegate"], facts["authorizationNonce"]) == (DELEGATE_7702, 0)
    assert refused(facts["early"]) == (INVALID, "NotDelegated")
    assert facts["code"] == 200
    assert facts["delegated"] == "0xef0100" + Address(DELEGATE_7702)[2:].lower()
    assert facts["sessionCodes"] == [200, 200]
    assert (facts["transactions"], facts["received"]) == (1, "27")
    if told.sdk == "v5":
        assert (facts["undelegated"], facts["codeAfter"]) == (200, None)


def test_an_eoa_delegates_without_being_asked(told):
    assert told["delegation_by_default"] == {"code": 200, "received": "3"}


def test_sponsorship_by_policy(told):
    facts = told["sponsorship"]
    assert (facts["code"], facts["several"]) == (200, 200)
    assert refused(facts["refused"]) == (-32501, "SponsorshipRefused")
    assert facts["signatureRequest"] is None
    assert facts["unsigned"]["code"] is None
    assert "Signature request is required" in facts["unsigned"]["message"]


def test_gas_is_paid_in_tokens(told):
    facts = told["gas_for_tokens"]
    assert facts["type"] == "paymaster-permit"
    assert facts["spender"] == "0x3f222Df6aB18C1E10d0Ec136503c3B0dfd929048"
    assert facts["unsigned"]["code"] is None
    assert "Invalid call type paymaster-permit" in facts["unsigned"]["message"]
    assert facts["codes"] == [200, 200, 200]
    assert facts["received"] == ["2", "1"]
    assert facts["ether"] == "0"
    payment = facts["feePayment"]
    assert (payment["sponsored"], payment["tokenAddress"][:6]) == (False, "0x036C")
    assert int(facts["fee"]) > 0
    assert int(payment["maxAmount"], 0) > 0
    assert refused(facts["tooMuch"]) == (-32501, "MaxTokenAmountExceeded")
    assert refused(facts["noPermit"]) == (INVALID, "NotSupported")


def test_an_estimate_in_another_state(told):
    facts = told["state_override"]
    assert facts["type"] == "user-operation-v070"
    assert facts["poor"]["code"] == REVERTED


def test_gas_fields_that_the_caller_names(told):
    facts = told["gas_override"]
    assert (facts["callGasLimit"], facts["maxFeePerGas"]) == ("333333", "99000000")
    plain, doubled = map(int, facts["preVerificationGas"])
    assert doubled == 2 * plain
    assert facts["code"] == 200


def test_a_call_that_would_revert_is_not_prepared(told):
    refusal = told["reverting_call"]["refused"]
    assert refused(refusal) == (REVERTED, "ERC20: transfer amount exceeds balance")


def test_what_is_not_known_here(told):
    facts = told["unknown_things"]
    assert refused(facts["callId"]) == (5730, "UnknownCalls")
    assert refused(facts["session"]) == (INVALID, "UnknownSession")
    assert refused(facts["account"]) == (INVALID, "UnknownAccount")


def test_too_many_requests(told):
    facts = told["rate_limited"]
    if told.sdk == "v4":  # which never tries again
        assert facts["refused"]["code"] == 429
        return
    assert facts["refused"]["message"] == "it was not refused"
    assert facts["milliseconds"] >= 1_000  # as Retry-After says


def test_broken_answers_are_tried_again_by_v5_alone(told):
    facts = told["broken_on_the_way"]
    tries = {"v4": 1, "v5": 4}[told.sdk]
    kinds = ("error_500", "error_503", "reset", "malformed_json")
    assert {kind: facts[kind]["requests"] for kind in kinds} == dict.fromkeys(kinds, tries)
    assert facts["error_500"]["refused"]["code"] == -32603
    assert facts["error_503"]["refused"]["code"] == -32603
    assert refused(facts["reset"]["refused"]) == (None, "HttpRequestError")
    assert refused(facts["malformed_json"]["refused"]) == (None, "HttpRequestError")
    assert facts["after"] == 1


def test_a_send_whose_reply_is_lost_pays_once(told):
    facts = told["lost_reply"]
    lost = (None, "HttpRequestError")
    assert refused(facts["refused"]) == (lost if told.sdk == "v4" else (None, None))
    assert (facts["code"], facts["received"]) == (200, "1")


def test_signatures_of_the_account(told):
    facts = told["signing"]
    assert facts["primaryType"] == "ReplaySafeHash"
    # v4 wraps by itself, v5 by the service: both must come to the same bytes.
    assert facts["message"].lower() == facts["formatted"].lower()
    assert facts["order"].lower().startswith("0x0000000000ff00")
    assert (facts["verified"], facts["verifiedTyped"]) == (True, True)
    assert facts["verifiedOther"] is False
    assert facts["early"].endswith("6492" * 16)
    assert facts["verifiedEarly"] is True


def test_reads_travel_in_one_batch(told):
    assert told["batched_reads"] == {
        "exchanges": 1,
        "chain": told.chain,
        "ether": str(100 * 10**18),
        "usdc": str(1_000_000 * 10**6),
        "code": True,
        "parent": "0",
    }


def test_capabilities_under_the_one_key(told):
    facts = told["capabilities"]
    assert facts["chains"] == ["0x0"]
    assert {"atomic", "paymasterService", "permissions", "nonceOverride"} <= set(facts["names"])
    if told.sdk == "v5":
        assert {"atomic", "paymaster", "permissions"} <= set(facts["sdk"])
