"""A folder as an operator has it: settings, a policy, and a ledger with one of everything."""

import asyncio
import json
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from support.web import TOKEN, Browser, source_of

from runner.adapters.sql.ledger import SqlLedger
from runner.adapters.sql.store import SqlStore
from runner.adapters.vault import Vault
from runner.cli.loading import policies_of, settings_of
from runner.cli.main import run
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.erc20 import encode_approve, encode_transfer
from runner.ethereum.permissions import Erc20TokenTransfer, GasLimit
from runner.guard.intent import TransferLine
from runner.records import (
    Claim,
    GrantState,
    Inclusion,
    NewGrant,
    NewOperation,
    OperationKind,
    OperationStatus,
    ScheduleSeed,
)
from runner.scheduling.occurrence import Reason, State

DUE = datetime(2026, 1, 5, 9, tzinfo=UTC)
USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
ALICE = Address("0x00000000000000000000000000000000000A11cE")
VAULT = Address("0x00000000000000000000000000000000000000fa")
PAID = TransferLine(USDC, "usdc", 6, ALICE, "alice", 2_500_000, memo="=SUM(A1)")
ALLOWED = TransferLine(USDC, "usdc", 6, VAULT, "vault", 40_000_000, kind="approve")
SEEN = TransferLine(USDC, USDC, 0, VAULT, str(VAULT), 7, kind="observed")
INTENT = [
    Call(USDC, 0, encode_transfer(ALICE, PAID.amount)),
    Call(USDC, 0, encode_approve(VAULT, ALLOWED.amount)),
]

SETTINGS = """\
wallets:
  sandbox: {url: http://127.0.0.1:8545/v2/very-secret-path}
signers:
  treasury-owner: {env: OWNER, sandbox_only: true}
"""

POLICY = """\
version: 1
name: payroll
chain: base-sepolia
wallet: sandbox
tokens:
  usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}
contacts: {alice: 0x00000000000000000000000000000000000a11ce}
accounts: {treasury: {owner: treasury-owner, gas: sponsor}}
sessions: {key: {account: treasury, lifetime: 45d}}
schedules:
  salaries:
    {session: key, cron: "0 9 * * 1", timezone: Europe/Berlin, pay: {alice: 2.5 usdc}}
  hosting: {session: key, every: 1h, start_at: 2026-01-01T00:00Z, pay: {alice: 1 usdc}}
  once: {session: key, at: 2027-05-01T00:00Z, pay: {alice: 1 usdc}}
"""


@dataclass
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A folder with settings and a policy, and we stand in it."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "payroll.yaml").write_text(POLICY)
    (tmp_path / "runner.yaml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RUNNER_")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def runner(house, capsys):
    """Carries out a command line, as `main` does."""

    def call(*arguments):
        capsys.readouterr()
        code = run(list(arguments))
        return Answer(code, *capsys.readouterr())

    return call


@pytest.fixture
def source(ledger):
    """What the web side of a daemon at rest over that ledger shows."""
    settings = settings_of(None)
    made = source_of(settings, policies_of(settings))
    yield made
    made.close()


@pytest.fixture
def browser(source):
    """Somebody on this machine, with the cookies that they were given."""
    return Browser(source)


@pytest.fixture
def ask(source):
    """One request to the web side."""

    def call(path, *, bind="127.0.0.1", token=TOKEN, **headers):
        return Browser(source, bind=bind, token=token).get(path, **headers)

    return call


@pytest.fixture
def ledger(house):
    """The ledger of that folder, filled; its processes have ended."""
    asyncio.run(fill(house / ".runner" / "ledger.db"))
    return house / ".runner" / "ledger.db"


async def fill(path):
    """One of everything that a ledger can hold."""
    vault = Vault(bytes(range(32)), entropy=os.urandom)
    now = datetime.now(UTC)
    store = SqlStore.open(f"sqlite:///{path}", vault, now=now, create=True)
    ledger = SqlLedger(store, vault)
    names = ("salaries", "hosting")
    seeds = [ScheduleSeed(f"payroll/{n}", "payroll/key", "every 1h", "r1") for n in names]
    await ledger.install_schedules(seeds, now=now)
    grant = await grant_of(ledger, now)
    first = await burned_then_paid(ledger, grant)
    await decided(ledger)
    await held(ledger, 3, Reason.GUARD, "calls[0].to is not what was asked")
    await ledger.pause_schedule("payroll/hosting", reason="3 failed runs in a row", now=now)
    await unknown(ledger, grant)
    await paid_differently(ledger, grant)
    await store.close(now=now)
    return first


