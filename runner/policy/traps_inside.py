"""
What libyaml trips over between brackets, where commas, colons and brackets part values.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.policy.brackets import PAIRS, Piece, open_brackets, piece_at, piece_end, stray_or_open
from runner.policy.codes import Code
from runner.policy.faults import brief, shown
from runner.policy.mending import (
    Diagnosis,
    Trap,
    is_text,
    key_of,
    line_end,
    line_start,
    needs_quotes,
    quoted,
    trap,
)

_KEY_BEFORE = re.compile(r"(?P<key>[\w.-]+)[ ]*:\s+\Z")
_OPENS = {"{": "map", "[": "list"}


def diagnose_inside(text: str, opened: Sequence[int], at: int, problem: str) -> Diagnosis:
    """
    Diagnose what libyaml reports between brackets.

    Args:
        opened: The brackets that are open at `at`, outermost first.
    """
    piece = piece_at(text, opened[-1], at)
    here = text[at : at + 1]
    if "cannot start any token" in problem or "alphabetic" in problem:
        start = at if not text[piece.start : at].strip() else piece.start
        return reserved(text, start, piece_end(text, start, is_key=piece.is_key))
    if here == "{" and text[at - 1 : at] == "$":
        return _variable(text, piece)
    if (swallowed := _swallowed(text, piece)) is not None:
        return swallowed
    if (unclosed := _unclosed(text, opened)) is not None:
        return unclosed
    if "entries are not allowed" in problem:
        what = "items of a list begin with `- ` only outside of brackets"
        return trap(Code.NOT_YAML, what, at, at + 2, "", blot=" ")
    if here == "," and not text[piece.start : at].strip(", \n"):
        what = "nothing stands before this comma"
        return trap(Code.NOT_YAML, what, at, at + 1, "", blot=" ")
    if here == ":" and piece.start < at:
        return _colon(text, piece, at)
    if piece.start < piece.end:
        return _goes_on(text, piece)
    what = f"between {shown(text[opened[-1]])} and its end a value is missing or goes on"
    return Diagnosis(Code.NOT_YAML, what, at, "separate the parts by commas")


def reserved(text: str, start: int, end: int) -> Trap:
    """Make the trap of a value whose first character means something to YAML."""
    first = text[start : start + 1]
    if first == "*":
        why = "YAML reads a leading `*` as an alias"
        return needs_quotes(Code.STARTS_WITH_STAR, why, text, start, end)
    if first == "@":
        why = "YAML reserves a leading `@`"
        return needs_quotes(Code.STARTS_WITH_AT, why, text, start, end)
    why = f"YAML reserves a leading {shown(first)}"
    return needs_quotes(Code.RESERVED_START, why, text, start, end)


def _variable(text: str, piece: Piece) -> Trap:
    if not piece.is_key:
        why = "the brace of `${…}` opens a map here"
        return needs_quotes(Code.VARIABLE_IN_BRACES, why, text, piece.start, piece.end)
    value = text[piece.start : piece.end]
    what = f"{shown(value)}: variables stand in values only"
    hint = "write the name out"
    if key_of(text, text.rfind("{", 0, piece.start))[0] == "pay":
        hint += f", or {{to: {quoted(brief(value))}, amount: …}}"
    return trap(Code.BAD_VARIABLE, what, piece.start, piece.end, value, hint=hint)


def _swallowed(text: str, piece: Piece) -> Trap | None:
    """Find a value of which a comment took the end, and the comma or bracket behind it."""
    start = piece.swallowed
    if start is None:
        return None
    end = piece_end(text, start, comments=False)
    if end == line_end(text, start) and text[start] != "#":
        return None
    value = text[start:end]
    what = f"{shown(value)} needs quotes: behind a blank `#` begins a comment"
    return trap(Code.SWALLOWED_BY_COMMENT, what, start, end, quoted(value))


def _unclosed(text: str, opened: Sequence[int]) -> Diagnosis | None:
    """Find the bracket that is not closed, or closes nothing; None if all are in order."""
    blamed = stray_or_open(text, opened[0])
    if blamed is None:
        return None
    if blamed.place is None:
        return _stray(text, opened, blamed.stray or 0)
    bracket = text[blamed.place]
    what = f"the bracket {shown(bracket)} is not closed"
    if blamed.end is not None:
        end = len(text[: blamed.end].rstrip())
        closer = PAIRS[bracket]
        wrong = re.compile(r"[\]}]+").match(text, blamed.end)
        if wrong is not None and len(wrong[0]) > sum(place < blamed.place for place in opened):
            what = f"the bracket {shown(bracket)} is closed by {shown(wrong[0][0])}"
            low = wrong.start()
            return trap(Code.NOT_CLOSED, what, low, low + 1, closer, at=blamed.place, blot=closer)
        return trap(Code.NOT_CLOSED, what, blamed.place, end, closer, since=end, until=end)
    first = opened[0]
    end = first + len(text[first : line_end(text, first)].rstrip())
    if not _ends_with_line(text, first) or blamed.place > end:
        hint = f"close it with {shown(PAIRS[bracket])}"
        return Diagnosis(Code.NOT_CLOSED, what, blamed.place, hint)
    open_there = open_brackets(text, [], first, end) or [first]
    closers = "".join(PAIRS[text[place]] for place in reversed(open_there))
    since = end if blamed.stray is None or blamed.stray > end else blamed.stray
    return trap(Code.NOT_CLOSED, what, first, end, closers, at=blamed.place, since=since, until=end)


def _stray(text: str, opened: Sequence[int], at: int) -> Trap:
    """Diagnose a bracket that closes nothing: the value before it lacks the other one."""
    what = f"{shown(text[at])} closes nothing"
    opener = next(key for key, closer in PAIRS.items() if closer == text[at])
    piece = piece_at(text, opened[-1], at)
    if not text[piece.start : at].strip() or piece.is_key:
        return trap(Code.NOT_CLOSED, what, at, at + 1, "", blot=" ")
    mended = opener + text[piece.start : at + 1]
    return trap(Code.NOT_CLOSED, what, piece.start, at + 1, mended, at=at)


def _ends_with_line(text: str, opened: int) -> bool:
    """Tell whether the lines below a bracket go on as if it had been closed in its own."""
    start = line_start(text, opened)
    indent = len(text[start:]) - len(text[start:].lstrip(" "))
    below = re.compile(r"\n(?:[ ]*(?:#[^\n]*)?\r?\n)*([ ]*)(?:-[ ]|[\w.-]+[ ]*:(?:\s|\Z)|\Z)")
    found = below.match(text, text.find("\n", opened)) if "\n" in text[opened:] else None
    if found is None:
        return not text[line_end(text, opened) :].strip()
    return len(found[1]) <= indent + 2


def _colon(text: str, piece: Piece, at: int) -> Trap:
    """Diagnose a colon behind what YAML takes for a value: its text goes on, or a comma lacks."""
    before = text[piece.start : at]
    key = _KEY_BEFORE.search(text, 0, piece.start) if piece.start else None
    words = before.split()
    if len(words) == 1 or (key is not None and is_text(key["key"]) and "\n" not in before):
        why = "YAML takes `: ` for a new key"
        return needs_quotes(Code.COLON_IN_VALUE, why, text, piece.start, piece.end)
    word = at - len(words[-1])
    gap = len(text[:word].rstrip())
    semicolon = text[gap - 1] == ";"
    low = gap - semicolon
    what = f"a comma is missing before {shown(words[-1])}"
    hint = None if "\n" not in text[low:word] else "end the line above with a comma"
    return trap(Code.NOT_YAML, what, low, word, ", ", at=word, blot=",", hint=hint)


def _goes_on(text: str, piece: Piece) -> Trap:
    start, end = piece.start, piece.end
    value = text[start:end]
    if text[start] in "\"'":
        inner = value[1:-1] if value.endswith(text[start]) else value
        what = f"{shown(value)} goes on behind its closing quote"
        return trap(Code.VALUE_GOES_ON, what, start, end, quoted(inner))
    if "(" in value:
        why = "YAML cuts it at its brackets and commas"
        return needs_quotes(Code.SIGNATURE_CUT, why, text, start, end)
    bracket = next((c for c in value if c in PAIRS), None)
    if bracket is None:
        return reserved(text, start, end)
    why = f"its {shown(bracket)} opens a {_OPENS[bracket]}"
    return needs_quotes(Code.VALUE_GOES_ON, why, text, start, end)
