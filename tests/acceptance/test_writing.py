"""Commands that need no ledger, and those that make something: validate, explain, init, db."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import runner as program
from runner.policy.codes import Code

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(program.__file__).parents[1])}


def test_a_valid_setup_is_summed_up(runner):
    """
    One line on what was found, exit 0.
    """
    told = runner("validate")

    assert told.code == 0
    assert "valid: 1 policy, 1 session, 3 schedules" in told.out


def test_every_fault_with_its_place(runner, house):
    """
    Text on stderr with the line and a caret; JSON as scripts are promised; exit 2.
    """
    bad = house / "bad.yaml"
    text = (house / "policies" / "payroll.yaml").read_text()
    bad.write_text(text.replace("45d", "45 days").replace("every: 1h", "every: 1hour"))

    told = runner("validate", "bad.yaml")
    rows = runner("validate", "bad.yaml", "--format", "json")
    github = runner("validate", "bad.yaml", "--format", "github")

    assert (told.code, rows.code, github.code) == (2, 2, 2)
    assert told.out == ""
    assert "--> bad.yaml:9:" in told.err
    assert "2 errors." in told.err
    assert len(rows.json) == 2
    assert set(rows.json[0]) == {"file", "line", "column", "code", "severity", "message", "hint"}
    assert [row["line"] for row in rows.json] == [9, 13]
    assert github.out.startswith("::error file=bad.yaml,line=9")


def test_warnings_only_matter_when_strict(runner, monkeypatch):
    """
    Exit 0, with --strict 3; an error beside them is 2.
    """
    monkeypatch.setenv("RUNNER_NONSENSE", "1")

    assert runner("validate").code == 0
    assert runner("validate", "--strict").code == 3
    assert [row["severity"] for row in runner("validate", "--json").json] == ["warning"]
    assert runner("validate", "--strict", "nowhere.yaml").code == 2


def test_faults_of_both_files_at_once(runner, house):
    """
    A faulty runner.yaml does not hide the faults of a policy that is named.
    """
    (house / "runner.yaml").write_text("walets: {}\n")
    (house / "bad.yaml").write_text("version: 1\n")

    files = {row["file"] for row in runner("validate", "bad.yaml", "--json").json}

    assert files == {"runner.yaml", "bad.yaml"}
    assert runner("validate").code == 2


def test_a_faulty_policy_stops_other_commands_the_same_way(runner, house):
    """
    `next` prints the faults and exits 2.
    """
    (house / "policies" / "payroll.yaml").write_text("version: 1\nnam: x\n")
    told = runner("next", "--json")

    assert (told.code, told.out) == (2, "")
    assert "did you mean `name`?" in told.err


def test_each_code_is_explained(runner):
    """
    The title, the reason, an example; any case; unknown ones are refused.
    """
    for code in Code:
        told = runner("explain", code.value.lower())
        assert told.code == 0
        assert told.out.startswith(f"{code.value}: ")
    assert runner("explain", "P031", "--json").json["code"] == "P031"
    assert len(runner("explain").out.splitlines()) == len(Code)
    assert runner("explain", "nonsense").code == 2


def test_init_makes_a_setup_that_is_valid(runner, house, monkeypatch):
    """
    It validates, it knows what comes next, its secrets are for its owner's eyes.
    """
    told = runner("init", "new")
    monkeypatch.chdir(house / "new")

    assert told.code == 0
    assert runner("validate", "--strict").code == 0
    assert len(runner("next", "--json", "--count", "2").json) == 2
    assert stat.S_IMODE(Path("runner.yaml").stat().st_mode) == 0o600
    assert (house / "new" / ".gitignore").read_text() == ".runner/\n"
    assert "0x" not in told.out + told.err


def test_init_overwrites_nothing(runner, house):
    """
    Neither settings nor policy; a .gitignore gains one line, once.
    """
    (house / "a").mkdir()
    (house / "a" / "runner.yaml").write_text("mine")
    (house / "b").mkdir()
    (house / "b" / ".gitignore").write_text("*.pyc")

    refused = runner("init", "a")
    runner("init", "b")
    again = runner("init", "b")

    assert refused.code == 2
    assert (house / "a" / "runner.yaml").read_text() == "mine"
    assert not (house / "a" / "policies").exists()
    assert (house / "b" / ".gitignore").read_text() == "*.pyc\n.runner/\n"
    assert again.code == 2


def test_db_init_makes_an_empty_ledger(runner, house):
    """
    With its secret key, which only the owner reads; an existing ledger is left alone.
    """
    made = runner("db", "init")
    before = (house / ".runner" / "ledger.db").read_bytes()
    again = runner("db", "init")

    assert (made.code, again.code) == (0, 0)
    assert stat.S_IMODE((house / ".runner" / "secret.key").stat().st_mode) == 0o600
    assert (house / ".runner" / "ledger.db").read_bytes() == before
    assert runner("runs", "list", "--json").json == []
    assert "Nothing was due yet" in runner("runs", "list").err
    assert "No grant was asked for yet" in runner("grants", "list").err
    assert runner("status").code == 0


def test_as_a_process(ledger, house):
    """
    `python -m runner`: data on stdout, nothing else there; a closed pipe ends it quietly.
    """
    command = [sys.executable, "-m", "runner", "runs", "list", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT)
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    )
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()

    assert len(json.loads(done.stdout)) == 6
    assert done.stderr == ""
    assert (process.wait(), told) == (141, b"")


@pytest.mark.parametrize("command", ["status", "report"])
def test_looking_imports_no_network(ledger, command):
    """
    Neither an HTTP client nor the ABI library is loaded to read the ledger.
    """
    code = f"""
import sys
from runner.cli.main import run
assert run([{command!r}]) == 0
print([m for m in ("httpx", "aiohttp", "eth_abi", "pyrevm", "apscheduler") if m in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENVIRONMENT
    )

    assert done.stdout.splitlines()[-1] == "[]"
