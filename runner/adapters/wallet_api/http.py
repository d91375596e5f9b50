"""
HTTP/1.1 POST over connections that are kept: the one exchange that a payment makes again and again.

A general client spends many times as much on it: `tests/bench/bench_http.py`. What is hard is left
to others: llhttp reads answers (`httptools`), `aiohappyeyeballs` connects, the event loop does TLS.
Here is a pool, and one request at a time on each of its connections.

Source: RFC 9112.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections import defaultdict, deque
from functools import cache
from typing import Any, Final, TypeVar

import aiohappyeyeballs
import certifi
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from runner.adapters.wallet_api.endpoint import Endpoint
from runner.adapters.wallet_api.envelope import HttpAnswer

T = TypeVar("T")

_MOST_CONNECTIONS: Final = 64
_KEPT_SECONDS: Final = 15.0
"""So long an unused connection is believed to stand; many servers close it after a minute."""

_OTHER_FAMILY_AFTER_SECONDS: Final = 0.25
_MOST_BYTES_BESIDE: Final = 64 * 1024
"""What an answer may take beside its body: status, headers, the lengths of chunks."""


_Peer = tuple[str, int, bool]
"""Host, port, and whether by TLS: who may share connections."""


class TooLong(Exception):
    """The answer is longer than the bound."""


class Broken(Exception):
    """The connection ended, or carried what is no HTTP, before the answer was whole."""


class HttpPost:
    """
    Posts bodies and brings answers back, from one event loop.

    Args:
        max_answer_bytes: Longest body that is read.
    """

    def __init__(self, *, max_answer_bytes: int) -> None:
        self._max_answer_bytes = max_answer_bytes
        self._free = _MOST_CONNECTIONS
        self._turns: deque[asyncio.Future[None]] = deque()
        self._deadlines = _Deadlines()
        self._idle: defaultdict[_Peer, list[_Connection]] = defaultdict(list)
        self._open: set[_Connection] = set()

    async def __call__(self, endpoint: Endpoint, body: bytes, seconds: float) -> HttpAnswer:
        """
        Args:
            seconds: For all of it, in real time: its turn, the connection, the answer.

        Raises:
            TooLong: The answer is; no more of it was read.
            Broken: There was no whole answer.
            OSError: Nothing answers there, or not who was asked for (`ssl.SSLError`).
            TimeoutError: It took too long.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        due = now + seconds
        if self._free:
            self._free -= 1
        else:
            await self._turn(loop, due)
        try:
            idle = self._idle[endpoint.host, endpoint.port, endpoint.tls]
            connection = _kept(idle, now) or await self._opened(endpoint, due)
            try:
                asked = connection.ask(b"%b%d\r\n\r\n%b" % (endpoint.head, len(body), body))
                answer = await self._deadlines.keep(asked, due)
            except BaseException:
                connection.drop()  # what still comes on it would be taken for the next answer
                raise
            _keep(idle, connection, loop.time())
            return answer
        finally:
            self._pass_on()

    async def _turn(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        """Wait for one of those that have a connection to be done, first come, first served."""
        turn: asyncio.Future[None] = loop.create_future()
        self._turns.append(turn)
        try:
            await self._deadlines.keep(turn, due)
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on()  # it had come, and is not taken
            raise

    def _pass_on(self) -> None:
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():  # whoever waited for it has given up
                turn.set_result(None)
                return
        self._free += 1

    async def _opened(self, endpoint: Endpoint, due: float) -> _Connection:
        async with asyncio.timeout_at(due):
            return await self._connected(endpoint.host, endpoint.port, tls=endpoint.tls)

    async def _connected(self, host: str, port: int, *, tls: bool) -> _Connection:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        sock = await aiohappyeyeballs.start_connection(
            found, happy_eyeballs_delay=_OTHER_FAMILY_AFTER_SECONDS, loop=loop
        )
        try:
            _, connection = await loop.create_connection(
                lambda: _Connection(loop, self._max_answer_bytes),
                sock=sock,
                ssl=_trusted() if tls else None,
                server_hostname=host if tls else None,
            )
        except BaseException:
            sock.close()
            raise
        self._open.add(connection)
        connection.gone.add_done_callback(lambda _: self._open.discard(connection))
        return connection

    async def aclose(self) -> None:
        """Close all connections, and see them closed."""
        self._deadlines.end()
        self._idle.clear()
        closing = list(self._open)
        for connection in closing:
            connection.drop()
        for connection in closing:
            await connection.gone


def _kept(idle: list[_Connection], now: float) -> _Connection | None:
    """The connection that was used last, if it still stands."""
    while idle:
        connection = idle.pop()
        if connection.stands(now):
            return connection
        connection.drop()
    return None


def _keep(idle: list[_Connection], connection: _Connection, now: float) -> None:
    """Let it serve again; those that have not for long are closed meanwhile."""
    while idle and not idle[0].stands(now):
        idle.pop(0).drop()
    if connection.lasts:
        connection.used_at = now
        idle.append(connection)
    else:
        connection.drop()


class _Deadlines:
    """
    When futures are due; those that are not done by then fail with `TimeoutError`.

    There is one timer for all: hardly an exchange ever needs it, and one of its own would be set
    and cancelled for each.
    """

    def __init__(self) -> None:
        self._due: dict[asyncio.Future[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0

    async def keep(self, future: asyncio.Future[T], due: float) -> T:
        """Wait for a future until it is due."""
        self._due[future] = due
        if self._timer is None or due < self._rings_at:
            self._arm(due)
        try:
            return await future
        finally:
            del self._due[future]

    def end(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at: float) -> None:
        self.end()
        self._rings_at = at
        self._timer = asyncio.get_running_loop().call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for future, due in self._due.items():
            if due <= now and not future.done():
                future.set_exception(TimeoutError())
        coming = [due for due in self._due.values() if due > now]
        if coming:
            self._arm(min(coming))


class _Connection(asyncio.Protocol):
    """
    One connection, as the event loop and the parser call it.

    The parser's callbacks (`on_…`) come out of `data_received`, in the order of the bytes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, max_answer_bytes: int) -> None:
        self._loop = loop
        self._max_answer_bytes = max_answer_bytes
        self._parser = HttpResponseParser(self)
        self._transport: Any = None
        self._answer: asyncio.Future[HttpAnswer] | None = None
        self.used_at = loop.time()
        """When it was done with its last answer."""

        self.lasts = True
        """Whether it may carry another request, as far as its answers have told."""

        self.gone: asyncio.Future[None] = loop.create_future()
        """Done when it is closed."""

        self._begin()

    def _begin(self) -> None:
        """Nothing of an answer is there yet."""
        self._parts: list[bytes] = []
        self._length = self._received = 0
        self._retry_after: str | None = None
        self._open_ended = True
        self._has_head = False

    def ask(self, request: bytes) -> asyncio.Future[HttpAnswer]:
        """Send a request; what the answer will be, or whatever breaks."""
        if not self.lasts:
            raise Broken("the connection is closed")
        self._begin()
        answer: asyncio.Future[HttpAnswer] = self._loop.create_future()
        self._answer = answer
        self._transport.write(request)
        return answer

    def stands(self, now: float) -> bool:
        """Whether it may carry another request."""
        return self.lasts and now - self.used_at < _KEPT_SECONDS

    def drop(self) -> None:
        """Close it at once."""
        self.lasts = False
        if self._transport is not None:
            self._transport.abort()

    def _too_long(self) -> TooLong:
        return TooLong(f"the answer is longer than {self._max_answer_bytes} bytes")

    def _fail(self, error: Exception) -> None:
        self.lasts = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        if self._transport is not None:
            self._transport.abort()

    # ── what the event loop calls ─────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """More of the answer; what nobody asked for closes the connection."""
        if self._answer is None or self._answer.done():
            self.drop()
            return
        self._received += len(data)
        if self._received > self._max_answer_bytes + _MOST_BYTES_BESIDE:
            self._fail(self._too_long())
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._fail(Broken(f"what came is no HTTP ({type(error).__name__})"))

    def connection_lost(self, error: Exception | None) -> None:
        """An answer without a length ends here, any other is lost."""
        self.lasts = False
        if self._has_head and self._open_ended and error is None:
            self._complete(self._parser.get_status_code())
        self._fail(Broken("closed before the answer was whole"))
        if not self.gone.done():  # whoever waited for it was cancelled
            self.gone.set_result(None)

    # ── what the parser calls ─────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        """An answer that nobody asked for spoils the connection: it would pass for the next one."""
        if self._answer is None:
            self.lasts = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; few matter."""
        match name.lower():
            case b"content-length" | b"transfer-encoding":
                self._open_ended = False
            case b"retry-after":
                self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Whether the connection lasts is said here."""
        self._has_head = True
        self.lasts = self.lasts and self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        """Some of the body, never more than is allowed."""
        self._length += len(body)
        if self._length > self._max_answer_bytes:
            self._fail(self._too_long())
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """It is whole; or it only announces the one that counts (100 Continue, 103 Early Hints)."""
        status = self._parser.get_status_code()
        if status < 200:
            received = self._received
            self._begin()
            self._received = received
        else:
            self._complete(status)

    def _complete(self, status: int) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(HttpAnswer(status, b"".join(self._parts), self._retry_after))


@cache
def _trusted() -> ssl.SSLContext:
    """Whom we believe: those of the system's variables, if there are any, else those of certifi."""
    written = os.environ.keys() & {"SSL_CERT_FILE", "SSL_CERT_DIR"}
    return ssl.create_default_context(cafile=None if written else certifi.where())
