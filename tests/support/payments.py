"""A slot of a ledger, from its claim to its end, as if the chain had included its payment."""

from __future__ import annotations

from datetime import datetime, timedelta

from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.nonce import Nonce
from runner.ethereum.permissions import GasLimit
from runner.guard.budget import Reservation
from runner.guard.intent import TransferLine
from runner.ports import Ledger
from runner.records import (
    Claim,
    Grant,
    Inclusion,
    NewGrant,
    NewOperation,
    OperationKind,
    OperationStatus,
    Run,
)
from runner.scheduling.occurrence import State, nonce_key

USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
ALICE = Address("0x00000000000000000000000000000000000A11cE")
CHAIN = 84532
HOUR = timedelta(hours=1)


async def granted(ledger: Ledger, now: datetime) -> Grant:
    """A generation of session `p/key`."""
    new = NewGrant(
        session="p/key",
        chain=CHAIN,
        account=ALICE,
        wallet="sandbox",
        key_address=ALICE,
        permissions=(GasLimit(0),),
        scope="0x01",
        requested_at=now,
        expires_at=now + 45 * 24 * HOUR,
        next_renewal_at=now + 30 * 24 * HOUR,
    )
    return await ledger.new_grant(new, b"k" * 32)


async def signed(ledger: Ledger, due: datetime) -> tuple[Run, NewOperation]:
    """A slot of schedule `p/s`, signed: 5 units under a budget of 100 a day."""
    one = Claim(
        schedule="p/s",
        slot=f"{due:%Y-%m-%dT%H:%M:%SZ}",
        due_at=due,
        decision=State.CLAIMED,
        session="p/key",
        deadline_at=due + HOUR,
        reservations=(Reservation("p/s:per_day", "2026-12-01", USDC, 5, 100),),
    )
    (run,), _ = await ledger.claim([one], decided_until={"p/s": due}, now=due)
    run = await ledger.freeze(
        run,
        intent=[Call(USDC, 0, b"\x01")],
        transfers=[TransferLine(USDC, "usdc", 6, ALICE, "alice", 5)],
        grant=(await ledger.grants())[0],
        revision="r1",
        reservations=one.reservations,
        on_budget="skip",
        now=due,
    )
    operation = operation_of(run, f"0x{due.hour:064x}")
    return await ledger.sign(run, operation, now=due), operation


def operation_of(run: Run, name: str, *, fence: bytes | None = None) -> NewOperation:
    """An operation of this hash that pays a run, on its own fence unless told."""
    parallel = nonce_key(CHAIN, ALICE, bytes.fromhex(run.id[2:]) if fence is None else fence)
    return NewOperation(
        hash=name,
        kind=OperationKind.PAYMENT,
        call_id="0x01",
        chain=CHAIN,
        sender=ALICE,
        nonce=Nonce(parallel, 1, 0, 0).value,
        max_fee_per_gas=10,
        max_priority_fee_per_gas=1,
        max_cost=10**15,
        sponsored=True,
        request=b"SIGNED BYTES",
        from_block=7,
    )


async def paid(ledger: Ledger, due: datetime) -> Run:
    """The same, to its end, in block 8."""
    run, operation = await signed(ledger, due)
    seen = Inclusion(operation.hash, True, 9, 8, "0xb", due, "0xt")
    run = await ledger.include(run, seen, now=due)
    return await ledger.close(
        run, State.SUCCESS, winner=operation.hash, outcome=OperationStatus.SUCCESS, now=due
    )
