"""A ledger on a real SQLite file with one schedule, and short ways to bring runs to a state."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runner.adapters.sql import tables as t
from runner.adapters.sql.ledger import SqlLedger
from runner.adapters.sql.store import SqlStore
from runner.adapters.vault import Vault
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.permissions import Erc20TokenTransfer, GasLimit
from runner.guard.intent import TransferLine
from runner.records import (
    Claim,
    Grant,
    NewGrant,
    NewOperation,
    OperationKind,
    Run,
    ScheduleSeed,
)
from runner.scheduling.occurrence import State

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
ALICE = Address("0x00000000000000000000000000000000000A11cE")
LINE = TransferLine(USDC, "usdc", 6, ALICE, "alice", 25_000_000)
SEED = ScheduleSeed("p/s", "p/key", "every 1h", "r1", account="p/treasury")
NEW_GRANT = NewGrant(
    session="p/key",
    chain=84532,
    account=ALICE,
    wallet="sandbox",
    key_address=ALICE,
    permissions=(Erc20TokenTransfer(USDC, 10**30), GasLimit(0)),
    scope="0x01",
    requested_at=NOW,
    expires_at=NOW + timedelta(days=45),
    next_renewal_at=NOW + timedelta(days=30),
)
PAYING = NewOperation(
    hash="0xaa",
    kind=OperationKind.PAYMENT,
    call_id="0x01",
    chain=84532,
    sender=ALICE,
    nonce=2**200 + 5,
    max_fee_per_gas=10,
    max_priority_fee_per_gas=1,
    max_cost=10**15,
    sponsored=True,
    request=b"SIGNED BYTES",
    from_block=7,
)


class Quiet:
    """Implements `ports.Telemetry`: keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []

    def emit(self, event: str, **fields: Any) -> None:
        self.told.append((event, fields))


@dataclass
class Book:
    """The ledger, its file, and what tests ask of it again and again."""

    path: Path
    store: SqlStore
    ledger: SqlLedger
    grant: Grant | None = None

    @classmethod
    async def open(cls, path: Path, *seeds: ScheduleSeed) -> Book:
        vault = Vault(bytes(range(32)), entropy=os.urandom)
        store = SqlStore.open(f"sqlite:///{path}", vault, now=NOW, create=True)
        ledger = SqlLedger(store, vault)
        await ledger.install_schedules(seeds or (SEED,), now=NOW)
        return cls(path, store, ledger)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    @property
    def burn(self) -> NewOperation:
        return replace(PAYING, hash="0xbb", kind=OperationKind.BURN)

    async def close(self) -> None:
        await self.store.close(now=NOW)

    def slot(self, hour: int, **changes: Any) -> Claim:
        due = NOW + hour * HOUR
        claim = Claim(
            schedule="p/s",
            slot=f"{due:%Y-%m-%dT%H:%M:%SZ}",
            due_at=due,
            decision=State.CLAIMED,
            session="p/key",
            exclusive=False,
            deadline_at=due + timedelta(minutes=10),
            expires_at=due + HOUR,
        )
        return replace(claim, **changes)

    async def claim(
        self, hour: int, *, now: datetime = NOW, **changes: Any
    ) -> tuple[list[Run], list[Claim]]:
        one = self.slot(hour, **changes)
        return await self.ledger.claim([one], decided_until={"p/s": one.due_at}, now=now)

    async def claimed(self, hour: int, **changes: Any) -> Run:
        made, _ = await self.claim(hour, **changes)
        return made[0]

    async def prepared(self, run: Run) -> Run:
        if self.grant is None:
            self.grant = await self.ledger.new_grant(NEW_GRANT, b"k" * 32)
        return await self.ledger.freeze(
            run,
            intent=[Call(USDC, 0, b"\x01")],
            transfers=[LINE],
            grant=self.grant,
            revision="r1",
            reservations=(),
            on_budget="skip",
            now=NOW,
        )

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Every event, in the order in which it was written."""

        def query(c: Any) -> list[tuple[str, dict[str, Any]]]:
            rows = c.execute(t.events.select().order_by(t.events.c.at, t.events.c.seq))
            return [(row.kind, json.loads(row.data)) for row in rows]

        return await self.store.read(query)
