"""Files beside a policy: books, tables and ABIs; each fault in the file where it stands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from runner.errors import PolicyErrors
from runner.policy.model import Invoke, Pay, Policy
from runner.policy.parse import load_policies
from runner.scheduling.cron import check_cron

ALICE = "0x00000000000000000000000000000000000A11cE"
VAULT = "0x00000000000000000000000000000000000000fa"
ROWS = "to,amount,memo\nalice,2500.50,salary\nvault,10,\n"
ABI = [
    {"type": "constructor", "inputs": []},
    {"type": "function", "name": "deposit", "inputs": [{"type": "uint256", "name": "amount"}]},
    {"type": "function", "name": "f", "inputs": []},
    {"type": "function", "name": "f", "inputs": [{"type": "bool", "name": ""}]},
    {
        "type": "function",
        "name": "batch",
        "inputs": [
            {
                "type": "tuple[]",
                "name": "payments",
                "components": [
                    {"type": "address", "name": "to"},
                    {"type": "uint96", "name": "value"},
                ],
            }
        ],
    },
    {"type": "event", "name": "Deposited", "inputs": []},
]


class Folder:
    """A folder of policies; `§` stands before the character at which the fault must point."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.expected: list[str] = []

    def write(self, name: str, text: str | bytes) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            file.write_bytes(text)
            return
        for start in [at for at, character in enumerate(text) if character == "§"]:
            before = text[:start].replace("§", "")
            line = before.count("\n") + 1
            column = len(before) - before.rfind("\n")
            self.expected.append(f"{name}:{line}:{column}")
        file.write_text(text.replace("§", ""), newline="")

    def load(self, environment: Mapping[str, str] | None = None) -> tuple[Policy, ...]:
        return load_policies([self.path], environment=environment or {}, check_cron=check_cron)

    def faults(self) -> list[tuple[str, str]]:
        with pytest.raises(PolicyErrors) as caught:
            self.load()
        return [
            (fault.code, str(fault.where).removeprefix(f"{self.path}/"))
            for fault in caught.value.faults
            if fault.severity == "error"
        ]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


# ── tables ────────────────────────────────────────────────────────────────────────────────────


def _each(texts, inside: str = "{csv: pay.csv, token: usdc}") -> str:
    return texts.body(f"session: salaries\nevery: 1w\npay_each: {inside}")


def test_each_row_is_a_payment(texts, folder):
    folder.write("p.yaml", _each(texts))
    folder.write("pay.csv", ROWS)

    (policy,) = folder.load()
    first, second = policy.schedules["hosting"].calls

    assert isinstance(first, Pay)
    assert (first.to, first.to_name, first.amount, first.memo) == (
        ALICE,
        "alice",
        2_500_500_000,
        "salary",
    )
    assert str(first.mark).endswith("pay.csv:2:1")
    assert (second.to, second.amount, second.memo, second.ref) == (VAULT, 10_000_000, None, None)


@pytest.mark.parametrize(
    ("rows", "inside"),
    [
        ("\ufeff" + ROWS, "{csv: pay.csv, token: usdc}"),
        (ROWS.replace("\n", "\r\n"), "{csv: pay.csv, token: usdc}"),
        (ROWS + "\n\n", "{csv: pay.csv, token: usdc}"),
        (ROWS.rstrip(), "{csv: pay.csv, token: usdc}"),
        (
            '"to", "amount" ,memo\n alice , "2500.50",salary\n"vault",10,\n',
            "{csv: pay.csv, token: usdc}",
        ),
        ("amount,memo,to\n2500.50 usdc,salary,alice\n10 usdc,,vault\n", "{csv: pay.csv}"),
        (
            "Who,Net,Why\nalice,2500.50,salary\nvault,1e1,\n",
            "{csv: pay.csv, token: usdc, columns: {to: Who, amount: Net, memo: Why}}",
        ),
    ],
)
def test_tables_are_read_as_people_write_them(texts, folder, rows, inside):
    folder.write("p.yaml", _each(texts, inside))
    folder.write("pay.csv", rows)

    (policy,) = folder.load()

    assert [
        (call.to_name, call.amount, call.memo) for call in policy.schedules["hosting"].calls
    ] == [
        ("alice", 2_500_500_000, "salary"),
        ("vault", 10_000_000, None),
    ]


def test_quotes_commas_lines_and_variables_in_a_cell_are_text(texts, folder):
    folder.write("p.yaml", _each(texts))
    folder.write("pay.csv", 'to,amount,memo,ref\nalice,1,"a ""b"", c\nd",${HOME}\n')

    (policy,) = folder.load({"HOME": "/root"})
    (pay,) = policy.schedules["hosting"].calls

    assert (pay.memo, pay.ref) == ('a "b", c\nd', "${HOME}")


