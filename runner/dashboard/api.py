"""
The JSON API: reads in the shapes of the commands' `--json`. Nothing here changes anything.

Lists are arrays; where there is more, the `Link` header names the next page.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runner.adapters.sql import pages, reading
from runner.dashboard import openapi, views
from runner.dashboard.source import Patience
from runner.dashboard.views import Web
from runner.errors import UsageError
from runner.reporting import calendar, forecast, overview, scripts, totals
from runner.reporting.text import rfc3339
from runner.reporting.views import Entry

PREFIX: Final = "/api/v1"
_MOST = 1000
_USUAL = 100
_HEADS = 5
"""Of the event chains: as many as `runner report` tells."""
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


@dataclass(slots=True)
class Asked:
    """The parameters of a request, read one by one; the page's end, where there is more."""

    request: Request
    more: str | None = field(default=None)
    patience: Patience = field(default_factory=lambda: Patience(0.0))

    def text(self, name: str) -> str | None:
        """A parameter as it came; empty is not given."""
        return self.request.query_params.get(name) or None

    def limit(self) -> int:
        """How many at most."""
        return self.whole("limit", usual=_USUAL, most=_MOST)

    def whole(self, name: str, *, usual: int, most: int) -> int:
        """A whole number above 0."""
        text = self.text(name)
        if text is None:
            return usual
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise UsageError(f"`{name}` is a whole number from 1 to {most}")
        return int(text)

    def moment(self, name: str) -> datetime | None:
        """An instant with its zone, or a date: midnight UTC."""
        return moment(self.text(name), name)

    def cursor(self) -> list[str] | None:
        """Where the page before ended."""
        text = self.text("cursor")
        if text is None:
            return None
        try:
            return base64.urlsafe_b64decode(text).decode().split("\n")
        except (binascii.Error, UnicodeDecodeError):
            raise UsageError("`cursor` is what the Link header of the page before had") from None

    def ends_at(self, *parts: object) -> None:
        """Say where this page ended."""
        self.more = base64.urlsafe_b64encode("\n".join(map(str, parts)).encode()).decode()

    def link(self) -> dict[str, str]:
        """The header that names the next page."""
        if self.more is None:
            return {}
        given = {k: v for k, v in self.request.query_params.items() if k != "cursor"}
        query = urlencode({**given, "cursor": self.more})
        return {"Link": f'<{self.request.url.path}?{query}>; rel="next"'}


def moment(text: str | None, name: str) -> datetime | None:
    """
    An instant with its zone, or a date: midnight UTC; None where nothing is given.

    Raises:
        UsageError: it is neither.
    """
    if not text:
        return None
    try:
        # A plus of a query is a blank, and nobody means a blank in a time.
        found = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise UsageError(f"`{name}` is a time, as 2026-12-01T09:00Z") from None
    if found.tzinfo is None and len(text) > len("2026-12-01"):
        raise UsageError(f"`{name}` names no zone: add Z for UTC")
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def routes(web: Web) -> list[Route]:
    """All of them, and the document that describes them."""
    answers: dict[str, Callable[[Web, Asked], Any]] = {
        "/status": _status,
        "/schedules": _schedules,
        "/runs": _runs,
        "/runs/{id}": _run,
        "/grants": _grants,
        "/calendar": _calendar,
        "/next": _next,
        "/report": _report,
    }
    described = openapi.document()

    async def document(request: Request) -> Response:
        del request
        return JSONResponse(described)

    found = [Route(f"{PREFIX}/openapi.json", document, methods=["GET"])]
    for path, answer in answers.items():
        # Names of schedules have a slash of their own.
        full = PREFIX + path.replace("{id}", "{id:path}")
        found.append(Route(full, _endpoint(web, answer), methods=["GET"]))
    return found


