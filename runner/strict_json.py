"""
JSON from strangers: one reading, bounded depth, time in proportion to its length.

Source: RFC 8259, whose readers may differ in members named twice and in what is no JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

DEEPEST: Final = 100
"""Levels of arrays and objects; nothing that is read here comes near."""

# A string that never ends is taken to the end of the body: tried again from each quote inside it,
# it would cost the square of its length.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_AS_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def parse_json(body: bytes) -> Any:
    """
    Read JSON strictly: UTF-8, no member named twice, no NaN.

    Raises:
        ValueError: The bytes are not such JSON. The message quotes nothing of them.
    """
    if _is_too_deep(body):
        raise ValueError("nested too deeply")
    try:
        return json.loads(
            body.decode("utf-8"), object_pairs_hook=_members, parse_constant=_no_constant
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos}") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None


def _is_too_deep(body: bytes) -> bool:
    """
    Whether arrays and objects nest too deeply, found out before anything recurses.

    A library that we load raises Python's recursion limit so far that the parser would run off
    the C stack and end the process, where it used to raise RecursionError. The innermost pairs
    are taken out round by round, which takes time in proportion to the body.
    """
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return False
    brackets = _STRING.sub(b"", body).translate(_AS_SQUARE, _NO_BRACKETS)
    if b"[" * (DEEPEST + 1) in brackets:
        return True
    for _ in range(DEEPEST):
        brackets = brackets.replace(b"[]", b"")
    return b"[]" in brackets or brackets.count(b"[") > DEEPEST


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has two members of one name")
    return members


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")
