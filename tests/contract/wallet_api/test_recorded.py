"""
Every exchange that the two SDKs were recorded in: we ask as they ask, and believe as they believe.

Source: tests/vectors/http_v4.json and http_v5.json.
"""

import copy
import json

import pytest
from support.recorded import entries, over

from runner.adapters.wallet_api.methods import METHODS
from runner.errors import EncodingError, WalletRefused

UNFIT = {
    # The schema lets these through, README §2 does not.
    "prepareCalls: value 2^256": "256 bits",
    "prepareCalls: to short hex (accepted by the schema)": "20 bytes",
}
"""Recorded requests that we do not send."""

LOCAL = {"signMessage (signs locally; no prepareSign/formatSign)", "signTypedData (signs locally)"}
"""v4 signs messages by itself and asks the chain whether the account exists."""

SDK_TYPES = {
    # The SDK takes a bigint where the wire has hex: the mistake is in its arguments, and its
    # counterpart here is a JSON number.
    "grantPermissions: allowance as hex string",
    "prepareCalls: value as hex string (refused)",
}

VECTORS = [
    {**vector, "name": f"{version} {vector['name']}", "plain": vector["name"], "version": version}
    for version in ("v4", "v5")
    for vector in entries(f"http_{version}")
]
SPOKEN = [each for each in VECTORS if each["exchanges"]]
UNSPOKEN = [each for each in VECTORS if not each["exchanges"]]


def same(value):
    """
    Lower the case of hex strings: it means nothing.
    """
    if isinstance(value, dict):
        return {name: same(each) for name, each in value.items()}
    if isinstance(value, list):
        return [same(each) for each in value]
    return value.lower() if isinstance(value, str) and value.startswith("0x") else value


def tidied(params, version):
    """
    What the SDK said, less what v4 leaves in and with numbers in their shortest spelling.
    """
    params = copy.deepcopy(params)
    for param in filter(lambda each: isinstance(each, dict), params):
        if version == "v4":
            drop_leftovers(param)
        shorten(param.get("creationHint", {}), "salt")
        shorten(param.get("capabilities", {}).get("nonceOverride", {}), "nonceKey")
    return same(params)


def drop_leftovers(item):
    if "signature" in item:
        item.pop("feePayment", None)
        item.pop("details", None)
    if item.get("type") == "array":
        for part in item["data"]:
            drop_leftovers(part)


def shorten(member, name):
    if name in member:
        member[name] = hex(int(member[name], 16))


@over(SPOKEN)
async def test_an_exchange_is_repeated_to_the_letter(vector, service, wallet):
    """
    The client sends what the SDK sent and believes what the SDK believed.
    """
    for exchange in vector["exchanges"]:
        method, params = exchange["request"]["method"], exchange["request"]["params"]
        if method not in METHODS:
            assert (method, vector["plain"] in LOCAL) == ("eth_getCode", True)
            continue
        answer = {k: v for k, v in exchange["response"]["body"].items() if k in ("result", "error")}
        service.default = service.answer(**answer)
        before = len(service.requests)
        if vector["plain"] in UNFIT:
            with pytest.raises(EncodingError, match=UNFIT[vector["plain"]]):
                await wallet.request(method, *params)
            assert len(service.requests) == before
            continue

        read = await wallet.request(method, *params)

        sent = service.requests[-1].json
        assert (sent["method"], same(sent["params"])) == (method, tidied(params, vector["version"]))
        spec = METHODS[method].answer
        written = spec.dump_python(read, mode="json", by_alias=True, exclude_unset=True)
        assert spec.validate_python(written) == read


def test_every_method_is_among_the_recorded():
    spoken = {
        exchange["request"]["method"] for vector in SPOKEN for exchange in vector["exchanges"]
    }
    assert spoken == {*METHODS, "eth_getCode"}


@over(UNSPOKEN)
async def test_what_an_sdk_refuses_to_send_does_not_leave(vector, service, wallet):
    """
    Wrong values never reach the service.
    """
    method, param = as_wire(vector)

    with pytest.raises(EncodingError, match=method):
        await wallet.request(method, param)

    assert service.requests == []


def as_wire(vector):
    """
    The request that an SDK would have sent, had it not refused its arguments.
    """
    name, params = vector["plain"], copy.deepcopy(vector["inputs"].get("params", {}))
    owner, account = (
        "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf",
        "0x76E765e80FFAC96ac10Aa8908a8267A3B80d606D",
    )
    known = {} if name.endswith("no account") else {"account": account, "from": account}
    method = {
        "requestAccount": "wallet_requestAccount",
        "listAccounts": "wallet_listAccounts",
        "grantPermissions": "wallet_createSession",
        "prepareCalls": "wallet_prepareCalls",
        "prepareSign": "wallet_prepareSign",
    }[name.replace(":", " ").split()[0]]
    if method in ("wallet_requestAccount", "wallet_listAccounts"):
        return method, {"signerAddress": owner, **params}
    if method == "wallet_prepareSign":
        params = {"signatureRequest": {"type": "personal_sign", "data": ""}}
    capabilities = params.get("capabilities", {})
    if "paymaster" in capabilities:
        capabilities["paymasterService"] = capabilities.pop("paymaster")
    if name in SDK_TYPES:
        as_number(params)
    chain = params.pop("chainId", 421614)
    return method, {**known, "chainId": hex(chain), **wire_numbers(params)}


def as_number(params):
    for call in params.get("calls", ()):
        call["value"] = int(call["value"], 16)
    for permission in params.get("permissions", ()):
        permission["data"]["allowance"] = int(permission["data"]["allowance"], 16)


def wire_numbers(value):
    """
    Bigints as the wire has them.
    """
    if isinstance(value, dict) and set(value) == {"$bigint"}:
        return hex(int(value["$bigint"]))
    if isinstance(value, dict):
        return {name: wire_numbers(each) for name, each in value.items()}
    return [wire_numbers(each) for each in value] if isinstance(value, list) else value


async def test_an_error_is_told_as_it_came(service, wallet):
    """
    The one recorded refusal of a server.
    """
    [refused] = [
        exchange["response"]["body"]["error"]
        for vector in SPOKEN
        for exchange in vector["exchanges"]
        if "error" in exchange["response"]["body"]
    ]
    service.default = service.answer(error=refused)

    with pytest.raises(WalletRefused) as caught:
        await wallet.request("wallet_listAccounts", {"signerAddress": "0x" + 40 * "1"})

    assert caught.value.code == refused["code"] == -32602


async def test_a_method_that_nobody_specified_is_not_called(service, wallet):
    for method in ("wallet_requestQuote_v0", "wallet_getCrossChainStatus_v0", "eth_chainId"):
        with pytest.raises(EncodingError, match="no method"):
            await wallet.request(method)
    assert service.requests == []


async def test_a_request_is_refused_without_its_content(service, wallet):
    secret = "0x" + 65 * "ab"
    signature = {"type": "secp256k1", "data": secret}

    with pytest.raises(EncodingError) as caught:
        await wallet.request("wallet_formatSign", {"from": "0x12", "signature": signature})

    assert "wallet_formatSign" in caught.value.what
    assert secret not in json.dumps(caught.value.what)
