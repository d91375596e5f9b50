"""
The sandbox over HTTP against verdicts of the real contracts, case by case, as far as a client of
the Wallet API can ask for them: its own key, honest nonces, contracts that take any call.

Source: tests/vectors/oracle-verdicts.json.
"""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import httpx
import pytest
from support.keys import Key

from runner.ethereum.signature import personal_sign_digest
from runner.sandbox import server as server_module
from runner.sandbox.sandbox import Sandbox
from runner.sandbox.server import EmbeddedSandbox

FILE = Path(__file__).parents[2] / "vectors" / "oracle-verdicts.json"
DOCUMENT = json.loads(FILE.read_text(encoding="utf-8"))
LABELS = DOCUMENT["labels"]
TOKENS = ("tokenA", "tokenB", "tokenC")
TARGETS = ("targetA", "targetB")
NOBODIES = ("eoaA", "eoaB", "spender")
REACHED = {LABELS[name].lower() for name in (*TOKENS, *TARGETS, *NOBODIES)}
ACCOUNTS = {LABELS[name].lower()[2:] for name in ("account", "accountUndeployed", "account7702")}
RETURNS_STOP = "0x60016000f3"
"""Creation code of a contract that takes whatever it is sent."""

LATEST_EXPIRY = 2_000_000_000
CHAIN = 84_532
POLICY = "11111111-2222-4333-8444-555555555555"
ENCODED = ("execute", "executeBatch", "direct self-call")
GAS = ("verificationGasLimit", "callGasLimit", "preVerificationGas", "maxFeePerGas")
A_CASE = 10_000
"""Seconds of the sandbox's time that a case has to itself."""

START = int(DOCUMENT["chain"]["clockStart"])
REVERTED = -32521
ENDS = {200: "accepted", 400: "validation_rejected", 500: "execution_reverted"}
ONE_SPELLING = {"contract-access-035", "functions-on-contract-020", "functions-on-contract-021"}
"""Cases that give one address two spellings; on the wire it has one, and is there twice."""

OTHERWISE = {
    "AA22 expired or not due": "Expired",
    "AbiEncodingBytesSizeMismatchError": "InvalidParams",
    "NoFunctionsProvidedError": "InvalidParams",
    "combination-010": "InvalidParams",  # the schema knows no empty list
    "gas-limit-017": "AddressNotAllowed",  # of two faults the one that is seen without gas
}
"""What the service calls it, by the contracts' or the builder's name, or by case."""


def is_asked_for(step, hooks) -> bool:
    """Whether a client could ask for this step, and the called contracts have no say in it."""
    odd = {"tampered", "entityId", "global", "nonceDelta", "ownerAction", "nonceKey", "via"}
    if odd & step.keys() or step.get("signer") != "session" or step["calls"] is None:
        return False
    if bool(step.get("executeUserOp")) != hooks or step["encodedAs"] not in (
        "execute",
        "executeBatch",
        "direct self-call",
    ):
        return False
    if step["timestamp"] - START >= A_CASE:
        return False
    error = (step["error"] or {}).get("reason")
    return (
        all(call["to"].lower() in REACHED for call in step["calls"])
        and not (step["outcome"] == "execution_reverted" and error == "no revert data")
        and error not in {"Nope", "RequireUserOperationContext"}
    )


def may_batch(permissions) -> bool:
    """Whether an empty operation installs the grant (X2); the owner did it where verdicts were."""
    alone = {"account-functions", "gas-limit", "native-token-transfer"}
    return not {permission["type"] for permission in permissions} <= alone


def is_told(case) -> bool:
    """Whether the Wallet API can say this case, from its grant to its first step."""
    grant = case["grant"]
    return (
        case["kind"] not in ("runtime-path", "allowlist-2.0.0")
        and case["account"]["type"] == "sma-bytecode"
        and not grant.keys() & {"timeRangeHook", "tampered", "signedBy"}
        and "otherGrants" not in case
        and case["outcome"] != "install_failed"
        and case["id"] not in ONE_SPELLING
        and (case["install"] == "deferred" or may_batch(grant["permissions"]))
        and START != grant.get("expirySec", 0) < LATEST_EXPIRY
        and all(is_asked_for(step, grant["executionHooks"]) for step in case.get("steps", ())[:1])
        and bool(case.get("steps") or case["outcome"] == "grant_refused")
    )


CASES = [case for case in DOCUMENT["cases"] if is_told(case)]


class Service:
    """A client of the sandbox that speaks HTTP."""

    def __init__(self, http) -> None:
        self._http = http

    def __call__(self, method, *params):
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = self._http.post("", json=body).json()
        if "error" in answer:
            error = answer["error"]
            raise Refused(error["code"], (error.get("data") or {}).get("reason"), error["message"])
        return answer["result"]


class Refused(Exception):
    """What the service would not do: code, reason, message."""

    def __init__(self, code, reason, message) -> None:
        super().__init__(code, reason, message)
        self.code, self.reason = code, reason


