"""
The sandbox as a server: a process of its own, or a thread of this one.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from runner.errors import RunnerError
from runner.sandbox.endpoint import Endpoint
from runner.sandbox.faults import read_fault
from runner.sandbox.sandbox import RpcError, Sandbox


class _Protocol(HttpToolsProtocol):
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


def _cut(client: Any) -> None:
    """Close a connection without a word."""
    transport = _transports.get(tuple(client)) if client else None
    if transport is not None:
        transport.abort()


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
        except BaseException:  # whatever stops us, the port is free for the next one
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
        Endpoint(sandbox, _cut),
        http=_Protocol,
        ws="none",
        lifespan="off",
        loop="asyncio",
        access_log=False,
        log_config=None,
        proxy_headers=False,
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
