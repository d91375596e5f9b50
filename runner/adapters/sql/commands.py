"""
Wishes of operators (O10): written beside whoever holds the ledger, who acts on them and answers.

The answer is written in the transaction of the deed, and once: a wish is carried out or it is
not, whenever a process dies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from runner.adapters.sql import pauses
from runner.adapters.sql import tables as t
from runner.adapters.sql.names import Names
from runner.adapters.sql.prepared import Prepared
from runner.adapters.sql.store import SqlStore
from runner.adapters.sql.transaction import Transaction
from runner.errors import Conflict
from runner.records import Command, CommandState, Pause, Wish

_ASKED = Prepared(
    select(t.commands)
    .where(t.commands.c.state == CommandState.ASKED.value)
    .order_by(t.commands.c.id)
)


class CommandRows:
    """The ledger's half about wishes: `ports.Commands`."""

    _store: SqlStore

    async def version(self) -> int:
        """A number that changes with whatever another connection has committed."""
        return await self._store.version()

    async def asked(self) -> list[Command]:
        """Wishes that nobody has acted on, oldest first."""
        return await self._store.glance(lambda c: [_command(row) for row in _ASKED.all(c)])

    async def answer(
        self,
        command: Command,
        state: CommandState,
        text: str,
        *,
        data: Mapping[str, Any] = MappingProxyType({}),
        now: datetime,
    ) -> None:
        """Say what came of a wish that changes nothing else here."""
        await self._store.write(lambda tx: answer(tx, command, state, text, data=data, now=now))

    async def pauses(self) -> list[Pause]:
        """What is paused or stopped."""
        return await self._store.glance(pauses.in_force)

    async def lift_ended(self, *, now: datetime) -> list[Pause]:
        """Pauses whose end has come are over (O1)."""
        return await self._store.write(lambda tx: pauses.lift_ended(tx, now=now))


def ask(transaction: Transaction, wish: Wish) -> int:
    """
    Write a wish down; its id.

    Raises:
        UsageError: it names something by what it was called before (T10).
    """
    target = Names(transaction.connection).target(wish.kind, wish.target)
    values = {
        "kind": wish.kind,
        "target": target,
        "arguments": json.dumps(dict(wish.arguments), sort_keys=True),
        "author": wish.author,
        "reason": wish.reason,
        "asked_at": wish.asked_at,
        "state": CommandState.ASKED.value,
    }
    row = transaction.connection.execute(
        insert(t.commands).values(values).returning(t.commands.c.id)
    )
    identity = int(row.scalar_one())
    transaction.event(
        wish.asked_at,
        f"command.{wish.kind}",
        target,
        command=identity,
        author=wish.author,
        reason=wish.reason,
        arguments=dict(wish.arguments),
    )
    return identity


def answer(
    transaction: Transaction,
    command: Command,
    state: CommandState,
    text: str,
    *,
    data: Mapping[str, Any] = MappingProxyType({}),
    now: datetime,
) -> None:
    """
    Say what came of a wish, in the transaction of what was done about it.

    Raises:
        Conflict: somebody has acted on it.
    """
    changed = transaction.connection.execute(
        update(t.commands)
        .where(t.commands.c.id == command.id, t.commands.c.state == CommandState.ASKED.value)
        .values(state=state.value, answer=text, data=json.dumps(dict(data)), acted_at=now)
    )
    if changed.rowcount != 1:
        raise Conflict(f"command {command.id} was acted on by another")
    transaction.event(
        now,
        f"command.{state}",
        command.wish.target,
        command=command.id,
        author=command.wish.author,
        reason=command.wish.reason,
        answer=text,
    )


def command_by_id(connection: Connection, identity: int) -> Command:
    """One wish as it stands."""
    return _command(connection.execute(select(t.commands).where(t.commands.c.id == identity)).one())


def _command(row: Row[Any]) -> Command:
    wish = Wish(
        kind=row.kind,
        target=row.target,
        author=row.author,
        reason=row.reason,
        asked_at=row.asked_at,
        arguments=json.loads(row.arguments),
    )
    data = json.loads(row.data or "{}")
    return Command(row.id, wish, CommandState(row.state), row.answer, row.acted_at, data)
