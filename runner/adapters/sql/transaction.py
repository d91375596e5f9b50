"""
What a piece of writing sees of the ledger: alone, or together with others that share its commit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection

from runner.adapters.sql.prepared import Among, Prepared

T = TypeVar("T")

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str).encode


class Transaction:
    """
    What one piece of writing sees, or several that share a commit.

    What changes one row by its key may be put off, so that all pieces of a commit write such rows
    by few statements. Whoever takes the `connection` finds that done.

    Args:
        runs: Those that the pieces are about; what is read of one may be read of all.
        together: Whether writing may be put off. A piece on its own is to see at once what it did.
    """

    def __init__(
        self,
        connection: Connection,
        incarnation: str,
        *,
        runs: frozenset[str] = frozenset(),
        together: bool = False,
    ) -> None:
        self.incarnation = incarnation
        self.events: list[tuple[datetime, str, str, str]] = []
        self.runs = runs
        self._connection = connection
        self._together = together
        self._put_off: dict[Prepared, dict[Any, Mapping[str, Any]]] = {}
        self._unchecked: set[Prepared] = set()
        self._known: dict[Any, Any] = {}
        self._begun: set[str] = set()
        self._taken = False
        self._broken = False

    def begin(self, run: str | None) -> None:
        """A piece begins, about this run if any; it finds what those before it have left."""
        if run in self._begun:
            self.carry_out()
        if run is not None:
            self._begun.add(run)
        if self._taken:  # and written through since, maybe
            self._known.clear()
            self._taken = False

    @property
    def connection(self) -> Connection:
        """To read and write whatever it be; what was known before may be otherwise after it."""
        self.carry_out()
        self._known.clear()
        self._taken = True
        return self._connection

    def write(
        self,
        statement: Prepared,
        key: object,
        values: Mapping[str, Any],
        *,
        checked: bool = True,
        replaces: bool = False,
    ) -> bool:
        """
        Write the row of this key, or put it off; statements keep the order of their first use.

        Args:
            checked: Whether a row that is not there, or not as expected, is a conflict.
            replaces: Whether nothing is left of what the same statement wrote under this key.

        Returns:
            False: there was no such row to change. If put off, True: should that prove wrong, the
            commit is undone, and each of its pieces is run again by itself.
        """
        if not self._together:
            return statement.run(self._connection, **values) == 1 or not checked
        rows = self._put_off.get(statement)
        if rows is None:
            rows = self._put_off[statement] = {}
            if not checked:
                self._unchecked.add(statement)
        elif key in rows and not replaces:  # one after the other, with whatever lies between
            self.carry_out()
            rows = self._put_off[statement] = {}
        rows[key] = values
        return True

    def carry_out(self) -> None:
        """Write what was put off."""
        if self._broken:
            raise NotTogether
        if not self._put_off:
            return
        self._broken = True  # unless all of it succeeds: whoever caught the fault would hide it
        put_off, self._put_off = self._put_off, {}
        for statement, rows in put_off.items():
            written = statement.run_many(self._connection, rows.values())
            if written != len(rows) and statement not in self._unchecked:
                raise NotTogether
        self._broken = False
        self._known.clear()

    def recall(self, key: object, read: Callable[[Connection], T]) -> T:
        """
        What stands in the ledger, read once for all pieces of a commit.

        Only for what nobody puts off who may share the commit: the look does not wait for that.
        """
        if key not in self._known:
            self._known[key] = read(self._connection)
        known: T = self._known[key]
        return known

    def of_run(self, look: Among, run: str) -> list[Any]:
        """The rows of one run; where others share the commit, one look finds those of all."""
        if run not in self.runs:
            return look.all(self._connection, [run])
        return self.recall(look, lambda c: _by_run(look.all(c, sorted(self.runs)))).get(run, [])

    def event(self, at: datetime, kind: str, subject: str, **data: Any) -> None:
        """Record what happened, in the same transaction as its effect; no secrets."""
        self.events.append((at, kind, subject, event_data(**data)))


def _by_run(rows: Sequence[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row.run, []).append(row)
    return found


class NotTogether(Exception):
    """What was put off cannot all be done as it was meant."""


def event_data(**data: Any) -> str:
    """What an event tells, as its row keeps it."""
    return _encode(data)
