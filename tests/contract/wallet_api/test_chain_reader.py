"""Evidence is held against the question: an answer about something else is no answer."""

from datetime import UTC, datetime

import pytest

from runner.adapters.chain import RpcChainReader
from runner.errors import AnswerLost, WalletApiError, WalletRefused
from runner.ethereum.address import parse_address
from runner.ethereum.authorization import decode_delegation, delegation_code
from runner.ethereum.contracts import DELEGATE_7702
from runner.ethereum.user_operation import ENTRY_POINT_V07
from runner.ports import Block, OperationEvent, Transfer, Validation

SENDER = parse_address("0x76E765e80FFAC96ac10Aa8908a8267A3B80d606D")
OTHER = parse_address("0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf")
TOKEN = parse_address("0x30b44aAa8d085e21CD4073872e8A6F9C8E7b0A51")
EVENT = "0x49628fd1471006c1482da88028e9ce4dbb080b815c9b0344d39e5a8e6ec1419f"
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
HASH = "0x" + 32 * "aa"
TRANSACTION = "0x" + 32 * "cc"


def word(value: int | str) -> str:
    """A 32-byte word as hex, without prefix."""
    return f"{value:064x}" if isinstance(value, int) else value[2:].lower().rjust(64, "0")


def event(block: int = 7, index: int = 0, **changes):
    """A UserOperationEvent as a node sends it."""
    return {
        "address": ENTRY_POINT_V07.lower(),
        "topics": [EVENT, HASH, "0x" + word(SENDER), "0x" + word(0)],
        "data": "0x" + word(5 << 64) + word(1) + word(1234) + word(99),
        "blockNumber": hex(block),
        "blockHash": "0x" + 32 * "bb",
        "transactionHash": TRANSACTION,
        "transactionIndex": "0x0",
        "logIndex": hex(index),
        "removed": False,
        **changes,
    }


@pytest.fixture
def chain(wallet):
    return wallet.chain_reader(84532)


def serve(service, **by_method):
    service.results(eth_chainId="0x14a34", **by_method)


async def test_blocks(service, chain):
    """
    The newest block, and one by number.
    """
    block = {"number": "0x7", "timestamp": "0x6553f100", "hash": HASH, "transactions": []}
    serve(service, eth_getBlockByNumber=block)
    expected = Block(7, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), HASH)

    assert await chain.head() == expected
    assert await chain.block(7) == expected
    with pytest.raises(AnswerLost, match="block 7, not 8"):
        await chain.block(8)

    asked = [r.json["params"] for r in service.requests if r.json["method"] != "eth_chainId"]
    assert asked == [["latest", False], ["0x7", False], ["0x8", False]]


async def test_a_block_that_is_not_there(service, chain):
    """
    A node that lags behind has no answer.
    """
    serve(service, eth_getBlockByNumber=None)

    with pytest.raises(AnswerLost, match="no block 0x9"):
        await chain.block(9)


async def test_a_block_beyond_the_calendar(service, chain):
    """
    A time that no datetime can hold is an unusable answer.
    """
    serve(
        service, eth_getBlockByNumber={"number": "0x1", "timestamp": "0xffffffffffff", "hash": HASH}
    )

    with pytest.raises(AnswerLost, match="calendars"):
        await chain.head()


async def test_the_chain_is_asked_for_once(service, chain):
    """
    One question before the first answer is believed.
    """
    serve(service, eth_getBalance="0x5")

    assert await chain.balance(SENDER, None) == 5
    assert await chain.balance(SENDER, None) == 5

    methods = [request.json["method"] for request in service.requests]
    assert methods == ["eth_chainId", "eth_getBalance", "eth_getBalance"]
    assert {request.path.split("/v2/")[0] for request in service.requests} == {"/chain/84532"}


async def test_an_endpoint_of_another_chain_is_not_believed(service, wallet):
    """
    There all our nonces look unused, as if nothing had been paid.
    """
    service.results(eth_chainId="0x1", eth_call="0x" + word(0))
    chain = wallet.chain_reader(84532)

    for _ in range(2):
        with pytest.raises(WalletApiError, match="serves chain 1, not 84532"):
            await chain.nonce(SENDER, 0, block=1)

    assert await chain.chain_id() == 1


