"""
A ledger that is a copy, restored: what the chain shows of its missing time is written down (X18).

What is adopted goes the way of every run, by the same moves and the same laws, in one transaction;
only its signed bytes are lost with the ledger that signed them.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from runner.adapters.sql import budgets, claims
from runner.adapters.sql import tables as t
from runner.adapters.sql.moves import move
from runner.adapters.sql.queries import run_by_id
from runner.adapters.sql.rows import operation_values, transfer_rows
from runner.adapters.sql.store import SqlStore
from runner.adapters.sql.transaction import Transaction
from runner.adapters.vault import Vault
from runner.records import Adoption, OperationKind, OperationStatus, Run, RunKind
from runner.scheduling.occurrence import Reason, State, is_running, run_id

COPIED_AT = "copied_at"
"""The row of `meta` that makes a ledger a copy: the instant up to which it knows what was paid."""


class CopyRows:
    """The ledger's part about being a copy."""

    _store: SqlStore
    _vault: Vault

    async def copied_at(self) -> datetime | None:
        """When this ledger was copied, while nobody has looked for what was paid since."""
        query = select(t.meta.c.value).where(t.meta.c.key == COPIED_AT)
        found = await self._store.read(lambda c: c.scalar(query))
        return None if found is None else datetime.fromisoformat(found)

    async def first_block(self, chain: int) -> int:
        """From this block on, this ledger may not know what was included."""
        o = t.operations.c
        wide = {OperationStatus.SIGNED.value, OperationStatus.SENT.value}
        wide |= {OperationStatus.UNKNOWN.value, OperationStatus.INCLUDED.value}

        def read(c: Connection) -> int:
            open_ = c.scalar(
                select(func.min(o.from_block)).where(o.chain == chain, o.status.in_(wide))
            )
            newest = c.scalar(select(func.max(o.from_block)).where(o.chain == chain))
            return min(open_ if open_ is not None else newest or 0, newest or 0)

        return await self._store.read(read)

    async def adopt(self, found: Adoption, *, now: datetime) -> Run:
        """A slot that the chain shows as paid, reverted or burned, from its claim to its end."""

        def work(tx: Transaction) -> Run:
            run = _claimed(tx, found, now)
            run = move(
                tx,
                run,
                State.PREPARED,
                now=now,
                intent=found.intent,
                revision=found.revision,
            )
            tx.connection.execute(delete(t.transfers).where(t.transfers.c.run == run.id))
            rows = transfer_rows(run.id, found.lines)
            if rows:
                tx.connection.execute(insert(t.transfers), rows)
            return self._closed(tx, found, run, now)

        return await self._store.write(work)

    def _closed(self, tx: Transaction, found: Adoption, run: Run, now: datetime) -> Run:
        c, operation, seen = tx.connection, found.operation, found.inclusion
        fence = {"chain": operation.chain, "sender": operation.sender, "nonce": operation.nonce}
        c.execute(insert(t.fences).values(**fence, run=run.id, part=run.part, attempt=run.attempt))
        c.execute(
            insert(t.operations).values(operation_values(run.id, operation, self._vault, now))
        )
        run = move(tx, run, State.SIGNED, now=now)
        outcome = OperationStatus.SUCCESS if seen.success else OperationStatus.REVERTED
        c.execute(
            update(t.operations)
            .where(t.operations.c.hash == operation.hash)
            .values(
                status=outcome.value,
                block_number=seen.block_number,
                block_hash=seen.block_hash,
                block_at=seen.block_at,
                transaction_hash=seen.transaction_hash,
                gas_cost=seen.gas_cost,
                detail="adopted from the chain; its signed bytes are lost",
            )
        )
        paid = operation.kind is OperationKind.PAYMENT and seen.success
        run = move(tx, run, State.INCLUDED, now=now, counts=paid)
        tx.event(now, "run.adopted", run.id, hash=operation.hash, block=seen.block_number)
        return move(tx, run, found.state, reason=found.reason, detail=found.detail, now=now)

    async def reconciled(self, *, adopted: int, missed: int, now: datetime) -> None:
        """The chain was asked for everything: from here on this is a ledger like any other."""

        def work(tx: Transaction) -> None:
            tx.connection.execute(delete(t.meta).where(t.meta.c.key == COPIED_AT))
            tx.event(now, "ledger.reconciled", tx.incarnation, adopted=adopted, missed=missed)

        await self._store.write(work)


def _claimed(tx: Transaction, found: Adoption, now: datetime) -> Run:
    """The run that stands open for this attempt, or a new one; those before it are dead."""
    claim = found.claim
    identity = "0x" + run_id(claim.schedule, claim.slot, attempt=found.attempt).hex()
    known = tx.connection.scalar(select(t.runs.c.id).where(t.runs.c.id == identity))
    if known is not None:
        return run_by_id(tx.connection, identity)
    occurrence = claims.write_decision(tx, claim, now)
    if occurrence is None:
        o = t.occurrences.c
        query = select(o.id).where(o.schedule == claim.schedule, o.slot == claim.slot)
        occurrence = int(tx.connection.execute(query).scalar_one())
    c, r = tx.connection, t.runs.c
    for attempt in range(1, found.attempt + 1):
        name = "0x" + run_id(claim.schedule, claim.slot, attempt=attempt).hex()
        if c.scalar(select(r.id).where(r.id == name)) is not None:
            continue
        last = attempt == found.attempt
        state = State.CLAIMED if last else State.NOT_INCLUDED
        c.execute(
            insert(t.runs).values(
                id=name,
                kind=RunKind.PAYMENT.value,
                occurrence=occurrence,
                schedule=claim.schedule,
                session=claim.session,
                attempt=attempt,
                state=state.value,
                reason=None if last else Reason.EXPIRED.value,
                detail=None if last else f"attempt {found.attempt} followed it, says the chain",
                running=is_running(state),
                exclusive=False,
                due_at=claim.due_at,
                claimed_at=now,
                deadline_at=now,
                closed_at=None if last else now,
                incarnation=tx.incarnation,
            )
        )
    budgets.reserve(tx, identity, claim.reservations)
    return run_by_id(c, identity)
