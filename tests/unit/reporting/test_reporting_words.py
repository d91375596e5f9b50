"""Every state and reason has words, and no advice names a command that does not exist."""

import re
from pathlib import Path

import pytest

from runner.cli.main import COMMANDS
from runner.reporting.words import CHECKED, CONDITIONS, checked, label, meaning
from runner.scheduling.occurrence import REASONS

PAIRS = [
    (state.value, reason.value if reason else None)
    for state, reasons in sorted(REASONS.items())
    for reason in sorted(reasons, key=str)
]


@pytest.mark.parametrize(("state", "reason"), PAIRS)
def test_each_pair_is_put_in_words(state, reason):
    """
    A sentence of its own, not the bare words of the ledger.
    """
    said = meaning(state, reason)

    assert said.what != f"is {label(state, reason)}"
    for command in re.findall(r"runner (\w+)", said.todo or ""):
        assert command in COMMANDS


def test_an_unknown_pair_shows_its_own_words():
    """
    A newer ledger does not break an older reader.
    """
    assert meaning("missed", "eclipse").what == "is missed (eclipse)"


def test_a_hold_that_ran_out_says_what_it_waited_for():
    """
    missed(grant) is told as the hold it was.
    """
    assert "no grant" in meaning("missed", "grant").what
    assert "catch-up window is over" in meaning("missed", "grant").what


def test_conditions_name_existing_commands():
    """
    As the states do.
    """
    for said in CONDITIONS.values():
        for command in re.findall(r"`runner (\w+)", said.todo or ""):
            assert command in COMMANDS


def test_what_the_guard_looks_at_is_put_in_words():
    """
    Every rule that the guard's two files name, those aside that only a refusal knows.
    """
    sources = [Path("runner/guard/checks.py"), Path("runner/guard/operation.py")]
    named = {
        rule
        for source in sources
        for rule in re.findall(r'"([A-Z]\d+\.[A-Za-z_.]+)"', source.read_text(encoding="utf-8"))
    }

    assert named - {"G5.fields", "G5.request", "G11.prefix"} == set(CHECKED)
    assert checked("B4.scope Z9.later")[1] == ("Z9.later", "held")
