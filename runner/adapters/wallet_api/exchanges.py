"""
Messages out of what they were recorded in: the parameter of a request, the result of an answer.

A file may hold either by itself, in its JSON-RPC envelope, or in a recorded HTTP exchange. Numbers
and names of what was asked are read kindly elsewhere; an answer is read as strictly as one that
has just come, and one that says two things says nothing.

Source: README §1 of the wire specification; JSON-RPC 2.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from runner.errors import AnswerLost, EncodingError

_ENVELOPE: Final = frozenset(
    {"jsonrpc", "id", "method", "url", "path", "headers", "http", "status"}
)
"""What an envelope says of itself."""

_REQUEST_WRAPPERS: Final = ("request", "body", "params")
_ANSWER_WRAPPERS: Final = ("response", "body", "result")


def request_in(value: Any) -> Any:
    """
    The parameter, out of an envelope; what stands beside the envelope's own members is added.

    Raises:
        EncodingError: Something is said inside and outside.
    """
    beside: dict[str, Any] = {}
    while True:
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
            continue
        wrappers = _REQUEST_WRAPPERS if isinstance(value, Mapping) else ()
        name = next((each for each in wrappers if each in value), None)
        if name is None:
            break
        more = {k: each for k, each in value.items() if k != name and k not in _ENVELOPE}
        if twice := sorted(beside.keys() & more.keys()):
            raise EncodingError(f"{twice[0]} is told in two places")
        beside |= more
        value = value[name]
    if not isinstance(value, Mapping):
        return value
    if twice := sorted(beside.keys() & value.keys()):
        raise EncodingError(f"{twice[0]} is told in two places")
    return {**value, **beside}


def answer_in(value: Any, what: str) -> Any:
    """
    The answer itself, out of an envelope.

    Raises:
        AnswerLost: It is an error, came with the status of one, or is two answers at once.
    """
    while isinstance(value, Mapping) and "type" not in value:
        if value.get("error") is not None:
            raise AnswerLost(f"{what}: an error, which is no answer, whatever stands beside it")
        status = value.get("status") if "body" in value else None
        if isinstance(status, int) and not 200 <= status < 300:
            raise AnswerLost(f"{what}: the answer came with HTTP status {status}")
        names = [name for name in _ANSWER_WRAPPERS if name in value]
        if len(names) > 1:
            raise AnswerLost(f"{what}: two answers, `{names[0]}` and `{names[1]}`")
        if not names:
            break
        value = value[names[0]]
    return value


def envelope_id(value: Any) -> Any:
    """The id of a JSON-RPC message, in a recorded exchange, too; None where there is none."""
    while isinstance(value, Mapping) and "jsonrpc" not in value:
        wrappers = (*_REQUEST_WRAPPERS, *_ANSWER_WRAPPERS)
        value = next((value[name] for name in wrappers if name in value), None)
    return value.get("id") if isinstance(value, Mapping) else None
