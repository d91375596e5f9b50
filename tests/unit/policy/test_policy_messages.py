"""What people read: hints that work when pasted, carets, nothing secret."""

from __future__ import annotations

import re

import pytest

from runner.errors import Mark, PolicyError, PolicyErrors
from runner.policy.catalogue import CATALOGUE
from runner.policy.codes import Code
from runner.policy.report import fault_as_json, fault_for_github, render_fault
from runner.policy.secrets import _word_list

KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
PHRASE = "legal winner thank year wave sausage worth useful legal winner thank yellow"


@pytest.mark.parametrize(
    ("level", "text"),
    [
        ("body", "session: salaries\ntimezone: UTC\ncron: */5 * * * *\npay: {alice: 1 usdc}"),
        ("body", "session: salaries\ntimezone: UTC\ncron: * * * * *\npay: {alice: 1 usdc}"),
        ("body", "session: salaries\ntimezone: UTC\ncron: @daily\npay: {alice: 1 usdc}"),
        ("calls", "- pay: {to: ${WHO}, amount: 1 usdc}"),
        ("calls", "- call: {contract: vault, function: f(address,bool), args: [alice, no]}"),
        ("calls", "- pay: {to: alice, amount: 1,000 usdc}"),
        ("calls", "- pay: {alice: 1 usdc}\n  memo: #5"),
        ("top", "description: Salaries: all\n"),
        ("top", "description: `all`\n"),
    ],
)
def test_the_line_to_paste_mends_the_file(texts, level, text):
    text = getattr(texts, level)(text)
    (fault,) = texts.faults(text, {"WHO": "alice"})
    lines = text.split("\n")
    number = fault.where.line - 1
    indent = re.match(r"\s*", lines[number])[0]

    pasted = re.fullmatch(r"write (.*?)(?:, if it is none)?", fault.hint)[1]
    lines[number] = indent + pasted

    assert texts.faults("\n".join(lines), {"WHO": "alice"}) == []


@pytest.mark.parametrize(
    ("level", "text", "hint"),
    [
        ("schedule", "catchup: latest", "did you mean `catch_up`?"),
        ("session", "overlap: x", "it is a key of a schedule"),
        ("calls", "- pay: {alcie: 1 usdc}", "did you mean `alice`?"),
        (
            "calls",
            "- pay: {\u0430lice: 1 usdc}",
            "did you mean `alice`? `\u0430` in it is U+0430, no letter from a to z",
        ),
        ("calls", "- pay: {alice: \uff11\uff10 usdc}", "write 10 usdc"),
        ("calls", "- pay: {alice: 10k usdc}", "write 10_000 usdc"),
        ("calls", "- pay: {alice: \u201c10 usdc\u201d}", "write 10 usdc"),
        ("calls", "- pay: {alice: \u22125 usdc}", "amounts have no sign"),
        ("calls", "- pay: {alice = 10 usdc}", "write - pay: {alice: 10 usdc}"),
        (
            "calls",
            "- pay: {to: alice, amount: 1, token: usdc}",
            "the unit stands behind the number, as amount: 10 usdc",
        ),
        ("calls", "- pay: (alice: 10 usdc)", "write - pay: {alice: 10 usdc}"),
        (
            "calls",
            f"- call: {{contract: vault, function: f(uint256), args: [{2**256}]}}",
            "write 0 to 2**256 - 1",
        ),
        ("session", "renew_before: 0.33", "write 33%"),
        ("session", "renew_before: 33 percent", "write 33%"),
        (
            "session",
            "renew_before: 33",
            "write 33% for a share of the lifetime, 33h or 33d for a duration",
        ),
        ("session", "accept_risk: no", "delete the key, or say why the risk is taken"),
        ("session", "allowlist: [alice]", "did you mean `receivers`?"),
        ("session", "owner_lead: |\n  3d", "write it in one line behind its key, without `|`"),
        ("schedule", "count: 5", "did you mean `max_runs`?"),
        ("schedule", "timezone: utc", "did you mean `UTC`?"),
        ("schedule", "timezone: localtime", "write a name such as Europe/Berlin, or UTC"),
        ("calls", "- pay: alice 1 usdc", "write {alice: 1 usdc}"),
        (
            "schedule",
            "start_at: 2026-12-01T09:00[Europe/Berlin]",
            "write 2026-12-01T09:00, and `timezone: Europe/Berlin`",
        ),
        ("schedule", "start_at: 2026-12-01T09:00+01", "write 2026-12-01T09:00+01:00"),
        ("schedule", "start_at: 20261201T090000Z", "write 2026-12-01T09:00Z"),
        ("schedule", "start_at: 1796083200000", "write 2026-12-01T00:00:00Z"),
        ("account", "chain: 0x2105", "ids of chains are decimal: write 8453"),
        ("account", "// a note", "write # a note"),
        ("account", "'salt: 1'", "write salt: 1"),
        ("account", "gas_policy: x", "did you mean `gas`?"),
        ("calls", "- pay: {alice: 1 USDC}", "did you mean `usdc`?"),
        ("calls", "- pay: {alice: 5}", "write 5 usdc, or another of: dai, native"),
        ("calls", "- pay: {alice: '1,000 usdc'}", "write 1_000 usdc"),
        ("calls", "- pay: {alice: 5usdc}", "write 5 usdc"),
        ("calls", "- pay: {alice: usdc 5}", "the number comes first: 5 usdc"),
        ("schedule", "start_grace: 90", "write 90s, 90m, 90h, 90d or 90w"),
        ("schedule", "start_grace: 1h30m", "write it in one unit: 90m"),
        ("schedule", "start_grace: 1.5h", "write it as an integer: 90m"),
        ("schedule", "start_grace: 5 min", "write 5m"),
        ("schedule", "timezone: europe/berlin", "did you mean `Europe/Berlin`?"),
        ("schedule", "timezone: Berlin", "did you mean `Europe/Berlin`?"),
        ("account", "chain: arbitrm", "did you mean `arbitrum`?; an EIP-155 id is taken as well"),
        ("session", "receivers: staff", "write [staff]"),
    ],
)
def test_hints_say_how_to_mend(texts, level, text, hint):
    (fault,) = texts.faults(getattr(texts, level)(text).replace("    chain: x\n", ""))

    assert fault.hint == hint


