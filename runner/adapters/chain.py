"""
Evidence: one chain, read over `eth_*`.

Every answer is held against the question: which block, which contract, which sender. An endpoint
that answers about something else is an endpoint that did not answer.

Source: Ethereum JSON-RPC specification; EntryPoint v0.7 `UserOperationEvent` and `getNonce`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from operator import itemgetter
from typing import Any, Final

from pydantic import TypeAdapter

from runner.adapters.events import EventReader, query_of_events
from runner.adapters.outflows import (
    BLOCK_LOGS,
    BlockLog,
    is_end,
    is_move,
    outflows,
    query_of_ends,
    query_of_moves,
)
from runner.adapters.receipts import RECEIPT, ReceiptLog, is_transfer, is_uninstall, logs_of, names
from runner.adapters.wallet_api.messages import accept, encode
from runner.adapters.wallet_api.scalars import (
    Bytes32,
    HexBigInt,
    hex_bytes,
    hex_integer,
    read_bytes,
    read_integer,
)
from runner.adapters.wallet_api.transport import JsonRpcTransport
from runner.adapters.wallet_api.usual import PlacedEvent
from runner.adapters.wallet_api.wire import Wire
from runner.errors import AnswerLost, EncodingError, WalletApiError, WalletRefused
from runner.ethereum.abi_types import AbiType, parse_type, read_all
from runner.ethereum.address import Address, address_from_bytes
from runner.ethereum.contracts import GET_NONCE, GET_VALIDATION_DATA, SINGLE_SIGNER_MODULE
from runner.ethereum.installation import module_entity
from runner.ethereum.user_operation import ENTRY_POINT_V07, REVERT_REASON_TOPIC
from runner.ethereum.words import address_word, uint_word
from runner.ports import Block, OperationEvent, Transfer, Validation

BALANCE_OF: Final = bytes.fromhex("70a08231")
"""`balanceOf(address)` (ERC-20)"""

DECIMALS: Final = bytes.fromhex("313ce567")
"""`decimals()` (ERC-20)"""

MAX_BLOCK_SPAN: Final = 2000
"""Blocks that one `eth_getLogs` asks for; public endpoints refuse more than 2,000 to 10,000."""

_MAX_SENDERS = 200
_place = itemgetter(0, 1)


_ANSWER_TIMESTAMP: Final = bytes.fromhex("4260005260206000f3")
"""TIMESTAMP, PUSH1 0, MSTORE, PUSH1 32, PUSH1 0, RETURN."""

_LAST_SECOND: Final = 253402300799
"""Of the year 9999: what a `datetime` holds."""


class BlockAnswer(Wire):
    """`eth_getBlockByNumber`."""

    number: HexBigInt
    timestamp: HexBigInt
    hash: Bytes32


_BLOCK: Final = TypeAdapter(BlockAnswer)


class RpcChainReader:
    """
    `ports.ChainReader` over a JSON-RPC endpoint: the wallet's own or an independent one.

    Args:
        rpc: Who asks; not closed here.
        chain_id: The chain that is meant. An endpoint of another chain knows none of our
            operations and all our nonces as unused, which would look like proof that nothing was
            paid; so it is asked once for its chain before anything else is believed.
        max_block_span: Blocks in one `eth_getLogs`.
    """

    def __init__(
        self, rpc: JsonRpcTransport, *, chain_id: int, max_block_span: int = MAX_BLOCK_SPAN
    ) -> None:
        self._rpc = rpc
        self._chain_id = chain_id
        self._max_block_span = max_block_span
        self._chain_is_right = False
        self._events = EventReader()

    async def chain_id(self) -> int:
        """Return the chain that the endpoint serves, right or wrong."""
        return self._integer("eth_chainId", await self._call("eth_chainId"))

    async def head(self) -> Block:
        """Return the newest block."""
        return await self._block("latest")

    async def block(self, number: int) -> Block:
        """Return one block by number; `AnswerLost` if the endpoint does not have it."""
        block = await self._block(hex_integer(number))
        if block.number != number:
            raise self._unusable("eth_getBlockByNumber", f"block {block.number}, not {number}")
        return block

    async def operation_events(
        self, senders: Sequence[Address], *, from_block: int, to_block: int
    ) -> list[OperationEvent]:
        """
        Return all operations of these senders that the EntryPoint v0.7 included.

        Args:
            from_block: The first block looked at.
            to_block: The last block looked at.

        Returns:
            In the order of the chain.
        """
        method = "eth_getLogs"
        found: list[PlacedEvent] = []
        unique = list(dict.fromkeys(senders))
        self._events.begin()
        for first, last in self._spans(from_block, to_block):
            for start in range(0, len(unique), _MAX_SENDERS):
                some = unique[start : start + _MAX_SENDERS]
                result = await self._ask(method, query_of_events(some, first, last))
                try:
                    found += self._events.read(result, self._what(method), some, first, last)
                except ValueError as error:
                    raise self._unusable(method, str(error)) from error
        found.sort(key=_place)
        return [event for _, _, event in found]

    async def transfers(self, transaction_hash: str, user_op_hash: str) -> list[Transfer]:
        """
        Return the ERC-20 transfers that one operation made, in order.

        A transaction that has no receipt or did not include the operation is `AnswerLost`.
        """
        logs = await self._logs_in(transaction_hash, user_op_hash)
        return [
            Transfer(
                token=log.address,
                sender=address_from_bytes(log.topics[1][12:]),
                receiver=address_from_bytes(log.topics[2][12:]),
                amount=int.from_bytes(log.data, "big"),
            )
            for log in logs
            if is_transfer(log)
        ]

    async def outflows(
        self, block_hash: str, senders: Sequence[Address]
    ) -> dict[bytes, list[Transfer]]:
        """
        Return, by hash of each operation in a block, what it moved out of these accounts, in order.

        A block that is not there, or not any more, is an error of the endpoint.
        """
        ends = await self._logs_of_block(query_of_ends(block_hash))
        if [log for log in ends if not is_end(log, block_hash)]:
            raise self._unusable("eth_getLogs", "a log that was not asked for")
        moves: list[BlockLog] = []
        topics = [hex_bytes(address_word(sender)) for sender in senders]
        for start in range(0, len(topics), _MAX_SENDERS):
            some = frozenset(topics[start : start + _MAX_SENDERS])
            found = await self._logs_of_block(query_of_moves(block_hash, sorted(some)))
            if [log for log in found if not is_move(log, block_hash, some)]:
                raise self._unusable("eth_getLogs", "a log that was not asked for")
            moves += found
        try:
            return outflows(ends, moves, frozenset(topics))
        except ValueError as error:
            raise self._unusable("eth_getLogs", str(error)) from error

    async def _logs_of_block(self, query: dict[str, Any]) -> list[BlockLog]:
        method = "eth_getLogs"
        return accept(BLOCK_LOGS, await self._ask(method, query), self._what(method))

    async def validation(self, account: Address, entity_id: int, *, block: int) -> Validation:
        """Return what the account holds for a session key's entity after a block (X15)."""
        name = module_entity(SINGLE_SIGNER_MODULE, entity_id)
        call = {"to": account, "data": hex_bytes(GET_VALIDATION_DATA + name.ljust(32, b"\0"))}
        answer = await self._bytes("eth_call", call, hex_integer(block))
        if not answer:  # no code yet: nothing can be installed
            return Validation(0, (), ())
        try:
            ((flags, before, around, selectors),) = read_all(_validation_types(), answer)
        except EncodingError as error:
            raise self._unusable("eth_call", f"{account}: {error.what}") from error
        return Validation(flags, (*before, *around), tuple(selectors))

    async def uninstalls(
        self, account: Address, transaction_hash: str, user_op_hash: str
    ) -> dict[int, bool]:
        """Return, by entity that one operation uninstalled, whether its modules cleaned up."""
        found: dict[int, bool] = {}
        for log in await self._logs_in(transaction_hash, user_op_hash):
            if is_uninstall(log, account):
                entity = int.from_bytes(log.topics[2], "big")
                found[entity] = found.get(entity, True) and any(log.data)
        return found

    async def reverted_with_data(self, transaction_hash: str, user_op_hash: str) -> bool:
        """
        Whether an operation's calls reverted with a reason; one that ran out of gas has none.

        A transaction that has no receipt or did not include the operation is `AnswerLost`.
        """
        logs = await self._logs_in(transaction_hash, user_op_hash)
        return any(
            log.address == ENTRY_POINT_V07
            and log.topics[:1] == [REVERT_REASON_TOPIC]
            and names(log, user_op_hash.lower())
            for log in logs
        )

    async def _logs_in(self, transaction_hash: str, user_op_hash: str) -> list[ReceiptLog]:
        method = "eth_getTransactionReceipt"
        result = await self._ask(method, transaction_hash)
        if result is None:
            raise self._unusable(method, "no receipt for this transaction")
        receipt = accept(RECEIPT, result, self._what(method))
        if hex_bytes(receipt.transaction_hash) != transaction_hash.lower():
            raise self._unusable(method, "the receipt of another transaction")
        logs = logs_of(receipt, user_op_hash.lower())
        if logs is None:
            raise self._unusable(method, "the transaction did not include this operation")
        return logs

    async def nonce(self, sender: Address, key192: int, *, block: int) -> int:
        """Return the EntryPoint's next sequence of this key after that block."""
        data = GET_NONCE + address_word(sender) + uint_word(key192, 192, "nonce key")
        nonce = await self._call_contract(ENTRY_POINT_V07, data, hex_integer(block))
        if nonce >> 64 != key192:
            raise self._unusable("eth_call", "the nonce of another key")
        return nonce & (2**64 - 1)

    async def time_in(self, block: int) -> datetime | None:
        """Return the time that contracts see in a block; None if no code is run for a caller."""
        call = {"data": hex_bytes(_ANSWER_TIMESTAMP)}
        try:
            word = await self._bytes("eth_call", call, hex_integer(block))
        except WalletRefused:
            return None
        seconds = int.from_bytes(word, "big")
        if len(word) != 32 or seconds > _LAST_SECOND:
            return None
        return datetime.fromtimestamp(seconds, UTC)

    async def balance(
        self, holder: Address, token: Address | None, *, block: int | None = None
    ) -> int:
        """Return a balance after a block, the newest if None, in base units or wei."""
        at = "latest" if block is None else hex_integer(block)
        if token is not None:
            return await self._call_contract(token, BALANCE_OF + address_word(holder), at)
        return self._integer("eth_getBalance", await self._ask("eth_getBalance", holder, at))

    async def decimals(self, token: Address) -> int:
        """Return how many decimals a token says that it has; `AnswerLost` if it is no token."""
        decimals = await self._call_contract(token, DECIMALS, "latest")
        if decimals > 255:
            raise self._unusable("eth_call", f"{token} answers more decimals than a uint8 holds")
        return decimals

    async def code(self, address: Address) -> bytes:
        """Return the code of an account at the newest block; empty if there is none."""
        return await self._bytes("eth_getCode", address, "latest")

    async def transaction_count(self, address: Address) -> int:
        """Return the nonce of an EOA's next transaction or authorization, at the newest block."""
        method = "eth_getTransactionCount"
        return self._integer(method, await self._ask(method, address, "latest"))

    async def _block(self, which: str) -> Block:
        method = "eth_getBlockByNumber"
        result = await self._ask(method, which, False)
        if result is None:
            raise self._unusable(method, f"no block {which}")
        answer = accept(_BLOCK, result, self._what(method))
        try:
            timestamp = datetime.fromtimestamp(answer.timestamp, UTC)
        except (ValueError, OverflowError, OSError):
            raise self._unusable(method, "a time beyond all calendars") from None
        return Block(answer.number, timestamp, hex_bytes(answer.hash))

    def _spans(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        for start in range(first, last + 1, self._max_block_span):
            yield start, min(start + self._max_block_span - 1, last)

    async def _call_contract(self, contract: Address, data: bytes, block: str) -> int:
        """Return the one word that a view function answers."""
        method = "eth_call"
        word = await self._bytes(method, {"to": contract, "data": hex_bytes(data)}, block)
        if len(word) != 32:
            raise self._unusable(method, f"{len(word)} bytes: is {contract} such a contract?")
        return int.from_bytes(word, "big")

    async def _bytes(self, method: str, *params: Any) -> bytes:
        try:
            return read_bytes(await self._ask(method, *params))
        except ValueError as error:
            raise self._unusable(method, str(error)) from error

    async def _ask(self, method: str, *params: Any) -> Any:
        if not self._chain_is_right:
            served = await self.chain_id()
            if served != self._chain_id:
                raise WalletApiError(
                    f"{self._rpc.origin} serves chain {served}, not {self._chain_id}",
                    hint="check `rpc_url` of this chain",
                )
            self._chain_is_right = True
        return await self._call(method, *params)

    def _call(self, method: str, *params: Any) -> Awaitable[Any]:
        return self._rpc.call(method, encode(params), repeat=True)

    def _integer(self, method: str, result: Any) -> int:
        try:
            return read_integer(result)
        except ValueError as error:
            raise self._unusable(method, str(error)) from error

    def _unusable(self, method: str, why: str) -> AnswerLost:
        return AnswerLost(f"{self._what(method)}: unusable answer: {why}")

    def _what(self, method: str) -> str:
        return f"{self._rpc.origin}: {method}"


@cache
def _validation_types() -> tuple[AbiType, ...]:
    return (parse_type("(uint8,bytes25[],bytes25[],bytes4[])"),)
