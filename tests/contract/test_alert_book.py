"""Incidents and the outbox in a real ledger, and the desk that writes them."""

import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from support.book import HOUR, NOW, PAYING, Book, Quiet

from runner.adapters.clock import SystemClock
from runner.adapters.sql import tables as t
from runner.adapters.sql.reading import silent_channels
from runner.alerting.causes import Cause, Raised, Severity
from runner.alerting.incidents import Word, raised, resolved, spoken
from runner.alerting.messages import Attachment, Message, about
from runner.errors import StoreError, Undelivered
from runner.execution.alerting import AlertDesk, Subscriber
from runner.execution.digest import Digests
from runner.records import Consent
from runner.reporting.digest import message_id
from runner.scheduling.occurrence import Reason, State
from runner.scheduling.signals import Breach, Signal

HELD = Raised(Cause("held", "p/s"), Severity.WARNING, "waits", detail="no balance")
LETTER = Message("evt_1", Severity.WARNING, "title", "text", {"id": "evt_1"})


class Moved(SystemClock):
    """The machine's clock, some time later."""

    ahead = timedelta(0)

    def now(self):
        return super().now() + self.ahead


class Pager:
    """Implements `ports.Channel`: takes messages, or does not."""

    def __init__(self, name="PAGER", broken=False):
        self.name = name
        self.broken = broken
        self.got = []
        self.tried = 0

    async def send(self, message):
        self.tried += 1
        if self.broken:
            raise Undelivered("nobody answers")
        self.got.append(message)

    @property
    def titles(self):
        return [message.title for message in self.got]


class Desks:
    """Desks over one ledger, one after the other, as daemons are."""

    def __init__(self, book):
        self.book = book
        self.log = Quiet()
        self.clock = Moved()

    @asynccontextmanager
    async def open(self, *pagers, min_severity=Severity.WARNING):
        people = [Subscriber(one, min_severity) for one in pagers]
        desk = AlertDesk(self.book.ledger, people, clock=self.clock, telemetry=self.log)
        async with desk.open():
            await asyncio.sleep(0.05)
            yield desk


async def until(condition, what="it"):
    for _ in range(300):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{what} did not come about")


@pytest.fixture
async def book(tmp_path):
    opened = await Book.open(tmp_path / "ledger.db")
    yield opened
    await opened.close()


@pytest.fixture
def desks(book):
    return Desks(book)


# ── rows ──────────────────────────────────────────────────────────────────────────────────────


async def test_an_incident_is_kept_as_it_is_one_row_for_each_cause(book):
    one = raised(None, HELD, NOW)
    told = spoken(one, NOW + HOUR)
    over = resolved(told, NOW + 2 * HOUR)

    for step in (one, told, over):
        await book.ledger.keep_incidents([step], [], now=NOW)
        assert await book.ledger.incidents() == [step]
    kinds = [kind for kind, _ in await book.events() if kind.startswith("alert.")]
    assert kinds == ["alert.opened", "alert.resolved"]


async def test_a_message_stands_once_for_each_destination_in_order_until_it_is_taken(book):
    second = Message("evt_2", Severity.INFO, "b", "b", {}, attachments=(Attachment("a", "b", "c"),))
    letters = [(LETTER, ["A", "B"]), (second, ["A"])]
    for _ in range(2):
        await book.ledger.keep_incidents([], letters, now=NOW)

    waiting = await book.ledger.waiting("A", limit=10)
    assert [one.message for one in waiting] == [LETTER, second]

    await book.ledger.undelivered(waiting[0], "no", now=NOW, give_up=False)
    await book.ledger.delivered(waiting[1], now=NOW)
    (again,) = await book.ledger.waiting("A", limit=10)
    assert (again.message, again.attempts) == (LETTER, 1)

    await book.ledger.undelivered(again, "no", now=NOW, give_up=True)
    assert await book.ledger.waiting("A", limit=10) == []
    assert [one.message for one in await book.ledger.waiting("B", limit=10)] == [LETTER]


