"""Hex integers, byte strings and addresses have one reading each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.adapters.wallet_api.scalars import (
    hex_bytes,
    hex_integer,
    read_address,
    read_bytes,
    read_id,
    read_integer,
    read_number,
)


@given(st.integers(0, 2**256 - 1))
def test_an_integer_is_read_as_it_was_written(value):
    """
    Also with leading zeros and in upper case.
    """
    assert read_integer(hex_integer(value)) == value
    assert read_integer(f"0x000{value:X}") == value


@given(st.binary(max_size=100))
def test_bytes_are_read_as_they_were_written(value):
    """
    Letter case does not matter.
    """
    assert read_bytes(hex_bytes(value)) == value
    assert read_bytes("0x" + value.hex().upper()) == value


BAD_INTEGERS = [
    "0x",
    "",
    "0X1",
    "1",
    "12",
    "-0x1",
    "0x-1",
    "0x1_0",
    " 0x1",
    "0x1\n",
    "0x1g",
    "0x" + "1" * 65,
    "0x١",
    1,
    1.0,
    None,
    True,
    [],
]


@pytest.mark.parametrize("value", BAD_INTEGERS)
def test_other_spellings_of_an_integer_are_refused(value):
    """
    Decimal strings, JSON numbers, blanks, underscores and foreign digits are no hex integers.
    """
    with pytest.raises(ValueError, match=r"hex integer|bits"):
        read_integer(value)


def test_a_number_has_32_bits():
    """
    HexNumber ends at 2^32 - 1.
    """
    assert read_number("0xffffffff") == 2**32 - 1
    with pytest.raises(ValueError, match="32 bits"):
        read_number("0x100000000")


@pytest.mark.parametrize("value", ["0x1", "1234", "0X12", "0xhello", "0x12\n", None, 18, "0x 1"])
def test_other_spellings_of_bytes_are_refused(value):
    """
    Half bytes above all.
    """
    with pytest.raises(ValueError, match="byte string"):
        read_bytes(value)


def test_an_address_gets_its_checksum_whatever_its_case():
    """
    The service mixes cases; what we hold is spelled one way.
    """
    right = "0x76E765e80FFAC96ac10Aa8908a8267A3B80d606D"

    for spelling in (right, right.lower(), "0x" + right[2:].upper(), right.replace("E7", "e7")):
        assert read_address(spelling) == right
    for wrong in (right[:-2], right + "00", "0x", None):
        with pytest.raises(ValueError, match="not a"):
            read_address(wrong)


def test_an_id_is_kept_as_it_is_spelled():
    """
    Ids are opaque, but never empty.
    """
    assert read_id("0xAb") == "0xAb"
    with pytest.raises(ValueError, match="empty"):
        read_id("0x")
