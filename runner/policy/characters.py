"""
The characters of a file: what is UTF-8, what shows on a screen, what ends a line for whom.

Source: rule X23; Unicode, "Default Ignorable Code Points".
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice

from runner.frozen import frozen
from runner.policy.codes import Code
from runner.policy.faults import MOST_FAULTS, Faults
from runner.policy.nodes import Scalar, Source

# What YAML allows, less the marks that make a line read otherwise than it is (overrides of the
# reading direction, what has no width, fillers, tags): nobody shall approve a receiver that the
# screen does not show. Joiners and variation selectors stay: scripts and emoji need them.
# Compiled where it is needed: that takes longer than reading a policy.
BAD_CHARACTER = (
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    "|[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e"
    "\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U000e0000-\U000e0fff]"
)
"""What no file may hold, written or as an escape."""

_BLANK = "[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]"
_SEEMING = (
    rf"(?m)^[ ]*(?:-[ ]+)*(?:(?P<indent>{_BLANK})[^\S\n]*[A-Za-z_][\w.-]*:"
    rf"|[A-Za-z_][\w.-]*(?::(?P<blank>{_BLANK})|(?P<colon>\uff1a)))"
)
"""A blank or colon of another script, where only those of ASCII make a key."""

_BLOCK = r"(?m):[ ]+[|>][-+0-9]{0,2}[ ]*(?:#.*)?\r?$"
"""Where block text begins, which may hold anything."""

_BLANKS = {ord(character): None for character in "\t\n\r"}

HIDDEN_BREAK = re.compile("[\x85\u2028\u2029]|\r(?!\n)")
"""What ends a line for YAML and not for editors."""

DELETE_BREAK = "delete it, or end the line with a plain line feed"

_COMMENT = re.compile(r"(?:^|\s)#", re.MULTILINE)
_START = 64  # bytes that show whether a file is UTF-16: half of them are zero


def decoded(raw: bytes | str) -> tuple[str, int | None]:
    """Return the text without byte order mark, and where it stops being UTF-8, if it does."""
    if isinstance(raw, str):
        return raw.removeprefix("\ufeff"), None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        readable = raw[: error.start].decode("utf-8-sig", "replace")
        return readable + raw[error.start :].decode("utf-8", "replace"), len(readable)
    start = raw[:_START]
    return text, 0 if start and 2 * start.count(0) >= len(start) else None


def bad_characters(text: str) -> Iterator[re.Match[str]]:
    """Find what no file may hold."""
    if text.isascii() and text.translate(_BLANKS).isprintable():
        return iter(())
    return re.finditer(BAD_CHARACTER, text)


def refuse_unseen(source: Source, faults: Faults) -> bool:
    """Report characters that a screen does not show, one of a kind a line; tell if there are."""
    told: set[tuple[int, str]] = set()
    for found in islice(bad_characters(source.text), MOST_FAULTS):
        place = (source.mark(found.start()).line, found[0])
        if place not in told:
            told.add(place)
            faults.add(
                Code.BAD_CHARACTER,
                f"character U+{ord(found[0]):04X} is not allowed",
                Scalar(source, found.start(), found[0]),
                "it does not show on the screen; delete it",
            )
    return bool(told)


def refuse_seeming(source: Source, faults: Faults) -> bool:
    """Report blanks and colons of other scripts that would be part of a key; tell if there are."""
    text = source.text
    if text.isascii() or re.search(_BLOCK, text) is not None:
        return False
    before = len(faults.errors)
    for found in islice(re.finditer(_SEEMING, text), MOST_FAULTS):
        at = found.start(found.lastgroup or 0)
        is_colon = found.lastgroup == "colon"
        what = f"looks like a {'colon' if is_colon else 'blank'} and is none"
        faults.add(
            Code.BAD_CHARACTER,
            f"character U+{ord(text[at]):04X} {what}",
            Scalar(source, at, text[at]),
            "write `: ` instead" if is_colon else "write a blank instead",
        )
    return len(faults.errors) > before


def ends_line(character: str) -> str:
    """Return what a message says about such a character."""
    return f"character U+{ord(character):04X} ends a line for YAML, but not for editors"


@frozen
class Span:
    """Where quoted or block text stands."""

    start: int
    end: int
    block: bool


def check_blanks(source: Source, spans: list[Span], faults: Faults) -> bool:
    """
    Refuse line breaks that editors do not count, and tabs outside quoted text.

    Returns:
        Whether there are such line breaks.
    """
    text = source.text
    lines: set[int] = set()
    breaks = HIDDEN_BREAK.finditer(text) if may_hide_breaks(text) else ()
    for found in islice(breaks, MOST_FAULTS):
        place = found.start()
        end = text.find("\n", place)
        span = _span_at(spans, place)
        # Block text may hold one, if the block also holds the rest of what editors show as its
        # line: else a key could hide behind what looks like a memo.
        if span is None or not span.block or (end if end >= 0 else len(text)) > span.end:
            at = source.mark(place)
            if at.line not in lines:
                faults.add(Code.HIDDEN_LINE_BREAK, ends_line(found[0]), at, DELETE_BREAK)
            lines.add(at.line)
    if lines:
        return True
    place = text.find("\t")
    while place >= 0 and len(faults.errors) < MOST_FAULTS:
        span = _span_at(spans, place)
        if span is not None:
            place = text.find("\t", span.end)
        elif _in_comment(text, place, spans):
            end = text.find("\n", place)
            place = text.find("\t", end) if end >= 0 else -1
        else:
            faults.add(Code.TAB, "a tab stands here", source.mark(place), "write spaces instead")
            end = text.find("\n", place)
            place = text.find("\t", end) if end >= 0 else -1  # one fault a line
    return False


def may_hide_breaks(text: str) -> bool:
    """Look for the characters of hidden breaks: much faster than the pattern."""
    return any(map(text.__contains__, "\r\x85\u2028\u2029"))


def _span_at(spans: list[Span], place: int) -> Span | None:
    number = bisect_right(spans, place, key=lambda span: span.start) - 1
    return spans[number] if number >= 0 and place < spans[number].end else None


def _in_comment(text: str, place: int, spans: list[Span]) -> bool:
    """Look for a `#` before `place` in its line that begins a comment."""
    start = text.rfind("\n", 0, place) + 1
    for found in _COMMENT.finditer(text, start, place):
        if _span_at(spans, found.end() - 1) is None:
            return True
    return False