async def test_what_went_out_long_ago_leaves_the_outbox_what_waits_does_not(book):
    await book.ledger.keep_incidents([], [(LETTER, ["A", "B"])], now=NOW)
    (letter,) = await book.ledger.waiting("A", limit=1)
    await book.ledger.delivered(letter, now=NOW)
    other = Message("evt_2", Severity.INFO, "b", "b", {})

    await book.ledger.keep_incidents([], [(other, ["A"])], now=NOW + timedelta(days=31))

    rows = await book.store.read(lambda c: c.execute(t.outbox.select()).all())
    assert [(row.message, row.destination) for row in rows] == [("evt_1", "B"), ("evt_2", "A")]


async def test_the_ledger_shows_what_is_held_asked_paused_late_and_failed(book):
    run = await book.claimed(0)
    await book.ledger.move(run, State.HELD, reason=Reason.PREFLIGHT, detail="dry", now=NOW)
    consent = Consent("p/s", "later", 1, "0x01", NOW + HOUR, "above 5 usdc")
    await book.ledger.ask_ahead([consent], now=NOW)
    await book.ledger.pause_schedule("p/s", reason="3 failed runs in a row", now=NOW)
    breach = Breach("p/s", Signal.LATE_AFTER, "slot", NOW, "late")
    await book.ledger.report_breaches([breach], now=NOW)

    shown = await book.ledger.standing(now=NOW)

    assert [event for event, _ in shown] == [
        "run.held",
        "approval.asked",
        "schedule.paused",
        "schedule.overdue",
    ]
    assert (shown[0][1]["reason"], shown[0][1]["detail"]) == ("preflight", "dry")
    assert await book.ledger.standing(now=NOW + 2 * HOUR) == [shown[0], *shown[2:]]


# ── the desk ──────────────────────────────────────────────────────────────────────────────────


async def test_one_incident_is_told_once_however_often_its_event_comes(desks):
    pager = Pager()
    async with desks.open(pager) as desk:
        for _ in range(50):
            desk.emit(
                "run.delayed", level="critical", schedule="p/s", run="0x1", detail="no answer"
            )
        await until(lambda: pager.got)
        await asyncio.sleep(0.1)

    assert pager.titles == ["[critical] p/s has a payment whose outcome is open"]
    assert [event for event, _ in desks.log.told] == ["run.delayed"] * 50


async def test_its_end_is_told_too_and_a_success_without_any_incident_writes_nothing(desks):
    pager = Pager()
    async with desks.open(pager) as desk:
        desk.emit("run.success", schedule="p/s", reason=None)
        await asyncio.sleep(0.05)
        rows = await desks.book.ledger.incidents()
        desk.emit("chain.reachable", venue="w/1")
        desk.emit("occurrence.decided", level="warning", schedule="p/s", slot="t", reason="late")
        await until(lambda: len(pager.got) == 1)
        desk.emit("run.success", schedule="p/s", reason=None)
        await until(lambda: len(pager.got) == 2)

    assert rows == []
    assert pager.titles == ["[warning] p/s left out a payment", "[resolved] p/s left out a payment"]
    assert pager.got[1].good


async def test_what_befalls_many_at_once_is_one_message(desks):
    pager = Pager()
    async with desks.open(pager) as desk:
        for number in range(300):
            desk.emit(
                "occurrence.decided",
                level="warning",
                schedule=f"p/{number}",
                slot="t",
                reason="late",
            )
        await until(lambda: pager.got)
        await asyncio.sleep(0.1)

    assert pager.titles == ["[warning] 300 times: left out a payment"]
    assert len(pager.got[0].body["subjects"]) == 300
    assert "and 280 more: runner alerts list" in pager.got[0].text
    assert len(await desks.book.ledger.incidents()) == 300


async def test_routes_choose_by_severity(desks):
    loud, quiet = Pager("LOUD"), Pager("QUIET")
    people = [Subscriber(loud, Severity.WARNING), Subscriber(quiet, Severity.CRITICAL)]
    desk = AlertDesk(desks.book.ledger, people, clock=desks.clock, telemetry=desks.log)
    async with desk.open():
        desk.emit("policies.refused", level="error", detail="line 3")
        desk.emit("run.fault", level="critical", run="0x1", detail="IndexError")
        await until(lambda: len(loud.got) == 2 and quiet.got)

    assert quiet.titles == ["[critical] 0x1 met a fault of runner"]


