"""A client of the sandbox that writes its own JSON, in process or over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import httpx
import pytest
from support.keys import Key

from runner.ethereum.address import Address
from runner.ethereum.erc20 import encode_transfer
from runner.ethereum.signature import personal_sign_digest
from runner.sandbox.rpc import RpcError
from runner.sandbox.sandbox import Sandbox
from runner.sandbox.server import EmbeddedSandbox

USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
ALICE = Address("0x00000000000000000000000000000000000A11cE")
CHAIN = "0x14a34"
START = 1_800_000_000
POLICY = {"policyId": "11111111-2222-4333-8444-555555555555"}


@dataclass
class Time:
    """A clock that stands still."""

    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass
class Failure(Exception):
    """An error that the service has answered."""

    code: int
    reason: str
    message: str


@dataclass
class Client:
    """What a wallet would do, one method each."""

    usdc: ClassVar = USDC
    alice: ClassVar = ALICE
    start: ClassVar = START
    chain: ClassVar = CHAIN
    policy: ClassVar = POLICY
    failure: ClassVar = Failure
    new_key: ClassVar = Key

    rpc: Callable[..., Any]
    wait: Callable[[float], None]
    owner: Key = field(default_factory=lambda: Key(1))
    key: Key = field(default_factory=lambda: Key(2))

    def __post_init__(self) -> None:
        self.account: Address = self.rpc(
            "wallet_requestAccount", {"signerAddress": self.owner.address}
        )["accountAddress"]

    def session(
        self, *permissions: dict[str, Any], expiry: int = START + 86_400, key: Key | None = None
    ) -> dict[str, Any]:
        """Ask for a session; ten thousand USDC unless other permissions are named."""
        chosen = list(permissions) or [self.erc20(10_000 * 10**6)]
        answer: dict[str, Any] = self.rpc(
            "wallet_createSession",
            {
                "account": self.account,
                "chainId": CHAIN,
                "expirySec": expiry,
                "key": {"type": "secp256k1", "publicKey": (key or self.key).address},
                "permissions": chosen,
            },
        )
        return answer

    def context(self, session: dict[str, Any], signer: Key | None = None) -> str:
        """Sign a session as the owner."""
        digest = bytes.fromhex(session["signatureRequest"]["rawPayload"][2:])
        return f"0x00{session['sessionId'][2:]}{(signer or self.owner).sign(digest).hex()}"

    def grant(self, *permissions: dict[str, Any], **options: Any) -> str:
        """Ask for a session and activate it by an empty operation."""
        context = self.context(self.session(*permissions, **options))
        assert self.status(self.run([], context)) == 200
        return context

    def prepare(
        self, calls: list[dict[str, Any]], context: str | None = None, **capabilities: Any
    ) -> dict[str, Any]:
        """Prepare calls; sponsored unless `paymasterService=None`."""
        chosen = self._capabilities(context, capabilities)
        answer: dict[str, Any] = self.rpc(
            "wallet_prepareCalls",
            {"from": self.account, "chainId": CHAIN, "calls": calls, "capabilities": chosen},
        )
        return answer

    def send(
        self, prepared: dict[str, Any], context: str | None = None, key: Key | None = None
    ) -> str:
        """Sign what was prepared and send it."""
        if key is None:
            key = self.owner if context is None else self.key
        digest = bytes.fromhex(prepared["signatureRequest"]["data"]["raw"][2:])
        signature = "0x" + key.sign(personal_sign_digest(digest)).hex()
        body = {name: value for name, value in prepared.items() if name != "signatureRequest"}
        body["signature"] = {"type": "secp256k1", "data": signature}
        if context is not None:
            body["capabilities"] = {"permissions": {"context": context}}
        identity: str = self.rpc("wallet_sendPreparedCalls", body)["id"]
        return identity

    def run(
        self, calls: list[dict[str, Any]], context: str | None = None, **capabilities: Any
    ) -> str:
        """Prepare, sign, send, and wait for the next block."""
        identity = self.send(self.prepare(calls, context, **capabilities), context)
        self.wait(1)
        return identity

    def status(self, identity: str) -> int:
        """Return the status of calls."""
        status: int = self.rpc("wallet_getCallsStatus", identity)["status"]
        return status

    def balance(self, holder: str, token: str = USDC) -> int:
        """Return a token balance."""
        data = "0x70a08231" + holder[2:].rjust(64, "0")
        return int(self.rpc("eth_call", {"to": token, "data": data}, "latest"), 16)

    @staticmethod
    def _capabilities(context: str | None, wished: dict[str, Any]) -> dict[str, Any]:
        chosen = {"paymasterService": POLICY, **wished}
        if context is not None:
            chosen["permissions"] = {"context": context}
        return {name: value for name, value in chosen.items() if value is not None}

    @staticmethod
    def erc20(allowance: int, token: str = USDC) -> dict[str, Any]:
        """Return a permission to move some of a token."""
        data = {"address": token, "allowance": hex(allowance)}
        return {"type": "erc20-token-transfer", "data": data}

    @staticmethod
    def pay(amount: int, to: Address = ALICE, token: Address = USDC) -> dict[str, Any]:
        """Return a call that pays."""
        return {"to": token, "data": "0x" + encode_transfer(to, amount).hex()}

    @staticmethod
    def lane(key: int) -> dict[str, Any]:
        """Return the capability that chooses a nonce key."""
        return {"nonceKey": hex(key)}


def in_process(sandbox: Sandbox) -> Callable[..., Any]:
    """Return a function that calls a sandbox in this process."""

    def rpc(method: str, *params: Any) -> Any:
        try:
            return sandbox.handle(method, list(params))
        except RpcError as error:
            reason = error.data["reason"] if isinstance(error.data, dict) else error.data
            raise Failure(error.code, reason, error.message) from None

    return rpc


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def sandbox(clock: Time) -> Iterator[Sandbox]:
    sandbox = Sandbox(time_source=clock)
    yield sandbox
    sandbox.close()


@pytest.fixture
def attach(clock: Time) -> Callable[[Sandbox], Client]:
    """Return a function that gives a sandbox its client."""

    def wait(seconds: float) -> None:
        clock.now += seconds

    return lambda sandbox: Client(in_process(sandbox), wait)


@pytest.fixture
def client(sandbox: Sandbox, attach: Callable[[Sandbox], Client]) -> Client:
    return attach(sandbox)


@pytest.fixture
def embedded() -> Iterator[str]:
    server = EmbeddedSandbox(chain_id=84_532, state=None)
    yield server.start()
    server.stop()


@pytest.fixture
def http(embedded: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=embedded, timeout=5) as client:
        yield client
