"""`pause`, `resume`, `stop` without a daemon: what they say to people, and to scripts."""

import pytest

WHY = ("--reason", "audit")


@pytest.fixture
def secret(house, ledger):
    """The secret key that the filled ledger was made with."""
    settings = house / "runner.yaml"
    settings.write_text(settings.read_text() + "secret_key: {file: secret.key}\n")
    (house / "secret.key").write_text(bytes(range(32)).hex() + "\n")
    (house / "secret.key").chmod(0o600)


def test_x20_pausing_and_resuming_tell_scripts_what_they_did(runner, secret):
    """
    The pause as a row; at its end the same row, and what was skipped.
    """
    paused = runner("schedules", "pause", "payroll/salaries", *WHY, "--json")
    again = runner("schedules", "pause", "payroll/salaries", *WHY)
    resumed = runner("schedules", "resume", "payroll/salaries", *WHY, "--json")
    over = runner("schedules", "resume", "payroll/salaries", *WHY)

    assert (paused.code, again.code, resumed.code, over.code) == (0, 2, 0, 2), resumed.err
    assert paused.json | {"since": ""} == {
        "scope": "schedule",
        "target": "payroll/salaries",
        "reason": "audit",
        "since": "",
        "until": None,
    }
    assert resumed.json == paused.json | {"skipped": []}


def test_o8_stop_and_resume_tell_scripts_and_status_tells_people(runner, secret):
    """
    While everything is stopped, that is the first thing to be seen.
    """
    stopped = runner("stop", *WHY, "--json")
    status = runner("status")
    resumed = runner("resume", *WHY, "--json")

    assert (stopped.code, resumed.code) == (0, 0), resumed.err
    assert (stopped.json["scope"], stopped.json["target"]) == ("stop", "")
    assert "everything is stopped" in status.out
    assert "runner resume" in status.out
    assert resumed.json["skipped"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name one of"),
        (("payroll/salaries", "--all"), "name one of"),
        (("payroll/nobody",), "no schedule payroll/nobody"),
        (("--session", "payroll/nobody"), "no schedule of the ledger uses"),
        (("payroll/salaries", "--until", "2020-01-01"), "in the past"),
    ],
)
def test_o1_a_pause_of_nothing_is_refused(runner, secret, arguments, words):
    """
    Exit code 2, and nothing is written.
    """
    answer = runner("schedules", "pause", *arguments, *WHY)

    assert answer.code == 2
    assert words in answer.err
    assert "everything" not in runner("status").out.splitlines()[0]