async def test_an_unreachable_channel_loses_nothing_and_the_next_process_delivers(desks):
    """
    What was written down in one process is delivered by another, in order, once.
    """
    broken, mended = Pager(broken=True), Pager()
    async with desks.open(broken) as desk:
        desk.emit("run.fault", level="critical", run="0x1", detail="IndexError")
        desk.emit("policies.refused", level="error", detail="line 3")
        await until(lambda: broken.tried)
    waiting = await desks.book.ledger.waiting("PAGER", limit=10)
    (silent,) = await desks.book.store.read(silent_channels)
    async with desks.open(mended):
        await until(lambda: len(mended.got) == 2)
        await asyncio.sleep(0.1)

    assert [one.message.title for one in waiting] == mended.titles
    assert waiting[0].attempts == 1
    assert (silent.destination, silent.waiting, silent.error) == ("PAGER", 2, "nobody answers")
    assert await desks.book.store.read(silent_channels) == []
    assert await desks.book.ledger.waiting("PAGER", limit=10) == []


async def test_a_channel_that_fails_again_and_again_is_told_by_the_others(desks, monkeypatch):
    monkeypatch.setattr("runner.execution.delivery._FIRST_WAIT", 0.01)
    broken, other = Pager("BROKEN", broken=True), Pager("OTHER")
    async with desks.open(broken, other) as desk:
        desk.emit("run.fault", level="critical", run="0x1", detail="IndexError")
        await until(lambda: len(other.got) == 2)
        broken.broken = False
        await until(lambda: len(other.got) == 3)

    assert other.titles[1:] == [
        "[warning] BROKEN takes no alerts",
        "[resolved] BROKEN takes no alerts",
    ]
    assert broken.titles == ["[critical] 0x1 met a fault of runner"]


async def test_what_a_crash_has_swallowed_is_found_in_the_ledger(desks):
    """
    The run was held, and the process died before it said so.
    """
    run = await desks.book.claimed(0)
    await desks.book.ledger.move(run, State.HELD, reason=Reason.PREFLIGHT, detail="dry", now=NOW)
    pager = Pager()
    async with desks.open(pager):
        await until(lambda: pager.got)

    assert pager.titles == ["[warning] p/s waits and is not paid"]


async def test_what_the_ledger_no_longer_shows_is_over(desks):
    run = await desks.book.claimed(0)
    run = await desks.book.ledger.move(run, State.HELD, reason=Reason.GUARD, detail="x", now=NOW)
    pager = Pager()
    async with desks.open(pager) as desk:
        await until(lambda: pager.got)
        run = await desks.book.ledger.move(run, State.CLAIMED, now=NOW)
        await desks.book.ledger.sign(await desks.book.prepared(run), PAYING, now=NOW)
        desks.clock.ahead = timedelta(seconds=10)
        desk.emit("run.success", schedule="p/s", reason=None)
        await until(lambda: len(pager.got) == 2)

    assert pager.titles == [
        "[critical] p/s was to sign something else",
        "[resolved] p/s was to sign something else",
    ]


async def test_an_open_incident_is_not_told_again_by_the_next_process(desks):
    first, second = Pager(), Pager()
    async with desks.open(first) as desk:
        desk.emit("clock.skewed", level="critical", venue="w/1", detail="200 s")
        await until(lambda: first.got)
    async with desks.open(second) as desk:
        desk.emit("clock.skewed", level="critical", venue="w/1", detail="200 s")
        await asyncio.sleep(0.1)
        before = list(second.got)
        desks.clock.ahead = timedelta(hours=1)
        desk.emit("clock.skewed", level="critical", venue="w/1", detail="200 s")
        await until(lambda: second.got)

    assert before == []
    assert second.titles == ["[critical] w/1 disagrees with our clock (still)"]


