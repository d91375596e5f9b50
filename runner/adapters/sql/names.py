"""
What schedules and sessions are called today, beside the uid that they keep (S1, T10).

The ledger's rows know uids alone; people know names alone. Whoever reads for people, or writes
down what they say, translates here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from runner.adapters.sql import tables as t
from runner.adapters.sql.prepared import Prepared
from runner.adapters.sql.transaction import Transaction
from runner.errors import UsageError
from runner.planning.facts import SCHEDULE, SESSION, Identities
from runner.planning.renames import Named

_UIDS = Prepared(select(t.schedules.c.uid))


class Names:
    """The names of one moment, both ways."""

    def __init__(self, connection: Connection) -> None:
        rows = connection.execute(select(t.names)).all()
        self._names: dict[tuple[str, str], str] = {(row.kind, row.uid): row.name for row in rows}
        self._uids: dict[tuple[str, str], str] = {(row.kind, row.name): row.uid for row in rows}

    def schedule(self, uid: str) -> str:
        """Today's name of a schedule; what is none (an account's own work) stays as it is."""
        return self._names.get((SCHEDULE, uid), uid)

    def session(self, uid: str) -> str:
        """Today's name of a session."""
        return self._names.get((SESSION, uid), uid)

    def of(self, kind: str, uid: str) -> str:
        """Today's name of a schedule or session; anything else keeps its own."""
        return self._names.get((kind, uid), uid)

    def told(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of an event by today's names."""
        kinds = (SCHEDULE, SESSION)
        return dict(fields) | {one: self.of(one, fields[one]) for one in kinds if one in fields}

    def uid(self, kind: str, name: str) -> str:
        """
        The uid that a person means.

        Raises:
            UsageError: that is what it was called before.
        """
        found = self._uids.get((kind, name))
        if found is not None:
            return found
        today = self._names.get((kind, name))
        if today is not None:
            raise UsageError(
                f"{kind} {name} is called {today} now", hint=f"did you mean `{today}`?"
            )
        return name

    def meant(self, kind: str, name: str) -> str:
        """As `uid`, where a former name may be asked for as well: who looks does no harm."""
        return self._uids.get((kind, name), name)

    def target(self, kind: str, name: str) -> str:
        """
        The target of a wish: a schedule or a session, perhaps one of its generations; or a run.

        Raises:
            UsageError: as `uid`.
        """
        name, mark, generation = name.partition("#")
        about = SESSION if kind.startswith("grant.") else SCHEDULE
        return self.uid(about, name) + mark + generation

    def budget(self, name: str) -> str:
        """A budget by today's names; its second part is a uid."""
        kind, mark, rest = name.partition(":")
        uid, more, what = rest.partition(":")
        return kind + mark + self.of(kind, uid) + more + what


def identities(connection: Connection) -> Identities:
    """All schedules and sessions that the ledger knows."""
    names = Names(connection)
    schedules = [uid for (uid,) in _UIDS.all(connection)]
    sessions = {
        *connection.scalars(select(t.schedules.c.session).distinct()),
        *connection.scalars(select(t.grants.c.session).distinct()),
    }
    return Identities(
        {uid: names.schedule(uid) for uid in schedules},
        {uid: names.session(uid) for uid in sessions},
    )


def write_names(transaction: Transaction, named: Iterable[Named], *, now: datetime) -> None:
    """Bring the names to those of the policies in force; a change leaves an event."""
    known = Names(transaction.connection)
    changed = [one for one in named if known.of(one.kind, one.uid) != one.name]
    table = t.names.c
    for one in changed:  # first let go of all: two may have swapped their names
        transaction.connection.execute(
            delete(t.names).where(table.kind == one.kind, table.uid == one.uid)
        )
    for one in changed:
        if one.name != one.uid:
            transaction.connection.execute(
                upsert(t.names).values(kind=one.kind, uid=one.uid, name=one.name)
            )
        was = known.of(one.kind, one.uid)
        transaction.event(now, f"{one.kind}.renamed", one.uid, was=was, name=one.name)
