"""`runner db`: the ledger's database."""

from __future__ import annotations

import os

import click

from runner.cli.options import config_option
from runner.cli.options import now as present


@click.group()
def db() -> None:
    """The ledger's database: init."""


@db.command()
@config_option
def init(config: str | None) -> None:
    """
    Make an empty ledger, and its secret key where `secret_key` names a file that is missing.

    On a real wallet the daemon never does this by itself: a lost ledger must not look like a
    fresh start.
    """
    import asyncio

    from runner.adapters.sql.store import SqlStore, sqlite_path
    from runner.bootstrap import open_vault
    from runner.cli.loading import settings_of
    from runner.cli.render import note
    from runner.errors import UsageError

    settings = settings_of(config)
    path = sqlite_path(settings.store)
    if path is not None and path.exists():
        raise UsageError(f"there is a ledger at {path} already", hint="nothing was changed")
    vault = open_vault(settings, os.environ, create=True)

    async def make() -> None:
        store = SqlStore.open(settings.store, vault, now=present(), create=True)
        await store.close(now=present())

    asyncio.run(make())
    note(f"made the ledger {path}")
