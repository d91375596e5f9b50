"""O11: the digest of tomorrow's payments, once a day whatever the clocks do."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from support.planning import POLICY as POLICY_TEXT
from support.planning import parse

from runner.alerting.causes import Cause, Raised, Severity
from runner.alerting.incidents import raised
from runner.records import Pause, PauseScope
from runner.reporting.digest import Chain, digest, last_due, next_due
from runner.reporting.views import AskedView, DaemonView, LedgerView, ScheduleView

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 30, 16, tzinfo=UTC)
POLICY = parse()


def row(name, **changes):
    values = {
        "uid": f"payroll/{name}",
        "session": "payroll/salaries",
        "trigger": "",
        "anchor": datetime(2026, 11, 1, tzinfo=UTC),
        "decided_until": NOW,
        "state": "active",
        "runs": 0,
        "failures_in_row": 0,
        "paused_reason": None,
        "paused_at": None,
    }
    return ScheduleView(**values | changes)


def made(policy=POLICY, schedules=("monthly", "weekly"), **view):
    rows = [row(name) for name in schedules]
    shown = LedgerView(DaemonView(running=True), rows, (), (), **view)
    heads = [Chain("abcd", 12, "ff" * 32)]
    return digest(shown, [policy], heads, day=date(2026, 11, 30), zone=BERLIN, now=NOW)


def test_o11_it_names_tomorrows_payments_their_totals_and_the_heads():
    message = made()

    assert message.title == "[digest] Tuesday 1 December: 2 payments, 2520 usdc"
    assert "  01:00  20 usdc → bob  (payroll/weekly)\n  09:00  2500 usdc → alice" in message.text
    assert "Payments on 2026-12-01 (Europe/Berlin):" in message.text
    assert "  abcd 12 " + "ff" * 32 in message.text
    assert "payroll/salaries: NoGrant" in message.text
    assert message.body["totals"] == [{"symbol": "usdc", "decimals": 6, "amount": "2520000000"}]
    assert message.body["payments"][0]["due_at"] == ["2026-12-01T08:00:00Z"]


def test_o11_it_names_what_waits_for_a_person_and_what_is_paused():
    asked = AskedView("payroll/monthly", "slot", 1, "0x", NOW, "above 1000 usdc", NOW)
    dry = Raised(
        Cause("funding", "payroll/treasury"), Severity.WARNING, "runs dry", detail="5 usdc"
    )
    pause = Pause(PauseScope.SCHEDULE, "payroll/weekly", "audit", NOW)

    message = made(asked=[asked], incidents=[raised(None, dry, NOW)], pauses=[pause])

    assert "payroll/monthly@slot: above 1000 usdc" in message.text
    assert "payroll/treasury runs dry: 5 usdc" in message.text
    assert "Paused, not paid:\n  payroll/weekly" in message.text
    assert "1 payment, 2500 usdc" in message.title


def test_o11_a_day_without_payments_is_told_too_and_has_no_calendar():
    message = made(schedules=())

    assert message.title == "[digest] Tuesday 1 December: 0 payments"
    assert message.attachments == ()


def test_o11_the_calendar_keeps_the_form_of_its_standard():
    """
    RFC 5545: lines end by CRLF and have 75 octets at most, commas and semicolons are escaped.
    """
    long = ("weekly: {session", "w" * 60 + ": {session")
    many = ", ".join(f"{{pay: {{to: bob, amount: {n} usdc}}}}" for n in range(1, 4))
    policy = parse(POLICY_TEXT, long, ("pay: {bob: 20 usdc}", f"calls: [{many}]"))

    (file,) = made(policy, ("monthly", "w" * 60)).attachments

    assert file.name == "payments-2026-12-01.ics"
    lines = file.text.split("\r\n")
    assert (lines[0], lines[-2], lines[-1]) == ("BEGIN:VCALENDAR", "END:VCALENDAR", "")
    assert "\n" not in file.text.replace("\r\n", "")
    assert all(len(line.encode()) <= 75 for line in lines)
    unfolded = file.text.replace("\r\n ", "")
    assert unfolded.count("BEGIN:VEVENT") == unfolded.count("END:VEVENT") == 2
    assert "DTSTART:20261201T000000Z" in unfolded
    assert "SUMMARY:2500 usdc → alice" in unfolded
    assert "\\," in unfolded


def test_what_falls_due_too_often_to_list_is_counted():
    policy = parse(POLICY_TEXT, ("every: 1w", "every: 1s"))

    message = made(policy, ("weekly",))

    assert "82800 times  20 usdc → bob  (payroll/weekly)" in message.text
    assert "82800 payments, 1656000 usdc" in message.title
    assert message.attachments[0].text.count("BEGIN:VEVENT") == 500


ZONES = st.sampled_from(
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]
).map(ZoneInfo)
MOMENTS = st.integers(1_300_000_000, 1_900_000_000).map(lambda at: datetime.fromtimestamp(at, UTC))
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))


@given(ZONES, TIMES, MOMENTS)
def test_law_each_day_has_one_digest_and_they_follow_each_other(zone, at, now):
    """
    Also where a time is left out, comes twice, or a whole day is missing.
    """
    day, due = last_due(at, zone, now)
    following = next_due(at, zone, now)

    assert due <= now < following
    assert last_due(at, zone, due) == (day, due)
    assert last_due(at, zone, following)[0] > day
    assert last_due(at, zone, following - timedelta(microseconds=1))[0] == day


def test_o11_in_the_spring_gap_it_comes_at_the_shifted_time():
    gap = datetime(2027, 3, 28, 1, 30, tzinfo=UTC)

    assert last_due(time(2, 30), BERLIN, gap) == (date(2027, 3, 28), gap)
