"""Late signals in the ledger: told once, cleared, also by another process later (M11)."""

from datetime import timedelta

import pytest
from support.book import HOUR, NOW, PAYING, Book

from runner.adapters.sql.pauses import write_pause
from runner.records import Inclusion, OperationStatus, Pause, PauseScope
from runner.scheduling.occurrence import Reason, State
from runner.scheduling.signals import Breach, Signal

LATE = Breach("p/s", Signal.LATE_AFTER, "slot", NOW, "late")
SILENT = Breach("p/s", Signal.MAX_TIME_SINCE_SUCCESS, "", NOW, "silent")


@pytest.fixture
async def book(tmp_path):
    opened = await Book.open(tmp_path / "ledger.db")
    yield opened
    await opened.close()


async def test_m11_each_breach_is_told_once_and_cleared_once(book):
    """
    The second look finds nothing new; what is over is taken back; the events are in the chain.
    """
    looks = [[LATE], [LATE, SILENT], [LATE, SILENT], [SILENT], []]

    told = [await book.ledger.report_breaches(one, now=NOW) for one in looks]

    assert told == [([LATE], []), ([SILENT], []), ([], []), ([], [LATE]), ([], [SILENT])]
    kinds = [kind for kind, _ in await book.events() if kind.startswith("schedule.")]
    assert kinds.count("schedule.overdue") == kinds.count("schedule.in_time") == 2


async def test_m11_the_facts_are_those_of_the_ledger(book):
    """
    Open runs, the last success, pauses of any scope.
    """
    before = (await book.ledger.signal_facts(["p/s"], now=NOW))["p/s"]
    run = await book.ledger.sign(await book.prepared(await book.claimed(0)), PAYING, now=NOW)
    waiting = await book.ledger.move(
        await book.claimed(1), State.HELD, reason=Reason.GRANT, now=NOW
    )
    run = await book.ledger.include(
        run, Inclusion("0xaa", True, 77, 9, "0xb1", NOW, "0x7a"), now=NOW
    )
    await book.ledger.close(
        run, State.SUCCESS, winner="0xaa", outcome=OperationStatus.SUCCESS, now=NOW + HOUR
    )
    pause = Pause(PauseScope.SESSION, "p/key", "audit", NOW, NOW + timedelta(days=1))
    await book.store.write(lambda tx: write_pause(tx, pause, author="anna"))

    after = (await book.ledger.signal_facts(["p/s", "p/other"], now=NOW))["p/s"]

    assert (before.paid_at, before.paused, before.open_runs) == (None, False, ())
    assert (after.paid_at, after.paused) == (NOW + HOUR, True)
    assert [(one.id, one.reason) for one in after.open_runs] == [(waiting.id, Reason.GRANT)]
    assert after.since == NOW
