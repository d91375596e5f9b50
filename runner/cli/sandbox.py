"""`runner sandbox`: the local Wallet API as a process of its own."""

from __future__ import annotations

from pathlib import Path

import click

BASE_SEPOLIA = 84532


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=8545, show_default=True, help="0 takes a free one.")
@click.option("--chain-id", default=BASE_SEPOLIA, show_default=True, help="Chain of plain eth_*.")
@click.option("--state", type=click.Path(path_type=Path), help="Keep the chain in this file.")
@click.option(
    "--faults", type=click.Path(path_type=Path, exists=True), help="Faults to begin with."
)
@click.option("--no-faucet", is_flag=True, help="Accounts begin with nothing.")
def sandbox(
    host: str, port: int, chain_id: int, state: Path | None, faults: Path | None, no_faucet: bool
) -> None:
    """
    Serve a Wallet API on loopback: real protocol, real EVM, play money.

    Point a wallet profile at it: `wallets: {sandbox: {url: http://127.0.0.1:8545/v2/dev}}`.
    """
    from runner.sandbox.server import serve

    serve(host=host, port=port, chain_id=chain_id, state=state, faults=faults, faucet=not no_faucet)
