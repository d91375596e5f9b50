"""What the pages are made from: the ledger, the policies in force, and what this process counts."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock, Thread
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection, Engine, PoolProxiedConnection
from sqlalchemy.exc import SQLAlchemyError

from runner.adapters.metering import Tally
from runner.adapters.sql.store import Transaction, open_for_reading
from runner.errors import StoreError
from runner.policy.model import Policy
from runner.settings import Settings

T = TypeVar("T")


class Writer(Protocol):
    """The daemon's own writer, from whatever loop."""

    def __call__(self, work: Callable[[Transaction], T]) -> Awaitable[T]:
        """As `SqlStore.write`."""
        ...


@dataclass(slots=True)
class Source:
    """
    Attributes:
        policies: Those in force; after an edit the following ones.
        beat_at: The monotonic moment at which the daemon last had nothing to do.
        writer: Takes what a person asks for; None: nobody does.
    """

    settings: Settings
    policies: Callable[[], Sequence[Policy]]
    tally: Tally
    beat_at: Callable[[], float]
    writer: Writer | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    _engine: Engine | None = field(default=None, init=False)
    _looking: PoolProxiedConnection | None = field(default=None, init=False)
    _lock: Any = field(default_factory=Lock, init=False)

    @contextmanager
    def ledger(self) -> Iterator[Connection]:
        """
        A connection that cannot write, all its reads at one moment.

        Raises:
            StoreError: there is no ledger, or it cannot be read.
        """
        with self._lock:
            if self._engine is None:
                self._engine = open_for_reading(self.settings.store)
        try:
            with self._engine.connect() as connection, connection.begin():
                yield connection
        except SQLAlchemyError as error:
            why = getattr(error, "orig", None) or type(error).__name__
            raise StoreError(f"the ledger cannot be read: {why}") from None

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """
        Have the daemon write something down; it is durable when this returns.

        Raises:
            StoreError: the ledger takes no write, or there is no daemon.
        """
        if self.writer is None:
            raise StoreError("nobody writes into this ledger", hint="start the daemon: runner up")
        return await self.writer(work)

    def version(self) -> int:
        """
        A number that changes with whatever another connection has committed.

        Raises:
            StoreError: there is no ledger.
        """
        with self._lock:
            if self._engine is None:
                self._engine = open_for_reading(self.settings.store)
            if self._looking is None:
                self._looking = self._engine.raw_connection()
            return int(self._looking.cursor().execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Let go of the ledger."""
        with self._lock:
            if self._looking is not None:
                self._looking.close()
                self._looking = None
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None


class Kept(Generic[T]):
    """
    A value that is made again when it is older than so many seconds.

    Who asks while it is being made waits for that one: many probes are one question.
    """

    def __init__(
        self, make: Callable[[], T], seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._make = make
        self._seconds = seconds
        self._monotonic = monotonic
        self._lock = Lock()
        self._value: tuple[float, T] | None = None

    def get(self) -> T:
        """The value, not older than allowed."""
        with self._lock:
            now = self._monotonic()
            if self._value is None or now - self._value[0] >= self._seconds:
                self._value = (now, self._make())
            return self._value[1]

    def quick(self) -> T:
        """
        The value at once, if there ever was one: an old one is made anew meanwhile.

        For sums over weeks, which a page need not wait for.
        """
        known = self._value
        if known is None:
            return self.get()
        if self._monotonic() - known[0] >= self._seconds and not self._lock.locked():
            Thread(target=self._renew, name="sums", daemon=True).start()
        return known[1]

    def _renew(self) -> None:
        with suppress(StoreError):  # whoever asks next is told
            self.get()
