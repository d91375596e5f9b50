"""
Pieces that share a commit leave what they leave one by one: rows, events, answers and refusals.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import given as drawn
from hypothesis import strategies as st
from support.inline_store import InlineStore
from support.payments import ALICE, HOUR, USDC, granted, operation_of

from runner.adapters.sql import pauses
from runner.adapters.sql import tables as t
from runner.adapters.sql.ledger import SqlLedger
from runner.adapters.sql.pauses import lift_pause, write_pause
from runner.adapters.sql.store import _Work
from runner.adapters.vault import Vault
from runner.ethereum.calls import Call
from runner.guard.budget import Reservation
from runner.guard.intent import TransferLine
from runner.records import (
    Claim,
    Inclusion,
    OperationStatus,
    Pause,
    PauseScope,
    ScheduleSeed,
)
from runner.scheduling.occurrence import Reason, State

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
DAY = "2026-12-01"
HIDDEN = {"mac", "request_sealed", "key_sealed", "context_sealed", "incarnation"}
SEEDS = [
    ScheduleSeed(uid=f"p/{n}", session="p/key", account="p/till", trigger="every 1h", revision="r")
    for n in range(7)
]
RECEIVERS = ("alice", "bob")
TALE = ("freeze", "sign", "note", "include", "close")
AFTER = {
    "freeze": ("sign", State.PREPARED),
    "sign": ("note", State.SIGNED),
    "note": ("include", State.SENT),
    "include": ("close", State.INCLUDED),
}
"""By step: what follows, and the state that a run has then."""

TURNS = st.sampled_from(
    ["on"] * 12 + ["ahead", "stale", "revert", "late", "taken", "again", "pause", "stop", "resume"]
)


class Gathering(InlineStore):
    """Pieces wait until `commit`, which writes them as one batch, or each by itself."""

    waiting: list[_Work] | None = None

    def enqueue(self, work, *, about=None):
        future = asyncio.get_running_loop().create_future()
        piece = _Work(work, future, about)
        if self.waiting is None:
            self._commit([piece])
        else:
            self.waiting.append(piece)
        return future

    def commit(self, *, together):
        batch, self.waiting = self.waiting or [], None
        for some in [batch] if together else [[one] for one in batch]:
            self._commit(some)


class Till:
    """A ledger with seven schedules, two of them with a budget, and a run of each."""

    def __init__(self, *, together):
        vault = Vault(bytes(range(32)), entropy=bytes)
        self.together = together
        self.store = Gathering.open("sqlite://", vault, now=NOW, create=True)
        self.ledger = SqlLedger(self.store, vault)
        self.runs = {}
        self.told = []
        self.operations = {}

    async def open(self):
        await self.ledger.install_schedules(SEEDS, now=NOW)
        self.grant = await granted(self.ledger, NOW)
        claims = [
            Claim(
                schedule=seed.uid,
                slot="2026-12-01T09:00:00Z",
                due_at=NOW,
                decision=State.CLAIMED,
                session="p/key",
                deadline_at=NOW + HOUR,
                reservations=reserved(n),
            )
            for n, seed in enumerate(SEEDS)
        ]
        made, _ = await self.ledger.claim(claims, decided_until={}, now=NOW)
        self.runs = {run.schedule: run for run in made}
        self.kept = dict(self.runs)

    async def turn(self, step, wishes):
        """Each run goes one step on, or does what else is wished, all of them in one commit."""
        self.store.waiting = []
        now = NOW + timedelta(minutes=1 + TALE.index(step))
        pieces = [
            asyncio.ensure_future(each)
            for n, wish in wishes
            for each in self._pieces(n, step, wish, now)
        ]
        await asyncio.sleep(0)  # each has come to where it waits for the ledger
        self.store.commit(together=self.together)
        answers = await asyncio.gather(*pieces, return_exceptions=True)
        for answer in answers:
            told = f"{type(answer).__name__}: {answer}" if isinstance(answer, Exception) else answer
            self.told.append(told)
            if getattr(answer, "schedule", None) is not None:
                self.kept[answer.schedule], self.runs[answer.schedule] = (
                    self.runs[answer.schedule],
                    answer,
                )

    def _pieces(self, n, step, wish, now):
        uid = SEEDS[n].uid
        run = self.kept[uid] if wish == "stale" else self.runs[uid]
        if wish == "late":
            yield self.ledger.move(run, State.MISSED, reason=Reason.DEADLINE, now=now)
        elif wish in {"pause", "stop"}:
            scope = PauseScope.STOP if wish == "stop" else PauseScope.SCHEDULE
            pause = Pause(scope, "" if wish == "stop" else uid, "wait", now, None)
            yield self.store.write(lambda tx: write_pause(tx, pause, author="us"))
        elif wish == "resume":
            lift = {"reason": "go", "author": "us", "now": now}
            yield self.store.write(lambda tx: lift_pause(tx, PauseScope.STOP, "", **lift))
        else:
            yield self.step(n, step, wish, run, now)
            if wish == "again":
                yield self.step(n, step, wish, run, now)
            if wish == "ahead" and step in AFTER:
                following, state = AFTER[step]
                after = replace(run, version=run.version + 1, state=state)
                yield self.step(n, following, wish, after, now)

    async def step(self, n, step, wish, run, now):
        if step == "freeze":
            line = TransferLine(USDC, "usdc", 6, ALICE, RECEIVERS[n % 2], 5)
            return await self.ledger.freeze(
                run,
                intent=[Call(USDC, 0, b"\x01")],
                transfers=[line, replace(line, amount=6)],
                grant=self.grant,
                revision="r",
                reservations=reserved(n),
                on_budget="skip",
                now=now,
            )
        mine = operation_of(run, f"0x{n:064x}", fence=bytes(32) if wish == "taken" else None)
        if step == "sign":
            return await self.ledger.sign(run, mine, now=now)
        if step == "note":
            sent = OperationStatus.UNKNOWN if wish == "revert" else OperationStatus.SENT
            return await self.ledger.note(run, mine.hash, sent, detail="well", now=now)
        if step == "include":
            seen = Inclusion(mine.hash, wish != "revert", 9, 8, "0xb", now, "0xt")
            return await self.ledger.include(run, seen, now=now)
        ends = State.REVERTED if wish == "revert" else State.SUCCESS
        outcome = OperationStatus(ends.value)
        return await self.ledger.close(run, ends, winner=mine.hash, outcome=outcome, now=now)

    async def rows(self):
        def query(c):
            return {
                table.name: [
                    {name: value for name, value in row._mapping.items() if name not in HIDDEN}
                    for row in c.execute(table.select())
                ]
                for table in t.metadata.sorted_tables
                if table.name not in {"meta", "incarnations"}
            }

        found = await self.store.read(query)
        for row in found["events"]:
            if row["kind"] in {"daemon.started", "daemon.stopped"}:
                row["data"] = row["subject"] = ""
        return {name: sorted(rows, key=str) for name, rows in found.items()}


def reserved(n):
    return (Reservation("p:per_day", DAY, USDC, 11, 25),) if n in {1, 4} else ()


async def played(tale, *, together):
    till = Till(together=together)
    await till.open()
    for step, wishes in zip(TALE, tale, strict=True):
        await till.turn(step, wishes)
    rows = await till.rows()
    await till.store.close(now=NOW)
    return rows, till.told


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@drawn(
    tale=st.tuples(
        *(
            st.permutations(range(len(SEEDS))).flatmap(
                lambda order: st.tuples(*(st.tuples(st.just(n), TURNS) for n in order))
            )
            for _ in TALE
        )
    )
)
def test_x5_s3_pieces_of_one_commit_leave_what_they_leave_one_by_one(tale):
    """
    Whatever else is asked in the same commit: pauses, stops, stale rows, fences that are taken.
    """
    together, told = asyncio.run(played(tale, together=True))
    alone, told_alone = asyncio.run(played(tale, together=False))

    assert told == told_alone
    assert together == alone


async def test_what_is_possible_is_written_by_few_statements():
    """
    Else the test above would compare one by one with one by one.
    """
    till = Till(together=True)
    await till.open()
    ran = []
    driver = till.store._writing.connection.driver_connection
    driver.set_trace_callback(ran.append)
    wishes = [(n, "on") for n in (0, 2, 3, 5, 6)]
    for step in TALE:
        await till.turn(step, wishes)
    driver.set_trace_callback(None)
    states = {till.runs[SEEDS[n].uid].state for n, _ in wishes}
    await till.store.close(now=NOW)

    assert states == {State.SUCCESS}
    changes = {text for text in ran if text.startswith("UPDATE runs SET")}
    assert len(changes) == 2 * len(TALE)  # of four runs by one statement, of the fifth by its own
    assert not any(text.startswith("SAVEPOINT") for text in ran)


async def test_o8_a_pause_by_a_piece_that_had_read_before_holds_for_the_next_one():
    """
    Whoever takes the connection may write through it at any time: nothing read is older than that.
    """
    till = Till(together=True)
    await till.open()
    await till.turn("freeze", [(0, "on"), (2, "on")])
    stop = Pause(PauseScope.STOP, "", "wait", NOW, None)

    def stops(tx):
        c = tx.connection
        assert not tx.recall("paused", pauses.are_any)
        values = {"scope": "stop", "target": "", "reason": "wait", "author": "us"}
        c.execute(t.pauses.insert().values(**values, paused_at=NOW))
        return stop

    till.store.waiting = []
    signs = till.step(0, "sign", "on", till.runs["p/0"], NOW)
    late = till.step(2, "sign", "on", till.runs["p/2"], NOW)
    pieces = [asyncio.ensure_future(each) for each in (signs, till.store.write(stops), late)]
    await asyncio.sleep(0)
    till.store.commit(together=True)
    first, _, second = await asyncio.gather(*pieces, return_exceptions=True)
    await till.store.close(now=NOW)

    assert first.state is State.SIGNED
    assert "everything is stopped" in str(second)


async def test_who_hides_a_fault_hides_it_from_himself_alone():
    """
    What was put off fails where another piece needs it done, which may expect a fault of its own.
    """
    till = Till(together=True)
    await till.open()
    run = till.runs["p/0"]
    hidden = []

    def hides(tx):
        try:
            return tx.connection.exec_driver_sql("SELECT 1").scalar()
        except Exception as error:
            hidden.append(error)
            return None

    till.store.waiting = []
    bad = asyncio.ensure_future(till.step(0, "freeze", "on", replace(run, version=9), NOW))
    good = asyncio.ensure_future(till.store.write(hides))
    await asyncio.sleep(0)
    till.store.commit(together=True)
    answers = await asyncio.gather(bad, good, return_exceptions=True)
    found = await till.ledger.run(run.id)
    await till.store.close(now=NOW)

    assert len(hidden) == 1
    assert [type(answers[0]).__name__, answers[1]] == ["Conflict", 1]
    assert found == run
