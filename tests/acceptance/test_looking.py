"""Commands that look at a ledger: what scripts are promised, and what people read."""

import csv
import io
import json
import re

import pytest

ALICE = "0x00000000000000000000000000000000000A11cE"
VAULT = "0x00000000000000000000000000000000000000fa"
USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def by_due(rows, hour):
    return next(row for row in rows if row.get("due_at") == f"2026-01-05T{hour:02}:00:00Z")


@pytest.fixture
def rows(ledger, runner):
    return runner("runs", "list", "--json").json


def test_every_occurrence_is_one_row(rows):
    """
    The newest attempt stands for its slot; what was never claimed has its row too.
    """
    assert [(row.get("due_at"), row["state"], row["reason"]) for row in rows] == [
        ("2026-01-05T14:00:00Z", "success", "paid_differently"),
        ("2026-01-05T13:00:00Z", "unknown", None),
        ("2026-01-05T12:00:00Z", "held", "guard"),
        (None, "missed", "late"),
        ("2026-01-05T10:00:00Z", "skipped", "overlap"),
        ("2026-01-05T09:00:00Z", "success", None),
    ]


def test_a_row_has_all_that_is_promised(rows):
    """
    Members, forms and types of the contract; operations of all attempts, oldest first.
    """
    row = by_due(rows, 9)

    assert row["id"].startswith("0x")
    assert len(row["id"]) == 66
    assert (row["policy"], row["schedule"]) == ("payroll", "payroll/salaries")
    assert row["attempt"] == 2
    assert row["intent"][0] == {
        "to": USDC,
        "value": "0",
        "data": "0xa9059cbb"
        "00000000000000000000000000000000000000000000000000000000000a11ce"
        "00000000000000000000000000000000000000000000000000000000002625a0",
    }
    told = [(op["attempt"], op["kind"], op["status"], op["nonce"]) for op in row["operations"]]
    assert told == [
        (1, "payment", "dead", str(2**200)),
        (1, "burn", "success", str(2**200)),
        (2, "payment", "success", str(2**201)),
    ]
    assert {"call_id", "user_op_hash"} <= set(row["operations"][0])


def test_a_slot_without_run_says_so(rows):
    """
    Its id is the slot, its lists are empty.
    """
    row = by_due(rows, 10)

    assert row["id"] == "payroll/salaries@2026-01-05T10:00:00#0"
    assert (row["attempt"], row["intent"], row["operations"]) == (0, [], [])


def test_a_range_is_one_row(rows):
    """
    1,501 missed slots take one row, with count and both ends.
    """
    row = next(row for row in rows if "count" in row)

    assert row == {
        "schedule": "payroll/hosting",
        "policy": "payroll",
        "state": "missed",
        "reason": "late",
        "count": 1501,
        "from": "2026-01-05T11:00:00Z",
        "to": "2026-03-08T23:00:00Z",
    }


def test_activations_come_only_when_asked_for(rows, runner):
    """
    `--all` adds them; `--limit` keeps the newest of both.
    """
    everything = runner("runs", "list", "--json", "--all").json
    newest = runner("runs", "list", "--json", "--all", "--limit", "1").json

    assert len(everything) == len(rows) + 1
    assert [row["id"] for row in newest] == ["activation:payroll/key#1"]
    assert newest[0]["schedule"] is None
    assert newest[0]["session"] == "payroll/key"


def test_times_are_utc_and_amounts_are_text(ledger, runner):
    """
    No time without Z and no big integer anywhere in what scripts read.
    """
    for command in (["runs", "list"], ["grants", "list"], ["schedules", "list"], ["report"]):
        told = runner(*command, "--json").out
        for name, value in re.findall(r'"(\w+_at|from|to)": "([^"]+)"', told):
            assert UTC_TIME.fullmatch(value) or value.startswith("0x"), (command, name, value)
        for number in re.findall(r": (\d+)[,\n]", told):
            assert int(number) < 2**53


@pytest.mark.parametrize(
    "name",
    [
        "payroll/salaries@2026-01-05T09:00:00#0",
        "payroll/salaries@2026-01-05T09:00:00",
        "payroll/salaries@2026-01-05T09:00:00Z",
        "payroll/salaries@2026-01-05T10:00:00+01:00",
    ],
)
def test_a_run_is_found_by_its_slot(ledger, runner, rows, name):
    """
    By the slot's text, without its fold, or by the instant in any zone.
    """
    assert runner("runs", "show", name, "--json").json["id"] == by_due(rows, 9)["id"]


def test_a_run_is_found_by_a_unique_beginning(ledger, runner, rows):
    """
    An id may be cut short; of any attempt; a beginning that fits several is refused.
    """
    found = runner("runs", "show", by_due(rows, 9)["id"][:10], "--json").json
    several = runner("runs", "show", "0x")
    none = runner("runs", "show", "100%")

    assert found["due_at"] == "2026-01-05T09:00:00Z"
    assert several.code == 2
    assert "may be any of" in several.err
    assert none.code == 2
    assert "there is no run" in none.err


