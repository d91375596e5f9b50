"""
`RUNNER_…` variables: `RUNNER_HTTP__BIND` takes the place of `http: {bind: …}`, and
`RUNNER_ALERTS__ROUTES` that of the whole list.
"""

from __future__ import annotations

from collections.abc import Mapping

from runner.errors import Mark
from runner.policy.codes import Code
from runner.policy.faults import Faults, did_you_mean
from runner.policy.language.config import NAMED, paths
from runner.policy.nodes import Mapping as MapNode
from runner.policy.nodes import Node, Scalar, Sequence, Source
from runner.policy.source import read

PREFIX = "RUNNER_"
CONFIG_VARIABLE = "RUNNER_CONFIG"
"""Names the file itself, and is no setting in it."""


class Variable(Source):
    """The value of a variable. Messages never repeat it as a line: it may be anything."""

    __slots__ = ()

    def line(self, number: int) -> str:
        """Nothing."""
        del number
        return ""


def apply_overrides(root: MapNode, environment: Mapping[str, str]) -> dict[str, Mark]:
    """
    Put the values of `RUNNER_…` variables into the tree of runner.yaml.

    Returns:
        The variables that match no path, with the mark for a warning.
    """
    ignored = {}
    known = paths()
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        parts = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        kind = next((kind for path, kind in known.items() if _matches(path, parts)), None)
        if kind is not None:
            value = _value(Variable(variable, environment[variable]), kind)
            _put(root, parts, value)
        else:
            ignored[variable] = Mark(variable, 1, 1)
    return ignored


def warn_ignored(ignored: Mapping[str, Mark], used: set[str], faults: Faults) -> None:
    """Warn of variables that name no setting, and that no setting names."""
    known = [PREFIX + "__".join(path).upper() for path in sorted(paths()) if NAMED not in path]
    for variable, mark in ignored.items():
        if variable not in used:
            what = f"the variable {variable} names no setting and is ignored"
            hint = did_you_mean(variable, known, "settings")
            faults.warn(Code.VARIABLE_IGNORED, what, mark, hint)


def _matches(path: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    return len(path) == len(parts) and all(
        want in (part, NAMED) and part for want, part in zip(path, parts, strict=True)
    )


def _value(source: Variable, kind: str) -> Node:
    """Return what a variable holds: a list as YAML writes it where one is needed, else text."""
    if kind.startswith("list"):
        document = read(f"value: {source.text}", source.file)
        root = None if document.faults.errors else document.root
        if root is not None and len(root.entries) == 1:
            _, node = root.entries["value"]
            _move(node, source)
            return node
    return Scalar(source, 0, source.text, '"')


def _move(node: Node, source: Source) -> None:
    """Let everything in a tree stand at the beginning of a source."""
    node.source, node.index = source, 0
    if isinstance(node, MapNode):
        for key, value in node.entries.values():
            _move(key, source)
            _move(value, source)
    elif isinstance(node, Sequence):
        for item in node:
            _move(item, source)


def _put(root: MapNode, parts: tuple[str, ...], value: Node) -> None:
    mapping = root
    for part in parts[:-1]:
        name = _existing(mapping, part)
        _, inner = mapping.entries.get(name, (None, None))
        if not isinstance(inner, MapNode):
            inner = MapNode(value.source, 0, flow=True)
            inner.key = Scalar(value.source, 0, name)
            mapping.entries[name] = (inner.key, inner)
        mapping = inner
    name = _existing(mapping, parts[-1])
    value.key = Scalar(value.source, 0, name)
    mapping.entries[name] = (value.key, value)


def _existing(mapping: MapNode, part: str) -> str:
    """Return the key that a part of a variable's name means: variables know no `-`, no case."""
    for name in mapping.entries:
        if name.lower().replace("-", "_") == part:
            return name
    return part
