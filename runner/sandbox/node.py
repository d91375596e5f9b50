"""
The `eth_*` methods: what a node would answer about the chain.

Source: Ethereum execution API; ERC-7769 for `eth_getUserOperationReceipt`.
"""

from __future__ import annotations

from typing import Any, Final

from runner.ethereum import contracts
from runner.ethereum.address import ZERO_ADDRESS, Address, address_from_bytes
from runner.ethereum.hashing import keccak256
from runner.ethereum.user_operation import ENTRY_POINT_V07
from runner.sandbox import artefacts, gas, rpc, wire
from runner.sandbox.entity import validation_data
from runner.sandbox.evm import BLOCK_GAS_LIMIT, Log, Reverted
from runner.sandbox.records import Receipt
from runner.sandbox.service import Service
from runner.sandbox.wire import hex_data
from runner.sandbox.world import World

_EMPTY_BLOOM: Final = "0x" + 512 * "0"
_NO_UNCLES: Final = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"
_EMPTY_ROOT: Final = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
_ZERO_HASH: Final = "0x" + 64 * "0"
_TAGS: Final = ("latest", "pending", "safe", "finalized")


def json_log(log: Log) -> dict[str, Any]:
    """Write an event as the Wallet API does."""
    return {
        "address": log.address,
        "data": hex_data(log.data),
        "topics": [hex_data(topic) for topic in log.topics],
    }


def block_tag(world: World, value: Any, where: str) -> int:
    """Read a block parameter: a tag or a number."""
    if value in _TAGS:
        return world.head_number
    if value == "earliest":
        return world.block_number(world.genesis_time)
    if isinstance(value, dict) and "blockNumber" in value:
        value = value["blockNumber"]
    return wire.big(value, where)


def call(service: Service, world: World, params: list[Any]) -> str:
    """
    Answer `eth_call`.

    The block's number and time are those of the block that is named, and so are reads of the entry
    point's nonces; everything else is of the newest block.
    """
    fields = wire.members(_at(params, 0), "params[0]")
    to = None if fields.get("to") is None else wire.address(fields["to"], "params[0].to")
    name = "input" if "input" in fields else "data"
    data = wire.optional(fields, name, wire.data_bytes, "params[0]") or b""
    value = wire.optional(fields, "value", wire.big, "params[0]") or 0
    caller = wire.optional(fields, "from", wire.address, "params[0]") or ZERO_ADDRESS
    block = block_tag(world, params[1], "params[1]") if len(params) > 1 else world.head_number
    known = None if to is None else _known_answer(world, to, data, block)
    if known is not None:
        return hex_data(known)
    evm = world.state.evm
    evm.enter_block(block, world.block_time(block), service.base_fee)
    try:
        if to is None:
            return hex_data(evm.attempt_code(caller, data, value))
        output, _ = evm.attempt_from(caller, to, data, value)
    except Reverted as error:
        reason = artefacts.revert_reason(error.output) or error.halt
        message = f"execution reverted: {reason}" if reason else "execution reverted"
        raise rpc.RpcError(rpc.CALL_REVERTED, message, hex_data(error.output)) from None
    return hex_data(output)


def _known_answer(world: World, to: Address, data: bytes, block: int) -> bytes | None:
    """Answer what is kept outside of the EVM."""
    state, selector = world.state, data[:4]
    if to == ENTRY_POINT_V07 and selector == contracts.GET_NONCE and len(data) == 68:
        key192 = int.from_bytes(data[36:68], "big")
        at = None if block >= world.head_number else block
        sequence = state.sequence(address_from_bytes(data[16:36]), key192, at)
        return (key192 << 64 | sequence).to_bytes(32, "big")
    if to in state.accounts:
        if to not in state.deployed:
            return b""
        if selector == contracts.GET_VALIDATION_DATA and len(data) == 36:
            slot = (to, int.from_bytes(data[24:28], "big"))
            standing = state.entities.get(slot)
            module = address_from_bytes(data[4:24])
            is_other = standing is not None and standing.installation.module != module
            return validation_data(None if is_other else standing)
    return None


def get_code(world: World, params: list[Any]) -> str:
    """Answer `eth_getCode`."""
    return hex_data(world.state.code(wire.address(_at(params, 0), "params[0]")))


def get_balance(world: World, params: list[Any]) -> str:
    """Answer `eth_getBalance`, of the newest block."""
    return hex(world.state.evm.balance(wire.address(_at(params, 0), "params[0]")))


