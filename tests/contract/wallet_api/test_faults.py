"""Whatever the network does, the caller gets one typed error, in time, without the key in it."""

import asyncio
import contextlib
import logging
import socket
import struct
import time
import traceback

import pytest

from runner.adapters.wallet_api.client import WalletApiClient
from runner.errors import AnswerLost, UsageError, WalletApiError, WalletBusy, WalletRefused
from runner.ethereum.address import parse_address
from runner.ethereum.permissions import Root

OWNER = parse_address("0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf")
KEY_PART = "s3cret-api-key"
CALL_ID = "0x" + 64 * "01"
STATUS = {
    "id": CALL_ID,
    "chainId": "0x1",
    "atomic": True,
    "status": 100,
    "details": {"type": "delegation"},
}


async def never(request, writer):
    """Take the request and say nothing."""
    await asyncio.sleep(60)


async def drip(request, writer):
    """Send a byte now and then, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def huge(request, writer):
    """Send 50 MB."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
    for _ in range(50):
        writer.write(1_000_000 * b" ")
        await writer.drain()


async def huge_chunks(request, writer):
    """Send 50 MB without announcing it."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(50):
        writer.write(b"f4240\r\n" + 1_000_000 * b" " + b"\r\n")
        await writer.drain()


async def hang_up(request, writer):
    """Close without an answer."""
    writer.close()


async def reset(request, writer):
    """Reset the connection."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def not_http(request, writer):
    """Speak something else."""
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
    await writer.drain()
    writer.close()


def faults(service):
    """Every fault by name, with the error that it must give."""
    html = "<!doctype html><h1>Bad gateway</h1>"
    duplicate = '{"jsonrpc":"2.0","id":1,"result":{"id":"0x01","id":"0x02","status":200}}'
    gzip = service.text("\x1f\x8b not asked for", headers="Content-Encoding: gzip\r\n")
    refusal = {"code": -32602, "message": "no"}
    return {
        "truncated body": (service.text('{"jsonrpc":"2.0",', length=400), AnswerLost),
        "truncated JSON": (service.text('{"jsonrpc":"2.0","id":1,"resu'), AnswerLost),
        "HTML page with 502": (service.text(html, 502), AnswerLost),
        "HTML page with 200": (service.text(html), AnswerLost),
        "empty 500": (service.text("", 500), AnswerLost),
        "empty 204": (service.text("", 204), AnswerLost),
        "redirect": (
            service.text("", 307, f"Location: {service.url}/elsewhere\r\n"),
            AnswerLost,
        ),
        "error body with 200": (service.answer(error=refusal), WalletRefused),
        "error body with 500": (service.answer(500, error=refusal), WalletRefused),
        "internal error": (service.answer(error={"code": -32603, "message": "x"}), AnswerLost),
        "rate limit": (service.text("", 429), WalletBusy),
        "overload": (service.text("busy", 503), WalletBusy),
        "wrong id": (service.answer(id=0, result=STATUS), AnswerLost),
        "duplicate keys": (service.text(duplicate), AnswerLost),
        "unasked compression": (gzip, AnswerLost),
        "50 MB": (huge, AnswerLost),
        "50 MB in chunks": (huge_chunks, AnswerLost),
        "slow drip": (drip, AnswerLost),
        "silence": (never, AnswerLost),
        "hang up": (hang_up, AnswerLost),
        "reset": (reset, AnswerLost),
        "not HTTP": (not_http, AnswerLost),
    }


FAULTS = [
    "truncated body",
    "truncated JSON",
    "HTML page with 502",
    "HTML page with 200",
    "empty 500",
    "empty 204",
    "redirect",
    "error body with 200",
    "error body with 500",
    "internal error",
    "rate limit",
    "overload",
    "wrong id",
    "duplicate keys",
    "unasked compression",
    "50 MB",
    "50 MB in chunks",
    "slow drip",
    "silence",
    "hang up",
    "reset",
    "not HTTP",
]


