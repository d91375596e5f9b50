"""Operators' verbs over a real SQLite file: what each does to a run or a slot in each state."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from support.book import ALICE, HOUR, LINE, NOW, PAYING, USDC, Book

from runner.adapters.sql import commands
from runner.adapters.sql.pauses import write_pause
from runner.errors import Conflict, UsageError
from runner.guard.budget import Reservation
from runner.records import (
    CommandState,
    Consent,
    Inclusion,
    OperationStatus,
    Pause,
    PauseScope,
    Take,
    Wish,
)
from runner.scheduling.lookup import Stretch
from runner.scheduling.occurrence import Reason, Slot, State

SOON = NOW + timedelta(minutes=10)


@pytest.fixture
async def book(tmp_path):
    opened = await Book.open(tmp_path / "ledger.db")
    yield opened
    await opened.close()


async def command(book, kind="run.retry", target="?"):
    wish = Wish(kind, target, "anna", "because", NOW)
    identity = await book.store.write(lambda tx: commands.ask(tx, wish))
    return await book.store.read(lambda c: commands.command_by_id(c, identity))


async def retry(book, run, reservations=(), now=NOW):
    return await book.ledger.retry(
        await command(book), run, deadline_at=SOON, reservations=reservations, now=now
    )


async def cancel(book, run):
    return await book.ledger.cancel(await command(book, "run.cancel"), run, now=NOW)


async def take(book, *claims, waits=False, cut=None):
    wanted = [Take(claim, cut or no_range, waits=waits) for claim in claims]
    return await book.ledger.take(await command(book, "schedule.run"), wanted, now=NOW)


async def skip(book, hour):
    claim = book.slot(hour).against(State.SKIPPED, Reason.OPERATOR)
    return await book.ledger.skip(await command(book, "schedule.skip"), claim, now=NOW)


def no_range(first, last, count):
    raise AssertionError("no range row is near")


async def signed(book, hour=0, **changes):
    return await book.ledger.sign(
        await book.prepared(await book.claimed(hour, **changes)), PAYING, now=NOW
    )


async def reverted(book, hour=0, **changes):
    run = await signed(book, hour, **changes)
    run = await book.ledger.include(
        run, Inclusion("0xaa", False, 77, 9, "0xb1", NOW, "0x7a"), now=NOW
    )
    return await book.ledger.close(
        run, State.REVERTED, winner="0xaa", outcome=OperationStatus.REVERTED, now=NOW
    )


async def decision(book, hour):
    rows = await book.store.read(lambda c: c.exec_driver_sql("select * from occurrences").all())
    found = {row.slot: (row.decision, row.reason) for row in rows}
    return found.get(book.slot(hour).slot)


# ── retry ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("reason", [Reason.GUARD, Reason.GRANT, Reason.PREFLIGHT, Reason.PAUSED])
async def test_o7_a_held_run_goes_on_with_the_same_attempt(book, reason):
    """
    Its deadline begins anew, and it is the operator's from then on: a pause does not hold it.
    """
    run = await book.claimed(0)
    held = await book.ledger.move(run, State.HELD, reason=reason, now=NOW)

    again = await retry(book, held)

    assert (again.id, again.attempt, again.state) == (run.id, 1, State.CLAIMED)
    assert again.by_hand
    assert again.deadline_at == SOON


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Reason.APPROVAL, "runs approve"),
        (Reason.NEW_RECEIVER, "runs approve"),
        (Reason.NEAR_DUPLICATE, "runs approve"),
        (Reason.BUDGET, "have room"),
        (Reason.BLACKOUT, "blackout ends"),
        (Reason.OVERLAP, "predecessor"),
    ],
)
async def test_o7_what_a_retry_cannot_release_says_what_can(book, reason, words):
    """
    A retry is no approval, and makes no room.
    """
    held = await book.ledger.move(await book.claimed(0), State.HELD, reason=reason, now=NOW)

    with pytest.raises(UsageError, match=words):
        await retry(book, held)
    assert await book.ledger.run(held.id) == held


async def test_o7_x12_a_run_held_for_evidence_is_not_retried(book):
    """
    Something is signed: only the chain ends it.
    """
    held = await book.ledger.move(await signed(book), State.HELD, reason=Reason.EVIDENCE, now=NOW)

    with pytest.raises(UsageError, match="only the chain"):
        await retry(book, held)


async def test_o7_a_reverted_run_gets_its_next_attempt_once(book):
    """
    Attempt + 1 has a run id of its own, and so a nonce key of its own; it has no window.
    """
    failed = await reverted(book)

    again = await retry(book, failed)

    assert (again.attempt, again.state, again.expires_at) == (2, State.CLAIMED, None)
    assert again.id != failed.id
    assert (await book.ledger.successor(failed)).id == again.id
    with pytest.raises(UsageError, match="tried again already"):
        await retry(book, failed)


async def test_x12_an_attempt_that_follows_by_itself_may_have_to_wait_for_a_person(book):
    """
    Where the evidence comes from the wallet service alone, it is held(retry) until `runs retry`.
    """
    run = await signed(book)
    run = await book.ledger.include(
        run, Inclusion("0xaa", False, 77, 9, "0xb1", NOW, "0x7a"), now=NOW
    )
    run = await book.ledger.close(
        run,
        State.REVERTED,
        winner="0xaa",
        outcome=OperationStatus.REVERTED,
        retry_until=SOON,
        retry_held=True,
        now=NOW,
    )
    following = await book.ledger.successor(run)

    again = await retry(book, following)

    assert (following.attempt, following.state, following.reason) == (2, State.HELD, Reason.RETRY)
    assert (again.id, again.state) == (following.id, State.CLAIMED)


async def test_s4_no_next_attempt_beside_an_open_run(book):
    """
    The schedule's other run is named.
    """
    failed = await reverted(book)
    other = await book.claimed(1)

    with pytest.raises(UsageError, match=other.id):
        await retry(book, failed)


async def test_o7_b3_a_next_attempt_needs_room_in_its_budgets(book):
    """
    What was released may have been spent by others.
    """
    failed = await reverted(book)
    wanted = Reservation("schedule:p/s:per_day", "2026-12-01", USDC, 60, 50)

    with pytest.raises(UsageError, match="per_day"):
        await retry(book, failed, [wanted])
    assert (await book.ledger.open_runs()) == []


@pytest.mark.parametrize("state", [State.CLAIMED, State.SIGNED, State.SKIPPED])
async def test_o7_other_states_are_refused_with_what_to_do(book, state):
    """
    A run on its way, one behind the point of no return, and one decided against.
    """
    run = await (signed(book) if state is State.SIGNED else book.claimed(0))
    if state is State.SKIPPED:
        run = await book.ledger.move(run, state, reason=Reason.OPERATOR, now=NOW)

    with pytest.raises(UsageError) as refused:
        await retry(book, run)
    assert "schedules run" in refused.value.hint or "runs show" in refused.value.hint


# ── cancel ────────────────────────────────────────────────────────────────────────────────────


async def test_x5_before_the_signature_a_cancelled_run_is_skipped(book):
    """
    Claimed, held or prepared: free.
    """
    prepared = await book.prepared(await book.claimed(0))

    ended = await cancel(book, prepared)

    assert (ended.state, ended.reason) == (State.SKIPPED, Reason.OPERATOR)
    assert "anna" in ended.detail
    assert await decision(book, 0) == ("skipped", "operator")
    with pytest.raises(Conflict):
        await book.ledger.sign(prepared, PAYING, now=NOW)


async def test_x4_after_the_signature_a_cancelled_run_is_to_be_burned(book):
    """
    It stays signed and open, and keeps the mark through a restart; a second time is refused.
    """
    run = await cancel(book, await signed(book))

    assert (run.state, run.cancelled_at) == (State.SIGNED, NOW)
    with pytest.raises(UsageError, match="cancelled already"):
        await cancel(book, run)


async def test_x4_what_is_in_a_block_is_not_cancelled(book):
    """
    There is nothing to stop any more.
    """
    run = await book.ledger.include(
        await signed(book), Inclusion("0xaa", True, 77, 9, "0xb1", NOW, "0x7a"), now=NOW
    )

    with pytest.raises(UsageError, match="is included"):
        await cancel(book, run)


@pytest.mark.parametrize("_", range(5))
async def test_x5_a_cancel_and_a_signature_race_and_one_of_them_wins(book, _):
    """
    Both are conditional on the row's version: never is a cancelled run signed.
    """
    run = await book.prepared(await book.claimed(0))
    wish = await command(book, "run.cancel")

    outcomes = await asyncio.gather(
        book.ledger.sign(run, PAYING, now=NOW),
        book.ledger.cancel(wish, run, now=NOW),
        return_exceptions=True,
    )

    lost = [one for one in outcomes if isinstance(one, Conflict)]
    now = await book.ledger.run(run.id)
    operations = await book.ledger.operations(run.id)
    answered = await book.store.read(lambda c: commands.command_by_id(c, wish.id))
    assert len(lost) == 1
    assert bool(operations) == (now.state is State.SIGNED)
    assert (answered.state is CommandState.ASKED) == (now.state is State.SIGNED)


# ── run, extra, backfill ──────────────────────────────────────────────────────────────────────


async def test_x20_the_later_tick_finds_a_slot_that_was_run_by_hand(book):
    """
    A slot that is still to come is claimed now, and once.
    """
    (run,) = await take(book, book.slot(5))
    made, refused = await book.claim(5, now=NOW + 5 * HOUR)

    assert (run.state, run.by_hand, run.expires_at) == (State.CLAIMED, True, None)
    assert (made, refused) == ([], [])
    with pytest.raises(UsageError, match=run.id):
        await take(book, book.slot(5))


@pytest.mark.parametrize(
    ("state", "reason"),
    [(State.SKIPPED, Reason.PAUSED), (State.MISSED, Reason.LATE), (State.SUPERSEDED, None)],
)
async def test_x11_a_slot_that_was_decided_against_is_reopened(book, state, reason):
    """
    The event says who and why; the slot has no window any more.
    """
    await book.claim(0, decision=state, reason=reason or Reason.CATCH_UP)

    (run,) = await take(book, book.slot(0))

    reopened = [data for kind, data in await book.events() if kind == "occurrence.reopened"]
    assert (run.attempt, run.state, run.expires_at) == (1, State.CLAIMED, None)
    assert await decision(book, 0) == ("claimed", None)
    assert [(one["author"], one["reason"]) for one in reopened] == [("anna", "because")]


async def test_x11_a_run_that_was_skipped_gets_a_new_attempt(book):
    """
    The closed row stays as it was: only runs are final.
    """
    old = await cancel(book, await book.claimed(0))

    (run,) = await take(book, book.slot(0))

    assert (run.attempt, old.attempt) == (2, 1)
    assert (await book.ledger.run(old.id)).state is State.SKIPPED


async def test_x11_m4_a_slot_inside_a_range_row_is_cut_out(book):
    """
    What was before it and after it stays decided, with its count.
    """

    def slot(hour):
        one = book.slot(hour)
        return Slot(one.slot, one.due_at, one.due_at, one.slot)

    def cut(first, last, count):
        assert (first, last, count) == (slot(0).due_at, slot(9).due_at, 10)
        return Stretch(4, slot(0), slot(3)), Stretch(5, slot(5), slot(9))

    last = book.slot(9)
    await book.claim(
        0,
        decision=State.MISSED,
        reason=Reason.LATE,
        count=10,
        last_slot=last.slot,
        last_due_at=last.due_at,
    )

    (run,) = await take(book, book.slot(4), cut=cut)

    rows = await book.store.read(
        lambda c: c.exec_driver_sql("select * from occurrences order by due_at").all()
    )
    assert run.slot == book.slot(4).slot
    assert [(row.decision, row._mapping["count"]) for row in rows] == [
        ("missed", 4),
        ("claimed", 1),
        ("missed", 5),
    ]


async def test_o4_both_forms_work_while_the_schedule_is_paused(book):
    """
    An operator's run is claimed, and signed; a stop forbids that, too.
    """
    await book.store.write(
        lambda tx: write_pause(tx, Pause(PauseScope.SCHEDULE, "p/s", "audit", NOW), author="bob")
    )
    (run,) = await take(book, replace(book.slot(0), slot="extra:bonus"))

    ready = await book.prepared(run)
    assert (await book.ledger.sign(ready, PAYING, now=NOW)).state is State.SIGNED


async def test_o4_a_repeated_key_is_the_same_run(book):
    """
    The second wish is refused, and names it.
    """
    extra = replace(book.slot(0), slot="extra:bonus")
    (run,) = await take(book, extra)

    with pytest.raises(UsageError, match=run.id):
        await take(book, extra)


async def test_m7_a_run_by_hand_stands_in_nobodys_way_unless_it_may_wait(book):
    """
    Beside an open run it is refused; a backfill stands in line.
    """
    alone = {"exclusive": True}
    first = await book.claimed(0, **alone)

    with pytest.raises(UsageError, match=first.id):
        await take(book, book.slot(5, **alone))
    (waiting,) = await take(book, book.slot(6, **alone), waits=True)
    assert (waiting.state, waiting.reason) == (State.HELD, Reason.OVERLAP)
    ended = await cancel(book, first)
    following, _ = await book.ledger.promote("p/s", deadline_at=SOON, now=NOW)
    assert (ended.state, following.id) == (State.SKIPPED, waiting.id)


async def test_o5_slots_that_ran_are_not_repeated(book):
    """
    Of four slots one is paid or on its way: the others are claimed, it is left out and named.
    """
    ran = await signed(book, 1)

    made = await take(book, *(book.slot(hour) for hour in range(4)), waits=True)

    assert ran.slot not in {run.slot for run in made}
    assert len(made) == 3


async def test_o5_a_backfill_is_charged_to_the_periods_it_is_told(book):
    """
    And the run remembers which.
    """
    today = Reservation("schedule:p/s:per_day", "2026-12-01", USDC, 30, 50)
    claim = book.slot(-48, charged_at=NOW, reservations=(today,))

    (run,) = await take(book, claim)

    assert run.charged_at == NOW
    with pytest.raises(UsageError, match="per_day"):
        await take(book, book.slot(-47, charged_at=NOW, reservations=(today,)))


async def test_t9_only_slots_count_towards_max_runs(book):
    """
    An extra run does not.
    """
    await take(book, book.slot(0))
    extra = Take(replace(book.slot(1), slot="extra:x"), no_range, counted=False)
    await book.ledger.take(await command(book), [extra], now=NOW)

    assert (await book.ledger.schedules())["p/s"].runs == 1


# ── skip ──────────────────────────────────────────────────────────────────────────────────────


async def test_o6_a_slot_that_is_still_to_come_is_skipped_beforehand(book):
    """
    The tick finds its row.
    """
    assert await skip(book, 5) is None
    made, _ = await book.claim(5, now=NOW + 5 * HOUR)

    assert made == []
    assert await decision(book, 5) == ("skipped", "operator")


async def test_o6_a_skip_takes_a_run_that_is_not_signed(book):
    """
    From `signed` on it is refused, with the run's id and the hint to cancel it.
    """
    run = await skip(book, (await book.claimed(0)) and 0)
    assert (run.state, run.reason) == (State.SKIPPED, Reason.OPERATOR)

    later = await signed(book, 1)
    with pytest.raises(UsageError) as refused:
        await skip(book, 1)
    assert later.id in refused.value.what
    assert f"runner runs cancel {later.id}" in refused.value.hint
    with pytest.raises(UsageError, match="nothing to skip"):
        await skip(book, 0)


@pytest.mark.parametrize("_", range(5))
async def test_o6_a_skip_and_a_claim_race_and_leave_one_decision(book, _):
    """
    Whoever comes second finds the row: the slot is skipped, or its unsigned run is.
    """
    await asyncio.gather(skip(book, 3), book.claim(3))

    assert await decision(book, 3) == ("skipped", "operator")
    assert await book.ledger.open_runs() == []


# ── approvals ─────────────────────────────────────────────────────────────────────────────────


def question(book, run, digest="0x01"):
    return Consent("p/s", run.slot, run.attempt, digest, run.due_at, "25 usdc reaches 20 usdc")


async def approve(book, slot, digest="0x01"):
    wish = await command(book, "run.approve", "p/s")
    return await book.ledger.approve(wish, "p/s", slot, digest, deadline_at=SOON, now=NOW)


async def test_b9_a_held_run_goes_on_when_it_is_approved_and_only_with_these_calls(book):
    """
    The approval is bound to the digest: the same run with another one is held and asked anew.
    """
    run = await book.prepared(await book.claimed(0))
    held, first = await book.ledger.consent(
        run, question(book, run), reason=Reason.APPROVAL, now=NOW
    )
    released = await approve(book, run.slot)
    ready = await book.prepared(released)
    passes, _ = await book.ledger.consent(
        ready, question(book, run), reason=Reason.APPROVAL, now=NOW
    )
    other, again = await book.ledger.consent(
        passes, question(book, run, "0x02"), reason=Reason.APPROVAL, now=NOW
    )

    told = [data for kind, data in await book.events() if kind == "approval.given"]
    assert (held.state, held.reason, first) == (State.HELD, Reason.APPROVAL, True)
    assert (released.state, released.by_hand) == (State.CLAIMED, False)
    assert passes == ready
    assert (other.state, again) == (State.HELD, True)
    assert [(one["author"], one["reason"], one["digest"]) for one in told] == [
        ("anna", "because", "0x01")
    ]


async def test_b9_an_approval_may_be_asked_and_given_before_the_run_is_there(book):
    """
    Asking is a row of its own; asked twice it is one, and the run passes.
    """
    ahead = Consent("p/s", book.slot(3).slot, 1, "0x01", book.slot(3).due_at, "much")
    asked = [await book.ledger.ask_ahead([ahead], now=NOW) for _ in range(2)]
    assert await approve(book, ahead.slot) is None

    run = await book.prepared(await book.claimed(3))
    passes, _ = await book.ledger.consent(run, ahead, reason=Reason.APPROVAL, now=NOW)

    assert asked == [[ahead], []]
    assert passes == run
    with pytest.raises(UsageError, match="waits for an approval"):
        await approve(book, ahead.slot)


async def test_x6_a_yes_is_to_what_was_shown_and_to_nothing_that_came_after(book):
    """
    Between the look and the yes the amount has changed, and is asked anew.
    """
    run = await book.prepared(await book.claimed(0))
    shown = question(book, run)
    held, _ = await book.ledger.consent(run, shown, reason=Reason.APPROVAL, now=NOW)
    changed = question(book, run, "0x02")
    await book.ledger.ask_ahead([changed], now=NOW + timedelta(seconds=1))
    await approve(book, run.slot, shown.digest)

    with pytest.raises(UsageError, match="as it was shown"):
        await approve(book, run.slot, "0x03")
    ready = await book.prepared(await book.ledger.run(held.id))
    again, first = await book.ledger.consent(ready, changed, reason=Reason.APPROVAL, now=NOW)
    assert (again.state, first) == (State.HELD, False)


async def test_b9_the_next_attempt_is_asked_anew(book):
    """
    Each approval lets one attempt go.
    """
    run = await book.prepared(await book.claimed(0))
    await book.ledger.ask_ahead([question(book, run)], now=NOW)
    await approve(book, run.slot)

    second = replace(question(book, run), attempt=2)
    held, first = await book.ledger.consent(run, second, reason=Reason.APPROVAL, now=NOW)

    assert (held.state, first) == (State.HELD, True)


async def test_b10_whom_a_success_paid_is_known_from_then_on(book):
    """
    By name and address; what only a receipt showed is not.
    """
    run = await signed(book)
    before = await book.ledger.history("p/s", names=["alice"], addresses=[ALICE])
    run = await book.ledger.include(
        run, Inclusion("0xaa", True, 77, 9, "0xb1", NOW, "0x7a"), now=NOW
    )
    await book.ledger.close(
        run,
        State.SUCCESS,
        winner="0xaa",
        outcome=OperationStatus.SUCCESS,
        observed=[replace(LINE, receiver=USDC, receiver_name="x", kind="observed")],
        now=NOW,
    )

    after = await book.ledger.history("p/s", names=["alice", "x"], addresses=[ALICE, USDC])
    assert (before.by_name, before.known) == ({}, frozenset())
    assert (after.by_name, after.known) == ({"alice": ALICE}, frozenset({ALICE}))
    assert after.last_paid == ((run.due_at, run.claimed_at),)
