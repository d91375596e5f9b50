"""
What an owner who signs by hand is asked to allow: in words, as wallets take it, and back (R18).

Nobody's key is here. The page shows what `runner grants request` writes; what comes back counts
only if it is the owner's signature over exactly what was shown.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from runner.adapters.signers.papers import (
    Request,
    owner_by_hand,
    read_signature,
    write_request,
)
from runner.adapters.sql.unsigned import newest_unsigned
from runner.dashboard import shown
from runner.dashboard.api import Asked
from runner.dashboard.pages import Page, page, problem
from runner.dashboard.views import Missing, Web
from runner.errors import RunnerError, UsageError
from runner.planning.risk import Loss, exposure
from runner.reporting.story import permission_text
from runner.reporting.text import away, rfc3339

_PATH: Final = "/owners/{name:path}"
_FILE: Final = "/owner-requests/{name:path}"


def routes(web: Web) -> list[Route]:
    """The page of a request, and its two files."""

    def made(request: HttpRequest) -> Response:
        try:
            return _file(_waiting(web, request.path_params["name"]), request)
        except RunnerError as error:
            return problem(web, request, error)

    async def file(request: HttpRequest) -> Response:
        return await asyncio.to_thread(made, request)

    return [
        Route(_PATH, page(web, _PATH, _page), methods=["GET"]),
        Route(_FILE, file, methods=["GET"]),
    ]


def signature(web: Web, target: str, form: Mapping[str, str]) -> dict[str, Any]:
    """
    The arguments of the wish that brings a signature back.

    Raises:
        UsageError: it is not the owner's over what was shown, or something else waits now.
    """
    session, _, generation = target.rpartition("#")
    request = _waiting(web, session)
    if str(request.generation) != generation or _hash(request) != form.get("digest"):
        raise UsageError(
            "what waits is not what was shown: it has changed since", hint="look at it again"
        )
    return {"signature": request.signed_by(read_signature(form.get("signature", ""))).hex()}


def _waiting(web: Web, session: str) -> Request:
    with web.source.ledger() as c:
        grant = newest_unsigned(c, session)
    if grant is None:
        raise Missing(f"no grant of {session[:120]} waits for its owner")
    try:
        owner, sandbox = owner_by_hand(web.source.settings, web.source.policies(), session)
    except UsageError as error:
        raise Missing(error.what, hint=error.hint) from None
    return Request.of(grant, owner, sandbox=sandbox)


def _page(web: Web, asked: Asked) -> Page:
    name = asked.request.path_params["name"]
    request = _waiting(web, name)
    document = write_request(request)
    tokens, now = shown.tokens_of(web.source.policies()), web.source.now()
    return "owner.html", {
        "title": f"A signature for {name}",
        "name": name,
        "generation": request.generation,
        "owner": request.owner,
        "digest": _hash(request),
        "facts": [
            ("owner", request.owner),
            ("account", f"{request.account} on chain {request.chain}"),
            ("session key", request.key),
            ("ends", f"{rfc3339(request.expires_at)} ({away(request.expires_at, now)})"),
            ("request hash", _hash(request)),
        ],
        "permissions": [permission_text(one) for one in document["fields"]["permissions"]],
        "losses": [_loss(one, tokens) for one in exposure(request.permissions, tokens=()).losses],
        "dangers": document["dangers"],
        "typed_data": json.dumps(document["typed_data"], indent=2),
        "is_over": request.expires_at <= now,
    }


def _loss(one: Loss, tokens: Mapping[str, tuple[str, int]]) -> str:
    token = str(one.token or "native")
    name = tokens.get(token, (token, 0))[0]
    most = f"everything it holds of {name}"
    how = most if one.amount is None else shown.units(one.amount, token, tokens)
    return f"{how}, by {one.way.value}"


def _file(request: Request, asked: HttpRequest) -> Response:
    document, name = write_request(request), "request"
    if asked.query_params.get("part") == "typed-data":
        document, name = document["typed_data"], "typed-data"
    session = re.sub(r"[^A-Za-z0-9._-]", "-", request.session)
    label = f"{session}-{request.generation}-{name}.json"
    return Response(
        json.dumps(document, indent=2) + "\n",
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{label}"'},
    )


def _hash(request: Request) -> str:
    return "0x" + request.digest.hex()
