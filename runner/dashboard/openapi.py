"""What the JSON API promises, as an OpenAPI document. A test holds every answer against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from runner.version import __version__

Schema = Mapping[str, Any]


def _of(kind: str, **more: Any) -> Schema:
    return {"type": kind, **more}


def _or_null(schema: Schema) -> Schema:
    if "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _record(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Final = _of("string")
WHOLE: Final = _of("integer")
TIME: Final = _of("string", format="date-time", description="RFC 3339, UTC")
AMOUNT: Final = _of("string", pattern="^[0-9]+$", description="a whole number, as text")
HEX: Final = _of("string", pattern="^0x[0-9a-fA-F]*$")

_CALL: Final = _record({"to": HEX, "value": AMOUNT, "data": HEX})
_OPERATION: Final = _record(
    {
        "call_id": TEXT,
        "user_op_hash": HEX,
        "nonce": AMOUNT,
        "status": TEXT,
        "kind": TEXT,
        "attempt": WHOLE,
        "chain": WHOLE,
        "sender": HEX,
        "signed_at": TIME,
        "transaction_hash": _or_null(HEX),
        "block_number": _or_null(WHOLE),
        "block_at": _or_null(TIME),
        "gas_cost": _or_null(AMOUNT),
        "sponsored": _of("boolean"),
        "detail": _or_null(TEXT),
    }
)
_RUN: Final = {
    "id": TEXT,
    "kind": TEXT,
    "policy": TEXT,
    "schedule": _or_null(TEXT),
    "session": _or_null(TEXT),
    "slot": _or_null(TEXT),
    "due_at": TIME,
    "state": TEXT,
    "reason": _or_null(TEXT),
    "by": _or_null(TEXT),
    "detail": _or_null(TEXT),
    "attempt": WHOLE,
    "claimed_at": _or_null(TIME),
    "closed_at": _or_null(TIME),
    "intent": _list(_ref("Call")),
    "operations": _list(_ref("Operation")),
}
_RANGE: Final = _record(
    {
        "schedule": TEXT,
        "policy": TEXT,
        "state": TEXT,
        "reason": _or_null(TEXT),
        "count": WHOLE,
        "from": TIME,
        "to": TIME,
    }
)
_UPCOMING: Final = _record({"schedule": TEXT, "due_at": TIME, "local": TEXT})
_ENTRY: Final = {"anyOf": [_ref("Run"), _ref("Range")]}
_EVENT: Final = _record({"at": TIME, "event": TEXT, "subject": TEXT, "data": _of("object")})
_TRANSFER: Final = _record({"token": TEXT, "to": TEXT, "amount": AMOUNT})
_GRANT: Final = _record(
    {
        "session": TEXT,
        "generation": WHOLE,
        "state": TEXT,
        "session_id": _or_null(TEXT),
        "entity_id": _or_null(WHOLE),
        "expires_at": TIME,
        "next_renewal_at": _or_null(TIME),
        "key_address": HEX,
    }
)
_SCHEDULE: Final = _record({"schedule": TEXT, "session": TEXT, "state": TEXT})
_FINDING: Final = _record({"severity": TEXT, "subject": TEXT, "what": TEXT, "todo": _or_null(TEXT)})
_STATUS: Final = _record(
    {
        "at": TIME,
        "healthy": _of("boolean"),
        "daemon": _of("object"),
        "store": TEXT,
        "wallets": _of("object"),
        "findings": _list(_FINDING),
        "sessions": _list(
            _record(
                {
                    "session": TEXT,
                    "condition": TEXT,
                    "grant": _or_null(_ref("Grant")),
                    "coming": _or_null(_ref("Grant")),
                }
            )
        ),
        "schedules": _list(
            _record(
                {
                    "schedule": TEXT,
                    "session": TEXT,
                    "state": TEXT,
                    "paused_reason": _or_null(TEXT),
                    "failures_in_row": WHOLE,
                    "last": _or_null(_ENTRY),
                    "next": _or_null(_ref("Upcoming")),
                }
            )
        ),
        "open_runs": _list(_ref("Run")),
        "today": _list(_record({"state": TEXT, "reason": _or_null(TEXT), "count": WHOLE})),
    }
)
_MARK: Final = _record(
    {
        "schedule": TEXT,
        "due_at": TIME,
        "local": TEXT,
        "state": TEXT,
        "reason": _or_null(TEXT),
        "count": WHOLE,
    }
)
_REPORT: Final = _record(
    {
        "totals": _list(
            _record({"token": TEXT, "to": HEX, "amount": AMOUNT, "count": WHOLE, "chain": WHOLE})
        ),
        "payments": _list(
            _record(
                {
                    "run": TEXT,
                    "schedule": TEXT,
                    "due_at": TIME,
                    "paid_at": _or_null(TIME),
                    "chain": WHOLE,
                    "token": TEXT,
                    "to": HEX,
                    "amount": AMOUNT,
                    "confirmed": _of("boolean"),
                }
            )
        ),
    }
)
_ERROR: Final = _record({"error": TEXT, "hint": _or_null(TEXT)})

SCHEMAS: Final[Mapping[str, Schema]] = {
    "Call": _CALL,
    "Operation": _OPERATION,
    "Run": _record(_RUN),
    "Story": _record(
        {
            **_RUN,
            "transfers": _list(_TRANSFER),
            "generation": _or_null(WHOLE),
            "deadline_at": _or_null(TIME),
            "catch_up_until": _or_null(TIME),
            "timeline": _list(_EVENT),
        }
    ),
    "Range": _RANGE,
    "Entry": _ENTRY,
    "Upcoming": _UPCOMING,
    "Grant": _GRANT,
    "Schedule": _SCHEDULE,
    "Status": _STATUS,
    "Mark": _MARK,
    "Report": _REPORT,
    "Error": _ERROR,
}


def _query(name: str, text: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}


_LIMIT: Final = _query("limit", "At most so many.", _of("integer", minimum=1, maximum=1000))
_CURSOR: Final = _query("cursor", "Where the page before ended: see the Link header.", TEXT)
_FROM: Final = _query("from", "At or after this moment.", TIME)
_TO: Final = _query("to", "Before this moment.", TIME)
_NAME: Final = _query("schedule", "Of this schedule (`policy/name`).", TEXT)
_PAGED: Final = (
    'The newest first. Where there is more, the `Link` header has the next page (`rel="next"`).'
)

ROUTES: Final[Mapping[str, tuple[str, str, str, tuple[Schema, ...], Schema]]] = {
    "/status": ("status", "Is all well, what needs me, what comes next?", "", (), _ref("Status")),
    "/schedules": (
        "schedules",
        "Every schedule that was ever applied.",
        "In the order of their names.",
        (_LIMIT, _CURSOR),
        _list(_ref("Schedule")),
    ),
    "/runs": (
        "runs",
        "What became of each due time.",
        _PAGED,
        (_LIMIT, _CURSOR, _NAME, _query("state", "In this state.", TEXT), _FROM, _TO),
        _list(_ref("Entry")),
    ),
    "/runs/{id}": (
        "run",
        "One run from its slot to its block.",
        "`id` is a run's id or its beginning, or `policy/schedule@slot`.",
        ({"name": "id", "in": "path", "required": True, "schema": TEXT},),
        {"anyOf": [_ref("Story"), _ref("Range")]},
    ),
    "/grants": (
        "grants",
        "Every generation of every session.",
        "The oldest first.",
        (_LIMIT, _CURSOR, _query("session", "Of this session (`policy/name`).", TEXT)),
        _list(_ref("Grant")),
    ),
    "/calendar": (
        "calendar",
        "Past and coming slots.",
        "From the first of this month on, if no month is named.",
        (
            _query("month", "The first month, as 2026-12.", _of("string", pattern=r"^\d{4}-\d\d$")),
            _query("months", "How many.", _of("integer", minimum=1, maximum=12)),
        ),
        _list(_ref("Mark")),
    ),
    "/next": (
        "next",
        "The coming payments, from the policies alone.",
        "",
        (_LIMIT, _FROM),
        _list(_ref("Upcoming")),
    ),
    "/report": (
        "report",
        "What was paid to whom.",
        "Of the last 31 days, if neither end is given.",
        (_FROM, _TO),
        _ref("Report"),
    ),
}
"""By path below /api/v1: operation, summary, description, parameters, and what is answered."""


def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "runner",
            "version": __version__,
            "description": "Reads of the ledger, in the shapes of the commands' `--json`: amounts "
            "and nonces are decimal text, times RFC 3339 UTC. More members may come, none may go.",
        },
        "servers": [{"url": "/api/v1"}],
        "paths": {
            path: {
                "get": {
                    "operationId": name,
                    "summary": summary,
                    "description": text,
                    "parameters": list(parameters),
                    "responses": {
                        "200": _answer("What was asked for.", schema),
                        "400": _answer("A parameter cannot be read.", _ref("Error")),
                        "401": _answer("The token is needed.", _ref("Error")),
                        "404": _answer("There is none of that name.", _ref("Error")),
                        "503": _answer("The ledger cannot be read.", _ref("Error")),
                    },
                }
            }
            for path, (name, summary, text, parameters, schema) in ROUTES.items()
        },
        "components": {
            "schemas": dict(SCHEMAS),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _answer(text: str, schema: Schema) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}
