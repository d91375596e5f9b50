"""
Who may come in, and what every answer says to a browser.

A page on loopback is reachable from every site that the same browser opens, so three things hold
always: the Host header names this machine (against DNS rebinding), answers carry a policy under
which nothing foreign and nothing inline runs, and what changes something needs the token. Beyond
loopback everything but the bare health words needs the token.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runner.frozen import frozen
from runner.settings.model import is_loopback

COOKIE: Final = "runner_seat"
SEAT_SECONDS: Final = 8 * 3600
"""So long a person stays signed in."""

_FAILURES = 10
_FAILURE_SECONDS = 60.0

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: under it browsers say `Origin: null` of our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}

OPEN_PATHS: Final = frozenset(
    {"/healthz", "/readyz", "/login", "/static/app.css", "/static/app.js"}
)
"""What may be read without the token also beyond loopback."""


@frozen
class Seat:
    """A person who has shown the token: the name they gave, and what their forms must carry."""

    name: str
    csrf: str


class Door:
    """
    Knows the token and who has shown it.

    Args:
        bind_host: What the server listens on.
        token: None: nothing can be changed, and the server listens on loopback alone.
    """

    def __init__(
        self,
        bind_host: str,
        token: str | None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._digest = None if token is None else _digest(token)
        self._key = secrets.token_bytes(32)
        self._clock = clock
        self._monotonic = monotonic
        self._failures: list[float] = []
        self.is_local = is_loopback(bind_host)

    def take_token(self, token: str) -> bool:
        """Let in who shows this token from now on, and nobody who showed the one before."""
        digest = _digest(token)
        if self._digest is not None and hmac.compare_digest(digest, self._digest):
            return False
        self._digest, self._key = digest, secrets.token_bytes(32)
        return True

    @property
    def has_token(self) -> bool:
        """Whether anything can be changed here at all."""
        return self._digest is not None

    # ── the token ─────────────────────────────────────────────────────────────────────────────

    def wait_seconds(self) -> float:
        """So long no token is looked at: too many were wrong."""
        now = self._monotonic()
        self._failures = [one for one in self._failures if now - one < _FAILURE_SECONDS]
        if len(self._failures) < _FAILURES:
            return 0.0
        return _FAILURE_SECONDS - (now - self._failures[0])

    def fits(self, offered: str) -> bool:
        """Whether this is the token. Compared in constant time; what is wrong is counted."""
        if self._digest is None or self.wait_seconds() > 0:
            return False
        if hmac.compare_digest(_digest(offered), self._digest):
            return True
        self._failures.append(self._monotonic())
        return False

    # ── seats ─────────────────────────────────────────────────────────────────────────────────

    def new_seat(self, name: str) -> str:
        """The value of a cookie for somebody who has shown the token."""
        until = int(self._clock()) + SEAT_SECONDS
        told = f"{until}.{secrets.token_hex(8)}.{name.encode().hex()}"
        return f"{told}.{self._sign('seat', told)}"

    def seat(self, cookie: str | None) -> Seat | None:
        """Who sits here, if the cookie is ours and not too old."""
        told, _, signature = (cookie or "").rpartition(".")
        if not hmac.compare_digest(self._sign("seat", told).encode(), signature.encode()):
            return None
        until, _, name = told.split(".")
        if int(until) < self._clock():
            return None
        return Seat(bytes.fromhex(name).decode(), self._sign("form", told))

    def _sign(self, what: str, told: str) -> str:
        return hmac.new(self._key, f"{what}\0{told}".encode(), hashlib.sha256).hexdigest()

    # ── requests ──────────────────────────────────────────────────────────────────────────────

    def seat_of(self, headers: Headers) -> Seat | None:
        """Who asks, by the cookie."""
        return self.seat(_cookie(headers))

    def may_read(self, headers: Headers) -> bool:
        """Whether a request may see more than the health words."""
        if self.is_local or self.seat_of(headers) is not None:
            return True
        kind, _, offered = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self.fits(offered.strip())

    def knows_host(self, headers: Headers) -> bool:
        """Beyond loopback the token says enough: a strange name brings no cookie of ours."""
        return not self.is_local or is_loopback(_host(headers.get("host", "")))

    @staticmethod
    def is_own_form(headers: Headers) -> bool:
        """Whether a browser that says where a form came from says that it was here."""
        site = headers.get("sec-fetch-site")
        origin = headers.get("origin")
        if site not in {None, "same-origin", "none"}:
            return False
        return origin is None or urlsplit(origin).netloc == headers.get("host")


class Gate:
    """The middleware: every request passes the door, every answer carries the headers."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Turn away or let through."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    answer[name] = value
                answer.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope, headers)
        await (refusal or self._app)(scope, receive, dressed)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        if not self._door.knows_host(headers):
            text = (
                "This server is for this machine alone: open it as http://127.0.0.1 or "
                "http://localhost, or through a tunnel that ends there.\n"
            )
            return PlainTextResponse(text, status_code=421)
        if scope["path"] in OPEN_PATHS or self._door.may_read(headers):
            return None
        if (wait := self._door.wait_seconds()) > 0:
            return too_many(wait)
        if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            return RedirectResponse(f"/login?to={quote(scope['path'])}", status_code=303)
        return JSONResponse(
            {"error": "this needs the token", "hint": "Authorization: Bearer TOKEN"},
            status_code=401,
            headers={"WWW-Authenticate": 'Bearer realm="runner"'},
        )


def too_many(wait_seconds: float) -> Response:
    """Too many wrong tokens: nobody is looked at for a while."""
    return JSONResponse(
        {"error": "too many wrong tokens", "hint": "wait a minute"},
        status_code=429,
        headers={"Retry-After": str(int(wait_seconds) + 1)},
    )


def cookie_for(request: Request, value: str) -> str:
    """The header that seats somebody; an empty value lets them go."""
    secure = "; Secure" if request.url.scheme == "https" else ""
    age = SEAT_SECONDS if value else 0
    return f"{COOKIE}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _cookie(headers: Headers) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value


def _host(header: str) -> str | None:
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None
