"""Which account a session is on, and where that is by its owner's address alone (G1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from runner.errors import UsageError
from runner.ethereum.address import Address
from runner.ethereum.modular_account import semi_modular_account_address
from runner.policy.model import AccountType, Policy, SmartAccount

_PLAY_SALT: Final = int.from_bytes(b"stands for an EOA at play", "big")
"""Nobody writes this one by chance, so a play account is nobody else's."""


def account_of(policies: Iterable[Policy], session: str) -> SmartAccount:
    """
    The account that a session (policy/name) is on.

    Raises:
        UsageError: no policy has such a session.
    """
    for policy in policies:
        for one in policy.sessions.values():
            if one.uid == session:
                return policy.accounts[one.account]
    raise UsageError(f"no policy has a session {session[:120]}")


def address_of(kind: AccountType, owner: Address, salt: int) -> Address:
    """
    The address of an owner's account.

    A smart account is where the factory makes it, deployed or not; a delegated EOA (EIP-7702) is
    its owner.
    """
    if kind is AccountType.EIP7702:
        return owner
    return semi_modular_account_address(owner, salt)


def played(account: SmartAccount) -> SmartAccount:
    """
    The account as it is in a sandbox inside a process (G3).

    There no owner could delegate: for an EOA stands a smart account of its owner.
    """
    if account.type is not AccountType.EIP7702:
        return account
    return replace(account, type=AccountType.SMART, salt=_PLAY_SALT, address=None)
