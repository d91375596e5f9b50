"""`runner inspect`: decode and hash what a signer is shown."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from runner.cli.options import format_options
from runner.cli.render import look, write, write_json
from runner.errors import EncodingError, UsageError

if TYPE_CHECKING:  # each command imports what it needs when it is called
    from runner.reporting.values import Report

Command = TypeVar("Command", bound=Callable[..., Any])

_LONGEST = 4_000_000  # bytes of a document
_HEX = re.compile(r"0x[0-9a-fA-F]*")


@click.group()
def inspect() -> None:
    """
    Decode and hash what a signer is shown.

    Offline: everything is computed from the bytes themselves. Each takes a FILE, `-` for stdin, or
    the hex itself.
    """


def _shared(command: Command) -> Command:
    """FILE-OR-HEX, the chain, and the format."""
    command = format_options()(command)
    command = click.option(
        "--chain-id", type=click.IntRange(1), help="The chain, where the document names none."
    )(command)
    return click.argument("source", metavar="FILE-OR-HEX")(command)


@inspect.command("user-op")
@_shared
def user_op(source: str, chain_id: int | None, form: str) -> None:
    """
    Show what an operation does, what it can cost, and the hash that its key signs.

    Takes the answer of wallet_prepareCalls, the request of wallet_sendPreparedCalls, an operation
    of EntryPoint v0.6 or v0.7 by itself or packed, or the calldata of handleOps.
    """
    from runner.adapters.wallet_api.documents import read_bundle, read_operations
    from runner.reporting.granting import authorization_report
    from runner.reporting.inspection import ShownOperation, operation_report

    given = _read(source)
    with _Refusing():
        shown = (
            read_bundle(given, chain_id)
            if isinstance(given, bytes)
            else read_operations(given, chain_id)
        )
        reports = [
            operation_report(each)
            if isinstance(each, ShownOperation)
            else authorization_report(each.authorization, each.raw_payload, each.signature)
            for each in shown
        ]
    _show(reports, form, single=len(reports) == 1)


@inspect.command("typed-data")
@_shared
def typed_data(source: str, chain_id: int | None, form: str) -> None:
    """
    Show the EIP-712 digest of typed data; a grant is read down to its permissions.

    Takes the typed data as JSON, a signature request, or the answer of wallet_createSession.
    """
    from runner.adapters.wallet_api.documents import read_typed_document
    from runner.reporting.granting import typed_data_report

    given = _read(source)
    if isinstance(given, bytes):
        raise UsageError("typed data are JSON, not hex", hint="see runner inspect --help")
    with _Refusing():
        data, raw_payload = read_typed_document(given)
        named = data.domain.get("chainId", chain_id)
        if chain_id is not None and named != chain_id:
            raise EncodingError(f"the domain is of chain {named}, not {chain_id}")
        report = typed_data_report(data, raw_payload)
    _show([report], form)


@inspect.command()
@_shared
def context(source: str, chain_id: int | None, form: str) -> None:
    """
    Show what a permissions context names or carries.
    """
    from runner.reporting.granting import context_report

    del chain_id  # a context says nothing of a chain
    given = _bytes(_read(source), "context")
    with _Refusing():
        report = context_report(given)
    _show([report], form)


@inspect.command()
@_shared
def install(source: str, chain_id: int | None, form: str) -> None:
    """
    Show what an installValidation or uninstallValidation call installs or takes away.
    """
    from runner.reporting.inspection import install_report

    del chain_id
    given = _bytes(_read(source), "call")
    with _Refusing():
        report = install_report(given)
    _show([report], form)


@inspect.command()
@_shared
def calldata(source: str, chain_id: int | None, form: str) -> None:
    """
    Show the calls in an operation's call data, or what a contract is called with.
    """
    from runner.reporting.inspection import calldata_report

    del chain_id
    given = _bytes(_read(source), "data")
    with _Refusing():
        report = calldata_report(given)
    _show([report], form)


class _Refusing:
    """What cannot be decoded is bad input: exit 2."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, EncodingError):
            raise UsageError(error.what, hint=error.hint) from error


def _show(reports: list[Report], form: str, *, single: bool = True) -> None:
    from runner.reporting.outline import outline

    if form == "json":
        write_json(reports[0] if single else reports)
        return
    for place, report in enumerate(reports):
        write([""] if place else [])
        write(outline(report, look()))


def _read(source: str) -> Any:
    """Bytes, if hex was given; else what the JSON holds."""
    from runner.strict_json import parse_json

    text = _text(source)
    if _HEX.fullmatch(text):
        if len(text) % 2:
            raise UsageError("the hex has an odd number of digits: half a byte is missing")
        return bytes.fromhex(text[2:])
    try:
        value = parse_json(text.encode())
    except ValueError as error:
        raise UsageError(
            f"{_named(source)} holds neither hex nor JSON: {error}",
            hint="hex begins with 0x; JSON is read strictly",
        ) from None
    if isinstance(value, str) and _HEX.fullmatch(value):
        return _read(value)
    return value


def _text(source: str) -> str:
    if source == "-":
        raw = sys.stdin.buffer.read(_LONGEST + 1)
    elif _HEX.fullmatch(source) or source.lstrip()[:1] in {"{", "["}:
        raw = source.encode("utf-8", "surrogateescape")
    else:
        try:
            with Path(source).open("rb") as file:
                raw = file.read(_LONGEST + 1)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "no such name"
            raise UsageError(
                f"{source[:120]} is neither hex nor a file that can be read: {why}",
                hint="hex begins with 0x; - reads from stdin",
            ) from None
    if len(raw) > _LONGEST:
        raise UsageError(f"{_named(source)} is longer than {_LONGEST} bytes")
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise UsageError(f"{_named(source)} is not text") from None


def _named(source: str) -> str:
    return "stdin" if source == "-" else source[:120]


def _bytes(given: Any, member: str) -> bytes:
    """The bytes themselves, or the member of an object that holds them."""
    if isinstance(given, dict) and isinstance(given.get(member), str):
        given = _read(given[member]) if _HEX.fullmatch(given[member]) else given
    if not isinstance(given, bytes):
        raise UsageError("this takes hex, 0x and an even number of digits")
    return given
