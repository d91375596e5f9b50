"""
The delegation of an EOA to the account's code (EIP-7702), signed by its owner's signer here.

No ledger is held and nothing is paid, so a daemon may be running. What was done is seen on the
chain, so saying it twice does it once.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from runner.cli.asking import ask, is_running
from runner.cli.loading import policies_of, settings_of
from runner.cli.render import hint
from runner.errors import RunnerError, UsageError
from runner.planning.addresses import account_of
from runner.policy.model import AccountType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.ethereum.address import Address
    from runner.policy.model import Policy, SmartAccount
    from runner.settings import Settings


def delegate_for(config: str | None, session: str) -> str:
    """
    Have the owner of a session's account delegate; tells what became of it.

    Raises:
        UsageError: the account is no EOA, or a person signs for it.
        RunnerError: what was prepared was refused, or the chain does not show it yet.
    """
    settings = settings_of(config)
    policies = policies_of(settings)
    account = account_of(policies, session)
    if account.type is not AccountType.EIP7702:
        raise UsageError(
            f"account `{account.name}` is a smart account: nothing has to be delegated",
            hint="--delegate is for accounts of `type: eip7702`",
        )
    if settings.wallets[account.wallet].embedded:
        raise UsageError(
            f"wallet `{account.wallet}` is a sandbox inside the daemon, where a play account "
            "stands for the EOA",
            hint="to try delegations out, run `runner sandbox` and name its url in runner.yaml",
        )
    spec = settings.signers.get(account.owner)
    if spec is not None and spec.manual is not None:
        raise UsageError(
            f"a person signs for `{account.owner}`: the runner cannot delegate for it",
            hint="delegate with the wallet that holds the key; `runner doctor` names to what, and "
            "the daemon notices within a minute",
        )
    call_id = asyncio.run(_delegate(settings, policies, account))
    if call_id is not None and is_running(settings):
        try:
            ask(config, "grant.renew", session, "delegated")
        except RunnerError:
            hint("the daemon notices within a minute")
    done = "has delegated already" if call_id is None else "has delegated"
    return f"the owner of account `{account.name}` {done}"


async def _delegate(
    settings: Settings, policies: Sequence[Policy], account: SmartAccount
) -> str | None:
    from runner.adapters.signers.opening import open_signer
    from runner.adapters.telemetry import StructlogTelemetry
    from runner.bootstrap.assembly import Assembly
    from runner.bootstrap.wallets import Wallets
    from runner.execution.delegation import delegate

    telemetry = StructlogTelemetry(people=True, level="warning")
    async with AsyncExitStack() as stack:
        wallets = Wallets(stack, os.environ, telemetry)
        await wallets.open(account.wallet, settings.wallets[account.wallet], policies)
        signer = await open_signer(account.owner, settings.signers[account.owner], os.environ)
        assembly = Assembly(wallets, {account.owner: signer}, telemetry, sandbox=False)
        context = await assembly.account(account)
        return await delegate(context, paymaster=_known(settings, account))


def _known(settings: Settings, account: SmartAccount) -> Address | None:
    """
    G4: the paymaster that the daemon knows, where there is a ledger already.

    Raises:
        UsageError: everything is stopped, so nothing is signed (O8).
    """
    from runner.adapters.sql import reading
    from runner.adapters.sql.pauses import stopped
    from runner.adapters.sql.store import sqlite_path

    path = sqlite_path(settings.store)
    if path is not None and not path.exists():
        return None
    with reading.ledger(settings.store) as ledger:
        if (why := stopped(ledger)) is not None:
            raise UsageError(
                f"{why}; nothing is signed", hint="end the stop first: runner resume --reason …"
            )
        return reading.paymaster_pin(ledger, account.wallet, account.chain)
