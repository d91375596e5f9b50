"""
One chain with its service: accounts, sessions, waiting operations, blocks.

There is one block for every second, most of them empty and never stored: the block of second t has
the number `GENESIS_NUMBER + t - genesis_time`, before a restart and after it. What was handed in
during one second is tried in the block of the next.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from runner.ethereum.address import Address
from runner.ethereum.hashing import keccak256
from runner.ethereum.user_operation import ENTRY_POINT_V07
from runner.frozen import frozen
from runner.sandbox import artefacts
from runner.sandbox.evm import Reverted
from runner.sandbox.records import Account, Place, Receipt, Sent, Session, Status
from runner.sandbox.refusal import Refusal
from runner.sandbox.state import State

GENESIS_NUMBER: Final = 1
"""Number of the first block."""

FAUCET_ETHER: Final = 100 * 10**18
"""What a new account is given, in wei."""

FAUCET_TOKENS: Final = 1_000_000
"""What a new account is given of each token, in whole tokens."""

Write = Callable[[dict[str, Any]], None]
"""Writes a record down, or does nothing."""


@frozen
class Token:
    """A demo token."""

    address: Address
    symbol: str
    decimals: int


BUILT_IN_TOKENS: Final = (
    Token(Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e"), "USDC", 6),
    Token(Address("0x00000000000000000000000000000000000000DA"), "DAI", 18),
)
"""Tokens that stand on every chain."""


class World:
    """One chain and what the service knows about it."""

    def __init__(self, chain_id: int, *, genesis_time: int, faucet: bool, write: Write) -> None:
        """
        Make an empty chain.

        Args:
            chain_id: EIP-155 id.
            genesis_time: Of the first block, unix seconds.
            faucet: Whether new accounts are given something.
            write: Called with a record before anything is included or dropped.
        """
        self.chain_id = chain_id
        self.genesis_time = genesis_time
        self.head_time = genesis_time
        self.sessions: dict[bytes, Session] = {}
        self.sent: dict[bytes, Sent] = {}
        self.tokens: dict[Address, Token] = {}
        self.included: list[Sent] = []
        self.transactions: dict[bytes, Sent] = {}
        self.state = State(chain_id)
        self._faucet = faucet
        self._write = write
        self._waiting: dict[Address, dict[bytes, Sent]] = {}
        self._blocks: dict[int, list[Sent]] = {}
        self._numbers: list[int] = []
        self._forks: list[tuple[int, int]] = []
        self._events: list[tuple[int, Callable[[State], object]]] = []
        self._orders = 0
        for token in BUILT_IN_TOKENS:
            self.deploy_token(token)

    # Time and blocks

    @property
    def head_number(self) -> int:
        """Number of the newest block."""
        return self.block_number(self.head_time)

    def block_number(self, timestamp: int) -> int:
        """Return the number of the block of a second."""
        return GENESIS_NUMBER + timestamp - self.genesis_time

    def block_time(self, number: int) -> int:
        """Return the second of a block."""
        return number - GENESIS_NUMBER + self.genesis_time

    def block(self, number: int) -> list[Sent]:
        """Return what a block holds, in order."""
        return self._blocks.get(number, [])

    def blocks_between(self, first: int, last: int) -> Iterator[int]:
        """Yield the numbers of the blocks that hold something, both ends included."""
        start = bisect_left(self._numbers, first)
        yield from self._numbers[start : bisect_right(self._numbers, last)]

    def block_hash(self, number: int) -> bytes:
        """Return a block's hash: another one after a reorganisation, the same after a restart."""
        fork = next((each for first, each in reversed(self._forks) if number >= first), 0)
        content = b"".join(
            sent.receipt.transaction_hash for sent in self.block(number) if sent.receipt
        )
        head = f"block/{self.chain_id}/{self.genesis_time}/{number}/{fork}/"
        return keccak256(head.encode() + content)

    def mine_until(self, timestamp: int, base_fee: int) -> None:
        """Make all blocks up to a second, trying what is due in each."""
        due = [
            sent
            for waiting in self._waiting.values()
            for sent in waiting.values()
            if sent.include_at is not None and sent.include_at <= timestamp
        ]
        for sent in sorted(due, key=lambda each: (each.include_at or 0, each.order)):
            self._try(sent, timestamp, base_fee)
        self.head_time = max(self.head_time, timestamp)

    # What is handed in

    def next_order(self) -> int:
        """Return a number that grows with everything handed in."""
        self._orders += 1
        return self._orders

    def waiting(self, account: Address) -> Iterable[Sent]:
        """Return what waits for a block and changes this account."""
        return self._waiting.get(account, {}).values()

    def waiting_on(self, sender: Address, nonce: int) -> Sent | None:
        """Return the operation that waits on a nonce."""
        for sent in self.waiting(sender):
            if sent.operation is not None and sent.operation.nonce.value == nonce:
                return sent
        return None

    def accept(self, sent: Sent) -> None:
        """Take something in; an operation that waits on the same nonce is replaced by it."""
        if sent.operation is not None:
            older = self.waiting_on(sent.account, sent.operation.nonce.value)
            if older is not None:
                self._leave(older, Status.FAILED_OFF_CHAIN, "Replaced")
        self._orders = max(self._orders, sent.order)
        self.sent[sent.key] = sent
        self._waiting.setdefault(sent.account, {})[sent.key] = sent

    def include(self, sent: Sent, timestamp: int, base_fee: int) -> None:
        """
        Put something into the block of a second.

        Raises:
            Refusal: It fails in validation; nothing changed.
        """
        number = self.block_number(timestamp)
        before = self.block(number)
        last = before[-1].receipt if before else None
        place = Place(
            block_number=number,
            timestamp=timestamp,
            base_fee=base_fee,
            transaction_index=len(before),
            log_index=last.place.log_index + len(last.logs) if last else 0,
        )
        receipt = self.state.include(sent, place)
        self._settle(sent, receipt)
        self._events.append((number, lambda state: state.include(sent, place)))

    def drop(self, sent: Sent, reason: str) -> None:
        """Give something up that failed in validation."""
        self._leave(sent, Status.FAILED_OFF_CHAIN, reason)

    def release(self, include_at: int) -> None:
        """Let everything that a fault holds back into the block of a second."""
        for waiting in self._waiting.values():
            for sent in waiting.values():
                if sent.include_at is None:
                    sent.include_at = include_at

    def reorganise(self, depth: int, include_at: int | None) -> None:
        """
        Undo the newest blocks; what they held waits again.

        Args:
            depth: How many blocks go.
            include_at: When what they held is tried again, None for never.
        """
        first = max(GENESIS_NUMBER + 1, self.head_number - depth + 1)
        gone = [number for number in self._numbers if number >= first]
        returned = [sent for number in gone for sent in self._blocks.pop(number)]
        self._numbers = [number for number in self._numbers if number < first]
        self._events = [event for event in self._events if event[0] < first]
        self._forks = [fork for fork in self._forks if fork[0] < first]
        self._forks.append((first, self.next_order()))
        self.state = State(self.chain_id)
        for _, event in self._events:
            event(self.state)
        for sent in returned:
            self.included.remove(sent)
            if sent.receipt is not None:
                del self.transactions[sent.receipt.transaction_hash]
            sent.status, sent.receipt, sent.include_at = Status.PENDING, None, include_at
            self._waiting.setdefault(sent.account, {})[sent.key] = sent

    # What a sandbox may do and a chain may not

    def add_account(self, account: Account) -> None:
        """Make an account known and give it something to start with."""
        self._apply(lambda state: state.add_account(account))
        if self._faucet:
            self.fund(account.address, FAUCET_ETHER)
            for token in self.tokens.values():
                self.mint(token.address, account.address, FAUCET_TOKENS * 10**token.decimals)

    def fund(self, address: Address, amount: int) -> None:
        """Add to a balance; in wei."""

        def give(state: State) -> None:
            state.evm.set_balance(address, state.evm.balance(address) + amount)

        self._apply(give)

    def mint(self, token: Address, to: Address, amount: int) -> None:
        """
        Make tokens, in base units.

        Raises:
            Reverted: The token does not let the faucet do that.
        """
        data = artefacts.mint(to, amount)
        self._apply(lambda state: state.evm.call(artefacts.FAUCET, token, data))

    def deploy_token(self, token: Token) -> None:
        """
        Put a token where it is asked for, and give some to every account that was given others.

        Raises:
            Reverted: Its constructor reverted.
        """
        self.deploy(token.address, artefacts.token_init_code(token.symbol, token.decimals))
        self.tokens[token.address] = token
        if self._faucet:
            for account in self.state.accounts:
                self.mint(token.address, account, FAUCET_TOKENS * 10**token.decimals)

    def deploy(self, address: Address, init_code: bytes) -> None:
        """
        Run creation code at an address.

        Raises:
            Reverted: The constructor reverted.
        """
        self._apply(lambda state: state.evm.construct(address, init_code, artefacts.FAUCET))

    def token_balance(self, token: Address, holder: Address) -> int:
        """
        Return a token balance in base units.

        Raises:
            Reverted: It is no token.
        """
        output, _ = self.state.evm.attempt(artefacts.BUNDLER, token, artefacts.balance_of(holder))
        if len(output) != 32:
            raise Reverted(b"", "no token there")
        return int.from_bytes(output, "big")

    @property
    def holds_back(self) -> bool:
        """Whether a fault keeps something from being included."""
        return any(
            sent.include_at is None
            for waiting in self._waiting.values()
            for sent in waiting.values()
        )

    def is_taken(self, address: Address) -> bool:
        """Whether something that must not be overwritten stands at an address."""
        return (
            address in self.state.accounts
            or address == ENTRY_POINT_V07
            or address in artefacts.RECORDERS
            or bool(self.state.evm.code(address))
        )

    def _apply(self, event: Callable[[State], object]) -> None:
        event(self.state)
        self._events.append((0, event))

    def _try(self, sent: Sent, timestamp: int, base_fee: int) -> None:
        operation, include_at = sent.operation, sent.include_at
        if not sent.is_pending or include_at is None:
            return
        record = {"chain": self.chain_id, "key": sent.key.hex(), "at": include_at}
        if operation is not None and operation.op.max_fee_per_gas < base_fee:
            # A block takes it when fees have come down.
            self._write({"kind": "postpone", **record, "at": timestamp + 1})
            sent.include_at = timestamp + 1
            return
        try:
            self.include(sent, include_at, base_fee)
        except Refusal as refusal:
            self._write({"kind": "drop", **record, "reason": f"{refusal.aa} {refusal.reason}"})
            self.drop(sent, f"{refusal.aa} {refusal.reason}")
        else:
            self._write({"kind": "include", **record, "fee": base_fee})

    def _settle(self, sent: Sent, receipt: Receipt) -> None:
        sent.receipt = receipt
        self._leave(sent, Status.CONFIRMED if receipt.success else Status.REVERTED, None)
        number = receipt.place.block_number
        if number not in self._blocks:
            self._numbers.append(number)
        self._blocks.setdefault(number, []).append(sent)
        self.included.append(sent)
        self.transactions[receipt.transaction_hash] = sent
        self.head_time = max(self.head_time, receipt.place.timestamp)

    def _leave(self, sent: Sent, status: Status, reason: str | None) -> None:
        sent.status, sent.reason = status, reason
        waiting = self._waiting.get(sent.account, {})
        waiting.pop(sent.key, None)
        if not waiting:
            self._waiting.pop(sent.account, None)
