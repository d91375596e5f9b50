"""
How a command gets its wish carried out: the holder of the ledger acts, or, where there is none,
the command holds it and acts itself (O10).
"""

from __future__ import annotations

import asyncio
import os
import pwd
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from runner.cli.loading import policies_if_valid, policies_of, settings_of
from runner.cli.options import now
from runner.cli.render import hint, write, write_json
from runner.errors import LedgerHeld, RunnerError, UsageError

if TYPE_CHECKING:
    from runner.adapters.sql.store import SqlStore
    from runner.adapters.sql.transaction import Transaction
    from runner.policy.model import Policy
    from runner.records import Command, Wish
    from runner.settings import Settings

Option = TypeVar("Option", bound=Callable[..., Any])
T = TypeVar("T")

_LOOK_SECONDS = 0.1
_ONE_HOLDER_SECONDS = 5.0
_PATIENCE_SECONDS = 20.0


def reason_option(command: Option) -> Option:
    """`--reason TEXT`, kept in the ledger with the person's name."""
    return click.option("--reason", required=True, help="Why; kept in the ledger with your name.")(
        command
    )


def yes_option(command: Option) -> Option:
    """`--yes`, for scripts."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def author() -> str:
    """
    Who asks, as this machine knows them: by the user that the process runs as, not by variables
    that anybody may set; of root, who came to it by sudo.
    """
    user = os.getuid()
    if user == 0 and os.environ.get("SUDO_USER"):
        return os.environ["SUDO_USER"]
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # a container's user may have no name
        return f"uid {user}"


def confirm(question: str, *, yes: bool) -> None:
    """
    Ask before money moves.

    Raises:
        UsageError: nobody is there to be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(question, hint="say --yes if that is meant")
    click.confirm(question, abort=True, err=True)


def ask(config: str | None, kind: str, target: str, reason: str, **arguments: Any) -> Command:
    """
    Have a wish carried out.

    Raises:
        RunnerError: it was refused, or nobody has acted on it yet.
    """
    settings = settings_of(config)
    command = asyncio.run(_ask(settings, kind, target, reason, arguments))
    if command.state == "refused":
        raise RunnerError(command.answer or "refused")
    return command


def tell(command: Command, form: str, *, later: str | None = None) -> None:
    """What came of it; `later` is said where no daemon runs that could carry on."""
    if form == "json":
        write_json(
            {
                "command": command.id,
                "kind": command.wish.kind,
                "target": command.wish.target,
                "state": command.state.value,
                "answer": command.answer,
                **command.data,
            }
        )
        return
    write([command.answer or "done"])
    if later is not None:
        hint(later)


async def _ask(
    settings: Settings, kind: str, target: str, reason: str, arguments: Mapping[str, Any]
) -> Command:
    from runner.records import Wish

    wish = Wish(kind, target, author(), reason, now(), arguments)
    identity: int | None = None
    loop = asyncio.get_running_loop()
    end = loop.time() + _PATIENCE_SECONDS
    while loop.time() < end:
        try:
            store = _open(settings, alone=True)
        except LedgerHeld:
            identity, command = await _wait_for_the_holder(settings, wish, identity)
        else:
            command = await _act(settings, store, wish, identity)
        if command is not None:
            return command
    raise RunnerError(
        f"command {identity} is written down, but nobody has acted on it yet",
        hint="the daemon acts on it as soon as it is ready; `runner up` shows what it waits for",
    )


def _open(settings: Settings, *, alone: bool) -> SqlStore:
    from runner.adapters.sql.store import SqlStore
    from runner.bootstrap.runtime import open_vault

    vault = open_vault(settings, os.environ, create=False)
    return SqlStore.open(settings.store, vault, now=now(), create=False, role="verb", alone=alone)


async def _wait_for_the_holder(
    settings: Settings, wish: Wish, identity: int | None
) -> tuple[int, Command | None]:
    """Write the wish beside the holder, and see what comes of it."""
    from runner.adapters.sql import commands
    from runner.records import CommandState

    loop = asyncio.get_running_loop()
    store = _open(settings, alone=False)
    try:
        if identity is None:
            identity = await store.write(lambda tx: commands.ask(tx, wish))
        known = identity
        end = loop.time() + _ONE_HOLDER_SECONDS
        while loop.time() < end:
            command = await store.read(lambda c: commands.command_by_id(c, known))
            if command.state is not CommandState.ASKED:
                return known, command
            await asyncio.sleep(_LOOK_SECONDS)
        return known, None
    finally:
        await store.close(now=now())


async def _act(
    settings: Settings, store: SqlStore, wish: Wish, identity: int | None
) -> Command | None:
    """Nobody holds the ledger: we do, until every wish in it has its answer."""
    from runner.adapters.sql import commands
    from runner.adapters.sql.ledger import SqlLedger
    from runner.bootstrap.runtime import desk_of, open_vault
    from runner.records import CommandState

    try:
        policies = policies_of(settings)
        if identity is None:
            identity = await store.write(lambda tx: commands.ask(tx, wish))
        known = identity
        ledger = SqlLedger(store, open_vault(settings, os.environ, create=False))
        desk = await desk_of(ledger, policies, _Quiet(), settings)
        await desk.act()
        command = await store.read(lambda c: commands.command_by_id(c, known))
        return None if command.state is CommandState.ASKED else command
    finally:
        await store.close(now=now())


class _Quiet:
    """Implements `ports.Telemetry`: the command itself says what came of it."""

    def emit(self, event: str, **fields: Any) -> None:
        """Nothing is said."""


def write_beside(config: str | None, work: Callable[[Transaction], T]) -> T:
    """Write rows that hold once written (pauses, the stop), beside whoever holds the ledger."""
    settings = settings_of(config)

    async def write_down() -> T:
        store = _open(settings, alone=False)
        try:
            return await store.write(work)
        finally:
            await store.close(now=now())

    return asyncio.run(write_down())


def is_running(settings: Settings) -> bool:
    """Whether a daemon holds the ledger."""
    from runner.adapters.sql.store import is_held

    return is_held(settings.store)


def known_policies(config: str | None) -> tuple[Policy, ...]:
    """The policies in force, as far as they can be read."""
    return policies_if_valid(settings_of(config)) or ()
