"""`runner keys`: owners' keys in keystores, who holds which key, another secret key."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.loading import near, policies_if_valid, settings_of
from runner.cli.options import config_option, format_options
from runner.cli.render import hint, write, write_json
from runner.errors import RunnerError, UsageError

if TYPE_CHECKING:  # each command imports what it needs when it is called
    from runner.settings import Settings, SignerSpec


@click.group()
def keys() -> None:
    """Keys: of owners, of sessions, of the ledger."""


@keys.command("new")
@click.argument("name")
@click.option("--keystore", type=click.Path(path_type=Path), help="Where.  [default: NAME.json]")
@click.option("--password-env", metavar="VARIABLE", help="Take the password from there.")
def new(name: str, keystore: Path | None, password_env: str | None) -> None:
    """
    Make an owner's key, in an encrypted keystore (Web3 Secret Storage 3, scrypt).

    NAME is the signer's name in runner.yaml. The key itself is shown nowhere.
    """
    while True:
        secret = os.urandom(32)
        if 0 < int.from_bytes(secret, "big") < _ORDER:
            break
    _keep(name, secret, keystore, password_env)


@keys.command("import")
@click.argument("name")
@click.option("--keystore", type=click.Path(path_type=Path), help="Where.  [default: NAME.json]")
@click.option("--password-env", metavar="VARIABLE", help="Take the password from there.")
def import_key(name: str, keystore: Path | None, password_env: str | None) -> None:
    """
    Put a private key of 64 hex digits into an encrypted keystore.

    It is asked for without echo, or read from a pipe; never from an argument, which other users of
    this machine could see.
    """
    from runner.adapters.signers.local import parse_private_key

    if sys.stdin.isatty():
        text = click.prompt("Private key", hide_input=True, err=True)
    else:
        text = sys.stdin.readline()
    _keep(name, parse_private_key(text, name=name), keystore, password_env)


_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Of the curve secp256k1 (SEC 2, 2.4.1)."""


def _keep(name: str, secret: bytes, keystore: Path | None, password_env: str | None) -> None:
    from runner.adapters.signers.local import LocalSigner, write_keystore

    path = keystore or Path(f"{name}.json")
    address = LocalSigner(secret, name=name, sandbox_only=None).address
    password = _password(password_env)
    document = write_keystore(secret, password)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be made: {error.strerror}", hint="nothing is ever written over a key"
        ) from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(document + "\n")
        file.flush()
        os.fsync(file.fileno())
    write([f"the keystore {near(path.absolute())} holds the key of {address}"])
    hint("keep a copy of it, and its password elsewhere; in runner.yaml:")
    write(
        [
            "signers:",
            f"  {name}: {{keystore: {path}, password: {{env: {password_env or 'PASSWORD'}}}}}",
        ]
    )


def _password(variable: str | None) -> str:
    if variable is not None:
        found = os.environ.get(variable)
        if not found:
            raise UsageError(f"the variable {variable} is not set")
        return found
    if not sys.stdin.isatty():
        raise UsageError("there is nobody to ask for a password", hint="say --password-env NAME")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


@keys.command("list")
@format_options()
@config_option
def list_keys(config: str | None, form: str) -> None:
    """List whose keys are where: owners, sessions, and what seals the ledger."""
    settings = settings_of(config)
    owners = asyncio.run(_owners(settings))
    sessions = _sessions(settings)
    if form == "json":
        write_json({"owners": owners, "sessions": sessions, "secret_key": _seal(settings)})
        return
    for one in owners:
        who = one["address"] or one["trouble"]
        only = ", for sandboxes only" if one["sandbox_only"] else ""
        write([f"owner    {one['name']}: {who}, by {one['kind']}{only}"])
    for one in sessions:
        key = "destroyed" if one["destroyed"] else "sealed in the ledger"
        generation = f"{one['session']}#{one['generation']}"
        write([f"session  {generation}: {one['address']}, {one['state']}, {key}"])
    write([f"ledger   sealed by key {_seal(settings) or 'none: there is no ledger yet'}"])


async def _owners(settings: Settings) -> list[dict[str, Any]]:
    from runner.adapters.signers.local import throw_away_signer
    from runner.adapters.signers.opening import open_signer

    found = []
    if settings.throw_away_signers:
        names = {a.owner for p in policies_if_valid(settings) or () for a in p.accounts.values()}
        for name in sorted(names):
            signer = throw_away_signer(name)
            found.append(_owner(name, "throw-away", signer.address, sandbox_only=True))
    for name, spec in sorted(settings.signers.items()):
        only = spec.sandbox_only or spec.private_key is not None
        try:
            address = (await open_signer(name, spec, os.environ)).address
        except RunnerError as error:
            trouble = error.what
            found.append(_owner(name, _kind(spec), None, sandbox_only=only, trouble=trouble))
        else:
            found.append(_owner(name, _kind(spec), address, sandbox_only=only))
    return found


