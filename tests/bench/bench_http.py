"""
What an exchange over HTTP costs, beside a general client: httpx.

    python tests/bench/bench_http.py      prints a table, writes .bench/http.json

Both post the same body to the same small server in a process of its own, 8 at a time, over kept
connections, in turn. CPU of this process alone; medians of the rounds.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import uvloop

from runner.adapters.wallet_api.endpoint import Endpoint
from runner.adapters.wallet_api.http import HttpPost

RESULT = Path(__file__).resolve().parents[2] / ".bench" / "http.json"
ROUNDS, EACH, AT_ONCE = 5, 1_000, 8
BODY = b'{"jsonrpc":"2.0","id":1,"method":"wallet_prepareCalls","params":["%b"]}' % (800 * b"a")
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":"%b"}' % (1_600 * b"a")
_KEPT = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
BOUNDS = {"http_exchange_ratio_to_httpx": 0.4}


def serve(told: Connection) -> None:
    """Answer every request alike, for ever."""
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)

    class Answering(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._transport, self._got = transport, b""

        def data_received(self, data: bytes) -> None:
            self._got += data
            if self._got.endswith(b'"]}'):  # the end of BODY, and of httpx's as well
                self._got = b""
                self._transport.write(whole)

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(run())


Exchange = Callable[[], Awaitable[bytes]]


async def cost(exchange: Exchange) -> float:
    """CPU of one exchange, in microseconds."""

    async def work() -> None:
        for _ in range(EACH // AT_ONCE):
            if await exchange() != ANSWER:
                raise SystemExit("another answer came")

    used = time.process_time()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return (time.process_time() - used) / (EACH // AT_ONCE * AT_ONCE) * 1e6


async def measure(port: int) -> dict[str, float]:
    """Both in turn; the first round opens the connections, and is left out."""
    url = f"http://127.0.0.1:{port}/v2/key"
    endpoint, ours = Endpoint(url, None), HttpPost(max_answer_bytes=100_000)
    found: dict[str, list[float]] = {"ours": [], "httpx": []}
    async with httpx.AsyncClient(trust_env=False, limits=_KEPT) as client:

        async def by_us() -> bytes:
            return (await ours(endpoint, BODY, 10)).body

        async def by_httpx() -> bytes:
            return (await client.post(url, content=BODY)).content

        for _ in range(ROUNDS + 1):
            found["ours"].append(await cost(by_us))
            found["httpx"].append(await cost(by_httpx))
    await ours.aclose()
    mine, theirs = (statistics.median(found[name][1:]) for name in ("ours", "httpx"))
    return {
        "http_exchange_cpu_us": mine,
        "httpx_exchange_cpu_us": theirs,
        "http_exchange_ratio_to_httpx": mine / theirs,
    }


def main() -> int:
    """Measure, print, write; 1 when a bound is broken."""
    context = get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=serve, args=(there,), daemon=True)
    server.start()
    numbers = uvloop.run(measure(here.recv()))
    server.kill()
    broken = [name for name, most in BOUNDS.items() if numbers[name] > most]
    for name, number in numbers.items():
        bound = f"  at most {BOUNDS[name]:g}" if name in BOUNDS else ""
        print(f"{name:45} {number:10.3f}{bound}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    for name in broken:
        print(f"broken: {name}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
