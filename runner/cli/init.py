"""`runner init`: a runner.yaml and a first policy to start from."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from runner.cli.loading import near
from runner.cli.render import hint, write
from runner.errors import UsageError

_SETTINGS = """\
# The environment of the daemon. Paths are relative to this file.
policies: policies/
store: sqlite:///.runner/ledger.db
secret_key: {{file: .runner/secret.key}}

wallets:
  sandbox: {{embedded: true, state: .runner/sandbox.json}}   # play money, in the daemon itself

signers:
  # Made for this folder. It signs for sandboxes alone; a real owner key is never written here,
  # but named: {{env: NAME}}, {{file: PATH}} or {{keystore: PATH, password: {{file: PATH}}}}.
  treasury-owner: {{private_key_for_sandbox_only: "{key}"}}
"""

_POLICY = """\
# A first policy. It runs on the embedded sandbox: everything here is play money.
version: 1
name: first
description: A coffee every minute, and an allowance each Monday

chain: base-sepolia
wallet: sandbox
defaults: {timezone: UTC}

tokens:
  usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}

contacts:
  alice: 0x00000000000000000000000000000000000a11ce
  coffee: 0x000000000000000000000000000000000000c0ff

accounts:
  treasury: {owner: treasury-owner, gas: sponsor}

sessions:
  everyday:
    account: treasury
    lifetime: 30d
    permissions: derive               # the least that the schedules below need
    receivers: [alice, coffee]        # nobody else is ever paid
    limits: {per_day: [5000 usdc]}

schedules:
  coffee:
    session: everyday
    every: 1m
    pay: {coffee: 3.20 usdc}
  allowance:
    session: everyday
    cron: "0 9 * * 1"                 # Mondays at nine
    pay: {alice: 25 usdc}
"""

_IGNORED = ".runner/"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
def init(folder: Path) -> None:
    """
    Write runner.yaml and policies/first.yaml into DIR: a small setup that runs on the sandbox.

    Nothing that exists is overwritten.
    """
    files = {
        folder / "runner.yaml": _SETTINGS.format(key=_sandbox_key()),
        folder / "policies" / "first.yaml": _POLICY,
    }
    taken = [path for path in files if path.exists() or path.is_symlink()]
    if taken:
        names = ", ".join(str(path) for path in taken)
        raise UsageError(f"already there: {names}", hint="choose another folder: runner init DIR")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:  # "x": never over what appeared meanwhile
            file.write(text)
    (folder / "runner.yaml").chmod(0o600)
    write(f"wrote {near(path)}" for path in files)
    if _ignore(folder / ".gitignore"):
        write([f"wrote {near(folder / '.gitignore')}"])
    where = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    hint(f"{where}runner validate, then runner next, then runner up")


def _sandbox_key() -> str:
    """A key for play money: any 32 bytes that are a valid scalar, which all but a few are."""
    return f"0x{secrets.randbelow(2**255) + 1:064x}"


def _ignore(path: Path) -> bool:
    """Keep ledger and secret key out of version control."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if _IGNORED in text.splitlines():
        return False
    with path.open("a", encoding="utf-8") as file:
        file.write(("" if not text or text.endswith("\n") else "\n") + _IGNORED + "\n")
    return True
