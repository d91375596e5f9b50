"""
The EntryPoint's events, each read once.

Source: Ethereum JSON-RPC specification; EntryPoint v0.7 `UserOperationEvent`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import TypeAdapter

from runner.adapters.wallet_api.messages import accept
from runner.adapters.wallet_api.scalars import (
    Bytes32,
    HexBigInt,
    HexBytes,
    WireAddress,
    hex_bytes,
    hex_integer,
)
from runner.adapters.wallet_api.usual import PlacedEvent, usual_event
from runner.adapters.wallet_api.wire import Wire
from runner.ethereum.address import Address, address_from_bytes
from runner.ethereum.user_operation import ENTRY_POINT_V07, USER_OPERATION_EVENT_TOPIC
from runner.ethereum.words import address_word
from runner.ports import OperationEvent

_NOT_ASKED_FOR: Final = "a log that was not asked for"


class LogAnswer(Wire):
    """An entry of `eth_getLogs`. `removed` means that its block was reorganised away."""

    address: WireAddress
    topics: list[Bytes32]
    data: HexBytes
    log_index: HexBigInt
    block_number: HexBigInt
    block_hash: Bytes32
    transaction_hash: Bytes32
    removed: bool = False


_LOGS: Final = TypeAdapter(list[LogAnswer])


def query_of_events(senders: Sequence[Address], first: int, last: int) -> dict[str, Any]:
    """What `eth_getLogs` is asked for: the operations of these senders in these blocks."""
    topics = [
        hex_bytes(USER_OPERATION_EVENT_TOPIC),
        None,
        [hex_bytes(address_word(sender)) for sender in senders],
    ]
    return {
        "address": ENTRY_POINT_V07,
        "topics": topics,
        "fromBlock": hex_integer(first),
        "toBlock": hex_integer(last),
    }


class EventReader:
    """
    Reads what `query_of_events` is answered.

    Looks overlap, so most logs come several times: what the look before has read is not read again.
    """

    def __init__(self) -> None:
        self._before: dict[tuple[str, str], tuple[Any, PlacedEvent]] = {}
        self._now: dict[tuple[str, str], tuple[Any, PlacedEvent]] = {}
        """By the block and the place of each log: as it came, and what it says."""

    def begin(self) -> None:
        """A look begins; what the one before it has read is at hand."""
        self._before, self._now = self._now, {}

    def read(
        self, result: Any, what: str, senders: Sequence[Address], first: int, last: int
    ) -> list[PlacedEvent]:
        """
        The events in an answer, as they stand in it.

        Args:
            what: Begins the message of an error: where and which method.

        Raises:
            AnswerLost: it is no list of logs.
            ValueError: a log was not asked for, or is no such event.
        """
        found = self._usual(result)
        if found is None:
            return _by_model(accept(_LOGS, result, what), senders, first, last)
        asked = frozenset(senders)
        for number, _, event in found:
            if event.sender not in asked or not first <= number <= last:
                raise ValueError(_NOT_ASKED_FOR)
        return found

    def _usual(self, result: Any) -> list[PlacedEvent] | None:
        """The same, where all is written as usual; else None."""
        if type(result) is not list:
            return None
        found: list[PlacedEvent] = []
        try:
            for log in result:
                if log.get("removed", False) is not False:
                    return None
                place = log["blockHash"], log["logIndex"]
                read = self._before.get(place)
                if read is None or read[0] != log:
                    event = usual_event(log)
                    if event is None:
                        return None
                    read = log, event
                self._now[place] = read
                found.append(read[1])
        except (AttributeError, KeyError, TypeError):
            return None
        return found


def _by_model(
    logs: list[LogAnswer], senders: Sequence[Address], first: int, last: int
) -> list[PlacedEvent]:
    asked = {address_word(sender) for sender in senders}
    for log in logs:
        if not (
            log.address == ENTRY_POINT_V07
            and len(log.topics) == 4
            and log.topics[0] == USER_OPERATION_EVENT_TOPIC
            and log.topics[2] in asked
            and first <= log.block_number <= last
        ):
            raise ValueError(_NOT_ASKED_FOR)
    return [(log.block_number, log.log_index, _event(log)) for log in logs if not log.removed]


def _event(log: LogAnswer) -> OperationEvent:
    success = int.from_bytes(log.data[32:64], "big")
    if len(log.data) != 4 * 32 or success > 1:
        raise ValueError("a malformed UserOperationEvent")
    return OperationEvent(
        user_op_hash=log.topics[1],
        sender=address_from_bytes(log.topics[2][12:]),
        nonce=int.from_bytes(log.data[:32], "big"),
        success=bool(success),
        gas_cost=int.from_bytes(log.data[64:96], "big"),
        block_number=log.block_number,
        block_hash=hex_bytes(log.block_hash),
        transaction_hash=hex_bytes(log.transaction_hash),
    )
