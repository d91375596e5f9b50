"""Our requests say what the SDKs said, wherever both can say it."""

from typing import Any

import pytest
from support.recorded import entries

from runner.adapters.wallet_api.scalars import read_bytes, read_integer
from runner.errors import EncodingError
from runner.ethereum import permissions as p
from runner.ethereum.address import address_from_bytes
from runner.ethereum.calls import Call
from runner.ethereum.nonce import decode_nonce
from runner.ports import FeeOverride


def exchanges(file: str, method: str) -> list[tuple[str, dict[str, Any], Any]]:
    """Return name, recorded request and recorded answer of every exchange of a method."""
    return [
        (vector["name"], exchange["request"], exchange["response"]["body"].get("result"))
        for vector in entries(file)
        for exchange in vector["exchanges"]
        if exchange["request"]["method"] == method
    ]


def same(value: Any) -> Any:
    """Lower the case of hex strings: it means nothing."""
    if isinstance(value, dict):
        return {name: same(each) for name, each in value.items()}
    if isinstance(value, list):
        return [same(each) for each in value]
    return value.lower() if isinstance(value, str) and value.startswith("0x") else value


def address(text: str):
    return address_from_bytes(read_bytes(text))


def permission(wire: dict[str, Any]) -> p.Permission:
    data = wire.get("data", {})
    selectors = tuple(read_bytes(each) for each in data.get("functions", ()))
    match wire["type"]:
        case "root":
            return p.Root()
        case "native-token-transfer":
            return p.NativeTokenTransfer(read_integer(data["allowance"]))
        case "erc20-token-transfer":
            return p.Erc20TokenTransfer(address(data["address"]), read_integer(data["allowance"]))
        case "gas-limit":
            return p.GasLimit(read_integer(data["limit"]))
        case "contract-access":
            return p.ContractAccess(address(data["address"]))
        case "account-functions":
            return p.AccountFunctions(selectors)
        case "functions-on-all-contracts":
            return p.FunctionsOnAllContracts(selectors)
        case "functions-on-contract":
            return p.FunctionsOnContract(address(data["address"]), selectors)
    raise AssertionError(wire)


def only(value: dict[str, Any], *names: str) -> bool:
    return set(value) <= set(names)


def prepare_arguments(param: dict[str, Any]) -> dict[str, Any] | None:
    """Return the port's arguments for a recorded request, None if the port cannot express it."""
    capabilities = param.get("capabilities", {})
    permissions = capabilities.get("permissions", {})
    paymaster = capabilities.get("paymasterService", {})
    if not only(param, "from", "chainId", "calls", "capabilities") or "calls" not in param:
        return None
    if "capabilities" in param and not capabilities:
        return None
    if not (
        only(capabilities, "permissions", "paymasterService", "nonceOverride")
        and only(permissions, "context")
        and only(paymaster, "policyId")
    ):
        return None
    if any(len(read_bytes(call["to"])) != 20 for call in param["calls"]):
        return None
    nonce = capabilities.get("nonceOverride")
    return {
        "account": address(param["from"]),
        "chain_id": read_integer(param["chainId"]),
        "calls": [
            Call(
                address(call["to"]),
                int(call.get("value", "0x0"), 16),
                read_bytes(call.get("data", "0x")),
            )
            for call in param["calls"]
        ],
        "context": read_bytes(permissions["context"]) if permissions else None,
        "gas_policy": paymaster.get("policyId"),
        "nonce_key": read_integer(nonce["nonceKey"]) if nonce else None,
    }


def without_defaults(param: dict[str, Any]) -> dict[str, Any]:
    """Drop what stands for itself: no data, no value; and write numbers minimally."""
    calls = [
        {k: v for k, v in call.items() if (k, v) not in {("data", "0x"), ("value", "0x0")}}
        for call in param["calls"]
    ]
    result = {**param, "calls": calls}
    if "nonceOverride" in result.get("capabilities", {}):
        key = hex(int(result["capabilities"]["nonceOverride"]["nonceKey"], 16))
        result["capabilities"] = {**result["capabilities"], "nonceOverride": {"nonceKey": key}}
    return result


