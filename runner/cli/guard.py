"""`runner guard`: would we sign this? Decided from files alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.options import format_options

if TYPE_CHECKING:  # each command imports what it needs when it is called
    from runner.guard.filed import Judged

_LONGEST = 4_000_000  # bytes of a file
_REFUSED = 4


@click.group()
def guard() -> None:
    """
    Would we sign this? From files alone: no network, no ledger, no key.

    Exit code 0: we would sign; 4: refused, with each difference; 2: the files cannot be used.
    """


@guard.command()
@click.option(
    "--intent",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="What was asked: the wallet_prepareCalls request, and what the wire lacks.",
)
@click.option(
    "--prepared",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The answer of wallet_prepareCalls.",
)
@format_options()
def op(intent: Path, prepared: Path, form: str) -> int:
    """
    Judge a prepared operation.
    """
    from runner.adapters.wallet_api.filed import read_intent
    from runner.adapters.wallet_api.messages import operation_offer
    from runner.guard.filed import judge_operation

    asked = _usable(intent, read_intent)
    return _tell(
        _judged(
            intent,
            prepared,
            lambda answer, what: judge_operation(asked, operation_offer(answer, what)),
        ),
        form,
    )


@guard.command()
@click.option(
    "--request",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="What was asked: the wallet_createSession request, and what the wire lacks.",
)
@click.option(
    "--response",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The answer of wallet_createSession.",
)
@format_options()
def grant(request: Path, response: Path, form: str) -> int:
    """
    Judge what an owner is asked to sign for a session.
    """
    from runner.adapters.wallet_api.filed import read_grant
    from runner.adapters.wallet_api.messages import session_offer
    from runner.guard.filed import can_be_granted, judge_grant

    asked = _usable(request, lambda value: can_be_granted(read_grant(value)))
    return _tell(
        _judged(
            request, response, lambda answer, what: judge_grant(asked, session_offer(answer, what))
        ),
        form,
    )


def _judged(asked: Path, answered: Path, judge: Callable[[Any, str], Judged]) -> Judged:
    """The verdict; an answer that is not to the letter is refused like one that differs."""
    from runner.adapters.wallet_api.exchanges import answer_in, envelope_id
    from runner.errors import AnswerLost
    from runner.guard.filed import Judged
    from runner.guard.verdict import Check

    try:
        value = _json(answered)
    except ValueError as error:
        return _no_answer(f"{answered} is not JSON that we read: {error}")
    ids = envelope_id(_json(asked)), envelope_id(value)
    if None not in ids and ids[0] != ids[1]:
        return Judged((Check("G5.id", *ids, holds=False),), ())
    try:
        return judge(answer_in(value, str(answered)), str(answered))
    except AnswerLost as error:
        return _no_answer(error.what)


def _no_answer(what: str) -> Judged:
    from runner.guard.filed import Judged
    from runner.guard.verdict import Check

    wanted = "an answer as the specification has it"
    return Judged((Check("G5.answer", wanted, what, holds=False),), ())


def _usable(path: Path, read: Callable[[Any], Any]) -> Any:
    from runner.errors import EncodingError, UsageError

    try:
        return read(_json(path))
    except ValueError as error:
        raise UsageError(f"{path} is not JSON that we read: {error}") from None
    except EncodingError as error:
        hint = error.hint or "docs/guard.md says what may stand in this file"
        raise UsageError(f"{path}: {error.what}", hint=hint) from error


def _json(path: Path) -> Any:
    """
    What stands in a file.

    Raises:
        ValueError: It is not JSON, or too much of it.
    """
    from runner.errors import UsageError
    from runner.strict_json import parse_json

    try:
        with path.open("rb") as file:
            raw = file.read(_LONGEST + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if len(raw) > _LONGEST:
        raise ValueError(f"longer than {_LONGEST} bytes")
    return parse_json(raw)


def _tell(judged: Judged, form: str) -> int:
    from runner.cli.render import look, write, write_json
    from runner.reporting.verdicts import judged_json, judged_text

    if form == "json":
        write_json(judged_json(judged))
    else:
        write(judged_text(judged, look()))
    return 0 if judged.signs else _REFUSED
