"""What the pages are made from: the ledger, the policies in force, and what this process counts."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock, Thread
from typing import Any, Final, Generic, Protocol, TypeVar

from sqlalchemy import Connection, Engine, PoolProxiedConnection
from sqlalchemy.exc import SQLAlchemyError

from runner.adapters.metering import Tally
from runner.adapters.sql.store import open_for_reading
from runner.adapters.sql.transaction import Transaction
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


_TURN: Final = Lock()
"""Sums are made one after the other: a page is no reason to crowd out payments."""

_FORGOTTEN: Final = 6
"""Older than so many of its spans, a value is not worth showing while it is made anew."""


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
        self._starting = Lock()
        self._value: tuple[float, T] | None = None
        self._coming: Future[T] | None = None

    def get(self) -> T:
        """The value, not older than allowed."""
        with self._lock:
            now = self._monotonic()
            if self._value is None or now - self._value[0] >= self._seconds:
                self._value = (now, self._make())
            return self._value[1]

    def begin(self) -> Future[T]:
        """Have it made in a thread of its own, unless it is on the way or young enough."""
        with self._starting:
            known = self._value
            if known is not None and self._is_young(1):
                self._coming = Future()
                self._coming.set_result(known[1])
            elif self._coming is None or self._coming.done():
                self._coming = Future()
                Thread(target=self._renew, args=(self._coming,), name="sums", daemon=True).start()
            return self._coming

    def shown(self) -> T | None:
        """What there is of it at once, also if a little old; None: nothing worth showing."""
        known = self._value
        return known[1] if known is not None and self._is_young(_FORGOTTEN) else None

    def _is_young(self, spans: int) -> bool:
        known = self._value
        return known is not None and self._monotonic() - known[0] < self._seconds * spans

    def _renew(self, coming: Future[T]) -> None:
        try:
            with _TURN:
                found = self.get()
        except Exception as error:  # whoever waits for it is told
            coming.set_exception(error)
        else:
            coming.set_result(found)


class Patience:
    """
    How long one page waits for its sums, all in all: what is ready by then it shows, and says that
    the rest is to follow.
    """

    def __init__(
        self,
        seconds: float,
        *,
        asks: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            seconds: Counted from the first sum that is asked for.
            asks: False: nothing is made for it, it shows what there is.
        """
        self._seconds = seconds
        self._asks = asks
        self._monotonic = monotonic
        self._end: float | None = None
        self.is_over = False
        """Whether anything was not ready."""

    def of(self, kept: Kept[T]) -> T | None:
        """
        The value of one of them, or None.

        Raises:
            StoreError: it cannot be made.
        """
        if not self._asks:
            return kept.shown()
        if self._end is None:
            self._end = self._monotonic() + self._seconds
        try:
            return kept.begin().result(max(self._end - self._monotonic(), 0.0))
        except TimeoutError:
            self.is_over = True
            return kept.shown()