@pytest.fixture(scope="module")
def service():
    """One sandbox with the contracts of the cases, whose clock moves only when it is told to."""
    server = EmbeddedSandbox(chain_id=CHAIN, state=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_module, "Sandbox", partial(Sandbox, time_source=lambda: START))
        url = server.start()
    with httpx.Client(base_url=url, timeout=30) as http:
        service = Service(http)
        for name in TOKENS:
            token = {"symbol": name, "decimals": 0, "address": LABELS[name]}
            service("sandbox_deployToken", token)
        for name in TARGETS:
            service("sandbox_deploy", {"bytecode": RETURNS_STOP, "address": LABELS[name]})
        yield service
    server.stop()


class Replay:
    """One case, in a span of the sandbox's time and with an owner of its own."""

    def __init__(self, service, case, number) -> None:
        self.service, self.case = service, case
        self.owner, self.key = Key(10_000 + number), Key(20_000 + number)
        self.shift = (number + 1) * A_CASE
        self.service("sandbox_setTime", {"timestamp": START + self.shift})
        signer = {"signerAddress": self.owner.address}
        self.account = service("wallet_requestAccount", signer)["accountAddress"]
        for token in TOKENS:
            minted = {"token": LABELS[token], "to": self.account, "amount": hex(10**9)}
            service("sandbox_mint", minted)
        self.sponsored = {"paymasterService": {"policyId": POLICY}}

    def own(self, value):
        """A value of the case with our account for the recorded one."""
        text = json.dumps(value)
        for account in ACCOUNTS:
            text = re.sub(account, self.account[2:], text, flags=re.IGNORECASE)
        return json.loads(text)

    def grant(self) -> str:
        grant = self.case["grant"]
        expiry = grant.get("expirySec") or 0
        session = self.service(
            "wallet_createSession",
            {
                "account": self.account,
                "chainId": hex(CHAIN),
                "expirySec": expiry and expiry + self.shift,
                "key": {"type": "secp256k1", "publicKey": self.key.address},
                "permissions": self.own(grant["permissions"]),
            },
        )
        digest = bytes.fromhex(session["signatureRequest"]["rawPayload"][2:])
        return f"0x00{session['sessionId'][2:]}{self.owner.sign(digest).hex()}"

    def operate(self, calls, context, capabilities, at=None):
        """Prepare, sign, send, include; what became of it."""
        permissions = {"permissions": {"context": context}}
        asked = {"from": self.account, "chainId": hex(CHAIN), "calls": calls}
        if at is not None:
            self.service("sandbox_setTime", {"timestamp": at - 1})
        try:
            prepared = self.service(
                "wallet_prepareCalls", asked | {"capabilities": permissions | capabilities}
            )
            raw = bytes.fromhex(prepared.pop("signatureRequest")["data"]["raw"][2:])
            signature = "0x" + self.key.sign(personal_sign_digest(raw)).hex()
            sent = prepared | {"signature": {"type": "secp256k1", "data": signature}}
            sent |= {"capabilities": permissions}
            identity = self.service("wallet_sendPreparedCalls", sent)["id"]
        except Refused as refused:
            reverted = refused.code == REVERTED
            return "execution_reverted" if reverted else "validation_rejected", refused.reason
        self.service("sandbox_advance", {"seconds": 1})
        return ENDS[self.service("wallet_getCallsStatus", identity)["status"]], None

    def step(self, step, context):
        """One step as it was recorded, with the same gas."""
        gas = {name: step["gas"][name] for name in GAS if name in step["gas"]}
        gas["maxPriorityFeePerGas"] = "0x0"
        capabilities = {"gasParamsOverride": gas}
        if "paymaster" in step:
            capabilities |= self.sponsored
        calls = [
            {name: value for name, value in call.items() if name in ("to", "data", "value")}
            for call in self.own(step["calls"])
        ]
        return self.operate(calls, context, capabilities, step["timestamp"] + self.shift)


def called(case, recorded) -> str:
    """What the service says for a recorded reason."""
    return OTHERWISE.get(case["id"], OTHERWISE.get(recorded, recorded))


def test_most_of_the_verdicts_can_be_asked_for():
    """
    What is left out needs another key, raw bytes, contracts with a will, or another account.
    """
    steps = [step for case in CASES for step in case.get("steps", ())]

    assert len(CASES) > 120
    assert {step["outcome"] for step in steps} == set(ENDS.values())


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case["id"] for case in CASES])
def test_the_sandbox_agrees_with_the_contracts(service, number):
    """
    Step by step, up to the first that fails; what a grant is refused for has its name.
    """
    case = CASES[number]
    replay = Replay(service, case, number)
    if case["outcome"] == "grant_refused":
        with pytest.raises(Refused) as refused:
            replay.grant()
        assert refused.value.reason == called(case, case["error"]["name"])
        return
    context = replay.grant()
    if case["install"] == "installed":
        assert replay.operate([], context, replay.sponsored) == ("accepted", None)
    for step in case["steps"]:
        if not is_asked_for(step, case["grant"]["executionHooks"]):
            break
        outcome, reason = replay.step(step, context)
        assert outcome == step["outcome"], reason
        if outcome != "accepted":
            recorded = step["error"]["reason"]
            of_the_token = recorded.startswith("ERC20")
            assert of_the_token or reason in (called(case, recorded), None)
            break
