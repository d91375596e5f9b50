"""
Addresses: one spelling each, and nothing that is not one.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import EncodingError
from runner.ethereum import contracts, user_operation
from runner.ethereum.address import (
    ZERO_ADDRESS,
    address_bytes,
    address_from_bytes,
    parse_address,
)
from runner.ethereum.hashing import keccak256

# The examples of EIP-55.
CHECKSUMMED = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]
CONSTANTS = [
    (module.__name__, name)
    for module in (contracts, user_operation)
    for name, value in vars(module).items()
    if isinstance(value, str) and value.startswith("0x")
]


@pytest.mark.parametrize("text", CHECKSUMMED)
def test_accepts_the_checksum_and_a_single_case(text):
    assert parse_address(text) == text
    assert parse_address(text.lower()) == text
    assert parse_address("0x" + text[2:].upper()) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed0",
        "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed00",
        "0X5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg",
        " 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed\n",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeA٣٣",
        0x5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED,
        None,
    ],
)
def test_refuses_what_is_no_address(text):
    with pytest.raises(EncodingError, match="not an address"):
        parse_address(text)


def test_refuses_a_wrong_checksum_and_shows_the_right_one():
    with pytest.raises(EncodingError, match="wrong checksum") as caught:
        parse_address("0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")

    assert "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed" in caught.value.hint


@given(st.binary(min_size=20, max_size=20))
def test_bytes_and_text_undo_each_other(raw):
    assert address_bytes(parse_address(address_from_bytes(raw))) == raw


@given(st.binary(max_size=40).filter(lambda raw: len(raw) != 20))
def test_refuses_other_sizes(raw):
    with pytest.raises(EncodingError):
        address_from_bytes(raw)


@pytest.mark.parametrize("text", ["", "0x11", "11" * 21, "0x" + "z" * 40, "0x" + "1 " * 20])
def test_bytes_of_what_is_no_address(text):
    with pytest.raises(EncodingError):
        address_bytes(text)


@pytest.mark.parametrize(("module", "name"), CONSTANTS)
def test_constants_are_checksummed(module, name):
    value = {"runner.ethereum.contracts": contracts}.get(module, user_operation)
    address = getattr(value, name)
    assert parse_address(address.lower()) == address


def test_zero_address():
    assert parse_address("0x" + "00" * 20) == ZERO_ADDRESS


def test_keccak_of_nothing():
    # The value that the yellow paper gives for the hash of empty code.
    empty = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak256(b"").hex() == empty
