"""
Values that a comma cut up inside brackets: `transfer(a,b)`, `1,000 usdc`, `memo: a, b`.

YAML reads the pieces as keys without value, or as items of their own. Those that surely belong
together are put together again, reported once, and kept out of what the fields see; the others
become the tail of the value, and whoever reads it says what is wrong.

Source: rule X24.
"""

from __future__ import annotations

import re
from collections.abc import Sequence as AbstractSequence

from runner.policy.amounts import plain_number
from runner.policy.codes import Code
from runner.policy.faults import shown
from runner.policy.mending import KEYS, Trap, quoted, trap
from runner.policy.nodes import Mapping, Node, Scalar, Sequence

_MOST_PIECES = 40  # of one value
_BARE = r"[0-9][0-9_.]*"
_DIGITS_ON = r"(?P<digits>[0-9][0-9.]*)(?P<unit>[ ].*)?"


def mend_pairs(pairs: list[tuple[Node, Node]], cuts: list[Trap]) -> list[tuple[Node, Node]]:
    """Find values of a flow map that a comma cut up; their pieces read as keys without value."""
    if not any(map(_is_doubtful, pairs)):
        return pairs
    kept: list[tuple[Node, Node]] = []
    place = 0
    while place < len(pairs):
        key, value = pairs[place]
        place += 1
        kept.append((key, value))
        if not isinstance(value, Scalar) or value.style is not None or value.empty:
            continue
        pieces: list[Scalar] = []
        while place + len(pieces) < len(pairs) and len(pieces) < _MOST_PIECES:
            piece = _piece(pairs[place + len(pieces)])
            if piece is None:
                break
            pieces.append(piece)
        if pieces:
            place += _cut(value, pieces, cuts) or _tail(value, pieces)
    for key, _ in kept:
        if isinstance(key, Scalar) and key.style is None and _is_half(key.text):
            _half_a_key(key, cuts)
    return kept


def _is_doubtful(pair: tuple[Node, Node]) -> bool:
    """Tell whether a pair may be a piece, or half of one: of most maps none is."""
    key, value = pair
    return (isinstance(value, Scalar) and not value.text) or (
        isinstance(key, Scalar) and "(" in key.text
    )


def _piece(pair: tuple[Node, Node]) -> Scalar | None:
    """Return a plain key without value: what a comma leaves behind."""
    key, value = pair
    if isinstance(key, Scalar) and key.style is None and isinstance(value, Scalar) and value.empty:
        return key
    return None


def _tail(value: Scalar, pieces: list[Scalar]) -> int:
    """Give a value the pieces behind it, up to one that is a key; return how many."""
    number = next((n for n, piece in enumerate(pieces) if piece.text in KEYS), len(pieces))
    value.tail = tuple(pieces[:number])
    return number


def _half_a_key(key: Scalar, cuts: list[Trap]) -> None:
    high = key.index + len(key.text)
    what = f"{shown(key.text)} is half a signature"
    hint = f"quote all of it: {quoted(key.text + '…)')}"
    cuts.append(trap(Code.SIGNATURE_CUT, what, key.index, high, key.text, hint=hint))
    key.broken = True


def mend_items(sequence: Sequence, cuts: list[Trap]) -> None:
    """Find items of a flow list that a comma cut up."""
    items = sequence.items
    if not sequence.flow:
        return
    kept: list[Node] = []
    place = 0
    while place < len(items):
        item = items[place]
        kept.append(item)
        place += 1
        first = _last_scalar(item)
        if first is None or first.style is not None or not _looks_cut(first):
            continue
        pieces = _following(first, items, place)
        count = _cut(first, pieces, cuts, listed=first is item) if pieces else 0
        if not count and re.fullmatch(_BARE, first.text):
            kept += pieces  # a run of numbers is looked at once
            count = len(pieces)
        place += count
    sequence.items = kept


