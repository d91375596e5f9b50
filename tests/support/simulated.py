"""Policies simulated in this process: by the engine, or by arithmetic alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from runner.policy.parse import parse_policy
from runner.reporting.foresight.model import Foresight
from runner.scheduling.cron import check_cron
from runner.settings import load_settings
from runner.simulation import simulate
from runner.simulation.window import Balance, Window

START = datetime(2026, 12, 1, tzinfo=UTC)

HEAD = """\
version: 1
name: p
chain: base-sepolia
wallet: sandbox
tokens:
  usdc: {decimals: 6, address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e"}
contacts:
  alice: "0x00000000000000000000000000000000000a11ce"
  bob: "0x0000000000000000000000000000000000000b0b"
accounts:
  treasury: {owner: treasury-owner, gas: sponsor}
"""

SESSION = "sessions: {key: {account: treasury, lifetime: 45d}}\n"


def simulated(
    policy: str,
    *,
    days: int,
    start: datetime = START,
    executed: bool = True,
    balances: tuple[str, ...] = (),
) -> Foresight:
    """
    What becomes of a policy.

    Args:
        policy: From `sessions:` on, or with a head of its own.
        balances: `TOKEN=AMOUNT`.
    """
    text = policy if policy.startswith("version:") else HEAD + policy
    parsed = parse_policy(text, "p.yaml", environment={}, check_cron=check_cron)
    return simulate.simulate(
        load_settings(None, {}, Path.cwd()),
        [parsed],
        Window(start, start + timedelta(days=days)),
        balances=[Balance(None, *text.split("=")) for text in balances],
        execute=executed,
        most_executed=simulate.MOST_EXECUTED if executed else -1,
    )


def fates(found: Foresight) -> list[tuple[str, str, str, str | None]]:
    """Every slot and what becomes of it."""
    return [(one.schedule, one.slot, one.state, one.reason) for one in found.outcomes]
