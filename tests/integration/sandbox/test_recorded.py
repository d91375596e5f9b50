"""
The sandbox against what was recorded: requests of both SDKs, and values that the schemas judged.

Recorded requests are sent as they are, but for what only the service can know: the account's
address, the session, and what an operation was prepared to be.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from runner.ethereum.authorization import authorization_digest
from runner.ethereum.signature import personal_sign_digest
from runner.sandbox.rpc import RpcError
from runner.sandbox.sandbox import Sandbox

VECTORS = Path(__file__).parents[2] / "vectors"
START: Final = 1_800_000_000
CHAIN: Final = 421_614
RECORDED_ACCOUNT: Final = "0x76E765e80FFAC96ac10Aa8908a8267A3B80d606D"
RECORDED_TOKEN: Final = "0x30b44aAa8d085e21CD4073872e8A6F9C8E7b0A51"

STRICTER: Final = {
    "value 33 bytes",
    "to short",
    "to 0x",
    "to not hex digits",
    "data odd length",
    "capabilities: policyIds empty",
    "capabilities: permissions context",
    "capabilities: permissions sessionId + signature",
    "capabilities: gas multiplier 0",
    "capabilities: gas multiplier negative",
    "capabilities: nonceKey 20 bytes",
    "session: publicKey 64 bytes",
    "session: permission native allowance 33 bytes",
    "session: permission account-functions 3 byte selector (schema does not check length)",
    "list: limit 1.5",
    "send: capabilities context",
}
"""What passes the schemas and means nothing: the sandbox is strict, as any service has to be."""

REFUSED: Final = {
    "requestAccount: creationHint multi owner": "NotSupported",
    "prepareCalls: value 2^256": "InvalidParams",
    "prepareCalls: to short hex (accepted by the schema)": "InvalidParams",
    "prepare+sign+send: v0.6 op": "NotSupported",
    "listAccounts: limit + after": "InvalidParams",
    "grantPermissions: native-token-transfer, expirySec 4102444800": "ValidationConfigUnsetError",
    "grantPermissions: gas-limit, expirySec 4102444800": "ValidationConfigUnsetError",
    "prepareCalls capability: erc20 maxTokenAmount": "MaxTokenAmountExceeded",
    "prepareCalls capability: erc20 permitDetails": "InsufficientTokenAllowance",
    "prepareCalls capability: erc20 autoPermit": "InsufficientTokenAllowance",
}
"""Recorded requests that the sandbox does not serve, with the reason that it gives."""

OPTIONAL: Final = {"paymaster", "paymasterData", "paymasterPostOpGasLimit"} | {
    "paymasterVerificationGasLimit",
    "EIP712Domain",
    "pendingBundle",
}
"""Members of recorded answers that depend on what was asked for; those were made by hand."""


def load(name: str) -> dict[str, Any]:
    vectors: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    return vectors


def exchanges() -> list[Any]:
    """Each recorded exchange with a `wallet_*` method, once."""
    found: dict[str, Any] = {}
    for file in ("http_v4", "http_v5"):
        for vector in load(file)["vectors"]:
            for exchange in vector["exchanges"]:
                request = exchange["request"]
                key = json.dumps([request["method"], request["params"]], sort_keys=True)
                identity = f"{file}: {vector['name']}: {request['method'][7:]}"
                param = pytest.param(vector["name"], exchange, id=identity)
                if request["method"].startswith("wallet_"):
                    found.setdefault(key, param)
    return list(found.values())


class Stage:
    """A sandbox with the account, the owner and the session key of the recordings."""

    def __init__(self, new_key: Any) -> None:
        self.now = START
        self.sandbox = Sandbox(chain_id=CHAIN, time_source=lambda: self.now)
        self.owner, self.key = new_key(1), new_key(2)
        token = {"symbol": "REC", "decimals": 6, "address": RECORDED_TOKEN}
        self.sandbox.handle("sandbox_deployToken", [token])
        self.account = self.ask("requestAccount", {"signerAddress": self.owner.address})[
            "accountAddress"
        ]
        session = self.ask(
            "createSession",
            {
                "account": self.account,
                "chainId": hex(CHAIN),
                "key": {"type": "secp256k1", "publicKey": self.key.address},
                "permissions": [{"type": "root"}],
            },
        )
        digest = bytes.fromhex(session["signatureRequest"]["rawPayload"][2:])
        self.session = {
            "sessionId": session["sessionId"],
            "signature": "0x" + self.owner.sign(digest).hex(),
        }
        self.context = f"0x00{self.session['sessionId'][2:]}{self.session['signature'][2:]}"
        self.send(self.prepare({"permissions": {"context": self.context}}), {}, self.key)

    def ask(self, method: str, *params: Any) -> Any:
        return self.sandbox.handle(f"wallet_{method}", list(params))

    def prepare(self, capabilities: dict[str, Any], sender: str | None = None) -> Any:
        request = {"from": sender or self.account, "chainId": hex(CHAIN), "calls": []}
        return self.ask("prepareCalls", {**request, "capabilities": capabilities})

    def send(self, prepared: dict[str, Any], recorded: dict[str, Any], key: Any) -> Any:
        """Sign what was prepared, and send it with the members that the recording has."""
        capabilities = {"permissions": {"context": self.context}}
        signed = {**recorded, **self.signed(prepared, recorded, key)}
        if key is self.key:
            signed["capabilities"] = recorded.get("capabilities", {}) | capabilities
        answer = self.ask("sendPreparedCalls", signed)
        self.now += 1
        return answer

    def signed(self, prepared: dict[str, Any], recorded: dict[str, Any], key: Any) -> Any:
        kind, data = prepared["type"], prepared["data"]
        if kind == "array":
            parts = recorded.get("data", [{}, {}])
            data = [data[0], {"details": prepared["details"], **data[1]}]
            return {
                "type": kind,
                "data": [self.signed(*each, key) for each in zip(data, parts, strict=True)],
            }
        if kind == "authorization":
            nonce = int(data["nonce"], 16)
            digest = authorization_digest(CHAIN, data["address"], nonce)
        else:
            digest = personal_sign_digest(bytes.fromhex(prepared["details"]["data"]["hash"][2:]))
        signature = {"type": "secp256k1", "data": "0x" + key.sign(digest).hex()}
        given = {name: prepared[name] for name in ("type", "data", "chainId")}
        return {**recorded, **given, "signature": signature}

    def known(self, value: Any) -> Any:
        """The same with the account and the session of this stage."""
        if isinstance(value, list):
            return [self.known(each) for each in value]
        if not isinstance(value, dict):
            return self.account if value == RECORDED_ACCOUNT else value
        if "context" in value:
            installed = value["context"].startswith("0x02")
            return {"context": "0x020100000001" if installed else self.context}
        if "sessionId" in value:
            return self.session
        return {name: self.known(each) for name, each in value.items()}

    def play(self, method: str, params: list[Any], answered: dict[str, Any]) -> Any:
        """Send a recorded request."""
        params = self.known(params)
        if method == "sendPreparedCalls":
            return self._play_send(params[0])
        if method == "getCallsStatus":
            params = [self.send(self.prepare({}), {}, self.owner)["id"]]
            self.ask("getCapabilities", self.account)  # time passes with every request
        if method == "listAccounts":
            self.ask("requestAccount", {"signerAddress": params[0]["signerAddress"]})
        if method == "prepareCalls":
            params = [self._with_permit(params[0])]
            service = params[0].get("capabilities", {}).get("paymasterService", {})
            if service.get("onlyEstimation"):
                answered.pop("signatureRequest", None)
        return self.ask(method, *params)

    def _with_permit(self, request: dict[str, Any]) -> dict[str, Any]:
        """The request with a permit of this stage's token in place of the recorded one."""
        erc20 = request.get("capabilities", {}).get("paymasterService", {}).get("erc20")
        if "paymasterPermitSignature" not in request or erc20 is None:
            return request
        value = erc20["preOpSettings"]["permitDetails"]["value"]
        erc20["preOpSettings"] = {"autoPermit": {"below": value, "amount": value}}
        asked = self.ask("prepareCalls", request)
        digest = bytes.fromhex(asked["signatureRequest"]["rawPayload"][2:])
        data = "0x" + self.owner.sign(digest).hex()
        signature = {"type": "secp256k1", "data": data}
        return {**asked["modifiedRequest"], "paymasterPermitSignature": signature}

    def _play_send(self, recorded: dict[str, Any]) -> Any:
        kinds = recorded["type"], *(each["type"] for each in as_list(recorded["data"]))
        if "user-operation-v060" in kinds:
            return self.ask("sendPreparedCalls", recorded)
        if "authorization" not in kinds:
            session = "permissions" in recorded.get("capabilities", {})
            capabilities = {"permissions": {"context": self.context}} if session else {}
            prepared = self.prepare(capabilities)
            return self.send(prepared, recorded, self.key if session else self.owner)
        eoa = self.owner.address
        delegate = self.prepare({"eip7702Auth": True}, eoa)
        if recorded["type"] == "array":
            recorded.get("capabilities", {}).pop("permissions", None)  # none before it delegates
            return self.send(delegate, recorded, self.owner)
        self.send(delegate, {}, self.owner)
        zero = {"delegation": "0x" + 40 * "0"}
        return self.send(self.prepare({"eip7702Auth": zero}, eoa), recorded, self.owner)


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def shape(value: Any, place: str = "") -> set[str]:
    """The places of a JSON value, with their types."""
    if isinstance(value, dict):
        inside = [shape(each, f"{place}.{name}") for name, each in value.items()]
        return {f"{place}{{}}"}.union(*inside)
    if isinstance(value, list):
        return {f"{place}[]"}.union(*(shape(each, f"{place}[]") for each in value))
    return {f"{place}:{type(value).__name__}"}


