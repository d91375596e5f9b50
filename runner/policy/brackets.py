"""
Looking around in text that is not YAML: which brackets are open, where a value begins and ends.

libyaml says where it stumbled, which is seldom where the value at fault begins. What is inside of
brackets is read again here, more patiently: parentheses, variables and inner brackets belong to
the value that holds them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.frozen import frozen

PAIRS = {"{": "}", "[": "]"}

_TOKEN = re.compile(
    r"""
      (?<![^\s\[{,:]) (?: "(?:\\.|[^"\\])*" | '(?:''|[^'])*' )    # quoted text
    | (?<!\S) \# [^\n]*                                           # a comment
    | \$\{ [^}\n]* \}                                             # a variable
    | [\[\]{},] | : (?= [\s,\[\]{}] | \Z)                         # what parts values
    """,
    re.VERBOSE | re.DOTALL,
)
_BEFORE_VALUE = re.compile(r"(?:^|[:?-][ ]+|[&!]\S*[ ]+)\Z")
_BLANKS = re.compile(r"(?:\s+|(?<!\S)#[^\n]*)*")


@frozen
class Piece:
    """
    A key or value between brackets, as it was meant.

    Attributes:
        is_key: It stands where a key may.
        swallowed: Where it begins, if a comment cut it off: at the `#`, or before.
    """

    start: int
    end: int
    is_key: bool
    swallowed: int | None


@frozen
class Blamed:
    """
    What is out of order among brackets.

    Attributes:
        place: A bracket that is not closed; None if all are.
        stray: A bracket that closes nothing, if there is one.
        end: Where the one at `place` should be closed at the latest, since one around it is.
    """

    place: int | None
    stray: int | None
    end: int | None = None


def open_brackets(text: str, known: Sequence[int], start: int, end: int) -> list[int]:
    """
    Return the places of the brackets that are open at `end`.

    Args:
        known: Those open at `start`, outermost first.
    """
    places = list(known)
    for match in _TOKEN.finditer(text, start, end):
        mark = match[0]
        if mark in PAIRS:
            line = text.rfind("\n", 0, match.start()) + 1
            if places or _BEFORE_VALUE.search(text[line : match.start()].lstrip(" ")):
                places.append(match.start())
        elif mark in ("}", "]") and places:
            places.pop()
    return places


def stray_or_open(text: str, opened: int) -> Blamed | None:
    """Follow brackets from an opening one to its end; None if all are closed in order."""
    places = [opened]
    stray = None
    for match in _TOKEN.finditer(text, opened + 1):
        mark = match[0]
        if mark in PAIRS:
            places.append(match.start())
        elif mark in ("}", "]"):
            if mark == PAIRS[text[places[-1]]]:
                places.pop()
            elif any(mark == PAIRS[text[place]] for place in places):
                return Blamed(places[-1], stray, match.start())
            else:
                stray = match.start() if stray is None else stray
            if not places:
                return None if stray is None else Blamed(None, stray)
    return Blamed(places[-1], stray)


def piece_at(text: str, opened: int, at: int) -> Piece:
    """
    Return the key or value around `at`, inside of the bracket at `opened`.

    A comma between parentheses does not end a value: `transfer(address,uint256)`.
    """
    cut, depth, colon = opened + 1, 0, False
    swallowed: int | None = None
    for match in _TOKEN.finditer(text, opened + 1, at):
        mark = match[0]
        if mark in PAIRS:
            depth += 1
        elif mark in ("}", "]"):
            depth -= 1
        elif depth:
            continue
        elif mark.startswith("#"):
            before = text[cut : match.start()]
            if swallowed is None and (colon or before.strip()):
                swallowed = match.start() - len(before.lstrip())
        elif mark == ":" or (mark == "," and _balanced(text, cut, match.start())):
            cut, colon, swallowed = match.end(), mark == ":", None
    blanks = _BLANKS.match(text, cut)
    start = min(blanks.end(), at) if blanks else at
    is_key = not colon and text[opened] == "{"
    return Piece(start, piece_end(text, start, is_key=is_key), is_key, swallowed)


def piece_end(text: str, start: int, *, is_key: bool = False, comments: bool = True) -> int:
    """
    Return where the key or value was meant to end that begins at `start`, on its line.

    Args:
        is_key: Whether a colon ends it.
        comments: Whether a comment does.
    """
    line_end = text.find("\n", start)
    line_end = len(text) if line_end < 0 else line_end
    comma, depth, end = None, 0, line_end
    for match in _TOKEN.finditer(text, start, line_end):
        mark = match[0]
        if mark.startswith("#"):
            if comments:
                end = match.start()
                break
            return piece_end(text, match.start() + 1, comments=False)
        if mark in PAIRS:
            depth += 1
        elif mark in ("}", "]"):
            depth -= 1
        elif mark == "," and depth == 0:
            comma = match.start() if comma is None else comma
        stops = depth == 0 and (mark == "," or (is_key and mark == ":"))
        if depth < 0 or (stops and _balanced(text, start, match.start())):
            end = match.start()
            break
    if comma is not None and not _balanced(text, start, end):
        end = comma
    return start + len(text[start:end].rstrip())


def _balanced(text: str, start: int, end: int) -> bool:
    part = text[start:end]
    return part.count("(") <= part.count(")")
