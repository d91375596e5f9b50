"""What a block's operations moved: two questions about its logs say what each receipt says."""

import json

import pytest

from runner.adapters.chain import RpcChainReader
from runner.errors import WalletApiError


class Asked:
    """The sandbox as the chain reader's endpoint, and what it was asked."""

    origin = "sandbox"

    def __init__(self, client):
        self.client, self.methods = client, []

    async def call(self, method, params, *, repeat):
        assert repeat
        self.methods.append(method)
        try:
            return self.client.rpc(method, *json.loads(params))
        except self.client.failure as failure:
            raise WalletApiError(str(failure)) from failure


async def test_x22_a_blocks_logs_say_what_the_receipts_of_its_operations_say(client):
    """
    A payment, a batch and an empty operation, all in one block.
    """
    context = client.grant()
    for key, calls in enumerate([[client.pay(1)], [client.pay(2), client.pay(3)], []], start=1):
        client.send(client.prepare(calls, context, nonceOverride=client.lane(key)), context)
    client.wait(1)
    asked = Asked(client)
    chain = RpcChainReader(asked, chain_id=int(client.chain, 16))
    head = await chain.head()
    events = await chain.operation_events(
        [client.account], from_block=head.number, to_block=head.number
    )
    assert len(events) == 3

    asked.methods.clear()
    moved = await chain.outflows(head.hash, [client.account])

    assert asked.methods == ["eth_getLogs", "eth_getLogs"]
    assert sorted([one.amount for one in each] for each in moved.values()) == [[], [1], [2, 3]]
    for event in events:
        receipt = await chain.transfers(event.transaction_hash, "0x" + event.user_op_hash.hex())
        assert moved[event.user_op_hash] == receipt


async def test_x22_a_block_that_is_not_there_tells_nothing(client):
    """
    "Nothing left the account" is a statement; a block that nobody knows is none.
    """
    client.grant()
    chain = RpcChainReader(Asked(client), chain_id=int(client.chain, 16))

    with pytest.raises(WalletApiError, match="unknown block"):
        await chain.outflows("0x" + 64 * "e", [client.account])
