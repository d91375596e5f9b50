"""`runner why` and `runner calendar`: what became of a slot, and what will become of it."""

from datetime import UTC, datetime, timedelta

import pytest


def asked(runner, schedule, at):
    answer = runner("why", schedule, "--at", at, "--json")
    assert answer.code == 0, answer.err
    found = answer.json
    return found, {one["field"]: (one["answer"], one["text"]) for one in found["fields"]}


def test_a_paid_slot_tells_each_attempt_and_what_included_it(runner, ledger):
    """
    The burned attempt, the one that paid, and their operations.
    """
    found, fields = asked(runner, "payroll/salaries", "2026-01-05T09:00")

    assert (found["state"], found["slot"]) == ("success", "2026-01-05T09:00:00#0")
    assert found["verdict"] == "it was paid: included and final"
    assert fields["attempt 1"][0] == "no"
    assert "burned" in fields["attempt 1"][1]
    assert fields["attempt 2"][0] == "yes"
    assert "block 12" in fields["operation"][1]


@pytest.mark.parametrize(
    ("schedule", "at", "words"),
    [
        ("payroll/salaries", "2026-01-05T10:00", "while the run before it was still open"),
        ("payroll/salaries", "2026-01-05T12:00", "refused by the guard"),
        ("payroll/hosting", "2026-01-10T11:00:00Z", "its catch-up window is over"),
    ],
)
def test_what_was_decided_against_or_waits_says_why(runner, ledger, schedule, at, words):
    """
    Also a slot inside a range row, which has no row of its own.
    """
    found, fields = asked(runner, schedule, at)

    assert words in found["verdict"]
    assert "decision" in fields


def test_m6_a_slot_of_a_range_is_one_of_many(runner, ledger):
    """
    The range is named with its count.
    """
    _, fields = asked(runner, "payroll/hosting", "2026-01-10T11:00:00Z")

    assert fields["decision"][1].endswith("one of 1501")


def test_o1_a_coming_slot_of_a_paused_schedule_will_not_be_paid(runner, ledger):
    """
    The pause is the reason, and everything else is told beside it.
    """
    soon = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
    found, fields = asked(runner, "payroll/hosting", f"{soon:%Y-%m-%dT%H:%MZ}")

    assert found["verdict"] == "it will not be paid: 3 failed runs in a row"
    assert fields["grant"][0] == "yes"
    assert "1 usdc → alice" in fields["policy"][1]


def test_without_a_time_it_tells_of_the_next_slot(runner, ledger):
    """
    Hosting is due each hour; the schedule that is due once has one slot.
    """
    hourly = runner("why", "payroll/hosting", "--json")
    once = runner("why", "payroll/once", "--json")

    until = datetime.fromisoformat(hourly.json["at"]) - datetime.now(UTC)
    assert (hourly.code, once.code) == (0, 0), hourly.err + once.err
    assert timedelta(0) < until <= timedelta(hours=1)
    assert once.json["slot"].startswith("2027-05-01T00:00:00")


def test_a_time_without_a_slot_names_those_around_it(runner, ledger):
    """
    In the schedule's own zone.
    """
    found, fields = asked(runner, "payroll/salaries", "2027-03-02T09:00")

    assert (found["slot"], found["state"]) == (None, None)
    assert "2027-03-01T09:00:00+01:00" in fields["slot"][1]
    assert "2027-03-08T09:00:00+01:00" in fields["slot"][1]


def test_a_slot_beyond_the_grant_waits_for_the_next_one(runner, ledger):
    """
    And a trigger that was edited since it was applied is told.
    """
    found, fields = asked(runner, "payroll/salaries", "2027-03-01T09:00")

    assert fields["grant"][0] == "waits"
    assert fields["ledger"][0] == "waits"
    assert "will be paid once" in found["verdict"]


def test_the_text_begins_with_the_answer(runner, ledger):
    """
    One sentence, then a field a line.
    """
    answer = runner("why", "payroll/salaries", "--at", "2026-01-05T09:00")

    assert answer.out.startswith("payroll/salaries@2026-01-05T09:00:00#0: it was paid")
    assert "attempt 2" in answer.out


@pytest.mark.parametrize(
    ("schedule", "at", "words"),
    [
        ("payroll/nobody", "2026-01-05T09:00", "payroll/hosting"),
        ("payroll/salaries", "yesterday", "is no slot"),
        ("payroll/salaries", "extra:bonus", "runs show"),
    ],
)
def test_a_wrong_question_says_how_to_ask(runner, ledger, schedule, at, words):
    """
    Exit code 2, and a hint.
    """
    answer = runner("why", schedule, "--at", at)

    assert answer.code == 2
    assert words in answer.err


# ── the calendar ──────────────────────────────────────────────────────────────────────────────


def test_the_calendar_shows_what_was_decided_and_what_is_to_come(runner, ledger):
    """
    Past months from the ledger, coming ones from the policies, each on the day of its zone.
    """
    past = runner("calendar", "--from", "2026-01-05", "--months", "1")
    coming = runner("calendar", "--from", "2027-05-01", "--months", "1", "--json")

    days = [row for row in coming.json if row["schedule"] == "payroll/salaries"]
    once = [row for row in coming.json if row["schedule"] == "payroll/once"]
    hourly = [row for row in coming.json if row["schedule"] == "payroll/hosting"]
    assert "January 2026" in past.out
    assert "success" in past.out
    assert "missed (late)" in past.out
    assert "skipped (overlap)" in past.out
    assert {row["local"][10:] for row in days} == {"T09:00:00+02:00"}
    assert [row["due_at"] for row in once] == ["2027-05-01T00:00:00Z"]
    assert sum(row["count"] for row in hourly if row["due_at"].startswith("2027-05-07")) == 24


def test_a_calendar_needs_no_ledger(runner, house):
    """
    The policies alone are shown; nothing is made.
    """
    answer = runner("calendar", "--from", "2027-05-01", "--months", "1")

    assert answer.code == 0, answer.err
    assert "May 2027" in answer.out
    assert "2.5 usdc" in answer.out
    assert not (house / ".runner").exists()


def test_a_schedule_of_seconds_is_counted_by_the_day(runner, house):
    """
    Sixty days of it are sixty lines, not five million.
    """
    policy = house / "policies" / "payroll.yaml"
    policy.write_text(policy.read_text().replace("every: 1h", "every: 1s"))

    answer = runner("calendar", "--from", "2027-05-01", "--months", "2", "--json")

    busy = [row for row in answer.json if row["schedule"] == "payroll/hosting"]
    assert {row["count"] for row in busy[1:-1]} == {86_400}
    assert len(busy) < 70
