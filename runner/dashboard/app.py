"""The web application: its routes, over a source."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from runner.dashboard import actions, api, doors, health, live, metrics, owners, pages
from runner.dashboard.coming import Coming
from runner.dashboard.security import Door, Gate
from runner.dashboard.source import Kept, Source
from runner.dashboard.views import Web
from runner.errors import RunnerError
from runner.ports import Telemetry

_PROBE_SECONDS = 1.0
_SCRAPE_SECONDS = 5.0


def web_of(source: Source, door: Door, telemetry: Telemetry) -> Web:
    """What the application shows, and what it keeps of it."""
    return Web(source, door, Coming(source.policies, source.now), telemetry)


def application(web: Web) -> ASGIApp:
    """Everything behind the door."""
    parts = (api, live, doors, actions, owners, pages)
    routes = [*_probes(web), *(route for part in parts for route in part.routes(web))]
    app = Starlette(routes=routes, exception_handlers={RunnerError: _unable, 500: _faulty})
    return Gate(_Faults(app, web.telemetry), web.door)


def _probes(web: Web) -> list[Route]:
    readiness = Kept(lambda: health.readiness(web.source), _PROBE_SECONDS)
    scrape = Kept(lambda: metrics.exposition(web.source, web.coming), _SCRAPE_SECONDS)

    async def healthz(request: Request) -> Response:
        del request
        alive, age = health.alive(web.source)
        word = "ok" if alive else "failed"
        told = {"status": word, "tick_age_seconds": round(age, 3)}
        return JSONResponse(told, status_code=200 if alive else 503)

    async def readyz(request: Request) -> Response:
        found = await asyncio.to_thread(readiness.get)
        told = found.as_json()
        if not web.door.may_read(request.headers):
            told.pop("checks")
        return JSONResponse(told, status_code=200 if told["ready"] else 503)

    async def measured(request: Request) -> Response:
        del request
        text = await asyncio.to_thread(scrape.get)
        return Response(text, media_type=metrics.CONTENT_TYPE)

    return [
        _get("/healthz", healthz),
        _get("/readyz", readyz),
        _get("/metrics", measured),
    ]


def _get(path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> Route:
    return Route(path, endpoint, methods=["GET"])


class _Faults:
    """A fault of ours is told in the log; the browser learns no more than that there was one."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The answer is given by the handlers below; what they leave is told here, and ends."""
        try:
            await self._app(scope, receive, send)
        except Exception as error:  # whatever it is, the server goes on
            self._telemetry.emit(
                "http.fault",
                level="error",
                path=scope.get("path"),
                detail=f"unexpected {type(error).__name__}: {error}",
            )


def _unable(request: Request, error: Exception) -> Response:
    del request
    told = error if isinstance(error, RunnerError) else RunnerError("a fault of ours")
    return JSONResponse({"error": told.what, "hint": told.hint}, status_code=503)


def _faulty(request: Request, error: Exception) -> Response:
    del request, error
    told = {"error": "a fault of ours", "hint": "the daemon's log says more"}
    return JSONResponse(told, status_code=500)
