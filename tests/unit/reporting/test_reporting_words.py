"""Every state and reason has words, and no advice names a command that does not exist."""

import re

import pytest

from runner.cli.main import COMMANDS
from runner.reporting.words import CONDITIONS, label, meaning
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
