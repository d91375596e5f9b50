"""
Amounts are read exactly or not at all.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import EncodingError
from runner.ethereum.units import MAX_UINT256, format_units, parse_units

AMOUNTS = st.integers(0, MAX_UINT256)
DECIMALS = st.integers(0, 36)


@pytest.mark.parametrize(
    ("text", "decimals", "amount"),
    [
        ("0", 18, 0),
        ("1", 0, 1),
        ("2500", 6, 2_500_000_000),
        ("1_000", 6, 1_000_000_000),
        ("0.25", 18, 250_000_000_000_000_000),
        ("007", 0, 7),
        ("1e3", 0, 1000),
        ("1E+3", 0, 1000),
        ("25e-2", 2, 25),
        ("1.500", 1, 15),
        ("1_0.0_1", 2, 1001),
        ("0e999", 18, 0),
        ("0e-999", 0, 0),
        (str(MAX_UINT256), 0, MAX_UINT256),
    ],
)
def test_reads(text, decimals, amount):
    assert parse_units(text, decimals) == amount


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "+1",
        "-1",
        ".5",
        "5.",
        "1__0",
        "_1",
        "1_",
        "1._5",
        "1,5",
        "1e",
        "1e1.0",
        "e5",
        "0x10",
        "NaN",
        "inf",
        "١",
        "1\n",
        "1" * 201,
        "1e1000",
    ],
)
def test_refuses_what_is_no_number(text):
    with pytest.raises(EncodingError, match="not an amount"):
        parse_units(text, 18)


@pytest.mark.parametrize(("text", "decimals"), [("0.1", 0), ("1.2345678", 6), ("1e-7", 6)])
def test_refuses_more_decimals_than_the_token_has(text, decimals):
    with pytest.raises(EncodingError, match="decimals"):
        parse_units(text, decimals)


@pytest.mark.parametrize("text", [str(MAX_UINT256 + 1), "1e78", "1e999"])
def test_refuses_more_than_a_uint256(text):
    with pytest.raises(EncodingError, match=r"2\*\*256"):
        parse_units(text, 0)


@pytest.mark.parametrize(
    ("amount", "decimals", "text"),
    [
        (0, 18, "0"),
        (1_500_000, 6, "1.5"),
        (1, 18, "0.000000000000000001"),
        (10**18, 18, "1"),
        (1200, 0, "1200"),
        (-1_500_000, 6, "-1.5"),
    ],
)
def test_writes_the_shortest_text(amount, decimals, text):
    assert format_units(amount, decimals) == text


@given(AMOUNTS, DECIMALS)
def test_parsing_undoes_formatting(amount, decimals):
    assert parse_units(format_units(amount, decimals), decimals) == amount


@given(st.text(alphabet="0123456789_.eE+-", max_size=12), DECIMALS)
def test_raises_nothing_else(text, decimals):
    try:
        amount = parse_units(text, decimals)
    except EncodingError:
        return
    assert 0 <= amount <= MAX_UINT256