@pytest.mark.parametrize("file", ["http_v4", "http_v5"])
async def test_request_account(file, service, wallet):
    """
    By owner and salt, for both types of account.
    """
    matched = set()
    for name, request, result in exchanges(file, "wallet_requestAccount"):
        param = request["params"][0]
        hint = param.get("creationHint", {})
        kind = hint.get("accountType")
        if kind not in {"sma-b", "7702"} or not only(
            param, "signerAddress", "creationHint", "includeCounterfactualInfo"
        ):
            continue
        service.default = service.answer(result=result)
        salt = read_integer(hint.get("salt", "0x0"))

        account = await wallet.request_account(
            address(param["signerAddress"]), salt=salt, delegated=kind == "7702"
        )

        assert account == address(result["accountAddress"]), name
        assert same(service.requests[-1].json["params"]) == same(request["params"]), name
        matched.add(kind)
    assert matched == {"sma-b", "7702"}


@pytest.mark.parametrize("file", ["http_v4", "http_v5"])
async def test_create_session(file, service, wallet):
    """
    All eight permissions.
    """
    kinds = set()
    for name, request, result in exchanges(file, "wallet_createSession"):
        param = request["params"][0]
        if "expirySec" not in param or param["key"]["type"] != "secp256k1":
            continue
        service.default = service.answer(result=result)

        offer = await wallet.create_session(
            account=address(param["account"]),
            chain_id=read_integer(param["chainId"]),
            expiry=param["expirySec"],
            key=address(param["key"]["publicKey"]),
            permissions=[permission(each) for each in param["permissions"]],
        )

        assert offer.session_id == read_bytes(result["sessionId"])
        assert same(service.requests[-1].json["params"]) == same(request["params"]), name
        kinds |= {each["type"] for each in param["permissions"]}
    assert len(kinds) == 8


@pytest.mark.parametrize("file", ["http_v4", "http_v5"])
async def test_prepare_calls(file, service, wallet):
    """
    Calls, session context, gas policy and nonce key.
    """
    matched = set()
    for name, request, result in exchanges(file, "wallet_prepareCalls"):
        arguments = prepare_arguments(request["params"][0])
        if arguments is None:
            continue
        service.default = service.answer(result=result)
        try:
            offer = await wallet.prepare_calls(**arguments)
        except EncodingError:  # v5 lets a value of 2^256 through
            assert name == "prepareCalls: value 2^256"
            continue

        assert offer.kind == result["type"]
        ours = service.requests[-1].json["params"][0]
        assert same(ours) == same(without_defaults(request["params"][0])), name
        matched.add(name)
    assert len(matched) >= 20
    for word in ("permissions context", "policyId", "nonceOverride", "two calls"):
        assert any(word in name for name in matched), word


@pytest.mark.parametrize("file", ["http_v4", "http_v5"])
async def test_prepare_calls_with_absolute_fees(file, service, wallet):
    """
    A replacement names two of the seven gas parameters, spelled as the SDK spells them.
    """
    [(_, request, result)] = [
        each
        for each in exchanges(file, "wallet_prepareCalls")
        if each[0] == "prepareCalls capability: gasParamsOverride all"
    ]
    param = request["params"][0]
    override = param["capabilities"].pop("gasParamsOverride")
    arguments = prepare_arguments({k: v for k, v in param.items() if k != "capabilities"})
    service.default = service.answer(result=result)

    await wallet.prepare_calls(**arguments, fees=FeeOverride(10**9, 7))

    assert {"maxFeePerGas", "maxPriorityFeePerGas"} <= set(override)
    assert service.requests[-1].json["params"][0]["capabilities"] == {
        "gasParamsOverride": {"maxFeePerGas": "0x3b9aca00", "maxPriorityFeePerGas": "0x7"}
    }


@pytest.mark.parametrize("file", ["http_v4", "http_v5"])
async def test_send_prepared_calls(file, service, wallet):
    """
    What was prepared, signed and sent by the SDK: operations of both entry points, delegations
    and arrays. What v4 leaves in, v5 and we take out.
    """
    kinds = set()
    for vector in entries(file):
        steps = {each["request"]["method"]: each for each in vector["exchanges"]}
        sent = steps.get("wallet_sendPreparedCalls")
        if sent is None:
            continue
        param = sent["request"]["params"][0]
        prepared = steps["wallet_prepareCalls"]["response"]["body"]["result"]
        grant = said_again(param.get("capabilities", {}))
        service.results(
            wallet_prepareCalls=prepared,
            wallet_sendPreparedCalls=sent["response"]["body"]["result"],
        )
        offer = await wallet.prepare_calls(account=ACCOUNT, chain_id=421614, calls=[], **grant)
        sealed = wallet.seal(offer, *map(signature, parts_of(param)), **grant)

        call_id = await wallet.send_prepared_calls(sealed)

        assert call_id == sent["response"]["body"]["result"]["id"]
        ours, theirs = service.requests[-1].json["params"][0], without_leftovers(param)
        if not is_sayable(param.get("capabilities", {})):
            ours.pop("capabilities", None)
            theirs.pop("capabilities")
        assert same(ours) == same(theirs), vector["name"]
        assert service.requests[-1].body.endswith(b'"params":[' + sealed + b"]}")
        kinds.add(param["type"])
    assert kinds == {"user-operation-v070", "user-operation-v060", "array"} | (
        {"authorization"} if file == "http_v5" else set()
    )