async def test_what_nobody_could_be_told_is_told_by_the_first_who_can_tell(desks):
    """
    A process without destinations keeps the incident, and does not count it as told.
    """
    pager = Pager()
    async with desks.open() as desk:
        desk.emit("policies.refused", level="error", detail="line 3")
        await asyncio.sleep(0.2)
    (kept,) = await desks.book.ledger.incidents()
    async with desks.open(pager):
        await until(lambda: pager.got)

    assert (kept.is_open, kept.told) == (True, 0)
    assert pager.titles == ["[warning] policies were edited, and the edit is bad"]


async def test_what_the_next_process_does_not_find_again_is_over(desks):
    first, second = Pager(), Pager()
    async with desks.open(first) as desk:
        desk.emit("clock.skewed", level="critical", venue="w/1", detail="200 s")
        await until(lambda: first.got)
    async with desks.open(second) as desk:
        desks.clock.ahead = timedelta(minutes=4)
        desk.emit("policies.refused", level="error", detail="wakes the desk")
        await until(lambda: len(second.got) == 2)

    assert "[resolved] w/1 disagrees with our clock" in second.titles


async def test_a_ledger_that_takes_no_write_is_told_all_the_same(desks, monkeypatch):
    pager = Pager()
    async with desks.open(pager) as desk:
        kept = desks.book.ledger.keep_incidents

        async def full(*args, **fields):
            raise StoreError("the disk is full")

        monkeypatch.setattr(desks.book.ledger, "keep_incidents", full)
        desk.emit("ledger.unwritable", level="critical", detail="the disk is full")
        await until(lambda: pager.got)
        monkeypatch.setattr(desks.book.ledger, "keep_incidents", kept)
        await asyncio.sleep(1.2)

    assert pager.titles == ["[critical] ledger takes no write"]
    (one,) = await desks.book.ledger.incidents()
    assert (one.cause.kind, one.told) == ("unwritable", 1)


async def test_a_channel_that_hangs_holds_up_neither_the_others_nor_the_end(desks):
    class Hanging(Pager):
        async def send(self, message):
            await asyncio.sleep(3600)

    hanging, other = Hanging("HANGS"), Pager("OTHER")
    with suppress(TimeoutError):
        async with asyncio.timeout(5), desks.open(hanging, other) as desk:
            desk.emit("run.fault", level="critical", run="0x1", detail="IndexError")
            await until(lambda: other.got)

    assert len(other.got) == 1
    assert len(await desks.book.ledger.waiting("HANGS", limit=10)) == 1


def test_words_are_told_in_the_body_for_scripts():
    message = about(raised(None, HELD, NOW), Word.OPENED, NOW)

    assert message.body == {
        "version": 1,
        "id": message.id,
        "at": "2026-12-01T09:00:00Z",
        "type": "incident",
        "status": "opened",
        "severity": "warning",
        "kind": "held",
        "subject": "p/s",
        "what": "waits",
        "detail": "no balance",
        "hint": None,
        "run": None,
        "count": 1,
        "opened_at": "2026-12-01T09:00:00Z",
        "resolved_at": None,
    }


async def test_o11_one_digest_a_day_whatever_restarts(desks):
    """
    Composed by three processes, delivered once; pagers are spared.
    """
    chat, pager = Pager("CHAT"), Pager("PAGER")
    people = [Subscriber(chat, Severity.WARNING), Subscriber(pager, Severity.CRITICAL)]
    clock = Moved()
    at = (clock.now() - timedelta(hours=1)).time().replace(second=0, microsecond=0)
    composed = []

    async def compose(day, now):
        composed.append(day)
        return Message(message_id(day), Severity.INFO, f"[digest] {day}", str(now), {})

    for hours in (0, 1, 2, 24):
        clock.ahead = timedelta(hours=hours)
        desk = AlertDesk(desks.book.ledger, people, clock=clock, telemetry=desks.log)
        async with desk.open():
            digests = Digests(
                at,
                ZoneInfo("UTC"),
                compose=compose,
                announce=desk.announce,
                clock=clock,
                telemetry=desks.log,
            )
            await digests.look()
            await digests.look()
            await asyncio.sleep(0.1)

    assert len(composed) == 4
    assert len(chat.titles) == len(set(chat.titles)) == 2
    assert pager.titles == []
