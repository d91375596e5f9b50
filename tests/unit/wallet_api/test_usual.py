"""What is read in few steps is what the models read, and nothing that they would refuse."""

import asyncio
import copy

import pytest
from support.mutations import mutations
from support.prepared import PREPARED
from support.recorded import entries

from runner.adapters.chain import RpcChainReader
from runner.adapters.wallet_api.messages import _offer, accept
from runner.adapters.wallet_api.methods import METHODS
from runner.adapters.wallet_api.usual import (
    OPERATION_MEMBERS,
    bytes_of,
    numbers_of,
    usual_call_id,
    usual_event,
    usual_offer,
)
from runner.adapters.wallet_api.wire import OperationData
from runner.errors import AnswerLost
from runner.ethereum.address import address_from_bytes
from runner.ethereum.user_operation import ENTRY_POINT_V07, USER_OPERATION_EVENT_TOPIC

SENDER = "0x" + 12 * "00" + 20 * "ab"
CALLS = [{"to": "0x" + 20 * "ab", "data": "0xa9059cbb"}, {"to": "0x" + 20 * "00", "value": "0x1"}]
SPONSORED = copy.deepcopy(PREPARED)
SPONSORED["details"]["data"]["calls"] = CALLS
UNSPONSORED = copy.deepcopy(SPONSORED)
for name in OPERATION_MEMBERS[-4:]:
    del UNSPONSORED["data"][name]
SENT = {
    "id": "0x" + 64 * "5a",
    "preparedCallIds": ["0x" + 64 * "5a", "0x01"],
    "details": {"type": "user-operation", "data": {"hash": "0x" + 32 * "5a", "calls": CALLS}},
}
SIBLINGS = {
    **dict.fromkeys(("factory", "paymaster", "entryPoint", "signature"), "0x" + 20 * "ab"),
    "factoryData": "0x",
    "paymasterData": "0xab",
    "paymasterPostOpGasLimit": "0x1",
    "initCode": "0x",
    "pendingBundle": {"txHash": "0x" + 64 * "0", "sentAtBlock": "0x1"},
    "value": "0x01",
    "chain_id": "0x1",
    "unheard": {"of": []},
}


def by_model_offer(answer):
    return _offer(accept(METHODS["wallet_prepareCalls"].answer, answer, "m"), answer, "m")


def by_model_call_id(answer):
    return accept(METHODS["wallet_sendPreparedCalls"].answer, answer, "m").id


def misspelt(value, way=()):
    """Each text of an answer in many spellings, right ones and wrong ones."""
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        items = ()
        if isinstance(value, str):
            yield from ((way, other) for other in spellings(value))
    for name, each in items:
        yield from misspelt(each, (*way, name))


def spellings(text):
    body = text[2:]
    yield from (" " + text, text + " ", text + "\n", text + "\0", f"{text} {text}", text + text)
    yield from (body, "0X" + body, "0x" + body.upper(), "0x0" + body, "0x00" + body, "-" + text)
    yield from ("0x", "0x_1", "0x1_0", "0x 1", "0x+1", "0xg", "0x١", "0x\ud800", "0x0")
    yield from ("0x" + digits for digits in ("f" * 64, "1" + "0" * 64, "0" * 65, "1" + "0" * 8))
    yield from ("0x" + digits for digits in ("1" + "0" * 32, "1" + "0" * 31, "ab" * 20, "ab" * 32))


def with_text(answer, way, text):
    result = copy.deepcopy(answer)
    spot = result
    for name in way[:-1]:
        spot = spot[name]
    spot[way[-1]] = text
    return result


@pytest.mark.parametrize(
    ("answer", "quick", "model"),
    [
        (SPONSORED, usual_offer, by_model_offer),
        (UNSPONSORED, usual_offer, by_model_offer),
        (SENT, usual_call_id, by_model_call_id),
    ],
    ids=["sponsored", "unsponsored", "sent"],
)
def test_whatever_is_read_the_model_reads_the_same_way(answer, quick, model):
    """
    Everything that can be different at one place, and every spelling of every text.
    """
    others = [one.value for one in mutations(answer, SIBLINGS)]
    others += [with_text(answer, way, text) for way, text in misspelt(answer)]
    read = 0
    for other in others:
        found = quick(other)
        if found is not None:
            assert found == model(other)
            read += 1

    assert quick(answer) == model(answer)
    assert 0 < read < len(others) / 2


