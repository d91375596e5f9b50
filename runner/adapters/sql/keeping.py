"""
Keeping a ledger: copies, migrations, another secret key.

A copy made by `backup` says of itself that it is one: whoever starts a daemon on it, at whatever
place, starts one that asks the chain first what was paid since (X18, H5).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from runner.adapters.sql import tables as t
from runner.adapters.sql.audit import EVENT_KEY
from runner.adapters.sql.copies import COPIED_AT
from runner.adapters.sql.store import held, make_engine, revision_of
from runner.adapters.vault import Vault
from runner.errors import StoreError, UsageError

_SEALED: dict[tuple[str, str], Callable[[dict[str, object]], tuple[str, str]]] = {
    ("grants", "key_sealed"): lambda row: ("key", f"{row['session']}#{row['generation']}"),
    ("grants", "context_sealed"): lambda row: ("context", f"{row['session']}#{row['generation']}"),
    ("operations", "request_sealed"): lambda row: ("request", str(row["hash"])),
}
"""Each encrypted column, and the column and row that its value is bound to (H10)."""


# ── copies ────────────────────────────────────────────────────────────────────────────────────


def backup(path: Path, target: Path, *, now: datetime) -> int:
    """
    Copy a ledger while a daemon may be writing in it; whole or not at all.

    Returns:
        The size of the copy in bytes.

    Raises:
        UsageError: the target exists.
        StoreError: there is no ledger, or no room.
    """
    if not path.exists():
        raise StoreError(f"there is no ledger at {path}")
    if target.exists():
        raise UsageError(f"{target} exists", hint="a backup never replaces a file")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with (
            closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as source,
            closing(sqlite3.connect(draft)) as copy,
        ):
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
            copy.execute(
                "INSERT INTO meta (key, value) VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (COPIED_AT, now.isoformat()),
            )
            copy.commit()
        _sync(draft)
        os.link(draft, target)  # fails where somebody was faster
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"the ledger cannot be copied to {target}: {error}") from None
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
    _sync(target.parent)
    return target.stat().st_size


def restore(source: Path, path: Path, *, now: datetime) -> Path | None:
    """
    Put a copy in the place of the ledger. What was there is kept beside it.

    Returns:
        Where the replaced ledger is now; None if there was none.

    Raises:
        LedgerHeld: a daemon runs on it.
        StoreError: the copy is none, or is damaged.
    """
    if not source.exists():
        raise StoreError(f"there is no backup at {source}")
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as copy:
        try:
            if copy.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                raise StoreError(f"{source} is damaged")
            known = dict(copy.execute("SELECT key, value FROM meta").fetchall())
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{source} is no ledger: {error}") from None
    with held(path):
        aside = None
        if path.exists():
            aside = path.with_name(f"{path.name}.{now:%Y%m%dT%H%M%SZ}")
            backup_of_old = sqlite3.connect(path, timeout=5)
            with closing(backup_of_old):
                backup_of_old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            path.rename(aside)
            for suffix in ("-wal", "-shm"):
                with suppress(FileNotFoundError):
                    path.with_name(path.name + suffix).unlink()
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.write_bytes(source.read_bytes())
        draft.chmod(0o600)
        if COPIED_AT not in known:  # a plain copy of the file: it knows no more than its own age
            with closing(sqlite3.connect(draft)) as connection:
                connection.execute("INSERT INTO meta VALUES (?, ?)", (COPIED_AT, now.isoformat()))
                connection.commit()
        _sync(draft)
        draft.rename(path)
        _sync(path.parent)
    return aside


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# ── migrations ────────────────────────────────────────────────────────────────────────────────


def migrate(url: str, path: Path, *, now: datetime) -> tuple[int, Path | None]:
    """
    Bring an older ledger to today's schema, with a copy of it first.

    Returns:
        The revision that it had, and where the copy is; None: it was of today already.

    Raises:
        LedgerHeld: a daemon runs on it.
        StoreError: it is of a revision that this program does not know.
    """
    with held(path):
        engine = make_engine(url)
        try:
            with engine.connect() as connection:
                found = revision_of(connection)
            if found == t.REVISION:
                return found, None
            from runner.adapters.sql import migrations  # noqa: PLC0415  (seldom needed)

            if not migrations.FIRST <= found < t.REVISION:
                raise StoreError(
                    f"the ledger is of revision {found}, this program writes {t.REVISION}",
                    hint="use the version of runner that made it, or a newer one",
                )
            copy = path.with_name(f"{path.name}.r{found}.{now:%Y%m%dT%H%M%SZ}")
            backup(path, copy, now=now)
            with engine.begin() as connection:
                migrations.upgrade(connection, found)
            return found, copy
        finally:
            engine.dispose()


# ── another secret key ────────────────────────────────────────────────────────────────────────


def rekey(url: str, path: Path, old: Vault, new: Vault) -> int:
    """
    Seal everything that is secret by another key, in one transaction.

    The key that authenticated the events so far is kept, sealed by the new one: what was written
    under it can still be checked.

    Returns:
        How many values were sealed anew.
    """
    with held(path):
        engine = make_engine(url)
        try:
            with engine.begin() as connection:
                count = _seal_anew(connection, old, new)
                _keep_event_keys(connection, old, new)
                connection.execute(
                    update(t.meta).where(t.meta.c.key == "key_id").values(value=new.key_id.hex())
                )
            return count
        finally:
            engine.dispose()


def _seal_anew(connection: Connection, old: Vault, new: Vault) -> int:
    count = 0
    for (name, sealed), place in _SEALED.items():
        table = t.metadata.tables[name]
        own = list(table.primary_key.columns)
        for row in connection.execute(select(table).where(table.c[sealed].is_not(None))).all():
            values = dict(row._mapping)
            column, identity = place(values)
            clear = old.open(values[sealed], table=name, column=column, row=identity)
            connection.execute(
                update(table)
                .where(*(key == values[key.name] for key in own))
                .values({sealed: new.seal(clear, table=name, column=column, row=identity)})
            )
            count += 1
    return count


def _keep_event_keys(connection: Connection, old: Vault, new: Vault) -> None:
    rows = connection.execute(select(t.meta).where(t.meta.c.key.startswith(EVENT_KEY))).all()
    kept = {
        row.key: old.open(bytes.fromhex(row.value), table="meta", column="value", row=row.key)
        for row in rows
    }
    kept[EVENT_KEY + old.key_id.hex()] = old.event_key
    for key, clear in kept.items():
        sealed = new.seal(clear, table="meta", column="value", row=key).hex()
        row = upsert(t.meta).values(key=key, value=sealed)
        connection.execute(
            row.on_conflict_do_update(index_elements=["key"], set_={"value": sealed})
        )
