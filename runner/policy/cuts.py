"""
Values that a comma cut up inside brackets: `transfer(a,b)` and `1,000 usdc`.

YAML reads the pieces as keys without value, or as items of their own. They are put together
again, reported once, and kept out of what the fields see.

Source: rule X24.
"""

from __future__ import annotations

import re
from itertools import pairwise

from runner.policy.codes import Code
from runner.policy.faults import Faults, shown
from runner.policy.nodes import Node, Scalar, Sequence
from runner.policy.traps import line_with, quoted

_MOST_PIECES = 40  # of one value


def mend_pairs(pairs: list[tuple[Node, Node]], faults: Faults) -> list[tuple[Node, Node]]:
    """Find values of a flow map that a comma cut up; their pieces read as keys without value."""
    kept: list[tuple[Node, Node]] = []
    place = 0
    while place < len(pairs):
        key, value = pairs[place]
        place += 1
        pieces: list[Scalar] = []
        while (
            place < len(pairs)
            and len(pieces) < _MOST_PIECES
            and (piece := _piece(pairs[place])) is not None
        ):
            pieces.append(piece)
            place += 1
        if not pieces or not _report_cut(value, pieces, faults):
            place -= len(pieces)
        kept.append((key, value))
    for key, _ in kept:
        if isinstance(key, Scalar) and key.text.count("(") != key.text.count(")"):
            hint = f"quote the signature: {quoted(key.text + '…)')}"
            faults.add(Code.SIGNATURE_CUT, f"{shown(key.text)} is half a signature", key, hint)
            key.broken = True
    return kept


def _piece(pair: tuple[Node, Node]) -> Scalar | None:
    """Return a plain key without value: what a comma leaves behind."""
    key, value = pair
    if isinstance(key, Scalar) and key.style is None and isinstance(value, Scalar) and value.empty:
        return key
    return None


def mend_items(sequence: Sequence, faults: Faults) -> None:
    """Find items of a flow list that a comma cut up."""
    items = sequence.items
    if not sequence.flow:
        return
    kept: list[Node] = []
    place = 0
    while place < len(items):
        first = items[place]
        place += 1
        kept.append(first)
        if not _looks_cut(first):
            continue
        pieces: list[Scalar] = []
        for before, after in pairwise(items[place - 1 : place + _MOST_PIECES]):
            if not (isinstance(after, Scalar) and after.style is None and _touch(before, after)):
                break
            pieces.append(after)
        if pieces and (count := _report_cut(first, pieces, faults, listed=True)):
            place += count
    sequence.items = kept


def _looks_cut(item: Node) -> bool:
    """Tell at a glance whether the next items could belong to this one."""
    if not isinstance(item, Scalar) or item.style is not None:
        return False
    if "(" in item.text:
        return True
    end = item.index + len(item.text)
    return item.text.isdigit() and item.source.text[end + 1 : end + 4].isdigit()


def _touch(before: Node, after: Node) -> bool:
    """Only a comma, or for half a signature a comma and blanks, stands between two items."""
    if not isinstance(before, Scalar) or before.style is not None:
        return False
    between = before.source.text[before.index + len(before.text) : after.index]
    return between == "," or (between.strip() == "," and not before.text.isdigit())


def _report_cut(value: Node, pieces: list[Scalar], faults: Faults, *, listed: bool = False) -> int:
    """Report a value that was cut at its commas; return how many pieces belong to it."""
    if not isinstance(value, Scalar) or value.style is not None:
        return 0
    texts = [piece.text for piece in pieces]
    if value.text.count("(") > value.text.count(")"):
        return _cut_signature(value, pieces, texts, faults)
    if not re.fullmatch(r"[0-9]{1,3}", value.text):
        return 0
    count = 0
    for text in texts:
        if not re.match(r"[0-9]{3}(?![0-9])", text):
            break
        count += 1
        if len(text) > 3:
            break
    # `[1,200]` may well be two numbers; `[1,200 usdc]` is one amount.
    if not count or (listed and len(texts[count - 1]) == 3):
        return 0
    whole = ",".join([value.text, *texts[:count]])
    hint = "write " + line_with(value, _end(pieces[count - 1]), whole.replace(",", "_"))
    what = f"the comma of {shown(whole)} ends the value here"
    faults.add(Code.THOUSANDS_CUT, what, value, hint)
    value.broken = True
    return count


def _cut_signature(value: Scalar, pieces: list[Scalar], texts: list[str], faults: Faults) -> int:
    whole = value.text
    count = 0
    while count < len(texts) and whole.count("(") > whole.count(")"):
        whole += f",{texts[count]}"
        count += 1
    hint = "write " + line_with(value, _end(pieces[count - 1]), quoted(whole))
    what = f"{shown(whole)} needs quotes: YAML cuts it at its commas"
    faults.add(Code.SIGNATURE_CUT, what, value, hint)
    value.broken = True
    return count


def _end(piece: Scalar) -> int:
    return piece.index + len(piece.text)
