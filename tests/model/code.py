"""
The same world, pursued by the table that the daemon uses: `recovery.next_step`.

The model says what may be done; the table chooses. Whatever it can choose in a situation, for
every reading of clocks and whatever the service has answered, is what a process may do here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product

from model.world import Hand, Operation, Row, Rules, World, operations
from runner import records
from runner.execution.recovery import STUCK_BLOCKS, Sighting, Situation, Step, next_step
from runner.scheduling.occurrence import State

_NOW = datetime(2026, 12, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_TOLD = {
    State.SIGNED: records.OperationStatus.SIGNED,
    State.SENT: records.OperationStatus.SENT,
    State.UNKNOWN: records.OperationStatus.UNKNOWN,
}


@dataclass(frozen=True)
class CodeRules(Rules):
    """A process decides what the daemon's table says, and nothing else."""

    def _pursue(self, world: World, attempt: int, row: Row) -> Iterator[Hand]:
        seen = next((one for one in operations(world.chain) if one in row.operations), None)
        generation = next(iter(row.operations)).generation
        end = "final" if generation in world.final else "soft" * (generation in world.chain)
        for step in _steps(row, seen, seen in world.final, end):
            yield from self._hands(step, world, attempt, row, seen)

    def _hands(
        self, step: Step, world: World, attempt: int, row: Row, seen: Operation | None
    ) -> Iterator[Hand]:
        """What pursuit.py does about each step."""
        mine = sorted(row.operations, key=lambda one: one.bid)
        newest = mine[-1]
        following = newest._replace(bid=newest.bid + 1)
        if step is Step.RESEND:
            yield from (Hand("send", attempt, None, one) for one in mine[-2:])
        elif step is Step.REPLACE and following.bid < self.bids + (newest.kind == "burn"):
            yield Hand("sign", attempt, row, following)
        elif step is Step.BURN and following.bid <= self.bids:
            yield Hand("sign", attempt, row, following._replace(kind="burn"))
        elif step is Step.INCLUDE:
            yield Hand("include", attempt, row, seen)
        elif step in {Step.EXCLUDE, Step.CLOSE}:
            yield Hand(step.value, attempt, row)
        elif step is Step.EXPIRED:  # pursuit asks the nonce at a final block before it believes
            fence = newest.fence
            if not any(one.fence == fence for one in operations(world.final)):
                yield Hand("expire", attempt, row)


@cache
def _steps(row: Row, seen: Operation | None, final: bool, end: str) -> frozenset[Step]:
    """Every answer of the table, for whatever it may be told besides."""
    choices = product((False, True), repeat=5)
    states = [State.INCLUDED] if row.state == "included" else list(_TOLD)
    return frozenset(
        next_step(_situation(row, seen, final, end, state, *chosen))
        for state in states
        for chosen in choices
    )


def _situation(
    row: Row,
    seen: Operation | None,
    final: bool,
    end: str,
    state: State,
    late: bool,
    quiet: bool,
    old: bool,
    stuck: bool,
    near: bool,
) -> Situation:
    """
    A row and a look at the chain as the table is told of them.

    Args:
        end: The grant's end is in a `final` block, in a `soft` one, or in none yet.
        late: The deadline has passed.
        old: The last sending is long ago; `stuck`: so many blocks ago besides.
        near: The grant ends within the margin for skew.
    """
    left = {"final": -2 * _HOUR, "soft": -_HOUR / 2, "": timedelta(0) if near else _HOUR}[end]
    signed = _NOW - _HOUR if old else _NOW
    status = _TOLD.get(state, records.OperationStatus.SENT)
    sighting = None
    if seen is not None:
        recorded = seen == row.seen
        sighting = Sighting(str(seen), ours=True, final=final and recorded, recorded=recorded)
    return Situation(
        state=state,
        operations=tuple(
            _record(one, status, signed) for one in sorted(row.operations, key=lambda one: one.bid)
        ),
        sighting=sighting,
        now=_NOW,
        head_block=STUCK_BLOCKS if stuck else 0,
        final_at=_NOW - _HOUR,
        deadline_at=_NOW - _HOUR if late else _NOW + _HOUR,
        grant_expires_at=_NOW + left,
        last_sent_at=signed,
        resend_after=timedelta(minutes=2),
        quiet_until=_NOW + _HOUR if quiet else _NOW,
        skew=timedelta(seconds=30),
        may_burn=True,
    )


def _record(
    one: Operation, status: records.OperationStatus, signed_at: datetime
) -> records.Operation:
    kind = records.OperationKind.BURN if one.kind == "burn" else records.OperationKind.PAYMENT
    return records.Operation(
        hash=str(one),
        run="r",
        kind=kind,
        call_id="",
        chain=1,
        sender="0x",
        nonce=0,
        max_fee_per_gas=1,
        max_priority_fee_per_gas=1,
        max_cost=1,
        sponsored=True,
        status=status,
        signed_at=signed_at,
        from_block=0,
    )
