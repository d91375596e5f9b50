"""
What becomes of a secret that was read anew: taken over, or refused where that would not be safe.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from runner.adapters.alerts.opening import Destination
from runner.adapters.secret_watch import Renewal, SecretWatch
from runner.adapters.signers.opening import confirm_signer
from runner.adapters.vault import Vault
from runner.errors import StoreError
from runner.ethereum.address import Address
from runner.ports import Signer
from runner.settings import Settings


class Renewals:
    """
    Says of each secret what is to be done when it has changed.

    Args:
        destinations: Alerts go where a new URL says, signed by the new secret.
        playing: With `--sandbox` neither keys nor ledger are those of runner.yaml.
    """

    def __init__(
        self,
        watch: SecretWatch,
        settings: Settings,
        environment: Mapping[str, str],
        destinations: Iterable[Destination],
        *,
        playing: bool,
    ) -> None:
        self._watch = watch
        self._specs = {} if playing else settings.signers
        self._environment = environment
        self._playing = playing
        self._confirmed: set[str] = set()
        for one in destinations:
            watch.renewing(one.where, _beside(one.renewed))

    def signers(self, signers: Mapping[str, Signer]) -> None:
        """A key that is not the owner's any more is refused, and the owner's stays in use."""
        for name, signer in signers.items():
            if name in self._specs and name not in self._confirmed:
                self._confirmed.add(name)
                self._watch.renewing(f"signers.{name}", self._confirming(name, signer.address))

    def secret_key(self, vault: Vault, read: Callable[[], Vault]) -> None:
        """What is sealed by one key is not opened by another: that takes `keys rotate`."""

        def confirm() -> bool:
            found = read().key_id
            if found != vault.key_id:
                raise StoreError(
                    f"the secret key is {found.hex()} now, the ledger is sealed by "
                    f"{vault.key_id.hex()}",
                    hint="put that one back; another key is made by `runner keys rotate`",
                )
            return False

        if not self._playing:
            self._watch.renewing("secret_key", _beside(confirm))

    def _confirming(self, name: str, owner: Address) -> Renewal:
        spec = self._specs[name]
        return lambda: confirm_signer(name, spec, self._environment, owner=owner)


def _beside(work: Callable[[], bool]) -> Renewal:
    """Files and programs take their time: not in the loop."""

    async def renewal() -> bool:
        return await asyncio.to_thread(work)

    return renewal
