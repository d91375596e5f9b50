"""
Reading `pay_each`: the rows of a table, as receivers and amounts.

Source: rule X7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runner.frozen import frozen
from runner.policy.beside import Neighbour
from runner.policy.codes import Code
from runner.policy.faults import brief, did_you_mean, listed, shown
from runner.policy.language import COLUMNS
from runner.policy.nodes import Scalar
from runner.policy.reader import Reader
from runner.policy.record import Record
from runner.policy.scalars import parse_text
from runner.policy.table import Table, read_table

Find = Callable[[str, tuple[str, ...]], Neighbour]
"""Finds a file beside the policy by the text of its path; raises Refusal."""

_NEEDED = {"to", "amount"}

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
        what = f"{table.name} has no row below its header"
        reader.fault(Code.EMPTY, what, at, "a payment of nobody is none")
    if len(table.rows) > MOST_ROWS:
        what = f"{table.name} has {len(table.rows)} rows, a batch takes {MOST_ROWS}"
        hint = "split the table, one schedule for each part"
        reader.fault(Code.TOO_MANY_ROWS, what, at, hint)
        return
    for cells in table.rows:
        row = {name: cells[place] for name, place in places.items()}
        if _is_payment(reader, row, cells[0]):
            yield Row(
                row["to"], row["amount"], _note(reader, row, "memo"), _note(reader, row, "ref")
            )


def _is_payment(reader: Reader, row: dict[str, Scalar], start: Scalar) -> bool:
    """Tell whether a row says whom to pay how much; report what it says instead."""
    if start.text.startswith("#"):
        what = "tables have no comments"
        reader.fault(Code.BAD_CSV, what, start, "delete the line, or move it to the policy")
        return False
    sound = True
    for name in ("to", "amount"):
        cell = row[name]
        if not cell.text:
            what = f"the cell for `{name}` is empty"
            at = cell if cell.index > start.index else start
            reader.fault(Code.NO_VALUE, what, at, "fill it in")
        elif "${" in cell.text:
            what = f"{shown(cell.text)}: variables are not filled in in tables"
            reader.fault(Code.BAD_VARIABLE, what, cell, "write the value itself")
        else:
            continue
        sound = False
    return sound


def _note(reader: Reader, row: dict[str, Scalar], name: str) -> str | None:
    cell = row.get(name)
    if cell is None or not cell.text:
        return None
    return reader.read(cell, parse_text, None)


def _columns(record: Record, table: Table) -> dict[str, int] | None:
    """Return at which place each part of a payment stands, or None and a fault."""
    reader, at, node = record.reader, record.fields["csv"], record.get("columns")
    named = None if node is None else reader.record(node, COLUMNS)
    if node is not None and named is None:
        return None
    headers = [cell.text for cell in table.header]
    if len(headers) == 1 and (";" in headers[0] or "\t" in headers[0]):
        what = f"{table.name} has one column"
        reader.fault(Code.BAD_CSV, what, at, "cells are separated by commas")
        return None
    places: dict[str, int] = {}
    missing: list[str] = []
    for name in COLUMNS.keys:
        written = None if named is None else named.get(name)
        wanted = name if written is None else reader.read(written, parse_text, "")
        if wanted in headers:
            places[name] = headers.index(wanted)
        elif written is not None:
            if wanted:
                what = f"{table.name} has no column {shown(wanted)}"
                reader.fault(Code.BAD_CSV, what, written, did_you_mean(wanted, headers, "columns"))
        elif name in _NEEDED and (named is None or named.lacks(name)):
            missing.append(name)
    if missing:
        called = " and ".join(f"`{name}`" for name in missing)
        what = f"{table.name} has no column{'s' * (len(missing) > 1)} {called}"
        reader.fault(Code.BAD_CSV, what, at, _how_to_name(missing, headers))
    return places if places.keys() >= _NEEDED else None


def _how_to_name(missing: list[str], headers: list[str]) -> str:
    from runner.policy.advice import likely_key  # noqa: PLC0415 (only messages need it)

    found = {likely_key(header, missing): header for header in reversed(headers)}
    columns = ", ".join(f"{name}: {brief(found.get(name, '…'))}" for name in missing)
    return f"say which by columns: {{{columns}}}; the table's first line names {listed(headers)}"