async def grant_of(ledger, now):
    new = NewGrant(
        session="payroll/key",
        chain=84532,
        account=ALICE,
        wallet="sandbox",
        key_address=VAULT,
        permissions=(Erc20TokenTransfer(USDC, 10**30), GasLimit(0)),
        scope="0x01",
        requested_at=now,
        expires_at=now + timedelta(days=45),
        next_renewal_at=now + timedelta(days=30),
    )
    grant = await ledger.new_grant(new, b"k" * 32)
    grant = await ledger.owner_signed(
        grant, session_id=b"\x01" * 16, entity_id=4, nonce=7, context=b"c", now=now
    )
    row = await ledger.activation(grant, now=now)
    row = await ledger.sign(row, operation("act", OperationKind.ACTIVATION, 1), now=now)
    await include(ledger, row, "act")
    grant = next(one for one in await ledger.grants() if one.state is GrantState.ACTIVATING)
    return await ledger.activate(grant, now=now)


def claim_at(hour, **changes):
    due = DUE + timedelta(hours=hour)
    one = Claim(
        schedule="payroll/salaries",
        slot=f"{due:%Y-%m-%dT%H:%M:%S}#0",
        due_at=due,
        decision=State.CLAIMED,
        session="payroll/key",
        exclusive=False,
        deadline_at=due + timedelta(minutes=10),
        expires_at=due + timedelta(hours=1),
    )
    return replace(one, **changes)


async def claim(ledger, one):
    until = {one.schedule: one.due_at}
    made, _ = await ledger.claim([one], decided_until=until, now=one.due_at)
    return made[0] if made else None


def operation(name, kind, nonce):
    return NewOperation(
        hash="0x" + name.encode().hex().ljust(64, "0"),
        kind=kind,
        call_id="0x" + "01" * 64,
        chain=84532,
        sender=ALICE,
        nonce=nonce,
        max_fee_per_gas=10,
        max_priority_fee_per_gas=1,
        max_cost=10**15,
        sponsored=True,
        request=b"SIGNED BYTES",
        from_block=7,
        checked=("X1.nonce", "G11.calldata", "B4.scope"),
    )


async def signed(ledger, row, grant, name, nonce, lines=(PAID, ALLOWED)):
    row = await ledger.freeze(
        row,
        intent=INTENT,
        transfers=lines,
        grant=grant,
        revision="r1",
        reservations=(),
        on_budget="skip",
        now=row.due_at,
    )
    return await ledger.sign(row, operation(name, OperationKind.PAYMENT, nonce), now=row.due_at)


async def include(
    ledger, row, name, state=State.SUCCESS, reason=None, observed=(), outcome=None, retry_until=None
):
    identity = "0x" + name.encode().hex().ljust(64, "0")
    seen = Inclusion(identity, True, 21_000, 12, "0x0b", row.due_at, "0x" + "7a" * 32)
    row = await ledger.include(row, seen, now=row.due_at)
    return await ledger.close(
        row,
        state,
        winner=identity,
        outcome=outcome or OperationStatus.SUCCESS,
        reason=reason,
        observed=observed,
        retry_until=retry_until,
        now=row.due_at + timedelta(seconds=3),
    )


async def burned_then_paid(ledger, grant):
    """Attempt 1 is burned, attempt 2 pays."""
    row = await signed(ledger, await claim(ledger, claim_at(0)), grant, "pay1", 2**200)
    row = await ledger.sign(row, operation("burn", OperationKind.BURN, 2**200), now=DUE)
    row = await include(ledger, row, "burn", State.NOT_INCLUDED, Reason.BURNED, retry_until=DUE)
    row = await ledger.successor(row)
    row = await signed(ledger, row, grant, "pay2", 2**201)
    return await include(ledger, row, "pay2")


async def decided(ledger):
    """Slots that never became runs: one skipped, and a range that was missed."""
    await claim(ledger, claim_at(1, decision=State.SKIPPED, reason=Reason.OVERLAP))
    last = DUE + timedelta(hours=1502)
    await claim(
        ledger,
        claim_at(
            2,
            schedule="payroll/hosting",
            slot="2026-01-05T11:00:00Z",
            decision=State.MISSED,
            reason=Reason.LATE,
            count=1501,
            last_slot="2026-03-08T23:00:00Z",
            last_due_at=last,
        ),
    )


async def held(ledger, hour, reason, detail):
    row = await claim(ledger, claim_at(hour))
    await ledger.move(row, State.HELD, reason=reason, detail=detail, now=row.due_at)


async def unknown(ledger, grant):
    row = await signed(ledger, await claim(ledger, claim_at(4)), grant, "lost", 2**202)
    name = operation("lost", OperationKind.PAYMENT, 0).hash
    await ledger.note(row, name, OperationStatus.UNKNOWN, detail="no answer", now=row.due_at)


async def paid_differently(ledger, grant):
    row = await claim(ledger, claim_at(5))
    row = await signed(ledger, row, grant, "odd", 2**203, lines=(PAID,))
    await include(ledger, row, "odd", reason=Reason.PAID_DIFFERENTLY, observed=[SEEN])
