"""
The ledger's database: opening it, one writer with group commit, readers beside it.

All writes go through one thread in the order in which they were asked for; what has queued up
meanwhile shares one transaction and one fsync. A write that was not awaited therefore reaches
the disk with or before the next one that is (S3).

SQLite: WAL, synchronous FULL, BEGIN IMMEDIATE, busy timeout 5 s (H7).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    event,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from runner.adapters.sql.prepared import Prepared
from runner.adapters.sql.tables import REVISION, events, incarnations, meta, metadata
from runner.adapters.sql.transaction import Transaction
from runner.adapters.vault import Vault
from runner.errors import LedgerEmpty, LedgerHeld, StoreError
from runner.version import __version__

T = TypeVar("T")

_MOST_IN_ONE_COMMIT = 512

_CROWD = 4
_GATHERING_SECONDS = 0.01
"""
Pieces of a commit after which more are on their way, and how long these are waited for. A commit
has a price of its own; among many payments none is in a hurry of milliseconds.
"""

_BUSY_SECONDS = 60.0
"""So long a daemon that starts waits for whoever writes into its ledger: a backup, a copy."""

_FOR_A_COMMAND = ", for a command"

_VERSION = Prepared(text("PRAGMA data_version"))
_BEGIN_PIECE = Prepared(text("SAVEPOINT piece"))
_END_PIECE = Prepared(text("RELEASE SAVEPOINT piece"))
_UNDO_PIECE = Prepared(text("ROLLBACK TO SAVEPOINT piece"))
_ROOMY = "PRAGMA cache_size = -32768"
"""
In KiB, for who writes: pages beyond SQLite's usual 2 MB would be written out and read again before
they are committed.
"""

_EVENT = Prepared(
    insert(events), columns=["incarnation", "seq", "at", "kind", "subject", "data", "mac"]
)
_PATIENCE_SECONDS = 5.0


@dataclass(slots=True)
class _Work:
    run: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    about: str | None = None
    result: Any = None
    error: BaseException | None = None


class SqlStore:
    """An open ledger database, held by this process alone until `close`."""

    def __init__(
        self, engine: Engine, vault: Vault, incarnation: str, lock: int | None, role: str
    ) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reads=True)
        self._vault = vault
        self._lock = lock
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._seq = 0
        self._mac = b""
        self.incarnation = incarnation
        self._role = role
        self._looking: Connection | None = None
        self._looking_patience: float | None = None
        self._glancing: Connection | None = None
        self._writing: Connection | None = None
        self.failed: StoreError | None = None
        self._writer = threading.Thread(target=self._write_loop, name="ledger", daemon=True)

    @classmethod
    def open(
        cls,
        url: str,
        vault: Vault,
        *,
        now: datetime,
        create: bool,
        role: str = "daemon",
        alone: bool | None = None,
    ) -> Self:
        """
        Take hold of the ledger and write this process's incarnation row.

        Args:
            url: `sqlite:///path`.
            create: Whether a missing ledger may be made (sandbox profiles, `db init`; X19).
            role: `daemon` holds the ledger alone; a `verb` writes a wish beside it (O10).
            alone: Whether to hold the ledger; a verb that finds no daemon does, and acts itself.

        Raises:
            LedgerHeld: another process has it; names the holder.
            StoreError: it is missing, of another revision, or sealed by another key.
        """
        path = sqlite_path(url)
        if path is not None and not path.exists() and not create:
            raise StoreError(f"there is no ledger at {path}", hint="make one: runner db init")
        holds = role == "daemon" if alone is None else alone
        lock = _take_lock(path, role) if path is not None and holds else None
        try:
            if path is not None:
                _make_private(path)
            engine = make_engine(url)
            incarnation = vault.random(8).hex()
            store = cls(engine, vault, incarnation, lock, role)
            patience = _BUSY_SECONDS if role == "daemon" else 0.0
            with _translated("open the ledger"), _begun(engine, patience) as connection:
                _prepare_schema(connection, vault, create=create)
                row = {"pid": os.getpid(), "host": socket.gethostname(), "version": __version__}
                connection.execute(
                    insert(incarnations).values(id=incarnation, started_at=now, role=role, **row)
                )
                heads = _chain_heads(connection)
                transaction = Transaction(connection, incarnation)
                transaction.event(now, f"{role}.started", incarnation, heads=heads, **row)
                store._append_events(connection, transaction.events)
        except BaseException:  # whatever stops us, the next process finds the ledger free
            if lock is not None:
                os.close(lock)
            raise
        store._begin()
        return store

    async def write(self, work: Callable[[Transaction], T], *, about: str | None = None) -> T:
        """
        Run `work` in the writer's next transaction; returns when that is durable.

        It may be run twice, if something that shares the transaction fails: it changes rows and
        nothing else.

        Args:
            about: The run that it is about, if it is one.

        Raises:
            Conflict: a condition of `work` failed; nothing of it was written.
            StoreError: the database could not take it; nothing of it was written.
        """
        return await self.enqueue(work, about=about)

    def enqueue(
        self, work: Callable[[Transaction], T], *, about: str | None = None
    ) -> asyncio.Future[T]:
        """As `write`, without waiting: durable with or before whatever is written after it."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put(_Work(work, future, about))
        return future

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query on a connection of its own, beside the writer."""
        return await asyncio.to_thread(self._query, query)

    async def glance(self, query: Callable[[Connection], T]) -> T:
        """
        As `read`, for a few rows by their keys and prepared statements alone: here and now.

        Such a look takes the database some microseconds, less than to hand it to a thread. It
        waits for nobody: what somebody else has locked is read as `read` does it.
        """
        try:
            if self._glancing is None:
                self._glancing = self._reader.connect()
                with self._glancing.begin():
                    self._glancing.exec_driver_sql("PRAGMA busy_timeout = 0")
            return query(self._glancing)
        except SQLAlchemyError:
            return await self.read(query)

    async def version(self) -> int:
        """`PRAGMA data_version`: another number once another connection has committed."""
        try:
            return self._version()
        except StoreError:  # somebody has locked it: nobody waits for that here
            return await asyncio.to_thread(self._version, patience=_PATIENCE_SECONDS)

    def _version(self, *, patience: float = 0.0) -> int:
        with _translated("look at the ledger"):
            if self._looking is None:
                self._looking = self._reader.connect()
            if patience != self._looking_patience:
                with self._looking.begin():
                    wait = f"PRAGMA busy_timeout = {round(patience * 1000)}"
                    self._looking.exec_driver_sql(wait)
                self._looking_patience = patience
            return int(_VERSION.scalar(self._looking))

    def _query(self, query: Callable[[Connection], T]) -> T:
        with _translated("read the ledger"), self._reader.connect() as connection:
            return query(connection)

    async def close(self, *, now: datetime) -> None:
        """Write what has queued up, end the incarnation, let go of the lock."""

        def end(transaction: Transaction) -> None:
            transaction.connection.execute(
                incarnations.update()
                .where(incarnations.c.id == self.incarnation)
                .values(ended_at=now)
            )
            transaction.event(now, f"{self._role}.stopped", self.incarnation)

        try:
            await self.write(end)
        finally:
            await self._end()
            for looking in (self._looking, self._glancing, self._writing):
                if looking is not None:
                    looking.close()
            self._engine.dispose()
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    # ── the writer's thread ───────────────────────────────────────────────────────────────────

    def _begin(self) -> None:
        self._writer.start()

    async def _end(self) -> None:
        self._queue.put(None)
        await asyncio.to_thread(self._writer.join)

    def _write_loop(self) -> None:
        crowded = False
        while (first := self._queue.get()) is not None:
            if crowded:
                time.sleep(_GATHERING_SECONDS)
            batch = [first]
            while len(batch) < _MOST_IN_ONE_COMMIT:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    self._queue.put(None)
                    break
                batch.append(following)
            self._commit(batch)
            crowded = len(batch) >= _CROWD

    def _commit(self, batch: Sequence[_Work]) -> None:
        chain = (self._seq, self._mac)
        try:
            if self._writing is None:
                self._writing = self._engine.connect()
                with self._writing.begin():
                    self._writing.exec_driver_sql(_ROOMY)
            if not self._run_together(self._writing, batch):
                self._seq, self._mac = chain
                with self._writing.begin():
                    for work in batch:
                        self._run_one(self._writing, work)
        except Exception as error:  # the writer must outlive whatever the database does to it
            self._seq, self._mac = chain
            self._let_go()
            lost = StoreError(f"the ledger took no write: {_reason(error)}")
            for work in batch:
                work.error = work.error or lost
        self._tell(batch)

    def _let_go(self) -> None:
        """The writer's own connection, whose cache and statements are warm: the next is new."""
        writing, self._writing = self._writing, None
        if writing is not None:
            with suppress(SQLAlchemyError):
                writing.invalidate()
                writing.close()

    def _tell(self, batch: Sequence[_Work]) -> None:
        """Who waits hears of it, all of a loop at one knock: each costs a system call."""
        for loop in {work.future.get_loop() for work in batch}:
            mine = [work for work in batch if work.future.get_loop() is loop]
            with suppress(RuntimeError):  # a loop that has closed: nobody waits there any more
                loop.call_soon_threadsafe(_settle, mine)

    def _run_together(self, connection: Connection, batch: Sequence[_Work]) -> bool:
        """
        Write pieces that are all possible, as most are; False: one is not, and nothing is written.

        Where each is a savepoint of its own, writes its rows itself and appends its own events,
        most of the time goes to statements, and for each of them this thread and the loop's hand
        the interpreter over.
        """
        about = frozenset(work.about for work in batch if work.about is not None)
        transaction = Transaction(connection, self.incarnation, runs=about, together=True)
        with connection.begin() as begun:
            try:
                for work in batch:
                    transaction.begin(work.about)
                    work.result = work.run(transaction)
                transaction.carry_out()
                self._append_events(connection, transaction.events)
            except Exception:  # apart from its neighbours each is tried again, and heard
                begun.rollback()
                return False
        return True

    def _run_one(self, connection: Connection, work: _Work) -> None:
        transaction = Transaction(connection, self.incarnation)
        chain = (self._seq, self._mac)
        _BEGIN_PIECE.run(connection)
        try:
            work.result = work.run(transaction)
            self._append_events(connection, transaction.events)
            _END_PIECE.run(connection)
        except SQLAlchemyError as error:
            try:
                _undo_piece(connection)
            except SQLAlchemyError:  # SQLite has given up the whole transaction: say by what
                raise error from None
            self._seq, self._mac = chain
            work.error = StoreError(f"the ledger refused a write: {_reason(error)}")
        except Exception as error:  # of this one piece: its neighbours are not to suffer
            _undo_piece(connection)
            self._seq, self._mac = chain
            work.error = error

    def _append_events(
        self, connection: Connection, new: Sequence[tuple[datetime, str, str, str]]
    ) -> None:
        rows = []
        for at, kind, subject, data in new:
            self._seq += 1
            message = event_message(self.incarnation, self._seq, at, kind, subject, data)
            self._mac = self._vault.authenticate(self._mac + message)
            rows.append(
                {
                    "incarnation": self.incarnation,
                    "seq": self._seq,
                    "at": at,
                    "kind": kind,
                    "subject": subject,
                    "data": data,
                    "mac": self._mac,
                }
            )
        _EVENT.run_many(connection, rows)


