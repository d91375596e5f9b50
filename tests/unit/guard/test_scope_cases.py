"""
Agreement with recorded verdicts of the real contracts: every case of the sample, every step.

Source: tests/vectors/oracle-verdicts.json (EntryPoint 0.7.0, Modular Account 2.0.0).
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from runner.errors import EncodingError
from runner.guard.cases import UNSUPPORTED, judge_case, judge_cases

FILE = Path(__file__).parents[2] / "vectors" / "oracle-verdicts.json"
DOCUMENT: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
CASES: list[dict[str, Any]] = DOCUMENT["cases"]
UNSUPPORTED_KINDS = {"runtime-path", "allowlist-2.0.0"}
ANSWERS = ("outcome", "error", "limitsBefore", "limitsAfter", "balanceBefore", "balanceChange")
FIRST_STEP = {name: value for name, value in CASES[0]["steps"][0].items() if name != "nonce"}
DERIVED = ("nonce", "usesDeferredAction", "maxGasCost")


def reason(answer: dict[str, Any]) -> str | None:
    """
    The reason as the contract of the verdicts words it.
    """
    error = answer["error"] or {}
    return error.get("reason") or error.get("name")


def without(case: dict[str, Any], members: tuple[str, ...]) -> dict[str, Any]:
    """
    The case and its steps less some members; the grant less what the builder made of it.
    """
    bare = {name: value for name, value in copy.deepcopy(case).items() if name not in members}
    bare["grant"].pop("installCallData", None)
    for step in bare.get("steps", ()):
        for name in members:
            step.pop(name, None)
    return bare


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_agrees_with_the_contracts(case):
    """
    Outcome, reason and remaining limits are those of the chain, without seeing its answers.
    """
    verdict = judge_case(without(case, ANSWERS), DOCUMENT)
    steps = case.get("steps", [])

    assert verdict["id"] == case["id"]
    assert len(verdict["steps"]) == len(steps)
    if case["kind"] in UNSUPPORTED_KINDS:
        assert verdict["outcome"] == UNSUPPORTED
        assert {step["outcome"] for step in verdict["steps"]} == {UNSUPPORTED}
        return
    assert (verdict["outcome"], verdict["reason"]) == (case["outcome"], reason(case))
    for judged, recorded in zip(verdict["steps"], steps, strict=True):
        assert (judged["outcome"], judged["reason"]) == (recorded["outcome"], reason(recorded))
        assert judged["limitsAfter"] == recorded.get("limitsAfter")


def test_recorded_answers_change_nothing():
    """
    A file with false answers is judged like the true one.
    """
    forged = copy.deepcopy(DOCUMENT)
    for case in forged["cases"]:
        for answer in (case, *case.get("steps", ())):
            answer["outcome"], answer["error"] = "accepted", {"reason": "Forged"}
            answer["limitsBefore"] = answer["limitsAfter"] = {"native": "0x7"}

    assert list(judge_cases(forged)) == list(judge_cases(DOCUMENT))


@pytest.mark.parametrize("missing", [DERIVED, ("callData",), (*DERIVED, "callData")])
def test_derives_what_a_step_leaves_out(missing):
    """
    Nonces, the deferred flag and the call data follow from the calls where they are not given.
    """
    for case in CASES:
        if "callData" in missing and any(
            step.get("calls") is None for step in case.get("steps", ())
        ):
            continue
        assert judge_case(without(case, missing), DOCUMENT) == judge_case(case, DOCUMENT)


@pytest.mark.parametrize("document", [{"format": 2, "cases": []}, {"format": 1}, {}, [], None])
def test_refuses_another_format(document):
    """
    A file of another format is named as such.
    """
    with pytest.raises(EncodingError, match="recorded cases"):
        list(judge_cases(document))


@pytest.mark.parametrize(
    "odd",
    [
        {"id": "x", "kind": "root"},
        {},
        [],
        None,
        CASES[0] | {"grant": {"permissions": [{"type": "contract-access", "data": {}}]}},
        CASES[0] | {"steps": [{"calls": [{"to": "0x12"}]}]},
        CASES[0] | {"steps": [{**FIRST_STEP, "nonceDelta": -1}]},
        CASES[0] | {"steps": [{"calls": None, "encodedAs": "replay of step 7", "timestamp": 1}]},
    ],
)
def test_an_odd_case_is_told_and_the_others_are_judged(odd):
    """
    What cannot be read takes nothing from what can.
    """
    first, second, third = judge_cases({**DOCUMENT, "cases": [CASES[0], odd, CASES[1]]})

    assert [first, third] == list(judge_cases({**DOCUMENT, "cases": CASES[:2]}))
    assert second["outcome"] == UNSUPPORTED
    assert "case 1 is not of this format" in second["error"]
    assert "error" not in first
