"""
The engine with a service that lies once: what it honestly answered is changed on its way to us.

Everything else is real: client, transport bytes, guard, ledger in memory, signers, sandbox.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runner.adapters.signers.local import LocalSigner
from runner.adapters.virtual import VirtualLoop
from runner.adapters.wallet_api.endpoint import Endpoint
from runner.adapters.wallet_api.envelope import HttpAnswer
from runner.bootstrap.wallets import Place
from runner.guard.verdict import Approved
from runner.policy.parse import parse_policy
from runner.scheduling.cron import check_cron
from runner.settings import load_settings
from runner.simulation.engine import Engine, InProcess
from runner.simulation.window import Window, placed

START = datetime(2026, 12, 1, tzinfo=UTC)


@dataclass
class Liar:
    """
    `Post` that hands one method's answers on as they come, or as `change` makes them.

    `instead` answers without asking anyone.
    """

    inner: InProcess
    method: str = ""
    change: Callable[[Any], Any] | None = None
    instead: Callable[[], Any] | None = None
    answers: list[tuple[str, Any, Any]] = field(default_factory=list)

    async def __call__(self, endpoint: Endpoint, body: bytes) -> HttpAnswer:
        request = json.loads(body)
        if self.instead is not None and request["method"] == self.method:
            told = {"jsonrpc": "2.0", "id": request["id"], "result": self.instead()}
            return HttpAnswer(200, json.dumps(told).encode())
        answer = await self.inner(endpoint, body)
        message = json.loads(answer.body)
        if not isinstance(request, dict) or "result" not in message:
            return answer
        if self.change is None:
            self.answers.append((request["method"], request["params"], message["result"]))
        elif request["method"] == self.method:
            message["result"] = self.change(message["result"])
            return replace(answer, body=json.dumps(message).encode())
        return answer

    async def ask(self, method: str, params: Any) -> Any:
        """What no client asks: the sandbox's own methods."""
        request = {"jsonrpc": "2.0", "id": 0, "method": method, "params": [params]}
        endpoint = Endpoint("http://sandbox/v2/dev", None)
        answer = await self.inner(endpoint, json.dumps(request).encode())
        return json.loads(answer.body)["result"]

    async def aclose(self) -> None:
        await self.inner.aclose()


@dataclass
class Signatures:
    """What the signers were made to sign: who, and what for."""

    made: list[Approved] = field(default_factory=list)

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """Stand at the signers' port, of every key there is."""
        honest = LocalSigner.sign

        async def sign(signer: LocalSigner, approved: Approved) -> bytes:
            self.made.append(approved)
            return await honest(signer, approved)

        patch.setattr(LocalSigner, "sign", sign)


class TamperedEngine(Engine):
    """The engine, with the liar before each of its sandboxes."""

    liar: Liar
    liar_of: type[Liar] = Liar

    def _sandbox(self, stack: AsyncExitStack, chain_id: int) -> Place:
        place = super()._sandbox(stack, chain_id)
        assert isinstance(place.post, InProcess)
        self.liar = self.liar_of(place.post)
        return replace(place, post=self.liar)


def run_tampered(
    policy: str,
    attend: Callable[[TamperedEngine], Awaitable[None]],
    *,
    minutes: int,
    kind: type[TamperedEngine] = TamperedEngine,
) -> TamperedEngine:
    """Run a policy for a while; `attend` is shown the engine before it starts."""

    async def live() -> TamperedEngine:
        parsed = parse_policy(policy, "p.yaml", environment={}, check_cron=check_cron)
        window = Window(START, START + timedelta(minutes=minutes))
        settings = load_settings(None, {}, Path.cwd())
        engine = kind(settings, placed([parsed], window), window, _Silent())
        async with AsyncExitStack() as stack:
            await engine.prepare(stack, ())
            await attend(engine)
            await engine.run()
        return engine

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(live())


class _Silent:
    def emit(self, event: str, **fields: Any) -> None:
        """Nobody listens."""