def _owner(
    name: str, kind: str, address: str | None, *, sandbox_only: bool, trouble: str | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "address": address,
        "sandbox_only": sandbox_only,
        "trouble": trouble,
    }


def _kind(spec: SignerSpec) -> str:
    from runner.settings import EnvRef

    if spec.source is not None:
        return "env" if isinstance(spec.source, EnvRef) else "file"
    for kind in ("keystore", "command", "manual"):
        if getattr(spec, kind) is not None:
            return kind
    return "private_key_for_sandbox_only"


def _sessions(settings: Settings) -> list[dict[str, Any]]:
    from runner.adapters.sql import reading
    from runner.records import LIVING_GRANTS

    if _no_ledger(settings):
        return []
    with reading.ledger(settings.store) as ledger:
        found = reading.grants(ledger)
    return [
        {
            "session": one.session,
            "generation": one.generation,
            "address": one.key_address,
            "state": one.state,
            "destroyed": one.state not in {state.value for state in LIVING_GRANTS},
        }
        for one in found
        if one.state != "foreign"  # no key of ours
    ]


def _seal(settings: Settings) -> str | None:
    """The id of the key that seals the ledger; None: there is none yet."""
    from sqlalchemy import select

    from runner.adapters.sql import reading
    from runner.adapters.sql import tables as t

    if _no_ledger(settings):
        return None
    with reading.ledger(settings.store) as ledger:
        return ledger.scalar(select(t.meta.c.value).where(t.meta.c.key == "key_id"))


def _no_ledger(settings: Settings) -> bool:
    from runner.adapters.sql.store import sqlite_path

    path = sqlite_path(settings.store)
    return path is None or not path.exists()


@keys.command("rotate")
@click.option("--new-env", metavar="NAME", help="Read the new secret key from this variable.")
@config_option
def rotate(config: str | None, new_env: str | None) -> None:
    """
    Seal everything secret in the ledger by a new secret key.

    Where `secret_key` names a file, a new one is made in its place, and the old one is kept beside
    it: backups made so far need it. Where it names a variable, give the new key in another one by
    --new-env, then change the first. Stop the daemon before. After a crash run it again: until its
    one transaction is over the old key holds, after it the new one.
    """
    from runner.adapters.sql.keeping import rekey
    from runner.adapters.vault import Vault
    from runner.bootstrap.runtime import open_vault
    from runner.cli.db import ledger_of

    settings = settings_of(config)
    path = ledger_of(settings)
    old = open_vault(settings, os.environ, create=False)
    draft = None if new_env is not None else _draft_of(settings)
    wanted = Vault(_new_secret(draft, new_env), entropy=os.urandom)
    before, after = old.key_id.hex(), wanted.key_id.hex()
    if before != after and _seal(settings) != after:  # else a crash came between: it is done
        count = rekey(settings.store, path, old, wanted)
        write([f"{count} values are sealed by key {after} now, by {before} before"])
    if draft is None:
        write([f"the ledger is sealed by key {after}"])
        hint(f"give the daemon what ${new_env} holds as its secret key")
        return
    secret = draft.with_suffix("")
    kept = secret.with_name(f"{secret.name}.{before}")
    with suppress(FileExistsError):
        os.link(secret, kept)
    draft.replace(secret)
    write([f"the new key is {near(secret)}", f"the old one is {near(kept)}: older backups need it"])


def _draft_of(settings: Settings) -> Path:
    from runner.settings import FileRef

    if not isinstance(settings.secret_key, FileRef):
        raise UsageError(
            "`secret_key` names no file that a new key could be written to",
            hint="put the new key into a variable and name it: --new-env NAME",
        )
    return settings.secret_key.path.with_name(settings.secret_key.path.name + ".new")


def _new_secret(draft: Path | None, new_env: str | None) -> bytes:
    from runner.adapters.vault import parse_secret, read_or_create_secret

    if draft is not None:  # durable before anything is sealed by it; found again after a crash
        return read_or_create_secret(draft, create=True, entropy=os.urandom)
    text = os.environ.get(str(new_env))
    if text is None:
        raise UsageError(f"the variable {new_env} is not set")
    return parse_secret(text, origin=str(new_env))
