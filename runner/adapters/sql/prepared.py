"""
Statements that are compiled once: what every payment reads and writes, at the driver's own price.

Through SQLAlchemy a look at one row by its key costs many times what the database takes for it:
the statement is built, its cache key computed, a context and a result made. Here a statement is
written in SQLAlchemy Core all the same, for its types and dialects, and compiled when it is first
used; from then on it goes straight to the driver, on the connection and in the transaction of
whoever asks. Faults come as SQLAlchemy's, so that nobody has to tell the two ways apart.

`tests/bench/bench_ledger.py` measures one beside the other.
"""

from __future__ import annotations

import re
import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, count
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Select, UpdateBase, bindparam
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

Processor = Callable[[Any], Any]

_INSERTION = re.compile(
    r"^(?P<before>INSERT INTO .* VALUES )(?P<row>\([?, ]+\))(?P<after>(?: ON CONFLICT .*)?)$",
    re.DOTALL,
)
_CHANGE = re.compile(r"^(?P<change>UPDATE (?:(?! WHERE ).)*)(?P<which> WHERE .*)$", re.DOTALL)
_SHEAVES = (64, 16, 4) if sqlite3.sqlite_version_info >= (3, 33) else ()  # it has UPDATE … FROM
"""
Rows that are written by one statement. For each statement the driver hands the interpreter over
and gets in line for it again, behind a loop that has much to do.
"""


def given(name: str, type_: TypeEngine[Any] | None = None) -> BindParameter[Any]:
    """A value that differs from use to use; its type is that of what it stands beside."""
    return bindparam(name, None, type_, required=False)


