"""Where an account is, computed from its owner's address alone (G1)."""

from __future__ import annotations

from runner.ethereum.address import Address
from runner.ethereum.modular_account import semi_modular_account_address
from runner.policy.model import AccountType


def address_of(kind: AccountType, owner: Address, salt: int) -> Address:
    """
    The address of an owner's account.

    A smart account is where the factory makes it, deployed or not; a delegated EOA (EIP-7702) is
    its owner.
    """
    if kind is AccountType.EIP7702:
        return owner
    return semi_modular_account_address(owner, salt)