def get_transaction_count(world: World, params: list[Any]) -> str:
    """Answer `eth_getTransactionCount`: authorizations of an EOA, 1 for a contract."""
    address = wire.address(_at(params, 0), "params[0]")
    account = world.state.accounts.get(address)
    if account is None or account.is_delegating:
        return hex(world.state.transactions.get(address, 0))
    return hex(int(address in world.state.deployed))


def get_logs(world: World, params: list[Any]) -> list[dict[str, Any]]:
    """Answer `eth_getLogs`: block range or hash, addresses, topics with alternatives."""
    fields = wire.members(_at(params, 0), "params[0]")
    first, last = _block_range(world, fields)
    wanted = fields.get("address")
    listed = wanted if isinstance(wanted, list) else [] if wanted is None else [wanted]
    addresses = {wire.address(each, "params[0].address").lower() for each in listed}
    topics = [
        _topic_choice(each, f"params[0].topics[{n}]")
        for n, each in enumerate(wire.items(fields.get("topics") or [], "params[0].topics"))
    ]
    found: list[dict[str, Any]] = []
    for number in world.blocks_between(first, last):
        for sent in world.block(number):
            receipt = sent.receipt
            if receipt is None:
                continue
            for index, log in enumerate(receipt.logs):
                if (not addresses or log.address in addresses) and _matches(log, topics):
                    found.append(_node_log(world, receipt, log, receipt.place.log_index + index))
    return found


def get_block(world: World, number: int | None, *, full: bool) -> dict[str, Any] | None:
    """Return a block as `eth_getBlockByNumber` does, None beyond the head."""
    if number is None or not world.block_number(world.genesis_time) <= number <= world.head_number:
        return None
    inside = world.block(number)
    fee = inside[0].receipt.place.base_fee if inside and inside[0].receipt else gas.BASE_FEE
    used = sum(sent.receipt.gas_used for sent in inside if sent.receipt)
    is_first = number == world.block_number(world.genesis_time)
    return {
        "number": hex(number),
        "hash": hex_data(world.block_hash(number)),
        "parentHash": _ZERO_HASH if is_first else hex_data(world.block_hash(number - 1)),
        "timestamp": hex(world.block_time(number)),
        "transactions": [
            _transaction(world, sent.receipt) if full else hex_data(sent.receipt.transaction_hash)
            for sent in inside
            if sent.receipt
        ],
        "gasLimit": hex(BLOCK_GAS_LIMIT),
        "gasUsed": hex(used),
        "baseFeePerGas": hex(fee),
        "miner": artefacts.BUNDLER,
        "difficulty": "0x0",
        "totalDifficulty": "0x0",
        "extraData": "0x",
        "nonce": "0x0000000000000000",
        "mixHash": _ZERO_HASH,
        "sha3Uncles": _NO_UNCLES,
        "uncles": [],
        "logsBloom": _EMPTY_BLOOM,
        "stateRoot": hex_data(keccak256(world.block_hash(number))),
        "receiptsRoot": _EMPTY_ROOT,
        "transactionsRoot": _EMPTY_ROOT,
        "size": "0x220",
    }


def get_transaction_receipt(world: World, params: list[Any]) -> dict[str, Any] | None:
    """Answer `eth_getTransactionReceipt`."""
    wanted = wire.bytes32(_at(params, 0), "params[0]")
    sent = world.transactions.get(wanted)
    return (
        None if sent is None or sent.receipt is None else _transaction_receipt(world, sent.receipt)
    )


def get_transaction(world: World, params: list[Any]) -> dict[str, Any] | None:
    """Answer `eth_getTransactionByHash`."""
    sent = world.transactions.get(wire.bytes32(_at(params, 0), "params[0]"))
    return None if sent is None or sent.receipt is None else _transaction(world, sent.receipt)


def get_user_operation_receipt(world: World, params: list[Any]) -> dict[str, Any] | None:
    """Answer `eth_getUserOperationReceipt`."""
    sent = world.sent.get(wire.bytes32(_at(params, 0), "params[0]"))
    if sent is None or sent.receipt is None or sent.operation is None:
        return None
    receipt, op = sent.receipt, sent.operation.op
    return {
        "userOpHash": hex_data(sent.key),
        "entryPoint": ENTRY_POINT_V07,
        "sender": op.sender,
        "nonce": hex(op.nonce),
        "paymaster": op.paymaster or ZERO_ADDRESS,
        "actualGasCost": hex(receipt.actual_gas_cost),
        "actualGasUsed": hex(receipt.actual_gas_used),
        "success": receipt.success,
        "reason": hex_data(receipt.revert_data),
        "logs": [
            _node_log(world, receipt, log, receipt.place.log_index + index)
            for index, log in enumerate(receipt.logs)
        ],
        "receipt": _transaction_receipt(world, receipt),
    }