class Prepared:
    """
    One statement; what is `given` is handed over by name, whatever else it holds is fixed.

    Args:
        columns: Of an insertion: what each row names.
    """

    def __init__(self, statement: Any, *, columns: Sequence[str] | None = None) -> None:
        self._statement = statement
        self._names = columns
        self._dialect: type[Dialect] | None = None
        self._text = ""
        self._binds: list[tuple[str | None, Any, Processor | None]] = []
        self._processors: list[tuple[int, Processor]] = []
        self._row: Callable[..., Any] = _unnamed
        self._by_size: dict[int, str] = {}

    def run(self, connection: Connection, **values: Any) -> int:
        """Change rows; returns how many were changed."""
        return int(self._execute(connection, values).rowcount)

    def run_many(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> int:
        """
        The same for many sets of values, many to a statement.

        No two of them are of the same row: which would come first is not said.
        """
        self._compile(connection.dialect)
        every = list(rows)
        bound = list(zip(*(_column(place, every) for place in self._binds), strict=True))
        driver, changed, at = _driver(connection), 0, 0
        try:
            for size, text in self._by_size.items():
                while len(bound) - at >= size:
                    sheaf = list(chain.from_iterable(bound[at : at + size]))
                    changed += driver.execute(text, sheaf).rowcount
                    at += size
            if at == len(bound):
                return changed
            return changed + int(driver.executemany(self._text, bound[at:]).rowcount)
        except connection.dialect.loaded_dbapi.Error as error:
            raise _translated(error, self._text, connection.dialect) from None

    def all(self, connection: Connection, **values: Any) -> list[Any]:
        """Every row, its columns by name."""
        return [self._read(row) for row in self._execute(connection, values).fetchall()]

    def many(self, connection: Connection, **values: Any) -> Iterator[Any]:
        """
        As `all`, for a hundred thousand rows: what stands in a column again and again is read once,
        so it has to be a value that never changes.
        """
        rows = self._execute(connection, values).fetchall()
        columns = list(zip(*rows, strict=True))
        for place, process in self._processors if rows else ():
            known = {value: process(value) for value in set(columns[place])}
            columns[place] = tuple(map(known.__getitem__, columns[place]))
        return map(self._row, *columns) if rows else iter(())

    def first(self, connection: Connection, **values: Any) -> Any:
        """The first row; None: there is none."""
        row = self._execute(connection, values).fetchone()
        return None if row is None else self._read(row)

    def scalar(self, connection: Connection, **values: Any) -> Any:
        """The first column of the first row; None: there is none."""
        row = self.first(connection, **values)
        return None if row is None else row[0]

    def _execute(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        self._compile(connection.dialect)
        bound = self._bound(values)
        try:
            return _driver(connection).execute(self._text, bound)
        except connection.dialect.loaded_dbapi.Error as error:
            raise _translated(error, self._text, connection.dialect) from None

    def _bound(self, values: Mapping[str, Any]) -> list[Any]:
        """In the order of the text. A value that is missing is a KeyError, never a NULL."""
        return [
            fixed if name is None else values[name] if process is None else process(values[name])
            for name, fixed, process in self._binds
        ]

    def _read(self, row: Sequence[Any]) -> Any:
        if not self._processors:
            return self._row(*row)
        read = list(row)
        for place, process in self._processors:
            read[place] = process(read[place])
        return self._row(*read)

    def _compile(self, dialect: Dialect) -> None:
        if self._dialect is type(dialect):
            return
        compiled = self._statement.compile(
            dialect=dialect,
            column_keys=None if self._names is None else list(self._names),
            compile_kwargs={"render_postcompile": True},
        )
        known = compiled.construct_params(_check=False)
        self._binds = [
            _bind(compiled.binds.get(name), name, known[name], dialect)
            for name in compiled.positiontup
        ]
        self._text = str(compiled)
        self._by_size = {size: sheaf for size in _SHEAVES if (sheaf := _sheaf(self._text, size))}
        if isinstance(self._statement, (Select, UpdateBase)):
            columns = list(self._statement.exported_columns)  # of a change: what it returns
            readers = [_of(one.type, dialect).result_processor(dialect, None) for one in columns]
            self._processors = [(n, each) for n, each in enumerate(readers) if each is not None]
            self._row = namedtuple("Row", [one.name for one in columns])  # type: ignore[misc]  # the names are those of the statement
        self._dialect = type(dialect)  # the last: another thread may have come as far as this


class Among:
    """
    A look at many rows by their keys.

    The keys stand in the text one by one, so it is compiled for a few numbers of them; places that
    are left over repeat the last key.
    """

    _SIZES = (4, 32, 500)  # the last stays below what SQLite admits in a statement

    def __init__(self, query: Select[Any], key: ColumnElement[Any]) -> None:
        self._sized = {
            size: Prepared(query.where(key.in_([given(f"key_{n}", key.type) for n in range(size)])))
            for size in self._SIZES
        }

    def all(self, connection: Connection, keys: Sequence[Any]) -> list[Any]:
        """Every row with one of these keys, its columns by name."""
        found: list[Any] = []
        most = self._SIZES[-1]
        for start in range(0, len(keys), most):
            some = list(keys[start : start + most])
            size = next(each for each in self._SIZES if each >= len(some))
            some += some[-1:] * (size - len(some))
            named = {f"key_{n}": key for n, key in enumerate(some)}
            found += self._sized[size].all(connection, **named)
        return found


def _sheaf(text: str, size: int) -> str:
    """A statement that writes one row as one that writes so many; empty where it cannot be one."""
    if found := _INSERTION.match(text):
        return found["before"] + ", ".join([found["row"]] * size) + found["after"]
    if found := _CHANGE.match(text):
        number = count(1)
        change, which = (
            re.sub(r"\?", lambda _: f"given.column{next(number)}", found[part])
            for part in ("change", "which")
        )
        row = f"({', '.join('?' * text.count('?'))})"
        return f"{change} FROM (VALUES {', '.join([row] * size)}) AS given{which}"
    return ""


def _column(
    place: tuple[str | None, Any, Processor | None], rows: Sequence[Mapping[str, Any]]
) -> list[Any]:
    """One place of the text in all rows; what stands there again and again is processed once."""
    name, fixed, process = place
    if name is None:
        return [fixed] * len(rows)
    column = [values[name] for values in rows]
    if process is None:
        return column
    known = {value: process(value) for value in set(column)}
    return [known[value] for value in column]


def _bind(
    bind: BindParameter[Any] | None, name: str, value: Any, dialect: Dialect
) -> tuple[str | None, Any, Processor | None]:
    """How a place of the text is filled: by what is given under a name, or always alike."""
    process = None if bind is None else _of(bind.type, dialect).bind_processor(dialect)
    if bind is None or bind.unique:
        return None, value if process is None else process(value), None
    return name, None, process


def _unnamed(*values: Any) -> tuple[Any, ...]:
    """A row of a statement that is written as text: nobody knows its columns."""
    return values


def _of(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    return type_.dialect_impl(dialect)


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _translated(error: Exception, text: str, dialect: Dialect) -> Exception:
    """The driver's fault as SQLAlchemy's; values are told to nobody."""
    return DBAPIError.instance(text, None, error, dialect.loaded_dbapi.Error, hide_parameters=True)
