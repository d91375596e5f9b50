"""Bad files of all families: each has exactly these faults, in these places."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.corpus import ENVIRONMENT, FAMILIES, SOUND

from runner.policy.codes import Code

BAD = [
    pytest.param(*case, id=f"{family}-{number}")
    for family, cases in FAMILIES.items()
    for number, case in enumerate(cases)
]
OF_SETTINGS = {"P120", "P122", "P123", "P124", "P125", "P126", "P128"}
TESTS = Path(__file__).parents[2]


@pytest.mark.parametrize(("codes", "level", "text"), BAD)
def test_the_faults_are_these_and_no_others(texts, codes, level, text):
    text = getattr(texts, level)(text)

    assert texts.found(text, ENVIRONMENT) == texts.expected(codes, text)


@pytest.mark.parametrize(("codes", "level", "text"), BAD)
def test_each_fault_says_how_to_mend_it(texts, codes, level, text):
    for fault in texts.faults(getattr(texts, level)(text.replace("§", "")), ENVIRONMENT):
        assert fault.hint
        assert "xxxx" not in fault.hint + fault.what or "xxxx" in text
        assert len(fault.hint) < 400


@pytest.mark.parametrize(("level", "text"), SOUND)
def test_odd_files_may_be_sound(texts, level, text):
    assert texts.found(getattr(texts, level)(text), ENVIRONMENT) == []


def test_every_code_is_met_in_a_test():
    tests = TESTS.rglob("*.py")
    met = {code for test in tests for code in re.findall(r"\bP[0-9]{3}\b", test.read_text())}

    assert {code.value for code in Code} - OF_SETTINGS <= met
