"""JSON-RPC over HTTP: paths, batches, errors, and what goes wrong on the way."""

from __future__ import annotations

import time

import httpx
import pytest

from runner.errors import RunnerError
from runner.sandbox.server import EmbeddedSandbox


def body(method, *params, identity=1):
    return {"jsonrpc": "2.0", "id": identity, "method": method, "params": list(params)}


def rpc(http, method, *params):
    answer = http.post("", json=body(method, *params)).json()
    assert "error" not in answer, answer
    return answer["result"]


@pytest.fixture
def fault(http):
    return lambda kind, **members: rpc(http, "sandbox_setFault", {"kind": kind, **members})


@pytest.mark.parametrize(
    ("path", "chain"),
    [
        ("/", "0x14a34"),
        ("/v2", "0x14a34"),
        ("/v2/", "0x14a34"),
        ("/v2/some-key", "0x14a34"),
        ("/chain/1/v2/some-key", "0x1"),
        ("/chain/421614/v2", "0x66eee"),
    ],
)
def test_paths(embedded, path, chain):
    root = embedded.removesuffix("/v2/dev")
    answer = httpx.post(
        root + path, json=body("eth_chainId"), headers={"Authorization": "Bearer x"}
    )

    assert answer.json() == {"jsonrpc": "2.0", "id": 1, "result": chain}


def test_batches(http):
    answers = http.post(
        "",
        json=[
            body("eth_chainId", identity="a"),
            {"jsonrpc": "2.0", "method": "eth_chainId"},
            body("no_such", identity=2),
            5,
        ],
    ).json()

    assert [answer["id"] for answer in answers] == ["a", 2, None]
    assert [answer.get("error", {}).get("code") for answer in answers] == [None, -32601, -32600]


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"{", -32700), (b"[]", -32600), (b"{}", -32600), (b'{"jsonrpc":"2.0","id":1}', -32600)],
)
def test_malformed_requests(http, content, code):
    assert http.post("", content=content).json()["error"]["code"] == code


def test_a_deep_request_does_not_end_the_server(http):
    assert http.post("", content=b"[" * 100_000).json()["error"]["code"] == -32700
    assert rpc(http, "eth_chainId") == "0x14a34"


@pytest.mark.parametrize(("path", "status"), [("/v3", 404), ("/chain/0/v2", 404), ("/v2/a/b", 404)])
def test_other_paths(embedded, path, status):
    root = embedded.removesuffix("/v2/dev")
    assert httpx.post(root + path, json=body("eth_chainId")).status_code == status


def test_web_pages_of_other_origins_are_refused(http):
    headers = {"Origin": "https://example.org"}
    assert http.post("", json=body("eth_chainId"), headers=headers).status_code == 403


def test_a_request_that_is_too_large_is_refused(http):
    assert http.post("", content=b" " * (5 * 2**20)).status_code == 413


def test_latency(http, fault):
    fault("latency", seconds=0.3, count=1)
    begun = time.monotonic()

    rpc(http, "eth_chainId")

    assert time.monotonic() - begun >= 0.3


@pytest.mark.parametrize("kind", ["reset", "drop_reply_after_accept"])
def test_a_connection_that_is_cut(http, fault, kind):
    fault(kind, method="eth_chainId", count=1)

    with pytest.raises(httpx.TransportError):
        http.post("", json=body("eth_chainId"))
    assert rpc(http, "eth_chainId") == "0x14a34"


def test_what_was_accepted_before_the_reply_was_dropped_counts(http, fault):
    fault("drop_reply_after_accept", method="sandbox_fund", count=1)
    address = "0x00000000000000000000000000000000000a11ce"

    with pytest.raises(httpx.TransportError):
        http.post("", json=body("sandbox_fund", {"address": address, "amount": "7"}))
    assert rpc(http, "eth_getBalance", address, "latest") == "0x7"


def test_silence_before_anything_is_accepted(http, fault):
    fault("timeout_before_accept", method="sandbox_fund", count=1)
    address = "0x00000000000000000000000000000000000a11ce"

    with pytest.raises(httpx.ReadTimeout):
        http.post("", json=body("sandbox_fund", {"address": address, "amount": "7"}), timeout=0.3)
    assert rpc(http, "eth_getBalance", address, "latest") == "0x0"


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("rate_limit", 429, 429), ("error_500", 500, -32603), ("error_503", 503, -32603)],
)
def test_http_errors(http, fault, kind, status, code):
    fault(kind, count=1)

    answer = http.post("", json=body("eth_chainId"))

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers.get("Retry-After") == ("1" if kind == "rate_limit" else None)
    assert rpc(http, "eth_chainId") == "0x14a34"


def test_garbage_and_another_id(http, fault):
    fault("malformed_json", count=1)
    with pytest.raises(ValueError, match=r"line 1 column"):
        http.post("", json=body("eth_chainId")).json()

    fault("wrong_id", count=1)
    assert http.post("", json=body("eth_chainId")).json()["id"] == 2


def test_faults_without_a_method_leave_the_controls_alone(http, fault):
    fault("error_500")
    assert http.post("", json=body("eth_chainId")).status_code == 500

    rpc(http, "sandbox_clearFaults")

    assert rpc(http, "eth_chainId") == "0x14a34"


def test_a_port_in_use_is_named(embedded):
    port = int(embedded.split(":")[2].split("/")[0])

    with pytest.raises(RunnerError, match=f"cannot listen on 127.0.0.1:{port}"):
        EmbeddedSandbox(chain_id=1, state=None, port=port).start()


def test_start_and_stop_again(tmp_path):
    server = EmbeddedSandbox(chain_id=8_453, state=tmp_path / "s.json")
    for _ in range(2):
        url = server.start()
        assert httpx.post(url, json=body("eth_chainId")).json()["result"] == "0x2105"
        server.stop()
    server.stop()
    assert (tmp_path / "s.json").exists()
