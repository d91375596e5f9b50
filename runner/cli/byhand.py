"""
Requests out to a person who signs by hand, and signatures back (R18).
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from runner.adapters.signers.papers import (
    Request,
    owner_by_hand,
    read_request,
    read_signature,
    write_request,
)
from runner.cli.asking import ask, is_running
from runner.cli.loading import organisation_of, policies_of, settings_of
from runner.cli.options import now
from runner.errors import RunnerError, UsageError

if TYPE_CHECKING:
    from runner.ethereum.address import Address
    from runner.ports import Signer
    from runner.records import Command, Grant
    from runner.settings import Settings

_PATIENCE_SECONDS = 20.0
_LOOK_SECONDS = 0.25


def export(config: str | None, session: str, out: Path) -> str:
    """
    Write the request that a session's owner is to sign; tells which.

    Raises:
        RunnerError: nothing of this session waits for a signature, and nothing comes.
    """
    settings = settings_of(config)
    owner, sandbox = owner_by_hand(settings, policies_of(settings), session)
    grant = _waiting(settings, session)
    if grant is None and not is_running(settings):
        raise UsageError(
            f"no grant of {session} waits for a signature, and no daemon runs that could ask",
            hint="start it: runner up",
        )
    if grant is None:
        ask(config, "grant.renew", session, "requested for signing")
    end = time.monotonic() + _PATIENCE_SECONDS
    while grant is None and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
        grant = _waiting(settings, session)
    if grant is None:
        raise RunnerError(
            f"the wallet service has not offered a grant for {session} yet",
            hint="see `runner status` and the daemon's log; the request is made when it answers",
        )
    request = Request.of(grant, owner, sandbox=sandbox)
    out.write_text(json.dumps(write_request(request), indent=2) + "\n", encoding="utf-8")
    return f"request 0x{request.digest.hex()} for {owner}"


def bring_back(
    config: str | None,
    file: Path,
    *,
    signer: str | None,
    signature: str | None,
    clean_entity: int | None = None,
) -> tuple[Command | None, str]:
    """
    The signature of a request into the ledger; where there is no such ledger, into the file.

    Raises:
        UsageError: the file was changed, or the signature is not the owner's.
        GuardError: it is not to be signed; nothing was.
    """
    request, found = read_request(file)
    if signer is not None and signature is not None:
        raise UsageError("say either --signer or --signature")
    if signature is not None:
        found = read_signature(signature)
    if signer is not None:
        found = asyncio.run(_sign(settings_of(config), signer, request, clean_entity))
    if found is None:
        raise UsageError(
            f"{file} has no signature", hint="sign it here by --signer NAME, or say --signature 0x…"
        )
    signed = request.signed_by(found)
    if is_ours(settings_of(config), request.key):
        target = f"{request.session}#{request.generation}"
        command = ask(config, "grant.signed", target, "signed by hand", signature=signed.hex())
        return command, ""
    document = json.loads(file.read_text(encoding="utf-8"))
    document["signature"] = "0x" + signed.hex()
    file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return None, f"{file} is signed; bring it back to the machine of the daemon"


async def _sign(settings: Settings, name: str, request: Request, clean_entity: int | None) -> bytes:
    signer = await signer_of(settings, name)
    rules = organisation_of(settings)
    return await signer.sign(request.approved(clean_entity=clean_entity, rules=rules, now=now()))


async def signer_of(settings: Settings, name: str) -> Signer:
    """
    A signer of runner.yaml, its key read.

    Raises:
        UsageError, SignerError: there is none of that name, or its key is not there.
    """
    from runner.adapters.signers.opening import open_signer

    spec = settings.signers.get(name)
    if spec is None:
        known = ", ".join(sorted(settings.signers)) or "none"
        raise UsageError(f"runner.yaml has no signer {name[:60]}", hint=f"signers: {known}")
    return await open_signer(name, spec, os.environ)


def _waiting(settings: Settings, session: str) -> Grant | None:
    from runner.adapters.sql import reading
    from runner.adapters.sql.unsigned import newest_unsigned

    with reading.ledger(settings.store) as ledger:
        return newest_unsigned(ledger, session)


def is_ours(settings: Settings, key: Address) -> bool:
    """Whether this machine's ledger asked for a grant of this key."""
    from runner.adapters.sql import reading
    from runner.adapters.sql.store import sqlite_path
    from runner.adapters.sql.unsigned import is_known

    path = sqlite_path(settings.store)
    if path is not None and not path.exists():
        return False
    with reading.ledger(settings.store) as ledger:
        return is_known(ledger, key)
