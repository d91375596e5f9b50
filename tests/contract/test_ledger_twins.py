"""
The ledger in memory does what the one on SQLite does: whatever is asked of both, they answer alike,
refuse alike, and hold the same rows after it.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.inline_store import InlineStore

from runner.adapters.memory.ledger import MemoryLedger
from runner.adapters.sql import tables as t
from runner.adapters.sql.ledger import SqlLedger
from runner.adapters.vault import Vault
from runner.errors import Conflict, Mark, StoreError
from runner.ethereum.address import Address
from runner.ethereum.calls import Call
from runner.ethereum.permissions import Erc20TokenTransfer, GasLimit
from runner.guard.budget import Budgets
from runner.guard.intent import TransferLine
from runner.policy.model import Asset, Limits, Money, RollingLimit
from runner.records import (
    Claim,
    Consent,
    GrantState,
    Inclusion,
    NewGrant,
    NewOperation,
    OperationKind,
    OperationStatus,
    Pace,
    RunKind,
    ScheduleSeed,
)
from runner.scheduling.occurrence import CLOSED, Reason, State

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
USDC = Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")
ALICE = Address("0x00000000000000000000000000000000000A11cE")
MARK = Mark("p.yaml", 1, 1)
CALL = Call(USDC, 0, b"\x01")
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


def money(amount):
    return (Money(Asset("usdc", USDC, 6), amount, MARK),)


LIMITS = (
    Budgets("p/s", "p/key", Limits(), Limits(), ()),
    Budgets("p/s", "p/key", Limits(per_day=money(50)), Limits(per_month=money(90)), ()),
    Budgets(
        "p/s",
        "p/key",
        Limits(per_run=money(40), rolling=(RollingLimit(3 * HOUR, money(60)),)),
        Limits(per_lifetime=money(120)),
        money(80),
    ),
)
"""Nothing; what begins anew; what looks back, and what ends a schedule."""


class Twin:
    """One of the two ledgers, and what it has answered so far."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.runs = {}
        self.grants = {}

    def run(self, index):
        """A run as it was last seen: perhaps an old version of it."""
        known = sorted(self.runs)
        return self.runs[known[index % len(known)]] if known else None

    def grant(self, index):
        return self.grants[index % len(self.grants) + 1] if self.grants else None

    def saw(self, *runs):
        for run in runs:
            if run is not None:
                self.runs[run.id] = run
        return [None if run is None else replace(run, occurrence=None) for run in runs]

    def saw_grant(self, grant):
        self.grants[grant.id] = grant
        return replace(grant, key_sealed=None, context_sealed=None)


def seed(limits):
    return ScheduleSeed("p/s", "p/key", "every 1h", "r1", budgets=limits)


# ── what may be asked ─────────────────────────────────────────────────────────────────────────


async def claim(twin, hour, limits, options, now):
    amount, exclusive, buffer, hold, most, late = options
    due = NOW + hour * HOUR
    text = f"{due:%Y-%m-%dT%H:%M:%SZ}"
    pace = Pace(timedelta(minutes=5), HOUR, timedelta(minutes=10), not exclusive)
    one = Claim(
        schedule="p/s",
        slot=text,
        due_at=due,
        decision=State.MISSED if late else State.CLAIMED,
        reason=Reason.LATE if late else None,
        session="p/key",
        exclusive=exclusive,
        buffer=buffer,
        max_runs=most,
        pace=pace if buffer == 9 else None,
        deadline_at=now + timedelta(minutes=10),
        expires_at=due + 5 * HOUR,
        reservations=limits.reservations({USDC: amount}, due_at=due, slot=text),
        on_budget="hold" if hold else "skip",
    )
    made, refused = await twin.ledger.claim([one], decided_until={"p/s": due}, now=now)
    return twin.saw(*made), refused


async def move(twin, index, state, reason, now):
    run = twin.run(index)
    return run and twin.saw(await twin.ledger.move(run, state, reason=reason, now=now))


