"""A small real HTTP server on loopback, and a clock whose sleeps are only written down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

KEY = "s3cret-api-key-0123456789"
"""Never to be seen in an error, a log line or a traceback."""


@dataclass
class Request:
    """What came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


Reply = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Service:
    """A server that answers as its `replies` say: by method, or `default`."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    default: Reply | None = None
    connections: int = 0

    def results(self, **by_method: Any) -> None:
        """Answer each method by a value, or by what a function makes of its parameters."""

        async def reply(request: Request, writer: asyncio.StreamWriter) -> None:
            result = by_method[request.json["method"]]
            if callable(result):
                result = result(*request.json["params"])
            await self.answer(result=result)(request, writer)

        self.default = reply

    @staticmethod
    def answer(status: int = 200, headers: str = "", **members: Any) -> Reply:
        """A JSON-RPC answer; the id is the request's unless given."""

        async def reply(request: Request, writer: asyncio.StreamWriter) -> None:
            envelope = {"jsonrpc": "2.0", "id": request.json["id"], **members}
            await Service.text(json.dumps(envelope), status, headers)(request, writer)

        return reply

    @staticmethod
    def text(body: str, status: int = 200, headers: str = "", length: int | None = None) -> Reply:
        """Any body; `length` lies about it."""

        async def reply(request: Request, writer: asyncio.StreamWriter) -> None:
            raw = body.encode()
            size = len(raw) if length is None else length
            writer.write(
                f"HTTP/1.1 {status} X\r\nContent-Length: {size}\r\n{headers}\r\n".encode() + raw
            )
            await writer.drain()
            if length is not None:
                writer.close()

        return reply

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                start, *lines = head.strip().split("\r\n")
                headers = {
                    name.lower(): value for name, value in (line.split(": ", 1) for line in lines)
                }
                body = await reader.readexactly(int(headers["content-length"]))
                request = Request(start.split()[1], headers, body)
                self.requests.append(request)
                reply = self.replies.pop(0) if self.replies else self.default
                assert reply is not None
                await reply(request, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@dataclass
class PatientClock:
    """Real time, but nobody waits: sleeps are noted in `slept` and over at once."""

    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() + sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        return asyncio.timeout(seconds)


@pytest.fixture
def clock() -> PatientClock:
    return PatientClock()


@pytest.fixture
async def service():
    """A running server; its tasks end with the test."""
    made = Service()
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(made.serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await server.wait_closed()


@pytest.fixture
async def wallet(service, clock):
    """A client of that server whose key stands in the path and in the header."""
    from runner.adapters.wallet_api.client import WalletApiClient

    async with WalletApiClient(
        url=f"{service.url}/v2/{KEY}",
        api_key=KEY,
        clock=clock,
        timeout_seconds=1.0,
        random=lambda: 0.0,
        chain_url=lambda chain: f"{service.url}/chain/{chain}/v2/{KEY}",
    ) as client:
        yield client