LOG = {
    "address": ENTRY_POINT_V07,
    "topics": ["0x" + USER_OPERATION_EVENT_TOPIC.hex(), "0x" + 32 * "aa", SENDER, "0x" + 32 * "00"],
    "data": "0x" + 32 * "07" + 31 * "00" + "01" + 64 * "02",
    "blockNumber": "0x7",
    "blockHash": "0x" + 32 * "bb",
    "transactionHash": "0x" + 32 * "cc",
    "logIndex": "0x1",
    "removed": False,
}


def test_an_event_is_read_as_the_model_of_a_log_is():
    """
    Whatever is different: an event is what it is the long way, or there is none the short way.
    """
    others = [one.value for one in mutations(LOG, {"removed": True, "unheard": "of"})]
    others += [with_text(LOG, way, text) for way, text in misspelt(LOG)]
    read = 0
    for other in others:
        found = usual_event(other)
        if found is not None:
            assert evidence(other, short=True) == evidence(other, short=False) == [found[2]]
            read += 1

    assert evidence(LOG, short=True) == evidence(LOG, short=False)
    assert 0 < read < len(others) / 2


def evidence(log, *, short):
    """What a look makes of a log, the short way or the long one."""
    chain = RpcChainReader(Parrot(log), chain_id=1)
    if not short:
        chain._events._usual = lambda result: None
    sender = address_from_bytes(bytes.fromhex(log["topics"][2][26:]))
    last = int(log["blockNumber"], 16)
    return asyncio.run(chain.operation_events([sender], from_block=last, to_block=last))


class Parrot:
    """Answers every question about the chain with the same log."""

    origin = "https://parrot"

    def __init__(self, log):
        self._log = log

    async def call(self, method, params, *, repeat):
        del params, repeat
        return "0x1" if method == "eth_chainId" else [self._log]


@pytest.mark.parametrize("answer", [None, [], {}, "", 0, [SPONSORED], {"type": []}])
def test_what_is_no_such_answer_is_left_to_the_models(answer):
    """
    None, whatever it is.
    """
    assert usual_offer(answer) is None
    assert usual_call_id(answer) is None
    with pytest.raises(AnswerLost):
        by_model_offer(answer)


def test_the_members_of_an_operation_are_those_of_its_model():
    """
    In the same order: what goes back is byte for byte what the model would have made of it.
    """
    names = [field.alias for field in OperationData.model_fields.values()]

    assert [name for name in names if not name.startswith("factory")] == list(OPERATION_MEMBERS)


def test_texts_that_are_right_only_together_are_none():
    """
    A blank in one would pass for the one between two.
    """
    assert numbers_of("0x1", "0x02") == [1, 2]
    assert bytes_of("0x", "0xAB") == [b"", b"\xab"]
    for texts in (("0x1 0x2", "0x3"), ("0x1 ", "0x2"), ("0x1", ""), ("", "0x1"), ()):
        with pytest.raises(ValueError, match=r"hex integers|invalid literal"):
            numbers_of(*texts)


def test_recorded_answers_are_usual():
    """
    What services and SDKs were seen to say is what is read in few steps.
    """
    results = [
        (exchange["request"]["method"], exchange["response"]["body"].get("result"))
        for name in ("http_v4", "http_v5")
        for vector in entries(name)
        for exchange in vector["exchanges"]
    ]
    for method, quick, model in (
        ("wallet_prepareCalls", usual_offer, by_model_offer),
        ("wallet_sendPreparedCalls", usual_call_id, by_model_call_id),
    ):
        answers = [result for named, result in results if named == method and result is not None]
        usual = [answer for answer in answers if quick(answer) is not None]

        assert [quick(one) for one in usual] == [model(one) for one in usual]
        assert len(usual) > len(answers) * 0.8