@pytest.mark.parametrize(
    ("level", "text", "secret"),
    [
        ("top", f"description: {KEY}\n", KEY),
        ("top", f"description: my key is 0x{KEY}.\n", KEY),
        ("account", f"address: 0x{KEY}", KEY),
        ("calls", f"- pay: {{to: 0x{KEY}, amount: 1 usdc}}", KEY),
        ("calls", f"- pay: {{0x{KEY}: 1 usdc}}", KEY),
        ("calls", f"- pay: {{alice: 1 usdc}}\n  memo: {PHRASE}", PHRASE),
        ("top", f"description: >\n  {PHRASE[:36]}\n  {PHRASE[37:]}\n", PHRASE[:36]),
        ("session", "receivers:\n  - " + PHRASE.replace(" ", "\n  - "), "legal"),
        ("account", f"private_key: 0x{KEY}", KEY),
        ("top", f"# 0x{KEY}\n", KEY),
        ("top", "description: https://eth.g.alchemy.com/v2/abcDEF123456789xyz\n", "abcDEF123456"),
        ("top", "description: aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF\n", "aB3dE6gH9jK2mN5p"),
        ("top", f"{KEY}: x\n", KEY),
        ("top", f"description: %{KEY}\n", KEY),
        ("top", f"description: {{a: [{KEY}\n", KEY),
    ],
)
def test_secrets_are_refused_and_never_shown(texts, level, text, secret):
    faults = texts.faults(getattr(texts, level)(text))

    shown = "".join(
        f"{render_fault(fault)}{fault!r}{fault.args}{fault_as_json(fault)}{fault.source}"
        for fault in faults
    )
    assert faults
    assert secret not in shown


@pytest.mark.parametrize(
    "text",
    [
        f"- raw: {{to: vault, data: 0x{KEY}}}",
        f"- call: {{contract: vault, function: f(bytes32), args: [0x{KEY}]}}",
        f"- call: {{contract: vault, function: f(uint256), args: [0x{KEY}]}}",
    ],
)
def test_64_hex_digits_are_fine_where_a_field_expects_them(texts, text):
    assert texts.faults(texts.calls(text)) == []


def test_a_secret_in_a_variable_is_refused_as_well(texts):
    faults = texts.faults(texts.top("description: ${D}\n"), {"D": KEY})

    assert [fault.code for fault in faults] == ["P039"]


def test_values_of_variables_are_not_shown(texts):
    faults = texts.faults(texts.schedule("start_grace: ${GRACE}"), {"GRACE": "hunter2"})

    assert [fault.code for fault in faults] == ["P045"]
    assert "hunter2" not in render_fault(faults[0])
    assert "${GRACE}" in render_fault(faults[0])


def test_the_list_of_seed_words_is_there():
    assert len(_word_list()) == 2048


def test_a_fault_reads_as_the_style_says():
    fault = PolicyError(
        "no such thing",
        code="P031",
        where=Mark("policies/payroll.yaml", 18, 14),
        hint="write another",
        source="    lifetime: 45d",
    )

    assert render_fault(fault) == (
        "error[P031]: no such thing\n"
        "  --> policies/payroll.yaml:18:14\n"
        "   |\n"
        "18 |     lifetime: 45d\n"
        "   |              ^\n"
        "hint: write another"
    )


def test_the_caret_of_a_long_line_stays_in_sight():
    source = "x" * 500 + "HERE" + "y" * 500
    fault = PolicyError("w", code="P1", where=Mark("f", 1, 501), source=source)

    _, _, _, line, caret = render_fault(fault).split("\n")

    assert line[caret.index("^")] == "H"
    assert len(line) < 110


def test_text_from_files_cannot_steer_the_terminal():
    fault = PolicyError("a\x1b[2Jb", code="P1", where=Mark("f\x1b", 1, 1), source="\x1b]0;x\x07")

    assert "\x1b" not in render_fault(fault)


def test_json_and_annotations():
    fault = PolicyError(
        "50% of it", code="P031", where=Mark("a,b.yaml", 2, 3), hint="mend", severity="warning"
    )

    assert fault_as_json(fault) == {
        "file": "a,b.yaml",
        "line": 2,
        "column": 3,
        "code": "P031",
        "severity": "warning",
        "message": "50% of it",
        "hint": "mend",
    }
    assert fault_for_github(fault) == (
        "::warning file=a%2Cb.yaml,line=2,col=3,title=P031::50%25 of it%0Ahint: mend"
    )


def test_every_code_is_explained():
    assert set(CATALOGUE) == set(Code)
    assert all(entry.title and entry.about and entry.example for entry in CATALOGUE.values())


@pytest.mark.parametrize(
    "body",
    [
        "at: 2027-03-28T02:30\ntimezone: Europe/Berlin\ndst_gap: fail",
        "at: soon\ndst_fold: last",
        "every: 7\nanchor: 2026-12-01T00:00Z",
    ],
)
def test_of_a_trigger_that_cannot_be_read_no_key_is_called_useless(texts, body):
    with pytest.raises(PolicyErrors) as caught:
        texts.read(texts.body(f"session: salaries\n{body}\npay: {{alice: 1 usdc}}"))

    assert "P900" not in [fault.code for fault in caught.value.faults]
