"""The daemon's web side in process: requests to the application, without a socket."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from runner.adapters.metering import Tally
from runner.dashboard.app import application, web_of
from runner.dashboard.security import Door
from runner.dashboard.source import Source
from runner.policy.model import Policy
from runner.settings import Settings

TOKEN = "correct-horse-battery-staple"


class Told(list[tuple[str, dict[str, Any]]]):
    """A Telemetry that remembers."""

    def emit(self, event: str, **fields: Any) -> None:
        """Remember one event."""
        self.append((event, fields))


def source_of(settings: Settings, policies: tuple[Policy, ...]) -> Source:
    """A source whose daemon has looked around and is at rest."""
    tally = Tally()
    tally.armed.set()
    made = Source(settings, lambda: policies, tally, beat_at=lambda: 0.0)
    made.beat_at = made.monotonic
    return made


class Browser:
    """Sends requests to one application and keeps its cookies."""

    def __init__(
        self, source: Source, *, bind: str = "127.0.0.1", token: str | None = TOKEN
    ) -> None:
        self.told = Told()
        self.door = Door(bind, token)
        self.cookies = httpx.Cookies()
        self.web = web_of(source, self.door, self.told)
        self.web.patience_seconds = 30.0  # what a page shows is looked at, not how quickly
        self._app = application(self.web)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """One GET; underscores of header names are dashes."""
        return self.send("GET", path, headers)

    def send(
        self, method: str, path: str, headers: dict[str, str], data: dict[str, str] | None = None
    ) -> httpx.Response:
        """One request; `data` is a form."""

        async def exchange() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost", cookies=self.cookies
            ) as web:
                named = {name.replace("_", "-"): value for name, value in headers.items()}
                answer = await web.request(method, path, headers=named, data=data)
                self.cookies = web.cookies
                return answer

        return asyncio.run(exchange())
