"""
The sandbox over HTTP: JSON-RPC, batches, and everything that can go wrong on the way.

    POST /  /v2  /v2/KEY  /chain/ID/v2/KEY

The key is not looked at; it may also come as a Bearer token. A browser's request from another
origin is refused, so that no web page can use a sandbox on somebody's machine.

Source: JSON-RPC 2.0; Wallet API specification §1.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from runner.errors import RunnerError, StoreError
from runner.sandbox import rpc
from runner.sandbox.faults import read_fault
from runner.sandbox.sandbox import RpcError, Sandbox

LARGEST_REQUEST: Final = 4 * 1024 * 1024
"""Bytes of a request body."""

LARGEST_BATCH: Final = 1_000
"""Requests in one batch."""

DEEPEST_REQUEST: Final = 64
"""How deep arrays and objects of a request may nest."""

_LONGEST_SILENCE: Final = 600
_NESTING = re.compile(rb'"(?:[^"\\]|\\.)*+"|[][{}]', re.DOTALL)
_STEPS = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}
_PATH = re.compile(r"(?:/chain/(?P<chain>[1-9][0-9]{0,9}))?(?:/v2(?:/[^/]*)?)?/?")


class _Reset(Exception):
    """Cut the connection without an answer."""


class _Protocol(H11Protocol):
    """HTTP that remembers its connections, so that one can be cut."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own signature
        """Remember a new connection."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        if peer:
            _transports[tuple(peer[:2])] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a closed connection."""
        if self.client:
            _transports.pop(self.client, None)
        super().connection_lost(exc)


_transports: dict[tuple[str, int], asyncio.Transport] = {}