def test_a_slot_inside_a_range_shows_the_range(ledger, runner):
    """
    Nothing is said to be unknown that was decided.
    """
    shown = runner("runs", "show", "payroll/hosting@2026-02-01T00:00:00Z", "--json").json

    assert (shown["count"], shown["state"]) == (1501, "missed")


def test_the_story_of_a_run(ledger, runner, rows):
    """
    Names, amounts, both attempts, block, fee, and the timeline.
    """
    told = runner("runs", "show", by_due(rows, 9)["id"])

    assert told.code == 0
    for words in (
        "success: it was paid",
        "2.5 usdc → alice",
        "approve 40 usdc for vault",
        "burn, attempt 1",
        "block",
        "0.000000000000021 of the coin, sponsored",
        "operation.signed.payment",
        "occurrence.claimed",
        "3 rules, all held",
        "G11.calldata  the frozen calls, byte for byte",
    ):
        assert words in told.out


def test_the_story_of_a_hold_says_what_to_do(ledger, runner):
    """
    Reason, detail and advice come first.
    """
    told = runner("runs", "show", "payroll/salaries@2026-01-05T12:00:00")

    assert told.out.startswith("held (guard): it was refused by the guard")
    assert "calls[0].to is not what was asked" in told.out
    assert "to do: compare the findings" in told.out


def test_grants_as_promised(ledger, runner):
    """
    The members of the contract, sealed things aside.
    """
    (row,) = runner("grants", "list", "--json").json

    assert {key: row[key] for key in ("session", "generation", "state", "entity_id")} == {
        "session": "payroll/key",
        "generation": 1,
        "state": "active",
        "entity_id": 4,
    }
    assert row["session_id"] == "0x" + "01" * 16
    assert row["key_address"] == VAULT
    assert UTC_TIME.fullmatch(row["expires_at"])
    assert UTC_TIME.fullmatch(row["next_renewal_at"])
    assert not any("sealed" in key for key in row)


def test_grants_for_people(ledger, runner):
    """
    The table, and the page of one session with its scope.
    """
    assert "payroll/key" in runner("grants", "list").out
    shown = runner("grants", "show", "payroll/key").out
    assert "payroll/key: Ready" in shown
    assert "erc20-token-transfer" in shown
    missing = runner("grants", "show", "payroll/kye")
    assert (missing.code, "sessions: payroll/key" in missing.err) == (2, True)


def test_the_report_counts_what_moved(ledger, runner):
    """
    Approvals move nothing; what only the receipt shows counts; what it does not show does not.
    """
    made = runner("report", "--json").json

    assert [(t["token"], t["to"], t["amount"], t["count"]) for t in made["totals"]] == [
        (USDC, VAULT, "7", 1),
        (USDC, ALICE, "2500000", 1),
    ]
    told = [(p["to"], p["amount"], p["kind"], p["confirmed"]) for p in made["payments"]]
    assert told == [
        (ALICE, "2500000", "pay", True),
        (ALICE, "2500000", "pay", False),
        (VAULT, "7", "observed", True),
    ]
    assert made["payments"][2]["symbol"] == "usdc"
    assert made["payments"][0]["paid_at"] == "2026-01-05T09:00:00Z"


def test_the_report_of_a_period(ledger, runner):
    """
    From is inside, to is outside; an empty period is empty, a reversed one is refused.
    """
    one = runner("report", "--json", "--from", "2026-01-05T09:00Z", "--to", "2026-01-05T14:00Z")
    none = runner("report", "--json", "--to", "2026-01-05T09:00Z").json
    wrong = runner("report", "--from", "2026-01-06", "--to", "2026-01-05")

    assert len(one.json["payments"]) == 1
    assert (none["totals"], none["fees"], none["payments"]) == ([], [], [])
    assert wrong.code == 2
    assert "Nothing was paid" in runner("report", "--to", "2026-01-05").out


def test_the_report_as_csv_is_safe_to_open(ledger, runner):
    """
    Units and base units, and no cell that a spreadsheet would run.
    """
    lines = list(csv.DictReader(io.StringIO(runner("report", "--format", "csv").out)))

    assert (lines[0]["amount"], lines[0]["base_units"]) == ("2.5", "2500000")
    assert lines[0]["memo"] == "'=SUM(A1)"


def test_the_report_for_people(ledger, runner):
    """
    Totals, payments, and a word on what is not confirmed.
    """
    told = runner("report").out

    assert re.search(r"alice +2\.5 usdc +1 ", told)
    assert "not confirmed" in told
    assert "not asked for" in told


