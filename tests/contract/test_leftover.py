"""X17: what fell due under the old policies is decided in the transaction that installs the new."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.book import NOW, SEED, Book

from runner.errors import StoreError
from runner.planning.renames import Named
from runner.scheduling.occurrence import Reason, State

LATER = NOW + timedelta(hours=3)
CHANGED = replace(SEED, trigger="every 2h", revision="r2")


@pytest.fixture
async def book(tmp_path):
    opened = await Book.open(tmp_path / "ledger.db")
    yield opened
    await opened.close()


async def test_x17_old_slots_have_their_rows_and_the_new_trigger_begins_after_them(book):
    """
    One is ours, one was decided against; neither is decided again under the new trigger.
    """
    gone = replace(book.slot(1), decision=State.SKIPPED, reason=Reason.REMOVED)

    installed = await book.ledger.install_schedules(
        [CHANGED], decided=[gone, book.slot(2)], decided_until={"p/s": LATER}, now=LATER
    )
    again, _ = await book.ledger.claim(
        [book.slot(1), book.slot(2)], decided_until={"p/s": LATER}, now=LATER
    )

    assert installed.refused == [gone]
    assert [run.slot for run in await book.ledger.open_runs()] == [book.slot(2).slot]
    assert again == []
    state = (await book.ledger.schedules())["p/s"]
    assert (state.trigger, state.decided_until) == ("every 2h", LATER)


@pytest.mark.parametrize(
    "breaks",
    [
        {"named": [Named("schedule", "p/s", "p/x"), Named("schedule", "p/y", "p/x")]},
        {"seeds": [CHANGED, replace(CHANGED, uid="p/new"), replace(CHANGED, uid="p/new")]},
    ],
    ids=["at the names", "at the schedules"],
)
async def test_x17_either_both_stand_or_neither(book, breaks):
    """
    Whatever ends the transaction half-way: the old trigger is in force and its slots are free, so
    the next start decides them.
    """
    before = await book.ledger.schedules()
    arguments = {"named": [], "seeds": [CHANGED]} | breaks

    with pytest.raises(StoreError):
        await book.ledger.install_schedules(
            arguments["seeds"],
            named=arguments["named"],
            decided=[book.slot(1), book.slot(2)],
            decided_until={"p/s": LATER},
            now=LATER,
        )

    assert await book.ledger.schedules() == before
    assert await book.ledger.open_runs() == []
    assert await book.ledger.applied_texts(["p"]) == {}


async def test_x17_policies_are_read_back_as_they_were_applied_last(book):
    """
    By their names; an older revision and other policies do not matter.
    """
    for number, text in enumerate(("first", "second")):
        seed = replace(SEED, revision=f"r{number + 5}", written=text)
        await book.ledger.install_schedules([seed], now=NOW + timedelta(minutes=number))

    assert await book.ledger.applied_texts(["p", "q"]) == {"p": "second"}