@pytest.mark.parametrize(
    ("code", "rows"),
    [
        ("P063", "to,amount\nalice,1\n§alcie,1\n"),
        ("P053", "to,amount\nalice,§1.0000001\n"),
        ("P050", 'to,amount\nalice,§"1,000"\n'),
        ("P055", "to,amount\nalice,§0\n"),
        ("P033", "to,amount\nalice,§\n"),
        ("P033", "to,amount,memo\n§,1,x\n"),
        ("P132", "to,amount\n§alice\n"),
        ("P132", "to,amount\n§alice,1,2\n"),
        ("P132", "to,§to\nalice,1\n"),
        ("P132", 'to,amount\nalice,§"1\n'),
        ("P132", 'to,amount\n§al"ice,1\n'),
        ("P132", "§"),
        ("P007", "to,amount\nali§\u202ece,1\n"),
        ("P061", "to,amount\n§0x036cbD53842c5426634e7929541eC2318f3dCF7e,1\n"),
        (
            "P039",
            "to,amount,memo\nalice,1,§0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318\n",
        ),
    ],
)
def test_faults_of_a_table_point_into_it(texts, folder, code, rows):
    folder.write("p.yaml", _each(texts))
    folder.write("pay.csv", rows)

    assert folder.faults() == [(code, folder.expected[0])]


@pytest.mark.parametrize(
    ("code", "inside", "rows"),
    [
        ("P130", "{csv: §no.csv, token: usdc}", ROWS),
        ("P130", "{csv: §/etc/passwd.csv, token: usdc}", ROWS),
        ("P130", "{csv: §pay.txt, token: usdc}", ROWS),
        ("P130", "{csv: §~/pay.csv, token: usdc}", ROWS),
        ("P132", "{csv: §pay.csv, token: usdc}", "to;amount\nalice;1\n"),
        ("P132", "{csv: pay.csv, token: usdc, columns: {to: §who}}", ROWS),
        ("P133", "{csv: §pay.csv, token: usdc}", "to,amount\n" + "alice,1\n" * 51),
        ("P036", "{csv: §pay.csv, token: usdc}", "to,amount\n"),
        ("P052", "{csv: pay.csv, token: §usd}", ROWS),
        ("P031", "{token: usdc}", ROWS),
    ],
)
def test_faults_of_the_key_point_at_it(texts, folder, code, inside, rows):
    text = _each(texts, inside)
    if code == "P031":
        text = text.replace("pay_each:", "§pay_each:")
    folder.write("p.yaml", text)
    folder.write("pay.csv", rows)

    assert folder.faults() == [(code, folder.expected[0])]


def test_a_receiver_outside_the_session_is_found_in_the_table(texts, folder):
    text = _each(texts).replace("lifetime: 45d\n", "lifetime: 45d\n    receivers: [vault]\n")
    folder.write("p.yaml", text)
    folder.write("pay.csv", "to,amount\nvault,1\n§alice,1\n")

    assert folder.faults() == [("P086", folder.expected[0])]


def test_the_same_payment_twice_is_warned_of_unless_refs_tell_them_apart(texts, folder):
    folder.write("p.yaml", _each(texts))
    folder.write("pay.csv", "to,amount,ref\nalice,1,a\nalice,1,b\nalice,1,a\nalice,2,a\n")

    (policy,) = folder.load()

    assert [(one.code, one.where.line) for one in policy.warnings] == [("P905", 4)]


def test_x7_a_table_may_hold_fifty_rows(texts, folder):
    folder.write("p.yaml", _each(texts))
    folder.write("pay.csv", "to,amount,ref\n" + "".join(f"alice,1,{n}\n" for n in range(50)))

    (policy,) = folder.load()

    assert len(policy.schedules["hosting"].calls) == 50


def test_a_link_shows_no_file_of_another_kind(texts, folder):
    (folder.path / "secret.txt").write_text("password")
    (folder.path / "pay.csv").symlink_to(folder.path / "secret.txt")
    folder.write("p.yaml", _each(texts, "{csv: §pay.csv, token: usdc}"))

    assert folder.faults() == [("P130", folder.expected[0])]


# ── books ─────────────────────────────────────────────────────────────────────────────────────

BOOK = """\
tokens: {usdc: {decimals: 6, address: 0x036CbD53842c5426634e7929541eC2318f3dCF7e}}
contacts: {alice: 0x00000000000000000000000000000000000a11ce}
groups: {staff: [alice]}
defaults: {timezone: Europe/Berlin, overlap: allow}
"""


def _including(texts, books: str = "[shared/book.yaml]", *, own: str = "") -> str:
    return texts.whole(books=own, end=f"include: {books}\n")


def test_names_and_defaults_of_a_book_hold(texts, folder):
    folder.write("p.yaml", _including(texts) + "defaults: {overlap: skip}\n")
    folder.write("shared/book.yaml", BOOK)

    (policy,) = folder.load()

    assert policy.schedules["hosting"].calls[0].to == ALICE
    assert policy.schedules["hosting"].overlap.kind == "skip"
    assert policy.sessions["salaries"].limits.timezone == "Europe/Berlin"
    assert (list(policy.tokens), list(policy.groups)) == (["usdc"], ["staff"])


def test_a_book_beside_its_policies_is_no_policy(texts, folder):
    for name in ("a", "b"):
        text = _including(texts, "[book.yaml]").replace("name: payroll", f"name: {name}")
        folder.write(f"{name}.yaml", text)
    folder.write("book.yaml", BOOK)

    assert [policy.name for policy in folder.load()] == ["a", "b"]


