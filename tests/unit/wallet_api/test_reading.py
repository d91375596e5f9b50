"""
Whatever bytes an answer holds, reading it ends in a value or in one of the declared errors.
"""

import asyncio
import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recorded import entries

from runner.adapters.chain import RpcChainReader
from runner.adapters.wallet_api.envelope import HttpAnswer, read_answer
from runner.adapters.wallet_api.messages import (
    accept,
    account_request,
    calls_request,
    encode,
    operation_offer,
    session_offer,
    session_request,
)
from runner.adapters.wallet_api.methods import METHODS
from runner.errors import EncodingError, WalletApiError
from runner.ethereum.address import address_from_bytes
from runner.ethereum.calls import Call
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
from runner.ethereum.typed_data import typed_data_digest
from runner.guard.offer import SignTypedData
from runner.ports import Block, FeeOverride

HEX = st.binary(max_size=40).map(lambda raw: "0x" + raw.hex())
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**300),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(["0x", "0x0", "0x1g", "-1", "1" * 90, "\ud800", "0x" + "f" * 64]),
    HEX,
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
ANSWERS = [
    (exchange["request"]["method"], exchange["response"]["body"]["result"])
    for vector in entries("http_v5")
    for exchange in vector["exchanges"]
    if "result" in exchange["response"]["body"]
]


def places(value, way=()):
    """
    Every place in a JSON value, by the way to it.
    """
    yield way
    if isinstance(value, dict | list):
        for name, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(each, (*way, name))


def with_another(value, way, other):
    if not way:
        return other
    changed = copy.copy(value)
    changed[way[0]] = with_another(value[way[0]], way[1:], other)
    return changed


@st.composite
def spoiled(draw):
    """
    A recorded answer with one or two places changed.
    """
    method, answer = draw(st.sampled_from(ANSWERS))
    for _ in range(draw(st.integers(1, 2))):
        way = draw(st.sampled_from(list(places(answer))))
        answer = with_another(answer, way, draw(JSON))
    return method, answer


@given(spoiled())
def test_a_spoiled_answer_is_read_or_refused(drawn):
    method, answer = drawn
    told = []
    try:
        accept(METHODS[method].answer, answer, "m")
    except WalletApiError as error:
        told.append(error.what)
    assert all(text.isprintable() for text in told)
    for read in (operation_offer, session_offer):
        try:
            offer = read(answer, "m")
        except WalletApiError:
            continue
        if isinstance(offer.request, SignTypedData):
            try:
                typed_data_digest(offer.request.typed_data)
            except EncodingError:
                continue


@given(JSON)
def test_any_json_is_read_or_refused(answer):
    for read in (operation_offer, session_offer):
        with pytest.raises(WalletApiError):
            read(answer, "m")


@given(st.binary(max_size=60), st.sampled_from([200, 204, 302, 400, 429, 500]))
def test_any_bytes_are_read_or_refused(body, status):
    for made in (body, b'{"jsonrpc":"2.0","id":1,"result":' + body + b"}"):
        try:
            found = read_answer(HttpAnswer(status, made), 1, "m")
        except WalletApiError:
            continue
        assert found == json.loads(made)["result"]


class Parrot:
    """Answers every question about the chain with the same value."""

    origin = "https://parrot"

    def __init__(self, answer):
        self._answer = answer

    async def call(self, method, params, *, repeat):
        del params, repeat
        return "0x1" if method == "eth_chainId" else self._answer


SENDER = address_from_bytes(bytes(19) + b"\7")
LOG = {
    "address": "0x0000000071727De22E5E9d8BAf0edAc6f37da032",
    "topics": [
        "0x49628fd1471006c1482da88028e9ce4dbb080b815c9b0344d39e5a8e6ec1419f",
        "0x" + 64 * "0",
    ],
    "data": "0x" + 256 * "0",
    "blockNumber": "0x1",
    "blockHash": "0x" + 64 * "0",
    "transactionHash": "0x" + 64 * "0",
    "logIndex": "0x0",
}
EVIDENCE = [
    [LOG],
    {"transactionHash": "0x" + 64 * "0", "logs": [LOG, {**LOG, "topics": LOG["topics"][:1]}]},
    {"number": "0x1", "timestamp": "0x1", "hash": "0x" + 64 * "0"},
]


