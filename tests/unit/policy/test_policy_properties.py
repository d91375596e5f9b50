"""Laws: whatever is written, reading ends in a policy or in faults; amounts are exact."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import pairwise
from time import process_time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.ethereum.units import format_units
from runner.policy.books import Books
from runner.policy.faults import Faults, Refusal
from runner.policy.model import Token
from runner.policy.nodes import Source
from runner.policy.reader import Reader
from runner.policy.source import MAX_BYTES

QUICK = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PIECES = st.sampled_from(
    [
        *["{", "}", "[", "]", ":", ": ", "- ", "\n", "  ", "\t", '"', "'", "#", " #", "*", "&a "],
        *["*a", "|", ">", "%", "@", "`", "!", "!!str ", "<<: ", "---\n", "\u2028", "\r", "\x00"],
        *["${A}", "${", "1,000 ", "f(a,b)", "0x", "e", "9", "null", "? ", ",", "\ufeff", "\ud800"],
    ]
)


def _check(texts, text: str | bytes) -> None:
    """Every fault has words and a place in the file."""
    lines = (text.count("\n") if isinstance(text, str) else text.count(b"\n")) + 1
    for fault in texts.faults(text, {"A": "alice"}):
        assert fault.what
        assert 1 <= fault.where.line <= lines
        assert fault.where.column >= 1


FULL = """\
    session: salaries
    cron: "0 9 1 * *"
    timezone: Europe/Berlin
    calls:
      - pay: {to: alice, amount: 2500 usdc, memo: salary}
      - call: {contract: vault, function: "f(uint256 a)", args: {a: 40 usdc}, value: 0}
    limits: {per_day: [6000 usdc]}
    catch_up: latest
"""


@QUICK
@given(data=st.data())
def test_a_mutated_policy_is_read_or_refused(texts, data):
    text = texts.whole(schedule=FULL)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 12))
        piece = data.draw(st.one_of(PIECES, st.text(max_size=6)))
        text = text[:start] + piece + text[start + length :]

    _check(texts, text)


@QUICK
@given(data=st.data())
def test_lines_in_another_order_are_read_or_refused(texts, data):
    lines = texts.whole(schedule=FULL).split("\n")
    order = data.draw(st.permutations(range(len(lines))))
    keep = data.draw(st.integers(1, len(lines)))

    _check(texts, "\n".join(lines[place] for place in order[:keep]))


@QUICK
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(texts, raw):
    _check(texts, raw)


@pytest.mark.parametrize(
    "text",
    [
        "- " * 30_000,
        "[" * 60_000,
        "{a: " * 20_000,
        "a: " + "- " * 30_000,
        "? " * 30_000,
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in pairwise("abcdefghi")
        ),
        "a: &a {x: 1}\n"
        + "".join(f"b{n}: {{<<: [{','.join(['*a'] * 50)}]}}\n" for n in range(400)),
        "x" * (MAX_BYTES + 1),
        "version: 1\n" * 20_000,
        "cron: */5\n" * 2_000,
        "a: */5\n" * 140_000,
        "a: [" + "1," * 500_000 + "]",
        "a: {" + ",".join(f"k{n}" for n in range(120_000)) + "}",
        "a:" + " " * 1_000_000 + "x: y",
        "a: b #" + "\t" * 1_000_000,
        "a: " + "'\t'" + "\t" * 1_000_000,
        "a: [" + "'\t'," * 200_000 + "]",
        "\x01" * 1_000_000,
        "a: |\n  x" + "\u2028" * 300_000,
        "".join(f"k{n}: 1\n" for n in range(100_000)),
        "a: " + "eyJ" * 300_000,
        "a: x" + "://a:" * 200_000,
        "a: " + "abandon " * 130_000,
        "a: " + "${" * 500_000,
        "a: [" + "f(" * 500_000 + "]",
        "a: *" + " " * 1_000_000 + "x",
    ],
    ids=range(26),
)
def test_hostile_files_end_soon(texts, text):
    started = process_time()

    faults = texts.faults(text)

    assert len(faults) >= 1
    assert process_time() - started < 10


def _books(decimals: int) -> Books:
    books = Books(Reader(Faults(Source("f", "")), {}))
    books.tokens["usdc"] = Token("usdc", decimals, None)
    return books


@QUICK
@given(decimals=st.integers(0, 36), amount=st.integers(0, 2**256 - 1))
def test_amounts_are_exact(decimals, amount):
    text = format_units(amount, decimals)

    asset, read = _books(decimals).amount(f"{text} usdc", None, None)

    assert (asset.name, read) == ("usdc", amount)
    with localcontext() as context:
        context.prec = 120
        assert Decimal(text).scaleb(decimals) == read


@QUICK
@given(decimals=st.integers(0, 36), amount=st.integers(0, 2**200))
def test_one_decimal_more_is_an_error(decimals, amount):
    text = format_units(amount, decimals)
    whole, _, fraction = text.partition(".")

    with pytest.raises(Refusal) as caught:
        _books(decimals).amount(f"{whole}.{fraction:0<{decimals}}1 usdc", None, None)

    assert caught.value.code == "P053"


def test_one_base_unit_more_than_the_largest_is_an_error():
    with pytest.raises(Refusal) as caught:
        _books(0).amount(f"{2**256} usdc", None, None)

    assert caught.value.code == "P054"
