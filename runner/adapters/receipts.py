"""
What a transaction's receipt says of one operation in it.

Source: Ethereum JSON-RPC specification; EntryPoint v0.7 `UserOperationEvent`.
"""

from __future__ import annotations

from typing import Final

from pydantic import TypeAdapter

from runner.adapters.outflows import BEFORE_EXECUTION_TOPIC
from runner.adapters.wallet_api.scalars import (
    Bytes32,
    HexBigInt,
    HexBytes,
    WireAddress,
    hex_bytes,
)
from runner.adapters.wallet_api.wire import Wire
from runner.ethereum.address import Address
from runner.ethereum.contracts import SINGLE_SIGNER_MODULE, VALIDATION_UNINSTALLED_TOPIC
from runner.ethereum.erc20 import TRANSFER_TOPIC
from runner.ethereum.user_operation import ENTRY_POINT_V07, USER_OPERATION_EVENT_TOPIC
from runner.ethereum.words import address_word

_ADDRESS_PADDING = bytes(12)


class ReceiptLog(Wire):
    """A log as far as a receipt is read."""

    address: WireAddress
    topics: list[Bytes32]
    data: HexBytes
    log_index: HexBigInt


class ReceiptAnswer(Wire):
    """`eth_getTransactionReceipt`."""

    transaction_hash: Bytes32
    logs: list[ReceiptLog]


RECEIPT: Final = TypeAdapter(ReceiptAnswer)


def logs_of(receipt: ReceiptAnswer, user_op_hash: str) -> list[ReceiptLog] | None:
    """
    Return the logs that one operation of a bundle wrote, None if it is not in there.

    Source: EntryPoint v0.7 `handleOps` validates all operations, emits `BeforeExecution`, then
    executes one after the other, each ended by its `UserOperationEvent`.
    """
    logs: list[ReceiptLog] = []
    for log in sorted(receipt.logs, key=lambda log: log.log_index):
        name = log.topics[0] if log.address == ENTRY_POINT_V07 and log.topics else None
        if name == USER_OPERATION_EVENT_TOPIC and names(log, user_op_hash):
            return logs
        if name in {USER_OPERATION_EVENT_TOPIC, BEFORE_EXECUTION_TOPIC}:
            logs = []
        else:
            logs.append(log)
    return None


def names(log: ReceiptLog, user_op_hash: str) -> bool:
    """Whether a log of the EntryPoint is about an operation; its hash in lower case."""
    return len(log.topics) > 1 and hex_bytes(log.topics[1]) == user_op_hash


def is_uninstall(log: ReceiptLog, account: Address) -> bool:
    """Whether an account says in it that a session key's entity is uninstalled."""
    return (
        log.address == account
        and len(log.topics) == 3
        and log.topics[0] == VALIDATION_UNINSTALLED_TOPIC
        and log.topics[1] == address_word(SINGLE_SIGNER_MODULE)
        and len(log.data) == 32
    )


def is_transfer(log: ReceiptLog) -> bool:
    """
    Whether it is an ERC-20 transfer.

    A receipt holds the logs of strangers in the same bundle: what is odd is passed over, never an
    error. An NFT's Transfer has the same first topic, but four topics and no data.
    """
    return (
        len(log.topics) == 3
        and log.topics[0] == TRANSFER_TOPIC
        and all(topic.startswith(_ADDRESS_PADDING) for topic in log.topics[1:])
        and len(log.data) == 32
    )
