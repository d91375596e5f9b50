"""`runner init`: a runner.yaml and a first policy to start from."""

from __future__ import annotations

from pathlib import Path

import click

RUNNER_YAML = """\
# The environment of the daemon. Policies say what is paid; this file says by what means.
policies: policies/
store: sqlite:///.runner/ledger.db
secret_key: {file: .runner/secret.key}
wallets:
  sandbox: {embedded: true, state: .runner/sandbox.json}   # play money, on this machine
signers:
  treasury-owner: {private_key_for_sandbox_only: "%s"}
"""

POLICY = """\
version: 1
name: first
description: A first policy on the sandbox. Change it, then run `runner validate`.

chain: base-sepolia
wallet: sandbox
defaults: {timezone: UTC}

tokens:
  usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}
contacts:
  alice: 0x00000000000000000000000000000000000a11ce

accounts:
  treasury: {owner: treasury-owner, gas: sponsor}

sessions:
  allowance:
    account: treasury
    lifetime: 7d
    permissions: derive       # the least that the schedules need
    receivers: [alice]

schedules:
  every-minute:
    session: allowance
    every: 1m
    pay: {to: alice, amount: 1.50 usdc, memo: first payment}
"""


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Write a runner.yaml and a first policy into DIR (the current folder by default)."""
    import secrets

    from runner.cli.render import note
    from runner.errors import UsageError

    wanted = {
        folder / "runner.yaml": RUNNER_YAML % ("0x" + secrets.token_hex(32)),
        folder / "policies" / "first.yaml": POLICY,
    }
    present = [path for path in wanted if path.exists()]
    if present:
        raise UsageError(
            f"{present[0]} is there already", hint="nothing was written; choose another folder"
        )
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        note(f"wrote {path}")
    (folder / "runner.yaml").chmod(0o600)
    ignore = folder / ".gitignore"
    known = ignore.read_text(encoding="utf-8") if ignore.exists() else ""
    if ".runner/" not in known.splitlines():
        ignore.write_text(
            known + ("" if known.endswith("\n") or not known else "\n") + ".runner/\n"
        )
        note(f"{ignore} leaves out .runner/")
    note("next: runner validate, runner next, runner up")