@given(st.sampled_from(EVIDENCE).flatmap(lambda each: st.tuples(st.just(each), JSON)), st.data())
def test_evidence_is_read_or_refused(drawn, draw):
    answer, other = drawn
    way = draw.draw(st.sampled_from(list(places(answer))))
    chain = RpcChainReader(Parrot(with_another(answer, way, other)), chain_id=1)
    for ask, kind in (
        (chain.head, Block),
        (lambda: chain.operation_events([SENDER], from_block=1, to_block=1), list),
        (lambda: chain.transfers("0x" + 64 * "0", "0x" + 64 * "0"), list),
        (lambda: chain.transfers("0x" + 64 * "0", "0x" + 64 * "1"), list),
        (lambda: chain.nonce(SENDER, 0, block=1), int),
        (lambda: chain.balance(SENDER, None), int),
        (lambda: chain.code(SENDER), bytes),
        (lambda: chain.decimals(SENDER), int),
        (lambda: chain.transaction_count(SENDER), int),
    ):
        try:
            found = asyncio.run(ask())
        except WalletApiError:
            continue
        assert type(found) is kind


# ── and what we send ──────────────────────────────────────────────────────────────────────────

ADDRESSES = st.binary(min_size=20, max_size=20).map(address_from_bytes)
UINT256 = st.integers(0, 2**256 - 1)
SELECTORS = st.lists(st.binary(min_size=4, max_size=4), min_size=1, max_size=3).map(tuple)
PERMISSIONS = st.one_of(
    st.builds(NativeTokenTransfer, UINT256),
    st.builds(GasLimit, UINT256),
    st.builds(Erc20TokenTransfer, ADDRESSES, UINT256),
    st.builds(ContractAccess, ADDRESSES),
    st.builds(AccountFunctions, SELECTORS),
    st.builds(FunctionsOnAllContracts, SELECTORS),
    st.builds(FunctionsOnContract, ADDRESSES, SELECTORS),
    st.just(Root()),
)
REQUESTS = st.one_of(
    st.tuples(
        st.just("wallet_requestAccount"),
        st.builds(account_request, ADDRESSES, UINT256, additional=st.booleans()),
    ),
    st.tuples(
        st.just("wallet_createSession"),
        st.builds(
            session_request,
            account=ADDRESSES,
            chain_id=st.integers(1, 2**32 - 1),
            expiry=st.integers(0, 9_999_999_999),
            key=ADDRESSES,
            permissions=st.lists(PERMISSIONS, min_size=1, max_size=4),
        ),
    ),
    st.tuples(
        st.just("wallet_prepareCalls"),
        st.builds(
            calls_request,
            account=ADDRESSES,
            chain_id=st.integers(1, 2**32 - 1),
            calls=st.lists(st.builds(Call, ADDRESSES, UINT256, st.binary(max_size=40)), max_size=3),
            context=st.none() | st.binary(max_size=90),
            gas_policy=st.none() | st.uuids(version=4).map(str),
            nonce_key=st.none() | st.integers(0, 2**152 - 1),
            fees=st.none()
            | st.builds(FeeOverride, st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1)),
            delegate=st.booleans(),
        ),
    ),
)


@given(REQUESTS)
def test_what_we_build_is_what_the_specification_allows(drawn):
    """
    To the letter: reading it and writing it again changes nothing.
    """
    method, request = drawn
    reader = METHODS[method].params

    read = reader.validate_python([request])

    written = reader.dump_python(read, mode="json", by_alias=True, exclude_unset=True)
    assert written == [request] == json.loads(encode([request]))
