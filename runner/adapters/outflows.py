"""
What operations moved out of their accounts, read for all of a block at once.

A receipt says the same of one transaction; where a block holds many payments, two questions about
its logs spare a receipt for each.

Source: EntryPoint v0.7 `handleOps` validates all operations of a bundle, emits `BeforeExecution`,
then executes one after the other, each ended by its `UserOperationEvent`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Any, Final

from pydantic import StringConstraints, TypeAdapter

from runner.adapters.wallet_api.scalars import hex_bytes
from runner.adapters.wallet_api.usual import bytes_of
from runner.adapters.wallet_api.wire import Wire
from runner.ethereum.address import address_from_bytes
from runner.ethereum.erc20 import TRANSFER_TOPIC
from runner.ethereum.user_operation import ENTRY_POINT_V07, USER_OPERATION_EVENT_TOPIC
from runner.ports import Transfer

BEFORE_EXECUTION_TOPIC: Final = bytes.fromhex(
    "bb47ee3e183a558b1a2ff0874b079f3fc5478b7454eacf2bfc5af2ff5878f972"
)
"""Only topic of the EntryPoint's `BeforeExecution()`."""

_ENTRY_POINT = ENTRY_POINT_V07.lower()
_ENDED = hex_bytes(USER_OPERATION_EVENT_TOPIC)
_ENDS = (_ENDED, hex_bytes(BEFORE_EXECUTION_TOPIC))
_MOVED = hex_bytes(TRANSFER_TOPIC)
_ADDRESS_PADDING = "0x" + 24 * "0"


_Word = Annotated[str, StringConstraints(pattern="^0x[0-9a-fA-F]{64}$")]


class BlockLog(Wire):
    """A log of one block. All of it stays text: most of it is only compared."""

    address: Annotated[str, StringConstraints(pattern="^0x[0-9a-fA-F]{40}$")]
    topics: list[_Word]
    data: str
    log_index: Annotated[str, StringConstraints(pattern="^0x[0-9a-fA-F]{1,64}$")]
    block_hash: str
    transaction_hash: str
    removed: bool = False


BLOCK_LOGS: Final = TypeAdapter(list[BlockLog])


def query_of_ends(block_hash: str) -> dict[str, Any]:
    """What `eth_getLogs` is asked for: where in a block operations begin and end."""
    return {
        "blockHash": block_hash,
        "address": ENTRY_POINT_V07,
        "topics": [[*_ENDS]],
    }


def query_of_moves(block_hash: str, senders: Sequence[str]) -> dict[str, Any]:
    """What `eth_getLogs` is asked for: all that left these accounts, as topics, in a block."""
    return {"blockHash": block_hash, "topics": [_MOVED, list(senders)]}


def is_end(log: BlockLog, block_hash: str) -> bool:
    """Whether a log is one that `query_of_ends` asks for."""
    return (
        log.address.lower() == _ENTRY_POINT
        and log.block_hash.lower() == block_hash
        and not log.removed
        and log.topics[:1] != []
        and log.topics[0].lower() in _ENDS
    )


def is_move(log: BlockLog, block_hash: str, senders: Collection[str]) -> bool:
    """Whether a log is one that `query_of_moves` asks for; `senders` are padded, as topics are."""
    return (
        log.block_hash.lower() == block_hash
        and not log.removed
        and len(log.topics) > 1
        and log.topics[0].lower() == _MOVED
        and log.topics[1].lower() in senders
    )


def outflows(
    ends: Sequence[BlockLog], moves: Sequence[BlockLog], senders: Collection[str]
) -> dict[bytes, list[Transfer]]:
    """
    By hash of each operation of these accounts that a block holds, what it moved, in order.

    Args:
        ends: What `query_of_ends` found, operations of others among it.
        senders: Whose moves were asked for, padded as topics are.

    Raises:
        ValueError: a log is not what its topics say.
    """
    found: dict[bytes, list[Transfer]] = {}
    open_: dict[str, list[Transfer]] = {}
    for log in sorted((*ends, *moves), key=_index):
        name = log.topics[0].lower()
        if name == _MOVED:
            if _is_transfer(log):
                open_.setdefault(log.transaction_hash, []).append(_transfer(log))
            continue
        before = open_.pop(log.transaction_hash, [])
        if name == _ENDED and len(log.topics) > 2 and log.topics[2].lower() in senders:
            found[bytes.fromhex(log.topics[1][2:])] = before
    return found


def _index(log: BlockLog) -> int:
    return int(log.log_index, 16)


def _is_transfer(log: BlockLog) -> bool:
    """An NFT's Transfer has the same first topic, but four topics and no data."""
    return (
        len(log.topics) == 3 and log.topics[2].startswith(_ADDRESS_PADDING) and len(log.data) == 66
    )


def _transfer(log: BlockLog) -> Transfer:
    token, sender, receiver, data = bytes_of(log.address, *log.topics[1:], log.data)
    return Transfer(
        token=address_from_bytes(token),
        sender=address_from_bytes(sender[12:]),
        receiver=address_from_bytes(receiver[12:]),
        amount=int.from_bytes(data, "big"),
    )