def _undo_piece(connection: Connection) -> None:
    _UNDO_PIECE.run(connection)
    _END_PIECE.run(connection)


@contextmanager
def _begun(engine: Engine, patience: float) -> Iterator[Connection]:
    """A transaction; while somebody else writes, it is tried again for so many seconds."""
    end = time.monotonic() + patience
    while True:
        try:
            connection = engine.connect()
            try:
                connection.begin()
            except BaseException:  # it goes back to the pool, whatever came
                connection.close()
                raise
            break
        except OperationalError as error:
            if "locked" not in str(error.orig) or time.monotonic() >= end:
                raise
    with connection:
        yield connection
        connection.commit()


def _settle(batch: Sequence[_Work]) -> None:
    for work in batch:
        if work.future.done():
            continue
        if work.error is None:
            work.future.set_result(work.result)
        else:
            work.future.set_exception(work.error)


def event_message(
    incarnation: str, seq: int, at: datetime, kind: str, subject: str, data: str
) -> bytes:
    """What an event's HMAC covers, after the one before it in the chain (H9)."""
    return "\x00".join((incarnation, str(seq), _written(at), kind, subject, data)).encode()


@lru_cache(maxsize=16)
def _written(at: datetime) -> str:
    """A moment as its events have it; those of one commit mostly share it."""
    return at.isoformat()