async def test_operation_events(service, chain):
    """
    One query for all senders; what comes back is in the order of the chain.
    """
    late, early = event(9, 3), event(9, 1)
    late["topics"] = [EVENT, "0x" + 32 * "ab", "0x" + word(OTHER), "0x" + word(TOKEN)]
    late["data"] = "0x" + word(2**256 - 1) + word(0) + word(0) + word(0)
    serve(service, eth_getLogs=[late, early, event(8, removed=True)])

    events = await chain.operation_events([SENDER, OTHER, SENDER], from_block=7, to_block=9)

    assert events == [
        OperationEvent(
            user_op_hash=bytes.fromhex(32 * "aa"),
            sender=SENDER,
            nonce=5 << 64,
            success=True,
            gas_cost=1234,
            block_number=9,
            block_hash="0x" + 32 * "bb",
            transaction_hash=TRANSACTION,
        ),
        OperationEvent(
            user_op_hash=bytes.fromhex(32 * "ab"),
            sender=OTHER,
            nonce=2**256 - 1,
            success=False,
            gas_cost=0,
            block_number=9,
            block_hash="0x" + 32 * "bb",
            transaction_hash=TRANSACTION,
        ),
    ]
    assert service.requests[-1].json["params"] == [
        {
            "address": ENTRY_POINT_V07,
            "topics": [EVENT, None, ["0x" + word(SENDER), "0x" + word(OTHER)]],
            "fromBlock": "0x7",
            "toBlock": "0x9",
        }
    ]


async def test_long_spans_are_asked_for_in_parts(service, wallet):
    """
    The parts cover every block once.
    """
    serve(service, eth_getLogs=lambda query: [event(int(query["toBlock"], 16))])
    chain = RpcChainReader(wallet.chain_reader(84532)._rpc, chain_id=84532, max_block_span=10)

    events = await chain.operation_events([SENDER], from_block=5, to_block=27)

    spans = [
        (int(query["fromBlock"], 16), int(query["toBlock"], 16))
        for request in service.requests
        if request.json["method"] == "eth_getLogs"
        for query in request.json["params"]
    ]
    assert spans == [(5, 14), (15, 24), (25, 27)]
    assert [found.block_number for found in events] == [14, 24, 27]


async def test_what_an_earlier_look_has_read_is_held_against_what_comes(service, chain):
    """
    A log that is another one in the same place is read anew, and one that is gone is gone.
    """
    other = event(7, 1, data="0x" + word(6 << 64) + word(0) + word(9) + word(9))
    answers = [
        [event(7), event(7, 1)],
        [event(7), other],
        [other],
        [event(7), event(7, 1, removed=True)],
        [event(7, removed=0)],
    ]
    serve(service, eth_getLogs=lambda query: answers.pop(0))

    looks = [await chain.operation_events([SENDER], from_block=7, to_block=7) for _ in range(4)]

    assert [[(one.nonce >> 64, one.success) for one in look] for look in looks] == [
        [(5, True), (5, True)],
        [(5, True), (6, False)],
        [(6, False)],
        [(5, True)],
    ]
    with pytest.raises(AnswerLost, match="removed"):
        await chain.operation_events([SENDER], from_block=7, to_block=7)


async def test_nobody_to_look_for(service, chain):
    """
    No senders or no blocks need no request.
    """
    assert await chain.operation_events([], from_block=1, to_block=5) == []
    assert await chain.operation_events([SENDER], from_block=6, to_block=5) == []
    assert service.requests == []


