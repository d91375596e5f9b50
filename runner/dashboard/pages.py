"""The pages: what each looks up, and the template that shows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from runner.adapters.sql import pages, reading
from runner.adapters.sql.alerts import incidents
from runner.dashboard import board, foresight, plots, shown, views
from runner.dashboard.api import Asked, runs_of
from runner.dashboard.source import Kept, Patience
from runner.dashboard.stories import grant_page, run_page
from runner.dashboard.views import Missing, Web
from runner.errors import RunnerError, UsageError
from runner.records import CommandState, PauseScope
from runner.reporting import why
from runner.reporting.health import Severity
from runner.reporting.text import away, moves, plural, rfc3339, stamp
from runner.scheduling.occurrence import State
from runner.version import __version__

Page = tuple[str, Mapping[str, Any]]
T = TypeVar("T")

MENU: Final = (
    ("/", "Overview"),
    ("/calendar", "Calendar"),
    ("/schedules", "Schedules"),
    ("/runs", "Runs"),
    ("/grants", "Grants"),
    ("/money", "Money"),
    ("/waiting", "Waiting"),
)
_ON_A_PAGE = 50
_FINDINGS = 6
_SHOWN = 8
_DAYS = 30
_MOST_PARTS = 24
_SECONDS = 10.0


def routes(web: Web) -> list[Route]:
    """Every page that is read."""
    answers = {
        **_MENU_PAGES,
        "/schedules/{name:path}": _schedule,
        "/runs/{id:path}": _run,
        "/grants/{name:path}": _grant,
        "/backfill/{name:path}": _backfill,
        "/stop": _stop,
    }
    return [
        Route(path, page(web, path, answer), methods=["GET"]) for path, answer in answers.items()
    ]


def page(web: Web, path: str, answer: Callable[[Web, Asked], Page]) -> Callable[[Request], Any]:
    """
    An endpoint that looks up and renders in a thread: the loop stays free.

    A page answers at once. Sums that are not ready by then are made beside it, and it says so.
    """
    here = "/" + path.split("/")[1]

    def made(request: Request) -> Response:
        asked = Asked(request, patience=Patience(web.patience_seconds))
        try:
            template, values = answer(web, asked)
            follows = asked.patience.is_over
            return HTMLResponse(
                show(web, request, template, here=here, **{"follows": follows, **values})
            )
        except RunnerError as error:
            return problem(web, request, error)

    async def endpoint(request: Request) -> Response:
        return await asyncio.to_thread(made, request)

    return endpoint


def make_ready(web: Web) -> None:
    """
    Make each page of the menu once, for nobody: the first person need not wait until templates and
    queries are compiled. Nothing is summed up for it.
    """
    shown.compile_templates()
    scope = {"type": "http", "path": "/", "headers": [], "query_string": b"", "method": "GET"}
    asked = Asked(Request(scope), patience=Patience(0.0, asks=False))
    with suppress(RunnerError):  # whoever asks is told
        for path, _ in MENU:
            template, values = _MENU_PAGES[path](web, asked)
            show(web, asked.request, template, here=path, **values)


def problem(web: Web, request: Request, error: RunnerError) -> Response:
    """What stands in the way, as a page."""
    code = 404 if isinstance(error, Missing) else 400 if isinstance(error, UsageError) else 503
    values = {"title": "That did not work", "what": error.what, "hint": error.hint}
    return HTMLResponse(show(web, request, "problem.html", here="", **values), status_code=code)


def show(web: Web, request: Request, template: str, *, here: str, **values: Any) -> str:
    """A page with all that every page has."""
    settings = web.source.settings
    return shown.render(
        template,
        **{
            "at": web.source.now(),
            "here": here,
            "may_change": web.door.has_token,
            "menu": MENU,
            "seat": web.door.seat_of(request.headers),
            "store": settings.store.rpartition("/")[2],
            **_told(web, request),
            "follows": False,
            "tokens": shown.tokens_of(web.source.policies()),
            "version": __version__,
            **values,
        },
    )


_DONE: Final = {
    "pause": "It is paused: nothing more is claimed for it.",
    "resume": "It goes on with its next slot; nothing that was skipped is replayed.",
    "stop": "Everything is stopped: nothing is signed or sent, in whatever process.",
    "end_stop": "The stop is over: what is signed is sent, schedules go on with their next slot.",
}


def _told(web: Web, request: Request) -> dict[str, str | None]:
    """What came of the wish that led here: from the ledger, never from the address."""
    told, kind = _DONE.get(request.query_params.get("done", "")), ""
    number = request.query_params.get("command", "")
    if number.isdecimal() and len(number) < 12:
        with web.source.ledger() as c:
            found = pages.command(c, int(number))
        if found is not None:
            told = found.answer or "It is written down; the daemon acts on it as soon as it can."
            kind = "bad" if found.state is CommandState.REFUSED else ""
    return {"told": told, "told_kind": kind}


# ── overview ──────────────────────────────────────────────────────────────────────────────────


def _overview(web: Web, asked: Asked) -> Page:
    view = views.look(web)
    lines = {uid: one.most.lines for uid, one in views.terms(web).items()}
    following = asked.patience.of(web.following)
    ended = asked.patience.of(web.sums.ended)
    uses = asked.patience.of(web.sums.uses)
    status = views.judged(web, view, following or {})
    needed = [one for one in status.findings if one.severity is not Severity.INFO]
    due = [one.next for one in status.schedules if one.next is not None]
    coming = sorted(due, key=lambda one: (one.due_at, one.schedule))[:_SHOWN]
    days = plots.last_days(status.at.date(), _DAYS)
    worst = needed[0].severity if needed else None
    plot, sums = board.outcomes_plot(days, ended or {})
    return "overview.html", {
        "title": "Overview",
        "mood": "good" if worst is None else "bad" if worst is Severity.CRITICAL else "warn",
        "verdict": "All is well."
        if not needed
        else f"{plural(len(needed), 'thing')} {'needs' if len(needed) == 1 else 'need'} you.",
        "sentence": _daemon(web),
        "tiles": _tiles(status, None if following is None else coming),
        "findings": status.findings[:_FINDINGS],
        "hidden": max(len(status.findings) - _FINDINGS, 0),
        "coming": None if following is None else coming,
        "lines": lines,
        "plot": None if ended is None else plot,
        "paid_in_all": sums["paid"],
        "failed_in_all": sums["failed"],
        "left_in_all": sums["left"],
        "sessions": status.sessions[:_SHOWN],
        "uses": uses or {},
        "open_runs": status.open_runs[:_SHOWN],
    }


def _daemon(web: Web) -> str:
    if not web.source.tally.armed.is_set():
        return "The daemon is starting: it has not looked at what is due yet."
    age = max(web.source.monotonic() - web.source.beat_at(), 0.0)
    return f"The daemon looked at what is due {age:.0f} s ago."


def _tiles(status: Any, coming: Any) -> list[tuple[str, str, str]]:
    sums = {"paid": 0, "failed": 0, "left": 0}
    for (state, _), count in status.today.items():
        kind = board.kind_of(state)
        if kind in sums:
            sums[kind] += count
    following = "…" if coming is None else away(coming[0].due_at, status.at) if coming else "none"
    return [
        ("paid today", f"{sums['paid']:,}", ""),
        ("not paid today", f"{sums['failed']:,}", "bad" if sums["failed"] else "quiet"),
        ("left out today", f"{sums['left']:,}", "quiet"),
        ("under way", f"{len(status.open_runs):,}", ""),
        ("next payment", following, ""),
    ]


# ── schedules and runs ────────────────────────────────────────────────────────────────────────


def _schedules(web: Web, asked: Asked) -> Page:
    match, after = asked.text("q") or "", asked.text("after") or ""
    with web.source.ledger() as c:
        rows = pages.schedules_page(c, after=after, match=match, limit=_ON_A_PAGE + 1)
    following = None
    if len(rows) > _ON_A_PAGE:
        rows = rows[:_ON_A_PAGE]
        following = f"/schedules?{urlencode({'q': match, 'after': rows[-1].uid})}"
    return "schedules.html", {
        "title": "Schedules",
        "q": match,
        "rows": rows,
        "lines": {uid: one.most.lines for uid, one in views.terms(web).items()},
        "coming": web.coming.of(rows, every=False),
        "following": following,
    }


def _schedule(web: Web, asked: Asked) -> Page:
    uid = asked.request.path_params["name"]
    known, now = views.terms(web).get(uid), web.source.now()
    with web.source.ledger() as c:
        row = pages.schedule(c, uid)
        entries = pages.entries_page(c, pages.Wanted(schedule=uid), limit=20)
        days = plots.last_days(now.date(), _DAYS)
        start = datetime.combine(days[0], datetime.min.time(), UTC)
        ended = pages.ended_by_day(c, start=start, end=now + timedelta(days=1), schedule=uid)
    if row is None and known is None:
        raise Missing(f"there is no schedule {uid[:120]}")
    following = None if row is None else web.coming.of([row], every=False).get(uid)
    at = asked.text("at") or (None if following is None else rfc3339(following.due_at))
    question = None if at is None else views.question(web, uid, at)
    fields = [] if question is None else why.why(question)
    state = "new" if row is None else shown.schedule_state(row)
    facts = board.schedule_facts(row, known, following, now)
    return "schedule.html", {
        "title": uid,
        "uid": uid,
        "state": "suspended" if known is not None and known.spec.suspend else state,
        "pays": "" if known is None else f"Pays {moves(known.most.lines, most=5) or 'nothing'}.",
        "facts": facts,
        "why_title": "Will it be paid?"
        if at is None
        else f"The slot of {stamp(question.at)}"
        if question is not None
        else "",
        "why_verdict": "" if question is None else _sentence(why.verdict(question, fields)),
        "fields": fields,
        "plot": board.outcomes_plot(days, ended)[0],
        "entries": entries,
        "row": row,
        "following": following,
        "skipped": foresight.skipped(web, PauseScope.SCHEDULE, uid)
        if row is not None and row.paused_reason is not None
        else [],
    }


def _backfill(web: Web, asked: Asked) -> Page:
    """What is left to pay of a stretch of the past, before anybody says yes to it."""
    uid = asked.request.path_params["name"]
    start, end = asked.moment("from"), asked.moment("until")
    found = None if start is None or end is None else foresight.backfill(web, uid, start, end)
    return "backfill.html", {
        "title": f"Backfill {uid}",
        "uid": uid,
        "given": {name: asked.text(name) or "" for name in ("from", "until")},
        "found": found,
        "slots": () if found is None else found.unpaid.slots[:_ON_A_PAGE],
    }


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _runs(web: Web, asked: Asked) -> Page:
    entries = runs_of(web, asked, _ON_A_PAGE)
    given = {name: asked.text(name) or "" for name in ("schedule", "state", "from", "to")}
    following = None
    if asked.more is not None:
        following = f"/runs?{urlencode({**given, 'cursor': asked.more})}"
    return "runs.html", {
        "title": "Runs",
        "asked": given,
        "states": [state.value for state in State],
        "entries": entries,
        "following": following,
    }


def _run(web: Web, asked: Asked) -> Page:
    return "run.html", run_page(web, asked.request.path_params["id"])


# ── grants ────────────────────────────────────────────────────────────────────────────────────


def _grants(web: Web, asked: Asked) -> Page:
    sessions = views.sessions(web)
    uses = asked.patience.of(web.sums.uses) or {}
    return "grants.html", {"title": "Grants", "sessions": sessions, "uses": uses}


def _grant(web: Web, asked: Asked) -> Page:
    return "grant.html", grant_page(web, asked.request.path_params["name"], asked.patience)


# ── calendar, money, waiting ──────────────────────────────────────────────────────────────────


def _calendar(web: Web, asked: Asked) -> Page:
    now = web.source.now()
    first = board.month_of(asked.text("month"), now)
    today = now.date()
    made = asked.patience.of(_kept(web, (first, today), lambda: _month(web, first, today)))
    count, weeks = made or (None, board.weeks(first, (), {}, today=today))
    before, after = first - timedelta(days=1), (first + timedelta(days=31)).replace(day=1)
    return "calendar.html", {
        "title": f"{first:%B %Y}",
        "month": f"{first:%B %Y}",
        "count": count,
        "before": f"{before:%Y-%m}",
        "after": f"{after:%Y-%m}",
        "weeks": weeks,
    }


def _month(web: Web, first: date, today: date) -> tuple[int, list[list[board.Day]]]:
    marks = views.month(web, first)
    lines = {uid: one.most.lines for uid, one in views.terms(web).items()}
    return sum(one.count for one in marks), board.weeks(first, marks, lines, today=today)


def _money(web: Web, asked: Asked) -> Page:
    paid = asked.patience.of(_kept(web, "paid", lambda: _paid(web)))
    needs = asked.patience.of(
        _kept(web, "needs", lambda: board.needs(views.ahead(web), views.terms(web)))
    )
    spends, totals = paid or (None, None)
    return "money.html", {"title": "Money", "spends": spends, "needs": needs, "totals": totals}


def _paid(web: Web) -> tuple[list[board.Spend], list[board.PaidTo]]:
    moved, totals = web.sums.moved.get()
    days = plots.last_days(web.source.now().date(), _DAYS)
    return board.spends(days, moved), board.totals(totals)


def _kept(web: Web, key: object, make: Callable[[], T]) -> Kept[T]:
    """A part of a page that takes longer than a page may: some seconds old at worst."""
    if len(web.made) > _MOST_PARTS:
        web.made.clear()
    return web.made.setdefault(key, Kept(make, _SECONDS))


def _stop(web: Web, asked: Asked) -> Page:
    """O8, O9: what a stop holds up, and which grants there are to take off."""
    living = foresight.living(web)
    with web.source.ledger() as c:
        under_way = reading.open_entries(c)
    return "stop.html", {
        "title": "Stop",
        "stopped": foresight.stopped(web),
        "living": living,
        "leaving": sum(one.state == "stopping" for one in living),
        "open_runs": under_way[:_SHOWN],
        "under_way": len(under_way),
        "uses": asked.patience.of(web.sums.uses) or {},
    }


def _waiting(web: Web, asked: Asked) -> Page:
    del asked
    by_hand = views.owners_by_hand(web)
    with web.source.ledger() as c:
        pauses = reading.pauses(c)[:_ON_A_PAGE]
        return "waiting.html", {
            "title": "Waiting",
            "approvals": views.approvals(c, web.source.now())[:_ON_A_PAGE],
            "owners": [
                one
                for one in reading.grants(c)
                if one.state == "requested" and one.session in by_hand
            ],
            "pauses": pauses,
            "skipped": [foresight.skipped(web, one.scope, one.target) for one in pauses],
            "incidents": [one for one in incidents(c) if one.is_open][:_ON_A_PAGE],
        }


_MENU_PAGES: Final[Mapping[str, Callable[[Web, Asked], Page]]] = {
    "/": _overview,
    "/calendar": _calendar,
    "/schedules": _schedules,
    "/runs": _runs,
    "/grants": _grants,
    "/money": _money,
    "/waiting": _waiting,
}
