"""`runner guard op` and `runner guard grant` on the sandbox's own answers, honest and changed."""

import contextlib
import copy
import json
import re

import pytest
from support.harmless import (
    FITTING,
    GRANT_MAY_DIFFER,
    MAY_DIFFER,
    SIBLINGS,
    is_listed,
    refitted,
)
from support.mutations import mutations

from runner.adapters.wallet_api.filed import read_grant, read_intent
from runner.adapters.wallet_api.messages import operation_offer, session_offer
from runner.cli.main import run
from runner.errors import AnswerLost, EncodingError
from runner.ethereum.installation import uninstall_validation
from runner.ethereum.modular_account import increment_nonce
from runner.ethereum.nonce import decode_nonce
from runner.ethereum.permissions import Erc20TokenTransfer
from runner.ethereum.signature import personal_sign_digest
from runner.ethereum.user_operation import ENTRY_POINT_V07, user_operation_hash
from runner.guard.filed import can_be_granted, judge_grant, judge_operation

LANE = 0x77
MALLORY = "0x0000000000000000000000000000000000000b0b"


@pytest.fixture
def judge(tmp_path, capsys):
    """Return a function that runs a guard command on two values."""

    def judged(command, asked, answered):
        names = {"op": ("intent", "prepared"), "grant": ("request", "response")}[command]
        arguments = ["guard", command, "--json"]
        for name, value in zip(names, (asked, answered), strict=True):
            path = tmp_path / f"{name}.json"
            path.write_text(value if isinstance(value, str) else json.dumps(value))
            arguments += [f"--{name}", str(path)]
        code = run(arguments)
        shown, errors = capsys.readouterr()
        told.append(errors)
        return code, json.loads(shown) if shown else None

    told = []
    judged.errors = lambda: told[-1]
    return judged


def failing(told):
    return {check["rule"] for check in told["checks"] if not check["holds"]}


def session_request(client, **changes):
    """What `Client.session` asks for."""
    asked = {
        "account": client.account,
        "chainId": client.chain,
        "expirySec": client.start + 86_400,
        "key": {"type": "secp256k1", "publicKey": client.key.address},
        "permissions": [client.erc20(10_000 * 10**6)],
    }
    return asked | changes


def intent(client, context, calls, **more):
    """A request of `wallet_prepareCalls`, and the grant it goes with."""
    return {
        "from": client.account,
        "chainId": client.chain,
        "calls": calls,
        "capabilities": {
            "permissions": {"context": context},
            "paymasterService": client.policy,
            "nonceOverride": client.lane(LANE),
        },
        "grant": session_request(client, entityId=1, owner=client.owner.address),
        "now": client.start + 60,
        "maxFee": "20000000000000000",
        **more,
    }


@pytest.fixture
def pair(client):
    """What was asked, and what the sandbox honestly answered."""
    context = client.grant()
    calls = [client.pay(5_000_000), client.pay(7)]
    answer = client.prepare(calls, context, nonceOverride=client.lane(LANE))
    return intent(client, context, calls), answer


def test_an_honest_operation_would_be_signed(judge, pair):
    """
    Bare, in a JSON-RPC response, or in a recorded exchange; facts beside the request or in it.
    """
    asked, answer = pair
    beside = {name: asked.pop(name) for name in ("grant", "now", "maxFee")}
    call = {"jsonrpc": "2.0", "id": 1, "method": "wallet_prepareCalls", "params": [asked]}
    response = {"jsonrpc": "2.0", "id": 1, "result": answer}

    for one, other in (
        ({**asked, **beside}, answer),
        ({**call, **beside}, response),
        ({"request": call, **beside}, {"response": {"status": 200, "body": response}}),
    ):
        code, told = judge("op", one, other)
        assert (code, failing(told), told["would_sign"]) == (0, set(), True)
        assert [each[:18] for each in told["not_checked"]] == ["that the paymaster"]


def rehashed(answer):
    """The same answer with digests that fit what was changed."""
    offer = operation_offer(answer, "test")
    digest = user_operation_hash(offer.operation, offer.chain_id)
    answer["signatureRequest"]["data"]["raw"] = "0x" + digest.hex()
    answer["signatureRequest"]["rawPayload"] = "0x" + personal_sign_digest(digest).hex()
    answer["details"]["data"]["hash"] = "0x" + digest.hex()
    return answer