def make_engine(url: str, *, read_only: bool = False) -> Engine:
    """An engine that keeps the rules of H7. In memory, one connection serves all threads."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        raise StoreError(
            f"store {parsed.get_backend_name()} is not supported yet",
            hint="use sqlite:///path for now",
        )
    engine = create_engine(url, connect_args={"timeout": 5.0, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        if read_only:
            connection.execute("PRAGMA query_only = ON")
            return
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")  # no file for what one statement undoes
        # Pages that many payments change are copied into the database once for more of them.
        connection.execute("PRAGMA wal_autocheckpoint = 4000")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = read_only or connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def open_for_reading(url: str) -> Engine:
    """
    The ledger for commands that only look, also while a daemon holds it.

    Raises:
        StoreError: there is no ledger, or it is of another revision.
    """
    path = sqlite_path(url)
    if path is not None and not path.exists():
        raise StoreError(f"there is no ledger at {path}", hint="start the daemon once: runner up")
    engine = make_engine(url, read_only=True)
    with _translated("read the ledger"), engine.connect() as connection:
        _check_revision(connection)
    return engine


def sqlite_path(url: str) -> Path | None:
    """The file of a sqlite URL; None in memory."""
    database = make_url(url).database
    return None if database in (None, "", ":memory:") else Path(str(database))


def _make_private(path: Path) -> None:
    """
    Who is paid what is nobody else's business; SQLite's side files take the mode over.

    A ledger that is there is not touched: closing any handle of a file drops every POSIX lock that
    this process holds on it, SQLite's own among them, and then two may write at once.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def is_held(url: str) -> bool:
    """Whether a process holds this ledger now; looks, and takes nothing."""
    path = sqlite_path(url)
    if path is None:
        return False
    try:
        handle = os.open(f"{path}.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _take_lock(path: Path, role: str) -> int:
    """Hold the ledger; a daemon waits a little for a command that holds it only to act (O10)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    patience = time.monotonic() + (_PATIENCE_SECONDS if role == "daemon" else 0.0)
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held = os.pread(handle, 200, 0).decode(errors="replace").strip() or "another process"
            if held.endswith(_FOR_A_COMMAND) and time.monotonic() < patience:
                time.sleep(0.05)
                continue
            os.close(handle)
            raise LedgerHeld(
                f"the ledger {path} is held by {held}",
                hint="one daemon per ledger: stop it, or give this one a `store` of its own",
            ) from None
        break
    os.ftruncate(handle, 0)
    what = "" if role == "daemon" else _FOR_A_COMMAND
    os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}{what}\n".encode(), 0)
    return handle


def _prepare_schema(connection: Connection, vault: Vault, *, create: bool) -> None:
    if inspect(connection).has_table("meta"):
        _check_revision(connection)
        held = connection.scalar(select(meta.c.value).where(meta.c.key == "key_id"))
        if held != vault.key_id.hex():
            raise StoreError(
                f"this ledger was sealed by secret key {held}, we hold {vault.key_id.hex()}",
                hint="point `secret_key` at the key that the ledger was made with",
            )
        return
    if not create:
        raise LedgerEmpty("the ledger is empty", hint="make one: runner db init")
    metadata.create_all(connection)
    connection.execute(
        insert(meta),
        [
            {"key": "revision", "value": str(REVISION)},
            {"key": "key_id", "value": vault.key_id.hex()},
        ],
    )


def revision_of(connection: Connection) -> int:
    """
    The revision of the schema that a ledger has.

    Raises:
        LedgerEmpty: it has none.
    """
    if not inspect(connection).has_table("meta"):
        raise LedgerEmpty("the ledger is empty", hint="start the daemon once: runner up")
    found = connection.scalar(select(meta.c.value).where(meta.c.key == "revision"))
    return int(found) if found is not None and found.isdecimal() else 0


def _check_revision(connection: Connection) -> None:
    found = revision_of(connection)
    if found != REVISION:
        raise StoreError(
            f"the ledger is of revision {found}, this program writes revision {REVISION}",
            hint="stop the daemon, then: runner db migrate"
            if found < REVISION
            else "use the version of runner that made it",
        )


@contextmanager
def held(path: Path) -> Iterator[None]:
    """
    Hold a ledger's file alone for as long as the block lasts, without opening it.

    Raises:
        LedgerHeld: a daemon has it; names the holder.
    """
    lock = _take_lock(path, "verb")
    try:
        yield
    finally:
        os.close(lock)


def _chain_heads(connection: Connection) -> dict[str, str]:
    newest = (
        select(events.c.incarnation, events.c.mac)
        .join(incarnations, incarnations.c.id == events.c.incarnation)
        .order_by(incarnations.c.started_at.desc(), events.c.seq.desc())
        .limit(1)
    )
    return {row.incarnation: row.mac.hex() for row in connection.execute(newest)}


class _translated:  # noqa: N801  (reads as a phrase: `with _translated("read the ledger")`)
    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, SQLAlchemyError):
            raise StoreError(f"cannot {self._doing}: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    # Only the driver's own words: SQLAlchemy's text would repeat the statement's parameters.
    return str(getattr(error, "orig", None) or type(error).__name__)
