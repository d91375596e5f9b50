"""
Faults as people and programs read them: text with a caret, JSON, annotations for GitHub.
"""

from __future__ import annotations

from collections.abc import Callable

from runner.errors import PolicyError

_WIDEST = 96  # characters of a source line that are shown
_BOLD, _RED, _YELLOW, _BLUE, _RESET = "\x1b[1m", "\x1b[31m", "\x1b[33m", "\x1b[34m", "\x1b[0m"


def render_fault(error: PolicyError, *, colour: bool = False) -> str:
    """
    Return a fault as text: what, where, the line with a caret, and how to mend it.

    Args:
        colour: Whether to add ANSI colours. The text reads as well without.
    """
    tint = _RED if error.severity == "error" else _YELLOW

    def paint(text: str, *codes: str) -> str:
        return "".join(codes) + text + _RESET if colour else text

    lines = [
        paint(f"{error.severity}[{error.code}]", _BOLD, tint) + f": {_printable(error.what)}",
    ]
    if error.where is not None:
        lines.append(f"  {paint('-->', _BLUE)} {_printable(str(error.where))}")
        if error.source and not error.source.isspace():
            lines += _excerpt(error.source, error.where.line, error.where.column, paint, tint)
    if error.hint:
        lines.append(f"{paint('hint', _BOLD)}: {_printable(error.hint)}")
    return "\n".join(lines)


def fault_as_json(error: PolicyError) -> dict[str, str | int | None]:
    """Return a fault as an object for JSON: a contract of `validate --format json`."""
    where = error.where
    return {
        "file": None if where is None else where.file,
        "line": None if where is None else where.line,
        "column": None if where is None else where.column,
        "code": error.code,
        "severity": error.severity,
        "message": error.what,
        "hint": error.hint,
    }


def fault_for_github(error: PolicyError) -> str:
    """
    Return a fault as a workflow command, which GitHub shows beside the line.

    Source: GitHub, "Workflow commands", setting an error message.
    """
    place = ""
    if error.where is not None:
        file, line, column = error.where.file, error.where.line, error.where.column
        place = f" file={_property(file)},line={line},col={column},title={error.code}"
    message = error.what if not error.hint else f"{error.what}\nhint: {error.hint}"
    return f"::{error.severity}{place}::{_data(message)}"


def _excerpt(
    source: str, number: int, column: int, paint: Callable[..., str], tint: str
) -> list[str]:
    """Return the source line and a caret below the column; long lines are cut around it."""
    start = max(0, column - 1 - _WIDEST // 2) if len(source) > _WIDEST else 0
    part = source[start : start + _WIDEST]
    before = "…" if start else ""
    after = "…" if start + _WIDEST < len(source) else ""
    shown = before + _printable(part) + after
    # A tab stays a tab in the padding, so that the caret stands where the terminal puts it.
    padding = "".join(
        "\t" if character == "\t" else " " * _width(character)
        for character in before + part[: column - 1 - start]
    )
    gutter = " " * len(str(number))
    return [
        paint(f"{gutter} |", _BLUE),
        paint(f"{number} |", _BLUE) + f" {shown}",
        paint(f"{gutter} |", _BLUE) + f" {padding}{paint('^', _BOLD, tint)}",
    ]


def _printable(text: str) -> str:
    """Replace what could move the cursor or hide text; tabs stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)


def _width(character: str) -> int:
    """Return how many columns a terminal gives a character."""
    if character.isascii():
        return 1
    from unicodedata import combining, east_asian_width  # noqa: PLC0415 (hardly ever needed)

    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