@pytest.mark.parametrize("fits", [False, True])
@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("data.sender", MALLORY, "B4.sender"),
        ("data.nonce", hex(0x77 << 104 | 1 << 72 | 1), "X1.nonce"),
        ("data.nonce", hex(0x78 << 104 | 1 << 72), "X1.nonce"),
        ("data.nonce", hex(0x77 << 104 | 2 << 72), "X1.nonce"),
        ("data.nonce", hex(0x77 << 104 | 1 << 72 | 2 << 64), "X1.nonce"),
        ("data.callData", "0x34fcd5be", "G11.calldata"),
        ("data.maxFeePerGas", hex(10**13), "G2.max_fee"),
        ("data.callGasLimit", hex(10**12), "G2.max_fee"),
        ("data.preVerificationGas", hex(10**12), "G2.max_fee"),
        ("data.maxPriorityFeePerGas", hex(10**10), "G2.priority"),
        ("chainId", "0x1", "B4.chain"),
        ("feePayment.sponsored", False, "G4.feePayment"),
        ("feePayment.tokenAddress", MALLORY, "G4.feeToken"),
        ("details.data.calls", [], "G11.details.calls"),
    ],
)
def test_what_was_changed_is_refused_and_named(judge, pair, path, value, rule, fits):
    """
    Exit 4, whether or not the digests have been made to fit.
    """
    asked, answer = pair
    *way, last = path.split(".")
    spot = answer
    for name in way:
        spot = spot[name]
    spot[last] = value
    if fits:
        rehashed(answer)

    code, told = judge("op", asked, answer)

    assert code == 4
    assert rule in failing(told)
    differing = next(check for check in told["checks"] if check["rule"] == rule)
    assert differing["asked"] != differing["offered"]


@pytest.mark.parametrize(
    "answer",
    [
        {"type": "user-operation-v070"},
        {"type": "array", "data": []},
        {"error": {"code": -32602, "message": "no"}},
        {},
        [],
        None,
        7,
    ],
)
def test_an_answer_that_is_none_is_refused(judge, pair, answer):
    """
    Nothing that is missing is made up.
    """
    code, told = judge("op", pair[0], answer)

    assert code == 4
    assert failing(told) <= {"G5.answer", "G5.type"}


def test_missing_facts_are_told_or_make_it_stricter(judge, pair, client):
    """
    Without permissions the calls are not judged, and that is said; without a bound on fees the
    chain's counts; without a gas policy no paymaster is taken.
    """
    asked, answer = pair
    bare = {name: asked[name] for name in ("from", "chainId", "calls", "capabilities", "maxFee")}
    code, told = judge("op", bare, answer)
    missing = " ".join(told["not_checked"])

    assert code == 0
    assert all(word in missing for word in ("permissions", "entity 1", "owner", "paymaster"))

    unsponsored = copy.deepcopy(asked)
    del unsponsored["capabilities"]["paymasterService"]
    code, told = judge("op", unsponsored, answer)
    assert (code, failing(told)) == (4, {"G4.paymaster", "G4.feePayment"})

    ungranted = dict(bare)
    del ungranted["capabilities"]
    ungranted["sponsored"] = True
    code, told = judge("op", ungranted, answer)
    assert (code, "X1.nonce" in failing(told)) == (4, True)

    misspelt = dict(asked, receiver=[MALLORY])
    assert "`receiver`" in " ".join(judge("op", misspelt, answer)[1]["not_checked"])
    assert "B4.receiver" in failing(judge("op", dict(asked, receivers=[MALLORY]), answer)[1])
    assert judge("op", dict(asked, receivers=[client.alice]), answer)[0] == 0