async def freeze(twin, index, amount, limits, now):
    run, grant = twin.run(index), twin.grant(index)
    if run is None or grant is None:
        return None
    line = TransferLine(USDC, "usdc", 6, ALICE, "alice", amount)
    frozen = twin.ledger.freeze(
        run,
        intent=[CALL],
        transfers=[line],
        grant=grant,
        revision="r1",
        reservations=limits.reservations({USDC: amount}, due_at=run.due_at, slot=run.slot),
        on_budget="skip",
        now=now,
    )
    return twin.saw(await frozen)


async def sign(twin, index, nonce, number, now):
    run = twin.run(index)
    if run is None or run.state in {State.CLAIMED, State.HELD} | CLOSED:
        return None  # nobody signs what is not frozen
    operation = NewOperation(
        hash=f"0x{number:02x}",
        kind=OperationKind.PAYMENT if number % 3 else OperationKind.BURN,
        call_id="0x01",
        chain=84532,
        sender=ALICE,
        nonce=2**200 + nonce,
        max_fee_per_gas=10,
        max_priority_fee_per_gas=1,
        max_cost=1000 + number,
        sponsored=bool(number % 2),
        request=b"SIGNED BYTES",
        from_block=7,
    )
    return twin.saw(await twin.ledger.sign(run, operation, now=now))


async def send(twin, index, amount, limits, number, now):
    """From a claim to a block in one go, so that what comes after it is met often."""
    answers = [await freeze(twin, index, amount, limits, now)]
    answers.append(await sign(twin, index, number, number, now))
    answers.append(await include(twin, index, True, now))
    return answers


async def operation_of(twin, run):
    operations = [] if run is None else await twin.ledger.operations(run.id)
    return operations[-1].hash if operations else None


async def note(twin, index, status, now):
    run = twin.run(index)
    name = await operation_of(twin, run)
    if name is None:
        return None
    return twin.saw(await twin.ledger.note(run, name, status, detail="told", now=now))


async def include(twin, index, success, now):
    run = twin.run(index)
    name = await operation_of(twin, run)
    if name is None:
        return None
    seen = Inclusion(name, success, 77, 9, "0xb10c", now, "0x7a")
    return twin.saw(await twin.ledger.include(run, seen, now=now))


async def exclude(twin, index, now):
    run = twin.run(index)
    name = await operation_of(twin, run)
    return name and twin.saw(await twin.ledger.exclude(run, name, now=now))


async def close(twin, index, ending, retry, now):
    run = twin.run(index)
    name = await operation_of(twin, run)
    if name is None:
        return None
    state, outcome, reason = ending
    retry = retry and run.kind is RunKind.PAYMENT and state is not State.SUCCESS
    closed = await twin.ledger.close(
        run,
        state,
        winner=None if outcome is OperationStatus.DEAD else name,
        outcome=outcome,
        reason=reason,
        retry_until=now + HOUR if retry else None,
        retry_held=index % 2 == 1,
        now=now,
    )
    following = await twin.ledger.successor(run)
    return twin.saw(closed, following)


async def promote(twin, now):
    pace = Pace(timedelta(minutes=5), HOUR, timedelta(minutes=10), False)
    run, again = await twin.ledger.promote("p/s", deadline_at=now + HOUR, pace=pace, now=now)
    return twin.saw(run), again


async def reserve(twin, index, amount, limits, now):
    run = twin.run(index)
    if run is None or run.state is not State.HELD:
        return None
    wanted = limits.reservations({USDC: amount}, due_at=run.due_at, slot=run.slot)
    return twin.saw(await twin.ledger.reserve(run, wanted, deadline_at=now + HOUR, now=now))


async def consent(twin, index, digest, now):
    run = twin.run(index)
    if run is None or run.state is not State.PREPARED:
        return None
    wanted = Consent("p/s", run.slot, run.attempt, f"0x{digest}", run.due_at, "so much")
    held, first = await twin.ledger.consent(run, wanted, reason=Reason.APPROVAL, now=now)
    return twin.saw(held), first


async def ask_ahead(twin, hour, digest, now):
    due = NOW + hour * HOUR
    slot = f"{due:%Y-%m-%dT%H:%M:%SZ}"
    return await twin.ledger.ask_ahead(
        [Consent("p/s", slot, 1, f"0x{digest}", due, "so much")], now=now
    )