def test_status_says_what_needs_a_person(ledger, runner):
    """
    The worst first: the guard's refusal and the pause, then what is merely open.
    """
    told = runner("status", "--json").json

    assert told["healthy"] is False
    assert told["daemon"]["running"] is False
    found = [(one["severity"], one["what"].split(":")[0]) for one in told["findings"]]
    assert found[:2] == [("critical", "is paused"), ("critical", "held (guard)")]
    assert [one["state"] for one in told["open_runs"]] == ["held", "unknown"]
    states = {one["schedule"]: one["state"] for one in told["schedules"]}
    assert states == {
        "payroll/hosting": "paused",
        "payroll/once": "new",
        "payroll/salaries": "active",
    }
    (session,) = told["sessions"]
    assert (session["condition"], session["grant"]["generation"]) == ("Ready", 1)


def test_status_for_people(ledger, runner):
    """
    One page with a verdict, advice, and nothing secret.
    """
    told = runner("status").out

    assert "need you." in told.splitlines()[0]
    assert "runner runs show" in told
    assert "do not pay it by hand" in told
    assert "http://127.0.0.1:8545 (sandbox)" in told
    assert "very-secret-path" not in told


def test_status_works_when_policies_do_not(ledger, runner, house):
    """
    A faulty policy is a finding, not a reason to be silent.
    """
    (house / "policies" / "payroll.yaml").write_text("version: 2\n")
    told = runner("status", "--json")

    assert told.code == 0
    assert any(one["subject"] == "policies" for one in told.json["findings"])


def test_schedules_as_scripts_and_people_read_them(ledger, runner):
    """
    State, pause with its reason, and the last slot.
    """
    rows = {row["schedule"]: row for row in runner("schedules", "list", "--json").json}

    assert rows["payroll/hosting"]["paused_reason"] == "3 failed runs in a row"
    assert rows["payroll/salaries"]["last"]["state"] == "success"
    assert "payroll/hosting is paused" in runner("schedules", "list").out


@pytest.mark.parametrize(
    "command",
    [["runs", "list"], ["runs", "list", "--json"], ["status"], ["report", "--json"]],
)
def test_no_ledger_yet(runner, command):
    """
    Says so, says what to do, exits 1, prints no data and makes nothing.
    """
    told = runner(*command)

    assert told.code == 1
    assert told.out == ""
    assert "there is no ledger" in told.err
    assert "runner up" in told.err


def test_looking_changes_nothing(ledger, runner):
    """
    The database is the same after every command that looks.
    """
    before = ledger.read_bytes()
    for command in (["status"], ["runs", "list"], ["grants", "list"], ["report"]):
        assert runner(*command).code == 0

    assert ledger.read_bytes() == before


def test_both_ways_to_ask_for_json(ledger, runner):
    """
    `--json` and `--format json` are one, in any order.
    """
    one = runner("runs", "list", "--json").out
    other = runner("runs", "list", "--format", "json").out

    assert one == other
    assert json.loads(runner("runs", "list", "--json", "--format", "json").out)


def test_next_lists_the_slots_that_fire(runner):
    """
    All schedules in order of time, with the schedule's own clock, from the policies alone.
    """
    told = runner("next", "--json", "--count", "3", "--from", "2027-01-04T07:30Z").json

    assert told == [
        {
            "schedule": "payroll/hosting",
            "due_at": "2027-01-04T08:00:00Z",
            "local": "2027-01-04T08:00:00+00:00",
        },
        {
            "schedule": "payroll/salaries",
            "due_at": "2027-01-04T08:00:00Z",
            "local": "2027-01-04T09:00:00+01:00",
        },
        {
            "schedule": "payroll/hosting",
            "due_at": "2027-01-04T09:00:00Z",
            "local": "2027-01-04T09:00:00+00:00",
        },
    ]


def test_next_begins_with_the_moment_asked_for(runner):
    """
    A slot due exactly then is listed; a finished `at` is not.
    """
    told = runner("next", "--json", "--count", "1", "--from", "2027-05-01T00:00:00Z").json
    later = runner("next", "--json", "--count", "9", "--from", "2027-05-01T00:00:01Z").json

    assert told[0]["due_at"] == "2027-05-01T00:00:00Z"
    assert "payroll/once" not in {one["schedule"] for one in later}


def test_next_for_people(runner):
    """
    What is paid stands beside when.
    """
    told = runner("next", "--count", "2", "--from", "2027-01-04T07:30Z").out

    assert "Mon 09:00 +0100" in told
    assert "2.5 usdc → alice" in told


def test_next_needs_no_ledger(runner, house):
    """
    And makes none.
    """
    assert runner("next").code == 0
    assert not (house / ".runner").exists()


def test_today_counts_today_alone(ledger, runner):
    """
    What was due long ago is not of today.
    """
    assert runner("status", "--json").json["today"] == []