def test_what_the_grant_does_not_hold_is_refused(judge, pair, client):
    """
    Too small an allowance, an end that has passed, and another key's entity.
    """
    asked, answer = pair
    small = session_request(client, permissions=[client.erc20(1)])

    assert failing(judge("op", dict(asked, grant=small), answer)[1]) == {"B4.scope"}
    endless = session_request(client, expirySec=0)
    assert failing(judge("op", dict(asked, grant=endless), answer)[1]) == {"X3.expiry"}
    late = dict(asked, now=client.start + 90_000)
    assert failing(judge("op", late, answer)[1]) == {"B4.scope"}
    other = dict(asked, entityId=2, grant=session_request(client))
    assert "X1.nonce" in failing(judge("op", other, answer)[1])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"from": "0x12"}, "address"),
        ({"chainId": None}, "`chainId` is missing"),
        ({"calls": [{"to": MALLORY, "operation": 1}]}, "operation"),
        ({"maxFee": "0.1"}, "maxFee"),
        ({"max_fee": 1}, "two spellings"),
        ({"entityId": 2}, "different `entityId`"),
        ({"nonce": hex(0x77 << 104 | 2 << 72)}, "different `entityId`"),
        ({"nonce": hex(0x78 << 104 | 1 << 72)}, "different `nonceKey`"),
        ({"chainId": "base"}, "different `chainId`"),
        ({"salt": 2**256}, "more than 256 bits"),
        ({"entity": 2**32}, "more than 32 bits"),
        ({"capabilities": {"nonceOverride": {"nonceKey": hex(2**152)}}}, "more than 152 bits"),
        ({"chainId": "no chain"}, "name of a chain"),
        ({"from": MALLORY}, "different `account`"),
        ({"capabilities": {"eip7702Auth": {"delegation": "0x" + "00" * 20}}}, "taken back"),
    ],
)
def test_an_intent_that_cannot_be_used_is_bad_usage(judge, pair, change, word):
    """
    Exit 2: what we asked ourselves has to be clear.
    """
    asked, answer = pair

    code, told = judge("op", asked | change, answer)

    assert (code, told) == (2, None)
    assert word in judge.errors()


def test_a_request_that_is_no_json_is_bad_usage(judge, pair, tmp_path):
    """
    Ours has to be clear; and both files have to be there.
    """
    asked, answer = pair

    assert judge("op", "{not json", answer) == (2, None)
    assert judge("op", json.dumps(asked)[:-1] + ', "chainId": 1}', answer) == (2, None)
    missing = str(tmp_path / "nowhere.json")
    there = str(tmp_path / "intent.json")
    assert run(["guard", "op", "--intent", there, "--prepared", missing]) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: "{not json",
        lambda text: text[:-1],
        lambda text: text + text,
        lambda text: text[:-1] + ', "chainId": "0x14a34"}',
        lambda text: text.replace('"nonce":', '"nonce": "0x0", "nonce":'),
        lambda text: text.replace('"type"', '"more": NaN, "type"', 1),
        lambda text: text.replace('"type"', f'"more": {"9" * 5000}, "type"', 1),
        lambda text: "[" * 200_000,
        lambda text: "\ufeff" + text,
        lambda text: text + " " * 4_000_000,
    ],
)
def test_an_answer_that_cannot_be_read_is_refused(judge, pair, client, spoil):
    """
    Whoever sends it would have us sign what two readers read differently: 4, and said why.
    """
    asked, answer = pair
    code, told = judge("op", asked, spoil(json.dumps(answer)))

    assert (code, failing(told), told["would_sign"]) == (4, {"G5.answer"}, False)
    assert "not JSON" in told["checks"][0]["offered"]
    code, told = judge("grant", session_request(client), spoil(json.dumps(client.session())))
    assert (code, failing(told)) == (4, {"G5.answer"})


def test_an_answer_that_is_two_things_is_refused(judge, pair):
    """
    An error beside a result, a result of a failed request, two results, the answer to another id.
    """
    asked, answer = pair
    call = {"jsonrpc": "2.0", "id": 1, "method": "wallet_prepareCalls", "params": [asked]}
    response = {"jsonrpc": "2.0", "id": 1, "result": answer}

    for said in (
        {**response, "error": {"code": -32000, "message": "no"}},
        {"response": {"status": 500, "body": response}},
        {"response": {"body": response, "result": answer}},
        {"response": response, "result": answer},
    ):
        code, told = judge("op", call, said)
        assert (code, failing(told)) == (4, {"G5.answer"})
    code, told = judge("op", call, {**response, "id": 2})
    assert (code, failing(told)) == (4, {"G5.id"})
    for same in (response, {"status": 200, "body": response}, {"response": response}):
        assert judge("op", {"request": {"body": call}}, same)[0] == 0


