"""
The server: a thread with an event loop of its own, started once the daemon has looked around.

A port that is taken is told and tried again: payments do not wait for a page.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from runner.adapters.secret_watch import SecretWatch
from runner.adapters.secrets import read_reference
from runner.dashboard.source import Source
from runner.errors import RunnerError, UsageError
from runner.ports import Telemetry
from runner.settings import Settings

_PATIENCE_SECONDS: Final = 5.0
"""A daemon that has not looked around by then is shown all the same: its wallet may be away."""

_QUIET_SECONDS: Final = 0.5
_AGAIN_SECONDS: Final = 15.0
_SHORTEST_TOKEN: Final = 16


def token_of(settings: Settings, environment: Mapping[str, str]) -> str | None:
    """
    The token of runner.yaml; None where none is written.

    Raises:
        UsageError: it cannot be read, or is too short to keep anybody out.
    """
    if settings.http.token is None:
        return None
    token = read_reference(settings.http.token, environment, what="http.token").strip()
    if len(token) < _SHORTEST_TOKEN:
        raise UsageError(
            f"http.token has fewer than {_SHORTEST_TOKEN} characters",
            hint="make a long one: openssl rand -hex 32",
        )
    return token


def listen(host: str, port: int) -> socket.socket:
    """
    Listen.

    Raises:
        RunnerError: the port is taken, or the address is not this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        # The protocol is named: asyncio switches delays off (TCP_NODELAY) only where it is.
        listener = socket.socket(family, kind, protocol or socket.IPPROTO_TCP)
    except OSError as error:
        raise RunnerError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise RunnerError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listener


async def serve(
    source: Source,
    token: str | None,
    telemetry: Telemetry,
    *,
    secrets: SecretWatch,
    environment: Mapping[str, str],
) -> None:
    """
    Until cancelled. Nothing that goes wrong here ends the daemon.

    Args:
        secrets: Says when another token takes the place of this one.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await source.tally.armed.wait()
    await asyncio.sleep(_QUIET_SECONDS)  # the first payments go first
    http = source.settings.http
    told = False
    while True:
        try:
            listener = listen(http.host, http.port)
            break
        except RunnerError as error:
            if not told:
                telemetry.emit(
                    "http.unavailable",
                    level="warning",
                    detail=error.what,
                    hint="payments go on without the dashboard; it is tried again. Another place: "
                    "`http: {bind: 127.0.0.1:PORT}` in runner.yaml, or RUNNER_HTTP__BIND",
                )
            told = True
        await asyncio.sleep(_AGAIN_SECONDS)
    thread = _Thread(source, token, telemetry, listener)
    await asyncio.to_thread(thread.start)

    async def renew() -> bool:
        found = await asyncio.to_thread(token_of, source.settings, environment)
        return found is not None and thread.take_token(found)

    secrets.renewing("http.token", renew)
    telemetry.emit("http.ready", url=f"http://{http.bind}/", changes=token is not None)
    try:
        await asyncio.Event().wait()
    finally:
        thread.stop()


class _Thread:
    """The server's own thread and loop."""

    def __init__(
        self, source: Source, token: str | None, telemetry: Telemetry, listener: socket.socket
    ) -> None:
        self._made = (source, token, telemetry)
        self._source = source
        self._listener = listener
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Import what only pages need, and begin to answer."""
        import uvicorn  # noqa: PLC0415  (heavy: after the first payments)

        from runner.dashboard import pages  # noqa: PLC0415  (as above)
        from runner.dashboard.app import application, web_of  # noqa: PLC0415  (as above)
        from runner.dashboard.security import Door  # noqa: PLC0415  (as above)

        source, token, telemetry = self._made
        door = Door(source.settings.http.host, token)
        self.take_token = door.take_token
        web = web_of(source, door, telemetry)
        config = uvicorn.Config(
            application(web),
            http="httptools",
            ws="none",
            lifespan="off",
            loop="asyncio",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=1,
            limit_concurrency=200,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._thread.start()
        threading.Thread(target=pages.make_ready, args=(web,), name="pages", daemon=True).start()

    def _run(self) -> None:
        asyncio.run(self._server.serve([self._listener]))

    def stop(self) -> None:
        """Answer nobody any more."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(timeout=3)
        self._listener.close()
        self._source.close()
