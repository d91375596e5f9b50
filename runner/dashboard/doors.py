"""Signing in and out: a person shows the token once, and sits here until the seat ends."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from runner.dashboard.pages import show
from runner.dashboard.security import cookie_for, too_many
from runner.dashboard.views import Web
from runner.errors import UsageError

MOST_BYTES = 16_384
_LONGEST_NAME = 60


def routes(web: Web) -> list[Route]:
    """The way in and out."""

    async def login(request: Request) -> Response:
        if request.method == "GET":
            return _form(web, request, request.query_params.get("to", "/"))
        form = await form_of(request)
        to, name = form.get("to", "/"), form.get("name", "").strip()
        if not web.door.is_own_form(request.headers):
            return _form(web, request, "/", "That form came from another site.", code=403)
        if (wait := web.door.wait_seconds()) > 0:
            return too_many(wait)
        if not name or len(name) > _LONGEST_NAME or not name.isprintable():
            return _form(web, request, to, "Give your name: it is kept with what you do.", code=400)
        if not web.door.fits(form.get("token", "")):
            web.telemetry.emit("http.refused", level="warning", detail="a wrong token was shown")
            return _form(web, request, to, "That is not the token.", code=403)
        answer = RedirectResponse(own(to), status_code=303)
        answer.headers["Set-Cookie"] = cookie_for(request, web.door.new_seat(name))
        return answer

    async def logout(request: Request) -> Response:
        await form_of(request)
        answer = RedirectResponse("/", status_code=303)
        if web.door.is_own_form(request.headers):
            answer.headers["Set-Cookie"] = cookie_for(request, "")
        return answer

    return [
        Route("/login", login, methods=["GET", "POST"]),
        Route("/logout", logout, methods=["POST"]),
    ]


async def form_of(request: Request) -> dict[str, str]:
    """
    The fields of a form, each once.

    Raises:
        UsageError: it is too long, or no form.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise UsageError("that form is too long")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=40))
    except ValueError:
        raise UsageError("that form cannot be read") from None


def own(to: str) -> str:
    """Back to a page of ours, never to another site."""
    return to if to.startswith("/") and not to.startswith(("//", "/\\")) else "/"


def _form(web: Web, request: Request, to: str, problem: str = "", code: int = 200) -> Response:
    values = {"title": "Sign in", "to": own(to), "problem": problem}
    return HTMLResponse(show(web, request, "login.html", here="", **values), status_code=code)
