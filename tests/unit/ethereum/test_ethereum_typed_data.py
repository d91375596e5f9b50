"""
Typed data: the digests of EIP-712 and of eth-account, and nothing sloppy.
"""

import time
from dataclasses import replace

import pytest
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import EncodingError
from runner.ethereum.hashing import keccak256
from runner.ethereum.typed_data import (
    Field,
    TypedData,
    domain_separator,
    encode_type,
    hash_struct,
    typed_data_digest,
)

# The example of EIP-712.
MAIL = TypedData(
    domain={
        "name": "Ether Mail",
        "version": "1",
        "chainId": 1,
        "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
    },
    types={
        "Person": (Field("name", "string"), Field("wallet", "address")),
        "Mail": (Field("from", "Person"), Field("to", "Person"), Field("contents", "string")),
    },
    primary_type="Mail",
    message={
        "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
        "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
        "contents": "Hello, Bob!",
    },
)
TYPES = {
    "Item": (Field("a", "uint8[2][]"), Field("b", "bytes"), Field("c", "bool")),
    "Order": (
        Field("items", "Item[]"),
        Field("note", "string"),
        Field("tag", "bytes4"),
        Field("low", "int16"),
        Field("to", "address"),
        Field("first", "Item"),
    ),
}
BYTE = st.integers(0, 255)
ITEM = st.fixed_dictionaries(
    {
        "a": st.lists(st.tuples(BYTE, BYTE).map(list), max_size=3),
        "b": st.binary(max_size=40),
        "c": st.booleans(),
    }
)
ORDER = st.fixed_dictionaries(
    {
        "items": st.lists(ITEM, max_size=3),
        "note": st.text("aé漢🙂", max_size=10),
        "tag": st.binary(min_size=4, max_size=4),
        "low": st.integers(-(2**15), 2**15 - 1),
        "to": st.just("0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"),
        "first": ITEM,
    }
)


def test_mail_example():
    separator = "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f"
    digest = "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"

    assert encode_type("Mail", MAIL.types) == (
        "Mail(Person from,Person to,string contents)Person(string name,address wallet)"
    )
    assert domain_separator(MAIL.domain).hex() == separator
    assert typed_data_digest(MAIL).hex() == digest


def listed(types):
    return {name: [field._asdict() for field in fields] for name, fields in types.items()}


@given(ORDER)
def test_hashes_like_eth_account(message):
    theirs = encode_typed_data(MAIL.domain, listed(TYPES), message)
    assert hash_struct("Order", message, TYPES) == theirs.body


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.text("aé漢🙂", max_size=5),
            "version": st.text("aé漢🙂", max_size=5),
            "chainId": st.integers(0, 2**256 - 1),
            "verifyingContract": st.just("0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"),
            "salt": st.binary(min_size=32, max_size=32),
        },
    ).filter(bool)
)
def test_domains_like_eth_account(domain):
    theirs = encode_typed_data(domain, listed(MAIL.types), MAIL.message)
    assert domain_separator(domain) == theirs.header


def test_lists_the_types_of_a_cycle_once():
    types = {"A": (Field("b", "B[]"),), "B": (Field("a", "A[]"), Field("n", "uint8"))}

    assert encode_type("B", types) == "B(A[] a,uint8 n)A(B[] b)"
    assert len(hash_struct("A", {"b": [{"a": [], "n": 1}]}, types)) == 32


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint48", 2**48),
        ("uint48", -1),
        ("uint256", True),
        ("uint256", "0x1"),
        ("bool", 1),
        ("bytes32", b"\0" * 31),
        ("bytes32", "0x" + "00" * 32),
        ("bytes", "0x00"),
        ("bytes", None),
        ("string", b"a"),
        ("address", "0xcD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"),
        ("uint8[2]", [1]),
        ("uint8[]", 1),
        ("uint8[]", [1, 256]),
        ("uint8[][]", [1]),
        ("uint", 1),
        ("uint7", 1),
        ("Nothing", {}),
        ("uint8[0]", []),
        ("[]", []),
        ("", 1),
    ],
)
def test_refuses_a_value_of_another_type(kind, value):
    with pytest.raises(EncodingError):
        hash_struct("T", {"x": value}, {"T": (Field("x", kind),)})


@pytest.mark.parametrize(
    "changed",
    [
        {"domain": {}},
        {"domain": MAIL.domain | {"extra": 1}},
        {"domain": MAIL.domain | {"chainId": "0x1"}},
        {"primary_type": "Person"},
        {"primary_type": "Nothing"},
        {"message": MAIL.message | {"extra": 1}},
        {"message": {k: v for k, v in MAIL.message.items() if k != "to"}},
        {"message": MAIL.message | {"to": "Bob"}},
        {"message": MAIL.message | {"to": None}},
        {"message": None},
        {"message": MAIL.message | {1: 2}},
        {"types": {**MAIL.types, "EIP712Domain": (Field("name", "string"),)}},
        {"types": {**MAIL.types, "Person": ()}},
        {"types": {**MAIL.types, "Person": (Field("name", "string"),) * 2}},
        {"types": {**MAIL.types, "Person": (Field("na me", "string"), Field("wallet", "address"))}},
        {"types": {"Mail": MAIL.types["Mail"]}},
    ],
)
def test_refuses_malformed_typed_data(changed):
    with pytest.raises(EncodingError):
        typed_data_digest(replace(MAIL, **changed))


def test_refuses_endless_nesting():
    value = lists = []
    for _ in range(100):
        value, lists = [{"a": value}], [lists]
    with pytest.raises(EncodingError, match="deeper"):
        hash_struct("A", {"a": value}, {"A": (Field("a", "A[]"),)})
    with pytest.raises(EncodingError, match="deeper"):
        hash_struct("A", {"a": lists}, {"A": (Field("a", "uint8" + "[]" * 50),)})


def test_every_part_enters_the_digest():
    digests = {
        typed_data_digest(data)
        for data in (
            MAIL,
            replace(MAIL, domain=MAIL.domain | {"chainId": 2}),
            replace(MAIL, domain={k: v for k, v in MAIL.domain.items() if k != "version"}),
            replace(MAIL, message=MAIL.message | {"contents": "Hello, Bob"}),
        )
    }
    assert len(digests) == 4
    assert keccak256(b"") not in digests


@pytest.mark.parametrize(
    "types",
    [
        {f"T{n}": (Field("x", "uint256"),) for n in range(257)} | {"T": (Field("x", "uint256"),)},
        {"T": (Field("x", "uint256"), *(Field(f"y{n}", "uint256") for n in range(4096)))},
        {"T": (Field("x", "uint256" + 70 * "[]"),)},
    ],
)
def test_refuses_more_types_than_anyone_would_read(types):
    with pytest.raises(EncodingError, match=r"more types|too long"):
        hash_struct("T", {"x": 1}, types)


def test_many_values_of_one_type_are_hashed_in_no_time():
    """
    A type is hashed once: its text grows with every type it refers to, values are many.
    """
    chain = {f"T{n}": (Field("next", f"T{n + 1}[]"),) for n in range(250)}
    types = chain | {"T250": (Field("x", "uint8"),), "Root": (Field("all", "T0[]"),)}
    started = time.process_time()

    digest = hash_struct("Root", {"all": [{"next": []}] * 20_000}, types)

    assert len(digest) == 32
    assert time.process_time() - started < 5