def _following(first: Scalar, items: AbstractSequence[Node], place: int) -> list[Scalar]:
    """Return the items from a place on that may be pieces of one value."""
    pieces: list[Scalar] = []
    number = re.fullmatch(_BARE, first.text) is not None
    before = first
    for at in range(place, len(items) if number else min(len(items), place + _MOST_PIECES)):
        after = items[at]
        if not (isinstance(after, Scalar) and after.style is None and _touch(before, after)):
            break
        found = re.fullmatch(_DIGITS_ON, after.text) if number else None
        if number and found is None:
            break
        pieces.append(after)
        before = after
        if found is not None and found["unit"]:
            break
    return pieces


def _last_scalar(item: Node) -> Scalar | None:
    """Return an item, or the value of the one pair it is: `[erc20-token-transfer: 1,000 usdc]`."""
    if isinstance(item, Mapping) and len(item.entries) == 1:
        (_, item), *_ = item.entries.values()
    return item if isinstance(item, Scalar) else None


def _looks_cut(item: Scalar) -> bool:
    """Tell at a glance whether the next items could belong to this one."""
    if "(" in item.text:
        return True
    after = item.source.text[item.index + len(item.text) : item.index + len(item.text) + 4]
    return re.fullmatch(_BARE, item.text) is not None and after.lstrip(", ")[:1].isdigit()


def _touch(before: Scalar, after: Scalar) -> bool:
    """
    Tell whether two items can be one value.

    Only a comma stands between them. Behind half a signature blanks may, and before a number
    whose first digit is a zero: `6, 000 usdc`.
    """
    between = before.source.text[before.index + len(before.text) : after.index]
    if between == ",":
        return True
    zero = re.match(r"0[0-9]{2}(?![0-9])", after.text) is not None
    return between.strip() == "," and (zero or not re.fullmatch(_BARE, before.text))


def _cut(value: Scalar, pieces: list[Scalar], cuts: list[Trap], *, listed: bool = False) -> int:
    """Report a value that was cut at its commas; return how many pieces belong to it."""
    if _is_half(value.text):
        return _cut_signature(value, pieces, cuts)
    if re.fullmatch(_BARE, value.text) is None:
        return 0
    count = 0
    for piece in pieces:
        found = re.fullmatch(_DIGITS_ON, piece.text)
        if found is None:
            break
        count += 1
        if found["unit"]:
            break
    # `[1,200]` may well be two numbers; `[1,200 usdc]` is one amount, `[1,000]` one number.
    if not count or (listed and not _is_one(pieces[:count])):
        return 0
    whole = _source(value, pieces[count - 1])
    number, _, unit = whole.partition(" ") if ", " not in whole else _joined(whole)
    what = f"the comma of {shown(whole)} ends the value here"
    mended = f"{plain_number(number)} {unit}".rstrip()
    _report(Code.THOUSANDS_CUT, what, value, pieces[count - 1], mended, cuts)
    return count


def _is_one(pieces: AbstractSequence[Scalar]) -> bool:
    return " " in pieces[-1].text or any(re.match(r"00", piece.text) for piece in pieces)


def _joined(whole: str) -> tuple[str, str, str]:
    return re.sub(r",\s+", ",", whole).partition(" ")


def _cut_signature(value: Scalar, pieces: list[Scalar], cuts: list[Trap]) -> int:
    whole, count = value.text, 0
    while count < len(pieces) and _is_half(whole):
        whole += f",{pieces[count].text}"
        count += 1
    if not count:
        return 0
    whole = _source(value, pieces[count - 1])
    what = f"{shown(whole)} needs quotes: YAML cuts it at its commas"
    _report(Code.SIGNATURE_CUT, what, value, pieces[count - 1], quoted(whole), cuts)
    return count


def _report(
    code: Code, what: str, value: Scalar, last: Scalar, mended: str, cuts: list[Trap]
) -> None:
    cuts.append(trap(code, what, value.index, _end(last), mended))
    value.broken = True


def _is_half(text: str) -> bool:
    return text.count("(") > text.count(")")


def _source(value: Scalar, last: Scalar) -> str:
    return " ".join(value.source.text[value.index : _end(last)].split())


def _end(piece: Scalar) -> int:
    return piece.index + len(piece.text)