def test_an_activation_may_make_the_account_of_its_owner(judge, client):
    """
    The first operation: no calls, the grant's nonce, the factory; for this owner and no other.
    """
    session = client.session()
    context = client.context(session)
    answer = client.prepare([], context)
    asked = intent(client, context, [])
    del asked["capabilities"]["nonceOverride"]

    assert judge("op", asked, answer)[0] == 0
    asked["nonce"] = session["signatureRequest"]["data"]["message"]["nonce"]
    assert judge("op", asked, answer)[0] == 0
    asked["grant"]["owner"] = MALLORY
    assert failing(judge("op", asked, answer)[1]) == {"B4.factoryData", "G1.account"}
    del asked["grant"]["owner"]
    assert failing(judge("op", asked, answer)[1]) == {"B4.factory"}


def test_the_owner_signs_an_uninstall_or_a_void_and_no_payment(judge, client):
    """
    Asked for without a session: only what takes a session away.
    """
    client.grant()
    permissions = (Erc20TokenTransfer(client.usdc, 10_000 * 10**6),)
    uninstall = uninstall_validation(permissions, entity_id=1, expiry=client.start + 86_400)
    nonce = int(client.session()["signatureRequest"]["data"]["message"]["nonce"], 16)
    void = increment_nonce(decode_nonce(nonce).key192)

    def asked(call):
        lane = {"nonceOverride": client.lane(LANE), "paymasterService": client.policy}
        answer = client.prepare([call], nonceOverride=client.lane(LANE))
        wish = {"from": client.account, "chainId": client.chain, "calls": [call]}
        return wish | {"capabilities": lane, "maxFee": 2 * 10**16}, answer

    for to, data in ((client.account, uninstall), (ENTRY_POINT_V07, void)):
        wish, answer = asked({"to": to, "data": "0x" + data.hex()})
        assert judge("op", wish, answer)[0] == 0
        changed = copy.deepcopy(answer)
        changed["data"]["callData"] = changed["data"]["callData"][:-2] + "77"
        assert judge("op", wish, rehashed(changed))[0] == 4
    wish, answer = asked(client.pay(1))
    assert judge("op", wish, answer)[0] == 4


# ── grants ────────────────────────────────────────────────────────────────────────────────────


def test_an_honest_grant_would_be_signed(judge, client):
    """
    With and without envelopes.
    """
    answer = client.session()
    asked = session_request(client)
    call = {"jsonrpc": "2.0", "id": 1, "method": "wallet_createSession", "params": [asked]}
    response = {"jsonrpc": "2.0", "id": 1, "result": answer}

    code, told = judge("grant", asked | {"owner": client.owner.address}, answer)
    assert (code, failing(told), len(told["not_checked"])) == (0, set(), 1)
    assert judge("grant", call, response)[0] == 0
    assert judge("grant", asked | {"livingEntities": [1]}, answer)[0] == 4
    assert judge("grant", asked | {"entityId": 2}, answer)[0] == 4
    assert judge("grant", asked | {"expirySec": 0}, answer)[0] == 4
    assert judge("grant", asked | {"permissions": []}, answer)[0] == 2
    gas_alone = {"type": "gas-limit", "data": {"limit": "0x1"}}
    assert judge("grant", asked | {"permissions": [gas_alone, gas_alone]}, answer)[0] == 2


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("chainId", "0x1", "B4.chain"),
        ("signatureRequest.rawPayload", "0x" + "11" * 32, "G7.rawPayload"),
        ("signatureRequest.data.primaryType", "Permit", "G5.answer"),
        ("signatureRequest.data.domain.chainId", 1, "G7.domain.chainId"),
        ("signatureRequest.data.domain.verifyingContract", MALLORY, "G7.domain.verifyingContract"),
        ("signatureRequest.data.domain.name", "USDC", "G7.domain.name"),
        ("signatureRequest.data.message.deadline", 0, "G7.message.deadline"),
        ("signatureRequest.data.message.nonce", hex(0x103 << 64), "G8.options"),
        ("signatureRequest.data.message.nonce", hex(0x202 << 64), "G7.message.call"),
        ("signatureRequest.data.message.nonce", hex(0x102 << 64 | 1), "X15.sequence"),
        ("signatureRequest.data.message.nonce", hex(2 << 64), "G8.entity"),
        ("signatureRequest.data.message.call", "0x", "G7.message.call"),
    ],
)
def test_a_changed_grant_is_refused_and_named(judge, client, path, value, rule):
    """
    Exit 4.
    """
    answer = client.session()
    *way, last = path.split(".")
    spot = answer
    for name in way:
        spot = spot[name]
    spot[last] = value

    code, told = judge("grant", session_request(client), answer)

    assert code == 4
    assert rule in failing(told)