def _endpoint(web: Web, answer: Callable[[Web, Asked], Any]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        asked = Asked(request)
        try:
            told = await asyncio.to_thread(answer, web, asked)
        except views.Missing as error:
            return JSONResponse({"error": error.what, "hint": error.hint}, status_code=404)
        except UsageError as error:
            return JSONResponse({"error": error.what, "hint": error.hint}, status_code=400)
        return JSONResponse(told, headers=asked.link())

    return endpoint


def _status(web: Web, asked: Asked) -> Any:
    del asked
    settings = web.source.settings
    return overview.as_json(
        views.status(web), wallets=views.wallets(settings), store=settings.store
    )


def _schedules(web: Web, asked: Asked) -> Any:
    limit = asked.limit()
    after = (asked.cursor() or [""])[0]
    with web.source.ledger() as c:
        found = pages.schedules_page(c, after=after, limit=limit + 1)
    if len(found) > limit:
        asked.ends_at(found[limit - 1].uid)
    return [scripts.schedule(one) for one in found[:limit]]


def _runs(web: Web, asked: Asked) -> Any:
    limit = asked.limit()
    return [scripts.entry(one) for one in runs_of(web, asked, limit)]


def runs_of(web: Web, asked: Asked, limit: int) -> list[Entry]:
    """The runs that are asked for, newest first; where there are more, `asked` knows the place."""
    wanted = pages.Wanted(
        schedule=asked.text("schedule"),
        state=asked.text("state"),
        start=asked.moment("from"),
        end=asked.moment("to"),
        after=_run_cursor(asked),
    )
    with web.source.ledger() as c:
        found = pages.entries_page(c, wanted, limit=limit + 1)
    last = found[limit - 1].occurrence if len(found) > limit else None
    if last is not None:
        asked.ends_at(rfc3339(last.due_at), last.id)
    return found[:limit]


def _run_cursor(asked: Asked) -> tuple[datetime, int] | None:
    """Where a page of runs ended: the due time and the row of its last one."""
    match asked.cursor():
        case None:
            return None
        case [due, row] if row.isdecimal():
            try:
                return datetime.fromisoformat(due), int(row)
            except ValueError:
                pass
    raise UsageError("`cursor` is what the Link header of the page before had")


def _run(web: Web, asked: Asked) -> Any:
    entry, timeline = views.run(web, asked.request.path_params["id"])
    if entry.occurrence is not None and entry.occurrence.count > 1:
        return scripts.entry(entry)
    return scripts.run(entry, timeline)


def _grants(web: Web, asked: Asked) -> Any:
    limit = asked.limit()
    with web.source.ledger() as c:
        found = reading.grants(c, asked.text("session"))
    cursor = asked.cursor()
    if cursor is not None:
        if len(cursor) != 2 or not cursor[1].isdecimal():
            raise UsageError("`cursor` is what the Link header of the page before had")
        key = (cursor[0], int(cursor[1]))
        found = [one for one in found if (one.session, one.generation) > key]
    if len(found) > limit:
        asked.ends_at(found[limit - 1].session, found[limit - 1].generation)
    return [scripts.grant(one) for one in found[:limit]]


def _calendar(web: Web, asked: Asked) -> Any:
    months = asked.whole("months", usual=1, most=12)
    text = asked.text("month")
    first = web.source.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if text is not None:
        match = _MONTH.fullmatch(text)
        if match is None or int(match[1]) < 2:
            raise UsageError("`month` is a month, as 2026-12")
        first = datetime(int(match[1]), int(match[2]), 1, tzinfo=UTC)
    found = []
    for _ in range(months):
        found += views.month(web, first.date())
        first = (first + timedelta(days=31)).replace(day=1)
    return calendar.as_json(found)


def _next(web: Web, asked: Asked) -> Any:
    now = web.source.now()
    schedules = [one for policy in web.source.policies() for one in policy.schedules.values()]
    start = asked.moment("from") or now
    found = forecast.upcoming(schedules, start=start, now=now, count=asked.limit())
    return [scripts.upcoming(one) for one in found]


def _report(web: Web, asked: Asked) -> Any:
    start, end = asked.moment("from"), asked.moment("to")
    if start is None and end is None:
        start = web.source.now() - timedelta(days=31)
    with web.source.ledger() as c:
        made = totals.report(reading.payments(c, start=start, end=end))
        heads = reading.newest_heads(c, count=_HEADS)
    return totals.as_json(made, heads)