class RpcApp:
    """The one endpoint, as an ASGI application."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            return
        except _Reset:
            client = scope.get("client")
            transport = _transports.get(tuple(client)) if client else None
            if transport is not None:
                transport.abort()
            return
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        path = _PATH.fullmatch(request.url.path)
        if path is None:
            return _error(404, None, rpc.INVALID_REQUEST, "no such path")
        if request.method != "POST":
            return _error(405, None, rpc.INVALID_REQUEST, "requests are posted")
        origin = request.headers.get("origin")
        if origin is not None and not _is_local(origin):
            return _error(403, None, rpc.INVALID_REQUEST, "not for web pages of other origins")
        body = await _body(request)
        if body is None:
            return _error(413, None, rpc.INVALID_REQUEST, "the request is too large")
        try:
            message = _parse(body)
        except ValueError:
            return _error(400, None, rpc.PARSE_ERROR, "the body is not JSON")
        chain = path["chain"]
        chain_id = None if chain is None else int(chain)
        methods = _methods(message)
        early = await self._before(request, message, methods)
        if early is not None:
            return early
        answer = self._answer(message, chain_id)
        return self._after(answer, methods)

    async def _before(self, request: Request, message: Any, methods: list[str]) -> Response | None:
        """Let faults strike before anything is looked at."""
        faults = self._sandbox.faults
        identity = message.get("id") if isinstance(message, dict) else None
        for method in methods:
            if fault := faults.take("latency", method):
                await asyncio.sleep(fault.seconds)
            if faults.take("reset", method):
                raise _Reset
            if faults.take("timeout_before_accept", method):
                await _silence(request)
                raise _Reset
            if fault := faults.take("rate_limit", method):
                headers = {"Retry-After": str(max(1, round(fault.retry_after)))}
                what = "compute units per second exceeded"
                return _error(429, identity, 429, what, headers)
            if faults.take("error_500", method):
                return _error(500, identity, rpc.INTERNAL, "internal error")
            if faults.take("error_503", method):
                return _error(503, identity, rpc.INTERNAL, "service unavailable")
        return None

    def _after(self, answer: Any, methods: list[str]) -> Response:
        """Let faults strike after everything was done."""
        faults = self._sandbox.faults
        for method in methods:
            if faults.take("drop_reply_after_accept", method):
                raise _Reset
            if faults.take("wrong_id", method):
                answer = _with_wrong_id(answer)
            if faults.take("malformed_json", method):
                text = json.dumps(answer)
                return Response(text[: len(text) // 2], media_type="application/json")
        if answer is None:
            return Response(status_code=204)
        return Response(json.dumps(answer, separators=(",", ":")), media_type="application/json")

    def _answer(self, message: Any, chain_id: int | None) -> Any:
        if not isinstance(message, list):
            return self._one(message, chain_id)
        if not 1 <= len(message) <= LARGEST_BATCH:
            what = f"a batch holds 1 to {LARGEST_BATCH} requests"
            return _error_json(None, RpcError(rpc.INVALID_REQUEST, what))
        answers = [self._one(each, chain_id) for each in message]
        return [each for each in answers if each is not None] or None

    def _one(self, message: Any, chain_id: int | None) -> dict[str, Any] | None:
        if not isinstance(message, dict):
            return _error_json(None, RpcError(rpc.INVALID_REQUEST, "a request is an object"))
        identity = message.get("id")
        method = message.get("method")
        if (
            message.get("jsonrpc") != "2.0"
            or not isinstance(method, str)
            or (identity is not None and not isinstance(identity, int | float | str))
        ):
            return _error_json(None, RpcError(rpc.INVALID_REQUEST, "not a JSON-RPC 2.0 request"))
        try:
            result = self._sandbox.handle(method, message.get("params"), chain_id=chain_id)
        except RpcError as error:
            answer = _error_json(identity, error)
        except StoreError as error:
            print(f"sandbox: {error}", file=sys.stderr)
            answer = _error_json(identity, RpcError(rpc.INTERNAL, error.what))
        else:
            answer = {"jsonrpc": "2.0", "id": identity, "result": result}
        return answer if "id" in message else None


def make_app(sandbox: Sandbox) -> Starlette:
    """Return the sandbox as an ASGI application."""
    return Starlette(routes=[Route("/{path:path}", RpcApp(sandbox))])


def serve(
    *,
    host: str,
    port: int,
    chain_id: int,
    state: Path | None,
    faults: Path | None,
    faucet: bool,
) -> None:
    """
    Run the sandbox until SIGTERM or SIGINT.

    Args:
        host: Address to listen on.
        port: Port to listen on, 0 for any.
        chain_id: The chain of methods that name none.
        state: File that keeps everything, None to keep nothing.
        faults: JSON file with a list of faults in force from the start.
        faucet: Whether new accounts are given ether and tokens.

    Raises:
        RunnerError: The port is taken, or a file cannot be used.
    """
    sandbox = Sandbox(chain_id=chain_id, state=state, faucet=faucet)
    try:
        if faults is not None:
            _load_faults(sandbox, faults)
        listener = _listen(host, port)
        server = uvicorn.Server(_config(sandbox))

        def stop(_number: int, _frame: object) -> None:
            server.should_exit = True

        # uvicorn puts its own handlers over these, and when it has ended raises the signal again
        # for them: a stop that was asked for is exit 0.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        where = _shown(listener.getsockname())
        print(f"sandbox listening on http://{where}/v2/dev", file=sys.stderr, flush=True)
        asyncio.run(server.serve([listener]))
    finally:
        sandbox.close()


class EmbeddedSandbox:
    """A sandbox with its server, in a thread of this process."""

    def __init__(
        self, *, chain_id: int, state: Path | None, faucet: bool = True, port: int = 0
    ) -> None:
        """
        Prepare; nothing is opened before `start`.

        Args:
            chain_id: The chain of methods that name none.
            state: File that keeps everything, None to keep nothing.
            faucet: Whether new accounts are given ether and tokens.
            port: On loopback, 0 for any.
        """
        self._chain_id = chain_id
        self._state = state
        self._faucet = faucet
        self._port = port
        self._sandbox: Sandbox | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> str:
        """
        Open the state, listen, and return the base URL.

        Raises:
            RunnerError: The state cannot be used, or the port is taken.
        """
        if self._thread is not None:
            raise RunnerError("the embedded sandbox runs already")
        listener = _listen("127.0.0.1", self._port)
        try:
            self._sandbox = Sandbox(chain_id=self._chain_id, state=self._state, faucet=self._faucet)
        except BaseException:
            listener.close()
            raise
        self._server = uvicorn.Server(_config(self._sandbox))
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(self._server, listener, ready), name="sandbox", daemon=True
        )
        self._thread.start()
        ready.wait()
        return f"http://{_shown(listener.getsockname())}/v2/dev"

    def stop(self) -> None:
        """End the server and close the state; does nothing when it does not run."""
        if self._server is not None and self._thread is not None and self._sandbox is not None:
            self._server.should_exit = True
            self._thread.join()
            self._sandbox.close()
        self._server = self._thread = self._sandbox = None

    @staticmethod
    def _run(server: uvicorn.Server, listener: socket.socket, ready: threading.Event) -> None:
        async def run() -> None:
            # The socket listens already: what connects from now on is answered.
            asyncio.get_running_loop().call_soon(ready.set)
            await server.serve([listener])

        try:
            asyncio.run(run())
        finally:
            ready.set()


def _config(sandbox: Sandbox) -> uvicorn.Config:
    return uvicorn.Config(
        make_app(sandbox),
        http=_Protocol,
        ws="none",
        lifespan="off",
        loop="asyncio",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named: asyncio switches delays off (TCP_NODELAY) only where it is.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise RunnerError(
            f"cannot listen on {host}:{port}: {error.strerror}", hint="choose another port"
        ) from error
    return listener


def _load_faults(sandbox: Sandbox, path: Path) -> None:
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        faults = [read_fault(each) for each in listed]
        if any(fault.at_once for fault in faults):
            raise ValueError("a reorg that waits needs a method, a probability or a count")
    except (OSError, ValueError, TypeError, RpcError) as error:
        raise RunnerError(
            f"cannot use the faults in {path}: {error}", hint="a JSON list of faults is expected"
        ) from error
    for fault in faults:
        sandbox.faults.set(fault)


def _shown(address: tuple[Any, ...]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_local(origin: str) -> bool:
    return re.fullmatch(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?", origin) is not None


async def _body(request: Request) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_REQUEST:
            return None
        parts.append(part)
    return b"".join(parts)


def _parse(body: bytes) -> Any:
    """
    Read JSON that is not deeply nested.

    The parser recurses in C. Python's own limit does not save it, because libraries raise that.

    Raises:
        ValueError: Not JSON, or deeper than `DEEPEST_REQUEST`.
    """
    if body.count(b"[") + body.count(b"{") > DEEPEST_REQUEST:
        depth = 0
        for token in _NESTING.finditer(body):
            depth += _STEPS.get(token[0], 0)
            if depth > DEEPEST_REQUEST:
                raise ValueError("nested too deeply")
    return json.loads(body)


async def _silence(request: Request) -> None:
    """Say nothing until the client gives up."""
    for _ in range(_LONGEST_SILENCE * 10):
        if await request.is_disconnected():
            return
        await asyncio.sleep(0.1)


def _methods(message: Any) -> list[str]:
    messages = message if isinstance(message, list) else [message]
    named = [each.get("method") for each in messages if isinstance(each, dict)]
    return [method for method in named if isinstance(method, str)]


def _with_wrong_id(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_with_wrong_id(each) for each in answer]
    if not isinstance(answer, dict):
        return answer
    identity = answer.get("id")
    return {**answer, "id": identity + 1 if isinstance(identity, int) else f"not {identity}"}


def _error_json(identity: Any, error: RpcError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, "error": error.as_json()}


def _error(
    status: int,
    identity: Any,
    code: int,
    message: str,
    headers: dict[str, str] | None = None,
) -> Response:
    answer = _error_json(identity, RpcError(code, message))
    return JSONResponse(answer, status_code=status, headers=headers)