def below(error: BaseException) -> str:
    """Return the traceback under the test's own frame, with the local variables of each frame."""
    frames = traceback.walk_tb(error.__traceback__.tb_next)
    text = "".join(traceback.StackSummary.extract(frames, capture_locals=True).format())
    assert "wallet_api" in text
    return text


@pytest.mark.parametrize("name", FAULTS)
async def test_a_send_leaves_once_and_fails_with_a_type(name, service, wallet, caplog):
    """
    One request whatever happens, one typed error within the time-out, the key nowhere.
    """
    caplog.set_level(logging.DEBUG)
    service.default, expected = faults(service)[name]
    started = time.monotonic()

    with pytest.raises(WalletApiError) as caught:
        await wallet.send_prepared_calls(b'{"sealed":1}')

    assert type(caught.value) is expected
    assert len(service.requests) == 1
    assert time.monotonic() - started < 1.5
    assert caught.value.what.startswith(f"{service.url}: wallet_sendPreparedCalls: ")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert KEY_PART not in below(caught.value) + repr(wallet) + repr(caught.value) + caplog.text


@pytest.mark.parametrize("name", ["reset", "rate limit", "wrong id", "internal error", "50 MB"])
async def test_a_read_is_repeated_and_the_last_error_told(name, service, wallet, clock):
    """
    Three times, with doubled pauses; a refusal is not among these.
    """
    service.default, expected = faults(service)[name]

    with pytest.raises(expected):
        await wallet.get_calls_status(CALL_ID)

    assert len(service.requests) == 4
    assert clock.slept == [0.2, 0.4, 0.8]


async def test_a_read_succeeds_after_faults(service, wallet):
    """
    Each repetition is a request with an id of its own.
    """
    service.replies = [reset, service.text("", 503), huge]
    service.default = service.answer(result=STATUS)

    assert (await wallet.get_calls_status(CALL_ID)).code == 100

    ids = [request.json["id"] for request in service.requests]
    assert len(set(ids)) == 4


async def test_a_refusal_is_not_repeated(service, wallet):
    """
    The same request will not do better.
    """
    service.default = service.answer(error={"code": -32602, "message": "no", "data": {"a": [1]}})

    with pytest.raises(WalletRefused) as caught:
        await wallet.request_account(OWNER, salt=0)

    assert (caught.value.code, caught.value.data) == (-32602, {"a": [1]})
    assert len(service.requests) == 1


async def test_what_has_an_effect_is_never_repeated(service, wallet):
    """
    A lost answer to a session or a send is the engine's to judge.
    """
    service.default = service.text("", 503, "Retry-After: 1\r\n")
    session = {"account": OWNER, "chain_id": 1, "expiry": 0, "key": OWNER}

    with pytest.raises(WalletBusy):
        await wallet.create_session(**session, permissions=[Root()])
    with pytest.raises(WalletBusy):
        await wallet.send_prepared_calls(b"{}")

    assert len(service.requests) == 2


async def test_preparing_is_repeated(service, wallet):
    """
    It has no effect.
    """
    service.default = service.text("", 502)

    with pytest.raises(AnswerLost):
        await wallet.prepare_calls(
            account=OWNER, chain_id=1, calls=[], context=None, gas_policy=None
        )

    assert len(service.requests) == 4


async def test_retry_after_is_waited_for(service, wallet, clock):
    """
    The pause that the service asks for, and the jitter on top.
    """
    service.replies = [
        service.answer(429, "Retry-After: 3\r\n", error={"code": 429, "message": "slow"})
    ]
    service.default = service.answer(result=STATUS)

    await wallet.get_calls_status(CALL_ID)

    assert clock.slept == [3.2]


async def test_a_long_retry_after_is_the_callers_business(service, wallet, clock):
    """
    Nobody sleeps for an hour inside a call.
    """
    service.default = service.text("", 429, "Retry-After: 3600\r\n")

    with pytest.raises(WalletBusy) as caught:
        await wallet.get_calls_status(CALL_ID)

    assert caught.value.retry_after_seconds == 3600
    assert (len(service.requests), clock.slept) == (1, [])


