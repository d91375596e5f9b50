"""
How often the SDKs ask when a server keeps failing, and how often we do: the same for a read.

Source: tests/vectors/transport.json.
"""

import pytest
from support.recorded import entries, over

from runner.adapters.wallet_api.client import WalletApiClient
from runner.errors import WalletApiError, WalletRefused

ACCOUNTS = {"accounts": [], "meta": {"totalCount": 0, "after": None}}
ASK = {"signerAddress": "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"}
READS = [
    each
    for each in entries("transport")
    if each["method"] == "wallet_listAccounts" and "answer" in each
]
SENDS = [each for each in entries("transport") if each["method"] == "wallet_sendPreparedCalls"]
PAUSES = [each for each in entries("transport") if "waitedAtLeastOneSecond" in each]


def test_every_vector_is_used():
    assert len(READS) + len(SENDS) + len(PAUSES) == len(entries("transport"))


def client(vector, service, clock):
    """
    A client that repeats as often as that SDK: v4 never, v5 three times.
    """
    retries = {"v4": 0, "v5": 3}[vector["sdk"]]
    return WalletApiClient(
        url=service.url, api_key=None, clock=clock, retries=retries, random=lambda: 0.0
    )


def reply(service, answer):
    if "error" in answer:
        return service.answer(answer.get("status", 200), error=answer["error"])

    async def raw(request, writer):
        # The recorded server answered every id as 1.
        body = answer["raw"].replace('"id":1', f'"id":{request.json["id"]}')
        await service.text(body, answer["status"])(request, writer)

    return raw


@over(READS)
async def test_a_read_is_repeated_as_the_sdk_repeats_it(vector, service, clock):
    service.default = reply(service, vector["answer"])
    async with client(vector, service, clock) as wallet:
        with pytest.raises(WalletApiError) as caught:
            await wallet.request("wallet_listAccounts", ASK)

    assert len(service.requests) == vector["requestsSent"]
    if vector["requestsSent"] == 1 and vector["sdk"] == "v5":
        told = vector["answer"].get("error") or vector["error"]
        assert (type(caught.value), caught.value.code) == (WalletRefused, told["code"])


@over(SENDS)
async def test_a_send_leaves_once(vector, service, clock):
    """
    v5 repeats a send four times; here the engine decides, after looking at the fence.
    """
    service.default = service.text("", 503)
    async with client(vector, service, clock) as wallet:
        with pytest.raises(WalletApiError):
            await wallet.send_prepared_calls(b"{}")

    assert len(service.requests) == 1
    assert clock.slept == []


@over(PAUSES)
async def test_a_pause_that_is_asked_for_is_made(vector, service, clock):
    busy = {"code": 429, "message": "slow down"}
    service.replies = [service.answer(429, "Retry-After: 1\r\n", error=busy)]
    service.default = service.answer(result=ACCOUNTS)
    async with client(vector, service, clock) as wallet:
        if vector["succeeded"]:
            await wallet.request("wallet_listAccounts", ASK)
        else:
            with pytest.raises(WalletApiError):
                await wallet.request("wallet_listAccounts", ASK)

    assert len(service.requests) == vector["requestsSent"]
    assert (sum(clock.slept) >= 1) == vector["waitedAtLeastOneSecond"]
