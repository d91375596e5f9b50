"""`runner scope judge`, against verdicts recorded from the deployed contracts."""

import json
from pathlib import Path

from click.testing import CliRunner

from runner.cli.main import cli

CASES = Path("tests/vectors/oracle-verdicts.json")


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
