"""
CSV → rows of cells that know where they stand.

Source: RFC 4180, read strictly: commas, double quotes, one header, equal rows. A line feed may
end a line alone, and blanks around a cell do not count.
"""

from __future__ import annotations

import re

from runner.frozen import frozen
from runner.policy.beside import Neighbour
from runner.policy.characters import (
    DELETE_BREAK,
    HIDDEN_BREAK,
    decoded,
    may_hide_breaks,
    refuse_unseen,
)
from runner.policy.codes import Code
from runner.policy.faults import Faults, shown
from runner.policy.nodes import CELL, Scalar, Source

_CELL = re.compile(
    r'[ \t]*(?:"(?P<quoted>(?:[^"]|"")*)"[ \t]*|(?P<plain>[^",\r\n]*))(?P<end>,|\r?\n|\Z)'
)


@frozen
class Table:
    """A table as messages call it, and its cells: of its header, and as many in each row."""

    name: str
    source: Source
    header: list[Scalar]
    rows: list[list[Scalar]]


def read_table(file: Neighbour, faults: Faults) -> Table | None:
    """Read a table; None and a fault, in the table's own file, if it is none."""
    text, broken = decoded(file.raw)
    source = Source(file.name, text)
    if broken is not None:
        hint = "save it as UTF-8"
        faults.add(Code.NOT_UTF8, "the file is not UTF-8 text", _place(source, broken), hint)
        return None
    if refuse_unseen(source, faults) or _hides_breaks(source, faults):
        return None
    lines = _lines(source, faults)
    if lines is None:
        return None
    if not lines:
        hint = "its first line names the columns: to,amount,memo"
        faults.add(Code.BAD_CSV, "the table is empty", _place(source, 0), hint)
        return None
    header, *rows = lines
    return Table(file.written, source, header, rows) if _is_even(header, rows, faults) else None


def _hides_breaks(source: Source, faults: Faults) -> bool:
    found = HIDDEN_BREAK.search(source.text) if may_hide_breaks(source.text) else None
    if found is not None:
        what = f"character U+{ord(found[0]):04X} ends a line for some programs, not for others"
        at = _place(source, found.start())
        faults.add(Code.HIDDEN_LINE_BREAK, what, at, DELETE_BREAK)
    return found is not None


def _place(source: Source, index: int) -> Scalar:
    return Scalar(source, index, "", CELL)


def _lines(source: Source, faults: Faults) -> list[list[Scalar]] | None:
    lines: list[list[Scalar]] = []
    line: list[Scalar] = []
    place, text = 0, source.text
    while True:
        match = _CELL.match(text, place)
        if match is None:
            at = place + len(text[place:]) - len(text[place:].lstrip(" \t"))
            what = "a quote is not closed, or stands inside of a cell"
            hint = 'quote the whole cell, and write a quote inside of it twice: "say ""hi"""'
            faults.add(Code.BAD_CSV, what, _place(source, at), hint)
            return None
        line.append(_cell(source, match))
        place = match.end()
        if match["end"] != ",":
            if len(line) > 1 or line[0].text or match["quoted"] is not None:
                lines.append(line)
            line = []
            if place >= len(text):
                return lines


def _cell(source: Source, match: re.Match[str]) -> Scalar:
    if match["quoted"] is not None:
        start = match.start("quoted") - 1
        return Scalar(source, start, match["quoted"].replace('""', '"'), CELL)
    text = match["plain"]
    start = match.start("plain") + len(text) - len(text.lstrip(" \t"))
    return Scalar(source, start, text.strip(" \t"), CELL)


def _is_even(header: list[Scalar], rows: list[list[Scalar]], faults: Faults) -> bool:
    sound = True
    seen: set[str] = set()
    for cell in header:
        if cell.text in seen:
            what = f"two columns are called {shown(cell.text)}"
            faults.add(Code.BAD_CSV, what, cell, "rename one of them")
            sound = False
        seen.add(cell.text)
    for row in rows:
        if len(row) != len(header):
            what = f"this line has {len(row)} cells, the header has {len(header)}"
            hint = "a cell that holds a comma stands between double quotes"
            faults.add(Code.BAD_CSV, what, row[0], hint)
            sound = False
    return sound
