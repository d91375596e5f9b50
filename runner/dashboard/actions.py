"""
What can be changed from a page: wishes, as the verbs of the command line write them.

Each needs somebody who has shown the token, a form of ours, and a reason. What moves money again or
takes grants away needs a yes besides; an approval and a backfill are for exactly what was shown.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from runner.adapters.sql import reading
from runner.dashboard import foresight, owners, wishes
from runner.dashboard.api import moment
from runner.dashboard.doors import form_of, own
from runner.dashboard.pages import problem
from runner.dashboard.security import Seat, too_many
from runner.dashboard.views import Web
from runner.errors import RunnerError, UsageError
from runner.records import DASHBOARD, Command, CommandState, PauseScope
from runner.reporting.text import rfc3339

_LONGEST_REASON = 500

KINDS: Final[Mapping[str, str]] = {
    "approve": "run.approve",
    "retry": "run.retry",
    "cancel": "run.cancel",
    "skip": "schedule.skip",
    "run": "schedule.run",
    "extra": "schedule.extra",
    "sign": "grant.signed",
    "backfill": "schedule.backfill",
    "renew": "grant.renew",
    "revoke": "grant.revoke",
    "revoke_all": "grant.revoke_all",
}
"""Wishes by the name that a form gives them; pauses and the stop are rows of their own."""

ROWS: Final = frozenset({"pause", "resume", "stop", "end_stop"})
"""What holds once it is written (O10)."""

SURE: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("retry", "run", "extra", "backfill"),
        "that may pay something again: tick the box if that is meant",
    ),
    **dict.fromkeys(
        ("revoke", "revoke_all"), "that takes grants away: tick the box if that is meant"
    ),
    "end_stop": "payments go on then: tick the box if that is meant",
}
"""What needs a yes besides, and what is said where it is missing."""


class _Refused(RunnerError):
    """Whoever asks may not."""


def routes(web: Web) -> list[Route]:
    """The one way in for everything that changes something."""

    async def act(request: Request) -> Response:
        verb = request.path_params["verb"]
        try:
            form = await form_of(request)
            seat = _who(web, request, form)
            reason = _reason(form)
            told = await _act(web, verb, form, seat, reason)
        except _Refused as error:
            if (wait := web.door.wait_seconds()) > 0:
                return too_many(wait)
            return _answer(web, request, error, 403)
        except RunnerError as error:
            return _answer(web, request, error, 400 if isinstance(error, UsageError) else 503)
        web.telemetry.emit(
            "http.wish", verb=verb, target=form.get("target", ""), author=seat.name, reason=reason
        )
        if _wants_json(request):
            return JSONResponse(_as_json(told))
        query = {"done": verb} if told is None else {"command": told.id}
        to = own(form.get("to", "/")).partition("?")[0]
        return RedirectResponse(f"{to}?{urlencode(query)}", status_code=303)

    return [Route("/actions/{verb}", act, methods=["POST"])]


def _wants_json(request: Request) -> bool:
    return "text/html" not in request.headers.get("accept", "text/html")


def _answer(web: Web, request: Request, error: RunnerError, code: int) -> Response:
    if _wants_json(request):
        return JSONResponse({"error": error.what, "hint": error.hint}, status_code=code)
    answer = problem(web, request, error)
    answer.status_code = code
    return answer


def _as_json(told: Command | None) -> dict[str, Any]:
    if told is None:
        return {"state": "done"}
    return {"command": told.id, "state": told.state.value, "answer": told.answer, **told.data}


def _who(web: Web, request: Request, form: Mapping[str, str]) -> Seat:
    """
    Who asks: somebody in a seat whose form carries its key, or a script that shows the token.

    Raises:
        _Refused: neither.
    """
    if not web.door.has_token:
        raise _Refused(
            "nothing can be changed here: runner.yaml names no token",
            hint="add `http: {token: {env: RUNNER_HTTP_TOKEN}}` and start the daemon again",
        )
    seat = web.door.seat_of(request.headers)
    if seat is None:
        kind, _, offered = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and web.door.fits(offered.strip()):
            # No browser adds this header to the form of another site.
            return Seat(form.get("author", "").strip()[:60] or "token", "")
        raise _Refused("sign in first", hint="the dashboard asks for the token once: /login")
    if not web.door.is_own_form(request.headers):
        raise _Refused("that form came from another site", hint="nothing was changed")
    if not hmac.compare_digest(form.get("csrf", "").encode(), seat.csrf.encode()):
        raise _Refused("that form is not one of this seat's", hint="open the page again")
    return seat


def _reason(form: Mapping[str, str]) -> str:
    reason = form.get("reason", "").strip()
    if not reason or len(reason) > _LONGEST_REASON or not reason.isprintable():
        raise UsageError(
            "say why, in a line",
            hint=f"it is kept in the ledger with your name; at most {_LONGEST_REASON} characters",
        )
    return reason


async def _act(
    web: Web, verb: str, form: Mapping[str, str], seat: Seat, reason: str
) -> Command | None:
    target, author = form.get("target", ""), f"{seat.name} {DASHBOARD}"
    if verb not in KINDS and verb not in ROWS:
        raise UsageError(f"nobody here can do {verb[:40]}")
    if verb in SURE and form.get("sure") != "yes":
        raise UsageError(SURE[verb])
    if verb in ROWS:
        return await _rows(web, verb, form, author, reason)
    if verb == "revoke_all":
        # The stop first: it holds at once, whoever carries the rest out (O9).
        if await asyncio.to_thread(foresight.stopped, web) is None:
            await wishes.pause(web.source, PauseScope.STOP, "", author, reason)
        target = "everything"
    arguments = await asyncio.to_thread(_arguments, web, verb, target, form)
    return await _asked(web, KINDS[verb], target, author, reason, arguments)


async def _asked(
    web: Web, kind: str, target: str, author: str, reason: str, arguments: Mapping[str, Any]
) -> Command:
    told = await wishes.ask(web.source, kind, target, author, reason, arguments)
    if told.state is CommandState.REFUSED:
        raise UsageError(told.answer or "it was refused")
    return told


async def _rows(
    web: Web, verb: str, form: Mapping[str, str], author: str, reason: str
) -> Command | None:
    """Pauses, and the stop; what is replayed after a pause is asked for as a backfill is (O3)."""
    if verb in {"stop", "end_stop"}:
        work = wishes.pause if verb == "stop" else wishes.resume
        await work(web.source, PauseScope.STOP, "", author, reason)
        return None
    scope, target = _scope(form)
    if verb == "pause":
        until = moment(form.get("until", "").strip(), "until")
        await wishes.pause(web.source, scope, target, author, reason, until)
        return None
    catch_up = form.get("catch_up", "") or "none"
    if catch_up not in {"none", "latest", "all"}:
        raise UsageError("what was skipped is paid by `latest`, by `all`, or not (`none`)")
    if catch_up != "none" and form.get("sure") != "yes":
        raise UsageError(SURE["backfill"])
    missed = await asyncio.to_thread(foresight.skipped, web, scope, target)
    await wishes.resume(web.source, scope, target, author, reason)
    told = None
    for one in missed if catch_up != "none" else ():
        slots = {"slots": one.chosen(catch_up)}
        told = await _asked(web, "schedule.backfill", one.schedule, author, reason, slots)
    return told


def _scope(form: Mapping[str, str]) -> tuple[PauseScope, str]:
    try:
        scope = PauseScope(form.get("scope", "schedule"))
    except ValueError:
        raise UsageError("pauses are of a schedule, a session, an account, or all") from None
    if scope is PauseScope.STOP:
        raise UsageError("a stop has a page of its own", hint="/stop")
    return scope, "" if scope is PauseScope.ALL else form.get("target", "").strip()


def _arguments(web: Web, verb: str, target: str, form: Mapping[str, str]) -> dict[str, Any]:
    slot = form.get("slot", "").strip()
    if verb == "approve":
        with web.source.ledger() as c:
            asked = reading.asked(c, (target, slot))
        if asked is None:
            raise UsageError(f"nothing of {target}@{slot} waits for an approval")
        if asked.digest != form.get("digest"):
            raise UsageError(
                "what waits is not what was shown: it has changed since", hint="look at it again"
            )
        return {"slot": asked.slot, "digest": asked.digest}
    if verb == "sign":
        return owners.signature(web, target, form)
    beside = {"allow_overlap": True} if form.get("overlap") == "yes" else {}
    if verb == "extra":
        now = rfc3339(web.source.now().replace(microsecond=0))
        return {"key": form.get("key", "").strip() or f"{now}-{secrets.token_hex(3)}", **beside}
    if verb == "backfill":
        return _stretch(web, target, form)
    if verb == "run" and not slot:
        raise UsageError("say which slot is meant", hint="as 2026-12-01T09:00")
    if verb == "run":
        return {"slot": slot, **beside}
    return {"slot": slot} if verb == "skip" and slot else {}


def _stretch(web: Web, target: str, form: Mapping[str, str]) -> dict[str, Any]:
    """The slots of a backfill: exactly those that were shown."""
    start, end = (moment(form.get(name, "").strip(), name) for name in ("from", "until"))
    if start is None or end is None:
        raise UsageError("say which stretch of time is meant")
    found = foresight.backfill(web, target, start, end)
    if found.digest != form.get("digest"):
        raise UsageError(
            "what is left to pay is not what was shown: it has changed since",
            hint="look at it again",
        )
    return {"slots": found.names, "today": True}