@pytest.mark.parametrize(
    "changes",
    [
        {"address": TOKEN},
        {"topics": [EVENT, HASH, "0x" + word(OTHER), "0x" + word(0)]},
        {"topics": [TRANSFER, HASH, "0x" + word(SENDER), "0x" + word(0)]},
        {"topics": [EVENT, HASH, "0x" + word(SENDER)]},
        {"topics": [EVENT, HASH, "0x01" + word(SENDER)[2:], "0x" + word(0)]},
        {"topics": None},
        {"data": "0x" + word(1) + word(2) + word(3) + word(4)},
        {"data": "0x" + word(1) + word(1) + word(3)},
        {"data": "0x" + word(1) + word(1) + word(3) + word(4) + word(5)},
        {"blockNumber": "0x6"},
        {"blockNumber": "0xa"},
        {"blockNumber": None},
        {"blockHash": "0x12"},
        {"transactionHash": None},
    ],
)
async def test_a_log_that_was_not_asked_for_spoils_the_answer(changes, service, chain):
    """
    Evidence of another contract, sender or block is no evidence.
    """
    serve(service, eth_getLogs=[event(7), event(7, **changes)])

    with pytest.raises(AnswerLost, match="eth_getLogs: unusable answer"):
        await chain.operation_events([SENDER], from_block=7, to_block=9)


def receipt(*logs, **changes):
    """A receipt of these (topics, data, address), in this order."""
    numbered = [
        {"address": address, "topics": topics, "data": data, "logIndex": hex(index)}
        for index, (topics, data, address) in enumerate(logs)
    ]
    return {"transactionHash": TRANSACTION, "status": "0x1", "logs": numbered, **changes}


def paid(amount, token=TOKEN):
    return [TRANSFER, "0x" + word(SENDER), "0x" + word(OTHER)], "0x" + word(amount), token


def ended(user_op_hash, emitter=ENTRY_POINT_V07, sender=SENDER):
    topics = [EVENT, user_op_hash, "0x" + word(sender), "0x" + word(0)]
    return topics, event()["data"], emitter


BEFORE_EXECUTION = (
    ["0xbb47ee3e183a558b1a2ff0874b079f3fc5478b7454eacf2bfc5af2ff5878f972"],
    "0x",
    ENTRY_POINT_V07,
)


async def test_transfers(service, chain):
    """
    ERC-20 transfers alone, with every other log passed over.
    """
    nft = [TRANSFER, "0x" + word(SENDER), "0x" + word(OTHER), "0x" + word(1)]
    logs = [
        ([], "0x", TOKEN),
        ([], "0x", ENTRY_POINT_V07),
        ([EVENT, HASH], "0x", TOKEN),
        (nft, "0x", TOKEN),
        ([TRANSFER], "0x" + word(SENDER) + word(OTHER) + word(1), TOKEN),
        ([TRANSFER, HASH, "0x" + word(OTHER)], "0x" + word(1), TOKEN),
        (paid(1)[0], "0x", TOKEN),
        paid(2**255),
        ended(HASH),
    ]
    serve(service, eth_getTransactionReceipt=receipt(*logs))

    transfers = await chain.transfers(TRANSACTION, HASH)

    assert transfers == [Transfer(token=TOKEN, sender=SENDER, receiver=OTHER, amount=2**255)]


async def test_transfers_of_one_operation_in_a_bundle(service, chain):
    """
    What validation and the other operations moved is theirs; a forged event ends nothing.
    """
    first, second, third = ("0x" + 32 * digits for digits in ("a1", "a2", "a3"))
    bundle = receipt(
        paid(1),
        BEFORE_EXECUTION,
        paid(2),
        ended(first),
        paid(3),
        ended(first, emitter=TOKEN),
        paid(4),
        ended(second),
        ended(third),
        paid(5),
    )
    bundle["logs"].reverse()
    serve(service, eth_getTransactionReceipt=bundle)

    async def amounts(user_op_hash):
        return [each.amount for each in await chain.transfers(TRANSACTION, user_op_hash)]

    assert await amounts(first.upper().replace("X", "x")) == [2]
    assert await amounts(second) == [3, 4]
    assert await amounts(third) == []
    with pytest.raises(AnswerLost, match="did not include"):
        await amounts(HASH)


BLOCK = "0x" + 32 * "bb"


