"""
Uninstalls out to an owner who signs by hand, and back (G7).
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from runner.adapters.signers.papers import owner_by_hand, read_signature
from runner.adapters.signers.takeoff import Takeoff, read_takeoff, write_takeoff
from runner.cli.asking import ask, is_running
from runner.cli.loading import policies_of, settings_of
from runner.errors import UsageError

if TYPE_CHECKING:
    from runner.records import Command, Grant
    from runner.settings import Settings


def export(config: str | None, target: str, out: Path) -> str:
    """
    Write the operation that takes a generation (policy/session#2) off; tells which.

    Raises:
        RunnerError: it is not to go, goes already, or no daemon runs that could prepare it.
    """
    from runner.planning.addresses import account_of, played
    from runner.planning.derive import max_fee_of
    from runner.policy.model import SponsoredGas

    settings = settings_of(config)
    session = target.rpartition("#")[0]
    policies = policies_of(settings)
    owner, sandbox = owner_by_hand(settings, policies, session)
    _needs_daemon(settings)
    command = ask(config, "grant.paper", target, "requested for signing")
    account = account_of(policies, session)
    if settings.wallets[account.wallet].embedded:
        account = played(account)
    paper = Takeoff.of(
        _grant(settings, target),
        command.data["paper"],
        owner=owner,
        salt=account.salt,
        sponsored=isinstance(account.gas, SponsoredGas),
        max_fee=max_fee_of(account, sandbox=sandbox),
        sandbox=sandbox,
    )
    document = write_takeoff(paper)
    out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return f"{document['what']}, request {document['request_hash']} for {owner}"


def bring_back(
    config: str | None, file: Path, *, signer: str | None, signature: str | None
) -> tuple[Command | None, str]:
    """
    The signed operation to the daemon; where there is no such ledger, into the file.

    Raises:
        UsageError: the file was changed, or the signature is not the owner's.
        GuardError: it is not to be signed; nothing was.
    """
    from runner.cli.byhand import is_ours

    paper, found = read_takeoff(file)
    settings = settings_of(config)
    if signer is not None and signature is not None:
        raise UsageError("say either --signer or --signature")
    if signature is not None:
        found = read_signature(signature)
    if signer is not None:
        found = asyncio.run(_sign(settings, signer, paper))
    if found is None:
        raise UsageError(
            f"{file} has no signature", hint="sign it here by --signer NAME, or say --signature 0x…"
        )
    signed = paper.signed_by(found)
    if is_ours(settings, paper.key):
        _needs_daemon(settings)
        command = ask(
            config,
            "grant.paper_signed",
            f"{paper.session}#{paper.generation}",
            "signed by hand",
            answer=paper.answer,
            signature=signed.hex(),
        )
        return command, ""
    document = json.loads(file.read_text(encoding="utf-8")) | {"signature": "0x" + signed.hex()}
    file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return None, f"{file} is signed; bring it back to the machine of the daemon"


async def _sign(settings: Settings, name: str, paper: Takeoff) -> bytes:
    from runner.cli.byhand import signer_of

    signer = await signer_of(settings, name)
    verdict = paper.approved()
    return await signer.sign(verdict.approved)


def _needs_daemon(settings: Settings) -> None:
    if not is_running(settings):
        raise UsageError(
            "no daemon runs that could prepare or send the operation", hint="start it: runner up"
        )


def _grant(settings: Settings, target: str) -> Grant:
    from runner.adapters.sql import reading
    from runner.adapters.sql.unsigned import generation

    session, _, number = target.rpartition("#")
    with reading.ledger(settings.store) as ledger:
        found = generation(ledger, session, int(number) if number.isdecimal() else 0)
    if found is None:
        raise UsageError(f"there is no grant {target[:120]}", hint="see `runner grants list`")
    return found
