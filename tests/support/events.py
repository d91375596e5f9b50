"""The events that the program emits, read from its source: names, and the levels they may have."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

STATES = {
    "run.{}": ("success", "reverted", "not_included", "missed", "skipped", "superseded"),
    "grant.{}": ("revoked", "abandoned"),
}
"""What stands in for a part of a name that is computed."""


def emitted() -> dict[str, set[str]]:
    """By event: its levels; `?` where the level is computed."""
    found: dict[str, set[str]] = {}
    for _, node, names in sayings():
        for name in names:
            found.setdefault(name, set()).update(_level(node))
    return found


def sayings() -> Iterator[tuple[Path, ast.Call, list[str]]]:
    """Every place where something is told: the file, the call, and the events it may tell."""
    for path in sorted(Path("runner").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _speaks(node):
                yield path, node, list(_names(node.args[0]))


def _speaks(node: ast.Call) -> bool:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    return name in {"emit", "_say"} and bool(node.args)


def _names(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _names(node.body)
        yield from _names(node.orelse)
    elif isinstance(node, ast.JoinedStr):
        shape = "".join(p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
        head = shape.partition("{}")[0]
        yield from (head + state for state in STATES[shape])


def _level(node: ast.Call) -> Iterator[str]:
    given = [keyword.value for keyword in node.keywords if keyword.arg == "level"]
    if not given:
        yield "info"
    for value in given:
        options = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
        for one in options:
            yield str(one.value) if isinstance(one, ast.Constant) else "?"
