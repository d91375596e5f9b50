"""
What breaks before a field is read: nesting that would end the process, and six shapes of YAML.

Source: SEMANTICS X23, X24.
"""

from __future__ import annotations

import subprocess
import sys
from time import perf_counter

import pytest

from runner.errors import PolicyErrors
from runner.policy.parse import parse_policy
from runner.scheduling.cron import check_cron

DEEP = {
    "dashes": "- " * 30_000 + "x",
    "brackets": "a: " + "[" * 60_000,
    "braces": "a: " + "{a: " * 20_000,
    "questions": "? " * 30_000 + "x",
    "indents": "".join(" " * depth + "a:\n" for depth in range(300)),
}


@pytest.mark.parametrize("shape", DEEP)
def test_x23_deep_nesting_is_a_fault_and_not_the_end_of_the_process(shape, tmp_path):
    path = tmp_path / "deep.yaml"
    path.write_text(DEEP[shape])

    begun = perf_counter()
    answer = subprocess.run(
        [sys.executable, "-m", "runner", "validate", str(path)],
        check=False,
        capture_output=True,
        text=True,
    )

    assert answer.returncode == 2
    assert "error[P" in answer.stderr + answer.stdout
    assert "Traceback" not in answer.stderr
    assert perf_counter() - begun < 10


def test_x23_anchors_that_multiply_are_counted_before_they_are_made(texts):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]

    assert faults_of(texts.whole(end="\n".join(lines) + "\n"))[0].code == "P005"


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\u0085"])
def test_x23_a_line_break_that_editors_do_not_count_has_its_own_code(texts, character):
    (fault,) = faults_of(texts.whole(end=f"description: a{character}b\n"))

    assert fault.code == "P008"
    assert (fault.where.line, fault.where.column) == (texts.whole().count("\n") + 1, 15)


SHAPES = [
    ("cron: */5 * * * *", 'cron: "*/5 * * * *"'),
    ("cron: * * * * *", 'cron: "* * * * *"'),
    ("cron: @daily", '"0 0 * * *"'),
    ("pay: {alice: ${X}}", '"${X}"'),
    ("call: {contract: vault, function: transfer(address,uint256), args: []}", '"transfer('),
    ("pay: {alice: 1,000 usdc}", "1_000 usdc"),
    ("memo: #5", '"#5"'),
]


@pytest.mark.parametrize(("line", "paste"), SHAPES, ids=[line for line, _ in SHAPES])
def test_x24_each_shape_has_its_code_its_place_and_the_line_to_paste(texts, line, paste):
    key = line.partition(":")[0]
    schedule = "    session: salaries\n    timezone: UTC\n"
    if key != "cron":
        schedule += "    every: 1w\n"
    if key in {"cron", "memo"}:
        kept = "{to: alice, amount: 10 usdc}" if key == "cron" else ""
        schedule += f"    pay: {kept}\n" if kept else "    pay:\n      to: alice\n"
    if key == "memo":
        schedule += "      amount: 10 usdc\n      memo: #5\n"
    else:
        schedule += f"    {line}\n"
    text = texts.whole(schedule=schedule)
    number = next(n for n, one in enumerate(text.split("\n"), 1) if one.strip() == line)

    found = [fault for fault in faults_of(text) if fault.where.line == number]

    assert found, [str(fault) for fault in faults_of(text)]
    assert paste in (found[0].hint or "")


def test_x24_the_codes_of_the_shapes_differ(texts):
    codes = set()
    for line, _ in SHAPES[:4]:
        schedule = (
            f"    session: salaries\n    timezone: UTC\n    pay: {{alice: 1 usdc}}\n    {line}\n"
        )
        if not line.startswith("cron"):
            schedule = f"    session: salaries\n    every: 1w\n    {line}\n"
        codes.add(faults_of(texts.whole(schedule=schedule))[0].code)

    assert len(codes) == 3  # the two spellings of `*` are one shape


def faults_of(text):
    with pytest.raises(PolicyErrors) as caught:
        parse_policy(text, "p.yaml", environment={"X": "1 usdc"}, check_cron=check_cron)
    return caught.value.faults
