"""The ledger's database without threads, for tests that ask it thousands of questions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from runner.adapters.sql.store import SqlStore, _settle, _Work
from runner.adapters.sql.transaction import Transaction

T = TypeVar("T")


class InlineStore(SqlStore):
    """Every read and write is done when its call returns."""

    def enqueue(
        self, work: Callable[[Transaction], T], *, about: str | None = None
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._commit([_Work(work, future, about)])
        return future

    async def read(self, query: Callable[[Connection], T]) -> T:
        return self._query(query)

    def _tell(self, batch: Sequence[_Work]) -> None:
        _settle(batch)

    def _begin(self) -> None:
        """No thread."""

    async def _end(self) -> None:
        """Nothing has queued up."""
