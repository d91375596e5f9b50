"""`runner db`: the ledger's database."""

from __future__ import annotations

import asyncio
import os

import click

from runner.cli.loading import near, settings_of
from runner.cli.options import config_option, now
from runner.cli.render import hint, write
from runner.errors import StoreError


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
    from runner.bootstrap import open_vault

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
