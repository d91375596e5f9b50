"""The web application: its routes, over a source."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from runner.dashboard import health, metrics
from runner.dashboard.coming import Coming
from runner.dashboard.security import Door, Gate
from runner.dashboard.source import Kept, Source
from runner.errors import RunnerError
from runner.ports import Telemetry

_PROBE_SECONDS = 1.0
_SCRAPE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Web:
    """What every route is made with."""

    source: Source
    door: Door
    coming: Coming
    telemetry: Telemetry


def application(source: Source, door: Door, telemetry: Telemetry) -> ASGIApp:
    """Everything behind the door."""
    web = Web(source, door, Coming(source.policies, source.now), telemetry)
    routes = [*_probes(web)]
    return Gate(_Faults(Starlette(routes=routes), telemetry), door)


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

    async def home(request: Request) -> Response:
        del request
        return PlainTextResponse("runner\n\n/healthz\n/readyz\n/metrics\n")

    return [
        _get("/", home),
        _get("/healthz", healthz),
        _get("/readyz", readyz),
        _get("/metrics", measured),
    ]


def _get(path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> Route:
    return Route(path, endpoint, methods=["GET"])


class _Faults:
    """A fault of ours is told in the log, and the browser learns no more than that."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 503 for what the ledger refuses, 500 for the rest."""
        started = False

        async def watched(message: object) -> None:
            nonlocal started
            started = True
            await send(message)  # type: ignore[arg-type]  # as it came

        try:
            await self._app(scope, receive, watched)
        except RunnerError as error:
            answer = JSONResponse({"error": error.what, "hint": error.hint}, status_code=503)
        except Exception as error:  # whatever it is, the server goes on
            self._telemetry.emit(
                "http.fault",
                level="error",
                path=scope.get("path"),
                detail=f"unexpected {type(error).__name__}: {error}",
            )
            answer = JSONResponse({"error": "a fault of ours; the log has it"}, status_code=500)
        else:
            return
        if not started:
            await answer(scope, receive, send)