def of_block(*logs, transaction=TRANSACTION, first=0):
    """Logs of a block, in the order of their transaction."""
    place = {"blockHash": BLOCK, "blockNumber": "0x7", "transactionHash": transaction}
    return [
        {"address": address, "topics": topics, "data": data, "logIndex": hex(first + index)} | place
        for index, (topics, data, address) in enumerate(logs)
    ]


def serve_block(service, ends, moves):
    """Answer the question for the EntryPoint's events, and the one for what left accounts."""
    serve(service, eth_getLogs=lambda query: ends if "address" in query else moves)


async def test_x22_outflows_of_a_block_are_those_of_each_receipt(service, chain):
    """
    Bundles of several operations, ours and others', beside each other in one block.
    """
    first, second, third, fourth = ("0x" + 32 * digits for digits in ("a1", "a2", "a3", "a4"))
    nft = [TRANSFER, "0x" + word(SENDER), "0x" + word(OTHER), "0x" + word(1)], "0x", TOKEN
    bundle = of_block(
        paid(1),
        BEFORE_EXECUTION,
        paid(2),
        nft,
        ended(first),
        paid(3),
        paid(4),
        ended(second),
        ended(third),
        paid(5),
    )
    other = of_block(BEFORE_EXECUTION, paid(6), ended(fourth), transaction=HASH, first=20)
    logs = [*reversed(other), *bundle]
    moves = [log for log in logs if log["topics"][0] == TRANSFER]
    serve_block(service, [log for log in logs if log not in moves], moves)

    found = await chain.outflows(BLOCK, [SENDER])

    amounts = {"0x" + name.hex(): [one.amount for one in each] for name, each in found.items()}
    assert amounts == {first: [2], second: [3, 4], third: [], fourth: [6]}
    for transaction, whole in ((TRANSACTION, bundle), (HASH, other)):
        serve(service, eth_getTransactionReceipt={"transactionHash": transaction, "logs": whole})
        for name in {log["topics"][1] for log in whole if log["topics"][0] == EVENT}:
            assert await chain.transfers(transaction, name) == found[bytes.fromhex(name[2:])]


@pytest.mark.parametrize(
    "changes",
    [
        {"blockHash": HASH},
        {"removed": True},
        {"topics": [EVENT, "0x" + word(SENDER), "0x" + word(OTHER)]},
        {"topics": [TRANSFER, "0x" + word(OTHER), "0x" + word(OTHER)]},
        {"topics": [TRANSFER]},
        {"topics": [TRANSFER, "0x01" + word(SENDER)[2:], "0x" + word(OTHER)]},
        {"topics": [TRANSFER, "0x" + word(SENDER), "0x" + word(OTHER)[:-2]]},
        {"topics": []},
        {"logIndex": None},
        {"data": "0x" + 64 * "g"},
        {"address": "0x12"},
    ],
)
async def test_x22_a_log_of_another_block_or_account_spoils_the_answer(changes, service, chain):
    """
    "Nothing else left" is a statement; an answer to another question is none.
    """
    ends = of_block(BEFORE_EXECUTION, ended(HASH))
    serve_block(service, ends, [of_block(paid(1))[0] | changes])

    with pytest.raises(AnswerLost, match="eth_getLogs: unusable answer"):
        await chain.outflows(BLOCK, [SENDER])

    serve_block(service, of_block(BEFORE_EXECUTION, ended(HASH, emitter=TOKEN)), [])
    with pytest.raises(AnswerLost, match="not asked for"):
        await chain.outflows(BLOCK, [SENDER])


async def test_b8_nothing_is_said_of_accounts_that_were_not_asked_about(service, chain):
    """
    What left them was not asked for: that none of it is there means nothing.
    """
    mine, other = ("0x" + 32 * digits for digits in ("a1", "a2"))
    serve_block(service, of_block(ended(mine), ended(other, sender=OTHER)), [])

    assert await chain.outflows(BLOCK, [SENDER]) == {bytes.fromhex(mine[2:]): []}


@pytest.mark.parametrize("answer", [{}, "", "0x", 0, True, None, [None], [[]], {"0": "1"}])
async def test_x12_what_is_no_list_of_logs_is_not_an_empty_one(answer, service, chain):
    """
    "Nothing was included" is a statement.
    """
    serve(service, eth_getLogs=answer)

    with pytest.raises(AnswerLost, match="eth_getLogs"):
        await chain.operation_events([SENDER], from_block=1, to_block=9)