def _at(params: list[Any], index: int) -> Any:
    if index >= len(params):
        raise rpc.invalid(f"params[{index}] is missing")
    return params[index]


def _block_range(world: World, fields: dict[str, Any]) -> tuple[int, int]:
    if "blockHash" in fields:
        wanted = wire.bytes32(fields["blockHash"], "params[0].blockHash")
        number = block_by_hash(world, wanted)
        if number is None:
            raise rpc.refused(rpc.PRECHECK, "UnknownBlock", "unknown block")
        return number, number
    first = block_tag(world, fields.get("fromBlock", "latest"), "params[0].fromBlock")
    last = block_tag(world, fields.get("toBlock", "latest"), "params[0].toBlock")
    return first, last  # the other way round, or beyond the head, there is nothing


def block_by_hash(world: World, wanted: bytes) -> int | None:
    """Return the number of a block that holds something, or of one of the newest."""
    head = world.head_number
    for number in range(head, max(0, head - 256), -1):
        if world.block_hash(number) == wanted:
            return number
    return next((n for n in world.blocks_between(0, head) if world.block_hash(n) == wanted), None)


def _topic_choice(value: Any, where: str) -> frozenset[bytes]:
    """Read one place of a topic filter; an empty set admits everything."""
    if value is None:
        return frozenset()
    listed = value if isinstance(value, list) else [value]
    return frozenset(wire.bytes32(each, where) for each in listed)


def _matches(log: Log, topics: list[frozenset[bytes]]) -> bool:
    if len(topics) > len(log.topics):
        return False
    return all(
        not choice or topic in choice for choice, topic in zip(topics, log.topics, strict=False)
    )


def _node_log(world: World, receipt: Receipt, log: Log, index: int) -> dict[str, Any]:
    return {
        **json_log(log),
        "blockNumber": hex(receipt.place.block_number),
        "blockHash": hex_data(world.block_hash(receipt.place.block_number)),
        "transactionHash": hex_data(receipt.transaction_hash),
        "transactionIndex": hex(receipt.place.transaction_index),
        "logIndex": hex(index),
        "removed": False,
    }


def _transaction_receipt(world: World, receipt: Receipt) -> dict[str, Any]:
    place = receipt.place
    return {
        "transactionHash": hex_data(receipt.transaction_hash),
        "transactionIndex": hex(place.transaction_index),
        "blockHash": hex_data(world.block_hash(place.block_number)),
        "blockNumber": hex(place.block_number),
        "from": artefacts.BUNDLER,
        "to": ENTRY_POINT_V07,
        "status": "0x1",  # the bundle stands even if the calls of its operation reverted
        "gasUsed": hex(receipt.gas_used),
        "cumulativeGasUsed": hex(receipt.gas_used),
        "effectiveGasPrice": hex(place.base_fee + gas.PRIORITY_FEE),
        "contractAddress": None,
        "logsBloom": _EMPTY_BLOOM,
        "type": "0x2",
        "logs": [
            _node_log(world, receipt, log, place.log_index + index)
            for index, log in enumerate(receipt.logs)
        ],
    }


def _transaction(world: World, receipt: Receipt) -> dict[str, Any]:
    """Return the bundler's transaction; what it hands to the entry point is not shown."""
    place = receipt.place
    price = hex(place.base_fee + gas.PRIORITY_FEE)
    return {
        "hash": hex_data(receipt.transaction_hash),
        "blockHash": hex_data(world.block_hash(place.block_number)),
        "blockNumber": hex(place.block_number),
        "transactionIndex": hex(place.transaction_index),
        "chainId": hex(world.chain_id),
        "type": "0x2",
        "from": artefacts.BUNDLER,
        "to": ENTRY_POINT_V07,
        "nonce": hex(place.transaction_index),
        "value": "0x0",
        "input": "0x",
        "gas": hex(receipt.gas_used),
        "gasPrice": price,
        "maxFeePerGas": price,
        "maxPriorityFeePerGas": hex(gas.PRIORITY_FEE),
        "accessList": [],
        "yParity": "0x0",
        "v": "0x0",
        "r": "0x0",
        "s": "0x0",
    }
