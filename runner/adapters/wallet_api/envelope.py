"""
The JSON-RPC envelope: an HTTP answer becomes a result or one of three errors, by one table.

Source: JSON-RPC 2.0; README §1.1 and §1.2 of the wire specification.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic_core import from_json, to_json

from runner.errors import AnswerLost, WalletApiError, WalletBusy, WalletRefused
from runner.frozen import frozen
from runner.strict_json import parse_json

_LONGEST_MESSAGE = 500
_SECONDS = re.compile(r"\d{1,6}(\.\d{1,6})?")


@frozen
class Verdict:
    """What an HTTP status or an error code says of the request that it answers."""

    error: type[AnswerLost | WalletBusy | WalletRefused]
    meaning: str
    hint: str | None = None


VERDICTS: Final[Mapping[tuple[str, int], Verdict]] = {
    ("http", 401): Verdict(AnswerLost, "not authenticated", "check the API key"),
    ("http", 403): Verdict(AnswerLost, "forbidden", "check the API key and what it may do"),
    ("http", 404): Verdict(AnswerLost, "not found", "check the URL"),
    ("http", 429): Verdict(WalletBusy, "rate limited"),
    ("http", 503): Verdict(WalletBusy, "overloaded"),
    ("code", -1): Verdict(AnswerLost, "unknown error"),
    ("code", 429): Verdict(WalletBusy, "rate limited"),
    ("code", 5730): Verdict(WalletRefused, "unknown call id"),
    ("code", 5740): Verdict(WalletRefused, "too many calls for one batch"),
    ("code", -32000): Verdict(WalletRefused, "precheck failed"),
    ("code", -32005): Verdict(WalletBusy, "limit exceeded"),
    ("code", -32007): Verdict(WalletBusy, "request limit reached"),
    ("code", -32500): Verdict(WalletRefused, "rejected in validation"),
    ("code", -32501): Verdict(WalletRefused, "rejected by the paymaster"),
    ("code", -32502): Verdict(WalletRefused, "forbidden opcode or storage access"),
    ("code", -32503): Verdict(WalletRefused, "expired or about to expire"),
    ("code", -32504): Verdict(WalletRefused, "throttled or banned"),
    ("code", -32505): Verdict(WalletRefused, "stake too low"),
    ("code", -32506): Verdict(WalletRefused, "unsupported aggregator"),
    ("code", -32507): Verdict(WalletRefused, "invalid signature"),
    ("code", -32521): Verdict(WalletRefused, "execution reverted"),
    ("code", -32600): Verdict(
        WalletRefused, "invalid request", "check the API key and the gas policy"
    ),
    ("code", -32601): Verdict(WalletRefused, "unknown method"),
    ("code", -32602): Verdict(WalletRefused, "invalid parameters"),
    ("code", -32603): Verdict(AnswerLost, "internal error"),
    ("code", -32700): Verdict(WalletRefused, "request is not JSON"),
}
"""
The error classes. An error body wins over the HTTP status; a code that is not named here is a
definite refusal (unless the status says busy), a status that is not named here leaves open
whether the request was taken.