def test_the_answer_to_another_request_is_refused(judge, client):
    """
    Another session's key, permissions or expiry.
    """
    for changed in (
        client.session(client.erc20(1)),
        client.session(expiry=client.start + 99_999),
        client.session(key=client.new_key(9)),
    ):
        code, told = judge("grant", session_request(client), changed)
        assert (code, "G7.message.call" in failing(told)) == (4, True)


# ── whatever stands in the files ──────────────────────────────────────────────────────────────


def verdict(asked, answer):
    """Whether an answer would be signed; None if it is none."""
    try:
        return judge_operation(asked, operation_offer(answer, "test")).signs
    except AnswerLost:
        return None


def test_no_changed_answer_would_be_signed(pair):
    """
    The tamper matrix once more, by the files' own way to the guard.
    """
    asked, answer = pair
    asked["paymaster"] = answer["data"]["paymaster"]
    asked = read_intent(asked)
    tried = 0

    assert verdict(asked, answer)
    for mutation in mutations(answer, SIBLINGS):
        if not is_listed(mutation, MAY_DIFFER):
            assert not verdict(asked, mutation.value), str(mutation)
            tried += 1
        fits = mutation.path[:1] == ("data",) and not is_listed(mutation, FITTING)
        if fits and (fitted := refitted(mutation.value)):
            assert not verdict(asked, fitted), f"{mutation}, and the digests"
    assert tried > 800


def test_no_changed_answer_to_a_grant_would_be_signed(client):
    """
    Likewise.
    """
    answer = client.session()
    asked = can_be_granted(read_grant(session_request(client)))

    assert judge_grant(asked, session_offer(answer, "test")).signs
    for mutation in mutations(answer, SIBLINGS):
        if is_listed(mutation, GRANT_MAY_DIFFER):
            continue
        try:
            signs = judge_grant(asked, session_offer(mutation.value, "test")).signs
        except AnswerLost:
            continue
        assert not signs, str(mutation)


def test_a_changed_request_is_understood_or_refused(pair, client):
    """
    Nothing that may stand in a file breaks the command; whatever is asked for otherwise is another
    wish, and the honest answer to this one is then none to that.
    """
    asked, answer = pair
    offer, granted = operation_offer(answer, "test"), session_offer(client.session(), "test")
    understood = 0
    for mutation in mutations(asked, {"fence": "0x1", "params": [], "unheardOf": 1}):
        with contextlib.suppress(EncodingError):
            judged = judge_operation(read_intent(mutation.value), offer)
            understood += all(check.finding.rule for check in judged.checks)
            if mutation.path[:1] in {("calls",), ("from",), ("chainId",)} and judged.signs:
                assert re.search("added|as an integer|deleted|twice", str(mutation)), str(mutation)
    for mutation in mutations(asked["grant"], {"livingEntities": [1], "cleanSequences": {"1": 2}}):
        with contextlib.suppress(EncodingError):
            judged = judge_grant(can_be_granted(read_grant(mutation.value)), granted)
            understood += all(check.finding.rule for check in judged.checks)

    assert understood > 200


def test_people_read_each_check(client, tmp_path, capsys):
    """
    A line a check; asked and offered under each other where they differ.
    """
    answer = client.session()
    answer["signatureRequest"]["data"]["message"]["deadline"] = 7
    for name, value in (("request", session_request(client)), ("response", answer)):
        (tmp_path / name).write_text(json.dumps(value))

    files = ("--request", str(tmp_path / "request"), "--response", str(tmp_path / "response"))
    code = run(["guard", "grant", *files])
    out = capsys.readouterr().out

    assert code == 4
    assert f"asked    {client.start + 86_400}\n" in out
    assert "offered  7\n" in out
    assert "ok  G7.primaryType" in out
    assert "not checked: that no living grant holds the entity" in out
    assert "refused: 1 of " in out
