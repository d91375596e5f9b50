"""`runner scope judge`, against verdicts recorded from the deployed contracts."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from runner.cli.main import cli, run

CASES = Path("tests/vectors/oracle-verdicts.json")


@pytest.mark.parametrize(
    ("text", "word"),
    [("", "not JSON"), ("[" * 200_000, "too deeply"), ("{}", "cases"), ('{"format": 3}', "cases")],
)
def test_a_file_of_something_else_is_bad_usage(tmp_path, capsys, text, word):
    """
    Exit code 2, and no traceback whatever stands in it.
    """
    path = tmp_path / "cases.json"
    path.write_text(text)

    assert run(["scope", "judge", "--cases", str(path)]) == 2
    assert word in capsys.readouterr().err


def test_a_case_that_cannot_be_read_is_one_line_and_exit_2(tmp_path, capsys):
    """
    The others are judged before it is told.
    """
    document = json.loads(CASES.read_text())
    document["cases"] = [{"id": "odd"}, document["cases"][0]]
    path = tmp_path / "cases.json"
    path.write_text(json.dumps(document))

    code = run(["scope", "judge", "--cases", str(path)])
    out, errors = capsys.readouterr()
    odd, honest = map(json.loads, out.splitlines())

    assert (code, odd["id"], odd["outcome"]) == (2, "odd", "unsupported")
    assert honest["outcome"] == document["cases"][1]["outcome"]
    assert "1 of the cases cannot be read" in errors


def test_every_case_gets_its_line_and_agrees():
    """
    Outcome and reason as recorded; kinds outside the engine say `unsupported`.
    """
    recorded = {case["id"]: case for case in json.loads(CASES.read_text())["cases"]}

    answer = CliRunner().invoke(cli, ["scope", "judge", "--cases", str(CASES)])
    verdicts = [json.loads(line) for line in answer.stdout.splitlines()]

    assert answer.exit_code == 0
    assert [verdict["id"] for verdict in verdicts] == list(recorded)
    judged = [verdict for verdict in verdicts if verdict["outcome"] != "unsupported"]
    assert len(judged) >= 212
    assert all(verdict["outcome"] == recorded[verdict["id"]]["outcome"] for verdict in judged)