async def test_nobody_listens(clock):
    """
    A refused connection is a lost answer as well.
    """
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/v2"
        async with WalletApiClient(url=url, api_key=None, clock=clock) as client:
            with pytest.raises(AnswerLost, match="no answer"):
                await client.send_prepared_calls(b"{}")


async def test_an_unknown_call_id_is_an_answer(service, wallet):
    """
    Error 5730 says that the service never heard of the id.
    """
    service.default = service.answer(error={"code": 5730, "message": "unknown bundle id"})

    status = await wallet.get_calls_status(CALL_ID)

    assert (status.code, status.known, status.pending) == (0, False, False)


@pytest.mark.parametrize(
    "result", [None, {}, {"id": CALL_ID}, {**STATUS, "status": "0x64"}, {**STATUS, "id": "0x02"}]
)
async def test_a_status_about_something_else_is_lost(result, service, wallet):
    """
    An answer has to be about the id that was asked for.
    """
    service.default = service.answer(result=result)

    with pytest.raises(AnswerLost):
        await wallet.get_calls_status(CALL_ID)


@pytest.mark.parametrize("result", [None, {}, {"id": "0x"}, {"id": 7}, {"id": "abc"}])
async def test_a_send_without_an_id_is_lost(result, service, wallet):
    """
    It may have been taken all the same.
    """
    service.default = service.answer(result=result)

    with pytest.raises(AnswerLost):
        await wallet.send_prepared_calls(b"{}")


async def test_a_service_that_repeats_the_key_is_censored(service, wallet):
    """
    Message and data lose the key and whatever in the URL may be one.
    """
    url = f"{service.url}/v2/{KEY_PART}-0123456789"
    error = {"code": -32600, "message": f"bad {url}", "data": {"key": [url]}}
    service.default = service.answer(401, error=error)

    with pytest.raises(WalletRefused) as caught:
        await wallet.request_account(OWNER, salt=0)

    assert KEY_PART not in caught.value.what + str(caught.value.data)
    assert "[redacted]" in caught.value.what


async def test_a_cancelled_call_frees_its_connection(service, wallet):
    """
    Shutting down does not wait for an answer.
    """
    arrived = asyncio.Event()

    async def taken(request, writer):
        arrived.set()
        await never(request, writer)

    service.default = taken
    task = asyncio.create_task(wallet.send_prepared_calls(b"{}"))
    await arrived.wait()

    task.cancel()

    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(task, 1)
    assert task.cancelled()


async def test_time_outs_go_by_method(service, clock):
    """
    A method may have more or less time than the others.
    """
    service.default = never
    async with WalletApiClient(
        url=service.url,
        api_key=None,
        clock=clock,
        timeouts={"wallet_sendPreparedCalls": 0.05},
    ) as client:
        with pytest.raises(AnswerLost, match=r"no answer within 0\.05 s"):
            await client.send_prepared_calls(b"{}")


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("ftp://host/s3cret-api-key", None),
        ("https://", None),
        ("host/s3cret-api-key", None),
        ("https://host:port/s3cret-api-key", None),
        ("https://host/\x00s3cret-api-key", None),
        ("https://user:s3cret-api-key@host/", "s3cret-api-key"),
        ("https://host", "s3cret-api-key\r\nX: y"),
        ("https://host", "s3cret-api-key ü"),
        ("https://host", ""),
    ],
)
def test_a_url_that_cannot_be_used_is_told_without_it(url, key, clock):
    """
    Early, and with nothing of URL or key in the traceback below the caller.
    """

    class Stopped:
        def monotonic(self):
            return 0.0

    with pytest.raises(UsageError) as caught:
        WalletApiClient(url=url, api_key=key, clock=Stopped())

    assert KEY_PART not in below(caught.value) + str(caught.value)
