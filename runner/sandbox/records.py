"""
What the sandbox knows about accounts, sessions, operations and receipts.

Source: Wallet API specification §3, §5, §6 and §8.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from runner.ethereum.address import Address
from runner.ethereum.contracts import DELEGATE_7702, FACTORY
from runner.ethereum.installation import Installation
from runner.ethereum.modular_account import factory_data
from runner.ethereum.nonce import Nonce
from runner.ethereum.user_operation import UserOperation
from runner.frozen import frozen
from runner.guard import scope
from runner.sandbox.artefacts import TokenFee
from runner.sandbox.evm import Log


@frozen
class Account:
    """An account of one owner; `salt` is None for an EOA that delegates (EIP-7702)."""

    address: Address
    owner: Address
    salt: int | None
    uuid: str

    @property
    def is_delegating(self) -> bool:
        """Whether it is an EOA with delegated code."""
        return self.salt is None

    @property
    def factory_data(self) -> bytes:
        """Calldata by which the factory makes it; meaningless for a delegating EOA."""
        return factory_data(self.owner, self.salt or 0)

    @property
    def code_shown(self) -> bytes:
        """What `eth_getCode` answers once it is deployed or delegated."""
        if self.is_delegating:
            return b"\xef\x01\x00" + bytes.fromhex(DELEGATE_7702[2:])
        return bytes.fromhex("363d3d373d3d363d7f") + bytes.fromhex(FACTORY[2:])


@frozen
class Grant:
    """A deferred action of an account: what it installs, on which nonce, until when."""

    account: Address
    nonce: int
    deadline: int
    call: bytes
    installation: Installation


@frozen
class Session:
    """A grant as the service keeps it, before and after it was used."""

    session_id: bytes
    grant: Grant


@frozen
class Place:
    """Where in the chain a transaction stands; `timestamp` in unix seconds, fee in wei per gas."""

    block_number: int
    timestamp: int
    base_fee: int
    transaction_index: int = 0
    log_index: int = 0


class Status(IntEnum):
    """Status codes of EIP-5792 that the sandbox answers."""

    PENDING = 100
    CONFIRMED = 200
    FAILED_OFF_CHAIN = 400
    REVERTED = 500


@frozen
class Receipt:
    """
    What inclusion left behind. Costs in wei, `gas_used` that of the transaction,
    `actual_gas_used` what the entry point charged.
    """

    place: Place
    transaction_hash: bytes
    logs: tuple[Log, ...]
    success: bool
    revert_data: bytes
    gas_used: int
    actual_gas_cost: int
    actual_gas_used: int


@frozen
class Delegation:
    """A signed EIP-7702 authorization; the zero address takes a delegation back."""

    account: Address
    delegate: Address
    nonce: int


@frozen
class Operation:
    """
    A user operation with all that judging it takes.

    `calls` is its call data taken apart, `signer` recovered from the signature, `grant` what it
    installs, `paid_until` the end of its sponsorship, `fee` what the paymaster takes for that.
    `delegates` tells that an authorization for the sender rides along.
    """

    user_op_hash: bytes
    op: UserOperation
    nonce: Nonce
    calls: scope.Operation
    signer: Address | None = None
    grant: Grant | None = None
    paid_until: int = 0
    fee: TokenFee | None = None
    delegates: bool = False


@dataclass(slots=True, eq=False)
class Sent:
    """
    What was handed in to be included: an operation, a delegation, or both.

    `include_at` is the time of the block that will try it, None while a fault holds it back;
    `key` is the operation's hash, or the authorization's digest.
    """

    key: bytes
    call_id: bytes
    account: Address
    operation: Operation | None
    delegation: Delegation | None
    include_at: int | None
    order: int
    status: Status = Status.PENDING
    reason: str | None = None
    receipt: Receipt | None = field(default=None, repr=False)

    @property
    def is_pending(self) -> bool:
        """Whether it still waits for a block."""
        return self.status is Status.PENDING
