"""What an HTTP answer says of its request: one table, a test for each row."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.adapters.wallet_api.envelope import VERDICTS, HttpAnswer, _read, read_answer
from runner.errors import AnswerLost, WalletApiError, WalletBusy, WalletRefused
from runner.strict_json import parse_json

# Source: README §1.1 and §1.2. A code that is not listed is a refusal.
BY_CODE = {
    -1: AnswerLost,
    3: WalletRefused,
    429: WalletBusy,
    4001: WalletRefused,
    4100: WalletRefused,
    5730: WalletRefused,
    5740: WalletRefused,
    -32000: WalletRefused,
    -32001: WalletRefused,
    -32002: WalletRefused,
    -32003: WalletRefused,
    -32004: WalletRefused,
    -32005: WalletBusy,
    -32006: WalletRefused,
    -32007: WalletBusy,
    -32500: WalletRefused,
    -32501: WalletRefused,
    -32502: WalletRefused,
    -32503: WalletRefused,
    -32504: WalletRefused,
    -32505: WalletRefused,
    -32506: WalletRefused,
    -32507: WalletRefused,
    -32521: WalletRefused,
    -32600: WalletRefused,
    -32601: WalletRefused,
    -32602: WalletRefused,
    -32603: AnswerLost,
    -32700: WalletRefused,
}
BY_STATUS = {
    204: AnswerLost,
    302: AnswerLost,
    400: AnswerLost,
    401: AnswerLost,
    403: AnswerLost,
    404: AnswerLost,
    408: AnswerLost,
    413: AnswerLost,
    429: WalletBusy,
    500: AnswerLost,
    502: AnswerLost,
    503: WalletBusy,
    504: AnswerLost,
}


def refused(answer: HttpAnswer, request_id: int = 1) -> WalletApiError:
    with pytest.raises(WalletApiError) as caught:
        read_answer(answer, request_id, "https://host: m")
    return caught.value


def error_answer(code: int, status: int = 200, **more: object) -> HttpAnswer:
    body = {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": "m", **more}}
    return HttpAnswer(status, json.dumps(body).encode())


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("code", BY_CODE)
def test_an_error_code_decides_whatever_the_status(code, status):
    """
    An error body wins over the HTTP status.
    """
    error = refused(error_answer(code, status))

    assert type(error) is BY_CODE[code]
    assert f"code {code}" in error.what


@pytest.mark.parametrize("status", BY_STATUS)
def test_a_status_decides_when_there_is_no_error_body(status):
    """
    Only 429 and 503 say that the request was not taken.
    """
    error = refused(HttpAnswer(status, b"<html>oops</html>"))

    assert type(error) is BY_STATUS[status]


def test_the_tests_above_cover_the_table():
    """
    No row of the table is without a test.
    """
    tested = {("code", code) for code in BY_CODE} | {("http", status) for status in BY_STATUS}

    assert set(VERDICTS) <= tested


def test_a_busy_status_decides_over_a_code_of_unknown_meaning():
    """
    HTTP 429 with a code of the provider's own is a rate limit, not a refusal.
    """
    assert type(refused(error_answer(-32016, 429))) is WalletBusy
    assert type(refused(error_answer(-32602, 429))) is WalletRefused


def test_a_refusal_carries_code_and_untouched_data():
    """
    Callers match on the code; what the service sent along is theirs to read.
    """
    error = refused(error_answer(-32500, data={"reason": "AA23", "revertData": "0x2b53784e"}))

    assert isinstance(error, WalletRefused)
    assert (error.code, error.data) == (-32500, {"reason": "AA23", "revertData": "0x2b53784e"})
    assert error.what == "https://host: m: rejected in validation (code -32500): m"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0.5", 0.5), (None, None), ("soon", None), ("-1", None), ("9" * 30, None)],
)
def test_retry_after_is_read_with_and_without_a_body(header, seconds):
    """
    The pause that a service asks for reaches the caller.
    """
    body = error_answer(429).body

    for answer in (HttpAnswer(429, body, header), HttpAnswer(503, b"", header)):
        error = refused(answer)
        assert isinstance(error, WalletBusy)
        assert error.retry_after_seconds == seconds


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"jsonrpc":"2.0","id":1,"result":{"a":1}',
        b'{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}',
        b'{"jsonrpc":"2.0","id":1,"id":1,"result":1}',
        b'{"jsonrpc":"2.0","id":1,"result":NaN}',
        b'{"jsonrpc":"2.0","id":1,"result":Infinity}',
        b'{"jsonrpc":"2.0","id":1,"result":"\xff"}',
        b'{"jsonrpc":"2.0","id":1,"result":1} trailing',
        b'{"jsonrpc":"2.0","id":1,"result":' + 5000 * b"1" + b"}",
        b"[" * 100_000,
        b'{"jsonrpc":"2.0","id":2,"result":1}',
        b'{"jsonrpc":"2.0","id":"1","result":1}',
        b'{"jsonrpc":"2.0","id":1.0,"result":1}',
        b'{"jsonrpc":"2.0","id":true,"result":1}',
        b'{"jsonrpc":"2.0","id":null,"result":1}',
        b'{"jsonrpc":"2.0","result":1}',
        b'{"jsonrpc":"1.0","id":1,"result":1}',
        b'{"id":1,"result":1}',
        b'{"jsonrpc":"2.0","id":1}',
        b'{"jsonrpc":"2.0","id":1,"result":1,"error":"no"}',
        b'{"jsonrpc":"2.0","id":1,"error":{"message":"no code"}}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":true}}',
        b'{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"not ours"}}',
        b'[{"jsonrpc":"2.0","id":1,"result":1}]',
        b'"result"',
        b"null",
        b"<!doctype html><html></html>",
    ],
    ids=lambda body: body[:60].decode("latin-1"),
)
def test_what_is_no_answer_to_this_request_is_lost(body):
    """
    Garbage, an answer to something else, and anything ambiguous leave the outcome open.
    """
    assert type(refused(HttpAnswer(200, body))) is AnswerLost


def test_a_result_is_returned_as_it_is():
    """
    Whatever JSON the result is, null included.
    """
    for result in ({"a": [1, None, "x"]}, None, [], "0x", 0):
        body = json.dumps({"jsonrpc": "2.0", "id": 7, "result": result, "extra": 1}).encode()
        assert read_answer(HttpAnswer(200, body), 7, "m") == result


def test_an_error_without_an_id_counts():
    """
    Gateways answer before they have read the id.
    """
    bare = HttpAnswer(429, b'{"jsonrpc":"2.0","error":{"code":429,"message":"slow down"}}')
    null = HttpAnswer(400, b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m"}}')

    assert type(refused(bare)) is WalletBusy
    assert type(refused(null)) is WalletRefused


def test_a_message_cannot_steer_a_terminal():
    """
    What the service says is shown on one short line without control characters.
    """
    error = refused(error_answer(-32602, message="\x1b[2Jfine\r\n\u202e" + 2000 * "x"))

    assert error.what.isprintable()
    assert "fine" in error.what
    assert len(error.what) < 700


def test_the_fault_of_bad_json_quotes_nothing():
    """
    A message about garbage does not repeat the garbage.
    """
    with pytest.raises(ValueError, match="character") as caught:
        parse_json(b'{"secret-text": oops}')

    assert "secret" not in str(caught.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=8,
)


@given(
    value=VALUES,
    separators=st.sampled_from([(",", ":"), (", ", ": ")]),
    ensure_ascii=st.booleans(),
    cut=st.integers(0, 40),
    instead=st.sampled_from(
        [b"", b"", b"1", b'"a":1,', b"NaN", b"-0", b"1e5", b"\\u00e9", b"\xff"]
    ),
)
def test_the_quick_reading_is_the_strict_one(value, separators, ensure_ascii, cut, instead):
    """
    The same value, of the same types, or an error of both; whole texts and spoilt ones.
    """
    try:
        text = json.dumps(value, separators=separators, ensure_ascii=ensure_ascii).encode()
    except UnicodeEncodeError:  # half a character
        text = json.dumps(value).encode()
    body = text if not instead else text[:cut] + instead + text[cut:]

    try:
        strict = repr(parse_json(body))
    except ValueError:
        strict = None
    try:
        quick = repr(_read(body))
    except ValueError:
        quick = None

    assert quick == strict