ACCOUNT = address("0x76E765e80FFAC96ac10Aa8908a8267A3B80d606D")


def said_again(capabilities: dict[str, Any]) -> dict[str, Any]:
    """What the port can say of the capabilities that a send repeats."""
    context = capabilities.get("permissions", {}).get("context")
    return {
        "context": None if context is None else read_bytes(context),
        "gas_policy": capabilities.get("paymasterService", {}).get("policyId"),
    }


def is_sayable(capabilities: dict[str, Any]) -> bool:
    """Whether the port can say all of it; what it cannot, `test_recorded.py` sends."""
    paymaster = capabilities.get("paymasterService", {})
    return only(paymaster, "policyId") and only(capabilities.get("permissions", {}), "context")


def parts_of(param: dict[str, Any]) -> list[dict[str, Any]]:
    return param["data"] if param["type"] == "array" else [param]


def signature(part: dict[str, Any]) -> bytes:
    return read_bytes(part["signature"]["data"])


def without_leftovers(param: dict[str, Any]) -> dict[str, Any]:
    """Less what v4 sends along although nobody reads it, and an id that we never choose."""
    left = {k: v for k, v in param.items() if k not in {"feePayment", "details", "callId"}}
    if param["type"] == "array":
        left["data"] = [without_leftovers(part) for part in param["data"]]
    return left


async def test_prepare_calls_for_an_account_that_is_to_delegate(service, wallet):
    """
    The owner asks for the delegation and the operation at once.
    """
    [(_, request, result)] = [
        each
        for each in exchanges("http_v5", "wallet_prepareCalls")
        if each[0] == "prepareCalls capability: eip7702Auth delegation address + account"
    ]
    param = request["params"][0]
    theirs = param["capabilities"].pop("eip7702Auth")
    arguments = prepare_arguments({k: v for k, v in param.items() if k != "capabilities"})
    service.default = service.answer(result=result)

    await wallet.prepare_calls(**arguments, delegate=True)

    ours = service.requests[-1].json["params"][0]["capabilities"]["eip7702Auth"]
    assert ours == {"delegation": theirs["delegation"]}


@pytest.mark.parametrize("file", ["http_v4", "http_v5"])
async def test_get_calls_status(file, service, wallet):
    """
    Every recorded code comes through as a number.
    """
    codes = set()
    for name, request, result in exchanges(file, "wallet_getCallsStatus"):
        service.default = service.answer(result=result)

        status = await wallet.get_calls_status(request["params"][0])

        assert status.known
        assert status.code == result["status"]
        assert status.pending == (result["status"] < 200)
        assert service.requests[-1].json["params"] == request["params"], name
        codes.add(status.code)
    assert {100, 200, 400, 500, 600} <= codes


async def test_the_nonce_key_spans_152_bits(service, wallet):
    """
    The widest key leaves in full and comes back in the nonce.
    """
    [(_, request, result)] = exchanges("http_v5", "wallet_prepareCalls")[:1]
    key = 2**152 - 1
    answered = {**result, "data": {**result["data"], "nonce": hex(key << 104)}}
    service.default = service.answer(result=answered)
    account = address(request["params"][0]["from"])

    offer = await wallet.prepare_calls(
        account=account, chain_id=1, calls=[], context=None, gas_policy=None, nonce_key=key
    )

    sent = service.requests[-1].json["params"][0]["capabilities"]
    assert sent == {"nonceOverride": {"nonceKey": "0x" + 38 * "f"}}
    assert offer.operation is not None
    assert decode_nonce(offer.operation.nonce).parallel == key