async def test_s4_a_revert_with_data_is_told_from_one_without(service, chain):
    """
    The EntryPoint says why an operation reverted, if its calls did; another's reason is none.
    """
    first, second = ("0x" + 32 * digits for digits in ("a1", "a2"))
    told = ["0x1c4fada7374c0a9ee8841fc38afe82932dc0f8e69012e927f061a8bae611a201", first]
    why = ([*told, "0x" + word(SENDER)], "0x" + word(0), ENTRY_POINT_V07)
    forged = (why[0], why[1], TOKEN)
    logs = (BEFORE_EXECUTION, why, ended(first), forged, why, ended(second))
    serve(service, eth_getTransactionReceipt=receipt(*logs))

    assert await chain.reverted_with_data(TRANSACTION, first)
    assert not await chain.reverted_with_data(TRANSACTION, second)
    with pytest.raises(AnswerLost):
        await chain.reverted_with_data(TRANSACTION, HASH)


@pytest.mark.parametrize(
    "answer", [None, {}, receipt(ended(HASH), transactionHash=HASH), receipt(paid(1))]
)
async def test_a_receipt_that_is_not_there_says_nothing(answer, service, chain):
    """
    "No transfers" is a statement; a missing receipt is none.
    """
    serve(service, eth_getTransactionReceipt=answer)

    with pytest.raises(AnswerLost):
        await chain.transfers(TRANSACTION, HASH)


MODULE = "0x00000000000099DE0BF6fA90dEB851E2A2df7d83"
UNINSTALLED = "0x43f7309d11ba6b2e180e9ab8a6da09d2fa1f585d7daed4b26c1c7f2a90b867a2"


def gone(entity, succeeded, *, module=MODULE, emitter=SENDER):
    topics = [UNINSTALLED, "0x" + word(module), "0x" + word(entity)]
    return topics, "0x" + word(int(succeeded)), emitter


async def test_x15_what_one_operation_took_off(service, chain):
    """
    By entity, whether all modules cleaned up; what others say in the same bundle is theirs.
    """
    logs = [
        gone(1, True),
        gone(2, True),
        gone(2, False),
        gone(3, True, emitter=OTHER),
        gone(4, True, module=TOKEN),
        ended(HASH),
        gone(5, True),
    ]
    serve(service, eth_getTransactionReceipt=receipt(*logs))

    assert await chain.uninstalls(SENDER, TRANSACTION, HASH) == {1: True, 2: False}


async def test_x15_what_stands_under_an_entity(service, chain):
    """
    Flags, hooks of both kinds in their order, functions; an account without code has nothing.
    """
    hooks = [bytes([n]) * 25 for n in (1, 2, 3)]
    rows = ["".join(one.ljust(32, b"\0").hex() for one in part) for part in (hooks[:2], hooks[2:])]
    places = word(0x80) + word(0x80 + 0x60) + word(0x80 + 0x60 + 0x40)
    arrays = word(2) + rows[0] + word(1) + rows[1] + word(1) + "b61d27f6".ljust(64, "0")
    serve(service, eth_call="0x" + word(0x20) + word(5) + places + arrays)

    found = await chain.validation(SENDER, 7, block=255)

    assert found == Validation(5, tuple(hooks), (bytes.fromhex("b61d27f6"),))
    assert found.is_installed
    name = MODULE[2:].lower() + "00000007"
    asked = [{"to": SENDER, "data": "0xd31b575b" + name.ljust(64, "0")}, "0xff"]
    assert service.requests[-1].json["params"] == asked

    serve(service, eth_call="0x")
    assert not (await chain.validation(SENDER, 7, block=255)).is_installed
    serve(service, eth_call="0x" + word(0x20) + word(5))
    with pytest.raises(AnswerLost):
        await chain.validation(SENDER, 7, block=255)