async def pause(twin, now):
    await twin.ledger.pause_schedule("p/s", reason="why", now=now)


async def install(twin, limits, now):
    await twin.ledger.install_schedules([seed(limits)], now=now)


async def new_grant(twin, now):
    grant = await twin.ledger.new_grant(replace(NEW_GRANT, requested_at=now), b"k" * 32)
    return twin.saw_grant(grant)


async def activate(twin, index, now):
    grant = twin.grant(index)
    if grant is None or grant.state in {GrantState.ABANDONED, GrantState.EXPIRED}:
        return None
    run = await twin.ledger.activation(grant, now=now)
    grant = await twin.ledger.grant(grant.id)
    activated = twin.saw_grant(await twin.ledger.activate(grant, now=now))
    return twin.saw(run), activated


async def end_grant(twin, index, state, now):
    grant = twin.grant(index)
    return grant and twin.saw_grant(await twin.ledger.move_grant(grant, state, now=now))


async def revoke(twin, index, again, now):
    grant = twin.grant(index)
    if grant is None:
        return None
    run = await twin.ledger.revocation(grant, now=now, again=again)
    return twin.saw(run), await twin.ledger.let_go_at(grant.id)


INDEX = st.integers(0, 5)
AMOUNT = st.integers(1, 45)
OPTIONS = st.tuples(
    AMOUNT,
    st.booleans(),
    st.sampled_from([None, None, 0, 1, 9]),
    st.booleans(),
    st.sampled_from([None, None, 4]),
    st.integers(0, 5).map(lambda n: n == 0),
)
ENDINGS = st.sampled_from(
    [
        (State.SUCCESS, OperationStatus.SUCCESS, None),
        (State.SUCCESS, OperationStatus.SUCCESS, Reason.PAID_DIFFERENTLY),
        (State.REVERTED, OperationStatus.REVERTED, None),
        (State.NOT_INCLUDED, OperationStatus.SUCCESS, Reason.BURNED),
        (State.NOT_INCLUDED, OperationStatus.DEAD, Reason.EXPIRED),
    ]
)
MOVES = st.sampled_from(
    [
        (State.HELD, Reason.GRANT),
        (State.HELD, Reason.BUDGET),
        (State.HELD, Reason.OVERLAP),
        (State.CLAIMED, None),
        (State.SKIPPED, Reason.OPERATOR),
        (State.MISSED, Reason.DEADLINE),
        (State.MISSED, Reason.LATE),
        (State.SENT, None),
    ]
)
STATUS = st.sampled_from([OperationStatus.SENT, OperationStatus.UNKNOWN])
WISHES = st.one_of(
    st.tuples(st.just(claim), st.integers(0, 7), OPTIONS),
    st.tuples(st.just(claim), st.integers(0, 7), OPTIONS),
    st.tuples(st.just(move), INDEX, MOVES),
    st.tuples(st.just(send), INDEX, AMOUNT),
    st.tuples(st.just(send), INDEX, AMOUNT),
    st.tuples(st.just(freeze), INDEX, AMOUNT),
    st.tuples(st.just(sign), INDEX, st.integers(0, 3)),
    st.tuples(st.just(note), INDEX, STATUS),
    st.tuples(st.just(include), INDEX, st.booleans()),
    st.tuples(st.just(exclude), INDEX),
    st.tuples(st.just(close), INDEX, ENDINGS, st.booleans()),
    st.tuples(st.just(promote)),
    st.tuples(st.just(reserve), INDEX, AMOUNT),
    st.tuples(st.just(consent), INDEX, st.integers(0, 1)),
    st.tuples(st.just(ask_ahead), st.integers(0, 7), st.integers(0, 1)),
    st.tuples(st.just(pause)),
    st.tuples(st.just(install), st.integers(0, 2)),
    st.tuples(st.just(new_grant)),
    st.tuples(st.just(activate), INDEX),
    st.tuples(
        st.just(end_grant),
        INDEX,
        st.sampled_from(
            [
                GrantState.RETIRED,
                GrantState.ABANDONED,
                GrantState.DRAINING,
                GrantState.STOPPING,
                GrantState.REVOKED,
            ]
        ),
    ),
    st.tuples(st.just(revoke), INDEX, st.booleans()),
)


