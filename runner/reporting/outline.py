"""
A report as indented text: a name and a value a line, what belongs together under one name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from runner.reporting.text import NOTHING, Look, Tone, clean
from runner.reporting.values import Report

_INDENT: Final = "  "
_LONGEST_HEX: Final = 140
_HEADLINES: Final = ("does", "odd")


def outline(report: Report, look: Look) -> list[str]:
    """
    Lay out a report; its warnings come last, where they are seen.

    On a terminal long byte strings show their ends and their size; in a pipe nothing is cut.
    """
    body = {name: value for name, value in report.items() if name not in ("kind", "warnings")}
    title = look.tint(str(report["kind"]).replace("-", " "), Tone.STRONG)
    warnings = report.get("warnings", ())
    return [
        title,
        *_members(body, look, _INDENT),
        *(look.tint(f"warning: {clean(each)}", Tone.WARN) for each in warnings),
    ]


def _members(report: Report, look: Look, indent: str) -> Iterator[str]:
    short = [name for name, value in report.items() if _on_one_line(value)]
    width = max((len(name) for name in short), default=0)
    for name, value in report.items():
        label = name.replace("_", " ")
        if name == "warnings" or value in ([], {}):
            continue
        if _on_one_line(value):
            dim = look.tint(label.ljust(width), Tone.DIM)
            yield f"{indent}{dim}  {_text(value, look)}"
        elif isinstance(value, list):
            yield f"{indent}{look.tint(label, Tone.DIM)}"
            yield from _items(value, look, indent + _INDENT)
        else:
            yield f"{indent}{look.tint(label, Tone.DIM)}"
            yield from _members(value, look, indent + _INDENT)


def _items(items: list[Any], look: Look, indent: str) -> Iterator[str]:
    for place, item in enumerate(items):
        number = f"{place + 1}. "
        if not isinstance(item, dict):
            yield f"{indent}{number}{_text(item, look)}"
            continue
        head = next((str(item[name]) for name in _HEADLINES if name in item), "")
        yield f"{indent}{number}{clean(head)}".rstrip()
        rest = {name: value for name, value in item.items() if name != "does"}
        yield from _members(rest, look, indent + " " * len(number))


def _on_one_line(value: Any) -> bool:
    if isinstance(value, dict):
        return set(value) in ({"unix", "at"}, {"address", "name"})
    return not isinstance(value, list)


def _text(value: Any, look: Look) -> str:
    match value:
        case None:
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case {"unix": unix, "at": at}:
            return f"{at} ({unix})"
        case {"address": address, "name": name}:
            return f"{address} ({name or 'not a known module'})"
        case str() if look.width is not None and value[:2] == "0x" and len(value) > _LONGEST_HEX:
            return f"{value[:74]}…{value[-16:]} ({len(value) // 2 - 1} bytes)"
        case str() if not value:
            return '""'
    return clean(str(value))
