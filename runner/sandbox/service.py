"""
All chains of a sandbox: the clock they share, the accounts, the journal, the faults.

An account has one address on every chain, so accounts are kept here and made known to each chain;
a chain begins to exist when it is first named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from runner.ethereum.address import Address
from runner.ethereum.hashing import keccak256
from runner.ethereum.modular_account import semi_modular_account_address
from runner.sandbox import gas
from runner.sandbox.faults import Faults
from runner.sandbox.journal import VERSION, Journal, Record
from runner.sandbox.records import Account
from runner.sandbox.world import World

TimeSource = Callable[[], float]
"""Returns unix seconds."""


class Service:
    """Everything that is not one method."""

    def __init__(
        self, *, chain_id: int, time_source: TimeSource, journal: Journal | None, faucet: bool
    ) -> None:
        """
        Start empty; `restore` brings a journal back.

        Args:
            chain_id: The chain of methods that name none.
            time_source: Unix seconds, whatever clock they come from.
            journal: Where everything is written down, None to keep nothing.
            faucet: Whether new accounts are given something.
        """
        self.chain_id = chain_id
        self.faults = Faults()
        self.faucet = faucet
        self.offset = 0.0
        self.accounts: dict[Address, Account] = {}
        self.worlds: dict[int, World] = {}
        self._journal = journal
        self._time_source = time_source
        self._genesis: int | None = None
        self._latest = 0

    # Time

    @property
    def now(self) -> int:
        """The newest second that has begun, unix time; it never goes back."""
        self._latest = max(self._latest, int(self._time_source() + self.offset))
        return self._latest

    def set_offset(self, offset: float) -> None:
        """Move the clock against its source."""
        self.offset = offset

    def offset_for(self, timestamp: float) -> float:
        """Return the offset with which it is now `timestamp`."""
        return timestamp - self._time_source()

    def mine_until(self, timestamp: int) -> None:
        """Make the blocks of all chains up to a second."""
        fee = self.base_fee
        for world in self.worlds.values():
            world.mine_until(timestamp, fee)
        self._latest = max(self._latest, timestamp)

    def mine_heads(self, timestamp: int) -> None:
        """Let all chains be at a second at least, without trying what waits."""
        for world in self.worlds.values():
            world.head_time = max(world.head_time, timestamp)
        self._latest = max(self._latest, timestamp)

    @property
    def base_fee(self) -> int:
        """Wei per gas of the next block."""
        return int(gas.BASE_FEE * self.faults.fee_factor)

    # Chains and accounts

    def world(self, chain_id: int) -> World:
        """Return a chain, new if it was never named."""
        world = self.worlds.get(chain_id)
        if world is None:
            self.record({"kind": "chain", "chain": chain_id})
            world = self.add_world(chain_id)
            world.mine_until(self.now, self.base_fee)
        return world

    def add_world(self, chain_id: int) -> World:
        """Begin a chain; its first block is that of the first chain's first second."""
        if self._genesis is None:
            raise RuntimeError("no genesis")
        world = World(chain_id, genesis_time=self._genesis, faucet=self.faucet, write=self.record)
        self.worlds[chain_id] = world
        for account in self.accounts.values():
            world.add_account(account)
        return world

    def accounts_of(self, owner: Address) -> list[Account]:
        """Return an owner's accounts, oldest first."""
        return [account for account in self.accounts.values() if account.owner == owner]

    def register(self, owner: Address, salt: int | None, uuid: str | None = None) -> Account:
        """
        Return an account, made known to all chains if it is new.

        Args:
            owner: Its owner.
            salt: None for the owner's own address, delegating (EIP-7702).
            uuid: The id that the caller wishes for it.
        """
        address = owner if salt is None else semi_modular_account_address(owner, salt)
        known = self.accounts.get(address)
        if known is not None:
            return known
        account = Account(address, owner, salt, uuid or _uuid(address))
        self.record(
            {
                "kind": "account",
                "owner": owner,
                "salt": None if salt is None else hex(salt),
                "uuid": account.uuid,
            }
        )
        self._add_account(account)
        return account

    def restore_account(self, owner: Address, salt: int | None, uuid: str) -> None:
        """Make an account known that the journal holds."""
        address = owner if salt is None else semi_modular_account_address(owner, salt)
        self._add_account(Account(address, owner, salt, uuid))

    def _add_account(self, account: Account) -> None:
        self.accounts[account.address] = account
        for world in self.worlds.values():
            world.add_account(account)

    # What is kept

    def record(self, record: Record) -> None:
        """Write something down before it counts."""
        if self._journal is not None:
            self._journal.append(record)

    def begin(self, genesis: int | None = None) -> None:
        """Start an empty sandbox now."""
        self._genesis = self.now - 1 if genesis is None else genesis
        self.record(
            {
                "kind": "genesis",
                "version": VERSION,
                "time": self._genesis,
                "faucet": self.faucet,
                "offset": self.offset,
            }
        )
        self.world(self.chain_id)

    def adopt(self, genesis: int, *, faucet: bool, offset: float) -> None:
        """Take the beginning from a journal."""
        self._genesis, self.faucet, self.offset = genesis, faucet, offset

    def reset(self) -> None:
        """Forget everything but the time: block numbers go on."""
        if self._journal is not None:
            self._journal.clear()
        self.accounts.clear()
        self.worlds.clear()
        self.faults.clear()
        self.begin(self._genesis)

    def stored(self) -> Iterable[dict[str, Any]]:
        """Yield what the journal holds."""
        return self._journal.records() if self._journal is not None else ()

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()


def _uuid(address: Address) -> str:
    return str(UUID(bytes=keccak256(address.lower().encode())[:16], version=4))