Source: README §1.1 and §1.2; what v5 repeats (`transport.json`) is lost or busy here.
"""

_OTHER_CODE = Verdict(WalletRefused, "refused")
_OTHER_STATUS = Verdict(AnswerLost, "no JSON-RPC answer")


@frozen
class HttpAnswer:
    """An HTTP answer as far as JSON-RPC looks at it."""

    status: int
    body: bytes
    retry_after: str | None = None


def read_answer(
    answer: HttpAnswer,
    request_id: int,
    what: str,
    redacted: Callable[[Any], Any] = lambda value: value,
) -> Any:
    """
    Return the `result` of an answer.

    Args:
        what: Begins every message: where and which method.
        redacted: Removes keys from what the service says.

    Raises:
        AnswerLost: Not JSON-RPC, or the answer to something else.
        WalletBusy, WalletRefused: As `VERDICTS` has it.
    """
    try:
        envelope, fault = _read(answer.body), None
    except ValueError as error:
        envelope, fault = None, str(error)
    if _is_result(envelope, request_id) and 200 <= answer.status < 300:
        return envelope["result"]
    error_body = _error_body(envelope)
    if error_body is not None:
        # Gateways leave the id out, a server that could not read the request says null.
        if envelope.get("id") is not None and not _same_id(envelope["id"], request_id):
            raise AnswerLost(f"{what}: the answer belongs to another request")
        raise _refusal(what, redacted(error_body), answer)
    if not 200 <= answer.status < 300:
        raise _bare_status(what, answer)
    if fault is not None:
        raise AnswerLost(f"{what}: the answer is not JSON: {fault}")
    if not isinstance(envelope, dict) or envelope.get("jsonrpc") != "2.0":
        raise AnswerLost(f"{what}: the answer is not JSON-RPC 2.0")
    if not _same_id(envelope.get("id"), request_id):
        raise AnswerLost(f"{what}: the answer belongs to another request")
    if "result" not in envelope or envelope.get("error") is not None:
        raise AnswerLost(f"{what}: the answer has neither a result nor a readable error")
    return envelope["result"]


def _read(body: bytes) -> Any:
    """
    As `parse_json`, but quick where the body is written as most services write JSON.

    A quick reader takes what is no JSON for JSON, and of two members of one name the last. But if
    what it has read is written in the very same bytes, there was nothing of the kind. It follows
    no more than 200 levels of nesting.
    """
    try:
        value = from_json(body, allow_inf_nan=False)
        if to_json(value) == body:
            return value
    except ValueError:
        pass  # in whatever way it is wrong, or only unusual: the strict reader says
    return parse_json(body)


def _is_result(envelope: Any, request_id: int) -> bool:
    """Whether it is what most answers are; what it is instead, is found out by looking closer."""
    try:
        return (
            envelope["jsonrpc"] == "2.0"
            and _same_id(envelope["id"], request_id)
            and "result" in envelope
            and "error" not in envelope
        )
    except (KeyError, TypeError):
        return False


def _same_id(given: Any, request_id: int) -> bool:
    return type(given) is int and given == request_id


def _error_body(envelope: Any) -> dict[str, Any] | None:
    error = envelope.get("error") if isinstance(envelope, dict) else None
    return error if isinstance(error, dict) and type(error.get("code")) is int else None


def _refusal(what: str, error: dict[str, Any], answer: HttpAnswer) -> WalletApiError:
    code = error["code"]
    by_status = VERDICTS.get(("http", answer.status), _OTHER_CODE)
    fallback = by_status if by_status.error is WalletBusy else _OTHER_CODE
    verdict = VERDICTS.get(("code", code), fallback)
    said = for_people(error.get("message"))
    text = f"{what}: {verdict.meaning} (code {code}){': ' if said else ''}{said}"
    if verdict.error is WalletRefused:
        return WalletRefused(text, code=code, data=error.get("data"), hint=verdict.hint)
    return _lost_or_busy(verdict, text, answer.retry_after)


def _bare_status(what: str, answer: HttpAnswer) -> WalletApiError:
    verdict = VERDICTS.get(("http", answer.status), _OTHER_STATUS)
    text = f"{what}: {verdict.meaning} (HTTP {answer.status})"
    return _lost_or_busy(verdict, text, answer.retry_after)


def _lost_or_busy(verdict: Verdict, text: str, retry_after: str | None) -> WalletApiError:
    if verdict.error is WalletBusy:
        asked = _SECONDS.fullmatch(retry_after or "")
        seconds = None if asked is None else float(asked[0])
        return WalletBusy(text, retry_after_seconds=seconds, hint=verdict.hint)
    return AnswerLost(text, hint=verdict.hint)


def for_people(message: Any) -> str:
    """What a service wrote, on one line, without what would steer a terminal."""
    text = message if isinstance(message, str) else ""
    return "".join(c if c.isprintable() else " " for c in text[:_LONGEST_MESSAGE]).strip()
