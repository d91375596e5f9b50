"""`runner db`: the ledger's database."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.loading import near, policies_if_valid, settings_of
from runner.cli.options import config_option, format_options, now
from runner.cli.render import hint, note, write, write_json
from runner.errors import StoreError, UsageError

if TYPE_CHECKING:  # each command imports what it needs when it is called
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.policy.model import Policy
    from runner.settings import Settings


@click.group()
def db() -> None:
    """The ledger's database."""


@db.command("init")
@config_option
def init_ledger(config: str | None) -> None:
    """
    Make an empty ledger, and the secret key that seals what is secret in it.

    Beside a real wallet the daemon never makes a ledger by itself: an empty one would know
    nothing of what was paid before. An existing ledger is left as it is.
    """
    from runner.adapters.sql.store import SqlStore, open_for_reading, sqlite_path
    from runner.bootstrap.runtime import open_vault

    settings = settings_of(config)
    path = sqlite_path(settings.store)
    if path is None:
        raise StoreError("`store` names no file")
    if path.exists():
        open_for_reading(settings.store).dispose()
        write([f"there is a ledger already: {near(path)}"])
        return
    vault = open_vault(settings, os.environ, create=True)

    async def make() -> None:
        store = SqlStore.open(settings.store, vault, now=now(), create=True)
        await store.close(now=now())

    asyncio.run(make())
    write([f"made the ledger {near(path)}"])
    hint("keep a copy of the secret key elsewhere: without it the ledger's keys are lost")


def ledger_of(settings: Settings) -> Path:
    from runner.adapters.sql.store import sqlite_path

    path = sqlite_path(settings.store)
    if path is None:
        raise StoreError("`store` names no file")
    if not path.exists():
        raise StoreError(f"there is no ledger at {near(path)}", hint="make one: runner db init")
    return path


def _as_known(policies: Sequence[Policy], connection: Connection) -> Sequence[Policy]:
    """Policies with the uids of the ledger; as they are, where their names do not fit it."""
    from runner.adapters.sql.names import identities
    from runner.planning.renames import identified

    try:
        return identified(policies, identities(connection))
    except UsageError:
        return policies


@db.command("verify")
@click.option(
    "--head", is_flag=True, help="Print the newest event of each chain, to keep elsewhere."
)
@format_options()
@config_option
def verify(config: str | None, form: str, head: bool) -> None:
    """
    Check that the ledger tells one whole story: nothing changed, nothing left out.

    The chains of events are recomputed by their HMAC; fences, ends of runs, attempts and budgets
    are held against the ledger's own laws; and every slot up to the last decided must have its
    row. Works beside a daemon. Exit code 1 when something is wrong.
    """
    from runner.adapters.sql import audit
    from runner.adapters.sql.store import open_for_reading
    from runner.bootstrap.runtime import open_vault
    from runner.policy.fingerprint import trigger_text
    from runner.scheduling.triggers import timetable

    settings = settings_of(config)
    path = ledger_of(settings)
    vault = open_vault(settings, os.environ, create=False)
    policies = policies_if_valid(settings)
    engine = open_for_reading(settings.store)
    try:
        with engine.connect() as connection:  # one transaction: one moment of the ledger
            heads, flaws = audit.chains(connection, vault)
            flaws += audit.laws(connection)
            known = _as_known(policies or (), connection)
            anchors = audit.anchors(connection)
            tables = {
                one.uid: (trigger_text(one), timetable(one, anchor=anchors[one.uid]))
                for policy in known
                for one in policy.schedules.values()
                if one.uid in anchors
            }
            slots, missing = audit.calendar(connection, tables)
            flaws += missing
    finally:
        engine.dispose()
    events = sum(one.seq for one in heads)
    if form == "json":
        write_json(
            {
                "ok": not flaws,
                "chains": len(heads),
                "events": events,
                "slots": slots,
                "calendar": policies is not None,
                "heads": [asdict(one) | {"at": _text(one.at)} for one in heads],
                "flaws": [asdict(one) for one in flaws],
            }
        )
    else:
        write(f"{one.incarnation}:{one.seq} {one.mac} {_text(one.at)}" for one in heads if head)
        write(f"{one.rule}: {one.subject}: {one.detail}" for one in flaws)
        if not head:
            wrong = f"{len(flaws)} wrong" if flaws else "all as written"
            write([f"{near(path)}: {events} events in {len(heads)} chains, {slots} slots: {wrong}"])
        if policies is None:
            note("the policies cannot be read: no calendar was compared")
    if flaws:
        hint("stop the daemon, keep this file, and compare it with a backup and with the chain")
        raise SystemExit(1)


@db.command("backup")
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@config_option
def backup(config: str | None, target: Path) -> None:
    """
    Copy the ledger to TARGET, while a daemon may be running.

    The copy is one whole file of mode 0600. It holds keys and contexts sealed by the secret key,
    which it does not hold: keep that elsewhere. A daemon started on it asks the chain first what
    was paid since.
    """
    from runner.adapters.sql.keeping import backup as copy

    size = copy(ledger_of(settings_of(config)), target, now=now())
    write([f"copied the ledger to {near(target.absolute())}: {size} bytes"])


@db.command("restore")
@click.argument("source", type=click.Path(dir_okay=False, path_type=Path))
@config_option
def restore(config: str | None, source: Path) -> None:
    """
    Put the backup SOURCE in the place of the ledger; what is there now is kept beside it.

    The next start pays nothing before it has looked on the chain for every slot since the backup:
    what was paid is written down, and what is not found there is `missed`, for a person to decide.
    """
    from runner.adapters.sql.keeping import restore as put
    from runner.adapters.sql.store import sqlite_path

    settings = settings_of(config)
    path = sqlite_path(settings.store)
    if path is None:
        raise StoreError("`store` names no file")
    aside = put(source, path, now=now())
    write([f"the ledger is {near(source.absolute())} now"])
    if aside is not None:
        write([f"what was there is kept as {near(aside)}"])
    hint("the next `runner up` looks on the chain for what was paid since the backup")


@db.command("migrate")
@config_option
def migrate(config: str | None) -> None:
    """Bring the ledger of an older version to this one's schema; a copy is made first."""
    from runner.adapters.sql.keeping import migrate as bring
    from runner.adapters.sql.tables import REVISION

    settings = settings_of(config)
    found, copy = bring(settings.store, ledger_of(settings), now=now())
    if copy is None:
        write([f"the ledger is of revision {found} already"])
        return
    write([f"the ledger went from revision {found} to {REVISION}", f"its copy is {near(copy)}"])


@db.command("export")
@config_option
def export(config: str | None) -> None:
    """Write every row as a line of JSON, for other programs; what is sealed is left out."""
    from sqlalchemy import select

    from runner.adapters.sql.store import open_for_reading
    from runner.adapters.sql.tables import metadata

    settings = settings_of(config)
    ledger_of(settings)
    engine = open_for_reading(settings.store)
    try:
        with engine.connect() as connection:
            for table in metadata.sorted_tables:
                columns = [one for one in table.columns if not one.name.endswith("_sealed")]
                for row in connection.execute(select(*columns)):
                    values = {key: _plain(value) for key, value in row._mapping.items()}
                    if table.name == "meta" and values["key"].startswith("event_key:"):
                        continue
                    write([json.dumps({"table": table.name} | values, separators=(",", ":"))])
    finally:
        engine.dispose()


def _plain(value: Any) -> Any:
    """As scripts read it: amounts in decimal, instants in RFC 3339, bytes in hex."""
    if isinstance(value, datetime):
        return _text(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 53:
        return str(value)
    return value


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
