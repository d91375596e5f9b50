"""
Reading `pay_each`: the rows of a table, as receivers and amounts.

Source: rule X7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runner.frozen import frozen
from runner.policy.beside import Neighbour
from runner.policy.codes import Code
from runner.policy.faults import did_you_mean, shown
from runner.policy.language import COLUMNS
from runner.policy.nodes import Node, Scalar
from runner.policy.reader import Reader
from runner.policy.record import Record
from runner.policy.scalars import parse_text
from runner.policy.table import Table, read_table

Find = Callable[[str, tuple[str, ...]], Neighbour]
"""Finds a file beside the policy by the text of its path; raises Refusal."""

MOST_ROWS = 50
"""Of one batch: a run is one operation, and it must fit into a block."""


@frozen
class Row:
    """One payment of a table."""

    to: Scalar
    amount: Scalar
    memo: str | None
    ref: str | None


def read_rows(record: Record, find: Find) -> Iterator[Row]:
    """Read the table that `pay_each` names; faults of its rows point into the table."""
    reader, at = record.reader, record.fields["csv"]
    file = reader.read(at, lambda text: find(text, (".csv",)), None)
    table = None if file is None else read_table(file, reader.faults)
    places = None if table is None else _columns(record, table)
    if table is None or places is None:
        return
    if not table.rows:
        what = f"{shown(table.source.file)} has no row below its header"
        reader.fault(Code.EMPTY, what, at, "a payment of nobody is none")
    if len(table.rows) > MOST_ROWS:
        what = f"{shown(table.source.file)} has {len(table.rows)} rows, a batch takes {MOST_ROWS}"
        hint = "split the table, one schedule for each part"
        reader.fault(Code.TOO_MANY_ROWS, what, at, hint)
        return
    for cells in table.rows:
        row = {name: cells[place] for name, place in places.items()}
        if all(_is_filled(reader, row[name], name, cells[0]) for name in ("to", "amount")):
            yield Row(
                row["to"], row["amount"], _note(reader, row, "memo"), _note(reader, row, "ref")
            )


def _is_filled(reader: Reader, cell: Scalar, name: str, line: Scalar) -> bool:
    if not cell.text:
        what = f"the cell for `{name}` is empty"
        reader.fault(Code.NO_VALUE, what, cell if cell.index > line.index else line, "fill it in")
    return bool(cell.text)


def _note(reader: Reader, row: dict[str, Scalar], name: str) -> str | None:
    cell = row.get(name)
    if cell is None or not cell.text:
        return None
    return reader.read(cell, parse_text, None)


def _columns(record: Record, table: Table) -> dict[str, int] | None:
    """Return at which place each part of a payment stands, or None and a fault."""
    reader = record.reader
    node = record.get("columns")
    named = None if node is None else reader.record(node, COLUMNS)
    headers = [cell.text for cell in table.header]
    if len(headers) == 1 and (";" in headers[0] or "\t" in headers[0]):
        what = f"{shown(table.source.file)} has one column"
        reader.fault(Code.BAD_CSV, what, record.fields["csv"], "cells are separated by commas")
        return None
    places: dict[str, int] = {}
    sound = named is not None or node is None
    for name in COLUMNS.keys:
        written = None if named is None else named.get(name)
        wanted = name if written is None else reader.read(written, parse_text, "")
        if wanted in headers:
            places[name] = headers.index(wanted)
        elif written is not None or name in ("to", "amount"):
            sound = False
            if wanted:
                _missing(reader, written or record.fields["csv"], wanted, name, table)
    return places if sound else None


def _missing(reader: Reader, at: Node, wanted: str, name: str, table: Table) -> None:
    headers = [cell.text for cell in table.header]
    hint = did_you_mean(wanted, headers, "columns")
    if hint.startswith("columns"):
        hint += f"; say which one by columns: {{{name}: …}}"
    what = f"{shown(table.source.file)} has no column {shown(wanted)}"
    reader.fault(Code.BAD_CSV, what, at, hint)