async def test_nonce(service, chain):
    """
    The sequence of a key after a block, asked from the EntryPoint.
    """
    key = (2**152 - 1) << 40 | 1 << 8
    serve(service, eth_call="0x" + word(key << 64 | 3))

    assert await chain.nonce(SENDER, key, block=255) == 3

    assert service.requests[-1].json["params"] == [
        {"to": ENTRY_POINT_V07, "data": "0x35567e1a" + word(SENDER) + word(key)},
        "0xff",
    ]
    with pytest.raises(AnswerLost, match="another key"):
        await chain.nonce(SENDER, 1, block=255)


async def test_balances(service, chain):
    """
    Of a token, and of the native coin; the newest, or after a block.
    """
    serve(service, eth_call="0x" + word(10**6), eth_getBalance=hex(10**18))

    assert await chain.balance(SENDER, TOKEN) == 10**6
    assert await chain.balance(SENDER, None) == 10**18
    assert await chain.balance(SENDER, TOKEN, block=0) == 10**6
    assert await chain.balance(SENDER, None, block=255) == 10**18

    calls = [request.json["params"] for request in service.requests[1:]]
    asked = {"to": TOKEN, "data": "0x70a08231" + word(SENDER)}
    assert calls == [
        [asked, "latest"],
        [SENDER, "latest"],
        [asked, "0x0"],
        [SENDER, "0xff"],
    ]


@pytest.mark.parametrize("result", ["0x", "0x01", None, 7, "0x" + 64 * "00"])
async def test_a_call_that_is_not_one_word_is_lost(result, service, chain):
    """
    A contract that is not there answers nothing, and that is not zero.
    """
    serve(service, eth_call=result, eth_getBalance=None)

    with pytest.raises(AnswerLost, match="eth_call"):
        await chain.balance(SENDER, TOKEN)
    with pytest.raises(AnswerLost, match="eth_getBalance"):
        await chain.balance(SENDER, None)


async def test_what_stands_at_an_address(service, chain):
    """
    Its code, how often it has signed, and how many decimals it counts.
    """
    delegated = delegation_code(DELEGATE_7702)
    serve(
        service,
        eth_getCode="0x" + delegated.hex(),
        eth_getTransactionCount="0x7",
        eth_call="0x" + word(6),
    )

    assert decode_delegation(await chain.code(SENDER)) == DELEGATE_7702
    assert await chain.transaction_count(SENDER) == 7
    assert await chain.decimals(TOKEN) == 6

    calls = [(request.json["method"], request.json["params"]) for request in service.requests[1:]]
    assert calls == [
        ("eth_getCode", [SENDER, "latest"]),
        ("eth_getTransactionCount", [SENDER, "latest"]),
        ("eth_call", [{"to": TOKEN, "data": "0x313ce567"}, "latest"]),
    ]


@pytest.mark.parametrize("result", [None, "0x1", 6, "6"])
async def test_what_is_no_code_and_no_count_is_lost(result, service, chain):
    """
    Half a byte of code, a JSON number, null.
    """
    serve(service, eth_getCode=result, eth_getTransactionCount=result, eth_call="0x" + word(256))

    with pytest.raises(AnswerLost, match="eth_getCode"):
        await chain.code(SENDER)
    if result != "0x1":
        with pytest.raises(AnswerLost, match="eth_getTransactionCount"):
            await chain.transaction_count(SENDER)
    with pytest.raises(AnswerLost, match="more decimals"):
        await chain.decimals(TOKEN)


async def test_reads_are_repeated(service, chain, clock):
    """
    All of them, a bounded number of times.
    """
    service.replies = [service.text("", 502), service.text("", 503), service.text("<html>")]
    serve(service, eth_getBalance="0x1")

    assert await chain.balance(SENDER, None) == 1

    assert clock.slept == [0.2, 0.4, 0.8]


async def test_a_refused_read_is_told(service, chain):
    """
    A node without the block's state refuses.
    """
    service.default = service.answer(error={"code": -32000, "message": "missing trie node"})

    with pytest.raises(WalletRefused, match="missing trie node"):
        await chain.nonce(SENDER, 0, block=1)