def needed(places: set[str]) -> set[str]:
    """The places that every answer of the kind has."""
    return {place for place in places if not any(f".{name}" in place for name in OPTIONAL)}


@pytest.fixture
def stage(client):
    stage = Stage(client.new_key)
    yield stage
    stage.sandbox.close()


@pytest.mark.parametrize(("name", "exchange"), exchanges())
def test_takes_recorded_requests_and_answers_in_their_shape(stage, name, exchange):
    method = exchange["request"]["method"].removeprefix("wallet_")
    answered = exchange["response"]["body"].get("result", {})

    answer, reason = outcome(
        lambda: stage.play(method, exchange["request"]["params"], answered), (-32602, -32501)
    )

    assert reason == REFUSED.get(name) or ("v0.6" in name and reason is None)
    if answer is not None and answer.get("type") == answered.get("type"):
        if answer.get("type") == "paymaster-permit":
            # The recording has the permit itself here, which no account of code would take.
            answered["signatureRequest"]["data"] = {}
            answer["signatureRequest"]["data"] = {}
        assert needed(shape(answered)) - shape(answer) == set()


def outcome(ask: Callable[[], Any], codes: tuple[int, ...]) -> tuple[Any, str | None]:
    """The answer, or the reason why there is none."""
    try:
        return ask(), None
    except RpcError as error:
        if error.code not in codes:
            raise
        return None, error.data["reason"]


JUDGED = [
    vector
    for vector in load("schema")["vectors"]
    if vector["side"] == "request params"
    and vector["method"] not in ("wallet_requestQuote_v0", "wallet_getCrossChainStatus_v0")
]
ANY_REFUSAL: Final = (-32602, -32500, -32501, -32503, -32507, -32521, -32000, 5730)


@pytest.mark.parametrize("vector", JUDGED, ids=lambda each: f"{each['method']} {each['name']}")
def test_takes_what_the_schemas_take(sandbox, vector):
    """
    What a schema refuses is malformed; what it takes is served, or refused for what it names.
    """
    _, reason = outcome(lambda: sandbox.handle(vector["method"], vector["value"]), ANY_REFUSAL)

    is_malformed = not vector["accepted"] or vector["name"] in STRICTER
    assert (reason == "InvalidParams") == is_malformed
