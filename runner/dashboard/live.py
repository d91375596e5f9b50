"""Static files, and the stream that tells pages that the ledger has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from runner.dashboard.shown import FOLDER
from runner.dashboard.source import Kept
from runner.dashboard.views import Web
from runner.errors import RunnerError

_LOOK_SECONDS: Final = 1.0
_ALIVE_LOOKS: Final = 15
_MOST_STREAMS: Final = 40

_FILES: Final = {
    "app.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def routes(web: Web) -> list[Route]:
    """What every page loads."""
    version = Kept(web.source.version, _LOOK_SECONDS * 0.9)
    open_streams: set[int] = set()

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _FILES:
            return PlainTextResponse("There is no such file.\n", status_code=404)
        caching = {"Cache-Control": "private, max-age=3600"}
        return FileResponse(FOLDER / "static" / name, media_type=_FILES[name], headers=caching)

    async def events(request: Request) -> Response:
        if len(open_streams) >= _MOST_STREAMS:
            return PlainTextResponse("Too many pages are open.\n", status_code=503)
        return StreamingResponse(
            _changes(request, version, open_streams), media_type="text/event-stream"
        )

    return [
        Route("/static/{name}", static, methods=["GET"]),
        Route("/events", events, methods=["GET"]),
    ]


async def _changes(
    request: Request, version: Kept[int], open_streams: set[int]
) -> AsyncIterator[str]:
    open_streams.add(id(request))
    try:
        seen: int | None = None
        quiet = 0
        yield "retry: 3000\n\n"
        while True:
            try:
                found: int | None = await asyncio.to_thread(version.get)
            except RunnerError:
                found = None
            if seen is not None and found is not None and found != seen:
                yield "event: changed\ndata: \n\n"
                quiet = 0
            seen = found if found is not None else seen
            quiet += 1
            if quiet % _ALIVE_LOOKS == 0:
                yield ": still here\n\n"
            await asyncio.sleep(_LOOK_SECONDS)
    finally:
        open_streams.discard(id(request))
