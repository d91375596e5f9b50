"""Owners' signers as runner.yaml describes them, their keys read from where they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from runner.adapters.secrets import fetch_reference
from runner.adapters.signers.local import (
    LocalSigner,
    parse_private_key,
    read_keystore,
    throw_away_signer,
)
from runner.adapters.signers.manual import ManualSigner
from runner.errors import SignerError, UsageError
from runner.ethereum.address import Address
from runner.policy.model import Policy
from runner.ports import Signer
from runner.settings import Settings, SignerSpec


async def signers_of(
    settings: Settings,
    policies: Sequence[Policy],
    environment: Mapping[str, str],
    *,
    throw_away: bool,
    known: Mapping[str, Signer] = MappingProxyType({}),
) -> dict[str, Signer]:
    """
    Each owner's signer that the policies name.

    Args:
        known: Those that are open already: an owner stays who it is as long as a daemon runs.
    """
    found: dict[str, Signer] = {}
    for policy in policies:
        for account in policy.accounts.values():
            name = account.owner
            if name in found:
                continue
            spec = settings.signers.get(name)
            if name in known:
                found[name] = known[name]
            elif throw_away or settings.throw_away_signers:
                found[name] = throw_away_signer(name)
            elif spec is None:
                others = ", ".join(sorted(settings.signers)) or "none"
                raise UsageError(
                    f"account `{account.name}` is owned by signer `{name}`, "
                    f"runner.yaml has: {others}",
                    where=account.mark,
                    hint=f"add `signers: {{{name}: …}}` to runner.yaml, or run with --sandbox",
                )
            else:
                found[name] = await open_signer(name, spec, environment)
    return found


async def confirm_signer(
    name: str, spec: SignerSpec, environment: Mapping[str, str], *, owner: Address
) -> bool:
    """
    Read a key anew, and see that it is still the owner's; False: nothing has to be taken over.

    An address has one key: another key is another owner, of other accounts.

    Raises:
        UsageError, SignerError: the key is not where it should be, is none, or is another's.
    """
    found = (await open_signer(name, spec, environment)).address
    if found != owner:
        raise SignerError(
            f"the key of signer {name} is that of {found} now, its accounts are owned by {owner}",
            hint=f"put the key of {owner} back; another owner has other accounts: name it as "
            "another signer, and move the money first",
        )
    return False


async def open_signer(name: str, spec: SignerSpec, environment: Mapping[str, str]) -> Signer:
    """
    The signer that runner.yaml describes, its key read. No program is run.

    Raises:
        UsageError, SignerError: the key is not where it should be, or is none.
    """
    if spec.private_key is not None:
        secret = parse_private_key(spec.private_key.get_secret_value(), name=name)
        return LocalSigner(secret, name=name, sandbox_only=True)
    if spec.keystore is not None:
        password = (
            ""
            if spec.password is None
            else await fetch_reference(spec.password, environment, what=f"signers.{name}.password")
        )
        try:
            document = spec.keystore.read_text(encoding="utf-8")
        except OSError as error:
            raise SignerError(
                f"the keystore of signer {name} cannot be read: {error.strerror}"
            ) from None
        secret = await read_keystore(document, password, name=name)
    elif spec.command is not None and spec.address is not None:
        from runner.adapters.signers.command import CommandSigner  # noqa: PLC0415  (seldom needed)

        return CommandSigner(
            spec.command,
            spec.address,
            name=name,
            sandbox_only=spec.sandbox_only,
            timeout_seconds=spec.timeout.total_seconds(),
            environment=environment,
        )
    elif spec.manual is not None:
        return ManualSigner(spec.manual, name=name, sandbox_only=spec.sandbox_only)
    elif spec.source is not None:
        text = await fetch_reference(spec.source, environment, what=f"signers.{name}")
        secret = parse_private_key(text, name=name)
    else:
        raise SignerError(f"signer {name} names no key")
    return LocalSigner(secret, name=name, sandbox_only=spec.sandbox_only)
