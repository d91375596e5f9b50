"""A file as readers of YAML hand it over: by the core schema of YAML 1.2, or all of it text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from runner.policy.nodes import Mapping, Node, Sequence

Resolve = Callable[[str, bool], Any]
"""Takes the text of a scalar, and whether it is plain (not quoted, not a block)."""

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


def core(text: str, plain: bool) -> Any:
    """
    The type that the core schema gives a scalar. Source: YAML 1.2.2, section 10.3.2; numbers that
    are no number (`.inf`, `.nan`) have no place in JSON and stay text.
    """
    if not plain:
        return text
    if text in _NULLS:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text, 8)
    if _HEX.fullmatch(text):
        return int(text, 16)
    return float(text) if _FLOAT.fullmatch(text) else text


def as_text(text: str, plain: bool) -> Any:
    """The text itself, whatever it is."""
    del plain
    return text


READERS: dict[str, Resolve] = {"core": core, "text": as_text}


def resolved(node: Node, resolve: Resolve) -> Any:
    """A node of the loader as plain data: anchors followed, merges done, keys as text."""
    if isinstance(node, Mapping):
        return {name: resolved(value, resolve) for name, (_, value) in node.entries.items()}
    if isinstance(node, Sequence):
        return [resolved(item, resolve) for item in node]
    return resolve(node.text, node.style is None)
