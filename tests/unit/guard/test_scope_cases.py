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


def test_refuses_another_format():
    """
    A file of another format is named as such, and so is a case without its members.
    """
    with pytest.raises(EncodingError):
        list(judge_cases({"format": 2, "cases": []}))
    with pytest.raises(EncodingError, match="case 0"):
        list(judge_cases({**DOCUMENT, "cases": [{"id": "x", "kind": "root"}]}))
