"""
The one HTTP endpoint: JSON-RPC, batches, and everything that can go wrong on the way.

    POST /  /v2  /v2/KEY  /chain/ID/v2/KEY

The key is not looked at; it may also come as a Bearer token. A browser's request from another
origin is refused, so that no web page can use a sandbox on somebody's machine.

Source: JSON-RPC 2.0; Wallet API specification §1; ASGI 3 for the shape of the application.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import Any, Final

from runner.errors import StoreError
from runner.frozen import frozen
from runner.sandbox import rpc
from runner.sandbox.sandbox import RpcError, Sandbox

LARGEST_REQUEST: Final = 4 * 1024 * 1024
"""Bytes of a request body."""

LARGEST_BATCH: Final = 1_000
"""Requests in one batch."""

DEEPEST_REQUEST: Final = 64
"""How deep arrays and objects of a request may nest."""

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
"""Waits for the next part of a request, or for the end of its connection."""

Send = Callable[[dict[str, Any]], Awaitable[None]]
"""Hands on a part of a response."""

_LONGEST_SILENCE: Final = 600
_NESTING = re.compile(rb'"(?:[^"\\]|\\.)*+"|[][{}]', re.DOTALL)
_STEPS = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}
_PATH = re.compile(r"(?:/chain/(?P<chain>[1-9][0-9]{0,9}))?(?:/v2(?:/[^/]*)?)?/?")
_LOCAL = re.compile(rb"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?")


class _Gone(Exception):
    """The client has closed the connection."""


class _Reset(Exception):
    """Cut the connection without an answer."""


@frozen
class _Reply:
    """A response; its body is JSON, or what a fault has left of it."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = field(default=())


class Endpoint:
    """A sandbox as an ASGI application."""

    def __init__(self, sandbox: Sandbox, cut: Callable[[Any], None]) -> None:
        """
        Prepare.

        Args:
            sandbox: Answers the requests.
            cut: Closes the connection of an ASGI client without a word.
        """
        self._sandbox = sandbox
        self._cut = cut

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        try:
            reply = await self._reply(scope, receive)
        except _Gone:
            return
        except _Reset:
            self._cut(scope.get("client"))
            await _silence(receive)  # until the server has noticed
            return
        length = str(len(reply.body)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        headers += reply.headers
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _reply(self, scope: Mapping[str, Any], receive: Receive) -> _Reply:
        path = _PATH.fullmatch(scope["path"])
        if path is None:
            return _error(404, None, rpc.INVALID_REQUEST, "no such path")
        if scope["method"] != "POST":
            return _error(405, None, rpc.INVALID_REQUEST, "requests are posted")
        for name, value in scope["headers"]:
            if name == b"origin" and _LOCAL.fullmatch(value) is None:
                return _error(403, None, rpc.INVALID_REQUEST, "not for web pages of other origins")
        body = await _body(receive)
        if body is None:
            return _error(413, None, rpc.INVALID_REQUEST, "the request is too large")
        try:
            message = _parse(body)
        except ValueError:
            return _error(400, None, rpc.PARSE_ERROR, "the body is not JSON")
        chain = path["chain"]
        methods = _methods(message)
        early = await self._before(receive, message, methods)
        if early is not None:
            return early
        return self._after(self._answer(message, None if chain is None else int(chain)), methods)

    async def _before(self, receive: Receive, message: Any, methods: list[str]) -> _Reply | None:
        """Let faults strike before anything is looked at."""
        faults = self._sandbox.faults
        identity = message.get("id") if isinstance(message, dict) else None
        for method in methods:
            if fault := faults.take("latency", method):
                await asyncio.sleep(fault.seconds)
            if faults.take("reset", method):
                raise _Reset
            if faults.take("timeout_before_accept", method):
                await _silence(receive)
                raise _Reset
            if fault := faults.take("rate_limit", method):
                pause = str(max(1, round(fault.retry_after))).encode()
                what = "compute units per second exceeded"
                return _error(429, identity, 429, what, (b"retry-after", pause))
            if faults.take("error_500", method):
                return _error(500, identity, rpc.INTERNAL, "internal error")
            if faults.take("error_503", method):
                return _error(503, identity, rpc.INTERNAL, "service unavailable")
        return None

    def _after(self, answer: Any, methods: list[str]) -> _Reply:
        """Let faults strike after everything was done."""
        faults = self._sandbox.faults
        for method in methods:
            if faults.take("drop_reply_after_accept", method):
                raise _Reset
            if faults.take("wrong_id", method):
                answer = _with_wrong_id(answer)
            if faults.take("malformed_json", method):
                text = json.dumps(answer).encode()
                return _Reply(200, text[: len(text) // 2])
        if answer is None:
            return _Reply(204, b"")
        return _Reply(200, json.dumps(answer, separators=(",", ":")).encode())

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
        except Exception:  # a fault of the sandbox itself: say so, and go on
            traceback.print_exc()
            answer = _error_json(identity, RpcError(rpc.INTERNAL, "the sandbox has failed"))
        else:
            answer = {"jsonrpc": "2.0", "id": identity, "result": result}
        return answer if "id" in message else None


async def _body(receive: Receive) -> bytes | None:
    """Return the whole body, None if it is too large."""
    body = b""
    while True:
        part = await receive()
        if part["type"] == "http.disconnect":
            raise _Gone
        more: bytes = part.get("body", b"")
        body += more
        if len(body) > LARGEST_REQUEST:
            return None
        if not part.get("more_body", False):
            return body


async def _silence(receive: Receive) -> None:
    """Say nothing until the client gives up."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), _LONGEST_SILENCE)
    except TimeoutError:
        return


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
    status: int, identity: Any, code: int, message: str, *headers: tuple[bytes, bytes]
) -> _Reply:
    answer = _error_json(identity, RpcError(code, message))
    return _Reply(status, json.dumps(answer).encode(), headers)