async def carry_out(twin, number, wish, limits, now):
    """One wish, and what came of it: an answer, or the kind of refusal."""
    what, *given = wish
    if what is claim:
        given = [given[0], limits, given[1]]
    elif what is move:
        given = [given[0], *given[1]]
    elif what in {freeze, reserve}:
        given = [*given, limits]
    elif what is send:
        given = [*given, limits, number]
    elif what is sign:
        given = [*given, number]
    elif what is install:
        given = [limits]
    try:
        return await what(twin, *given, now)
    except (Conflict, StoreError) as error:
        return type(error)


# ── what both must hold ───────────────────────────────────────────────────────────────────────


async def state_of(twin):
    """Everything that can be asked about the past."""
    ledger = twin.ledger
    runs = {name: replace(await ledger.run(name), occurrence=None) for name in twin.runs}
    operations = [one for name in runs for one in await ledger.operations(name)]
    return {
        "runs": runs,
        "open": {run.id for run in await ledger.open_runs()},
        "has_open": await ledger.has_open_runs("p/key"),
        "pinned": [{run.id for run in await ledger.pinned_runs([one])} for one in twin.grants],
        "operations": operations,
        "transfers": {name: await ledger.transfers(name) for name in runs},
        "schedules": await ledger.schedules(),
        "failures": await ledger.failures_in_row("p/s"),
        "charged": [await ledger.charged(identity) for identity in twin.grants],
        "fees": await ledger.fees_since(84532, ALICE, NOW + HOUR),
        "history": await ledger.history("p/s", names=["alice", "bob"], addresses=[ALICE, USDC]),
        "recent": await ledger.recent("p/s", count=3),
        "moving": sorted(await ledger.moving(84532, block=8), key=str),
        "generations": [one.id for one in await ledger.generations("p/key")],
        "grants": [
            replace(one, key_sealed=None, context_sealed=None)
            for one in await ledger.grants("p/key")
        ],
    }


async def sql_rows(store):
    def query(c):
        o = t.occurrences.c
        decided = {
            (row.schedule, row.slot): (row.decision, row.reason, row.by_slot)
            for row in c.execute(t.occurrences.select().order_by(o.id))
        }
        taken = {
            (row.budget, row.token, row.period): (row.reserved, row.spent)
            for row in c.execute(t.budgets.select())
            if row.reserved or row.spent
        }
        return decided, taken

    return await store.read(query)


def memory_rows(ledger):
    decided = {
        key: (row.decision.value, row.reason.value if row.reason else None, row.by_slot)
        for key, row in ledger.rows.occurrences.items()
    }
    taken = {
        (*account, period): (one.reserved, one.spent)
        for account, periods in ledger.budgets._periods.items()
        for period, one in periods.items()
        if one.reserved or one.spent
    }
    return decided, taken


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(WISHES, min_size=1, max_size=40), st.integers(0, 2))
def test_x14_s1_h2_both_ledgers_answer_alike_and_hold_the_same(wishes, first):
    """
    Claims, moves, fences, budgets, attempts, grants: in any order, also by stale versions.
    """

    async def compare():
        vault = Vault(bytes(32), entropy=bytes)
        store = InlineStore.open("sqlite://", vault, now=NOW, create=True)
        sql, memory = Twin(SqlLedger(store, vault)), Twin(MemoryLedger())
        limits = LIMITS[first]
        for twin in (sql, memory):
            await install(twin, limits, NOW)
            await new_grant(twin, NOW)
        for number, wish in enumerate(wishes):
            if wish[0] is install:
                limits = LIMITS[wish[1]]
            now = NOW + number * timedelta(minutes=17)
            answers = [await carry_out(twin, number, wish, limits, now) for twin in (sql, memory)]
            assert answers[0] == answers[1], wish
        assert await state_of(sql) == await state_of(memory)
        assert await sql_rows(store) == memory_rows(memory.ledger)
        await store.close(now=NOW)

    asyncio.run(compare())
