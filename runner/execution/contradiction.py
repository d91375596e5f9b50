"""
Closed runs that the chain contradicts later: a reorganisation deeper than finality (X13).

The newest of them are looked for again with every sweep. What is not where it was becomes a new
version of its row, in `sent`, and is pursued like any other: the same bytes on the same fence.
"""

from __future__ import annotations

from runner.execution.contexts import Venue
from runner.execution.watch import Watcher
from runner.ports import Ledger, OperationEvent, Telemetry
from runner.records import Operation, Run

_LOOK_BACK = 64
"""Blocks below the head in which closed runs are looked for again."""


async def reopen_contradicted(
    venue: Venue, watcher: Watcher, *, ledger: Ledger, telemetry: Telemetry
) -> list[Run]:
    """
    Take back what was closed on blocks that are gone.

    A node that lags has not lost a block: only one that has another in its place is believed.

    Returns:
        The runs that are open again.
    """
    head = watcher.head
    if head is None:
        return []
    lowest = max(head.number - _LOOK_BACK, 0)
    closed = await ledger.closed_since(venue.chain_id, lowest)
    if not closed:
        return []
    senders = sorted({operation.sender for operation in closed})
    events = await venue.chain.operation_events(senders, from_block=lowest, to_block=head.number)
    by_fence = {(event.sender, event.nonce): event for event in events}
    reopened = []
    for operation in closed:
        event = by_fence.get((operation.sender, operation.nonce))
        if not await _is_gone(venue, head.number, operation, event):
            continue
        run = await ledger.run(operation.run)
        followed = await ledger.successor(run) is not None
        telemetry.emit(
            "run.reorged",
            level="critical",
            run=run.id,
            schedule=run.schedule,
            was=run.state.value,
            hash=operation.hash,
            block=operation.block_number,
            hint="it was tried again since: compare both attempts with the chain"
            if followed
            else "it is pursued again, on the same fence",
        )
        if not followed:
            now = venue.clock.now()
            reopened.append(await ledger.contradict(run, operation.hash, now=now))
    return reopened


async def _is_gone(
    venue: Venue, head: int, operation: Operation, event: OperationEvent | None
) -> bool:
    if event is not None and "0x" + event.user_op_hash.hex() == operation.hash:
        return False  # in the same block, or moved to another: it stands
    number = operation.block_number
    if number is None or number > head:
        return False
    return (await venue.chain.block(number)).hash != operation.block_hash