def test_a_fault_of_a_book_is_told_once_in_the_book(texts, folder):
    for name in ("a", "b"):
        text = _including(texts, "[book.yaml]").replace("name: payroll", f"name: {name}")
        folder.write(f"{name}.yaml", text)
    folder.write("book.yaml", BOOK.replace("0x00000000000000000000000000000000000a11ce", "§0x12"))

    assert folder.faults() == [("P060", folder.expected[0])]


def test_a_fault_of_a_default_is_told_once_in_the_book(texts, folder):
    folder.write("p.yaml", _including(texts))
    folder.write("shared/book.yaml", BOOK.replace("overlap: allow", "overlap: §alow"))

    assert folder.faults() == [("P041", folder.expected[0])]


@pytest.mark.parametrize(
    ("code", "books", "own"),
    [
        ("P130", "[§no.yaml]", ""),
        ("P130", "[§shared/book.json]", ""),
        ("P130", "[§shared]", ""),
        ("P015", "[shared/book.yaml, §./shared/book.yaml]", ""),
        ("P015", "[shared/book.yaml, §p.yaml]", ""),
        (
            "P068",
            "[shared/book.yaml]",
            "contacts:\n  §alice: 0x00000000000000000000000000000000000000fa\n",
        ),
        ("P068", "[shared/book.yaml, §shared/other.yaml]", ""),
        (
            "P032",
            "§shared/book.yaml",
            BOOK.partition("groups")[0],
        ),
    ],
)
def test_faults_of_including(texts, folder, code, books, own):
    folder.write("p.yaml", _including(texts, books, own=own))
    folder.write("shared/book.yaml", BOOK)
    folder.write(
        "shared/other.yaml", "contacts: {alice: 0x00000000000000000000000000000000000a11ce}\n"
    )

    assert (code, folder.expected[0]) in folder.faults()


def test_a_policy_is_no_book(texts, folder):
    folder.write("p.yaml", _including(texts))
    folder.write("shared/book.yaml", BOOK + "§accounts: {}\nschedules: {}\n")

    assert ("P131", folder.expected[0]) in folder.faults()


def test_books_do_not_include_books(texts, folder):
    folder.write("p.yaml", _including(texts))
    folder.write("shared/book.yaml", "§include: [other.yaml]\n" + BOOK)

    assert ("P131", folder.expected[0]) in folder.faults()


# ── ABIs ──────────────────────────────────────────────────────────────────────────────────────


def _call(texts, inside: str) -> str:
    return texts.calls(f"- call: {{contract: vault, abi: vault.json, {inside}}}")


@pytest.mark.parametrize("data", [ABI, {"abi": ABI, "bytecode": "0x"}])
@pytest.mark.parametrize(
    ("inside", "function", "args"),
    [
        ("function: deposit, args: {amount: 40 usdc}", "deposit(uint256 amount)", (40_000_000,)),
        ('function: "f(bool)", args: [yes]', "f(bool)", (True,)),
        ("function: f()", "f()", ()),
        (
            "function: batch, args: {payments: [[alice, 1 usdc], [vault, 2]]}",
            "batch((address to, uint96 value)[] payments)",
            (((ALICE, 1_000_000), (VAULT, 2)),),
        ),
    ],
)
def test_a_function_is_found_in_its_abi(texts, folder, data, inside, function, args):
    folder.write("p.yaml", _call(texts, inside))
    folder.write("vault.json", json.dumps(data))

    (policy,) = folder.load()
    (call,) = policy.schedules["hosting"].calls

    assert isinstance(call, Invoke)
    assert (call.function, call.args) == (function, args)


@pytest.mark.parametrize(
    ("code", "inside", "data"),
    [
        ("P134", "function: §withdraw", json.dumps(ABI)),
        ("P134", "function: §f", json.dumps(ABI)),
        ("P134", 'function: §"f(uint256)"', json.dumps(ABI)),
        ("P081", 'function: §"f(nonsense)"', json.dumps(ABI)),
    ],
)
def test_faults_of_a_function_by_abi(texts, folder, code, inside, data):
    folder.write("p.yaml", _call(texts, inside))
    folder.write("vault.json", data)

    assert folder.faults() == [(code, folder.expected[0])]


@pytest.mark.parametrize(
    "data",
    [
        "",
        "{",
        "3",
        '{"abi": 3}',
        "[3]",
        '[{"type": "function"}]',
        "[" * 100_000,
        '["\ud800"]',
        '[{"type":"function","name":1,"inputs":[]}]',
        '[{"name":"f","inputs":[{"type":"tuple"}]}]',
        '[{"name":"f","inputs":[{"type":"tuple","components":5}]}]',
    ],
)
def test_what_is_no_abi_is_told_at_the_key(texts, folder, data):
    text = _call(texts, "function: deposit").replace("abi: ", "abi: §")
    folder.write("p.yaml", text)
    folder.write("vault.json", data.encode("utf-8", "surrogatepass"))

    assert folder.faults() == [("P134", folder.expected[0])]
